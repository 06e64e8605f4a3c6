#include "dialects/mlflow_store/import.h"

#include <algorithm>
#include <set>

#include "base/failpoint.h"
#include "base/text.h"
#include "dialects/mlflow_store/copy_files.h"
#include "dialects/mlflow_store/places.h"
#include "dialects/mlflow_store/words.h"
#include "domain/imports/imports.h"

namespace slipway::mlflow_store {
namespace {

using imports::Item;
using imports::Items;
using tracking::Adoption;

constexpr char kExperimentItem[] = "experiment";
constexpr char kRunItem[] = "run";
constexpr char kLoggedModelItem[] = "logged_model";
constexpr char kModelItem[] = "model";
constexpr std::size_t kRunsAtOnce = 200;        // in one transaction
constexpr std::size_t kPointsAtOnce = 100'000;  // of them
constexpr std::size_t kModelsAtOnce = 200;
/// A run with more than so many points outside of chunks of their own is put in order at its end.
constexpr std::int64_t kPointsUnsettledMax = 16'000;

/// Part of a run that one transaction writes.
struct RunPart {
  std::optional<tracking::AdoptedRun> begins;  // the run itself, with its first part
  std::string id;
  std::vector<tracking::Metric> points;
  Item place;
  bool settle = false;
  // What the transaction found; it may run again.
  bool taken = false;
};

class Importer {
 public:
  Importer(Store& store, db::Pool& pool, blob::Blobs* blobs, const Clock& clock,
           const ImportOptions& options, const std::function<void(const Progress&)>& progress)
      : store_(store),
        pool_(pool),
        blobs_(blobs),
        clock_(clock),
        options_(options),
        progress_(progress) {}

  Result<Report> run() {
    const auto began = std::chrono::steady_clock::now();
    report_.source = store_.name();
    report_.format = store_.format();
    TRY(begin());
    TRY(bring_experiments());
    TRY(bring_logged_models());
    TRY(bring_runs());
    TRY(bring_models());
    TRY(pool_.write([](db::Tx& tx) { return tracking::count_adopted(tx); }));
    if (options_.copy_files) TRY(copy());
    report_.left = TRY(store_.left_behind());
    note_files();
    report_.took = since(began);
    TRY(pool_.write([&](db::Tx& tx) {
      return imports::end(tx, import_, wire::dump(to_json(report_)), clock_.now_ms());
    }));
    return std::move(report_);
  }

 private:
  static std::chrono::milliseconds since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 began);
  }
  Tell teller() {
    return [this](Trouble trouble) { tell(std::move(trouble)); };
  }
  void tell(Trouble trouble) {
    if (report_.troubles.size() < Report::kTroublesMax) {
      report_.troubles.push_back(std::move(trouble));
    } else {
      ++report_.troubles_more;
    }
  }
  void show() { progress_({report_.made, report_.known, runs_in_all_}); }
  tracking::Actor actor() const { return {options_.actor, ""}; }

  Result<> begin() {
    const auto import = TRY(pool_.write([&](db::Tx& tx) -> Result<imports::Import> {
      return imports::begin(tx, report_.source, clock_.now_ms());
    }));
    import_ = import.id;
    TRY(pool_.read([&](db::Tx& tx) -> Result<> {
      experiments_ = TRY(imports::items(tx, import_, kExperimentItem));
      runs_ = TRY(imports::items(tx, import_, kRunItem));
      logged_models_ = TRY(imports::items(tx, import_, kLoggedModelItem));
      models_ = TRY(imports::items(tx, import_, kModelItem));
      return {};
    }));
    report_.resumed = !experiments_.empty() || !runs_.empty() || !models_.empty();
    return {};
  }

  // --- texts that a catalogue can't hold --------------------------------------------------------

