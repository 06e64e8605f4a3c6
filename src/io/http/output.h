#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "io/http/pipe.h"

namespace slipway::http {

/// Bytes in memory, or as many in a pipe, which is held until they are sent.
struct OutputPiece {
  std::string bytes = {};
  std::shared_ptr<Pipe> pipe = {};
  std::size_t piped = 0;
  std::size_t size() const { return pipe == nullptr ? bytes.size() : piped; }
};

/// Bytes on their way to the peer. Small ones are joined into one buffer that is used again and
/// again, large ones keep the memory they came in, or the pipe.
class Output {
 public:
  /// Where the next small bytes go.
  std::string& tail() {
    const bool fits = !segments_.empty() && segments_.back().pipe == nullptr &&
                      segments_.back().bytes.size() <= kJoinBytesMax;
    if (!fits) segments_.emplace_back();
    return segments_.back().bytes;
  }
  void append(std::string_view bytes) { tail().append(bytes); }
  void append_large(std::string bytes) {
    if (bytes.size() <= kJoinBytesMax) return append(bytes);
    segments_.push_back({std::move(bytes)});
  }
  void append_piece(OutputPiece piece) {
    if (piece.pipe == nullptr) return append_large(std::move(piece.bytes));
    segments_.push_back(std::move(piece));
  }

  bool empty() const {
    return segments_.empty() || (segments_.size() == 1 && offset_ == segments_[0].size());
  }
  std::size_t size() const {
    std::size_t bytes = 0;
    for (const OutputPiece& segment : segments_) bytes += segment.size();
    return bytes - offset_;
  }
  /// What to send next, as up to pieces.size() pieces; their number. 0 when a pipe comes next.
  std::size_t gather(std::span<std::string_view> pieces) const {
    std::size_t n = 0;
    for (const OutputPiece& segment : segments_) {
      if (n == pieces.size() || segment.pipe != nullptr) break;
      pieces[n] = segment.bytes;
      if (n == 0) pieces[n].remove_prefix(offset_);
      ++n;
    }
    return n;
  }
  struct Piped {
    int exit = -1;
    std::size_t bytes = 0;
  };
  /// What to send next, where gather() has nothing. Not while empty.
  Piped next_piped() const {
    const OutputPiece& next = segments_.front();
    return {next.pipe->exit(), next.piped - offset_};
  }
  void consume(std::size_t bytes) {
    offset_ += bytes;
    while (!segments_.empty() && offset_ >= segments_.front().size()) {
      OutputPiece& sent = segments_.front();
      offset_ -= sent.size();
      if (segments_.size() == 1 && sent.pipe == nullptr &&
          sent.bytes.capacity() <= 2 * kJoinBytesMax) {
        sent.bytes.clear();
        return;
      }
      segments_.pop_front();
    }
  }

 private:
  static constexpr std::size_t kJoinBytesMax = 32u << 10;

  std::deque<OutputPiece> segments_;
  std::size_t offset_ = 0;  // already sent of the first segment
};

}  // namespace slipway::http
