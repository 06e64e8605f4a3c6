#include "base/terminal.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace slipway {
namespace {

/// Of the code point that begins with this byte; 1 for what begins none.
std::size_t bytes_of(unsigned char first) {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

bool is_for_terminals(std::uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  const bool turns = (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                     (code >= 0x2066 && code <= 0x2069);
  return control || turns;
}

std::string escaped(std::uint32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\t') return "\\t";
  if (code == '\r') return "\\r";
  char text[16];
  std::snprintf(text, sizeof text, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
  return text;
}

}  // namespace

std::string for_terminal(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = std::min(bytes_of(static_cast<unsigned char>(text[at])), text.size() - at);
    std::uint32_t code = static_cast<unsigned char>(text[at]);
    if (bytes > 1) code &= 0x7fu >> bytes;
    for (std::size_t i = 1; i < bytes; ++i)
      code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3fu);
    if (is_for_terminals(code))
      out += escaped(code);
    else
      out.append(text, at, bytes);
    at += bytes;
  }
  return out;
}

}  // namespace slipway
