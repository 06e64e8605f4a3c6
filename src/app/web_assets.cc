#include "app/web_assets.h"

#include <array>
#include <map>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "io/http/compress.h"

struct SlipwayWebFile {
  const char* path;
  const char* begin;
  const char* end;
};
extern "C" const SlipwayWebFile slipway_web_files[];
extern "C" const SlipwayWebFile slipway_web_files_end[];

namespace slipway::app {

namespace {

constexpr std::uint64_t kFileBytesMax = 16u << 20;
constexpr const char* kPolicy =
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action "
    "'self'; frame-ancestors 'self'";

struct Asset {
  std::string type;
  std::string etag;  // of the plain bytes, without quotes
  std::string_view gzip;
  std::string plain;
  bool hashed_name = false;  // its content never changes under this name
};
using Assets = std::map<std::string, Asset, std::less<>>;

std::string type_of(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kTypes{{
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".json", "application/json"},
      {".png", "image/png"},
      {".woff2", "font/woff2"},
      {"/", "text/html; charset=utf-8"},
  }};
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return std::string(type);
  }
  return "application/octet-stream";
}

Assets load_assets() {
  Assets assets;
  for (const WebFile& file : web_files()) {
    Result<std::string> plain = http::decompress(http::Coding::kGzip, file.gzip, kFileBytesMax);
    CHECK(plain.ok());  // our own build packed it
    std::string etag = sha256_hex(*plain).substr(0, 32);
    assets.emplace(file.path, Asset{type_of(file.path), etag, file.gzip, std::move(*plain),
                                    file.path.starts_with("/assets/")});
  }
  return assets;
}

bool names_etag(std::string_view if_none_match, std::string_view etag) {
  for (std::string_view one : split(if_none_match, ',')) {
    one = trim(one);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == "*" || one == etag) return true;
  }
  return false;
}

http::Response answer(const http::Request& request, const Asset& asset) {
  bool gzip = http::preferred_coding(request.headers.get("Accept-Encoding")) == http::Coding::kGzip;
  std::string etag = "\"" + asset.etag + (gzip ? "-gz\"" : "\"");
  http::Response response;
  response.headers.set("ETag", etag);
  response.headers.set("Vary", "Accept-Encoding");
  response.headers.set("Cache-Control",
                       asset.hashed_name ? "public, max-age=31536000, immutable" : "no-cache");
  if (names_etag(request.headers.get("If-None-Match"), etag)) {
    response.status = 304;
    return response;
  }
  response.headers.set("Content-Type", asset.type);
  response.headers.set("Content-Security-Policy", kPolicy);
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "same-origin");
  if (gzip) response.headers.set("Content-Encoding", "gzip");
  response.body = gzip ? std::string(asset.gzip) : asset.plain;
  return response;
}

}  // namespace

std::vector<WebFile> web_files() {
  std::vector<WebFile> files;
  for (const SlipwayWebFile* file = slipway_web_files; file != slipway_web_files_end; ++file) {
    files.push_back({file->path, {file->begin, static_cast<std::size_t>(file->end - file->begin)}});
  }
  return files;
}

void mount_web(http::Router& router) {
  auto assets = std::make_shared<const Assets>(load_assets());
  auto find = [assets](const http::Request& request,
                       std::string_view path) -> Result<http::Response> {
    auto found = assets->find(path);
    if (found == assets->end()) return missing("there is no file " + std::string(path));
    return answer(request, found->second);
  };
  http::Router::Group group = router.group("", &http::render_plain_error);
  group.add({.method = http::Method::kGet,
             .pattern = "/",
             .permission = http::kPublic,
             .place = http::Place::kInline,
             .body_bytes_max = 0},
            [find](http::Request& request) { return find(request, "/"); });
  group.add({.method = http::Method::kGet,
             .pattern = "/assets/{file}",
             .permission = http::kPublic,
             .place = http::Place::kInline,
             .body_bytes_max = 0},
            [find](http::Request& request) {
              return find(request, "/assets/" + request.capture("file"));
            });
}

}  // namespace slipway::app
