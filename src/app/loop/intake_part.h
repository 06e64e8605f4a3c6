#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/circle.h"
#include "app/loop/errand.h"
#include "domain/project/applied.h"
#include "graph/graph.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"

namespace slipway::registry {
class Registry;
}

namespace slipway::app {

/// A version that an event wants to serve.
struct Ask {
  std::string model;
  std::int64_t version = 0;
  std::vector<std::string> deployments;  // which
  std::string asked_by;
  bool operator==(const Ask&) const = default;
};

/// Who moves the alias when a rollout has ended: nobody's wish.
inline constexpr char kLoopActor[] = "slipway";

/// What an event wants: a version that was registered, given the alias that a model is meant by, or
/// moved to production, wants the deployments of its model; an applied project wants for each new
/// deployment the version that its model's bare name means. Deployments that the event came too
/// early for are left out.
Result<std::vector<Ask>> asks_of(db::Tx& tx, const graph::LoggedEvent& event,
                                 const project::ProjectFile& file);

/// Turns events into requests for rollouts, from a cursor of its own on the log. Before it asks, it
/// records what the files of the version are, so that a gate can tell whether they still are. A
/// version that is refused gives the deployment's alias back to the one that serves.
class IntakePart final : public Part {
 public:
  /// All must outlive it. `registry_changed`: an alias was moved.
  IntakePart(db::Pool& pool, project::CurrentProject& project, registry::Registry& registry,
             blob::Blobs& blobs, std::function<void()> wake,
             std::function<void()> registry_changed = {});

  std::string name() const override { return "intake"; }
  Result<bool> turn(UnixMs now) override;
  bool is_pending() const override { return errand_.is_under_way(); }

  static constexpr char kReader[] = "delivery.intake";

 private:
  struct Work {
    std::int64_t cursor = 0;  // where the log is read up to when this is done
    std::int64_t event = 0;   // that asks; 0: none does
    std::vector<Ask> asks;
    bool more = false;
  };
  Result<Work> next_work(db::Tx& tx);
  Result<bool> needs_record(const Ask& ask);
  void record(const Ask& ask, UnixMs now);
  Result<bool> ask_for(db::Tx& tx, const Work& work, const project::ProjectFile& file, UnixMs now);
  Result<> finish(const Work& work, UnixMs now);

  db::Pool& pool_;
  project::CurrentProject& project_;
  registry::Registry& registry_;
  blob::Blobs& blobs_;
  const std::function<void()> registry_changed_;
  Errand errand_;
  std::set<std::pair<std::string, std::int64_t>> looked_at_;  // for the work under way
};

}  // namespace slipway::app
