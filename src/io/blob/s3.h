#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "io/blob/blobs.h"
#include "io/blob/s3_place.h"
#include "io/http/client.h"

// Objects in a bucket of S3, or of a server that speaks its API.
namespace slipway::blob {

struct S3Options {
  /// An object that is longer is sent in parts of this size, and of twice that after every thousand
  /// of them, up to eight times. It is also the memory that one upload takes, to begin with.
  std::size_t part_bytes = 8u << 20;
  int attempts_max = 5;                          // of one request
  std::chrono::milliseconds first_pause{200};    // before the second; doubles, with chance
  std::chrono::milliseconds longest_pause{5'000};
  std::chrono::milliseconds timeout{60'000};     // of one request; of a download without a byte
  /// Waits between attempts.
  std::function<void(std::chrono::milliseconds)> pause;  // empty: the thread sleeps
};

/// Asked again every minute or so, and when the server says that they have expired.
using FindCredentials = std::function<Result<s3::Credentials>()>;

/// A key is the object PREFIX/KEY. Asks the server for the bucket: kInvalid when it refuses,
/// kUnavailable when it can't be reached; the message says what it said. What is known to be
/// without effect when it is done twice is tried again after 5xx, 429 and cut connections.
///
/// Differs from a folder: an object may lie under another's key, a folder is not removed as a whole
/// (whoever lists it meanwhile sees less and less of it), and parts go to the addresses that
/// direct_url() gives, not to create_part().
///
/// `clock` must outlive the store.
Result<std::unique_ptr<Blobs>> open_s3(s3::Place place, FindCredentials credentials,
                                       std::shared_ptr<http::Client> client, const Clock& clock,
                                       S3Options options = {});

}  // namespace slipway::blob
