#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/loop/version_folder.h"
#include "domain/delivery/golden.h"
#include "domain/engine/mlmodel.h"
#include "domain/engine/model.h"

namespace slipway::app {

/// A version as gates see it; each part is read when it is first asked for. One thread.
class GateSubject {
 public:
  explicit GateSubject(VersionFolder folder) : folder_(std::move(folder)) {}

  const VersionFolder& folder() const { return folder_; }
  const registry::Version& version() const { return folder_.version(); }
  Result<const engine::MlModel*> mlmodel();
  Result<const engine::Model*> engine();
  /// Null when there are none.
  Result<const delivery::GoldenRows*> golden();

 private:
  VersionFolder folder_;
  std::optional<Result<std::unique_ptr<engine::MlModel>>> mlmodel_;
  std::optional<Result<std::unique_ptr<engine::Model>>> engine_;
  std::optional<Result<std::unique_ptr<delivery::GoldenRows>>> golden_;
};

}  // namespace slipway::app
