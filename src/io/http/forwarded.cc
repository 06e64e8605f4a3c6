#include "io/http/forwarded.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::http {
namespace {

/// "[2001:db8::7]:80" and "192.0.2.7:80" without brackets and port.
std::string_view bare_address(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    return close == std::string_view::npos ? text : text.substr(1, close - 1);
  }
  const std::size_t colon = text.find(':');
  const bool has_port = colon != std::string_view::npos && colon == text.rfind(':');
  return has_port ? text.substr(0, colon) : text;
}

/// From the farthest to the nearest.
std::vector<std::string_view> forwarded_for(const Headers& headers) {
  std::vector<std::string_view> addresses;
  for (const auto& [name, value] : headers.all()) {
    if (!same_name(name, "X-Forwarded-For")) continue;
    std::string_view rest = value;
    while (true) {
      const std::size_t comma = rest.find(',');
      addresses.push_back(bare_address(trim(rest.substr(0, comma))));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return addresses;
}

}  // namespace

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& texts) {
  TrustedProxies proxies;
  for (const std::string& text : texts) {
    const std::size_t slash = text.find('/');
    const std::optional<WireAddress> address =
        to_wire_address(std::string_view(text).substr(0, slash));
    std::optional<std::int64_t> bits;
    if (address) bits = static_cast<std::int64_t>(8 * address->size);
    if (slash != std::string::npos && address) {
      const std::int64_t all = *bits;
      bits = to_int64(std::string_view(text).substr(slash + 1));
      if (bits && (*bits < 0 || *bits > all)) bits.reset();
    }
    if (!bits) {
      return invalid("'" + text + "' is neither an address nor a network; expected something like "
                     "10.0.0.5, 10.0.0.0/8 or fd00::/8");
    }
    proxies.entries_.push_back({{address->bytes, static_cast<int>(*bits)}, address->size});
  }
  return proxies;
}

bool TrustedProxies::has(std::string_view text) const {
  const std::optional<WireAddress> address = to_wire_address(text);
  if (!address) return false;
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.size == address->size && lies_in(address->view(), entry.network);
  });
}

std::string client_address(const std::string& peer, const Headers& headers,
                           const TrustedProxies& proxies) {
  if (proxies.empty() || !proxies.has(peer)) return peer;
  std::string_view nearest = peer;
  const std::vector<std::string_view> addresses = forwarded_for(headers);
  for (auto at = addresses.rbegin(); at != addresses.rend() && proxies.has(nearest); ++at) {
    if (!to_wire_address(*at)) break;
    nearest = *at;
  }
  return std::string(nearest);
}

}  // namespace slipway::http
