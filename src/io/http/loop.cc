#include "io/http/loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "io/http/listener.h"

namespace slipway::http {
namespace {

constexpr int kEventsMax = 256;  // of one wait
constexpr int kRoundsMax = 16;   // reads and writes of one connection before others have their turn
constexpr int kPiecesMax = 16;   // of one write
constexpr std::int64_t kLingerMs = 1000;
constexpr std::int64_t kLastLingerMs = 200;  // when the server ends
constexpr std::int64_t kLastTickMs = 50;
constexpr std::size_t kLingerBytesMax = 64u << 20;

std::int64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

/// Often enough that no timeout is missed by more than a quarter, never a busy loop.
std::int64_t tick_of(const ServerOptions& options) {
  const auto shortest =
      std::min({options.header_timeout, options.idle_timeout, options.crowded_timeout,
                options.body_timeout, options.body_window, options.drain_timeout});
  return std::clamp<std::int64_t>(shortest.count() / 4, 5, 1000);
}

/// Between two programs of one machine nothing is congested; where the system's way to treat
/// congestion paces what is sent (BBR), a large answer costs thousands of timers and wake-ups. A
/// system that grants no other way goes on with that one.
void send_unpaced(int socket) {
  constexpr std::string_view kAlgorithm = "reno";
  const std::string peer = peer_address(socket);
  if (!peer.starts_with("127.") && peer != "::1") return;
  setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, kAlgorithm.data(),
             static_cast<socklen_t>(kAlgorithm.size()));
}

/// splice(2) has no MSG_NOSIGNAL.
void refuse_pipe_signals() {
  sigset_t refused;
  sigemptyset(&refused);
  sigaddset(&refused, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &refused, nullptr);
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

}  // namespace

// ---- Connection

Connection::Connection(Loop& loop, Fd socket, PeerPlace place_of_peer)
    : loop_(loop), socket_(std::move(socket)), place_of_peer_(std::move(place_of_peer)) {
  conversation_.emplace(
      loop.site, loop.state, [this] { loop_.touch(*this); },
      [this] { return peer_address(socket_.get()); });
  loop_.site.metrics.connections.add(1);
}

Connection::~Connection() {
  loop_.site.metrics.connections.add(-1);
  loop_.site.connections.fetch_sub(1);
}

void Connection::on_events(std::uint32_t events) {
  if (dead) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return loop_.bury(*this);
  if ((events & EPOLLRDHUP) != 0) end_seen_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) readable_ = true;
  if ((events & EPOLLOUT) != 0) writable_ = true;
  drive();
}

void Connection::drive() {
  if (dead) return;
  if (!conversation_) return throw_away_input();
  bool wrote_any = false;
  for (int round = 0; round < kRoundsMax; ++round) {
    const bool read = read_some();
    const bool wrote = !dead && write_some();
    wrote_any |= wrote;
    if (dead) return;
    if (!read && !wrote) return settle(wrote_any);
  }
  settle(wrote_any);
  if (!dead) loop_.touch(*this);
}

/// True when it came further. A read that was not filled has emptied the socket: the next bytes, or
/// the end, come with an event of their own.
bool Connection::read_some() {
  if (!readable_) return false;
  const std::span<char> room = conversation_->room();
  if (room.empty()) return false;
  const ssize_t n = recv(socket_.get(), room.data(), room.size(), 0);
  if (n > 0) {
    readable_ = end_seen_ || static_cast<std::size_t>(n) == room.size();
    conversation_->received(static_cast<std::size_t>(n));
    return true;
  }
  if (n < 0 && errno == EINTR) return true;
  readable_ = false;
  if (n < 0 && would_block()) return false;
  if (n == 0)
    conversation_->peer_ended();
  else
    loop_.bury(*this);
  return n == 0;
}

