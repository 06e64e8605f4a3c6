#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Where NATS servers are and how to get in, as people write it. Values only; any thread.
namespace slipway::nats {

struct Address {
  std::string url;    // with user and password, if it has them: a secret
  std::string shown;  // without: "nats://host:4222"; for events and logs
  std::string host;
  bool tls = false;
};

inline constexpr std::size_t kAddressesMax = 16;

/// "nats://host:4222", "tls://user:password@host", "nats://TOKEN@host", "host"; several divided by
/// commas. kInvalid says which one is none, without its secrets.
Result<std::vector<Address>> parse_addresses(std::string_view text);

/// All that a connection needs. Files are read when a connection is made.
struct Access {
  std::vector<Address> servers;  // of one cluster; empty: there is none to ask
  std::string credentials;       // a .creds file (JWT and seed), or ""
  std::string ca;                // certificates to trust (PEM), or "": those of the system
  std::string certificate, key;  // the client's own (PEM), or ""
};

}  // namespace slipway::nats
