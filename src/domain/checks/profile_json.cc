#include <cmath>
#include <set>

#include "domain/checks/profile.h"
#include "io/wire/codec.h"

// The written form of a profile: docs/formats/profile.md.
namespace slipway::checks {
namespace {

using table::Type;
using wire::Json;

constexpr std::size_t kValuesWritten = 1000;
constexpr std::size_t kColumnsMax = 10'000;
constexpr std::size_t kRulesMax = 1000;

Json object() {
  return Json(Json::Object());
}

template <class T>
Json list(const std::vector<T>& items) {
  return Json(Json::Array(items.begin(), items.end()));
}

// --- writing ---

Json written(const Moments& moments) {
  Json json = object();
  json.set("n", moments.n);
  json.set("min", moments.min);
  json.set("max", moments.max);
  json.set("mean", moments.mean);
  json.set("m2", moments.m2);
  json.set("m3", moments.m3);
  json.set("m4", moments.m4);
  return json;
}

Json written(const Bins& bins) {
  Json json = object();
  json.set("edges", list(bins.edges()));
  json.set("counts", list(bins.all()));
  return json;
}

Json written(const QuantileSketch& sketch) {
  Json::Array levels;
  for (const std::vector<double>& level : sketch.levels()) levels.push_back(list(level));
  return Json(std::move(levels));
}

Json written(const Frequent& frequent) {
  Json json = object();
  std::vector<Frequent::Item> top = frequent.top(kValuesWritten + 1);
  std::int64_t error = frequent.error();
  if (top.size() > kValuesWritten) {
    error += top.back().count;  // the first that is left out
    top.pop_back();
  }
  json.set("error", error);
  json.set("values_max", static_cast<std::int64_t>(frequent.values_max()));
  if (frequent.abandoned()) json.set("abandoned", true);
  Json::Array items;
  for (const Frequent::Item& item : top) {
    items.push_back(Json::Array{item.text, item.count, item.first_row, item.hash, item.number});
  }
  json.set("items", Json(std::move(items)));
  return json;
}

Json written(const TextLengths& lengths) {
  Json json = object();
  json.set("n", lengths.n);
  json.set("empty", lengths.empty);
  json.set("min", lengths.min);
  json.set("max", lengths.max);
  json.set("sum", lengths.sum);
  return json;
}

Json written(const Order& order) {
  Json json = object();
  json.set("n", order.n);
  json.set("descents", order.descents);
  json.set("repeats", order.repeats);
  json.set("first", order.first);
  json.set("last", order.last);
  return json;
}

Json written(const Uniqueness& uniqueness) {
  Json json = object();
  json.set("n", uniqueness.n);
  json.set("distinct", uniqueness.distinct);
  json.set("exact", uniqueness.exact);
  return json;
}

Json written(const RuleCount& rule) {
  Json json = object();
  json.set("violations", rule.violations);
  if (!rule.first_rows.empty()) json.set("rows", list(rule.first_rows));
  if (!rule.first_value.empty()) json.set("value", rule.first_value);
  return json;
}

Json written(const ColumnProfile& column) {
  Json json = object();
  json.set("name", column.name);
  json.set("type", table::to_string(column.type));
  json.set("rows", column.rows);
  json.set("nulls", column.nulls);
  if (column.type == Type::kReal) {
    json.set("nan", column.nans);
    json.set("-inf", column.infinite_low);
    json.set("inf", column.infinite_high);
  }
  if (column.moments.n > 0) json.set("moments", written(column.moments));
  if (column.bins) json.set("bins", written(*column.bins));
  if (column.quantiles) json.set("quantiles", written(*column.quantiles));
  if (column.distinct) json.set("distinct", column.distinct->text());
  if (column.frequent) json.set("frequent", written(*column.frequent));
  if (column.lengths) json.set("lengths", written(*column.lengths));
  if (column.order) json.set("order", written(*column.order));
  if (column.uniqueness) json.set("uniqueness", written(*column.uniqueness));
  if (column.rules.empty()) return json;
  Json rules = object();
  for (const auto& [id, count] : column.rules) rules.set(id, written(count));
  json.set("rules", std::move(rules));
  return json;
}

// --- reading ---

/// The members of an object, remembering the first that is not as it should be.
class Members {
 public:
  Members(const Json& json, std::string at) : json_(json), at_(std::move(at)) {
    if (!json.is_object()) fail("an object is expected");
  }

