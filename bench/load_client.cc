// Load from N kept-alive connections with one request in flight on each: one thread, epoll, no
// allocation per request.
//
//   load_client --address 127.0.0.1:5000 --path /api/... --connections 8 --seconds 5 --body
//   log-metric --runs ID,ID,... load_client --address 127.0.0.1:5000 --path /v2/models/m/infer
//   --connections 16 --seconds 5 --body-file rows.jsonl
//
// Of a body file each line is a request's body; a connection sends them in turn.
//
// --rate N sends so many a second at most, however fast answers come; --routes 1 also tells of each
// X-Slipway-Route how many answers had it and when (microseconds since 1970) the first and the last
// of them came.
//
// Prints one JSON object: requests answered, errors among them (answers other than 2xx), seconds
// from the first request to the last answer, latencies, and what the client itself cost, so that a
// reader sees that the client was not the bound. A connection that breaks ends the program with an
// error: a figure from fewer connections would mislead.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "load_client: %s\n", what.c_str());
  std::exit(2);
}

// --- what is asked for -------------------------------------------------------------------------

enum class Body { kFixed, kLogMetric, kBatchOfSteps, kBatchOfKeys };

struct Plan {
  sockaddr_in address{};
  std::string host, path;
  Body body = Body::kFixed;
  std::vector<std::string> fixed;  // bodies, sent in turn
  std::vector<std::string> runs;  // connection i logs to runs[i % size]
  std::size_t connections = 1;
  std::size_t points = 1000;  // of one batch
  std::int64_t first_step = 0;
  double seconds = 0;          // until then new requests are sent, or
  std::uint64_t requests = 0;  // until so many were sent
  bool quick_acknowledge = false;
  double busy_max = 1;  // share of its core that the client may use; it pauses when it used more
  bool spin = false;    // looks for answers without sleeping: to be woken costs who answers
  double rate = 0;      // requests a second; 0: as many as are answered
  bool routes = false;
};

sockaddr_in parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    fail("--address wants IPV4:PORT, not '" + text + "'");
  }
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
  return address;
}

std::string read_all(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) fail("cannot read " + file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    parts.push_back(text.substr(start, comma - start));
    start = comma + 1;
  }
  return parts;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    if (end > start) lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

Body parse_body(const std::string& name) {
  static const std::map<std::string, Body> names = {{"fixed", Body::kFixed},
                                                    {"log-metric", Body::kLogMetric},
                                                    {"batch-of-steps", Body::kBatchOfSteps},
                                                    {"batch-of-keys", Body::kBatchOfKeys}};
  auto found = names.find(name);
  if (found == names.end()) fail("no body named '" + name + "'");
  return found->second;
}

void apply(Plan& plan, const std::string& flag, const std::string& value) {
  if (flag == "--address") {
    plan.address = parse_address(value);
    plan.host = value;
  } else if (flag == "--path") {
    plan.path = value;
  } else if (flag == "--connections") {
    plan.connections = std::strtoull(value.c_str(), nullptr, 10);
  } else if (flag == "--seconds") {
    plan.seconds = std::strtod(value.c_str(), nullptr);
  } else if (flag == "--requests") {
    plan.requests = std::strtoull(value.c_str(), nullptr, 10);
  } else if (flag == "--body") {
    plan.body = parse_body(value);
  } else if (flag == "--body-file") {
    plan.fixed = lines_of(read_all(value));
  } else if (flag == "--runs") {
    plan.runs = split(value);
  } else if (flag == "--points") {
    plan.points = std::strtoull(value.c_str(), nullptr, 10);
  } else if (flag == "--first-step") {
    plan.first_step = std::strtoll(value.c_str(), nullptr, 10);
  } else if (flag == "--quick-acknowledge") {
    plan.quick_acknowledge = value == "1";
  } else if (flag == "--busy-max") {
    plan.busy_max = std::strtod(value.c_str(), nullptr);
  } else if (flag == "--spin") {
    plan.spin = value == "1";
  } else if (flag == "--rate") {
    plan.rate = std::strtod(value.c_str(), nullptr);
  } else if (flag == "--routes") {
    plan.routes = value == "1";
  } else {
    fail("unknown flag " + flag);
  }
}

Plan parse_plan(int argc, char** argv) {
  Plan plan;
  if (argc % 2 == 0) fail("every flag has a value");
  for (int i = 1; i + 1 < argc; i += 2) apply(plan, argv[i], argv[i + 1]);
  if (plan.host.empty() || plan.path.empty()) fail("--address and --path are needed");
  if (plan.connections == 0 || plan.connections > 1000) fail("--connections wants 1 to 1000");
  if ((plan.seconds > 0) == (plan.requests > 0)) fail("either --seconds or --requests is needed");
  if (plan.body != Body::kFixed && plan.runs.empty()) fail("--runs is needed for this body");
  if (plan.body == Body::kFixed && plan.fixed.empty()) fail("--body-file is needed");
  return plan;
}

