#include "domain/serving/deployments.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <optional>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "domain/serving/day_files.h"

namespace slipway::serving {
namespace {

constexpr int kShadowNice = 10;
constexpr std::chrono::milliseconds kShadowLinger{2};

bool is_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

std::shared_ptr<const Layout> layout_of(const Loaded& version) {
  if (!version) return nullptr;
  const engine::Model::Traits& traits = version->engine->traits();
  auto layout = std::make_shared<Layout>();
  layout->model = version->model;
  layout->version = version->version;
  for (std::size_t i = 0; i < traits.features; ++i) {
    const bool named = i < traits.feature_names.size();
    layout->columns.push_back(
        {named ? traits.feature_names[i] : std::to_string(i), Keep::kValue, false});
  }
  for (std::size_t i = 0; i < traits.width; ++i) {
    const bool one = traits.width == 1;
    layout->outputs.push_back(traits.classes > 0 ? probability_name(one ? 1 : i)
                              : one              ? "predict"
                                                 : "predict_" + std::to_string(i));
  }
  return layout;
}

/// Into the deployment's log, with columns that were looked up; flags for another version's columns
/// say nothing.
void log(const Deployed& deployed, const std::shared_ptr<const Layout>& layout,
         const PredictionView& record, const std::vector<bool>& looked_up) {
  if (looked_up.size() != layout->columns.size()) return deployed.stream->log(record, layout);
  auto marked = std::make_shared<Layout>(*layout);
  for (std::size_t i = 0; i < looked_up.size(); ++i) marked->columns[i].looked_up = looked_up[i];
  deployed.stream->log(record, std::move(marked));
}

/// The first output of each row.
void add_scores(delivery::Moments& moments, std::span<const float> values, std::size_t width) {
  for (std::size_t at = 0; at < values.size(); at += width) {
    if (std::isfinite(values[at])) moments.add(values[at]);
  }
}

bool have_different_labels(const LoadedVersion& a, std::span<const float> values_a,
                           const LoadedVersion& b, std::span<const float> values_b,
                           std::size_t rows) {
  if (!a.engine->traits().classifier || !b.engine->traits().classifier) return false;
  std::vector<std::int64_t> labels_a(rows), labels_b(rows);
  a.engine->labels(values_a, rows, labels_a);
  b.engine->labels(values_b, rows, labels_b);
  return labels_a != labels_b;
}

bool is_slow(const delivery::DeploymentRoute& route, std::int64_t ns) {
  return route.slow_ms > 0 && static_cast<double>(ns) > route.slow_ms * 1e6;
}

std::string text_of(const delivery::DeploymentRoute& route, const Loaded& version,
                    delivery::Role role) {
  if (!version) return "";
  std::string text = folder_of(route.deployment) + "; version=" + version->version +
                     "; role=" + delivery::to_string(role);
  if (!route.step_id.empty()) text += "; step=" + folder_of(route.step_id);
  return text;
}

/// "version 2 serves, 3 is tried".
std::string served_by(const Deployed& deployed) {
  std::string text;
  if (deployed.stable) text = "version " + deployed.stable->version + " serves";
  if (deployed.candidate) {
    text += (text.empty() ? "version " : ", ") + deployed.candidate->version + " is tried";
  }
  return text.empty() ? "no version serves yet" : text;
}

/// Why the version that should can't, or what became of the newest; else what makes one serve.
Error unserved(const delivery::DeploymentRoute& route) {
  if (!route.elsewhere.empty()) {
    return Error{Code::kUnavailable,
                 "deployment " + route.deployment + " is not served here: " + route.elsewhere,
                 "not_ready"};
  }
  const std::string why = route.unserved.empty()
                              ? " yet; register a version of model " + route.model +
                                    ", and it will once it has passed its "
                                    "gates; `slipway gates show " +
                                    route.deployment + "` says what they found"
                              : ": " + route.unserved;
  return Error{Code::kUnavailable, "deployment " + route.deployment + " serves no version" + why,
               "not_ready"};
}

constexpr char kNotFinite[] = "the model's answer is not finite";

Error not_finite() {
  return {Code::kInternal, kNotFinite, "not_finite"};
}

}  // namespace

Result<UnixMs> read_event_time(std::string_view text) {
  constexpr UnixMs kEnd = 253'402'300'800'000;  // of the year 9999
  // As milliseconds a time of 1970 to 1973, as seconds one of 2001 to 2286.
  constexpr std::int64_t kSecondsFirst = 1'000'000'000, kSecondsEnd = 10'000'000'000;
  const std::string_view trimmed = trim(text);
  const std::optional<std::int64_t> number = to_int64(trimmed);
  if (number && *number >= kSecondsFirst && *number < kSecondsEnd) {
    return Error{Code::kInvalid,
                 "found " + std::string(trimmed) + " as event_time, which is " +
                     to_iso8601(*number) + " in milliseconds since 1970; expected milliseconds (" +
                     std::string(trimmed) + "000 for " + to_iso8601(*number * 1000) +
                     "), or a time as text",
                 "bad_request"};
  }
  const std::optional<UnixMs> ms = number ? number : parse_iso8601(trimmed);
  if (ms && *ms >= 0 && *ms < kEnd) return *ms;
  return Error{Code::kInvalid,
               "found '" + std::string(text.substr(0, 40)) +
                   "' as event_time, expected a time such as 2026-01-31T10:30:00Z or milliseconds "
                   "since 1970, of the years 1970 to 9999",
               "bad_request"};
}

Loaded Deployed::find(std::string_view version) const {
  if (stable && stable->version == version) return stable;
  if (candidate && candidate->version == version) return candidate;
  return nullptr;
}

Deployments::Deployments(Serving& serving, PredictionLog& log, const Clock& clock, Metrics& metrics,
                         DeploymentsOptions options)
    : serving_(serving),
      log_(log),
      clock_(clock),
      options_(options),
      answers_(metrics.counter("slipway_predictions_answered_total",
                               "Requests that deployments answered.")),
      errors_(metrics.counter("slipway_prediction_errors_total",
                              "Requests that a version of a deployment failed to answer.")),
      shadow_dropped_(metrics.counter("slipway_shadow_dropped_total",
                                      "Sampled requests that no candidate scored.")),
      table_(std::make_shared<const Table>()),
      shadows_(static_cast<std::size_t>(options.shadow_jobs_max), kShadowLinger) {}

Deployments::~Deployments() {
  stop();
}

void Deployments::start() {
  shadow_thread_ = std::thread([this] { run_shadow(); });
}

void Deployments::stop() {
  shadows_.close();
  if (shadow_thread_.joinable()) shadow_thread_.join();
}

// --- routes --------------------------------------------------------------------------------------

void Deployments::apply(delivery::DeploymentRoute route, LogRules rules, Done<> done) {
  if (route.stable == 0 && route.candidate == 0) {
    finish_apply(std::move(route), std::move(rules), nullptr, nullptr);
    return done({});
  }
  Loaded held = held_stable(route);
  const std::string model = route.model;
  const std::string first = std::to_string(route.stable != 0 ? route.stable : route.candidate);
  auto then = [this, route = std::move(route), rules = std::move(rules),
               done = std::move(done)](Result<Loaded> found) mutable {
    if (!found.ok() && route.stable != 0)
      return done(with_tag(std::move(found.error()), "stable"));
    if (!found.ok()) return done(found.error());
    if (route.stable == 0) {
      finish_apply(std::move(route), std::move(rules), nullptr, std::move(*found));
      return done({});
    }
    if (route.candidate == 0) {
      finish_apply(std::move(route), std::move(rules), std::move(*found), nullptr);
      return done({});
    }
    const std::string model_name = route.model;
    const std::string second = std::to_string(route.candidate);
    auto last = [this, route = std::move(route), rules = std::move(rules),
                 stable = std::move(*found),
                 done = std::move(done)](Result<Loaded> candidate) mutable {
      if (!candidate.ok()) return done(candidate.error());
      finish_apply(std::move(route), std::move(rules), std::move(stable), std::move(*candidate));
      done({});
    };
    serving_.find_later(model_name, second, std::move(last));
  };
  if (held) return then(std::move(held));
  serving_.find_later(model, first, std::move(then));
}

/// A version that answers goes on answering, though its files are gone; and nobody has to wait for
/// the loader to make the one that is tried the stable one.
Loaded Deployments::held_stable(const delivery::DeploymentRoute& route) const {
  const Deployment now = route.stable != 0 ? find(route.deployment) : nullptr;
  const bool same =
      now && now->route.deployment == route.deployment && now->route.model == route.model;
  return same ? now->find(std::to_string(route.stable)) : nullptr;
}

void Deployments::finish_apply(delivery::DeploymentRoute route, LogRules rules, Loaded stable,
                               Loaded candidate) {
  auto next = std::make_shared<Deployed>();
  next->stable_layout = layout_of(stable);
  next->candidate_layout = layout_of(candidate);
  next->stable_text = text_of(route, stable, delivery::Role::kStable);
  next->candidate_text = text_of(route, candidate, delivery::Role::kCandidate);
  if (stable && candidate) {
    next->to_candidate = Translation(*stable, *candidate);
    next->to_stable = Translation(*candidate, *stable);
  }
  next->stable = std::move(stable);
  next->candidate = std::move(candidate);
  next->stream = log_.stream(route.deployment, rules);
  next->counter = counter_for(route);
  next->route = std::move(route);
  // The store is read here, so that no request waits for it; who asks is told when it is not there.
  if (!next->route.features.empty()) (void)lookup(*next);
  const std::string name = next->route.deployment;
  Deployment before = table_.with([&](std::shared_ptr<const Table>& table) -> Deployment {
    auto known = table->find(name);
    if (known != table->end() && known->second->route.revision > next->route.revision) return {};
    Deployment old = known == table->end() ? nullptr : known->second;
    auto changed = std::make_shared<Table>(*table);
    (*changed)[name] = next;
    table = std::move(changed);
    any_ = true;
    return old;
  });
  if (!before) return;
  older_.with([&](auto& older) {
    auto& list = older[name];
    std::erase_if(list, [](const auto& weak) { return weak.expired(); });
    list.push_back(before);
  });
}

void Deployments::remove(const std::string& deployment) {
  table_.with([&](std::shared_ptr<const Table>& table) {
    auto changed = std::make_shared<Table>(*table);
    changed->erase(deployment);
    any_ = !changed->empty();
    table = std::move(changed);
  });
}

bool Deployments::is_settled(const std::string& deployment, std::int64_t revision) const {
  const Deployment now = find(deployment);
  if (!now || now->route.deployment != deployment || now->route.revision < revision) return false;
  return older_.with([&](const auto& older) {
    auto list = older.find(deployment);
    return list == older.end() ||
           std::all_of(list->second.begin(), list->second.end(), [&](const auto& weak) {
             const Deployment held = weak.lock();
             return !held || held->route.revision >= revision;
           });
  });
}

Deployment Deployments::find(std::string_view name) const {
  if (!any_) return nullptr;
  const std::shared_ptr<const Table> table = table_.with([](const auto& t) { return t; });
  if (auto known = table->find(name); known != table->end()) return known->second;
  Deployment of_model;
  for (const auto& [deployment, deployed] : *table) {
    if (deployed->route.model != name) continue;
    if (of_model) return nullptr;
    of_model = deployed;
  }
  return of_model;
}

Result<Deployment> Deployments::find_one(std::string_view name) const {
  if (!any_) return Deployment();
  if (Deployment found = find(name)) return found;
  const std::vector<std::string> several = names(name);
  if (several.size() < 2) return Deployment();
  return Error{Code::kInvalid,
               "several deployments serve model '" + std::string(name) +
                   "': " + join(several, ", ") + "; ask one of them by its name",
               "bad_request"};
}

std::vector<std::string> Deployments::names(std::string_view model) const {
  std::vector<std::string> list;
  for (const Deployment& deployed : all()) {
    if (model.empty() || deployed->route.model == model) list.push_back(deployed->route.deployment);
  }
  return list;
}

std::vector<Deployment> Deployments::all() const {
  const std::shared_ptr<const Table> table = table_.with([](const auto& t) { return t; });
  std::vector<Deployment> list;
  for (const auto& [name, deployed] : *table) list.push_back(deployed);
  return list;
}

bool Deployments::is_any_down() const {
  const std::vector<Deployment> list = all();
  return std::any_of(list.begin(), list.end(),
                     [](const Deployment& deployed) { return deployed->route.is_down; });
}

Result<std::shared_ptr<const features::Lookup>> Deployments::lookup(
    const Deployed& deployed) const {
  const std::string& view = deployed.route.features;
  if (view.empty()) return std::shared_ptr<const features::Lookup>();
  if (options_.features == nullptr) return unavailable("this server has no online features");
  auto found = options_.features->find(view);
  if (found.ok() || found.error().code != Code::kMissing) return found;
  return Error{Code::kUnavailable,
               "feature view " + view + " of deployment " + deployed.route.deployment +
                   " was never materialized: slipway features materialize --view " + view,
               "not_ready"};
}

// --- requests ------------------------------------------------------------------------------------

Assignment Deployments::begin(const Deployment& deployment, const std::string& key) const {
  Assignment assignment;
  assignment.deployment = deployment;
  assignment.id = make_prediction_id(deployment->route.deployment, clock_.now_ms());
  if (!key.empty()) {
    const std::string digest = hmac_sha256_hex(deployment->route.salt, key);
    assignment.key_hash = std::stoull(digest.substr(0, 16), nullptr, 16);
  }
  return assignment;
}

Result<Assignment> Deployments::assign(const Deployment& deployment, const std::string& key) const {
  Assignment assignment = begin(deployment, key);
  // Without a candidate there is nothing to draw.
  if (deployment->candidate) {
    const std::string drawn = key.empty() ? assignment.id.text() : std::string();
    const std::string& sticky = key.empty() ? drawn : key;
    assignment.role = delivery::role_of(deployment->route, sticky);
    assignment.shadowed = delivery::is_shadowed(deployment->route, sticky);
    assignment.cluster = delivery::cluster_of(deployment->route.salt, sticky);
  }
  const bool candidate = assignment.role == delivery::Role::kCandidate;
  assignment.version = candidate ? deployment->candidate : deployment->stable;
  if (!assignment.version) return unserved(deployment->route);
  return assignment;
}

Result<Assignment> Deployments::assign_version(const Deployment& deployment,
                                               std::string_view version,
                                               const std::string& key) const {
  Loaded chosen = deployment->find(version);
  if (!chosen) {
    return Error{Code::kConflict,
                 "the rollout of deployment " + deployment->route.deployment +
                     " has not loaded version " + std::string(version) + " of model " +
                     deployment->route.model + ": " + served_by(*deployment),
                 "not_deployed"};
  }
  Assignment assignment = begin(deployment, key);
  assignment.chosen = true;
  assignment.role =
      chosen == deployment->candidate ? delivery::Role::kCandidate : delivery::Role::kStable;
  assignment.version = std::move(chosen);
  return assignment;
}

namespace {

/// What one version made of a request.
struct Try {
  std::vector<float> values;
  std::int64_t ns = 0;
  bool finite = false;
};

Try score(const Loaded& version, const std::vector<float>& cells, std::size_t rows,
          const Clock& clock) {
  Try tried;
  const auto began = clock.monotonic();
  tried.values.resize(rows * version->engine->traits().width);
  version->engine->values(cells, rows, tried.values);
  tried.ns = (clock.monotonic() - began).count();
  tried.finite = is_finite(tried.values);
  return tried;
}

/// The rows of a request in the columns of one version, and which of these were looked up.
struct Cells {
  std::vector<float> values;
  std::vector<bool> looked_up;
};

Cells translated(const Translation& translation, const Cells& cells, std::size_t rows) {
  return {translation.cells(cells.values, rows), translation.flags(cells.looked_up)};
}

delivery::ArmCounts counted(const delivery::DeploymentRoute& route, const Loaded& version,
                            const Try& tried) {
  delivery::ArmCounts counts;
  counts.requests = 1;
  counts.errors = tried.finite ? 0 : 1;
  counts.slow = is_slow(route, tried.ns) ? 1 : 0;
  add_scores(counts.scores, tried.values, version->engine->traits().width);
  return counts;
}

/// Valid as long as all of these.
PredictionView record_of(const Assignment& assignment, const RequestFacts& facts, UnixMs now_ms,
                         std::span<const float> cells, std::size_t rows) {
  PredictionView p;
  p.uuid = assignment.id.uuid;
  p.event_time_ms = facts.event_time_ms.value_or(now_ms);
  p.key_hash = assignment.key_hash;
  p.client_id = facts.client_id;
  p.rows = static_cast<std::uint32_t>(rows);
  p.cells = cells;
  p.looked_up = facts.entity.get();
  return p;
}

std::uint32_t microseconds(std::int64_t ns) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ns / 1000, 0, UINT32_MAX));
}

}  // namespace

