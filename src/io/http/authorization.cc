#include "io/http/authorization.h"

#include <algorithm>

#include "base/base64.h"
#include "base/text.h"
#include "io/http/message.h"

namespace slipway::http {
namespace {

Credentials malformed() {
  return {Credentials::Scheme::kUnknown, {}, {}};
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// The characters of RFC 7235's token68, and no more than that.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || is_digit(c) || std::string_view("-._~+/=:").find(c) != std::string_view::npos;
  });
}

Credentials parse_basic(std::string_view text) {
  const std::optional<std::string> pair = base64_decode(text);
  if (!pair || !is_valid_utf8(*pair)) return malformed();
  if (std::any_of(pair->begin(), pair->end(), is_control)) return malformed();
  const std::size_t colon = pair->find(':');
  if (colon == std::string::npos) return malformed();
  return {Credentials::Scheme::kBasic, pair->substr(0, colon), pair->substr(colon + 1)};
}

}  // namespace

Credentials parse_authorization(std::string_view header) {
  header = trim(header);
  if (header.empty()) return {};
  if (header.size() > kAuthorizationBytesMax) return malformed();
  const std::size_t blank = header.find(' ');
  if (blank == std::string_view::npos) return malformed();
  const std::string_view scheme = header.substr(0, blank);
  const std::string_view rest = trim(header.substr(blank));
  if (same_name(scheme, "Basic")) return parse_basic(rest);
  if (!same_name(scheme, "Bearer") || !is_token(rest)) return malformed();
  return {Credentials::Scheme::kBearer, {}, std::string(rest)};
}

std::optional<std::string_view> cookie_value(std::string_view header, std::string_view name) {
  std::optional<std::string_view> found;
  for (std::string_view pair : split(header, ';')) {
    pair = trim(pair);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    if (found) return std::nullopt;
    found = pair.substr(equals + 1);
  }
  return found;
}

}  // namespace slipway::http
