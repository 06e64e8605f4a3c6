#pragma once

#include <filesystem>
#include <mutex>

#include "app/circle.h"
#include "io/blob/damages.h"
#include "io/db/db.h"

namespace slipway::app {

/// Facts that processes left in the state folder because nobody took them when they ended: while
/// the server was being started again, say. Any thread.
class LeftFacts {
 public:
  /// All must outlive it.
  LeftFacts(db::Pool& pool, const Clock& clock, std::filesystem::path state,
            blob::Damages* damages = nullptr);
  /// Takes them into the catalogue: on success nothing waits of processes that were gone before the
  /// call. Whether there were any.
  Result<bool> take();

 private:
  db::Pool& pool_;
  const Clock& clock_;
  const std::filesystem::path state_;
  blob::Damages* const damages_;
  std::mutex mutex_;
};

/// Looks for them.
class FactsPart final : public Part {
 public:
  explicit FactsPart(LeftFacts& left) : left_(left) {}
  std::string name() const override { return "facts"; }
  Result<bool> turn(UnixMs) override { return left_.take(); }
  Result<bool> stand_by(UnixMs now, const std::string&) override { return turn(now); }

 private:
  LeftFacts& left_;
};

}  // namespace slipway::app
