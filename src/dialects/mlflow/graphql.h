#pragma once

#include <functional>
#include <string>

#include "dialects/mlflow/graphql_document.h"
#include "dialects/mlflow/graphql_schema.h"
#include "io/http/router.h"

// GraphQL as MLflow's own page calls it: each field of the root is one of the REST calls, and what
// is selected is taken out of its answer.
namespace slipway::mlflow {

/// Adds GET and POST /graphql. The calls are made to `router` itself, which must have their routes
/// before the first request comes.
void mount_graphql(http::Router& router);

namespace graphql {

/// What a call carries.
struct Call {
  std::string query;
  wire::Json variables;
  std::string operation;
};
/// A REST call; its JSON.
using Ask = std::function<Result<wire::Json>(http::Method, std::string_view path,
                                             const wire::Json& arguments)>;

inline constexpr int kDepthMax = 10;
inline constexpr int kSelectionsMax = 1000;
inline constexpr int kRootFieldsMax = 10;
inline constexpr int kAliasesMax = 10;  // side by side
inline constexpr int kAsksMax = 1000;   // REST calls of one query

/// {"data": ..., "errors": null or a list of texts}. Nothing is asked for unless the whole query
/// is valid and within the bounds. kInvalid for what is no GraphQL.
Result<wire::Json> answer(const Call& call, const Ask& ask);

}  // namespace graphql
}  // namespace slipway::mlflow
