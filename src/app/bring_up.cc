#include "app/bring_up.h"

#include <chrono>
#include <system_error>
#include <thread>

#include "app/owner.h"
#include "io/http/client.h"
#include "io/http/listener.h"

namespace slipway::app {
namespace {

/// The sockets of a server that does not exist yet.
struct Listeners {
  Fd main, serving;
};

/// "a Slipway (pid 12)", or another program: whatever answers there may be anything.
std::string who_listens(const Address& address) {
  constexpr std::chrono::milliseconds kPatience{5000};
  constexpr std::uint64_t kAnswerBytesMax = 4096;
  const std::string other = "another program";
  http::ClientRequest request;
  request.url = url_of(address, address.port) + "/api/slipway/v1/server";
  request.timeout = kPatience;
  request.response_bytes_max = kAnswerBytesMax;
  Result<http::Response> response = http::fetch(request);
  if (!response.ok() || response->status != 200) return other;
  Result<wire::Json> answer = wire::parse(response->body);
  if (!answer.ok() || !answer->is_object()) return other;
  const wire::Json *name = answer->find("name"), *pid = answer->find("pid");
  bool is_slipway = name != nullptr && name->is_string() && name->as_string() == "slipway";
  if (!is_slipway || pid == nullptr || !pid->is_integer()) return other;
  return "another Slipway (pid " + std::to_string(pid->as_int64()) + ")";
}

Error taken(const Address& address, const char* flag) {
  return with_tag(unavailable("cannot listen at " + address.host + ":" +
                              std::to_string(address.port) + ": taken by " + who_listens(address) +
                              "; stop it, or choose another address, as " + flag +
                              " 127.0.0.1:0 for a free port"),
                  "taken");
}

/// Says of `error`, if it means so, who has the address and what to do.
Error explained(const Error& error, const AppOptions& options) {
  if (error.tag != "taken") return error;
  auto begins = [&](const Address& address) {
    return error.message.starts_with(address.host + ":" + std::to_string(address.port) + " ");
  };
  if (begins(options.listen)) return taken(options.listen, "--listen");
  return options.listen_serving ? taken(*options.listen_serving, "--listen-serving") : error;
}

Result<Listeners> listen(const AppOptions& options) {
  Listeners listeners;
  listeners.main = TRY(http::open_listener(options.listen.host, options.listen.port));
  if (options.listen_serving) {
    const Address& serving = *options.listen_serving;
    listeners.serving = TRY(http::open_listener(serving.host, serving.port));
  }
  return listeners;
}

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// One that has just begun to own the folder says where it answers a moment later.
Result<std::unique_ptr<App>> open(const AppOptions& options) {
  for (int i = 1;; ++i) {
    Result<std::unique_ptr<App>> app = App::open(options);
    if (app.ok() || app.error().tag != "owned" || i == kAnnounceTries) return app;
    if (TRY(announced_owner(TRY(StateFolder::open(options.state))))) return App::open(options);
    std::this_thread::sleep_for(kAnnouncePause);
  }
}

}  // namespace

Result<std::unique_ptr<App>> bring_up(AppOptions options) {
  Listeners listeners;
  // The owner of a folder that is there is asked first: it tells more than a port that is taken.
  if (!is_there(options.state)) {
    Result<Listeners> opened = listen(options);
    Error why = opened.ok() ? Error() : explained(opened.error(), options);
    // Meanwhile another `up` of the same folder may have been faster.
    if (!opened.ok() && !is_there(options.state)) return why;
    if (opened.ok()) listeners = std::move(*opened);
  }
  options.listen.fd = listeners.main.get();
  if (options.listen_serving) options.listen_serving->fd = listeners.serving.get();
  std::unique_ptr<App> app = TRY(open(options));
  static_cast<void>(listeners.main.release());  // the server takes them over
  static_cast<void>(listeners.serving.release());
  Result<> started = app->start();
  if (started.ok()) return app;
  // Another `up` that had the port first may be waiting for this folder before it can answer.
  app.reset();
  Error why = explained(started.error(), options);
  if (!TRY(announced_owner(TRY(StateFolder::open(options.state))))) return why;
  Result<std::unique_ptr<App>> again = App::open(options);
  return again.ok() ? why : again.error();
}

}  // namespace slipway::app