Result<Scored> Deployments::answer(const Assignment& assignment, std::vector<float> cells,
                                   std::size_t rows, const RequestFacts& facts, UnixMs now_ms) {
  const Deployed& deployed = *assignment.deployment;
  const bool candidate = assignment.role == delivery::Role::kCandidate;
  Cells sent{std::move(cells), facts.looked_up};
  // What the stable version would be asked, where a candidate with other columns is.
  std::optional<Cells> other;
  if (candidate && assignment.as_stable) {
    other = std::move(sent);
    sent = translated(deployed.to_candidate, *other, rows);
  }
  PredictionView record = record_of(assignment, facts, now_ms, sent.values, rows);
  Try tried = score(assignment.version, sent.values, rows, clock_);
  Scored scored{assignment.version, {}, false};
  // What neither version can answer says nothing of either: where keys stick, all such requests of
  // one caller would stand against the version that its key has drawn.
  const bool is_drawn = deployed.route.mode == delivery::Mode::kCanary && !assignment.chosen;
  const Translation& to_other = candidate ? deployed.to_stable : deployed.to_candidate;
  std::optional<Try> by_other;
  if (is_drawn && !tried.finite && (other || to_other.is_possible())) {
    if (!other) other = translated(to_other, sent, rows);
    by_other = score(candidate ? deployed.stable : deployed.candidate, other->values, rows, clock_);
  }
  const bool is_nobodys = by_other && !by_other->finite;
  // An answer without rows shows nothing of a version either.
  if (deployed.counter && !assignment.chosen && !is_nobodys && rows > 0) {
    delivery::AnswerCounts counts;
    (candidate ? counts.candidate : counts.stable) =
        counted(deployed.route, assignment.version, tried);
    deployed.counter->add(counts, assignment.cluster);
  }
  serving_.count(*assignment.version, rows, tried.ns, !tried.finite);
  if (candidate && by_other) {
    // Kept as the candidate's error, then as the answer that was given.
    PredictionView failed = record;
    failed.role = Role::kCanary;
    failed.status = 500;
    failed.error = kNotFinite;
    failed.latency_us = microseconds(tried.ns);
    log(deployed, deployed.candidate_layout, failed, sent.looked_up);
    errors_.add();
    sent = std::move(*other);
    record.cells = sent.values;
    tried = std::move(*by_other);
    scored = {deployed.stable, {}, true};
  }
  const bool by_candidate = candidate && !scored.fell_back;
  record.role = by_candidate ? Role::kCanary : Role::kLive;
  record.latency_us = microseconds(tried.ns);
  if (tried.finite) {
    record.outputs = tried.values;
  } else {
    record.status = 500;
    record.error = kNotFinite;
    errors_.add();
  }
  log(deployed, by_candidate ? deployed.candidate_layout : deployed.stable_layout, record,
      sent.looked_up);
  if (!tried.finite) return not_finite();
  answers_.add();
  scored.values = std::move(tried.values);
  if (assignment.shadowed && !by_candidate && rows > 0) {
    cast_shadow(assignment, std::move(sent.values), rows, scored, tried.ns,
                facts.event_time_ms.value_or(now_ms), facts);
  }
  return scored;
}

