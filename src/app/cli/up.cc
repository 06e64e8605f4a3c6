#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "app/bring_up.h"
#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/project.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "domain/tracking/trash.h"
#include "io/proc/proc.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

const std::vector<Setting>& up_settings() {
  static const std::vector<Setting> table = {
      {"state", "DIR", "", "state folder (.slipway of this project)"},
      {"listen", "ADDR:PORT", "127.0.0.1:5000", "address of the server; port 0 picks a free one"},
      {"listen_serving", "ADDR:PORT", "", "a listener of its own for predictions"},
      {"access", "WHEN", "auto",
       "whether callers are asked who they are: auto (once there are users), on or off"},
      {"predictions", "HOW", "asked",
       "asked: predictions need a token where callers are asked who they are; open: they do not"},
      {"anyone_may_do_anything", "", "",
       "listen where others reach the server although nobody is asked who he is"},
      {"allowed_hosts", "NAMES", "",
       "names that the server is called by, beside those of this machine and private addresses; "
       "* for any characters"},
      {"allowed_origins", "URLS", "", "other sites whose pages may call it"},
      {"trusted_proxies", "ADDRESSES", "",
       "proxies before this server: who they say in X-Forwarded-For has sent a request is believed "
       "(addresses and networks, as 10.0.0.0/8)"},
      {"store", "URI", "",
       "catalogue: sqlite:///PATH or postgresql://... (where this state had it last, "
       "else catalog.db in it)"},
      {"artifacts", "PLACE", "",
       "folder of artifacts (artifacts in the state folder), or s3://BUCKET/PREFIX, behind it "
       "perhaps ?endpoint=URL&region=REGION&style=path (or virtual); credentials as for Amazon's "
       "own tools"},
      {"default_deployment", "NAME", "",
       "the deployment or model that answers the bare /invocations"},
      {"body_memory", "MIB", "256",
       "memory for request bodies, all together; beyond it 503 with Retry-After"},
      {"body_rate", "BYTES", "1024",
       "a request's body that comes at fewer bytes a second, over half a minute, is given up"},
      {"clock", "CLOCK", "system",
       "system, or replay: the time is what POST /api/slipway/v1/clock says"},
      {"hook_secret", "SECRET", "",
       "of the webhooks of git hosts (/hooks/git); better set by "
       "the environment"},
      {"webhooks", "WHERE", "public",
       "where webhooks that clients register may go: public (https:// at public addresses), or "
       "private (http:// and addresses of this machine and its networks too)"},
      {"nats", "URL,...", "",
       "NATS servers for triggers: nats://HOST:4222 or tls://HOST, with USER:PASSWORD@ or TOKEN@ "
       "better set by the environment"},
      {"nats_credentials", "FILE", "", "who this server is to NATS: a .creds file"},
      {"nats_ca", "FILE", "",
       "certificates that NATS servers are trusted by, instead of the system's"},
      {"nats_certificate", "FILE", "", "certificate of this server for NATS, if it asks for one"},
      {"nats_key", "FILE", "", "its private key"},
      {"keep_runs", "N", "20",
       "the folders (log, records) of so many runs that ended last are kept, and of"},
      {"keep_runs_days", "DAYS", "14", "all that ended in the last days"},
      {"trash_kept", "SPAN", "",
       "so long what is deleted in tracking can be restored, 30d; then it goes for good, as by "
       "`slipway runs gc`; without it, it stays"},
      {"log_level", "LEVEL", "info", "debug, info, warning, error or off"},
      {"log_format", "FORMAT", "text", "text or json"},
  };
  return table;
}

std::optional<std::string> from_environment(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<Settings> gather(const Arguments& arguments) {
  std::map<std::string, std::string> flags;
  for (const auto& [name, value] : arguments.flags) flags[replace_all(name, "-", "_")] = value;
  return Settings::gather(up_settings(), flags, from_environment, {});
}

Result<> set_up_log(const Settings& settings) {
  static const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                         {"info", LogLevel::kInfo},
                                                         {"warning", LogLevel::kWarning},
                                                         {"error", LogLevel::kError},
                                                         {"off", LogLevel::kOff}};
  auto level = levels.find(settings.text("log_level"));
  if (level == levels.end()) {
    return Error{Code::kInvalid,
                 "log level '" + settings.text("log_level") +
                     "' is none of debug, info, warning, error, off",
                 "usage"};
  }
  const std::string& format = settings.text("log_format");
  if (format != "text" && format != "json") {
    return Error{Code::kInvalid, "log format '" + format + "' is neither text nor json", "usage"};
  }
  set_log_level(level->second);
  set_log_format(format == "json" ? LogFormat::kJson : LogFormat::kText);
  return {};
}

