#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "io/db/db.h"

namespace slipway::app {

/// How a version came to be: by the stage that registered it, and by the run of a pipeline that the
/// stage is part of. What was registered before all of that had ended well is no candidate: a later
/// stage may be its test.
struct Making {
  bool is_over = true;
  std::string waits_for;  // what is not over, in words; "" when all is
  std::string fault;      // what ended badly, in words; "" when nothing did, or nobody knows
};
/// `since_ms`: since when the version waits. Inside a transaction.
Result<Making> making_of(db::Tx& tx, const std::string& model, std::int64_t version,
                         UnixMs since_ms, UnixMs now_ms);

}  // namespace slipway::app