  bool keeps(const char* kind, const std::string& id, const char* what, std::string_view text,
             std::size_t bytes_max = kValueBytesMax) {
    if (is_storable(text, bytes_max)) return true;
    tell({kind, shown(id),
          std::string(what) + " '" + shown(text) + "' is no UTF-8, holds a NUL, or has more than " +
              std::to_string(bytes_max) + " bytes; it was left out"});
    return false;
  }
  template <class Pairs>
  void drop_unkept(const char* kind, const std::string& id, const char* what, Pairs& pairs) {
    std::erase_if(pairs, [&](const auto& pair) {
      return pair.key.empty() || !keeps(kind, id, what, pair.key, kKeyBytesMax) ||
             !keeps(kind, id, what, pair.value);
    });
  }
  bool keeps_run(const tracking::Run& run) {
    const tracking::RunInfo& info = run.info;
    for (const std::string* text : {&info.name, &info.user_id, &info.artifact_uri})
      if (!keeps(kRunItem, info.id, "a text of it,", *text)) return false;
    return true;
  }
  void tidy(tracking::Run& run) {
    drop_unkept(kRunItem, run.info.id, "the param", run.params);
    drop_unkept(kRunItem, run.info.id, "the tag", run.tags);
    std::erase_if(run.datasets, [&](tracking::DatasetInput& input) {
      tracking::Dataset& set = input.dataset;
      drop_unkept(kRunItem, run.info.id, "the tag of a dataset", input.tags);
      for (const std::string* text :
           {&set.name, &set.digest, &set.source_type, &set.source, &set.schema, &set.profile})
        if (!keeps(kRunItem, run.info.id, "of a dataset", *text, 16u << 20)) return true;
      return false;
    });
    for (auto* links : {&run.models_used, &run.models_made}) {
      std::erase_if(*links, [&](const tracking::ModelLink& link) {
        return !keeps(kRunItem, run.info.id, "the model", link.model_id, kKeyBytesMax);
      });
    }
  }

  // --- experiments ------------------------------------------------------------------------------

  static const char* why_not(Adoption adoption) {
    return adoption == Adoption::kIdTaken
               ? "another experiment has its id here; it and its runs were left out"
               : "an experiment with another id has its name here; it and its runs were left out "
                 "(rename the one here, and import again)";
  }

  Result<> bring_experiments() {
    for (tracking::Experiment& one : TRY(store_.experiments(teller()))) {
      const std::string id = std::to_string(one.id);
      if (!keeps(kExperimentItem, id, "its name", one.name, kKeyBytesMax) || one.name.empty() ||
          !keeps(kExperimentItem, id, "its place", one.artifact_location)) {
        if (one.name.empty()) tell({kExperimentItem, id, "it has no name"});
        continue;
      }
      drop_unkept(kExperimentItem, id, "the tag", one.tags);
      places_.emplace(one.id, one.artifact_location);
      if (!experiments_.contains(id) && !TRY(bring(one))) continue;
      carried_.push_back(one.id);
      runs_in_all_ += static_cast<std::int64_t>(TRY(store_.run_ids(one.id)).size());
    }
    return {};
  }

  Result<bool> bring(const tracking::Experiment& one) {
    const std::string id = std::to_string(one.id);
    const Adoption adoption = TRY(pool_.write([&](db::Tx& tx) -> Result<Adoption> {
      const UnixMs now = clock_.now_ms();
      const Adoption found = TRY(tracking::adopt_experiment(tx, one, actor(), now));
      if (found == Adoption::kMade || found == Adoption::kJoined)
        TRY(imports::put_item(tx, import_, kExperimentItem, id, {.whole = true}));
      return found;
    }));
    failpoint("import.experiment");
    if (adoption == Adoption::kMade) report_.made.experiments += 1;
    if (adoption == Adoption::kJoined) {
      report_.notes.push_back(
          "runs of experiment 0 went into the experiment 0 that is here, "
          "whose name, place and tags stay");
    }
    if (adoption == Adoption::kMade || adoption == Adoption::kJoined) return true;
    tell({kExperimentItem, id, why_not(adoption)});
    return false;
  }

