#include "domain/checks/column_fill.h"
#include "domain/checks/plan.h"
#include "domain/checks/stable_hash.h"

namespace slipway::checks {
namespace {

using table::ColumnView;
using table::Type;

std::uint64_t cell_hash(const ColumnView& view, std::size_t row) {
  switch (view.type) {
    case Type::kBool:
      return hash_of(std::int64_t{view.bools[row]});
    case Type::kInteger:
    case Type::kDate:
    case Type::kTimestamp:
      return hash_of(view.integers[row]);
    case Type::kReal:
      return hash_of(view.reals[row]);
    case Type::kText:
      return hash_of(view.texts[row].view());
    case Type::kOther:
      return 0;
  }
  return 0;
}

/// The uniqueness of several columns together.
struct KeyFill {
  std::vector<std::string> names;
  std::vector<std::size_t> columns;
  Seen seen;

  void add(const table::Chunk& chunk) {
    for (std::size_t row = 0; row < chunk.rows; ++row) {
      std::uint64_t hash = 0;
      bool whole = true;
      for (std::size_t column : columns) {
        const ColumnView& view = chunk.columns[column];
        whole = whole && view.is_valid(row);
        if (whole) hash = mix64(hash * 31 + cell_hash(view, row));
      }
      if (whole) seen.add(hash);
    }
  }
};

std::optional<std::size_t> index_of(const std::vector<table::Field>& fields,
                                    std::string_view name) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) return i;
  }
  return std::nullopt;
}

}  // namespace

struct Profiler::State {
  Plan plan;
  std::vector<std::unique_ptr<ColumnFill>> columns;
  std::vector<std::size_t> sources;  // of each, its place in a chunk
  std::vector<KeyFill> keys;
  std::int64_t rows = 0;
};

Profiler::Profiler(const Plan& plan, const std::vector<table::Field>& fields)
    : state_(std::make_unique<State>()) {
  state_->plan = plan;
  for (const ColumnPlan& column : state_->plan.columns) {
    auto index = index_of(fields, column.column);
    if (!index) continue;
    state_->columns.push_back(ColumnFill::make(column, fields[*index]));
    state_->sources.push_back(*index);
  }
  for (const std::vector<std::string>& names : state_->plan.keys) {
    KeyFill key{names, {}, Seen()};
    for (const std::string& name : names) {
      if (auto index = index_of(fields, name)) key.columns.push_back(*index);
    }
    if (key.columns.size() == names.size()) state_->keys.push_back(std::move(key));
  }
}

Profiler::~Profiler() = default;
Profiler::Profiler(Profiler&&) noexcept = default;

void Profiler::add(const table::Chunk& chunk) {
  for (std::size_t i = 0; i < state_->columns.size(); ++i)
    state_->columns[i]->add(chunk.columns[state_->sources[i]], chunk.rows);
  for (KeyFill& key : state_->keys) key.add(chunk);
  state_->rows += static_cast<std::int64_t>(chunk.rows);
}

Profile Profiler::profile() const {
  Profile profile;
  profile.rows = state_->rows;
  for (const auto& column : state_->columns) profile.columns.push_back(column->result());
  for (const KeyFill& key : state_->keys) profile.keys.push_back({key.names, key.seen.result()});
  return profile;
}

}  // namespace slipway::checks
