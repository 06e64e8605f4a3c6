#include "app/app.h"

#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdlib>

#include "app/api.h"
#include "app/catalogue.h"
#include "app/check_facts.h"
#include "app/circle.h"
#include "app/clock_api.h"
#include "app/delivery_api.h"
#include "app/facts.h"
#include "app/features_api.h"
#include "app/feedback_api.h"
#include "app/golden_api.h"
#include "app/health_api.h"
#include "app/hooks_api.h"
#include "app/loop/cached_data.h"
#include "app/loop/draw_data.h"
#include "app/loop/facts_part.h"
#include "app/loop/follow_part.h"
#include "app/loop/gate_part.h"
#include "app/loop/intake_part.h"
#include "app/loop/log_part.h"
#include "app/loop/monitor_part.h"
#include "app/loop/narrator_part.h"
#include "app/loop/nats_part.h"
#include "app/loop/notify_part.h"
#include "app/loop/publish_run.h"
#include "app/loop/rollout_part.h"
#include "app/loop/run_folders_part.h"
#include "app/loop/run_part.h"
#include "app/loop/source_part.h"
#include "app/loop/trigger_part.h"
#include "app/loop/webhook_part.h"
#include "app/model_source.h"
#include "app/models_api.h"
#include "app/monitor_api.h"
#include "app/people_api.h"
#include "app/place.h"
#include "app/project_api.h"
#include "app/project_facts.h"
#include "app/runs_api.h"
#include "app/report_api.h"
#include "app/score_api.h"
#include "app/sync_api.h"
#include "app/tracked_runs.h"
#include "app/trash.h"
#include "app/web_assets.h"
#include "base/failpoint.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "dialects/mlflow/artifacts.h"
#include "dialects/mlflow/graphql.h"
#include "dialects/mlflow/logged_models.h"
#include "dialects/mlflow/people.h"
#include "dialects/mlflow/registry.h"
#include "dialects/mlflow/scoring.h"
#include "dialects/mlflow/traces.h"
#include "dialects/mlflow/tracking.h"
#include "dialects/mlflow/webhooks.h"
#include "dialects/oip/oip.h"
#include "domain/access/people.h"
#include "domain/artifacts/home.h"
#include "domain/artifacts/recorded_blobs.h"
#include "domain/checks/facts.h"
#include "domain/delivery/store.h"
#include "domain/features/service.h"
#include "domain/flows/runs_store.h"
#include "domain/imports/imports.h"
#include "domain/monitor/store.h"
#include "domain/notify/deliveries.h"
#include "domain/notify/webhooks.h"
#include "domain/project/applied.h"
#include "domain/registry/logged_models.h"
#include "domain/registry/registry.h"
#include "domain/serving/deployments.h"
#include "domain/serving/labels.h"
#include "domain/serving/prediction_log.h"
#include "domain/serving/serving.h"
#include "domain/traces/traces.h"
#include "domain/tracking/tracking.h"
#include "io/blob/s3.h"
#include "io/db/claim.h"

namespace slipway::app {
namespace {

// How long the first request waits for the versions that served before; then it is told to.
constexpr std::chrono::seconds kRestoreMax{10};

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

// In the order in which they are made; the order of members is the order of life: the pool ends
// (and finishes what was queued) before the services that its callbacks call.
struct App::Services {
  explicit Services(AppOptions given) : options(std::move(given)) {}

