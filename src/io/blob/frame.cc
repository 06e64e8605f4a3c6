#include "io/blob/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace slipway::blob {
namespace {

constexpr std::string_view kPlainMagic = "SLIPWAY1";
constexpr std::string_view kMagic = "slipjrn2";  // far from the first one, whatever bits flip
constexpr std::size_t kKindBytes = 16;
constexpr std::size_t kNamedBytes = kMagic.size() + kKindBytes;
constexpr std::size_t kMarkAt = kNamedBytes, kSumAt = kMarkAt + 4;
static_assert(kSumAt + 4 == kFileHeadBytes);
// A head that differs from what is expected by no more is a damaged one, not another.
constexpr int kDamagedBitsMax = 8;

std::string named(std::string_view magic, std::string_view kind) {
  CHECK(kind.size() <= kKindBytes);
  std::string head(magic);
  head += kind;
  head.resize(kNamedBytes, '\0');
  return head;
}

int bits_between(std::string_view a, std::string_view b) {
  int bits = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    bits += std::popcount(static_cast<unsigned char>(a[i] ^ b[i]));
  return bits;
}

}  // namespace

std::size_t FrameForm::find(std::string_view bytes, std::uint64_t left) const {
  if (bytes.size() < head_bytes()) return std::string_view::npos;
  const std::size_t end = bytes.size() - head_bytes() + 1;
  char mark[4];
  if (mark_) frame::put_u32(mark, *mark_);
  for (std::size_t at = 0; at < end; ++at) {
    if (mark_) {
      const void* found = memmem(bytes.data() + at, bytes.size() - at, mark, sizeof mark);
      if (found == nullptr) break;
      at = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
      if (at >= end) break;
    }
    if (read(bytes.substr(at), left - at)) return at;
  }
  return std::string_view::npos;
}

void write_head(std::span<char> frame, std::uint32_t mark, std::uint32_t number) {
  frame::put_u32(frame.data(), mark);
  frame::put_u32(frame.data() + frame::kNumberAt, number);
  const std::string_view payload(frame.data() + kFrameHeadBytes, frame.size() - kFrameHeadBytes);
  frame::put_u32(frame.data() + frame::kSumAt,
                 crc32c(payload, crc32c({frame.data(), frame::kSumAt})));
}
std::uint32_t payload_bytes_in(std::span<const char> frame) {
  return frame::get_u32(frame.data() + frame::kLengthAt);
}
void put_payload_bytes(std::span<char> frame, std::uint32_t bytes) {
  frame::put_u32(frame.data() + frame::kLengthAt, bytes);
}

std::string file_head(std::string_view kind, std::uint32_t mark) {
  std::string head = named(kMagic, kind);
  head.resize(kFileHeadBytes);
  frame::put_u32(head.data() + kMarkAt, mark);
  frame::put_u32(head.data() + kSumAt, crc32c(std::string_view(head).substr(0, kSumAt)));
  return head;
}

std::optional<FileHead> read_file_head(std::string_view bytes, std::string_view kind) {
  if (bytes.size() < kNamedBytes) return std::nullopt;
  const std::string_view found = bytes.substr(0, kNamedBytes);
  const int off_plain = bits_between(found, named(kPlainMagic, kind));
  if (off_plain <= kDamagedBitsMax) return FileHead{FrameForm::plain(), kNamedBytes, off_plain > 0};
  const int off = bits_between(found, named(kMagic, kind));
  if (bytes.size() < kFileHeadBytes || off > kDamagedBitsMax) return std::nullopt;
  if (frame::get_u32(bytes.data() + kSumAt) != crc32c(bytes.substr(0, kSumAt)))
    return FileHead{FrameForm::marked_unknown(), kFileHeadBytes, true};
  if (off > 0) return std::nullopt;  // of another kind, undamaged
  return FileHead{FrameForm::marked(frame::get_u32(bytes.data() + kMarkAt)), kFileHeadBytes, false};
}

bool is_unfinished_head(std::string_view bytes, std::string_view kind) {
  if (bytes.size() >= kFileHeadBytes) return false;
  const bool is_zero = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
  return is_zero || named(kPlainMagic, kind).starts_with(bytes) ||
         named(kMagic, kind).starts_with(bytes.substr(0, kNamedBytes));
}

}  // namespace slipway::blob
