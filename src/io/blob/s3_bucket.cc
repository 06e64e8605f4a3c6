#include "io/blob/s3_bucket.h"

#include <algorithm>
#include <random>
#include <thread>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "io/blob/store_fault.h"

namespace slipway::blob::s3 {
namespace {

constexpr std::chrono::seconds kCredentialsLast{60};
constexpr std::uint64_t kAnswerBytesMax = 16u << 20;

bool is_passing(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/// Said by a gateway, the request may have been done; said by S3, it was not.
bool is_refusal(int status) {
  return status == 429 || status == 503;
}

bool says_expired(const http::Response& response) {
  if (response.status != 400 && response.status != 403) return false;
  if (response.body.empty()) return true;  // it may be: of a HEAD or a stream there are no words
  const std::optional<Fault> fault = parse_fault(response.body);
  return fault && (fault->code == "ExpiredToken" || fault->code == "TokenRefreshRequired");
}

/// Faults that another request would not meet; of all others the store itself is to blame, or what
/// answers in its place.
bool is_of_what_was_asked(std::string_view code) {
  constexpr std::string_view kCodes[] = {"EntityTooLarge",  "EntityTooSmall",   "InvalidPart",
                                         "InvalidPartOrder", "KeyTooLongError", "InvalidRange"};
  return std::ranges::find(kCodes, code) != std::end(kCodes);
}

const http::Response& head_of(const http::Response& answer) {
  return answer;
}
const http::Response& head_of(const std::unique_ptr<http::Incoming>& answer) {
  return answer->head();
}

}  // namespace

Bucket::Bucket(Place place, FindCredentials credentials, std::shared_ptr<http::Client> client,
               const Clock& clock, S3Options options)
    : place_(std::move(place)),
      find_(std::move(credentials)),
      client_(std::move(client)),
      clock_(clock),
      options_(std::move(options)) {}

Result<Credentials> Bucket::credentials() {
  std::lock_guard lock(mutex_);
  const std::chrono::nanoseconds now = clock_.monotonic();
  if (known_ && now - known_since_ < kCredentialsLast) return *known_;
  known_ = TRY(find_());
  known_since_ = now;
  return *known_;
}

void Bucket::forget_credentials() {
  std::lock_guard lock(mutex_);
  known_.reset();
}

Unsigned Bucket::unsigned_of(const Ask& ask) const {
  Unsigned request;
  request.method = http::to_string(ask.method);
  request.scheme = place_.scheme;
  request.host = place_.host;
  request.path = place_.virtual_host ? "/" : "/" + place_.bucket + (ask.key.empty() ? "" : "/");
  request.path += ask.key;
  request.query = ask.query;
  request.headers = ask.headers;
  return request;
}

Result<http::ClientRequest> Bucket::prepare(const Ask& ask) {
  const Signer signer{TRY(credentials()), place_.region, clock_.now_ms()};
  const Unsigned request = unsigned_of(ask);
  http::ClientRequest sent;
  sent.method = ask.method;
  sent.url = url_of(request);
  for (auto& [name, value] : sign(request, signer, sha256_hex(ask.body))) {
    sent.headers.add(name, value);
  }
  sent.body = ask.body;
  // A line of 64 KiB a second is enough for any body.
  sent.timeout = options_.timeout + std::chrono::milliseconds(ask.body.size() / 64);
  sent.response_bytes_max = kAnswerBytesMax;
  return sent;
}

Result<std::string> Bucket::presign(const Ask& ask, std::chrono::seconds lasts) {
  const Signer signer{TRY(credentials()), place_.region, clock_.now_ms()};
  return s3::presign(unsigned_of(ask), signer, lasts);
}

void Bucket::pause(int attempt) {
  const auto longest = std::min(options_.first_pause * (1 << std::min(attempt, 20)),
                                options_.longest_pause);
  // Many who were refused together shall not come back together.
  thread_local std::minstd_rand chance(std::random_device{}());
  const auto length = std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>(longest.count() / 2, longest.count())(chance));
  if (options_.pause) return options_.pause(length);
  std::this_thread::sleep_for(length);
}

template <class Answer, class Send>
Result<Answer> Bucket::repeatedly(const Ask& ask, Send send) {
  bool renewed = false;
  for (int attempt = 0;; ++attempt) {
    const http::ClientRequest request = TRY(prepare(ask));
    Result<Answer> answer = send(request);
    const bool last = attempt + 1 >= options_.attempts_max;
    if (answer.ok()) {
      const http::Response& head = head_of(*answer);
      if (!renewed && says_expired(head)) {
        renewed = true;
        forget_credentials();
        continue;
      }
      if (!is_passing(head.status)) return answer;
      const bool again = ask.repeat == Repeat::kHarmless || is_refusal(head.status);
      if (last || !again) {
        return refused(head, std::string(http::to_string(ask.method)) + " " + ask.key);
      }
    } else if (last || ask.repeat != Repeat::kHarmless ||
               answer.error().code != Code::kUnavailable) {
      if (answer.error().code != Code::kUnavailable) return answer;
      return with_tag(answer.error(), kStoreFault);
    }
    log_debug("a request to S3 is tried again",
              {{"key", ask.key}, {"why", answer.ok() ? std::to_string(head_of(*answer).status)
                                                     : answer.error().message}});
    pause(attempt);
  }
}

Result<http::Response> Bucket::ask(const Ask& ask) {
  return repeatedly<http::Response>(
      ask, [this](const http::ClientRequest& request) { return client_->fetch(request); });
}

Result<std::unique_ptr<http::Incoming>> Bucket::open(const Ask& ask) {
  return repeatedly<std::unique_ptr<http::Incoming>>(
      ask, [this](const http::ClientRequest& request) { return client_->open(request); });
}

Error Bucket::refused(const http::Response& response, const std::string& what) const {
  std::string answered = "answered " + std::to_string(response.status) + " to " + what;
  const std::optional<Fault> fault = parse_fault(response.body);
  if (fault) answered += ": " + fault->code + (fault->message.empty() ? "" : ", " + fault->message);
  const std::string words = "S3 " + answered;
  const int status = response.status;
  if (status == 404) return missing(words);
  if (status == 409 || status == 412) return conflict(words);
  if (is_passing(status)) return unavailable(words);
  if (fault && is_of_what_was_asked(fault->code)) return invalid(words);
  std::string where = "S3 at " + place_.host + ", bucket " + place_.bucket + ", " + answered;
  if (status == 401 || status == 403) where += " (check the credentials of this server)";
  return with_tag(unavailable(std::move(where)), kStoreFault);
}

}  // namespace slipway::blob::s3
