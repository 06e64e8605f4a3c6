#include "domain/registry/removal.h"

#include <boost/describe.hpp>

#include "domain/registry/registry.h"
#include "domain/registry/rows.h"
#include "graph/kinds.h"
#include "graph/removal.h"

namespace slipway::registry {

BOOST_DESCRIBE_STRUCT(RemovableModel, (), (id, experiment_id, location, deleted))

namespace {

const std::string kModels =
    "select id, experiment_id, location, deleted_ms is not null from logged_models ";

}  // namespace

Result<std::vector<RemovableModel>> deleted_logged_models(db::Tx& tx, UnixMs until_ms) {
  return tx.all<RemovableModel>(
      kModels + "where deleted_ms is not null and deleted_ms <= ? order by id",
      until_ms);
}

Result<std::vector<RemovableModel>> logged_models_of(db::Tx& tx, const std::string& experiment_id) {
  return tx.all<RemovableModel>(kModels + "where experiment_id = ? order by id", experiment_id);
}

Result<std::optional<RemovableModel>> logged_model(db::Tx& tx, const std::string& id) {
  return tx.one<RemovableModel>(kModels + "where id = ?", id);
}

Result<bool> remove_some_of_logged_model(db::Tx& tx, const std::string& id, std::int64_t& rows,
                                         const std::string& actor, UnixMs now_ms) {
  if (!TRY(tx.one<std::string>("select name from logged_models where id = ?", id))) return true;
  constexpr const char* kTables[] = {
      "delete from logged_model_metrics where (model_id, key, timestamp_ms, step, run_id, "
      "dataset_name, dataset_digest) in (select model_id, key, timestamp_ms, step, run_id, "
      "dataset_name, dataset_digest from logged_model_metrics where model_id = ? limit ?)",
      "delete from logged_model_params where (model_id, key) in (select model_id, key from "
      "logged_model_params where model_id = ? limit ?)",
      "delete from logged_model_tags where (model_id, key) in (select model_id, key from "
      "logged_model_tags where model_id = ? limit ?)"};
  for (const char* sql : kTables) {
    if (rows <= 0) return false;
    rows -= TRY(tx.run(sql, id, rows));
  }
  const graph::NodeRef node{graph::kind::kModel, id};
  if (!TRY(graph::remove_some(tx, node, rows))) return false;
  TRY(tx.run("delete from logged_models where id = ?", id));
  const graph::Event event{"model.removed", node, actor, /*cause_seq=*/0, wire::Json::Object{}};
  TRY(graph::append_event(tx, event, now_ms));
  return true;
}

Result<std::optional<bool>> is_released(db::Tx& tx, const std::string& model, std::int64_t number) {
  const Result<rows::VersionRow> row = rows::find_version(tx, model, number);
  if (!row.ok() && row.error().code == Code::kMissing) return std::optional<bool>();
  const auto tag =
      TRY(tx.one<std::string>("select value from model_version_tags where version = ? and key = ?",
                              TRY(row).id, kReleaseTag));
  return std::optional(tag == model + "/" + std::to_string(number));
}

}  // namespace slipway::registry