void Deployments::fail(const Assignment& assignment, const RequestFacts& facts, UnixMs now_ms,
                       const Error& error) {
  const Deployed& deployed = *assignment.deployment;
  const bool candidate = assignment.role == delivery::Role::kCandidate;
  PredictionView record = record_of(assignment, facts, now_ms, {}, 0);
  record.role = candidate ? Role::kCanary : Role::kLive;
  record.status = 500;
  record.error = error.message;
  log(deployed, candidate ? deployed.candidate_layout : deployed.stable_layout, record, {});
  errors_.add();
  if (!deployed.counter || assignment.chosen) return;
  delivery::AnswerCounts counts;
  delivery::ArmCounts& arm = candidate ? counts.candidate : counts.stable;
  arm.requests = arm.errors = 1;
  deployed.counter->add(counts, assignment.cluster);
}

// --- shadow --------------------------------------------------------------------------------------

void Deployments::cast_shadow(const Assignment& assignment, std::vector<float> cells,
                              std::size_t rows, const Scored& scored, std::int64_t stable_ns,
                              UnixMs event_time_ms, const RequestFacts& facts) {
  const std::size_t size = cells.size();
  Shadow job{assignment.deployment,
             assignment.id,
             assignment.key_hash,
             assignment.cluster,
             event_time_ms,
             std::move(cells),
             scored.values,
             rows,
             stable_ns,
             facts.looked_up,
             facts.entity,
             {}};
  const std::size_t waiting = shadow_cells_.fetch_add(size) + size;
  const bool fits = waiting <= options_.shadow_cells_max;
  if (waiting > options_.shadow_cells_max / 2) shadows_.hurry();
  ++shadow_jobs_;
  if (fits && shadows_.push(job)) return;
  --shadow_jobs_;
  shadow_cells_ -= size;
  shadow_dropped_.add();
  if (!assignment.deployment->counter) return;
  delivery::StepCounts counts;
  counts.dropped = 1;
  assignment.deployment->counter->add(counts);
}

