#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/function.h"
#include "io/http/body_pipe.h"
#include "io/http/format.h"
#include "io/http/inbox.h"
#include "io/http/output.h"
#include "io/http/peer_counts.h"
#include "io/http/parse.h"
#include "io/http/router.h"
#include "io/http/server.h"
#include "io/http/server_metrics.h"
#include "io/http/workers.h"

// The protocol of one connection without its socket: bytes in, handlers called, bytes out. Internal
// to this folder.
namespace slipway::http {

/// What all conversations of a server share.
struct Site {
  Site(const ServerOptions& server_options, const Router& server_router, Metrics& metrics,
       std::shared_ptr<Doorkeeper> who);

  const ServerOptions options;
  const Router& router;
  const std::shared_ptr<Doorkeeper> doorkeeper;
  const ParseLimits limits;
  ServerMetrics metrics;
  std::shared_ptr<std::atomic<std::int64_t>> buffered;  // bytes of bodies held in memory
  std::atomic<int> connections{0};                      // open ones
  PeerCounts peers;                                     // the same by whose they are
  Workers workers, body_workers;                        // last: their threads use the others
};

/// What the conversations of one loop share.
struct LoopState {
  std::shared_ptr<Inbox> inbox;
  DateLine date;
  std::int64_t now_ms = 0;  // monotonic, coarse: as of the loop's last tick
};

/// A body's share of Site::buffered, given back when destroyed.
class Charge {
 public:
  Charge() = default;
  Charge(Charge&& other) noexcept
      : total_(std::move(other.total_)), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    release();
    total_ = std::move(other.total_);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~Charge() { release(); }

  /// False when the total would exceed `max`. Small bodies are not counted.
  bool grow_to(const std::shared_ptr<std::atomic<std::int64_t>>& total, std::size_t bytes,
               std::uint64_t max);
  void release();

 private:
  std::shared_ptr<std::atomic<std::int64_t>> total_;
  std::int64_t bytes_ = 0;
};

class Conversation;

/// One request that was handed to a handler, and the place its answer has in the order of answers.
class Exchange final : public Reply::Sink, public std::enable_shared_from_this<Exchange> {
 public:
  struct Turn {
    const Router::Entry* entry = nullptr;
    bool keep_alive = true;
    bool head_only = false;
    bool http10 = false;
    bool overlaps = false;  // safe and without a body: may run beside others
    std::string shared_with = {};  // the other site whose page may read the answer
    std::chrono::steady_clock::time_point started{};
  };

  // Any thread.
  void send(Response response) override;
  void dropped() override { dropped_.store(true, std::memory_order_relaxed); }

 private:
  friend class Conversation;
  void answer(Response response);

  Conversation* conversation_ = nullptr;  // null once the connection is gone
  std::shared_ptr<Inbox> inbox_;
  std::atomic<bool> sent_{false}, dropped_{false};
  // The loop's from here on.
  Turn turn_;
  Charge charge_;
  bool ready_ = false;
  bool stayed_on_loop_ = true;
  Response response_;
  bool head_sent_ = false;
  bool stream_ended_ = false;
  bool reads_ = false;                 // a worker is reading the next piece
  std::optional<std::uint64_t> left_;  // of a streamed answer of known length
  bool chunked_ = false;
};

/// Loop thread only. Whoever drives it moves bytes between it and the socket:
///   room() -> read -> received(n);  output() -> send -> sent(n);  then room() and output() again.
class Conversation {
 public:
  /// `nudge` is called when, outside the driver's own calls, there may be output, room or an end;
  /// `peer` says the address of who is at the other end.
  Conversation(Site& site, LoopState& loop, std::function<void()> nudge,
               std::function<std::string()> peer = {});
  ~Conversation();
  Conversation(const Conversation&) = delete;

  /// Where the next bytes go; empty while nothing may be read. Not while a read is under way.
  std::span<char> room();
  void received(std::size_t bytes);
  /// The peer sends no more, but may still read.
  void peer_ended();
  /// Nobody is there any more: body streams fail, answers go nowhere.
  void lost();

  const Output& output() const { return output_; }
  void sent(std::size_t bytes);

  /// Once a tick: ends what made no progress for too long.
  void tick();
  /// Answers what is in flight, then ends. `more_arrived`: bytes wait in the socket, so a request
  /// may have been sent.
  void drain(bool more_arrived);

