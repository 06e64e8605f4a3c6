#pragma once

#include <string>
#include <vector>

#include "domain/registry/types.h"
#include "io/db/db.h"

// Models, versions and logged models that were kept elsewhere, taken over with their names, numbers
// and times. In a write transaction of the caller. Nothing that is here is changed. None of the
// events makes anything happen: these versions are old.
namespace slipway::registry {

struct AdoptedVersion {
  Version version;
  bool deleted = false;  // only its number is taken
};
/// With its aliases, which name versions among these. False: the name is taken.
Result<bool> adopt_model(db::Tx& tx, const std::string& actor, const Model& model,
                         const std::vector<AdoptedVersion>& versions, UnixMs now_ms);
/// False: the id is taken.
Result<bool> adopt_logged_model(db::Tx& tx, const std::string& actor, const LoggedModel& model,
                                UnixMs now_ms);
/// One that is there goes on: its status becomes that of `more`, whose tags, params and metrics are
/// added; tags with the keys `gone` go.
Result<> follow_logged_model(db::Tx& tx, const std::string& actor, const LoggedModel& more,
                             const std::vector<std::string>& gone, UnixMs now_ms);
/// Their files are elsewhere from now on.
Result<> move_version_files(db::Tx& tx, const std::string& model, std::int64_t number,
                            const std::string& location);
Result<> move_logged_model_files(db::Tx& tx, const std::string& id, const std::string& location);

}  // namespace slipway::registry
