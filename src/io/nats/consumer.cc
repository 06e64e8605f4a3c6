#include "io/nats/consumer.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "io/nats/delivery.h"
#include "io/nats/library.h"

namespace slipway::nats {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kConnectMs = 2'000, kAnswerMs = 3'000;
// A peer that went silent is found within two of them.
constexpr std::int64_t kPingMs = 5'000;
constexpr int kPingsOut = 2;
// After so long a message that was not settled comes again.
constexpr std::int64_t kSettleMs = 60'000;
constexpr std::int64_t kUnsettledMax = 1'024;
// Beyond the time that a request is to wait: its end comes from the server.
constexpr std::int64_t kGraceMs = 2'000;
constexpr std::int64_t kMemoryBytesMax = 64 << 20;
constexpr int kHeadersMax = 100;

template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

/// The library would write them to standard error. What they tell is told by what fails then.
void ignore_error(natsConnection*, natsSubscription*, natsStatus, void*) {}

Error why_not_connected(const Library& nats, natsStatus status, const Address& server) {
  const std::string who = "the NATS server " + server.shown;
  switch (status) {
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
      return denied(who +
                    " refuses to let this server in: check the user, password or token in "
                    "SLIPWAY_NATS, or the file of SLIPWAY_NATS_CREDENTIALS");
    case NATS_SECURE_CONNECTION_WANTED:
      return denied(who + " speaks no TLS: name it nats://, or turn TLS on there");
    case NATS_SECURE_CONNECTION_REQUIRED:
      return denied(who + " wants TLS: name it tls:// in SLIPWAY_NATS");
    case NATS_SSL_ERROR:
      return denied("TLS with " + who +
                    " failed: check its certificate's names and SLIPWAY_NATS_CA, and "
                    "SLIPWAY_NATS_CERTIFICATE if it asks for one");
    default:
      return unavailable(who + " cannot be reached (" + nats.status_text(status) +
                         "); it is tried again");
  }
}

/// Of a request to JetStream, or of a fetch.
Error why_refused(const Library& nats, natsStatus status, jsErrCode code, const Address& server,
                  const std::string& what) {
  const std::string who = "the NATS server " + server.shown;
  if (code == JSNotEnabledErr || code == JSNotEnabledForAccountErr || status == NATS_NO_RESPONDERS)
    return missing(what + ": JetStream is not enabled for this account of " + who);
  if (status == NATS_TIMEOUT) {
    return denied(what + ": " + who +
                  " does not answer; JetStream may be off there, or this user may not publish to "
                  "$JS.API.> and subscribe to _INBOX.>");
  }
  if (status == NATS_CONNECTION_CLOSED || status == NATS_CONNECTION_DISCONNECTED ||
      status == NATS_STALE_CONNECTION || status == NATS_IO_ERROR)
    return unavailable("the connection to " + who + " was lost; it is made again");
  std::string why = nats.status_text(status);
  if (code != 0) why += ", JetStream error " + std::to_string(static_cast<int>(code));
  return unavailable(what + ": " + who + " says " + why);
}

Error no_stream(const std::string& subject, const Address& server) {
  return missing("no stream of the NATS server " + server.shown + " keeps messages of " + subject +
                 "; make one there that has this subject (`nats stream add`)");
}

/// A connection with JetStream; errors are told in our words.
class Connection {
 public:
  static Result<Connection> make(const Access& access, const Address& server,
                                 const std::string& client) {
    const Library* nats = TRY(library());
    Connection connection(*nats, server);
    TRY(connection.connect(access, client));
    return connection;
  }

  const Library& nats() const { return *nats_; }
  natsConnection* get() const { return connection_.get(); }
  jsCtx* jetstream() const { return jetstream_.get(); }
  const Address& server() const { return server_; }
  Error refused(natsStatus status, jsErrCode code, const std::string& what) const {
    return why_refused(*nats_, status, code, server_, what);
  }

