#include "io/blob/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "io/blob/journal.h"

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

// Of a marked frame.
constexpr std::size_t kLengthAt = 4, kNumberAt = 8, kFrameSumAt = 12;
static_assert(kFrameSumAt + 4 == kFrameHeadBytes);

void put_u32(char* at, std::uint32_t v) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(v >> (8 * i));
}
std::uint32_t get_u32(const char* at) {
  std::uint32_t v = 0;
  for (int i = 3; i >= 0; --i) v = v << 8 | static_cast<unsigned char>(at[i]);
  return v;
}

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

std::optional<FrameHead> FrameForm::read(std::string_view bytes, std::uint64_t left) const {
  if (bytes.size() < head_bytes() || left < head_bytes()) return std::nullopt;
  const char* at = bytes.data();
  if (mark_ && get_u32(at) != *mark_) return std::nullopt;
  const FrameHead head = marked_ ? FrameHead{get_u32(at + kLengthAt), get_u32(at + kNumberAt),
                                             get_u32(at + kFrameSumAt)}
                                 : FrameHead{get_u32(at), 0, get_u32(at + 4)};
  if (head.length > kFrameBytesMax || head.length > left - head_bytes()) return std::nullopt;
  return head;
}

bool FrameForm::is_whole(std::string_view frame, const FrameHead& head) const {
  // The length has its share: one that was cut or zeroed is no frame of no bytes.
  const std::string_view summed = frame.substr(0, marked_ ? kFrameSumAt : 4);
  return crc32c(frame.substr(head_bytes()), crc32c(summed)) == head.sum;
}

void FrameForm::learn(std::string_view frame) {
  if (marked_) mark_ = get_u32(frame.data());
}

std::size_t FrameForm::find(std::string_view bytes, std::uint64_t left) const {
  if (bytes.size() < head_bytes()) return std::string_view::npos;
  const std::size_t end = bytes.size() - head_bytes() + 1;
  char mark[4];
  if (mark_) put_u32(mark, *mark_);
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
  put_u32(frame.data(), mark);
  put_u32(frame.data() + kNumberAt, number);
  const std::string_view payload(frame.data() + kFrameHeadBytes, frame.size() - kFrameHeadBytes);
  put_u32(frame.data() + kFrameSumAt, crc32c(payload, crc32c({frame.data(), kFrameSumAt})));
}
std::uint32_t payload_bytes_in(std::span<const char> frame) {
  return get_u32(frame.data() + kLengthAt);
}
void put_payload_bytes(std::span<char> frame, std::uint32_t bytes) {
  put_u32(frame.data() + kLengthAt, bytes);
}

std::string file_head(std::string_view kind, std::uint32_t mark) {
  std::string head = named(kMagic, kind);
  head.resize(kFileHeadBytes);
  put_u32(head.data() + kMarkAt, mark);
  put_u32(head.data() + kSumAt, crc32c(std::string_view(head).substr(0, kSumAt)));
  return head;
}

std::optional<FileHead> read_file_head(std::string_view bytes, std::string_view kind) {
  if (bytes.size() < kNamedBytes) return std::nullopt;
  const std::string_view found = bytes.substr(0, kNamedBytes);
  const int off_plain = bits_between(found, named(kPlainMagic, kind));
  if (off_plain <= kDamagedBitsMax) return FileHead{FrameForm::plain(), kNamedBytes, off_plain > 0};
  const int off = bits_between(found, named(kMagic, kind));
  if (bytes.size() < kFileHeadBytes || off > kDamagedBitsMax) return std::nullopt;
  if (get_u32(bytes.data() + kSumAt) != crc32c(bytes.substr(0, kSumAt)))
    return FileHead{FrameForm::marked_unknown(), kFileHeadBytes, true};
  if (off > 0) return std::nullopt;  // of another kind, undamaged
  return FileHead{FrameForm::marked(get_u32(bytes.data() + kMarkAt)), kFileHeadBytes, false};
}

bool is_unfinished_head(std::string_view bytes, std::string_view kind) {
  if (bytes.size() >= kFileHeadBytes) return false;
  const bool is_zero = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
  return is_zero || named(kPlainMagic, kind).starts_with(bytes) ||
         named(kMagic, kind).starts_with(bytes.substr(0, kNamedBytes));
}

}  // namespace slipway::blob