  AppOptions options;
  SystemClock system_clock;
  ReplayClock replay_clock;
  const Clock& clock = options.replay ? static_cast<const Clock&>(replay_clock) : system_clock;
  Metrics metrics;
  std::optional<Ownership> ownership;
  std::string secret;
  std::unique_ptr<blob::Blobs> blobs;
  std::unique_ptr<serving::Serving> serving;
  std::unique_ptr<registry::Registry> registry;
  std::unique_ptr<registry::LoggedModels> logged_models;
  std::unique_ptr<access::People> people;
  std::unique_ptr<Gate> gate;
  std::unique_ptr<tracking::Tracking> tracking;
  std::unique_ptr<RegistrySource> source;
  blob::Disk disk;
  blob::Damages damages{metrics};
  std::unique_ptr<serving::PredictionLog> prediction_log;
  std::unique_ptr<serving::LabelLog> label_log;
  std::unique_ptr<serving::Deployments> deployments;
  std::unique_ptr<LiveFiles> live_files;
  std::unique_ptr<features::Service> features;
  std::unique_ptr<db::Claim> claim;
  std::string server_id;  // tells it from others on its catalogue
  std::unique_ptr<db::Pool> pool;
  std::unique_ptr<db::Pool> acting;    // the same, for what only the server that acts may write
  Guarded<std::optional<bool>> acted;  // at the last look
  http::Router router{http::render_plain_error};
  http::Router serving_router{http::render_plain_error};
  std::unique_ptr<http::Server> server, serving_server;
  std::atomic<bool> running{false};
  project::CurrentProject project;
  std::unique_ptr<LeftFacts> left_facts;
  std::unique_ptr<Trash> trash;
  Circle circle{clock};
  std::unique_ptr<TriggerPost> triggers;
  SourcePart* sources = nullptr;    // the circle's
  RolloutPart* rollouts = nullptr;  // the circle's

  DeliveryWorld delivery_world() {
    return {*pool,
            *registry,
            *blobs,
            project,
            clock,
            [this] { heed_wish(); },
            [this] { serving->refresh(); },
            deployments.get(),
            live_files.get()};
  }
  GateWorld gate_world() {
    return {*acting,
            *registry,
            *tracking,
            *blobs,
            clock,
            [state = options.state](const std::string& md5, const std::string& path) {
              return find_data(state, md5, path);
            },
            options.state / "checks"};
  }

  /// Somebody waits for what was asked of a deployment.
  void heed_wish() {
    if (rollouts != nullptr) rollouts->note_wish();
    circle.wake_first(RolloutPart::kName);
  }

  /// Why this server leaves the loop to another one; nothing when it is the one that acts.
  Result<Circle::StandsBy> stands_by() {
    const Result<> claimed = claim->check();
    if (!claimed.ok() && claimed.error().tag != db::kClaimedTag) return claimed.error();
    const bool has_changed = acted.with([&](std::optional<bool>& before) {
      return std::exchange(before, claimed.ok()) != std::optional<bool>(claimed.ok());
    });
    if (has_changed && claimed.ok()) {
      log_info("this server acts on the catalogue: deployments, rollouts, monitors, runs");
      circle.wake();
    }
    if (claimed.ok()) return Circle::StandsBy();
    if (has_changed) log_info("this server stands by", {{"why", claimed.error().message}});
    return Circle::StandsBy(claimed.error().message);
  }
  /// For what only the server that acts can answer.
  Result<> check_acts() {
    const Circle::StandsBy why = TRY(stands_by());
    return why ? Result<>(unavailable(*why)) : Result<>();
  }

  void project_changed() {
    auto now = pool->read([this](db::Tx& tx) { return project.get(tx); });
    if (now.ok() && *now) close_new_names(*deployments, (*now)->declared.file, secret);
    circle.wake();
  }

  /// What the server does by itself. No name of a deployment is answered otherwise from here on.
  Result<> add_parts() {
    auto wake = [this] { circle.wake(); };
    RolloutPartOptions rollout_options{uuid7(clock.now_ms()), secret, wake,
                                       [this] { serving->refresh(); }};
    auto deciding =
        std::make_unique<RolloutPart>(*acting, project, *deployments, std::move(rollout_options));
    const Circle::StandsBy why = TRY(stands_by());
    if (why)
      TRY(deciding->stand_by(clock.now_ms(), *why));
    else
      TRY(deciding->restore(clock.now_ms(), kRestoreMax));
    left_facts = std::make_unique<LeftFacts>(*pool, clock, options.state, &damages);
    circle.add(std::make_unique<FactsPart>(*left_facts));
    circle.add(std::make_unique<IntakePart>(*acting, project, *registry, *blobs, wake,
                                            [this] { serving->refresh(); }));
    circle.add(std::make_unique<GatePart>(gate_world(), project, wake));
    rollouts = deciding.get();
    circle.add(std::move(deciding));
    circle.add(std::make_unique<LogPart>(*pool, project, *prediction_log, options.state));
    if (options.spawner != nullptr) TRY(add_flows());
    circle.add(std::make_unique<NotifyPart>(*acting, metrics, wake, environment_variable));
    circle.add(std::make_unique<WebhookPart>(*acting, metrics, wake, options.webhooks_private));
    circle.add(std::make_unique<TrashPart>(*trash, *pool, options.trash_kept));
    circle.add(TRY(NarratorPart::begin(*pool)));
    if (pool->engine() == db::Engine::kPostgres)
      circle.add(TRY(FollowPart::begin(*pool, [this] {
        serving->refresh();
        if (Result<> read = people->refresh(); !read.ok())
          log_warning("who may what is not known anew", {{"why", read.error().message}});
      })));
    return {};
  }