Result<std::int64_t> bounded(const Settings& settings, const char* name, std::int64_t least,
                             std::int64_t most) {
  const std::int64_t value = TRY(settings.integer(name));
  if (value >= least && value <= most) return value;
  return Error{Code::kInvalid,
               std::string(name) + " must be between " + std::to_string(least) + " and " +
                   std::to_string(most) + ", got " + std::to_string(value),
               "usage"};
}

Result<nats::Access> nats_access(const Settings& settings, const std::filesystem::path& folder) {
  nats::Access access;
  Result<std::vector<nats::Address>> servers = nats::parse_addresses(settings.text("nats"));
  if (!servers.ok()) return with_tag(servers.error(), "usage");
  access.servers = std::move(*servers);
  auto file = [&](const char* name) -> std::string {
    const std::string& path = settings.text(name);
    return path.empty() ? path : (folder / path).string();
  };
  access.credentials = file("nats_credentials");
  access.ca = file("nats_ca");
  access.certificate = file("nats_certificate");
  access.key = file("nats_key");
  if (access.certificate.empty() == access.key.empty()) return access;
  return Error{Code::kInvalid, "--nats-certificate and --nats-key go together", "usage"};
}

std::vector<std::string> list_of(const std::string& text) {
  std::vector<std::string> items;
  for (const std::string_view item : split(text, ',')) {
    if (!trim(item).empty()) items.emplace_back(trim(item));
  }
  return items;
}

Result<> read_access(const Settings& settings, AppOptions& options) {
  static const std::map<std::string, AccessMode> modes = {
      {"auto", AccessMode::kAuto}, {"on", AccessMode::kOn}, {"off", AccessMode::kOff}};
  const auto mode = modes.find(settings.text("access"));
  if (mode == modes.end()) {
    return Error{Code::kInvalid,
                 "access '" + settings.text("access") + "' is none of auto, on, off", "usage"};
  }
  options.access = mode->second;
  const std::string& predictions = settings.text("predictions");
  if (predictions != "asked" && predictions != "open") {
    return Error{Code::kInvalid, "predictions '" + predictions + "' are neither asked nor open",
                 "usage"};
  }
  options.open_predictions = predictions == "open";
  options.anyone_may_do_anything = settings.on("anyone_may_do_anything");
  options.allowed_hosts = list_of(settings.text("allowed_hosts"));
  options.allowed_origins = list_of(settings.text("allowed_origins"));
  Result<http::TrustedProxies> proxies =
      http::TrustedProxies::parse(list_of(settings.text("trusted_proxies")));
  if (!proxies.ok()) {
    return Error{Code::kInvalid, "--trusted-proxies: " + proxies.error().message, "usage"};
  }
  options.trusted_proxies = std::move(*proxies);
  return {};
}

Result<AppOptions> options_of(const Settings& settings, const std::filesystem::path& folder) {
  AppOptions options;
  const std::string& state = settings.text("state");
  options.state = state.empty() ? default_state(folder)
                                : std::filesystem::path(folder / state).lexically_normal();
  options.listen = TRY(parse_address(settings.text("listen")));
  if (!settings.text("listen_serving").empty()) {
    options.listen_serving = TRY(parse_address(settings.text("listen_serving")));
  }
  TRY(read_access(settings, options));
  options.store = settings.text("store");
  const std::string& artifacts = settings.text("artifacts");
  options.artifacts = artifacts.empty() || artifacts.starts_with("s3://")
                          ? artifacts
                          : (folder / artifacts).string();
  const std::string& clock = settings.text("clock");
  if (clock != "system" && clock != "replay") {
    return Error{Code::kInvalid, "clock '" + clock + "' is neither system nor replay", "usage"};
  }
  options.replay = clock == "replay";
  options.default_deployment = settings.text("default_deployment");
  options.hook_secret = settings.text("hook_secret");
  const std::string& webhooks = settings.text("webhooks");
  if (webhooks != "public" && webhooks != "private") {
    return Error{Code::kInvalid, "webhooks '" + webhooks + "' is neither public nor private",
                 "usage"};
  }
  options.webhooks_private = webhooks == "private";
  options.nats = TRY(nats_access(settings, folder));
  constexpr std::int64_t kDayMs = 24 * 60 * 60 * 1000, kDaysMax = 36'500;
  options.run_folders.newest = static_cast<int>(TRY(bounded(settings, "keep_runs", 0, 1'000'000)));
  options.run_folders.age_ms = TRY(bounded(settings, "keep_runs_days", 0, kDaysMax)) * kDayMs;
  options.trash_kept = settings.text("trash_kept");
  if (const auto age = tracking::parse_age(options.trash_kept);
      !options.trash_kept.empty() && (!age.ok() || *age == 0)) {
    return Error{Code::kInvalid,
                 "trash_kept '" + options.trash_kept +
                     "' is no span such as 30d or 12h; what is deleted would go at once, or never",
                 "usage"};
  }
  options.body_memory_bytes =
      static_cast<std::uint64_t>(TRY(bounded(settings, "body_memory", 1, 1 << 20))) << 20;
  options.body_bytes_per_second_min =
      static_cast<std::uint64_t>(TRY(bounded(settings, "body_rate", 0, 1 << 30)));
  return options;
}

