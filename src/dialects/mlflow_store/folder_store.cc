#include <algorithm>
#include <limits>
#include <map>

#include "base/text.h"
#include "dialects/mlflow_store/files.h"
#include "dialects/mlflow_store/metric_line.h"
#include "dialects/mlflow_store/store.h"
#include "dialects/mlflow_store/words.h"
#include "io/yaml/yaml.h"

namespace slipway::mlflow_store {
namespace {

constexpr char kMeta[] = "meta.yaml";
constexpr std::uint64_t kMetaBytesMax = 4u << 20;
constexpr char kTrash[] = ".trash";
constexpr char kModels[] = "models";
constexpr std::size_t kLineBytesMax = 4096;

std::string text_at(const yaml::Node& node, const char* key) {
  const yaml::Node* found = node.find(key);
  if (found == nullptr || found->is_null() || !found->is_scalar()) return "";
  return found->is_string() ? found->text : found->canonical();
}

std::optional<std::int64_t> number_at(const yaml::Node& node, const char* key) {
  const yaml::Node* found = node.find(key);
  if (found == nullptr || found->is_null() || !found->is_scalar()) return std::nullopt;
  if (found->type == yaml::Type::kInteger) {
    Result<std::int64_t> number = found->as_int64();
    return number.ok() ? std::optional(*number) : std::nullopt;
  }
  return to_int64(found->text);
}

/// What lies as one file for each key, as params and tags do.
struct Pair {
  std::string key, value;
};

class FolderStore final : public Store {
 public:
  FolderStore(Folder root, std::filesystem::path path)
      : root_(std::move(root)), path_(std::move(path)) {}

  std::string name() const override { return path_.string(); }
  std::string format() const override { return "an MLflow folder of files"; }

  Result<> look() {
    TRY(look_in(root_, /*trash=*/false));
    if (std::optional<Folder> trash = TRY(root_.folder(kTrash)))
      TRY(look_in(*trash, /*trash=*/true));
    const bool has_models = TRY(root_.folder(kModels)).has_value();
    if (!places_.empty() || has_models) return {};
    return invalid(path_.string() +
                   " is no folder of MLflow's: no folder in it has a meta.yaml, and there is no "
                   "folder 'models'");
  }

  Result<std::vector<LeftBehind>> left_behind() override {
    std::int64_t traces = 0;
    for (const auto& [id, place] : places_) {
      std::optional<Folder> folder = TRY(open(place));
      std::optional<Folder> of_traces =
          folder ? TRY(folder->folder("traces")) : std::optional<Folder>();
      if (!of_traces) continue;
      for (const FolderEntry& entry : TRY(of_traces->list()))
        traces += entry.kind == FolderEntry::Kind::kFolder ? 1 : 0;
    }
    std::vector<LeftBehind> left;
    if (traces > 0) left.push_back({"traces", traces});
    return left;
  }

  Result<std::vector<tracking::Experiment>> experiments(const Tell& tell) override {
    for (const auto& [name, why] : not_experiments_) tell({"experiment", name, why});
    std::vector<tracking::Experiment> all;
    for (const auto& [id, place] : places_) {
      std::optional<Folder> folder = TRY(open(place));
      std::optional<yaml::Node> meta =
          folder ? TRY(read_meta(*folder, "experiment", std::to_string(id), tell))
                 : std::optional<yaml::Node>();
      if (!meta) continue;
      tracking::Experiment one;
      one.id = id;
      one.name = text_at(*meta, "name");
      one.artifact_location = text_at(*meta, "artifact_location");
      one.deleted = place.trash || text_at(*meta, "lifecycle_stage") == kDeleted;
      one.created_ms = number_at(*meta, "creation_time").value_or(0);
      one.updated_ms = number_at(*meta, "last_update_time").value_or(one.created_ms);
      for (Pair& tag : TRY(pairs(*folder, "tags", "experiment", std::to_string(id), tell)))
        one.tags.push_back({std::move(tag.key), std::move(tag.value)});
      all.push_back(std::move(one));
    }
    return all;
  }

