#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/metrics.h"
#include "io/http/server.h"

// For tests: a real server on a free port, and a socket that says exactly what it is told to.
namespace slipway::http::testing {

/// One answer as it came over the wire; chunked bodies are joined.
struct Answer {
  int status = 0;
  Headers headers;
  std::string body;
  bool whole = false;  // false: the connection ended, or nothing came for too long
};

/// A blocking connection. Waits of more than ten seconds fail.
class Socket {
 public:
  explicit Socket(int port, int receive_buffer_bytes = 0);

  /// False when the peer is gone.
  bool send(std::string_view bytes);
  void end_sending();
  void close() { fd_ = Fd(); }
  /// Closes so that the peer sees a reset.
  void reset();

  /// The next answer; `to_head`: it has no body whatever its headers say.
  Answer receive(bool to_head = false);
  Answer ask(std::string_view request);
  /// Some bytes; empty at the end.
  std::string receive_some();
  std::string receive_all();
  /// True when the server ends the connection, with nothing more sent.
  bool ended();
  int fd() const { return fd_.get(); }

 private:
  bool fill();
  std::optional<std::string> line();
  bool take(std::size_t bytes, std::string& to);
  void receive_chunks(Answer& answer);

  Fd fd_;
  std::string buffer_;
  std::size_t at_ = 0;
};

/// "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
std::string get(std::string_view target, std::string_view more_headers = "");
std::string post(std::string_view target, std::string_view body,
                 std::string_view more_headers = "");

/// A running server; ends with the object.
class TestServer {
 public:
  using Mount = std::function<void(Router&)>;
  explicit TestServer(const Mount& mount, ServerOptions options = {},
                      std::shared_ptr<Doorkeeper> doorkeeper = nullptr);
  ~TestServer();

  int port() const { return server_->port(); }
  std::string url(std::string_view path) const;
  Socket connect() const { return Socket(port()); }
  Server& server() { return *server_; }
  /// The value of a line of the exposition: metric("slipway_http_connections").
  double metric(const std::string& name_and_labels) const;

  Metrics metrics;

 private:
  Router router_{render_plain_error};
  std::unique_ptr<Server> server_;
};

/// Resident memory of this process.
std::uint64_t resident_bytes();
/// By how much that may grow while a stream goes through.
// Sanitizers keep up to a quarter of a gigabyte of what was freed, to see who still uses it.
#if !defined(__has_feature)
#define __has_feature(name) 0
#endif
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr std::uint64_t kMemoryForAStream = 400u << 20;
#else
inline constexpr std::uint64_t kMemoryForAStream = 24u << 20;
#endif

}  // namespace slipway::http::testing
