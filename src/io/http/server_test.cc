#include "io/http/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

#include "io/http/doorkeeper.h"
#include "io/http/http_testing.h"
#include "io/http/pipe.h"

namespace slipway::http {
namespace {

using std::chrono::milliseconds;
using testing::Answer;
using testing::get;
using testing::post;
using testing::Socket;
using testing::TestServer;

constexpr Permission kRead = reads("server");

/// Bytes that are made when asked for: byte i is a function of i.
class Generated final : public BodyReader {
 public:
  explicit Generated(std::uint64_t bytes) : left_(bytes) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    for (std::size_t i = 0; i < n; i += 512) buffer[i] = static_cast<char>(left_ - i);
    left_ -= n;
    return n;
  }

 private:
  std::uint64_t left_;
};

/// A file of such bytes, which goes to the socket by a pipe; every so many of its pieces are read.
class Moved final : public BodyReader {
 public:
  Moved(const std::filesystem::path& path, int read_every = 0)
      : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), read_every_(read_every) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const ssize_t got = ::read(file_.get(), buffer.data(), buffer.size());
    return static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  }
  Result<std::size_t> move_to(Pipe& pipe, std::size_t bytes) override {
    if (read_every_ != 0 && ++pieces_ % read_every_ == 0) return std::size_t{0};
    const int entrance = pipe.entrance();
    if (entrance < 0) return std::size_t{0};
    const std::size_t most = std::min(bytes, pipe.room());
    const ssize_t got = splice(file_.get(), nullptr, entrance, nullptr, most, 0);
    if (got < 0) return system_error("cannot move bytes", errno);
    moved += static_cast<std::size_t>(got);
    return static_cast<std::size_t>(got);
  }
  static inline std::atomic<std::size_t> moved = 0;

 private:
  const Fd file_;
  const int read_every_;
  int pieces_ = 0;
};

/// "abc", then an error.
class Failing final : public BodyReader {
 public:
  Result<std::size_t> read(std::span<char> buffer) override {
    if (std::exchange(given_, true)) return unavailable("the disk is gone");
    std::string_view("abc").copy(buffer.data(), 3);
    return std::size_t{3};
  }

 private:
  bool given_ = false;
};

Response stream(std::shared_ptr<BodyReader> reader, std::optional<std::uint64_t> length = {}) {
  Response response;
  response.body_stream = std::move(reader);
  response.body_length = length;
  return response;
}

/// Replies that wait until a test lets them go, on a thread of its own.
class Kept {
 public:
  LateHandler handler() {
    return [this](Request, Reply reply) {
      std::lock_guard lock(mutex_);
      replies_.push_back(std::move(reply));
      changed_.notify_all();
    };
  }
  /// Waits until so many requests have come.
  void await(std::size_t requests) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10),
                                  [&] { return replies_.size() >= requests; }));
  }
  void finish(std::size_t index, std::string text) {
    std::lock_guard lock(mutex_);
    replies_[index].finish(Response::text(std::move(text)));
  }
  void drop_all() {
    std::lock_guard lock(mutex_);
    replies_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Reply> replies_;
};

/// Opens once; who waits before gets through then.
class Gate {
 public:
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void await_waiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

/// Routes that most tests need.
void mount_basics(Router& router) {
  Router::Group group = router.group("", render_plain_error);
  group.add({Method::kGet, "/hello", kRead, Place::kInline},
            [](Request&) -> Result<Response> { return Response::text("hello"); });
  group.add({Method::kGet, "/slow", kRead, Place::kBlocking},
            [](Request&) -> Result<Response> { return Response::text("from a worker"); });
  group.add({Method::kPost, "/echo", writes("server"), Place::kInline, 1u << 20},
            [](Request& request) -> Result<Response> { return Response::text(request.body); });
  group.add({Method::kPost, "/echo-late", writes("server"), Place::kBlocking},
            [](Request& request) -> Result<Response> { return Response::text(request.body); });
  group.add(
      {Method::kGet, "/echo/{word}", kRead, Place::kInline},
      [](Request& request) -> Result<Response> { return Response::text(request.capture("word")); });
}

TEST(Server, AnswersManyRequestsOverOneConnection) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  for (int i = 0; i < 100; ++i) {
    const Answer answer = socket.ask(get("/hello"));
    ASSERT_TRUE(answer.whole);
    ASSERT_EQ(answer.status, 200);
    ASSERT_EQ(answer.body, "hello");
  }
  EXPECT_EQ(server.metric("slipway_http_connections"), 1);
}

TEST(Server, AnswersFromWorkersToo) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  EXPECT_EQ(socket.ask(get("/slow")).body, "from a worker");
  EXPECT_EQ(socket.ask(post("/echo-late", "again")).body, "again");
}

TEST(Server, KeepsTheOrderOfPipelinedAnswers) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  std::string all;
  for (int i = 0; i < 200; ++i) {
    all += i % 3 == 0   ? get("/echo/" + std::to_string(i))
           : i % 3 == 1 ? get("/slow")
                        : post("/echo", std::to_string(i));
  }
  ASSERT_TRUE(socket.send(all));
  for (int i = 0; i < 200; ++i) {
    const Answer answer = socket.receive();
    ASSERT_TRUE(answer.whole) << i;
    ASSERT_EQ(answer.body, i % 3 == 1 ? "from a worker" : std::to_string(i));
  }
}

// ---- shapes of requests and answers

TEST(Server, AnswersARequestThatComesByteByByte) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  for (const char c : post("/echo", "slow") + get("/hello")) ASSERT_TRUE(socket.send({&c, 1}));
  EXPECT_EQ(socket.receive().body, "slow");
  EXPECT_EQ(socket.receive().body, "hello");
}

TEST(Server, HeadSaysTheLengthAndSendsNothing) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  ASSERT_TRUE(socket.send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/hello")));
  const Answer head = socket.receive(/*to_head=*/true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.get("Content-Length"), "5");
  EXPECT_EQ(socket.receive().body, "hello");
}

TEST(Server, SaysWhatIsNotThere) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  EXPECT_EQ(socket.ask(get("/nowhere")).status, 404);
  const Answer wrong = socket.ask(post("/hello", "x"));
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.get("Allow"), "GET, HEAD");
  const Answer options = socket.ask("OPTIONS /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.get("Allow"), "OPTIONS, GET, HEAD");
  EXPECT_EQ(socket.ask(get("/echo/%zz")).status, 400);
  EXPECT_EQ(socket.ask(get("/hello")).status, 200);
}

TEST(Server, EveryAnswerIsDatedAndGuarded) {
  TestServer server(mount_basics);
  const Answer answer = server.connect().ask(get("/hello"));
  EXPECT_TRUE(answer.headers.get("Date").ends_with(" GMT"));
  EXPECT_EQ(answer.headers.get("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(answer.headers.get("X-Frame-Options"), "SAMEORIGIN");
}

TEST(Server, EndsTheConnectionWhenAsked) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  const Answer answer = socket.ask(get("/hello", "Connection: close\r\n"));
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.headers.get("Connection"), "close");
  EXPECT_TRUE(socket.ended());
}