  const Json* find(const char* key) const { return json_.find(key); }

  std::int64_t count(const char* key, bool required = true) {
    const Json* value = json_.find(key);
    if (value == nullptr && !required) return 0;
    if (value == nullptr || !value->is_integer() || value->is_uint64() || value->as_int64() < 0)
      return fail(std::string("'") + key + "' has to be a count"), 0;
    return value->as_int64();
  }
  double number(const char* key) {
    const Json* value = json_.find(key);
    if (value == nullptr || !value->is_number() || !std::isfinite(value->as_double()))
      return fail(std::string("'") + key + "' has to be a finite number"), 0;
    return value->as_double();
  }
  std::string text(const char* key, bool required = true) {
    const Json* value = json_.find(key);
    if (value == nullptr && !required) return {};
    if (value == nullptr || !value->is_string())
      return fail(std::string("'") + key + "' has to be a text"), std::string();
    return value->as_string();
  }
  bool truth(const char* key) {
    const Json* value = json_.find(key);
    if (value == nullptr || !value->is_bool())
      return fail(std::string("'") + key + "' has to be true or false"), false;
    return value->as_bool();
  }
  std::vector<double> numbers(const char* key) {
    return items<double>(key, [](const Json& v, double& out) {
      if (!v.is_number()) return false;
      out = v.as_double();
      return std::isfinite(out);
    });
  }
  std::vector<std::int64_t> counts(const char* key) {
    return items<std::int64_t>(key, [](const Json& v, std::int64_t& out) {
      if (!v.is_integer() || v.is_uint64()) return false;
      out = v.as_int64();
      return out >= 0;
    });
  }

  void fail(const std::string& why) {
    if (wrong_.empty()) wrong_ = at_ + ": " + why;
  }
  Result<> check() const {
    if (wrong_.empty()) return {};
    return invalid("this is no profile: " + wrong_);
  }
  const std::string& at() const { return at_; }

 private:
  template <class T, class Read>
  std::vector<T> items(const char* key, Read read) {
    std::vector<T> out;
    const Json* value = json_.find(key);
    if (value == nullptr || !value->is_array())
      return fail(std::string("'") + key + "' has to be a list"), out;
    for (const Json& item : value->as_array()) {
      if (!read(item, out.emplace_back()))
        return fail(std::string("'") + key + "' holds something else than numbers"), out;
    }
    return out;
  }