// --- requests ----------------------------------------------------------------------------------

void put_number(std::string& out, std::int64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

/// The next requests of one connection. Bodies are spelled as Python's json module does.
class Requests {
 public:
  Requests(const Plan& plan, std::size_t connection)
      : plan_(plan),
        run_(plan.runs.empty() ? "" : plan.runs[connection % plan.runs.size()]),
        key_("loss" + std::to_string(connection)),
        step_(plan.first_step) {
    for (const std::string& body : plan.fixed) {
      put_request(body);
      fixed_.push_back(request_);
    }
    // Not all at the same one at once.
    if (!fixed_.empty()) at_ = connection * 61 % fixed_.size();
  }

  /// Valid until the next call.
  std::string_view next() {
    if (plan_.body == Body::kFixed) return fixed_[at_++ % fixed_.size()];
    body_.clear();
    if (plan_.body == Body::kLogMetric) {
      body_ += "{\"run_id\": \"" + run_ + "\", ";
      put_point(key_, step_++);
      body_ += '}';
    } else {
      put_batch();
    }
    put_request(body_);
    return request_;
  }

 private:
  void put_point(std::string_view key, std::int64_t step) {
    body_ += "\"key\": \"";
    body_ += key;
    body_ += "\", \"value\": 0.";
    put_number(body_, 1 + (step * 7919) % 999983);
    body_ += ", \"timestamp\": ";
    put_number(body_, 1'764'000'000'000 + step);
    body_ += ", \"step\": ";
    put_number(body_, step);
  }

  void put_batch() {
    body_ += "{\"run_id\": \"" + run_ + "\", \"metrics\": [";
    const bool steps = plan_.body == Body::kBatchOfSteps;
    for (std::size_t i = 0; i < plan_.points; ++i) {
      body_ += i == 0 ? "{" : ", {";
      if (steps) {
        put_point(key_, step_++);
      } else {
        put_point(key_ + "/" + std::to_string(i), step_);
      }
      body_ += '}';
    }
    if (!steps) ++step_;
    body_ += "], \"params\": [], \"tags\": []}";
  }

  void put_request(const std::string& body) {
    request_ = "POST " + plan_.path + " HTTP/1.1\r\nHost: " + plan_.host +
               "\r\nContent-Type: application/json\r\nContent-Length: ";
    put_number(request_, static_cast<std::int64_t>(body.size()));
    request_ += "\r\n\r\n";
    request_ += body;
  }

  const Plan& plan_;
  std::string run_, key_, body_, request_;
  std::vector<std::string> fixed_;  // whole requests
  std::size_t at_ = 0;
  std::int64_t step_;
};

// --- answers -----------------------------------------------------------------------------------

/// Finds where an answer ends; the server is trusted to send well-formed ones.
class Answer {
 public:
  /// Bytes are appended to `text`; true when the answer is whole.
  bool complete(std::string_view text) {
    if (head_ == 0 && !read_head(text)) return false;
    if (!chunked_) return text.size() >= head_ + length_;
    return text.ends_with("\r\n0\r\n\r\n") || text.substr(head_) == "0\r\n\r\n";
  }
  bool good() const { return status_ / 100 == 2; }
  /// Of the text that was given to complete().
  std::string_view route(std::string_view text) const {
    constexpr std::string_view kName = "\r\nX-Slipway-Route: ";
    const std::size_t at = text.substr(0, head_).find(kName);
    if (at == std::string_view::npos) return {};
    const std::size_t begin = at + kName.size();
    return text.substr(begin, text.find("\r\n", begin) - begin);
  }
  void reset() { *this = Answer(); }

 private:
  bool read_head(std::string_view text) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    head_ = end + 4;
    status_ = text.size() > 12 ? std::atoi(text.data() + 9) : 0;
    std::size_t line = text.find("\r\n") + 2;
    while (line < end) {
      read_field(text.substr(line));
      line = text.find("\r\n", line) + 2;
    }
    return true;
  }
  void read_field(std::string_view field) {
    constexpr std::string_view kLength = "content-length:", kChunked = "transfer-encoding: chunked";
    if ((field[0] | 0x20) == 'c' && is(field, kLength)) {
      length_ = std::strtoull(field.data() + kLength.size(), nullptr, 10);
    } else if ((field[0] | 0x20) == 't' && is(field, kChunked)) {
      chunked_ = true;
    }
  }
  static bool is(std::string_view field, std::string_view name) {
    return field.size() >= name.size() && strncasecmp(field.data(), name.data(), name.size()) == 0;
  }

  std::size_t head_ = 0, length_ = 0;
  int status_ = 0;
  bool chunked_ = false;
};

