#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "io/blob/journal.h"

// The bytes of journals (docs/formats/journal.md) as functions over texts: private to this folder.
// Any thread.
namespace slipway::blob {

namespace frame {
// Of a marked frame's head.
inline constexpr std::size_t kLengthAt = 4, kNumberAt = 8, kSumAt = 12;
static_assert(kSumAt + 4 == kFrameHeadBytes);

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie");
inline void put_u32(char* at, std::uint32_t v) {
  std::memcpy(at, &v, sizeof v);
}
inline std::uint32_t get_u32(const char* at) {
  std::uint32_t v;
  std::memcpy(&v, at, sizeof v);
  return v;
}
}  // namespace frame

/// What precedes a payload.
struct FrameHead {
  std::uint32_t length = 0;  // of the payload
  std::uint32_t number = 0;  // of the frame in its file, from 0; where the form has none 0
  std::uint32_t sum = 0;
};

/// How the frames of one file are written.
class FrameForm {
 public:
  /// The present one: every frame of a file begins with the same random mark.
  static FrameForm marked(std::uint32_t mark) { return {true, mark}; }
  /// Also the present one, where nobody knows the mark: the first whole frame tells.
  static FrameForm marked_unknown() { return {true, std::nullopt}; }
  /// The first one: a length and a sum, no more.
  static FrameForm plain() { return {false, std::nullopt}; }

  bool is_numbered() const { return marked_; }
  std::size_t head_bytes() const { return marked_ ? 16 : 8; }

  /// `bytes` begin with a head; nothing when it cannot be that of a frame in a file that has
  /// `left` bytes from its beginning on.
  std::optional<FrameHead> read(std::string_view bytes, std::uint64_t left) const {
    using namespace frame;
    if (bytes.size() < head_bytes() || left < head_bytes()) return std::nullopt;
    const char* at = bytes.data();
    if (mark_ && get_u32(at) != *mark_) return std::nullopt;
    const FrameHead head =
        marked_ ? FrameHead{get_u32(at + kLengthAt), get_u32(at + kNumberAt), get_u32(at + kSumAt)}
                : FrameHead{get_u32(at), 0, get_u32(at + 4)};
    if (head.length > kFrameBytesMax || head.length > left - head_bytes()) return std::nullopt;
    return head;
  }
  /// Whether head and payload, the whole of `frame`, are what was written.
  bool is_whole(std::string_view frame, const FrameHead& head) const {
    // The length has its share: one that was cut or zeroed is no frame of no bytes.
    const std::string_view summed = frame.substr(0, marked_ ? frame::kSumAt : 4);
    return crc32c(frame.substr(head_bytes()), crc32c(summed)) == head.sum;
  }
  /// The mark of a frame that is whole is that of all.
  void learn(std::string_view frame) {
    if (marked_ && !mark_) mark_ = frame::get_u32(frame.data());
  }
  /// Where in `bytes` a frame may begin, at the first; npos when nowhere. `left` is what the file
  /// has from their beginning on.
  std::size_t find(std::string_view bytes, std::uint64_t left) const;

 private:
  FrameForm(bool marked, std::optional<std::uint32_t> mark) : marked_(marked), mark_(mark) {}
  bool marked_;
  std::optional<std::uint32_t> mark_;
};

/// Fills in the head of a marked frame, head and payload.
void write_head(std::span<char> frame, std::uint32_t mark, std::uint32_t number);
std::uint32_t payload_bytes_in(std::span<const char> frame);
void put_payload_bytes(std::span<char> frame, std::uint32_t bytes);

/// The beginning of a file.
inline constexpr std::size_t kFileHeadBytes = 32;
std::string file_head(std::string_view kind, std::uint32_t mark);

struct FileHead {
  FrameForm form;
  std::size_t bytes = 0;
  bool damaged = false;
};
/// Of the first kFileHeadBytes of a file, or of all when it has fewer. A head of which a few bits
/// are not what they were is recognised. Nothing when it is that of no journal of that kind.
std::optional<FileHead> read_file_head(std::string_view bytes, std::string_view kind);
/// Whether a file that has no more bytes than these never got beyond its head.
bool is_unfinished_head(std::string_view bytes, std::string_view kind);

}  // namespace slipway::blob
