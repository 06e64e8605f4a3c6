#pragma once

#include <optional>
#include <string>
#include <string_view>

// What callers say of themselves in headers (RFC 7235, 7617, 6750, 6265). Pure; foreign bytes.
namespace slipway::http {

struct Credentials {
  enum class Scheme { kNone, kBasic, kBearer, kUnknown };
  /// kNone: there is no header. kUnknown: another scheme, or one of these that is malformed.
  Scheme scheme = Scheme::kNone;
  std::string user;    // of kBasic
  std::string secret;  // the password of kBasic, the token of kBearer
};

/// Longer headers are malformed.
inline constexpr std::size_t kAuthorizationBytesMax = 8u << 10;

/// Of the value of an Authorization; "" is kNone. The scheme's case does not count. A Basic pair is
/// valid UTF-8 without control characters, and is split at its first colon.
Credentials parse_authorization(std::string_view header);

/// The value of a cookie in a Cookie header; nothing when there is none, or more than one of that
/// name: one of them is not ours.
std::optional<std::string_view> cookie_value(std::string_view header, std::string_view name);

}  // namespace slipway::http
