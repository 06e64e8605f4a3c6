#include "io/http/guard.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "io/http/networks.h"

namespace slipway::http {
namespace {

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// "name:80" and "[::1]:80" without the port; nothing when it is neither.
std::optional<std::string_view> without_port(std::string_view host) {
  std::size_t colon = host.rfind(':');
  if (!host.empty() && host.front() == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    if (close + 1 == host.size()) return host;
    if (host[close + 1] != ':') return std::nullopt;
    colon = close + 1;
  }
  if (colon == std::string_view::npos) return host;
  if (!all_digits(host.substr(colon + 1))) return std::nullopt;
  return host.substr(0, colon);
}

std::optional<std::array<std::uint8_t, 4>> to_ipv4(std::string_view text) {
  const std::optional<WireAddress> address = to_wire_address(text);
  if (!address || address->size != 4) return std::nullopt;
  const auto& bytes = address->bytes;
  return std::array<std::uint8_t, 4>{bytes[0], bytes[1], bytes[2], bytes[3]};
}

bool is_loopback_v6(const std::array<std::uint8_t, 16>& bytes) {
  return bytes.back() == 1 &&
         std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

std::optional<std::array<std::uint8_t, 16>> to_ipv6(std::string_view bracketed) {
  if (bracketed.size() < 4 || bracketed.front() != '[' || bracketed.back() != ']') {
    return std::nullopt;
  }
  const auto address = to_wire_address(bracketed.substr(1, bracketed.size() - 2));
  if (!address || address->size != 16) return std::nullopt;
  return address->bytes;
}

bool is_loopback(std::string_view name) {
  if (same_name(name, "localhost")) return true;
  if (const auto v4 = to_ipv4(name)) return (*v4)[0] == 127;
  const auto v6 = to_ipv6(name);
  return v6 && is_loopback_v6(*v6);
}

// An address that is spelled out cannot be rebound, a name that merely starts like one
// ("10.example.org") can.
bool is_private(std::string_view name) {
  if (const auto v4 = to_ipv4(name)) {
    const auto [a, b, c, d] = *v4;
    return a == 10 || (a == 172 && b >= 16 && b <= 31) || (a == 192 && b == 168) ||
           (a + b + c + d == 0);
  }
  const auto v6 = to_ipv6(name);
  return v6 && ((*v6)[0] & 0xFE) == 0xFC;
}

bool lies_in_any(std::span<const std::uint8_t> address, std::span<const Network> networks) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return lies_in(address, network); });
}

// What IANA's registries of special-purpose addresses call not globally reachable.
constexpr Network kSpecialV4[] = {
    {{0}, 8},
    {{10}, 8},
    {{100, 64}, 10},
    {{127}, 8},
    {{169, 254}, 16},
    {{172, 16}, 12},
    {{192, 0, 0}, 24},
    {{192, 0, 2}, 24},
    {{192, 88, 99}, 24},
    {{192, 168}, 16},
    {{198, 18}, 15},
    {{198, 51, 100}, 24},
    {{203, 0, 113}, 24},
    {{224}, 4},
    {{240}, 4},
};
// All that is given out is in 2000::/3.
constexpr Network kGlobalV6{{0x20}, 3};
constexpr Network kSpecialV6[] = {
    {{0x20, 0x01}, 23}, {{0x20, 0x01, 0x0D, 0xB8}, 32}, {{0x3F, 0xFF}, 20}};
constexpr Network kMapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96};
constexpr Network kNat64{{0, 0x64, 0xFF, 0x9B}, 96};
constexpr Network kSixToFour{{0x20, 0x02}, 16};

}  // namespace

bool is_public_address(std::span<const std::uint8_t> bytes) {
  if (bytes.size() == 4) return !lies_in_any(bytes, kSpecialV4);
  if (bytes.size() != 16) return false;
  if (lies_in(bytes, kMapped) || lies_in(bytes, kNat64)) {
    return is_public_address(bytes.subspan(12, 4));
  }
  if (lies_in(bytes, kSixToFour)) return is_public_address(bytes.subspan(2, 4));
  return lies_in(bytes, kGlobalV6) && !lies_in_any(bytes, kSpecialV6);
}

bool matches_wildcards(std::string_view text, std::string_view pattern) {
  // On a mismatch the last star takes one more character; earlier stars never need to be tried
  // again.
  std::size_t t = 0, p = 0, star = std::string_view::npos, taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && same_name(text.substr(t, 1), pattern.substr(p, 1))) {
      ++t;
      ++p;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  return pattern.substr(p).find_first_not_of('*') == std::string_view::npos;
}

bool is_allowed_host(std::string_view host, const std::vector<std::string>& allowed) {
  const std::optional<std::string_view> name = without_port(host);
  if (!name || name->empty()) return false;
  if (is_loopback(*name) || is_private(*name)) return true;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
    return matches_wildcards(host, pattern) || matches_wildcards(*name, pattern);
  });
}

bool is_allowed_origin(std::string_view origin, const std::vector<std::string>& allowed) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!same_name(origin.substr(0, scheme.size()), scheme)) continue;
    const auto name = without_port(origin.substr(scheme.size()));
    if (name && is_loopback(*name)) return true;
  }
  return is_one_of(origin, allowed);
}

bool is_one_of(std::string_view origin, const std::vector<std::string>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
    return matches_wildcards(origin, pattern);
  });
}

bool comes_from_own_page(const Headers& headers, const std::vector<std::string>& allowed) {
  if (!headers.has("Origin")) return headers.get("Sec-Fetch-Site") == "same-origin";
  const std::string_view origin = headers.get("Origin");
  return is_same_origin(origin, headers.get("Host")) || is_one_of(origin, allowed);
}

bool is_same_origin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!same_name(origin.substr(0, scheme.size()), scheme)) continue;
    return !host.empty() && same_name(origin.substr(scheme.size()), host);
  }
  return false;
}

bool changes_state(Method method) {
  return method == Method::kPost || method == Method::kPut || method == Method::kPatch ||
         method == Method::kDelete;
}

}  // namespace slipway::http
