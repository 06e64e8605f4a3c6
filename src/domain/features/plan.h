#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "domain/features/aggregate.h"
#include "domain/features/expression.h"
#include "domain/features/view.h"

// A view made ready to compute: what a source row gives to the store, and what the stored values,
// the aggregates and a request give to the answer. Offline and online call the same functions, on
// columns and on one row.
namespace slipway::features {

/// The compiled expressions of a view. Immutable; any thread; cheap to copy.
class Plan {
 public:
  /// kInvalid only for a view that parse_view would not have accepted.
  static Result<Plan> make(View view);

  const View& view() const { return *view_; }
  /// "NAME@DIGEST".
  const std::string& id() const { return id_; }
  /// What expressions over source rows may name: keys, then source columns.
  const std::vector<Input>& row_scope() const { return row_scope_; }
  const std::vector<Program>& operands() const { return operands_; }
  const std::vector<Program>& features() const { return features_; }
  /// Whether feature i reads a stored column, and so is null where no row was found.
  bool needs_row(std::size_t feature) const { return needs_row_[feature]; }
  /// Places in row_scope() of the columns that are stored.
  const std::vector<std::size_t>& stored_in_row() const { return stored_in_row_; }
  std::vector<Type> operand_types() const;

 private:
  std::shared_ptr<const View> view_;
  std::string id_;
  std::vector<Input> row_scope_;
  std::vector<Program> operands_, features_;
  std::vector<bool> needs_row_;
  std::vector<std::size_t> stored_in_row_;
};

/// Computes for one plan. One thread.
class Calculator {
 public:
  explicit Calculator(const Plan& plan);

  /// The operands of source rows; `columns` in the order of row_scope().
  std::vector<Column> operands(std::span<const Column* const> columns, std::size_t rows,
                               Faults& faults);
  std::vector<Value> operands_of(std::span<const Value> row, Faults& faults);

  /// The outputs of View::outputs(). `scope` in the order of View::scope(); where `found` is 0
  /// there was no row, and the stored columns are null.
  std::vector<Column> outputs(std::span<const Column* const> scope,
                              std::span<const std::uint8_t> found, Faults& faults);
  std::vector<Value> outputs_of(std::span<const Value> scope, bool found, Faults& faults);

  /// The aggregates at `at_us`, in their order; null history: no events.
  std::vector<Value> aggregates(const History* history, std::int64_t at_us, bool created_cutoff,
                                Faults& faults) const;

  const Plan& plan() const { return plan_; }

 private:
  Column outputs_where_found(std::size_t feature, std::span<const Column* const> scope,
                             std::span<const std::uint8_t> found,
                             const std::vector<std::uint32_t>& rows, Faults& faults);
  std::size_t first_aggregate() const { return plan_.view().stored.size(); }

  Plan plan_;
  std::vector<Evaluator> operand_evaluators_, feature_evaluators_;
};

}  // namespace slipway::features