void Deployments::run_shadow() {
  pthread_setname_np(pthread_self(), "serving-shadow");
  // Of this thread alone (Linux): answers come first.
  setpriority(PRIO_PROCESS, 0, kShadowNice);
  for (std::deque<Shadow> jobs = shadows_.pop_all(); !jobs.empty(); jobs = shadows_.pop_all())
    score_shadows(std::move(jobs));
}

void Deployments::score_shadows(std::deque<Shadow> jobs) {
  // The threads that answer count there too: it is touched once for all of a kind.
  std::shared_ptr<StepCounter> counter;
  delivery::StepCounts counts;
  int scored = 0;
  auto hand_over = [&] {
    if (counter) counter->add(std::exchange(counts, {}));
    shadow_jobs_ -= std::exchange(scored, 0);
  };
  for (; !jobs.empty(); jobs.pop_front()) {
    Shadow& job = jobs.front();
    if (job.drained) {
      hand_over();
      job.drained();
      continue;
    }
    shadow_cells_ -= job.cells.size();
    if (counter != job.deployment->counter) {
      hand_over();
      counter = job.deployment->counter;
    }
    if (job.deployment->to_candidate.is_possible()) {
      counts.add(score_shadow(job), job.cluster);
    } else {
      // It has a column that the stable version has not: nobody sent or looked it up.
      shadow_dropped_.add();
      ++counts.dropped;
    }
    ++scored;
  }
  hand_over();
}

