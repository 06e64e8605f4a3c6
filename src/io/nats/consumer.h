#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/nats/address.h"

// A durable pull consumer of a JetStream stream: every message of a subject at least once, in
// order, until it was settled. No library behind it is visible here.
namespace slipway::nats {

/// How far a consumer came. Streams of one name are told apart by when they were made.
struct Position {
  std::string stream;
  std::int64_t created_ms = 0;
  std::uint64_t sequence = 0;
  bool operator==(const Position&) const = default;
};

struct Message {
  Position at;
  std::string subject;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::size_t bytes = 0;     // of the body, also of one that was left out
  bool is_too_long = false;  // more than kMessageBytesMax: body and headers were left out
  UnixMs time_ms = 0;        // when the stream took it
};
inline constexpr std::size_t kMessageBytesMax = 1u << 20;
/// Of one fetch; fewer where the server lets messages be so large that they would fill the memory.
inline constexpr int kBatchMax = 256;
int batch_for(std::int64_t payload_bytes_max);

/// What becomes of a message that was fetched.
enum class Settle {
  kDone,    // never again
  kRefuse,  // never again either: nobody can read it
  kAgain,   // soon
};

/// One connection. One thread.
class Consumer {
 public:
  /// What is not settled comes again, to the next one.
  virtual ~Consumer() = default;

  /// Waits up to `wait` for the first message, and takes what else is there; nothing when none
  /// came. Precondition: the last ones were settled. Errors: as subscribe(); this consumer is of no
  /// use any more then.
  virtual Result<std::vector<Message>> fetch(std::chrono::milliseconds wait) = 0;
  /// One for each message of the last fetch; returns when the server has heard it. After an error
  /// some of them may come again.
  virtual Result<> settle(const std::vector<Settle>& settles) = 0;
  virtual std::string stream() const = 0;
};

struct Subscription {
  std::string subject;   // may hold wildcards
  std::string consumer;  // its durable name
  std::string client;    // how the connection names itself
  UnixMs since_ms = 0;   // where one that is made anew begins, or
  Position after;        // after this message, if it is of the stream that is there now
};

/// When a consumer begins, in nanoseconds: a tenth of a second too early at most. The library
/// (3.4.1) writes fractions of a second without their leading zeros, and so would begin too late.
std::int64_t start_ns(UnixMs since_ms);

/// Connects to one server, finds the stream that keeps the subject, and makes the consumer there
/// unless it exists. Takes a few seconds at most, when nobody answers.
///   kUnavailable: no library, or nobody there; kDenied: who we are, or what we may;
///   kMissing: no stream keeps the subject, or the consumer is gone; kInvalid: a file that cannot
///   be read. Each says what to do, and holds no secret.
Result<std::unique_ptr<Consumer>> subscribe(const Access& access, const Address& server,
                                            const Subscription& subscription);
/// Deletes a consumer that nobody needs any more; fine when it is gone. `stream`: "" for the one
/// that keeps the subject.
Result<> remove_consumer(const Access& access, const Address& server, const std::string& subject,
                         std::string stream, const std::string& consumer);

/// A durable name made of texts: what may not stand there is replaced, and a digest of the texts
/// keeps names apart.
std::string consumer_name(const std::vector<std::string>& texts);

}  // namespace slipway::nats
