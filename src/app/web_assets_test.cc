#include "app/web_assets.h"

#include <gtest/gtest.h>

#include "io/http/compress.h"

namespace slipway::app {
namespace {

struct Answer final : http::Reply::Sink {
  void send(http::Response response) override { sent = std::move(response); }
  http::Response sent;
};

http::Response ask(std::string path, const http::Headers& headers = {}) {
  http::Router router(&http::render_plain_error);
  mount_web(router);
  http::Router::Match match = router.match(http::Method::kGet, path);
  http::Request request;
  request.path = path;
  request.headers = headers;
  request.captures = match.captures;
  if (match.entry == nullptr) return router.no_match(request, match.wrong_method);
  auto answer = std::make_shared<Answer>();
  match.entry->run(std::move(request), http::Reply(answer, match.entry->errors));
  return std::move(answer->sent);
}

http::Headers with(std::string name, std::string value) {
  http::Headers headers;
  headers.add(std::move(name), std::move(value));
  return headers;
}

TEST(WebAssets, HoldThePage) {
  http::Response page = ask("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.get("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.headers.get("Cache-Control"), "no-cache");
  EXPECT_TRUE(page.headers.get("Content-Security-Policy").starts_with("default-src 'self';"));
  EXPECT_NE(page.body.find("<title>Slipway</title>"), std::string::npos);
  EXPECT_EQ(page.body.find("<style"), std::string::npos);
}

TEST(WebAssets, AreGzippedForWhoAcceptsIt) {
  http::Response plain = ask("/");
  EXPECT_FALSE(plain.headers.has("Content-Encoding"));
  http::Response packed = ask("/", with("Accept-Encoding", "gzip, br"));
  EXPECT_EQ(packed.headers.get("Content-Encoding"), "gzip");
  EXPECT_EQ(*http::decompress(http::Coding::kGzip, packed.body, 1u << 20), plain.body);
  EXPECT_NE(packed.headers.get("ETag"), plain.headers.get("ETag"));
}

TEST(WebAssets, AreNotSentAgainToWhoHasThem) {
  std::string etag(ask("/").headers.get("ETag"));
  for (const std::string& held : {etag, "W/" + etag, "\"other\", " + etag, std::string("*")}) {
    http::Response again = ask("/", with("If-None-Match", held));
    EXPECT_EQ(again.status, 304) << held;
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(again.headers.get("ETag"), etag);
  }
  EXPECT_EQ(ask("/", with("If-None-Match", "\"other\"")).status, 200);
}

TEST(WebAssets, AreCachedForeverUnderHashedNames) {
  for (const WebFile& file : web_files()) {
    http::Response response = ask(std::string(file.path));
    EXPECT_EQ(response.status, 200) << file.path;
    if (file.path == "/") continue;
    EXPECT_EQ(response.headers.get("Cache-Control"), "public, max-age=31536000, immutable");
    EXPECT_NE(response.headers.get("Content-Type"), "application/octet-stream") << file.path;
  }
}

TEST(WebAssets, StayBelow150KilobytesInAll) {
  std::size_t bytes = 0;
  for (const WebFile& file : web_files()) bytes += file.gzip.size();
  EXPECT_GT(bytes, 0u);
  EXPECT_LT(bytes, 150'000u);
}

TEST(WebAssets, AnswerNothingElse) {
  for (const char* path :
       {"/assets/none.js", "/assets/..%2f", "/assets/", "/index.html", "/assets/a/b"}) {
    EXPECT_EQ(ask(path).status, 404) << path;
  }
}

}  // namespace
}  // namespace slipway::app
