#include "io/http/router.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace slipway::http {
namespace {

constexpr Permission kRead = reads("server");

Result<Response> ok(Request&) {
  return Response::text("ok");
}

/// The pattern that takes `path`, with its captures: "/a/{b} b=1".
std::string taken(const Router& router, Method method, std::string_view path) {
  const Router::Match match = router.match(method, path);
  if (match.bad_escape) return "bad escape";
  if (match.entry == nullptr) return match.wrong_method ? "wrong method" : "none";
  std::string text = match.entry->route.pattern;
  for (const auto& [name, value] : match.captures) text += " " + name + "=" + value;
  return text;
}

Router router_of(const std::vector<std::pair<Method, std::string>>& patterns) {
  Router router(render_plain_error);
  Router::Group group = router.group("", render_plain_error);
  for (const auto& [method, pattern] : patterns) {
    group.add({method, pattern, kRead, Place::kInline}, ok);
  }
  return router;
}

TEST(Router, PrefersLiteralsWhateverTheOrder) {
  const Router router = router_of({{Method::kGet, "/m/{name}"},
                                   {Method::kGet, "/m/special"},
                                   {Method::kGet, "/m/{name}/x"},
                                   {Method::kGet, "/{rest*}"},
                                   {Method::kGet, "/"}});
  EXPECT_EQ(taken(router, Method::kGet, "/m/special"), "/m/special");
  EXPECT_EQ(taken(router, Method::kGet, "/m/other"), "/m/{name} name=other");
  EXPECT_EQ(taken(router, Method::kGet, "/m/special/x"), "/m/{name}/x name=special");
  EXPECT_EQ(taken(router, Method::kGet, "/m/special/y"), "/{rest*} rest=m/special/y");
  EXPECT_EQ(taken(router, Method::kGet, "/"), "/");
  EXPECT_EQ(taken(router, Method::kGet, "/m"), "/{rest*} rest=m");
}

TEST(Router, DecodesCapturesExactlyOnceAfterMatching) {
  const Router router = router_of({{Method::kGet, "/v/{a}/end"}, {Method::kGet, "/files/{path*}"}});
  EXPECT_EQ(taken(router, Method::kGet, "/v/x%2Fy%2541/end"), "/v/{a}/end a=x/y%41");
  EXPECT_EQ(taken(router, Method::kGet, "/v/a/b/end"), "none");
  EXPECT_EQ(taken(router, Method::kGet, "/files/a%20b/%2e%2e/c"), "/files/{path*} path=a b/../c");
  EXPECT_EQ(taken(router, Method::kGet, "/files/"), "/files/{path*} path=");
  EXPECT_EQ(taken(router, Method::kGet, "/files/%zz"), "bad escape");
  EXPECT_EQ(taken(router, Method::kGet, "/v/%/end"), "bad escape");
}

TEST(Router, ACaptureIsNeverEmpty) {
  const Router router = router_of({{Method::kGet, "/v/{a}"}, {Method::kGet, "/v/{a}/{b}"}});
  EXPECT_EQ(taken(router, Method::kGet, "/v/"), "none");
  EXPECT_EQ(taken(router, Method::kGet, "/v//b"), "none");
  EXPECT_EQ(taken(router, Method::kGet, "/v/a/"), "none");
  EXPECT_EQ(taken(router, Method::kGet, "*"), "none");
}

TEST(Router, KnowsTheOtherMethods) {
  const Router router =
      router_of({{Method::kGet, "/a"}, {Method::kPost, "/a"}, {Method::kDelete, "/{x}"}});
  EXPECT_EQ(taken(router, Method::kHead, "/a"), "/a");
  EXPECT_EQ(taken(router, Method::kPut, "/a"), "wrong method");
  EXPECT_EQ(taken(router, Method::kDelete, "/a"), "/{x} x=a");
  EXPECT_EQ(router.allowed("/a"),
            (std::vector{Method::kGet, Method::kHead, Method::kPost, Method::kDelete}));
  Request request;
  request.method = Method::kPut;
  request.path = "/a";
  const Response response = router.no_match(request, true);
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.get("Allow"), "GET, HEAD, POST, DELETE");
}

TEST(Router, TheNearestGroupAnswersForWhatIsNotThere) {
  Router router(render_plain_error);
  const auto say = [](std::string text) {
    return [text](const Request&, bool) { return Response::text(text, 404); };
  };
  router.group("/api", render_plain_error).otherwise(say("api"));
  router.group("/api/v2", render_plain_error).otherwise(say("v2"));
  const auto who = [&](std::string path) {
    Request request;
    request.path = std::move(path);
    return router.no_match(request, false).body;
  };
  EXPECT_EQ(who("/api/x"), "api");
  EXPECT_EQ(who("/api/v2/x"), "v2");
  EXPECT_EQ(who("/api/v2"), "v2");
  EXPECT_EQ(who("/api/v22"), "api");
  EXPECT_EQ(who("/apix"), R"({"error": "nothing is at the path /apix"})");
  EXPECT_LT(who("/" + std::string(5000, 'x')).size(), 300u);
}

TEST(Router, RefusesOurOwnSlips) {
  const auto add = [](Route route) {
    Router router(render_plain_error);
    Router::Group group = router.group("", render_plain_error);
    group.add({Method::kGet, "/a/{x}", kRead, Place::kInline}, ok);
    group.add(std::move(route), ok);
  };
  EXPECT_THROW(add({Method::kGet, "/a/{y}", kRead, Place::kInline}), std::logic_error);
  EXPECT_THROW(add({Method::kGet, "a", kRead, Place::kInline}), std::logic_error);
  EXPECT_THROW(add({Method::kGet, "/{x*}/b", kRead, Place::kInline}), std::logic_error);
  EXPECT_THROW(add({Method::kPut, "/b", kRead, Place::kInline, 1, true}), std::logic_error);
  EXPECT_NO_THROW(add({Method::kPut, "/b", kRead, Place::kBlocking, 1, true}));
}

TEST(Router, StaysQuickOnLongPaths) {
  const Router router = router_of(
      {{Method::kGet, "/{a}/{b}/{c}/x"}, {Method::kGet, "/a/{b}/c/y"}, {Method::kGet, "/{rest*}"}});
  std::string path;
  for (int i = 0; i < 5000; ++i) path += "/a";
  EXPECT_EQ(taken(router, Method::kGet, path), "/{rest*} rest=" + path.substr(1));
}

TEST(Reply, AnswersOnceOnly) {
  struct Counting final : Reply::Sink {
    void send(Response response) override { statuses.push_back(response.status); }
    void dropped() override { ++drops; }
    std::vector<int> statuses;
    int drops = 0;
  };
  const auto sink = std::make_shared<Counting>();
  {
    Reply reply(sink, render_plain_error);
    reply.finish(Response::text("a", 201));
    reply.finish(missing("b"));
  }
  EXPECT_EQ(sink->statuses, std::vector{201});
  { Reply reply(sink, render_plain_error); }
  EXPECT_EQ(sink->statuses, (std::vector{201, 500}));
  EXPECT_EQ(sink->drops, 1);
  Reply moved(sink, render_plain_error);
  Reply(std::move(moved)).finish(busy("later"));
  EXPECT_EQ(sink->statuses, (std::vector{201, 500, 429}));
}

}  // namespace
}  // namespace slipway::http
