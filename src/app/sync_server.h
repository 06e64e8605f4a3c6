#pragma once

#include <initializer_list>
#include <memory>
#include <string>

#include "base/result.h"
#include "io/http/client.h"
#include "io/wire/codec.h"

namespace slipway::app {

/// Nothing else will go better before somebody does something.
bool ends_all(const Error& error);

/// The server that a sync sends to, on one connection. Not thread-safe; waits.
class SyncServer {
 public:
  SyncServer(std::string url, std::string token);

  const std::string& url() const { return url_; }

  /// kInvalid where what answers there is no Slipway.
  Result<> look();
  /// kUnavailable, tag "unreachable", where nothing answers; kDenied, tag "unknown_caller", where it
  /// wants to know who asks.
  Result<http::Response> send(const http::ClientRequest& request);
  http::ClientRequest request(http::Method method, const std::string& path) const;

  // An error by the answer's status, in the server's words.
  Result<wire::Json> get(const std::string& path);
  Result<wire::Json> post(const std::string& path, std::string body);
  /// POST /api/slipway/v1/sync`path`.
  template <class Answer, class Request>
  Result<Answer> sync(const std::string& path, const Request& body) {
    return wire::decode<Answer>(TRY(text_of("/api/slipway/v1/sync" + path, wire::encode(body))));
  }

  /// Of an answer that is no success.
  Error error_in(const http::Response& answer) const;

 private:
  Result<std::string> text_of(const std::string& path, std::string body);

  const std::string url_, token_;
  const std::unique_ptr<http::Client> client_;
};

/// The text at the end of a path of members; "" where there is none.
std::string text_in(const wire::Json& json, std::initializer_list<const char*> path);

}  // namespace slipway::app
