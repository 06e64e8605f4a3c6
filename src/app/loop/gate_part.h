#pragma once

#include <functional>
#include <string>

#include "app/circle.h"
#include "app/loop/errand.h"
#include "app/loop/gate_judges.h"
#include "domain/project/applied.h"

namespace slipway::app {

/// Judges the gates of rollouts that are at them, one rollout at a time, on a thread of its own. A
/// version that was registered by a stage which has not ended yet waits for its end, and for that of
/// the run of a pipeline that the stage is part of.
class GatePart final : public Part {
 public:
  /// All that `world` refers to must outlive it.
  GatePart(GateWorld world, project::CurrentProject& project, std::function<void()> wake)
      : world_(std::move(world)), project_(project), errand_(std::move(wake)) {}

  std::string name() const override { return "gates"; }
  Result<bool> turn(UnixMs now) override;
  bool is_pending() const override { return errand_.is_under_way(); }

 private:
  struct Work {
    delivery::Rollout rollout;
    std::vector<std::string> gates;  // without a verdict
    std::shared_ptr<const project::Applied> project;
  };
  Result<std::optional<Work>> next_work(db::Tx& tx, UnixMs now);
  Result<> judge(const Work& work, UnixMs now);

  const GateWorld world_;
  project::CurrentProject& project_;
  Errand errand_;
};

}  // namespace slipway::app