delivery::AnswerCounts Deployments::score_shadow(Shadow& job) {
  const Deployed& deployed = *job.deployment;
  const Loaded& candidate = deployed.candidate;
  const Cells cells =
      translated(deployed.to_candidate, {std::move(job.cells), std::move(job.looked_up)}, job.rows);
  Try tried = score(candidate, cells.values, job.rows, clock_);
  delivery::AnswerCounts counts;
  counts.candidate = counted(deployed.route, candidate, tried);
  delivery::PairCounts& pairs = counts.pairs;
  pairs.pairs = 1;
  pairs.errors_candidate_only = tried.finite ? 0 : 1;
  const bool stable_slow = is_slow(deployed.route, job.stable_ns);
  pairs.slow_candidate_only = counts.candidate.slow == 1 && !stable_slow ? 1 : 0;
  pairs.slow_stable_only = counts.candidate.slow == 0 && stable_slow ? 1 : 0;
  if (tried.finite) {
    const std::size_t width = candidate->engine->traits().width;
    const std::size_t stable_width = deployed.stable->engine->traits().width;
    for (std::size_t row = 0; row < job.rows; ++row) {
      pairs.differences.add(static_cast<double>(tried.values[row * width]) -
                            static_cast<double>(job.stable_values[row * stable_width]));
    }
    pairs.flips = have_different_labels(*candidate, tried.values, *deployed.stable,
                                        job.stable_values, job.rows)
                      ? 1
                      : 0;
  }
  serving_.count(*candidate, job.rows, tried.ns, !tried.finite);
  PredictionView record;
  record.uuid = job.id.uuid;
  record.event_time_ms = job.event_time_ms;
  record.key_hash = job.key_hash;
  record.role = Role::kShadow;
  record.latency_us = microseconds(tried.ns);
  record.rows = static_cast<std::uint32_t>(job.rows);
  record.cells = cells.values;
  record.looked_up = job.entity.get();
  if (tried.finite) {
    record.outputs = tried.values;
  } else {
    record.status = 500;
    record.error = kNotFinite;
  }
  log(deployed, deployed.candidate_layout, record, cells.looked_up);
  return counts;
}

