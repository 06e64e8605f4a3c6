#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/circle.h"
#include "domain/flows/trigger_store.h"
#include "domain/project/applied.h"

namespace slipway::app {

/// Tells the triggers of the applied project what happened, as soon as somebody knows. Any thread;
/// waits for the commit.
class TriggerPost {
 public:
  /// All must outlive it. `wake`: Circle::wake(), called when a run was asked for.
  TriggerPost(db::Pool& pool, std::function<void()> wake) : pool_(pool), wake_(std::move(wake)) {}

  /// The applied project; null before the first apply.
  Result<std::shared_ptr<const project::Applied>> project();
  /// In one transaction each; nobody listens before the first apply.
  Result<std::vector<flows::Noticed>> tell(const std::vector<flows::Occasion>& occasions,
                                           UnixMs now);

 private:
  db::Pool& pool_;
  const std::function<void()> wake_;
  project::CurrentProject current_;
};

/// The sources that this server looks at by itself, incidents of the log and ticks of the calendar,
/// and what triggers wait for.
class TriggerPart final : public Part {
 public:
  /// All must outlive it.
  explicit TriggerPart(db::Pool& pool) : pool_(pool) {}

  std::string name() const override { return "triggers"; }
  Result<bool> turn(UnixMs now) override;

  static constexpr char kReader[] = "flows.triggers";

 private:
  Result<bool> read_log(const project::ProjectFile* file, UnixMs now);
  Result<bool> tick(const project::Applied& applied, const project::TriggerSpec& trigger,
                    UnixMs now);
  Result<bool> decide_due(const project::ProjectFile& file, UnixMs now);
  Result<> forget(UnixMs now);

  db::Pool& pool_;
  project::CurrentProject current_;
  std::optional<UnixMs> up_since_ms_;
  std::optional<UnixMs> forgot_ms_;
  std::int64_t seen_ = 0;  // of the log; the durable cursor may lie behind it, never before it
};

}  // namespace slipway::app
