#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/http/message.h"

// Against pages of other sites: DNS rebinding (Host) and cross-site requests (Origin). Pure
// decisions over text.
namespace slipway::http {

/// Whether a Host header names this machine: localhost, a loopback or private address (with or
/// without port), or one of `allowed` ("*" stands for any run of characters; matched with and
/// without the port).
bool is_allowed_host(std::string_view host, const std::vector<std::string>& allowed);
/// Whether an Origin may change state: a page of this machine, or one of `allowed` ("*" wildcards).
bool is_allowed_origin(std::string_view origin, const std::vector<std::string>& allowed);
/// Whether it is one of `allowed` ("*" wildcards).
bool is_one_of(std::string_view origin, const std::vector<std::string>& allowed);
/// Whether a request that changes something for a session was made by a page that this server gave
/// out itself, or by one of `allowed`: by its Origin, or without one by Sec-Fetch-Site.
bool comes_from_own_page(const Headers& headers, const std::vector<std::string>& allowed);
/// Whether an address (4 or 16 bytes, as on the wire) is one of the public internet: none of this
/// machine, of a private network, of a link (where clouds keep their metadata), and none reserved;
/// of an IPv6 address that carries an IPv4 one, that one counts.
bool is_public_address(std::span<const std::uint8_t> bytes);
/// Whether an Origin is the host that was asked, by http or https: a page that this server gave out
/// itself. Only where the Host was found allowed.
bool is_same_origin(std::string_view origin, std::string_view host);
/// POST, PUT, PATCH, DELETE.
bool changes_state(Method method);

/// "*" stands for any run of characters, everything else for itself; ASCII case does not count.
bool matches_wildcards(std::string_view text, std::string_view pattern);

}  // namespace slipway::http
