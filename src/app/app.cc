#include "app/app.h"

#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdlib>

#include "app/api.h"
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
#include "app/model_source.h"
#include "app/models_api.h"
#include "app/monitor_api.h"
#include "app/place.h"
#include "app/project_api.h"
#include "app/project_facts.h"
#include "app/runs_api.h"
#include "app/web_assets.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "dialects/mlflow/artifacts.h"
#include "dialects/mlflow/graphql.h"
#include "dialects/mlflow/logged_models.h"
#include "dialects/mlflow/registry.h"
#include "dialects/mlflow/scoring.h"
#include "dialects/mlflow/tracking.h"
#include "dialects/oip/oip.h"
#include "domain/artifacts/recorded_blobs.h"
#include "domain/checks/facts.h"
#include "domain/delivery/store.h"
#include "domain/features/service.h"
#include "domain/flows/runs_store.h"
#include "domain/imports/imports.h"
#include "domain/monitor/store.h"
#include "domain/notify/deliveries.h"
#include "domain/project/applied.h"
#include "domain/registry/logged_models.h"
#include "domain/registry/registry.h"
#include "domain/serving/deployments.h"
#include "domain/serving/labels.h"
#include "domain/serving/prediction_log.h"
#include "domain/serving/serving.h"
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
  std::unique_ptr<tracking::Tracking> tracking;
  std::unique_ptr<RegistrySource> source;
  blob::Disk disk;
  blob::Damages damages{metrics};
  std::unique_ptr<serving::PredictionLog> prediction_log;
  std::unique_ptr<serving::LabelLog> label_log;
  std::unique_ptr<serving::Deployments> deployments;
  std::unique_ptr<features::Service> features;
  std::unique_ptr<db::Claim> claim;
  std::unique_ptr<db::Pool> pool;
  http::Router router{http::render_plain_error};
  http::Router serving_router{http::render_plain_error};
  std::unique_ptr<http::Server> server, serving_server;
  std::atomic<bool> running{false};
  project::CurrentProject project;
  std::unique_ptr<LeftFacts> left_facts;
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
            [this] { serving->refresh(); }};
  }
  GateWorld gate_world() {
    return {*pool,
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
        std::make_unique<RolloutPart>(*pool, project, *deployments, std::move(rollout_options));
    TRY(deciding->restore(clock.now_ms(), kRestoreMax));
    left_facts = std::make_unique<LeftFacts>(*pool, clock, options.state, &damages);
    circle.add(std::make_unique<FactsPart>(*left_facts));
    circle.add(std::make_unique<IntakePart>(*pool, project, *registry, *blobs, wake));
    circle.add(std::make_unique<GatePart>(gate_world(), project, wake));
    rollouts = deciding.get();
    circle.add(std::move(deciding));
    circle.add(std::make_unique<LogPart>(*pool, project, *prediction_log, options.state));
    if (options.spawner != nullptr) TRY(add_flows());
    circle.add(std::make_unique<NotifyPart>(*pool, metrics, wake, environment_variable));
    circle.add(TRY(NarratorPart::begin(*pool)));
    return {};
  }

  /// Not for a `repro` that serves while it lasts.
  Result<> add_flows() {
    circle.add(std::make_unique<MonitorPart>(
        MonitorWorld{*pool, *prediction_log, options.state, [this] { circle.wake(); }, &damages}));
    circle.add(std::make_unique<TriggerPart>(*pool));
    auto watching = std::make_unique<SourcePart>(*pool, options.project, [this] { circle.wake(); });
    sources = watching.get();
    circle.add(std::move(watching));
    // Servers that share a broker are told apart by their state.
    circle.add(std::make_unique<NatsPart>(*pool, metrics, NatsPart::broker(options.nats),
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
    RunPart::Place place{binary, options.project, options.state};
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
    auto publish = [this](const flows::PipelineRun& run, UnixMs) {
      return publish_run(*pool, *registry, run);
    };
    auto wake = [this] { circle.wake(); };
    return std::make_unique<RunPart>(*pool, *options.spawner, std::move(place), wake, draw,
                                     take_facts, publish);
  }

  void mount_flows() {
    auto wake = [this] { circle.wake(); };
    triggers = std::make_unique<TriggerPost>(*pool, wake);
    mount_hooks(router, *triggers, clock, {options.hook_secret, [this](const std::string& branch) {
                                             if (sources != nullptr) sources->pushed(branch);
                                           }});
    mount_runs(router, {*pool, clock, *triggers, options.state, wake});
  }

  void mount_mlflow() {
    mlflow::mount_tracking(router, *tracking);
    mlflow::mount_registry(router, *registry, *logged_models, *tracking);
    mlflow::mount_logged_models(router, *logged_models, *tracking);
    mlflow::mount_artifacts(router, *blobs, *registry, *logged_models, *tracking);
    mlflow::mount_graphql(router);
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

Result<std::unique_ptr<blob::Blobs>> open_artifacts(const AppOptions& options, const Clock& clock) {
  if (options.artifacts.empty()) return blob::open_folder(options.state / "artifacts");
  if (!blob::s3::is_uri(options.artifacts)) return blob::open_folder(options.artifacts);
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

Result<http::Principal> principal_of(const http::Request& request, const std::string& secret) {
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view header = request.headers.get("Authorization");
  if (!header.starts_with(kBearer)) return http::Principal{};
  std::string_view token = header.substr(kBearer.size());
  if (equal_secrets(token, secret)) return http::Principal{kOwnerName, ""};
  if (std::optional<std::string> attempt = attempt_of_token(secret, token)) {
    return http::Principal{"attempt:" + *attempt, *attempt};
  }
  return http::Principal{};  // a token of some other service that the client was configured with
}

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
  return options;
}

}  // namespace

std::string catalogue_uri(const std::filesystem::path& state) {
  return "sqlite://" + (state / "catalog.db").string();
}

std::filesystem::path predictions_folder(const std::filesystem::path& state) {
  return state / "predictions";
}
std::filesystem::path labels_folder(const std::filesystem::path& state) {
  return state / "labels";
}

std::vector<db::Migration> all_migrations() {
  return db::joined({graph::migrations(), tracking::migrations(), registry::migrations(),
                     project::migrations(), checks::migrations(), delivery::migrations(),
                     notify::migrations(), flows::migrations(), monitor::migrations(),
                     artifacts::migrations(), imports::migrations()});
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
  std::string store = s->options.store.empty() ? catalogue_uri(state.path()) : s->options.store;
  s->claim = TRY(db::claim(store, name_of_this_server(s->options.command)));
  s->circle.guard([claim = s->claim.get()] { return claim->check(); });
  warn_of_a_lost_catalogue(state, store);
  s->pool = TRY(db::Pool::open(store, all_migrations(), s->metrics));
  if (s->options.replay) TRY(go_on_with(s->replay_clock, *s->pool));
  take_left_facts(state, *s->pool, s->clock, s->damages);
  s->blobs = artifacts::open_recorded(TRY(open_artifacts(s->options, s->system_clock)), *s->pool,
                                      s->clock);
  s->registry = std::make_unique<registry::Registry>(*s->pool, s->clock, [raw = s.get()] {
    failpoint("registry.changed");
    if (!raw->running) return;
    raw->serving->refresh();
    raw->circle.wake();
  });
  s->logged_models = std::make_unique<registry::LoggedModels>(*s->pool, s->clock);
  s->tracking =
      TRY(tracking::Tracking::open(*s->pool, s->clock, {.artifact_root = mlflow::kArtifactRoot}));
  s->features = std::make_unique<features::Service>(features_folder(state.path()), s->metrics);
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
  auto authenticate = [&s](const http::Request& request) {
    return principal_of(request, s.secret);
  };
  mount_web(s.router);
  mount_metrics(s.router, s.metrics);
  mount_health(s.router, *s.pool);
  const FlushLog flush_log = [&s] { return s.prediction_log->flush(); };
  mount_api(s.router, *s.pool, s.clock, s.options.state, flush_log);
  if (s.options.replay) {
    mount_clock(s.router, s.replay_clock, s.circle);
  } else {
    mount_clock(s.router, s.clock);
  }
  mount_project(
      s.router, *s.pool, s.clock,
      [&s](const project::ProjectFile& file) {
        return measured_facts(s.options.state, file, s.clock.now_ms(), &s.damages);
      },
      [&s] { s.project_changed(); });
  mount_features(s.router, *s.features, *s.pool, s.clock);
  mount_feedback(s.router, {s.options.state, *s.label_log, *s.deployments, *s.pool, s.clock,
                            [&s] { s.circle.wake(); }, flush_log, &s.damages});
  mount_delivery(s.router, s.delivery_world());
  mount_models(s.router, *s.pool);
  mount_monitors(s.router, *s.pool, s.clock, [&s] { s.circle.wake(); });
  s.mount_flows();
  mount_checks(s.router, *s.pool, s.clock);
  mount_golden(s.router, *s.pool, *s.tracking, *s.blobs);
  s.mount_mlflow();
  http::Router& data_plane = s.options.listen_serving ? s.serving_router : s.router;
  oip::mount(data_plane, *s.serving, *s.deployments);
  mlflow::mount_scoring(data_plane, *s.serving, *s.deployments, {s.options.default_deployment});
  if (s.options.listen_serving) mount_metrics(s.serving_router, s.metrics);

  s.server = TRY(http::Server::open(server_options(s.options, s.options.listen), s.router,
                                    s.metrics, authenticate));
  if (s.options.listen_serving) {
    s.serving_server = TRY(http::Server::open(server_options(s.options, *s.options.listen_serving),
                                              s.serving_router, s.metrics, authenticate));
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