  const Json& json_;
  std::string at_;
  std::string wrong_;
};

Result<Moments> read_moments(const Json& json, const std::string& at) {
  Members members(json, at + ".moments");
  Moments moments;
  moments.n = members.count("n");
  moments.min = members.number("min");
  moments.max = members.number("max");
  moments.mean = members.number("mean");
  moments.m2 = members.number("m2");
  moments.m3 = members.number("m3");
  moments.m4 = members.number("m4");
  if (moments.n == 0 || moments.min > moments.max || moments.m2 < 0)
    members.fail("these are no moments of any values");
  TRY(members.check());
  return moments;
}

Result<Bins> read_bins(const Json& json, const std::string& at) {
  Members members(json, at + ".bins");
  std::vector<double> edges = members.numbers("edges");
  const std::vector<std::int64_t> counts = members.counts("counts");
  if (!Bins::are_edges(edges)) members.fail("edges have to ascend");
  if (counts.size() != edges.size() + 1)
    members.fail("there have to be as many counts as bins, and two");
  TRY(members.check());
  return Bins::restored(std::move(edges), counts);
}

Result<QuantileSketch> read_quantiles(const Json& json, const std::string& at) {
  const Error wrong = invalid("this is no profile: " + at + ".quantiles is no sketch");
  if (!json.is_array()) return wrong;
  std::vector<std::vector<double>> levels;
  for (const Json& level : json.as_array()) {
    if (!level.is_array() || levels.size() > 64) return wrong;
    std::vector<double>& values = levels.emplace_back();
    for (const Json& value : level.as_array()) {
      if (!value.is_number()) return wrong;
      values.push_back(value.as_double());
    }
  }
  QuantileSketch sketch;
  if (!QuantileSketch::restore(std::move(levels), sketch)) return wrong;
  return sketch;
}

Result<Frequent::Item> read_item(const Json& json, const std::string& at) {
  const Error wrong = invalid("this is no profile: " + at + ".frequent holds no item");
  if (!json.is_array() || json.as_array().size() != 5) return wrong;
  const Json::Array& parts = json.as_array();
  if (!parts[0].is_string() || !parts[1].is_integer() || !parts[2].is_integer() ||
      !parts[3].is_integer() || !parts[4].is_number())
    return wrong;
  Frequent::Item item;
  item.text = parts[0].as_string();
  item.count = parts[1].as_int64();
  item.first_row = parts[2].as_int64();
  item.hash = static_cast<std::uint64_t>(parts[3].as_int64());
  item.number = parts[4].as_double();
  if (item.count <= 0 || item.first_row < 0 || item.text.size() > 4 * Frequent::kTextMax ||
      !std::isfinite(item.number))
    return wrong;
  return item;
}

Result<Frequent> read_frequent(const Json& json, const std::string& at) {
  Members members(json, at + ".frequent");
  const std::int64_t error = members.count("error");
  const std::int64_t values_max = members.count("values_max");
  const bool abandoned = members.find("abandoned") != nullptr && members.truth("abandoned");
  const Json* items = members.find("items");
  if (items == nullptr || !items->is_array() || items->as_array().size() > kValuesWritten)
    members.fail("'items' has to be a list of at most 1000");
  if (values_max < 1 || values_max > static_cast<std::int64_t>(Frequent::kValuesMax))
    members.fail("'values_max' is out of bounds");
  TRY(members.check());
  std::vector<Frequent::Item> all;
  std::set<std::uint64_t> hashes;
  for (const Json& item : items->as_array()) {
    all.push_back(TRY(read_item(item, at)));
    if (!hashes.insert(all.back().hash).second) members.fail("a value stands there twice");
  }
  TRY(members.check());
  return Frequent::restored(std::move(all), error, abandoned, static_cast<std::size_t>(values_max));
}

TextLengths read_lengths(Members members) {
  return {members.count("n"), members.count("empty"), members.count("min"), members.count("max"),
          members.count("sum")};
}

Result<Order> read_order(const Json& json, const std::string& at) {
  Members members(json, at + ".order");
  Order order{members.count("n"), members.count("descents"), members.count("repeats"),
              members.number("first"), members.number("last")};
  TRY(members.check());
  return order;
}

Result<Uniqueness> read_uniqueness(const Json& json, const std::string& at) {
  Members members(json, at + ".uniqueness");
  Uniqueness uniqueness{members.count("n"), members.count("distinct"), members.truth("exact")};
  if (uniqueness.distinct > uniqueness.n) members.fail("more different values than values");
  TRY(members.check());
  return uniqueness;
}

Result<RuleCount> read_rule(const Json& json, const std::string& at) {
  Members members(json, at);
  RuleCount rule;
  rule.violations = members.count("violations");
  if (members.find("rows") != nullptr) rule.first_rows = members.counts("rows");
  rule.first_value = members.text("value", /*required=*/false);
  if (rule.first_rows.size() > RuleCount::kRowsMax) members.fail("too many rows");
  TRY(members.check());
  return rule;
}

std::optional<Type> read_type(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(Type::kOther); ++i) {
    if (text == table::to_string(static_cast<Type>(i))) return static_cast<Type>(i);
  }
  return std::nullopt;
}

Result<> read_accumulators(Members& members, ColumnProfile& column) {
  const std::string& at = members.at();
  if (const Json* json = members.find("moments")) column.moments = TRY(read_moments(*json, at));
  if (const Json* json = members.find("bins")) column.bins = TRY(read_bins(*json, at));
  if (const Json* json = members.find("quantiles"))
    column.quantiles = TRY(read_quantiles(*json, at));
  if (const Json* json = members.find("frequent")) column.frequent = TRY(read_frequent(*json, at));
  if (const Json* json = members.find("order")) column.order = TRY(read_order(*json, at));
  if (const Json* json = members.find("uniqueness"))
    column.uniqueness = TRY(read_uniqueness(*json, at));
  if (members.find("distinct") != nullptr) {
    if (!DistinctSketch::restore(members.text("distinct"), column.distinct.emplace()))
      members.fail("'distinct' is no sketch");
  }
  if (const Json* json = members.find("lengths")) {
    Members lengths(*json, at + ".lengths");
    column.lengths = read_lengths(lengths);
    TRY(lengths.check());
  }
  return members.check();
}

Result<ColumnProfile> read_column(const Json& json, const std::string& at) {
  Members members(json, at);
  ColumnProfile column;
  column.name = members.text("name");
  auto type = read_type(members.text("type"));
  if (!type) members.fail("'type' is none that is known");
  column.type = type.value_or(Type::kOther);
  column.rows = members.count("rows");
  column.nulls = members.count("nulls");
  column.nans = members.count("nan", /*required=*/false);
  column.infinite_low = members.count("-inf", /*required=*/false);
  column.infinite_high = members.count("inf", /*required=*/false);
  TRY(members.check());
  TRY(read_accumulators(members, column));
  if (const Json* rules = members.find("rules")) {
    if (!rules->is_object() || rules->as_object().size() > kRulesMax)
      return invalid("this is no profile: " + at + ".rules is no object of at most 1000");
    for (const auto& [id, rule] : rules->as_object())
      column.rules[id] = TRY(read_rule(rule, at + ".rules"));
  }
  return column;
}

Result<std::vector<std::string>> read_names(const Json* json, const std::string& at) {
  std::vector<std::string> names;
  if (json == nullptr || !json->is_array() || json->as_array().size() > kColumnsMax)
    return invalid("this is no profile: " + at + " has to be a list of names");
  for (const Json& name : json->as_array()) {
    if (!name.is_string())
      return invalid("this is no profile: " + at + " has to be a list of names");
    names.push_back(name.as_string());
  }
  return names;
}

Result<KeyProfile> read_key(const Json& json, const std::string& at) {
  Members members(json, at);
  KeyProfile key;
  key.columns = TRY(read_names(members.find("columns"), at + ".columns"));
  const Json* uniqueness = members.find("uniqueness");
  if (uniqueness == nullptr) return invalid("this is no profile: " + at + " has no uniqueness");
  key.uniqueness = TRY(read_uniqueness(*uniqueness, at));
  return key;
}

}  // namespace

