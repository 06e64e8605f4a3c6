#include "io/http/client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "io/http/http_testing.h"

namespace slipway::http {
namespace {

using testing::TestServer;

void mount(Router& router) {
  Router::Group group = router.group("", render_plain_error);
  for (const Method method :
       {Method::kGet, Method::kPost, Method::kPut, Method::kPatch, Method::kDelete}) {
    group.add({method, "/echo", kPublic, Place::kInline}, [](Request& request) -> Result<Response> {
      Response response = Response::text(request.body, 202);
      response.headers.add("X-Method", to_string(request.method));
      response.headers.add("X-Type", std::string(request.headers.get("Content-Type")));
      response.headers.add("X-Own", std::string(request.headers.get("X-Own")));
      return response;
    });
  }
  group.add({Method::kGet, "/elsewhere", kPublic, Place::kInline}, [](Request&) {
    Response response = Response::text("look there", 302);
    response.headers.add("Location", "/echo");
    return Result<Response>(std::move(response));
  });
  group.add({Method::kGet, "/large", kPublic, Place::kInline}, [](Request&) -> Result<Response> {
    return Response::text(std::string(1'000'000, 'x'));
  });
  group.add_late({Method::kGet, "/never", kPublic, Place::kInline},
                 [kept = std::make_shared<std::vector<Reply>>()](Request, Reply reply) {
                   kept->push_back(std::move(reply));
                 });
}

ClientRequest to(Method method, std::string url) {
  ClientRequest request;
  request.method = method;
  request.url = std::move(url);
  return request;
}

TEST(Fetch, SendsEveryMethodWithBodyAndHeaders) {
  TestServer server(mount);
  for (const Method method :
       {Method::kGet, Method::kPost, Method::kPut, Method::kPatch, Method::kDelete}) {
    ClientRequest request = to(method, server.url("/echo"));
    request.body = std::string("body with \0 inside", 18);
    request.headers.add("X-Own", "mine");
    request.headers.add("Content-Type", "application/json");
    const Result<Response> response = fetch(request);
    ASSERT_TRUE(response.ok()) << response.error().message;
    EXPECT_EQ(response->status, 202);
    EXPECT_EQ(response->body, request.body);
    EXPECT_EQ(response->headers.get("x-method"), to_string(method));
    EXPECT_EQ(response->headers.get("x-own"), "mine");
    EXPECT_EQ(response->headers.get("x-type"), "application/json");
  }
}

/// Hands out `text` a few bytes at a time.
class SlowBody : public BodyReader {
 public:
  explicit SlowBody(std::string text) : text_(std::move(text)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    constexpr std::size_t kPiece = 1000;
    const std::size_t got = text_.copy(buffer.data(), std::min(buffer.size(), kPiece), at_);
    at_ += got;
    return got;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

TEST(Fetch, SendsABodyPieceByPiece) {
  TestServer server(mount);
  std::string text;
  for (int i = 0; text.size() < 300'000; ++i) text += std::to_string(i);
  SlowBody body(text);
  ClientRequest request = to(Method::kPut, server.url("/echo"));
  request.body_stream = &body;
  request.body_stream_bytes = text.size();
  const Result<Response> response = fetch(request);
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->headers.get("x-method"), "PUT");
  EXPECT_TRUE(response->body == text);
}

TEST(Fetch, SendsNoBodyThatEndsBeforeItsLength) {
  TestServer server(mount);
  SlowBody body("short");
  ClientRequest request = to(Method::kPut, server.url("/echo"));
  request.body_stream = &body;
  request.body_stream_bytes = 6;
  const Result<Response> response = fetch(request);
  ASSERT_FALSE(response.ok());
  EXPECT_NE(response.error().message.find("1 bytes were missing"), std::string::npos);
}

TEST(Fetch, AddsNoContentTypeOfItsOwn) {
  TestServer server(mount);
  ClientRequest request = to(Method::kPost, server.url("/echo"));
  request.body = "a=b";
  const Result<Response> response = fetch(request);
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->headers.get("X-Type"), "");
}

TEST(Fetch, LeavesRedirectsToTheCaller) {
  TestServer server(mount);
  const Result<Response> response = fetch(to(Method::kGet, server.url("/elsewhere")));
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->headers.get("Location"), "/echo");
}

TEST(Fetch, HeadHasHeadersOnly) {
  TestServer server(mount);
  const Result<Response> response = fetch(to(Method::kHead, server.url("/large")));
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response->headers.get("Content-Length"), "1000000");
  EXPECT_EQ(response->body, "");
}

TEST(Fetch, RefusesAnAnswerThatIsTooLong) {
  TestServer server(mount);
  ClientRequest request = to(Method::kGet, server.url("/large"));
  request.response_bytes_max = 999'999;
  const Result<Response> response = fetch(request);
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code, Code::kUnavailable);
  request.response_bytes_max = 1'000'000;
  EXPECT_TRUE(fetch(request).ok());
}