 private:
  Connection(const Library& nats, Address server)
      : nats_(&nats),
        server_(std::move(server)),
        connection_(nullptr, nats.connection_destroy),
        jetstream_(nullptr, nats.jetstream_destroy) {}

  Result<> connect(const Access& access, const std::string& client) {
    natsOptions* made = nullptr;
    if (nats_->options_create(&made) != NATS_OK) return unavailable("out of memory");
    const Owned<natsOptions> options(made, nats_->options_destroy);
    TRY(set_up(made, client));
    TRY(set_up_access(made, access));
    natsConnection* connection = nullptr;
    if (const natsStatus status = nats_->connect(&connection, made); status != NATS_OK)
      return why_not_connected(*nats_, status, server_);
    connection_.reset(connection);
    jsOptions js_options;
    nats_->js_options_init(&js_options);
    js_options.Wait = kAnswerMs;
    jsCtx* jetstream = nullptr;
    const natsStatus status = nats_->jetstream(&jetstream, connection, &js_options);
    if (status != NATS_OK) return refused(status, {}, "JetStream cannot be used");
    jetstream_.reset(jetstream);
    return {};
  }

  /// Whoever uses the connection makes it again: then it can say what is wrong meanwhile.
  Result<> set_up(natsOptions* options, const std::string& client) {
    const bool taken = nats_->set_url(options, server_.url.c_str()) == NATS_OK &&
                       nats_->set_name(options, client.c_str()) == NATS_OK &&
                       nats_->set_timeout(options, kConnectMs) == NATS_OK &&
                       nats_->set_allow_reconnect(options, false) == NATS_OK &&
                       nats_->set_ping_interval(options, kPingMs) == NATS_OK &&
                       nats_->set_max_pings_out(options, kPingsOut) == NATS_OK &&
                       nats_->set_ignore_discovered(options, true) == NATS_OK &&
                       nats_->set_error_handler(options, ignore_error, nullptr) == NATS_OK;
    if (taken) return {};
    return invalid("the NATS client library does not take " + server_.shown);
  }

  Result<> set_up_access(natsOptions* options, const Access& access) {
    if (!access.credentials.empty() &&
        nats_->set_credentials(options, access.credentials.c_str(), nullptr) != NATS_OK)
      return invalid("cannot read the NATS credentials in " + access.credentials);
    const bool secure = server_.tls || !access.ca.empty() || !access.certificate.empty();
    if (!secure) return {};
    if (nats_->set_secure(options, true) != NATS_OK ||
        nats_->set_expected_hostname(options, server_.host.c_str()) != NATS_OK)
      return unavailable("the NATS client library was built without TLS");
    if (!access.ca.empty() && nats_->load_ca(options, access.ca.c_str()) != NATS_OK)
      return invalid("cannot read the certificates in " + access.ca + " (SLIPWAY_NATS_CA)");
    if (!access.certificate.empty() &&
        nats_->load_certificate(options, access.certificate.c_str(), access.key.c_str()) != NATS_OK)
      return invalid("cannot read the certificate in " + access.certificate + " with the key in " +
                     access.key + " (SLIPWAY_NATS_CERTIFICATE, SLIPWAY_NATS_KEY)");
    return {};
  }

  const Library* nats_;
  Address server_;
  Owned<natsConnection> connection_;
  Owned<jsCtx> jetstream_;
};

/// The one stream that keeps a subject.
Result<std::string> stream_of(const Connection& connection, const std::string& subject) {
  const Library& nats = connection.nats();
  jsOptions options;
  nats.js_options_init(&options);
  options.Wait = kAnswerMs;
  options.Stream.Info.SubjectsFilter = subject.c_str();
  jsStreamNamesList* found = nullptr;
  jsErrCode code{};
  const natsStatus status = nats.stream_names(&found, connection.jetstream(), &options, &code);
  const Owned<jsStreamNamesList> names(found, nats.stream_names_destroy);
  if (status != NATS_OK && status != NATS_NOT_FOUND)
    return connection.refused(status, code, "cannot look for the stream of " + subject);
  if (names == nullptr || names->Count == 0) return no_stream(subject, connection.server());
  if (names->Count == 1) return std::string(names->List[0]);
  return invalid("several streams of the NATS server " + connection.server().shown +
                 " keep messages of " + subject + "; name a subject that only one of them has");
}

class PullConsumer final : public Consumer {
 public:
  PullConsumer(Connection connection, Subscription wanted)
      : connection_(std::move(connection)),
        nats_(connection_.nats()),
        wanted_(std::move(wanted)),
        subscription_(nullptr, nats_.subscription_destroy),
        batch_max_(batch_for(nats_.max_payload(connection_.get()))) {}