// --- the loop ----------------------------------------------------------------------------------

struct Connection {
  Connection(const Plan& plan, std::size_t number) : requests(plan, number) {}
  Requests requests;
  int fd = -1;
  std::string_view unsent;
  std::string received;
  Answer answer;
  Clock::time_point sent_at;
  bool waiting = false;          // for an answer
  bool watching_output = false;  // for room in the socket
};

class Load {
 public:
  explicit Load(const Plan& plan) : plan_(plan), buffer_(1 << 18), epoll_(epoll_create1(0)) {
    connections_.reserve(plan.connections);
    for (std::size_t i = 0; i < plan.connections; ++i) open(i);
    latencies_ns_.reserve(1 << 20);
  }

  void run() {
    started_ = Clock::now();
    if (plan_.seconds > 0) {
      deadline_ = started_ + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(plan_.seconds));
    }
    for (Connection& connection : connections_) start(connection, started_);
    epoll_event events[256];
    while (in_flight_ > 0 || !resting_.empty()) {
      const int n = await(events);
      if (n == 0 && resting_.empty()) fail("no answer for a minute");
      for (int i = 0; i < n; ++i) serve(connections_[events[i].data.u64], events[i].events);
      if (plan_.busy_max < 1) hold_back();
      if (plan_.rate > 0) wake_rested();
    }
    ended_ = Clock::now();
  }

  void print() {
    const double cpu_s = cpu_so_far_s() - cpu_before_s_;
    const double wall_s = std::chrono::duration<double>(ended_ - started_).count();
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    std::printf(
        "{\"requests\": %zu, \"errors\": %llu, \"seconds\": %.6f, \"per_second\": %.1f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f, \"cpu_s\": %.4f, \"busy\": %.4f, "
        "\"answer_bytes\": %zu}\n",
        latencies_ns_.size(), static_cast<unsigned long long>(errors_), wall_s,
        static_cast<double>(latencies_ns_.size()) / wall_s, percentile_us(0.50),
        percentile_us(0.99), cpu_s, cpu_s / wall_s, answer_bytes_);
    if (plan_.routes) print_routes();
  }

  /// A second document, on a line of its own.
  void print_routes() const {
    const char* between = "{";
    for (const auto& [name, route] : routes_) {
      std::printf("%s\"%s\": {\"answers\": %llu, \"first_us\": %lld, \"last_us\": %lld}", between,
                  name.c_str(), static_cast<unsigned long long>(route.answers),
                  static_cast<long long>(route.first_us), static_cast<long long>(route.last_us));
      between = ", ";
    }
    std::printf("%s\n", routes_.empty() ? "{}" : "}");
  }

 private:
  struct Route {
    std::uint64_t answers = 0;
    std::int64_t first_us = 0, last_us = 0;
  };

  /// When the next request may be sent at the rate that is asked for.
  Clock::time_point due() const {
    return started_ + std::chrono::nanoseconds(
                          static_cast<std::int64_t>(static_cast<double>(sent_) / plan_.rate * 1e9));
  }

  /// How many of them have come.
  int await(std::span<epoll_event> events) const {
    const timespec patience = until_next(), none = {0, 0};
    const auto size = static_cast<int>(events.size());
    if (!plan_.spin) return epoll_pwait2(epoll_, events.data(), size, &patience, nullptr);
    const Clock::time_point until = Clock::now() + std::chrono::seconds(patience.tv_sec) +
                                    std::chrono::nanoseconds(patience.tv_nsec);
    int n = 0;
    do n = epoll_pwait2(epoll_, events.data(), size, &none, nullptr);
    while (n == 0 && Clock::now() < until);
    return n;
  }

  timespec until_next() const {
    if (resting_.empty()) return {60, 0};
    const std::int64_t ns = std::max<std::int64_t>(0, (due() - Clock::now()).count());
    return {ns / 1'000'000'000, ns % 1'000'000'000};
  }

  void wake_rested() {
    for (Clock::time_point now = Clock::now(); !resting_.empty() && now >= due();) {
      Connection& connection = connections_[resting_.front()];
      resting_.pop_front();
      send_next(connection, now);
    }
    if (!resting_.empty() && !may_send(Clock::now())) resting_.clear();
  }

  void note_route(std::string_view name) {
    const std::int64_t now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                                    std::chrono::system_clock::now().time_since_epoch())
                                    .count();
    auto found = routes_.find(name);
    if (found == routes_.end()) found = routes_.emplace(name, Route{0, now_us, now_us}).first;
    ++found->second.answers;
    found->second.last_us = now_us;
  }

  /// A client that never rests would measure itself: the server could not be kept busy all the
  /// time.
  void hold_back() {
    constexpr int kTurns = 64;
    if (++turns_ % kTurns != 0) return;
    const double wall_s = std::chrono::duration<double>(Clock::now() - started_).count();
    const double missing_s = (cpu_so_far_s() - cpu_before_s_) / plan_.busy_max - wall_s;
    if (missing_s > 0) usleep(static_cast<useconds_t>(missing_s * 1e6));
  }

  static double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  }
  double percentile_us(double share) const {
    if (latencies_ns_.empty()) return 0;
    const auto last = static_cast<double>(latencies_ns_.size() - 1);
    return static_cast<double>(latencies_ns_[static_cast<std::size_t>(share * last)]) / 1000;
  }

  void open(std::size_t number) {
    Connection& connection = connections_.emplace_back(plan_, number);
    connection.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&plan_.address),
                sizeof plan_.address) != 0) {
      fail("cannot connect to " + plan_.host + ": " + std::strerror(errno));
    }
    const int on = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{EPOLLIN, {.u64 = number}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  bool may_send(Clock::time_point now) const {
    return plan_.requests > 0 ? sent_ < plan_.requests : now < deadline_;
  }

  void start(Connection& connection, Clock::time_point now) {
    if (plan_.rate > 0 && now < due()) {
      resting_.push_back(static_cast<std::size_t>(&connection - connections_.data()));
      return;
    }
    send_next(connection, now);
  }

  void send_next(Connection& connection, Clock::time_point now) {
    if (!may_send(now)) return;
    ++sent_;
    ++in_flight_;
    connection.unsent = connection.requests.next();
    connection.waiting = true;
    connection.sent_at = now;
    send_more(connection);
  }

  void send_more(Connection& connection) {
    while (!connection.unsent.empty()) {
      const ssize_t n = send(connection.fd, connection.unsent.data(), connection.unsent.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return watch_output(connection, true);
      if (n < 0) fail(std::string("send: ") + std::strerror(errno));
      connection.unsent.remove_prefix(static_cast<std::size_t>(n));
    }
    watch_output(connection, false);
  }

  void watch_output(Connection& connection, bool on) {
    if (connection.watching_output == on) return;
    connection.watching_output = on;
    epoll_event event{on ? EPOLLIN | EPOLLOUT : EPOLLIN,
                      {.u64 = static_cast<std::uint64_t>(&connection - connections_.data())}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }

  void serve(Connection& connection, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) send_more(connection);
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
    const ssize_t n = recv(connection.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) fail("the server closed a connection");
    if (!connection.waiting) fail("the server sent an answer to nothing");
    if (plan_.quick_acknowledge) {
      const int on = 1;
      setsockopt(connection.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    }
    take(connection, {buffer_.data(), static_cast<std::size_t>(n)});
  }

  void take(Connection& connection, std::string_view bytes) {
    std::string_view text = bytes;
    if (!connection.received.empty() || !connection.answer.complete(bytes)) {
      connection.received += bytes;
      text = connection.received;
      if (!connection.answer.complete(text)) return;
    }
    const Clock::time_point now = Clock::now();
    finish(connection, text, now);
    start(connection, now);
  }

  void finish(Connection& connection, std::string_view text, Clock::time_point now) {
    latencies_ns_.push_back(static_cast<std::uint64_t>((now - connection.sent_at).count()));
    answer_bytes_ = text.size();
    if (plan_.routes) note_route(connection.answer.route(text));
    if (!connection.answer.good() && errors_++ == 0) {
      std::fprintf(stderr, "load_client: first error: %.*s\n",
                   static_cast<int>(std::min<std::size_t>(text.size(), 1000)), text.data());
    }
    connection.received.clear();
    connection.answer.reset();
    connection.waiting = false;
    --in_flight_;
  }

  static double cpu_so_far_s() {
    rusage own{};
    getrusage(RUSAGE_SELF, &own);
    return seconds(own.ru_utime) + seconds(own.ru_stime);
  }

  const Plan& plan_;
  std::vector<char> buffer_;
  int epoll_;
  std::vector<Connection> connections_;
  std::vector<std::uint64_t> latencies_ns_;
  std::deque<std::size_t> resting_;  // connections that wait for the next request to be due
  std::map<std::string, Route, std::less<>> routes_;
  std::uint64_t errors_ = 0, sent_ = 0;
  std::size_t in_flight_ = 0, answer_bytes_ = 0;
  unsigned turns_ = 0;
  double cpu_before_s_ = cpu_so_far_s();
  Clock::time_point started_, deadline_, ended_;
};

}  // namespace

int main(int argc, char** argv) {
  const Plan plan = parse_plan(argc, argv);
  Load load(plan);
  load.run();
  load.print();
}
