#include "domain/checks/contract.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/hash.h"
#include "base/text.h"
#include "domain/checks/cell_text.h"
#include "domain/checks/pattern.h"
#include "domain/checks/slipway_quality.h"
#include "domain/checks/yaml_reader.h"

namespace slipway::checks {
namespace {

using table::Type;
using yaml::Node;

constexpr std::size_t kBytesMax = 4u << 20;
constexpr std::size_t kPropertiesMax = 10'000;

template <class T>
struct Word {
  const char* text;
  T value;
};

template <class T, std::size_t n>
std::optional<T> value_of(const Word<T> (&words)[n], std::string_view text) {
  for (const Word<T>& word : words) {
    if (word.text == text) return word.value;
  }
  return std::nullopt;
}

template <class T, std::size_t n>
std::vector<std::string> texts_of(const Word<T> (&words)[n]) {
  std::vector<std::string> all;
  for (const Word<T>& word : words) all.emplace_back(word.text);
  return all;
}

constexpr Word<std::optional<Type>> kLogicalTypes[] = {
    {"string", Type::kText},  {"number", Type::kReal},  {"integer", Type::kInteger},
    {"boolean", Type::kBool}, {"date", Type::kDate},    {"timestamp", Type::kTimestamp},
    {"time", Type::kText},    {"object", Type::kOther}, {"array", Type::kOther}};

constexpr Word<CountQuality::Metric> kMetrics[] = {
    {"nullValues", CountQuality::Metric::kNulls},
    {"missingValues", CountQuality::Metric::kMissing},
    {"invalidValues", CountQuality::Metric::kInvalid},
    {"duplicateValues", CountQuality::Metric::kDuplicates},
    {"rowCount", CountQuality::Metric::kRows}};

constexpr Word<Severity> kSeverities[] = {
    {"info", Severity::kInfo},     {"warn", Severity::kWarn}, {"warning", Severity::kWarn},
    {"error", Severity::kFail},    {"fail", Severity::kFail}, {"block", Severity::kBlock},
    {"critical", Severity::kBlock}};

constexpr Word<double> kUnits[] = {
    {"s", 1},          {"second", 1},   {"seconds", 1},   {"min", 60},        {"minute", 60},
    {"minutes", 60},   {"h", 3600},     {"hr", 3600},     {"hour", 3600},     {"hours", 3600},
    {"d", 86400},      {"day", 86400},  {"days", 86400},  {"w", 604800},      {"week", 604800},
    {"weeks", 604800}, {"y", 31557600}, {"yr", 31557600}, {"year", 31557600}, {"years", 31557600}};

/// One contract's worth of reading.
class ContractReader {
 public:
  ContractReader(std::string_view source, const std::string& name) : source_(source), read_(name) {}

  Result<Contract> contract(const Node& root) {
    if (!read_.is_mapping(root, "a data contract (a mapping with 'kind: DataContract')"))
      return read_.check().error();
    read_.keys(root, "a contract",
               {"apiVersion",
                "kind",
                "id",
                "name",
                "version",
                "status",
                "tenant",
                "tags",
                "servers",
                "dataProduct",
                "description",
                "domain",
                "contractCreatedTs",
                "authoritativeDefinitions",
                "customProperties",
                "schema",
                "support",
                "price",
                "team",
                "roles",
                "slaProperties",
                "slaDefaultElement"});
    identity(root);
    if (const Node* schema = root.find("schema"))
      table(*schema);
    else
      read_.fail(read_.at(root), "found no 'schema', expected one with the table's properties");
    if (const Node* sla = root.find("slaProperties")) service_levels(*sla);
    TRY(read_.check());
    return std::move(contract_);
  }

 private:
  void identity(const Node& root) {
    const Node* kind = root.find("kind");
    if (kind == nullptr || kind->text != "DataContract")
      read_.fail(read_.at(kind ? *kind : root),
                 "found " + (kind ? "'" + kind->text + "'" : std::string("no 'kind'")) +
                     ", expected 'kind: DataContract'");
    const Node* version = root.find("apiVersion");
    if (version == nullptr || !version->text.starts_with("v3."))
      read_.fail(read_.at(version ? *version : root),
                 "found " + (version ? "'" + version->text + "'" : std::string("no 'apiVersion'")) +
                     ", expected 'apiVersion: v3.1.0' (or another of ODCS v3)");
    contract_.id = read_.text(root, "id").value_or("");
    contract_.name = read_.text(root, "name").value_or("");
    contract_.version = read_.text(root, "version").value_or("");
    contract_.status = read_.text(root, "status").value_or("");
    each_custom(root, [&](const std::string& property, const Node& value) {
      const bool of_age = property == "slipway.freshness.severity";
      if (property != "slipway.severity" && !of_age) return false;
      const Severity found = severity(value).value_or(Severity::kFail);
      if (of_age)
        contract_.age = found;
      else
        contract_.structure = found;
      return true;
    });
  }

