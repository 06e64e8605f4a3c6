#include "app/health_api.h"

namespace slipway::app {
namespace {

http::Response readiness(const Result<>& health) {
  return health.ok() ? http::Response::text("OK")
                     : http::Response::text(health.error().message, 503);
}

}  // namespace

void mount_health(http::Router& router, db::Pool& pool) {
  router.group("", http::render_plain_error)
      .add({http::Method::kGet, "/ready", http::kPublic, http::Place::kInline},
           [&pool](http::Request&) -> Result<http::Response> { return readiness(pool.health()); });
}

}  // namespace slipway::app
