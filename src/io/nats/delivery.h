#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

// The words of JetStream's pull protocol that the client library leaves to us. Pure; any thread.
namespace slipway::nats {

/// What the reply subject of a message that a consumer gave says about it.
struct Delivery {
  std::string stream;
  std::uint64_t sequence = 0;
  UnixMs time_ms = 0;  // when the stream took it
};
/// "$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.NUMBER.NANOSECONDS.PENDING", or the longer form with
/// a domain and an account; nothing for any other subject.
std::optional<Delivery> parse_delivery(std::string_view reply);

/// What ends a request for messages before they are complete.
enum class PullEnd {
  kNothing,  // it waited for as long as it should, or nothing is there: ask again
  kBusy,     // too many others wait, or too much is not settled: ask again later
  kGone,     // nobody answers it: consumer or stream are no more
};
/// By the status of a message without a body; "" is no status.
std::optional<PullEnd> parse_status(std::string_view status, std::string_view description);

/// The body of a request.
std::string pull_request(int messages, std::int64_t expires_ms);  // waits for the first
std::string pull_what_is_there(int messages);

}  // namespace slipway::nats
