#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

// Signature Version 4 of Amazon's services, as S3 wants it. Pure. Internal to this folder.
namespace slipway::blob::s3 {

/// Who asks. Never in a log nor in a message.
struct Credentials {
  std::string key_id, secret, session_token;  // the last may be empty
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Unsigned {
  std::string method;   // "GET"
  std::string scheme;   // "https"
  std::string host;     // with its port, unless it is the scheme's own
  std::string path;     // not escaped: "/bucket/a key"
  Pairs query;          // not escaped
  Pairs headers;        // to be signed and sent beside Host
};

struct Signer {
  Credentials credentials;
  std::string region;
  UnixMs now_ms = 0;
};

inline constexpr char kUnsignedPayload[] = "UNSIGNED-PAYLOAD";

/// The headers to send (those of the request, the signature's, not Host). `payload_sha256` is in
/// hex, of the body that will be sent.
Pairs sign(const Unsigned& request, const Signer& signer, const std::string& payload_sha256);

/// An address that anybody may use as `request` says, for so long. The request has no headers.
std::string presign(const Unsigned& request, const Signer& signer, std::chrono::seconds lasts);

/// Where the request goes: escaped as it was signed.
std::string url_of(const Unsigned& request);

}  // namespace slipway::blob::s3