  /// Everything is sent; the socket should be shut down, what still comes be read and thrown away
  /// for a moment.
  bool finished() const { return closing_ && turns_.empty() && output_.empty(); }
  /// The socket should be closed at once.
  bool broken() const { return broken_; }

 private:
  friend class Exchange;
  using Turn = Exchange::Turn;
  enum class Reading { kHead, kParked, kBody };
  enum class Target { kMemory, kPipe, kNowhere };

  std::string_view unread() const { return {in_.get() + begin_, end_ - begin_}; }
  bool is_ahead() const;
  void advance();
  bool step();

  void settle_end();
  void after_outside_event();

  // Heads.
  bool take_head();
  void begin_request();
  bool admit();
  bool runs_beside_others() const;
  std::optional<Response> refused_by_guard();
  std::optional<Response> refused_by_route();
  std::optional<Response> refused_by_bounds() const;
  std::string peer_of_request() const;
  std::optional<Response> refused_by_doorkeeper();
  std::optional<Response> take_caller(Result<Principal> caller);
  void proved(Result<Principal> caller);
  void go_on(std::optional<Response> refused);
  void refuse(int status, const char* why);
  void answer_early(Response response);
  void reject(int status, Response response);

  // Bodies.
  void start_body();
  void say_continue();
  void begin_window();
  bool is_too_slow();
  std::chrono::milliseconds unless_crowded(std::chrono::milliseconds limit) const;
  void start_stream_handler();
  bool take_body();
  std::uint64_t memory_max() const;
  std::string_view next_payload();
  void keep_payload(std::string_view payload);
  void end_body();
  void fail_body(int status, Error error);
  void let_go_of_body(Turn& turn);
  void resume_body(const Exchange& exchange);

  // Answers.
  void dispatch();
  void answer_now(const Router::Entry& entry);
  void run_late(const Router::Entry& entry);
  void run_on_worker(const Router::Entry& entry, std::shared_ptr<Exchange> exchange);
  std::shared_ptr<Exchange> new_exchange();
  void deliver(Response response);
  void answered();
  bool flush_turns();
  bool flush(Exchange& exchange);
  std::size_t piece_bytes(const Exchange& exchange);
  std::shared_ptr<Pipe> pipe_for(std::size_t bytes);
  void let_go_of_pieces();
  Delivery plan(Turn& turn, Response& response);
  void emit_head(const Turn& turn, const Response& response, const Delivery& delivery);
  void emit(Turn& turn, Response response);
  void begin_stream(Exchange& exchange);
  void pump(Exchange& exchange);
  void take_piece(Exchange& exchange, Result<OutputPiece> piece);
  void append_piece(Exchange& exchange, OutputPiece piece);
  void retire_front();
  void drop_turns();
  void cut_stream(const char* why);

  /// Who asks is being found out on a worker; the request waits, parked.
  struct Proof {
    Conversation* conversation;  // null once the connection is gone
  };

  Site& site_;
  LoopState& loop_;
  std::function<void()> nudge_;
  std::function<std::string()> peer_;
  std::shared_ptr<Proof> proof_;
  Output output_;

  std::unique_ptr<char[]> in_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
  bool filled_ = false;  // the last read took all the room there was

  Reading reading_ = Reading::kHead;
  HeadScanner scanner_;
  Request request_;
  Framing framing_;
  Turn turn_;  // of request_
  Charge charge_;
  std::string good_host_;  // the Host that was allowed last

  Target target_ = Target::kMemory;
  ChunkDecoder chunks_;
  std::uint64_t body_left_ = 0, body_taken_ = 0, body_max_ = 0;
  std::uint64_t window_taken_ = 0;  // body_taken_ when the window began
  std::int64_t window_ms_ = 0;
  bool stream_waits_ = false;  // the handler of a streamed body has not been started yet
  std::shared_ptr<BodyPipe> pipe_;
  bool paused_ = false;       // the pipe is full
  bool body_broken_ = false;  // no more of it can come; the connection ends with its answer

  // Of streamed answers, until the peer has taken all of them.
  Charge pieces_charge_;
  std::array<std::shared_ptr<Pipe>, 2> pipes_;  // one that waits for the peer, one that is filled

  std::deque<std::shared_ptr<Exchange>> turns_;
  std::shared_ptr<Exchange> spare_;

  bool advancing_ = false;
  bool no_more_requests_ = false;
  bool draining_ = false;
  bool peer_ended_ = false;
  bool closing_ = false;
  bool broken_ = false;
  std::int64_t progress_ms_, head_ms_;
};

}  // namespace slipway::http