  Result<std::vector<std::string>> run_ids(std::int64_t experiment) override {
    std::vector<std::string> ids;
    std::optional<Folder> folder = TRY(open_experiment(experiment));
    if (!folder) return ids;
    for (const FolderEntry& entry : TRY(folder->list())) {
      if (entry.kind == FolderEntry::Kind::kFolder && is_run_id(entry.name))
        ids.push_back(entry.name);
    }
    return ids;
  }

  Result<std::optional<tracking::AdoptedRun>> run(std::int64_t experiment, const std::string& id,
                                                  const Tell& tell) override {
    std::optional<Folder> folder = TRY(open_run(experiment, id));
    std::optional<yaml::Node> meta =
        folder ? TRY(read_meta(*folder, "run", id, tell)) : std::optional<yaml::Node>();
    if (!meta) return std::optional<tracking::AdoptedRun>();
    const auto status = run_status(number_at(*meta, "status").value_or(0));
    if (!status) {
      tell({"run", id,
            "its status is '" + shown(text_at(*meta, "status")) + "', which is none of MLflow's"});
      return std::optional<tracking::AdoptedRun>();
    }
    tracking::AdoptedRun adopted;
    tracking::RunInfo& info = adopted.run.info;
    info.id = id;
    info.experiment_id = experiment;
    info.name = text_at(*meta, "run_name");
    info.user_id = text_at(*meta, "user_id");
    info.status = *status;
    info.start_ms = number_at(*meta, "start_time").value_or(0);
    info.end_ms = number_at(*meta, "end_time");
    info.artifact_uri = text_at(*meta, "artifact_uri");
    info.deleted = text_at(*meta, "lifecycle_stage") == kDeleted;
    if (info.deleted) adopted.deleted_ms = number_at(*meta, "deleted_time");
    for (Pair& param : TRY(pairs(*folder, "params", "run", id, tell)))
      adopted.run.params.push_back({std::move(param.key), std::move(param.value)});
    for (Pair& tag : TRY(pairs(*folder, "tags", "run", id, tell))) {
      if (tag.key == "mlflow.runName" && info.name.empty()) info.name = tag.value;
      adopted.run.tags.push_back({std::move(tag.key), std::move(tag.value)});
    }
    TRY(read_inputs(experiment, *folder, adopted.run, tell));
    TRY(read_outputs(*folder, adopted.run, tell));
    return std::optional(std::move(adopted));
  }

  Result<> points(std::int64_t experiment, const std::string& run, const PointPlace& from,
                  const TakePoint& take, const Tell& tell) override {
    std::optional<Folder> folder = TRY(open_run(experiment, run));
    std::optional<Folder> metrics =
        folder ? TRY(folder->folder("metrics")) : std::optional<Folder>();
    if (!metrics) return {};
    std::vector<std::string> keys;
    TRY(each_file(
        *metrics,
        [&](const Folder&, const std::string&, const std::string& path) -> Result<> {
          keys.push_back(path);
          return {};
        },
        [&](const std::string& path, const std::string& why) {
          tell({"metric", run + "/" + shown(path), why});
        }));
    std::sort(keys.begin(), keys.end());
    for (const std::string& key : keys) {
      if (key < from.key) continue;
      const std::int64_t done = key == from.key ? from.number : 0;
      TRY(points_of(*metrics, run, key, done, take, tell));
    }
    return {};
  }

  Result<std::vector<std::string>> logged_model_ids(std::int64_t experiment) override {
    std::vector<std::string> ids;
    std::optional<Folder> folder = TRY(open_experiment(experiment));
    std::optional<Folder> models = folder ? TRY(folder->folder(kModels)) : std::optional<Folder>();
    if (!models) return ids;
    for (const FolderEntry& entry : TRY(models->list())) {
      if (entry.kind == FolderEntry::Kind::kFolder && is_logged_model_id(entry.name))
        ids.push_back(entry.name);
    }
    return ids;
  }

