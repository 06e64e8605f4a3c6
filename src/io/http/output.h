#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>

namespace slipway::http {

/// Bytes on their way to the peer. Small ones are joined into one buffer that is used again and
/// again, large ones keep the memory they came in.
class Output {
 public:
  /// Where the next small bytes go.
  std::string& tail() {
    if (segments_.empty() || segments_.back().size() > kJoinBytesMax) grow();
    return segments_.back();
  }
  void append(std::string_view bytes) { tail().append(bytes); }
  void append_large(std::string bytes) {
    if (bytes.size() <= kJoinBytesMax) return append(bytes);
    segments_.push_back(std::move(bytes));
  }

  bool empty() const {
    return segments_.empty() || (segments_.size() == 1 && offset_ == segments_[0].size());
  }
  std::size_t size() const {
    std::size_t bytes = 0;
    for (const std::string& segment : segments_) bytes += segment.size();
    return bytes - offset_;
  }
  /// What to send next, as up to pieces.size() pieces; their number.
  std::size_t gather(std::span<std::string_view> pieces) const {
    std::size_t n = 0;
    for (const std::string& segment : segments_) {
      if (n == pieces.size()) break;
      pieces[n] = segment;
      if (n == 0) pieces[n].remove_prefix(offset_);
      ++n;
    }
    return n;
  }
  void consume(std::size_t bytes) {
    offset_ += bytes;
    while (!segments_.empty() && offset_ >= segments_.front().size()) {
      offset_ -= segments_.front().size();
      if (segments_.size() == 1 && segments_.front().capacity() <= 2 * kJoinBytesMax) {
        segments_.front().clear();
        return;
      }
      segments_.pop_front();
    }
  }

 private:
  static constexpr std::size_t kJoinBytesMax = 32u << 10;
  void grow() { segments_.emplace_back(); }

  std::deque<std::string> segments_;
  std::size_t offset_ = 0;  // already sent of the first segment
};

}  // namespace slipway::http
