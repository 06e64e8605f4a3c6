#include "domain/serving/serving_testing.h"

#include <algorithm>
#include <fstream>

#include "base/file.h"
#include "base/function_testing.h"
#include "base/ids.h"
#include "base/text.h"

namespace slipway::serving {
namespace {

/// One split: `low` where x is below 10, else `high`.
std::string stump(const std::string& low, const std::string& high,
                  const std::vector<std::string>& columns) {
  const auto place = std::find(columns.begin(), columns.end(), "x") - columns.begin();
  const std::string x = std::to_string(place), width = std::to_string(columns.size());
  const std::vector<std::string> types(columns.size(), "float");
  return R"({"version":[2,1,0],"learner":{"attributes":{},"feature_names":[")" + join(columns, R"(",")") +
         R"("],"feature_types":[")" + join(types, R"(",")") + R"("],)"
         R"("gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},)"
         R"("tree_info":[0],"iteration_indptr":[0,1],"trees":[{"tree_param":{"num_deleted":"0","num_feature":")" + width + R"(","num_nodes":"3","size_leaf_vector":"1"},)"
         R"("id":0,"left_children":[1,-1,-1],"right_children":[2,-1,-1],"parents":[2147483647,0,0],"split_indices":[)" + x + R"(,0,0],)"
         R"("split_type":[0,0,0],"default_left":[0,0,0],"loss_changes":[0,0,0],"sum_hessian":[1,1,1],"categories":[],)"
         R"("categories_nodes":[],"categories_segments":[],"categories_sizes":[],"base_weights":[0,0,0],)"
         R"("split_conditions":[10,)" +
         low + "," + high +
         R"(]}]}},"learner_model_param":{"base_score":"0","boost_from_average":"0","num_class":"0","num_feature":")" + width + R"(","num_target":"1"},)"
         R"("objective":{"name":"reg:squarederror","reg_loss_param":{"scale_pos_weight":"1"}}}})";
}

PredictionLogOptions log_in(const std::filesystem::path& folder) {
  PredictionLogOptions options;
  options.root = folder / "predictions";
  return options;
}

}  // namespace

void write_stump(const std::filesystem::path& folder, const std::string& low,
                 const std::string& high, const std::vector<std::string>& columns) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "MLmodel") << "flavors:\n  xgboost:\n    data: model.json\n"
                                       "    model_class: xgboost.core.Booster\n";
  std::ofstream(folder / "model.json") << stump(low, high, columns);
}

DeployedForTest::DeployedForTest(Serving& serving, const Clock& clock, Metrics& metrics,
                                 DeploymentsOptions limits)
    : folder_(std::filesystem::temp_directory_path() / ("deployed_test_" + random_hex32())),
      log_(disk_, metrics, log_in(folder_)),
      deployments_(serving, log_, clock, metrics, limits) {
  deployments_.start();
}

DeployedForTest::~DeployedForTest() {
  deployments_.stop();
  log_.stop();
  std::filesystem::remove_all(folder_);
}

Result<> DeployedForTest::apply(delivery::DeploymentRoute route, LogRules rules) {
  return wait_for([&](Done<> done) {
    deployments_.apply(std::move(route), std::move(rules), std::move(done));
  });
}

std::vector<Answer> DeployedForTest::logged(const PredictionId& id) {
  deployments_.drain_shadow();
  if (!log_.flush().ok()) return {};
  return Predictions(folder_ / "predictions", folder_ / "labels").find(id).value();
}

std::string FolderSource::add(const std::string& model, const std::filesystem::path& folder,
                              bool production) {
  return state_.with([&](State& state) {
    KnownModel& known = state.models[model];
    known.name = model;
    KnownVersion& version = known.versions.emplace_back();
    version.version = std::to_string(known.versions.size());
    version.production = production;
    version.source = "source-" + std::to_string(++state.sources);
    state.folders[version.source] = folder;
    return version.version;
  });
}

void FolderSource::alias(const std::string& model, const std::string& alias,
                         const std::string& version) {
  state_.with([&](State& state) { state.models[model].aliases[alias] = version; });
}

void FolderSource::remove(const std::string& model) {
  state_.with([&](State& state) { state.models.erase(model); });
}

void FolderSource::break_down(bool broken) {
  state_.with([&](State& state) { state.broken = broken; });
}

int FolderSource::looks() const {
  return state_.with([](const State& state) { return state.looks; });
}

int FolderSource::reads() const {
  return state_.with([](const State& state) { return state.reads; });
}

Result<std::vector<KnownModel>> FolderSource::models() {
  return state_.with([](State& state) -> Result<std::vector<KnownModel>> {
    ++state.looks;
    if (state.broken) return unavailable("the disk is gone");
    std::vector<KnownModel> models;
    for (const auto& [name, model] : state.models) models.push_back(model);
    return models;
  });
}

Result<std::string> FolderSource::file(const std::string& model, const std::string& version,
                                       const std::string& path, std::uint64_t bytes_max) {
  std::filesystem::path folder;
  bool broken = false;
  state_.with([&](State& state) {
    ++state.reads;
    broken = state.broken;
    for (const KnownVersion& known : state.models[model].versions) {
      if (known.version == version) folder = state.folders[known.source];
    }
  });
  if (broken) return unavailable("the disk is gone");
  auto content = read_file(folder / path, bytes_max);
  if (!content.ok() && content.error().code == Code::kInvalid)
    return with_tag(std::move(content.error()), "too_large");
  return content;
}

Result<Loaded> find_now(Serving& serving, const std::string& model, const std::string& version) {
  return wait_for<Loaded>(
      [&](Done<Loaded> done) { serving.find_later(model, version, std::move(done)); });
}

std::filesystem::path scoring_models() {
  return std::filesystem::path("tests/data/scoring");
}

}  // namespace slipway::serving
