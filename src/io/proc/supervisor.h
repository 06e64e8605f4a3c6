#pragma once

#include "base/file.h"
#include "io/proc/proc.h"

// Inside of the spawner's and the supervisors' processes. Each has one thread and never returns to
// the program it was forked from.
namespace slipway::proc {

/// What travels to the spawner beside the descriptors: the request, as bytes in a memory file.
std::string encode(const Request& request);
Result<Request> decode(std::string_view bytes);

/// The descriptors of one request, in the order they are sent in.
struct Handles {
  Fd control, payload, input, output, error, held;
};

/// What the starter sends over the control socket: one message, a signal's number or one of these.
/// Who took the attempt over sends the supervisor SIGTERM or SIGQUIT instead.
inline constexpr int kCancel = -1, kKill = -2;

/// Serves requests until the starter's end of `requests` is closed.
[[noreturn]] void serve_requests(Fd requests);
/// Runs one attempt to its end.
[[noreturn]] void supervise(Handles handles);

}  // namespace slipway::proc
