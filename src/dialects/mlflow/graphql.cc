#include "dialects/mlflow/graphql.h"

#include <set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "dialects/mlflow/api.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/request.h"

namespace slipway::mlflow {
namespace graphql {
namespace {

using wire::Json;

constexpr std::string_view kTypeName = "__typename";

/// What is selected at one place, fragments taken apart.
struct Level {
  std::vector<const Selection*> fields;
  int aliases = 0;
};

/// A fragment counts once at one place, so that fragments of fragments stay few.
void add_level(const Selections& selections, const Document& document, std::set<std::string>& seen,
               Level& level) {
  for (const Selection& selection : selections) {
    const Selections* inside = nullptr;
    if (selection.kind == Selection::Kind::kField) {
      level.fields.push_back(&selection);
      level.aliases += !selection.alias.empty();
    } else if (selection.kind == Selection::Kind::kInline) {
      inside = &selection.selections;
    } else if (seen.insert(selection.name).second) {
      const auto fragment = document.fragments.find(selection.name);
      if (fragment != document.fragments.end()) inside = &fragment->second.selections;
    }
    if (inside != nullptr) add_level(*inside, document, seen, level);
  }
}
Level level_of(const Selections& selections, const Document& document) {
  Level level;
  std::set<std::string> seen;
  add_level(selections, document, seen, level);
  return level;
}

// --- may it be answered -------------------------------------------------------------------------

/// Counts first, so that nobody pays for what is too much; then looks every name up.
class Check {
 public:
  explicit Check(const Document& document) : document_(document) {}

  Result<> bounds() {
    for (const Operation& operation : document_.operations) {
      TRY(count(operation.selections, /*depth=*/1));
    }
    TRY(at_most(kRootFieldsMax, root_fields_, "root fields"));
    return at_most(kAliasesMax, aliases_, "aliases");
  }

  Result<> names(const Operation& operation) const {
    for (const Selection* field : level_of(operation.selections, document_).fields) {
      if (field->name == kTypeName) continue;
      const RootRule* root = find_root(field->name, operation.mutation);
      if (root == nullptr) return unknown(*field, operation.mutation ? "Mutation" : "Query");
      if (field->selections.empty()) return needs_fields(*field, root->answer.name);
      TRY(names(field->selections, root->answer));
    }
    return {};
  }

 private:
  Result<> count(const Selections& selections, int depth) {
    if (depth > kDepthMax) {
      return invalid("Query exceeds maximum depth of " + std::to_string(kDepthMax));
    }
    const Level level = level_of(selections, document_);
    aliases_ = std::max(aliases_, level.aliases);
    for (const Selection* field : level.fields) {
      root_fields_ += depth == 1;
      if (++selections_ > kSelectionsMax) {
        return invalid("Query exceeds maximum total selections of " +
                       std::to_string(kSelectionsMax));
      }
      if (!field->selections.empty()) TRY(count(field->selections, depth + 1));
    }
    return {};
  }
  static Result<> at_most(int max, int found, const std::string& what) {
    if (found <= max) return {};
    return invalid("GraphQL queries should have at most " + std::to_string(max) + " " + what +
                   ", got " + std::to_string(found) + " " + what + ".");
  }

  static Error unknown(const Selection& field, std::string_view type) {
    return invalid("Cannot query field '" + field.name + "' on type '" + std::string(type) + "'.");
  }
  static Error needs_fields(const Selection& field, std::string_view type) {
    return invalid("Field '" + field.name + "' of type '" + std::string(type) +
                   "' must have a selection of subfields. Did you mean '" + field.name +
                   " { ... }'?");
  }
  Result<> names(const Selections& selections, const TypeRule& type) const {
    for (const Selection* field : level_of(selections, document_).fields) {
      if (field->name == kTypeName) continue;
      const FieldRule* rule = type.find(field->name);
      if (rule == nullptr) return unknown(*field, type.name);
      const bool object = rule->kind == Kind::kObject;
      if (object && field->selections.empty()) return needs_fields(*field, type_name(*rule));
      if (object) TRY(names(field->selections, *rule->type));
      if (!object && !field->selections.empty()) {
        return invalid("Field '" + field->name + "' must not have a selection since type '" +
                       std::string(type_name(*rule)) + "' has no subfields.");
      }
    }
    return {};
  }