  /// customProperties of a mapping; what begins with "slipway." has to be taken by `use`.
  template <class Use>
  void each_custom(const Node& owner, Use use) {
    const Node* list = owner.find("customProperties");
    if (list == nullptr || list->is_null()) return;
    if (!read_.is_sequence(*list, "a list of customProperties")) return;
    for (const Node& item : list->items) {
      if (!read_.is_mapping(item, "a mapping with 'property' and 'value'")) continue;
      const std::string property = read_.text(item, "property").value_or("");
      const Node* value = item.find("value");
      static const Node kNothing;
      if (use(property, value ? *value : kNothing)) continue;
      if (property.starts_with("slipway."))
        read_.fail_word(*item.find("property"), "property of Slipway here",
                        {"slipway.environments", "slipway.role", "slipway.severity",
                         "slipway.freshness.severity"});
    }
  }

  std::optional<Severity> severity(const Node& node) {
    auto found = value_of(kSeverities, to_lower(node.text));
    if (!found) read_.fail_word(node, "severity", texts_of(kSeverities));
    return found;
  }

  std::vector<Environment> environments(const Node& node) {
    std::vector<Environment> all;
    if (!read_.is_sequence(node, "a list of environments")) return all;
    for (const Node& item : node.items) {
      if (auto one = parse_environment(item.text))
        all.push_back(*one);
      else
        read_.fail_word(item, "environment", {"training", "ci", "validation", "serving"});
    }
    return all;
  }

  // --- the table ---

  void table(const Node& schema) {
    if (!read_.is_sequence(schema, "a list with one table under 'schema'")) return;
    if (schema.items.size() != 1) {
      read_.fail(read_.at(schema), "found " + std::to_string(schema.items.size()) +
                                       " tables, expected one: a contract is of one table");
      return;
    }
    const Node& object = schema.items.front();
    if (!read_.is_mapping(object, "a table with 'name' and 'properties'")) return;
    read_.keys(object, "a table",
               {"id", "name", "physicalName", "physicalType", "logicalType", "description",
                "businessName", "authoritativeDefinitions", "tags", "customProperties", "quality",
                "properties", "dataGranularityDescription", "relationships"});
    contract_.table = read_.text(object, "name").value_or("");
    if (const Node* list = object.find("properties")) properties(*list);
    if (const Node* list = object.find("quality")) {
      contract_.quality = qualities(*list, nullptr);
      for (const Quality& quality : contract_.quality) check_key_columns(quality);
    }
  }

  void properties(const Node& list) {
    if (!read_.is_sequence(list, "a list of properties")) return;
    if (list.items.size() > kPropertiesMax)
      return read_.fail(read_.at(list), "found more than 10,000 properties");
    std::set<std::string> names;
    for (const Node& item : list.items) {
      if (!read_.is_mapping(item, "a property with a 'name'")) continue;
      Property one = property(item);
      if (one.name.empty())
        read_.fail(read_.at(item), "found a property without 'name'");
      else if (!names.insert(one.name).second)
        read_.fail(read_.at(item), "found the property '" + one.name + "' twice");
      contract_.properties.push_back(std::move(one));
    }
  }

