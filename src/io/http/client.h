#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/stop.h"
#include "io/http/message.h"

namespace slipway::http {

struct ClientRequest {
  Method method = Method::kGet;
  std::string url;
  Headers headers;
  std::string body;
  std::chrono::milliseconds timeout{60'000};
  std::uint64_t response_bytes_max = 64u << 20;
  /// Ends the request with kUnavailable about a second after a stop was requested.
  std::optional<StopToken> stop = {};
};

/// One request, whole answer in memory, no redirects. libcurl is opened on first use; kUnavailable
/// says how to get it when it is missing, or what failed on the way. A status of any kind is a
/// success here. Any thread.
Result<Response> fetch(const ClientRequest& request);

}  // namespace slipway::http
