#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "dialects/mlflow/webhooks.h"
#include "domain/registry/logged_models.h"
#include "domain/registry/registry.h"
#include "domain/tracking/tracking.h"
#include "io/blob/blobs.h"
#include "io/db/db_testing.h"
#include "io/http/router.h"
#include "io/wire/json.h"

// For tests: the routes of MLflow's API on a database of their own, called without a server.
namespace slipway::mlflow {

struct Answered {
  int status = 0;
  http::Headers headers;
  std::string body;  // whole, also when it was streamed
  /// Null when the body is no JSON.
  wire::Json json;

  /// The member at "model_version.tags.0.key"; null when there is none.
  wire::Json at(const std::string& path) const;
};

/// Fixture: tracking, the registry, logged models and artifacts (in memory) with all their routes.
class ApiOnEachEngine : public db::OnEachEngine {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// `target` is a path with or without a query; below /api/2.0/mlflow/ unless it starts with '/'.
  /// Waits for answers that come later.
  Answered call(http::Method method, const std::string& target, const std::string& body = "",
                const http::Headers& headers = {});
  Answered get(const std::string& target) { return call(http::Method::kGet, target); }
  Answered post(const std::string& target, const std::string& body) {
    return call(http::Method::kPost, target, body);
  }
  /// The same with a body that comes piece by piece.
  Answered stream(http::Method method, const std::string& target,
                  std::shared_ptr<http::BodyReader> body);

  /// Of the default experiment.
  tracking::RunInfo new_run();

  FakeClock clock_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<blob::Blobs> blobs_ = blob::open_memory();
  std::unique_ptr<tracking::Tracking> tracking_;
  std::unique_ptr<registry::Registry> registry_;
  std::unique_ptr<registry::LoggedModels> logged_models_;
  std::unique_ptr<http::Router> router_;
  /// Of webhooks that are tested; they may go anywhere.
  PostWebhook post_webhook_;

 private:
  Answered answer(http::Request request);
};

}  // namespace slipway::mlflow
