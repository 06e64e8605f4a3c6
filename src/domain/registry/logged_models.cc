#include "domain/registry/logged_models.h"

#include <cmath>
#include <map>
#include <unordered_map>

#include "base/ids.h"
#include "domain/registry/names.h"
#include "domain/registry/rows.h"
#include "domain/registry/schema.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::registry {
namespace {

using wire::Json;

constexpr std::size_t kTextCharactersMax = 100'000;
constexpr std::size_t kPairsMax = 10'000;  // params or tags of one request

struct LoggedModelRow {
  std::string id, experiment_id, name, type;
  UnixMs created_ms = 0, updated_ms = 0;
  std::optional<UnixMs> deleted_ms;
  std::string location, status, run_id;
};
WIRE(LoggedModelRow, id, experiment_id, name, type, created_ms, updated_ms, deleted_ms, location,
     status, run_id)

struct OwnedPair {
  std::string owner, key, value;
};
WIRE(OwnedPair, owner, key, value)

struct MetricRow {
  std::string model_id, key;
  UnixMs timestamp_ms = 0;
  std::int64_t step = 0;
  std::string run_id, dataset_name, dataset_digest;
  std::optional<double> value;
};
WIRE(MetricRow, model_id, key, timestamp_ms, step, run_id, dataset_name, dataset_digest, value)

constexpr char kColumns[] =
    "select id, experiment_id, name, type, created_ms, updated_ms, deleted_ms, location, status, "
    "run_id from logged_models where ";

Error unknown(const std::string& id) {
  return missing("Logged model with ID '" + id + "' not found.");
}

LoggedModelStatus parse_status(const std::string& word) {
  for (LoggedModelStatus status : {LoggedModelStatus::kReady, LoggedModelStatus::kFailed}) {
    if (word == to_string(status)) return status;
  }
  return LoggedModelStatus::kPending;
}

LoggedModel to_model(LoggedModelRow row) {
  LoggedModel model;
  model.id = std::move(row.id);
  model.experiment_id = std::move(row.experiment_id);
  model.name = std::move(row.name);
  model.type = std::move(row.type);
  model.created_ms = row.created_ms;
  model.updated_ms = row.updated_ms;
  model.deleted = row.deleted_ms.has_value();
  model.location = std::move(row.location);
  model.status = parse_status(row.status);
  model.run_id = std::move(row.run_id);
  return model;
}

ModelMetric to_metric(MetricRow row) {
  return {std::move(row.model_id),
          std::move(row.run_id),
          std::move(row.key),
          row.value.value_or(std::nan("")),
          row.timestamp_ms,
          row.step,
          std::move(row.dataset_name),
          std::move(row.dataset_digest)};
}

template <class Row>
Result<std::vector<Row>> all_in(db::Tx& tx, const std::string& sql, const char* column,
                                const std::vector<std::string>& ids, const char* order) {
  return tx.all<Row>(sql + schema::in_list(tx.engine(), column, /*texts=*/true) + order,
                     schema::list_value(ids));
}

/// In the order of `ids`; unknown ones are left out.
Result<std::vector<LoggedModel>> load(db::Tx& tx, const std::vector<std::string>& ids) {
  std::unordered_map<std::string, LoggedModel> models;
  for (LoggedModelRow& row : TRY(all_in<LoggedModelRow>(tx, kColumns, "id", ids, ""))) {
    std::string id = row.id;
    models.emplace(std::move(id), to_model(std::move(row)));
  }
  for (OwnedPair& tag :
       TRY(all_in<OwnedPair>(tx, "select model_id, key, value from logged_model_tags where ",
                             "model_id", ids, " order by model_id, key"))) {
    models.at(tag.owner).tags.push_back({std::move(tag.key), std::move(tag.value)});
  }
  for (OwnedPair& param :
       TRY(all_in<OwnedPair>(tx, "select model_id, key, value from logged_model_params where ",
                             "model_id", ids, " order by model_id, key"))) {
    models.at(param.owner).params.push_back({std::move(param.key), std::move(param.value)});
  }
  for (MetricRow& metric : TRY(all_in<MetricRow>(
           tx,
           "select model_id, key, timestamp_ms, step, run_id, dataset_name, dataset_digest, value "
           "from logged_model_metrics where ",
           "model_id", ids, " order by model_id, key, timestamp_ms, step, run_id"))) {
    models.at(metric.model_id).metrics.push_back(to_metric(std::move(metric)));
  }
  std::vector<LoggedModel> ordered;
  for (const std::string& id : ids) {
    auto found = models.find(id);
    if (found != models.end()) ordered.push_back(std::move(found->second));
  }
  return ordered;
}

Result<LoggedModel> load_one(db::Tx& tx, const std::string& id) {
  std::vector<LoggedModel> models = TRY(load(tx, {id}));
  if (models.empty()) return unknown(id);
  return std::move(models.front());
}

Result<> check_live(db::Tx& tx, const std::string& id) {
  auto found = TRY(
      tx.one<std::string>("select id from logged_models where id = ? and deleted_ms is null", id));
  if (!found) return unknown(id);
  return {};
}

Result<> check_pairs(const Tags& pairs, const char* what) {
  if (pairs.size() > kPairsMax) {
    return invalid("A request can contain at most " + std::to_string(kPairsMax) + " " + what + ".");
  }
  for (const Tag& pair : pairs) {
    if (pair.key.empty()) return invalid("Missing value for required parameter 'key'.");
    if (pair.key.size() > kTextCharactersMax || pair.value.size() > kTextCharactersMax) {
      return invalid(std::string(what) + " have at most " + std::to_string(kTextCharactersMax) +
                     " bytes in their key and value.");
    }
  }
  return {};
}

Result<> put_params(db::Tx& tx, const std::string& id, const Tags& params) {
  for (const Tag& param : params) {
    auto inserted =
        TRY(tx.run("insert into logged_model_params (model_id, key, value) values (?, ?, ?) "
                   "on conflict do nothing",
                   id, param.key, param.value));
    if (inserted == 1) continue;
    auto before = TRY(tx.one<std::string>(
        "select value from logged_model_params where model_id = ? and key = ?", id, param.key));
    if (before == param.value) continue;
    return Error{Code::kConflict,
                 "Param with key='" + param.key + "' of model '" + id + "' has another value.",
                 "already_exists"};
  }
  return {};
}

graph::NodeRef node_of(const std::string& id) {
  return {graph::kind::kModel, id};
}

Result<> log(db::Tx& tx, const char* type, const std::string& id, const std::string& actor,
             UnixMs now) {
  TRY(graph::append_event(tx, {type, node_of(id), actor, 0, {}}, now));
  return {};
}

Result<LoggedModel> insert(db::Tx& tx, const std::string& actor, const std::string& id,
                           const NewLoggedModel& model, UnixMs now) {
  TRY(
      tx.run("insert into logged_models (id, experiment_id, name, type, created_ms, updated_ms, "
             "location, status, run_id) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
             id, model.experiment_id, model.name, model.type, now, now,
             extend_location(model.experiment_location, "models/" + id + "/artifacts"),
             to_string(LoggedModelStatus::kPending), model.run_id));
  TRY(rows::put_logged_tags(tx, id, model.tags));
  TRY(put_params(tx, id, model.params));
  LoggedModel made = TRY(load_one(tx, id));
  TRY(rows::put_logged_facts(tx, made, now));
  TRY(log(tx, "model.created", id, actor, now));
  return made;
}

Result<> check_new(const NewLoggedModel& model) {
  TRY(check_logged_model_name(model.name));
  TRY(check_pairs(model.tags, "tags"));
  TRY(check_pairs(model.params, "params"));
  if (model.type.size() > kTextCharactersMax) return invalid("'model_type' is too long");
  return {};
}

}  // namespace

