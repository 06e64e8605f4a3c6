#include "app/tracked_runs.h"

#include <algorithm>
#include <limits>

#include "app/api.h"
#include "app/runs_export.h"
#include "base/text.h"
#include "dialects/mlflow/request.h"
#include "dialects/mlflow/tracking_messages.h"
#include "domain/tracking/best.h"

namespace slipway::app {
namespace {

using tracking::Field;
using wire::Json;

constexpr char kBranchTag[] = "mlflow.source.git.branch";
constexpr std::size_t kExperimentsMax = 10'000;
constexpr int kPageRuns = 200;  // in a transaction

bool may_see(const Seen& seen, std::int64_t experiment) {
  if (seen == nullptr) return true;
  const bool named = std::find(seen->names.begin(), seen->names.end(),
                               std::to_string(experiment)) != seen->names.end();
  return named != seen->all_but;
}

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

Error no_experiment(const std::string& text) {
  return missing(is_number(text) ? "there is no experiment with the id " + text
                                 : "there is no experiment named '" + text + "'");
}

Result<tracking::RunQuery> query_of(const TrackedWorld& world,
                                    const std::vector<std::string>& experiments,
                                    const std::string& filter, const Seen& seen) {
  tracking::RunQuery query;
  query.experiments = TRY(experiments_of(world, experiments, seen));
  query.where = TRY(mlflow::to_conditions(filter, mlflow::kRunSearch));
  return query;
}

// --- best ---

Result<tracking::Taken> taken_of(const std::string& text) {
  if (text.empty() || text == "last") return tracking::Taken::kLast;
  if (text == "min") return tracking::Taken::kMin;
  if (text == "max") return tracking::Taken::kMax;
  return invalid("found '" + text + "' to take of a series, expected last, min or max");
}

Result<tracking::Goal> goal_of(const std::string& text, const std::string& metric) {
  if (text.empty()) return tracking::goal_by_name(metric);
  if (text == "maximize") return tracking::Goal::kMaximize;
  if (text == "minimize") return tracking::Goal::kMinimize;
  return invalid("found the goal '" + text + "', expected maximize or minimize");
}

Result<std::optional<tracking::ColumnName>> across_of(const std::string& text) {
  using Name = std::optional<tracking::ColumnName>;
  constexpr std::string_view kTags = "tags.", kParams = "params.";
  if (text.empty()) return Name();
  if (text == "branches") return Name({Field::kTag, kBranchTag});
  if (text.size() > kTags.size() && text.starts_with(kTags))
    return Name({Field::kTag, text.substr(kTags.size())});
  if (text.size() > kParams.size() && text.starts_with(kParams))
    return Name({Field::kParam, text.substr(kParams.size())});
  return invalid("found '" + text +
                 "' to compare across, expected branches, tags.KEY or params.KEY");
}

Json json_of(const tracking::Contender& contender, const tracking::RunInfo& run,
             std::size_t run_ids_max) {
  Json json;
  json.set("group", contender.group);
  json.set("run_id", contender.run_id);
  json.set("name", run.name);
  json.set("experiment_id", std::to_string(run.experiment_id));
  json.set("status", tracking::to_string(run.status));
  json.set("start_time", to_iso8601(contender.start_ms));
  json.set("value", contender.value);
  json.set("commit", contender.commit);
  Json params{Json::Object{}};
  for (const tracking::Param& param : contender.params) params.set(param.key, param.value);
  json.set("configuration", std::move(params));
  json.set("runs", static_cast<std::int64_t>(contender.repeats.size()));
  const auto ids = static_cast<std::ptrdiff_t>(std::min(run_ids_max, contender.repeats.size()));
  json.set("run_ids", Json::Array(contender.repeats.begin(), contender.repeats.begin() + ids));
  json.set("all_runs_looked_at", contender.complete);
  json.set("mean", contender.mean);
  json.set("deviation", contender.deviation ? Json(*contender.deviation) : Json());
  json.set("interval", contender.interval ? Json(Json::Array{Json(contender.interval->low),
                                                             Json(contender.interval->high)})
                                          : Json());
  json.set("against_best", tracking::to_string(contender.against));
  return json;
}

/// What all of it shows, as a sentence.
std::string verdict_of(const tracking::Best& best) {
  const auto count = [&](tracking::Against against) {
    return std::count_if(best.contenders.begin(), best.contenders.end(),
                         [&](const auto& one) { return one.against == against; });
  };
  if (best.contenders.size() == 1) return "there is nothing to compare it with";
  if (best.shown()) return "it is shown to be better than each of the others";
  if (count(tracking::Against::kBetter) > 0) {
    return "the best run was a lucky one: the mean of another configuration is shown to be better";
  }
  if (!best.contenders.front().interval) {
    return "nothing is shown: no other run repeats its configuration; run it a few times with "
           "other seeds";
  }
  if (count(tracking::Against::kNotShown) > 0) {
    return "a difference is not shown: the interval of its mean overlaps that of another";
  }
  return "nothing is shown about those that have one run only";
}

struct Compared {
  tracking::BestQuery query;
  tracking::Best best;
  std::vector<tracking::RunInfo> runs;  // of the contenders
};

Result<Compared> compare(const TrackedWorld& world, const BestRequest& request, const Seen& seen) {
  if (request.metric.empty()) return invalid("name the metric by which a run is the best");
  Compared compared;
  tracking::BestQuery& query = compared.query;
  query.runs = TRY(query_of(world, request.experiments, request.filter, seen));
  query.metric = request.metric;
  query.taken = TRY(taken_of(request.taken));
  query.goal = TRY(goal_of(request.goal, request.metric));
  query.across = TRY(across_of(request.across));
  if (!request.varying.empty()) query.varying = request.varying;
  query.confidence = request.confidence;
  query.limit = static_cast<std::size_t>(std::clamp<std::int64_t>(request.limit, 0, 1'000'000));
  compared.best = TRY(world.tracking.best(query));
  if (compared.best.contenders.empty()) {
    return missing("no run that matches has the metric '" + request.metric + "'" +
                   (compared.best.not_finite > 0 ? " with a value that is a finite number" : ""));
  }
  for (const tracking::Contender& contender : compared.best.contenders)
    compared.runs.push_back(TRY(world.tracking.run_info(contender.run_id)));
  return compared;
}

Json json_of(const Compared& compared, const BestRequest& request, std::size_t run_ids_max) {
  const auto& [query, best, runs] = compared;
  Json::Array contenders;
  for (std::size_t i = 0; i < runs.size(); ++i)
    contenders.push_back(json_of(best.contenders[i], runs[i], run_ids_max));
  Json json;
  json.set("metric", request.metric);
  json.set("taken", request.taken.empty() ? "last" : request.taken);
  json.set("goal", query.goal == tracking::Goal::kMaximize ? "maximize" : "minimize");
  json.set("across", request.across);
  json.set("confidence", request.confidence);
  json.set("confidence_each", best.confidence_each);
  json.set("runs", static_cast<std::int64_t>(best.runs));
  json.set("not_finite", static_cast<std::int64_t>(best.not_finite));
  json.set("groups", static_cast<std::int64_t>(best.groups));
  json.set("shown", best.shown());
  json.set("verdict", verdict_of(best));
  json.set("contenders", std::move(contenders));
  return json;
}

// --- many ---

Json summary_of(const tracking::RunInfo& run) {
  Json json;
  json.set("run_id", run.id);
  json.set("name", run.name);
  json.set("experiment_id", std::to_string(run.experiment_id));
  json.set("status", tracking::to_string(run.status));
  json.set("start_time", to_iso8601(run.start_ms));
  json.set("deleted", run.deleted);
  return json;
}

Result<Json> set_deleted(const TrackedWorld& world, const ManyRequest& request, bool deleted,
                         const tracking::Actor& actor) {
  constexpr std::size_t kShown = 20;
  if (request.experiments.empty()) return invalid("name the experiments whose runs are meant");
  if (request.filter.empty() && !request.all)
    return invalid("say which runs by a filter, or say that all of them are meant");
  tracking::RunQuery query = TRY(query_of(world, request.experiments, request.filter, nullptr));
  query.view = deleted ? tracking::View::kActive : tracking::View::kDeleted;
  query.limit = kPageRuns;
  std::int64_t count = 0;
  Json::Array some;
  for (bool more = true; more;) {
    const tracking::RunPage page = TRY(world.tracking.search(query));
    more = page.more;
    if (page.runs.empty()) break;
    std::vector<std::string> ids;
    for (const tracking::Run& run : page.runs) {
      ids.push_back(run.info.id);
      if (some.size() < kShown) some.push_back(summary_of(run.info));
    }
    query.after = tracking::place_of(page.runs.back(), query);
    count += request.dry_run ? static_cast<std::int64_t>(ids.size())
                             : TRY(world.tracking.set_runs_deleted(std::move(ids), deleted, actor));
  }
  Json json;
  json.set("runs", count);
  json.set("dry_run", request.dry_run);
  json.set("some", std::move(some));
  return json;
}

// --- one ---

Json json_of(const tracking::SeriesHead& series) {
  Json json;
  json.set("value", json_of_number(series.value));
  json.set("step", series.step);
  json.set("time", to_iso8601(series.timestamp_ms));
  json.set("points", series.points);
  json.set("min", series.min ? Json(*series.min) : Json());
  json.set("max", series.max ? Json(*series.max) : Json());
  return json;
}

Json json_of(const tracking::Run& run, const std::string& experiment) {
  Json json = summary_of(run.info);
  json.set("experiment", experiment);
  json.set("user", run.info.user_id);
  json.set("end_time", run.info.end_ms ? Json(to_iso8601(*run.info.end_ms)) : Json());
  json.set("artifact_uri", run.info.artifact_uri);
  Json params{Json::Object{}}, metrics{Json::Object{}}, tags{Json::Object{}};
  for (const tracking::Param& param : run.params) params.set(param.key, param.value);
  for (const tracking::SeriesHead& series : run.metrics) metrics.set(series.key, json_of(series));
  for (const tracking::Tag& tag : run.tags) tags.set(tag.key, tag.value);
  json.set("params", std::move(params));
  json.set("metrics", std::move(metrics));
  json.set("tags", std::move(tags));
  Json::Array datasets;
  for (const tracking::DatasetInput& input : run.datasets)
    datasets.push_back(input.dataset.name + "@" + input.dataset.digest);
  json.set("datasets", std::move(datasets));
  return json;
}

/// The verdict alone, unless the caller may see all experiments that were compared: what else is
/// told (how many, by which params) is of runs that he may not know.
Json limited_to(const Seen& seen, Json found) {
  const Json* experiments = found.find("experiments");
  const bool is_told = experiments != nullptr && experiments->is_array();
  const bool may_see_all =
      is_told && std::all_of(experiments->as_array().begin(), experiments->as_array().end(),
                             [&](const Json& one) {
                               const auto id = to_int64(one.is_string() ? one.as_string() : "");
                               return id && may_see(seen, *id);
                             });
  if (seen == nullptr || may_see_all) return found;
  Json verdict;
  for (const char* told : {"metric", "verdict"})
    if (const Json* said = found.find(told)) verdict.set(told, *said);
  return verdict;
}

Result<Json> shown(const TrackedWorld& world, const std::string& id, const Seen& seen) {
  const tracking::Run run = TRY(world.tracking.run(id));
  Json json = json_of(run, TRY(world.tracking.experiment(run.info.experiment_id)).name);
  Json::Array comparisons;
  for (tracking::Comparison& one : TRY(world.tracking.comparisons(id))) {
    Json compared;
    compared.set("time", to_iso8601(one.time_ms));
    compared.set("actor", one.actor);
    compared.set("found", limited_to(seen, std::move(one.data)));
    comparisons.push_back(std::move(compared));
  }
  json.set("comparisons", std::move(comparisons));
  return json;
}

Error several(const std::string& name, const tracking::RunPage& page) {
  std::string message = "several runs are named '" + name + "':";
  for (const tracking::Run& run : page.runs) {
    message += "\n  " + run.info.id + "  experiment " + std::to_string(run.info.experiment_id) +
               "  " + to_iso8601(run.info.start_ms) + "  " + tracking::to_string(run.info.status);
  }
  if (page.more) message += "\n  and more";
  return conflict(message + "\nname the one that is meant by its id, or its experiment");
}

// --- routes ---

template <class Request>
void add(http::Router::Group& group, const char* path, http::Permission permission,
         const std::shared_ptr<const TrackedWorld>& world,
         Result<Json> (*answer)(const TrackedWorld&, const Request&, const http::Request&)) {
  constexpr std::uint64_t kBodyBytesMax = 1u << 20;
  group.add({http::Method::kPost, path, permission, http::Place::kBlocking, kBodyBytesMax},
            [world, answer](http::Request& request) -> Result<http::Response> {
              const Request body = TRY(wire::decode<Request>(request.body));
              return http::Response::json(wire::dump(TRY(answer(*world, body, request))));
            });
}

tracking::Actor actor_for(const http::Request& request, const std::string& said) {
  constexpr std::size_t kNameMax = 256;
  return {actor_of(request, said.substr(0, kNameMax)), request.principal.attempt};
}

const Seen& seen_by(const http::Request& request) {
  return request.principal.experiments;
}

}  // namespace

Result<tracking::Experiment> experiment_of(const TrackedWorld& world, const std::string& text) {
  if (is_number(text)) {
    const auto id = to_int64(text);
    if (!id) return no_experiment(text);
    Result<tracking::Experiment> found = world.tracking.experiment(*id);
    if (!found.ok() && found.error().code == Code::kMissing) return no_experiment(text);
    return found;
  }
  std::optional<tracking::Experiment> named = TRY(world.tracking.experiment_named(text));
  if (!named) return no_experiment(text);
  return std::move(*named);
}

Result<std::vector<std::int64_t>> experiments_of(const TrackedWorld& world,
                                                 const std::vector<std::string>& named,
                                                 const Seen& seen) {
  std::vector<std::int64_t> ids;
  if (named.size() > kExperimentsMax) {
    return invalid("found " + std::to_string(named.size()) + " experiments, at most " +
                   std::to_string(kExperimentsMax) + " can be named");
  }
  for (const std::string& text : named) {
    const tracking::Experiment found = TRY(experiment_of(world, text));
    if (!may_see(seen, found.id)) return no_experiment(text);
    ids.push_back(found.id);
  }
  if (!named.empty()) return ids;
  tracking::ExperimentQuery query;
  query.among = mlflow::to_listed(seen, /*whole=*/true);
  query.limit = static_cast<int>(kExperimentsMax);
  const tracking::ExperimentPage page = TRY(world.tracking.search(query));
  if (page.more) {
    return invalid("there are more than " + std::to_string(kExperimentsMax) +
                   " experiments: name those that are meant");
  }
  for (const tracking::Experiment& experiment : page.experiments) ids.push_back(experiment.id);
  return ids;
}

Result<Json> best_run(const TrackedWorld& world, const BestRequest& request, const Seen& seen) {
  const Compared compared = TRY(compare(world, request, seen));
  return json_of(compared, request, std::numeric_limits<std::size_t>::max());
}

Result<Json> record_best(const TrackedWorld& world, const BestRequest& request, const Seen& seen,
                         const tracking::Actor& actor) {
  const Compared compared = TRY(compare(world, request, seen));
  Json kept = json_of(compared, request, kRunIdsKept);
  Json::Array experiments;
  for (std::int64_t id : compared.query.runs.experiments)
    experiments.push_back(std::to_string(id));
  kept.set("experiments", std::move(experiments));
  kept.set("filter", request.filter);
  kept.set("varying", Json::Array(compared.query.varying.begin(), compared.query.varying.end()));
  Json json = json_of(compared, request, std::numeric_limits<std::size_t>::max());
  json.set("event", TRY(world.tracking.note_comparison(compared.runs.front().id, std::move(kept),
                                                       actor)));
  return json;
}

Result<Json> show_tracked_run(const TrackedWorld& world, const NamedRequest& request,
                              const Seen& seen) {
  constexpr int kCandidates = 10;
  if (request.name.empty()) return invalid("name the run by its id or its name");
  Result<tracking::RunInfo> by_id = world.tracking.run_info(request.name);
  if (by_id.ok() && may_see(seen, by_id->experiment_id)) return shown(world, by_id->id, seen);
  if (!by_id.ok() && by_id.error().code != Code::kMissing) return by_id.error();
  tracking::RunQuery query = TRY(query_of(world, request.experiments, "", seen));
  query.where.push_back({Field::kAttribute, "run_name", db::Op::kEqual, request.name, {}});
  query.limit = kCandidates;
  const tracking::RunPage page = TRY(world.tracking.search(query));
  if (page.runs.size() > 1) return several(request.name, page);
  if (page.runs.size() == 1) return shown(world, page.runs.front().info.id, seen);
  return missing("no run has the id or the name '" + request.name +
                 "' (a deleted one is found by its id only)");
}

Result<Json> delete_runs(const TrackedWorld& world, const ManyRequest& request,
                         const tracking::Actor& actor) {
  return set_deleted(world, request, /*deleted=*/true, actor);
}

Result<Json> restore_runs(const TrackedWorld& world, const ManyRequest& request,
                          const tracking::Actor& actor) {
  return set_deleted(world, request, /*deleted=*/false, actor);
}

void mount_tracked_runs(http::Router& router, TrackedWorld given) {
  const auto world = std::make_shared<const TrackedWorld>(given);
  http::Router::Group group =
      router.group("/api/slipway/v1/tracked-runs", http::render_plain_error);
  constexpr http::Permission kReads = http::reads("tracking"), kWrites = http::writes("tracking");
  add<BestRequest>(
      group, "/best", kReads, world,
      [](const TrackedWorld& tracked, const BestRequest& body, const http::Request& request) {
        return best_run(tracked, body, seen_by(request));
      });
  add<BestRequest>(
      group, "/record-best", kWrites, world,
      [](const TrackedWorld& tracked, const BestRequest& body, const http::Request& request) {
        return record_best(tracked, body, seen_by(request), actor_for(request, body.actor));
      });
  add<NamedRequest>(
      group, "/show", kReads, world,
      [](const TrackedWorld& tracked, const NamedRequest& body, const http::Request& request) {
        return show_tracked_run(tracked, body, seen_by(request));
      });
  add<ManyRequest>(
      group, "/delete", kWrites, world,
      [](const TrackedWorld& tracked, const ManyRequest& body, const http::Request& request) {
        return delete_runs(tracked, body, actor_for(request, body.actor));
      });
  add<ManyRequest>(
      group, "/restore", kWrites, world,
      [](const TrackedWorld& tracked, const ManyRequest& body, const http::Request& request) {
        return restore_runs(tracked, body, actor_for(request, body.actor));
      });
  add<ExportRequest>(
      group, "/columns", kReads, world,
      [](const TrackedWorld& tracked, const ExportRequest& body, const http::Request& request) {
        return export_columns(tracked, body, seen_by(request));
      });
  group.add({http::Method::kPost, "/export", kReads, http::Place::kBlocking, 4u << 20},
            [world](http::Request& request) -> Result<http::Response> {
              const auto body = TRY(wire::decode<ExportRequest>(request.body));
              http::Response response;
              response.body_stream = TRY(export_runs(*world, body, seen_by(request)));
              response.headers.set("Content-Type", body.format == "json"
                                                       ? "application/json"
                                                       : "text/csv; charset=utf-8; header=present");
              return response;
            });
}

}  // namespace slipway::app
