#pragma once

#include <string>

#include "domain/evidence/test_score.h"
#include "io/db/db.h"
#include "io/http/router.h"

namespace slipway::app {

/// The ML Test Score of a model, by the requirements of the project that is applied. kMissing for
/// an unknown model.
Result<evidence::TestScore> test_score(db::Tx& tx, const std::string& model);

/// GET /api/slipway/v1/models/{model}/score, with format=text in words. `pool` must outlive the router.
void mount_score(http::Router& router, db::Pool& pool);

}  // namespace slipway::app
