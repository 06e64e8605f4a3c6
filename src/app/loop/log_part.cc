#include "app/loop/log_part.h"

#include "app/app.h"
#include "domain/serving/day_files.h"
#include "domain/serving/predictions.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

using wire::Json;

Result<> tell(db::Pool& pool, const char* type, const std::string& deployment, Json data,
              UnixMs now) {
  TRY(pool.write([&](db::Tx& tx) {
    return graph::append_event(
        tx, {type, {graph::kind::kDeployment, deployment}, "slipway", 0, std::move(data)}, now);
  }));
  return {};
}

}  // namespace

std::string first_kept_day(project::Span retention, UnixMs now) {
  return retention.count() == 0 ? "" : serving::day_of(now - retention.count());
}

Result<bool> LogPart::turn(UnixMs now) {
  const bool told = TRY(tell_losses(now));
  return TRY(expire(now)) || told;
}

Result<bool> LogPart::tell_losses(UnixMs now) {
  bool any = false;
  for (const auto& [deployment, lost] : log_.lost_by_deployment()) {
    Told& told = told_[deployment];
    // A clock that went back must not silence it.
    const bool is_due = told.at_ms == 0 || now >= told.at_ms + kToldEveryMs || now < told.at_ms;
    if (lost == told.lost || !is_due) continue;
    Json data;
    data.set("lost", static_cast<std::int64_t>(lost - told.lost));
    data.set("lost_since_start", static_cast<std::int64_t>(lost));
    TRY(tell(pool_, "prediction_log.lost", deployment, std::move(data), now));
    told = {lost, now};
    any = true;
  }
  return any;
}

Result<bool> LogPart::expire(UnixMs now) {
  const auto applied = TRY(pool_.read([&](db::Tx& tx) { return project_.get(tx); }));
  if (!applied) return false;
  const serving::Predictions predictions(predictions_folder(state_), labels_folder(state_));
  bool any = false;
  for (const project::DeploymentSpec& spec : applied->declared.file.deployments) {
    const std::string day = first_kept_day(spec.log.retention, now);
    std::string& kept_from = kept_from_[spec.name];
    if (day.empty() || day == kept_from) continue;
    const int gone = TRY(predictions.expire(spec.name, day));
    kept_from = day;
    if (gone == 0) continue;
    Json data;
    data.set("days", gone);
    data.set("before", day);
    TRY(tell(pool_, "prediction_log.expired", spec.name, std::move(data), now));
    any = true;
  }
  return any;
}

}  // namespace slipway::app
