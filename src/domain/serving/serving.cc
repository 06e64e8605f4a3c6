#include "domain/serving/serving.h"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <set>

#include "base/log.h"
#include "domain/serving/table.h"

namespace slipway::serving {
namespace {

constexpr std::size_t kLoaderJobsMax = 10'000;
constexpr std::uint64_t kMlmodelBytesMax = 4u << 20;
constexpr std::uint64_t kCheckedBytesMax = 32u
                                           << 20;  // a larger file is looked into when asked for
constexpr std::size_t kSmallBodyBytes = 64u << 10;
constexpr std::int64_t kSmallNanoseconds = 200'000;
constexpr std::chrono::seconds kRetryAfter{5};
constexpr std::size_t kCheckedAtOnceMax = 64;
constexpr std::chrono::milliseconds kCheckPause{20};

Error tagged(Code code, std::string message, std::string tag) {
  return {code, std::move(message), std::move(tag)};
}

/// The last catch of a thread: what was asked for is dropped, which answers 500, and the thread
/// lives.
template <class F>
void guarded(F&& f) {
  try {
    f();
  } catch (const std::exception& thrown) {
    log_error("serving dropped a job", {{"exception", thrown.what()}});
  }
}

/// What a failed load says about a version. Only what the source calls unavailable may pass by
/// itself.
State state_after(const Error& error) {
  if (error.tag == "not_servable" || error.tag == "too_large") return State::kNotServable;
  const bool files = error.code == Code::kInvalid || error.code == Code::kMissing;
  return files ? State::kBroken : State::kFailed;
}

/// What a failed load leaves behind in the table.
VersionEntry failed_entry(VersionEntry entry, const Error& error, std::chrono::nanoseconds now) {
  entry.state = state_after(error);
  entry.reason = error.message;
  entry.failed_at = now;
  entry.loaded = nullptr;
  return entry;
}

/// The error of a version that is known not to be ready.
Error not_ready(const VersionEntry& entry) {
  if (entry.state == State::kNotServable)
    return tagged(Code::kConflict, entry.reason, "not_servable");
  if (entry.state == State::kBroken) return tagged(Code::kInternal, entry.reason, "broken");
  return tagged(Code::kUnavailable, entry.reason, "not_ready");
}

}  // namespace

Serving::Serving(ModelSource& source, const Clock& clock, Metrics& metrics, Options options)
    : source_(source),
      clock_(clock),
      options_(options),
      loaded_versions_(
          metrics.gauge("slipway_serving_loaded_versions", "Model versions in memory.")),
      loaded_bytes_(
          metrics.gauge("slipway_serving_loaded_bytes", "Memory of the model versions in memory.")),
      loads_(metrics.counter("slipway_serving_loads_total", "Model versions loaded.")),
      load_failures_(metrics.counter("slipway_serving_load_failures_total",
                                     "Model versions that could not be loaded.")),
      predictions_(metrics.counter("slipway_predictions_total", "Rows scored.")),
      prediction_failures_(
          metrics.counter("slipway_prediction_failures_total", "Prediction requests that failed.")),
      table_(std::make_shared<const Table>()),
      jobs_(kLoaderJobsMax),
      scorer_jobs_(static_cast<std::size_t>(options.jobs_max)) {}

Serving::~Serving() {
  stop();
}

void Serving::start() {
  refresh();
  threads_.emplace_back([this] {
    pthread_setname_np(pthread_self(), "serving-loader");
    run_loader();
  });
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this] {
      pthread_setname_np(pthread_self(), "serving-scorer");
      while (auto job = scorer_jobs_.pop()) guarded([&] { (*job)(); });
    });
  }
}

