#include <algorithm>
#include <set>

#include "base/text.h"
#include "domain/features/view.h"
#include "domain/project/reader.h"

// Feature views from YAML. First the shape, with every fault noted; then, when names are known,
// what refers to them.
namespace slipway::features {
namespace {

using project::in_quotes;
using project::Keys;
using project::Reader;
using yaml::Node;

const std::vector<std::string>& type_names() {
  static const std::vector<std::string> names = {"bool", "int64", "float64", "string", "timestamp"};
  return names;
}

/// One entry of `aggregates`, before it is multiplied out.
struct Group {
  std::string of, as;
  std::vector<std::pair<AggregateFunction, yaml::Position>> functions;
  std::vector<std::pair<std::int64_t, std::string>> windows;  // microseconds, and as written
  std::string bound = "exclusive";
  std::optional<std::int64_t> hop_us;
  bool exact = false;
  yaml::Position of_at, at;
};

/// A view in the making.
struct Draft {
  std::string kind;
  View view;
  std::vector<Group> groups;
  yaml::Position event_time_at, created_at;
  std::vector<std::pair<std::string, yaml::Position>> names;  // columns, for duplicates
  /// What of the names can be judged although the shape is wrong: a column whose type is none has a
  /// name at least, and an aggregate of which something is wrong the beginning of one ("trips_");
  /// but what is no map of columns may hold any.
  std::set<std::string> untyped;
  bool columns_known = true;
};

bool is_name_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// Whether a name of `untyped` stands in an expression, so that nothing can be said of its types.
bool mentions(const std::string& expression, const std::set<std::string>& untyped) {
  const auto begins_at = [&](const std::string& name, std::size_t at) {
    const std::size_t end = at + name.size();
    const bool is_begin = at == 0 || !is_name_byte(expression[at - 1]);
    return is_begin &&
           (name.ends_with('_') || end == expression.size() || !is_name_byte(expression[end]));
  };
  return std::any_of(untyped.begin(), untyped.end(), [&](const std::string& name) {
    for (std::size_t at = expression.find(name); at != std::string::npos;
         at = expression.find(name, at + 1))
      if (begins_at(name, at)) return true;
    return false;
  });
}

bool read_type(Reader& reader, const Node& node, Type& out) {
  std::string name;
  if (!reader.choice(node, type_names(), name)) return false;
  out = *parse_type(name);
  return true;
}

void read_column(Reader& reader, const yaml::Entry& entry, Draft& draft, std::vector<Input>& out) {
  Input column;
  if (!reader.name(entry.key, column.name)) return;
  reader.key = column.name;
  if (!read_type(reader, entry.value, column.type)) {
    draft.untyped.insert(column.name);
    return;
  }
  draft.names.emplace_back(column.name, entry.key.at);
  out.push_back(std::move(column));
}

void read_columns(Reader& reader, const Node& node, Draft& draft, std::vector<Input>& out) {
  reader.members(node, "columns with their types",
                 [&](const yaml::Entry& entry) { read_column(reader, entry, draft, out); });
}

/// {driver_id: int64} or [driver_id: int64, day: string].
void read_entity(Reader& reader, const Node& node, Draft& draft) {
  std::vector<Input>& keys = draft.view.entity;
  if (node.is_sequence()) {
    for (const Node& item : node.items) read_columns(reader, item, draft, keys);
  } else {
    read_columns(reader, node, draft, keys);
  }
  if (keys.size() > kKeyColumnsMax) {
    reader.fault(node.at, "found " + std::to_string(keys.size()) +
                              " key columns, expected at most " + std::to_string(kKeyColumnsMax));
  }
  for (const Input& key : keys) {
    if (key.type != Type::kFloat64) continue;
    reader.fault(node.at, "found a key of type float64 (" + in_quotes(key.name) +
                              "), expected int64, string, bool or timestamp");
  }
}

void read_rename(Reader& reader, const Node& node, Draft& draft) {
  std::set<std::string> targets;
  reader.members(node, "columns of the file and their names here", [&](const yaml::Entry& entry) {
    std::string from, to;
    if (!reader.text(entry.key, from) || !reader.name(entry.value, to)) return;
    if (!targets.insert(to).second) {
      reader.fault(entry.value.at, "found " + in_quotes(to) + " twice, expected different names");
    }
    draft.view.source.rename.emplace_back(from, to);
  });
}

const Keys<Draft>& source_keys() {
  static const Keys<Draft> keys = {
      {"file", [](Reader& r, const Node& n, Draft& d) { r.path(n, d.view.source.file); }, true},
      {"event_time",
       [](Reader& r, const Node& n, Draft& d) {
         d.event_time_at = n.at;
         r.name(n, d.view.source.event_time);
       },
       true},
      {"created",
       [](Reader& r, const Node& n, Draft& d) {
         d.created_at = n.at;
         r.name(n, d.view.source.created);
       }},
      {"columns",
       [](Reader& r, const Node& n, Draft& d) { read_columns(r, n, d, d.view.source.columns); }},
      {"rename", read_rename},
  };
  return keys;
}

const Keys<Feature>& feature_keys() {
  static const Keys<Feature> keys = {
      {"type", [](Reader& r, const Node& n, Feature& f) { read_type(r, n, f.type); }, true},
      {"expr", [](Reader& r, const Node& n, Feature& f) { r.text(n, f.expression); }},
  };
  return keys;
}

/// "temp: float64" is a column of the source as it is.
void read_feature(Reader& reader, const yaml::Entry& entry, Draft& draft) {
  Feature feature;
  feature.at = entry.key.at;
  if (!reader.name(entry.key, feature.name)) return;
  reader.key = feature.name;
  if (entry.value.is_mapping()) {
    const Node* expression = entry.value.find("expr");
    if (expression != nullptr) feature.at = expression->at;
    const std::size_t before = reader.fault_count();
    read_map(reader, entry.value, entry.key.at, "the feature " + in_quotes(feature.name),
             feature_keys(), feature);
    if (reader.fault_count() > before) draft.untyped.insert(feature.name);
  } else if (!read_type(reader, entry.value, feature.type)) {
    draft.untyped.insert(feature.name);
    return;
  }
  draft.view.features.push_back(std::move(feature));
}

bool read_micros(Reader& reader, const Node& node, std::int64_t& out) {
  project::Span span{0};
  if (!reader.span(node, span)) return false;
  const std::int64_t ms = span.count();
  if (ms <= 0 || ms > kWindowMaxUs / 1000) {
    reader.expected(node, "a span above 0 and up to 1830d");
    return false;
  }
  out = ms * 1000;
  return true;
}

void read_window(Reader& reader, const Node& item, Group& group) {
  std::int64_t us = 0;
  if (read_micros(reader, item, us)) group.windows.emplace_back(us, item.text);
}

void read_function(Reader& reader, const Node& item, Group& group) {
  static const std::vector<std::string> names = {"count", "sum", "min",   "max", "mean",
                                                 "var",   "std", "first", "last"};
  std::string name;
  if (reader.choice(item, names, name)) {
    group.functions.emplace_back(*parse_aggregate_function(name), item.at);
  }
}

void read_hop(Reader& reader, const Node& node, Group& group) {
  std::int64_t us = 0;
  if (!read_micros(reader, node, us)) return;
  if (std::find(kTileUs.begin(), kTileUs.end(), us) == kTileUs.end()) {
    return reader.expected(node, "5m, 1h or 1d");
  }
  group.hop_us = us;
}

const Keys<Group>& group_keys() {
  static const Keys<Group> keys = {
      {"of",
       [](Reader& r, const Node& n, Group& g) {
         g.of_at = n.at;
         r.text(n, g.of);
       },
       true},
      {"as", [](Reader& r, const Node& n, Group& g) { r.name(n, g.as); }},
      {"fn",
       [](Reader& r, const Node& n, Group& g) {
         r.list(n, "functions", [&](const Node& item) { read_function(r, item, g); });
       },
       true},
      {"windows",
       [](Reader& r, const Node& n, Group& g) {
         r.list(n, "spans", [&](const Node& item) { read_window(r, item, g); });
       },
       true},
      {"bound",
       [](Reader& r, const Node& n, Group& g) {
         static const std::vector<std::string> names = {"exclusive", "inclusive"};
         r.choice(n, names, g.bound);
       }},
      {"hop", read_hop},
      {"exact", [](Reader& r, const Node& n, Group& g) { r.truth(n, g.exact); }},
  };
  return keys;
}

/// Nothing, where it has no name of its own.
std::string prefix_of(const Group& group) {
  if (!group.as.empty()) return group.as;
  return group.of == "*" ? "rows" : group.of;
}

void read_groups(Reader& reader, const Node& node, Draft& draft) {
  reader.list(node, "aggregates", [&](const Node& item) {
    const std::size_t before = reader.fault_count();
    Group group;
    group.at = item.at;
    if (!read_map(reader, item, item.at, "an aggregate", group_keys(), group)) return;
    if (group.exact && group.hop_us) {
      reader.fault(item.at, "found \"hop\" and \"exact\", expected one of them");
    }
    if (reader.fault_count() > before) draft.untyped.insert(prefix_of(group) + "_");
    draft.groups.push_back(std::move(group));
  });
}

/// A section of columns: what is wrong with it beyond types leaves their names unknown.
void read_scope(Reader& reader, const Node& node, Draft& draft,
                void (*read)(Reader&, const Node&, Draft&)) {
  const std::size_t faults = reader.fault_count(), untyped = draft.untyped.size();
  read(reader, node, draft);
  const bool only_types = reader.fault_count() - faults == draft.untyped.size() - untyped;
  draft.columns_known = draft.columns_known && only_types;
}

const Keys<Draft>& view_keys() {
  static const Keys<Draft> keys = {
      {"kind",
       [](Reader& r, const Node& n, Draft& d) {
         static const std::vector<std::string> kinds = {"feature_view"};
         r.choice(n, kinds, d.kind);
       },
       true},
      {"name", [](Reader& r, const Node& n, Draft& d) { r.name(n, d.view.name); }, true},
      {"description", [](Reader& r, const Node& n, Draft& d) { r.text(n, d.view.description); }},
      {"owner", [](Reader& r, const Node& n, Draft& d) { r.text(n, d.view.owner); }},
      {"entity",
       [](Reader& r, const Node& n, Draft& d) { read_scope(r, n, d, read_entity); }},
      {"source",
       [](Reader& r, const Node& n, Draft& d) {
         read_scope(r, n, d, [](Reader& reader, const Node& node, Draft& draft) {
           read_map(reader, node, node.at, "\"source\"", source_keys(), draft);
         });
       },
       true},
      {"ttl", [](Reader& r, const Node& n, Draft& d) { read_micros(r, n, d.view.ttl_us); }},
      {"request",
       [](Reader& r, const Node& n, Draft& d) {
         read_scope(r, n, d, [](Reader& reader, const Node& node, Draft& draft) {
           read_columns(reader, node, draft, draft.view.request);
         });
       }},
      {"features",
       [](Reader& r, const Node& n, Draft& d) {
         r.members(n, "features", [&](const yaml::Entry& entry) { read_feature(r, entry, d); });
       }},
      {"aggregates", read_groups},
  };
  return keys;
}

// ---- what refers to names

const Input* find_input(const std::vector<Input>& inputs, std::string_view name) {
  for (const Input& input : inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}

/// A feature without an expression is a column, which it declares when the source doesn't.
void declare_plain_features(Reader& reader, Draft& draft) {
  std::vector<Input>& columns = draft.view.source.columns;
  for (Feature& feature : draft.view.features) {
    if (!feature.expression.empty()) continue;
    const Input* column = find_input(columns, feature.name);
    if (draft.untyped.contains(feature.name)) continue;
    if (column == nullptr) {
      columns.push_back({feature.name, feature.type});
      draft.names.emplace_back(feature.name, feature.at);
    } else if (column->type != feature.type &&
               !(column->type == Type::kInt64 && feature.type == Type::kFloat64)) {
      reader.fault(feature.at, "found " + std::string(to_string(feature.type)) + " for " +
                                   in_quotes(feature.name) + ", expected " +
                                   to_string(column->type) + " as in \"columns\"");
      feature.type = column->type;  // one fault is enough
    }
    feature.expression = "\"" + feature.name + "\"";
  }
}

/// The times are columns too: expressions may name them.
void declare_times(Reader& reader, Draft& draft) {
  Source& source = draft.view.source;
  if (!source.created.empty() && source.created == source.event_time) {
    reader.fault(draft.created_at,
                 "found the column of \"event_time\" for \"created\", expected another");
    return;
  }
  const auto declare = [&](const std::string& name, yaml::Position at) {
    if (name.empty() || draft.untyped.contains(name)) return;
    const Input* column = find_input(source.columns, name);
    if (column == nullptr) {
      source.columns.push_back({name, Type::kTimestamp});
      draft.names.emplace_back(name, at);
    } else if (column->type != Type::kTimestamp) {
      reader.fault(at, "found a column of type " + std::string(to_string(column->type)) + " (" +
                           in_quotes(name) + "), expected timestamp");
    }
  };
  declare(source.event_time, draft.event_time_at);
  declare(source.created, draft.created_at);
}

/// Expressions over a source's rows may name keys as well.
std::vector<Input> row_scope(const View& view) {
  std::vector<Input> all = view.entity;
  all.insert(all.end(), view.source.columns.begin(), view.source.columns.end());
  return all;
}

void check_names(Reader& reader, Draft& draft) {
  std::set<std::string> seen = {kRequestTime};
  for (const auto& [name, at] : draft.names) {
    if (seen.insert(name).second) continue;
    reader.fault(at, "found " + in_quotes(name) + " again, expected a name that is not taken yet");
  }
  std::set<std::string> outputs;
  for (const Input& key : draft.view.entity) outputs.insert(key.name);
  for (const Feature& feature : draft.view.features) {
    if (outputs.insert(feature.name).second) continue;
    reader.fault(feature.at, "found " + in_quotes(feature.name) +
                                 " again, expected a name that is not taken yet");
  }
}

std::size_t operand_of(View& view, const std::string& expression, Type type) {
  for (std::size_t i = 0; i < view.operands.size(); ++i) {
    if (view.operands[i].expression == expression && view.operands[i].type == type) return i;
  }
  view.operands.push_back({expression, type});
  return view.operands.size() - 1;
}

/// What counts need of values that are no numbers: whether they are there.
std::string presence_of(const std::string& expression) {
  return "case when (" + expression + ") is not null then 1 end";
}

bool is_plain_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_name_byte);
}

void add_aggregate(Reader& reader, Draft& draft, const Group& group, Operand operand,
                   std::pair<AggregateFunction, yaml::Position> function,
                   const std::pair<std::int64_t, std::string>& window) {
  const std::int64_t window_us = window.first;
  View& view = draft.view;
  const bool is_number = operand.type == Type::kInt64 || operand.type == Type::kFloat64;
  if (!is_number && function.first != AggregateFunction::kCount) {
    return reader.fault(function.second, "found " + in_quotes(to_string(function.first)) +
                                             " of a " + to_string(operand.type) +
                                             ", expected \"count\"");
  }
  if (!is_number) operand = {presence_of(operand.expression), Type::kInt64};
  Aggregate made;
  made.name = prefix_of(group) + "_" + to_string(function.first) + "_" + window.second;
  made.function = function.first;
  made.type = result_type(function.first, operand.type);
  made.operand = operand_of(view, operand.expression, operand.type);
  made.window.length_us = window_us;
  made.window.hop_us = group.exact ? 0 : group.hop_us.value_or(default_hop_us(window_us));
  made.window.inclusive = group.bound == "inclusive";
  if (made.window.hop_us > window_us) {
    return reader.fault(group.at, "found a hop longer than the window " + window.second +
                                      ", expected a shorter one, or \"exact: true\"");
  }
  if (std::any_of(view.aggregates.begin(), view.aggregates.end(),
                  [&](const Aggregate& a) { return a.name == made.name; }) ||
      std::any_of(view.features.begin(), view.features.end(),
                  [&](const Feature& f) { return f.name == made.name; })) {
    return reader.fault(
        group.at, "found " + in_quotes(made.name) + " again, expected another name: use \"as\"");
  }
  draft.names.emplace_back(made.name, group.at);
  view.aggregates.push_back(std::move(made));
}

void add_group(Reader& reader, Draft& draft, const Group& group) {
  if (group.of.empty() || mentions(group.of, draft.untyped)) return;
  Operand operand{group.of, Type::kInt64};
  if (group.of == "*") {
    operand.expression = "1";
  } else {
    Result<Program> program = compile(group.of, row_scope(draft.view));
    if (!program.ok()) return reader.fault(group.of_at, "in \"of\", " + program.error().message);
    operand.type = program->type();
  }
  if (group.as.empty() && group.of != "*" && !is_plain_name(group.of)) {
    return reader.fault(group.at, "found no \"as\" for an expression, expected a name");
  }
  for (const auto& function : group.functions) {
    for (const auto& window : group.windows) {
      add_aggregate(reader, draft, group, operand, function, window);
    }
  }
}

/// Each expression, and which of the source's columns they need.
void check_features(Reader& reader, Draft& draft) {
  View& view = draft.view;
  view.stored = view.source.columns;
  const std::vector<Input> scope = view.scope();
  std::set<std::size_t> read;
  for (const Feature& feature : view.features) {
    const bool is_typed = !draft.untyped.contains(feature.name);
    if (!is_typed && feature.expression.empty()) continue;
    if (mentions(feature.expression, draft.untyped)) continue;
    Result<Program> program = compile(feature.expression, scope,
                                      is_typed ? std::optional(feature.type) : std::nullopt);
    if (!program.ok()) {
      reader.fault(feature.at, "in the expression of " + in_quotes(feature.name) + ", " +
                                   program.error().message);
      continue;
    }
    read.insert(program->reads().begin(), program->reads().end());
  }
  std::vector<Input> stored;
  for (std::size_t i = 0; i < view.source.columns.size(); ++i) {
    if (read.count(i) != 0) stored.push_back(view.source.columns[i]);
  }
  view.stored = std::move(stored);
}

Result<Node> parse_tree(std::string_view text, const std::string& file) {
  yaml::Limits limits;
  limits.bytes_max = kViewBytesMax;
  limits.depth_max = 20;
  limits.nodes_max = 200'000;
  limits.alias_nodes_max = 10'000;
  return yaml::parse(text, file, yaml::Schema::kYaml12, limits);
}

}  // namespace

Result<View> parse_view(std::string_view text, const std::string& file) {
  Node root = TRY(parse_tree(text, file));
  if (root.at.line == 0) root.at = {1, 1};  // an empty text
  project::Faults faults(file);
  Reader reader(faults);
  Draft draft;
  read_map(reader, root, {1, 1}, "a feature view", view_keys(), draft);
  const bool has_source = root.is_mapping() && root.find("source") != nullptr;
  if (faults.any() && !(draft.columns_known && has_source)) return faults.error();
  declare_plain_features(reader, draft);
  declare_times(reader, draft);
  for (const Group& group : draft.groups) {
    const std::size_t before = reader.fault_count();
    add_group(reader, draft, group);
    if (reader.fault_count() > before) draft.untyped.insert(prefix_of(group) + "_");
  }
  check_features(reader, draft);
  check_names(reader, draft);
  if (draft.view.features.empty() && draft.view.aggregates.empty() && !faults.any()) {
    reader.fault(root.at, "found neither \"features\" nor \"aggregates\", expected some");
  }
  if (faults.any()) return faults.error();
  return std::move(draft.view);
}

}  // namespace slipway::features
