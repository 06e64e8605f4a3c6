#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "domain/checks/plan.h"

// The columns of a plan, dealt out to threads: each column is filled by one thread in the order of
// the rows, so the profile is the same for any number of them.
namespace slipway::checks {

/// One scan reads all columns for all threads. Used by one thread, which only gives.
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

/// Each thread reads its own columns: nothing is handed over. For files with columns apart, whose
/// `fields` are known. `options` is that of all scans together; kUnavailable where they did not
/// find the same number of rows.
Result<Profile> profile_apart(const table::Paths& paths, const Plan& plan,
                              const std::vector<table::Field>& fields,
                              const table::ScanOptions& options);

/// The columns that a plan needs, in the order of `fields`; the first one where it needs none, as a
/// table still has a number of rows.
std::vector<std::string> needed_columns(const Plan& plan,
                                        const std::vector<table::Field>& fields);

}  // namespace slipway::checks
