#include <algorithm>
#include <unordered_map>

#include "domain/features/lookup.h"

namespace slipway::features {
namespace {

constexpr std::size_t kRowsPerCall = 5'000;

/// A source row that may be written.
struct Candidate {
  std::uint32_t row = 0;
  std::int64_t event_us = 0, created_us = kNoCreated;
  auto rank() const { return std::tuple(event_us, created_us, row); }
};

class Chooser {
 public:
  Chooser(const Plan& plan, const Table& source) : plan_(plan), source_(source) {
    for (const Input& key : plan.view().entity) keys_.push_back(source.find(key.name));
    for (const Input& input : plan.row_scope()) scope_.push_back(source.find(input.name));
    times_ = source.find(plan.view().source.event_time);
    if (!plan.view().source.created.empty()) created_ = source.find(plan.view().source.created);
  }

  std::vector<Put> puts(std::int64_t until_us, Materialized& report) {
    read_candidates(until_us, report);
    Calculator calculator(plan_);
    const std::vector<Column> operands = calculator.operands(scope_, source_.rows, report.faults);
    std::vector<Put> puts;
    const Candidate* before = nullptr;
    for (const Candidate& candidate : candidates_) {
      const bool same_time = before != nullptr && before->event_us == candidate.event_us &&
                             before->created_us == candidate.created_us;
      if (!same_time) at_this_time_.clear();
      before = &candidate;
      const std::uint64_t n = ++at_this_time_[packed_[candidate.row]];
      if (!is_wanted(candidate)) continue;
      puts.push_back(put_of(candidate, operands));
      puts.back().order = nth_at_its_time(n);
    }
    report.written = puts.size();
    report.entities = newest_.size();
    return puts;
  }

 private:
  void read_candidates(std::int64_t until_us, Materialized& report) {
    report.rows = source_.rows;
    packed_.resize(source_.rows);
    for (std::uint32_t row = 0; row < source_.rows; ++row) {
      Candidate candidate{row, times_->ints[row], kNoCreated};
      if (created_ != nullptr && created_->valid[row] != 0)
        candidate.created_us = created_->ints[row];
      if (times_->valid[row] != 0 && candidate.event_us <= until_us)
        packed_[row] = pack_key(keys_, row);
      if (packed_[row].empty()) {
        ++report.skipped;
        continue;
      }
      report.newest_us = std::max(report.newest_us, candidate.event_us);
      const auto [place, is_new] = newest_.try_emplace(packed_[row], candidate);
      if (!is_new && place->second.rank() < candidate.rank()) place->second = candidate;
      candidates_.push_back(candidate);
    }
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.rank() < b.rank(); });
  }

  bool is_wanted(const Candidate& candidate) const {
    const Candidate& newest = newest_.at(packed_[candidate.row]);
    if (newest.row == candidate.row) return true;
    return !plan_.view().aggregates.empty() &&
           candidate.event_us >= newest.event_us - plan_.view().reach_us() - kLookBackUs;
  }

  Put put_of(const Candidate& candidate, const std::vector<Column>& operands) const {
    Put put;
    put.key = packed_[candidate.row];
    put.event_us = candidate.event_us;
    put.created_us = candidate.created_us;
    for (std::size_t column : plan_.stored_in_row()) {
      put.values.push_back(scope_[column]->at(candidate.row));
    }
    for (const Column& operand : operands) put.operands.push_back(operand.at(candidate.row));
    return put;
  }

  const Plan& plan_;
  const Table& source_;
  std::vector<const Column*> keys_, scope_;
  const Column* times_ = nullptr;
  const Column* created_ = nullptr;
  std::vector<std::string> packed_;
  std::vector<Candidate> candidates_;
  std::unordered_map<std::string, Candidate> newest_;
  std::unordered_map<std::string_view, std::uint64_t> at_this_time_;  // rows of each entity
};

}  // namespace

Result<std::vector<Put>> puts_of(const Plan& plan, const Table& source, std::int64_t until_us,
                                 Materialized& report) {
  for (const Input& input : plan.row_scope()) {
    const Column* column = source.find(input.name);
    if (column == nullptr || column->type != input.type) {
      return invalid("the source of " + plan.view().name + " has no " + to_string(input.type) +
                     " column '" + input.name + "'");
    }
  }
  return Chooser(plan, source).puts(until_us, report);
}

Result<Materialized> materialize(OnlineStore& store, const Plan& plan, const Table& source,
                                 std::int64_t until_us) {
  const OnlineStore::ViewNumber number = TRY(store.define(stored_view(plan)));
  Materialized report;
  std::vector<Put> puts = TRY(puts_of(plan, source, until_us, report));
  for (std::size_t first = 0; first < puts.size(); first += kRowsPerCall) {
    const auto begin = puts.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end =
        puts.begin() + static_cast<std::ptrdiff_t>(std::min(puts.size(), first + kRowsPerCall));
    TRY(store.put(number,
                  std::vector<Put>(std::make_move_iterator(begin), std::make_move_iterator(end))));
  }
  return report;
}

}  // namespace slipway::features
