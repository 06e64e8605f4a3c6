#pragma once

#include <filesystem>
#include <functional>

#include "app/circle.h"
#include "app/loop/errand.h"
#include "domain/monitor/monitors.h"
#include "domain/serving/prediction_log.h"
#include "io/db/db.h"

namespace slipway::app {

struct MonitorWorld {
  db::Pool& pool;
  serving::PredictionLog& log;
  std::filesystem::path state;  // predictions and labels lie below it
  std::function<void()> wake;   // Circle::wake()
  blob::Damages* damages = nullptr;
};

/// What is live in a deployment, by what its rollouts say.
Result<std::optional<monitor::Live>> live_in(db::Tx& tx, const std::string& deployment);

/// Judges the windows that are due, one after the other, on a thread of its own: a window may hold
/// much. In between it looks for news of remedies, which costs two look-ups in the catalogue.
class MonitorPart final : public Part {
 public:
  /// All that `world` refers to must outlive it.
  explicit MonitorPart(const MonitorWorld& world);

  std::string name() const override { return "monitors"; }
  Result<bool> turn(UnixMs now) override;
  bool is_pending() const override { return errand_.is_under_way(); }

 private:
  UnixMs now_ = 0;  // of the turn that began what is under way
  monitor::Monitors monitors_;
  Errand errand_;
};

}  // namespace slipway::app
