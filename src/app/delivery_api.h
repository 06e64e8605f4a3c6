#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "app/version_files.h"
#include "domain/project/applied.h"
#include "domain/registry/registry.h"
#include "domain/serving/deployments.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// What is seen of deployments, and done to them by hand. Over HTTP, or on a pool of one's own where
// no server runs: then what was asked is done when the next one does. Any thread; waits for the
// database.
namespace slipway::app {

struct DeliveryWorld {
  db::Pool& pool;
  registry::Registry& registry;
  blob::Blobs& blobs;
  project::CurrentProject& project;
  const Clock& clock;
  std::function<void()> wake = {};              // the loop
  std::function<void()> registry_changed = {};  // an alias was moved
  /// What the server answers with; empty where none runs.
  serving::Deployments* deployments = nullptr;
  LiveFiles* live_files = nullptr;  // looked at seldom; without it at every question
};

/// What deployments keep from being taken out of the registry.
Result<std::vector<registry::Hold>> holds_of_deployments(db::Tx& tx, const std::string& model);

/// Everything that can be asked by hand; what an action does not need stays empty.
struct DeliveryRequest {
  std::string actor, reason;
  std::int64_t version = 0;
  bool force = false;           // deploy, rollback: though it is in quarantine
  std::string deployment = {};  // release: there alone
};
WIRE(DeliveryRequest, actor, reason, version, force, deployment)

struct WaiverRequest {
  std::string gate, name, reason;
  std::int64_t version = 0;     // 0: any
  std::string lasts;            // "7d"; or
  std::int64_t expires_ms = 0;  // until then
};
WIRE(WaiverRequest, gate, name, reason, version, lasts, expires_ms)

/// {"deployments": [...]}: declared ones and those that were; each with its rollout under way, and
/// with what keeps its version from answering (`fault`, "" where nothing does).
Result<wire::Json> list_deployments(const DeliveryWorld& world);
/// One, with what its guards and gates say, the history of its rollouts, waivers and quarantine.
/// kMissing, with the nearest name.
Result<wire::Json> show_deployment(const DeliveryWorld& world, const std::string& name);
/// "deploy", "promote", "rollback", "freeze", "unfreeze", "pause", "resume". The deployment as it
/// is then. kInvalid for another action.
Result<wire::Json> act_on_deployment(const DeliveryWorld& world, const std::string& name,
                                     const std::string& action, const DeliveryRequest& request);
Result<wire::Json> waive_gate(const DeliveryWorld& world, const std::string& model,
                              const WaiverRequest& request);
Result<wire::Json> revoke_gate_waiver(const DeliveryWorld& world, const std::string& id,
                                      const std::string& actor);
/// A person's word that a version may serve, for the gate "approval"; and taken back.
Result<wire::Json> approve_version(const DeliveryWorld& world, const std::string& model,
                                   std::int64_t version, const DeliveryRequest& request);
Result<wire::Json> disapprove_version(const DeliveryWorld& world, const std::string& model,
                                      std::int64_t version, const DeliveryRequest& request);
/// kMissing where no deployment went back from it.
Result<wire::Json> release_version(const DeliveryWorld& world, const std::string& model,
                                   std::int64_t version, const DeliveryRequest& request);

/// Under /api/slipway/v1: GET /deployments, GET /deployments/{name}, POST
/// /deployments/{name}/{action}, GET and POST /models/{model}/waivers, POST /waivers/{id}/revoke,
/// POST /models/{model}/versions/{version}/release, approve, disapprove.
void mount_delivery(http::Router& router, const DeliveryWorld& world);

}  // namespace slipway::app