  ~PullConsumer() override {
    for (const Owned<natsMsg>& message : held_) say(message.get(), Settle::kAgain);
    if (!held_.empty()) nats_.flush(connection_.get(), kAnswerMs);
  }

  Result<> begin() {
    TRY(find_stream());
    TRY(find_or_make_consumer());
    natsInbox* inbox = nullptr;
    if (nats_.inbox_create(&inbox) != NATS_OK) return unavailable("out of memory");
    inbox_ = inbox;
    nats_.inbox_destroy(inbox);
    natsSubscription* made = nullptr;
    const natsStatus status = nats_.subscribe(&made, connection_.get(), (inbox_ + ".*").c_str());
    if (status != NATS_OK) return connection_.refused(status, {}, "cannot listen to " + stream_);
    subscription_.reset(made);
    // What comes is bounded by what was asked for.
    nats_.set_pending_limits(made, -1, -1);
    return {};
  }

  Result<std::vector<Message>> fetch(milliseconds wait) override {
    CHECK(held_.empty());
    TRY(pull(1, pull_request(1, wait.count()), wait.count() + kGraceMs));
    if (!held_.empty() && batch_max_ > 1)
      TRY(pull(batch_max_ - 1, pull_what_is_there(batch_max_ - 1), kGraceMs));
    std::vector<Message> messages;
    for (const Owned<natsMsg>& raw : held_) messages.push_back(message_of(raw.get()));
    return messages;
  }

  Result<> settle(const std::vector<Settle>& settles) override {
    CHECK(settles.size() == held_.size());
    natsStatus status = NATS_OK;
    for (std::size_t i = 0; i < held_.size() && status == NATS_OK; ++i)
      status = say(held_[i].get(), settles[i]);
    held_.clear();
    if (status == NATS_OK) status = nats_.flush(connection_.get(), kAnswerMs);
    if (status == NATS_OK) return {};
    return connection_.refused(NATS_CONNECTION_CLOSED, {}, stream_);
  }

  std::string stream() const override { return stream_; }

 private:
  Result<> find_stream() {
    stream_ = TRY(stream_of(connection_, wanted_.subject));
    jsStreamInfo* info = nullptr;
    jsErrCode code{};
    const natsStatus status =
        nats_.stream_info(&info, connection_.jetstream(), stream_.c_str(), nullptr, &code);
    const Owned<jsStreamInfo> owned(info, nats_.stream_info_destroy);
    if (status != NATS_OK) return connection_.refused(status, code, "cannot ask for " + stream_);
    created_ms_ = info->Created / kNsPerMs;
    return {};
  }

