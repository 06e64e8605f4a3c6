#include <arpa/inet.h>

#include "app/app.h"
#include "base/text.h"

namespace slipway::app {

Result<Address> parse_address(std::string_view text) {
  auto wrong = [&](std::string_view why) {
    return Error{Code::kInvalid,
                 "address '" + std::string(text) + "' " + std::string(why) +
                     "; expected ADDR:PORT, as 127.0.0.1:5000",
                 "usage"};
  };
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("has no port");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("needs brackets around an IPv6 address");
  }
  if (host.empty()) return wrong("has no host");
  std::optional<std::int64_t> port = to_int64(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return wrong("has no port between 0 and 65535");
  return Address{std::string(host), static_cast<int>(*port)};
}

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string url_of(const Address& address, int port) {
  bool v6 = address.host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(port);
}

}  // namespace slipway::app
