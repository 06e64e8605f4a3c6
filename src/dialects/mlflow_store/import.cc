#include "dialects/mlflow_store/import.h"

#include <algorithm>
#include <set>
#include <span>

#include "base/failpoint.h"
#include "base/text.h"
#include "dialects/mlflow_store/copy_files.h"
#include "dialects/mlflow_store/places.h"
#include "dialects/mlflow_store/print.h"
#include "dialects/mlflow_store/words.h"
#include "domain/imports/imports.h"
#include "domain/registry/names.h"

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
constexpr std::size_t kPrintsAtOnce = 1000;
constexpr char kChangedMeanwhile[] = "changed while it came";
/// A run with more than so many points outside of chunks of their own is put in order at its end.
constexpr std::int64_t kPointsUnsettledMax = 16'000;

/// Part of a run that one transaction writes.
struct RunPart {
  std::optional<tracking::AdoptedRun> begins;  // the run itself, with its first part
  std::string id;
  std::vector<tracking::Metric> points;
  Item place;
  Print print;  // of the run without its points
  PointsPrint points_print;
  std::vector<std::string> changed = {};  // parts that came from two states of the source
  bool settle = false;
  // What the transaction found; it may run again.
  bool taken = false;
  std::string refused = {};  // why the catalogue does not take it
};

struct LoggedModelPart {
  registry::LoggedModel model;
  std::string print;
};