  const Document& document_;
  int root_fields_ = 0, aliases_ = 0, selections_ = 0;
};

// --- arguments ----------------------------------------------------------------------------------

bool fits(const FieldRule& rule, const Json& value) {
  switch (rule.kind) {
    case Kind::kText:
    case Kind::kEnum:
      return value.is_string();
    case Kind::kWhole:
      return value.is_integer();
    case Kind::kLong:
      return value.is_integer() || (value.is_string() && to_int64(value.as_string()).has_value());
    case Kind::kNumber:
      return value.is_number();
    case Kind::kFlag:
      return value.is_bool();
    case Kind::kObject:
      return value.is_object();
  }
  return false;
}

Error wrong_value(const FieldRule& rule, const Json& value) {
  return invalid(std::string(type_name(rule)) + " cannot represent the value " +
                 wire::dump(value, {.spaces = true}).substr(0, 200) + " of '" +
                 std::string(rule.name) + "'.");
}

/// One value stands for a list of it.
Result<Json> to_argument(const FieldRule& rule, const Json& value) {
  if (!rule.list) {
    if (!fits(rule, value)) return wrong_value(rule, value);
    return value;
  }
  Json::Array items = value.is_array() ? value.as_array() : Json::Array{value};
  for (const Json& item : items) {
    if (!fits(rule, item)) return wrong_value(rule, item);
  }
  return Json(std::move(items));
}

/// The body of the REST call.
Result<Json> to_arguments(const RootRule& root, const Selection& field, const Json& variables) {
  Json input;
  for (const auto& [name, value] : field.arguments) {
    if (name != "input") {
      return invalid("Unknown argument '" + name + "' on field '" + field.name + "'.");
    }
    input = fill(value, variables);
  }
  if (!input.is_object()) {
    return invalid("Field '" + field.name + "' needs its argument 'input' of type '" +
                   std::string(root.input.name) + "'.");
  }
  Json::Object arguments;
  for (const auto& [name, value] : input.as_object()) {
    const FieldRule* rule = root.input.find(name);
    if (rule == nullptr) {
      return invalid("Field '" + name + "' is not defined by type '" +
                     std::string(root.input.name) + "'.");
    }
    if (!value.is_null()) arguments.emplace_back(snake_case(name), TRY(to_argument(*rule, value)));
  }
  return Json(std::move(arguments));
}

// --- the answer ---------------------------------------------------------------------------------

class Execution {
 public:
  Execution(const Document& document, Json variables, const Ask& ask)
      : document_(document), variables_(std::move(variables)), ask_(ask) {}

  Json run(const Operation& operation) {
    Json data{Json::Object{}};
    for (const Merged& field : merged({&operation.selections}, "")) {
      data.set(field.key, root(field, operation.mutation));
    }
    Json answer;
    answer.set("data", std::move(data));
    answer.set("errors", errors_.empty() ? Json() : Json(std::move(errors_)));
    return answer;
  }

 private:
  /// Fields that go into one member of the answer.
  struct Merged {
    std::string key;
    std::vector<const Selection*> fields;
    const Selection& first() const { return *fields.front(); }
    std::vector<const Selections*> inside() const {
      std::vector<const Selections*> all;
      for (const Selection* field : fields) all.push_back(&field->selections);
      return all;
    }
  };

  bool wanted(const Selection& selection, std::string_view type) const {
    const std::string& on = selection.condition;
    if (!on.empty() && !type.empty() && on != type) return false;
    for (const Directive& directive : selection.directives) {
      const bool skip = directive.name == "skip";
      if (!skip && directive.name != "include") continue;
      for (const auto& [name, value] : directive.arguments) {
        if (name == "if" && fill(value, variables_) == Json(skip)) return false;
      }
    }
    return true;
  }

