#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "base/file.h"

namespace slipway::http {

/// A pipe in which bytes of a file wait for a socket: they get there without a copy of them in this
/// program's memory. One thread at a time.
class Pipe {
 public:
  static constexpr std::size_t kBytesMin = 256u << 10;  // below, copying is as cheap

  /// Up to `bytes` will be put in at a time.
  explicit Pipe(std::size_t bytes) : wanted_(bytes) {}

  /// Where bytes are put in, opened when first asked for; -1 where no pipe of any use can be had.
  int entrance() {
    if (!asked_) open();
    return in_.get();
  }
  int exit() const { return out_.get(); }
  /// That go in without waiting while it is empty.
  std::size_t room() const { return room_; }

 private:
  void open() {
    asked_ = true;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    out_ = Fd(ends[0]);
    in_ = Fd(ends[1]);
    if (ends[1] > descriptors_max() / 2) return close();
    // pipe(7): the system may grant less, or nothing.
    fcntl(in_.get(), F_SETPIPE_SZ, static_cast<int>(wanted_));
    const int granted = fcntl(in_.get(), F_GETPIPE_SZ);
    room_ = std::min(wanted_, static_cast<std::size_t>(std::max(granted, 0)));
    if (room_ < kBytesMin) close();
  }
  void close() {
    room_ = 0;
    in_ = Fd();
    out_ = Fd();
  }
  /// The lowest free numbers are given out first, so one from the upper half says that half of all
  /// are taken: the rest is for sockets and files.
  static int descriptors_max() {
    struct rlimit limit {};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0
               ? static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1u << 30))
               : 0;
  }

  const std::size_t wanted_;
  bool asked_ = false;
  std::size_t room_ = 0;
  Fd in_, out_;
};

}  // namespace slipway::http