  Result<> find_or_make_consumer() {
    jsConsumerInfo* info = nullptr;
    jsErrCode code{};
    natsStatus status = nats_.consumer_info(&info, connection_.jetstream(), stream_.c_str(),
                                            wanted_.consumer.c_str(), nullptr, &code);
    const Owned<jsConsumerInfo> owned(info, nats_.consumer_info_destroy);
    if (status == NATS_OK) return {};
    if (status != NATS_NOT_FOUND && code != JSConsumerNotFoundErr)
      return connection_.refused(status, code, "cannot ask for the consumer " + wanted_.consumer);
    jsConsumerConfig config;
    nats_.consumer_config_init(&config);
    config.Durable = wanted_.consumer.c_str();
    config.Description = wanted_.client.c_str();
    config.FilterSubject = wanted_.subject.c_str();
    config.AckPolicy = js_AckExplicit;
    config.AckWait = kSettleMs * kNsPerMs;
    config.MaxAckPending = kUnsettledMax;
    const Position& after = wanted_.after;
    const bool goes_on = after.stream == stream_ && after.created_ms == created_ms_;
    config.DeliverPolicy = goes_on ? js_DeliverByStartSequence : js_DeliverByStartTime;
    if (goes_on)
      config.OptStartSeq = after.sequence + 1;
    else
      config.OptStartTime = start_ns(wanted_.since_ms);
    status = nats_.add_consumer(nullptr, connection_.jetstream(), stream_.c_str(), &config, nullptr,
                                &code);
    if (status == NATS_OK) return {};
    return connection_.refused(status, code, "cannot make the consumer " + wanted_.consumer);
  }

  /// Asks for messages, and adds what comes to `held_` until these are all, or the server says that
  /// there are no more.
  Result<> pull(int messages, const std::string& request, std::int64_t wait_ms) {
    const std::string reply = inbox_ + "." + std::to_string(++requests_);
    const std::string subject = "$JS.API.CONSUMER.MSG.NEXT." + stream_ + "." + wanted_.consumer;
    natsStatus status =
        nats_.publish_request(connection_.get(), subject.c_str(), reply.c_str(), request.c_str());
    const std::int64_t end_ms = now_ms() + wait_ms;
    while (status == NATS_OK && messages > 0 && now_ms() < end_ms) {
      natsMsg* raw = nullptr;
      status = nats_.next_message(&raw, subscription_.get(),
                                  std::max<std::int64_t>(end_ms - now_ms(), 1));
      if (status != NATS_OK) break;
      Owned<natsMsg> message(raw, nats_.message_destroy);
      if (parse_delivery(text(nats_.reply(raw)))) {
        held_.push_back(std::move(message));
        --messages;
        continue;
      }
      // What is neither is nobody's, or ends an earlier request.
      const auto ended = end_of(raw);
      if (!ended || text(nats_.subject(raw)) != reply) continue;
      // What is wrong shows at the next request too.
      if (*ended == PullEnd::kNothing || !held_.empty()) return {};
      return *ended == PullEnd::kBusy ? too_busy() : lost(NATS_NO_RESPONDERS);
    }
    if (status == NATS_OK || status == NATS_TIMEOUT || !held_.empty()) return {};
    return lost(status);
  }

  Error too_busy() const {
    return busy("the consumer " + wanted_.consumer + " of the stream " + stream_ +
                " takes no more requests; look what else fetches from it");
  }

  std::optional<PullEnd> end_of(natsMsg* raw) const {
    const char *status = nullptr, *description = nullptr;
    if (nats_.data_length(raw) > 0 || nats_.header_get(raw, "Status", &status) != NATS_OK)
      return std::nullopt;
    nats_.header_get(raw, "Description", &description);
    return parse_status(text(status), text(description));
  }

  /// Whether the consumer or its stream is what is gone.
  Error lost(natsStatus fetch_status) {
    jsConsumerInfo* info = nullptr;
    jsErrCode code{};
    const natsStatus status = nats_.consumer_info(&info, connection_.jetstream(), stream_.c_str(),
                                                  wanted_.consumer.c_str(), nullptr, &code);
    const Owned<jsConsumerInfo> owned(info, nats_.consumer_info_destroy);
    const std::string at = " at the NATS server " + connection_.server().shown;
    if (code == JSStreamNotFoundErr)
      return missing("the stream " + stream_ + at + " was deleted; make it again");
    if (status == NATS_NOT_FOUND || code == JSConsumerNotFoundErr) {
      return missing("the consumer " + wanted_.consumer + " of the stream " + stream_ + at +
                     " was deleted; it is made again");
    }
    return connection_.refused(fetch_status, code, "cannot fetch from " + stream_);
  }