TEST(Server, SpeaksTheOldVersionToo) {
  TestServer server(mount_basics);
  Socket once = server.connect();
  EXPECT_EQ(once.ask("GET /hello HTTP/1.0\r\n\r\n").status, 403);  // without a Host
  Socket socket = server.connect();
  const std::string kept =
      "GET /hello HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_EQ(socket.ask(kept).headers.get("Connection"), "keep-alive");
  EXPECT_EQ(socket.ask("GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n").body, "hello");
  EXPECT_TRUE(socket.ended());
}

TEST(Server, TakesChunkedBodies) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string body = "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: x\r\n\r\n";
  EXPECT_EQ(socket.ask(head + body).body, "abcde");
  for (const char c : head + body) ASSERT_TRUE(socket.send({&c, 1}));
  EXPECT_EQ(socket.receive().body, "abcde");
  EXPECT_EQ(socket.ask(head + body + get("/hello")).body, "abcde");
  EXPECT_EQ(socket.receive().body, "hello");
}

TEST(Server, AsksForTheBodyWhenTheClientWaitsForThat) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  ASSERT_TRUE(
      socket.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: "
                  "100-continue\r\n\r\n"));
  EXPECT_EQ(socket.receive().status, 100);
  EXPECT_EQ(socket.ask("body").body, "body");
}

TEST(Server, RefusesABodyBeforeItIsSent) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  const Answer answer = socket.ask(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n"
      "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(answer.status, 413);
  EXPECT_TRUE(socket.ended());
}

TEST(Server, StreamsLargePiecesWhileThereIsRoomForThem) {
  ServerOptions options;
  options.body_buffers_max = 16u << 20;  // an eighth of it is what one stream takes
  TestServer server(
      [](Router& router) {
        router.group("", render_plain_error)
            .add({Method::kGet, "/sized", kRead, Place::kInline}, [](Request&) {
              constexpr std::uint64_t kBytes = 5'000'000;
              return Result<Response>(stream(std::make_shared<Generated>(kBytes), kBytes));
            });
      },
      options);
  Socket first = server.connect(), second = server.connect();
  ASSERT_TRUE(first.send(get("/sized")));
  const Answer beside = second.ask(get("/sized"));  // while nobody takes the first one
  const Answer alone = first.receive();
  EXPECT_EQ(alone.body.size(), 5'000'000u);
  EXPECT_TRUE(alone.body == beside.body) << "whatever its pieces were";
  EXPECT_TRUE(second.ask(get("/sized")).body == alone.body);
}

/// A file of bytes that a pipe moves, at /whole, /mixed, /chunked, and /short, which ends too early.
class MovedFile {
 public:
  static constexpr std::size_t kBytes = 7'654'321;
  MovedFile() {
    Generated source(kBytes);
    content.resize(kBytes);
    EXPECT_EQ(*source.read(content), kBytes);
    std::ofstream(path_, std::ios::binary) << content;
  }
  void mount(Router& router) const {
    Router::Group group = router.group("", render_plain_error);
    const auto add = [&](const char* path, int read_every, std::optional<std::uint64_t> length) {
      group.add({Method::kGet, path, kRead, Place::kInline},
                [file = path_, read_every, length](Request&) {
                  return Result<Response>(stream(std::make_shared<Moved>(file, read_every), length));
                });
    };
    add("/whole", 0, kBytes);
    add("/mixed", 3, kBytes);
    add("/chunked", 0, std::nullopt);
    add("/short", 0, kBytes + 1);
  }
  std::string content;

 private:
  const Fd memory_{memfd_create("moved", MFD_CLOEXEC)};
  const std::filesystem::path path_ = "/proc/self/fd/" + std::to_string(memory_.get());
};

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

TEST(Server, MovesAFileByAPipe) {
  const MovedFile file;
  TestServer server([&](Router& router) { file.mount(router); });
  Socket socket = server.connect();
  for (const char* path : {"/whole", "/mixed", "/chunked"}) {
    const std::size_t before = Moved::moved;
    const Answer answer = socket.ask(get(path));
    EXPECT_TRUE(answer.whole && answer.body == file.content) << path;
    EXPECT_GT(Moved::moved - before, MovedFile::kBytes / 2) << path;
  }
  ASSERT_TRUE(socket.send(get("/whole") + get("/chunked") + get("/mixed")));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(socket.receive().body == file.content);
  EXPECT_FALSE(socket.ask(get("/short")).whole);
}

TEST(Server, MovesAFileToWhoTakesItSlowly) {
  const MovedFile file;
  TestServer server([&](Router& router) { file.mount(router); });
  Socket slow(server.port(), /*receive_buffer_bytes=*/4096);
  ASSERT_TRUE(slow.send(get("/whole", "Connection: close\r\n")));
  Socket other = server.connect();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(other.ask(get("/whole")).body == file.content);
  EXPECT_TRUE(slow.receive_all().ends_with(file.content));
}

TEST(Server, LeavesNoPipeBehindWhoGoesAway) {
  const MovedFile file;
  TestServer server([&](Router& router) { file.mount(router); });
  server.connect().ask(get("/whole"));  // what is started on first need
  const std::ptrdiff_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    Socket socket(server.port(), 4096);
    ASSERT_TRUE(socket.send(get("/whole")));
    EXPECT_NE(socket.receive_some(), "");
    if (i % 2 == 0) socket.reset();
  }
  while (server.metric("slipway_http_connections") > 0) std::this_thread::yield();
  while (open_descriptors() > before) std::this_thread::yield();
}

