#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dialects/mlflow_store/store.h"
#include "io/wire/json.h"

// Sends what scripts logged into a local store to a server, as far as it is new there.
namespace slipway::app {

struct SyncRequest {
  std::string source;           // as of mlflow_store::with_store
  std::filesystem::path here;   // what relative places are relative to
  std::string url, token;       // of the server; no token: nobody is asked there
};

struct SyncReport {
  std::string source, server;
  std::int64_t made = 0, went_on = 0, same = 0;  // runs
  std::int64_t experiments = 0, points = 0, files = 0, bytes = 0, logged_models = 0, versions = 0;
  std::int64_t deleted = 0;  // runs and logged models that are deleted there: not sent
  /// What is not on the server as it is in the store.
  std::vector<mlflow_store::Trouble> troubles;
  std::int64_t troubles_more = 0;
  std::vector<mlflow_store::LeftBehind> left;
  std::vector<std::string> notes;
  std::chrono::milliseconds took{0};

  static constexpr std::size_t kTroublesMax = 10'000;
  bool is_whole() const { return troubles.empty(); }
};
wire::Json to_json(const SyncReport& report);
std::string to_text(const SyncReport& report);

struct SyncProgress {
  const SyncReport& so_far;
  std::int64_t runs = 0, runs_in_all = 0;
};

/// Waits, perhaps for hours. An error is one that ends it, as a server that can't be reached: asked
/// again, it goes on. The store is never locked while the server is waited for: a script may go on
/// writing into it.
Result<SyncReport> sync_store(const SyncRequest& request,
                              const std::function<void(const SyncProgress&)>& show);

}  // namespace slipway::app
