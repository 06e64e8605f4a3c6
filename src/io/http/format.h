#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "io/http/message.h"

// Response heads as bytes. Internal to this folder.
namespace slipway::http {

/// What the server, not the handler, decides about an answer.
struct Delivery {
  bool keep_alive = true;
  bool say_keep_alive = false;  // to an HTTP/1.0 client
  bool chunked = false;
  std::optional<std::uint64_t> length;  // of the body
};

/// "Date: ...\r\n", formatted once a second. One thread.
class DateLine {
 public:
  std::string_view at(std::time_t now);

 private:
  std::time_t second_ = -1;
  std::string line_;
};

/// Whether names and values can be sent as they are: no CR, LF or other control characters.
bool is_sendable(const Headers& headers);

/// Appends status line, the handler's headers (without those the server decides), ours, and the
/// empty line. Precondition: is_sendable(response.headers).
void append_head(std::string& out, const Response& response, const Delivery& delivery,
                 std::string_view date_line);

/// Statuses 1xx, 204 and 304 never have a body.
bool may_have_body(int status);

}  // namespace slipway::http
