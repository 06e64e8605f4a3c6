#include "io/nats/address.h"

#include "base/text.h"

namespace slipway::nats {
namespace {

constexpr std::string_view kDefaultPort = "4222";
constexpr std::int64_t kPortMax = 65535;

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  const bool in_brackets = host.front() == '[' && host.back() == ']';
  if (in_brackets) host = host.substr(1, host.size() - 2);
  for (const char c : host) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool fits = letter || is_digit(c) || c == '-' || c == '.' || c == '_';
    if (!fits && !(in_brackets && c == ':')) return false;
  }
  return !host.empty();
}

Error none(std::string_view shown, const char* why) {
  return invalid("\"" + std::string(shown) + "\" is no address of a NATS server: " + why);
}

Result<Address> parse_one(std::string_view text) {
  Address address;
  std::string_view scheme = "nats", rest = text;
  if (const std::size_t at = text.find("://"); at != std::string_view::npos) {
    scheme = text.substr(0, at);
    rest = text.substr(at + 3);
  }
  const std::size_t user_end = rest.rfind('@');
  const bool has_user = user_end != std::string_view::npos;
  const std::string_view user = has_user ? rest.substr(0, user_end + 1) : std::string_view();
  if (has_user) rest.remove_prefix(user_end + 1);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (scheme != "nats" && scheme != "tls") return none(rest, "it begins with nats:// or tls://");

  std::string_view host = rest, port = kDefaultPort;
  const std::size_t bracket = rest.rfind(']');
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
  }
  const auto number = to_int64(port);
  if (!is_host(host)) return none(rest, "expected HOST or HOST:PORT");
  if (!number || *number < 1 || *number > kPortMax) return none(rest, "a port is 1 to 65535");
  address.tls = scheme == "tls";
  address.host = std::string(host);
  if (host.front() == '[') address.host = std::string(host.substr(1, host.size() - 2));
  const std::string where = std::string(host) + ":" + std::string(port);
  address.shown = std::string(scheme) + "://" + where;
  address.url = std::string(scheme) + "://" + std::string(user) + where;
  return address;
}

}  // namespace

Result<std::vector<Address>> parse_addresses(std::string_view text) {
  std::vector<Address> all;
  for (std::string_view one : split(text, ',')) {
    one = trim(one);
    if (one.empty()) continue;
    if (all.size() == kAddressesMax)
      return invalid("at most " + std::to_string(kAddressesMax) + " NATS servers can be named");
    all.push_back(TRY(parse_one(one)));
  }
  return all;
}

}  // namespace slipway::nats
