#include "base/text.h"
#include "io/blob/blobs.h"
#include "io/blob/disk.h"

namespace slipway::blob {

namespace {

constexpr std::size_t kKeyBytesMax = 1024;
constexpr std::size_t kSegmentBytesMax = 255;  // NAME_MAX of Linux file systems

Result<> check_segment(std::string_view segment) {
  if (segment.empty()) return invalid("a key has an empty segment");
  if (segment == "." || segment == "..")
    return invalid("a key has a segment '" + std::string(segment) + "'");
  if (segment.size() > kSegmentBytesMax)
    return invalid("a segment of a key is longer than 255 bytes");
  return {};
}

}  // namespace

Result<> check_selection(std::uint64_t size, std::uint64_t at, std::uint64_t bytes) {
  if (at <= size && bytes <= size - at) return {};
  return invalid("an object of " + std::to_string(size) + " bytes has no " + std::to_string(bytes) +
                 " bytes from byte " + std::to_string(at) + " on");
}

Result<> check_key(std::string_view key) {
  if (key.empty()) return invalid("a key is empty");
  if (key.size() > kKeyBytesMax) return invalid("a key is longer than 1024 bytes");
  if (key.front() == '/') return invalid("a key begins with '/'");
  if (key.find('\0') != std::string_view::npos) return invalid("a key holds a NUL");
  if (key.find('\\') != std::string_view::npos) return invalid("a key holds a backslash");
  std::vector<std::string_view> segments = split(key, '/');
  for (std::string_view segment : segments) TRY(check_segment(segment));
  if (segments.front() == kIncomingFolder) return invalid("the name '.incoming' is reserved");
  return {};
}

}  // namespace slipway::blob