  Result<std::optional<registry::LoggedModel>> logged_model(std::int64_t experiment,
                                                            const std::string& id,
                                                            const Tell& tell) override {
    const std::optional<registry::LoggedModel> none;
    std::optional<Folder> of_experiment = TRY(open_experiment(experiment));
    std::optional<Folder> models =
        of_experiment ? TRY(of_experiment->folder(kModels)) : std::optional<Folder>();
    std::optional<Folder> folder = models ? TRY(models->folder(id)) : std::optional<Folder>();
    std::optional<yaml::Node> meta =
        folder ? TRY(read_meta(*folder, "logged_model", id, tell)) : std::optional<yaml::Node>();
    if (!meta) return none;
    const auto status = logged_model_status(number_at(*meta, "status").value_or(0));
    if (!status) {
      tell({"logged_model", id,
            "its status is '" + shown(text_at(*meta, "status")) + "', which is none of MLflow's"});
      return none;
    }
    registry::LoggedModel model;
    model.id = id;
    model.experiment_id = std::to_string(experiment);
    model.name = text_at(*meta, "name");
    model.type = text_at(*meta, "model_type");
    model.location = text_at(*meta, "artifact_location");
    model.created_ms = number_at(*meta, "creation_timestamp").value_or(0);
    model.updated_ms = number_at(*meta, "last_updated_timestamp").value_or(model.created_ms);
    model.run_id = text_at(*meta, "source_run_id");
    model.deleted = text_at(*meta, "lifecycle_stage") == kDeleted;
    model.status = *status;
    for (Pair& tag : TRY(pairs(*folder, "tags", "logged_model", id, tell)))
      model.tags.push_back({std::move(tag.key), std::move(tag.value)});
    for (Pair& param : TRY(pairs(*folder, "params", "logged_model", id, tell)))
      model.params.push_back({std::move(param.key), std::move(param.value)});
    TRY(read_model_metrics(*folder, model, tell));
    return std::optional(std::move(model));
  }

  Result<std::vector<std::string>> model_names(const Tell& tell) override {
    std::vector<std::string> names;
    std::optional<Folder> models = TRY(root_.folder(kModels));
    if (!models) return names;
    for (const FolderEntry& entry : TRY(models->list())) {
      if (entry.kind == FolderEntry::Kind::kFolder) {
        names.push_back(entry.name);
      } else if (entry.kind == FolderEntry::Kind::kOther) {
        tell({"model", shown(entry.name), "it is no folder; links are not followed"});
      }
    }
    return names;
  }

  Result<std::optional<RegisteredModel>> model(const std::string& name, const Tell& tell) override {
    std::optional<Folder> models = TRY(root_.folder(kModels));
    std::optional<Folder> folder = models ? TRY(models->folder(name)) : std::optional<Folder>();
    std::optional<yaml::Node> meta =
        folder ? TRY(read_meta(*folder, "model", name, tell)) : std::optional<yaml::Node>();
    if (!meta) return std::optional<RegisteredModel>();
    RegisteredModel found;
    found.model.name = text_at(*meta, "name");
    if (found.model.name.empty()) found.model.name = name;
    found.model.created_ms = number_at(*meta, "creation_timestamp").value_or(0);
    found.model.updated_ms =
        number_at(*meta, "last_updated_timestamp").value_or(found.model.created_ms);
    found.model.description = text_at(*meta, "description");
    for (Pair& tag : TRY(pairs(*folder, "tags", "model", name, tell)))
      found.model.tags.push_back({std::move(tag.key), std::move(tag.value)});
    for (Pair& alias : TRY(pairs(*folder, "aliases", "model", name, tell))) {
      if (auto number = to_int64(trim(alias.value))) {
        found.model.aliases.push_back({std::move(alias.key), *number});
      } else {
        tell({"alias", name + "@" + shown(alias.key), "its file holds no version"});
      }
    }
    TRY(read_versions(*folder, found, tell));
    return std::optional(std::move(found));
  }

 private:
  struct Place {
    std::string name;
    bool trash = false;
  };

