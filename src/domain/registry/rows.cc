#include "domain/registry/rows.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "domain/registry/schema.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::registry::rows {
namespace {

constexpr char kModelColumns[] =
    "select id, name, created_ms, updated_ms, description "
    "from registered_models where ";
constexpr char kVersionColumns[] =
    "select v.id, m.name, v.number, v.created_ms, v.updated_ms, v.description, v.stage, v.source, "
    "v.location, v.run_id, v.run_link, v.logged_model_id "
    "from model_versions v join registered_models m on m.id = v.model where ";

/// A tag or alias and the key of its owner.
struct OwnedTag {
  std::int64_t owner = 0;
  std::string key, value;
};
WIRE(OwnedTag, owner, key, value)
struct OwnedAlias {
  std::int64_t owner = 0;
  std::string alias;
  std::int64_t number = 0;
};
WIRE(OwnedAlias, owner, alias, number)

Version to_version(VersionRow row) {
  Version version;
  version.model = std::move(row.model);
  version.number = row.number;
  version.created_ms = row.created_ms;
  version.updated_ms = row.updated_ms;
  version.description = std::move(row.description);
  version.stage = parse_stage(row.stage).value_or(Stage::kNone);
  version.source = std::move(row.source);
  version.location = std::move(row.location);
  version.run_id = std::move(row.run_id);
  version.run_link = std::move(row.run_link);
  version.logged_model_id = std::move(row.logged_model_id);
  return version;
}

/// Rows of `sql`, which ends in "where", whose `column` is in `ids`.
template <class Row>
Result<std::vector<Row>> all_in(db::Tx& tx, const std::string& sql, const char* column,
                                const std::vector<std::int64_t>& ids, const char* order = "") {
  return tx.all<Row>(sql + schema::in_list(tx.engine(), column, /*texts=*/false) + order,
                     schema::list_value(ids));
}

template <class Item>
std::unordered_map<std::int64_t, std::size_t> positions_of(const std::vector<Item>& items) {
  std::unordered_map<std::int64_t, std::size_t> positions;
  for (std::size_t i = 0; i < items.size(); ++i) positions.emplace(items[i], i);
  return positions;
}

// As clients know it: of one model, stages in the order in which their first version came; of many,
// by name.
constexpr char kStagesAsTheyCame[] = "first_number";
constexpr char kStagesByName[] = "stage";

/// The newest version of each stage of several models, by `order`.
Result<> add_latest(db::Tx& tx, const std::vector<std::int64_t>& ids, const char* order,
                    std::vector<Model>& models) {
  struct Newest {
    std::int64_t id = 0, model = 0;
  };
  std::vector<std::int64_t> versions, owners;
  TRY(tx.query(
      "select id, model from (select id, model, stage, row_number() over "
      "(partition by model, stage order by number desc) as place, min(number) over "
      "(partition by model, stage) as first_number from model_versions "
      "where deleted_ms is null and " +
          schema::in_list(tx.engine(), "model", /*texts=*/false) +
          ") as ranked where place = 1 order by model, " + order,
      std::vector<db::Value>{schema::list_value(ids)}, [&](const db::Columns& row) -> Result<> {
        versions.push_back(row.int64(0));
        owners.push_back(row.int64(1));
        return {};
      }));
  std::vector<Version> loaded = TRY(load_versions(tx, versions));
  const auto places = positions_of(ids);
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    models[places.at(owners[i])].latest.push_back(std::move(loaded[i]));
  }
  return {};
}

Result<std::vector<std::string>> aliases_of(db::Tx& tx, const std::string& model,
                                            std::int64_t number) {
  return tx.all<std::string>(
      "select alias from model_aliases a join registered_models m on m.id = a.model "
      "where m.name = ? and a.number = ? order by alias",
      model, number);
}

}  // namespace

Result<ModelRow> find_model(db::Tx& tx, const std::string& name) {
  auto row = TRY(tx.one<ModelRow>(std::string(kModelColumns) + "name = ?", name));
  if (!row) return missing("Registered Model with name=" + name + " not found");
  return std::move(*row);
}

Error no_version(const std::string& name, std::int64_t number) {
  return missing("Model Version (name=" + name + ", version=" + std::to_string(number) +
                 ") not found");
}

Result<VersionRow> find_version(db::Tx& tx, const std::string& name, std::int64_t number) {
  auto row = TRY(tx.one<VersionRow>(
      std::string(kVersionColumns) + "m.name = ? and v.number = ? and v.deleted_ms is null", name,
      number));
  if (!row) return no_version(name, number);
  return std::move(*row);
}

