#include "app/loop/intake_part.h"

#include <algorithm>

#include "app/loop/alias.h"
#include "app/loop/version_folder.h"
#include "base/failpoint.h"
#include "base/text.h"
#include "domain/delivery/store.h"
#include "domain/registry/rows.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

constexpr int kEventsMax = 500;  // of one look at the log

std::string text_of(const wire::Json& data, std::string_view key) {
  const wire::Json* member = data.find(key);
  return member && member->is_string() ? member->as_string() : std::string();
}

/// "bikes/3"
std::optional<std::pair<std::string, std::int64_t>> version_of(const graph::NodeRef& node) {
  const std::size_t slash = node.id.rfind('/');
  if (node.kind != graph::kind::kModelVersion || slash == std::string::npos) return {};
  const auto number = to_int64(node.id.substr(slash + 1));
  if (!number) return {};
  return std::pair(node.id.substr(0, slash), *number);
}

/// Those of the model that are there when the event is looked at, and that have not been asked for
/// a later version already; with an alias, those that move it.
Result<std::vector<std::string>> deployments_of(db::Tx& tx, const project::ProjectFile& file,
                                                const std::string& model, std::int64_t later_than,
                                                const std::optional<std::string>& alias) {
  std::vector<std::string> names;
  for (const project::DeploymentSpec& spec : file.deployments) {
    if (spec.model != model || (alias && spec.alias != *alias)) continue;
    const auto found = TRY(delivery::find_deployment(tx, spec.name));
    if (!found || found->model != model) continue;
    if (later_than > 0 && TRY(delivery::newest_asked(tx, spec.name)) >= later_than) continue;
    names.push_back(spec.name);
  }
  return names;
}

Result<bool> is_there(db::Tx& tx, const std::string& model, std::int64_t version) {
  auto found = registry::rows::find_version(tx, model, version);
  if (found.ok()) return true;
  if (found.error().code == Code::kMissing) return false;
  return found.error();
}

Result<std::vector<Ask>> asks_of_version(db::Tx& tx, const graph::LoggedEvent& event,
                                         const project::ProjectFile& file, bool is_new,
                                         const std::optional<std::string>& alias = {}) {
  const auto version = version_of(event.event.subject);
  if (!version || !TRY(is_there(tx, version->first, version->second))) return std::vector<Ask>();
  Ask ask{version->first, version->second, {}, event.event.actor};
  if (ask.asked_by.empty()) ask.asked_by = "anonymous";
  ask.deployments = TRY(deployments_of(tx, file, ask.model, is_new ? ask.version : 0, alias));
  if (ask.deployments.empty()) return std::vector<Ask>();
  return std::vector<Ask>{std::move(ask)};
}

/// For deployments that have never had a candidate.
Result<std::vector<Ask>> asks_of_project(db::Tx& tx, const project::ProjectFile& file) {
  std::vector<Ask> asks;
  for (const project::DeploymentSpec& spec : file.deployments) {
    const auto found = TRY(delivery::find_deployment(tx, spec.name));
    if (found && (found->model != spec.model || found->stable != 0)) continue;
    if (found && TRY(delivery::newest_asked(tx, spec.name)) != 0) continue;
    std::optional<std::int64_t> wanted;
    if (!spec.alias.empty()) wanted = TRY(registry::aliased_version(tx, spec.model, spec.alias));
    auto meant = wanted ? Result<std::optional<std::int64_t>>(wanted)
                        : registry::meant_version(tx, spec.model);
    if (!meant.ok() && meant.error().code == Code::kMissing) continue;
    if (!meant.ok()) return meant.error();
    if (*meant) asks.push_back({spec.model, **meant, {spec.name}, "slipway"});
  }
  return asks;
}

/// The file with these deployments alone.
project::ProjectFile only(const project::ProjectFile& file, const std::vector<std::string>& names) {
  project::ProjectFile part;
  part.use_case = file.use_case;
  for (const project::DeploymentSpec& spec : file.deployments) {
    if (std::find(names.begin(), names.end(), spec.name) != names.end())
      part.deployments.push_back(spec);
  }
  return part;
}

}  // namespace

Result<std::vector<Ask>> asks_of(db::Tx& tx, const graph::LoggedEvent& event,
                                 const project::ProjectFile& file) {
  const std::string& type = event.event.type;
  if (type == "project.applied") return asks_of_project(tx, file);
  if (type == "model_version.created") return asks_of_version(tx, event, file, /*is_new=*/true);
  const bool is_wish = event.event.actor != kLoopActor;
  if (type == "alias.set" && is_wish)
    return asks_of_version(tx, event, file, /*is_new=*/false, text_of(event.event.data, "alias"));
  if (type == "model_version.stage_changed" && text_of(event.event.data, "to") == "production")
    return asks_of_version(tx, event, file, /*is_new=*/false);
  return std::vector<Ask>();
}