std::string extend_location(const std::string& location, const std::string& path) {
  const std::size_t query = std::min(location.find_first_of("?#"), location.size());
  std::string base = location.substr(0, query);
  while (base.size() > 1 && base.ends_with('/')) base.pop_back();
  const char* slash = base.ends_with('/') ? "" : "/";
  return base + slash + path + location.substr(query);
}

LoggedModels::LoggedModels(db::Pool& pool, const Clock& clock) : pool_(pool), clock_(clock) {}

Result<LoggedModel> LoggedModels::find(const std::string& id, bool also_deleted) {
  LoggedModel model = TRY(pool_.read([&](db::Tx& tx) { return load_one(tx, id); }));
  if (model.deleted && !also_deleted) return unknown(id);
  return model;
}

Result<Page<LoggedModel>> LoggedModels::search(const LoggedQuery& query) {
  const db::Sql sql = TRY(logged_models_sql(pool_.engine(), query));
  return pool_.read([&](db::Tx& tx) -> Result<Page<LoggedModel>> {
    std::vector<std::string> ids;
    TRY(tx.query(
        sql.text, sql.values,
        [&](const db::Columns& row) -> Result<> {
          ids.emplace_back(row.text(0));
          return {};
        },
        /*cache=*/false));
    Page<LoggedModel> page;
    page.more = ids.size() > static_cast<std::size_t>(query.limit);
    if (page.more) ids.resize(static_cast<std::size_t>(query.limit));
    page.items = TRY(load(tx, ids));
    return page;
  });
}

