#include "dialects/mlflow/errors.h"

#include "base/log.h"
#include "io/blob/store_fault.h"
#include "io/http/tags.h"

namespace slipway::mlflow {
namespace {

constexpr std::string_view kSeeDocs =
    " See the API docs for more information about request parameters.";

constexpr std::string_view kInvalid = "INVALID_PARAMETER_VALUE";
constexpr std::string_view kNotFound = "RESOURCE_NOT_FOUND";
constexpr std::string_view kNoAttribute = "ATTRIBUTE_NOT_FOUND";
constexpr std::string_view kInternal = "CLIENT_INTERNAL_ERROR";

struct Row {
  Code code;
  std::string_view tag;  // empty: any other
  const char* name;
  int status;
  std::string_view error_class = {};  // empty: MLflow says none
};
constexpr Row kTable[] = {
    {Code::kInvalid, "bad_request", "BAD_REQUEST", 400, kInvalid},
    {Code::kInvalid, "attribute", "INVALID_PARAMETER_VALUE", 400, kNoAttribute},
    {Code::kInvalid, "feature_disabled", "FEATURE_DISABLED", 500, "FEATURE_DISABLED"},
    {Code::kInvalid, "", "INVALID_PARAMETER_VALUE", 400, kInvalid},
    {Code::kMissing, "endpoint", "ENDPOINT_NOT_FOUND", 404, kNotFound},
    {Code::kMissing, "", "RESOURCE_DOES_NOT_EXIST", 404, kNotFound},
    {Code::kConflict, "already_exists", "RESOURCE_ALREADY_EXISTS", 400, "RESOURCE_ALREADY_EXISTS"},
    {Code::kConflict, "inactive", "INVALID_PARAMETER_VALUE", 400, kInvalid},
    {Code::kConflict, "changed", "INVALID_PARAMETER_VALUE", 400, kInvalid},
    {Code::kConflict, "state", "INVALID_STATE", 500, kInternal},
    {Code::kConflict, "", "RESOURCE_CONFLICT", 409},
    {Code::kDenied, "unauthenticated", "UNAUTHENTICATED", 401},
    {Code::kDenied, "", "PERMISSION_DENIED", 403, "PERMISSION_DENIED"},
    {Code::kBusy, "", "REQUEST_LIMIT_EXCEEDED", 429},
    {Code::kUnavailable, http::kSlowSender, "TEMPORARILY_UNAVAILABLE", 408, kInternal},
    {Code::kUnavailable, "", "TEMPORARILY_UNAVAILABLE", 503, kInternal},
    {Code::kInternal, "", "INTERNAL_ERROR", 500, kInternal},
};
constexpr Row kNotImplemented = {Code::kInvalid, "not_implemented", "NOT_IMPLEMENTED", 501};

/// What MLflow says of an error beside its name.
std::string classification_of(std::string_view error_class) {
  if (error_class.empty()) return "";
  const char* sqlstate = "KAM00";
  if (error_class == kInternal) sqlstate = "XXM00";
  if (error_class == kNoAttribute) sqlstate = "KAM04";
  return std::string(", \"sqlstate\": \"") + sqlstate + "\", \"error_class\": \"" +
         std::string(error_class) + "\"";
}

const Row& row_of(const Error& error) {
  if (error.tag == kNotImplemented.tag) return kNotImplemented;
  for (const Row& row : kTable) {
    if (row.code == error.code && (row.tag.empty() || row.tag == error.tag)) return row;
  }
  return kTable[std::size(kTable) - 1];
}

/// The name of a JSON value's type in Python, which the messages give.
const char* python_type(const wire::Json& json) {
  if (json.is_null()) return "NoneType";
  if (json.is_bool()) return "bool";
  if (json.is_integer()) return "int";
  if (json.is_number()) return "float";
  if (json.is_string()) return "str";
  return json.is_array() ? "list" : "dict";
}

std::string quote(const wire::Json& json) {
  constexpr std::size_t kBytesMax = 2000;  // an error never sends a whole request back
  std::string text = wire::dump(json, {.sort_keys = true, .ascii = true});
  if (text.size() > kBytesMax) text = text.substr(0, kBytesMax) + "...";
  return text;
}

std::string public_words(const Error& error) {
  if (error.tag != blob::kStoreFault) return error.message;
  log_warning("the artifact store failed", {{"why", error.message}});
  return "The artifact store cannot be used at the moment; the server's log says why.";
}

}  // namespace

http::Response render_error(const Error& error) {
  const Row& row = row_of(error);
  std::string body = "{\"error_code\": \"" + std::string(row.name) + "\", \"message\": ";
  wire::append_quoted(body, public_words(error), /*ascii=*/true);
  return http::Response::json(body + classification_of(row.error_class) + "}", row.status);
}

Error missing_parameter(std::string_view name) {
  return invalid("Missing value for required parameter '" + std::string(name) + "'." +
                 std::string(kSeeDocs));
}

Error invalid_parameter(std::string_view name, const wire::Json& json) {
  return invalid("Invalid value " + quote(json) + " for parameter '" + std::string(name) +
                 "' supplied:  Hint: Value was of type '" + python_type(json) + "'." +
                 std::string(kSeeDocs));
}

Error invalid_value(std::string_view path, std::string_view value, std::string_view why) {
  return invalid("Invalid value " + quote(wire::Json(value)) + " for parameter '" +
                 std::string(path) + "' supplied" +
                 (why.empty() ? std::string(".") : ": " + std::string(why)));
}

Error feature_disabled(std::string message) {
  return {Code::kInvalid, std::move(message), "feature_disabled"};
}

Error not_implemented(std::string_view what) {
  return {Code::kInvalid, std::string(what) + " is not implemented by this server yet.",
          "not_implemented"};
}

}  // namespace slipway::mlflow
