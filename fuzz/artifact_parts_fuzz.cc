#include <cstdint>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "dialects/mlflow/api.h"
#include "dialects/mlflow/artifact_parts.h"
#include "dialects/mlflow/errors.h"
#include "io/blob/blobs.h"
#include "io/http/router.h"

// Whatever anybody sends to begin, fill, join and give up a file in parts: an answer, or a refusal
// that is the caller's mistake; nothing lands but under a key that is one, and what is offered
// twice is no failure of the server. The first line is the path, the rest the body.

namespace {

using namespace slipway;

void require(bool condition) {
  if (!condition) std::abort();
}

class Caught final : public http::Reply::Sink {
 public:
  void send(http::Response response) override { promise_.set_value(std::move(response)); }
  http::Response wait() { return promise_.get_future().get(); }

 private:
  std::promise<http::Response> promise_;
};

class Text final : public http::BodyReader {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t got = text_.copy(buffer.data(), buffer.size(), at_);
    at_ += got;
    return got;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

struct World {
  std::unique_ptr<blob::Blobs> blobs = blob::open_memory();
  http::Router router{&mlflow::render_error};

  World() {
    mlflow::Calls group(router, "/a");
    mlflow::mount_parts(group, *blobs, "/a");
  }

  http::Response call(http::Method method, const std::string& path, const std::string& body) {
    http::Request request;
    request.method = method;
    request.path = path;
    request.headers.add("Content-Type", "application/json");
    request.headers.add("Host", "here");
    request.body = body;
    request.body_stream = std::make_shared<Text>(body);
    const http::Router::Match match = router.match(method, path);
    if (match.entry == nullptr || match.bad_escape) return http::Response::text("", 404);
    request.captures = match.captures;
    auto caught = std::make_shared<Caught>();
    match.entry->run(std::move(request), http::Reply(caught, match.entry->errors));
    http::Response response = caught->wait();
    require(response.status != 500 && response.status != 503);
    return response;
  }
};

/// The upload that an answer names; a made-up one when it names none.
std::string upload_of(const http::Response& created) {
  constexpr std::string_view kName = "\"upload_id\":\"";
  const std::size_t at = created.body.find(kName);
  if (at == std::string::npos) return "none";
  const std::size_t begin = at + kName.size();
  return created.body.substr(begin, created.body.find('"', begin) - begin);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const std::string path = text.substr(0, line);
  const std::string body = line == std::string::npos ? "" : text.substr(line + 1);
  World world;
  for (const char* step : {"create", "complete", "abort"}) {
    world.call(http::Method::kPost, std::string("/a/mpu/") + step + "/" + path, body);
  }
  world.call(http::Method::kPut, "/a/mpu/part/" + path, body);
  world.call(http::Method::kGet, "/a/presigned/" + path, "");
  // And on an upload that is there.
  const std::string upload = upload_of(
      world.call(http::Method::kPost, "/a/mpu/create/d", R"({"path": "f", "num_parts": 3})"));
  world.call(http::Method::kPut, "/a/mpu/part/" + upload + "/" + path, body);
  std::string known = body;
  if (const std::size_t at = known.find("UPLOAD"); at != std::string::npos) {
    known.replace(at, 6, upload);
  }
  world.call(http::Method::kPost, "/a/mpu/complete/d", known);
  world.call(http::Method::kPost, "/a/mpu/abort/d", known);
  return 0;
}
