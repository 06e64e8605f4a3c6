#include "domain/monitor/monitors.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/log.h"
#include "domain/checks/facts.h"
#include "domain/monitor/scan.h"
#include "domain/serving/day_files.h"

namespace slipway::monitor {
namespace {

constexpr char kReader[] = "monitors";
constexpr int kEventsMax = 500;            // looked at in one transaction
constexpr std::size_t kTrainingsMax = 64;  // kept in memory
constexpr std::size_t kSpansMax = 20'000;  // of files, kept in memory

/// Midnight of "2011-05-01", UTC.
UnixMs start_of_day(const std::string& day) {
  std::tm date{};
  if (strptime(day.c_str(), "%Y-%m-%d", &date) == nullptr) return 0;
  return static_cast<UnixMs>(timegm(&date)) * 1000;
}

bool wants_labels(const project::MonitorSpec& spec, const project::Requirement* requirement) {
  if (spec.delayed_labels) return true;
  if (requirement == nullptr || project::is_span_metric(requirement->metric)) return false;
  return metric_of(spec, *requirement).has_value() || requirement->metric == "bias" ||
         requirement->metric == "bias_relative";
}

/// What is measured of outcomes: the requirement's metric, else the size of errors.
std::optional<delivery::Metric> outcome_metric(const project::MonitorSpec& spec,
                                               const project::Requirement* requirement) {
  if (!wants_labels(spec, requirement)) return std::nullopt;
  if (requirement == nullptr) return delivery::Metric::kMae;
  return metric_of(spec, *requirement).value_or(delivery::Metric::kMae);
}

bool is_timeless(const project::Requirement* requirement) {
  return requirement != nullptr && project::is_span_metric(requirement->metric);
}

std::vector<table::Field> real_fields(const std::vector<std::string>& columns) {
  std::vector<table::Field> fields;
  for (const std::string& column : columns) fields.push_back({column, table::Type::kReal});
  return fields;
}

/// What the contract asks for, in the reference's bins, and all that bins of its own are told from.
checks::Plan telling_plan(const checks::Plan& asked, const std::vector<std::string>& columns) {
  checks::Plan plan = checks::full_plan(real_fields(columns));
  for (checks::ColumnPlan& column : plan.columns) {
    const checks::ColumnPlan* own = asked.find(column.column);
    if (own == nullptr) continue;
    column.rules = own->rules;
    column.order = own->order;
    column.unique = own->unique;
    column.edges = own->edges;
  }
  plan.keys = asked.keys;
  return plan;
}

/// All that bins are told from, of the columns of a profile.
checks::Plan full_plan_of(const checks::Profile& profile) {
  std::vector<std::string> columns;
  for (const checks::ColumnProfile& column : profile.columns) columns.push_back(column.name);
  return checks::full_plan(real_fields(columns));
}

/// The plan of a second pass, which makes the reference of the next window: in bins of the first
/// pass's quantiles.
checks::Plan reference_plan(const checks::Profile& profile) {
  return checks::with_bins(full_plan_of(profile), profile);
}

}  // namespace

struct Monitors::Monitor {
  const project::DeploymentSpec* deployment = nullptr;
  const project::MonitorSpec* spec = nullptr;
  const project::Requirement* requirement = nullptr;
  std::optional<MonitorState> state;  // nothing before it has begun

  std::optional<UnixMs> due() const {
    if (!state) return std::nullopt;
    return due_ms(*spec, window());
  }
  Window window() const { return window_from(state->next_ms, span_of(*spec)); }
  std::pair<std::string, std::string> key() const { return {deployment->name, spec->name}; }
  /// Whether labels that come late change its verdicts.
  bool is_restated() const {
    return state && state->windows > 0 && requirement != nullptr &&
           wants_labels(*spec, requirement);
  }
  /// Whether answers that come late do.
  bool counts_late_answers() const {
    return state && state->windows > 0 &&
           !(requirement != nullptr && project::is_span_metric(requirement->metric));
  }
  std::optional<UnixMs> late_answers_look(std::optional<UnixMs> looked_ms, UnixMs now) const {
    if (!counts_late_answers()) return std::nullopt;
    if (!looked_ms || *looked_ms > now) return now;
    return *looked_ms + late_answers_look_of(*spec).count();
  }
  /// When to look for them again; nothing for those that they do not matter to.
  std::optional<UnixMs> late_look(std::optional<UnixMs> looked_ms, UnixMs now) const {
    if (!is_restated()) return std::nullopt;
    // A clock that went back must not keep it from looking.
    if (!looked_ms || *looked_ms > now) return now;
    return *looked_ms + late_look_of(*spec).count();
  }
};

/// What a version's columns are judged by.
struct Monitors::Basis {
  Watch watch;
  std::shared_ptr<const checks::Profile> reference;
  std::string reference_digest, contract_digest;
  bool tells_bins = false;  // what is gathered tells bins of its own
};

/// One monitor's part of a scan.
struct Monitors::Job {
  Monitor* monitor = nullptr;
  Window window = {};
  std::optional<Gatherer> gatherer;
  std::map<std::string, Basis> bases;  // by version
  /// Where the next window is compared with this one: by version, in bins of their own.
  std::map<std::string, checks::Profile> references;

