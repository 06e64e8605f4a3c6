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

/// "8"; nothing else of digits, and no sign.
std::optional<int> to_bits(std::string_view digits) {
  const bool is_plain = !digits.empty() && digits.size() <= 3 &&
                        std::all_of(digits.begin(), digits.end(), is_digit) &&
                        (digits.size() == 1 || digits.front() != '0');
  if (!is_plain) return std::nullopt;
  return static_cast<int>(*to_int64(digits));
}

std::optional<Network> to_network(std::string_view text, std::size_t& size) {
  const std::size_t slash = text.find('/');
  const auto address = to_wire_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  size = address->size;
  const int all = static_cast<int>(8 * address->size);
  if (slash == std::string_view::npos) return Network{address->bytes, all};
  std::optional<int> bits = to_bits(text.substr(slash + 1));
  constexpr int kMappedBits = 96;  // that an IPv4 address is behind in an IPv6 one
  const bool is_mapped = size == 4 && text.find(':') < slash;
  if (bits && is_mapped) *bits -= kMappedBits;
  if (!bits || *bits < 0 || *bits > all) return std::nullopt;
  return Network{address->bytes, *bits};
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
    std::size_t size = 0;
    const std::optional<Network> network = to_network(text, size);
    if (!network) {
      return invalid("'" + text + "' is neither an address nor a network; expected something like "
                     "10.0.0.5, 10.0.0.0/8 or fd00::/8");
    }
    proxies.entries_.push_back({*network, size});
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

std::string counted_as(const std::string& text) {
  std::optional<WireAddress> address = to_wire_address(text);
  if (!address) return text;
  const bool is_v6 = address->size == 16;
  if (is_v6) std::fill(address->bytes.begin() + 8, address->bytes.end(), std::uint8_t{0});
  char spelled[INET6_ADDRSTRLEN] = "";
  inet_ntop(is_v6 ? AF_INET6 : AF_INET, address->bytes.data(), spelled, sizeof spelled);
  return std::string(spelled) + (is_v6 ? "/64" : "");
}

}  // namespace slipway::http
