#include <boost/describe.hpp>

#include "domain/tracking/store.h"
#include "domain/tracking/trash.h"
#include "graph/kinds.h"

namespace slipway::tracking {
namespace {

struct ExperimentRow {
  std::int64_t id = 0;
  std::string name, artifact_location;
  bool deleted = false;
  UnixMs created_ms = 0, updated_ms = 0;
};
BOOST_DESCRIBE_STRUCT(ExperimentRow, (),
                      (id, name, artifact_location, deleted, created_ms, updated_ms))

struct TagRow {
  std::int64_t experiment = 0;
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(TagRow, (), (experiment, key, value))

#define EXPERIMENT_COLUMNS "id, name, artifact_location, deleted, created_ms, updated_ms"

Experiment to_experiment(ExperimentRow row) {
  return {row.id,      std::move(row.name), std::move(row.artifact_location),
          row.deleted, row.created_ms,      row.updated_ms,
          {}};
}

Result<Experiment> with_tags(db::Tx& tx, ExperimentRow row) {
  Experiment experiment = to_experiment(std::move(row));
  for (TagRow& tag : TRY(tx.all<TagRow>("select experiment, key, value from experiment_tags "
                                        "where experiment = ? order by key",
                                        experiment.id))) {
    experiment.tags.push_back({std::move(tag.key), std::move(tag.value)});
  }
  return experiment;
}

Error no_experiment(std::int64_t id) {
  return missing("No Experiment with id=" + std::to_string(id) + " exists");
}

Result<ExperimentRow> find_experiment(db::Tx& tx, std::int64_t id) {
  std::optional<ExperimentRow> row =
      TRY(tx.one<ExperimentRow>("select " EXPERIMENT_COLUMNS " from experiments where id = ?", id));
  if (!row) return no_experiment(id);
  return std::move(*row);
}

Result<> check_active(const ExperimentRow& row) {
  if (!row.deleted) return {};
  return Error{Code::kConflict,
               "The experiment " + std::to_string(row.id) +
                   " must be in the 'active' state. Current state is deleted.",
               "inactive"};
}

Error name_taken(const std::string& name) {
  return {Code::kConflict,
          "Experiment(name=" + name +
              ") already exists. Error: the name is in use, perhaps by a deleted experiment.",
          "already_exists"};
}

Result<> put_tag(db::Tx& tx, std::int64_t id, const Tag& tag) {
  TRY(
      tx.run("insert into experiment_tags (experiment, key, value) values (?, ?, ?) "
             "on conflict (experiment, key) do update set value = excluded.value",
             id, tag.key, tag.value));
  return {};
}

wire::Json named(const std::string& name) {
  wire::Json data{wire::Json::Object{}};
  data.set("name", name);
  return data;
}

Result<> tell_about(db::Tx& tx, std::int64_t id, const char* type, const Actor& actor,
                    const std::string& name, UnixMs now_ms) {
  return tell(tx, graph::kind::kExperiment, std::to_string(id), type, actor, named(name), now_ms);
}

}  // namespace

std::string append_to_location(std::string_view location, std::string_view path) {
  const std::size_t query = location.find('?');
  std::string_view base = location.substr(0, query);
  while (base.ends_with('/') && !base.ends_with(":/") && base.size() > 1) base.remove_suffix(1);
  std::string joined(base);
  if (!joined.ends_with('/')) joined += '/';
  joined += path;
  if (query != std::string_view::npos) joined += location.substr(query);
  return joined;
}

std::string to_list(std::span<const std::int64_t> keys) {
  std::string list;
  for (std::int64_t key : keys) {
    if (!list.empty()) list += ',';
    list += std::to_string(key);
  }
  return list;
}

Result<Experiment> read_experiment(db::Tx& tx, std::int64_t id) {
  return with_tags(tx, TRY(find_experiment(tx, id)));
}

Result<std::optional<Experiment>> read_experiment_named(db::Tx& tx, const std::string& name) {
  std::optional<ExperimentRow> row = TRY(
      tx.one<ExperimentRow>("select " EXPERIMENT_COLUMNS " from experiments where name = ?", name));
  if (!row) return std::optional<Experiment>();
  return std::optional<Experiment>(TRY(with_tags(tx, std::move(*row))));
}

Result<std::vector<Experiment>> read_experiments(db::Tx& tx, std::span<const std::int64_t> ids) {
  std::vector<Experiment> experiments;
  if (ids.empty()) return experiments;
  std::unordered_map<std::int64_t, Experiment> known;
  const std::string list = to_list(ids);
  TRY(tx.query(
      "select " EXPERIMENT_COLUMNS " from experiments where id in (" + list + ")", {},
      [&](const db::Columns& columns) -> Result<> {
        ExperimentRow row;
        TRY(db::read_row(columns, row));
        const std::int64_t id = row.id;
        known.emplace(id, to_experiment(std::move(row)));
        return {};
      },
      /*cache=*/false));
  TRY(tx.query(
      "select experiment, key, value from experiment_tags where experiment in (" + list +
          ") order by key",
      {},
      [&](const db::Columns& columns) -> Result<> {
        TagRow row;
        TRY(db::read_row(columns, row));
        known[row.experiment].tags.push_back({std::move(row.key), std::move(row.value)});
        return {};
      },
      /*cache=*/false));
  experiments.reserve(ids.size());
  for (std::int64_t id : ids) experiments.push_back(std::move(known[id]));
  return experiments;
}

Result<> make_default_experiment(db::Tx& tx, const std::string& artifact_root, UnixMs now_ms) {
  TRY(
      tx.run("insert into experiments (id, name, artifact_location, deleted, created_ms, "
             "updated_ms) values (0, 'Default', ?, 0, ?, ?) on conflict do nothing",
             append_to_location(artifact_root, "0"), now_ms, now_ms));
  return {};
}

Result<Experiment> create_experiment(db::Tx& tx, const NewExperiment& experiment,
                                     const std::string& artifact_root, const Actor& actor,
                                     UnixMs now_ms) {
  std::optional<std::int64_t> id = TRY(tx.one<std::int64_t>(
      "insert into experiments (name, artifact_location, deleted, created_ms, updated_ms) "
      "values (?, ?, 0, ?, ?) on conflict (name) do nothing returning id",
      experiment.name, experiment.artifact_location, now_ms, now_ms));
  if (!id) return name_taken(experiment.name);
  if (experiment.artifact_location.empty()) {
    TRY(tx.run("update experiments set artifact_location = ? where id = ?",
               append_to_location(artifact_root, std::to_string(*id)), *id));
  }
  for (const Tag& tag : experiment.tags) TRY(put_tag(tx, *id, tag));
  TRY(tell_about(tx, *id, "experiment.created", actor, experiment.name, now_ms));
  return read_experiment(tx, *id);
}

Result<> rename_experiment(db::Tx& tx, std::int64_t id, const std::string& name, const Actor& actor,
                           UnixMs now_ms) {
  ExperimentRow row = TRY(find_experiment(tx, id));
  if (row.deleted) {
    return Error{Code::kConflict, "Cannot rename a non-active experiment.", "state"};
  }
  if (row.name == name) return {};
  if (TRY(read_experiment_named(tx, name))) return name_taken(name);
  TRY(tx.run("update experiments set name = ?, updated_ms = ? where id = ?", name, now_ms, id));
  return tell_about(tx, id, "experiment.renamed", actor, name, now_ms);
}

Result<> set_experiment_deleted(db::Tx& tx, std::int64_t id, bool deleted, const Actor& actor,
                                UnixMs now_ms) {
  ExperimentRow row = TRY(find_experiment(tx, id));
  if (row.deleted == deleted) return no_experiment(id);
  if (TRY(is_being_removed(tx, Removed::kExperiment, std::to_string(id)))) {
    return conflict("The experiment " + std::to_string(id) + " is being removed for good.");
  }
  TRY(tx.run("update experiments set deleted = ?, updated_ms = ? where id = ?", deleted, now_ms,
             id));
  std::optional<UnixMs> deleted_ms;
  if (deleted) deleted_ms = now_ms;
  TRY(tx.run("update runs set deleted = ?, deleted_ms = ? where experiment = ? and run_id not in "
             "(select thing from removals where what = 'run')",
             deleted, deleted_ms, id));
  TRY(note_experiment(tx, id));
  return tell_about(tx, id, deleted ? "experiment.deleted" : "experiment.restored", actor, row.name,
                    now_ms);
}

Result<> set_experiment_tag(db::Tx& tx, std::int64_t id, const Tag& tag) {
  TRY(check_active(TRY(find_experiment(tx, id))));
  return put_tag(tx, id, tag);
}

Result<> delete_experiment_tag(db::Tx& tx, std::int64_t id, const std::string& key) {
  TRY(check_active(TRY(find_experiment(tx, id))));
  std::int64_t gone =
      TRY(tx.run("delete from experiment_tags where experiment = ? and key = ?", id, key));
  if (gone > 0) return {};
  return missing("No tag with name: " + key + " in experiment with id " + std::to_string(id));
}

}  // namespace slipway::tracking
