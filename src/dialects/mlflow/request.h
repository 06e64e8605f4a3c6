#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/db/compare.h"
#include "io/http/message.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"

// What a call carries: the JSON body of a POST, PUT, PATCH or DELETE; the query of a GET, or its
// body where it has no query. Errors are kInvalid in MLflow's words.
//
//   struct GetRun { std::string run_id; };
//   WIRE(GetRun, run_id)
//   constexpr Parameter kGetRun[] = {{"run_id", Type::kText, kRequired}};
//   GetRun call = TRY(read_request<GetRun>(request, kGetRun));
//
// Unknown fields are ignored; null is absent; a required text that is empty is missing. Whole
// numbers may be sent as text, numbers as "NaN" or a bare NaN; experiment ids may be sent as
// numbers; a body that is a JSON text is decoded a second time. Where MLflow goes on with a field
// it could not read, we answer 400.
namespace slipway::mlflow {

enum class Type { kText, kInteger, kNumber, kFlag, kList, kTexts, kAny };  // kTexts: a list of texts
inline constexpr bool kRequired = true;
/// Protobuf messages of the API are shallow; params and tags hold no structure.
inline constexpr wire::Limits kBodyLimits{
    .bytes_max = 64u << 20, .depth_max = 32, .values_max = 4u << 20};

/// A field of a call; checked in the order of the table, as MLflow does. Where "run_id" is absent,
/// "run_uuid" stands for it.
struct Parameter {
  std::string_view name;
  Type type = Type::kText;
  bool required = false;
};
using Parameters = std::span<const Parameter>;

/// The arguments as a JSON object, not checked yet. kInvalid for a wrong Content-Type (POST and PUT
/// need application/json) and for a body that is not a JSON object.
Result<wire::Json> read_arguments(const http::Request& request, Parameters parameters);
/// The first of `parameters` that is missing, or (unless `types_fit`) of a wrong type.
Result<> check_arguments(const wire::Json& arguments, Parameters parameters, bool types_fit);
/// Of an argument that no parameter explains: "metrics[3].value: expected a number, ...".
Error unreadable(const Error& error);
Result<> check_content_type(const http::Request& request);

template <class T>
Result<T> read_arguments_into(const wire::Json& arguments, Parameters parameters) {
  Result<T> decoded = wire::decode<T>(arguments);
  TRY(check_arguments(arguments, parameters, decoded.ok()));
  if (!decoded.ok()) return unreadable(decoded.error());
  return decoded;
}

template <class T>
Result<T> read_request(const http::Request& request, Parameters parameters) {
  wire::Json arguments = TRY(read_arguments(request, parameters));
  return read_arguments_into<T>(arguments, parameters);
}

/// As read_request of a POST, but decoded straight from its body while that is as it should be:
/// `is_complete` says whether the fields that are required are there. For calls that come often or
/// are long.
template <class T>
Result<T> read_body(const http::Request& request, Parameters parameters,
                    bool (*is_complete)(const T&)) {
  TRY(check_content_type(request));
  Result<T> decoded = wire::decode<T>(request.body, kBodyLimits);
  if (decoded.ok() && is_complete(*decoded)) return decoded;
  return read_request<T>(request, parameters);
}

/// What a caller may see, as a search is held to it; nothing for everything. `whole`: ids that are
/// numbers; others are left out, since nothing has them.
std::optional<db::Listed> to_listed(const std::shared_ptr<const http::Sight>& sight, bool whole);

/// {"offset": N} in base64, and back: 0 for an empty token. kInvalid for a token that we did not
/// make.
std::string page_token(std::int64_t offset);
Result<std::int64_t> page_offset(std::string_view token);
std::string to_base64(std::string_view bytes);
Result<std::string> from_base64(std::string_view text);

}  // namespace slipway::mlflow
