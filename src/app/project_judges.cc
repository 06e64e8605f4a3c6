#include "app/project_judges.h"

#include <algorithm>
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
  std::vector<std::string> take() { return std::move(faults_); }

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
    if (cron == nullptr || cron->expression.empty()) continue;  // it was no rule at all
    Result<flows::CronRule> rule = flows::CronRule::parse(cron->expression);
    if (!rule.ok()) {
      out.add_at(cron->expression_at, rule.error().message);
    } else if (!rule->can_fire()) {
      out.add_at(cron->expression_at,
                 "cron: '" + cron->expression +
                     "' never fires: none of its months has a day of the month that it asks for; "
                     "expected one, as 28 in February or 30 in April");
    }
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
    const auto text = declared.documents.find(binding.file);
    if (text == declared.documents.end() || !seen.insert(binding.file).second) continue;
    Result<checks::Contract> contract = checks::parse_contract(text->second, binding.file);
    if (!contract.ok()) out.add(contract.error().message);
  }
}

/// The names of the feature views; nothing when one of them can't be read, as it has an unknown
/// one.
std::optional<std::vector<std::string>> judge_views(const Declared& declared, Judgement& out) {
  std::vector<std::string> names;
  bool all = true;
  for (const std::string& path : declared.file.feature_views) {
    const auto text = declared.documents.find(path);
    if (text == declared.documents.end()) {
      all = false;
      continue;
    }
    Result<features::View> view = features::parse_view(text->second, path);
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

/// Deployments only of a file that is right: what one of them lacks was said already.
std::vector<std::string> judge(const Declared& declared, bool is_whole) {
  Judgement judgement;
  judge_triggers(declared, judgement);
  judge_contracts(declared, judgement);
  std::optional<std::vector<std::string>> views = judge_views(declared, judgement);
  if (is_whole) judge_deployments(declared, views, judgement);
  return judgement.take();
}

}  // namespace

Result<> check_declared(const Declared& declared) {
  const std::vector<std::string> faults = judge(declared, true);
  if (faults.empty()) return {};
  return invalid(join(faults, "\n"));
}

std::vector<std::string> judge_draft(const project::Draft& draft) {
  return judge(draft.declared, draft.is_whole);
}

std::vector<std::string> faults_of(const project::Draft& draft,
                                   const project::Workspace& workspace) {
  std::vector<std::string> all = draft.faults;
  for (std::string& fault : judge_draft(draft)) all.push_back(std::move(fault));
  if (all.empty()) return all;
  project::Remarks refused = project::judge(draft.declared.file, workspace);
  if (draft.is_whole)
    for (std::string& line : project::unworkable(draft.declared.file).refusals)
      refused.refusals.push_back(std::move(line));
  all.insert(all.end(), refused.refusals.begin(), refused.refusals.end());
  return project::in_order(project::kProjectFile, std::move(all));
}

namespace {

/// A column whose values are not to be kept, misspelt: they would be.
void look_for_slips(const project::ProjectFile& file, const std::vector<std::string>& columns,
                    project::Remarks& out) {
  for (const project::DeploymentSpec& spec : file.deployments) {
    for (const auto& [column, policy] : spec.log.columns) {
      if (std::find(columns.begin(), columns.end(), column) != columns.end()) continue;
      const std::string near = project::did_you_mean(column, columns);
      if (near.empty()) continue;
      out.warnings.push_back(
          yaml::error_at(project::kProjectFile, spec.at,
                         "log.columns of " + spec.name + " names the column '" + column +
                             "', which no contract has: the values of another are kept" + near)
              .message);
    }
  }
}

/// Columns whose drift the contract judges from more rows on than a monitor asks for.
void compare_rows(const Declared& declared, const project::ContractBinding& binding,
                  const checks::Contract& contract, project::Remarks& remarks) {
  for (const project::DeploymentSpec& deployment : declared.file.deployments) {
    for (const project::MonitorSpec& monitor : deployment.monitors) {
      if (monitor.against.empty() || !monitor.requirement.empty()) continue;
      std::int64_t most = 0;
      std::string column;
      for (const checks::Property& property : contract.properties) {
        for (const checks::Quality& quality : property.quality) {
          const auto* drift = std::get_if<checks::DriftQuality>(&quality.what);
          const bool is_more = drift != nullptr && drift->against == monitor.against &&
                               drift->rows_min > std::max(most, monitor.min_rows);
          if (!is_more) continue;
          most = drift->rows_min;
          column = property.name;
        }
      }
      if (most == 0) continue;
      remarks.warnings.push_back(
          yaml::error_at(project::kProjectFile, monitor.at,
                         "the monitor " + monitor.name + " of " + deployment.name + " asks for " +
                             std::to_string(monitor.min_rows) + " rows, and the drift of '" +
                             column + "' in " + binding.file + " for " + std::to_string(most) +
                             " (its min_rows, 200 unless told): in windows with fewer that is "
                             "undecided; make the two numbers one")
              .message);
    }
  }
}

}  // namespace

project::Remarks remarks_on(const Declared& declared) {
  project::Remarks remarks;
  std::set<std::string> seen;
  std::vector<std::string> columns;  // of all contracts
  for (const project::ContractBinding& binding : declared.file.contracts) {
    const auto text = declared.documents.find(binding.file);
    if (text == declared.documents.end() || !seen.insert(binding.file).second) continue;
    const auto contract = checks::parse_contract(text->second, binding.file);
    if (!contract.ok()) continue;
    for (const checks::Property& property : contract->properties) columns.push_back(property.name);
    compare_rows(declared, binding, *contract, remarks);
    if (checks::can_fail(checks::compile(*contract))) continue;
    remarks.warnings.push_back(
        yaml::error_at(project::kProjectFile, binding.file_at,
                       "nothing in the contract " + binding.file +
                           " can fail: all its checks only warn, whatever the table holds, and the "
                           "gate \"contract\" passes; make the severity of those that matter "
                           "'fail' (slipway.severity: types and presence of columns)")
            .message);
  }
  look_for_slips(declared.file, columns, remarks);
  return remarks;
}

project::Remarks unset_variables(const project::ProjectFile& file, notify::Variable variable,
                                 bool is_server) {
  project::Remarks remarks;
  const std::string where = is_server ? " in the environment of the server that runs: it is to be "
                                        "started again with it, and until then "
                                      : " here: `slipway up` is to be started with it, or ";
  for (const project::Notification& notification : file.notify) {
    for (const std::string* written : {&notification.webhook, &notification.secret}) {
      const auto name = notify::variable_in(*written);
      if (!name || variable(*name)) continue;
      const bool is_secret = written == &notification.secret;
      remarks.warnings.push_back(
          yaml::error_at(project::kProjectFile, notification.at,
                         "the variable " + *name + ", which has the " +
                             (is_secret ? "secret" : "address") +
                             " of this notification, is not set" + where + "nothing is sent")
              .message);
    }
  }
  return remarks;
}

}  // namespace slipway::app
