#include "io/http/conversation.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>
#include <limits>

#include "base/log.h"
#include "base/text.h"
#include "io/http/guard.h"
#include "io/http/tags.h"

namespace slipway::http {
namespace {

constexpr std::size_t kFirstBufferBytes = 4u << 10;
constexpr std::size_t kBufferBytesMax = 64u << 10;
constexpr std::size_t kFirstReserveBytes =
    1u << 20;  // believed of a Content-Length before the bytes come
constexpr std::size_t kUncountedBodyBytes = 64u << 10;
constexpr std::uint64_t kDiscardBytesMax = 256u << 10;  // of a body that nobody reads
// Of a streamed answer. A large piece costs as many wake-ups as a small one, so the first streams
// have large ones, as long as all of them take no more than that part of what bodies may take.
struct PieceSize {
  std::size_t bytes;
  std::uint64_t share;
};
constexpr PieceSize kPieceSizes[] = {{1u << 20, 8}, {128u << 10, 4}};
constexpr std::size_t kSmallPieceBytes = 16u << 10;  // of any number of streams
constexpr std::size_t kAheadBytes = 256u << 10;  // of a streamed answer, waiting for the peer

Response with_retry(Response response) {
  response.status = 503;
  response.headers.set("Retry-After", "1");
  return response;
}

/// What a browser wants to hear before a page of another site may ask, or read the answer.
void share(const std::string& origin, Headers& headers) {
  if (origin.empty()) return;
  headers.set("Access-Control-Allow-Origin", origin);
  headers.set("Access-Control-Allow-Credentials", "true");
  headers.add("Vary", "Origin");
}

void answer_preflight(const Headers& asked, Headers& answer) {
  answer.set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
  answer.set("Access-Control-Max-Age", "600");
  const std::string_view names = asked.get("Access-Control-Request-Headers");
  if (!names.empty()) answer.set("Access-Control-Allow-Headers", std::string(names));
}

/// Into the pipe, if there is one and the reader can do that with what comes next.
Result<OutputPiece> read_piece(BodyReader& reader, std::size_t bytes, std::shared_ptr<Pipe> pipe) {
  try {
    OutputPiece piece;
    if (pipe != nullptr) piece.piped = TRY(reader.move_to(*pipe, bytes));
    if (piece.piped > 0) {
      piece.pipe = std::move(pipe);
      return piece;
    }
    piece.bytes.resize(bytes);
    piece.bytes.resize(TRY(reader.read(piece.bytes)));
    return piece;
  } catch (const std::exception& e) {
    return internal(e.what());
  }
}

ParseLimits to_limits(const ServerOptions& options) {
  return {.headers_max = static_cast<std::size_t>(options.headers_max),
          .header_bytes_max = options.header_bytes_max,
          .target_bytes_max = std::min(options.target_bytes_max, options.header_bytes_max)};
}

bool is_exempt_from_host_check(std::string_view path) {
  return path == "/health" || path == "/version";
}

}  // namespace

Site::Site(const ServerOptions& server_options, const Router& server_router, Metrics& registry,
           std::shared_ptr<Doorkeeper> who)
    : options(server_options),
      router(server_router),
      doorkeeper(std::move(who)),
      limits(to_limits(server_options)),
      metrics(server_router, registry),
      buffered(std::make_shared<std::atomic<std::int64_t>>(0)),
      workers("http-work", server_options.workers, server_options.worker_queue_max, registry),
      body_workers("http-body", server_options.body_workers, server_options.worker_queue_max,
                   registry) {}

bool Charge::grow_to(const std::shared_ptr<std::atomic<std::int64_t>>& total, std::size_t bytes,
                     std::uint64_t max) {
  if (bytes <= kUncountedBodyBytes) return true;
  if (total_ == nullptr) total_ = total;
  const std::int64_t more = static_cast<std::int64_t>(bytes) - bytes_;
  bytes_ += more;
  return total_->fetch_add(more) + more <= static_cast<std::int64_t>(max);
}

void Charge::release() {
  if (bytes_ != 0) total_->fetch_sub(std::exchange(bytes_, 0));
}

// ---- Exchange

void Exchange::send(Response response) {
  if (sent_.exchange(true)) return;
  if (inbox_->on_loop()) return answer(std::move(response));
  inbox_->post([self = shared_from_this(), late = std::move(response)]() mutable {
    self->stayed_on_loop_ = false;
    self->answer(std::move(late));
  });
}

void Exchange::answer(Response response) {
  if (conversation_ == nullptr) return;
  if (dropped_) conversation_->site_.metrics.dropped_replies.add();
  response_ = std::move(response);
  ready_ = true;
  conversation_->answered();
}

// ---- Conversation

Conversation::Conversation(Site& site, LoopState& loop, std::function<void()> nudge,
                           std::function<std::string()> peer)
    : site_(site),
      loop_(loop),
      nudge_(std::move(nudge)),
      peer_(std::move(peer)),
      scanner_(site.limits),
      chunks_(site.limits),
      progress_ms_(loop.now_ms),
      head_ms_(0) {}

Conversation::~Conversation() {
  lost();
}

std::span<char> Conversation::room() {
  const bool deaf = peer_ended_ || closing_ || broken_ || paused_ || body_broken_ ||
                    (no_more_requests_ && reading_ == Reading::kHead);
  if (deaf) return {};
  if (begin_ == end_) begin_ = end_ = 0;
  const std::size_t capacity_max = std::max(kBufferBytesMax, site_.limits.header_bytes_max + 4096);
  const bool full = end_ == capacity_;
  if (full && begin_ > 0) {
    std::memmove(in_.get(), in_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  } else if ((full || (filled_ && end_ == 0)) && capacity_ < capacity_max) {
    capacity_ = capacity_ == 0 ? kFirstBufferBytes : capacity_max;
    auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
    if (end_ > 0) std::memcpy(larger.get(), in_.get(), end_);
    in_ = std::move(larger);
  }
  return {in_.get() + end_, capacity_ - end_};
}

void Conversation::received(std::size_t bytes) {
  end_ += bytes;
  filled_ = end_ == capacity_;
  progress_ms_ = loop_.now_ms;
  advance();
}

void Conversation::peer_ended() {
  peer_ended_ = true;
  advance();
}

void Conversation::lost() {
  broken_ = true;
  if (pipe_ != nullptr) pipe_->fail(unavailable("the peer went away"));
  pipe_.reset();
  if (proof_ != nullptr) proof_->conversation = nullptr;
  proof_.reset();
  drop_turns();
}

/// Their answers go nowhere.
void Conversation::drop_turns() {
  for (const auto& exchange : turns_) exchange->conversation_ = nullptr;
  if (!turns_.empty()) site_.metrics.in_flight.add(-static_cast<double>(turns_.size()));
  turns_.clear();
}

/// A peer that asks and does not take the answers has to wait.
bool Conversation::is_ahead() const {
  return output_.size() >= kAheadBytes;
}

void Conversation::sent(std::size_t bytes) {
  const bool held_back = is_ahead();
  output_.consume(bytes);
  progress_ms_ = loop_.now_ms;
  if (held_back && !is_ahead()) advance();
  if (!turns_.empty() && turns_.front()->head_sent_) pump(*turns_.front());
  let_go_of_pieces();
}

void Conversation::drain(bool more_arrived) {
  draining_ = true;
  turn_.keep_alive = false;
  if (!turns_.empty()) turns_.back()->turn_.keep_alive = false;
  const bool between = reading_ == Reading::kHead;
  if (between && (!turns_.empty() || !unread().empty() || more_arrived)) {
    no_more_requests_ = !turns_.empty();
    return;
  }
  no_more_requests_ = true;
  if (between) closing_ = true;
}

/// Who says nothing, or half a head, makes room where places for others run out.
std::chrono::milliseconds Conversation::unless_crowded(std::chrono::milliseconds limit) const {
  const ServerOptions& options = site_.options;
  const bool is_crowded = 8 * site_.connections >= 7 * options.connections_max;
  return is_crowded ? std::min(options.crowded_timeout, limit) : limit;
}

void Conversation::tick() {
  const auto stalled = [&](std::int64_t since, std::chrono::milliseconds limit) {
    return loop_.now_ms - since > limit.count();
  };
  const bool reads_body = reading_ == Reading::kBody && !paused_ && !body_broken_;
  if (broken_ || (closing_ && output_.empty())) return;
  if (reads_body && is_too_slow()) {
    fail_body(408, with_tag(unavailable("the body comes too slowly"), kSlowSender));
  } else if (!output_.empty()) {
    if (!stalled(progress_ms_, site_.options.body_timeout)) return;
    broken_ = true;
  } else if (reads_body) {
    if (!stalled(progress_ms_, site_.options.body_timeout)) return;
    fail_body(408, unavailable("the body did not come in time"));
  } else if (!turns_.empty() || reading_ != Reading::kHead) {
    return;
  } else if (head_ms_ != 0) {
    if (!stalled(head_ms_, unless_crowded(site_.options.header_timeout))) return;
    refuse(408, "the headers did not come in time");
  } else {
    if (stalled(progress_ms_, unless_crowded(site_.options.idle_timeout))) closing_ = true;
    if (closing_) nudge_();
    return;
  }
  site_.metrics.timeouts.add();
  after_outside_event();
}

void Conversation::advance() {
  advancing_ = true;
  while (!closing_ && !broken_) {
    const bool retired = flush_turns();
    if (closing_ || broken_) break;
    if (!step() && !retired) break;
  }
  advancing_ = false;
  settle_end();
}

bool Conversation::step() {
  switch (reading_) {
    case Reading::kHead:
      return take_head();
    case Reading::kParked:
      return admit();
    case Reading::kBody:
      return take_body();
  }
  return false;
}

/// After everything that came was used: what the peer's end means for what did not come.
void Conversation::settle_end() {
  if (!peer_ended_ || closing_ || broken_) return;
  if (reading_ == Reading::kBody && !paused_ && !body_broken_) {
    if (target_ == Target::kPipe)
      fail_body(400, unavailable("the peer sent only a part of the body"));
    else
      closing_ = true;
  }
  // Ahead of the peer, what it has asked waits for it; sent() goes on, as does a proof.
  if (turns_.empty() && !is_ahead() && proof_ == nullptr) closing_ = true;
}

void Conversation::after_outside_event() {
  advance();
  nudge_();
}

// ---- Heads

bool Conversation::take_head() {
  if (no_more_requests_ || is_ahead()) return false;
  if (!turns_.empty()) {
    const auto most = static_cast<std::size_t>(site_.options.pipeline_max);
    if (turns_.size() >= most || !turns_.back()->turn_.overlaps) return false;
  }
  if (begin_ == end_) return false;
  const std::optional<std::size_t> length = scanner_.scan(unread());
  if (const auto refusal = scanner_.refusal()) {
    begin_request();
    refuse(refusal->status, refusal->why);
    return true;
  }
  if (!length) {
    if (head_ms_ == 0) head_ms_ = std::max<std::int64_t>(loop_.now_ms, 1);
    return false;
  }
  begin_request();
  const auto refusal = parse_head(unread().substr(0, *length), site_.limits, request_, framing_);
  begin_ += *length;
  if (refusal) {
    refuse(refusal->status, refusal->why);
    return true;
  }
  turn_.keep_alive = framing_.keep_alive && !draining_;
  turn_.head_only = request_.method == Method::kHead;
  turn_.http10 = framing_.minor_version == 0;
  turn_.overlaps = !changes_state(request_.method) && !framing_.has_body();
  if (!turn_.keep_alive) no_more_requests_ = true;
  reading_ = Reading::kParked;
  return true;
}

void Conversation::begin_request() {
  scanner_.reset();
  head_ms_ = 0;
  // What a handler left of the last request is used again.
  request_.query.clear();
  request_.headers.clear();
  request_.captures.clear();
  request_.body.clear();
  request_.body_stream.reset();
  request_.body_length.reset();
  request_.principal = {};
  request_.peer.clear();
  request_.cleared = false;
  framing_ = {};
  turn_ = {};
  turn_.started = std::chrono::steady_clock::now();
}

bool Conversation::runs_beside_others() const {
  return turns_.empty() || (turn_.overlaps && turns_.back()->turn_.overlaps);
}

bool Conversation::admit() {
  if (proof_ != nullptr || !runs_beside_others()) return false;
  std::optional<Response> refused = refused_by_guard();
  if (!refused) refused = refused_by_route();
  if (!refused) refused = refused_by_doorkeeper();
  if (proof_ != nullptr) return false;
  go_on(std::move(refused));
  return true;
}

void Conversation::go_on(std::optional<Response> refused) {
  if (!refused) refused = refused_by_bounds();
  if (refused)
    answer_early(std::move(*refused));
  else
    start_body();
}

std::string Conversation::peer_of_request() const {
  return peer_ ? client_address(peer_(), request_.headers, site_.options.trusted_proxies)
               : std::string();
}

std::optional<Response> Conversation::refused_by_doorkeeper() {
  if (site_.doorkeeper == nullptr) return std::nullopt;
  std::optional<Result<Principal>> caller = site_.doorkeeper->recognise(request_, *turn_.entry);
  if (caller) return take_caller(std::move(*caller));
  Workers::Task task = [self = proof_ = std::make_shared<Proof>(Proof{this}), inbox = loop_.inbox,
                        keeper = site_.doorkeeper, entry = turn_.entry, head = request_,
                        peer = peer_of_request()]() mutable {
    head.peer = std::move(peer);
    inbox->post([self, caller = keeper->prove(head, *entry)]() mutable {
      if (self->conversation != nullptr) self->conversation->proved(std::move(caller));
    });
  };
  if (site_.workers.push(task)) return std::nullopt;
  proof_.reset();
  site_.metrics.refused_requests.add();
  return with_retry(turn_.entry->errors(unavailable("too many requests wait already")));
}

void Conversation::proved(Result<Principal> caller) {
  proof_.reset();
  if (broken_ || closing_) return;
  advancing_ = true;  // advance() follows
  go_on(take_caller(std::move(caller)));
  advancing_ = false;
  after_outside_event();
}

std::optional<Response> Conversation::take_caller(Result<Principal> caller) {
  if (caller.ok()) {
    request_.principal = std::move(*caller);
    return std::nullopt;
  }
  const Error& error = caller.error();
  Response response = turn_.entry->errors(error);
  if (error.code == Code::kBusy) response.headers.set("Retry-After", "10");
  if (error.tag != kUnauthenticated) return response;
  response.status = 401;
  // A page asks by itself, in its own words; any other caller is to send a name and a password.
  const std::string_view mode = request_.headers.get("Sec-Fetch-Mode");
  const bool page = !mode.empty() && mode != "navigate";
  response.headers.set("WWW-Authenticate", page ? "Bearer realm=\"slipway\""
                                                : "Basic realm=\"slipway\", charset=\"UTF-8\"");
  return response;
}

std::optional<Response> Conversation::refused_by_guard() {
  if (framing_.host != good_host_ || good_host_.empty()) {
    if (is_allowed_host(framing_.host, site_.options.allowed_hosts)) {
      good_host_ = framing_.host;
    } else if (!is_exempt_from_host_check(request_.path)) {
      return Response::text("Invalid Host header - possible DNS rebinding attack detected", 403);
    }
  }
  const bool has_origin = framing_.origin.data() != nullptr;
  if (has_origin && is_one_of(framing_.origin, site_.options.allowed_origins))
    turn_.shared_with = framing_.origin;
  if (has_origin && changes_state(request_.method) &&
      !is_same_origin(framing_.origin, framing_.host) &&
      !is_allowed_origin(framing_.origin, site_.options.allowed_origins)) {
    return Response::text("Cross-origin request blocked", 403);
  }
  return std::nullopt;
}

std::optional<Response> Conversation::refused_by_route() {
  Router::Match match = site_.router.match(request_.method, request_.path);
  if (match.entry == nullptr && request_.method == Method::kOptions) {
    Response response;
    response.status = 204;
    std::vector<std::string> names = {"OPTIONS"};
    for (const Method method : site_.router.allowed(request_.path)) {
      names.emplace_back(to_string(method));
    }
    response.headers.add("Allow", join(names, ", "));
    if (!turn_.shared_with.empty()) answer_preflight(request_.headers, response.headers);
    return response;
  }
  if (match.entry == nullptr) return site_.router.no_match(request_, match.wrong_method);

  const Router::Entry& entry = *match.entry;
  turn_.entry = &entry;
  if (match.bad_escape) return entry.errors(invalid("the path has a malformed %-escape"));
  request_.captures = std::move(match.captures);
  return std::nullopt;
}

std::optional<Response> Conversation::refused_by_bounds() const {
  const Router::Entry& entry = *turn_.entry;
  if (framing_.content_length.value_or(0) > entry.route.body_bytes_max) {
    Response response = entry.errors(invalid(
        "the body is larger than " + std::to_string(entry.route.body_bytes_max) + " bytes"));
    response.status = 413;
    return response;
  }
  return std::nullopt;
}

void Conversation::refuse(int status, const char* why) {
  site_.metrics.bad_requests.add();
  reject(status, site_.router.fallback_errors()(invalid(why)));
}

/// The last answer of this connection.
void Conversation::reject(int status, Response response) {
  response.status = status;
  turn_.keep_alive = false;
  no_more_requests_ = true;
  reading_ = Reading::kHead;
  deliver(std::move(response));
}

void Conversation::answer_early(Response response) {
  reading_ = Reading::kHead;
  if (framing_.has_body()) {
    const bool short_body = !framing_.chunked && !framing_.expects_continue &&
                            *framing_.content_length <= kDiscardBytesMax;
    if (!short_body) {
      // Whoever waits for "100 Continue" may send the body or not: only the end of the connection
      // is unambiguous.
      const int status = response.status;
      return reject(status, std::move(response));
    }
    reading_ = Reading::kBody;
    target_ = Target::kNowhere;
    body_left_ = *framing_.content_length;
    begin_window();
  }
  deliver(std::move(response));
}

// ---- Bodies

void Conversation::start_body() {
  const Router::Entry& entry = *turn_.entry;
  const bool has_body = framing_.has_body();
  body_max_ = entry.route.body_bytes_max;
  body_taken_ = 0;
  body_left_ = framing_.content_length.value_or(0);
  paused_ = body_broken_ = false;
  chunks_ = ChunkDecoder(site_.limits);
  reading_ = has_body ? Reading::kBody : Reading::kHead;
  progress_ms_ = loop_.now_ms;
  begin_window();
  if (has_body) say_continue();

  if (!entry.route.streams_body) {
    target_ = Target::kMemory;
    if (!has_body) return dispatch();
    request_.body.reserve(std::min<std::size_t>(body_left_, kFirstReserveBytes));
    return;
  }
  target_ = Target::kPipe;
  std::shared_ptr<Exchange> exchange = new_exchange();
  pipe_ = std::make_shared<BodyPipe>([exchange] {
    exchange->inbox_->post([exchange] {
      if (exchange->conversation_ != nullptr) exchange->conversation_->resume_body(*exchange);
    });
  });
  request_.body_stream = pipe_;
  stream_waits_ = true;
  if (has_body) return;
  pipe_->end();
  pipe_.reset();
  start_stream_handler();
}

/// Not before the pipe is full or has the whole body: whoever sends little, slowly, keeps no thread
/// waiting.
void Conversation::start_stream_handler() {
  if (!std::exchange(stream_waits_, false)) return;
  run_on_worker(*turn_.entry, turns_.back());
}

void Conversation::begin_window() {
  window_ms_ = loop_.now_ms;
  window_taken_ = body_taken_;
}

/// Judged once a window, which is also the time of grace at the start.
bool Conversation::is_too_slow() {
  const std::int64_t passed = loop_.now_ms - window_ms_;
  if (passed < site_.options.body_window.count()) return false;
  const std::uint64_t came = body_taken_ - window_taken_;
  const std::uint64_t least =
      site_.options.body_bytes_per_second_min * static_cast<std::uint64_t>(passed) / 1000;
  begin_window();
  return came < least;
}

void Conversation::say_continue() {
  if (framing_.expects_continue && begin_ == end_) output_.append("HTTP/1.1 100 Continue\r\n\r\n");
}

bool Conversation::take_body() {
  if (paused_ || body_broken_ || begin_ == end_) return false;
  const std::string_view payload = next_payload();
  if (const auto& refusal = chunks_.refusal()) {
    site_.metrics.bad_requests.add();
    fail_body(refusal->status, invalid(refusal->why));
    return true;
  }
  body_taken_ += payload.size();
  if (target_ != Target::kNowhere && body_taken_ > body_max_) {
    fail_body(413, invalid("the body is larger than " + std::to_string(body_max_) + " bytes"));
    return true;
  }
  keep_payload(payload);
  const bool over = framing_.chunked ? chunks_.done() : body_left_ == 0;
  if (over && reading_ == Reading::kBody) end_body();
  return true;
}

std::string_view Conversation::next_payload() {
  char* const at = in_.get() + begin_;
  if (framing_.chunked) {
    const ChunkDecoder::Step step = chunks_.decode({at, end_ - begin_});
    begin_ += step.consumed;
    return {at, step.payload};
  }
  const std::size_t n = std::min<std::uint64_t>(body_left_, end_ - begin_);
  begin_ += n;
  body_left_ -= n;
  return {at, n};
}

/// What all bodies may take when this one grows. Where anybody may send, a part of it: whom the
/// server knows always finds room beside them.
std::uint64_t Conversation::memory_max() const {
  constexpr std::uint64_t kPartOfAnybody = 4;
  const std::uint64_t all = site_.options.body_buffers_max;
  return turn_.entry->route.permission == kPublic ? all / kPartOfAnybody : all;
}

void Conversation::keep_payload(std::string_view payload) {
  switch (target_) {
    case Target::kMemory:
      if (!charge_.grow_to(site_.buffered, request_.body.size() + payload.size(), memory_max())) {
        site_.metrics.refused_bodies.add();
        charge_.release();
        request_.body = {};
        return reject(503, with_retry(turn_.entry->errors(
                               unavailable("the server holds too many bodies in memory"))));
      }
      // Who has sent that much is believed: growing by doubling would take up to thrice the space.
      if (request_.body.size() + payload.size() > request_.body.capacity())
        request_.body.reserve(request_.body.size() + payload.size() + body_left_);
      request_.body.append(payload);
      return;
    case Target::kPipe:
      if (!payload.empty()) paused_ = !pipe_->put(payload);
      if (paused_) start_stream_handler();
      return;
    case Target::kNowhere:
      return;
  }
}

void Conversation::end_body() {
  reading_ = Reading::kHead;
  paused_ = false;
  if (target_ == Target::kPipe) {
    pipe_->end();
    pipe_.reset();
    start_stream_handler();
  } else if (target_ == Target::kMemory) {
    dispatch();
  }
}

/// The rest of the body cannot come or is not wanted.
void Conversation::fail_body(int status, Error error) {
  switch (target_) {
    case Target::kMemory: {
      request_.body = {};
      charge_.release();
      return reject(status, turn_.entry->errors(error));
    }
    case Target::kPipe:
      // The handler reads the error and answers; the connection ends with that answer.
      pipe_->fail(std::move(error));
      body_broken_ = true;
      no_more_requests_ = true;
      turns_.back()->turn_.keep_alive = false;
      start_stream_handler();
      return;
    case Target::kNowhere:
      broken_ = true;
      return;
  }
}

/// The answer is complete: a body that is still coming is skipped if it is short, else the
/// connection ends.
void Conversation::let_go_of_body(Turn& turn) {
  if (reading_ != Reading::kBody || target_ != Target::kPipe) return;
  pipe_->fail(unavailable("the request has been answered"));
  pipe_.reset();
  paused_ = false;
  if (!body_broken_ && !framing_.chunked && body_left_ <= kDiscardBytesMax) {
    target_ = Target::kNowhere;
    return;
  }
  reading_ = Reading::kHead;
  turn.keep_alive = false;
  no_more_requests_ = true;
}

void Conversation::resume_body(const Exchange& exchange) {
  if (!paused_ || turns_.empty() || turns_.front().get() != &exchange) return;
  paused_ = false;
  progress_ms_ = loop_.now_ms;
  begin_window();
  after_outside_event();
}

// ---- Answers

void Conversation::dispatch() {
  const Router::Entry& entry = *turn_.entry;
  if (entry.route.tells_peer) request_.peer = peer_of_request();
  if (entry.route.place == Place::kBlocking) return run_on_worker(entry, new_exchange());
  Router::Guard* guard = site_.router.guard();
  if (guard != nullptr && guard->may_wait(entry, request_)) {
    return run_on_worker(entry, new_exchange());
  }
  if (entry.answer) return answer_now(entry);
  run_late(entry);
}

void Conversation::answer_now(const Router::Entry& entry) {
  Response response;
  try {
    Result<Response> result = entry.answer(request_);
    response = result.ok() ? std::move(*result) : entry.errors(result.error());
  } catch (const std::exception& e) {
    site_.metrics.exceptions.add();
    log_error("a request failed by an exception", {{"what", e.what()}});
    response = entry.errors(internal("the request failed by our own mistake"));
  }
  charge_.release();
  deliver(std::move(response));
}

void Conversation::run_late(const Router::Entry& entry) {
  try {
    entry.run(std::move(request_), Reply(new_exchange(), entry.errors));
  } catch (const std::exception& e) {  // the Reply has answered 500 on its way out
    site_.metrics.exceptions.add();
    log_error("a request failed by an exception", {{"what", e.what()}});
  }
}

void Conversation::run_on_worker(const Router::Entry& entry, std::shared_ptr<Exchange> exchange) {
  exchange->stayed_on_loop_ = false;
  Workers::Task task = [&entry, request = std::move(request_),
                        reply = Reply(exchange, entry.errors)]() mutable {
    entry.run(std::move(request), std::move(reply));
  };
  Workers& workers = entry.route.streams_body ? site_.body_workers : site_.workers;
  if (workers.push(task)) return;
  site_.metrics.refused_requests.add();
  // Sent before `task` drops its Reply, so that one has nothing left to say.
  exchange->send(with_retry(entry.errors(unavailable("too many requests wait already"))));
}

std::shared_ptr<Exchange> Conversation::new_exchange() {
  std::shared_ptr<Exchange> exchange = std::move(spare_);
  if (exchange == nullptr) {
    exchange = std::make_shared<Exchange>();
    exchange->inbox_ = loop_.inbox;
  }
  exchange->conversation_ = this;
  exchange->turn_ = turn_;
  exchange->charge_ = std::move(charge_);
  turns_.push_back(exchange);
  site_.metrics.in_flight.add(1);
  return exchange;
}

/// An answer that is known already goes out now, or waits behind those before it.
void Conversation::deliver(Response response) {
  if (turns_.empty() && response.body_stream == nullptr) {
    return emit(turn_, std::move(response));
  }
  new_exchange()->send(std::move(response));
}

void Conversation::answered() {
  if (!advancing_) after_outside_event();
}

bool Conversation::flush_turns() {
  bool retired = false;
  while (!turns_.empty() && !closing_ && !broken_ && flush(*turns_.front())) {
    retire_front();
    retired = true;
  }
  return retired;
}

/// True when the whole answer is in the output.
bool Conversation::flush(Exchange& exchange) {
  if (!exchange.ready_) return false;
  Response& response = exchange.response_;
  const bool streams = response.body_stream != nullptr && !exchange.turn_.head_only &&
                       may_have_body(response.status);
  if (!streams) {
    let_go_of_body(exchange.turn_);
    emit(exchange.turn_, std::move(response));
    return true;
  }
  if (!exchange.head_sent_) begin_stream(exchange);
  if (broken_) return false;
  if (!exchange.stream_ended_) {
    pump(exchange);
    return false;
  }
  let_go_of_body(exchange.turn_);
  return true;
}

void Conversation::retire_front() {
  std::shared_ptr<Exchange> exchange = std::move(turns_.front());
  turns_.pop_front();
  site_.metrics.in_flight.add(-1);
  if (!exchange->turn_.keep_alive) {
    closing_ = true;
    drop_turns();  // there are some when it became the last one only now: see plan()
  }
  exchange->conversation_ = nullptr;
  exchange->charge_.release();
  exchange->response_ = {};
  // One that another thread has held is not used again: it may still be letting go of it.
  if (!exchange->stayed_on_loop_ || exchange.use_count() != 1) return;
  exchange->sent_ = exchange->dropped_ = false;
  exchange->ready_ = exchange->head_sent_ = exchange->stream_ended_ = false;
  spare_ = std::move(exchange);
}

/// How an answer goes out; replaces one that cannot.
Delivery Conversation::plan(Turn& turn, Response& response) {
  if (response.status < 200 || response.status > 599 || !is_sendable(response.headers)) {
    log_error("an answer could not be sent as it was", {{"status", response.status}});
    response = site_.router.fallback_errors()(internal("the answer could not be sent"));
    response.status = 500;
  }
  share(turn.shared_with, response.headers);
  Delivery delivery;
  if (!may_have_body(response.status)) {
    response.body.clear();
    response.body_stream.reset();
  } else if (response.body_stream != nullptr) {
    delivery.length = response.body_length;
    delivery.chunked = !delivery.length && !turn.http10 && !turn.head_only;
    // To an old client only the connection's end tells where such a body ends.
    if (!delivery.length && turn.http10) turn.keep_alive = false;
  } else {
    const std::uint64_t size = response.body.size();
    delivery.length = turn.head_only ? response.body_length.value_or(size) : size;
  }
  delivery.keep_alive = turn.keep_alive;
  delivery.say_keep_alive = turn.http10 && turn.keep_alive;
  return delivery;
}

void Conversation::emit_head(const Turn& turn, const Response& response, const Delivery& delivery) {
  progress_ms_ = loop_.now_ms;
  append_head(output_.tail(), response, delivery, loop_.date.at(std::time(nullptr)));
  site_.metrics.count(turn.entry, response.status, std::chrono::steady_clock::now() - turn.started);
}

void Conversation::emit(Turn& turn, Response response) {
  const Delivery delivery = plan(turn, response);
  emit_head(turn, response, delivery);
  if (!turn.head_only && !response.body.empty()) output_.append_large(std::move(response.body));
  if (!turn.keep_alive) closing_ = true;
}

void Conversation::begin_stream(Exchange& exchange) {
  const Delivery delivery = plan(exchange.turn_, exchange.response_);
  emit_head(exchange.turn_, exchange.response_, delivery);
  exchange.head_sent_ = true;
  exchange.chunked_ = delivery.chunked;
  exchange.left_ = delivery.length;
  exchange.stream_ended_ = exchange.left_ == 0;
  if (exchange.response_.body_stream != nullptr) return;
  // plan() replaced it by an error of its own.
  output_.append(exchange.response_.body);
  exchange.stream_ended_ = true;
}

std::size_t Conversation::piece_bytes(const Exchange& exchange) {
  // One more than is left, so that a source that is longer than it said is found out.
  const std::uint64_t asked =
      exchange.left_ ? *exchange.left_ + 1 : std::numeric_limits<std::uint64_t>::max();
  if (asked <= kSmallPieceBytes) return static_cast<std::size_t>(asked);
  for (const PieceSize& size : kPieceSizes) {
    if (asked <= size.bytes / 8) continue;
    // One that waits for the peer, and one that is read meanwhile.
    if (pieces_charge_.grow_to(site_.buffered, 2 * size.bytes,
                               site_.options.body_buffers_max / size.share))
      return static_cast<std::size_t>(std::min<std::uint64_t>(asked, size.bytes));
    pieces_charge_.release();
  }
  return kSmallPieceBytes;
}

/// One that holds nothing, for a piece of that size; null when that is too small to need one.
std::shared_ptr<Pipe> Conversation::pipe_for(std::size_t bytes) {
  if (bytes < Pipe::kBytesMin) return nullptr;
  for (std::shared_ptr<Pipe>& pipe : pipes_) {
    if (pipe == nullptr || pipe->room() < bytes) pipe = std::make_shared<Pipe>(bytes);
    if (pipe.use_count() == 1) return pipe;
  }
  return nullptr;
}

/// Once all that was streamed is sent.
void Conversation::let_go_of_pieces() {
  const bool streams = !turns_.empty() && turns_.front()->head_sent_;
  if (streams || !output_.empty()) return;
  pieces_charge_.release();
  pipes_ = {};
}

/// Has a worker read the next piece while the peer takes the last.
void Conversation::pump(Exchange& exchange) {
  if (exchange.reads_ || exchange.stream_ended_) return;
  const std::size_t bytes = piece_bytes(exchange);
  if (output_.size() >= std::clamp(bytes, kSmallPieceBytes, kAheadBytes)) return;
  exchange.reads_ = true;
  exchange.stayed_on_loop_ = false;
  site_.workers.push_begun(
      [self = exchange.shared_from_this(), reader = exchange.response_.body_stream,
       pipe = pipe_for(bytes), bytes]() mutable {
        Result<OutputPiece> piece = read_piece(*reader, bytes, std::move(pipe));
        reader.reset();
        self->inbox_->post([self, late = std::move(piece)]() mutable {
          if (self->conversation_ != nullptr)
            self->conversation_->take_piece(*self, std::move(late));
        });
      });
}

void Conversation::take_piece(Exchange& exchange, Result<OutputPiece> piece) {
  exchange.reads_ = false;
  if (!piece.ok())
    cut_stream(piece.error().message.c_str());
  else
    append_piece(exchange, std::move(*piece));
  after_outside_event();
}

void Conversation::append_piece(Exchange& exchange, OutputPiece piece) {
  progress_ms_ = loop_.now_ms;
  std::optional<std::uint64_t>& left = exchange.left_;
  const std::size_t bytes = piece.size();
  exchange.stream_ended_ = bytes == 0;
  if (left) {
    if (bytes > *left) return cut_stream("the source is longer than it said");
    if (bytes == 0 && *left > 0) return cut_stream("the source is shorter than it said");
    *left -= bytes;
    exchange.stream_ended_ = *left == 0;
  }
  if (!exchange.chunked_) return output_.append_piece(std::move(piece));
  if (bytes == 0) return output_.append("0\r\n\r\n");
  char size[16];
  const auto end = std::to_chars(size, size + sizeof size, bytes, 16).ptr;
  output_.append({size, static_cast<std::size_t>(end - size)});
  output_.append("\r\n");
  output_.append_piece(std::move(piece));
  output_.append("\r\n");
}

/// The peer must see that the answer is not whole, and only a broken connection says so.
void Conversation::cut_stream(const char* why) {
  site_.metrics.broken_streams.add();
  log_warning("a streamed answer was cut off", {{"why", why}});
  broken_ = true;
}

}  // namespace slipway::http
