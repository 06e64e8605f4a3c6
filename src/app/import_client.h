#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "app/app.h"
#include "dialects/mlflow_store/import.h"

namespace slipway::app {

struct ImportRequest {
  std::string source;
  AppOptions target;  // state, store, artifacts
  mlflow_store::ImportOptions options;
};

/// Brings a store of MLflow's into the state that `target` names, as its owner. kConflict, tag
/// "owned", while a server runs there: it must be stopped meanwhile. Waits, perhaps for hours.
Result<mlflow_store::Report> import_mlflow(
    const ImportRequest& request, const std::function<void(const mlflow_store::Progress&)>& show);

}  // namespace slipway::app
