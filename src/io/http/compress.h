#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// Content codings of whole bodies.
namespace slipway::http {

enum class Coding { kIdentity, kGzip, kDeflate, kUnknown };

/// Of a Content-Encoding; empty and "identity" are kIdentity, a list of several is kUnknown.
Coding to_coding(std::string_view content_encoding);
/// What an Accept-Encoding likes best among gzip, deflate and identity; kIdentity when in doubt.
Coding preferred_coding(std::string_view accept_encoding);

/// kInvalid for broken or unfinished data, and as soon as the result would exceed `bytes_max`:
/// memory is bounded by it, whatever the data promise. Preconditions: kGzip or kDeflate (zlib
/// wrapping).
Result<std::string> decompress(Coding coding, std::string_view data, std::uint64_t bytes_max);
std::string compress(Coding coding, std::string_view data);

}  // namespace slipway::http