  /// Not for a `repro` that serves while it lasts.
  Result<> add_flows() {
    auto wake = [this] { circle.wake(); };
    circle.add(std::make_unique<MonitorPart>(
        MonitorWorld{*acting, *prediction_log, options.state, wake, &damages}));
    circle.add(std::make_unique<TriggerPart>(*acting));
    auto watching = std::make_unique<SourcePart>(*acting, options.project, wake);
    sources = watching.get();
    circle.add(std::move(watching));
    // Servers that share a broker are told apart by their state.
    circle.add(std::make_unique<NatsPart>(*acting, metrics, NatsPart::broker(options.nats),
                                          sha256_hex("nats" + secret), [this] { circle.wake(); }));
    circle.add(TRY(run_part()));
    circle.add(std::make_unique<RunFoldersPart>(
        *pool, metrics, RunFoldersPart::Place{options.project, options.state}, options.run_folders,
        [this] { circle.wake(); }));
    return {};
  }

  Result<std::unique_ptr<RunPart>> run_part() {
    std::error_code failure;
    const auto binary = std::filesystem::read_symlink("/proc/self/exe", failure);
    if (failure) return system_error("cannot find this program", failure.value());
    RunPart::Place place{binary, options.project, options.state, ""};
    // A catalogue in a file has one server, however often its state folder is made anew.
    if (pool->engine() == db::Engine::kPostgres) place.server = server_id;
    auto is_there = [this](db::Tx& tx, const std::string& id) { return claim->is_there(tx, id); };
    auto draw = [this](const flows::PipelineRun& run, const flows::RunPlan::Data& data,
                       const std::filesystem::path& scratch) -> Result<flows::DataFact> {
      const auto applied = TRY(pool->read([&](db::Tx& tx) { return project.get(tx); }));
      // As of the time when the run was asked for, so that drawing again gives the same.
      DrawSource from{options.project, predictions_folder(options.state),
                      labels_folder(options.state), run.created_ms};
      from.damages = &damages;
      if (applied != nullptr) from.label = label_column(applied->declared, data.to);
      (void)prediction_log->flush();  // what can't be written is lost, and counted
      return draw_version(from, data, scratch);
    };
    auto take_facts = [this]() -> Result<> {
      TRY(left_facts->take());
      return {};
    };
    auto publish = [this](const flows::PipelineRun& run, UnixMs) -> Result<std::string> {
      const auto applied = TRY(pool->read([&](db::Tx& tx) { return project.get(tx); }));
      const auto* file = applied == nullptr ? nullptr : &applied->declared.file;
      return publish_run(*pool, *registry, run, models_wanted(run, file));
    };
    auto wake = [this] { circle.wake(); };
    return std::make_unique<RunPart>(*pool, *acting, *options.spawner, std::move(place), wake, draw,
                                     take_facts, publish, is_there);
  }

  void mount_flows() {
    auto wake = [this] { circle.wake(); };
    triggers = std::make_unique<TriggerPost>(*pool, wake);
    mount_hooks(router, *triggers, clock, {options.hook_secret, [this](const std::string& branch) {
                                             if (sources != nullptr) sources->pushed(branch);
                                           }});
    mount_runs(router, {*pool, clock, *triggers, options.state, wake, options.project});
  }

