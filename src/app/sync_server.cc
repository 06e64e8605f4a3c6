#include "app/sync_server.h"

#include "app/owner.h"

namespace slipway::app {
namespace {

constexpr int kOk = 200, kUnknownCaller = 401;

}  // namespace

bool ends_all(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kInternal ||
         error.tag == "unknown_caller";
}

SyncServer::SyncServer(std::string url, std::string token)
    : url_(std::move(url)), token_(std::move(token)), client_(http::make_client()) {}

Result<> SyncServer::look() {
  const http::Response answer = TRY(send(request(http::Method::kGet, "/api/slipway/v1/server")));
  const Result<wire::Json> body = wire::parse(answer.body);
  if (answer.status == kOk && body.ok() && body->is_object()) return {};
  return invalid("what answers at " + url_ +
                 " is no Slipway server: it answered GET /api/slipway/v1/server with status " +
                 std::to_string(answer.status));
}

Result<http::Response> SyncServer::send(const http::ClientRequest& request) {
  Result<http::Response> answer =
      request.body_stream != nullptr ? http::fetch(request) : client_->fetch(request);
  if (!answer.ok()) {
    return with_tag(unavailable("the server does not answer: " + answer.error().message +
                                "; what was sent is kept there, the same command goes on once "
                                "it answers"),
                    "unreachable");
  }
  if (answer->status != kUnknownCaller) return answer;
  return with_tag(denied("the server at " + url_ +
                         " wants to know who asks: name a token with --token-file, or in "
                         "SLIPWAY_TOKEN (" + error_in(*answer).message + ")"),
                  "unknown_caller");
}

http::ClientRequest SyncServer::request(http::Method method, const std::string& path) const {
  http::ClientRequest request;
  request.method = method;
  request.url = url_ + path;
  if (!token_.empty()) request.headers.add("Authorization", "Bearer " + token_);
  request.timeout = std::chrono::minutes(5);
  return request;
}

Result<wire::Json> SyncServer::get(const std::string& path) {
  const http::Response answer = TRY(send(request(http::Method::kGet, path)));
  if (answer.status != kOk) return error_in(answer);
  return wire::parse(answer.body);
}

Result<wire::Json> SyncServer::post(const std::string& path, std::string body) {
  return wire::parse(TRY(text_of(path, std::move(body))));
}

Result<std::string> SyncServer::text_of(const std::string& path, std::string body) {
  http::ClientRequest call = request(http::Method::kPost, path);
  call.headers.add("Content-Type", "application/json");
  call.body = std::move(body);
  http::Response answer = TRY(send(call));
  if (answer.status != kOk) return error_in(answer);
  return std::move(answer.body);
}

/// Both faces of the server are asked: MLflow's has its message elsewhere.
Error SyncServer::error_in(const http::Response& response) const {
  const Result<wire::Json> body = wire::parse(response.body);
  const wire::Json* message = body.ok() ? body->find("message") : nullptr;
  if (message == nullptr || !message->is_string()) return error_of(url_, response);
  wire::Json plain;
  plain.set("error", message->as_string());
  http::Response as_ours;
  as_ours.status = response.status;
  as_ours.body = wire::dump(plain);
  return error_of(url_, as_ours);
}

std::string text_in(const wire::Json& json, std::initializer_list<const char*> path) {
  const wire::Json* found = &json;
  for (const char* key : path) {
    found = found->is_object() ? found->find(key) : nullptr;
    if (found == nullptr) return "";
  }
  return found->is_string() ? found->as_string() : "";
}

}  // namespace slipway::app