bool Connection::write_some() {
  const Output& output = conversation_->output();
  if (!writable_ || output.empty()) return false;
  std::array<std::string_view, kPiecesMax> pieces;
  const std::size_t count = output.gather(pieces);
  if (count == 0) return write_piped(output.next_piped());
  std::array<iovec, kPiecesMax> parts;
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    total += pieces[i].size();
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  const ssize_t n = count == 1 ? send(socket_.get(), pieces[0].data(), total, MSG_NOSIGNAL)
                               : sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  if (n >= 0) {
    writable_ = static_cast<std::size_t>(n) == total;
    conversation_->sent(static_cast<std::size_t>(n));
    return true;
  }
  if (errno == EINTR) return true;
  writable_ = false;
  if (!would_block()) loop_.bury(*this);
  return false;
}

/// A part of it may be all that fits, or not: only one that takes none is followed by an event.
bool Connection::write_piped(Output::Piped next) {
  if (!std::exchange(unpaced_, true)) send_unpaced(socket_.get());
  const ssize_t n = splice(next.exit, nullptr, socket_.get(), nullptr, next.bytes,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (n > 0) {
    conversation_->sent(static_cast<std::size_t>(n));
    return true;
  }
  if (n < 0 && errno == EINTR) return true;
  writable_ = false;
  if (n == 0 || !would_block()) loop_.bury(*this);
  return false;
}

void Connection::settle(bool wrote) {
  if (conversation_->broken()) return reset();
  if (conversation_->finished()) linger(wrote);
}

/// The peer must see that this is no proper end.
void Connection::reset() {
  const struct linger at_once { 1, 0 };
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  loop_.bury(*this);
}

/// Closing a socket that has unread bytes, or gets more, resets the connection, and the last answer
/// may be lost with it; so what still comes is taken and thrown away for a moment.
void Connection::linger(bool wrote) {
  conversation_.reset();
  if (!wrote || shutdown(socket_.get(), SHUT_WR) != 0) return loop_.bury(*this);
  linger_until_ms_ = loop_.state.now_ms + (loop_.ending() ? kLastLingerMs : kLingerMs);
  readable_ = true;
  throw_away_input();
}

void Connection::throw_away_input() {
  std::array<char, 16u << 10> waste;
  for (int round = 0; round < kRoundsMax; ++round) {
    const ssize_t n = recv(socket_.get(), waste.data(), waste.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && would_block()) return;
    if (n > 0) thrown_away_ += static_cast<std::size_t>(n);
    if (n <= 0 || thrown_away_ > kLingerBytesMax) return loop_.bury(*this);
  }
  loop_.touch(*this);
}

void Connection::tick() {
  if (conversation_) return conversation_->tick();
  if (loop_.state.now_ms >= linger_until_ms_) loop_.bury(*this);
}

void Connection::drain() {
  if (!conversation_) return;
  int waiting = 0;
  ioctl(socket_.get(), FIONREAD, &waiting);
  conversation_->drain(waiting > 0);
  loop_.touch(*this);
}

// ---- Loop

Result<std::unique_ptr<Loop>> Loop::open(Site& site) {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error("cannot make an epoll set", errno);
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return system_error("cannot make an event descriptor", errno);
  std::unique_ptr<Loop> loop(new Loop(site, std::move(epoll), std::move(wake)));
  // By edges: its counter need never be read.
  if (!loop->watch(loop->waker_, loop->wake_.get(), EPOLLIN | EPOLLET)) {
    return system_error("cannot watch an event descriptor", errno);
  }
  return loop;
}

Loop::Loop(Site& the_site, Fd epoll, Fd wake)
    : site(the_site),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      waker_(*this),
      inbox_(std::make_shared<Inbox>([fd = wake_.get()] { eventfd_write(fd, 1); })),
      tick_ms_(tick_of(the_site.options)) {
  state.inbox = inbox_;
  state.now_ms = monotonic_ms();
}

Loop::~Loop() {
  end_within(std::chrono::milliseconds(0));
  join();
  inbox_->close();
}

void Loop::start(const std::string& thread_name) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), thread_name.c_str());
}

