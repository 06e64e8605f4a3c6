#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "app/circle.h"
#include "domain/project/applied.h"
#include "domain/serving/prediction_log.h"
#include "io/db/db.h"

namespace slipway::app {

/// What becomes of the prediction log: says in the event log what was lost of it, and removes days
/// that a deployment's retention is over for. Losing goes on counting meanwhile: one event a minute
/// and deployment is enough.
class LogPart final : public Part {
 public:
  /// Both logs lie below `state`. All must outlive it.
  LogPart(db::Pool& pool, project::CurrentProject& project, serving::PredictionLog& log,
          std::filesystem::path state)
      : pool_(pool), project_(project), log_(log), state_(std::move(state)) {}

  std::string name() const override { return "prediction log"; }
  Result<bool> turn(UnixMs now) override;
  /// What lies in this server's own folder is its own matter.
  Result<bool> stand_by(UnixMs now, const std::string&) override { return turn(now); }

  static constexpr UnixMs kToldEveryMs = 60'000;

 private:
  struct Told {
    std::uint64_t lost = 0;
    UnixMs at_ms = 0;
  };
  Result<bool> tell_losses(UnixMs now);
  struct Expiry {
    std::string kept_from;  // the first day that stays, as far as this process has removed any
    /// Days before it were told to go, and may still be there; nothing: not looked up yet.
    std::optional<std::string> told;
  };
  Result<bool> expire(UnixMs now);
  Result<bool> expire_days(const std::string& deployment, UnixMs first_kept_ms, Expiry& expiry,
                           UnixMs now);
  Result<> tell_expiry(const std::string& deployment, int days, UnixMs first_kept_ms, UnixMs now);

  db::Pool& pool_;
  project::CurrentProject& project_;
  serving::PredictionLog& log_;
  const std::filesystem::path state_;
  std::map<std::string, Told> told_;
  std::map<std::string, Expiry> expiries_;  // by deployment
};

/// The first day that a retention leaves; "" when everything stays. Pure.
std::string first_kept_day(project::Span retention, UnixMs now);

}  // namespace slipway::app
