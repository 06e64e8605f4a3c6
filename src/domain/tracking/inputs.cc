#include <algorithm>
#include <boost/describe.hpp>
#include <set>

#include "domain/tracking/store.h"
#include "graph/graph.h"
#include "graph/kinds.h"
#include "io/db/compare.h"

namespace slipway::tracking {
namespace {

using wire::Json;

struct InputRow {
  std::int64_t input = 0, run = 0;
  std::string name, digest, source_type, source, schema, profile;
};
BOOST_DESCRIBE_STRUCT(InputRow, (),
                      (input, run, name, digest, source_type, source, schema, profile))
struct InputTagRow {
  std::int64_t input = 0;
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(InputTagRow, (), (input, key, value))
struct UseRow {
  std::int64_t experiment = 0;
  std::string name, digest;
  std::optional<std::string> tag;
};
BOOST_DESCRIBE_STRUCT(UseRow, (), (experiment, name, digest, tag))
struct ModelRow {
  std::int64_t run = 0;
  std::string model_id;
  std::int64_t step = 0;
};
BOOST_DESCRIBE_STRUCT(ModelRow, (), (run, model_id, step))

/// A dataset is known once per experiment; the first words about it stay.
Result<std::int64_t> dataset_key(db::Tx& tx, std::int64_t experiment, const Dataset& dataset) {
  TRY(
      tx.run("insert into datasets (experiment, name, digest, source_type, source, schema_text, "
             "profile) values (?, ?, ?, ?, ?, ?, ?) "
             "on conflict (experiment, name, digest) do nothing",
             experiment, dataset.name, dataset.digest, dataset.source_type, dataset.source,
             dataset.schema, dataset.profile));
  std::optional<std::int64_t> key = TRY(tx.one<std::int64_t>(
      "select id from datasets where experiment = ? and name = ? and digest = ?", experiment,
      dataset.name, dataset.digest));
  if (!key) return internal("a dataset is there and is not");
  return *key;
}

Result<> put_use(db::Tx& tx, std::int64_t run, std::int64_t dataset, std::span<const Tag> tags) {
  std::optional<std::int64_t> input =
      TRY(tx.one<std::int64_t>("insert into run_datasets (run, dataset) values (?, ?) "
                               "on conflict (run, dataset) do nothing returning id",
                               run, dataset));
  if (!input) return {};  // known, with the tags of its first use
  for (const Tag& tag : tags) {
    TRY(
        tx.run("insert into run_dataset_tags (input, key, value) values (?, ?, ?) "
               "on conflict (input, key) do update set value = excluded.value",
               *input, tag.key, tag.value));
  }
  return {};
}

/// `run used dataset`, identified by NAME@DIGEST.
Result<> put_dataset_facts(db::Tx& tx, const std::string& run_id, const Dataset& dataset,
                           UnixMs now_ms) {
  graph::NodeRef node{graph::kind::kDataset, dataset.name + "@" + dataset.digest};
  // A name may take four bytes a character; a node's id has a bound, which no sane name meets.
  constexpr std::size_t kIdBytesMax = 1024;
  constexpr std::size_t kSourceBytesMax = 4096;
  if (node.id.size() > kIdBytesMax) return {};
  Json attributes{Json::Object{}};
  attributes.set("name", dataset.name);
  attributes.set("digest", dataset.digest);
  attributes.set("source_type", dataset.source_type);
  if (dataset.source.size() <= kSourceBytesMax) attributes.set("source", dataset.source);
  TRY(graph::put_node(tx, node, attributes, now_ms));
  return graph::put_edge(
      tx, {{graph::kind::kRun, run_id}, graph::relation::kUsed, node, Json::Object{}}, now_ms);
}

Result<> put_models(db::Tx& tx, std::int64_t run, std::span<const ModelLink> models, bool made) {
  for (const ModelLink& model : models) {
    TRY(
        tx.run("insert into run_models (run, made, model_id, step) values (?, ?, ?, ?) "
               "on conflict (run, made, model_id) do update set step = excluded.step",
               run, made, model.model_id, model.step));
  }
  return {};
}

Result<> put_model_edges(db::Tx& tx, const std::string& run_id, std::span<const ModelLink> models,
                         bool made, UnixMs now_ms) {
  const graph::NodeRef run{graph::kind::kRun, run_id};
  for (const ModelLink& link : models) {
    const graph::NodeRef model{graph::kind::kModel, link.model_id};
    graph::Edge edge = made ? graph::Edge{model, graph::relation::kProducedBy, run, Json::Object{}}
                            : graph::Edge{run, graph::relation::kUsed, model, Json::Object{}};
    TRY(graph::put_edge(tx, edge, now_ms));
  }
  return {};
}

}  // namespace

Result<> write_inputs(db::Tx& tx, const std::string& run_id, const Inputs& inputs, UnixMs now_ms) {
  RunKey run = TRY(find_live_run(tx, run_id));
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const DatasetInput& input : inputs.datasets) {
    if (!seen.emplace(input.dataset.name, input.dataset.digest).second) continue;
    std::int64_t dataset = TRY(dataset_key(tx, run.experiment, input.dataset));
    TRY(put_use(tx, run.key, dataset, input.tags));
    TRY(put_dataset_facts(tx, run_id, input.dataset, now_ms));
  }
  TRY(put_models(tx, run.key, inputs.models, /*made=*/false));
  return put_model_edges(tx, run_id, inputs.models, /*made=*/false, now_ms);
}

Result<> write_outputs(db::Tx& tx, const std::string& run_id, std::span<const ModelLink> models,
                       UnixMs now_ms) {
  RunKey run = TRY(find_live_run(tx, run_id));
  TRY(put_models(tx, run.key, models, /*made=*/true));
  return put_model_edges(tx, run_id, models, /*made=*/true, now_ms);
}

Result<std::vector<ModelLink>> read_models(db::Tx& tx, std::int64_t run, bool made) {
  std::vector<ModelLink> links;
  for (ModelRow& row : TRY(tx.all<ModelRow>(
           "select run, model_id, step from run_models where run = ? and made = ? order by id", run,
           made))) {
    links.push_back({std::move(row.model_id), row.step});
  }
  return links;
}

Result<std::vector<DatasetUse>> read_dataset_uses(db::Tx& tx,
                                                  std::span<const std::int64_t> experiments,
                                                  const std::string& tag_key, std::size_t limit) {
  std::vector<DatasetUse> uses;
  if (experiments.empty()) return uses;
  db::Sql sql;
  sql.add(
         "select distinct d.experiment, d.name, d.digest, t.value from datasets d "
         "join run_datasets i on i.dataset = d.id "
         "left join run_dataset_tags t on t.input = i.id and t.key = ? where d.experiment in (")
      .bind(tag_key)
      .add(to_list(experiments))
      .add(") order by d.experiment, d.name, d.digest limit ?")
      .bind(static_cast<std::int64_t>(limit));
  TRY(tx.query(
      sql.text, sql.values,
      [&](const db::Columns& columns) -> Result<> {
        UseRow row;
        TRY(db::read_row(columns, row));
        uses.push_back(
            {row.experiment, std::move(row.name), std::move(row.digest), std::move(row.tag)});
        return {};
      },
      /*cache=*/false));
  std::sort(uses.begin(), uses.end(), [](const DatasetUse& a, const DatasetUse& b) {
    return std::tie(a.experiment_id, a.name, a.digest, a.tag) <
           std::tie(b.experiment_id, b.name, b.digest, b.tag);
  });
  return uses;
}

Result<> add_inputs(db::Tx& tx, const std::string& key_list,
                    const std::unordered_map<std::int64_t, Run*>& runs) {
  std::unordered_map<std::int64_t, std::pair<Run*, std::size_t>> by_input;
  TRY(tx.query(
      "select i.id, i.run, d.name, d.digest, d.source_type, d.source, d.schema_text, d.profile "
      "from run_datasets i join datasets d on d.id = i.dataset where i.run in (" +
          key_list + ") order by i.id",
      {},
      [&](const db::Columns& columns) -> Result<> {
        InputRow row;
        TRY(db::read_row(columns, row));
        Run* run = runs.at(row.run);
        by_input[row.input] = {run, run->datasets.size()};
        run->datasets.push_back(
            {{std::move(row.name), std::move(row.digest), std::move(row.source_type),
              std::move(row.source), std::move(row.schema), std::move(row.profile)},
             {}});
        return {};
      },
      /*cache=*/false));
  TRY(tx.query(
      "select t.input, t.key, t.value from run_datasets i "
      "join run_dataset_tags t on t.input = i.id where i.run in (" +
          key_list + ") order by t.input, t.key",
      {},
      [&](const db::Columns& columns) -> Result<> {
        InputTagRow row;
        TRY(db::read_row(columns, row));
        auto [run, index] = by_input.at(row.input);
        run->datasets[index].tags.push_back({std::move(row.key), std::move(row.value)});
        return {};
      },
      /*cache=*/false));
  return tx.query(
      "select run, model_id, step from run_models where made = 1 and run in (" + key_list +
          ") order by id",
      {},
      [&](const db::Columns& columns) -> Result<> {
        ModelRow row;
        TRY(db::read_row(columns, row));
        runs.at(row.run)->models_made.push_back({std::move(row.model_id), row.step});
        return {};
      },
      /*cache=*/false);
}

}  // namespace slipway::tracking
