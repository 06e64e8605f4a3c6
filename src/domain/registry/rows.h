#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/registry/types.h"
#include "io/db/db.h"

// The registry's tables as values, inside a transaction of the caller.
namespace slipway::registry::rows {

struct ModelRow {
  std::int64_t id = 0;
  std::string name;
  UnixMs created_ms = 0, updated_ms = 0;
  std::string description;
};
WIRE(ModelRow, id, name, created_ms, updated_ms, description)

struct VersionRow {
  std::int64_t id = 0;
  std::string model;
  std::int64_t number = 0;
  UnixMs created_ms = 0, updated_ms = 0;
  std::string description, stage, source, location, run_id, run_link, logged_model_id;
};
WIRE(VersionRow, id, model, number, created_ms, updated_ms, description, stage, source, location,
     run_id, run_link, logged_model_id)

/// kMissing, in words that name it. A deleted version is missing.
Result<ModelRow> find_model(db::Tx& tx, const std::string& name);
Result<VersionRow> find_version(db::Tx& tx, const std::string& name, std::int64_t number);
Error no_version(const std::string& name, std::int64_t number);

/// Parts of a logged model, and itself in the graph, as everybody writes them who makes one.
Result<> put_logged_tags(db::Tx& tx, const std::string& id, const Tags& tags);
/// Each point once.
Result<> put_logged_metric(db::Tx& tx, const std::string& id, const ModelMetric& metric);
Result<> put_logged_facts(db::Tx& tx, const LoggedModel& model, UnixMs now_ms);

/// The version in the graph, with what it was made from.
Result<> put_facts(db::Tx& tx, const VersionRow& row, UnixMs now_ms);

/// With tags, aliases and the newest versions, in the order of `ids`.
Result<std::vector<Model>> load_models(db::Tx& tx, const std::vector<std::int64_t>& ids);
Result<Model> load_model(db::Tx& tx, std::int64_t id);
/// With tags, without aliases, in the order of `ids`.
Result<std::vector<Version>> load_versions(db::Tx& tx, const std::vector<std::int64_t>& ids);
/// With tags and aliases.
Result<Version> load_version(db::Tx& tx, std::int64_t id);
/// The newest version of each stage of a model, with tags and aliases, by number.
Result<std::vector<Version>> load_latest(db::Tx& tx, std::int64_t model_id);
/// At most so many names of models, in alphabetical order.
Result<std::vector<std::string>> model_names(db::Tx& tx, int limit);

}  // namespace slipway::registry::rows