  // --- logged models ----------------------------------------------------------------------------

  Result<> bring_logged_models() {
    std::vector<registry::LoggedModel> waiting;
    for (std::int64_t experiment : carried_) {
      for (const std::string& id : TRY(store_.logged_model_ids(experiment))) {
        if (logged_models_.contains(id)) continue;
        std::optional<registry::LoggedModel> model =
            TRY(store_.logged_model(experiment, id, teller()));
        if (!model || !keeps_logged_model(*model)) continue;
        waiting.push_back(std::move(*model));
        if (waiting.size() >= kModelsAtOnce) TRY(bring(waiting));
      }
    }
    return bring(waiting);
  }

  bool keeps_logged_model(registry::LoggedModel& model) {
    if (!is_logged_model_id(model.id)) {
      tell({kLoggedModelItem, shown(model.id), "its id is no id of a logged model"});
      return false;
    }
    for (const std::string* text : {&model.name, &model.type, &model.location, &model.run_id})
      if (!keeps(kLoggedModelItem, model.id, "a text of it,", *text)) return false;
    drop_unkept(kLoggedModelItem, model.id, "the tag", model.tags);
    drop_unkept(kLoggedModelItem, model.id, "the param", model.params);
    std::erase_if(model.metrics, [&](const registry::ModelMetric& metric) {
      for (const std::string* text :
           {&metric.key, &metric.run_id, &metric.dataset_name, &metric.dataset_digest})
        if (!keeps(kLoggedModelItem, model.id, "of a metric", *text, kKeyBytesMax)) return true;
      return false;
    });
    return true;
  }

  Result<> bring(std::vector<registry::LoggedModel>& waiting) {
    if (waiting.empty()) return {};
    const auto taken = TRY(pool_.write([&](db::Tx& tx) -> Result<std::set<std::string>> {
      std::set<std::string> others;
      for (const registry::LoggedModel& model : waiting) {
        const bool made =
            TRY(registry::adopt_logged_model(tx, options_.actor, model, clock_.now_ms()));
        if (!made) {
          others.insert(model.id);
          continue;
        }
        TRY(imports::put_item(tx, import_, kLoggedModelItem, model.id, {.whole = true}));
      }
      return others;
    }));
    failpoint("import.logged_models");
    for (const std::string& id : taken)
      tell({kLoggedModelItem, id, "another logged model has its id here"});
    report_.made.logged_models += static_cast<std::int64_t>(waiting.size() - taken.size());
    waiting.clear();
    show();
    return {};
  }

  // --- runs and their points --------------------------------------------------------------------

  Result<> bring_runs() {
    const auto began = std::chrono::steady_clock::now();
    for (std::int64_t experiment : carried_) {
      for (const std::string& id : TRY(store_.run_ids(experiment))) {
        auto item = runs_.find(id);
        if (item != runs_.end() && item->second.whole) {
          ++report_.known;
          continue;
        }
        TRY(bring_run(experiment, id, item == runs_.end() ? nullptr : &item->second));
      }
    }
    TRY(flush());
    report_.points_took = since(began);
    return {};
  }

  /// `item`: how far it is, of a run that is here in part.
  Result<> bring_run(std::int64_t experiment, const std::string& id, const Item* item) {
    if (!is_run_id(id) && !is_logged_model_id(id)) {
      tell({kRunItem, shown(id), "its id is no id of a run"});
      return {};
    }
    RunPart part;
    part.id = id;
    if (item == nullptr) {
      part.begins = TRY(store_.run(experiment, id, teller()));
      if (!part.begins || !keeps_run(part.begins->run)) return {};
      tidy(part.begins->run);
    }
    part.settle = item != nullptr;
    const PointPlace from = item == nullptr ? PointPlace() : PointPlace{item->key, item->number};
    parts_.push_back(std::move(part));
    taken_ = false;
    std::string unkept;  // the key that was told of last
    TRY(store_.points(
        experiment, id, from,
        [&](const std::string& key, const tracking::Metric& point, PointPlace next) -> Result<> {
          if (taken_ || key == unkept) return {};
          if (key.empty() || !keeps(kRunItem, id, "the metric", key, kKeyBytesMax)) {
            unkept = key;
            return {};
          }
          return take(id, key, point, std::move(next));
        },
        teller()));
    if (taken_) return {};
    parts_.back().place.whole = true;
    return parts_.size() >= kRunsAtOnce ? flush() : Result<>();
  }

