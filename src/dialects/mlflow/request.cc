#include "dialects/mlflow/request.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "dialects/mlflow/errors.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Request;
using wire::Json;

const Parameter* find_parameter(Parameters parameters, std::string_view name) {
  for (const Parameter& parameter : parameters) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

/// Every value of a query is a text; lists and flags are known by the table only.
Result<Json> arguments_of_query(const http::Query& query, Parameters parameters) {
  Json arguments{Json::Object{}};
  for (const auto& [name, value] : query) {
    const Parameter* parameter = find_parameter(parameters, name);
    if (parameter == nullptr) continue;
    if (parameter->type == Type::kList || parameter->type == Type::kTexts) {
      const Json* before = arguments.find(name);
      Json::Array list = before != nullptr ? before->as_array() : Json::Array{};
      list.emplace_back(value);
      arguments.set(name, std::move(list));
      continue;
    }
    if (arguments.find(name) != nullptr) continue;  // the first one counts
    if (parameter->type == Type::kFlag) {
      const std::string word = to_lower(value);
      if (word != "true" && word != "false") {
        return invalid("Invalid boolean value: " + value + ", must be 'true' or 'false'.");
      }
      arguments.set(name, Json(word == "true"));
      continue;
    }
    arguments.set(name, Json(value));
  }
  return arguments;
}

Json id_as_text(Json value) {
  return value.is_integer() ? Json(wire::dump(value)) : std::move(value);
}

/// Old clients send experiment ids as numbers. They stand at the top or one level below it.
void write_ids_as_text(Json& value, int levels) {
  if (value.is_array()) {
    for (Json& item : value.as_array()) write_ids_as_text(item, levels);
  }
  if (!value.is_object() || levels == 0) return;
  for (auto& [key, member] : value.as_object()) {
    if (key == "experiment_id") member = id_as_text(std::move(member));
    if (key == "experiment_ids" && member.is_array()) {
      for (Json& id : member.as_array()) id = id_as_text(std::move(id));
    }
    write_ids_as_text(member, levels - 1);
  }
}

Result<Json> parse_body(std::string_view body) {
  if (trim(body).empty()) return Json{Json::Object{}};
  Result<Json> parsed = wire::parse(body, kBodyLimits);
  if (parsed.ok() && parsed->is_string())
    parsed = wire::parse(std::string(parsed->as_string()), kBodyLimits);
  if (!parsed.ok()) {
    return invalid("The request body is not valid JSON: " + parsed.error().message);
  }
  if (parsed->is_null()) return Json{Json::Object{}};
  if (!parsed->is_object()) return invalid("The request body must be a JSON object.");
  return parsed;
}

bool reads_as_integer(const Json& value) {
  if (value.is_string()) return to_int64(trim(value.as_string())).has_value();
  return value.is_bool() || (value.is_number() && std::isfinite(value.as_double()));
}

bool reads_as_number(const Json& value) {
  if (!value.is_string()) return value.is_number();
  const std::string word = to_lower(value.as_string());
  return to_double(word).has_value() || word == "nan" || word == "infinity" || word == "-infinity";
}

bool has_type(const Json& value, Type type) {
  switch (type) {
    case Type::kText:
      return value.is_string();
    case Type::kInteger:
      return reads_as_integer(value);
    case Type::kNumber:
      return reads_as_number(value);
    case Type::kFlag:
      return value.is_bool();
    case Type::kList:
      return value.is_array();
    case Type::kTexts:
      return value.is_array() && std::ranges::all_of(value.as_array(), &Json::is_string);
    case Type::kAny:
      return true;
  }
  return false;
}

bool is_absent(const Json* value) {
  return value == nullptr || value->is_null() || (value->is_string() && value->as_string().empty());
}

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<unsigned> digit_of(char c) {
  const std::size_t at = std::string_view(kAlphabet, 64).find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(at);
}

}  // namespace

Result<> check_content_type(const Request& request) {
  if (request.method != Method::kPost && request.method != Method::kPut) return {};
  std::string_view type = request.headers.get("Content-Type");
  type = trim(type.substr(0, type.find(';')));
  if (to_lower(type) == "application/json") return {};
  return invalid("Bad Request. Content-Type must be one of ['application/json'].");
}

Result<Json> read_arguments(const Request& request, Parameters parameters) {
  TRY(check_content_type(request));
  if (request.method == Method::kGet && !request.query.empty()) {
    return arguments_of_query(request.query, parameters);
  }
  Json arguments = TRY(parse_body(request.body));
  write_ids_as_text(arguments, /*levels=*/2);
  return arguments;
}

Result<> check_arguments(const Json& arguments, Parameters parameters, bool types_fit) {
  for (const Parameter& parameter : parameters) {
    const Json* value = arguments.find(parameter.name);
    const bool none = value == nullptr || value->is_null();
    if (none && parameter.name == "run_id") value = arguments.find("run_uuid");
    if (is_absent(value)) {
      const bool is_nothing = value == nullptr || value->is_null();
      // In a call that can't be read as a whole MLflow asks for the type first.
      if (is_nothing && parameter.required && !types_fit && parameter.type != Type::kAny) {
        return invalid_parameter(parameter.name, Json());
      }
      if (parameter.required) return missing_parameter(parameter.name);
      if (is_nothing) continue;
    }
    if (!types_fit && !has_type(*value, parameter.type)) {
      return invalid_parameter(parameter.name, *value);
    }
  }
  return {};
}

Error unreadable(const Error& error) {
  return invalid("Invalid value for a request parameter: " + error.message +
                 ". See the API docs for more information about request parameters.");
}

std::optional<db::Listed> to_listed(const std::shared_ptr<const http::Sight>& sight, bool whole) {
  if (sight == nullptr) return std::nullopt;
  db::Listed listed{!sight->all_but, {}};
  for (const std::string& name : sight->names) {
    if (!whole || to_int64(name)) listed.values.push_back(name);
  }
  return listed;
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    unsigned group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= count ? kAlphabet[group >> (18 - 6 * i) & 63u] : '=';
    }
  }
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  const Error wrong = invalid("Invalid page token, could not base64-decode");
  if (text.size() % 4 != 0) return wrong;
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::string_view quad = text.substr(at, 4);
    std::size_t count = 4;
    while (at + 4 == text.size() && count > 2 && quad[count - 1] == '=') --count;
    unsigned group = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      std::optional<unsigned> digit = i < count ? digit_of(quad[i]) : 0u;
      if (!digit) return wrong;
      group = group << 6 | *digit;
    }
    for (std::size_t i = 0; i + 1 < count; ++i) {
      bytes += static_cast<char>(group >> (16 - 8 * i) & 255u);
    }
  }
  return bytes;
}

std::string page_token(std::int64_t offset) {
  return to_base64("{\"offset\": " + std::to_string(offset) + "}");
}

Result<std::int64_t> page_offset(std::string_view token) {
  if (token.empty()) return std::int64_t{0};
  std::string text = TRY(from_base64(token));
  Result<Json> parsed = wire::parse(text, {.bytes_max = 4096, .depth_max = 4, .values_max = 64});
  if (!parsed.ok() || !parsed->is_object()) {
    return invalid("Invalid page token, decoded value=" + text);
  }
  const Json* offset = parsed->find("offset");
  const bool good =
      offset != nullptr && offset->is_integer() && !offset->is_uint64() && offset->as_int64() > 0;
  if (!good) return invalid("Invalid page token, parsed value=" + replace_all(text, "\"", "'"));
  return offset->as_int64();
}

}  // namespace slipway::mlflow
