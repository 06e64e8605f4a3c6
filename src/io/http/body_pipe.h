#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/function.h"
#include "io/http/message.h"

namespace slipway::http {

/// A request's body on its way from the loop, which must not wait, to a handler, which may. Memory
/// is bounded: the loop stops reading from the peer while the pipe is full.
class BodyPipe final : public BodyReader {
 public:
  static constexpr std::size_t kBytesMax = 256u << 10;

  /// `resume` is called on the reader's thread when a full pipe has room again.
  explicit BodyPipe(UniqueFunction<void()> resume) : resume_(std::move(resume)) {}

  // The loop's side.
  /// False when the pipe is now full: put no more until `resume`.
  bool put(std::string_view bytes);
  void end();
  /// What was put can still be read, then comes `error`. The first end() or fail() counts.
  void fail(Error error);

  // The handler's side.
  Result<std::size_t> read(std::span<char> buffer) override;

 private:
  UniqueFunction<void()> resume_;
  std::string taken_;  // the reader's own
  std::size_t taken_at_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  bool full_ = false, ended_ = false;
  std::optional<Error> error_;
};

}  // namespace slipway::http
