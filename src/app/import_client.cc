#include "app/import_client.h"

#include "app/catalogue.h"
#include "app/place.h"
#include "base/ids.h"
#include "dialects/mlflow/tracking.h"
#include "domain/artifacts/home.h"
#include "domain/artifacts/recorded_blobs.h"
#include "domain/tracking/tracking.h"
#include "io/db/claim.h"

namespace slipway::app {

Result<mlflow_store::Report> import_mlflow(
    const ImportRequest& request, const std::function<void(const mlflow_store::Progress&)>& show) {
  const StateFolder state = TRY(StateFolder::open(request.target.state));
  TRY(state.sync_entry());
  const std::optional<Ownership> ownership = TRY(Ownership::try_take(state));
  if (!ownership) return owned_elsewhere(state);
  const std::string store = TRY(catalogue_of(state.path(), request.target.store));
  const auto claim = TRY(db::claim(store, {"slipway import", random_hex32()}));
  TRY(claim->check());  // nobody serves it meanwhile
  SystemClock clock;
  Metrics metrics;
  const auto pool = TRY(db::Pool::open(store, all_migrations(), metrics));
  TRY(keep_catalogue(state.path(), store));
  // The experiment 0, as a server makes it.
  TRY(tracking::Tracking::open(*pool, clock, {.artifact_root = mlflow::kArtifactRoot}));
  std::unique_ptr<blob::Blobs> blobs;
  if (request.options.copy_files) {
    std::unique_ptr<blob::Blobs> place = TRY(open_artifacts(request.target, clock));
    // Servers of this catalogue look for files where theirs are, and nowhere else.
    const artifacts::Home home{place->identity(), artifacts_place(request.target),
                               "slipway import"};
    TRY(pool->write([&](db::Tx& tx) {
      return artifacts::settle_home(tx, home, /*others=*/true, clock.now_ms());
    }));
    blobs = artifacts::open_recorded(std::move(place), *pool, clock);
  }
  std::optional<mlflow_store::Report> report;
  TRY(mlflow_store::with_store(
      request.source, request.options.here, [&](mlflow_store::Store& from) -> Result<> {
        report =
            TRY(mlflow_store::import_store(from, *pool, blobs.get(), clock, request.options, show));
        return {};
      }));
  return std::move(*report);
}

}  // namespace slipway::app
