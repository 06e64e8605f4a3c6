#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "io/blob/s3.h"
#include "io/blob/s3_sign.h"
#include "io/blob/s3_xml.h"

// Signed requests to one bucket, tried again where that does no harm. Internal to this folder.
namespace slipway::blob::s3 {

/// What may happen when it is done twice.
enum class Repeat {
  kHarmless,    // tried again after anything that may pass
  kIfRefused,   // only when the server said that it did not do it
};

struct Ask {
  http::Method method = http::Method::kGet;
  std::string key = {};  // of the object, with the store's prefix; empty: the bucket
  Pairs query = {};
  Pairs headers = {};
  std::string body = {};
  Repeat repeat = Repeat::kHarmless;
};

/// Any thread.
class Bucket {
 public:
  Bucket(Place place, FindCredentials credentials, std::shared_ptr<http::Client> client,
         const Clock& clock, S3Options options);

  /// The answer, of any status but those that are tried again; after the last attempt
  /// kUnavailable. `http::Response::status` below 300 is success.
  Result<http::Response> ask(const Ask& ask);
  /// The same for a body that is read piece by piece.
  Result<std::unique_ptr<http::Incoming>> open(const Ask& ask);
  Result<std::string> presign(const Ask& ask, std::chrono::seconds lasts);

  /// What a refusal means: kMissing, kDenied, kConflict, kInvalid or kUnavailable, with the
  /// server's words. `what` says what was asked.
  Error refused(const http::Response& response, const std::string& what) const;
  void pause(int attempt);

  const Place& place() const { return place_; }
  const S3Options& options() const { return options_; }

 private:
  Result<Credentials> credentials();
  void forget_credentials();
  Result<http::ClientRequest> prepare(const Ask& ask);
  Unsigned unsigned_of(const Ask& ask) const;
  template <class Answer, class Send>
  Result<Answer> repeatedly(const Ask& ask, Send send);

  const Place place_;
  const FindCredentials find_;
  const std::shared_ptr<http::Client> client_;
  const Clock& clock_;
  const S3Options options_;
  std::mutex mutex_;
  std::optional<Credentials> known_;
  std::chrono::nanoseconds known_since_{0};
};

}  // namespace slipway::blob::s3
