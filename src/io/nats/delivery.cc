#include "io/nats/delivery.h"

#include "base/text.h"

namespace slipway::nats {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

}  // namespace

std::optional<Delivery> parse_delivery(std::string_view reply) {
  constexpr std::size_t kShort = 9, kLong = 11, kBytesMax = 4096;
  if (reply.size() > kBytesMax || !reply.starts_with("$JS.ACK.")) return std::nullopt;
  const auto tokens = split(reply, '.');
  // The long form has a domain and an account before the stream, and may have more at its end.
  if (tokens.size() != kShort && tokens.size() < kLong) return std::nullopt;
  const std::size_t at = tokens.size() == kShort ? 2 : 4;
  const auto sequence = to_int64(tokens[at + 3]), time_ns = to_int64(tokens[at + 5]);
  if (!sequence || *sequence < 1 || !time_ns || *time_ns < 0 || tokens[at].empty())
    return std::nullopt;
  return Delivery{std::string(tokens[at]), static_cast<std::uint64_t>(*sequence),
                  *time_ns / kNsPerMs};
}

std::optional<PullEnd> parse_status(std::string_view status, std::string_view description) {
  if (status.empty()) return std::nullopt;
  if (status == "404" || status == "408" || status == "100") return PullEnd::kNothing;
  if (status == "409") {
    const std::string why = to_lower(description);
    const bool is_gone = why.find("consumer deleted") != std::string::npos ||
                         why.find("consumer is push") != std::string::npos;
    return is_gone ? PullEnd::kGone : PullEnd::kBusy;
  }
  return PullEnd::kGone;
}

std::string pull_request(int messages, std::int64_t expires_ms) {
  return "{\"batch\":" + std::to_string(messages) +
         ",\"expires\":" + std::to_string(expires_ms * kNsPerMs) + "}";
}

std::string pull_what_is_there(int messages) {
  return "{\"batch\":" + std::to_string(messages) + ",\"no_wait\":true}";
}

}  // namespace slipway::nats
