#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "io/http/router.h"
#include "io/wire/json.h"

// MLflow's error answers: {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "...", "sqlstate":
// "KAM00", "error_class": "RESOURCE_NOT_FOUND"}; the last two follow from the row.
//
// A code maps to a name and a status by the table in errors.cc; a tag narrows it where MLflow tells
// more kinds apart than Code does:
//
//   kInvalid                       INVALID_PARAMETER_VALUE   400
//   kInvalid  "bad_request"        BAD_REQUEST               400
//   kInvalid  "attribute"          INVALID_PARAMETER_VALUE   400  (an order by no attribute)
//   kMissing                       RESOURCE_DOES_NOT_EXIST   404
//   kMissing  "endpoint"           ENDPOINT_NOT_FOUND        404
//   kConflict                      RESOURCE_CONFLICT         409
//   kConflict "already_exists"     RESOURCE_ALREADY_EXISTS   400
//   kConflict "inactive"           INVALID_PARAMETER_VALUE   400  (a write to something deleted)
//   kConflict "changed"            INVALID_PARAMETER_VALUE   400  (of what may be set only once)
//   kConflict "state"              INVALID_STATE             500
//   kDenied   "unauthenticated"    UNAUTHENTICATED           401
//   kDenied                        PERMISSION_DENIED         403
//   kBusy                          REQUEST_LIMIT_EXCEEDED    429
//   kUnavailable                   TEMPORARILY_UNAVAILABLE   503  (408 with http::kSlowSender)
//   kInternal                      INTERNAL_ERROR            500
//   any       "not_implemented"    NOT_IMPLEMENTED           501
//   kInvalid  "feature_disabled"   FEATURE_DISABLED          500
namespace slipway::mlflow {

/// For Router::group.
http::Response render_error(const Error& error);

/// "Missing value for required parameter 'run_id'. See the API docs for ..."
Error missing_parameter(std::string_view name);
/// "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API docs
/// ..."; `json` is the value as sent.
Error invalid_parameter(std::string_view name, const wire::Json& json);
/// "Invalid value "a//b" for parameter 'key' supplied: " + `why`, without the hint at the API docs.
Error invalid_value(std::string_view path, std::string_view value, std::string_view why);
/// MLflow's word for a call that asks for what its server was not told to do.
Error feature_disabled(std::string message);
/// 501 that names the endpoint.
Error not_implemented(std::string_view what);

}  // namespace slipway::mlflow
