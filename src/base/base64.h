#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace slipway {

/// RFC 4648, section 4: padded, no line breaks.
std::string base64_encode(std::string_view bytes);
/// Nothing for what base64_encode can't have written.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace slipway
