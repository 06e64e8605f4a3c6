#pragma once

#include <vector>

#include "domain/flows/trigger.h"
#include "io/http/message.h"

// CloudEvents 1.0 in its HTTP binding. Pure; any thread.
namespace slipway::hooks {

inline constexpr std::size_t kBatchMax = 1000;
inline constexpr std::size_t kAttributeBytesMax = 1024;

/// The events of a request, one or a batch. `now_ms`: the time of those that tell none.
///   kInvalid: no CloudEvent, or one that breaks the specification; nothing of a batch is taken
///   then. kInvalid with tag "media_type": a format that nobody here understands.
Result<std::vector<flows::Occasion>> read_cloudevents(const http::Request& request, UnixMs now_ms);

/// A header's value as its sender meant it: quotes taken off, then %XX decoded once. kInvalid for
/// what is no UTF-8 then.
Result<std::string> decode_header(std::string_view value);

}  // namespace slipway::hooks
