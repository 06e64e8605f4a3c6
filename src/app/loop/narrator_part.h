#pragma once

#include <cstdint>
#include <functional>

#include "app/circle.h"
#include "graph/graph.h"
#include "io/db/db.h"

namespace slipway::app {

/// Says in the server's log what becomes of versions: a line for each verdict of a gate and each
/// change of a rollout, whoever made it. Only what happens from its making on; it keeps no cursor,
/// for the events are there to be read.
class NarratorPart final : public Part {
 public:
  using Tell = std::function<void(const graph::LoggedEvent&)>;
  /// `pool` must outlive it.
  static Result<std::unique_ptr<NarratorPart>> begin(db::Pool& pool, Tell tell = log_event);

  std::string name() const override { return "narrator"; }
  Result<bool> turn(UnixMs now) override;
  /// The other server tells it.
  Result<bool> stand_by(UnixMs now, const std::string& why) override;

  /// One line, at level info.
  static void log_event(const graph::LoggedEvent& event);

 private:
  NarratorPart(db::Pool& pool, std::int64_t seq, Tell tell)
      : pool_(pool), seq_(seq), tell_(std::move(tell)) {}

  db::Pool& pool_;
  std::int64_t seq_;  // told up to here
  Tell tell_;
};

}  // namespace slipway::app
