#include "io/http/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <future>
#include <mutex>
#include <thread>

#include "io/http/http_testing.h"

namespace slipway::http {
namespace {

using std::chrono::milliseconds;
using testing::Answer;
using testing::get;
using testing::post;
using testing::Socket;
using testing::TestServer;

constexpr Permission kRead = reads("server");

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

}  // namespace
}  // namespace slipway::http
