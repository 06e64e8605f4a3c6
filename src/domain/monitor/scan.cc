#include "domain/monitor/scan.h"

#include <algorithm>
#include <cmath>

#include "domain/monitor/decimals.h"

namespace slipway::monitor {
namespace {

using serving::Label;
using serving::Layout;
using serving::Prediction;
using serving::Role;

constexpr int kRefused = 400, kFailed = 500;  // HTTP: the caller's fault, the version's

/// Rows of some columns on their way to a profiler.
class Rows {
 public:
  Rows(const checks::Plan& plan, const std::vector<std::string>& columns)
      : profiler_(plan, fields_of(columns)),
        cells_(columns.size(), std::vector<float>(table::kChunkRowsMax)),
        decimals_(columns.size(), std::vector<double>(table::kChunkRowsMax)),
        valid_(columns.size(), std::vector<std::uint64_t>((table::kChunkRowsMax + 63) / 64)) {}

  /// `cells` of one row, at the places of the columns.
  void add(const float* cells, const std::vector<std::size_t>& places) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      const float cell = cells[places[i]];
      const bool is_there = !std::isnan(cell);
      cells_[i][n_] = is_there ? cell : 0;
      std::uint64_t& valid = valid_[i][n_ / 64];
      if (n_ % 64 == 0) valid = 0;
      valid |= std::uint64_t{is_there} << (n_ % 64);
    }
    if (++n_ == table::kChunkRowsMax) hand_over();
  }

  checks::Profile profile() {
    hand_over();
    return profiler_.profile();
  }

 private:
  static std::vector<table::Field> fields_of(const std::vector<std::string>& columns) {
    std::vector<table::Field> fields;
    for (const std::string& name : columns) fields.push_back({name, table::Type::kReal});
    return fields;
  }

  void hand_over() {
    if (n_ == 0) return;
    table::Chunk chunk;
    chunk.rows = n_;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      as_written(cells_[i].data(), n_, decimals_[i].data());
      table::ColumnView view;
      view.type = table::Type::kReal;
      view.valid = valid_[i].data();
      view.reals = decimals_[i].data();
      chunk.columns.push_back(view);
    }
    profiler_.add(chunk);
    n_ = 0;
  }

  checks::Profiler profiler_;
  std::vector<std::vector<float>> cells_;
  std::vector<std::vector<double>> decimals_;  // of the cells, as they were written
  std::vector<std::vector<std::uint64_t>> valid_;
  std::size_t n_ = 0;
};

std::vector<std::string> columns_of(const Layout& layout, serving::Keep keep) {
  std::vector<std::string> names;
  for (const Layout::Column& column : layout.columns) {
    if (column.keep == keep) names.push_back(column.name);
  }
  return names;
}

}  // namespace

std::vector<std::string> clear_columns(const Layout& layout) {
  return columns_of(layout, serving::Keep::kValue);
}

std::vector<std::string> hashed_columns(const Layout& layout) {
  return columns_of(layout, serving::Keep::kHash);
}

struct Gatherer::Version {
  VersionFacts facts;
  std::vector<std::string> columns;  // that the profile is of
  std::unique_ptr<Rows> rows;        // null without a profile
  // Of the layout seen last: requests come in the same one again and again.
  std::optional<Layout> layout;
  std::vector<std::size_t> places;  // of `columns` in it
  bool fits = false;                // it has all of them and no other

  void look_at(const Layout& now) {
    if (layout && now.reading != 0 && layout->reading == now.reading) return;
    const bool is_same = layout && *layout == now;
    layout = now;
    if (is_same) return;
    fits = clear_columns(now) == columns;
    places.clear();
    for (std::size_t i = 0; fits && i < now.columns.size(); ++i) {
      if (now.columns[i].keep == serving::Keep::kValue) places.push_back(i);
    }
  }
};

Gatherer::Gatherer(Wanted wanted) : wanted_(std::move(wanted)) {}
Gatherer::~Gatherer() = default;
Gatherer::Gatherer(Gatherer&&) noexcept = default;

Result<Gatherer::Version*> Gatherer::version_of(const Layout& layout) {
  // Of few layouts, as a rule of one: names are compared when another one comes.
  const auto known = std::find_if(seen_.begin(), seen_.end(), [&](const auto& seen) {
    return layout.reading != 0 && seen.first == layout.reading;
  });
  if (known != seen_.end() && known->second->layout->reading == layout.reading)
    return known->second;
  Version* version = TRY(version_named(layout));
  version->look_at(layout);
  if (seen_.size() >= kVersionsMax) seen_.clear();
  seen_.emplace_back(layout.reading, version);
  return version;
}

Result<Gatherer::Version*> Gatherer::version_named(const Layout& layout) {
  auto& slot = versions_[{layout.model, layout.version}];
  if (slot) return slot.get();
  auto version = std::make_unique<Version>();
  version->facts.model = layout.model;
  version->facts.version = layout.version;
  version->facts.hashed = hashed_columns(layout);
  version->columns = clear_columns(layout);
  if (wanted_.plan && !version->columns.empty()) {
    if (auto plan = TRY(wanted_.plan(layout, version->columns)))
      version->rows = std::make_unique<Rows>(*plan, version->columns);
  }
  slot = std::move(version);
  return slot.get();
}

