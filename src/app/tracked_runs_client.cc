#include "app/tracked_runs_client.h"

#include "app/app.h"
#include "app/catalogue.h"
#include "app/owner.h"
#include "io/http/client.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr std::chrono::minutes kPatience{30};
constexpr char kRoot[] = "/tracked-runs";

template <class Here>
auto open_here(const RunsPlace& place, bool changes, const Here& here)
    -> std::invoke_result_t<Here, const TrackedWorld&> {
  Metrics metrics;
  SystemClock clock;
  db::PoolOptions options;
  options.read_only = !changes;
  std::unique_ptr<db::Pool> pool =
      TRY(db::Pool::open(TRY(catalogue_of(place.state, place.store)),
                         all_migrations(), metrics, options));
  tracking::TrackingOptions looking;
  looking.makes_default = changes;
  std::unique_ptr<tracking::Tracking> tracking =
      TRY(tracking::Tracking::open(*pool, clock, std::move(looking)));
  auto done = here(TrackedWorld{*tracking, *pool});
  pool.reset();  // finishes what was queued
  return done;
}

Result<> pass_on(http::BodyReader& text, const std::function<Result<>(std::string_view)>& take) {
  std::vector<char> buffer(1u << 16);
  while (const std::size_t bytes = TRY(text.read(buffer))) TRY(take({buffer.data(), bytes}));
  return {};
}

}  // namespace

Result<Json> tracked_runs_at(const RunsPlace& place, const std::string& path,
                             const std::string& body, bool changes,
                             const std::function<Result<Json>(const TrackedWorld&)>& here) {
  const auto there = [&](const std::string& url, const std::string& secret) {
    return ask_owner(url, secret, kRoot + path, body, kPatience);
  };
  TRY(require_state(place.state));
  if (changes) {
    return at_owner(
        place.state, [&] { return open_here(place, true, here); }, there);
  }
  if (const std::optional<Peer> peer = TRY(peer_to_ask(place.state))) {
    Result<Json> answer = there(peer->url, peer->secret);
    if (answer.ok() || !has_ended(*peer, answer.error())) return answer;
  }
  return open_here(place, false, here);
}

Result<> export_at(
    const RunsPlace& place, const std::string& body,
    const std::function<Result<std::shared_ptr<http::BodyReader>>(const TrackedWorld&)>& here,
    const std::function<Result<>(std::string_view)>& take) {
  TRY(require_state(place.state));
  const std::optional<Peer> peer = TRY(peer_to_ask(place.state));
  const auto from_catalogue = [&] {
    return open_here(place, false, [&](const TrackedWorld& world) -> Result<> {
      return pass_on(*TRY(here(world)), take);
    });
  };
  if (!peer) return from_catalogue();
  http::ClientRequest request;
  request.method = http::Method::kPost;
  request.url = peer->url + "/api/slipway/v1" + kRoot + "/export";
  if (!peer->secret.empty()) request.headers.add("Authorization", "Bearer " + peer->secret);
  request.headers.add("Content-Type", "application/json");
  request.body = body;
  request.timeout = kPatience;
  const std::unique_ptr<http::Client> client = http::make_client();
  Result<std::unique_ptr<http::Incoming>> opened = client->open(request);
  if (!opened.ok() && has_ended(*peer, opened.error())) return from_catalogue();
  const std::unique_ptr<http::Incoming> answer = TRY(std::move(opened));
  constexpr int kOk = 200;
  if (answer->head().status == kOk) return pass_on(*answer, take);
  http::Response refused;
  refused.status = answer->head().status;
  constexpr std::size_t kShown = 1u << 16;
  TRY(pass_on(*answer, [&](std::string_view more) -> Result<> {
    if (refused.body.size() < kShown) refused.body += more;
    return {};
  }));
  return error_of(peer->url, refused);
}

}  // namespace slipway::app