  Message message_of(natsMsg* raw) const {
    Message message;
    const Delivery delivery = parse_delivery(text(nats_.reply(raw))).value_or(Delivery());
    message.at = {stream_, created_ms_, delivery.sequence};
    message.time_ms = delivery.time_ms;
    message.subject = text(nats_.subject(raw));
    message.bytes = static_cast<std::size_t>(std::max(nats_.data_length(raw), 0));
    message.is_too_long = message.bytes > kMessageBytesMax;
    if (message.is_too_long) return message;
    message.body.assign(nats_.data(raw), message.bytes);
    add_headers(raw, message);
    return message;
  }

  void add_headers(natsMsg* raw, Message& message) const {
    const char** keys = nullptr;
    int count = 0;
    if (nats_.header_keys(raw, &keys, &count) != NATS_OK) return;
    for (int i = 0; i < std::min(count, kHeadersMax); ++i) {
      const char* value = nullptr;
      if (nats_.header_get(raw, keys[i], &value) == NATS_OK && value != nullptr)
        message.headers.emplace_back(keys[i], value);
    }
    free(static_cast<void*>(keys));
  }

  natsStatus say(natsMsg* raw, Settle how) const {
    const char* word = how == Settle::kDone ? "+ACK" : how == Settle::kRefuse ? "+TERM" : "-NAK";
    return nats_.publish(connection_.get(), nats_.reply(raw), word);
  }

  static std::string text(const char* text) { return text == nullptr ? std::string() : text; }
  static std::int64_t now_ms() {
    return std::chrono::duration_cast<milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  Connection connection_;
  const Library& nats_;
  const Subscription wanted_;
  Owned<natsSubscription> subscription_;
  const int batch_max_;
  std::string inbox_, stream_;
  std::int64_t created_ms_ = 0;
  std::uint64_t requests_ = 0;
  std::vector<Owned<natsMsg>> held_;  // of the last fetch, until they are settled
};

}  // namespace

std::int64_t start_ns(UnixMs since_ms) {
  constexpr std::int64_t kStepMs = 100;
  return std::max<std::int64_t>(since_ms / kStepMs * kStepMs, kStepMs) * kNsPerMs;
}

int batch_for(std::int64_t payload_bytes_max) {
  if (payload_bytes_max <= 0) return 1;
  return static_cast<int>(
      std::clamp<std::int64_t>(kMemoryBytesMax / payload_bytes_max, 1, kBatchMax));
}

Result<std::unique_ptr<Consumer>> subscribe(const Access& access, const Address& server,
                                            const Subscription& subscription) {
  auto consumer = std::make_unique<PullConsumer>(
      TRY(Connection::make(access, server, subscription.client)), subscription);
  TRY(consumer->begin());
  return std::unique_ptr<Consumer>(std::move(consumer));
}

Result<> remove_consumer(const Access& access, const Address& server, const std::string& subject,
                         std::string stream, const std::string& consumer) {
  const Connection connection = TRY(Connection::make(access, server, "slipway"));
  if (stream.empty()) {
    Result<std::string> found = stream_of(connection, subject);
    if (!found.ok() && found.error().code == Code::kMissing) return {};
    stream = TRY(std::move(found));
  }
  jsErrCode code{};
  const natsStatus status = connection.nats().delete_consumer(
      connection.jetstream(), stream.c_str(), consumer.c_str(), nullptr, &code);
  const bool is_gone = status == NATS_OK || status == NATS_NOT_FOUND ||
                       code == JSConsumerNotFoundErr || code == JSStreamNotFoundErr;
  if (is_gone) return {};
  return connection.refused(status, code, "cannot delete the consumer " + consumer);
}

std::string consumer_name(const std::vector<std::string>& texts) {
  constexpr std::size_t kReadable = 60, kDigest = 12;
  std::string readable = join(texts, "-");
  for (char& c : readable) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !is_digit(c) && c != '-' && c != '_') c = '_';
  }
  return "slipway-" + readable.substr(0, kReadable) + "-" +
         sha256_hex(join(texts, "\n")).substr(0, kDigest);
}

}  // namespace slipway::nats
