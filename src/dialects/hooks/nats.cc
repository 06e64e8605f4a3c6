#include "dialects/hooks/nats.h"

#include "base/text.h"
#include "dialects/hooks/cloudevents.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"

namespace slipway::hooks {
namespace {

using flows::Occasion;
using wire::Json;

constexpr wire::Limits kLimits{nats::kMessageBytesMax, 50, 200'000};
constexpr std::string_view kMessageId = "Nats-Msg-Id", kContentType = "Content-Type";

/// The headers as HTTP would have them: there Content-Type says in binary mode what the data is.
http::Request as_request(const nats::Message& message) {
  http::Request request;
  std::string_view data_type;
  for (const auto& [name, value] : message.headers) {
    if (http::same_name(name, "ce-datacontenttype"))
      data_type = value;
    else
      request.headers.add(name, value);
  }
  if (!data_type.empty() && request.headers.has("ce-specversion"))
    request.headers.set(kContentType, std::string(data_type));
  request.body = message.body;
  return request;
}

Result<Occasion> read_cloudevent(const http::Request& request, UnixMs now_ms) {
  std::vector<Occasion> events = TRY(read_cloudevents(request, now_ms));
  if (events.size() != 1) return invalid("a message of NATS is one CloudEvent");
  return std::move(events.front());
}

std::string position_of(const nats::Message& message) {
  return message.at.stream + "/" + std::to_string(message.at.sequence);
}

/// Of somebody who knows no CloudEvents.
Result<Occasion> plain(const nats::Message& message, const http::Request& request, Json data) {
  Occasion occasion;
  const std::string id(request.headers.get(kMessageId));
  if (id.size() > kAttributeBytesMax || !is_valid_utf8(id))
    return invalid("Nats-Msg-Id is longer than 1024 bytes, or no UTF-8");
  occasion.source = "/nats/" + message.at.stream;
  occasion.id = id.empty() ? std::to_string(message.at.sequence) : id;
  // Numbers begin anew when a stream is made anew.
  occasion.key = id.empty() ? std::to_string(message.at.created_ms) + "/" + position_of(message)
                            : message.at.stream + "\n" + id;
  occasion.cause = {graph::kind::kMessage, occasion.source + "/" + occasion.id};
  occasion.subject = message.subject;
  occasion.time_ms = message.time_ms;
  occasion.data = std::move(data);
  if (occasion.data.is_null()) occasion.data = Json(Json::Object());
  if (occasion.data.is_object()) return occasion;
  Json wrapped;
  wrapped.set("value", std::move(occasion.data));
  occasion.data = std::move(wrapped);
  return occasion;
}

Result<Occasion> without_mode(const nats::Message& message, const http::Request& request) {
  if (message.body.empty()) return plain(message, request, Json());
  Result<Json> json = wire::parse(message.body, kLimits);
  if (!json.ok()) return invalid("neither a CloudEvent nor JSON: " + json.error().message);
  if (json->is_object() && json->find("specversion") != nullptr) {
    http::Request structured;
    structured.headers.add(std::string(kContentType), "application/cloudevents+json");
    structured.body = message.body;
    return read_cloudevent(structured, message.time_ms);
  }
  return plain(message, request, std::move(*json));
}

}  // namespace

Result<Occasion> read_message(const nats::Message& message, const std::string& trigger) {
  if (message.is_too_long) {
    return invalid("the message has " + std::to_string(message.bytes) + " bytes; at most " +
                   std::to_string(nats::kMessageBytesMax) + " are read");
  }
  const http::Request request = as_request(message);
  const std::string type = to_lower(request.headers.get(kContentType));
  const bool is_binary = request.headers.has("ce-specversion");
  const bool is_structured = !is_binary && type.starts_with("application/cloudevents");
  if (type.starts_with("application/cloudevents-batch"))
    return invalid("a message of NATS is one CloudEvent, this is a batch");
  Occasion occasion = is_binary || is_structured ? TRY(read_cloudevent(request, message.time_ms))
                                                 : TRY(without_mode(message, request));
  occasion.key = "message/nats/" + trigger + "\n" + occasion.key;
  return occasion;
}

}  // namespace slipway::hooks
