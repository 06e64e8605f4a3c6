#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "app/circle.h"
#include "io/db/db.h"

namespace slipway::app {

/// What other servers on the same catalogue do is news to this one: to its loop, and models,
/// versions and aliases to its data plane. Only what happens from its making on; it keeps no
/// cursor, for everything else is read from the catalogue whenever it is asked for.
class FollowPart final : public Part {
 public:
  /// `pool` must outlive it. `registry_changed`: a hint; must not wait.
  static Result<std::unique_ptr<FollowPart>> begin(db::Pool& pool,
                                                   std::function<void()> registry_changed);

  std::string name() const override { return "other servers"; }
  Result<bool> turn(UnixMs now) override;
  Result<bool> stand_by(UnixMs now, const std::string&) override { return turn(now); }

 private:
  FollowPart(db::Pool& pool, std::int64_t seq, std::function<void()> registry_changed)
      : pool_(pool), seq_(seq), registry_changed_(std::move(registry_changed)) {}

  db::Pool& pool_;
  std::int64_t seq_;  // seen up to here
  const std::function<void()> registry_changed_;
};

}  // namespace slipway::app