  Result<> look_in(const Folder& folder, bool trash) {
    for (const FolderEntry& entry : TRY(folder.list())) {
      const bool other = entry.name == kTrash || entry.name == kModels || entry.name[0] == '.';
      if (entry.kind != FolderEntry::Kind::kFolder) {
        if (entry.kind == FolderEntry::Kind::kOther)
          not_experiments_[entry.name] = "it is no folder; links are not followed";
        continue;
      }
      if (other) continue;
      if (const auto id = experiment_number(entry.name)) {
        places_.emplace(*id, Place{entry.name, trash});
      } else if (std::optional<Folder> below = TRY(folder.folder(entry.name));
                 below && TRY(below->file(kMeta))) {
        not_experiments_[shown(entry.name)] = "its id is no whole number, which ids are here";
      }
    }
    return {};
  }

  Result<std::optional<Folder>> open(const Place& place) {
    if (!place.trash) return root_.folder(place.name);
    std::optional<Folder> trash = TRY(root_.folder(kTrash));
    if (!trash) return std::optional<Folder>();
    return trash->folder(place.name);
  }
  Result<std::optional<Folder>> open_experiment(std::int64_t id) {
    auto place = places_.find(id);
    if (place == places_.end()) return std::optional<Folder>();
    return open(place->second);
  }
  Result<std::optional<Folder>> open_run(std::int64_t experiment, const std::string& id) {
    std::optional<Folder> folder = TRY(open_experiment(experiment));
    if (!folder) return std::optional<Folder>();
    return folder->folder(id);
  }

  /// Nothing, and told, when it can't be understood.
  Result<std::optional<yaml::Node>> read_meta(const Folder& folder, const char* kind,
                                              const std::string& id, const Tell& tell) {
    const std::optional<yaml::Node> none;
    Result<std::optional<std::string>> text = folder.read(kMeta, kMetaBytesMax);
    if (!text.ok() && text.error().code == Code::kUnavailable) return text.error();
    if (!text.ok() || !*text) {
      tell({kind, shown(id), text.ok() ? "it has no meta.yaml" : text.error().message});
      return none;
    }
    yaml::Limits limits;
    limits.bytes_max = kMetaBytesMax;
    limits.nodes_max = 100'000;
    Result<yaml::Node> node = yaml::parse(**text, kMeta, yaml::Schema::kYaml11, limits);
    if (node.ok() && node->is_mapping()) return std::optional(std::move(*node));
    tell({kind, shown(id), node.ok() ? "its meta.yaml is no mapping" : node.error().message});
    return none;
  }

  Result<std::vector<Pair>> pairs(const Folder& folder, const char* name, const char* kind,
                                  const std::string& id, const Tell& tell) {
    std::vector<Pair> found;
    std::optional<Folder> of_pairs = TRY(folder.folder(name));
    if (!of_pairs) return found;
    const std::string where = shown(id) + "/" + name + "/";
    TRY(each_file(
        *of_pairs,
        [&](const Folder& in, const std::string& file, const std::string& path) -> Result<> {
          Result<std::optional<std::string>> value = in.read(file, kValueBytesMax);
          if (!value.ok()) {
            tell({kind, where + shown(path), value.error().message});
          } else if (*value) {
            found.push_back({path, std::move(**value)});
          }
          return {};
        },
        [&](const std::string& path, const std::string& why) {
          tell({kind, where + shown(path), why});
        }));
    return found;
  }