void LoggedModels::create(std::string actor, NewLoggedModel model, Done<LoggedModel> done) {
  if (auto checked = check_new(model); !checked.ok()) return done(checked.error());
  // The id is made once: the write may run again.
  std::string id = "m-" + random_hex32();
  pool_.write_later([this, actor = std::move(actor), id = std::move(id), model = std::move(model)](
                        db::Tx& tx) { return insert(tx, actor, id, model, clock_.now_ms()); },
                    std::move(done));
}

void LoggedModels::finalize(std::string actor, std::string id, LoggedModelStatus status,
                            Done<LoggedModel> done) {
  pool_.write_later(
      [this, actor = std::move(actor), id = std::move(id),
       status](db::Tx& tx) -> Result<LoggedModel> {
        TRY(check_live(tx, id));
        const UnixMs now = clock_.now_ms();
        TRY(tx.run("update logged_models set status = ?, updated_ms = ? where id = ?",
                   to_string(status), now, id));
        if (status == LoggedModelStatus::kReady) TRY(log(tx, "model.ready", id, actor, now));
        if (status == LoggedModelStatus::kFailed) TRY(log(tx, "model.failed", id, actor, now));
        return load_one(tx, id);
      },
      std::move(done));
}

void LoggedModels::remove(std::string actor, std::string id, Done<> done) {
  pool_.write_later(
      [this, actor = std::move(actor), id = std::move(id)](db::Tx& tx) -> Result<> {
        if (TRY(load_one(tx, id)).deleted) return {};
        const UnixMs now = clock_.now_ms();
        TRY(tx.run("update logged_models set deleted_ms = ?, updated_ms = ? where id = ?", now, now,
                   id));
        return log(tx, "model.deleted", id, actor, now);
      },
      std::move(done));
}

void LoggedModels::set_tags(std::string id, Tags tags, Done<> done) {
  if (auto checked = check_pairs(tags, "tags"); !checked.ok()) return done(checked.error());
  pool_.write_later(
      [id = std::move(id), tags = std::move(tags)](db::Tx& tx) -> Result<> {
        TRY(check_live(tx, id));
        return rows::put_logged_tags(tx, id, tags);
      },
      std::move(done));
}

void LoggedModels::delete_tag(std::string id, std::string key, Done<> done) {
  pool_.write_later(
      [id = std::move(id), key = std::move(key)](db::Tx& tx) -> Result<> {
        TRY(check_live(tx, id));
        auto removed =
            TRY(tx.run("delete from logged_model_tags where model_id = ? and key = ?", id, key));
        if (removed > 0) return {};
        return missing("No tag with key '" + key + "' found for model with ID '" + id + "'.");
      },
      std::move(done));
}

void LoggedModels::log_params(std::string id, Tags params, Done<> done) {
  if (auto checked = check_pairs(params, "params"); !checked.ok()) return done(checked.error());
  pool_.write_later(
      [id = std::move(id), params = std::move(params)](db::Tx& tx) -> Result<> {
        TRY(check_live(tx, id));
        return put_params(tx, id, params);
      },
      std::move(done));
}

Result<> log_model_metrics(db::Tx& tx, std::span<const ModelMetric> metrics) {
  for (const ModelMetric& metric : metrics) {
    TRY(check_live(tx, metric.model_id));
    TRY(rows::put_logged_metric(tx, metric.model_id, metric));
  }
  return {};
}

Result<std::optional<LoggedModel>> find_logged_model(db::Tx& tx, const std::string& id) {
  std::vector<LoggedModel> models = TRY(load(tx, {id}));
  if (models.empty() || models.front().deleted) return std::optional<LoggedModel>();
  return std::optional<LoggedModel>(std::move(models.front()));
}

}  // namespace slipway::registry
