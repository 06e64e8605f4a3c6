#include "app/loop/run_folders_part.h"

#include "base/log.h"
#include "domain/flows/runs_store.h"

namespace slipway::app {
namespace {

/// One that cannot be removed now does not keep the others.
Result<> remove_all(const RunFoldersPart::Place& place, const flows::RunFolders& folders,
                    Counter& removed) {
  Result<> first;
  for (const std::string& run : folders.runs) {
    const Result<bool> gone = flows::remove_run_folder(place.state, run, place.project);
    if (gone.ok() && *gone) removed.add();
    if (!gone.ok() && first.ok()) first = with_context("run " + run, gone.error());
  }
  for (const std::string& going : folders.going) {
    const Result<> gone = flows::finish_removal(place.state, going);
    if (gone.ok()) removed.add();
    if (!gone.ok() && first.ok()) first = gone.error();
  }
  return first;
}

}  // namespace

RunFoldersPart::RunFoldersPart(db::Pool& pool, Metrics& metrics, Place place,
                               flows::RunFolderPolicy policy, std::function<void()> wake)
    : pool_(pool),
      place_(std::move(place)),
      policy_(policy),
      removed_(metrics.counter("slipway_run_folders_removed_total",
                               "Folders of pipeline runs that were removed when they were old")),
      removing_(std::move(wake)) {}

Result<bool> RunFoldersPart::turn(UnixMs now) {
  if (const std::optional<Result<>> ended = removing_.take(); ended && !ended->ok()) {
    log_warning("the folder of a run stays", {{"why", ended->error().message}});
  }
  // A clock that went back must not keep it from looking.
  const bool is_due = looked_ms_ == 0 || now >= looked_ms_ + kLookEveryMs || now < looked_ms_;
  if (!is_due || removing_.is_under_way()) return false;
  looked_ms_ = now;
  flows::RunFolders folders = TRY(flows::list_run_folders(place_.state, kFoldersMax));
  folders.runs = TRY(due(folders.runs, now));
  if (folders.runs.empty() && folders.going.empty()) return false;
  removing_.start([place = place_, folders = std::move(folders), &removed = removed_] {
    return remove_all(place, folders, removed);
  });
  return true;
}

Result<std::vector<std::string>> RunFoldersPart::due(const std::vector<std::string>& runs,
                                                     UnixMs now) {
  if (runs.size() <= static_cast<std::size_t>(std::max(policy_.newest, 0)))
    return std::vector<std::string>();
  std::vector<flows::RunFolderFacts> known;
  TRY(pool_.read([&](db::Tx& tx) -> Result<> {
    for (const std::string& id : runs) {
      const auto run = TRY(flows::find_run(tx, id));
      if (run) known.push_back({run->id, run->state, run->ended_ms});
    }
    return {};
  }));
  return flows::folders_to_remove(std::move(known), policy_, now);
}

}  // namespace slipway::app
