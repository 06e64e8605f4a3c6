#include "io/http/server.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <future>

#include "base/log.h"
#include "io/http/listener.h"
#include "io/http/loop.h"

namespace slipway::http {
namespace {

constexpr int kLoopsMax = 32;     // unless more are asked for
constexpr int kAcceptsMax = 256;  // before connections have their turn
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";

int usable_cores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return std::clamp(CPU_COUNT(&cores), 1, kLoopsMax);
}

/// Accepts on the first loop and deals connections out in turn.
class Acceptor final : public Source {
 public:
  Acceptor(Site& site, std::vector<std::unique_ptr<Loop>>& loops, Fd listener)
      : site_(site),
        loops_(loops),
        listener_(std::move(listener)),
        reserve_(open_reserve()),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

  int fd() const { return listener_.get(); }

  void on_events(std::uint32_t) override { accept_some(); }

  /// Before the first loop starts.
  bool begin() {
    return loops_.front()->watch(*this, listener_.get(), EPOLLIN) && timer_ &&
           loops_.front()->watch(again_, timer_.get(), EPOLLIN | EPOLLET);
  }
  /// The first loop's thread. Whoever has connected already is still served.
  void end() {
    accept_some();
    listener_ = Fd();
  }

 private:
  static Fd open_reserve() { return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

  void accept_some() {
    for (int i = 0; i < kAcceptsMax && listener_; ++i) {
      Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (socket)
        deal(std::move(socket));
      else if (errno == EMFILE || errno == ENFILE) {
        if (!shed()) return pause();
      } else if (errno != EINTR && errno != ECONNABORTED)
        return;
    }
  }

  void deal(Fd socket) {
    std::optional<PeerPlace> place = place_of(peer_address(socket.get()));
    if (!place || site_.connections.load() >= site_.options.connections_max) {
      site_.metrics.refused_connections.add();
      send(socket.get(), kFull.data(), kFull.size(), MSG_NOSIGNAL);
      return;
    }
    site_.connections.fetch_add(1);  // only here, on one thread
    loops_[next_]->add(std::move(socket), std::move(*place));
    next_ = (next_ + 1) % loops_.size();
  }

  /// Nothing when this peer has as many connections as one may; a proxy has those of many.
  std::optional<PeerPlace> place_of(const std::string& address) {
    const ServerOptions& options = site_.options;
    if (options.trusted_proxies.has(address)) return PeerPlace();
    std::string peer = counted_as(address);
    if (!site_.peers.take(peer, options.connections_of_peer_max)) return std::nullopt;
    return PeerPlace(site_.peers, std::move(peer));
  }

  /// Without descriptors a waiting connection would wake the loop for ever: one is kept in reserve
  /// to take it and close it. False when another thread was faster and took that one.
  bool shed() {
    reserve_ = Fd();
    Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const bool stolen = !socket && (errno == EMFILE || errno == ENFILE);
    if (socket) site_.metrics.refused_connections.add();
    socket = Fd();
    reserve_ = open_reserve();
    return !stolen;
  }

  /// Whoever waits has to wait on, until there may be a descriptor again.
  void pause() {
    constexpr long kPauseNs = 50'000'000;
    const itimerspec once{{0, 0}, {0, kPauseNs}};
    if (timerfd_settime(timer_.get(), 0, &once, nullptr) != 0) return;
    loops_.front()->watch_for(*this, listener_.get(), 0);
  }
  void go_on() {
    if (listener_) loops_.front()->watch_for(*this, listener_.get(), EPOLLIN);
  }
  struct Again final : Source {
    explicit Again(Acceptor& acceptor) : owner(acceptor) {}
    void on_events(std::uint32_t) override { owner.go_on(); }
    Acceptor& owner;
  };

  Site& site_;
  std::vector<std::unique_ptr<Loop>>& loops_;
  Fd listener_, reserve_;
  Fd timer_;  // of a pause
  Again again_{*this};
  std::size_t next_ = 0;
};

class EpollServer final : public Server {
 public:
  EpollServer(const ServerOptions& options, const Router& router, Metrics& metrics,
              std::shared_ptr<Doorkeeper> doorkeeper)
      : site_(options, router, metrics, std::move(doorkeeper)) {}
  ~EpollServer() override { abort(); }

  Result<> listen();
  int port() const override { return port_; }
  int listen_fd() const override { return acceptor_->fd(); }
  void start() override;
  void drain() override { end(site_.options.drain_timeout); }
  void abort() override { end(std::chrono::milliseconds(0)); }

 private:
  enum class State { kOpen, kRunning, kEnded };
  void end(std::chrono::milliseconds limit);
  void stop_accepting();

  Site site_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::optional<Acceptor> acceptor_;
  int port_ = 0;
  State state_ = State::kOpen;
};

Result<> EpollServer::listen() {
  const ServerOptions& options = site_.options;
  const int loops = options.loops > 0 ? options.loops : usable_cores();
  for (int i = 0; i < loops; ++i) loops_.push_back(TRY(Loop::open(site_)));
  Fd listener = options.listen_fd >= 0 ? TRY(adopt_listener(options.listen_fd))
                                       : TRY(open_listener(options.host, options.port));
  port_ = port_of(listener.get());
  acceptor_.emplace(site_, loops_, std::move(listener));
  return {};
}

void EpollServer::start() {
  if (state_ != State::kOpen) return;
  state_ = State::kRunning;
  if (!acceptor_->begin()) log_error("the listening socket cannot be watched");
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    loops_[i]->start("http-loop-" + std::to_string(i));
  }
}

void EpollServer::end(std::chrono::milliseconds limit) {
  const State before = std::exchange(state_, State::kEnded);
  if (before == State::kEnded) return;
  if (before == State::kRunning) stop_accepting();
  bool in_time = limit.count() > 0;
  for (const auto& loop : loops_) loop->end_within(limit);
  for (const auto& loop : loops_) in_time &= loop->join();
  site_.workers.stop(/*finish=*/in_time);
  site_.body_workers.stop(/*finish=*/in_time);
}

/// Before any loop ends, so that none is dealt a connection that it cannot take any more.
void EpollServer::stop_accepting() {
  std::promise<void> stopped;
  loops_.front()->post([&] {
    acceptor_->end();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(ServerOptions options, const Router& router,
                                             Metrics& metrics,
                                             std::shared_ptr<Doorkeeper> doorkeeper) {
  auto server = std::make_unique<EpollServer>(options, router, metrics, std::move(doorkeeper));
  TRY(server->listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace slipway::http