  Result<> take(const std::string& id, const std::string& key, const tracking::Metric& point,
                PointPlace next) {
    RunPart& part = parts_.back();
    part.points.push_back({key, point.value, point.timestamp_ms, point.step});
    part.place.key = std::move(next.key);
    part.place.number = next.number;
    if (++points_waiting_ < kPointsAtOnce) return {};
    TRY(flush());
    if (taken_) return {};
    RunPart rest;
    rest.id = id;
    rest.settle = true;
    parts_.push_back(std::move(rest));
    return {};
  }

  /// Writes what waits. `taken_` afterwards: the run of the last part belongs to somebody else.
  Result<> flush() {
    if (parts_.empty()) return {};
    std::vector<std::vector<tracking::Addition>> additions;
    additions.reserve(parts_.size());
    for (RunPart& part : parts_) {
      additions.push_back(tracking::to_additions(part.points));
      part.settle |= unsettled(additions.back()) > kPointsUnsettledMax;
    }
    TRY(pool_.write([&](db::Tx& tx) -> Result<> {
      for (std::size_t i = 0; i < parts_.size(); ++i) TRY(write(tx, parts_[i], additions[i]));
      return {};
    }));
    failpoint("import.runs");
    for (RunPart& part : parts_) count(part);
    taken_ = parts_.back().taken;
    parts_.clear();
    points_waiting_ = 0;
    show();
    return {};
  }

  static std::int64_t unsettled(const std::vector<tracking::Addition>& additions) {
    std::int64_t points = 0;
    for (const tracking::Addition& addition : additions)
      points += static_cast<std::int64_t>(addition.points.size());
    return points;
  }

  Result<> write(db::Tx& tx, RunPart& part, const std::vector<tracking::Addition>& additions) {
    part.taken = false;
    if (part.begins) {
      const Adoption found = TRY(tracking::adopt_run(tx, *part.begins, clock_.now_ms()));
      part.taken = found != Adoption::kMade;
      if (part.taken) return {};
    }
    if (!additions.empty()) TRY(tracking::adopt_points(tx, part.id, additions));
    if (part.settle && part.place.whole) TRY(tracking::settle_points(tx, part.id));
    return imports::put_item(tx, import_, kRunItem, part.id, part.place);
  }

  void count(const RunPart& part) {
    if (part.taken) {
      tell({kRunItem, part.id, "another run has its id here"});
      return;
    }
    Counts& made = report_.made;
    made.points += static_cast<std::int64_t>(part.points.size());
    if (!part.begins) return;
    const tracking::Run& run = part.begins->run;
    made.runs += 1;
    made.params += static_cast<std::int64_t>(run.params.size());
    made.tags += static_cast<std::int64_t>(run.tags.size());
    made.datasets += static_cast<std::int64_t>(run.datasets.size());
  }

  // --- registered models ------------------------------------------------------------------------

