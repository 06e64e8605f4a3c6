#include <algorithm>
#include <tuple>

#include "domain/delivery/store.h"

namespace slipway::delivery {
namespace {

struct NeededRow {
  std::int64_t version = 0;
  std::string deployment;
};
WIRE(NeededRow, version, deployment)

// A version answers from its canary steps on; in the shadow it only listens.
constexpr char kServed[] =
    "select distinct r.version, r.deployment from rollouts r join rollout_transitions t "
    "on t.rollout = r.id where r.model = ? and t.to_phase in ('canarying', 'promoting', 'live')";
constexpr char kTried[] =
    "select version, deployment from rollouts where model = ? and slot in ('active', 'waiting')";

}  // namespace

Result<std::vector<Needed>> needed_versions(db::Tx& tx, const std::string& model) {
  std::vector<Needed> needed;
  for (const Deployment& d : TRY(deployments(tx))) {
    if (d.model != model) continue;
    if (d.stable != 0) needed.push_back({d.stable, d.name, Need::kServes});
    if (d.previous != 0) needed.push_back({d.previous, d.name, Need::kGoesBackTo});
  }
  for (NeededRow& row : TRY(tx.all<NeededRow>(kTried, model)))
    needed.push_back({row.version, std::move(row.deployment), Need::kTries});
  for (NeededRow& row : TRY(tx.all<NeededRow>(kServed, model))) {
    const bool known = std::any_of(needed.begin(), needed.end(), [&](const Needed& n) {
      return n.version == row.version && n.deployment == row.deployment;
    });
    if (!known) needed.push_back({row.version, std::move(row.deployment), Need::kServed});
  }
  std::sort(needed.begin(), needed.end(), [](const Needed& a, const Needed& b) {
    return std::tie(a.how, a.version, a.deployment) < std::tie(b.how, b.version, b.deployment);
  });
  return needed;
}

std::string to_words(const Needed& needed) {
  const std::string deployment = "deployment " + needed.deployment;
  switch (needed.how) {
    case Need::kServes:
      return deployment + " serves it";
    case Need::kTries:
      return "a rollout of " + deployment + " tries it (`slipway rollback " + needed.deployment +
             "` ends that)";
    case Need::kGoesBackTo:
      return deployment + " would go back to it";
    case Need::kServed:
      return "it has answered for " + deployment + ", and what has answered is kept";
  }
  return deployment;
}

}  // namespace slipway::delivery
