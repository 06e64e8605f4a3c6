#include "domain/features/plan.h"

#include "domain/features/point_in_time.h"

namespace slipway::features {

Result<Plan> Plan::make(View view) {
  Plan plan;
  plan.id_ = view.id();
  plan.row_scope_ = view.entity;
  plan.row_scope_.insert(plan.row_scope_.end(), view.source.columns.begin(),
                         view.source.columns.end());
  for (const Operand& operand : view.operands) {
    plan.operands_.push_back(TRY(compile(operand.expression, plan.row_scope_, operand.type)));
  }
  const std::vector<Input> scope = view.scope();
  for (const Feature& feature : view.features) {
    Program program = TRY(compile(feature.expression, scope, feature.type));
    // What reads() names is ascending, and the stored columns come first.
    plan.needs_row_.push_back(!program.reads().empty() &&
                              program.reads().front() < view.stored.size());
    plan.features_.push_back(std::move(program));
  }
  for (const Input& stored : view.stored) {
    for (std::size_t i = view.entity.size(); i < plan.row_scope_.size(); ++i) {
      if (plan.row_scope_[i].name == stored.name) plan.stored_in_row_.push_back(i);
    }
  }
  plan.view_ = std::make_shared<const View>(std::move(view));
  return plan;
}

std::vector<Type> Plan::operand_types() const {
  std::vector<Type> types;
  for (const Operand& operand : view_->operands) types.push_back(operand.type);
  return types;
}

Calculator::Calculator(const Plan& plan) : plan_(plan) {
  for (const Program& program : plan.operands()) operand_evaluators_.emplace_back(program);
  for (const Program& program : plan.features()) feature_evaluators_.emplace_back(program);
}

std::vector<Column> Calculator::operands(std::span<const Column* const> columns, std::size_t rows,
                                         Faults& faults) {
  std::vector<Column> all;
  for (Evaluator& evaluator : operand_evaluators_) {
    all.push_back(evaluator.columns(columns, rows, faults));
  }
  return all;
}

std::vector<Value> Calculator::operands_of(std::span<const Value> row, Faults& faults) {
  std::vector<Value> all;
  for (Evaluator& evaluator : operand_evaluators_) all.push_back(evaluator.row(row, faults));
  return all;
}

Column Calculator::outputs_where_found(std::size_t feature, std::span<const Column* const> scope,
                                       std::span<const std::uint8_t> found,
                                       const std::vector<std::uint32_t>& rows, Faults& faults) {
  std::vector<Column> gathered(scope.size());
  std::vector<const Column*> some(scope.size(), nullptr);
  for (std::size_t input : plan_.features()[feature].reads()) {
    gathered[input] = gather(*scope[input], rows);
    some[input] = &gathered[input];
  }
  const Column values = feature_evaluators_[feature].columns(some, rows.size(), faults);
  Column out(values.type);
  out.reserve(found.size());
  std::size_t next = 0;
  for (std::uint8_t is_found : found) {
    if (is_found == 0)
      out.push_null();
    else
      out.push_from(values, next++);
  }
  return out;
}

std::vector<Column> Calculator::outputs(std::span<const Column* const> scope,
                                        std::span<const std::uint8_t> found, Faults& faults) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < found.size(); ++row) {
    if (found[row] != 0) rows.push_back(row);
  }
  std::vector<Column> all;
  for (std::size_t i = 0; i < feature_evaluators_.size(); ++i) {
    if (plan_.needs_row(i) && rows.size() < found.size()) {
      all.push_back(outputs_where_found(i, scope, found, rows, faults));
    } else {
      all.push_back(feature_evaluators_[i].columns(scope, found.size(), faults));
    }
  }
  for (std::size_t i = 0; i < plan_.view().aggregates.size(); ++i) {
    all.push_back(*scope[first_aggregate() + i]);
  }
  return all;
}

std::vector<Value> Calculator::outputs_of(std::span<const Value> scope, bool found,
                                          Faults& faults) {
  std::vector<Value> all;
  all.reserve(feature_evaluators_.size() + plan_.view().aggregates.size());
  for (std::size_t i = 0; i < feature_evaluators_.size(); ++i) {
    if (plan_.needs_row(i) && !found)
      all.emplace_back();
    else
      all.push_back(feature_evaluators_[i].row(scope, faults));
  }
  for (std::size_t i = 0; i < plan_.view().aggregates.size(); ++i) {
    all.push_back(scope[first_aggregate() + i]);
  }
  return all;
}

std::vector<Value> Calculator::aggregates(const History* history, std::int64_t at_us,
                                          bool created_cutoff, Faults& faults) const {
  std::vector<Value> all;
  all.reserve(plan_.view().aggregates.size());
  for (const Aggregate& aggregate : plan_.view().aggregates) {
    Summary summary;
    if (history != nullptr) {
      summary = history->summary(aggregate.operand, aggregate.window, at_us, created_cutoff);
    }
    bool overflow = false;
    all.push_back(
        summary.value(aggregate.function, plan_.view().operands[aggregate.operand].type, overflow));
    if (overflow) ++faults.overflows;
  }
  return all;
}

}  // namespace slipway::features
