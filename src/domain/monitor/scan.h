#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/checks/plan.h"
#include "domain/monitor/facts.h"
#include "domain/monitor/window.h"
#include "domain/serving/predictions.h"

// One pass over the logged answers of a span, for all monitors that judge it. Memory: of each
// version some kilobytes a column, and the labels of one day.
namespace slipway::monitor {

/// What is gathered for one monitor.
struct Wanted {
  std::optional<double> slow_us;           // answers above it are counted as slow
  std::optional<delivery::Metric> metric;  // of outcomes; nothing where labels are not looked at
  double sample = 1;                       // share of the plain answers that the log keeps
  /// Which statistics of these columns of this version; nothing for none. Called once a version.
  std::function<Result<std::optional<checks::Plan>>(const serving::Layout& layout,
                                                    const std::vector<std::string>& columns)>
      plan;
};

/// The columns of a layout that are kept as they were, and those of which only hashes are.
std::vector<std::string> clear_columns(const serving::Layout& layout);
std::vector<std::string> hashed_columns(const serving::Layout& layout);

/// Gathers the answers of one window for one monitor. One thread.
class Gatherer {
 public:
  /// A window may hold answers of so many versions; those of further ones are counted only.
  static constexpr std::size_t kVersionsMax = 16;

  explicit Gatherer(Wanted wanted);
  ~Gatherer();
  Gatherer(Gatherer&&) noexcept;

  /// Shadow answers are passed over: nobody got them. `labels` as scan_labelled gives them, or
  /// empty.
  Result<> add(const serving::Prediction& prediction, const serving::Layout& layout,
               const std::vector<const serving::Label*>& labels);
  /// By version, in the order of their first answer's event time.
  std::vector<VersionFacts> facts() const;
  std::int64_t uncounted() const { return uncounted_; }

 private:
  struct Version;
  /// Having looked at the layout.
  Result<Version*> version_of(const serving::Layout& layout);
  Result<Version*> version_named(const serving::Layout& layout);
  void count(Version& version, const serving::Prediction& prediction) const;
  void add_rows(Version& version, const serving::Prediction& prediction,
                const serving::Layout& layout, const std::vector<const serving::Label*>& labels);

  Wanted wanted_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Version>> versions_;
  std::vector<std::pair<std::uint64_t, Version*>> seen_;  // by the layout's reading
  std::int64_t uncounted_ = 0;
};

/// Feeds every answer of the window to every gatherer; labels are read where one wants them.
Result<> scan_window(const serving::Predictions& predictions, const std::string& deployment,
                     const Window& window, bool labelled, std::vector<Gatherer*> gatherers);

}  // namespace slipway::monitor