  void mount_mlflow() {
    mlflow::mount_tracking(router, *tracking);
    mlflow::mount_registry(router, *registry, *logged_models, *tracking);
    mlflow::mount_logged_models(router, *logged_models, *tracking);
    mlflow::mount_artifacts(router, *blobs, *registry, *logged_models, *tracking,
                            [this](const std::string& key) {
                              return pool->read(
                                  [&](db::Tx& tx) { return check_may_remove(tx, key); });
                            });
    mlflow::mount_graphql(router);
    mlflow::mount_traces(router, *pool, *tracking, clock);
    mlflow::WebhookOptions hooks;
    hooks.private_allowed = options.webhooks_private;
    hooks.post = http_post(options.webhooks_private);
    hooks.changed = [this] { circle.wake(); };
    mlflow::mount_webhooks(router, *pool, clock, std::move(hooks));
    mlflow::mount_people(router, *people);
  }

  /// Whoever makes an experiment or a model may manage it; what is said of one that is gone goes.
  tracking::TrackingOptions tracking_options() {
    tracking::TrackingOptions wanted;
    wanted.artifact_root = mlflow::kArtifactRoot;
    wanted.making = [](db::Tx& tx, const tracking::Actor& actor, std::int64_t id, UnixMs now_ms) {
      return access::grant_to_maker(tx, {actor.name, now_ms}, access::Kind::kExperiment,
                                    std::to_string(id));
    };
    wanted.made = [this](const tracking::Actor& actor, std::int64_t id) {
      if (people) {
        people->note_maker(actor.name, access::Kind::kExperiment, std::to_string(id));
      }
    };
    return wanted;
  }
  void keep_account_of_models() {
    registry->keep_account(
        {[](db::Tx& tx, const std::string& actor, const std::string& name, UnixMs now_ms) {
           return access::grant_to_maker(tx, {actor, now_ms}, access::Kind::kModel, name);
         },
         access::rename_model, access::forget_model});
  }