void Serving::stop() {
  jobs_.close();
  scorer_jobs_.close();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Serving::refresh() {
  if (look_wanted_.exchange(true)) return;
  Job job;
  job.look = true;
  if (!jobs_.push(job)) look_wanted_ = false;
}

std::shared_ptr<const Table> Serving::table() const {
  return table_.with([](const auto& table) { return table; });
}

Loaded Serving::ready(std::string_view model, std::string_view version) const {
  const auto now = table();
  const auto found = now->models.find(model);
  if (found == now->models.end()) return nullptr;
  const VersionEntry* entry = found->second->find(version);
  return entry ? entry->loaded : nullptr;
}

void Serving::find_later(std::string model, std::string version, Done<Loaded> done) {
  Job job;
  job.model = std::move(model);
  job.version = std::move(version);
  job.done = std::move(done);
  job.asked = clock_.monotonic();
  if (!jobs_.push(job)) job.done(busy("too many requests wait for a model to be loaded"));
}

bool Serving::small(const LoadedVersion& version, std::size_t body_bytes, std::size_t rows) const {
  if (body_bytes > kSmallBodyBytes) return false;
  const std::int64_t each = version.engine->traits().nanoseconds_per_row;
  return rows <= kSmallBodyBytes && static_cast<std::int64_t>(rows) * each <= kSmallNanoseconds;
}

Result<> Serving::run_later(UniqueFunction<void()> job) {
  if (scorer_jobs_.push(job)) return {};
  return busy("too many predictions wait; try again later");
}

void Serving::count(const LoadedVersion& version, std::size_t rows, std::int64_t nanoseconds,
                    bool failed) const {
  version.last_used_ms.store(clock_.now_ms(), std::memory_order_relaxed);
  if (failed) {
    version.failures.fetch_add(1, std::memory_order_relaxed);
    prediction_failures_.add();
    return;
  }
  version.requests.fetch_add(1, std::memory_order_relaxed);
  version.rows.fetch_add(static_cast<std::int64_t>(rows), std::memory_order_relaxed);
  version.nanoseconds.fetch_add(nanoseconds, std::memory_order_relaxed);
  predictions_.add(static_cast<double>(rows));
}

void Serving::look_later(Done<> done) {
  Job job;
  job.look = true;
  job.looked = std::move(done);
  job.asked = clock_.monotonic();
  if (!jobs_.push(job)) job.looked(busy("too many requests wait for the registry"));
}

void Serving::run_loader() {
  while (auto job = jobs_.pop()) {
    guarded([&] {
      if (job->look)
        run_look(std::move(*job));
      else if (job->check)
        run_check();
      else
        job->done(obtain(*job));
    });
  }
}

void Serving::run_look(Job job) {
  if (!job.looked) look_wanted_ = false;
  const bool fresh = job.looked && looked_at_ >= job.asked;
  auto outcome = fresh ? Result<>() : look();
  if (!outcome.ok())
    log_warning("serving can't read the registry", {{"error", outcome.error().message}});
  if (outcome.ok()) preload();
  if (job.looked) job.looked(outcome);
}

Result<> Serving::look() {
  const auto began = clock_.monotonic();
  const std::vector<KnownModel> known = TRY(source_.models());
  looked_at_ = began;
  auto fresh = updated(*table(), known);
  table_.with([&](auto& current) { current = std::move(fresh); });
  set_gauges();
  started_ = true;
  queue_check();
  return {};
}

/// What bare names and aliases mean is loaded before anybody asks, as far as memory allows.
void Serving::preload() {
  const auto now = table();
  for (const auto& [name, model] : now->models) {
    std::set<std::string> wanted{model->meant};
    for (const auto& [alias, version] : model->aliases) wanted.insert(version);
    for (const VersionEntry& entry : model->versions) {
      const bool unloaded = entry.state == State::kWaiting || entry.state == State::kIdle;
      if (!unloaded || !wanted.contains(entry.version)) continue;
      const bool may_evict = entry.version == model->meant;
      if (auto loaded = load(name, entry, may_evict); !loaded.ok()) {
        log_info("a model version does not serve",
                 {{"model", name}, {"version", entry.version}, {"reason", loaded.error().message}});
      }
    }
  }
}

void Serving::queue_check() {
  if (check_queued_) return;
  Job job;
  job.check = true;
  check_queued_ = jobs_.push(job);  // full: the next look asks again
}

/// Tries versions that nobody has asked for, and lets them go again: the table then tells what
/// would answer. A few at a time, so that requests in between wait for a moment at most.
void Serving::run_check() {
  check_queued_ = false;
  const auto began = clock_.monotonic();
  std::vector<Place> tried;
  for (Place& place : waiting(*table(), kCheckedAtOnceMax)) {
    place.entry = checked(place.model, std::move(place.entry));
    tried.push_back(std::move(place));
    if (clock_.monotonic() - began > kCheckPause) break;
  }
  if (tried.empty()) return;
  publish(tried);
  queue_check();
}

VersionEntry Serving::checked(const std::string& model, VersionEntry entry) {
  const std::uint64_t bytes_max = std::min(kCheckedBytesMax, options_.file_bytes_max);
  const auto tried = read(model, entry.version, bytes_max);
  if (!tried.ok() && tried.error().tag != "too_large")
    return failed_entry(std::move(entry), tried.error(), clock_.monotonic());
  entry.state = State::kIdle;
  return entry;
}

Result<Loaded> Serving::obtain(const Job& job) {
  const VersionEntry entry = TRY(find_known(job));
  if (entry.loaded) return entry.loaded;
  if (entry.state == State::kNotServable) return not_ready(entry);
  const bool failed = entry.state == State::kFailed || entry.state == State::kBroken;
  if (failed && clock_.monotonic() - entry.failed_at < kRetryAfter) return not_ready(entry);
  return load(job.model, entry, /*may_evict=*/true);
}

/// Looks at the registry when the version is not in the table, but only once for all who asked
/// before that look.
Result<VersionEntry> Serving::find_known(const Job& job) {
  for (;;) {
    const auto now = table();
    const auto found = now->models.find(job.model);
    const ModelEntry* model = found == now->models.end() ? nullptr : found->second.get();
    if (model) {
      if (const VersionEntry* entry = model->find(job.version)) return *entry;
    }
    if (looked_at_ >= job.asked) {
      if (!model) return tagged(Code::kMissing, "no model '" + job.model + "'", "unknown_model");
      if (job.version.empty()) {
        return tagged(Code::kMissing, "model '" + job.model + "' has no versions", "no_versions");
      }
      return tagged(Code::kMissing, "model '" + job.model + "' has no version " + job.version,
                    "unknown_version");
    }
    if (auto looked = look(); !looked.ok()) {
      return tagged(Code::kUnavailable, std::move(looked.error().message), "not_ready");
    }
  }
}

Result<Loaded> Serving::load(const std::string& model, VersionEntry entry, bool may_evict) {
  auto loaded = read(model, entry.version, options_.file_bytes_max);
  if (loaded.ok()) {
    if (auto room = make_room((*loaded)->bytes, may_evict); !room.ok())
      return std::move(room.error());
    entry.state = State::kReady;
    entry.reason.clear();
    entry.loaded = *loaded;
    publish({{model, entry}});
    loads_.add();
    log_info("model version loaded",
             {{"model", model},
              {"version", entry.version},
              {"bytes", static_cast<std::int64_t>(entry.loaded->bytes)},
              {"ns_per_row", entry.loaded->engine->traits().nanoseconds_per_row}});
    return loaded;
  }
  load_failures_.add();
  entry = failed_entry(std::move(entry), loaded.error(), clock_.monotonic());
  publish({{model, entry}});
  return not_ready(entry);
}

Result<Loaded> Serving::read(const std::string& model, const std::string& version,
                             std::uint64_t file_bytes_max) {
  auto loaded = std::make_shared<LoadedVersion>();
  loaded->model = model;
  loaded->version = version;
  const std::string text = TRY(source_.file(model, version, "MLmodel", kMlmodelBytesMax));
  loaded->mlmodel = TRY(engine::read_mlmodel(text));
  loaded->engine = TRY(engine::load_model(loaded->mlmodel, [&](const std::string& path) {
    return source_.file(model, version, path, file_bytes_max);
  }));
  loaded->bytes = sizeof(LoadedVersion) + text.size() * 4 + loaded->engine->traits().bytes;
  loaded->last_used_ms = clock_.now_ms();
  return Loaded(std::move(loaded));
}

Result<> Serving::make_room(std::uint64_t bytes, bool may_evict) {
  const auto now = table();
  std::uint64_t used = bytes_of(*now);
  if (used + bytes <= options_.bytes_max) return {};
  if (may_evict) {
    for (Place& victim : eviction_order(*now)) {
      used -= victim.entry.loaded->bytes;
      victim.entry.loaded = nullptr;
      victim.entry.state = State::kIdle;
      publish({victim});
      if (used + bytes <= options_.bytes_max) return {};
    }
  }
  return tagged(Code::kBusy,
                "a model of " + std::to_string(bytes) +
                    " bytes does not fit: " + std::to_string(used) + " of " +
                    std::to_string(options_.bytes_max) + " bytes are in use",
                "no_memory");
}

/// Only the loader thread writes, so nothing is lost in between.
void Serving::publish(const std::vector<Place>& changed) {
  auto fresh = with_entries(*table(), changed);
  table_.with([&](auto& current) { current = std::move(fresh); });
  set_gauges();
}

void Serving::set_gauges() {
  const auto now = table();
  std::size_t versions = 0;
  for (const auto& [name, model] : now->models) {
    for (const VersionEntry& version : model->versions) versions += version.loaded != nullptr;
  }
  loaded_versions_.set(static_cast<double>(versions));
  loaded_bytes_.set(static_cast<double>(bytes_of(*now)));
}

}  // namespace slipway::serving
