#include "app/sync_api.h"

#include <algorithm>
#include <set>

#include "app/api.h"
#include "app/sync_checks.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/text.h"
#include "dialects/mlflow/artifact_path.h"
#include "dialects/mlflow/limits.h"
#include "dialects/mlflow/registry_messages.h"
#include "dialects/mlflow_store/words.h"
#include "domain/registry/adopt.h"
#include "domain/registry/logged_models.h"
#include "domain/tracking/adopt.h"
#include "domain/tracking/store.h"

namespace slipway::app {
namespace {

using access::Thing;
using access::Things;
using imports::Followed;
using imports::Head;
using imports::Kept;
using What = Thing::What;

constexpr std::uint64_t kBodyBytesMax = 32u << 20;

// --- runs ----------------------------------------------------------------------------------------

using Pairs = std::map<std::string, std::string>;
template <class List>
Pairs to_map(const List& list) {
  Pairs pairs;
  for (const auto& pair : list) pairs[pair.key] = pair.value;
  return pairs;
}
template <class To, class From>
std::vector<To> to_list(const From& from) {
  std::vector<To> list;
  for (const auto& [key, value] : from) list.push_back({key, value});
  return list;
}

Head head_of(const SyncRun& run) {
  return {run.name, run.status, run.end_ms, to_map(run.tags)};
}
Head head_of(const tracking::Run& run) {
  return {run.info.name, tracking::to_string(run.info.status), run.info.end_ms, to_map(run.tags)};
}

std::vector<tracking::ModelLink> links_of(const std::vector<SyncLink>& links) {
  std::vector<tracking::ModelLink> all;
  for (const SyncLink& link : links) all.push_back({link.model_id, link.step});
  return all;
}

tracking::Run to_run(const SyncRun& from, std::int64_t experiment) {
  tracking::Run run;
  run.info.id = from.run_id;
  run.info.experiment_id = experiment;
  run.info.name = from.name;
  run.info.user_id = from.user_id;
  run.info.status = *tracking::to_run_status(from.status);
  run.info.start_ms = from.start_ms;
  run.info.end_ms = from.end_ms;
  for (const SyncPair& param : from.params) run.params.push_back({param.key, param.value});
  for (const SyncPair& tag : from.tags) run.tags.push_back({tag.key, tag.value});
  for (const SyncDataset& set : from.datasets) {
    tracking::DatasetInput input;
    input.dataset = {set.name, set.digest, set.source_type, set.source, set.schema, set.profile};
    for (const SyncPair& tag : set.tags) input.tags.push_back({tag.key, tag.value});
    run.datasets.push_back(std::move(input));
  }
  run.models_used = links_of(from.models_used);
  run.models_made = links_of(from.models_made);
  return run;
}

template <class List, class Same>
void drop_known(List& list, const List& known, Same same) {
  std::erase_if(list, [&](const auto& one) {
    return std::any_of(known.begin(), known.end(),
                       [&](const auto& other) { return same(one, other); });
  });
}

/// What `there` has that `here` lacks, but for the head.
tracking::Run more_of(tracking::Run there, const tracking::Run& here, std::vector<Kept>& kept) {
  const Pairs params = to_map(here.params);
  std::erase_if(there.params, [&](const tracking::Param& param) {
    auto found = params.find(param.key);
    if (found == params.end()) return false;
    if (found->second != param.value)
      kept.push_back({"param " + param.key, found->second, param.value});
    return true;
  });
  drop_known(there.datasets, here.datasets, [](const auto& a, const auto& b) {
    return a.dataset.name == b.dataset.name && a.dataset.digest == b.dataset.digest;
  });
  const auto same_model = [](const auto& a, const auto& b) { return a.model_id == b.model_id; };
  drop_known(there.models_used, here.models_used, same_model);
  drop_known(there.models_made, here.models_made, same_model);
  return there;
}

bool has_more(const tracking::Run& more) {
  return !more.params.empty() || !more.datasets.empty() || !more.models_used.empty() ||
         !more.models_made.empty();
}

Result<> write_more(db::Tx& tx, const tracking::Run& more, const imports::Merge& merge,
                    const tracking::Actor& actor, UnixMs now_ms) {
  const std::string& id = more.info.id;
  tracking::RunChange change;
  if (merge.status) change.status = tracking::to_run_status(*merge.status);
  change.end_ms = merge.end_ms;
  change.name = merge.name;
  change.tags = to_list<tracking::Tag>(merge.tags);
  TRY(tracking::change_run(tx, id, change, actor, now_ms));
  if (merge.status && !merge.end_ms) TRY(tracking::forget_end(tx, id));
  for (const std::string& key : merge.gone) TRY(tracking::delete_tag(tx, id, key));
  for (const tracking::Param& param : more.params) TRY(tracking::write_param(tx, id, param));
  TRY(tracking::write_inputs(tx, id, {more.datasets, more.models_used}, now_ms));
  return tracking::write_outputs(tx, id, more.models_made, now_ms);
}

Result<std::vector<SyncTrail>> series_of(db::Tx& tx, const std::string& run_id) {
  std::vector<SyncTrail> series;
  for (auto& [key, trail] : TRY(imports::trails(tx, run_id)))
    series.push_back({key, trail.points, trail.digest});
  return series;
}

SyncAnswer refused(const char* what, std::string why) {
  SyncAnswer answer;
  answer.what = what;
  answer.why = std::move(why);
  return answer;
}

Result<tracking::Experiment> live_experiment(db::Tx& tx, const std::string& id) {
  tracking::Experiment found =
      TRY(tracking::read_experiment(tx, TRY(mlflow::to_experiment_id(id))));
  if (!found.deleted) return found;
  return conflict("the experiment '" + found.name + "' is deleted on the server: restore it first");
}

Result<SyncAnswer> make_run(db::Tx& tx, const SyncRun& from, const tracking::Experiment& experiment,
                            UnixMs now_ms) {
  tracking::AdoptedRun adopted{to_run(from, experiment.id), std::nullopt};
  tracking::RunInfo& info = adopted.run.info;
  info.artifact_uri = tracking::append_to_location(experiment.artifact_location,
                                                   from.run_id + "/artifacts");
  TRY(tracking::adopt_run(tx, adopted, now_ms));
  TRY(imports::put_followed(tx, imports::kFollowedRun, from.run_id, {from.origin, head_of(from)},
                            now_ms));
  SyncAnswer answer;
  answer.what = kSyncMade;
  answer.location = info.artifact_uri;
  return answer;
}

/// Brings what is new, unless `writes` is false: then only what would become of it is said.
Result<SyncAnswer> follow_run(db::Tx& tx, const SyncRun& from, bool writes,
                              const tracking::Actor& actor, UnixMs now_ms) {
  const std::optional<Followed> known =
      TRY(imports::followed(tx, imports::kFollowedRun, from.run_id));
  const Result<tracking::RunKey> found = tracking::find_run(tx, from.run_id);
  if (!found.ok() && found.error().code != Code::kMissing) return found.error();
  if (!found.ok() && known)
    return refused(kSyncRemoved, "it was brought once, and removed from the server for good");
  const tracking::Experiment experiment = TRY(live_experiment(tx, from.experiment_id));
  if (!found.ok()) {
    if (writes) return make_run(tx, from, experiment, now_ms);
    return refused(kSyncMade, "");
  }
  if (!known) {
    return refused(kSyncTaken,
                   "a run with this id is on the server, which was not brought by a sync; it was "
                   "left as it is");
  }
  if (found->experiment != experiment.id)
    return refused(kSyncElsewhere, "it is in another experiment on the server, and was left there");
  if (found->deleted)
    return refused(kSyncDeleted, "it is deleted on the server: restore it to have it go on");
  const tracking::Run here = TRY(tracking::read_run(tx, from.run_id));
  const imports::Merge merge = imports::merge(known->head, head_of(from), head_of(here));
  SyncAnswer answer;
  answer.kept = merge.kept;
  answer.location = here.info.artifact_uri;
  const tracking::Run more = more_of(to_run(from, experiment.id), here, answer.kept);
  const bool same = merge.empty() && !has_more(more) && merge.brought == known->head;
  answer.what = same ? kSyncSame : kSyncWentOn;
  answer.series = TRY(series_of(tx, from.run_id));
  if (same || !writes) return answer;
  TRY(write_more(tx, more, merge, actor, now_ms));
  TRY(imports::put_followed(tx, imports::kFollowedRun, from.run_id, {from.origin, merge.brought},
                            now_ms));
  return answer;
}

bool is_news(const SyncAnswer& answer) {
  return answer.what == kSyncMade || answer.what == kSyncWentOn;
}

/// Looks first: most of what is brought again is as it was, and needs no write.
template <class Follow>
Result<SyncAnswer> look_then_write(const SyncWorld& world, const Follow& follow) {
  SyncAnswer seen = TRY(world.pool.read(
      [&](db::Tx& tx) -> Result<SyncAnswer> { return follow(tx, /*writes=*/false); }));
  if (!is_news(seen)) return seen;
  SyncAnswer done = TRY(world.pool.write(
      [&](db::Tx& tx) -> Result<SyncAnswer> { return follow(tx, /*writes=*/true); }));
  failpoint("sync.head");
  return done;
}

Result<SyncAnswer> take_run(const SyncWorld& world, const SyncRun& run,
                            const tracking::Actor& actor) {
  TRY(check(run));
  return look_then_write(world, [&](db::Tx& tx, bool writes) {
    return follow_run(tx, run, writes, actor, world.clock.now_ms());
  });
}

// --- points --------------------------------------------------------------------------------------

std::vector<tracking::Metric> metrics_of(const SyncSeries& series) {
  std::vector<tracking::Metric> metrics;
  metrics.reserve(series.values.size());
  for (std::size_t i = 0; i < series.values.size(); ++i)
    metrics.push_back({series.key, series.values[i], series.times[i], series.steps[i]});
  return metrics;
}

Result<SyncPointsAnswer> take_points(const SyncWorld& world, const SyncPoints& points,
                               const tracking::Actor&) {
  TRY(check(points));
  std::vector<tracking::Metric> metrics;
  for (const SyncSeries& series : points.series) {
    std::vector<tracking::Metric> more = metrics_of(series);
    metrics.insert(metrics.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  }
  const std::vector<tracking::Addition> additions = tracking::to_additions(metrics);
  TRY(world.pool.write([&](db::Tx& tx) -> Result<> {
    if (!TRY(imports::followed(tx, imports::kFollowedRun, points.run_id)))
      return conflict("the run " + points.run_id + " was not brought by a sync");
    TRY(tracking::find_live_run(tx, points.run_id));
    for (const SyncSeries& series : points.series)
      TRY(imports::move_trail(tx, points.run_id, series.key, series.was(), series.now()));
    TRY(tracking::adopt_points(tx, points.run_id, additions));
    if (points.settle) TRY(tracking::settle_points(tx, points.run_id));
    return {};
  }));
  failpoint("sync.points");
  return SyncPointsAnswer{static_cast<std::int64_t>(metrics.size())};
}

// --- logged models -------------------------------------------------------------------------------

registry::LoggedModel to_model(const SyncLoggedModel& from) {
  registry::LoggedModel model;
  model.id = from.model_id;
  model.experiment_id = from.experiment_id;
  model.name = from.name;
  model.type = from.type;
  model.status = *logged_status(from.status);
  model.run_id = from.run_id;
  model.created_ms = from.created_ms;
  model.updated_ms = from.updated_ms;
  for (const SyncPair& tag : from.tags) model.tags.push_back({tag.key, tag.value});
  for (const SyncPair& param : from.params) model.params.push_back({param.key, param.value});
  for (const SyncModelMetric& metric : from.metrics) {
    model.metrics.push_back({from.model_id, metric.run_id, metric.key, metric.value,
                             metric.timestamp_ms, metric.step, metric.dataset_name,
                             metric.dataset_digest});
  }
  return model;
}

/// A run that is here must be of the model's experiment: who may write there says that it made it.
Result<> check_maker(db::Tx& tx, const std::string& run_id, std::int64_t experiment) {
  if (run_id.empty()) return {};
  const Result<tracking::RunKey> run = tracking::find_run(tx, run_id);
  if (!run.ok() && run.error().code == Code::kMissing) return {};
  if (!run.ok()) return run.error();
  if (run->experiment == experiment) return {};
  return invalid("the run that made the model is in another experiment on the server");
}

Result<SyncAnswer> make_model(db::Tx& tx, const SyncLoggedModel& from,
                              const tracking::Experiment& experiment, const Head& head,
                              const std::string& actor, UnixMs now_ms) {
  registry::LoggedModel model = to_model(from);
  model.location = registry::extend_location(experiment.artifact_location,
                                             "models/" + from.model_id + "/artifacts");
  if (!TRY(registry::adopt_logged_model(tx, actor, model, now_ms)))
    return refused(kSyncDeleted, "it is deleted on the server");
  TRY(imports::put_followed(tx, imports::kFollowedModel, from.model_id, {from.origin, head},
                            now_ms));
  SyncAnswer answer;
  answer.what = kSyncMade;
  answer.location = model.location;
  return answer;
}

registry::LoggedModel more_of(registry::LoggedModel there, const registry::LoggedModel& here,
                              std::vector<Kept>& kept) {
  const Pairs params = to_map(here.params);
  std::erase_if(there.params, [&](const registry::Tag& param) {
    auto found = params.find(param.key);
    if (found == params.end()) return false;
    if (found->second != param.value)
      kept.push_back({"param " + param.key, found->second, param.value});
    return true;
  });
  const auto place = [](const registry::ModelMetric& one) {
    return std::tie(one.key, one.timestamp_ms, one.step, one.run_id, one.dataset_name,
                    one.dataset_digest);
  };
  drop_known(there.metrics, here.metrics,
             [&](const auto& a, const auto& b) { return place(a) == place(b); });
  return there;
}

Result<SyncAnswer> follow_model(db::Tx& tx, const SyncLoggedModel& from, bool writes,
                                const std::string& actor, UnixMs now_ms) {
  auto known = TRY(imports::followed(tx, imports::kFollowedModel, from.model_id));
  if (known) known->head.tags.erase(mlflow::kModelVersionsTag);
  const auto here = TRY(registry::find_logged_model(tx, from.model_id));
  const tracking::Experiment experiment = TRY(live_experiment(tx, from.experiment_id));
  TRY(check_maker(tx, from.run_id, experiment.id));
  const Head head{from.name, from.status, std::nullopt, to_map(from.tags)};
  if (!here && known)
    return refused(kSyncDeleted, "it was brought once, and is deleted on the server");
  if (!here) {
    if (writes) return make_model(tx, from, experiment, head, actor, now_ms);
    return refused(kSyncMade, "");
  }
  if (!known || here->experiment_id != from.experiment_id) {
    return refused(kSyncTaken,
                   "a logged model with this id is on the server, which was not brought into this "
                   "experiment by a sync; it was left as it is");
  }
  Pairs tags_here = to_map(here->tags);
  tags_here.erase(mlflow::kModelVersionsTag);
  const imports::Merge merge = imports::merge(
      known->head, head,
      {here->name, registry::to_string(here->status), std::nullopt, std::move(tags_here)});
  SyncAnswer answer;
  answer.kept = merge.kept;
  answer.location = here->location;
  registry::LoggedModel more = more_of(to_model(from), *here, answer.kept);
  const bool same = merge.empty() && more.params.empty() && more.metrics.empty() &&
                    merge.brought == known->head;
  answer.what = same ? kSyncSame : kSyncWentOn;
  if (same || !writes) return answer;
  more.tags = to_list<registry::Tag>(merge.tags);
  more.status = merge.status ? *logged_status(*merge.status) : here->status;
  TRY(registry::follow_logged_model(tx, actor, more, merge.gone, now_ms));
  TRY(imports::put_followed(tx, imports::kFollowedModel, from.model_id,
                            {from.origin, merge.brought}, now_ms));
  return answer;
}

Result<SyncAnswer> take_model(const SyncWorld& world, const SyncLoggedModel& sent,
                              const tracking::Actor& actor) {
  TRY(check(sent));
  SyncLoggedModel model = sent;
  // Which versions are made of it is said by the registry that they are in: this one for itself.
  std::erase_if(model.tags, [](const auto& tag) { return tag.key == mlflow::kModelVersionsTag; });
  return look_then_write(world, [&](db::Tx& tx, bool writes) {
    return follow_model(tx, model, writes, actor.name, world.clock.now_ms());
  });
}

// --- files ---------------------------------------------------------------------------------------

Result<std::string> place_of(db::Tx& tx, const SyncFiles& files) {
  const bool of_run = !files.run_id.empty();
  const std::string& owner = of_run ? files.run_id : files.model_id;
  if (!TRY(imports::followed(tx, of_run ? imports::kFollowedRun : imports::kFollowedModel, owner)))
    return conflict(owner + " was not brought by a sync");
  if (of_run) return TRY(tracking::read_run_info(tx, owner)).artifact_uri;
  const auto model = TRY(registry::find_logged_model(tx, owner));
  if (!model) return missing("there is no logged model " + owner);
  return model->location;
}

/// The digest of what lies there; empty where nothing does.
Result<std::string> digest_at(blob::Blobs& blobs, const std::string& key) {
  Result<std::unique_ptr<blob::Reader>> file = blobs.open(key);
  if (!file.ok() && file.error().code == Code::kMissing) return std::string();
  if (!file.ok()) return file.error();
  const std::string digest = (*file)->sha256();
  if (!digest.empty()) return digest;
  // Nobody knows: a server was killed before it wrote it down, or it came with a copy of the state.
  Hasher hasher(Hasher::Kind::kSha256);
  std::vector<char> buffer(1u << 18);
  while (const std::size_t got = TRY((*file)->read(buffer))) hasher.update({buffer.data(), got});
  return hasher.finish_hex();
}

Result<SyncFilesAnswer> take_files(const SyncWorld& world, const SyncFiles& files,
                                   const tracking::Actor&) {
  TRY(check(files));
  const std::string& owner = files.run_id.empty() ? files.model_id : files.run_id;
  std::string location;
  imports::FileTrails trails;
  TRY(world.pool.read([&](db::Tx& tx) -> Result<> {
    location = TRY(place_of(tx, files));
    trails = TRY(imports::file_trails(tx, owner));
    return {};
  }));
  const Result<std::string> root = mlflow::artifact_key(location);
  if (!root.ok()) {
    return conflict("the files of " + owner + " belong at " + location +
                    ", where clients write them without this server");
  }
  SyncFilesAnswer answer;
  std::vector<std::pair<std::string, imports::FileTrail>> next;
  for (const SyncFile& file : files.files) {
    const std::string here = TRY(digest_at(world.blobs, mlflow::below(*root, file.path)));
    auto known = trails.find(file.path);
    const std::optional<imports::FileTrail> before =
        known == trails.end() ? std::nullopt : std::optional(known->second);
    const auto moved = imports::next_trail(before, here, file.digest);
    answer.what.push_back(!moved ? kSyncKept : here == file.digest ? kSyncHave : kSyncSend);
    const bool noted = before && moved && before->digest == moved->digest &&
                       (here == file.digest || before->before == moved->before);
    if (moved && !noted) next.emplace_back(file.path, *moved);
  }
  if (next.empty()) return answer;
  TRY(world.pool.write([&](db::Tx& tx) -> Result<> {
    for (const auto& [path, trail] : next)
      TRY(imports::put_file_trail(tx, owner, path, trail));
    return {};
  }));
  failpoint("sync.files");
  return answer;
}

// --- routes --------------------------------------------------------------------------------------

template <class Request, class Answer>
void add(http::Router::Group& group, const char* path,
         const std::shared_ptr<const SyncWorld>& world,
         Result<Answer> (*take)(const SyncWorld&, const Request&, const tracking::Actor&)) {
  group.add({http::Method::kPost, path, http::writes("tracking"), http::Place::kBlocking,
             kBodyBytesMax},
            [world, take](http::Request& request) -> Result<http::Response> {
              const Request body = TRY(wire::decode<Request>(request.body));
              const tracking::Actor actor{actor_of(request, "slipway sync"), ""};
              const Answer answer = TRY(take(*world, body, actor));
              return http::Response::json(wire::encode(answer));
            });
}

/// Ids alone, of any of these bodies.
struct Names {
  std::string run_id, model_id, experiment_id;
  std::vector<SyncLink> models_used, models_made;
};
WIRE(Names, run_id, model_id, experiment_id, models_used, models_made)

}  // namespace

Result<Things> sync_run_things(const http::Request& request, access::Level level) {
  const auto body = TRY(wire::decode<Names>(request.body));
  if (body.experiment_id.empty()) return invalid("experiment_id is missing");
  Things things{{What::kExperiment, body.experiment_id, level}};
  for (const SyncLink& link : body.models_used)
    things.push_back({What::kLoggedModel, link.model_id, access::Level::kRead});
  for (const SyncLink& link : body.models_made)
    things.push_back({What::kLoggedModel, link.model_id, level});
  return things;
}

Result<Things> sync_points_things(const http::Request& request, access::Level level) {
  const auto body = TRY(wire::decode<Names>(request.body));
  if (body.run_id.empty()) return invalid("run_id is missing");
  return Things{{What::kRun, body.run_id, level}};
}

Result<Things> sync_model_things(const http::Request& request, access::Level level) {
  const auto body = TRY(wire::decode<Names>(request.body));
  if (body.experiment_id.empty()) return invalid("experiment_id is missing");
  return Things{{What::kExperiment, body.experiment_id, level}};
}

Result<Things> sync_files_things(const http::Request& request, access::Level level) {
  const auto body = TRY(wire::decode<Names>(request.body));
  Things things;
  if (!body.run_id.empty()) things.push_back({What::kRun, body.run_id, level});
  if (!body.model_id.empty()) things.push_back({What::kLoggedModel, body.model_id, level});
  if (things.empty()) return invalid("name either run_id or model_id");
  return things;
}

void mount_sync(http::Router& router, SyncWorld given) {
  const auto world = std::make_shared<const SyncWorld>(given);
  http::Router::Group group = router.group("/api/slipway/v1/sync", http::render_plain_error);
  add<SyncRun, SyncAnswer>(group, "/runs", world, take_run);
  add<SyncPoints, SyncPointsAnswer>(group, "/points", world, take_points);
  add<SyncLoggedModel, SyncAnswer>(group, "/logged-models", world, take_model);
  add<SyncFiles, SyncFilesAnswer>(group, "/files", world, take_files);
}

}  // namespace slipway::app
