#include "app/loop/gate_judges.h"

#include <algorithm>

#include "app/loop/gate_contract.h"
#include "app/loop/gate_golden.h"
#include "app/loop/gate_maker.h"
#include "app/loop/gate_subject.h"
#include "domain/registry/logged_models.h"

namespace slipway::app {
namespace {

using delivery::GateStatus;
using delivery::GateVerdict;
using wire::Json;

constexpr int kTimedRows = 2000;

bool may_pass(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kBusy;
}

GateVerdict no_data(const char* gate, std::string words) {
  return {gate, GateStatus::kNoData, std::move(words), Json(Json::Object{})};
}

/// All gates of one rollout, from the candidate and the version that it replaces.
class Judge {
 public:
  Judge(const GateWorld& world, const delivery::Rollout& rollout, const project::Declared& declared,
        GateSubject* candidate, GateSubject* live, GateFindings& findings)
      : world_(world),
        rollout_(rollout),
        declared_(declared),
        candidate_(*candidate),
        live_(live),
        findings_(findings) {}

  Result<GateVerdict> judge(const std::string& gate) {
    if (gate == delivery::kIntegrity) return integrity();
    if (gate == delivery::kSignature) return signature();
    if (gate == delivery::kContract) return contract();
    if (gate == delivery::kParity) return parity();
    if (gate == delivery::kQuality) return quality();
    if (gate == delivery::kPerformance) return performance();
    if (gate == delivery::kApproval) return approval();
    return invalid("this program knows no gate \"" + gate + "\"");
  }

 private:
  Result<GateVerdict> integrity();
  Result<GateVerdict> signature();
  Result<GateVerdict> contract();
  Result<GateVerdict> parity();
  Result<GateVerdict> quality();
  Result<GateVerdict> quality_of(const project::Requirement& requirement);
  Result<GateVerdict> quality_by_rows(const project::Requirement& requirement,
                                      const delivery::GoldenRows& rows, delivery::Metric metric);
  Result<GateVerdict> quality_by_run(const project::Requirement& requirement);
  Result<GateVerdict> performance();
  Result<GateVerdict> approval();
  Result<GateVerdict> without_golden(const char* gate);

