#include "io/http/body_pipe.h"

#include <algorithm>
#include <cstring>

namespace slipway::http {

bool BodyPipe::put(std::string_view bytes) {
  std::lock_guard lock(mutex_);
  waiting_.append(bytes);
  full_ = waiting_.size() >= kBytesMax;
  changed_.notify_one();
  return !full_;
}

void BodyPipe::end() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_one();
}

void BodyPipe::fail(Error error) {
  std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = true;
  error_ = std::move(error);
  changed_.notify_one();
}

Result<std::size_t> BodyPipe::read(std::span<char> buffer) {
  if (buffer.empty()) return std::size_t{0};
  bool resume = false;
  if (taken_at_ == taken_.size()) {
    taken_.clear();
    taken_at_ = 0;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
    if (waiting_.empty()) return error_ ? Result<std::size_t>(*error_) : Result<std::size_t>(0u);
    taken_.swap(waiting_);
    resume = std::exchange(full_, false);
  }
  if (resume) resume_();
  const std::size_t n = std::min(buffer.size(), taken_.size() - taken_at_);
  std::memcpy(buffer.data(), taken_.data() + taken_at_, n);
  taken_at_ += n;
  return n;
}

}  // namespace slipway::http