TEST(Server, StreamsInChunksOrWithALength) {
  TestServer server([](Router& router) {
    Router::Group group = router.group("", render_plain_error);
    group.add({Method::kGet, "/chunked", kRead, Place::kInline}, [](Request&) {
      return Result<Response>(stream(std::make_shared<Generated>(300'000)));
    });
    group.add({Method::kGet, "/sized", kRead, Place::kBlocking}, [](Request&) {
      return Result<Response>(stream(std::make_shared<Generated>(300'000), 300'000));
    });
    group.add({Method::kGet, "/empty", kRead, Place::kBlocking},
              [](Request&) { return Result<Response>(stream(std::make_shared<Generated>(0), 0)); });
    group.add({Method::kGet, "/empty-chunked", kRead, Place::kBlocking},
              [](Request&) { return Result<Response>(stream(std::make_shared<Generated>(0))); });
  });
  Socket socket = server.connect();
  ASSERT_TRUE(socket.send(get("/chunked") + get("/sized") + get("/empty") + get("/empty-chunked") +
                          get("/chunked")));
  const Answer chunked = socket.receive();
  EXPECT_EQ(chunked.headers.get("Transfer-Encoding"), "chunked");
  EXPECT_TRUE(chunked.whole);
  EXPECT_EQ(chunked.body.size(), 300'000u);
  const Answer sized = socket.receive();
  EXPECT_EQ(sized.headers.get("Content-Length"), "300000");
  EXPECT_TRUE(sized.body == chunked.body);
  EXPECT_EQ(socket.receive().body, "");
  EXPECT_TRUE(socket.receive().whole);
  EXPECT_EQ(socket.receive().body, chunked.body);

  ASSERT_TRUE(socket.send("HEAD /chunked HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/sized")));
  EXPECT_EQ(socket.receive(/*to_head=*/true).status, 200);
  EXPECT_EQ(socket.receive().body.size(), 300'000u);

  const Answer old = socket.ask("GET /chunked HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(old.headers.get("Connection"), "close");
  EXPECT_EQ(old.body, chunked.body);
}

/// Such a body ends with the connection, so whatever was asked behind it gets no answer.
TEST(Server, AnAnswerThatTheEndOfTheConnectionEndsIsTheLastOne) {
  TestServer server([](Router& router) {
    mount_basics(router);
    router.group("", render_plain_error)
        .add({Method::kGet, "/unsized", kRead, Place::kInline},
             [](Request&) { return Result<Response>(stream(std::make_shared<Generated>(1000))); });
  });
  Socket socket = server.connect();
  const char* head = " HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
  socket.send("GET /unsized" + std::string(head) + "GET /unsized" + head + "GET /slow" + head);
  EXPECT_EQ(socket.receive().body.size(), 1000u);
  EXPECT_TRUE(socket.ended());
  socket.close();
  Socket other = server.connect();
  while (server.metric("slipway_http_connections") > 1) other.ask(get("/hello"));
  EXPECT_EQ(server.metric("slipway_http_in_flight"), 0);
}

TEST(Server, CutsOffAnAnswerWhoseSourceFails) {
  TestServer server([](Router& router) {
    Router::Group group = router.group("", render_plain_error);
    group.add({Method::kGet, "/fails", kRead, Place::kBlocking},
              [](Request&) { return Result<Response>(stream(std::make_shared<Failing>())); });
    group.add({Method::kGet, "/short", kRead, Place::kBlocking}, [](Request&) {
      return Result<Response>(stream(std::make_shared<Generated>(10), 20));
    });
    group.add({Method::kGet, "/long", kRead, Place::kBlocking}, [](Request&) {
      return Result<Response>(stream(std::make_shared<Generated>(30), 20));
    });
  });
  for (const char* path : {"/fails", "/short", "/long"}) {
    EXPECT_FALSE(server.connect().ask(get(path)).whole) << path;
  }
  EXPECT_EQ(server.metric("slipway_http_broken_streams_total"), 3);
}

// ---- order and lateness

TEST(Server, RepliesMayComeLaterFromAnyThreadInAnyOrder) {
  Kept kept;
  TestServer server([&](Router& router) {
    router.group("", render_plain_error)
        .add_late({Method::kGet, "/late", kRead, Place::kInline}, kept.handler());
  });
  Socket socket = server.connect();
  ASSERT_TRUE(socket.send(get("/late") + get("/late") + get("/late")));
  kept.await(3);
  std::thread([&] { kept.finish(2, "third"); }).join();
  std::thread([&] { kept.finish(0, "first"); }).join();
  EXPECT_EQ(socket.receive().body, "first");
  std::thread([&] { kept.finish(1, "second"); }).join();
  EXPECT_EQ(socket.receive().body, "second");
  EXPECT_EQ(socket.receive().body, "third");
}

TEST(Server, RequestsThatChangeSomethingRunAlone) {
  Kept gets, posts;
  TestServer server([&](Router& router) {
    Router::Group group = router.group("", render_plain_error);
    group.add_late({Method::kGet, "/x", kRead, Place::kInline}, gets.handler());
    group.add_late({Method::kPost, "/x", kRead, Place::kInline}, posts.handler());
  });
  Socket socket = server.connect();
  ASSERT_TRUE(socket.send(get("/x") + post("/x", "a") + post("/x", "b") + get("/x")));
  gets.await(1);
  EXPECT_EQ(server.metric("slipway_http_in_flight"), 1);
  gets.finish(0, "1");
  posts.await(1);
  EXPECT_EQ(server.metric("slipway_http_in_flight"), 1);
  posts.finish(0, "2");
  posts.await(2);
  posts.finish(1, "3");
  gets.await(2);
  gets.finish(1, "4");
  for (const char* text : {"1", "2", "3", "4"}) EXPECT_EQ(socket.receive().body, text);
}

TEST(Server, ADroppedReplyAndAnExceptionAreAnsweredWith500) {
  TestServer server([](Router& router) {
    Router::Group group = router.group("", render_plain_error);
    for (const Place place : {Place::kInline, Place::kBlocking}) {
      const std::string suffix = place == Place::kInline ? "inline" : "blocking";
      group.add_late({Method::kGet, "/drop/" + suffix, kRead, place}, [](Request, Reply) {});
      group.add({Method::kGet, "/throw/" + suffix, kRead, place},
                [](Request& request) -> Result<Response> {
                  return Response::text(request.capture("no such name"));
                });
    }
    group.add({Method::kGet, "/unsendable", kRead, Place::kInline}, [](Request&) {
      Response response = Response::text("x");
      response.headers.add("X", "a\r\nSet-Cookie: b");
      return Result<Response>(std::move(response));
    });
  });
  Socket socket = server.connect();
  for (const char* path :
       {"/drop/inline", "/drop/blocking", "/throw/inline", "/throw/blocking", "/unsendable"}) {
    const Answer answer = socket.ask(get(path));
    EXPECT_EQ(answer.status, 500) << path;
    EXPECT_FALSE(answer.headers.has("Set-Cookie"));
  }
  // A worker counts after it has answered.
  while (server.metric("slipway_http_handler_exceptions_total") < 2) socket.ask(get("/none"));
}

// ---- who may ask

TEST(Server, RefusesNamesThatAreNotItsOwn) {
  ServerOptions options;
  options.allowed_hosts = {"ml.example.org"};
  TestServer server(mount_basics, options);
  Socket socket = server.connect();
  const Answer refused = socket.ask("GET /hello HTTP/1.1\r\nHost: evil.example.org\r\n\r\n");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body, "Invalid Host header - possible DNS rebinding attack detected");
  EXPECT_EQ(socket.ask("GET /hello HTTP/1.1\r\nHost: ml.example.org\r\n\r\n").status, 200);
  EXPECT_EQ(socket.ask("GET /hello HTTP/1.1\r\nHost: evil.example.org\r\n\r\n").status, 403);
  // For probes that know the address only; here no such route exists.
  EXPECT_EQ(socket.ask("GET /health HTTP/1.1\r\nHost: evil.example.org\r\n\r\n").status, 404);
}

TEST(Server, RefusesChangesByPagesOfOthers) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  EXPECT_EQ(socket.ask(post("/echo", "x", "Origin: http://evil.example.org\r\n")).status, 403);
  EXPECT_EQ(socket.ask(post("/echo", "x", "Origin: null\r\n")).status, 403);
  EXPECT_EQ(socket.ask(post("/echo", "x", "Origin: http://localhost:3000\r\n")).status, 200);
  EXPECT_EQ(socket.ask(get("/hello", "Origin: http://evil.example.org\r\n")).status, 200);
}

/// Knows one token by heart; what begins with "Slow" it has to look up.
class Porter : public Doorkeeper {
 public:
  std::optional<Result<Principal>> recognise(const Request& head, const Router::Entry&) override {
    const std::string_view said = head.headers.get("Authorization");
    if (said == "Bearer good") return Principal{"me", ""};
    if (said.starts_with("Slow ")) return std::nullopt;
    if (said.empty()) return Error{Code::kDenied, "who are you?", kUnauthenticated};
    return Error{Code::kDenied, "not you"};
  }
  Result<Principal> prove(const Request& head, const Router::Entry&) override {
    if (head.headers.get("Authorization") == "Slow good") return Principal{"me", ""};
    return Error{Code::kDenied, "not you", kUnauthenticated};
  }
};

TEST(Server, AsksWhoItIs) {
  TestServer server(mount_basics, {}, std::make_shared<Porter>());
  Socket socket = server.connect();
  const auto asked_by = [&](const std::string& who) {
    return socket.ask(get("/hello", "Authorization: " + who + "\r\n")).status;
  };
  EXPECT_EQ(socket.ask(get("/hello")).status, 401);
  EXPECT_EQ(asked_by("Bearer good"), 200);
  EXPECT_EQ(asked_by("Bearer bad"), 403);
  EXPECT_EQ(asked_by("Slow good"), 200);
  EXPECT_EQ(asked_by("Slow bad"), 401);
  EXPECT_EQ(socket.ask(post("/echo", "x", "Authorization: Slow good\r\n")).status, 200);
}

// ---- hostile input

TEST(Server, EndsAConnectionWhoseRequestsCannotBeToldApart) {
  TestServer server(mount_basics);
  const std::string bad[] = {
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "GET /hello HTTP/1.1\nHost: localhost\n\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
      "nonsense\r\n\r\n",
  };
  for (const std::string& text : bad) {
    Socket socket = server.connect();
    ASSERT_TRUE(socket.send(text + get("/hello")));
    EXPECT_EQ(socket.receive().status, 400) << text;
    EXPECT_TRUE(socket.ended()) << text;
  }
  EXPECT_EQ(server.metric("slipway_http_bad_requests_total"), 4);
}

TEST(Server, BoundsBodies) {
  TestServer server(mount_basics);  // 1 MiB for /echo
  Socket declared = server.connect();
  EXPECT_EQ(declared.ask(post("/echo", std::string((1u << 20) + 1, 'x'))).status, 413);
  Socket chunked = server.connect();
  ASSERT_TRUE(
      chunked.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
  for (int i = 0; i < 33; ++i) chunked.send(chunk);
  EXPECT_EQ(chunked.receive().status, 413);
  EXPECT_TRUE(chunked.ended());
  Socket most = server.connect();
  EXPECT_EQ(most.ask(post("/echo", std::string(1u << 20, 'x'))).body.size(), 1u << 20);
}

TEST(Server, BoundsWhatAllBodiesTakeTogether) {
  ServerOptions options;
  options.body_buffers_max = 1u << 20;
  TestServer server(mount_basics, options);
  const std::string most_of_one = post("/echo", std::string(700'000, 'x')).substr(0, 600'000);
  const std::string refused_of = R"(slipway_http_refused_total{what="body"})";
  Socket first = server.connect();
  ASSERT_TRUE(first.send(most_of_one));
  // Once the server has read all that, another body finds no room. One that comes before is taken,
  // and then it may be the first that finds none.
  Answer refused;
  double before = 0;
  while (refused.status != 503) {
    if (const double now = server.metric(refused_of); now != before) {
      before = now;
      first = server.connect();
      ASSERT_TRUE(first.send(most_of_one));
    }
    refused = server.connect().ask(post("/echo", std::string(900'000, 'x')));
    ASSERT_TRUE(refused.status == 200 || refused.status == 503);
  }
  EXPECT_EQ(refused.headers.get("Retry-After"), "1");
  EXPECT_GE(server.metric(refused_of), before + 1);
  first.close();
  Answer taken;
  while (taken.status != 200) {
    taken = server.connect().ask(post("/echo", std::string(900'000, 'x')));
  }
}

TEST(Server, LeavesRoomBesideWhatAnybodyMaySend) {
  ServerOptions options;
  options.body_buffers_max = 1u << 20;
  TestServer server(
      [](Router& router) {
        mount_basics(router);
        router.group("", render_plain_error)
            .add({Method::kPost, "/open", kPublic, Place::kInline, 1u << 20},
                 [](Request& request) -> Result<Response> {
                   return Response::text(std::to_string(request.body.size()));
                 });
      },
      options);
  EXPECT_EQ(server.connect().ask(post("/open", std::string(200'000, 'x'))).body, "200000");
  EXPECT_EQ(server.connect().ask(post("/open", std::string(300'000, 'x'))).status, 503);
  EXPECT_EQ(server.connect().ask(post("/echo", std::string(900'000, 'x'))).status, 200);
}

/// Of new connections, one after the other, until one is answered 200: the last status.
int status_within(TestServer& server, int tries) {
  int status = 503;
  for (int i = 0; i < tries && status != 200; ++i)
    status = server.connect().ask(get("/hello")).status;
  return status;
}

void expect_room_for_three(const ServerOptions& options) {
  TestServer server(mount_basics, options);
  std::vector<Socket> sockets;
  for (int i = 0; i < 3; ++i) {
    sockets.push_back(server.connect());
    ASSERT_EQ(sockets.back().ask(get("/hello")).status, 200);
  }
  EXPECT_EQ(server.connect().receive().status, 503);
  sockets.pop_back();
  // The place is free once the server has seen the end.
  EXPECT_EQ(status_within(server, 1000), 200);
}

TEST(Server, BoundsConnections) {
  ServerOptions options;
  options.connections_max = 3;
  expect_room_for_three(options);
}

TEST(Server, LeavesPlacesToOtherPeers) {
  ServerOptions options;
  options.connections_of_peer_max = 3;
  expect_room_for_three(options);
}

TEST(Server, DoesNotCountATrustedProxyAsOnePeer) {
  ServerOptions options;
  options.connections_of_peer_max = 1;
  options.trusted_proxies = *TrustedProxies::parse({"127.0.0.0/8"});
  TestServer server(mount_basics, options);
  Socket first = server.connect(), second = server.connect();
  EXPECT_EQ(first.ask(get("/hello")).status, 200);
  EXPECT_EQ(second.ask(get("/hello")).status, 200);
}

TEST(Server, SharesAnswersWithAllowedOrigins) {
  ServerOptions options;
  options.allowed_origins = {"https://ui.example.org"};
  TestServer server(mount_basics, options);
  Socket socket = server.connect();
  const Answer shared = socket.ask(get("/hello", "Origin: https://ui.example.org\r\n"));
  EXPECT_EQ(shared.headers.get("Access-Control-Allow-Origin"), "https://ui.example.org");
  EXPECT_EQ(shared.headers.get("Access-Control-Allow-Credentials"), "true");
  EXPECT_EQ(shared.headers.get("Vary"), "Origin");
  const Answer preflight = socket.ask(
      "OPTIONS /hello HTTP/1.1\r\nHost: localhost\r\nOrigin: https://ui.example.org\r\n"
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.get("Access-Control-Allow-Origin"), "https://ui.example.org");
  EXPECT_EQ(preflight.headers.get("Access-Control-Allow-Headers"), "content-type");
  EXPECT_NE(preflight.headers.get("Access-Control-Allow-Methods").find("POST"),
            std::string_view::npos);
  for (const char* origin : {"https://evil.example", "http://localhost:3000", "null"}) {
    const std::string line = std::string("Origin: ") + origin + "\r\n";
    EXPECT_FALSE(socket.ask(get("/hello", line)).headers.has("Access-Control-Allow-Origin"))
        << origin;
  }
  EXPECT_FALSE(socket.ask(get("/hello")).headers.has("Access-Control-Allow-Origin"))
      << "what the last request was is forgotten";
}

TEST(Server, MakesRoomByClosingWhoAsksNothing) {
  ServerOptions options;
  options.connections_max = 8;
  options.crowded_timeout = std::chrono::milliseconds(20);
  TestServer server(mount_basics, options);
  std::vector<Socket> idle;
  for (int i = 0; i < 8; ++i) {
    idle.push_back(server.connect());
    ASSERT_EQ(idle.back().ask(get("/hello")).status, 200);
  }
  EXPECT_EQ(status_within(server, 100'000), 200);
}

TEST(Server, BoundsTheQueueOfWorkers) {
  ServerOptions options;
  options.workers = 1;
  options.worker_queue_max = 1;
  Gate gate;
  TestServer server(
      [&](Router& router) {
        router.group("", render_plain_error)
            .add({Method::kGet, "/wait", kRead, Place::kBlocking},
                 [&](Request&) -> Result<Response> {
                   gate.wait();
                   return Response::text("done");
                 });
      },
      options);
  Socket running = server.connect(), waiting = server.connect(), refused = server.connect();
  running.send(get("/wait"));
  gate.await_waiting(1);
  waiting.send(get("/wait"));
  while (server.metric("slipway_http_worker_queue") < 1) refused.ask(get("/none"));
  const Answer answer = refused.ask(get("/wait"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.get("Retry-After"), "1");
  gate.open();
  EXPECT_EQ(running.receive().status, 200);
  EXPECT_EQ(waiting.receive().status, 200);
  EXPECT_EQ(refused.ask(get("/wait")).status, 200);
}

TEST(Server, DoesNotWorkAheadOfAClientThatDoesNotRead) {
  ServerOptions options;
  options.loops = 1;
  TestServer server(
      [](Router& router) {
        mount_basics(router);
        router.group("", render_plain_error)
            .add({Method::kGet, "/large", kRead, Place::kInline}, [](Request&) -> Result<Response> {
              return Response::text(std::string(1u << 20, 'x'));
            });
      },
      options);
  Socket socket(server.port(), /*receive_buffer_bytes=*/64 << 10);
  std::string all;
  for (int i = 0; i < 100; ++i) all += get("/large");
  ASSERT_TRUE(socket.send(all));
  ASSERT_TRUE(socket.receive().whole);
  Socket other = server.connect();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(other.ask(get("/hello")).status, 200);
  EXPECT_LT(
      server.metric(R"(slipway_http_requests_total{method="GET",route="/large",status="2xx"})"),
      20);
  for (int i = 1; i < 100; ++i) ASSERT_TRUE(socket.receive().whole);
}

// ---- clients that send no more, and still read

constexpr std::size_t kPage = 10'000;

void mount_pages(Router& router) {
  Router::Group group = router.group("", render_plain_error);
  group.add({Method::kGet, "/inline", kRead, Place::kInline},
            [](Request&) -> Result<Response> { return Response::text(std::string(kPage, 'x')); });
  group.add({Method::kGet, "/worker", kRead, Place::kBlocking},
            [](Request&) -> Result<Response> { return Response::text(std::string(kPage, 'x')); });
  group.add({Method::kGet, "/stream", kRead, Place::kBlocking}, [](Request&) {
    return Result<Response>(stream(std::make_shared<Generated>(kPage), kPage));
  });
}

TEST(Server, AnswersAllThatAHalfClosedClientHadAsked) {
  constexpr int kRequests = 1000;  // ten megabytes: far more than sockets hold
  TestServer server(mount_pages);
  for (const char* path : {"/inline", "/worker", "/stream"}) {
    std::string all;
    for (int i = 0; i < kRequests; ++i) all += get(path);
    Socket socket(server.port(), /*receive_buffer_bytes=*/64 << 10);
    std::thread asking([&] {  // the server takes no more than it can answer
      EXPECT_TRUE(socket.send(all)) << path;
      socket.end_sending();
    });
    int whole = 0;
    for (int i = 0; i < kRequests; ++i) {
      const Answer answer = socket.receive();
      if (answer.status != 200 || !answer.whole || answer.body.size() != kPage) break;
      ++whole;
    }
    asking.join();
    EXPECT_EQ(whole, kRequests) << path;
    EXPECT_TRUE(socket.ended()) << path;
  }
}

TEST(Server, AHalfRequestOfAHalfClosedClientIsLeftOut) {
  TestServer server(mount_pages);
  Socket socket = server.connect();
  socket.send(get("/worker") + get("/inline") + "GET /inl");
  socket.end_sending();
  EXPECT_EQ(socket.receive().status, 200);
  EXPECT_EQ(socket.receive().status, 200);
  EXPECT_TRUE(socket.ended());
}

TEST(Server, AHalfClosedClientThatDoesNotReadIsGivenUp) {
  ServerOptions options;
  options.body_timeout = milliseconds(50);
  TestServer server(mount_pages, options);
  for (const char* path : {"/inline", "/worker", "/stream"}) {
    Socket dead(server.port(), /*receive_buffer_bytes=*/4096);
    std::string all;
    for (int i = 0; i < 2000; ++i) all += get(path);
    dead.send(all);
    dead.end_sending();
    Socket other = server.connect();
    while (server.metric("slipway_http_connections") != 2) other.ask(get("/none"));
    // Loops until the server has given the connection up; only the other one is left then.
    while (server.metric("slipway_http_connections") > 1) other.ask(get("/none"));
    EXPECT_EQ(server.metric("slipway_http_in_flight"), 0) << path;
  }
}

TEST(Server, AHalfClosedClientThatIsGoneIsForgotten) {
  TestServer server(mount_pages);
  {
    Socket dead(server.port(), /*receive_buffer_bytes=*/4096);
    std::string all;
    for (int i = 0; i < 500; ++i) all += get("/inline");
    dead.send(all);
    dead.end_sending();
    EXPECT_FALSE(dead.receive_some().empty());
    dead.reset();
  }
  Socket other = server.connect();
  while (server.metric("slipway_http_connections") > 1) other.ask(get("/none"));
}

// ---- sockets that others hold too

/// How many descriptors the epoll sets of this process watch.
int watched_descriptors() {
  int watched = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream info(entry.path());
    for (std::string line; std::getline(info, line);) watched += line.starts_with("tfd:");
  }
  return watched;
}

/// A child that holds a copy of every descriptor that is open now, and does nothing else.
class Holder {
 public:
  Holder() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    child_ = fork();
    if (child_ == 0) {
      ::close(ends[1]);
      char byte = 0;
      while (::read(ends[0], &byte, 1) > 0) continue;
      _exit(0);
    }
    ::close(ends[0]);
    life_ = Fd(ends[1]);
  }
  ~Holder() {
    life_ = Fd();
    waitpid(child_, nullptr, 0);
  }

 private:
  Fd life_;
  pid_t child_ = -1;
};

TEST(Server, WatchesNoConnectionThatItHasClosedThoughAChildHoldsTheSocket) {
  ServerOptions options;
  options.loops = 1;
  TestServer server(
      [](Router& router) {
        mount_basics(router);
        router.group("", render_plain_error)
            .add({Method::kGet, "/fails", kRead, Place::kBlocking},
                 [](Request&) { return Result<Response>(stream(std::make_shared<Failing>())); });
      },
      options);
  const int before = watched_descriptors();
  Socket socket = server.connect();
  ASSERT_EQ(socket.ask(get("/hello")).body, "hello");
  ASSERT_EQ(watched_descriptors(), before + 1);
  const Holder holder;
  Socket other = server.connect();  // which the child does not know
  ASSERT_EQ(other.ask(get("/hello")).body, "hello");
  socket.send(get("/fails"));  // closed at once, as its answer cannot be whole
  while (server.metric("slipway_http_connections") != 1) other.ask(get("/hello"));
  EXPECT_EQ(watched_descriptors(), before + 1);
  // The child's copy keeps the socket open, so this is an event of what the server has let go of.
  EXPECT_TRUE(socket.send(get("/hello")));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other.ask(get("/hello")).body, "hello");
}

// ---- time

TEST(Server, EndsConnectionsThatMakeNoProgress) {
  ServerOptions options;
  options.header_timeout = options.body_timeout = milliseconds(40);
  options.idle_timeout = milliseconds(200);
  TestServer server(mount_basics, options);
  Socket head = server.connect(), body = server.connect(), idle = server.connect();
  head.send("GET /hello HTT");
  body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(head.receive().status, 408);
  EXPECT_TRUE(head.ended());
  EXPECT_EQ(body.receive().status, 408);
  EXPECT_TRUE(body.ended());
  EXPECT_TRUE(idle.ended());
  EXPECT_EQ(server.metric("slipway_http_timeouts_total"), 2);
}

void mount_streams(Router& router);

TEST(Server, EndsBodiesThatTrickle) {
  ServerOptions options;
  options.body_window = milliseconds(100);
  options.body_bytes_per_second_min = 100'000;  // no byte a round trip comes near that
  TestServer server(
      [](Router& router) {
        mount_basics(router);
        router.group("", render_plain_error)
            .add({Method::kPut, "/stream", writes("server"), Place::kBlocking, 1u << 20, true},
                 [](Request& request) -> Result<Response> {
                   std::string buffer(1000, 'x');
                   while (TRY(request.body_stream->read(buffer)) > 0) continue;
                   return Response::text("whole");
                 });
      },
      options);
  for (const char* head : {"POST /echo", "PUT /stream", "POST /none"}) {
    Socket slow = server.connect();
    slow.send(std::string(head) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    // A byte at a time is progress, and still too slow: the server gives up before the body is
    // there, or the peer is told by a reset.
    Socket other = server.connect();
    while (server.metric("slipway_http_connections") != 2) other.ask(get("/hello"));
    int sent = 0;
    while (server.metric("slipway_http_connections") > 1 && sent < 100'000) {
      if (!slow.send("x")) break;
      ++sent;
      other.ask(get("/hello"));
    }
    EXPECT_LT(sent, 100'000) << head;
  }
  Socket fast = server.connect();
  EXPECT_EQ(fast.ask("PUT /stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" +
                     std::string(100'000, 'x'))
                .body,
            "whole");
}

TEST(Server, ASlowBodyKeepsNoThreadWaiting) {
  ServerOptions options;
  options.workers = options.body_workers = 1;
  TestServer server(
      [](Router& router) {
        mount_basics(router);
        mount_streams(router);
      },
      options);
  const std::string head = "PUT /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
  Socket slow = server.connect(), fast = server.connect(), long_one = server.connect();
  slow.send(head + "1000\r\n\r\nabc");
  EXPECT_EQ(fast.ask(head + "5\r\n\r\nabcde").body, "5");
  // One that is long may: of the threads that do nothing else.
  long_one.send(head + "1000000\r\n\r\n" + std::string(300'000, 'x'));
  EXPECT_EQ(fast.ask(get("/slow")).body, "from a worker");
  long_one.send(std::string(700'000, 'x'));
  EXPECT_EQ(long_one.receive().body, "1000000");
  slow.send(std::string(997, 'x'));
  EXPECT_EQ(slow.receive().body, "1000");
}

TEST(Server, EndsConnectionsThatDoNotTakeTheirAnswer) {
  ServerOptions options;
  options.body_timeout = milliseconds(50);
  TestServer server(
      [](Router& router) {
        router.group("", render_plain_error)
            .add({Method::kGet, "/large", kRead, Place::kInline}, [](Request&) -> Result<Response> {
              return Response::text(std::string(32u << 20, 'x'));
            });
      },
      options);
  for (const char* more : {"", "Connection: close\r\n"}) {
    Socket socket(server.port(), /*receive_buffer_bytes=*/4096);
    socket.send(get("/large", more));
    Socket other = server.connect();
    while (server.metric("slipway_http_connections") != 2) other.ask(get("/none"));
    // Loops until the server has given the connection up; only the other one is left then.
    while (server.metric("slipway_http_connections") > 1) other.ask(get("/none"));
    EXPECT_FALSE(socket.receive().whole);
  }
}

TEST(Server, AWaitingHandlerIsNotTheClientsFault) {
  ServerOptions options;
  options.header_timeout = options.body_timeout = options.idle_timeout = milliseconds(20);
  Kept kept;
  TestServer server(
      [&](Router& router) {
        Router::Group group = router.group("", render_plain_error);
        group.add_late({Method::kGet, "/late", kRead, Place::kInline}, kept.handler());
      },
      options);
  Socket late = server.connect(), idle = server.connect();
  late.send(get("/late"));
  kept.await(1);
  EXPECT_TRUE(idle.ended());  // so that time has passed
  Socket again = server.connect();
  EXPECT_TRUE(again.ended());
  kept.finish(0, "after all");
  EXPECT_EQ(late.receive().body, "after all");
}

// ---- long bodies

constexpr std::uint64_t kGigabyte = 1u << 30;

/// Reads to the end; what went wrong, or how many bytes came.
Result<Response> count_body(Request& request) {
  std::string buffer(64u << 10, '\0');
  std::uint64_t total = 0;
  while (const std::size_t n = TRY(request.body_stream->read(buffer))) total += n;
  return Response::text(std::to_string(total));
}

void mount_streams(Router& router) {
  Router::Group group = router.group("", render_plain_error);
  group.add({Method::kPut, "/count", writes("server"), Place::kBlocking, 2 * kGigabyte, true},
            count_body);
  group.add({Method::kPut, "/ignore", writes("server"), Place::kBlocking, 2 * kGigabyte, true},
            [](Request&) -> Result<Response> { return Response::text("not needed"); });
  group.add({Method::kPut, "/small", writes("server"), Place::kBlocking, 1000, true}, count_body);
  group.add({Method::kGet, "/long", kRead, Place::kBlocking}, [](Request&) {
    return Result<Response>(stream(std::make_shared<Generated>(kGigabyte), kGigabyte));
  });
}

TEST(Server, TakesALongBodyInConstantMemory) {
  TestServer server(mount_streams);
  Socket socket = server.connect();
  const std::uint64_t before = testing::resident_bytes();
  socket.send("PUT /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
              std::to_string(kGigabyte) + "\r\n\r\n");
  const std::string piece(1u << 20, 'x');
  for (std::uint64_t sent = 0; sent < kGigabyte; sent += piece.size())
    ASSERT_TRUE(socket.send(piece));
  EXPECT_EQ(socket.receive().body, std::to_string(kGigabyte));
  EXPECT_LT(testing::resident_bytes(), before + testing::kMemoryForAStream);
}

TEST(Server, SendsALongBodyInConstantMemory) {
  TestServer server(mount_streams);
  Socket socket = server.connect();
  const std::uint64_t before = testing::resident_bytes();
  socket.send(get("/long", "Connection: close\r\n"));
  std::uint64_t total = 0;
  std::string piece(1u << 20, '\0');
  while (true) {
    const ssize_t n = recv(socket.fd(), piece.data(), piece.size(), 0);
    if (n <= 0) break;
    total += static_cast<std::uint64_t>(n);
  }
  EXPECT_GE(total, kGigabyte);
  EXPECT_LT(total, kGigabyte + 1000);
  EXPECT_LT(testing::resident_bytes(), before + testing::kMemoryForAStream);
}

TEST(Server, StreamsChunkedBodiesIn) {
  TestServer server(mount_streams);
  Socket socket = server.connect();
  socket.send("PUT /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "FFFF\r\n" + std::string(0xFFFF, 'x') + "\r\n";
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(socket.send(chunk));
  EXPECT_EQ(socket.ask("0\r\n\r\n").body, std::to_string(100 * 0xFFFF));
  EXPECT_EQ(
      socket.ask("PUT /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc").body,
      "3");
}

TEST(Server, AHandlerSeesThatABodyIsTooLong) {
  TestServer server(mount_streams);
  Socket socket = server.connect();
  socket.send(
      "PUT /small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7D0\r\n" +
      std::string(2000, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(socket.receive().status, 400);
  EXPECT_TRUE(socket.ended());
}

TEST(Server, ABodyThatNobodyReadsIsSkippedOrEndsTheConnection) {
  TestServer server(mount_streams);
  Socket small = server.connect();
  const std::string head = "PUT /ignore HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
  EXPECT_EQ(small.ask(head + "100000\r\n\r\n" + std::string(100'000, 'x')).body, "not needed");
  EXPECT_EQ(small.ask(head + "2\r\n\r\nxy").body, "not needed");
  Socket large = server.connect();
  const Answer answer = large.ask(head + "1000000000\r\n\r\n" + std::string(300'000, 'x'));
  EXPECT_EQ(answer.body, "not needed");
  EXPECT_EQ(answer.headers.get("Connection"), "close");
}

TEST(Server, AHandlerSeesThatItsClientIsGone) {
  std::promise<Error> seen;
  TestServer server([&](Router& router) {
    router.group("", render_plain_error)
        .add({Method::kPut, "/x", writes("server"), Place::kBlocking, kGigabyte, true},
             [&](Request& request) -> Result<Response> {
               Result<Response> result = count_body(request);
               seen.set_value(result.ok() ? internal("it was not") : result.error());
               return result;
             });
  });
  {
    Socket socket = server.connect();
    socket.send("PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc");
  }
  EXPECT_EQ(seen.get_future().get().code, Code::kUnavailable);
}

TEST(Server, LetsGoOfASourceWhoseClientIsGone) {
  std::promise<void> gone;
  struct Endless final : BodyReader {
    explicit Endless(std::promise<void>& promise) : ended(promise) {}
    ~Endless() override { ended.set_value(); }
    Result<std::size_t> read(std::span<char> buffer) override { return buffer.size(); }
    std::promise<void>& ended;
  };
  TestServer server([&](Router& router) {
    router.group("", render_plain_error)
        .add({Method::kGet, "/endless", kRead, Place::kInline},
             [&](Request&) { return Result<Response>(stream(std::make_shared<Endless>(gone))); });
  });
  {
    Socket socket = server.connect();
    socket.send(get("/endless"));
    EXPECT_FALSE(socket.receive_some().empty());
    socket.reset();
  }
  gone.get_future().wait();
}

TEST(Server, AReplyToNobodyIsHarmless) {
  Kept kept;
  TestServer server([&](Router& router) {
    mount_basics(router);
    router.group("", render_plain_error)
        .add_late({Method::kGet, "/late", kRead, Place::kInline}, kept.handler());
  });
  {
    Socket socket = server.connect();
    socket.send(get("/late") + get("/late"));
    kept.await(2);
    socket.reset();
  }
  Socket other = server.connect();
  while (server.metric("slipway_http_connections") > 1) other.ask(get("/hello"));
  kept.finish(0, "too late");
  kept.drop_all();
  EXPECT_EQ(other.ask(get("/hello")).body, "hello");
  EXPECT_EQ(server.metric("slipway_http_in_flight"), 0);
}

// ---- many

TEST(Server, HoldsTwoThousandConnections) {
  constexpr std::size_t kConnections = 2000;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  TestServer server(mount_basics);
  std::vector<Socket> sockets;
  for (std::size_t i = 0; i < kConnections; ++i) sockets.push_back(server.connect());
  for (int round = 0; round < 3; ++round) {
    for (Socket& socket : sockets) ASSERT_TRUE(socket.send(get("/hello") + get("/slow")));
    for (Socket& socket : sockets) {
      ASSERT_EQ(socket.receive().body, "hello");
      const Answer slow = socket.receive();
      ASSERT_TRUE(slow.body == "from a worker" || slow.status == 503);
    }
  }
  EXPECT_EQ(server.metric("slipway_http_connections"), kConnections);
}

/// Opens whatever descriptor becomes free, until it ends.
class Thief {
 public:
  Thief()
      : thread_([this] {
          while (!over_) {
            Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            if (!fd) continue;
            taken_.push_back(std::move(fd));
            ++taken;
          }
        }) {}
  ~Thief() {
    over_ = true;
    thread_.join();
  }
  std::atomic<int> taken{0};

 private:
  std::atomic<bool> over_{false};
  std::vector<Fd> taken_;
  std::thread thread_;
};

/// The number of descriptors that may be open, while it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t most) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit less{most, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &less);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(Pipes, LeaveHalfOfTheDescriptorsToOthers) {
  const Fd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto taken = static_cast<rlim_t>(next.get());
  {
    const DescriptorLimit limit(taken + 4);
    EXPECT_EQ(Pipe(1u << 20).entrance(), -1);
  }
  const DescriptorLimit limit(4 * taken + 40);
  Pipe pipe(1u << 20);
  EXPECT_GE(pipe.entrance(), 0);
  EXPECT_EQ(pipe.room(), 1u << 20);
}

TEST(Server, WaitsWithoutADescriptorEvenForClosing) {
  TestServer server(mount_basics);
  server.connect().ask(get("/hello"));
  while (server.metric("slipway_http_connections") > 0) std::this_thread::yield();
  constexpr int kTries = 900;
  std::vector<Fd> sockets;
  for (int i = 0; i < kTries; ++i) sockets.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(server.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto refused = [&] {
    return server.metric("slipway_http_refused_total{what=\"connection\"}");
  };
  int connected = 0;
  {
    const DescriptorLimit limit(static_cast<rlim_t>(sockets.back().get()) + 10);
    Thief thief;
    while (thief.taken < 9) std::this_thread::yield();
    int all = thief.taken;
    while (connected < kTries && thief.taken == all) {
      const int fd = sockets[static_cast<std::size_t>(connected++)].get();
      ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
      // Closed by means of the reserve, unless that was stolen.
      while (refused() < connected && thief.taken == all) continue;
    }
    if (thief.taken == all) GTEST_SKIP() << "the reserve was never stolen";
    for (int i = 0; i < 300; ++i) refused();  // time for a loop to spin
  }
  EXPECT_LE(refused(), connected);
  EXPECT_EQ(server.connect().ask(get("/hello")).body, "hello");
}

TEST(Server, AnswersManyThreadsAtOnce) {
  TestServer server(mount_basics);
  std::atomic<int> right{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      Socket socket = server.connect();
      for (int i = 0; i < 200; ++i) {
        const std::string text = std::to_string(c * 1000 + i);
        right += socket.ask(post("/echo-late", text)).body == text;
        right += socket.ask(get("/echo/" + text)).body == text;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 8 * 200 * 2);
}

// ---- beginning and end

TEST(Server, DrainLetsRequestsInFlightFinish) {
  Kept kept;
  Gate gate;
  ServerOptions options;
  options.loops = 1;  // so that all connections learn of the end before one of them closes
  TestServer server(
      [&](Router& router) {
        mount_basics(router);
        Router::Group group = router.group("", render_plain_error);
        group.add_late({Method::kGet, "/late", kRead, Place::kInline}, kept.handler());
        group.add({Method::kGet, "/wait", kRead, Place::kBlocking},
                  [&](Request&) -> Result<Response> {
                    gate.wait();
                    return Response::text("waited");
                  });
      },
      options);
  Socket idle = server.connect(), late = server.connect(), busy = server.connect();
  EXPECT_EQ(idle.ask(get("/hello")).status, 200);
  late.send(get("/late"));
  busy.send(get("/wait"));
  kept.await(1);
  gate.await_waiting(1);
  std::thread drain([&] { server.server().drain(); });
  EXPECT_TRUE(idle.ended());
  kept.finish(0, "in time");
  gate.open();
  const Answer answer = late.receive();
  EXPECT_EQ(answer.body, "in time");
  EXPECT_EQ(answer.headers.get("Connection"), "close");
  EXPECT_TRUE(late.ended());
  EXPECT_EQ(busy.receive().body, "waited");
  drain.join();
  EXPECT_EQ(server.metric("slipway_http_connections"), 0);
}

TEST(Server, DrainFinishesBodiesThatAreUnderWay) {
  TestServer server(mount_streams);
  Socket up = server.connect(), idle = server.connect();
  up.send("PUT /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" +
          std::string(500'000, 'x'));
  while (server.metric("slipway_http_in_flight") < 1) {
    Socket(server.port()).ask(get("/none"));
  }
  std::thread drain([&] { server.server().drain(); });
  EXPECT_TRUE(idle.ended());
  up.send(std::string(500'000, 'x'));
  EXPECT_EQ(up.receive().body, "1000000");
  drain.join();
}

TEST(Server, DrainEndsInTime) {
  ServerOptions options;
  options.drain_timeout = milliseconds(50);
  Kept kept;
  TestServer server(
      [&](Router& router) {
        router.group("", render_plain_error)
            .add_late({Method::kGet, "/late", kRead, Place::kInline}, kept.handler());
      },
      options);
  Socket socket = server.connect();
  socket.send(get("/late"));
  kept.await(1);
  server.server().drain();
  EXPECT_FALSE(socket.receive().whole);
  kept.finish(0, "to nobody");
}

TEST(Server, AbortEndsEverythingButRunningHandlers) {
  std::promise<Error> seen;
  Gate started;
  TestServer server([&](Router& router) {
    mount_basics(router);
    router.group("", render_plain_error)
        .add({Method::kPut, "/x", writes("server"), Place::kBlocking, kGigabyte, true},
             [&](Request& request) -> Result<Response> {
               started.open();
               Result<Response> result = count_body(request);
               seen.set_value(result.ok() ? internal("it was not") : result.error());
               return result;
             });
  });
  Socket socket = server.connect();
  socket.send("PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" +
              std::string(300'000, 'x'));  // enough for the handler to start
  started.wait();
  server.server().abort();
  EXPECT_EQ(seen.get_future().get().code, Code::kUnavailable);
  EXPECT_FALSE(socket.receive().whole);
}

TEST(Server, ATakenPortIsAnError) {
  TestServer server(mount_basics);
  Router router(render_plain_error);
  Metrics metrics;
  ServerOptions options;
  options.port = server.port();
  const auto second = Server::open(options, router, metrics);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  options.host = "nonsense.invalid";
  EXPECT_FALSE(Server::open(options, router, metrics).ok());
}

TEST(Server, TakesOverASocketThatListens) {
  auto first = std::make_unique<TestServer>(mount_basics);
  ServerOptions options;
  options.listen_fd = dup(first->server().listen_fd());
  const int port = first->port();
  TestServer second(mount_basics, options);
  EXPECT_EQ(second.port(), port);
  first->server().drain();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Socket(port).ask(get("/hello")).status, 200);
}

TEST(Server, MayEndWithoutHavingStarted) {
  Router router(render_plain_error);
  Metrics metrics;
  ServerOptions options;
  options.port = 0;
  auto server = Server::open(options, router, metrics);
  ASSERT_TRUE(server.ok());
  (*server)->drain();
}

TEST(Server, CountsByRouteAndStatus) {
  TestServer server(mount_basics);
  Socket socket = server.connect();
  for (int i = 0; i < 3; ++i) socket.ask(get("/echo/secret" + std::to_string(i)));
  socket.ask(get("/nowhere/secret"));
  const std::string text = server.metrics.expose();
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_EQ(server.metric(
                R"(slipway_http_requests_total{method="GET",route="/echo/{word}",status="2xx"})"),
            3);
  EXPECT_EQ(server.metric(R"(slipway_http_requests_total{method="any",route="none",status="4xx"})"),
            1);
}

}  // namespace
}  // namespace slipway::http