  const GateWorld& world_;
  const delivery::Rollout& rollout_;
  const project::Declared& declared_;
  GateSubject& candidate_;
  GateSubject* live_;  // null: nothing is served, or its files can't be found
  GateFindings& findings_;
};

Result<GateVerdict> Judge::integrity() {
  const registry::Version& version = candidate_.version();
  const auto recorded = TRY(world_.pool.read([&](db::Tx& tx) {
    return delivery::version_files(tx, version.model, version.number, version.created_ms);
  }));
  std::map<std::string, delivery::FileDigest> files;
  for (const delivery::RecordedFile& file : recorded)
    files[file.path] = {file.path, file.sha256, ""};
  for (const delivery::RecordedFile& file : TRY(candidate_.folder().digests())) {
    delivery::FileDigest& known = files[file.path];
    known.path = file.path;
    known.found = file.sha256;
    // Golden rows may come after the version was registered; from here on they stay.
    if (recorded.empty() || !known.recorded.empty() || file.path != delivery::kGoldenFile) continue;
    known.recorded = file.sha256;
    findings_.facts.push_back([version, file](db::Tx& tx, UnixMs now_ms) {
      return delivery::put_version_files(tx, version.model, version.number, version.created_ms,
                                         {file}, now_ms);
    });
  }
  std::vector<delivery::FileDigest> list;
  for (auto& [path, file] : files) list.push_back(std::move(file));
  GateVerdict verdict = delivery::judge_integrity(list);
  if (!recorded.empty()) verdict.evidence.set("recorded_ms", recorded.front().recorded_ms);
  return verdict;
}

Result<GateVerdict> Judge::signature() {
  const engine::MlModel* candidate = TRY(candidate_.mlmodel());
  if (rollout_.replaces == 0) return delivery::judge_signature(*candidate, nullptr);
  const Result<const engine::MlModel*> live =
      live_ != nullptr ? live_->mlmodel() : Result<const engine::MlModel*>(missing("its files"));
  if (live.ok()) return delivery::judge_signature(*candidate, *live);
  if (may_pass(live.error())) return live.error();
  // Nobody will be answered by it again: what takes its place must not wait for its files.
  GateVerdict verdict = delivery::judge_signature(*candidate, nullptr);
  if (verdict.status == GateStatus::kPass)
    verdict.words = "version " + std::to_string(rollout_.replaces) +
                    ", which it replaces, can't be read any more: nothing to compare with";
  return verdict;
}

Result<GateVerdict> Judge::contract() {
  return delivery::judge_contract(TRY(find_contracts(
      world_, rollout_, candidate_.version().created_ms, declared_, findings_.facts)));
}

Result<GateVerdict> Judge::approval() {
  const registry::Version& version = candidate_.version();
  const auto given = TRY(world_.pool.read([&](db::Tx& tx) {
    return delivery::approval_of(tx, version.model, version.number, version.created_ms);
  }));
  return delivery::judge_approval(given ? &*given : nullptr);
}

Result<GateVerdict> Judge::parity() {
  const delivery::GoldenRows* golden = TRY(candidate_.golden());
  if (golden == nullptr) return without_golden(delivery::kParity);
  Result<const engine::Model*> model = candidate_.engine();
  if (!model.ok() && may_pass(model.error())) return model.error();
  if (!model.ok()) {
    delivery::Replay refused;
    refused.fault = "the serving engine can't load it: " + model.error().message;
    return delivery::judge_parity(*golden, refused);
  }
  return delivery::judge_parity(*golden, delivery::replay(**model, *golden));
}

Result<GateVerdict> Judge::quality() {
  std::optional<GateVerdict> worst;
  Json::Array evidence;
  std::string words;
  for (const project::Requirement& requirement : declared_.file.use_case.requirements) {
    if (requirement.on != "holdout") continue;
    GateVerdict verdict = TRY(quality_of(requirement));
    verdict.evidence.set("requirement", requirement.id);
    evidence.push_back(verdict.evidence);
    if (!words.empty()) words += "; ";
    words += requirement.id + ": " + verdict.words;
    const bool passes = verdict.status == GateStatus::kPass;
    const bool is_worse =
        worst && worst->status == GateStatus::kNoData && verdict.status == GateStatus::kFail;
    if (!worst || (worst->status == GateStatus::kPass && !passes) || is_worse)
      worst = std::move(verdict);
  }
  if (!worst) return no_data(delivery::kQuality, "no requirement is about the hold-out");
  // Of the gate's own name nobody needs to be told twice.
  const std::string alone = std::string(delivery::kQuality) + ": ";
  if (evidence.size() == 1 && words.starts_with(alone)) words.erase(0, alone.size());
  worst->words = std::move(words);
  worst->evidence = Json(Json::Object{{"requirements", std::move(evidence)}});
  return std::move(*worst);
}

Result<GateVerdict> Judge::quality_of(const project::Requirement& requirement) {
  const auto metric = delivery::metric_from(requirement.metric);
  const delivery::GoldenRows* golden = metric ? TRY(candidate_.golden()) : nullptr;
  if (golden != nullptr && !golden->targets.empty())
    return quality_by_rows(requirement, delivery::held_out(*golden), *metric);
  return quality_by_run(requirement);
}

Result<GateVerdict> Judge::quality_by_rows(const project::Requirement& requirement,
                                           const delivery::GoldenRows& rows,
                                           delivery::Metric metric) {
  delivery::QualityInput input;
  input.requirement = requirement;
  input.targets = rows.targets;
  input.different = delivery::different_rows(rows, delivery::Alike::kInCellsAndTarget);
  input.has_live = rollout_.replaces != 0;
  input.candidate_losses = TRY(delivery::losses(*TRY(candidate_.engine()), rows, metric));
  if (live_ != nullptr) {
    Result<const engine::Model*> live = live_->engine();
    if (!live.ok() && may_pass(live.error())) return live.error();
    // A live version that can't score these rows is no measure; the gate says what is missing.
    auto compared = live.ok() ? delivery::losses(**live, rows, metric)
                              : Result<std::vector<double>>(live.error());
    if (compared.ok()) input.live_losses = std::move(*compared);
  }
  return delivery::judge_quality(input);
}

/// The run that made it, which is its model's where it has one, whatever the version was said to be
/// of. Nothing when there is none, or it is gone.
Result<std::optional<tracking::Run>> run_of(const GateWorld& world,
                                            const registry::Version& version) {
  std::string run_id = version.run_id;
  if (!version.logged_model_id.empty()) {
    const auto model = TRY(world.pool.read([&](db::Tx& tx) {
      return registry::find_logged_model(tx, version.logged_model_id);
    }));
    if (model && !model->run_id.empty()) run_id = model->run_id;
  }
  if (run_id.empty()) return std::optional<tracking::Run>();
  Result<tracking::Run> run = world.tracking.run(run_id);
  if (run.ok()) return std::optional<tracking::Run>(std::move(*run));
  if (run.error().code == Code::kMissing) return std::optional<tracking::Run>();
  return run.error();
}

std::optional<double> metric_of(const std::optional<tracking::Run>& run,
                                const project::Requirement& requirement) {
  if (!run) return {};
  for (const std::string& key : {requirement.metric, requirement.id}) {
    for (const tracking::Metric& metric : run->metrics)
      if (metric.key == key) return metric.value;
  }
  return {};
}

/// Whether both have told of using the same data.
bool share_data(const std::optional<tracking::Run>& a, const std::optional<tracking::Run>& b) {
  if (!a || !b) return false;
  return std::any_of(a->datasets.begin(), a->datasets.end(), [&](const auto& one) {
    return std::any_of(b->datasets.begin(), b->datasets.end(), [&](const auto& other) {
      return one.dataset.name == other.dataset.name && one.dataset.digest == other.dataset.digest;
    });
  });
}

Result<GateVerdict> Judge::quality_by_run(const project::Requirement& requirement) {
  const auto run = TRY(run_of(world_, candidate_.version()));
  const auto found = metric_of(run, requirement);
  if (!found)
    return no_data(
        delivery::kQuality,
        "there are no golden rows with targets, and its run has no metric " + requirement.metric +
            ": log that metric, or name a table with targets for the stage's golden rows "
            "(meta.slipway.golden in dvc.yaml)");
  std::optional<double> live;
  if (live_ != nullptr) {
    const auto live_run = TRY(run_of(world_, live_->version()));
    if (share_data(run, live_run)) live = metric_of(live_run, requirement);
  }
  return delivery::judge_quality_by_metric(requirement, *found, live, rollout_.replaces != 0);
}

Result<GateVerdict> Judge::performance() {
  const delivery::GoldenRows* golden = TRY(candidate_.golden());
  if (golden == nullptr) return without_golden(delivery::kPerformance);
  if (std::string few = delivery::too_few_golden(*golden); !few.empty())
    return no_data(delivery::kPerformance, std::move(few));
  const engine::Model* model = TRY(candidate_.engine());
  const std::vector<project::Requirement>& all = declared_.file.use_case.requirements;
  const auto latency = std::find_if(all.begin(), all.end(), [](const project::Requirement& r) {
    return r.metric == "latency_ms" && r.at_most;
  });
  auto now_ns = [this] { return static_cast<std::int64_t>(world_.clock.monotonic().count()); };
  return delivery::judge_performance(delivery::time_rows(*model, *golden, kTimedRows, now_ns),
                                     latency == all.end() ? nullptr : &*latency);
}

Result<GateVerdict> Judge::without_golden(const char* gate) {
  const Result<const engine::Model*> model = candidate_.engine();
  // A waiver would not help: it is rolled back as soon as it is to be loaded.
  if (!model.ok() && model.error().tag == "not_servable") {
    return GateVerdict{gate, GateStatus::kFail,
                       "no deployment can answer with it: " + model.error().message +
                           " (models of XGBoost are served)",
                       Json(Json::Object{})};
  }
  return no_data(gate, TRY(world_.pool.read([&](db::Tx& tx) {
                   return no_golden_words(tx, candidate_.version());
                 })));
}

/// Null when it has no files here.
Result<std::unique_ptr<GateSubject>> open_subject(const GateWorld& world, const std::string& model,
                                                  std::int64_t version, std::string& fault) {
  auto folder = VersionFolder::open(world.registry, world.blobs, model, version);
  if (folder.ok()) return std::make_unique<GateSubject>(std::move(*folder));
  if (may_pass(folder.error())) return folder.error();
  fault = folder.error().message;
  return std::unique_ptr<GateSubject>();
}

/// What ended badly where the version was made; "" when nothing did.
Result<std::string> made_badly(const GateWorld& world, const delivery::Rollout& rollout) {
  return world.pool.read([&](db::Tx& tx) -> Result<std::string> {
    return TRY(making_of(tx, rollout.model, rollout.version, rollout.created_ms, 0)).fault;
  });
}

/// What a version is made of is not what it was to be; where nobody asks for that, the first gate
/// says it.
std::string gate_of_making(const std::vector<std::string>& gates) {
  const bool has_it = std::find(gates.begin(), gates.end(), delivery::kIntegrity) != gates.end();
  return has_it ? delivery::kIntegrity : gates.empty() ? "" : gates.front();
}

}  // namespace

Result<GateFindings> judge_gates(const GateWorld& world, const delivery::Rollout& rollout,
                                 const project::Declared& declared,
                                 const std::vector<std::string>& gates) {
  GateFindings findings;
  const std::string unmade = TRY(made_badly(world, rollout));
  const std::string said_by = gate_of_making(rollout.gates);
  std::string fault, live_fault;
  const auto candidate = TRY(open_subject(world, rollout.model, rollout.version, fault));
  std::unique_ptr<GateSubject> live;
  if (candidate && rollout.replaces != 0)
    live = TRY(open_subject(world, rollout.model, rollout.replaces, live_fault));
  for (const std::string& gate : gates) {
    if (!unmade.empty() && gate == said_by) {
      findings.verdicts.push_back({gate, GateStatus::kFail, unmade, Json(Json::Object{})});
      continue;
    }
    Result<GateVerdict> verdict =
        candidate
            ? Judge(world, rollout, declared, candidate.get(), live.get(), findings).judge(gate)
            : Result<GateVerdict>(invalid(fault));
    if (!verdict.ok() && may_pass(verdict.error())) return verdict.error();
    if (!verdict.ok())
      verdict =
          GateVerdict{gate, GateStatus::kError, verdict.error().message, Json(Json::Object{})};
    findings.verdicts.push_back(std::move(*verdict));
  }
  return findings;
}

}  // namespace slipway::app
