#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/tracking/search.h"

// The runs of an experiment as columns in memory, and searches in them: the same runs in the same
// order as run_search_sql() finds. Pure; who keeps the columns right is run_images.h.
namespace slipway::tracking {

/// A metric's latest value or a part of it, a param, a tag or an attribute of every run.
struct ColumnName {
  Field field = Field::kAttribute;
  std::string key;
  auto operator<=>(const ColumnName&) const = default;
};

enum class CellState : std::uint8_t { kHere, kNan, kMissing };
enum class ColumnKind { kReal, kWhole, kText };

struct Cell {
  CellState state = CellState::kMissing;
  double real = 0;
  std::int64_t whole = 0;
  std::string text;
};

/// A cell for each run; only the values of its kind are kept.
class Column {
 public:
  Column(ColumnKind kind, std::size_t rows);
  void set(std::size_t row, Cell cell);
  bool holds(std::size_t row, const Cell& cell) const;
  void resize(std::size_t rows);

  ColumnKind kind() const { return kind_; }
  std::size_t size() const { return states_.size(); }
  CellState state(std::size_t row) const { return states_[row]; }
  double real(std::size_t row) const { return reals_[row]; }
  std::int64_t whole(std::size_t row) const { return wholes_[row]; }
  const std::string& text(std::size_t row) const { return texts_[row]; }
  Cell cell(std::size_t row) const;
  std::size_t bytes() const;

 private:
  ColumnKind kind_;
  std::vector<CellState> states_;
  std::vector<double> reals_;
  std::vector<std::int64_t> wholes_;
  std::vector<std::string> texts_;
  std::size_t text_bytes_ = 0;  // beyond what lies in the strings themselves
};

/// What every search needs of each run; rows are ordered by key.
struct RunRows {
  std::vector<std::int64_t> keys;  // runs.id, ascending
  std::vector<std::string> run_ids;
  std::vector<UnixMs> start_ms;
  std::vector<std::uint8_t> deleted;
  std::optional<std::size_t> find(std::int64_t key) const;
  std::size_t bytes() const { return keys.size() * 128; }
};

/// One experiment as a search sees it.
struct RunImage {
  std::shared_ptr<const RunRows> rows;
  std::map<ColumnName, std::shared_ptr<const Column>> columns;
};

/// The columns that a search needs; nothing for one that is left to SQL (datasets, operands of
/// another kind than the field's, patterns that are long, alternatives and groups).
std::optional<std::vector<ColumnName>> columns_of(const RunQuery& query);
ColumnKind kind_of(const ColumnName& name);

/// The rows of the runs found, in no order and without a limit.
std::vector<std::uint32_t> matching_rows(const RunImage& image, const RunQuery& query);

/// The keys of the runs found, `query.limit` + 1 of them.
std::vector<std::int64_t> find_runs(std::span<const RunImage> images, const RunQuery& query);

/// LIKE: % and _ are wildcards, _ for one character; no escape.
bool is_like(std::string_view text, std::string_view pattern);

}  // namespace slipway::tracking