  Result<> points_of(const Folder& metrics, const std::string& run, const std::string& key,
                     std::int64_t done, const TakePoint& take, const Tell& tell) {
    std::optional<Folder> below;
    const Folder* in = &metrics;
    std::vector<std::string_view> parts = split(key, '/');
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      below = TRY(in->folder(std::string(parts[i])));
      if (!below) return {};
      in = &*below;
    }
    Result<std::optional<Fd>> file = in->file(std::string(parts.back()));
    if (!file.ok() || !*file) {
      tell({"metric", run + "/" + shown(key), file.ok() ? "it is gone" : file.error().message});
      return {};
    }
    PointPlace place{key, 0};
    std::int64_t wrong = 0;
    Result<> read = each_line(**file, kLineBytesMax, [&](std::string_view line) -> Result<> {
      if (++place.number <= done) return {};
      const std::optional<MetricLine> parsed = parse_run_metric(line);
      if (!parsed) {
        ++wrong;
        return {};
      }
      return take(key, parsed->point, place);
    });
    if (wrong > 0) {
      tell({"metric", run + "/" + shown(key),
            std::to_string(wrong) + " of its lines are no points and were left out"});
    }
    if (read.ok() || read.error().code != Code::kInvalid) return read;
    tell({"metric", run + "/" + shown(key),
          "it ends at line " + std::to_string(place.number) + ": " + read.error().message});
    return {};
  }

  Result<> read_inputs(std::int64_t experiment, const Folder& run, tracking::Run& to,
                       const Tell& tell) {
    std::optional<Folder> inputs = TRY(run.folder("inputs"));
    if (!inputs) return {};
    for (const FolderEntry& entry : TRY(inputs->list())) {
      std::optional<Folder> input = TRY(inputs->folder(entry.name));
      if (!input) continue;
      const std::string where = to.info.id + "/inputs/" + shown(entry.name);
      std::optional<yaml::Node> meta = TRY(read_meta(*input, "input", where, tell));
      if (!meta) continue;
      const std::string source = text_at(*meta, "source_id");
      if (text_at(*meta, "source_type") != "DATASET") {
        to.models_used.push_back({source, number_at(*meta, "step").value_or(0)});
        continue;
      }
      std::optional<tracking::Dataset> dataset = TRY(read_dataset(experiment, source, tell));
      if (!dataset) continue;
      tracking::DatasetInput use{std::move(*dataset), {}};
      if (const yaml::Node* tags = meta->find("tags"); tags != nullptr && tags->is_mapping()) {
        for (const yaml::Entry& tag : tags->entries)
          use.tags.push_back({tag.key.text, text_at(*tags, tag.key.text.c_str())});
      }
      to.datasets.push_back(std::move(use));
    }
    return {};
  }

  Result<std::optional<tracking::Dataset>> read_dataset(std::int64_t experiment,
                                                        const std::string& id, const Tell& tell) {
    const std::optional<tracking::Dataset> none;
    std::optional<Folder> folder = TRY(open_experiment(experiment));
    std::optional<Folder> all = folder ? TRY(folder->folder("datasets")) : std::optional<Folder>();
    std::optional<Folder> one = all ? TRY(all->folder(id)) : std::optional<Folder>();
    if (!one) {
      tell({"dataset", shown(id), "a run used it, but its folder is not there"});
      return none;
    }
    std::optional<yaml::Node> meta = TRY(read_meta(*one, "dataset", id, tell));
    if (!meta) return none;
    return std::optional(tracking::Dataset{text_at(*meta, "name"), text_at(*meta, "digest"),
                                           text_at(*meta, "source_type"), text_at(*meta, "source"),
                                           text_at(*meta, "schema"), text_at(*meta, "profile")});
  }

  Result<> read_outputs(const Folder& run, tracking::Run& to, const Tell& tell) {
    std::optional<Folder> outputs = TRY(run.folder("outputs"));
    if (!outputs) return {};
    for (const FolderEntry& entry : TRY(outputs->list())) {
      std::optional<Folder> output = TRY(outputs->folder(entry.name));
      if (!output) continue;
      const std::string where = to.info.id + "/outputs/" + shown(entry.name);
      std::optional<yaml::Node> meta = TRY(read_meta(*output, "output", where, tell));
      if (!meta) continue;
      to.models_made.push_back(
          {text_at(*meta, "destination_id"), number_at(*meta, "step").value_or(0)});
    }
    return {};
  }