  Property property(const Node& node) {
    read_.keys(node, "a property",
               {"id",
                "name",
                "physicalName",
                "physicalType",
                "logicalType",
                "logicalTypeOptions",
                "description",
                "businessName",
                "authoritativeDefinitions",
                "tags",
                "customProperties",
                "quality",
                "primaryKey",
                "primaryKeyPosition",
                "required",
                "unique",
                "classification",
                "encryptedName",
                "partitioned",
                "partitionKeyPosition",
                "transformSourceObjects",
                "transformLogic",
                "transformDescription",
                "examples",
                "criticalDataElement",
                "items",
                "properties",
                "relationships"});
    Property property;
    property.at = read_.at(node);
    property.name = read_.text(node, "name").value_or("");
    if (const Node* type = node.find("logicalType")) {
      property.type = value_of(kLogicalTypes, type->text).value_or(std::nullopt);
      if (!property.type) read_.fail_word(*type, "logicalType", texts_of(kLogicalTypes));
    }
    property.required = read_.truth(node, "required").value_or(false);
    property.unique = read_.truth(node, "unique").value_or(false);
    if (read_.truth(node, "primaryKey").value_or(false))
      property.primary_key = static_cast<int>(
          std::clamp<std::int64_t>(read_.whole(node, "primaryKeyPosition").value_or(1), 1, 1000));
    const std::string classified = to_lower(read_.text(node, "classification").value_or(""));
    for (const char* hidden : {"confidential", "restricted", "sensitive", "pii", "secret"})
      property.confidential = property.confidential || classified == hidden;
    custom(node, property);
    if (const Node* options = node.find("logicalTypeOptions")) type_options(*options, property);
    if (const Node* list = node.find("quality")) property.quality = qualities(*list, &property);
    return property;
  }

  void custom(const Node& node, Property& property) {
    each_custom(node, [&](const std::string& name, const Node& value) {
      if (name == "slipway.environments") {
        property.environments = environments(value);
      } else if (name == "slipway.role") {
        if (value.text == "target")
          property.target = true;
        else if (value.text != "feature" && value.text != "key" && value.text != "time")
          read_.fail_word(value, "role", {"target", "feature", "key", "time"});
      } else {
        return false;
      }
      return true;
    });
  }

  // --- logicalTypeOptions ---

  void type_options(const Node& node, Property& property) {
    if (node.is_null() || !read_.is_mapping(node, "a mapping of options")) return;
    read_.keys(
        node, "logicalTypeOptions",
        {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
         "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems", "minProperties",
         "maxProperties", "required", "timezone", "defaultTimezone"});
    property.min = bound(node, "minimum", property);
    property.max = bound(node, "maximum", property);
    exclusive(node, "exclusiveMinimum", property, property.min, property.min_open);
    exclusive(node, "exclusiveMaximum", property, property.max, property.max_open);
    read_.bounds(node, {property.min, property.max, property.min_open, property.max_open,
                        {"maximum", "exclusiveMaximum"}});
    property.multiple_of = read_.number(node, "multipleOf");
    if (property.multiple_of && !(*property.multiple_of > 0))
      read_.fail_type(*node.find("multipleOf"), "a number above 0");
    property.length_min = read_.whole(node, "minLength");
    property.length_max = read_.whole(node, "maxLength");
    auto real = [](const std::optional<std::int64_t>& length) {
      return length ? std::optional(static_cast<double>(*length)) : std::nullopt;
    };
    read_.bounds(node, {std::max(0.0, real(property.length_min).value_or(0)),
                        real(property.length_max), false, false, {"maxLength"}});
    if (const Node* pattern = node.find("pattern")) property.pattern = checked_pattern(*pattern);
    for (const char* unchecked : {"format", "minItems", "maxItems", "uniqueItems", "minProperties",
                                  "maxProperties", "required"}) {
      if (const Node* option = node.find(unchecked))
        contract_.foreign.push_back(
            {std::string("option ") + unchecked, property.name, read_.at(*option)});
    }
  }

  static bool is_time(const Property& property) {
    return property.type == Type::kDate || property.type == Type::kTimestamp;
  }

  std::optional<double> bound(const Node& options, std::string_view key, const Property& property) {
    if (!is_time(property)) return read_.number(options, key);
    const Node* node = options.find(key);
    if (node == nullptr) return std::nullopt;
    auto micros = parse_time(node->text);
    if (!micros) read_.fail_type(*node, "a date or time such as 2011-01-31");
    return micros ? std::optional<double>(static_cast<double>(*micros)) : std::nullopt;
  }

  /// true: the other bound is open; a value: it is an open bound itself.
  void exclusive(const Node& options, std::string_view key, const Property& property,
                 std::optional<double>& value, bool& open) {
    const Node* node = options.find(key);
    if (node == nullptr || node->is_null()) return;
    if (node->type == yaml::Type::kBool) {
      open = node->as_bool();
      return;
    }
    auto own = bound(options, key, property);
    if (!own) return;
    value = own;
    open = true;
  }

  std::string checked_pattern(const Node& node) {
    auto pattern = Pattern::compile(node.text);
    if (!pattern.ok())
      read_.fail(read_.at(node), "found no valid pattern: " + pattern.error().message);
    return node.text;
  }

  // --- quality ---

