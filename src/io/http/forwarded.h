#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/http/message.h"
#include "io/http/networks.h"

// Whose request it is where proxies stand before the server. Pure.
namespace slipway::http {

/// Proxies that are believed when they say whose request they pass on.
class TrustedProxies {
 public:
  /// Addresses and networks: "10.0.0.5", "10.0.0.0/8", "fd00::/8". kInvalid names what is neither.
  static Result<TrustedProxies> parse(const std::vector<std::string>& texts);
  bool has(std::string_view address) const;
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    Network network;
    std::size_t size;  // of its addresses
  };
  std::vector<Entry> entries_;
};

/// `peer`; where that is a trusted proxy, the last address in X-Forwarded-For that is none. Each
/// proxy appends whom it has the request from, so what stands before that address is only what
/// somebody says. What is no address is not gone past.
std::string client_address(const std::string& peer, const Headers& headers,
                           const TrustedProxies& proxies);

/// As whom an address is counted: in its usual spelling, of IPv6 by its /64, which is what one line
/// has. What is no address is itself.
std::string counted_as(const std::string& address);

}  // namespace slipway::http
