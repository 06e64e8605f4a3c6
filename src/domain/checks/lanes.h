#pragma once

#include <memory>
#include <vector>

#include "domain/checks/plan.h"

namespace slipway::checks {

/// The columns of a plan, dealt out to threads: each column is filled by one thread in the order of
/// the rows, so the profile is the same for any number of them. Used by one thread, which only
/// gives.
class Lanes {
 public:
  /// `count` threads, fewer when there are fewer columns; with one column none but the caller's.
  Lanes(const Plan& plan, const std::vector<table::Field>& fields, int count);
  ~Lanes();

  /// Waits while some chunks are waiting.
  void give(std::shared_ptr<const table::Chunk> chunk);
  /// Waits for all that was given. Once.
  Profile finish();

 private:
  class Lane;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Plan plan_;
};

}  // namespace slipway::checks
