#include <algorithm>
#include <map>
#include <set>

#include "base/metrics.h"
#include "base/text.h"
#include "dialects/mlflow_store/revisions.h"
#include "dialects/mlflow_store/store.h"
#include "dialects/mlflow_store/words.h"
#include "io/db/foreign.h"

namespace slipway::mlflow_store {
namespace {

using tracking::AdoptedRun;

/// The namespace that everything is in unless it was put into another.
constexpr char kWorkspace[] = "default";

/// Tables that are read; what tells of rows in them is elsewhere, or nothing is lost with them.
const std::set<std::string_view>& carried_tables() {
  static const std::set<std::string_view> tables = {
      "alembic_version", "experiments", "experiment_tags", "runs", "tags", "params", "metrics",
      "latest_metrics", "datasets", "inputs", "input_tags", "registered_models",
      "registered_model_tags", "registered_model_aliases", "model_versions", "model_version_tags",
      "logged_models", "logged_model_params", "logged_model_tags", "logged_model_metrics",
      // what belongs to other tables, is made from them, or is of a moment
      "trace_tags", "trace_request_metadata", "trace_metrics", "spans", "span_metrics",
      "sql_trace_metric_daily_rollups", "sql_span_cost_daily_rollups",
      "sql_assessment_daily_rollups", "sql_trace_rollup_rebuild_queue", "webhook_events",
      "scorer_versions", "evaluation_dataset_records", "evaluation_dataset_tags",
      "entity_associations", "job_locks", "scheduler_leases", "workspaces", "review_queue_users",
      "review_queue_items", "review_queue_label_schemas", "mcp_server_tags",
      "mcp_server_version_tags", "mcp_server_aliases", "endpoint_tags", "endpoint_bindings",
      "endpoint_model_mappings", "guardrail_configs"};
  return tables;
}

const std::map<std::string_view, const char*>& names_of_tables() {
  static const std::map<std::string_view, const char*> names = {
      {"trace_info", "traces"},
      {"assessments", "assessments of traces"},
      {"webhooks", "webhooks (their secrets are encrypted)"},
      {"scorers", "scorers"},
      {"evaluation_datasets", "evaluation datasets"},
      {"jobs", "jobs"},
      {"issues", "issues"},
      {"label_schemas", "label schemas"},
      {"review_queues", "review queues"},
      {"secrets", "secrets of the gateway"},
      {"endpoints", "endpoints of the gateway"},
      {"model_definitions", "model definitions of the gateway"},
      {"budget_policies", "budget policies"},
      {"guardrails", "guardrails"},
      {"online_scoring_configs", "configurations of online scoring"},
      {"mcp_servers", "MCP servers"},
      {"mcp_server_versions", "versions of MCP servers"},
      {"mcp_access_endpoints", "access endpoints of MCP servers"}};
  return names;
}

/// A name that may stand in a statement.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

// What differs between the engines.
struct Dialect {
  const char* tables;
  const char* columns;  // of a table
  const char* by_key;   // order of bytes
};
constexpr Dialect kSqlite{"select name from sqlite_master where type = 'table' order by name",
                          "select name from pragma_table_info(?)", "key"};
constexpr Dialect kPostgres{
    "select cast(tablename as text) from pg_tables where schemaname = current_schema() "
    "order by tablename",
    "select cast(column_name as text) from information_schema.columns "
    "where table_schema = current_schema() and table_name = ?",
    "key collate \"C\""};

std::string text_of(const db::Columns& row, int column) {
  return row.is_null(column) ? std::string() : std::string(row.text(column));
}

std::int64_t number_of(const db::Columns& row, int column, std::int64_t otherwise = 0) {
  return row.is_null(column) ? otherwise : row.int64(column);
}

class Database final : public Store {
 public:
  Database(db::Tx& tx, std::string name) : tx_(tx), name_(std::move(name)) {}

  Result<> look() {
    for (std::string& table : TRY(tx_.all<std::string>(dialect().tables))) {
      if (is_plain_name(table)) columns_[table] = {};
    }
    if (!columns_.contains("alembic_version") || !columns_.contains("experiments")) {
      return invalid(
          name_ + " is no database of MLflow: it lacks the table alembic_version or experiments");
    }
    const auto revisions = TRY(tx_.all<std::string>("select version_num from alembic_version"));
    TRY(check_revision(revisions));
    revision_ = revisions.front();
    for (auto& [table, columns] : columns_) {
      for (std::string& column : TRY(tx_.all<std::string>(dialect().columns, table)))
        columns.insert(std::move(column));
    }
    return {};
  }

