#pragma once

#include <bit>
#include <memory>
#include <vector>

#include "domain/checks/plan.h"
#include "domain/checks/rule_counter.h"
#include "domain/checks/seen.h"

namespace slipway::checks {

/// The accumulators of one column.
class ColumnFill {
 public:
  /// The one for the field's type. `plan` must outlive it.
  static std::unique_ptr<ColumnFill> make(const ColumnPlan& plan, const table::Field& field);
  virtual ~ColumnFill() = default;
  ColumnFill(const ColumnFill&) = delete;
  ColumnFill& operator=(const ColumnFill&) = delete;

  /// The next rows; at most table::kChunkRowsMax.
  void add(const table::ColumnView& view, std::size_t rows) {
    fill(view, rows);
    profile_.rows += static_cast<std::int64_t>(rows);
  }
  /// Of all rows so far.
  virtual ColumnProfile result() const;

 protected:
  ColumnFill(const ColumnPlan& plan, const table::Field& field);

  /// Called while profile_.rows counts the rows before.
  virtual void fill(const table::ColumnView& view, std::size_t rows) = 0;

  const ColumnPlan* plan_;
  ColumnProfile profile_;
  Seen seen_;
  std::vector<RuleCounter> rules_;
};

/// Numbers, dates, times and bools.
std::unique_ptr<ColumnFill> make_number_fill(const ColumnPlan& plan, const table::Field& field);
std::unique_ptr<ColumnFill> make_text_fill(const ColumnPlan& plan, const table::Field& field);

/// How many of the cells are not null.
std::size_t count_present(const table::ColumnView& view, std::size_t rows);

/// what(row) for each cell that is not null.
template <class What>
void each_present(const table::ColumnView& view, std::size_t rows, What what) {
  if (view.valid == nullptr) {
    for (std::size_t row = 0; row < rows; ++row) what(row);
    return;
  }
  for (std::size_t begin = 0; begin < rows; begin += 64) {
    std::uint64_t bits = view.valid[begin / 64];
    if (rows - begin < 64) bits &= (std::uint64_t{1} << (rows - begin)) - 1;
    for (; bits != 0; bits &= bits - 1)
      what(begin + static_cast<std::size_t>(std::countr_zero(bits)));
  }
}

}  // namespace slipway::checks