IntakePart::IntakePart(db::Pool& pool, project::CurrentProject& project,
                       registry::Registry& registry, blob::Blobs& blobs, std::function<void()> wake,
                       std::function<void()> registry_changed)
    : pool_(pool),
      project_(project),
      registry_(registry),
      blobs_(blobs),
      registry_changed_(std::move(registry_changed)),
      errand_(std::move(wake)) {}

Result<IntakePart::Work> IntakePart::next_work(db::Tx& tx) {
  Work work;
  work.cursor = TRY(graph::read_cursor(tx, kReader));
  const auto events = TRY(graph::events_after(tx, work.cursor, kEventsMax));
  const auto applied = TRY(project_.get(tx));
  for (const graph::LoggedEvent& event : events) {
    work.more = true;
    work.cursor = event.seq;
    if (!applied) continue;
    work.asks = TRY(asks_of(tx, event, applied->declared.file));
    const bool is_applied = event.event.type == "project.applied";
    if (work.asks.empty() && !is_applied) continue;
    work.event = event.seq;
    break;
  }
  return work;
}

Result<bool> IntakePart::needs_record(const Ask& ask) {
  if (looked_at_.contains({ask.model, ask.version})) return false;
  return pool_.read([&](db::Tx& tx) -> Result<bool> {
    auto row = registry::rows::find_version(tx, ask.model, ask.version);
    if (!row.ok() && row.error().code == Code::kMissing) return false;
    if (!row.ok()) return row.error();
    return TRY(delivery::version_files(tx, ask.model, ask.version, row->created_ms)).empty();
  });
}

void IntakePart::record(const Ask& ask, UnixMs now) {
  looked_at_.insert({ask.model, ask.version});
  errand_.start([this, ask, now]() -> Result<> {
    TRY(record_version_files(pool_, registry_, blobs_, ask.model, ask.version, now));
    failpoint("intake.files_recorded");
    return {};
  });
}

/// Whether an alias was given back.
Result<bool> IntakePart::ask_for(db::Tx& tx, const Work& work, const project::ProjectFile& file,
                                 UnixMs now) {
  bool alias_moved = false;
  for (const Ask& ask : work.asks) {
    if (!TRY(is_there(tx, ask.model, ask.version))) continue;
    const project::ProjectFile part = only(file, ask.deployments);
    const auto requested = TRY(delivery::request_rollouts(tx, part, ask.model, ask.version,
                                                          ask.asked_by, work.event, now));
    for (const delivery::Requested& one : requested) {
      const project::DeploymentSpec* spec = part.find_deployment(one.deployment);
      if (one.refused_seq == 0 || spec == nullptr) continue;
      alias_moved |= TRY(give_alias_back(tx, one.deployment, ask.model, spec->alias, ask.version,
                                         one.refused_seq, now));
    }
  }
  return alias_moved;
}

Result<> IntakePart::finish(const Work& work, UnixMs now) {
  const bool alias_moved = TRY(pool_.write([&](db::Tx& tx) -> Result<bool> {
    // Another turn has been here.
    if (TRY(graph::read_cursor(tx, kReader)) >= work.cursor) return false;
    bool moved = false;
    const auto applied = work.event != 0 ? TRY(project_.get(tx)) : nullptr;
    if (applied) {
      const project::ProjectFile& file = applied->declared.file;
      TRY(delivery::declare_deployments(tx, file, work.event, now));
      moved = TRY(ask_for(tx, work, file, now));
    }
    TRY(graph::move_cursor(tx, kReader, work.cursor));
    return moved;
  }));
  if (alias_moved && registry_changed_) registry_changed_();
  return {};
}

Result<bool> IntakePart::turn(UnixMs now) {
  if (std::optional<Result<>> outcome = errand_.take(); outcome && !outcome->ok()) {
    looked_at_.clear();
    return outcome->error();
  }
  if (errand_.is_under_way()) return false;
  const Work work = TRY(pool_.read([&](db::Tx& tx) { return next_work(tx); }));
  if (!work.more) return false;
  for (const Ask& ask : work.asks) {
    if (!TRY(needs_record(ask))) continue;
    record(ask, now);
    return true;
  }
  TRY(finish(work, now));
  if (!work.asks.empty()) failpoint("intake.rollout_asked");
  looked_at_.clear();
  return true;
}

}  // namespace slipway::app