/// An error about one thing, which the others do not mind; what the machine, a disk or another
/// program is to blame for ends an import.
bool is_of_one(const Error& error) {
  return error.code == Code::kInvalid || error.code == Code::kMissing ||
         error.code == Code::kConflict;
}

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
    TRY(put_prints());
    report_.left = TRY(store_.left_behind());
    note_files();
    note_what_went();
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
    began_ms_ = import.began_ms;
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

  /// A text of a thing that is told by `what`; `name` is what of it may be shown.
  bool keeps(const char* kind, const std::string& id, const std::string& what,
             std::string_view text, std::size_t bytes_max, std::string_view name) {
    if (is_storable(text, bytes_max)) return true;
    tell({kind, shown(id),
          what + " '" + shown(name) + "' is no UTF-8, holds a NUL, or has more than " +
              std::to_string(bytes_max) + " bytes; it was left out"});
    return false;
  }
  bool keeps(const char* kind, const std::string& id, const char* what, std::string_view text,
             std::size_t bytes_max = kValueBytesMax) {
    return keeps(kind, id, what, text, bytes_max, text);
  }
  bool keeps_filled(const char* kind, const std::string& id, const std::string& what,
                    std::string_view text) {
    if (!text.empty()) return keeps(kind, id, what.c_str(), text, kKeyBytesMax);
    tell({kind, shown(id), what + " has no name; it was left out"});
    return false;
  }
  template <class Pairs>
  void drop_unkept(const char* kind, const std::string& id, const char* what, Pairs& pairs) {
    std::erase_if(pairs, [&](const auto& pair) {
      return !keeps_filled(kind, id, what, pair.key) ||
             !keeps(kind, id, std::string("the value of ") + what, pair.value, kValueBytesMax,
                    pair.key);
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
        return !keeps_filled(kRunItem, run.info.id, "a model that it used or made",
                             link.model_id);
      });
    }
  }

  // --- one thing among many ---------------------------------------------------------------------

  /// Nothing, and told, when the error is of this thing alone.
  template <class T>
  Result<std::optional<T>> unless_odd(const char* kind, const std::string& id, Result<T> made) {
    if (made.ok()) return std::optional<T>(std::move(*made));
    if (!is_of_one(made.error())) return made.error();
    tell({kind, shown(id), made.error().message + "; it was left out"});
    return std::optional<T>();
  }

  /// Of one that came before: tells what was changed at its source since.
  Result<> compare(const char* kind, const std::string& id, const Item& item, const Print& now) {
    if (item.print.empty()) return keep_print(kind, id, item, now);
    tell_changes(kind, id, now.changes_since(Print::of_text(item.print)));
    return {};
  }
  void tell_changes(const char* kind, const std::string& id,
                    const std::vector<std::string>& changes) {
    if (changes.empty()) return;
    tell({kind, shown(id),
          "it changed at the source since it came (" + join(changes, "; ") +
              "); here it is as it came, and what is new there was not brought"});
    has_changes_ = true;
  }

  /// It came when nobody kept what it was.
  Result<> keep_print(const char* kind, const std::string& id, Item item, const Print& now) {
    item.print = now.text();
    prints_.push_back({kind, id, std::move(item)});
    ++without_print_;
    return prints_.size() < kPrintsAtOnce ? Result<>() : put_prints();
  }
  Result<> put_prints() {
    if (prints_.empty()) return {};
    TRY(pool_.write([&](db::Tx& tx) -> Result<> {
      for (const auto& one : prints_)
        TRY(imports::put_item(tx, import_, one.kind, one.id, one.item));
      return {};
    }));
    prints_.clear();
    return {};
  }

  void note_what_went() {
    const auto here = std::count_if(runs_.begin(), runs_.end(),
                                    [](const auto& one) { return one.second.whole; });
    if (here > report_.known) {
      report_.notes.push_back(std::to_string(here - report_.known) +
                              " runs that came before are not at the source any more, or not in "
                              "an experiment that came; they stay here");
    }
    if (has_changes_) {
      report_.notes.push_back(
          "what goes on at the source after it came is told, and not brought; into a fresh state "
          "(--state) all comes as it is now");
    }
    if (without_print_ > 0) {
      report_.notes.push_back(std::to_string(without_print_) +
                              " things came when it was not kept what they were; whether they "
                              "changed at the source until now is not known");
    }
  }

  // --- experiments ------------------------------------------------------------------------------

  static std::string why_not(Adoption adoption, std::size_t runs) {
    const std::string left = "it and its " + std::to_string(runs) + " runs were left out ";
    return adoption == Adoption::kIdTaken
               ? "another experiment has its id here; " + left +
                     "(import into a fresh state, or send them to the running server with "
                     "`slipway sync`, which goes by name)"
               : "an experiment with another id has its name here; " + left +
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
      const Print print = print_of(one);
      drop_unkept(kExperimentItem, id, "the tag", one.tags);
      places_.emplace(one.id, one.artifact_location);
      const std::size_t runs = TRY(store_.run_ids(one.id)).size();
      auto item = experiments_.find(id);
      if (item != experiments_.end()) {
        TRY(compare(kExperimentItem, id, item->second, print));
      } else if (!TRY(bring(one, print, runs))) {
        continue;
      }
      carried_.push_back(one.id);
      runs_in_all_ += static_cast<std::int64_t>(runs);
    }
    return {};
  }

  Result<bool> bring(const tracking::Experiment& one, const Print& print, std::size_t runs) {
    const std::string id = std::to_string(one.id);
    Result<Adoption> adopted = pool_.write([&](db::Tx& tx) -> Result<Adoption> {
      const UnixMs now = clock_.now_ms();
      const Adoption found = TRY(tracking::adopt_experiment(tx, one, actor(), now));
      if (found == Adoption::kMade || found == Adoption::kJoined)
        TRY(imports::put_item(tx, import_, kExperimentItem, id,
                              {.whole = true, .print = print.text()}));
      return found;
    });
    const std::optional<Adoption> adoption =
        TRY(unless_odd(kExperimentItem, id, std::move(adopted)));
    if (!adoption) return false;
    failpoint("import.experiment");
    if (adoption == Adoption::kMade) report_.made.experiments += 1;
    if (adoption == Adoption::kJoined) {
      report_.notes.push_back(
          "runs of experiment 0 went into the experiment 0 that is here, "
          "whose name, place and tags stay");
    }
    if (adoption == Adoption::kMade || adoption == Adoption::kJoined) return true;
    tell({kExperimentItem, id, why_not(*adoption, runs)});
    return false;
  }

  // --- logged models ----------------------------------------------------------------------------

  Result<> bring_logged_models() {
    std::vector<LoggedModelPart> waiting;
    for (std::int64_t experiment : carried_) {
      for (const std::string& id : TRY(store_.logged_model_ids(experiment))) {
        if (!is_logged_model_id(id)) {
          tell({kLoggedModelItem, shown(id), "its id is no id of a logged model"});
          continue;
        }
        auto model = TRY(unless_odd(kLoggedModelItem, id,
                                    store_.logged_model(experiment, id, teller())));
        if (!model || !*model) continue;
        registry::LoggedModel& one = **model;
        const Print print = print_of(one);
        if (!keeps_logged_model(one)) continue;
        auto item = logged_models_.find(id);
        if (item != logged_models_.end()) {
          TRY(compare(kLoggedModelItem, id, item->second, print));
          continue;
        }
        waiting.push_back({std::move(one), print.text()});
        if (waiting.size() >= kModelsAtOnce) TRY(bring(waiting));
      }
    }
    return bring(waiting);
  }

  bool keeps_logged_model(registry::LoggedModel& model) {
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

  Result<> bring(std::vector<LoggedModelPart>& waiting) {
    if (waiting.empty()) return {};
    const Result<> together = bring_together(waiting);
    if (!together.ok()) {
      if (!is_of_one(together.error())) return together.error();
      for (const LoggedModelPart& one : waiting)  // which of them it is
        TRY(unless_odd(kLoggedModelItem, one.model.id, counted(bring_together({&one, 1}))));
    }
    waiting.clear();
    show();
    return {};
  }
  static Result<bool> counted(Result<> done) {
    if (!done.ok()) return done.error();
    return true;
  }

  Result<> bring_together(std::span<const LoggedModelPart> parts) {
    const auto taken = TRY(pool_.write([&](db::Tx& tx) -> Result<std::set<std::string>> {
      std::set<std::string> others;
      for (const LoggedModelPart& part : parts) {
        const std::string& id = part.model.id;
        if (!TRY(registry::adopt_logged_model(tx, options_.actor, part.model, clock_.now_ms()))) {
          others.insert(id);
          continue;
        }
        TRY(imports::put_item(tx, import_, kLoggedModelItem, id,
                              {.whole = true, .print = part.print}));
      }
      return others;
    }));
    failpoint("import.logged_models");
    for (const std::string& id : taken)
      tell({kLoggedModelItem, id, "another logged model has its id here"});
    report_.made.logged_models += static_cast<std::int64_t>(parts.size() - taken.size());
    return {};
  }

  // --- runs and their points --------------------------------------------------------------------

  Result<> bring_runs() {
    const auto began = std::chrono::steady_clock::now();
    for (std::int64_t experiment : carried_) {
      for (const std::string& id : TRY(store_.run_ids(experiment))) {
        auto item = runs_.find(id);
        TRY(bring_run(experiment, id, item == runs_.end() ? nullptr : &item->second));
      }
    }
    TRY(flush());
    report_.points_took = since(began);
    return {};
  }

  /// `item`: how far it is, of a run that is here, whole or in part. That is read again too: what
  /// could not come, or has changed, is told each time.
  Result<> bring_run(std::int64_t experiment, const std::string& id, const Item* item) {
    if (!is_run_id(id) && !is_logged_model_id(id)) {
      tell({kRunItem, shown(id), "its id is no id of a run"});
      return {};
    }
    if (item != nullptr && item->whole) ++report_.known;
    auto read = TRY(unless_odd(kRunItem, id, store_.run(experiment, id, teller())));
    if (!read || !*read) return {};
    RunPart part;
    part.id = id;
    part.print = print_of(**read);
    if (!keeps_run((*read)->run)) return {};
    tidy((*read)->run);
    if (item != nullptr && item->whole) return look_again(experiment, id, *item, part.print);
    if (item == nullptr) part.begins = std::move(*read);
    part.settle = item != nullptr;
    parts_.push_back(std::move(part));
    taken_ = false;
    std::vector<std::string> changes;
    bool passing = item != nullptr && item->number > 0;  // what is here already
    const bool was_begun = passing;
    const Result<> read_points =
        each_point(experiment, id,
                   [&](const std::string& key, const tracking::Metric& point, PointPlace next,
                       const PointsPrint& so_far) -> Result<> {
                     if (taken_) return {};
                     if (!passing) return take(id, key, point, std::move(next), so_far);
                     if (next.key != item->key || next.number != item->number) return {};
                     passing = false;
                     changes = changes_of(parts_.back().print, so_far, *item);
                     parts_.back().changed = changes;
                     return {};
                   },
                   [&](const PointsPrint& all) {
                     if (!taken_) parts_.back().points_print = all;
                   });
    if (!read_points.ok()) {
      if (!is_of_one(read_points.error())) return read_points.error();
      if (!taken_) {
        points_waiting_ -= parts_.back().points.size();
        parts_.pop_back();
      }
      tell({kRunItem, id, read_points.error().message + "; what was not read yet was left out"});
      return {};
    }
    if (was_begun && passing) {  // its place is not there any more
      parts_.pop_back();
      tell_changes(kRunItem, id, {std::string(kPointsPart)});
      return {};
    }
    tell_changes(kRunItem, id, changes);
    if (taken_) return {};
    parts_.back().place.whole = true;
    return parts_.size() >= kRunsAtOnce ? flush() : Result<>();
  }

  static std::vector<std::string> changes_of(Print print, const PointsPrint& points,
                                             const Item& item) {
    if (item.print.empty()) return {};
    print.set(kPointsPart, points.text());
    return print.changes_since(Print::of_text(item.print));
  }

  Result<> look_again(std::int64_t experiment, const std::string& id, const Item& item,
                      Print print) {
    const auto pass = [](const std::string&, const tracking::Metric&, const PointPlace&,
                         const PointsPrint&) { return Result<>(); };
    const auto read = TRY(unless_odd(
        kRunItem, id, counted(each_point(experiment, id, pass, [&](const PointsPrint& all) {
          print.set(kPointsPart, all.text());
        }))));
    if (!read) return {};
    show();
    return compare(kRunItem, id, item, print);
  }

  /// Those that can be kept; `so_far` counts the others too.
  template <class Take, class End>
  Result<> each_point(std::int64_t experiment, const std::string& id, const Take& take,
                      const End& end) {
    PointsPrint so_far;
    std::string unkept;  // the key that was told of last
    bool told_of_empty = false;
    const Result<> read = store_.points(
        experiment, id, {},
        [&](const std::string& key, const tracking::Metric& point, PointPlace next) -> Result<> {
          so_far.add(key, point);
          if (key.empty()) {
            if (!told_of_empty) keeps_filled(kRunItem, id, "a metric", key);
            told_of_empty = true;
            return {};
          }
          if (key == unkept) return {};
          if (!keeps(kRunItem, id, "the metric", key, kKeyBytesMax)) {
            unkept = key;
            return {};
          }
          return take(key, point, std::move(next), so_far);
        },
        teller());
    end(so_far);
    return read;
  }

  Result<> take(const std::string& id, const std::string& key, const tracking::Metric& point,
                PointPlace next, const PointsPrint& so_far) {
    RunPart& part = parts_.back();
    part.points_print = so_far;
    part.points.push_back({key, point.value, point.timestamp_ms, point.step});
    part.place.key = std::move(next.key);
    part.place.number = next.number;
    if (++points_waiting_ < kPointsAtOnce) return {};
    RunPart rest;
    rest.print = part.print;
    rest.changed = part.changed;
    TRY(flush());
    if (taken_) return {};
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
    const Result<> together = write_parts(0, parts_.size(), additions);
    if (!together.ok() && !is_of_one(together.error())) return together.error();
    for (std::size_t i = 0; !together.ok() && i < parts_.size(); ++i) {  // which of them it is
      const Result<> alone = write_parts(i, i + 1, additions);
      if (!alone.ok() && !is_of_one(alone.error())) return alone.error();
      if (!alone.ok()) parts_[i].refused = alone.error().message;
    }
    failpoint("import.runs");
    for (RunPart& part : parts_) count(part);
    taken_ = parts_.back().taken || !parts_.back().refused.empty();
    parts_.clear();
    points_waiting_ = 0;
    show();
    return {};
  }

  Result<> write_parts(std::size_t from, std::size_t to,
                       const std::vector<std::vector<tracking::Addition>>& additions) {
    return pool_.write([&](db::Tx& tx) -> Result<> {
      for (std::size_t i = from; i < to; ++i) TRY(write(tx, parts_[i], additions[i]));
      return {};
    });
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
    Item item = part.place;
    Print print = part.print;
    print.set(kPointsPart, part.points_print.text());
    for (const std::string& one : part.changed) print.set(one, kChangedMeanwhile);  // like nothing
    item.print = print.text();
    return imports::put_item(tx, import_, kRunItem, part.id, item);
  }

  void count(const RunPart& part) {
    if (part.taken) {
      tell({kRunItem, part.id, "another run has its id here"});
      return;
    }
    if (!part.refused.empty()) {
      tell({kRunItem, part.id,
            part.refused + (part.begins ? "; it was left out" : "; the rest of it was left out")});
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
      if (!keeps(kModelItem, name, "its name", name, kKeyBytesMax)) continue;
      auto found = TRY(unless_odd(kModelItem, name, store_.model(name, teller())));
      if (!found || !*found) continue;
      Store::RegisteredModel& model = **found;
      const Print print = print_of(model);
      if (!keeps_model(model)) continue;
      auto item = models_.find(name);
      if (item != models_.end()) {
        TRY(compare(kModelItem, name, item->second, print));
      } else {
        TRY(bring(name, model, print));
      }
    }
    return {};
  }

  Result<> bring(const std::string& name, const Store::RegisteredModel& found, const Print& print) {
    const std::optional<bool> made = TRY(unless_odd(
        kModelItem, name, pool_.write([&](db::Tx& tx) -> Result<bool> {
          if (!TRY(registry::adopt_model(tx, options_.actor, found.model, found.versions,
                                         clock_.now_ms())))
            return false;
          TRY(imports::put_item(tx, import_, kModelItem, name,
                                {.whole = true, .print = print.text()}));
          return true;
        })));
    if (!made) return {};
    failpoint("import.model");
    if (!*made) {
      tell({kModelItem, name,
            "a model has its name here; it and its versions were left out (rename the one here, "
            "and import again)"});
      return {};
    }
    report_.made.models += 1;
    report_.made.aliases += static_cast<std::int64_t>(found.model.aliases.size());
    for (const registry::AdoptedVersion& version : found.versions)
      report_.made.versions += version.deleted ? 0 : 1;
    show();
    return {};
  }

  bool keeps_model(Store::RegisteredModel& found) {
    registry::Model& model = found.model;
    if (const Result<> fits = registry::check_model_name(model.name); !fits.ok()) {
      tell({kModelItem, shown(model.name),
            fits.error().message + "; it and its " + std::to_string(found.versions.size()) +
                " versions were left out (rename it at the source, and import again)"});
      return false;
    }
    if (!keeps(kModelItem, model.name, "its description", model.description)) return false;
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
      const Result<> fits = registry::check_alias(alias.alias, /*to_set=*/false);
      const bool kept = fits.ok();
      if (!kept)
        tell({"alias", model.name + "@" + shown(alias.alias),
              fits.error().message + " It was left out"});
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
    CopyWorld world{store_, pool_,     *blobs_,
                    import_, began_ms_, {options_.here, options_.artifacts_from}};
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
  UnixMs began_ms_ = 0;
  Items experiments_, runs_, logged_models_, models_;
  std::map<std::int64_t, std::string> places_;  // of experiments
  std::vector<std::int64_t> carried_;           // experiments whose runs come
  std::int64_t runs_in_all_ = 0;
  std::vector<RunPart> parts_;
  std::size_t points_waiting_ = 0;
  bool taken_ = false;
  struct PrintedItem {
    const char* kind;
    std::string id;
    Item item;
  };
  std::vector<PrintedItem> prints_;  // to be kept
  std::int64_t without_print_ = 0;
  bool has_changes_ = false;
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