  std::vector<Quality> qualities(const Node& list, const Property* property) {
    std::vector<Quality> all;
    if (list.is_null() || !read_.is_sequence(list, "a list under 'quality'")) return all;
    for (const Node& item : list.items) {
      if (read_.is_mapping(item, "a mapping with 'type' or 'metric'")) quality(item, property, all);
    }
    return all;
  }

  void quality(const Node& node, const Property* property, std::vector<Quality>& all) {
    read_.keys(node, "a quality",
               {"id",
                "name",
                "description",
                "type",
                "metric",
                "rule",
                "arguments",
                "unit",
                "dimension",
                "severity",
                "businessImpact",
                "method",
                "schedule",
                "scheduler",
                "tags",
                "customProperties",
                "authoritativeDefinitions",
                "engine",
                "implementation",
                "query",
                "mustBe",
                "mustNotBe",
                "mustBeGreaterThan",
                "mustBeGreaterOrEqualTo",
                "mustBeLessThan",
                "mustBeLessOrEqualTo",
                "mustBeBetween",
                "mustNotBeBetween"});
    Quality common;
    common.at = read_.at(node);
    common.name = read_.text(node, "name").value_or("");
    if (const Node* word = node.find("severity"))
      common.severity = severity(*word).value_or(Severity::kFail);
    each_custom(node, [&](const std::string& name, const Node& value) {
      if (name != "slipway.environments") return false;
      common.environments = environments(value);
      return true;
    });
    const std::string type = read_.text(node, "type").value_or("library");
    if (type == "library") return library(node, property, std::move(common), all);
    if (type == "custom") return custom_quality(node, property, std::move(common), all);
    const std::string column = property ? property->name : "";
    if (type == "text" || type == "sql")
      contract_.foreign.push_back({"type " + type, column, common.at});
    else
      read_.fail_word(*node.find("type"), "type of quality", {"library", "text", "sql", "custom"});
  }

  void library(const Node& node, const Property* property, Quality quality,
               std::vector<Quality>& all) {
    const Node* word = node.find("metric");
    if (word == nullptr) word = node.find("rule");  // its name before v3.1
    if (word == nullptr)
      return read_.fail(read_.at(node),
                        "found no 'metric', expected one of " + join(texts_of(kMetrics), ", "));
    auto metric = value_of(kMetrics, word->text);
    if (!metric) return read_.fail_word(*word, "quality metric", texts_of(kMetrics));
    CountQuality count;
    count.metric = *metric;
    const bool of_table = *metric == CountQuality::Metric::kRows;
    const bool of_both = *metric == CountQuality::Metric::kDuplicates;
    if (!of_both && of_table != (property == nullptr))
      return read_.fail(read_.at(*word), std::string("found '") + word->text + "' at " +
                                             (property ? "a column" : "the table") +
                                             ", expected it at " +
                                             (property ? "the table" : "a column"));
    const std::string unit = read_.text(node, "unit").value_or("rows");
    count.percent = unit == "percent";
    if (unit != "rows" && unit != "percent")
      read_.fail_word(*node.find("unit"), "unit", {"rows", "percent"});
    if (const Node* arguments_node = node.find("arguments"))
      arguments(*arguments_node, *metric, count);
    if (*metric == CountQuality::Metric::kDuplicates && property == nullptr &&
        count.columns.empty())
      read_.fail(read_.at(node),
                 "found duplicateValues of a table without "
                 "'arguments: {properties: [...]}'");
    count.bound = bounds(node);
    quality.what = std::move(count);
    all.push_back(std::move(quality));
  }

  void arguments(const Node& node, CountQuality::Metric metric, CountQuality& count) {
    if (!read_.is_mapping(node, "a mapping of arguments")) return;
    using Metric = CountQuality::Metric;
    if (metric == Metric::kMissing) {
      read_.keys(node, "the arguments of missingValues", {"missingValues"});
      count.values = read_.texts(node, "missingValues");
    } else if (metric == Metric::kInvalid) {
      read_.keys(node, "the arguments of invalidValues", {"validValues", "pattern"});
      count.values = read_.texts(node, "validValues");
      if (const Node* pattern = node.find("pattern")) count.pattern = checked_pattern(*pattern);
    } else if (metric == Metric::kDuplicates) {
      read_.keys(node, "the arguments of duplicateValues", {"properties"});
      count.columns = read_.texts(node, "properties");
    } else if (!node.entries.empty()) {
      read_.fail_type(node, "no arguments for this metric");
    }
  }

