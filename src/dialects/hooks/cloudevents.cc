#include "dialects/hooks/cloudevents.h"

#include <array>

#include "base/base64.h"
#include "base/text.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"

namespace slipway::hooks {
namespace {

using flows::Occasion;
using wire::Json;

constexpr wire::Limits kLimits{8u << 20, 50, 200'000};

/// The attributes that the specification names, and the data.
struct Event {
  std::string id, source, specversion, type, subject, time;
  Json data;
};

bool starts_with_type(std::string_view content_type, std::string_view type) {
  return to_lower(content_type.substr(0, type.size())) == type;
}

std::string essence(std::string_view content_type) {
  return to_lower(trim(content_type.substr(0, content_type.find(';'))));
}

bool is_json(std::string_view content_type) {
  const std::string type = essence(content_type);
  return type == "application/json" || type == "text/json" || type.ends_with("+json");
}

bool has_controls(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return true;
  return false;
}

Result<> check_attribute(const char* name, const std::string& value, bool required) {
  if (value.empty() && !required) return {};
  if (value.empty()) return invalid(std::string("the CloudEvent has no ") + name);
  if (value.size() > kAttributeBytesMax)
    return invalid(std::string(name) + " is longer than 1024 bytes");
  if (has_controls(value) || !is_valid_utf8(value))
    return invalid(std::string(name) + " holds bytes that no attribute may hold");
  return {};
}

Result<Occasion> occasion_of(Event event, UnixMs now_ms) {
  TRY(check_attribute("id", event.id, true));
  TRY(check_attribute("source", event.source, true));
  TRY(check_attribute("type", event.type, true));
  TRY(check_attribute("subject", event.subject, false));
  if (event.specversion != "1.0") {
    return invalid("specversion is \"" + event.specversion + "\"; this server knows 1.0");
  }
  Occasion occasion;
  occasion.time_ms = now_ms;
  if (!event.time.empty()) {
    const std::optional<UnixMs> time = parse_iso8601(event.time);
    if (!time) return invalid("time \"" + event.time + "\" is none as RFC 3339 writes it");
    occasion.time_ms = *time;
  }
  occasion.key = "message/" + event.source + "\n" + event.id;
  occasion.cause = {graph::kind::kMessage, event.source + "/" + event.id};
  occasion.id = std::move(event.id);
  occasion.type = std::move(event.type);
  occasion.source = std::move(event.source);
  occasion.subject = std::move(event.subject);
  occasion.data = std::move(event.data);
  if (occasion.data.is_null()) occasion.data = Json(Json::Object());
  if (!occasion.data.is_object()) {
    Json wrapped;
    wrapped.set("value", std::move(occasion.data));
    occasion.data = std::move(wrapped);
  }
  return occasion;
}

/// Bytes of that media type as a parameter may hold them: what no text is, is not kept.
Result<Json> data_of(std::string_view bytes, std::string_view media_type) {
  if (bytes.empty()) return Json();
  if (is_json(media_type)) return wire::parse(bytes, kLimits);
  if (!is_valid_utf8(bytes)) return Json();
  return Json(std::string(bytes));
}

// --- structured ---

/// The specification: without a datacontenttype it is JSON.
Result<Json> data_in_base64(const Json& event, const Json& data) {
  const Json* type = event.find("datacontenttype");
  const bool has_type = type != nullptr && type->is_string();
  std::optional<std::string> bytes;
  if (data.is_string()) bytes = base64_decode(data.as_string());
  if (!bytes) return invalid("data_base64 must be a text in base64");
  Result<Json> read = data_of(*bytes, has_type ? type->as_string() : "application/json");
  return read.ok() ? std::move(read) : with_context("data_base64", read.error());
}

Result<Occasion> from_json(const Json& json, UnixMs now_ms) {
  if (!json.is_object()) return invalid("a CloudEvent is a JSON object");
  Event event;
  const std::array<std::pair<const char*, std::string*>, 6> attributes{
      {{"id", &event.id},
       {"source", &event.source},
       {"specversion", &event.specversion},
       {"type", &event.type},
       {"subject", &event.subject},
       {"time", &event.time}}};
  for (const auto& [name, target] : attributes) {
    const Json* value = json.find(name);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_string()) return invalid(std::string(name) + " must be a text");
    *target = value->as_string();
  }
  const Json* data = json.find("data");
  const Json* base64 = json.find("data_base64");
  if (data != nullptr && base64 != nullptr)
    return invalid("a CloudEvent has data or data_base64, not both");
  if (data != nullptr) event.data = *data;
  if (base64 != nullptr) event.data = TRY(data_in_base64(json, *base64));
  return occasion_of(std::move(event), now_ms);
}

Result<std::vector<Occasion>> read_batch(std::string_view body, UnixMs now_ms) {
  const Json json = TRY(wire::parse(body, kLimits));
  if (!json.is_array()) return invalid("a batch of CloudEvents is a JSON array");
  if (json.as_array().size() > kBatchMax)
    return invalid("a batch holds at most " + std::to_string(kBatchMax) + " events");
  std::vector<Occasion> all;
  for (std::size_t i = 0; i < json.as_array().size(); ++i) {
    Result<Occasion> one = from_json(json.as_array()[i], now_ms);
    if (!one.ok()) return with_context("event " + std::to_string(i), one.error());
    all.push_back(std::move(*one));
  }
  return all;
}

// --- binary ---

Result<std::vector<Occasion>> read_binary(const http::Request& request, UnixMs now_ms) {
  if (request.headers.has("ce-datacontenttype")) {
    return invalid(
        "in binary mode Content-Type says what the data is, ce-datacontenttype must not "
        "be there");
  }
  if (!request.headers.has("ce-specversion")) {
    return invalid(
        "this is no CloudEvent: neither is its Content-Type application/cloudevents+json, nor has "
        "it headers ce-id, ce-source, ce-specversion and ce-type");
  }
  Event event;
  const std::array<std::pair<const char*, std::string*>, 6> attributes{
      {{"ce-id", &event.id},
       {"ce-source", &event.source},
       {"ce-specversion", &event.specversion},
       {"ce-type", &event.type},
       {"ce-subject", &event.subject},
       {"ce-time", &event.time}}};
  for (const auto& [name, target] : attributes) {
    Result<std::string> value = decode_header(request.headers.get(name));
    if (!value.ok()) return with_context(name, value.error());
    *target = std::move(*value);
  }
  event.data = TRY(data_of(request.body, request.headers.get("Content-Type")));
  std::vector<Occasion> all;
  all.push_back(TRY(occasion_of(std::move(event), now_ms)));
  return all;
}

Error unknown_format(std::string_view content_type) {
  return with_tag(invalid("nobody here understands " + std::string(content_type) +
                          "; CloudEvents come as JSON or in binary mode"),
                  "media_type");
}

}  // namespace

Result<std::string> decode_header(std::string_view value) {
  value = trim(value);
  std::string plain(value);
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    plain.clear();
    for (std::size_t i = 1; i + 1 < value.size(); ++i) {
      const bool escapes = value[i] == '\\' && i + 2 < value.size();
      plain += value[escapes ? ++i : i];
    }
  }
  std::string decoded = TRY(http::percent_decode(plain));
  if (!is_valid_utf8(decoded)) return invalid("the value is no UTF-8");
  return decoded;
}

Result<std::vector<Occasion>> read_cloudevents(const http::Request& request, UnixMs now_ms) {
  const std::string_view type = request.headers.get("Content-Type");
  if (starts_with_type(type, "application/cloudevents-batch")) {
    if (essence(type) != "application/cloudevents-batch+json") return unknown_format(type);
    return read_batch(request.body, now_ms);
  }
  if (starts_with_type(type, "application/cloudevents")) {
    const std::string format = essence(type);
    if (format != "application/cloudevents+json" && format != "application/cloudevents")
      return unknown_format(type);
    std::vector<Occasion> all;
    all.push_back(TRY(from_json(TRY(wire::parse(request.body, kLimits)), now_ms)));
    return all;
  }
  return read_binary(request, now_ms);
}

}  // namespace slipway::hooks
