#include "app/project_judges.h"

#include <set>

#include "base/text.h"
#include "base/timezone.h"
#include "domain/checks/suite.h"
#include "domain/delivery/plan.h"
#include "domain/features/view.h"
#include "domain/flows/cron.h"
#include "domain/flows/trigger.h"
#include "domain/project/reader.h"

namespace slipway::app {
namespace {

using project::Declared;

/// What is wrong, and the place before it unless the message has one already.
class Judgement {
 public:
  void add(const std::string& message) { faults_.push_back(message); }
  void add_at(yaml::Position at, const std::string& message) {
    bool placed = message.starts_with(project::kProjectFile);
    add(placed ? message : yaml::error_at(project::kProjectFile, at, message).message);
  }
  Result<> result() const {
    if (faults_.empty()) return {};
    return invalid(join(faults_, "\n"));
  }

 private:
  std::vector<std::string> faults_;
};

void judge_inputs(const project::TriggerSpec& trigger, Judgement& out) {
  for (const project::ParamMapping& mapping : trigger.params) {
    for (const std::string& fault : flows::unknown_templates(trigger.source, mapping.value))
      out.add_at(mapping.at, fault);
  }
}

void judge_triggers(const Declared& declared, Judgement& out) {
  for (const project::TriggerSpec& trigger : declared.file.triggers) {
    judge_inputs(trigger, out);
    const auto* cron = std::get_if<project::CronSource>(&trigger.source);
    if (cron == nullptr) continue;
    Result<flows::CronRule> rule = flows::CronRule::parse(cron->expression);
    if (!rule.ok()) out.add_at(cron->expression_at, rule.error().message);
    Result<TimeZone> zone = TimeZone::find(cron->tz);
    // Without the system's list of zones nothing can be said here; the trigger says it when it
    // runs.
    bool unknown = !zone.ok() && zone.error().code != Code::kUnavailable;
    if (unknown) out.add_at(cron->tz_at, zone.error().message);
  }
}

void judge_contracts(const Declared& declared, Judgement& out) {
  std::set<std::string> seen;
  for (const project::ContractBinding& binding : declared.file.contracts) {
    if (!seen.insert(binding.file).second) continue;
    Result<checks::Contract> contract =
        checks::parse_contract(declared.documents.at(binding.file), binding.file);
    if (!contract.ok()) out.add(contract.error().message);
  }
}

/// The names of the feature views; nothing when one of them can't be read, as it has an unknown
/// one.
std::optional<std::vector<std::string>> judge_views(const Declared& declared, Judgement& out) {
  std::vector<std::string> names;
  bool all = true;
  for (const std::string& path : declared.file.feature_views) {
    Result<features::View> view = features::parse_view(declared.documents.at(path), path);
    if (view.ok())
      names.push_back(view->name);
    else
      out.add(view.error().message);
    all = all && view.ok();
  }
  if (!all) return {};
  return names;
}

void judge_deployments(const Declared& declared,
                       const std::optional<std::vector<std::string>>& views, Judgement& out) {
  for (const project::DeploymentSpec& deployment : declared.file.deployments) {
    Result<delivery::RolloutPlan> plan =
        delivery::make_plan(deployment, declared.file.use_case.requirements);
    if (!plan.ok()) out.add_at(deployment.at, plan.error().message);
    const std::string& view = deployment.features;
    if (view.empty() || !views) continue;
    if (std::find(views->begin(), views->end(), view) != views->end()) continue;
    out.add_at(deployment.features_at, "found the feature view " + project::in_quotes(view) +
                                           ", expected " + project::one_of(*views) +
                                           project::did_you_mean(view, *views));
  }
}

}  // namespace

Result<> check_declared(const Declared& declared) {
  Judgement judgement;
  judge_triggers(declared, judgement);
  judge_contracts(declared, judgement);
  std::optional<std::vector<std::string>> views = judge_views(declared, judgement);
  judge_deployments(declared, views, judgement);
  return judgement.result();
}

project::Remarks remarks_on(const Declared& declared) {
  project::Remarks remarks;
  std::set<std::string> seen;
  for (const project::ContractBinding& binding : declared.file.contracts) {
    const auto text = declared.documents.find(binding.file);
    if (text == declared.documents.end() || !seen.insert(binding.file).second) continue;
    const auto contract = checks::parse_contract(text->second, binding.file);
    if (!contract.ok() || checks::can_fail(checks::compile(*contract))) continue;
    remarks.warnings.push_back(
        yaml::error_at(project::kProjectFile, binding.file_at,
                       "nothing in the contract " + binding.file +
                           " can fail: all its checks only warn, whatever the table holds, and the "
                           "gate \"contract\" passes; make the severity of those that matter "
                           "'fail' (slipway.severity: types and presence of columns)")
            .message);
  }
  return remarks;
}

}  // namespace slipway::app
