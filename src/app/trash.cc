#include "app/trash.h"

#include <algorithm>
#include <set>
#include <span>

#include "app/api.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/text.h"
#include "dialects/mlflow/artifact_path.h"
#include "domain/registry/removal.h"
#include "domain/traces/traces.h"
#include "domain/tracking/trash.h"
#include "graph/kinds.h"
#include "graph/removal.h"
#include "io/wire/member_names.h"

namespace slipway::app {
namespace {

using tracking::Removal;
using tracking::Removed;
using wire::Json;

constexpr std::int64_t kRowsAtOnce = 2'000;  // in a transaction: a few tens of milliseconds
constexpr std::int64_t kRowsOfOne = 30;      // what looking at all tables of a thing weighs
constexpr std::size_t kAskedAtOnce = 500;
constexpr int kLookedAt = 64;
constexpr int kVersionsMax = 1'000;

struct VersionName {
  std::string model;
  std::int64_t number = 0;
};
std::optional<VersionName> version_of(const std::string& node) {
  const std::size_t slash = node.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto number = to_int64(node.substr(slash + 1));
  if (!number) return std::nullopt;
  return VersionName{node.substr(0, slash), *number};
}

/// The folder of a thing's files in this server's store: only one that bears its id, so that what
/// an odd location names besides is left alone. Nothing where there is none.
std::optional<std::string> folder_of(const Removal& removal) {
  if (removal.location.empty()) return std::nullopt;
  const Result<std::string> key = mlflow::artifact_key(removal.location);
  if (!key.ok() || key->empty()) return std::nullopt;
  if (removal.what == Removed::kExperiment) {
    if (*key == removal.thing) return *key;
    return std::nullopt;
  }
  const std::vector<std::string_view> segments = split(*key, '/');
  const auto at = std::find(segments.begin(), segments.end(), removal.thing);
  if (at == segments.end()) return std::nullopt;
  return key->substr(0, static_cast<std::size_t>(at->data() + at->size() - key->data()));
}

/// What was restored since it was looked at stays.
Result<bool> goes_still(db::Tx& tx, const Removal& removal) {
  if (removal.what != Removed::kModel) return tracking::is_deleted_still(tx, removal);
  const auto model = TRY(registry::logged_model(tx, removal.thing));
  if (!model || model->deleted) return model.has_value();
  return tracking::is_deleted_still(tx,
                                    {0, Removed::kExperiment, model->experiment_id, "", "", false});
}

Result<bool> remove_some(db::Tx& tx, const Removal& removal, std::int64_t& rows, UnixMs now_ms) {
  switch (removal.what) {
    case Removed::kRun:
      return tracking::remove_some_of_run(tx, removal.thing, rows, removal.actor, now_ms);
    case Removed::kModel:
      return registry::remove_some_of_logged_model(tx, removal.thing, rows, removal.actor, now_ms);
    case Removed::kExperiment:
      break;
  }
  constexpr std::int64_t kTracesAtOnce = 50;
  const auto id = to_int64(removal.thing);
  if (!id) return internal("an experiment without a number is to be removed");
  const std::int64_t traces = TRY(traces::delete_traces(
      tx, {.experiment_id = *id, .until_ms = INT64_MAX, .ids = {}, .at_most = kTracesAtOnce}));
  if (traces > 0) return false;
  return tracking::remove_some_of_experiment(tx, *id, rows, removal.actor, now_ms);
}

/// Of as many as a transaction may remove; those of which all rows are gone now.
Result<std::vector<Removal>> remove_rows(db::Tx& tx, std::span<const Removal> due, UnixMs now_ms) {
  std::vector<Removal> gone;
  std::int64_t rows = kRowsAtOnce;
  for (const Removal& removal : due) {
    if (!removal.rows_gone) {
      if (rows <= 0 || !TRY(remove_some(tx, removal, rows, now_ms))) break;
      TRY(tracking::note_rows_gone(tx, removal.id));
      rows -= kRowsOfOne;
    }
    gone.push_back(removal);
  }
  return gone;
}

Result<> remove_files(blob::Blobs& blobs, const Removal& removal) {
  if (const auto folder = folder_of(removal)) return blobs.remove(*folder);
  if (removal.location.empty()) return {};
  log_warning("files were left where they are: they do not lie in a folder of their own here",
              {{"of", removal.thing}, {"location", removal.location}});
  return {};
}

Json list_of(const std::vector<std::string>& items) {
  return Json(Json::Array(items.begin(), items.end()));
}

}  // namespace

struct Trash::Plan {
  std::vector<Removal> removals;  // runs and models, then experiments
  std::vector<std::string> runs, models, experiments;
  Json::Array kept;