  /// Nobody outside of this machine is let in unasked.
  Result<> check_reach() const {
    for (const Address* address :
         {&options.listen, options.listen_serving ? &*options.listen_serving : nullptr}) {
      if (address == nullptr || is_loopback(address->host) || options.anyone_may_do_anything) {
        continue;
      }
      const char* why = options.access == AccessMode::kOff ? "while access is off (--access off)"
                                                           : "without users";
      if (options.access != AccessMode::kOff && !people->empty()) continue;
      return Error{Code::kInvalid,
                   "listening on " + address->host + " " + why +
                       " would let anybody on the network do anything: make an administrator "
                       "first, `slipway users create NAME --admin` (and leave --access alone), "
                       "listen on 127.0.0.1, or, behind a proxy that asks who one is, say "
                       "--anyone-may-do-anything",
                   "usage"};
    }
    return {};
  }
  /// Where others reach the server, it asks who they are even when the last user is gone.
  AccessMode access_mode() const {
    const bool afar = !is_loopback(options.listen.host) ||
                      (options.listen_serving && !is_loopback(options.listen_serving->host));
    if (options.access != AccessMode::kAuto || !afar || options.anyone_may_do_anything) {
      return options.access;
    }
    return AccessMode::kOn;
  }
};

namespace {

/// What Amazon's tools read, and what MLflow's server calls the endpoint.
std::optional<std::string> s3_variable(const std::string& name) {
  std::optional<std::string> value = environment_variable(name);
  if (value || name != "AWS_ENDPOINT_URL_S3") return value;
  return environment_variable(mlflow::kS3EndpointVariable);
}

}  // namespace

std::string artifacts_place(const AppOptions& options) {
  return options.artifacts.empty() ? (options.state / "artifacts").string() : options.artifacts;
}

Result<std::unique_ptr<blob::Blobs>> open_artifacts(const AppOptions& options, const Clock& clock) {
  const std::string place = artifacts_place(options);
  if (!blob::s3::is_uri(place)) return blob::open_folder(place);
  // Signatures bear the real time, whatever a replayed clock says.
  return blob::open_s3(TRY(blob::s3::place_of(options.artifacts, &s3_variable)),
                       [] { return blob::s3::find_credentials(&s3_variable); },
                       http::make_client(), clock);
}

Error owned_elsewhere(const StateFolder& state) {
  Result<std::optional<Owner>> owner = announced_owner(state);
  std::string who = "another process";
  if (owner.ok() && *owner) {
    who =
        "`" + (*owner)->what + "` (pid " + std::to_string((*owner)->pid) + ") at " + (*owner)->url;
  }
  return {Code::kConflict,
          "the state folder " + state.path().string() + " is owned by " + who +
              "; use that server, stop it, or name another folder with --state",
          "owned"};
}

namespace {

/// What runs left that found no owner, or were killed. What can't be taken waits for the next one.
void take_left_facts(const StateFolder& state, db::Pool& pool, const Clock& clock,
                     blob::Damages& damages) {
  Result<> taken = deliver_left(
      state.path(),
      [&](const std::string& outbox, std::int64_t first, const wire::Json::Array& facts) {
        return take_facts(pool, clock, outbox, first, facts);
      },
      &damages);
  if (!taken.ok()) log_warning("facts of earlier runs wait on", {{"why", taken.error().message}});
}

std::string name_of_this_server(const std::string& command) {
  char host[HOST_NAME_MAX + 1] = "";
  if (gethostname(host, sizeof(host) - 1) != 0) host[0] = '\0';
  return command + ", pid " + std::to_string(getpid()) + " on " + host;
}

/// An empty catalogue is made in silence only where nothing else is.
void warn_of_a_lost_catalogue(const StateFolder& state, const std::string& store) {
  constexpr std::string_view kSqlite = "sqlite://";
  std::error_code ignored;
  if (!store.starts_with(kSqlite)) return;
  const std::string file = store.substr(kSqlite.size());
  const std::vector<std::string> kept = state.kept_beside_the_catalogue();
  if (kept.empty() || std::filesystem::exists(file, ignored)) return;
  log_warning(
      "the catalogue is gone: an empty one is made, which knows nothing of what is kept "
      "beside it; if that is not meant, stop, and put a copy of the file back",
      {{"missing", file}, {"kept", join(kept, ", ")}});
}

/// Two servers with artifacts of their own would each miss the other's.
Result<> check_artifacts(db::Pool& pool, db::Claim& claim, const artifacts::Home& home,
                         UnixMs now_ms) {
  const std::optional<artifacts::Home> before =
      TRY(pool.write([&](db::Tx& tx) -> Result<std::optional<artifacts::Home>> {
        const bool others = TRY(claim.others(tx)) > 0;
        return artifacts::settle_home(tx, home, others, now_ms);
      }));
  if (!before) return {};
  log_warning(
      "the artifacts of this catalogue were elsewhere until now: what is not there too is gone",
      {{"were", before->place}, {"are", home.place}, {"said_by", before->server}});
  return {};
}

/// A replayed history goes on where its last event was.
Result<> go_on_with(ReplayClock& clock, db::Pool& pool) {
  return pool.read([&](db::Tx& tx) -> Result<> {
    const std::int64_t newest = TRY(graph::newest_seq(tx));
    for (const auto& event : TRY(graph::events_after(tx, newest - 1, 1))) {
      clock.turn_to(event.time_ms);
    }
    return {};
  });
}

http::ServerOptions server_options(const AppOptions& app, const Address& address) {
  http::ServerOptions options;
  options.body_buffers_max = app.body_memory_bytes;
  options.body_bytes_per_second_min = app.body_bytes_per_second_min;
  options.host = address.host;
  options.port = address.port;
  options.listen_fd = address.fd;
  options.allowed_hosts = app.allowed_hosts;
  options.allowed_origins = app.allowed_origins;
  options.trusted_proxies = app.trusted_proxies;
  return options;
}

}  // namespace

std::filesystem::path predictions_folder(const std::filesystem::path& state) {
  return state / "predictions";
}
std::filesystem::path labels_folder(const std::filesystem::path& state) {
  return state / "labels";
}

std::vector<db::Migration> all_migrations() {
  return db::joined({graph::migrations(), tracking::migrations(), registry::migrations(),
                     project::migrations(), checks::migrations(), delivery::migrations(),
                     notify::migrations(), notify::webhook_migrations(), flows::migrations(),
                     monitor::migrations(), artifacts::migrations(), traces::migrations(),
                     access::migrations(), imports::migrations()});
}

App::App(std::unique_ptr<Services> services) : services_(std::move(services)) {}
App::~App() {
  stop();
  // After a start that failed: its threads call what ends before it.
  if (services_->serving) services_->serving->stop();
}

Result<std::unique_ptr<App>> App::open(AppOptions options) {
  auto s = std::make_unique<Services>(std::move(options));
  StateFolder state = TRY(StateFolder::open(s->options.state));
  TRY(state.sync_entry());
  s->ownership = TRY(Ownership::try_take(state));
  if (!s->ownership) return owned_elsewhere(state);
  s->secret = TRY(state.secret());
  const std::string store = TRY(catalogue_of(state.path(), s->options.store));
  if (store != catalogue_uri(state.path())) {
    if (s->options.store.empty()) TRY(check_remembered(store));
    s->options.store = store;
  }
  s->server_id = sha256_hex("server" + s->secret).substr(0, 32);
  const std::string who = name_of_this_server(s->options.command);
  s->claim = TRY(db::claim(store, {who, s->server_id}));
  s->circle.guard([raw = s.get()] { return raw->stands_by(); });
  warn_of_a_lost_catalogue(state, store);
  s->pool = TRY(db::Pool::open(store, all_migrations(), s->metrics));
  TRY(keep_catalogue(state.path(), store));
  s->acting = db::under_claim(*s->pool, *s->claim);
  if (s->options.replay) TRY(go_on_with(s->replay_clock, *s->pool));
  take_left_facts(state, *s->pool, s->clock, s->damages);
  std::unique_ptr<blob::Blobs> store_of_artifacts =
      TRY(open_artifacts(s->options, s->system_clock));
  TRY(check_artifacts(*s->pool, *s->claim,
                      {store_of_artifacts->identity(), artifacts_place(s->options), who},
                      s->clock.now_ms()));
  s->blobs = artifacts::open_recorded(std::move(store_of_artifacts), *s->pool, s->clock);
  auto changed = [raw = s.get()] {
    failpoint("registry.changed");
    if (raw->people) raw->people->note_change();
    if (!raw->running) return;
    raw->serving->refresh();
    raw->circle.wake();
  };
  s->registry = std::make_unique<registry::Registry>(*s->pool, s->clock, std::move(changed),
                                                     holds_of_deployments);
  s->registry->tell(mlflow::webhook_witness());
  s->logged_models = std::make_unique<registry::LoggedModels>(*s->pool, s->clock);
  s->keep_account_of_models();
  s->tracking = TRY(tracking::Tracking::open(*s->pool, s->clock, s->tracking_options()));
  s->trash = std::make_unique<Trash>(
      TrashWorld{*s->pool, *s->blobs, s->clock, holds_of_deployments, check_may_remove});
  s->people = TRY(access::People::open(*s->pool, s->clock, s->system_clock, s->metrics));
  s->features = std::make_unique<features::Service>(features_folder(state.path()), s->metrics);
  s->live_files = std::make_unique<LiveFiles>(*s->blobs, s->clock);
  s->source = std::make_unique<RegistrySource>(*s->pool, *s->registry, *s->blobs);
  s->serving = std::make_unique<serving::Serving>(*s->source, s->clock, s->metrics);
  serving::PredictionLogOptions log_options;
  log_options.root = predictions_folder(state.path());
  s->prediction_log =
      std::make_unique<serving::PredictionLog>(s->disk, s->metrics, std::move(log_options));
  s->label_log = std::make_unique<serving::LabelLog>(s->disk, labels_folder(state.path()));
  serving::DeploymentsOptions deployments_options;
  deployments_options.features = s->features.get();
  s->deployments = std::make_unique<serving::Deployments>(*s->serving, *s->prediction_log, s->clock,
                                                          s->metrics, deployments_options);
  return std::unique_ptr<App>(new App(std::move(s)));
}

Result<> App::start() {
  Services& s = *services_;
  TRY(s.check_reach());
  s.gate = std::make_unique<Gate>(
      GateWorldOfAccess{*s.people, *s.tracking, *s.logged_models, *s.pool, *s.deployments, s.secret,
                        s.access_mode(), s.options.open_predictions, s.options.default_deployment,
                        s.options.allowed_origins},
      all_access_rules());
  mount_web(s.router);
  mount_metrics(s.router, s.metrics);
  mount_health(s.router, *s.pool);
  const FlushLog flush_log = [&s] { return s.prediction_log->flush(); };
  mount_api(s.router, *s.pool, s.clock, s.options.state, flush_log,
            [&s] { return s.acted.with([](const auto& acted) { return acted.value_or(false); }); });
  if (s.options.replay) {
    mount_clock(s.router, s.replay_clock, s.circle);
  } else {
    mount_clock(s.router, s.clock);
  }
  mount_project(
      s.router, *s.pool, s.clock,
      [&s](const project::ProjectFile& file) -> Result<project::Facts> {
        auto facts =
            TRY(measured_facts(s.options.state, file, s.clock.now_ms(), &s.damages));
        facts.is_server = true;
        return facts;
      },
      [&s] { s.project_changed(); });
  mount_features(s.router, *s.features, *s.pool, s.clock);
  mount_feedback(s.router, {s.options.state, *s.label_log, *s.deployments, *s.pool, s.clock,
                            [&s] { s.circle.wake(); }, flush_log, &s.damages,
                            [&s] { return s.check_acts(); }});
  mount_delivery(s.router, s.delivery_world());
  mount_models(s.router, *s.pool, [&s](const http::Principal& who) {
    // Who is no person is the owner, or nobody is asked who he is.
    return who.name.empty() || !s.people || s.people->is_admin(who.name).value_or(true);
  });
  mount_tracked_runs(s.router, {*s.tracking, *s.pool});
  mount_sync(s.router, {*s.pool, *s.blobs, s.clock});
  mount_trash(s.router, *s.trash);
  mount_monitors(s.router, *s.pool, s.clock, [&s] { s.circle.wake(); });
  s.mount_flows();
  mount_checks(s.router, *s.pool, s.clock);
  mount_score(s.router, *s.pool);
  mount_report(s.router, *s.pool);
  mount_golden(s.router, *s.pool, *s.tracking, *s.blobs);
  s.mount_mlflow();
  mount_people_api(s.router, *s.people, *s.gate);
  http::Router& data_plane = s.options.listen_serving ? s.serving_router : s.router;
  oip::mount(data_plane, *s.serving, *s.deployments);
  mlflow::mount_scoring(data_plane, *s.serving, *s.deployments, {s.options.default_deployment});
  if (s.options.listen_serving) mount_metrics(s.serving_router, s.metrics);

  s.server = TRY(http::Server::open(server_options(s.options, s.options.listen), s.router,
                                    s.metrics, s.gate->watch(s.router)));
  if (s.options.listen_serving) {
    s.serving_server =
        TRY(http::Server::open(server_options(s.options, *s.options.listen_serving),
                               s.serving_router, s.metrics, s.gate->watch(s.serving_router)));
  }
  s.prediction_log->start();
  s.deployments->start();
  s.serving->start();
  TRY(s.add_parts());
  s.running = true;
  s.server->start();
  if (s.serving_server) s.serving_server->start();
  s.circle.start();
  return s.ownership->announce(
      {getpid(), url(), s.options.command, s.options.store, s.options.artifacts});
}

void App::stop() {
  Services& s = *services_;
  if (!s.running.exchange(false)) return;
  s.circle.interrupt();
  s.server->drain();
  if (s.serving_server) s.serving_server->drain();
  s.circle.stop();
  s.serving->stop();
  // Shadows of the last answers first: they are logged too.
  s.deployments->stop();
  s.prediction_log->stop();
}

std::string App::url() const {
  return url_of(services_->options.listen, services_->server->port());
}
std::string App::serving_url() const {
  const Services& s = *services_;
  return s.serving_server ? url_of(*s.options.listen_serving, s.serving_server->port()) : url();
}
Result<std::vector<std::string>> App::names_to_ask() const {
  std::vector<std::string> names = services_->deployments->names();
  for (registry::KnownModel& model : TRY(services_->registry->known()))
    if (std::find(names.begin(), names.end(), model.name) == names.end())
      names.push_back(std::move(model.name));
  return names;
}
std::vector<std::string> App::routes_without_rule() const {
  std::vector<std::string> routes = services_->gate->unruled(services_->router);
  for (std::string& route : services_->gate->unruled(services_->serving_router)) {
    routes.push_back(std::move(route));
  }
  return routes;
}
db::Pool& App::pool() {
  return *services_->pool;
}
const Clock& App::clock() const {
  return services_->clock;
}
const std::string& App::secret() const {
  return services_->secret;
}

}  // namespace slipway::app
