#include "app/delivery_client.h"

#include "app/app.h"
#include "app/catalogue.h"
#include "app/owner.h"

namespace slipway::app {
namespace {

using wire::Json;
using Here = std::function<Result<Json>(const DeliveryWorld&)>;

/// On a catalogue that is there; makes and changes nothing.
Result<Json> look_here(const ProjectPlace& place, const Here& here) {
  Metrics metrics;
  SystemClock clock;
  db::PoolOptions options;
  options.read_only = true;
  std::unique_ptr<db::Pool> pool =
      TRY(db::Pool::open(TRY(catalogue_of(place.state, place.store)), all_migrations(), metrics,
                         options));
  std::unique_ptr<blob::Blobs> blobs = blob::open_memory();  // who looks needs none
  project::CurrentProject project;
  registry::Registry registry(*pool, clock);
  return here({*pool, registry, *blobs, project, clock});
}

Result<Json> do_here(const ProjectPlace& place, const Here& here) {
  Metrics metrics;
  SystemClock clock;
  std::unique_ptr<blob::Blobs> blobs = TRY(blob::open_folder(place.state / "artifacts"));
  project::CurrentProject project;
  std::unique_ptr<db::Pool> pool =
      TRY(db::Pool::open(TRY(catalogue_of(place.state, place.store)), all_migrations(), metrics));
  registry::Registry registry(*pool, clock);
  Result<Json> done = here({*pool, registry, *blobs, project, clock});
  pool.reset();
  return done;
}

/// Without an owner, and beside one that is stopped, the catalogue answers.
Result<Json> look(const ProjectPlace& place, const std::string& path, const Here& here) {
  if (const std::optional<Peer> peer = TRY(peer_to_ask(place.state))) {
    Result<Json> answer = ask_owner(peer->url, peer->secret, path, std::nullopt);
    if (answer.ok() || !has_ended(*peer, answer.error())) return answer;
  }
  return look_here(place, here);
}

}  // namespace

Result<Json> delivery_at(const ProjectPlace& place, const std::string& path,
                         const std::optional<std::string>& body, const Here& here) {
  TRY(require_state(place.state));
  if (!body) return look(place, path, here);
  return at_owner(
      place.state, [&] { return do_here(place, here); },
      [&](const std::string& url, const std::string& secret) {
        return ask_owner(url, secret, path, body);
      });
}

}  // namespace slipway::app