  /// Of what was to go.
  void keep(const Removal& removal, const std::string& why);
};

void Trash::Plan::keep(const Removal& removal, const std::string& why) {
  struct Kind {
    std::vector<std::string> Plan::*list;
    const char* id;
  };
  constexpr Kind kKinds[] = {
      {&Plan::runs, "run_id"}, {&Plan::models, "model_id"}, {&Plan::experiments, "experiment_id"}};
  const Kind& kind = kKinds[static_cast<std::size_t>(removal.what)];
  std::erase(this->*kind.list, removal.thing);
  Json json;
  json.set(kind.id, removal.thing);
  json.set("why", why);
  kept.push_back(std::move(json));
}

/// "" where nothing keeps it: no version was made of it that is registered or has answered.
Result<std::string> Trash::why_kept(db::Tx& tx, const std::string& run_id) const {
  const graph::NodeRef run{graph::kind::kRun, run_id};
  std::vector<std::string> nodes =
      TRY(graph::effects_of_kind(tx, run, graph::kind::kModelVersion, kVersionsMax));
  for (const std::string& model :
       TRY(graph::effects_of_kind(tx, run, graph::kind::kModel, kVersionsMax))) {
    for (std::string& node : TRY(graph::effects_of_kind(tx, {graph::kind::kModel, model},
                                                        graph::kind::kModelVersion, kVersionsMax)))
      nodes.push_back(std::move(node));
  }
  for (const std::string& node : nodes) {
    const std::optional<VersionName> version = version_of(node);
    if (!version) continue;
    const std::optional<bool> released =
        TRY(registry::is_released(tx, version->model, version->number));
    if (released == true) continue;
    if (world_.holds) {
      for (const registry::Hold& hold : TRY(world_.holds(tx, version->model)))
        if (hold.version == version->number) return "version " + node + ": " + hold.why;
    }
    if (released) return "version " + node + " is registered";
  }
  return std::string();
}

/// "" where nobody needs its files, whoever made them.
Result<std::string> Trash::why_files_stay(db::Tx& tx, const Removal& removal) const {
  const auto folder = folder_of(removal);
  if (!folder || !world_.may_remove) return std::string();
  const Result<> may = world_.may_remove(tx, *folder);
  if (may.ok()) return std::string();
  if (may.error().tag != "held") return may.error();
  return may.error().message;
}

namespace {

Result<> check_selectors(const EmptyRequest& request) {
  const auto is_empty = [](const auto& given) { return given && given->empty(); };
  const char* empty = is_empty(request.older_than)       ? "older_than"
                      : is_empty(request.run_ids)        ? "run_ids"
                      : is_empty(request.experiment_ids) ? "experiment_ids"
                                                         : nullptr;
  if (empty == nullptr) return {};
  return invalid(std::string("found `") + empty +
                 "` that names nothing; left out, everything that is deleted is meant");
}

/// What is removed for good is not asked for by a word that is misspelt.
Result<> check_members(std::string_view body) {
  static const std::vector<std::string> known = wire::member_names<EmptyRequest>();
  const Json json = TRY(wire::parse(body));
  if (!json.is_object())
    return invalid("found no object, expected one such as {\"dry_run\": true}");
  const std::optional<std::string> name = wire::unknown_member(json, known);
  if (!name) return {};
  const auto near = nearest(*name, known);
  constexpr std::size_t kShown = 60;
  return invalid("a request to empty the trash has no member '" +
                 std::string(take_code_points(*name, kShown)) + "'" +
                 (near ? "; did you mean '" + *near + "'?" : "") + " (it has " +
                 join(known, ", ") + ")");
}

}  // namespace

Result<Trash::Plan> Trash::plan(db::Tx& tx, const EmptyRequest& request, UnixMs now_ms) const {
  TRY(check_selectors(request));
  tracking::TrashQuery query;
  query.older_than = request.older_than;
  query.run_ids = request.run_ids;
  for (const std::string& text : request.experiment_ids.value_or(std::vector<std::string>())) {
    const auto id = to_int64(text);
    if (!id) return invalid("found the experiment id '" + text + "', expected a number");
    query.experiments.push_back(*id);
  }
  const tracking::Condemned condemned = TRY(tracking::condemned(tx, query, now_ms));
  Plan plan;
  std::set<std::int64_t> kept_experiments;
  for (const std::string& run_id : condemned.runs) {
    const auto named = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), run_id) != list.end();
    };
    const tracking::TrashRun run = TRY(tracking::trash_run(tx, run_id));
    Removal removal{0, Removed::kRun, run_id, run.artifact_uri, "", false};
    std::string why = named(request.force) ? "" : TRY(why_kept(tx, run_id));
    if (why.empty() && !named(request.force)) why = TRY(why_files_stay(tx, removal));
    if (why.empty()) {
      plan.runs.push_back(run_id);
      plan.removals.push_back(std::move(removal));
      continue;
    }
    if (request.run_ids && named(*request.run_ids)) {
      return Error{Code::kConflict,
                   "Run " + run_id + " can't be removed: " + why +
                       ". For it to be removed nevertheless, force it by its id.",
                   "held"};
    }
    kept_experiments.insert(run.experiment);
    Json kept;
    kept.set("run_id", run_id);
    kept.set("why", why);
    plan.kept.push_back(std::move(kept));
  }
  std::set<std::string> models;
  const auto add_model = [&](const registry::RemovableModel& model) -> Result<> {
    const auto versions = TRY(graph::effects_of_kind(tx, {graph::kind::kModel, model.id},
                                                     graph::kind::kModelVersion, kVersionsMax));
    for (const std::string& node : versions) {
      const auto version = version_of(node);
      const auto released =
          version ? TRY(registry::is_released(tx, version->model, version->number)) : std::nullopt;
      if (released == false) return {};  // a registered version's files
    }
    Removal removal{0, Removed::kModel, model.id, model.location, "", false};
    if (!TRY(why_files_stay(tx, removal)).empty()) return {};
    if (!models.insert(model.id).second) return {};
    plan.models.push_back(model.id);
    plan.removals.push_back(std::move(removal));
    return {};
  };
  const std::int64_t age =
      request.older_than ? TRY(tracking::parse_age(*request.older_than)) : 0;
  for (const auto& model : TRY(registry::deleted_logged_models(tx, now_ms - age)))
    TRY(add_model(model));
  for (const std::int64_t id : condemned.experiments) {
    if (kept_experiments.contains(id)) continue;
    const std::string text = std::to_string(id);
    const auto own = TRY(registry::logged_models_of(tx, text));
    for (const auto& model : own) TRY(add_model(model));
    const bool all = std::all_of(own.begin(), own.end(),
                                 [&](const auto& model) { return models.contains(model.id); });
    if (!all) continue;  // with the files of a version that is registered
    const auto location =
        TRY(tx.one<std::string>("select artifact_location from experiments where id = ?", id));
    Removal removal{0, Removed::kExperiment, text, location.value_or(""), "", false};
    // Files of a forced run are in there, and go.
    if (request.force.empty() && !TRY(why_files_stay(tx, removal)).empty()) continue;
    plan.experiments.push_back(text);
    plan.removals.push_back(std::move(removal));
  }
  return plan;
}

