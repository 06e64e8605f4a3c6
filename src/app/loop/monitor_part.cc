#include "app/loop/monitor_part.h"

#include "app/app.h"
#include "app/loop/training_data.h"
#include "domain/delivery/store.h"
#include "graph/kinds.h"

namespace slipway::app {

Result<std::optional<monitor::Live>> live_in(db::Tx& tx, const std::string& deployment) {
  const auto found = TRY(delivery::find_deployment(tx, deployment));
  if (!found || found->stable == 0) return std::optional<monitor::Live>();
  monitor::Live live{found->model, std::to_string(found->stable), 0};
  const auto node =
      TRY(graph::find_node(tx, {graph::kind::kModelVersion, live.model + "/" + live.version}));
  if (node) {
    const wire::Json* created = node->attributes.find("created_ms");
    live.created_ms =
        created != nullptr && created->is_integer() ? created->as_int64() : node->created_ms;
  }
  return std::optional<monitor::Live>(std::move(live));
}

MonitorPart::MonitorPart(const MonitorWorld& world)
    : monitors_(
          world.pool, predictions_folder(world.state), labels_folder(world.state),
          {[&log = world.log] { return log.flush(); }, live_in,
           [this, training = TrainingWorld{world.pool, world.state}](
               const project::Declared& declared, const std::string&, const std::string& model,
               const std::string& version, const std::vector<std::string>& columns) {
             return training_data(training, declared, model, version, columns, now_);
           },
           world.damages, [&log = world.log] { return log.late(); }}),
      errand_(world.wake) {}

Result<bool> MonitorPart::turn(UnixMs now) {
  if (errand_.is_under_way()) {
    const std::optional<Result<>> outcome = errand_.take();
    if (!outcome) return false;
    TRY(*outcome);
    return true;
  }
  const bool heard = TRY(monitors_.look(now));
  if (!monitors_.is_due(now)) return heard;
  now_ = now;
  errand_.start([this, now]() -> Result<> {
    TRY(monitors_.judge(now));
    return {};
  });
  return true;
}

}  // namespace slipway::app
