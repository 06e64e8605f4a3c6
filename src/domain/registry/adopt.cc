#include "domain/registry/adopt.h"

#include "domain/registry/rows.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::registry {
namespace {

using wire::Json;

Result<> tell(db::Tx& tx, const char* type, graph::NodeRef subject, const std::string& actor,
              Json data, UnixMs now) {
  TRY(graph::append_event(tx, {type, std::move(subject), actor, 0, std::move(data)}, now));
  return {};
}

graph::NodeRef node_of(const std::string& model, std::int64_t number) {
  return {graph::kind::kModelVersion, model + "/" + std::to_string(number)};
}

Result<> put_version(db::Tx& tx, const std::string& actor, std::int64_t model,
                     const AdoptedVersion& adopted, UnixMs now) {
  const Version& version = adopted.version;
  if (adopted.deleted) {
    TRY(
        tx.run("insert into model_versions (model, number, created_ms, updated_ms, deleted_ms, "
               "description, stage, source, location, run_id, run_link, logged_model_id) "
               "values (?, ?, ?, ?, ?, '', ?, '', '', '', '', '')",
               model, version.number, version.created_ms, version.updated_ms, version.updated_ms,
               to_string(Stage::kNone)));
    return {};
  }
  auto id = TRY(tx.one<std::int64_t>(
      "insert into model_versions (model, number, created_ms, updated_ms, description, stage, "
      "source, location, run_id, run_link, logged_model_id) "
      "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id",
      model, version.number, version.created_ms, version.updated_ms, version.description,
      to_string(version.stage), version.source, version.location, version.run_id, version.run_link,
      version.logged_model_id));
  if (!id) return internal("a version was stored without a key");
  for (const Tag& tag : version.tags) {
    TRY(
        tx.run("insert into model_version_tags (version, key, value) values (?, ?, ?) "
               "on conflict (version, key) do update set value = excluded.value",
               *id, tag.key, tag.value));
  }
  TRY(rows::put_facts(tx, TRY(rows::find_version(tx, version.model, version.number)), now));
  Json data;
  data.set("source", version.source);
  data.set("run_id", version.run_id);
  data.set("stage", to_string(version.stage));
  data.set("created_ms", version.created_ms);
  return tell(tx, "model_version.imported", node_of(version.model, version.number), actor,
              std::move(data), now);
}

Result<> put_aliases(db::Tx& tx, const std::string& actor, std::int64_t id, const Model& model,
                     UnixMs now) {
  for (const Alias& alias : model.aliases) {
    TRY(
        tx.run("insert into model_aliases (model, alias, number) values (?, ?, ?) "
               "on conflict (model, alias) do nothing",
               id, alias.alias, alias.number));
    Json data;
    data.set("alias", alias.alias);
    TRY(tell(tx, "alias.imported", node_of(model.name, alias.number), actor, std::move(data), now));
  }
  return {};
}

Result<> put_logged_parts(db::Tx& tx, const LoggedModel& model) {
  TRY(rows::put_logged_tags(tx, model.id, model.tags));
  for (const Tag& param : model.params) {
    TRY(
        tx.run("insert into logged_model_params (model_id, key, value) values (?, ?, ?) "
               "on conflict (model_id, key) do nothing",
               model.id, param.key, param.value));
  }
  for (const ModelMetric& metric : model.metrics)
    TRY(rows::put_logged_metric(tx, model.id, metric));
  return {};
}

}  // namespace

Result<bool> adopt_model(db::Tx& tx, const std::string& actor, const Model& model,
                         const std::vector<AdoptedVersion>& versions, UnixMs now) {
  auto id = TRY(tx.one<std::int64_t>(
      "insert into registered_models (name, created_ms, updated_ms, description) "
      "values (?, ?, ?, ?) on conflict do nothing returning id",
      model.name, model.created_ms, model.updated_ms, model.description));
  if (!id) return false;
  for (const Tag& tag : model.tags) {
    TRY(
        tx.run("insert into registered_model_tags (model, key, value) values (?, ?, ?) "
               "on conflict (model, key) do update set value = excluded.value",
               *id, tag.key, tag.value));
  }
  TRY(tell(tx, "registered_model.imported", {graph::kind::kRegisteredModel, model.name}, actor, {},
           now));
  for (const AdoptedVersion& version : versions) TRY(put_version(tx, actor, *id, version, now));
  TRY(put_aliases(tx, actor, *id, model, now));
  return true;
}

Result<bool> adopt_logged_model(db::Tx& tx, const std::string& actor, const LoggedModel& model,
                                UnixMs now) {
  std::optional<UnixMs> deleted_ms;
  if (model.deleted) deleted_ms = model.updated_ms;
  const auto made = TRY(
      tx.run("insert into logged_models (id, experiment_id, name, type, created_ms, updated_ms, "
             "deleted_ms, location, status, run_id) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
             "on conflict (id) do nothing",
             model.id, model.experiment_id, model.name, model.type, model.created_ms,
             model.updated_ms, deleted_ms, model.location, to_string(model.status), model.run_id));
  if (made == 0) return false;
  TRY(put_logged_parts(tx, model));
  TRY(rows::put_logged_facts(tx, model, now));
  TRY(tell(tx, "model.imported", {graph::kind::kModel, model.id}, actor, {}, now));
  return true;
}

Result<> follow_logged_model(db::Tx& tx, const std::string& actor, const LoggedModel& more,
                             const std::vector<std::string>& gone, UnixMs now) {
  const auto changed = TRY(
      tx.run("update logged_models set status = ?, updated_ms = ? where id = ? and status <> ?",
             to_string(more.status), now, more.id, to_string(more.status)));
  for (const std::string& key : gone)
    TRY(tx.run("delete from logged_model_tags where model_id = ? and key = ?", more.id, key));
  TRY(put_logged_parts(tx, more));
  if (changed == 0 || more.status == LoggedModelStatus::kPending) return {};
  const char* type = more.status == LoggedModelStatus::kReady ? "model.ready" : "model.failed";
  return tell(tx, type, {graph::kind::kModel, more.id}, actor, {}, now);
}

Result<> move_version_files(db::Tx& tx, const std::string& model, std::int64_t number,
                            const std::string& location) {
  const rows::VersionRow row = TRY(rows::find_version(tx, model, number));
  TRY(tx.run("update model_versions set location = ? where id = ?", location, row.id));
  return {};
}

Result<> move_logged_model_files(db::Tx& tx, const std::string& id, const std::string& location) {
  TRY(tx.run("update logged_models set location = ? where id = ?", location, id));
  return {};
}

}  // namespace slipway::registry
