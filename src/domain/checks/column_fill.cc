#include "domain/checks/column_fill.h"

namespace slipway::checks {
namespace {

using table::ColumnView;
using table::Type;

/// Of what has no values for us.
class OtherFill final : public ColumnFill {
 public:
  OtherFill(const ColumnPlan& plan, const table::Field& field) : ColumnFill(plan, field) {}

 protected:
  void fill(const ColumnView& view, std::size_t rows) override {
    profile_.nulls += static_cast<std::int64_t>(rows - count_present(view, rows));
  }
};

}  // namespace

std::unique_ptr<ColumnFill> ColumnFill::make(const ColumnPlan& plan, const table::Field& field) {
  if (field.type == Type::kText) return make_text_fill(plan, field);
  if (field.type == Type::kOther) return std::make_unique<OtherFill>(plan, field);
  return make_number_fill(plan, field);
}

ColumnFill::ColumnFill(const ColumnPlan& plan, const table::Field& field)
    : plan_(&plan), seen_(plan.unique_while_likely) {
  profile_.name = field.name;
  profile_.type = field.type;
  if (plan.distinct) profile_.distinct.emplace();
  for (const NamedRule& rule : plan.rules)
    rules_.emplace_back(rule, field.type, plan.confidential);
}

ColumnProfile ColumnFill::result() const {
  ColumnProfile result = profile_;
  if (plan_->unique) result.uniqueness = seen_.result();
  for (const RuleCounter& rule : rules_) result.rules[rule.id()] = rule.count();
  return result;
}

std::size_t count_present(const ColumnView& view, std::size_t rows) {
  std::size_t present = 0;
  each_present(view, rows, [&](std::size_t) { ++present; });
  return present;
}

}  // namespace slipway::checks
