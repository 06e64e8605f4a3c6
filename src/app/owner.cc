#include "app/owner.h"

#include <cstdlib>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "io/http/client.h"

namespace slipway::app {
namespace {

/// As by SIGSTOP, or in a debugger.
bool is_stopped(pid_t pid) {
  constexpr std::uint64_t kStatBytesMax = 64u << 10;
  const Result<std::string> stat =
      read_file("/proc/" + std::to_string(pid) + "/stat", kStatBytesMax);
  if (!stat.ok()) return false;
  const std::size_t end = stat->rfind(')');  // of its name, which may have any letter
  if (end == std::string::npos || end + 2 >= stat->size()) return false;
  const char state = (*stat)[end + 2];
  return state == 'T' || state == 't';
}

}  // namespace

bool has_state(const std::filesystem::path& path) {
  std::error_code ignored;
  // A copy of a state may lack the lock, a state with its catalogue elsewhere has no catalog.db.
  return std::filesystem::exists(path / "owner.lock", ignored) ||
         std::filesystem::exists(path / "catalog.db", ignored);
}

Result<> check_server_url(std::string_view url, const std::string& named_by) {
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    return with_tag(invalid("found another thing in " + named_by +
                            ", expected http://HOST:PORT or https://HOST"),
                    "usage");
  const std::size_t host = url.find("://") + 3;
  if (url.substr(host, url.find('/', host) - host).find('@') == std::string_view::npos) return {};
  return with_tag(invalid(named_by +
                          " holds a name or a password, which would be shown in errors; who asks "
                          "is said by a token: SLIPWAY_TOKEN, or SLIPWAY_TOKEN_FILE"),
                  "usage");
}

Result<std::optional<Remote>> remote_server() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  Remote remote{variable("SLIPWAY_URL"), variable("SLIPWAY_TOKEN")};
  const std::string file = variable("SLIPWAY_TOKEN_FILE");
  if (remote.url.empty() || !variable("SLIPWAY_ATTEMPT").empty()) return std::optional<Remote>();
  TRY(check_server_url(remote.url, "SLIPWAY_URL"));
  if (remote.token.empty() && !file.empty()) {
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

Result<> require_answer(const Owner& owner, const std::filesystem::path& state,
                        std::chrono::milliseconds patience) {
  http::ClientRequest request;
  request.url = owner.url + "/health";
  request.timeout = patience;
  const Result<http::Response> answer = http::fetch(request);
  if (answer.ok() || answer.error().tag != "timeout") return {};
  const std::string pid = std::to_string(owner.pid);
  const std::string who = "`" + owner.what + "` (pid " + pid + "), which owns " + state.string();
  const bool stopped = is_stopped(owner.pid);
  const std::string seconds =
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(patience).count());
  Error error = unavailable(
      who + ", does not answer: asked GET " + request.url + ", waited " + seconds + " s" +
      (stopped ? "; its process is stopped: `kill -CONT " + pid + "` lets it go on"
               : "; wait until it is less busy") +
      ", or end it (`kill " + pid + (stopped ? "`, then `kill -CONT " + pid + "`" : "`") +
      ") and repeat the command");
  return with_tag(std::move(error), "silent");
}

bool has_ended(const Peer& peer, const Error& error) {
  return peer.perhaps && error.code == Code::kUnavailable;
}

Result<std::optional<Peer>> owner_to_ask(const std::filesystem::path& state) {
  StateFolder folder = TRY(StateFolder::open(state));
  const std::optional<Owner> owner = TRY(living_owner(folder));
  if (!owner || !require_answer(*owner, state).ok()) return std::optional<Peer>();
  return std::optional(Peer{owner->url, TRY(folder.secret()), /*perhaps=*/true});
}

Result<std::optional<Peer>> peer_to_ask(const std::filesystem::path& state) {
  if (const std::optional<Remote> remote = TRY(remote_server()))
    return std::optional(Peer{remote->url, remote->token});
  return owner_to_ask(state);
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
      TRY(require_answer(*owner, folder));
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
  if (!secret.empty()) request.headers.add("Authorization", "Bearer " + secret);
  request.body = body;
  request.timeout = timeout;
  return http::fetch(request);
}

std::string message_of(const http::Response& response) {
  Result<wire::Json> json = wire::parse(response.body);
  const wire::Json* error = json.ok() ? json->find("error") : nullptr;
  return error != nullptr && error->is_string() ? error->as_string() : response.body.substr(0, 500);
}

Error error_of(const std::string& url, const http::Response& response) {
  constexpr int kBad = 400, kUnknown = 401, kDenied = 403, kMissing = 404, kConflict = 409;
  const std::string message = message_of(response);
  if (response.status == kBad) return invalid(message);
  if (response.status == kUnknown || response.status == kDenied) return denied(message);
  if (response.status == kMissing) return missing(message);
  if (response.status == kConflict) return conflict(message);
  return unavailable("the server at " + url + " answered with status " +
                     std::to_string(response.status) + ": " + message);
}

namespace {

Result<std::string> text_of(const Peer& peer, const std::string& path,
                            const std::optional<std::string>& body,
                            std::chrono::milliseconds timeout) {
  constexpr int kOk = 200;
  http::ClientRequest request;
  request.method = body ? http::Method::kPost : http::Method::kGet;
  request.url = peer.url + "/api/slipway/v1" + path;
  if (!peer.secret.empty()) request.headers.add("Authorization", "Bearer " + peer.secret);
  if (body) request.headers.add("Content-Type", "application/json");
  request.body = body.value_or("");
  request.timeout = timeout;
  http::Response response = TRY(http::fetch(request));
  if (response.status != kOk) return error_of(peer.url, response);
  return std::move(response.body);
}

}  // namespace

Result<std::optional<std::string>> ask_elsewhere(const std::string& path) {
  const std::optional<Remote> remote = TRY(remote_server());
  if (!remote) return std::optional<std::string>();
  return std::optional(
      TRY(text_of({remote->url, remote->token}, path, std::nullopt, std::chrono::minutes(1))));
}

Result<wire::Json> ask_owner(const std::string& url, const std::string& secret,
                             const std::string& path, const std::optional<std::string>& body,
                             std::chrono::milliseconds timeout) {
  return wire::parse(TRY(text_of({url, secret}, path, body, timeout)));
}

}  // namespace slipway::app
