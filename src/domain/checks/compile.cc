#include <algorithm>
#include <set>

#include "domain/checks/cell_text.h"
#include "domain/checks/pattern.h"
#include "domain/checks/suite.h"

namespace slipway::checks {
namespace {

using table::Type;

std::string interval(const WithinRange& range, Type type) {
  auto text = [&](const std::optional<double>& value, const char* none) {
    return value ? number_text(*value, type) : std::string(none);
  };
  return std::string(range.min_open || !range.min ? "(" : "[") + text(range.min, "-inf") + ", " +
         text(range.max, "inf") + (range.max_open || !range.max ? ")" : "]");
}

class Compiler {
 public:
  Compiler(const Contract& contract, const References& references)
      : contract_(contract), references_(references) {
    suite_.contract = contract.id;
    suite_.digest = contract.digest;
  }

  Suite suite() {
    if (!may_be_empty()) add("rows", "", NotEmpty{}, contract_.structure);
    for (const Property& property : contract_.properties) column(property);
    primary_key();
    for (const Quality& quality : contract_.quality) of_table(quality);
    for (const Freshness& freshness : contract_.freshness) add_freshness(freshness);
    known_columns();
    for (const ForeignQuality& foreign : contract_.foreign)
      add(prefix(foreign.column) + foreign.what, foreign.column, NotOurs{foreign.what},
          Severity::kInfo);
    return std::move(suite_);
  }

 private:
  /// The contract says itself that no rows are enough.
  bool may_be_empty() const {
    return std::any_of(contract_.quality.begin(), contract_.quality.end(),
                       [](const Quality& quality) {
                         const auto* count = std::get_if<CountQuality>(&quality.what);
                         return count != nullptr && count->metric == CountQuality::Metric::kRows &&
                                count->bound.holds(0);
                       });
  }

  static std::string prefix(const std::string& column) {
    return column.empty() ? "" : column + "/";
  }

  template <class What>
  Check& add(std::string id, const std::string& column, What what, Severity severity) {
    std::string name = id;
    for (int i = 2; !ids_.insert(name).second; ++i) name = id + "#" + std::to_string(i);
    Check check;
    check.id = std::move(name);
    check.column = column;
    check.what = std::move(what);
    check.severity = severity;
    if (const Property* property = contract_.find(column)) {
      check.target = property->target;
      check.environments = property->environments;
    }
    suite_.checks.push_back(std::move(check));
    return suite_.checks.back();
  }

  ColumnPlan& plan(const std::string& column) {
    for (ColumnPlan& plan : suite_.plan.columns) {
      if (plan.column == column) return plan;
    }
    ColumnPlan& plan = suite_.plan.columns.emplace_back();
    plan.column = column;
    if (const Property* property = contract_.find(column))
      plan.confidential = property->confidential;
    return plan;
  }

  /// A check that counts the cells which break `rule`.
  void add_rule(const Property& property, const char* name, CellRule rule, std::string words) {
    Check& check = add(prefix(property.name) + name, property.name, KeepsRule{std::move(words)},
                       contract_.structure);
    plan(property.name).rules.push_back({check.id, std::move(rule)});
  }

  void column(const Property& property) {
    plan(property.name);
    add(prefix(property.name) + "exists", property.name, Exists{}, contract_.structure);
    if (property.type && *property.type != Type::kOther) add_type(property);
    if (property.required)
      add(prefix(property.name) + "required", property.name, NotNull{}, contract_.structure);
    if (property.unique) add_unique(property);
    options(property);
    for (const Quality& quality : property.quality) of_column(property, quality);
  }

  void add_type(const Property& property) {
    Check& check = add(prefix(property.name) + "type", property.name, HasType{*property.type},
                       contract_.structure);
    ColumnPlan& column = plan(property.name);
    column.as_text = *property.type == Type::kText;
    if (*property.type != Type::kText) column.rules.push_back({check.id, ReadsAs{*property.type}});
    // Of reals alone: programs without another type keep whole numbers and 0 and 1 as such.
    if (*property.type == Type::kInteger || *property.type == Type::kBool)
      column.rules.push_back({check.id + ":whole", MultipleOf{1}});
  }

  void add_unique(const Property& property) {
    add(prefix(property.name) + "unique", property.name, IsUnique{{property.name}},
        contract_.structure);
    plan(property.name).unique = true;
  }

  void options(const Property& property) {
    const Type type = property.type.value_or(Type::kReal);
    if (property.min || property.max) {
      const WithinRange range{property.min, property.max, property.min_open, property.max_open};
      add_rule(property, "range", range, "within " + interval(range, type));
    }
    if (property.multiple_of)
      add_rule(property, "multipleOf", MultipleOf{*property.multiple_of},
               "a multiple of " + number_text(*property.multiple_of, Type::kReal));
    if (property.length_min || property.length_max) {
      auto as_double = [](const std::optional<std::int64_t>& n) {
        return n ? std::optional<double>(static_cast<double>(*n)) : std::nullopt;
      };
      const WithinRange range{as_double(property.length_min), as_double(property.length_max)};
      add_rule(property, "length", WithinLength{property.length_min, property.length_max},
               "of a length within " + interval(range, Type::kInteger));
    }
    if (property.pattern.empty()) return;
    auto pattern = Pattern::compile(property.pattern);  // compiled once when it was read
    if (pattern.ok())
      add_rule(property, "pattern", MatchesPattern{*pattern}, "like " + property.pattern);
  }