  std::string name() const override { return name_; }
  std::string format() const override { return "an MLflow database, revision " + revision_; }

  Result<std::vector<LeftBehind>> left_behind() override {
    std::vector<LeftBehind> left;
    for (const auto& [table, columns] : columns_) {
      if (carried_tables().contains(table)) continue;
      const std::int64_t count = TRY(count_of("select count(*) from " + table));
      if (count == 0) continue;
      auto known = names_of_tables().find(table);
      left.push_back(
          {known != names_of_tables().end() ? known->second : "rows of the unknown table " + table,
           count});
    }
    for (const char* table : {"experiments", "registered_models"}) {
      if (!has(table, "workspace")) continue;
      const std::int64_t count = TRY(count_of(std::string("select count(*) from ") + table +
                                              " where workspace <> '" + kWorkspace + "'"));
      if (count > 0) {
        left.push_back({std::string(table == std::string("experiments") ? "experiments"
                                                                        : "registered models") +
                            " of other workspaces than '" + kWorkspace + "'",
                        count});
      }
    }
    return left;
  }

  Result<std::vector<tracking::Experiment>> experiments(const Tell&) override {
    std::vector<tracking::Experiment> all;
    TRY(
        each("select experiment_id, name, artifact_location, lifecycle_stage, creation_time, "
             "last_update_time from experiments" +
                 in_workspace("experiments", " where ") + " order by experiment_id",
             {}, [&](const db::Columns& row) {
               tracking::Experiment one;
               one.id = row.int64(0);
               one.name = text_of(row, 1);
               one.artifact_location = text_of(row, 2);
               one.deleted = row.text(3) == kDeleted;
               one.created_ms = number_of(row, 4);
               one.updated_ms = number_of(row, 5, one.created_ms);
               all.push_back(std::move(one));
             }));
    for (tracking::Experiment& one : all) {
      TRY(each("select key, value from experiment_tags where experiment_id = ? order by key",
               {db::Value(one.id)}, [&](const db::Columns& row) {
                 one.tags.push_back({text_of(row, 0), text_of(row, 1)});
               }));
    }
    return all;
  }

  Result<std::vector<std::string>> run_ids(std::int64_t experiment) override {
    return tx_.all<std::string>(
        "select run_uuid from runs where experiment_id = ? order by run_uuid", experiment);
  }

  Result<std::optional<AdoptedRun>> run(std::int64_t experiment, const std::string& id,
                                        const Tell& tell) override {
    AdoptedRun adopted;
    tracking::RunInfo& info = adopted.run.info;
    bool found = false;
    std::string status;
    TRY(
        each("select name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage, "
             "deleted_time from runs where run_uuid = ?",
             {db::Value(id)}, [&](const db::Columns& row) {
               found = true;
               info.name = text_of(row, 0);
               info.user_id = text_of(row, 1);
               status = text_of(row, 2);
               info.start_ms = number_of(row, 3);
               if (!row.is_null(4)) info.end_ms = row.int64(4);
               info.artifact_uri = text_of(row, 5);
               info.deleted = row.text(6) == kDeleted;
               if (!row.is_null(7)) adopted.deleted_ms = row.int64(7);
             }));
    if (!found) return internal("a run is there and is not");
    info.id = id;
    info.experiment_id = experiment;
    const auto known = run_status(status);
    if (!known) {
      tell({"run", id, "its status is '" + shown(status) + "', which is none of MLflow's"});
      return std::optional<AdoptedRun>();
    }
    info.status = *known;
    const std::vector<db::Value> of_run{db::Value(id)};
    TRY(each("select key, value from params where run_uuid = ? order by key", of_run,
             [&](const db::Columns& row) {
               adopted.run.params.push_back({text_of(row, 0), text_of(row, 1)});
             }));
    TRY(each("select key, value from tags where run_uuid = ? order by key", of_run,
             [&](const db::Columns& row) {
               adopted.run.tags.push_back({text_of(row, 0), text_of(row, 1)});
             }));
    TRY(read_inputs(adopted.run));
    return std::optional(std::move(adopted));
  }

