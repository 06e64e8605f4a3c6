#include "app/owner.h"

#include <cstdlib>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "io/http/client.h"

namespace slipway::app {

bool has_state(const std::filesystem::path& path) {
  std::error_code ignored;
  // A copy of a state may lack the lock, a state with its catalogue elsewhere has no catalog.db.
  return std::filesystem::exists(path / "owner.lock", ignored) ||
         std::filesystem::exists(path / "catalog.db", ignored);
}

Result<std::optional<Remote>> remote_server() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  Remote remote{variable("SLIPWAY_URL"), variable("SLIPWAY_TOKEN")};
  const std::string file = variable("SLIPWAY_TOKEN_FILE");
  if (remote.url.empty() || (remote.token.empty() && file.empty())) return std::optional<Remote>();
  if (remote.token.empty()) {
    remote.token = std::string(trim(TRY(read_file(file))));
  }
  while (remote.url.ends_with('/')) remote.url.pop_back();
  return std::optional<Remote>(std::move(remote));
}

Result<> require_state(const std::filesystem::path& path) {
  if (TRY(remote_server()) || has_state(path)) return {};
  return missing("there is no state at " + path.string() +
                 " yet: run `slipway up` or `slipway apply` in this project first, or name the "
                 "folder with --state");
}

Result<wire::Json> at_owner(
    const std::filesystem::path& folder, const std::function<Result<wire::Json>()>& here,
    const std::function<Result<wire::Json>(const std::string& url, const std::string& secret)>&
        there) {
  if (const std::optional<Remote> remote = TRY(remote_server())) {
    return there(remote->url, remote->token);
  }
  StateFolder state = TRY(StateFolder::open(folder));
  for (int i = 0; i < kAnnounceTries; ++i) {
    std::optional<Ownership> own = TRY(Ownership::try_take(state));
    if (own) return here();
    if (std::optional<Owner> owner = TRY(announced_owner(state))) {
      return there(owner->url, TRY(state.secret()));
    }
    std::this_thread::sleep_for(kAnnouncePause);
  }
  return unavailable("another process owns " + folder.string() +
                     " but does not say where it answers");
}

Result<http::Response> post_to_owner(const std::string& url, const std::string& secret,
                                     const std::string& body, std::chrono::milliseconds timeout) {
  http::ClientRequest request;
  request.method = http::Method::kPost;
  request.url = url;
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Authorization", "Bearer " + secret);
  request.body = body;
  request.timeout = timeout;
  return http::fetch(request);
}

std::string message_of(const http::Response& response) {
  Result<wire::Json> json = wire::parse(response.body);
  const wire::Json* error = json.ok() ? json->find("error") : nullptr;
  return error != nullptr && error->is_string() ? error->as_string() : response.body.substr(0, 500);
}

}  // namespace slipway::app