std::string to_json(const Profile& profile, bool readable) {
  Json json = object();
  json.set("slipway_profile", Profile::kVersion);
  json.set("table", profile.table);
  if (!profile.data.empty()) json.set("data", profile.data);
  json.set("made_ms", profile.made_ms);
  json.set("rows", profile.rows);
  Json::Array columns;
  for (const ColumnProfile& column : profile.columns) columns.push_back(written(column));
  json.set("columns", Json(std::move(columns)));
  if (!profile.others.empty()) json.set("others", list(profile.others));
  if (!profile.keys.empty()) {
    Json::Array keys;
    for (const KeyProfile& key : profile.keys) {
      Json item = object();
      item.set("columns", list(key.columns));
      item.set("uniqueness", written(key.uniqueness));
      keys.push_back(std::move(item));
    }
    json.set("keys", Json(std::move(keys)));
  }
  wire::DumpStyle style;
  style.indent = readable ? 1 : 0;
  return wire::dump(json, style) + "\n";
}

Result<Profile> parse_profile(std::string_view text) {
  wire::Limits limits;
  limits.depth_max = 10;
  const Json json = TRY(wire::parse(text, limits));
  Members members(json, "the document");
  const std::int64_t version = members.count("slipway_profile");
  TRY(members.check());
  if (version != Profile::kVersion) {
    return conflict("this profile is of version " + std::to_string(version) +
                    ", and this program reads version " + std::to_string(Profile::kVersion));
  }
  Profile profile;
  profile.table = members.text("table");
  profile.data = members.text("data", /*required=*/false);
  profile.made_ms = members.count("made_ms");
  profile.rows = members.count("rows");
  const Json* columns = members.find("columns");
  if (columns == nullptr || !columns->is_array() || columns->as_array().size() > kColumnsMax)
    members.fail("'columns' has to be a list");
  TRY(members.check());
  for (const Json& column : columns->as_array()) {
    const std::string at = "columns[" + std::to_string(profile.columns.size()) + "]";
    profile.columns.push_back(TRY(read_column(column, at)));
  }
  if (const Json* others = members.find("others"))
    profile.others = TRY(read_names(others, "others"));
  if (const Json* keys = members.find("keys")) {
    if (!keys->is_array() || keys->as_array().size() > kRulesMax)
      return invalid("this is no profile: 'keys' has to be a list");
    for (const Json& key : keys->as_array())
      profile.keys.push_back(
          TRY(read_key(key, "keys[" + std::to_string(profile.keys.size()) + "]")));
  }
  return profile;
}

}  // namespace slipway::checks