/// Which folder it is, which is no matter of course outside of a project.
std::string state_line(const Settings& settings, const std::filesystem::path& folder,
                       const std::filesystem::path& state) {
  std::string line = "slipway: state in " + state.string();
  if (!settings.text("state").empty() || is_in_project(folder)) return line;
  return line +
         " (no project here: neither this folder nor one above has .dvc, slipway.yaml or "
         ".git)";
}

void say_ready(const App& app, const std::filesystem::path& state,
               const Surroundings& surroundings) {
  if (surroundings.json) {
    wire::Json json;
    json.set("url", app.url());
    json.set("serving_url", app.serving_url());
    json.set("state", state.string());
    surroundings.out << wire::dump(json) << std::endl;
    return;
  }
  surroundings.out << "slipway: ready at " << app.url() << std::endl;
  if (app.serving_url() != app.url())
    surroundings.err << "slipway: predictions at " << app.serving_url() << std::endl;
}

/// One that is not there may come; a slip of the fingers never does.
void check_default(const App& app, const std::string& name, const Surroundings& surroundings) {
  if (name.empty()) return;
  const Result<std::vector<std::string>> known = app.names_to_ask();
  if (!known.ok() || std::find(known->begin(), known->end(), name) != known->end()) return;
  warn("--default-deployment: there is no deployment or model '" + name +
           "' yet, and /invocations answers nothing until there is" + hint_of(name, *known),
       surroundings);
}

sigset_t end_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

/// The first signal drains; a second one ends the process at once.
void wait_and_drain(App& app, const sigset_t& signals) {
  int number = 0;
  sigwait(&signals, &number);
  log_info("draining: requests in flight are finished, a second signal ends at once");
  std::atomic<bool> drained{false};
  std::thread drain([&] {
    app.stop();
    drained = true;
  });
  const timespec pause{0, 20'000'000};
  while (!drained) {
    if (sigtimedwait(&signals, nullptr, &pause) > 0) _exit(128 + number);
  }
  drain.join();
}

}  // namespace

std::vector<Flag> up_flags() {
  std::vector<Flag> flags;
  for (const Setting& setting : up_settings()) {
    std::string help = setting.help;
    if (!setting.fallback.empty()) help += " [" + setting.fallback + "]";
    flags.push_back({setting.flag(), setting.value_name, help + " (" + setting.variable() + ")"});
  }
  return flags;
}

int run_up(const Arguments& arguments, const Surroundings& surroundings) {
  Result<proc::Spawner> spawner = proc::Spawner::start();  // while this process is small
  if (!spawner.ok()) return report(spawner.error(), surroundings);
  sigset_t signals = end_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread, so that all inherit it
  signal(SIGPIPE, SIG_IGN);
  Result<Settings> settings = gather(arguments);
  if (!settings.ok()) return report(settings.error(), surroundings);
  if (Result<> log = set_up_log(*settings); !log.ok()) return report(log.error(), surroundings);
  Result<AppOptions> options = options_of(*settings, surroundings.folder);
  if (!options.ok()) return report(options.error(), surroundings);
  options->spawner = &*spawner;
  options->project = project_root(surroundings.folder);
  Result<std::unique_ptr<App>> app = bring_up(*options);
  if (!app.ok()) return report(app.error(), surroundings);
  surroundings.err << state_line(*settings, surroundings.folder, options->state) << std::endl;
  check_default(**app, options->default_deployment, surroundings);
  say_ready(**app, options->state, surroundings);
  wait_and_drain(**app, signals);
  return kDone;
}

}  // namespace slipway::app