  Result<> points(std::int64_t, const std::string& run, const PointPlace& from,
                  const TakePoint& take, const Tell&) override {
    const std::string order = dialect().by_key;
    const std::string sql =
        "select key, value, case when is_nan then 1 else 0 end, timestamp, step from metrics "
        "where run_uuid = ? and " +
        order + " >= ? order by " + order + ", timestamp, step, value, is_nan";
    PointPlace place{from.key, 0};
    return stream(
        sql, {db::Value(run), db::Value(from.key)}, [&](const db::Columns& row) -> Result<> {
          if (row.text(0) != place.key) place = {std::string(row.text(0)), 0};
          place.number += 1;
          if (place.key == from.key && place.number <= from.number) return {};
          tracking::Metric point;
          point.value = row.int64(2) != 0 ? std::numeric_limits<double>::quiet_NaN() : row.real(1);
          point.timestamp_ms = number_of(row, 3);
          point.step = number_of(row, 4);
          return take(place.key, point, place);
        });
  }

  Result<std::vector<std::string>> logged_model_ids(std::int64_t experiment) override {
    if (!columns_.contains("logged_models")) return std::vector<std::string>();
    return tx_.all<std::string>(
        "select model_id from logged_models where experiment_id = ? order by model_id", experiment);
  }

  Result<std::optional<registry::LoggedModel>> logged_model(std::int64_t experiment,
                                                            const std::string& id,
                                                            const Tell& tell) override {
    registry::LoggedModel model;
    std::int64_t status = 0;
    TRY(
        each("select name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, "
             "status, lifecycle_stage, model_type, source_run_id from logged_models "
             "where model_id = ?",
             {db::Value(id)}, [&](const db::Columns& row) {
               model.id = id;
               model.experiment_id = std::to_string(experiment);
               model.name = text_of(row, 0);
               model.location = text_of(row, 1);
               model.created_ms = number_of(row, 2);
               model.updated_ms = number_of(row, 3, model.created_ms);
               status = number_of(row, 4);
               model.deleted = row.text(5) == kDeleted;
               model.type = text_of(row, 6);
               model.run_id = text_of(row, 7);
             }));
    const auto known = logged_model_status(status);
    if (!known) {
      tell({"logged_model", id,
            "its status is " + std::to_string(status) + ", which is none of MLflow's"});
      return std::optional<registry::LoggedModel>();
    }
    model.status = *known;
    TRY(read_logged_parts(model));
    return std::optional(std::move(model));
  }

  Result<std::vector<std::string>> model_names(const Tell&) override {
    return tx_.all<std::string>("select name from registered_models" +
                                in_workspace("registered_models", " where ") + " order by name");
  }

  Result<std::optional<RegisteredModel>> model(const std::string& name, const Tell& tell) override {
    RegisteredModel found;
    const std::vector<db::Value> of_model{db::Value(name)};
    TRY(
        each("select creation_time, last_updated_time, description from registered_models "
             "where name = ?" +
                 in_workspace("registered_models", " and "),
             of_model, [&](const db::Columns& row) {
               found.model.name = name;
               found.model.created_ms = number_of(row, 0);
               found.model.updated_ms = number_of(row, 1, found.model.created_ms);
               found.model.description = text_of(row, 2);
             }));
    TRY(each("select key, value from registered_model_tags where name = ?" +
                 in_workspace("registered_model_tags", " and ") + " order by key",
             of_model, [&](const db::Columns& row) {
               found.model.tags.push_back({text_of(row, 0), text_of(row, 1)});
             }));
    if (columns_.contains("registered_model_aliases")) {
      TRY(each("select alias, version from registered_model_aliases where name = ?" +
                   in_workspace("registered_model_aliases", " and ") + " order by alias",
               of_model, [&](const db::Columns& row) {
                 found.model.aliases.push_back({text_of(row, 0), row.int64(1)});
               }));
    }
    TRY(read_versions(found, tell));
    return std::optional(std::move(found));
  }

