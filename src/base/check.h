#pragma once

// Assertions are for us, errors are for users. A failed CHECK ends the process with a stack trace: use it only where
// going on could harm stored state. On a request path return internal(...) instead.
namespace slipway {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace slipway

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::slipway::check_failed(#condition, __FILE__, __LINE__))