  Bound bounds(const Node& node) {
    Bound bound;
    bound.equal = read_.number(node, "mustBe");
    bound.not_equal = read_.number(node, "mustNotBe");
    bound.above = read_.number(node, "mustBeGreaterThan");
    bound.at_least = read_.number(node, "mustBeGreaterOrEqualTo");
    bound.below = read_.number(node, "mustBeLessThan");
    bound.at_most = read_.number(node, "mustBeLessOrEqualTo");
    bound.between = pair(node, "mustBeBetween");
    bound.not_between = pair(node, "mustNotBeBetween");
    if (bound.words().empty())
      read_.fail(read_.at(node), "found no operator, expected one such as mustBeLessThan: 5");
    const bool max_open = bound.below && (!bound.at_most || *bound.below <= *bound.at_most);
    const bool min_open = bound.above && (!bound.at_least || *bound.above >= *bound.at_least);
    read_.bounds(node, {min_open ? bound.above : bound.at_least,
                        max_open ? bound.below : bound.at_most, min_open, max_open,
                        {"mustBeLessThan", "mustBeLessOrEqualTo"}});
    return bound;
  }

  std::optional<std::pair<double, double>> pair(const Node& node, std::string_view key) {
    const Node* list = node.find(key);
    if (list == nullptr) return std::nullopt;
    const bool two = list->is_sequence() && list->items.size() == 2;
    auto number = [](const Node& item) {
      return item.type == yaml::Type::kInteger || item.type == yaml::Type::kFloat;
    };
    if (!two || !number(list->items[0]) || !number(list->items[1])) {
      read_.fail_type(*list, "a list of two numbers for '" + std::string(key) + "'");
      return std::nullopt;
    }
    const std::pair ends(list->items[0].as_double(), list->items[1].as_double());
    if (!(ends.first < ends.second) || !std::isfinite(ends.first) || !std::isfinite(ends.second))
      read_.fail_type(*list, "two finite numbers for '" + std::string(key) +
                                 "', the smaller one first");
    return ends;
  }

  void custom_quality(const Node& node, const Property* property, Quality common,
                      std::vector<Quality>& all) {
    const std::string engine = read_.text(node, "engine").value_or("");
    const std::string column = property ? property->name : "";
    if (engine.empty())
      return read_.fail(read_.at(node), "found a custom quality without 'engine'");
    if (engine != "slipway") {
      contract_.foreign.push_back({"engine " + engine, column, common.at});
      return;
    }
    const Node* words = node.find("implementation");
    if (words == nullptr)
      return read_.fail(read_.at(node), "found 'engine: slipway' without 'implementation'");
    if (property == nullptr)
      return read_.fail(read_.at(node),
                        "found 'engine: slipway' at the table, expected it at a column");
    const std::size_t before = all.size();
    read_implementation(*words, common, all);
    for (std::size_t i = before; i < all.size(); ++i) refuse_order_of_texts(all[i], *property);
  }

  void read_implementation(const Node& words, const Quality& common, std::vector<Quality>& all) {
    if (words.is_mapping()) return read_slipway_quality(words, read_, common, all);
    Result<Node> inner = yaml::parse(words.text, "implementation");
    if (!inner.ok()) return read_.fail(read_.at(words), "found no YAML: " + inner.error().message);
    shift_into(words);
    read_slipway_quality(*inner, read_, common, all);
    read_.shift(0, 0);
  }

  void refuse_order_of_texts(const Quality& quality, const Property& property) {
    const bool has_order = property.type != Type::kText && property.type != Type::kOther;
    if (has_order || !std::holds_alternative<OrderQuality>(quality.what)) return;
    read_.fail(quality.at,
               "found 'order' at a column without numbers, expected it at one of logicalType "
               "number, integer, boolean, date or timestamp");
  }

  /// The place of a document that stands in a block scalar: the lines below its '|'.
  void shift_into(const Node& block) {
    const std::string_view written = source_.substr(block.begin, block.end - block.begin);
    const std::size_t line = written.find('\n');
    const bool is_block = written.starts_with("|") || written.starts_with(">");
    if (!is_block || line == std::string_view::npos)
      return read_.shift(block.at.line - 1, block.at.column - 1);
    const std::size_t text = written.find_first_not_of(' ', line + 1);
    const std::size_t indent = text == std::string_view::npos ? 0 : text - line - 1;
    read_.shift(block.at.line, static_cast<int>(indent));
  }