  Result<> bring_models() {
    for (const std::string& name : TRY(store_.model_names(teller()))) {
      if (models_.contains(name)) continue;
      std::optional<Store::RegisteredModel> found = TRY(store_.model(name, teller()));
      if (!found || !keeps_model(*found)) continue;
      const bool made = TRY(pool_.write([&](db::Tx& tx) -> Result<bool> {
        if (!TRY(registry::adopt_model(tx, options_.actor, found->model, found->versions,
                                       clock_.now_ms())))
          return false;
        TRY(imports::put_item(tx, import_, kModelItem, name, {.whole = true}));
        return true;
      }));
      failpoint("import.model");
      if (!made) {
        tell({kModelItem, name,
              "a model has its name here; it and its versions were left out (rename the one here, "
              "and import again)"});
        continue;
      }
      report_.made.models += 1;
      report_.made.aliases += static_cast<std::int64_t>(found->model.aliases.size());
      for (const registry::AdoptedVersion& version : found->versions)
        report_.made.versions += version.deleted ? 0 : 1;
      show();
    }
    return {};
  }

  bool keeps_model(Store::RegisteredModel& found) {
    registry::Model& model = found.model;
    if (model.name.empty() ||
        !keeps(kModelItem, model.name, "its name", model.name, kKeyBytesMax) ||
        !keeps(kModelItem, model.name, "its description", model.description))
      return false;
    drop_unkept(kModelItem, model.name, "the tag", model.tags);
    std::set<std::int64_t> numbers;
    std::erase_if(found.versions, [&](registry::AdoptedVersion& one) {
      registry::Version& version = one.version;
      version.model = model.name;
      const std::string id = model.name + "/" + std::to_string(version.number);
      if (version.number < 1 || !numbers.insert(version.number).second) {
        tell({"version", id, "its number is below 1, or given twice"});
        return true;
      }
      for (const std::string* text : {&version.description, &version.source, &version.location,
                                      &version.run_id, &version.run_link, &version.logged_model_id})
        if (!keeps("version", id, "a text of it,", *text)) return true;
      drop_unkept("version", id, "the tag", version.tags);
      return false;
    });
    std::erase_if(model.aliases, [&](const registry::Alias& alias) {
      const bool is_there = std::any_of(
          found.versions.begin(), found.versions.end(),
          [&](const auto& one) { return one.version.number == alias.number && !one.deleted; });
      const bool kept = keeps(kModelItem, model.name, "the alias", alias.alias, kKeyBytesMax);
      if (kept && !is_there) {
        tell({"alias", model.name + "@" + alias.alias,
              "it names version " + std::to_string(alias.number) + ", which is not there"});
      }
      return !kept || !is_there;
    });
    return true;
  }

  // --- files ------------------------------------------------------------------------------------

  Result<> copy() {
    CopyWorld world{store_, pool_, *blobs_, import_, {options_.here, options_.artifacts_from}};
    return copy_files(
        world, carried_, report_.made, teller(),
        [this](std::string note) { report_.notes.push_back(std::move(note)); }, [this] { show(); });
  }

  void note_files() {
    if (options_.copy_files) return;
    bool behind_server = false, elsewhere = false;
    for (const auto& [id, place] : places_) {
      behind_server |= is_behind_server(place);
      elsewhere |= !is_behind_server(place);
    }
    if (elsewhere) {
      report_.notes.push_back(
          "files stay where they were, and clients go there themselves, as before; this server "
          "neither lists nor serves them (--copy-artifacts brings them here)");
    }
    if (behind_server) {
      report_.notes.push_back(
          "files behind mlflow-artifacts:/ are looked for in this server's own store: start it "
          "with `slipway up --artifacts FOLDER` on the old server's --artifacts-destination, or "
          "import with --copy-artifacts --artifacts-from FOLDER");
    }
  }

  Store& store_;
  db::Pool& pool_;
  blob::Blobs* blobs_;
  const Clock& clock_;
  const ImportOptions& options_;
  const std::function<void(const Progress&)>& progress_;
  Report report_;
  std::int64_t import_ = 0;
  Items experiments_, runs_, logged_models_, models_;
  std::map<std::int64_t, std::string> places_;  // of experiments
  std::vector<std::int64_t> carried_;           // experiments whose runs come
  std::int64_t runs_in_all_ = 0;
  std::vector<RunPart> parts_;
  std::size_t points_waiting_ = 0;
  bool taken_ = false;
};

