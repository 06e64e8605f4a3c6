#include "dialects/mlflow/otlp.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/base64.h"
#include "base/ids.h"
#include "base/text.h"
#include "dialects/mlflow/limits.h"
#include "io/wire/json.h"
#include "io/wire/protobuf.h"

namespace slipway::mlflow {
namespace {

using wire::Json;
using wire::ProtoField;
using wire::ProtoReader;
using Type = ProtoField::Type;

constexpr std::string_view kRequestId = "mlflow.traceRequestId";
constexpr std::string_view kSpanType = "mlflow.spanType";
constexpr std::string_view kInputs = "mlflow.spanInputs";
constexpr std::string_view kOutputs = "mlflow.spanOutputs";
constexpr std::string_view kTraceTag = "mlflow.traceTag.";
constexpr std::size_t kPreviewMax = 1000;

/// What a request may still hold.
struct Budget {
  std::size_t values = kValuesMax;
  Result<> spend() {
    if (values-- > 0) return {};
    values = 0;
    return invalid("the request holds more than " + std::to_string(kValuesMax) +
                   " attributes and values");
  }
};

Error too_deep() {
  return invalid("values lie more than " + std::to_string(kValueDepthMax) + " inside one another");
}

std::string hex_of(std::string_view bytes) {
  return to_hex(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

/// Texts that are no UTF-8 could not be answered as JSON.
Result<std::string> text_of(std::string_view bytes) {
  if (!is_valid_utf8(bytes)) return invalid("a text of the request is not UTF-8");
  if (bytes.find('\0') != std::string_view::npos) {
    return replace_all(std::string(bytes), std::string(1, '\0'), "");
  }
  return std::string(bytes);
}

/// A span as both encodings give it; values as protobuf's JSON has them.
struct RawSpan {
  std::string trace_id, span_id, parent_id;  // bytes
  std::string name;
  std::uint64_t start_ns = 0, end_ns = 0;
  Json::Array attributes, events;
  std::string status_message;
  std::int64_t status = 0;
};

// --- protobuf -----------------------------------------------------------------------------------

Result<Json> read_value(std::string_view message, int depth, Budget& budget);

Result<Json> read_key_value(std::string_view message, int depth, Budget& budget) {
  TRY(budget.spend());
  std::string key;
  Json value(Json::Object{});
  ProtoReader reader(message);
  for (ProtoField field; TRY(reader.next(field));) {
    if (field.number == 1 && field.type == Type::kBytes) key = TRY(text_of(field.bytes));
    if (field.number == 2 && field.type == Type::kBytes) {
      value = TRY(read_value(field.bytes, depth, budget));
    }
  }
  Json pair;
  pair.set("key", std::move(key));
  pair.set("value", std::move(value));
  return pair;
}

/// {"values": [...]}: of an array of values, or of pairs.
Result<Json> read_values(std::string_view message, bool pairs, int depth, Budget& budget) {
  Json::Array values;
  ProtoReader reader(message);
  for (ProtoField field; TRY(reader.next(field));) {
    if (field.number != 1 || field.type != Type::kBytes) continue;
    values.push_back(pairs ? TRY(read_key_value(field.bytes, depth, budget))
                           : TRY(read_value(field.bytes, depth, budget)));
  }
  Json list(Json::Object{});
  if (!values.empty()) list.set("values", std::move(values));
  return list;
}

Result<Json> read_value(std::string_view message, int depth, Budget& budget) {
  if (depth > kValueDepthMax) return too_deep();
  TRY(budget.spend());
  Json value(Json::Object{});
  ProtoReader reader(message);
  for (ProtoField field; TRY(reader.next(field));) {
    // Of several the last counts: it is one of a kind.
    Json one(Json::Object{});
    if (field.number == 1 && field.type == Type::kBytes) {
      one.set("string_value", TRY(text_of(field.bytes)));
    } else if (field.number == 2 && field.type == Type::kVarint) {
      one.set("bool_value", field.value != 0);
    } else if (field.number == 3 && field.type == Type::kVarint) {
      one.set("int_value", field.as_int64());
    } else if (field.number == 4 && field.type == Type::kFixed64) {
      one.set("double_value", field.as_double());
    } else if (field.number == 5 && field.type == Type::kBytes) {
      one.set("array_value", TRY(read_values(field.bytes, false, depth + 1, budget)));
    } else if (field.number == 6 && field.type == Type::kBytes) {
      one.set("kvlist_value", TRY(read_values(field.bytes, true, depth + 1, budget)));
    } else if (field.number == 7 && field.type == Type::kBytes) {
      one.set("bytes_value", base64_encode(field.bytes));
    } else {
      continue;
    }
    value = std::move(one);
  }
  return value;
}

Result<Json> read_event(std::string_view message, Budget& budget) {
  TRY(budget.spend());
  std::uint64_t time = 0;
  std::string name;
  Json::Array attributes;
  ProtoReader reader(message);
  for (ProtoField field; TRY(reader.next(field));) {
    if (field.number == 1 && field.type == Type::kFixed64) time = field.value;
    if (field.number == 2 && field.type == Type::kBytes) name = TRY(text_of(field.bytes));
    if (field.number == 3 && field.type == Type::kBytes) {
      attributes.push_back(TRY(read_key_value(field.bytes, 1, budget)));
    }
  }
  Json event;
  event.set("time_unix_nano", time);
  event.set("name", std::move(name));
  if (!attributes.empty()) event.set("attributes", std::move(attributes));
  return event;
}

Result<> read_status(std::string_view message, RawSpan& span) {
  ProtoReader reader(message);
  for (ProtoField field; TRY(reader.next(field));) {
    if (field.number == 2 && field.type == Type::kBytes) {
      span.status_message = TRY(text_of(field.bytes));
    }
    if (field.number == 3 && field.type == Type::kVarint) span.status = field.as_int64();
  }
  return {};
}

Result<RawSpan> read_span(std::string_view message, Budget& budget) {
  RawSpan span;
  ProtoReader reader(message);
  for (ProtoField field; TRY(reader.next(field));) {
    const bool bytes = field.type == Type::kBytes, fixed = field.type == Type::kFixed64;
    if (field.number == 1 && bytes) span.trace_id = std::string(field.bytes);
    if (field.number == 2 && bytes) span.span_id = std::string(field.bytes);
    if (field.number == 4 && bytes) span.parent_id = std::string(field.bytes);
    if (field.number == 5 && bytes) span.name = TRY(text_of(field.bytes));
    if (field.number == 7 && fixed) span.start_ns = field.value;
    if (field.number == 8 && fixed) span.end_ns = field.value;
    if (field.number == 9 && bytes) {
      span.attributes.push_back(TRY(read_key_value(field.bytes, 1, budget)));
    }
    if (field.number == 11 && bytes) span.events.push_back(TRY(read_event(field.bytes, budget)));
    if (field.number == 15 && bytes) TRY(read_status(field.bytes, span));
  }
  return span;
}

Result<Json::Array> read_resource(std::string_view message, Budget& budget) {
  Json::Array attributes;
  ProtoReader reader(message);
  for (ProtoField field; TRY(reader.next(field));) {
    if (field.number != 1 || field.type != Type::kBytes) continue;
    attributes.push_back(TRY(read_key_value(field.bytes, 1, budget)));
  }
  return attributes;
}

// --- JSON ---------------------------------------------------------------------------------------

/// The member by its name in lowerCamelCase, or in snake_case.
const Json* member(const Json& object, std::string_view camel, std::string_view snake) {
  const Json* found = object.find(camel);
  return found != nullptr ? found : object.find(snake);
}

Result<std::uint64_t> whole_number(const Json* json, const char* what) {
  if (json == nullptr || json->is_null()) return std::uint64_t{0};
  if (json->is_integer() && (json->is_uint64() || json->as_int64() >= 0)) {
    return static_cast<std::uint64_t>(json->as_int64());
  }
  if (json->is_string()) {
    if (const auto number = to_int64(json->as_string()); number && *number >= 0) {
      return static_cast<std::uint64_t>(*number);
    }
  }
  return invalid(std::string(what) + " is no whole number: " + wire::dump(*json).substr(0, 100));
}

Result<std::string> string_member(const Json& object, std::string_view camel,
                                  std::string_view snake) {
  const Json* found = member(object, camel, snake);
  if (found == nullptr || found->is_null()) return std::string();
  if (!found->is_string()) return invalid(std::string(camel) + " is no text");
  return text_of(found->as_string());
}

Result<std::string> id_member(const Json& object, std::string_view camel, std::string_view snake) {
  const std::string hex = TRY(string_member(object, camel, snake));
  std::string bytes;
  if (hex.size() % 2 != 0) return invalid(std::string(camel) + " is no text of hex digits");
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'                 ? c - '0'
             : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                  : -1;
    };
    const int high = digit(hex[i]), low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return invalid(std::string(camel) + " is no text of hex digits");
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

Result<Json> json_value(const Json& given, int depth, Budget& budget);

Result<Json> json_key_value(const Json& given, int depth, Budget& budget) {
  TRY(budget.spend());
  if (!given.is_object()) return invalid("an attribute is no object");
  Json pair;
  pair.set("key", TRY(string_member(given, "key", "key")));
  const Json* value = given.find("value");
  pair.set("value", value == nullptr || value->is_null() ? Json(Json::Object{})
                                                         : TRY(json_value(*value, depth, budget)));
  return pair;
}

Result<Json::Array> json_list(const Json* given, const char* what) {
  if (given == nullptr || given->is_null()) return Json::Array();
  if (!given->is_array()) return invalid(std::string(what) + " is no list");
  return given->as_array();
}

Result<Json> json_values(const Json& given, bool pairs, int depth, Budget& budget) {
  if (!given.is_object()) return invalid("a list of values is no object");
  Json::Array values;
  for (const Json& one : TRY(json_list(given.find("values"), "values"))) {
    values.push_back(pairs ? TRY(json_key_value(one, depth, budget))
                           : TRY(json_value(one, depth, budget)));
  }
  Json list(Json::Object{});
  if (!values.empty()) list.set("values", std::move(values));
  return list;
}

Result<Json> json_number(const Json& given) {
  if (given.is_number()) return Json(given.as_double());
  if (given.is_string()) {
    const std::string& text = given.as_string();
    if (text == "NaN") return Json(std::nan(""));
    if (text == "Infinity") return Json(HUGE_VAL);
    if (text == "-Infinity") return Json(-HUGE_VAL);
    if (const auto number = to_double(text)) return Json(*number);
  }
  return invalid("a doubleValue is no number");
}

Result<Json> json_integer(const Json& given) {
  if (given.is_integer() && !given.is_uint64()) return Json(given.as_int64());
  if (given.is_string()) {
    if (const auto number = to_int64(given.as_string())) return Json(*number);
  }
  return invalid("an intValue is no whole number");
}

Result<Json> json_value(const Json& given, int depth, Budget& budget) {
  if (depth > kValueDepthMax) return too_deep();
  TRY(budget.spend());
  if (!given.is_object()) return invalid("a value is no object");
  Json value(Json::Object{});
  if (const Json* text = member(given, "stringValue", "string_value")) {
    if (!text->is_string()) return invalid("a stringValue is no text");
    value.set("string_value", TRY(text_of(text->as_string())));
  } else if (const Json* flag = member(given, "boolValue", "bool_value")) {
    if (!flag->is_bool()) return invalid("a boolValue is neither true nor false");
    value.set("bool_value", flag->as_bool());
  } else if (const Json* whole = member(given, "intValue", "int_value")) {
    value.set("int_value", TRY(json_integer(*whole)));
  } else if (const Json* real = member(given, "doubleValue", "double_value")) {
    value.set("double_value", TRY(json_number(*real)));
  } else if (const Json* array = member(given, "arrayValue", "array_value")) {
    value.set("array_value", TRY(json_values(*array, false, depth + 1, budget)));
  } else if (const Json* list = member(given, "kvlistValue", "kvlist_value")) {
    value.set("kvlist_value", TRY(json_values(*list, true, depth + 1, budget)));
  } else if (const Json* bytes = member(given, "bytesValue", "bytes_value")) {
    if (!bytes->is_string() || !base64_decode(bytes->as_string())) {
      return invalid("a bytesValue is no Base64");
    }
    value.set("bytes_value", *bytes);
  }
  return value;
}

Result<Json::Array> json_attributes(const Json& given, Budget& budget) {
  Json::Array attributes;
  for (const Json& one : TRY(json_list(given.find("attributes"), "attributes"))) {
    attributes.push_back(TRY(json_key_value(one, 1, budget)));
  }
  return attributes;
}

Result<Json> json_event(const Json& given, Budget& budget) {
  TRY(budget.spend());
  if (!given.is_object()) return invalid("an event is no object");
  Json event;
  event.set("time_unix_nano",
            TRY(whole_number(member(given, "timeUnixNano", "time_unix_nano"), "timeUnixNano")));
  event.set("name", TRY(string_member(given, "name", "name")));
  Json::Array attributes = TRY(json_attributes(given, budget));
  if (!attributes.empty()) event.set("attributes", std::move(attributes));
  return event;
}

Result<> json_status(const Json& given, RawSpan& span) {
  if (!given.is_object()) return invalid("a status is no object");
  span.status_message = TRY(string_member(given, "message", "message"));
  const Json* code = given.find("code");
  if (code == nullptr || code->is_null()) return {};
  if (code->is_string()) {
    span.status = code->as_string() == "STATUS_CODE_OK"      ? 1
                  : code->as_string() == "STATUS_CODE_ERROR" ? 2
                                                             : 0;
    return {};
  }
  if (!code->is_integer()) return invalid("the code of a status is none");
  span.status = code->as_int64();
  return {};
}

Result<RawSpan> json_span(const Json& given, Budget& budget) {
  if (!given.is_object()) return invalid("a span is no object");
  RawSpan span;
  span.trace_id = TRY(id_member(given, "traceId", "trace_id"));
  span.span_id = TRY(id_member(given, "spanId", "span_id"));
  span.parent_id = TRY(id_member(given, "parentSpanId", "parent_span_id"));
  span.name = TRY(string_member(given, "name", "name"));
  span.start_ns = TRY(whole_number(member(given, "startTimeUnixNano", "start_time_unix_nano"),
                                   "startTimeUnixNano"));
  span.end_ns =
      TRY(whole_number(member(given, "endTimeUnixNano", "end_time_unix_nano"), "endTimeUnixNano"));
  span.attributes = TRY(json_attributes(given, budget));
  for (const Json& one : TRY(json_list(given.find("events"), "events"))) {
    span.events.push_back(TRY(json_event(one, budget)));
  }
  if (const Json* status = given.find("status"); status != nullptr && !status->is_null()) {
    TRY(json_status(*status, span));
  }
  return span;
}

// --- spans of ours ------------------------------------------------------------------------------

Json* attribute(Json::Array& attributes, std::string_view key) {
  for (Json& one : attributes) {
    if (one.find("key")->as_string() == key) return &one;
  }
  return nullptr;
}

/// A value as plain JSON: {"int_value": 5} as 5.
Json plain(const Json& value);

Json plain_list(const Json& list, bool pairs) {
  const Json* values = list.find("values");
  Json::Array items;
  Json object(Json::Object{});
  if (values != nullptr) {
    for (const Json& one : values->as_array()) {
      if (pairs) {
        object.as_object().emplace_back(one.find("key")->as_string(), plain(*one.find("value")));
      } else {
        items.push_back(plain(one));
      }
    }
  }
  return pairs ? object : Json(std::move(items));
}

Json plain(const Json& value) {
  if (value.as_object().empty()) return {};
  const auto& [kind, inner] = value.as_object().front();
  if (kind == "array_value") return plain_list(inner, false);
  if (kind == "kvlist_value") return plain_list(inner, true);
  return inner;
}

/// Plain JSON as a value: the opposite of plain().
Result<Json> value_of(const Json& json, Budget& budget) {
  TRY(budget.spend());
  Json value(Json::Object{});
  Json::Array items;
  if (json.is_array()) {
    for (const Json& one : json.as_array()) items.push_back(TRY(value_of(one, budget)));
    value.set("array_value", Json(Json::Object{{"values", std::move(items)}}));
  } else if (json.is_object()) {
    for (const auto& [key, one] : json.as_object()) {
      items.push_back(Json(Json::Object{{"key", key}, {"value", TRY(value_of(one, budget))}}));
    }
    value.set("kvlist_value", Json(Json::Object{{"values", std::move(items)}}));
  } else if (!json.is_null()) {
    value.set(json.is_string()    ? "string_value"
              : json.is_bool()    ? "bool_value"
              : json.is_integer() ? "int_value"
                                  : "double_value",
              json);
  }
  return value;
}

/// MLflow's library writes attributes as JSON texts, and any exporter of OpenTelemetry sends them
/// so. As MLflow's server does, a text that is a JSON text, list or object is taken for that; one
/// that is a number stays a text, and so does what holds more values than a request may.
void decode_texts(Json::Array& attributes, Budget& budget) {
  for (Json& one : attributes) {
    const Json* text = one.find("value")->find("string_value");
    if (text == nullptr || !text->is_string()) continue;
    const std::string_view trimmed = trim(text->as_string());
    if (trimmed.empty() || std::string_view("\"{[").find(trimmed.front()) == std::string_view::npos)
      continue;
    wire::Limits limits;
    limits.depth_max = kValueDepthMax - 1;
    limits.values_max = budget.values;
    const Result<Json> json = wire::parse(text->as_string(), limits);
    Result<Json> value = json.ok() ? value_of(*json, budget) : json;
    if (value.ok()) one.set("value", std::move(*value));
  }
}

std::string python_json(const Json& value) {
  return wire::dump(value, {.ascii = true, .spaces = true});
}

std::optional<std::string> preview(Json::Array& attributes, std::string_view key) {
  const Json* found = attribute(attributes, key);
  if (found == nullptr) return std::nullopt;
  std::string text = python_json(plain(*found->find("value")));
  truncate(text, kPreviewMax);
  return text;
}

std::string text_or_json(const Json& value) {
  return value.is_string() ? value.as_string() : python_json(value);
}

void add_tag(traces::Tags& tags, std::string key, std::string value) {
  constexpr std::size_t kTagsOfTraceMax = 1000;
  if (key.empty() || key.size() > kKeyMax || tags.size() >= kTagsOfTraceMax) return;
  truncate(value, kAttributeTagMax);
  for (traces::Tag& tag : tags) {
    if (tag.key != key) continue;
    tag.value = std::move(value);
    return;
  }
  tags.push_back({std::move(key), std::move(value)});
}

const char* status_word(std::int64_t status) {
  return status == 1 ? "OK" : status == 2 ? "ERROR" : "UNSET";
}

Json content_of(const RawSpan& span) {
  Json content;
  content.set("trace_id", base64_encode(span.trace_id));
  content.set("span_id", base64_encode(span.span_id));
  if (!span.parent_id.empty()) content.set("parent_span_id", base64_encode(span.parent_id));
  content.set("name", span.name);
  content.set("start_time_unix_nano", span.start_ns);
  if (span.end_ns != 0) content.set("end_time_unix_nano", span.end_ns);
  content.set("attributes", span.attributes);
  if (!span.events.empty()) content.set("events", span.events);
  Json status(Json::Object{});
  if (!span.status_message.empty()) status.set("message", span.status_message);
  if (span.status == 1 || span.status == 2) {
    status.set("code", span.status == 1 ? "STATUS_CODE_OK" : "STATUS_CODE_ERROR");
  }
  content.set("status", std::move(status));
  return content;
}

/// Collects spans by trace.
class Collector {
 public:
  explicit Collector(OtlpSpans& spans) : spans_(spans) {}

  Result<> add(Result<RawSpan> read, const Json::Array& resource) {
    if (++count_ > kSpansMax) {
      return invalid("the request holds more than " + std::to_string(kSpansMax) + " spans");
    }
    if (!read.ok()) return read.error();
    if (const char* why = wrong(*read)) {
      ++spans_.refused;
      if (spans_.why.empty()) spans_.why = why;
      return {};
    }
    take(std::move(*read), resource);
    return {};
  }
  std::size_t count() const { return count_; }

 private:
  static const char* wrong(const RawSpan& span) {
    constexpr std::uint64_t kTimeMax = INT64_MAX;
    if (span.trace_id.size() != 16) return "the trace_id of a span must have 16 bytes";
    if (span.span_id.size() != 8) return "the span_id of a span must have 8 bytes";
    if (!span.parent_id.empty() && span.parent_id.size() != 8) {
      return "the parent_span_id of a span must have 8 bytes";
    }
    if (span.start_ns > kTimeMax || span.end_ns > kTimeMax) return "a span's time is too late";
    return nullptr;
  }

  void take(RawSpan span, const Json::Array& resource) {
    const std::string id = "tr-" + hex_of(span.trace_id);
    decode_texts(span.attributes, decoded_);
    traces::SpanBatch& batch = batch_of(id, resource);
    set_request_id(span.attributes, id);
    const UnixMs start = static_cast<UnixMs>(span.start_ns / 1'000'000);
    batch.start_ms = batch.spans.empty() ? start : std::min(batch.start_ms, start);
    if (span.end_ns != 0) {
      const UnixMs end = static_cast<UnixMs>(span.end_ns / 1'000'000);
      batch.end_ms = std::max(batch.end_ms.value_or(end), end);
    }
    if (span.parent_id.empty()) take_root(batch, span);
    traces::Span ours;
    ours.id = hex_of(span.span_id);
    ours.parent_id = hex_of(span.parent_id);
    ours.name = span.name;
    if (const Json* type = attribute(span.attributes, kSpanType)) {
      ours.type = text_or_json(plain(*type->find("value")));
    }
    ours.status = status_word(span.status);
    ours.start_ns = static_cast<std::int64_t>(span.start_ns);
    ours.content = wire::dump(content_of(span), {.non_finite_as_string = true});
    batch.spans.push_back(std::move(ours));
  }

  traces::SpanBatch& batch_of(const std::string& id, const Json::Array& resource) {
    const auto [found, is_new] = index_.emplace(id, spans_.batches.size());
    if (!is_new) return spans_.batches[found->second];
    traces::SpanBatch& batch = spans_.batches.emplace_back();
    batch.trace_id = id;
    for (const Json& one : resource) {
      const std::string& key = one.find("key")->as_string();
      const bool ours = key.starts_with("telemetry.sdk.") || key.starts_with("mlflow.");
      if (!ours) add_tag(batch.tags, key, text_or_json(plain(*one.find("value"))));
    }
    return batch;
  }

  void take_root(traces::SpanBatch& batch, RawSpan& span) {
    if (!batch.root_state) spans_.complete.push_back(batch.trace_id);
    batch.root_state = span.status == 2 ? traces::State::kError : traces::State::kOk;
    batch.request_preview = preview(span.attributes, kInputs);
    batch.response_preview = preview(span.attributes, kOutputs);
    for (const Json& one : span.attributes) {
      const std::string& key = one.find("key")->as_string();
      if (!key.starts_with(kTraceTag)) continue;
      add_tag(batch.tags, key.substr(kTraceTag.size()), text_or_json(plain(*one.find("value"))));
    }
  }

  /// What a client says of it is not trusted.
  static void set_request_id(Json::Array& attributes, const std::string& id) {
    Json value;
    value.set("string_value", id);
    if (Json* there = attribute(attributes, kRequestId)) {
      there->set("value", std::move(value));
      return;
    }
    Json pair;
    pair.set("key", kRequestId);
    pair.set("value", std::move(value));
    attributes.push_back(std::move(pair));
  }

  OtlpSpans& spans_;
  Budget decoded_;  // of values that were texts
  std::size_t count_ = 0;
  std::map<std::string, std::size_t, std::less<>> index_;
};

Result<> read_resource_spans(std::string_view message, Budget& budget, Collector& collector) {
  // The resource may come behind its spans.
  Json::Array resource;
  ProtoReader first(message);
  for (ProtoField field; TRY(first.next(field));) {
    if (field.number != 1 || field.type != Type::kBytes) continue;
    resource = TRY(read_resource(field.bytes, budget));
  }
  ProtoReader reader(message);
  for (ProtoField field; TRY(reader.next(field));) {
    if (field.number != 2 || field.type != Type::kBytes) continue;
    ProtoReader scope(field.bytes);
    for (ProtoField inner; TRY(scope.next(inner));) {
      if (inner.number != 2 || inner.type != Type::kBytes) continue;
      TRY(collector.add(read_span(inner.bytes, budget), resource));
    }
  }
  return {};
}

Result<> json_resource_spans(const Json& given, Budget& budget, Collector& collector) {
  if (!given.is_object()) return invalid("resourceSpans are no objects");
  Json::Array resource;
  if (const Json* of = given.find("resource"); of != nullptr && of->is_object()) {
    resource = TRY(json_attributes(*of, budget));
  }
  for (const Json& scope :
       TRY(json_list(member(given, "scopeSpans", "scope_spans"), "scopeSpans"))) {
    if (!scope.is_object()) return invalid("scopeSpans are no objects");
    for (const Json& span : TRY(json_list(scope.find("spans"), "spans"))) {
      TRY(collector.add(json_span(span, budget), resource));
    }
  }
  return {};
}

Error no_spans() {
  return {Code::kInvalid, "Invalid OpenTelemetry format - no spans found", "no_spans"};
}

}  // namespace

Result<OtlpSpans> read_otlp_protobuf(std::string_view body) {
  OtlpSpans spans;
  Collector collector(spans);
  Budget budget;
  bool any = false;
  ProtoReader reader(body);
  for (ProtoField field; TRY(reader.next(field));) {
    if (field.number != 1 || field.type != Type::kBytes) continue;
    any = true;
    TRY(read_resource_spans(field.bytes, budget, collector));
  }
  if (!any) return no_spans();
  return spans;
}

Result<OtlpSpans> read_otlp_json(std::string_view body) {
  constexpr wire::Limits kLimits{.bytes_max = 64u << 20, .depth_max = 200, .values_max = 4u << 20};
  const Json request = TRY(wire::parse(body, kLimits));
  if (!request.is_object()) return invalid("the request is no object");
  const Json::Array all =
      TRY(json_list(member(request, "resourceSpans", "resource_spans"), "resourceSpans"));
  if (all.empty()) return no_spans();
  OtlpSpans spans;
  Collector collector(spans);
  Budget budget;
  for (const Json& one : all) TRY(json_resource_spans(one, budget, collector));
  return spans;
}

Json to_span_file(const Json& span) {
  const auto texts = [](const Json* attributes) {
    Json object(Json::Object{});
    if (attributes == nullptr) return object;
    for (const Json& one : attributes->as_array()) {
      object.as_object().emplace_back(one.find("key")->as_string(),
                                      python_json(plain(*one.find("value"))));
    }
    return object;
  };
  const auto or_null = [&](const char* key) {
    const Json* found = span.find(key);
    return found == nullptr ? Json() : *found;
  };
  Json file;
  for (const char* key : {"trace_id", "span_id", "parent_span_id", "name", "start_time_unix_nano",
                          "end_time_unix_nano"}) {
    file.set(key, or_null(key));
  }
  Json::Array events;
  if (const Json* all = span.find("events")) {
    for (const Json& one : all->as_array()) {
      Json event;
      event.set("name", *one.find("name"));
      event.set("time_unix_nano", *one.find("time_unix_nano"));
      Json attributes(Json::Object{});
      if (const Json* pairs = one.find("attributes")) {
        for (const Json& pair : pairs->as_array()) {
          attributes.as_object().emplace_back(pair.find("key")->as_string(),
                                              plain(*pair.find("value")));
        }
      }
      event.set("attributes", std::move(attributes));
      events.push_back(std::move(event));
    }
  }
  file.set("events", std::move(events));
  const Json* status = span.find("status");
  const Json* code = status == nullptr ? nullptr : status->find("code");
  const Json* message = status == nullptr ? nullptr : status->find("message");
  Json told;
  told.set("code", code == nullptr ? Json("STATUS_CODE_UNSET") : *code);
  told.set("message", message == nullptr ? Json("") : *message);
  file.set("status", std::move(told));
  file.set("attributes", texts(span.find("attributes")));
  return file;
}

}  // namespace slipway::mlflow