void Deployments::drain_shadow() {
  if (!shadow_thread_.joinable()) return;
  std::promise<void> drained;
  Shadow barrier;
  barrier.drained = [&drained] { drained.set_value(); };
  // A full queue takes it as soon as one job is done.
  while (!push_barrier(barrier)) std::this_thread::yield();
  drained.get_future().wait();
}

bool Deployments::shadows_wait(std::function<void()> done) {
  if (shadow_jobs_ == 0) return false;
  Shadow barrier;
  barrier.drained = [done = std::move(done)] { done(); };
  static_cast<void>(push_barrier(barrier));
  return true;
}

bool Deployments::push_barrier(Shadow& barrier) {
  const bool taken = shadows_.push(barrier);
  shadows_.hurry();  // somebody waits
  return taken;
}

// --- counters ------------------------------------------------------------------------------------

std::shared_ptr<StepCounter> Deployments::counter_for(const delivery::DeploymentRoute& route) {
  if (route.rollout.empty()) return nullptr;
  return counters_.with([&](auto& known) {
    for (const auto& counter : known) {
      if (counter->rollout() == route.rollout && counter->step() == route.step) return counter;
    }
    return known.emplace_back(std::make_shared<StepCounter>(route.rollout, route.step));
  });
}

std::vector<std::shared_ptr<StepCounter>> Deployments::counters() const {
  return counters_.with([](const auto& known) { return known; });
}

void Deployments::forget(const std::string& rollout) {
  counters_.with([&](auto& known) {
    std::erase_if(known, [&](const auto& counter) { return counter->rollout() == rollout; });
  });
}

}  // namespace slipway::serving
