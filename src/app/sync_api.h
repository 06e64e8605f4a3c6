#pragma once

#include "app/sync_words.h"
#include "base/clock.h"
#include "domain/access/rule.h"
#include "domain/tracking/tracking.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"
#include "io/http/router.h"

// Takes what was logged without a network: runs and logged models with the ids that they have
// there, as far as they got, again and again (domain/imports/follow.h).
namespace slipway::app {

/// Any thread; all must outlive the router.
struct SyncWorld {
  db::Pool& pool;
  blob::Blobs& blobs;
  const Clock& clock;
};
/// POST /sync/runs, points, logged-models, files under /api/slipway/v1.
void mount_sync(http::Router& router, SyncWorld world);

// What each of them asks of its caller.
Result<access::Things> sync_run_things(const http::Request& request, access::Level level);
Result<access::Things> sync_points_things(const http::Request& request, access::Level level);
Result<access::Things> sync_model_things(const http::Request& request, access::Level level);
Result<access::Things> sync_files_things(const http::Request& request, access::Level level);

}  // namespace slipway::app
