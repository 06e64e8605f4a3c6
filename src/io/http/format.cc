#include "io/http/format.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes8.h"

namespace slipway::http {
namespace {

struct Status {
  int code;
  std::string_view reason;
};
constexpr std::array kStatuses = {
    Status{200, "OK"},
    Status{201, "Created"},
    Status{202, "Accepted"},
    Status{204, "No Content"},
    Status{206, "Partial Content"},
    Status{301, "Moved Permanently"},
    Status{302, "Found"},
    Status{303, "See Other"},
    Status{304, "Not Modified"},
    Status{307, "Temporary Redirect"},
    Status{308, "Permanent Redirect"},
    Status{400, "Bad Request"},
    Status{401, "Unauthorized"},
    Status{403, "Forbidden"},
    Status{404, "Not Found"},
    Status{405, "Method Not Allowed"},
    Status{406, "Not Acceptable"},
    Status{408, "Request Timeout"},
    Status{409, "Conflict"},
    Status{410, "Gone"},
    Status{412, "Precondition Failed"},
    Status{413, "Content Too Large"},
    Status{414, "URI Too Long"},
    Status{415, "Unsupported Media Type"},
    Status{416, "Range Not Satisfiable"},
    Status{417, "Expectation Failed"},
    Status{422, "Unprocessable Content"},
    Status{429, "Too Many Requests"},
    Status{431, "Request Header Fields Too Large"},
    Status{500, "Internal Server Error"},
    Status{501, "Not Implemented"},
    Status{502, "Bad Gateway"},
    Status{503, "Service Unavailable"},
    Status{504, "Gateway Timeout"},
    Status{505, "HTTP Version Not Supported"},
    Status{507, "Insufficient Storage"},
};

std::string_view reason_of(int code) {
  for (const Status& status : kStatuses) {
    if (status.code == code) return status.reason;
  }
  return "Unknown";
}

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

/// Framing and protection are not the handler's to say; what it says about them is left out.
bool is_servers_own(std::string_view name) {
  switch (name.size()) {
    case 4:
      return same_name(name, "date");
    case 10:
      return same_name(name, "connection") || same_name(name, "keep-alive");
    case 14:
      return same_name(name, "content-length");
    case 17:
      return same_name(name, "transfer-encoding");
    case 22:
      return same_name(name, "x-content-type-options");
    default:
      return false;
  }
}

bool is_clean(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7F) || byte == '\t';
}

bool is_name(char c) {
  return c > 0x20 && c < 0x7F && c != ':';
}

/// Not 0 when one of eight may not be clean: a tab is.
constexpr auto kMaybeUnclean = [](std::uint64_t word) {
  return bytes8::any_below(word, 0x20) | bytes8::any_equal(word, 0x7F);
};
constexpr auto kNoName = [](std::uint64_t word) {
  return bytes8::any_below(word, 0x21) | bytes8::any_equal(word, 0x7F) |
         bytes8::any_equal(word, ':') | bytes8::any_high(word);
};

bool is_clean(std::string_view text) {
  return bytes8::none(text, kMaybeUnclean) ||
         std::all_of(text.begin(), text.end(), [](char c) { return is_clean(c); });
}

bool is_name(std::string_view text) {
  return bytes8::none(text, kNoName) ||
         (!text.empty() &&
          std::all_of(text.begin(), text.end(), [](char c) { return is_name(c); }));
}

}  // namespace

std::string_view DateLine::at(std::time_t now) {
  if (now == second_) return line_;
  second_ = now;
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 64> text;
  // Not strftime's %a and %b: they follow the locale.
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int n =
      std::snprintf(text.data(), text.size(), "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                    kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                    kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                    utc.tm_min, utc.tm_sec);
  line_.assign(text.data(), static_cast<std::size_t>(n));
  return line_;
}

bool is_sendable(const Headers& headers) {
  return std::all_of(headers.all().begin(), headers.all().end(), [](const auto& field) {
    return is_name(field.first) && is_clean(field.second);
  });
}

bool may_have_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

void append_head(std::string& out, const Response& response, const Delivery& delivery,
                 std::string_view date_line) {
  if (response.status == 200) {
    out.append("HTTP/1.1 200 OK\r\n");
  } else {
    out.append("HTTP/1.1 ");
    append_number(out, static_cast<std::uint64_t>(response.status));
    out.append(" ").append(reason_of(response.status)).append("\r\n");
  }
  bool framed = false, says_when = response.status != 503 && response.status != 429;
  for (const auto& [name, value] : response.headers.all()) {
    if (is_servers_own(name)) continue;
    framed |= name.size() == 15 && same_name(name, "x-frame-options");
    says_when |= name.size() == 11 && same_name(name, "retry-after");
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (delivery.length) {
    out.append("Content-Length: ");
    append_number(out, *delivery.length);
    out.append("\r\n");
  } else if (delivery.chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  if (!delivery.keep_alive)
    out.append("Connection: close\r\n");
  else if (delivery.say_keep_alive)
    out.append("Connection: keep-alive\r\n");
  out.append(date_line);
  // Whatever is not there now is worth another try.
  if (!says_when) out.append("Retry-After: 1\r\n");
  if (!framed) out.append("X-Frame-Options: SAMEORIGIN\r\n");
  out.append("X-Content-Type-Options: nosniff\r\n\r\n");
}

}  // namespace slipway::http