wire::Json counts_json(const Counts& made) {
  wire::Json json;
  json.set("experiments", made.experiments);
  json.set("runs", made.runs);
  json.set("params", made.params);
  json.set("tags", made.tags);
  json.set("points", made.points);
  json.set("dataset_inputs", made.datasets);
  json.set("logged_models", made.logged_models);
  json.set("registered_models", made.models);
  json.set("versions", made.versions);
  json.set("aliases", made.aliases);
  json.set("files", made.files);
  json.set("bytes", made.bytes);
  return json;
}

std::int64_t points_per_second(const Report& report) {
  const std::int64_t ms = std::max<std::int64_t>(report.points_took.count(), 1);
  return report.made.points * 1000 / ms;
}

}  // namespace

wire::Json to_json(const Report& report) {
  wire::Json json;
  json.set("source", report.source);
  json.set("format", report.format);
  json.set("resumed", report.resumed);
  json.set("made", counts_json(report.made));
  json.set("runs_known", report.known);
  wire::Json::Array troubles;
  for (const Trouble& trouble : report.troubles) {
    wire::Json one;
    one.set("kind", trouble.kind);
    one.set("id", trouble.id);
    one.set("why", trouble.why);
    troubles.push_back(std::move(one));
  }
  json.set("not_carried", std::move(troubles));
  json.set("not_carried_more", report.troubles_more);
  wire::Json::Array left;
  for (const LeftBehind& kind : report.left) {
    wire::Json one;
    one.set("what", kind.what);
    one.set("count", kind.count);
    left.push_back(std::move(one));
  }
  json.set("left_behind", std::move(left));
  json.set("notes", wire::Json::Array(report.notes.begin(), report.notes.end()));
  json.set("ms", std::int64_t{report.took.count()});
  json.set("points_per_second", points_per_second(report));
  return json;
}

std::string to_text(const Report& report) {
  const Counts& made = report.made;
  std::string text = "imported " + report.source + " (" + report.format + ")" +
                     (report.resumed ? ", which had begun before" : "") + "\n";
  const std::pair<const char*, std::int64_t> lines[] = {{"experiments", made.experiments},
                                                        {"runs", made.runs},
                                                        {"params", made.params},
                                                        {"tags", made.tags},
                                                        {"points of metrics", made.points},
                                                        {"uses of datasets", made.datasets},
                                                        {"logged models", made.logged_models},
                                                        {"registered models", made.models},
                                                        {"versions", made.versions},
                                                        {"aliases", made.aliases},
                                                        {"files", made.files},
                                                        {"bytes of files", made.bytes}};
  for (const auto& [name, count] : lines)
    if (count > 0) text += "  " + std::to_string(count) + " " + name + "\n";
  if (report.known > 0)
    text += "  " + std::to_string(report.known) + " runs were here from before\n";
  text += "  in " + std::to_string(report.took.count()) + " ms, " +
          std::to_string(points_per_second(report)) + " points/s\n";
  for (const LeftBehind& kind : report.left)
    text += "not brought: " + std::to_string(kind.count) + " " + kind.what + "\n";
  for (const Trouble& trouble : report.troubles)
    text += "not brought as it was: " + trouble.kind + " " + trouble.id + ": " + trouble.why + "\n";
  if (report.troubles_more > 0)
    text += "and " + std::to_string(report.troubles_more) + " more of these\n";
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  return text;
}

Result<Report> import_store(Store& store, db::Pool& pool, blob::Blobs* blobs, const Clock& clock,
                            const ImportOptions& options,
                            const std::function<void(const Progress&)>& progress) {
  if (options.copy_files && blobs == nullptr) return internal("no place to copy files to");
  return Importer(store, pool, blobs, clock, options, progress).run();
}

}  // namespace slipway::mlflow_store
