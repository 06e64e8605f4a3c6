#include "app/project_api.h"

#include <algorithm>
#include <cstdlib>

#include "app/api.h"
#include "app/project_judges.h"
#include "base/failpoint.h"
#include "base/text.h"
#include "domain/delivery/plan.h"
#include "domain/delivery/store.h"
#include "domain/project/applied.h"
#include "domain/registry/registry.h"
#include "domain/registry/rows.h"
#include "domain/tracking/store.h"

namespace slipway::app {
namespace {

using wire::Json;

// The file and its documents, with room for the escapes of JSON.
constexpr std::uint64_t kBodyBytesMax = 40u << 20;
constexpr int kHistoryMax = 1000;

Result<project::Declared> declared_of(const ProjectRequest& request) {
  constexpr std::size_t kWordMax = 256;
  if (request.commit.size() > kWordMax || request.actor.size() > kWordMax) {
    return invalid("commit and actor are at most 256 bytes long");
  }
  project::Declared declared = TRY(project::declare(request.text, request.documents));
  TRY(check_declared(declared));
  declared.commit = request.commit;
  declared.dirty = request.dirty;
  return declared;
}

/// What holds; what this program cannot read counts as nothing, and is replaced.
Result<std::optional<project::Applied>> readable(db::Tx& tx) {
  Result<std::optional<project::Applied>> applied = project::current(tx);
  if (!applied.ok() && applied.error().tag == "unreadable") {
    return std::optional<project::Applied>();
  }
  return applied;
}

bool deploys(const project::ProjectFile& file, const std::string& model) {
  return std::any_of(file.deployments.begin(), file.deployments.end(),
                     [&](const project::DeploymentSpec& spec) { return spec.model == model; });
}

/// Which versions answer by being registered, of models that get their first deployment.
Result<> look_at_registry(db::Tx& tx, const project::ProjectFile* applied,
                          const project::ProjectFile& next, project::Facts& facts) {
  for (const project::DeploymentSpec& spec : next.deployments) {
    if (applied != nullptr && deploys(*applied, spec.model)) continue;
    const auto version = registry::meant_version(tx, spec.model);
    if (!version.ok() && version.error().code != Code::kMissing) return version.error();
    if (version.ok()) facts.deployments[spec.name].registry_version = *version;
  }
  return {};
}

/// What is known of one model: nothing of what is not registered.
Result<std::optional<project::ModelFacts>> model_facts(db::Tx& tx, const std::string& name) {
  const auto row = registry::rows::find_model(tx, name);
  if (!row.ok() && row.error().code == Code::kMissing) return std::optional<project::ModelFacts>();
  if (!row.ok()) return row.error();
  const registry::Model model = TRY(registry::rows::load_model(tx, row->id));
  project::ModelFacts facts;
  std::string run_id;
  for (const registry::Version& version : model.latest) {
    if (version.number < facts.newest) continue;
    facts.newest = version.number;
    run_id = version.run_id;
  }
  if (run_id.empty()) return std::optional(facts);
  const Result<tracking::Run> run = tracking::read_run(tx, run_id);
  if (!run.ok() && run.error().code != Code::kMissing) return run.error();
  if (!run.ok()) return std::optional(facts);
  facts.metrics.emplace();
  for (const tracking::Metric& metric : run->metrics) facts.metrics->push_back(metric.key);
  return std::optional(facts);
}

/// The models that are deployed, and names of others for who misspelt one.
Result<project::ModelsKnown> models_known(db::Tx& tx, const project::ProjectFile& next) {
  constexpr int kNamesMax = 1000;
  project::ModelsKnown models;
  for (std::string& name : TRY(registry::rows::model_names(tx, kNamesMax))) models[std::move(name)];
  for (const project::DeploymentSpec& spec : next.deployments) {
    models.erase(spec.model);
    if (auto facts = TRY(model_facts(tx, spec.model))) models[spec.model] = std::move(*facts);
  }
  return models;
}

/// What the deployments of these serve now.
Result<> add_served(db::Tx& tx, const project::ProjectFile& file, project::ServedKnown& served) {
  for (const project::DeploymentSpec& spec : file.deployments) {
    const auto [known, is_new] = served.try_emplace(spec.name);
    if (!is_new) continue;
    project::Served& one = known->second;
    const auto deployment = TRY(delivery::find_deployment(tx, spec.name));
    const auto rollout = TRY(delivery::active_rollout(tx, spec.name));
    if (deployment) one.stable = deployment->stable;
    if (deployment) one.model = deployment->model;
    if (rollout) one.candidate = rollout->version;
    const auto meant = registry::meant_version(tx, spec.model);
    if (!meant.ok() && meant.error().code != Code::kMissing) return meant.error();
    if (meant.ok()) one.registry_version = *meant;
  }
  return {};
}

std::optional<std::string> variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

project::Plan plan_of(const project::Declared* applied, const project::Declared& declared,
                      const project::Facts& facts) {
  project::Plan plan = project::plan(applied, declared, facts, delivery::answers_for);
  for (const project::Remarks& remarks :
       {remarks_on(declared), unset_variables(declared.file, variable, facts.is_server)})
    plan.warnings.insert(plan.warnings.end(), remarks.warnings.begin(), remarks.warnings.end());
  return plan;
}

Result<project::Plan> plan_in(db::Tx& tx, const project::Declared& declared, project::Facts facts) {
  std::optional<project::Applied> applied = TRY(readable(tx));
  TRY(look_at_registry(tx, applied ? &applied->declared.file : nullptr, declared.file, facts));
  facts.models = TRY(models_known(tx, declared.file));
  if (applied) TRY(add_served(tx, applied->declared.file, facts.served));
  TRY(add_served(tx, declared.file, facts.served));
  return plan_of(applied ? &applied->declared : nullptr, declared, facts);
}

/// The file with the deployments that it takes away, so that these are measured too.
Result<project::ProjectFile> with_departing(db::Pool& pool, project::ProjectFile file) {
  const std::optional<project::Applied> applied = TRY(pool.read(readable));
  if (!applied) return file;
  for (const project::DeploymentSpec& spec : applied->declared.file.deployments)
    if (file.find_deployment(spec.name) == nullptr) file.deployments.push_back(spec);
  return file;
}

Json with_text(const project::Plan& plan) {
  Json json = project::to_json(plan);
  json.set("text", project::to_text(plan));
  return json;
}

Json json_of(const project::Applied& applied) {
  const project::Declared& declared = applied.declared;
  Json json;
  json.set("project", declared.file.name);
  json.set("number", applied.number);
  json.set("digest", applied.digest);
  json.set("commit", declared.commit);
  json.set("dirty", declared.dirty);
  json.set("actor", applied.actor);
  json.set("applied_ms", applied.time_ms);
  json.set("text", declared.text);
  Json::Object documents;
  for (const auto& [path, text] : declared.documents) documents.emplace_back(path, text);
  json.set("documents", std::move(documents));
  Json::Array objects;
  for (const project::Object& object : project::objects(declared)) {
    Json one;
    one.set("kind", object.kind);
    one.set("name", object.name);
    one.set("value", object.value);
    objects.push_back(std::move(one));
  }
  json.set("objects", std::move(objects));
  json.set("bindings", project::to_json(project::bindings(declared.file)));
  return json;
}

Result<http::Response> take_project(const http::Request& request, db::Pool& pool,
                                    const Clock& clock, const ProjectFacts& facts) {
  if (request.principal.name != kOwnerName) {
    return denied(
        "a project is taken only from a command that can read this server's state folder");
  }
  ProjectRequest body = TRY(wire::decode<ProjectRequest>(request.body));
  return http::Response::json(wire::dump(TRY(apply_project(pool, clock, body, facts))));
}

Result<http::Response> answer_history(const http::Request& request, db::Pool& pool) {
  std::optional<std::int64_t> limit = to_int64(request.query_value("limit").value_or("100"));
  if (!limit || *limit < 1 || *limit > kHistoryMax) {
    return invalid("limit must be a whole number from 1 to " + std::to_string(kHistoryMax));
  }
  std::vector<project::AppliedRow> rows =
      TRY(pool.read([&](db::Tx& tx) { return project::history(tx, static_cast<int>(*limit)); }));
  Json::Array list;
  for (const project::AppliedRow& row : rows) list.push_back(TRY(wire::parse(wire::encode(row))));
  Json json;
  json.set("applied", std::move(list));
  return http::Response::json(wire::dump(json));
}

}  // namespace

Result<Json> plan_project(db::Pool& pool, const ProjectRequest& request,
                          const ProjectFacts& facts) {
  project::Declared declared = TRY(declared_of(request));
  project::Facts known = TRY(facts(TRY(with_departing(pool, declared.file))));
  known.workspace = request.workspace;
  project::Plan plan = TRY(pool.read([&](db::Tx& tx) { return plan_in(tx, declared, known); }));
  return with_text(plan);
}

Result<Json> plan_first(const ProjectRequest& request) {
  project::Declared declared = TRY(declared_of(request));
  project::Facts known;
  known.workspace = request.workspace;
  known.models.emplace();  // without a catalogue there are none
  return with_text(plan_of(nullptr, declared, known));
}

Result<Json> apply_project(db::Pool& pool, const Clock& clock, const ProjectRequest& request,
                           const ProjectFacts& facts) {
  project::Declared declared = TRY(declared_of(request));
  project::Facts known = TRY(facts(TRY(with_departing(pool, declared.file))));
  known.workspace = request.workspace;
  UnixMs now = clock.now_ms();
  return pool.write([&](db::Tx& tx) -> Result<Json> {
    project::Plan plan = TRY(plan_in(tx, declared, known));
    if (!plan.refusals.empty()) {
      return with_tag(conflict(join(plan.refusals, "\n")), "refused");
    }
    project::Outcome outcome =
        TRY(project::apply(tx, declared, request.actor.empty() ? kOwnerName : request.actor, now));
    Json json;
    json.set("changed", outcome.changed);
    json.set("number", outcome.number);
    json.set("digest", outcome.digest);
    json.set("event_seq", outcome.event_seq);
    json.set("plan", project::to_json(plan));
    json.set("text", project::to_text(plan));
    return json;
  });
}

Result<Json> show_project(db::Pool& pool) {
  std::optional<project::Applied> applied =
      TRY(pool.read([](db::Tx& tx) { return project::current(tx); }));
  if (!applied) return missing("no project was applied yet; `slipway apply` does it");
  return json_of(*applied);
}

void mount_project(http::Router& router, db::Pool& pool, const Clock& clock, ProjectFacts facts,
                   std::function<void()> applied) {
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  group.add({http::Method::kGet, "/project", http::reads("project"), http::Place::kBlocking},
            [&pool](http::Request&) -> Result<http::Response> {
              return http::Response::json(wire::dump(TRY(show_project(pool))));
            });
  group.add(
      {http::Method::kGet, "/project/history", http::reads("project"), http::Place::kBlocking},
      [&pool](http::Request& request) { return answer_history(request, pool); });
  group.add({http::Method::kPost, "/project/plan", http::reads("project"), http::Place::kBlocking,
             kBodyBytesMax},
            [&pool, facts](http::Request& request) -> Result<http::Response> {
              ProjectRequest body = TRY(wire::decode<ProjectRequest>(request.body));
              return http::Response::json(wire::dump(TRY(plan_project(pool, body, facts))));
            });
  group.add({http::Method::kPost, "/project", http::manages("project"), http::Place::kBlocking,
             kBodyBytesMax},
            [&pool, &clock, facts = std::move(facts),
             applied = std::move(applied)](http::Request& request) -> Result<http::Response> {
              http::Response answer = TRY(take_project(request, pool, clock, facts));
              failpoint("apply.kept");
              applied();
              return answer;
            });
}

}  // namespace slipway::app