  std::vector<Merged> merged(const std::vector<const Selections*>& places,
                             std::string_view type) const {
    std::vector<Merged> fields;
    std::set<std::string> seen;
    for (const Selections* place : places) add(*place, type, seen, fields);
    return fields;
  }
  void add(const Selections& selections, std::string_view type, std::set<std::string>& seen,
           std::vector<Merged>& fields) const {
    for (const Selection& selection : selections) {
      if (!wanted(selection, type)) continue;
      if (selection.kind == Selection::Kind::kField) {
        add(selection, fields);
      } else if (selection.kind == Selection::Kind::kInline) {
        add(selection.selections, type, seen, fields);
      } else if (seen.insert(selection.name).second) {
        const auto fragment = document_.fragments.find(selection.name);
        if (fragment != document_.fragments.end()) {
          add(fragment->second.selections, type, seen, fields);
        }
      }
    }
  }
  static void add(const Selection& field, std::vector<Merged>& fields) {
    for (Merged& merged : fields) {
      if (merged.key == field.key() && merged.first().name == field.name) {
        merged.fields.push_back(&field);
        return;
      }
    }
    fields.push_back({field.key(), {&field}});
  }

  Json failed(const Error& error) {
    errors_.emplace_back(error.message);
    return {};
  }
  Result<Json> ask(http::Method method, std::string_view path, const Json& arguments) {
    if (++asks_ > kAsksMax) {
      return invalid("A query is answered by at most " + std::to_string(kAsksMax) +
                     " calls; ask for fewer runs with their experiments and versions.");
    }
    return ask_(method, path, arguments);
  }

  Json root(const Merged& field, bool mutation) {
    if (field.first().name == kTypeName) return mutation ? "Mutation" : "Query";
    const RootRule* root = find_root(field.first().name, mutation);
    CHECK(root != nullptr);  // looked up before
    Result<Json> arguments = to_arguments(*root, field.first(), variables_);
    if (!arguments.ok()) return failed(arguments.error());
    Result<Json> found = ask(root->method, root->path, *arguments);
    return found.ok() ? object(root->answer, field.inside(), *found) : failed(found.error());
  }

  Json object(const TypeRule& type, const std::vector<const Selections*>& places,
              const Json& value) {
    Json made{Json::Object{}};
    for (const Merged& field : merged(places, type.name)) {
      if (field.first().name == kTypeName) {
        made.set(field.key, type.name);
        continue;
      }
      const FieldRule* rule = type.find(field.first().name);
      CHECK(rule != nullptr);
      made.set(field.key, member(*rule, field, value));
    }
    return made;
  }

  Json member(const FieldRule& rule, const Merged& field, const Json& value) {
    if (rule.is_null) return {};
    if (rule.ask == FieldRule::Ask::kExperiment) return experiment_of(value, rule, field);
    if (rule.ask == FieldRule::Ask::kVersions) return versions_of(value, rule, field);
    const Json* found = value.find(snake_case(rule.name));
    if (!rule.list) return one(rule, field, found == nullptr ? Json() : *found);
    return list(rule, field, found);
  }
  Json list(const FieldRule& rule, const Merged& field, const Json* values) {
    Json::Array items;
    if (values != nullptr && values->is_array()) {
      for (const Json& item : values->as_array()) items.push_back(one(rule, field, item));
    }
    return Json(std::move(items));
  }

  /// What was not set is what protobuf reads there.
  Json one(const FieldRule& rule, const Merged& field, const Json& value) {
    switch (rule.kind) {
      case Kind::kObject:
        return object(*rule.type, field.inside(), value);
      case Kind::kText:
        return value.is_null() ? Json("") : value;
      case Kind::kEnum:
        return value.is_null() ? Json(rule.absent) : value;
      case Kind::kFlag:
        return value.is_null() ? Json(false) : value;
      case Kind::kWhole:
        return value.is_null() ? Json(0) : value;
      case Kind::kLong:
        return value.is_null() ? Json("0") : Json(wire::dump(value));
      case Kind::kNumber:
        if (value.is_null()) return 0.0;
        return value.is_number() ? value : Json();  // JSON has no NaN
    }
    return {};
  }