 private:
  const Dialect& dialect() const {
    return tx_.engine() == db::Engine::kSqlite ? kSqlite : kPostgres;
  }
  bool has(const std::string& table, const std::string& column) const {
    auto found = columns_.find(table);
    return found != columns_.end() && found->second.contains(column);
  }
  std::string in_workspace(const std::string& table, const char* before) const {
    if (!has(table, "workspace")) return "";
    return std::string(before) + "workspace = '" + kWorkspace + "'";
  }

  Result<> each(const std::string& sql, const std::vector<db::Value>& values,
                const std::function<void(const db::Columns&)>& take) {
    return tx_.query(sql, values, [&](const db::Columns& row) -> Result<> {
      take(row);
      return {};
    });
  }
  Result<std::int64_t> count_of(const std::string& sql) {
    return TRY(tx_.one<std::int64_t>(sql)).value_or(0);
  }

  /// A result of any length in bounded memory. SQLite gives row by row, PostgreSQL all at once.
  Result<> stream(const std::string& sql, const std::vector<db::Value>& values,
                  const std::function<Result<>(const db::Columns&)>& take) {
    if (tx_.engine() == db::Engine::kSqlite) return tx_.query(sql, values, take);
    TRY(tx_.execute("declare imported no scroll cursor for " + sql, values));
    while (true) {
      std::int64_t rows = 0;
      TRY(tx_.query("fetch 10000 from imported", {}, [&](const db::Columns& row) {
        ++rows;
        return take(row);
      }));
      if (rows == 0) break;
    }
    TRY(tx_.run("close imported"));
    return {};
  }

  Result<> read_inputs(tracking::Run& run) {
    if (!columns_.contains("inputs")) return {};
    const std::vector<db::Value> of_run{db::Value(run.info.id)};
    std::vector<std::string> uses;
    TRY(
        each("select i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, "
             "d.dataset_schema, d.dataset_profile from inputs i "
             "join datasets d on d.dataset_uuid = i.source_id "
             "where i.source_type = 'DATASET' and i.destination_type = 'RUN' and "
             "i.destination_id = ? order by d.name, d.digest",
             of_run, [&](const db::Columns& row) {
               uses.push_back(text_of(row, 0));
               run.datasets.push_back({{text_of(row, 1), text_of(row, 2), text_of(row, 3),
                                        text_of(row, 4), text_of(row, 5), text_of(row, 6)},
                                       {}});
             }));
    for (std::size_t i = 0; i < uses.size(); ++i) {
      TRY(each("select name, value from input_tags where input_uuid = ? order by name",
               {db::Value(uses[i])}, [&](const db::Columns& row) {
                 run.datasets[i].tags.push_back({text_of(row, 0), text_of(row, 1)});
               }));
    }
    if (!has("inputs", "step")) return {};  // before 3.0: nothing but datasets
    return each(
        "select destination_type, destination_id, step from inputs where source_id = ? and "
        "((source_type = 'RUN_OUTPUT' and destination_type = 'MODEL_OUTPUT') or "
        "(source_type = 'RUN_INPUT' and destination_type = 'MODEL_INPUT')) order by destination_id",
        of_run, [&](const db::Columns& row) {
          auto& links = row.text(0) == "MODEL_OUTPUT" ? run.models_made : run.models_used;
          links.push_back({text_of(row, 1), number_of(row, 2)});
        });
  }

  Result<> read_logged_parts(registry::LoggedModel& model) {
    const std::vector<db::Value> of_model{db::Value(model.id)};
    TRY(each("select tag_key, tag_value from logged_model_tags where model_id = ? order by tag_key",
             of_model, [&](const db::Columns& row) {
               model.tags.push_back({text_of(row, 0), text_of(row, 1)});
             }));
    TRY(
        each("select param_key, param_value from logged_model_params where model_id = ? "
             "order by param_key",
             of_model, [&](const db::Columns& row) {
               model.params.push_back({text_of(row, 0), text_of(row, 1)});
             }));
    return each(
        "select metric_name, metric_value, metric_timestamp_ms, metric_step, run_id, dataset_name, "
        "dataset_digest from logged_model_metrics where model_id = ? order by metric_name",
        of_model, [&](const db::Columns& row) {
          registry::ModelMetric metric;
          metric.model_id = model.id;
          metric.key = text_of(row, 0);
          metric.value = row.is_null(1) ? std::numeric_limits<double>::quiet_NaN() : row.real(1);
          metric.timestamp_ms = number_of(row, 2);
          metric.step = number_of(row, 3);
          metric.run_id = text_of(row, 4);
          metric.dataset_name = text_of(row, 5);
          metric.dataset_digest = text_of(row, 6);
          model.metrics.push_back(std::move(metric));
        });
  }