  bool makes_references() const { return monitor->spec->against == "previous"; }
  /// Small moves add up, so that bins are made anew now and then whatever has moved.
  bool is_in_turn() const {
    constexpr UnixMs kTurn = 8;
    return window.start_ms / (window.end_ms - window.start_ms) % kTurn == 0;
  }
};

namespace {

/// Whether a column lies otherwise in the reference's bins than the reference did: they are bad ones
/// to tell the next window from this one by.
bool has_moved(const checks::Profile& reference, const checks::Profile& now) {
  constexpr double kMoved = 0.1, kByChance = 1e-3;
  return std::any_of(now.columns.begin(), now.columns.end(), [&](const auto& column) {
    const checks::ColumnProfile* before = reference.find(column.name);
    if (before == nullptr) return true;
    const auto drift = checks::drift_of(checks::Measure::kJensenShannon, *before, column);
    return !drift.ok() || (drift->score >= kMoved && drift->noise_p < kByChance);
  });
}

}  // namespace

Monitors::Monitors(db::Pool& pool, std::filesystem::path predictions, std::filesystem::path labels,
                   Surroundings surroundings)
    : pool_(pool),
      predictions_root_(predictions),
      labels_root_(labels),
      predictions_(std::move(predictions), std::move(labels), surroundings.damages),
      surroundings_(std::move(surroundings)) {}

Monitors::~Monitors() = default;

Result<bool> Monitors::turn(UnixMs now) {
  const bool heard = TRY(look(now));
  if (!is_due(now)) return heard;
  return TRY(judge(now)) || heard;
}

Result<bool> Monitors::look(UnixMs now) {
  // The clock was put back: what is due has to be found anew.
  if (now < last_turn_ms_) next_due_.reset();
  last_turn_ms_ = now;
  const bool heard = TRY(follow(now));
  return TRY(refresh(now)) || heard;
}

// --- the log of events ---------------------------------------------------------------------------

/// News about remedies. The cursor moves only with news, or when much lies behind it: what is
/// between is of no use, and reading it again after a restart does no harm.
Result<bool> Monitors::follow(UnixMs now) {
  if (seen_ < 0)
    seen_ = TRY(pool_.read([](db::Tx& tx) { return graph::read_cursor(tx, kReader); }));
  const auto events =
      TRY(pool_.read([&](db::Tx& tx) { return graph::events_after(tx, seen_, kEventsMax); }));
  if (events.empty()) return false;
  std::vector<graph::LoggedEvent> news;
  for (const graph::LoggedEvent& event : events) {
    if (is_news(event.event.type)) news.push_back(event);
    if (event.event.type == "project.applied") applied_.reset();
    // Another version may be live, which an age is counted from.
    if (event.event.type.starts_with("rollout.")) next_due_.reset();
  }
  const std::int64_t last = events.back().seq;
  const bool is_full = events.size() == static_cast<std::size_t>(kEventsMax);
  if (!news.empty() || is_full) {
    TRY(pool_.write([&](db::Tx& tx) -> Result<> {
      for (const graph::LoggedEvent& event : news) TRY(take_news(tx, event, now));
      return graph::move_cursor(tx, kReader, last);
    }));
    failpoint("monitor.news_taken");
  }
  seen_ = last;
  return !news.empty() || is_full;
}

// --- what is declared ----------------------------------------------------------------------------

/// Puts what was answered so far into the log's files. What a full disk takes is counted there, and
/// no reason to stop looking at what is on it.
void Monitors::flush_log() {
  if (!surroundings_.flush) return;
  if (Result<> flushed = surroundings_.flush(); !flushed.ok()) {
    log_warning("monitors look at a prediction log that cannot be written",
                {{"why", flushed.error().message}});
  }
}

/// Where a monitor of a deployment begins; nothing as long as nothing was answered.
Result<std::optional<UnixMs>> Monitors::beginning_of(const project::DeploymentSpec& deployment,
                                                     const project::MonitorSpec& monitor,
                                                     UnixMs now) {
  const project::Requirement* requirement =
      applied_->declared.file.find_requirement(monitor.requirement);
  const Span span = span_of(monitor);
  if (is_timeless(requirement)) {
    const auto live =
        TRY(pool_.read([&](db::Tx& tx) { return surroundings_.live(tx, deployment.name); }));
    if (!live) return std::optional<UnixMs>();
    return std::optional<UnixMs>(first_window(now, span).start_ms);
  }
  flush_log();
  const auto days = serving::days_in(predictions_root_ / serving::folder_of(deployment.name));
  if (days.empty()) return std::optional<UnixMs>();
  // On the grid that begins with the first day, or before it where answers are about the past; of a
  // long past only what an incident would need.
  const UnixMs given = start_of_day(days.front());
  const UnixMs about = TRY(next_answer(deployment.name, 0)).value_or(given);
  const UnixMs first = first_window(std::min(given, about), span).start_ms;
  const UnixMs wanted = now - grace_of(monitor).count() - span.count() * (monitor.persist + 1);
  if (wanted <= first) return std::optional<UnixMs>(first);
  return std::optional<UnixMs>(first + (wanted - first) / span.count() * span.count());
}

Result<> Monitors::begin(const project::DeploymentSpec& deployment,
                         const project::MonitorSpec& monitor, UnixMs now) {
  const auto start = TRY(beginning_of(deployment, monitor, now));
  if (!start) return {};
  return pool_.write(
      [&](db::Tx& tx) { return begin_monitor(tx, deployment.name, monitor.name, *start, now); });
}

/// A clock that ran ahead and was put back has judged windows that lie in the future: on with the
/// one that holds the present, on the same grid. Windows that were judged keep their verdicts.
Result<> Monitors::step_back(const Monitor& monitor, UnixMs now) {
  const UnixMs span = span_of(*monitor.spec).count();
  const UnixMs ahead = (monitor.state->next_ms - now + span - 1) / span;
  return pool_.write([&](db::Tx& tx) {
    return move_monitor(tx, monitor.deployment->name, monitor.spec->name,
                        monitor.state->next_ms - ahead * span, now);
  });
}

/// The monitors that were applied; incidents of others end. Whether there were any.
Result<bool> Monitors::declare(UnixMs now) {
  const project::ProjectFile& file = applied_->declared.file;
  std::set<std::pair<std::string, std::string>> names;
  for (const project::DeploymentSpec& deployment : file.deployments) {
    for (const project::MonitorSpec& spec : deployment.monitors) {
      monitors_.push_back({&deployment, &spec, file.find_requirement(spec.requirement), {}});
      names.emplace(deployment.name, spec.name);
    }
  }
  const auto open =
      TRY(pool_.read([](db::Tx& tx) { return incidents(tx, "", /*open_only=*/true, 1); }));
  if (open.empty()) return false;
  return TRY(pool_.write([&](db::Tx& tx) { return close_undeclared(tx, names, now); })) > 0;
}

/// Brings what is known of the monitors up to date: what is declared, how far each is, what is due.
/// Whether that ended an incident.
Result<bool> Monitors::refresh(UnixMs now) {
  bool closed = false;
  if (!applied_) {
    monitors_.clear();
    trainings_.clear();
    next_due_.reset();
    applied_ = TRY(pool_.read([](db::Tx& tx) { return project::current(tx); }));
    if (!applied_) return false;
    closed = TRY(declare(now));
  }
  const bool all_begun = std::all_of(monitors_.begin(), monitors_.end(),
                                     [](const Monitor& monitor) { return monitor.state; });
  if (next_due_ && all_begun) return closed;
  std::vector<Progress> progress;
  for (Monitor& monitor : monitors_) {
    const auto find = [&](db::Tx& tx) {
      return find_monitor(tx, monitor.deployment->name, monitor.spec->name);
    };
    monitor.state = TRY(pool_.read(find));
    if (!monitor.state) {
      TRY(begin(*monitor.deployment, *monitor.spec, now));
      monitor.state = TRY(pool_.read(find));
    }
    if (monitor.state && monitor.state->next_ms > now) {
      TRY(step_back(monitor, now));
      monitor.state = TRY(pool_.read(find));
    }
    if (monitor.state) progress.push_back({monitor.spec, monitor.state->next_ms});
  }
  next_due_ = monitor::next_due(progress);
  for (const Monitor& monitor : monitors_) {
    Late& late = late_[monitor.key()];
    // Not with every start: it reads what the log has of several windows.
    if (!late.looked_for_answers_ms) late.looked_for_answers_ms = now;
    for (const auto& look : {monitor.late_look(late.looked_ms, now),
                             monitor.late_answers_look(late.looked_for_answers_ms, now)}) {
      if (look && (!next_due_ || *look < *next_due_)) next_due_ = *look;
    }
  }
  return closed;
}

Result<const Training*> Monitors::training_of(const std::string& deployment,
                                              const std::string& model, const std::string& version,
                                              const std::vector<std::string>& columns) {
  const std::string key = deployment + "\n" + model + "\n" + version;
  auto known = trainings_.find(key);
  if (known != trainings_.end()) return &known->second;
  if (trainings_.size() >= kTrainingsMax) trainings_.clear();
  Training found;
  if (surroundings_.training) {
    auto asked = surroundings_.training(applied_->declared, deployment, model, version, columns);
    // Windows go on without: they say that there is nothing to compare with.
    if (asked.ok())
      found = std::move(asked).value();
    else
      log_warning("the training data of a version cannot be looked at",
                  {{"model", model}, {"version", version}, {"why", asked.error().message}});
  }
  return &trainings_.emplace(key, std::move(found)).first->second;
}

// --- windows -------------------------------------------------------------------------------------

Result<bool> Monitors::judge(UnixMs now) {
  // Facts about a version may come after its first answers.
  std::erase_if(trainings_, [](const auto& known) { return !known.second.profile; });
  const bool more_answers = TRY(look_for_late_answers(now));
  const bool restated = TRY(look_for_late_labels(now)) || more_answers;
  // The window that was due first, and every other monitor of the deployment that has the same one.
  const Monitor* first = nullptr;
  for (const Monitor& monitor : monitors_) {
    if (!monitor.state || *monitor.due() > now) continue;
    if (first == nullptr || *monitor.due() < *first->due()) first = &monitor;
  }
  if (first == nullptr) {
    next_due_.reset();
    return restated;
  }
  const Window window = first->window();
  std::vector<Monitor*> together;
  for (Monitor& monitor : monitors_) {
    if (monitor.deployment == first->deployment && monitor.state && *monitor.due() <= now &&
        monitor.window() == window)
      together.push_back(&monitor);
  }
  TRY(judge_together(together, window, now));
  next_due_.reset();
  return true;
}

/// What the monitor's windows of this version are compared with.
Result<> Monitors::find_reference(const Job& job, const std::string& version,
                                  const Training& training, Basis& basis) {
  const project::MonitorSpec& spec = *job.monitor->spec;
  if (spec.against == "training") {
    basis.reference = training.profile;
    basis.reference_digest = training.profile_digest;
  }
  if (spec.against != "previous") return {};
  const auto profile = TRY(pool_.read([&](db::Tx& tx) -> Result<std::optional<checks::Profile>> {
    basis.reference_digest =
        TRY(previous_profile(tx, job.monitor->deployment->name, spec.name, version,
                             job.window.start_ms));
    return checks::find_profile(tx, basis.reference_digest);
  }));
  if (profile) basis.reference = std::make_shared<checks::Profile>(*profile);
  return {};
}

/// Which statistics are gathered of a version's columns; settles what they are judged by.
Result<checks::Plan> Monitors::plan_of(Job& job, const serving::Layout& layout,
                                       const std::vector<std::string>& columns) {
  Basis& basis = job.bases[layout.version];
  const Training& training =
      *TRY(training_of(job.monitor->deployment->name, layout.model, layout.version, columns));
  TRY(find_reference(job, layout.version, training, basis));
  const checks::Contract* contract = training.contract.get();
  basis.contract_digest = contract != nullptr ? contract->digest : "";
  basis.watch = make_watch(contract, *job.monitor->spec, basis.reference.get(), columns);
  const checks::Plan& asked = basis.watch.suite.plan;
  basis.tells_bins = job.makes_references() && (!basis.reference || job.is_in_turn());
  return basis.tells_bins ? telling_plan(asked, columns) : asked;
}

void Monitors::start_gathering(Job& job) {
  const Monitor& monitor = *job.monitor;
  Wanted wanted;
  wanted.slow_us = slow_us(monitor.requirement);
  wanted.metric = outcome_metric(*monitor.spec, monitor.requirement);
  wanted.sample = monitor.deployment->log.sample;
  // A monitor that names a requirement is about that alone.
  if (monitor.requirement == nullptr) {
    wanted.plan =
        [this, &job](
            const serving::Layout& layout,
            const std::vector<std::string>& columns) -> Result<std::optional<checks::Plan>> {
      return std::optional<checks::Plan>(TRY(plan_of(job, layout, columns)));
    };
  }
  job.gatherer.emplace(std::move(wanted));
}

/// What the next window is compared with is gathered once more where something has moved, in bins
/// of its own quantiles: in those of the window before it all that has moved would lie in the
/// outermost.
Result<> Monitors::gather_references(Job& job, const Window& window) {
  if (!job.makes_references()) return {};
  std::map<std::string, checks::Plan> plans, telling;
  for (const VersionFacts& facts : job.gatherer->facts()) {
    const auto basis = job.bases.find(facts.version);
    if (!facts.profile || basis == job.bases.end()) continue;
    if (basis->second.tells_bins) {
      plans[facts.version] = reference_plan(*facts.profile);
    } else if (has_moved(*basis->second.reference, *facts.profile)) {
      telling[facts.version] = full_plan_of(*facts.profile);
    }
  }
  for (auto& [version, profile] : TRY(gather_again(job, window, telling)))
    plans[version] = reference_plan(profile);
  job.references = TRY(gather_again(job, window, plans));
  return {};
}

/// By version, those that have a plan.
Result<std::map<std::string, checks::Profile>> Monitors::gather_again(
    const Job& job, const Window& window, const std::map<std::string, checks::Plan>& plans) {
  std::map<std::string, checks::Profile> profiles;
  if (plans.empty()) return profiles;
  Wanted wanted;
  wanted.plan =
      [&plans](const serving::Layout& layout,
               const std::vector<std::string>&) -> Result<std::optional<checks::Plan>> {
    const auto plan = plans.find(layout.version);
    return plan == plans.end() ? std::nullopt : std::optional<checks::Plan>(plan->second);
  };
  Gatherer gatherer(std::move(wanted));
  TRY(scan_window(predictions_, job.monitor->deployment->name, window, /*labelled=*/false,
                  {&gatherer}));
  for (VersionFacts& facts : gatherer.facts()) {
    if (facts.profile) profiles[facts.version] = std::move(*facts.profile);
  }
  return profiles;
}

/// One scan for all jobs that look at answers.
Result<> Monitors::gather(const std::vector<std::unique_ptr<Job>>& jobs, const Window& window) {
  std::vector<Gatherer*> gatherers;
  bool labelled = false;
  for (const auto& job : jobs) {
    job->window = window;
    start_gathering(*job);
    if (is_timeless(job->monitor->requirement)) continue;
    gatherers.push_back(&*job->gatherer);
    labelled |= wants_labels(*job->monitor->spec, job->monitor->requirement);
  }
  if (gatherers.empty()) return {};
  flush_log();
  TRY(scan_window(predictions_, jobs.front()->monitor->deployment->name, window, labelled,
                  gatherers));
  for (const auto& job : jobs) TRY(gather_references(*job, window));
  return {};
}

Result<> Monitors::judge_together(const std::vector<Monitor*>& monitors, const Window& window,
                                  UnixMs now) {
  const std::string& deployment = monitors.front()->deployment->name;
  flush_log();
  // Before the answers are read: what comes meanwhile is looked for again.
  const std::vector<LabelDay> labels = TRY(label_days(deployment));
  std::vector<std::unique_ptr<Job>> jobs;
  for (Monitor* monitor : monitors) {
    jobs.push_back(std::make_unique<Job>());
    jobs.back()->monitor = monitor;
    late_[monitor->key()].bytes[window.start_ms] = labels_of(labels, window).bytes;
  }
  TRY(gather(jobs, window));
  const auto live = TRY(pool_.read([&](db::Tx& tx) { return surroundings_.live(tx, deployment); }));
  std::vector<JudgedSpan> spans;
  for (const auto& job : jobs) spans.push_back(TRY(judged(*job, window, live)));
  failpoint("monitor.window_scanned");
  for (std::size_t i = 0; i < spans.size(); ++i) {
    TRY(pool_.write([&](db::Tx& tx) { return record(tx, spans[i], now); }));
    failpoint("monitor.window_judged");
    if (spans[i].versions.empty()) TRY(skip_silence(*jobs[i]->monitor, now));
  }
  return {};
}

// --- labels that come late -----------------------------------------------------------------------

Result<Monitors::EventSpan> Monitors::event_span(const std::string& deployment,
                                                 const std::filesystem::path& file) {
  std::error_code gone;
  const std::uintmax_t bytes = std::filesystem::file_size(file, gone);
  if (gone) return EventSpan();
  const auto known = spans_.find(file.string());
  if (known != spans_.end() && known->second.bytes == bytes) return known->second.span;
  const EventSpan span = TRY(predictions_.event_span(deployment, file));
  if (spans_.size() >= kSpansMax) spans_.clear();
  spans_[file.string()] = {bytes, span};
  return span;
}

/// By the days on which the answers were given; what they were about may lie on any other day, a
/// week ahead where they are forecasts. The journals of labels only grow.
Result<std::vector<Monitors::LabelDay>> Monitors::label_days(const std::string& deployment) {
  const auto folder = labels_root_ / serving::folder_of(deployment);
  const auto answers = predictions_root_ / serving::folder_of(deployment);
  std::vector<LabelDay> days;
  for (const std::string& name : serving::days_in(folder)) {
    LabelDay day;
    for (const auto& file : serving::files_in(folder / name)) {
      std::error_code gone;
      const std::uintmax_t size = std::filesystem::file_size(file, gone);
      const auto changed = std::filesystem::last_write_time(file, gone);
      if (gone) continue;
      day.files.bytes += size;
      day.files.changed_ms =
          std::max(day.files.changed_ms,
                   UnixMs{std::chrono::duration_cast<std::chrono::milliseconds>(
                              std::chrono::file_clock::to_sys(changed).time_since_epoch())
                              .count()});
    }
    if (day.files.bytes == 0) continue;
    for (const auto& file : serving::files_in(answers / name)) {
      if (const EventSpan span = TRY(event_span(deployment, file))) day.answers.push_back(*span);
    }
    days.push_back(std::move(day));
  }
  return days;
}

/// Of all days on which an answer about a time in the window may have been given.
Monitors::LabelFiles Monitors::labels_of(const std::vector<LabelDay>& days, const Window& window) {
  LabelFiles labels;
  for (const LabelDay& day : days) {
    const bool has_any =
        std::any_of(day.answers.begin(), day.answers.end(), [&](const serving::EventSpan& span) {
          return span.first_ms < window.end_ms && span.last_ms >= window.start_ms;
        });
    if (!has_any) continue;
    labels.bytes += day.files.bytes;
    labels.changed_ms = std::max(labels.changed_ms, day.files.changed_ms);
  }
  return labels;
}

/// Of a window that this server has not looked at yet: one that was judged after the last label
/// came need not be scanned again with every start. Clocks differ a little, or, in a replay, a lot.
Result<bool> Monitors::may_be_late(const Monitor& monitor, const Window& window,
                                   const LabelFiles& labels) {
  constexpr UnixMs kMarginMs = 10'000;
  WindowQuery query{monitor.deployment->name, monitor.spec->name, "", window.start_ms + 1, 1};
  const auto rows = TRY(pool_.read([&](db::Tx& tx) { return windows(tx, query); }));
  if (rows.empty() || rows.front().start_ms != window.start_ms) return false;  // never judged
  return rows.front().judged_ms < labels.changed_ms + kMarginMs;
}

/// Also right before a window is judged, so that the windows in a row are counted as they are known
/// by then.
Result<bool> Monitors::look_for_late_labels(UnixMs now) {
  bool restated = false;
  for (Monitor& monitor : monitors_) {
    if (!monitor.is_restated()) continue;
    Late& late = late_[monitor.key()];
    if (*monitor.late_look(late.looked_ms, now) > now && *monitor.due() > now) continue;
    restated = TRY(restate_late(monitor, now)) || restated;
    late.looked_ms = now;
  }
  return restated;
}

Result<bool> Monitors::restate_late(Monitor& monitor, UnixMs now) {
  const UnixMs span = span_of(*monitor.spec).count();
  Late& late = late_[monitor.key()];
  std::erase_if(late.bytes, [&](const auto& one) {
    return one.first < monitor.state->next_ms - kRestatedWindows * span;
  });
  const std::vector<LabelDay> days = TRY(label_days(monitor.deployment->name));
  bool restated = false;
  for (int back = kRestatedWindows; back > 0; --back) {
    const Window window = window_from(monitor.state->next_ms - back * span, Span(span));
    const LabelFiles labels = labels_of(days, window);
    const auto seen = late.bytes.find(window.start_ms);
    const bool is_new = seen == late.bytes.end();
    const bool is_worth_it = labels.bytes > 0 && (is_new ? TRY(may_be_late(monitor, window, labels))
                                                         : seen->second != labels.bytes);
    if (is_worth_it) restated = TRY(restate_window(monitor, window, now)) || restated;
    late.bytes[window.start_ms] = labels.bytes;
  }
  return restated;
}

Result<bool> Monitors::restate_window(Monitor& monitor, const Window& window, UnixMs now) {
  std::vector<std::unique_ptr<Job>> jobs;
  jobs.push_back(std::make_unique<Job>());
  jobs.back()->monitor = &monitor;
  TRY(gather(jobs, window));
  const auto live =
      TRY(pool_.read([&](db::Tx& tx) { return surroundings_.live(tx, monitor.deployment->name); }));
  const JudgedSpan span = TRY(judged(*jobs.front(), window, live));
  const Recorded recorded = TRY(pool_.write([&](db::Tx& tx) { return restate(tx, span, now); }));
  failpoint("monitor.window_restated");
  return recorded.changed;
}

// --- answers that come late ----------------------------------------------------------------------

/// Of the windows that may still be judged anew, by their starts, as the log has them now. Files
/// that have not grown are not read again.
Result<std::map<UnixMs, std::int64_t>> Monitors::answers_before(const Monitor& monitor) {
  constexpr int kAhead = 60;  // windows that a count holds for before the file is counted anew
  const UnixMs span = span_of(*monitor.spec).count();
  const UnixMs to = monitor.state->next_ms, from = to - kRestatedWindows * span;
  const std::string& deployment = monitor.deployment->name;
  const auto folder = predictions_root_ / serving::folder_of(deployment);
  std::map<UnixMs, std::int64_t> counts;
  for (const std::string& day : serving::days_in(folder)) {
    for (const auto& file : serving::files_in(folder / day)) {
      std::error_code gone;
      const std::uintmax_t bytes = std::filesystem::file_size(file, gone);
      if (gone) continue;
      if (answers_.size() >= kSpansMax) answers_.clear();
      KnownAnswers& known = answers_[{file.string(), span}];
      const bool is_of_these = known.bytes == bytes && known.from_ms <= from && known.to_ms >= to &&
                               (from - known.from_ms) % span == 0;
      if (!is_of_these) {
        const UnixMs until = to + kAhead * span;
        known = {bytes, from, until,
                 TRY(predictions_.count(deployment, file, from, until, span))};
      }
      for (const auto& [start, n] : known.by_start) {
        if (start >= from && start < to) counts[start] += n;
      }
    }
  }
  return counts;
}

/// Only where some came since the last look, or nobody knows: it reads what the log has of several
/// windows.
Result<bool> Monitors::look_for_late_answers(UnixMs now) {
  bool restated = false, is_flushed = false;
  std::optional<std::int64_t> came;
  if (surroundings_.late_answers) came = surroundings_.late_answers();
  for (Monitor& monitor : monitors_) {
    if (!monitor.counts_late_answers()) continue;
    Late& late = late_[monitor.key()];
    const bool is_time = *monitor.late_answers_look(late.looked_for_answers_ms, now) <= now;
    if (!is_time && *monitor.due() > now) continue;
    late.looked_for_answers_ms = now;
    if (came && late.came == came) continue;
    if (!is_flushed) flush_log();
    is_flushed = true;
    restated = TRY(restate_late_answers(monitor, now)) || restated;
    late.came = came;
  }
  return restated;
}

/// The windows of which the log has more answers than were judged.
Result<bool> Monitors::restate_late_answers(Monitor& monitor, UnixMs now) {
  const UnixMs span = span_of(*monitor.spec).count();
  const UnixMs first = monitor.state->next_ms - kRestatedWindows * span;
  Late& late = late_[monitor.key()];
  std::erase_if(late.answers, [&](const auto& one) { return one.first < first; });
  const std::map<UnixMs, std::int64_t> counts = TRY(answers_before(monitor));
  bool restated = false;
  for (const auto& [start, n] : counts) {
    if (late.answers.contains(start) && late.answers[start] == n) continue;
    WindowQuery query{monitor.deployment->name, monitor.spec->name, "", start + 1,
                      static_cast<int>(Gatherer::kVersionsMax) + 1};
    const auto rows = TRY(pool_.read([&](db::Tx& tx) { return windows(tx, query); }));
    if (rows.empty()) continue;  // it lies before the monitor's first one
    std::int64_t judged = 0;
    for (const WindowRow& row : rows) judged += row.start_ms == start ? row.requests : 0;
    if (n > judged)
      restated = TRY(restate_window(monitor, window_from(start, Span(span)), now)) || restated;
    late.answers[start] = n;
  }
  return restated;
}

// --- what a scan found ---------------------------------------------------------------------------

Result<JudgedSpan> Monitors::judged(Job& job, const Window& window,
                                    const std::optional<Live>& live) {
  Monitor& monitor = *job.monitor;
  JudgedSpan span;
  span.deployment = monitor.deployment->name;
  span.model = monitor.deployment->model;
  span.spec = monitor.spec;
  span.window = window;
  if (live) span.live = live->version;
  std::vector<VersionFacts> found = job.gatherer->facts();
  const bool timeless = is_timeless(monitor.requirement);
  if (timeless && live) {
    found.emplace_back();
    found.back().model = live->model;
    found.back().version = live->version;
  }
  for (VersionFacts& facts : found) {
    Question question;
    question.spec = monitor.spec;
    question.requirement = monitor.requirement;
    question.window = window;
    auto basis = job.bases.find(facts.version);
    if (basis != job.bases.end()) question.watch = &basis->second.watch;
    if (timeless && live->created_ms > 0)
      question.age_seconds = static_cast<double>(window.end_ms - live->created_ms) / 1000;
    VersionVerdict verdict;
    verdict.verdict = monitor::judge(question, facts);
    const auto reference = job.references.find(facts.version);
    if (reference != job.references.end()) facts.profile = std::move(reference->second);
    if (facts.profile) {
      facts.profile->table = span.deployment + "/" + monitor.spec->name;
      facts.profile->made_ms = window.end_ms;
    }
    if (basis != job.bases.end()) {
      verdict.reference = basis->second.reference_digest;
      verdict.contract = basis->second.contract_digest;
    }
    verdict.facts = std::move(facts);
    span.versions.push_back(std::move(verdict));
  }
  return span;
}

/// The first time from `from_ms` on that an answer may be about, whenever it was given.
Result<std::optional<UnixMs>> Monitors::next_answer(const std::string& deployment, UnixMs from_ms) {
  const auto folder = predictions_root_ / serving::folder_of(deployment);
  std::optional<UnixMs> next;
  for (const std::string& day : serving::days_in(folder)) {
    for (const auto& file : serving::files_in(folder / day)) {
      const EventSpan span = TRY(event_span(deployment, file));
      if (!span || span->last_ms < from_ms) continue;
      const UnixMs first = std::max(span->first_ms, from_ms);
      next = std::min(next.value_or(first), first);
    }
  }
  return next;
}

/// Where nobody was answered any more, the windows up to now need not be looked at one by one.
Result<> Monitors::skip_silence(const Monitor& monitor, UnixMs now) {
  const auto& name = monitor.deployment->name;
  const Span span = span_of(*monitor.spec);
  const UnixMs next = monitor.window().end_ms;
  UnixMs silent = now - grace_of(*monitor.spec).count() - next;
  if (silent < span.count()) return {};
  if (const auto answer = TRY(next_answer(name, next))) silent = std::min(silent, *answer - next);
  if (silent < span.count()) return {};
  const UnixMs to = next + silent / span.count() * span.count();
  return pool_.write(
      [&](db::Tx& tx) { return move_monitor(tx, name, monitor.spec->name, to, now); });
}

}  // namespace slipway::monitor
