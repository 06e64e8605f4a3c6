#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
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
  /// Instead of `body`: so many bytes that are read while they are sent, on the caller's thread.
  /// Only for fetch() below, once: it cannot be sent again. `timeout` is then the longest wait
  /// without a byte.
  BodyReader* body_stream = nullptr;
  std::uint64_t body_stream_bytes = 0;
  std::chrono::milliseconds timeout{60'000};
  std::uint64_t response_bytes_max = 64u << 20;
  /// For addresses that strangers name: connects only to addresses of the public internet, by no
  /// proxy. What is judged is the address that is connected to, not an earlier answer of the name
  /// service. kDenied.
  bool public_only = false;
  /// Ends the request with kUnavailable about a second after a stop was requested.
  std::optional<StopToken> stop = {};
};

/// One request, whole answer in memory, no redirects. libcurl is opened on first use; kUnavailable
/// says how to get it when it is missing, or what failed on the way, with the tag "timeout" where
/// the time was over. A status of any kind is a success here. Any thread.
Result<Response> fetch(const ClientRequest& request);

/// The first address of a host that is none of the public internet; empty when all are. Asks the
/// name service: kInvalid when it knows none. For a first look, `public_only` above is what holds.
Result<std::string> non_public_address(const std::string& host);

/// An answer whose body comes piece by piece: read() fails with kUnavailable when it breaks off.
/// One thread at a time. Dropped before its end, its connection is given up.
class Incoming : public BodyReader {
 public:
  /// Status and headers.
  virtual const Response& head() const = 0;
};

/// Many requests to the same few servers, over connections that are kept open. Any thread.
class Client {
 public:
  virtual ~Client() = default;
  /// As fetch() above.
  virtual Result<Response> fetch(const ClientRequest& request) = 0;
  /// Returns when the head is there; ClientRequest::timeout is the longest wait without a byte, and
  /// response_bytes_max does not count. Memory: half a mebibyte. `request` is copied.
  virtual Result<std::unique_ptr<Incoming>> open(const ClientRequest& request) = 0;
};

/// libcurl is opened on first use.
std::unique_ptr<Client> make_client();

}  // namespace slipway::http