  void primary_key() {
    std::vector<const Property*> key;
    for (const Property& property : contract_.properties) {
      if (property.primary_key > 0) key.push_back(&property);
    }
    if (key.empty()) return;
    std::stable_sort(key.begin(), key.end(), [](const Property* a, const Property* b) {
      return a->primary_key < b->primary_key;
    });
    for (const Property* property : key) {
      if (!property->required)
        add(prefix(property->name) + "required", property->name, NotNull{}, contract_.structure);
    }
    if (key.size() == 1) {
      if (!key.front()->unique) add_unique(*key.front());
      return;
    }
    std::vector<std::string> columns;
    for (const Property* property : key) columns.push_back(property->name);
    suite_.plan.keys.push_back(columns);
    add("primaryKey", "", IsUnique{std::move(columns)}, contract_.structure);
  }

  template <class What>
  Check& add_quality(const std::string& name, const std::string& column, What what,
                     const Quality& quality) {
    const std::string words = quality.name.empty() ? name : quality.name;
    Check& check = add(prefix(column) + words, column, std::move(what), quality.severity);
    if (!quality.environments.empty()) check.environments = quality.environments;
    return check;
  }

  void of_table(const Quality& quality) {
    const auto& count = std::get<CountQuality>(quality.what);  // the reader gives no other
    const bool rows = count.metric == CountQuality::Metric::kRows;
    if (!rows) suite_.plan.keys.push_back(count.columns);
    add_quality(rows ? "rowCount" : "duplicateValues", "", count, quality);
  }

  void of_column(const Property& property, const Quality& quality) {
    std::visit([&](const auto& what) { gather(property, quality, what); }, quality.what);
  }

  void gather(const Property& property, const Quality& quality, const CountQuality& count) {
    using Metric = CountQuality::Metric;
    static constexpr const char* kNames[] = {"nullValues", "missingValues", "invalidValues",
                                             "duplicateValues", "rowCount"};
    Check& check =
        add_quality(kNames[static_cast<std::size_t>(count.metric)], property.name, count, quality);
    const std::string id = check.id;
    ColumnPlan& column = plan(property.name);
    if (count.metric == Metric::kDuplicates) column.unique = true;
    if (count.metric == Metric::kMissing)
      column.rules.push_back({id, NoneOf{{count.values.begin(), count.values.end()}}});
    if (count.metric != Metric::kInvalid) return;
    if (!count.values.empty())
      column.rules.push_back({id, OneOf{{count.values.begin(), count.values.end()}}});
    if (count.pattern.empty()) return;
    auto pattern = Pattern::compile(count.pattern);
    if (pattern.ok()) column.rules.push_back({id + ":pattern", MatchesPattern{*pattern}});
  }

  void gather(const Property& property, const Quality& quality, const DriftQuality& drift) {
    const std::string name = std::string(drift.skew ? "skew." : "drift.") +
                             to_string(drift.measure) + "." + drift.against;
    add_quality(name, property.name, drift, quality);
    ColumnPlan& column = plan(property.name);
    if (property.type == Type::kText || !property.type) column.frequent = true;
    auto reference = references_.find(drift.against);
    if (reference == references_.end()) return;
    const ColumnProfile* seen = reference->second->find(property.name);
    if (seen == nullptr) return;
    if (seen->type == Type::kText) column.frequent = true;
    if (seen->numeric()) column.as_text = false;  // or the two could not be compared
    if (seen->bins && column.edges.empty()) column.edges = seen->bins->edges();
  }

  void gather(const Property& property, const Quality& quality, const RangeQuality& range) {
    Check& check = add_quality("range", property.name, range, quality);
    plan(property.name).rules.push_back({check.id, WithinRange{range.min, range.max}});
  }

  void gather(const Property& property, const Quality& quality, const DomainQuality& domain) {
    Check& check = add_quality("domain", property.name, domain, quality);
    plan(property.name)
        .rules.push_back({check.id, OneOf{{domain.values.begin(), domain.values.end()}}});
  }

  void gather(const Property& property, const Quality& quality, const MissingQuality& missing) {
    add_quality("missing", property.name, missing, quality);
  }

  void gather(const Property& property, const Quality& quality, const FiniteQuality& finite) {
    add_quality("finite", property.name, finite, quality);
  }

  void gather(const Property& property, const Quality& quality, const StatisticQuality& statistic) {
    static constexpr const char* kNames[] = {"mean", "deviation", "min",
                                             "max",  "quantile",  "distinct"};
    add_quality(kNames[static_cast<std::size_t>(statistic.which)], property.name, statistic,
                quality);
    ColumnPlan& column = plan(property.name);
    if (statistic.which == StatisticQuality::Which::kQuantile) column.quantiles = true;
    if (statistic.which == StatisticQuality::Which::kDistinct)
      column.distinct = column.frequent = column.unique = true;  // exact while memory lasts
  }

  void gather(const Property& property, const Quality& quality, const OrderQuality& order) {
    add_quality("order", property.name, order, quality);
    plan(property.name).order = true;
  }

  void add_freshness(const Freshness& freshness) {
    plan(freshness.column);
    add(prefix(freshness.column) + "freshness", freshness.column, freshness,
        contract_.age.value_or(contract_.structure));
  }

  void known_columns() {
    if (contract_.properties.empty()) return;
    OnlyKnownColumns known;
    for (const Property& property : contract_.properties) known.known.push_back(property.name);
    add("columns", "", std::move(known), Severity::kInfo);
  }

  const Contract& contract_;
  const References& references_;
  Suite suite_;
  std::set<std::string> ids_;
};

}  // namespace

Suite compile(const Contract& contract, const References& references) {
  return Compiler(contract, references).suite();
}

bool can_fail(const Suite& suite) {
  return std::any_of(suite.checks.begin(), suite.checks.end(), [](const Check& check) {
    return check.severity >= Severity::kFail && !std::holds_alternative<NotOurs>(check.what);
  });
}

}  // namespace slipway::checks
