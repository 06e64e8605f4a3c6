#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/features/service.h"
#include "domain/features/training.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// Online features and the facts of training sets: over HTTP by whoever runs beside the owner of the
// state folder, or in this process when there is no owner. Any thread; waits for disk and database.
namespace slipway::app {

/// Where the online features of a state folder lie.
std::filesystem::path features_folder(const std::filesystem::path& state);

struct MaterializeRequest {
  std::string root;   // of the repository, absolute
  std::string view;   // the view's file, relative to it
  std::string until;  // event time up to which rows count; "" for now
};
WIRE(MaterializeRequest, root, view, until)

struct LookupRequest {
  std::string view;                            // NAME
  std::vector<std::string> key;                // values as texts, in the view's order
  std::map<std::string, std::string> request;  // columns that come with the request
  std::string at;                              // "" for now
};
WIRE(LookupRequest, view, key, request, at)

Result<wire::Json> materialize_view(features::Service& service, const Clock& clock,
                                    const MaterializeRequest& request);
/// {"view", "presence", "event_time", "at", "features": {NAME: value}, "faults", "too_late",
/// "newest"}: `newest` is when the row was made that is known from after `at` on, else null.
Result<wire::Json> look_up(features::Service& service, const Clock& clock,
                           const LookupRequest& request);

wire::Json to_json(const features::TrainingFacts& facts);
Result<features::TrainingFacts> training_facts_from(const wire::Json& json);

/// Under /api/slipway/v1/features: GET /views, POST /lookup; and, only for a command that can read
/// the state folder, POST /materialize and POST /training-sets.
void mount_features(http::Router& router, features::Service& service, db::Pool& pool,
                    const Clock& clock);

// ---- for commands

/// Each goes to the owner of the state folder, or is done here when there is none.
Result<wire::Json> materialize_at(const std::filesystem::path& state,
                                  const MaterializeRequest& request);
Result<wire::Json> look_up_at(const std::filesystem::path& state, const LookupRequest& request);
Result<> record_at(const std::filesystem::path& state, const features::TrainingFacts& facts);

}  // namespace slipway::app
