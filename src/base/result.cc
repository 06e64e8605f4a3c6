#include "base/result.h"

#include <cstring>

namespace slipway {

const char* to_string(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kMissing: return "missing";
    case Code::kConflict: return "conflict";
    case Code::kDenied: return "denied";
    case Code::kBusy: return "busy";
    case Code::kUnavailable: return "unavailable";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

Error system_error(std::string what, int errno_value) {
  char buffer[256];
  const char* text = strerror_r(errno_value, buffer, sizeof buffer);
  return {Code::kUnavailable, std::move(what) + ": " + text,
          errno_value == ENOSPC || errno_value == EDQUOT ? "disk_full" : ""};
}

Error with_context(std::string context, Error error) {
  error.message = std::move(context) + ": " + error.message;
  return error;
}

}  // namespace slipway
