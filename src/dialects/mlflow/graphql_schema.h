#pragma once

#include <span>
#include <string>
#include <string_view>

#include "io/http/message.h"

// What GraphQL calls of MLflow's page may ask for, as tables: types with their fields, and for each
// field of the root the REST call that answers it. A field's name in REST is its name here in
// snake_case.
namespace slipway::mlflow::graphql {

enum class Kind { kText, kWhole, kLong, kNumber, kFlag, kEnum, kObject };  // kLong: as a text

struct TypeRule;
struct FieldRule {
  std::string_view name;
  Kind kind = Kind::kText;
  bool list = false;
  const TypeRule* type = nullptr;  // of kObject
  std::string_view absent = {};    // of kEnum: what protobuf reads where nothing was set
  bool is_null = false;            // an object that is never there
  /// Not in the answer of REST: asked for by the object's own fields.
  enum class Ask { kNothing, kExperiment, kVersions } ask = Ask::kNothing;
};
struct TypeRule {
  std::string_view name;
  std::span<const FieldRule> fields;

  const FieldRule* find(std::string_view field) const;
};

struct RootRule {
  std::string_view name;
  http::Method method;
  std::string_view path;
  const TypeRule& input;
  const TypeRule& answer;
  bool queries, mutates;  // of which roots it is a field
};

const RootRule* find_root(std::string_view name, bool mutation);
std::string_view type_name(const FieldRule& field);
/// "runId" is "run_id".
std::string snake_case(std::string_view name);

inline constexpr std::string_view kExperimentPath = "/api/2.0/mlflow/experiments/get";
inline constexpr std::string_view kVersionsPath = "/api/2.0/mlflow/model-versions/search";

}  // namespace slipway::mlflow::graphql
