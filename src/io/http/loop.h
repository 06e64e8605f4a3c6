#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "io/http/conversation.h"

// One thread and the connections it owns, over epoll. Internal to this folder.
namespace slipway::http {

class Loop;

/// What epoll reports events to.
class Source {
 public:
  virtual ~Source() = default;
  virtual void on_events(std::uint32_t events) = 0;
};

/// A socket and what is said over it. Loop thread only. Readiness is learnt by edges and kept here,
/// so that a request costs one read and one write and no change of the epoll set.
class Connection final : public Source {
 public:
  Connection(Loop& loop, Fd socket, PeerPlace place_of_peer);
  ~Connection() override;

  void on_events(std::uint32_t events) override;
  /// Moves bytes until there is nothing to move, or it is others' turn.
  void drive();
  void tick();
  void drain();

  bool touched = false;   // is in the loop's list
  bool dead = false;      // waits for its destruction
  std::size_t place = 0;  // among the loop's connections

 private:
  friend class Loop;
  bool read_some();
  bool write_some();
  bool write_piped(Output::Piped next);
  void settle(bool wrote);
  void linger(bool wrote);
  void throw_away_input();
  void reset();

  Loop& loop_;
  Fd socket_;
  PeerPlace place_of_peer_;
  std::optional<Conversation> conversation_;  // none while lingering
  std::int64_t linger_until_ms_ = 0;
  std::size_t thrown_away_ = 0;
  bool readable_ = true, writable_ = true;
  bool unpaced_ = false;   // asked for
  bool end_seen_ = false;  // the peer's end is in the socket: a short read is not the last one
};

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> open(Site& site);
  ~Loop();

  void start(const std::string& thread_name);
  /// Any thread.
  void post(Inbox::Task task) { inbox_->post(std::move(task)); }
  void add(Fd socket, PeerPlace place);
  /// Any thread: lets what is in flight finish for `limit`, then ends; no more than zero ends at
  /// once.
  void end_within(std::chrono::milliseconds limit);
  /// True when everything had finished in time.
  bool join();

  /// Loop thread. `events` of epoll.
  bool watch(Source& source, int fd, std::uint32_t events);
  /// Other events, of what is watched.
  bool watch_for(Source& source, int fd, std::uint32_t events);
  void touch(Connection& connection);
  void bury(Connection& connection);
  bool ending() const { return ending_; }

  Site& site;
  LoopState state;

 private:
  bool control(int operation, Source& source, int fd, std::uint32_t events);

  struct Waker final : Source {
    explicit Waker(Loop& owner) : loop(owner) {}
    void on_events(std::uint32_t) override { loop.inbox_->run_all(); }
    Loop& loop;
  };

  Loop(Site& the_site, Fd epoll, Fd wake);
  void run();
  void wait();
  int wait_ms() const;
  void take(Fd socket, PeerPlace place);
  void drive_touched();
  void tick();
  void begin_end(std::chrono::milliseconds limit);

  Fd epoll_, wake_;
  Waker waker_;
  std::shared_ptr<Inbox> inbox_;
  std::vector<std::unique_ptr<Connection>> connections_, dead_;
  std::vector<Connection*> touched_;
  const std::int64_t tick_ms_;
  std::int64_t next_tick_ms_ = 0;
  bool ending_ = false, cut_off_ = false;
  std::int64_t end_ms_ = 0;
  std::thread thread_;
};

}  // namespace slipway::http