  Result<> read_versions(RegisteredModel& found, const Tell& tell) {
    const std::vector<db::Value> of_model{db::Value(found.model.name)};
    const bool stored_apart = has("model_versions", "storage_location");
    TRY(
        each("select version, creation_time, last_updated_time, description, current_stage, "
             "source, run_id, run_link, status, " +
                 std::string(stored_apart ? "storage_location" : "source") +
                 " from model_versions where name = ?" + in_workspace("model_versions", " and ") +
                 " order by version",
             of_model, [&](const db::Columns& row) {
               registry::AdoptedVersion one;
               registry::Version& version = one.version;
               version.model = found.model.name;
               version.number = row.int64(0);
               version.created_ms = number_of(row, 1);
               version.updated_ms = number_of(row, 2, version.created_ms);
               version.description = text_of(row, 3);
               one.deleted = row.text(4) == kDeletedStage;
               version.source = text_of(row, 5);
               version.run_id = text_of(row, 6);
               version.run_link = text_of(row, 7);
               version.location = text_of(row, 9);
               if (version.location.empty()) version.location = version.source;
               const auto stage = registry::parse_stage(row.text(4));
               const std::string id = found.model.name + "/" + std::to_string(version.number);
               if (!stage && !one.deleted) {
                 tell({"version", id,
                       "its stage is '" + shown(row.text(4)) +
                           "', which is none of MLflow's; it is None here"});
               }
               version.stage = stage.value_or(registry::Stage::kNone);
               if (row.text(8) != "READY" && !one.deleted) {
                 tell({"version", id,
                       "its status was " + shown(row.text(8)) + "; here every version is READY"});
               }
               found.versions.push_back(std::move(one));
             }));
    for (registry::AdoptedVersion& one : found.versions) {
      if (one.deleted) continue;
      TRY(each("select key, value from model_version_tags where name = ? and version = ?" +
                   in_workspace("model_version_tags", " and ") + " order by key",
               {db::Value(found.model.name), db::Value(one.version.number)},
               [&](const db::Columns& row) {
                 one.version.tags.push_back({text_of(row, 0), text_of(row, 1)});
               }));
    }
    return {};
  }

  db::Tx& tx_;
  const std::string name_;
  std::string revision_;
  std::map<std::string, std::set<std::string>> columns_;  // by table
};

/// What of a URI's query tells which database it is; the rest says who asks, and may be secret.
std::string place_in_query(std::string_view query) {
  std::string kept;
  for (std::string_view pair : split(query, '&')) {
    const std::string_view name = pair.substr(0, pair.find('='));
    for (const char* of_place : {"host", "hostaddr", "port", "dbname", "options"}) {
      if (name == of_place) kept.append(kept.empty() ? "?" : "&").append(pair);
    }
  }
  return kept;
}

/// A URI without user and password: two users see the same store.
std::string without_user(const std::string& uri) {
  const std::size_t scheme = uri.find("://");
  if (scheme == std::string::npos || !uri.starts_with("postgres")) return uri;
  const std::string rest = uri.substr(scheme + 3);
  const std::size_t mark = std::min(rest.find('?'), rest.size());
  const std::string place = rest.substr(0, mark);
  const std::size_t at = place.rfind('@');
  return "postgresql://" + (at == std::string::npos ? place : place.substr(at + 1)) +
         place_in_query(std::string_view(rest).substr(std::min(mark + 1, rest.size())));
}

}  // namespace

Result<> with_database(const std::string& uri, const std::function<Result<>(Store&)>& use) {
  Metrics metrics;
  std::unique_ptr<db::Pool> pool = TRY(db::open_foreign(uri, metrics));
  return pool->read([&](db::Tx& tx) -> Result<> {
    Database database(tx, without_user(uri));
    TRY(database.look());
    return use(database);
  });
}

}  // namespace slipway::mlflow_store