  Result<> read_model_metrics(const Folder& folder, registry::LoggedModel& model,
                              const Tell& tell) {
    std::optional<Folder> metrics = TRY(folder.folder("metrics"));
    if (!metrics) return {};
    return each_file(
        *metrics,
        [&](const Folder& in, const std::string& file, const std::string& path) -> Result<> {
          Result<std::optional<Fd>> opened = in.file(file);
          if (!opened.ok() || !*opened) return {};
          std::int64_t wrong = 0;
          Result<> read =
              each_line(**opened, kLineBytesMax, [&](std::string_view line) -> Result<> {
                const std::optional<MetricLine> parsed = parse_model_metric(line);
                if (!parsed) {
                  ++wrong;
                  return {};
                }
                model.metrics.push_back({model.id, parsed->run_id, path, parsed->point.value,
                                         parsed->point.timestamp_ms, parsed->point.step,
                                         parsed->dataset_name, parsed->dataset_digest});
                return {};
              });
          if (!read.ok() || wrong > 0) {
            tell({"logged_model", model.id + "/metrics/" + shown(path),
                  read.ok() ? std::to_string(wrong) + " of its lines are no points"
                            : read.error().message});
          }
          return {};
        },
        [&](const std::string& path, const std::string& why) {
          tell({"logged_model", model.id + "/metrics/" + shown(path), why});
        });
  }

  Result<> read_versions(const Folder& folder, RegisteredModel& found, const Tell& tell) {
    constexpr std::string_view kPrefix = "version-";
    for (const FolderEntry& entry : TRY(folder.list())) {
      if (!entry.name.starts_with(kPrefix)) continue;
      const auto number = to_int64(std::string_view(entry.name).substr(kPrefix.size()));
      const std::string id = found.model.name + "/" + shown(entry.name);
      std::optional<Folder> of_version = TRY(folder.folder(entry.name));
      if (!number || *number < 1 || !of_version) {
        tell({"version", id, "its folder is not named version-N, or no folder"});
        continue;
      }
      std::optional<yaml::Node> meta = TRY(read_meta(*of_version, "version", id, tell));
      if (!meta) continue;
      found.versions.push_back(
          TRY(version_of(*of_version, *meta, found.model.name, *number, tell)));
    }
    std::sort(found.versions.begin(), found.versions.end(),
              [](const auto& a, const auto& b) { return a.version.number < b.version.number; });
    return {};
  }

  Result<registry::AdoptedVersion> version_of(const Folder& folder, const yaml::Node& meta,
                                              const std::string& model, std::int64_t number,
                                              const Tell& tell) {
    registry::AdoptedVersion one;
    registry::Version& version = one.version;
    const std::string id = model + "/" + std::to_string(number);
    version.model = model;
    version.number = number;
    version.created_ms = number_at(meta, "creation_timestamp").value_or(0);
    version.updated_ms = number_at(meta, "last_updated_timestamp").value_or(version.created_ms);
    version.description = text_at(meta, "description");
    version.source = text_at(meta, "source");
    version.location = text_at(meta, "storage_location");
    if (version.location.empty()) version.location = version.source;
    version.run_id = text_at(meta, "run_id");
    version.run_link = text_at(meta, "run_link");
    version.logged_model_id = text_at(meta, "model_id");
    const std::string stage = text_at(meta, "current_stage");
    one.deleted = stage == kDeletedStage;
    version.stage = registry::parse_stage(stage).value_or(registry::Stage::kNone);
    if (!one.deleted && !stage.empty() && !registry::parse_stage(stage)) {
      tell({"version", id,
            "its stage is '" + shown(stage) + "', which is none of MLflow's; it is None here"});
    }
    for (Pair& tag : TRY(pairs(folder, "tags", "version", id, tell)))
      version.tags.push_back({std::move(tag.key), std::move(tag.value)});
    return one;
  }

  const Folder root_;
  const std::filesystem::path path_;
  std::map<std::int64_t, Place> places_;  // of experiments
  std::map<std::string, std::string> not_experiments_;
};

}  // namespace

Result<> with_folder(const std::filesystem::path& root,
                     const std::function<Result<>(Store&)>& use) {
  FolderStore store(TRY(Folder::open(root)), root);
  TRY(store.look());
  return use(store);
}

}  // namespace slipway::mlflow_store
