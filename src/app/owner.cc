#include "app/owner.h"

#include <thread>

#include "io/http/client.h"

namespace slipway::app {

bool has_state(const std::filesystem::path& path) {
  std::error_code ignored;
  // A copy of a state may lack the lock, a state with its catalogue elsewhere has no catalog.db.
  return std::filesystem::exists(path / "owner.lock", ignored) ||
         std::filesystem::exists(path / "catalog.db", ignored);
}

Result<> require_state(const std::filesystem::path& path) {
  if (has_state(path)) return {};
  return missing("there is no state at " + path.string() +
                 " yet: run `slipway up` or `slipway apply` in this project first, or name the "
                 "folder with --state");
}

Result<wire::Json> at_owner(
    const std::filesystem::path& folder, const std::function<Result<wire::Json>()>& here,
    const std::function<Result<wire::Json>(const std::string& url, const std::string& secret)>&
        there) {
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
