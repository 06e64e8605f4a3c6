#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/db/db.h"

// Logged models that go for good. Functions of a caller's Tx.
namespace slipway::registry {

struct RemovableModel {
  std::string id, experiment_id, location;
  bool deleted = false;
};
/// Deleted ones, deleted then or before.
Result<std::vector<RemovableModel>> deleted_logged_models(db::Tx& tx, UnixMs until_ms);
/// All of an experiment, deleted or not.
Result<std::vector<RemovableModel>> logged_models_of(db::Tx& tx, const std::string& experiment_id);

Result<std::optional<RemovableModel>> logged_model(db::Tx& tx, const std::string& id);
/// At most about `rows` rows of it, which `rows` is less afterwards; its node in the graph and an
/// event with the last one. Whether all is gone now.
Result<bool> remove_some_of_logged_model(db::Tx& tx, const std::string& id, std::int64_t& rows,
                                         const std::string& actor, UnixMs now_ms);

/// Whether a version that is registered may go all the same: its tag `kReleaseTag` is its name.
/// Nothing for a version that is not there (any more).
Result<std::optional<bool>> is_released(db::Tx& tx, const std::string& model, std::int64_t number);

}  // namespace slipway::registry