  void check_key_columns(const Quality& quality) {
    const auto* count = std::get_if<CountQuality>(&quality.what);
    if (count == nullptr) return;
    for (const std::string& column : count->columns) {
      if (contract_.find(column) == nullptr)
        read_.fail(quality.at, "found the column '" + column + "', which the table has not");
    }
  }

  // --- service levels ---

  void service_levels(const Node& list) {
    if (list.is_null() || !read_.is_sequence(list, "a list of slaProperties")) return;
    for (const Node& item : list.items) {
      if (!read_.is_mapping(item, "a mapping with 'property' and 'value'")) continue;
      const std::string property = read_.text(item, "property").value_or("");
      if (property == "latency" || property == "freshness") freshness(item);
    }
  }

  void freshness(const Node& item) {
    auto value = read_.number(item, "value");
    auto unit = value_of(kUnits, read_.text(item, "unit").value_or("d"));
    if (!unit)
      return read_.fail_word(*item.find("unit"), "unit of time", {"s", "min", "h", "d", "w", "y"});
    const std::string element = read_.text(item, "element").value_or("");
    if (!value || element.empty()) return;  // latency of the table as a whole: nothing to look at
    for (std::string_view part : split(element, ',')) {
      std::string column(trim(part));
      if (contract_.find(column) == nullptr && column.find('.') != std::string::npos)
        column = column.substr(column.find('.') + 1);
      if (contract_.find(column) == nullptr)
        read_.fail(read_.at(*item.find("element")),
                   "found '" + column + "', expected a column of the table");
      contract_.freshness.push_back({column, *value * *unit, read_.at(item)});
    }
  }

  std::string_view source_;
  YamlReader read_;
  Contract contract_;
};

}  // namespace

const char* to_string(Environment environment) {
  static constexpr const char* kNames[] = {"TRAINING", "CI", "VALIDATION", "SERVING"};
  return kNames[static_cast<std::size_t>(environment)];
}

std::optional<Environment> parse_environment(std::string_view text) {
  const std::string upper = to_upper(text);
  for (Environment one : {Environment::kTraining, Environment::kCi, Environment::kValidation,
                          Environment::kServing}) {
    if (upper == to_string(one)) return one;
  }
  return std::nullopt;
}

const char* to_string(Severity severity) {
  static constexpr const char* kNames[] = {"info", "warn", "fail", "block"};
  return kNames[static_cast<std::size_t>(severity)];
}

namespace {

std::string short_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

}  // namespace

bool Bound::holds(double value) const {
  return (!equal || value == *equal) && (!not_equal || value != *not_equal) &&
         (!above || value > *above) && (!at_least || value >= *at_least) &&
         (!below || value < *below) && (!at_most || value <= *at_most) &&
         (!between || (value > between->first && value < between->second)) &&
         (!not_between || value <= not_between->first || value >= not_between->second);
}

std::string Bound::words() const {
  std::vector<std::string> all;
  auto say = [&](const char* words, const std::optional<double>& value) {
    if (value) all.push_back(words + short_text(*value));
  };
  say("exactly ", equal);
  say("not ", not_equal);
  say("more than ", above);
  say("at least ", at_least);
  say("less than ", below);
  say("at most ", at_most);
  auto say_pair = [&](const char* words, const std::optional<std::pair<double, double>>& pair) {
    if (pair) all.push_back(words + short_text(pair->first) + " and " + short_text(pair->second));
  };
  say_pair("between ", between);
  say_pair("not between ", not_between);
  return join(all, " and ");
}

double Bound::threshold(double value) const {
  for (const auto& one : {equal, not_equal, above, at_least, below, at_most}) {
    if (one) return *one;
  }
  for (const auto& pair : {between, not_between}) {
    if (!pair) continue;
    return std::abs(value - pair->first) < std::abs(value - pair->second) ? pair->first
                                                                          : pair->second;
  }
  return 0;
}

const Property* Contract::find(std::string_view column) const {
  for (const Property& property : properties) {
    if (property.name == column) return &property;
  }
  return nullptr;
}

Result<Contract> parse_contract(std::string_view text, const std::string& name) {
  yaml::Limits limits;
  limits.bytes_max = kBytesMax;
  limits.depth_max = 30;
  const Node root = TRY(yaml::parse(text, name, yaml::Schema::kYaml12, limits));
  Contract contract = TRY(ContractReader(text, name).contract(root));
  contract.digest = sha256_hex(text);
  return contract;
}

}  // namespace slipway::checks