void Loop::add(Fd socket, PeerPlace place) {
  post([this, taken = std::move(socket), of_peer = std::move(place)]() mutable {
    take(std::move(taken), std::move(of_peer));
  });
}

void Loop::end_within(std::chrono::milliseconds limit) {
  post([this, limit] { begin_end(limit); });
}

bool Loop::join() {
  if (thread_.joinable()) thread_.join();
  return !cut_off_;
}

bool Loop::watch(Source& source, int fd, std::uint32_t events) {
  return control(EPOLL_CTL_ADD, source, fd, events);
}

bool Loop::watch_for(Source& source, int fd, std::uint32_t events) {
  return control(EPOLL_CTL_MOD, source, fd, events);
}

bool Loop::control(int operation, Source& source, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  return epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
}

void Loop::take(Fd socket, PeerPlace place) {
  const int fd = socket.get();
  auto connection = std::make_unique<Connection>(*this, std::move(socket), std::move(place));
  if (!watch(*connection, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) return;
  connection->place = connections_.size();
  connections_.push_back(std::move(connection));
  if (ending_) connections_.back()->drain();
}

void Loop::touch(Connection& connection) {
  if (connection.touched || connection.dead) return;
  connection.touched = true;
  touched_.push_back(&connection);
}

/// Closes it now; the object stays until the round is over, as events and lists may still name it.
void Loop::bury(Connection& connection) {
  connection.dead = true;
  if (connection.touched) std::erase(touched_, &connection);
  if (connection.conversation_) connection.conversation_->lost();
  // A child that is being started may hold the socket for a moment: closed here, it would still be
  // watched, and its events name an object that is gone.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, connection.socket_.get(), nullptr);
  connection.socket_ = Fd();
  const std::size_t place = connection.place;
  std::swap(connections_[place], connections_.back());
  connections_[place]->place = place;
  dead_.push_back(std::move(connections_.back()));
  connections_.pop_back();
}

void Loop::run() {
  refuse_pipe_signals();
  inbox_->adopt_thread();
  next_tick_ms_ = monotonic_ms() + tick_ms_;
  while (!ending_ || !connections_.empty()) {
    wait();
    if (state.now_ms >= next_tick_ms_) tick();
    drive_touched();
    dead_.clear();
  }
  inbox_->close();
}

void Loop::wait() {
  std::array<epoll_event, kEventsMax> events;
  const int n = epoll_wait(epoll_.get(), events.data(), kEventsMax, wait_ms());
  state.now_ms = monotonic_ms();
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    static_cast<Source*>(event.data.ptr)->on_events(event.events);
  }
}

int Loop::wait_ms() const {
  if (!touched_.empty()) return 0;
  if (connections_.empty()) return -1;
  // Rounded up by the coarse clock's step, or the last milliseconds would be a busy loop.
  return static_cast<int>(std::clamp<std::int64_t>(next_tick_ms_ - state.now_ms + 4, 0, 1000));
}

void Loop::drive_touched() {
  std::vector<Connection*> now;
  now.swap(touched_);
  for (Connection* connection : now) {
    connection->touched = false;
    connection->drive();
  }
  if (touched_.empty()) {
    now.clear();
    touched_.swap(now);  // keeps the memory
  }
}

void Loop::tick() {
  next_tick_ms_ = state.now_ms + (ending_ ? std::min(tick_ms_, kLastTickMs) : tick_ms_);
  // From the back, as the last one takes the place of one that is buried.
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->tick();
  if (!ending_ || state.now_ms < end_ms_) return;
  cut_off_ = cut_off_ || !connections_.empty();
  while (!connections_.empty()) bury(*connections_.back());
}

void Loop::begin_end(std::chrono::milliseconds limit) {
  ending_ = true;
  end_ms_ = state.now_ms + limit.count();
  next_tick_ms_ = std::min({next_tick_ms_, end_ms_, state.now_ms + kLastTickMs});
  for (const auto& connection : connections_) connection->drain();
}

}  // namespace slipway::http
