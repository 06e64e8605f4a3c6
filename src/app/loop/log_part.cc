#include "app/loop/log_part.h"

#include <algorithm>

#include "app/app.h"
#include "base/failpoint.h"
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
    failpoint("log.loss_told");
    told = {lost, now};
    any = true;
  }
  return any;
}

/// How far the expiry of a deployment's days has been told: the first midnight that stays.
std::string expiry_cursor(const std::string& deployment) {
  return "prediction_log.expired/" + deployment;
}

/// The event is the intent: it is durable before anything is removed, so whoever is stopped between
/// removes what was told to go, and says nothing more.
Result<> LogPart::tell_expiry(const std::string& deployment, int days, UnixMs first_kept_ms,
                              UnixMs now) {
  Json data;
  data.set("days", days);
  data.set("before", serving::day_of(first_kept_ms));
  return pool_.write([&](db::Tx& tx) -> Result<> {
    TRY(graph::append_event(tx,
                            {"prediction_log.expired",
                             {graph::kind::kDeployment, deployment},
                             "slipway",
                             0,
                             std::move(data)},
                            now));
    return graph::move_cursor(tx, expiry_cursor(deployment), first_kept_ms);
  });
}

Result<bool> LogPart::expire(UnixMs now) {
  const auto applied = TRY(pool_.read([&](db::Tx& tx) { return project_.get(tx); }));
  if (!applied) return false;
  bool any = false;
  for (const project::DeploymentSpec& spec : applied->declared.file.deployments) {
    const std::string day = first_kept_day(spec.log.retention, now);
    Expiry& expiry = expiries_[spec.name];
    if (day.empty() || day == expiry.kept_from) continue;
    any |= TRY(expire_days(spec.name, now - spec.log.retention.count(), expiry, now));
    expiry.kept_from = day;
  }
  return any;
}

/// Days that were told to go when the process ended are gone already as far as anybody knows.
Result<bool> LogPart::expire_days(const std::string& deployment, UnixMs first_kept_ms,
                                  Expiry& expiry, UnixMs now) {
  const std::string day = serving::day_of(first_kept_ms);
  if (!expiry.told) {
    const UnixMs told = TRY(
        pool_.read([&](db::Tx& tx) { return graph::read_cursor(tx, expiry_cursor(deployment)); }));
    expiry.told = told == 0 ? "" : serving::day_of(told);
  }
  const auto days = serving::days_in(predictions_folder(state_) / serving::folder_of(deployment));
  const auto gone =
      static_cast<int>(std::count_if(days.begin(), days.end(), [&](const std::string& one) {
        return one < day && one >= *expiry.told;
      }));
  if (gone > 0) {
    TRY(tell_expiry(deployment, gone, first_kept_ms, now));
    expiry.told = day;
    failpoint("log.expiry_told");
  }
  const serving::Predictions predictions(predictions_folder(state_), labels_folder(state_));
  TRY(predictions.expire(deployment, day));
  expiry.told = "";  // nothing is left of it: what comes to such a day from now on is another one
  return gone > 0;
}

}  // namespace slipway::app
