#pragma once

#include <filesystem>
#include <memory>

#include "app/circle.h"
#include "app/loop/errand.h"
#include "base/metrics.h"
#include "domain/flows/run_folders.h"
#include "io/db/db.h"

namespace slipway::app {

/// Removes the folders of runs that ended long ago: their logs, records, and work trees that were
/// kept to be looked at. What a run made lies elsewhere, under its reference and in the catalogue.
/// Looks once a minute. Folders that the catalogue does not know are left alone.
class RunFoldersPart final : public Part {
 public:
  struct Place {
    std::filesystem::path project, state;
  };
  /// All must outlive it. `wake`: Circle::wake().
  RunFoldersPart(db::Pool& pool, Metrics& metrics, Place place, flows::RunFolderPolicy policy,
                 std::function<void()> wake);

  std::string name() const override { return "run folders"; }
  Result<bool> turn(UnixMs now) override;
  /// What lies in this server's own folder is its own matter.
  Result<bool> stand_by(UnixMs now, const std::string&) override { return turn(now); }
  bool is_pending() const override { return removing_.is_under_way(); }

  static constexpr UnixMs kLookEveryMs = 60'000;
  static constexpr std::size_t kFoldersMax = 10'000;  // that are looked at in one turn

 private:
  Result<std::vector<std::string>> due(const std::vector<std::string>& runs, UnixMs now);

  db::Pool& pool_;
  const Place place_;
  const flows::RunFolderPolicy policy_;
  Counter& removed_;
  UnixMs looked_ms_ = 0;
  Errand removing_;
};

}  // namespace slipway::app
