#include "domain/checks/slipway_quality.h"

#include <iterator>

namespace slipway::checks {
namespace {

using yaml::Node;

struct MeasureName {
  const char* text;
  Measure measure;
  double threshold;
};

// Thresholds: distances as Evidently's defaults; p-values at 5 %.
constexpr MeasureName kMeasures[] = {
    {"js", Measure::kJensenShannon, 0.1},
    {"js_divergence", Measure::kJensenShannonDivergence, 0.05},
    {"psi", Measure::kPsi, 0.1},
    {"hellinger", Measure::kHellinger, 0.1},
    {"tvd", Measure::kTotalVariation, 0.1},
    {"l_infinity", Measure::kLInfinity, 0.1},
    {"ks", Measure::kKolmogorovSmirnov, 0.1},
    {"wasserstein", Measure::kWasserstein, 0.1},
    {"chi_square_p", Measure::kChiSquareP, 0.05},
    {"z_p", Measure::kProportionsP, 0.05},
    {"ks_p", Measure::kKolmogorovSmirnovP, 0.05},
};

const MeasureName& named(Measure measure) {
  for (const MeasureName& name : kMeasures) {
    if (name.measure == measure) return name;
  }
  return kMeasures[0];
}

/// A share is a number from 0 to 1.
double share_max(const Node& node, YamlReader& read) {
  const double share = read.number(node, "max_share").value_or(0);
  if (!(share >= 0 && share <= 1)) read.fail_type(*node.find("max_share"), "a share from 0 to 1");
  return share;
}

void read_drift(const Node& node, YamlReader& read, bool skew, Quality& quality) {
  read.keys(node, skew ? "skew" : "drift", {"stat", "vs", "warn", "fail", "min_rows"});
  DriftQuality drift;
  drift.skew = skew;
  drift.against = read.text(node, "vs").value_or("training");
  drift.warn = read.number(node, "warn");
  drift.fail = read.number(node, "fail");
  drift.rows_min = read.whole(node, "min_rows").value_or(200);
  if (drift.rows_min < 1) read.fail_type(*node.find("min_rows"), "a number of rows above 0");
  if (const Node* stat = node.find("stat")) {
    const MeasureName* found = nullptr;
    std::vector<std::string> known;
    for (const MeasureName& name : kMeasures) {
      known.emplace_back(name.text);
      if (stat->text == name.text) found = &name;
    }
    if (found != nullptr)
      drift.measure = found->measure;
    else
      read.fail_word(*stat, "drift measure", known);
  }
  quality.what = drift;
}

void read_range(const Node& node, YamlReader& read, Quality& quality) {
  read.keys(node, "range", {"min", "max", "max_share"});
  RangeQuality range{read.number(node, "min"), read.number(node, "max"), share_max(node, read)};
  if (!range.min && !range.max) read.fail_type(node, "'min' or 'max' of a range");
  read.bounds(node, {range.min, range.max, false, false, {"max"}});
  quality.what = range;
}

void read_domain(const Node& node, YamlReader& read, Quality& quality) {
  read.keys(node, "domain", {"values", "max_share"});
  DomainQuality domain{read.texts(node, "values"), share_max(node, read)};
  if (domain.values.empty()) read.fail_type(node, "'values' of a domain");
  quality.what = std::move(domain);
}

void read_statistic(const Node& node, YamlReader& read, const std::string& key, Quality& quality) {
  using Which = StatisticQuality::Which;
  StatisticQuality statistic;
  if (key == "quantile") {
    read.keys(node, key, {"q", "min", "max"});
    statistic.which = Which::kQuantile;
    statistic.quantile = read.number(node, "q").value_or(0.5);
    if (!(statistic.quantile >= 0 && statistic.quantile <= 1))
      read.fail_type(*node.find("q"), "a share from 0 to 1");
  } else {
    read.keys(node, key, {"min", "max"});
    statistic.which = key == "mean"        ? Which::kMean
                      : key == "deviation" ? Which::kDeviation
                      : key == "min"       ? Which::kMin
                      : key == "max"       ? Which::kMax
                                           : Which::kDistinct;
  }
  statistic.min = read.number(node, "min");
  statistic.max = read.number(node, "max");
  if (!statistic.min && !statistic.max) read.fail_type(node, "'min' or 'max' of a " + key);
  read.bounds(node, {statistic.min, statistic.max, false, false, {"max"}});
  quality.what = statistic;
}

void read_one(const std::string& key, const Node& node, YamlReader& read, Quality& quality) {
  if (key == "drift" || key == "skew") return read_drift(node, read, key == "skew", quality);
  if (key == "range") return read_range(node, read, quality);
  if (key == "domain") return read_domain(node, read, quality);
  if (key == "missing" || key == "finite") {
    read.keys(node, key, {"max_share"});
    if (key == "missing")
      quality.what = MissingQuality{share_max(node, read)};
    else
      quality.what = FiniteQuality{share_max(node, read)};
    return;
  }
  if (key == "order") {
    read.keys(node, key, {"strictly"});
    quality.what = OrderQuality{read.truth(node, "strictly").value_or(false)};
    return;
  }
  read_statistic(node, read, key, quality);
}

}  // namespace

void read_slipway_quality(const Node& node, YamlReader& read, const Quality& common,
                          std::vector<Quality>& all) {
  static const std::vector<std::string> kKeys = {
      "drift",     "skew", "range", "domain",   "missing",  "finite", "mean",
      "deviation", "min",  "max",   "quantile", "distinct", "order"};
  if (!read.is_mapping(node, "a mapping such as 'drift: {stat: js, fail: 0.1}'")) return;
  for (const yaml::Entry& entry : node.entries) {
    bool known = false;
    for (const std::string& key : kKeys) known = known || key == entry.key.text;
    if (!known) {
      read.fail_word(entry.key, "check of Slipway", kKeys);
      continue;
    }
    Quality quality = common;
    quality.at = read.at(entry.key);
    static const Node kEmpty = Node::mapping();
    const bool bare = entry.value.is_null();  // "order:" alone
    if (!bare && !read.is_mapping(entry.value, "a mapping for '" + entry.key.text + "'")) continue;
    read_one(entry.key.text, bare ? kEmpty : entry.value, read, quality);
    all.push_back(std::move(quality));
  }
}

const char* to_string(Measure measure) {
  return named(measure).text;
}

bool is_p_value(Measure measure) {
  return measure == Measure::kChiSquareP || measure == Measure::kProportionsP ||
         measure == Measure::kKolmogorovSmirnovP;
}

double default_threshold(Measure measure) {
  return named(measure).threshold;
}

}  // namespace slipway::checks
