#pragma once

#include <cstdint>
#include <string>

#include "domain/project/applied.h"
#include "io/db/db.h"

// The alias that a deployment gives the version it serves: moved by the server itself, which is
// nobody's wish and asks for nothing. In the caller's transaction; who keeps what the registry says
// is told after it, when something was moved.
namespace slipway::app {

/// What the deployment gives its stable version; "" where it is declared no more, for then nobody
/// says so.
std::string alias_of(const project::Applied* project, const std::string& deployment);

/// True: it was moved. False when it means that version already, or when that was deleted by
/// somebody, for then there is nothing to name.
Result<bool> put_alias(db::Tx& tx, const std::string& model, const std::string& alias,
                       std::int64_t version, std::int64_t cause_seq, UnixMs now);

/// A version that came to nothing gives the alias back to the one that serves: nothing when it does
/// not have it (or, without one, is not what the model's bare name means), when the deployment
/// serves none, or one of another model. So does one that has it and whose rollout another one took
/// the place of. True: it was moved.
Result<bool> give_alias_back(db::Tx& tx, const std::string& deployment, const std::string& model,
                             const std::string& alias, std::int64_t version,
                             std::int64_t cause_seq, UnixMs now);

}  // namespace slipway::app