Result<Json> Trash::ask(const EmptyRequest& request, const std::string& actor) {
  const UnixMs now_ms = world_.clock.now_ms();
  Plan plan = TRY(world_.pool.read([&](db::Tx& tx) { return this->plan(tx, request, now_ms); }));
  if (!request.dry_run) TRY(write_down(plan, actor));
  Json json;
  json.set("dry_run", request.dry_run);
  json.set("runs", list_of(plan.runs));
  json.set("models", list_of(plan.models));
  json.set("experiments", list_of(plan.experiments));
  json.set("kept", std::move(plan.kept));
  return json;
}

/// What was restored since it was planned goes from the plan.
Result<> Trash::write_down(Plan& plan, const std::string& actor) {
  for (std::size_t at = 0; at < plan.removals.size(); at += kAskedAtOnce) {
    const std::size_t end = std::min(at + kAskedAtOnce, plan.removals.size());
    const UnixMs now_ms = world_.clock.now_ms();
    const auto restored =
        TRY(world_.pool.write([&](db::Tx& tx) -> Result<std::vector<const Removal*>> {
          std::vector<const Removal*> stay;
          for (std::size_t i = at; i < end; ++i) {
            Removal removal = plan.removals[i];
            removal.actor = actor;
            if (TRY(goes_still(tx, removal)))
              TRY(tracking::ask_removal(tx, removal, now_ms));
            else
              stay.push_back(&plan.removals[i]);
          }
          return stay;
        }));
    for (const Removal* removal : restored) plan.keep(*removal, "it was restored meanwhile");
    failpoint("trash.asked");
  }
  return {};
}

