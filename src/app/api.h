#pragma once

#include <filesystem>
#include <functional>

#include "app/prediction_view.h"
#include "base/metrics.h"
#include "domain/flows/facts.h"
#include "io/db/db.h"
#include "io/http/router.h"

// Our own JSON API under /api/slipway/v1, and /metrics.
namespace slipway::app {

/// GET /metrics in Prometheus' text format.
void mount_metrics(http::Router& router, Metrics& metrics);

/// POST /facts (from a `repro` beside this server), GET
/// /explain?subject=...&direction=causes|effects, with format=text as a tree to read.
/// Predictions are looked for below `state`, after `flush` if need be. GET /server says who answers
/// and whether it acts on the catalogue, as of the last look; `acts` asks nobody.
void mount_api(http::Router& router, db::Pool& pool, const Clock& clock,
               const std::filesystem::path& state, FlushLog flush, std::function<bool()> acts);

/// Whether an answer is to be words for people: ?format=text. kInvalid for another format than this
/// and json.
Result<bool> wants_words(const http::Request& request);

/// Whoever showed who he is has that name; the owner of the state folder, and callers where nobody
/// is asked, have the one they say.
std::string actor_of(const http::Request& request, const std::string& said);

/// The name that a Principal has who showed the state folder's secret.
inline constexpr char kOwnerName[] = "owner";

}  // namespace slipway::app