TEST(Fetch, GivesUpAfterItsTimeout) {
  TestServer server(mount);
  ClientRequest request = to(Method::kGet, server.url("/never"));
  request.timeout = std::chrono::milliseconds(50);
  const Result<Response> response = fetch(request);
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code, Code::kUnavailable);
}

TEST(Fetch, SaysWhatIsWrongWithAnAddress) {
  EXPECT_EQ(fetch(to(Method::kGet, "file:///etc/passwd")).error().code, Code::kInvalid);
  EXPECT_EQ(fetch(to(Method::kGet, "http://[")).error().code, Code::kInvalid);
  int port = 0;
  { port = TestServer(mount).port(); }
  const Result<Response> response =
      fetch(to(Method::kGet, "http://127.0.0.1:" + std::to_string(port) + "/echo"));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code, Code::kUnavailable);
}

TEST(Fetch, SendsNoHeaderThatWouldBeTwo) {
  ClientRequest request = to(Method::kGet, "http://127.0.0.1:1/");
  request.headers.add("X-A", "1\r\nX-B: 2");
  EXPECT_EQ(fetch(request).error().code, Code::kInvalid);
}

TEST(Fetch, DoesNotAskAProxyForThisMachine) {
  TestServer server(mount);
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  const Result<Response> response = fetch(to(Method::kGet, server.url("/echo")));
  unsetenv("http_proxy");
  EXPECT_TRUE(response.ok());
}

/// Bytes that are counted, so that a test knows how far ahead the server has been read.
class Counted final : public BodyReader {
 public:
  Counted(std::uint64_t bytes, std::uint64_t breaks_at) : left_(bytes), breaks_at_(breaks_at) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    if (given >= breaks_at_) return unavailable("it breaks");
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    std::fill_n(buffer.data(), n, 'x');
    left_ -= n;
    given += n;
    return n;
  }
  static inline std::atomic<std::uint64_t> given{0};

 private:
  std::uint64_t left_;
  const std::uint64_t breaks_at_;
};

constexpr std::uint64_t kBytes = 100u << 20;

void mount_streams(Router& router) {
  mount(router);
  Router::Group group = router.group("", render_plain_error);
  for (const auto& [path, breaks_at] : {std::pair{"/stream", kBytes + 1}, {"/broken", kBytes / 100}}) {
    group.add({Method::kGet, path, kPublic, Place::kBlocking},
              [breaks_at = breaks_at](Request&) -> Result<Response> {
                Response response;
                response.headers.add("X-Own", "streamed");
                response.body_length = kBytes;
                Counted::given = 0;
                response.body_stream = std::make_shared<Counted>(kBytes, breaks_at);
                return response;
              });
  }
}

TEST(Fetch, GoesToThePublicInternetOnlyWhenToldSo) {
  TestServer server(mount);
  ClientRequest request = to(Method::kGet, server.url("/echo"));
  request.public_only = true;
  const Result<Response> response = fetch(request);
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code, Code::kDenied);
  EXPECT_NE(response.error().message.find("127.0.0.1 is no address of the public internet"),
            std::string::npos)
      << response.error().message;
}