Result<std::vector<Version>> load_versions(db::Tx& tx, const std::vector<std::int64_t>& ids) {
  std::vector<Version> versions(ids.size());
  const auto places = positions_of(ids);
  for (VersionRow& row : TRY(all_in<VersionRow>(tx, kVersionColumns, "v.id", ids))) {
    const std::size_t place = places.at(row.id);
    versions[place] = to_version(std::move(row));
  }
  constexpr char kTags[] = "select version, key, value from model_version_tags where ";
  for (OwnedTag& tag : TRY(all_in<OwnedTag>(tx, kTags, "version", ids, " order by version, key"))) {
    versions[places.at(tag.owner)].tags.push_back({std::move(tag.key), std::move(tag.value)});
  }
  return versions;
}

Result<Version> load_version(db::Tx& tx, std::int64_t id) {
  std::vector<Version> versions = TRY(load_versions(tx, {id}));
  Version& version = versions.front();
  version.aliases = TRY(aliases_of(tx, version.model, version.number));
  return std::move(version);
}

Result<std::vector<Version>> load_latest(db::Tx& tx, std::int64_t model_id) {
  std::vector<Model> models(1);
  TRY(add_latest(tx, {model_id}, kStagesAsTheyCame, models));
  for (Version& version : models.front().latest) {
    version.aliases = TRY(aliases_of(tx, version.model, version.number));
  }
  return std::move(models.front().latest);
}

namespace {

/// Without their versions.
Result<std::vector<Model>> load_plain_models(db::Tx& tx, const std::vector<std::int64_t>& ids) {
  std::vector<Model> models(ids.size());
  const auto places = positions_of(ids);
  for (ModelRow& row : TRY(all_in<ModelRow>(tx, kModelColumns, "id", ids))) {
    Model& model = models[places.at(row.id)];
    model.name = std::move(row.name);
    model.created_ms = row.created_ms;
    model.updated_ms = row.updated_ms;
    model.description = std::move(row.description);
  }
  constexpr char kTags[] = "select model, key, value from registered_model_tags where ";
  for (OwnedTag& tag : TRY(all_in<OwnedTag>(tx, kTags, "model", ids, " order by model, key"))) {
    models[places.at(tag.owner)].tags.push_back({std::move(tag.key), std::move(tag.value)});
  }
  constexpr char kAliases[] = "select model, alias, number from model_aliases where ";
  for (OwnedAlias& alias :
       TRY(all_in<OwnedAlias>(tx, kAliases, "model", ids, " order by model, alias"))) {
    models[places.at(alias.owner)].aliases.push_back({std::move(alias.alias), alias.number});
  }
  return models;
}

}  // namespace

Result<std::vector<Model>> load_models(db::Tx& tx, const std::vector<std::int64_t>& ids) {
  std::vector<Model> models = TRY(load_plain_models(tx, ids));
  TRY(add_latest(tx, ids, kStagesByName, models));
  return models;
}

Result<Model> load_model(db::Tx& tx, std::int64_t id) {
  std::vector<Model> models = TRY(load_plain_models(tx, {id}));
  TRY(add_latest(tx, {id}, kStagesAsTheyCame, models));
  return std::move(models.front());
}

Result<std::vector<std::string>> model_names(db::Tx& tx, int limit) {
  std::vector<std::string> names;
  const auto take = [&](const db::Columns& row) -> Result<> {
    names.emplace_back(row.text(0));
    return {};
  };
  TRY(tx.query("select name from registered_models order by name limit ?",
               std::vector<db::Value>{std::int64_t{limit}}, take));
  return names;
}

Result<> put_logged_tags(db::Tx& tx, const std::string& id, const Tags& tags) {
  for (const Tag& tag : tags) {
    TRY(
        tx.run("insert into logged_model_tags (model_id, key, value) values (?, ?, ?) "
               "on conflict (model_id, key) do update set value = excluded.value",
               id, tag.key, tag.value));
  }
  return {};
}

Result<> put_logged_metric(db::Tx& tx, const std::string& id, const ModelMetric& metric) {
  std::optional<double> value;
  if (!std::isnan(metric.value)) value = metric.value;
  TRY(
      tx.run("insert into logged_model_metrics (model_id, key, timestamp_ms, step, run_id, "
             "dataset_name, dataset_digest, value) values (?, ?, ?, ?, ?, ?, ?, ?) "
             "on conflict do nothing",
             id, metric.key, metric.timestamp_ms, metric.step, metric.run_id, metric.dataset_name,
             metric.dataset_digest, value));
  return {};
}

Result<> put_logged_facts(db::Tx& tx, const LoggedModel& model, UnixMs now) {
  const graph::NodeRef node{graph::kind::kModel, model.id};
  wire::Json attributes;
  attributes.set("name", model.name);
  attributes.set("experiment_id", model.experiment_id);
  attributes.set("location", model.location);
  attributes.set("created_ms", model.created_ms);
  TRY(graph::put_node(tx, node, attributes, now));
  if (model.run_id.empty()) return {};
  return graph::put_edge(
      tx, {node, graph::relation::kProducedBy, {graph::kind::kRun, model.run_id}, {}}, now);
}

}  // namespace slipway::registry::rows