Result<std::int64_t> Trash::work(std::chrono::milliseconds time) {
  std::lock_guard lock(mutex_);
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
    const auto due =
        TRY(world_.pool.read([](db::Tx& tx) { return tracking::removals(tx, kLookedAt); }));
    if (due.empty()) return std::int64_t{0};
    TRY(remove(due));
  }
  return world_.pool.read([](db::Tx& tx) { return tracking::count_removals(tx); });
}

/// Rows, then files, then the record of it; of as many as a transaction may remove the rows of. The
/// first error; one that can't go does not keep the others.
Result<> Trash::remove(std::span<const Removal> due) {
  const auto gone = world_.pool.write(
      [&](db::Tx& tx) { return remove_rows(tx, due, world_.clock.now_ms()); });
  if (!gone.ok()) {
    const bool is_of_one =
        gone.error().code != Code::kUnavailable && gone.error().code != Code::kBusy;
    return due.size() > 1 && is_of_one ? remove_each(due) : Result<>(gone.error());
  }
  failpoint("trash.some_rows_gone");
  Result<> first;
  std::vector<std::int64_t> done;
  for (const Removal& removal : *gone) {
    failpoint("trash.rows_gone");
    Result<> files = remove_files(world_.blobs, removal);
    failpoint("trash.files_gone");
    if (files.ok())
      done.push_back(removal.id);
    else if (first.ok())
      first = std::move(files);
  }
  if (done.empty()) return first;
  TRY(world_.pool.write([&](db::Tx& tx) -> Result<> {
    for (const std::int64_t id : done) TRY(tracking::finish_removal(tx, id));
    return {};
  }));
  return first;
}

Result<> Trash::remove_each(std::span<const Removal> due) {
  Result<> first;
  for (const Removal& removal : due) {
    Result<> removed = remove(std::span(&removal, 1));
    if (!removed.ok() && first.ok()) first = std::move(removed);
  }
  return first;
}

Result<> TrashPart::ask_for_old(UnixMs now) {
  const UnixMs every = std::chrono::milliseconds(kLookEvery).count();
  // A clock that went back must not put it off.
  const bool is_due = !looked_ || now >= *looked_ + every || now < *looked_;
  if (kept_.empty() || !is_due) return {};
  EmptyRequest request;
  request.older_than = kept_;
  TRY(trash_.ask(request, "slipway"));
  looked_ = now;
  return {};
}

Result<bool> TrashPart::turn(UnixMs now) {
  TRY(ask_for_old(now));
  constexpr std::chrono::milliseconds kTurn{1000};
  const std::int64_t due = TRY(pool_.read([](db::Tx& tx) { return tracking::count_removals(tx); }));
  if (due == 0) return false;
  return TRY(trash_.work(kTurn)) < due;
}

void mount_trash(http::Router& router, Trash& trash) {
  http::Router::Group group =
      router.group("/api/slipway/v1/tracked-runs/gc", http::render_plain_error);
  constexpr std::uint64_t kBodyBytesMax = 4u << 20;
  group.add(
      {http::Method::kPost, "", http::manages("tracking"), http::Place::kBlocking, kBodyBytesMax},
      [&trash](http::Request& request) -> Result<http::Response> {
        constexpr std::size_t kNameMax = 256;
        TRY(check_members(request.body));
        const auto body = TRY(wire::decode<EmptyRequest>(request.body));
        const std::string actor = actor_of(request, body.actor.substr(0, kNameMax));
        return http::Response::json(wire::dump(TRY(trash.ask(body, actor))));
      });
  group.add({http::Method::kPost, "/work", http::manages("tracking"), http::Place::kBlocking,
             kBodyBytesMax},
            [&trash](http::Request&) -> Result<http::Response> {
              constexpr std::chrono::milliseconds kTime{3000};
              Json json;
              json.set("left", TRY(trash.work(kTime)));
              return http::Response::json(wire::dump(json));
            });
}

}  // namespace slipway::app
