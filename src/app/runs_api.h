#pragma once

#include <filesystem>
#include <string>

#include "app/loop/trigger_part.h"
#include "base/clock.h"
#include "graph/graph.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/json.h"

// Pipeline runs, what triggers decided, and why anything happened: as JSON, for the API and the
// command line. Functions of a caller's Tx.
namespace slipway::app {

/// {"runs": [...]}, newest first; of one pipeline, or of all for "".
Result<wire::Json> show_runs(db::Tx& tx, const std::string& pipeline, int limit);
/// A run with its attempts. The id may be its beginning.
Result<wire::Json> show_run(db::Tx& tx, const std::string& id);
/// {"events": [...]}, oldest first: those after `after`; or, for after < 0, the newest.
Result<wire::Json> show_events(db::Tx& tx, std::int64_t after, int limit);
/// {"events": [...], "before": N}: the newest of some kinds, oldest first, and where an older page
/// begins; 0 where the log does.
Result<wire::Json> look_back(db::Tx& tx, const graph::LookBack& look);
/// {"run": ..., "events": [...]}: the chain of causes from the first event to the newest of the
/// run.
Result<wire::Json> why_run(db::Tx& tx, const std::string& id);
/// {"triggers": [{"trigger", "pipeline", "on", "cooldown_ms", "at_most", "overlap",
/// "last_fired_ms", "was_skipped", "rests_until_ms"}]}: those that are declared; 0 where one never
/// fired, or does not rest at `now_ms`. A run that was skipped, as nothing was new, starts no rest.
Result<wire::Json> show_triggers(db::Tx& tx, const project::ProjectFile& file, UnixMs now_ms);
/// {"decisions": [...]}: what was decided last, each with its reason.
Result<wire::Json> show_decisions(db::Tx& tx, const std::string& trigger, int limit);

struct RunsWorld {
  db::Pool& pool;
  const Clock& clock;
  TriggerPost& triggers;
  std::filesystem::path state;
  std::function<void()> wake;
  std::filesystem::path project = {};  // whose commits are run
};
/// Under /api/slipway/v1: GET /runs, POST /runs, GET /runs/{id}, GET /runs/{id}/log, POST
/// /runs/{id}/cancel, GET /runs/{id}/why, GET /events (?after= of all; ?before= and
/// ?types=incident.,rollout. to look back; ?subject=KIND:ID of one thing), GET /triggers,
/// GET /triggers/decisions, POST /triggers/look. All must outlive the router.
void mount_runs(http::Router& router, RunsWorld world);

}  // namespace slipway::app