TEST(Fetch, NamesOfThisMachineAreNoWayAroundThat) {
  TestServer server(mount);
  std::string url = server.url("/echo");
  const std::string port = url.substr(url.rfind(':'));
  for (const char* host : {"localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"}) {
    ClientRequest request = to(Method::kGet, std::string("http://") + host + port);
    request.public_only = true;
    const Result<Response> response = fetch(request);
    ASSERT_FALSE(response.ok()) << host;
    EXPECT_NE(response.error().code, Code::kInternal) << host;
  }
}

TEST(Host, OfThisMachineHasAnAddressThatIsNotPublic) {
  const Result<std::string> inner = non_public_address("127.0.0.1");
  ASSERT_TRUE(inner.ok()) << inner.error().message;
  EXPECT_EQ(*inner, "127.0.0.1");
  EXPECT_EQ(*non_public_address("1.1.1.1"), "");
}

TEST(Client, ReadsAnAnswerPieceByPieceInBoundedMemory) {
  TestServer server(mount_streams);
  std::unique_ptr<Client> client = make_client();
  auto answer = client->open(to(Method::kGet, server.url("/stream")));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ((*answer)->head().status, 200);
  EXPECT_EQ((*answer)->head().headers.get("X-Own"), "streamed");
  const std::uint64_t before = testing::resident_bytes();
  std::string buffer(1u << 20, '\0');
  std::uint64_t total = 0;
  while (true) {
    const Result<std::size_t> got = (*answer)->read(buffer);
    ASSERT_TRUE(got.ok()) << got.error().message;
    if (*got == 0) break;
    total += *got;
  }
  EXPECT_EQ(total, 100u << 20);
  EXPECT_LT(testing::resident_bytes(), before + testing::kMemoryForAStream);
}

TEST(Client, SaysThatAnAnswerBrokeOff) {
  TestServer server(mount_streams);
  std::unique_ptr<Client> client = make_client();
  auto answer = client->open(to(Method::kGet, server.url("/broken")));
  std::string buffer(1u << 20, '\0');
  // The connection is reset, which may be faster than the head.
  Result<std::size_t> got = answer.ok() ? Result<std::size_t>(1) : answer.error();
  while (got.ok() && *got > 0) got = (*answer)->read(buffer);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::kUnavailable);
}

TEST(Client, KeepsItsConnections) {
  TestServer server(mount_streams);
  std::unique_ptr<Client> client = make_client();
  for (int i = 0; i < 20; ++i) {
    ClientRequest request = to(Method::kPut, server.url("/echo"));
    request.body = std::to_string(i);
    const Result<Response> response = client->fetch(request);
    ASSERT_TRUE(response.ok()) << response.error().message;
    EXPECT_EQ(response->body, request.body);
    EXPECT_EQ(response->status, 202);
  }
  EXPECT_EQ(server.metric("slipway_http_connections"), 1);
}

TEST(Client, GivesUpAnAnswerThatNobodyReadsToItsEnd) {
  TestServer server(mount_streams);
  std::unique_ptr<Client> client = make_client();
  for (int i = 0; i < 3; ++i) {
    auto answer = client->open(to(Method::kGet, server.url("/stream")));
    ASSERT_TRUE(answer.ok());
    char byte = 0;
    EXPECT_EQ(*(*answer)->read({&byte, 1}), 1u);
  }
  EXPECT_EQ(client->fetch(to(Method::kGet, server.url("/echo")))->status, 202);
}

TEST(Client, SaysWhyThereIsNoAnswer) {
  std::unique_ptr<Client> client = make_client();
  EXPECT_EQ(client->open(to(Method::kGet, "http://127.0.0.1:1/")).error().code, Code::kUnavailable);
  EXPECT_EQ(client->fetch(to(Method::kGet, "http://127.0.0.1:1/")).error().code,
            Code::kUnavailable);
  EXPECT_EQ(client->open(to(Method::kGet, "gopher://x/")).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace slipway::http