  static std::string info_of(const Json& run, std::string_view name) {
    const Json* info = run.find("info");
    const Json* found = info == nullptr ? nullptr : info->find(name);
    return found != nullptr && found->is_string() ? found->as_string() : "";
  }
  Json experiment_of(const Json& run, const FieldRule& rule, const Merged& field) {
    const std::string id = info_of(run, "experiment_id");
    auto known = experiments_.find(id);
    if (known == experiments_.end()) {
      Json arguments;
      arguments.set("experiment_id", id);
      Result<Json> found = ask(http::Method::kGet, kExperimentPath, arguments);
      if (!found.ok()) return failed(found.error());
      const Json* experiment = found->find("experiment");
      known = experiments_.emplace(id, experiment == nullptr ? Json() : *experiment).first;
    }
    return object(*rule.type, field.inside(), known->second);
  }
  Json versions_of(const Json& run, const FieldRule& rule, const Merged& field) {
    Json arguments;
    arguments.set("filter", "run_id='" + info_of(run, "run_id") + "'");
    Result<Json> found = ask(http::Method::kGet, kVersionsPath, arguments);
    if (!found.ok()) return failed(found.error());
    return list(rule, field, found->find("model_versions"));
  }

  const Document& document_;
  const Json variables_;
  const Ask& ask_;
  std::map<std::string, Json> experiments_;
  Json::Array errors_;
  int asks_ = 0;
};

Result<const Operation*> chosen(const Document& document, const std::string& name) {
  if (name.empty() && document.operations.size() > 1) {
    return invalid("Must provide operation name if query contains multiple operations.");
  }
  for (const Operation& operation : document.operations) {
    if (name.empty() || operation.name == name) return &operation;
  }
  return invalid("Unknown operation named '" + name + "'.");
}

Json variables_of(const Operation& operation, const Json& given) {
  Json variables{Json::Object{}};
  for (const auto& [name, fallback] : operation.variables) {
    if (const Json* value = given.find(name)) {
      variables.set(name, *value);
    } else if (fallback) {
      variables.set(name, fill(*fallback, Json()));
    }
  }
  return variables;
}

Result<Json> answer_valid(const Document& document, const Call& call, const Ask& ask) {
  Check check(document);
  TRY(check.bounds());
  const Operation* operation = TRY(chosen(document, call.operation));
  TRY(check.names(*operation));
  return Execution(document, variables_of(*operation, call.variables), ask).run(*operation);
}

}  // namespace

Result<Json> answer(const Call& call, const Ask& ask) {
  const Document document = TRY(parse_document(call.query));
  Result<Json> answered = answer_valid(document, call, ask);
  if (answered.ok()) return answered;
  Json refused;
  refused.set("data", Json());
  refused.set("errors", Json(Json::Array{Json(answered.error().message)}));
  return refused;
}

}  // namespace graphql

namespace {

using http::Method;
using http::Request;
using http::Response;
using wire::Json;

struct GraphqlCall {
  std::string query;
  Json variables;
  std::string operationName;
};
WIRE(GraphqlCall, query, variables, operationName)
constexpr Parameter kGraphqlCall[] = {
    {"query", Type::kText, kRequired}, {"variables", Type::kAny}, {"operationName"}};

/// As the client that sent `outer` would make the call.
Result<Json> ask(const http::Router& router, const Request& outer, Method method,
                 std::string_view path, const Json& arguments) {
  const http::Router::Match match = router.match(method, path);
  CHECK(match.entry != nullptr && match.entry->answer);
  Request inner;
  inner.method = method;
  inner.path = inner.target = path;
  inner.headers.add("Content-Type", "application/json");
  inner.body = wire::dump(arguments);
  inner.principal = outer.principal;
  const Response response = TRY(match.entry->answer(inner));
  return wire::parse(response.body);
}

Result<Response> answer(const http::Router& router, const Request& request) {
  GraphqlCall call = TRY(read_request<GraphqlCall>(request, kGraphqlCall));
  const Json answered = TRY(graphql::answer(
      {std::move(call.query), std::move(call.variables), std::move(call.operationName)},
      [&](Method method, std::string_view path, const Json& arguments) {
        return ask(router, request, method, path, arguments);
      }));
  return Response::json(wire::dump(answered, {.ascii = true}));
}

}  // namespace

void mount_graphql(http::Router& router) {
  for (Method method : {Method::kGet, Method::kPost}) {
    Calls(router, "")
        .add({method, "/graphql", http::reads("tracking"), http::Place::kBlocking,
              /*body_bytes_max=*/1u << 20},
             [&router](Request& request) { return answer(router, request); });
  }
}

}  // namespace slipway::mlflow
