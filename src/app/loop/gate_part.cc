#include "app/loop/gate_part.h"

#include <algorithm>

#include "app/loop/gate_maker.h"
#include "base/failpoint.h"
#include "domain/registry/rows.h"

namespace slipway::app {
namespace {

/// Golden rows may follow until the stage ends, and a later stage may be the version's test.
Result<bool> is_being_made(db::Tx& tx, const delivery::Rollout& rollout, UnixMs now) {
  const Making making =
      TRY(making_of(tx, rollout.model, rollout.version, rollout.created_ms, now));
  return !making.is_over;
}

/// Whether the gate that waits for a person need not wait any more.
Result<bool> is_approved(db::Tx& tx, const delivery::Rollout& rollout, UnixMs now) {
  for (const delivery::Waiver& waiver : TRY(delivery::waivers_of(tx, rollout.model, now)))
    if (covers(waiver, delivery::kApproval, rollout.model, rollout.version, now)) return true;
  const auto version = registry::rows::find_version(tx, rollout.model, rollout.version);
  // One that is gone is no matter for a person: what is missing is said by the judges.
  if (!version.ok() && version.error().code == Code::kMissing) return true;
  if (!version.ok()) return version.error();
  const auto given = TRY(
      delivery::approval_of(tx, rollout.model, rollout.version, version->created_ms));
  return given.has_value();
}

}  // namespace

Result<std::optional<GatePart::Work>> GatePart::next_work(db::Tx& tx, UnixMs now) {
  Work work;
  work.project = TRY(project_.get(tx));
  if (!work.project) return std::optional<Work>();
  for (const std::string& id : TRY(delivery::open_rollouts(tx))) {
    auto rollout = TRY(delivery::find_rollout(tx, id));
    if (!rollout || rollout->phase != delivery::Phase::kGating) continue;
    const auto known = TRY(delivery::gate_verdicts(tx, id));
    for (const std::string& gate : rollout->gates) {
      const bool judged = std::any_of(known.begin(), known.end(),
                                      [&](const auto& verdict) { return verdict.gate == gate; });
      if (judged) continue;
      if (gate == delivery::kApproval && !TRY(is_approved(tx, *rollout, now))) continue;
      work.gates.push_back(gate);
    }
    if (work.gates.empty() || TRY(is_being_made(tx, *rollout, now))) {
      work.gates.clear();
      continue;
    }
    work.rollout = std::move(*rollout);
    return std::optional<Work>(std::move(work));
  }
  return std::optional<Work>();
}

Result<> GatePart::judge(const Work& work, UnixMs now) {
  const GateFindings findings =
      TRY(judge_gates(world_, work.rollout, work.project->declared, work.gates));
  failpoint("gates.weighed");
  TRY(world_.pool.write([&](db::Tx& tx) -> Result<> {
    const auto rollout = TRY(delivery::find_rollout(tx, work.rollout.id));
    // A person has ended it meanwhile.
    if (!rollout || rollout->phase != delivery::Phase::kGating) return {};
    for (const auto& fact : findings.facts) TRY(fact(tx, now));
    for (const delivery::GateVerdict& verdict : findings.verdicts)
      TRY(delivery::put_gate_verdict(tx, rollout->id, verdict, now));
    return {};
  }));
  failpoint("gates.judged");
  return {};
}

Result<bool> GatePart::turn(UnixMs now) {
  if (std::optional<Result<>> outcome = errand_.take(); outcome && !outcome->ok())
    return outcome->error();
  if (errand_.is_under_way()) return false;
  std::optional<Work> work = TRY(world_.pool.read([&](db::Tx& tx) { return next_work(tx, now); }));
  if (!work) return false;
  errand_.start([this, now, work = std::move(*work)] { return judge(work, now); });
  return true;
}

}  // namespace slipway::app