void Gatherer::count(Version& version, const Prediction& p) const {
  Answers& a = version.facts.answers;
  const bool failed = p.status >= kFailed, answered = p.status < kRefused;
  // Only plain answers of the live version are sampled (prediction_log.h).
  const double weight = p.role == Role::kLive && answered ? 1 / wanted_.sample : 1;
  a.first_ms = a.requests == 0 ? p.event_time_ms : std::min(a.first_ms, p.event_time_ms);
  a.last_ms = a.requests == 0 ? p.event_time_ms : std::max(a.last_ms, p.event_time_ms);
  ++a.requests;
  a.answered_weight += weight;
  if (p.role == Role::kLive) {
    ++a.live;
    a.last_live_ms = std::max(a.last_live_ms, p.event_time_ms);
  }
  a.canary += p.role == Role::kCanary ? 1 : 0;
  if (failed) {
    ++a.failed;
    a.failed_weight += weight;
  }
  if (!answered) {
    a.refused += failed ? 0 : 1;
    return;
  }
  ++a.timed;
  a.timed_weight += weight;
  a.latency_us.add(p.latency_us);
  if (!wanted_.slow_us || p.latency_us <= *wanted_.slow_us) return;
  ++a.slow;
  a.slow_weight += weight;
}

void Gatherer::add_rows(Version& version, const Prediction& p, const Layout& layout,
                        const std::vector<const Label*>& labels) {
  const bool answered = p.status < kRefused;
  const std::size_t width = p.rows > 0 ? p.outputs.size() / p.rows : 0;
  const std::size_t cells = layout.columns.size();
  const bool has_cells = p.cells.size() == static_cast<std::size_t>(p.rows) * cells;
  VersionFacts& facts = version.facts;
  const bool classes = wanted_.metric && (*wanted_.metric == delivery::Metric::kErrorRate ||
                                          *wanted_.metric == delivery::Metric::kAccuracy);
  if (answered) facts.answers.rows += p.rows;
  for (std::uint32_t row = 0; row < p.rows; ++row) {
    if (version.rows && has_cells && version.fits)
      version.rows->add(p.cells.data() + row * cells, version.places);
    if (!answered || width == 0) continue;
    const float* outputs = p.outputs.data() + row * width;
    const bool finite =
        std::all_of(outputs, outputs + width, [](float value) { return std::isfinite(value); });
    if (!finite) ++facts.answers.rows_not_finite;
    if (std::isfinite(outputs[0])) facts.answers.outputs.add(outputs[0]);
    if (!wanted_.metric) continue;
    ++facts.outcomes.rows;
    if (row >= labels.size() || labels[row] == nullptr) continue;
    if (width > 1 && wanted_.metric == delivery::Metric::kLogLoss) {
      facts.outcomes.add_classes({outputs, width}, labels[row]->value);
      continue;
    }
    const double answer = !finite   ? std::nan("")
                          : classes ? label_of(outputs, width)
                                    : static_cast<double>(outputs[0]);
    facts.outcomes.add(*wanted_.metric, answer, labels[row]->value);
  }
  if (version.rows && !version.fits) facts.other_rows += p.rows;
}

Result<> Gatherer::add(const Prediction& prediction, const Layout& layout,
                       const std::vector<const Label*>& labels) {
  if (prediction.role == Role::kShadow) return {};
  if (versions_.size() >= kVersionsMax &&
      versions_.find({layout.model, layout.version}) == versions_.end()) {
    ++uncounted_;
    return {};
  }
  Version* version = TRY(version_of(layout));
  count(*version, prediction);
  add_rows(*version, prediction, layout, labels);
  return {};
}

std::vector<VersionFacts> Gatherer::facts() const {
  std::vector<VersionFacts> all;
  for (const auto& [name, version] : versions_) {
    VersionFacts facts = version->facts;
    if (version->rows) facts.profile = version->rows->profile();
    all.push_back(std::move(facts));
  }
  std::stable_sort(all.begin(), all.end(), [](const VersionFacts& a, const VersionFacts& b) {
    return a.answers.first_ms < b.answers.first_ms;
  });
  return all;
}

Result<> scan_window(const serving::Predictions& predictions, const std::string& deployment,
                     const Window& window, bool labelled, std::vector<Gatherer*> gatherers) {
  Result<> failed;
  const auto visit = [&](const Prediction& prediction, const Layout& layout,
                         const std::vector<const Label*>& labels) {
    for (Gatherer* gatherer : gatherers) {
      failed = gatherer->add(prediction, layout, labels);
      if (!failed.ok()) return false;
    }
    return true;
  };
  if (labelled) {
    TRY(predictions.scan_labelled(deployment, window.start_ms, window.end_ms, visit));
  } else {
    TRY(predictions.scan(deployment, window.start_ms, window.end_ms,
                         [&](const Prediction& prediction, const Layout& layout) {
                           return visit(prediction, layout, {});
                         }));
  }
  return failed;
}

}  // namespace slipway::monitor
