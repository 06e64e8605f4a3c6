#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/circle.h"
#include "base/clock.h"
#include "domain/registry/registry.h"
#include "domain/tracking/trash.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// Deleted runs, experiments and logged models that go for good, with their files, as `mlflow gc`
// says which; by the server, which knows where the files are.
namespace slipway::app {

struct EmptyRequest {
  // Left out: however long they are deleted, all of them. Empty ones are refused: a selector that
  // came out empty is no wish to empty the trash.
  std::optional<std::string> older_than;  // "30d"
  std::optional<std::vector<std::string>> run_ids, experiment_ids;
  std::vector<std::string> force;  // runs that go though a version was made of them: by their ids
  bool dry_run = false;
  std::string actor;  // of the owner of the state folder; others are who they are
};
WIRE(EmptyRequest, older_than, run_ids, experiment_ids, force, dry_run, actor)

struct TrashWorld {
  db::Pool& pool;
  blob::Blobs& blobs;
  const Clock& clock;
  registry::Holds holds;  // what deployments need
  /// Whether what lies at a key may go: kConflict, tag "held", with the reason.
  std::function<Result<>(db::Tx& tx, const std::string& key)> may_remove = {};
};

/// Any thread that may wait.
class Trash {
 public:
  explicit Trash(TrashWorld world) : world_(std::move(world)) {}

  /// Writes down what is to go: {"dry_run", "runs", "models", "experiments", "kept": [{"run_id",
  /// "why"}]}; what was restored meanwhile is kept too, as "run_id", "model_id" or "experiment_id".
  /// kConflict, tag "held", for a run that is named in `run_ids`, has a version and is not forced;
  /// without names such runs are kept, and experiments with them.
  Result<wire::Json> ask(const EmptyRequest& request, const std::string& actor);
  /// Removes what was asked for, for about so long. How much is left.
  Result<std::int64_t> work(std::chrono::milliseconds time);

 private:
  struct Plan;
  Result<Plan> plan(db::Tx& tx, const EmptyRequest& request, UnixMs now_ms) const;
  Result<std::string> why_kept(db::Tx& tx, const std::string& run_id) const;
  Result<std::string> why_files_stay(db::Tx& tx, const tracking::Removal& removal) const;
  Result<> write_down(Plan& plan, const std::string& actor);
  Result<> remove(std::span<const tracking::Removal> due);
  Result<> remove_each(std::span<const tracking::Removal> due);

  const TrashWorld world_;
  std::mutex mutex_;  // one works at a time
};

/// Goes on with removals that a server left when it was killed; asks for those that have been in the
/// trash for longer than `kept`, "30d", as ask() does without names. "": for none.
class TrashPart final : public Part {
 public:
  TrashPart(Trash& trash, db::Pool& pool, std::string kept)
      : trash_(trash), pool_(pool), kept_(std::move(kept)) {}
  std::string name() const override { return "trash"; }
  Result<bool> turn(UnixMs now) override;

  static constexpr std::chrono::minutes kLookEvery{10};

 private:
  Result<> ask_for_old(UnixMs now);

  Trash& trash_;
  db::Pool& pool_;
  const std::string kept_;
  std::optional<UnixMs> looked_;
};

/// POST /tracked-runs/gc and /tracked-runs/gc/work under /api/slipway/v1.
void mount_trash(http::Router& router, Trash& trash);

}  // namespace slipway::app
