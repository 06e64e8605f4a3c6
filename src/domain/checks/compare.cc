#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>

#include "domain/checks/cell_text.h"
#include "domain/checks/drift.h"
#include "domain/checks/suite.h"

// Two profiles of one column, laid side by side.
namespace slipway::checks {
namespace {

using table::Type;

constexpr std::size_t kListed = 20;  // categories that are named
constexpr double kRowsPerCell = 20;  // so many are wanted, or cells are joined
constexpr std::size_t kCellsMin = 8;

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Counts of the reference's bins (with under and over); from the current sketch where it was
/// gathered with other bins.
Result<std::vector<double>> counts_at(const std::vector<double>& edges,
                                      const ColumnProfile& column) {
  if (column.there() == 0) return std::vector<double>(edges.size() + 1);
  if (column.bins && column.bins->edges() == edges) {
    const std::vector<std::int64_t> all = column.bins->all();
    return std::vector<double>(all.begin(), all.end());
  }
  if (!column.quantiles) {
    return invalid("column '" + column.name +
                   "' was gathered neither with the reference's bins nor "
                   "with quantiles");
  }
  const double n = static_cast<double>(column.finite());
  std::vector<double> counts;
  double before = 0;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    // Up to, and without, an edge; with it for the last one.
    const bool last = i + 1 == edges.size();
    const double until = column.quantiles->share_until(
        last ? edges[i] : std::nextafter(edges[i], -std::numeric_limits<double>::infinity()));
    counts.push_back((until - before) * n);
    before = until;
  }
  counts.push_back((1 - before) * n);
  return counts;
}

/// Neighbouring bins joined until each holds its part of the reference's mass; the first and the
/// last (under and over) stay as they are.
TwoSamples joined(const TwoSamples& bins, std::size_t cells) {
  const std::vector<double>& reference = bins.reference;
  const std::vector<double>& current = bins.current;
  const double mass = sum_of(reference) - reference.front() - reference.back();
  TwoSamples out;
  double r = 0, c = 0;
  std::size_t made = 0;
  for (std::size_t i = 1; i + 1 < reference.size(); ++i) {
    r += reference[i];
    c += current[i];
    double until = 0;
    for (double done : out.reference) until += done;
    const bool last = i + 2 == reference.size();
    if (!last && until + r < mass * static_cast<double>(made + 1) / static_cast<double>(cells))
      continue;
    out.reference.push_back(r);
    out.current.push_back(c);
    ++made;
    r = c = 0;
  }
  out.reference.insert(out.reference.begin(), reference.front());
  out.current.insert(out.current.begin(), current.front());
  out.reference.push_back(reference.back());
  out.current.push_back(current.back());
  return out;
}

void add_special(TwoSamples& cells, const ColumnProfile& reference,
                 const ColumnProfile& current) {
  auto add = [&](std::int64_t r, std::int64_t c) {
    cells.reference.push_back(static_cast<double>(r));
    cells.current.push_back(static_cast<double>(c));
  };
  add(reference.missing(), current.missing());
  if (reference.type != Type::kReal && current.type != Type::kReal) return;
  add(reference.infinite_low, current.infinite_low);
  add(reference.infinite_high, current.infinite_high);
}

/// So many cells that the rows can fill them; `most` where there are rows enough.
std::size_t cells_wanted(const TwoSamples& counts, std::size_t most, bool coarse) {
  if (!coarse) return most;
  const double rows = std::min(sum_of(counts.reference), sum_of(counts.current));
  const auto filled = static_cast<std::size_t>(std::max(0.0, rows / kRowsPerCell));
  return std::min(most, std::max(kCellsMin, filled));
}

Cells cells_of_bins(const TwoSamples& bins, bool coarse) {
  Cells cells;
  const std::size_t all = bins.reference.size() - 2;
  const std::size_t wanted = cells_wanted(bins, all, coarse);
  static_cast<TwoSamples&>(cells) = wanted < all ? joined(bins, wanted) : bins;
  if (wanted < all) cells.words = std::to_string(cells.reference.size() - 2) + " cells of the ";
  cells.words += std::to_string(all) + " bins of the reference, outside of them, missing";
  return cells;
}

/// Where every value of the reference has a bin, and each gap between two of them: the gaps stay
/// cells of their own, however few rows there are.
Cells cells_of_values(const TwoSamples& bins, bool coarse) {
  TwoSamples values, gaps;
  for (std::size_t i = 0; i < bins.reference.size(); ++i) {
    const bool is_gap = i > 0 && i + 1 < bins.reference.size() && i % 2 == 0;
    TwoSamples& of = is_gap ? gaps : values;
    of.reference.push_back(bins.reference[i]);
    of.current.push_back(bins.current[i]);
  }
  Cells cells = cells_of_bins(values, coarse);
  const std::size_t all = values.reference.size() - 2;
  const bool is_joined = cells.reference.size() < values.reference.size();
  cells.words = (is_joined ? std::to_string(cells.reference.size() - 2) + " cells of the " : "") +
                std::to_string(all) +
                " values of the reference, between and outside of them, missing";
  if (is_joined) cells.chance = {bins, cells};
  cells.reference.insert(cells.reference.end(), gaps.reference.begin(), gaps.reference.end());
  cells.current.insert(cells.current.end(), gaps.current.begin(), gaps.current.end());
  return cells;
}

Result<Cells> numeric_cells(const ColumnProfile& reference, const ColumnProfile& current,
                            bool coarse) {
  const std::vector<double>& edges = reference.bins->edges();
  const TwoSamples bins{TRY(counts_at(edges, reference)), TRY(counts_at(edges, current))};
  Cells cells = are_of_values(edges) ? cells_of_values(bins, coarse) : cells_of_bins(bins, coarse);
  if (reference.type == Type::kReal) cells.words += " and infinite";
  add_special(cells, reference, current);
  for (TwoSamples& finer : cells.chance) add_special(finer, reference, current);
  return cells;
}

void list_category(std::vector<std::string>& list, const Frequent::Item& item) {
  if (list.size() < kListed) list.push_back(item.text + " (" + std::to_string(item.count) + ")");
}

Cells category_cells(const ColumnProfile& reference, const ColumnProfile& current) {
  Cells cells;
  double r_left = static_cast<double>(reference.present());
  double c_left = static_cast<double>(current.present());
  const std::vector<Frequent::Item> known = reference.frequent->top(Frequent::kValuesMax);
  for (const Frequent::Item& item : known) {
    const Frequent::Item* now = current.frequent->find(item.hash);
    const double count = now ? static_cast<double>(now->count) : 0;
    cells.reference.push_back(static_cast<double>(item.count));
    cells.current.push_back(count);
    r_left -= static_cast<double>(item.count);
    c_left -= count;
    if (!now && current.frequent->exact()) list_category(cells.gone, item);
  }
  TwoSamples each = cells;
  cells.reference.push_back(std::max(0.0, r_left));
  cells.current.push_back(std::max(0.0, c_left));
  add_special(cells, reference, current);
  // The others one by one: a value that came up twice is as likely on either side.
  for (const Frequent::Item& item : current.frequent->top(Frequent::kValuesMax)) {
    if (reference.frequent->find(item.hash)) continue;
    if (reference.frequent->exact()) {
      list_category(cells.fresh, item);
      each.reference.push_back(0);
      each.current.push_back(static_cast<double>(item.count));
      c_left -= static_cast<double>(item.count);
    }
  }
  each.reference.push_back(std::max(0.0, r_left));
  each.current.push_back(std::max(0.0, c_left));
  add_special(each, reference, current);
  cells.chance = {std::move(each)};
  cells.words = std::to_string(known.size()) + " values of the reference, others, missing";
  return cells;
}

/// Where one side has nothing but missing cells there is no more to compare than that.
Cells cells_of_presence(const ColumnProfile& reference, const ColumnProfile& current) {
  Cells cells;
  cells.reference = {static_cast<double>(reference.there()),
                     static_cast<double>(reference.missing())};
  cells.current = {static_cast<double>(current.there()), static_cast<double>(current.missing())};
  cells.words = "2 cells: there, missing";
  return cells;
}

/// A column without values has no type: one of a CSV file is read as text.
bool is_a_number(const ColumnProfile& column) {
  return column.numeric() || column.there() == 0;
}

double noise_p(const Cells& cells) {
  if (cells.chance.empty()) return two_samples_p(cells.reference, cells.current);
  double least = 1;
  for (const TwoSamples& one : cells.chance)
    least = std::min(least, two_samples_p(one.reference, one.current));
  return std::min(1.0, least * static_cast<double>(cells.chance.size()));
}

/// The finite part of both, at full resolution: for measures that know an order.
struct Ordered {
  std::vector<double> edges, reference, current;
};
Result<Ordered> ordered_cells(const ColumnProfile& reference, const ColumnProfile& current) {
  Ordered out;
  out.reference = TRY(counts_at(reference.bins->edges(), reference));
  out.current = TRY(counts_at(reference.bins->edges(), current));
  out.edges = reference.bins->edges();
  // The mass outside of the bins lies between them and the smallest and largest value seen.
  double low = out.edges.front(), high = out.edges.back();
  for (const ColumnProfile* column : {&reference, &current}) {
    if (column->moments.n == 0) continue;
    low = std::min(low, column->moments.min);
    high = std::max(high, column->moments.max);
  }
  out.edges.insert(out.edges.begin(), low);
  out.edges.push_back(high);
  return out;
}

std::string title(Measure measure) {
  switch (measure) {
    case Measure::kJensenShannon:
      return "Jensen-Shannon distance, base 2";
    case Measure::kJensenShannonDivergence:
      return "Jensen-Shannon divergence, base 2";
    case Measure::kPsi:
      return "population stability index, 0.5 added to each cell";
    case Measure::kHellinger:
      return "Hellinger distance";
    case Measure::kTotalVariation:
      return "total variation distance";
    case Measure::kLInfinity:
      return "L-infinity distance";
    case Measure::kKolmogorovSmirnov:
      return "Kolmogorov-Smirnov statistic";
    case Measure::kWasserstein:
      return "Wasserstein distance over the reference's deviation";
    case Measure::kChiSquareP:
      return "p of chi-square of two samples";
    case Measure::kProportionsP:
      return "p of two proportions";
    case Measure::kKolmogorovSmirnovP:
      return "p of Kolmogorov-Smirnov";
  }
  return "";
}

double distance(Measure measure, const Cells& cells) {
  switch (measure) {
    case Measure::kJensenShannon:
      return jensen_shannon_distance(cells.reference, cells.current);
    case Measure::kJensenShannonDivergence:
      return jensen_shannon_divergence(cells.reference, cells.current);
    case Measure::kPsi:
      return population_stability(cells.reference, cells.current);
    case Measure::kHellinger:
      return hellinger(cells.reference, cells.current);
    case Measure::kTotalVariation:
      return total_variation(cells.reference, cells.current);
    default:
      return l_infinity(cells.reference, cells.current).value;
  }
}

/// Two digits, rounded up.
std::string short_text(double value) {
  if (!(value > 0) || !std::isfinite(value)) return value > 0 ? "infinity" : "0";
  char text[32];
  const double unit = std::pow(10, std::floor(std::log10(value)) - 1);
  std::snprintf(text, sizeof text, "%.2g", std::ceil(value / unit) * unit);
  return text;
}

Error needs(Measure measure, const char* what) {
  return invalid(std::string("'") + to_string(measure) + "' needs " + what);
}

Result<> ordered_drift(Measure measure, const ColumnProfile& reference,
                       const ColumnProfile& current, DriftResult& result) {
  if (reference.there() == 0 || current.there() == 0) {
    result.score = measure == Measure::kKolmogorovSmirnovP ? 1 : 0;
    result.dialect += "; one side has nothing but missing cells, which this does not see";
    return {};
  }
  if (!reference.bins) return needs(measure, "a column of numbers");
  const Ordered cells = TRY(ordered_cells(reference, current));
  const double n = sum_of(cells.reference), m = sum_of(cells.current);
  if (measure == Measure::kWasserstein) {
    const Scale scale = wasserstein_scale(reference.moments.deviation(), reference.moments.mean);
    result.score = wasserstein_of_bins(cells.edges, cells.reference, cells.current) / scale.value;
    result.dialect += ", off by at most " +
                      short_text(wasserstein_error_of_bins(cells.edges, cells.reference,
                                                           cells.current) /
                                 scale.value);
    if (scale.floored) result.dialect += ", which is nearly constant (a floor was used)";
  } else {
    result.score = ks_statistic_of_bins(cells.reference, cells.current);
  }
  if (measure == Measure::kKolmogorovSmirnovP) result.score = ks_p(result.score, n, m);
  result.dialect += "; over " + std::to_string(cells.reference.size() - 2) +
                    " bins of the reference, without missing cells";
  return {};
}

/// Of a column with two values: the share of the first one.
Result<> proportion_drift(const Cells& cells, DriftResult& result) {
  std::vector<std::size_t> used;
  for (std::size_t i = 0; i < cells.reference.size(); ++i) {
    if (cells.reference[i] + cells.current[i] > 0) used.push_back(i);
  }
  if (used.size() > 2) return needs(Measure::kProportionsP, "a column of two values");
  if (used.empty()) return {};
  const Significance z = proportions(cells.current[used[0]], sum_of(cells.current),
                                     cells.reference[used[0]], sum_of(cells.reference));
  result.score = z.p;
  return {};
}

}  // namespace

Result<Cells> cells_of(const ColumnProfile& reference, const ColumnProfile& current, bool coarse) {
  if (reference.bins && is_a_number(current)) return numeric_cells(reference, current, coarse);
  if (reference.there() == 0 || current.there() == 0) return cells_of_presence(reference, current);
  if (reference.numeric() != current.numeric()) {
    return invalid(std::string("the reference has values of type ") + to_string(reference.type) +
                   " here, the table of type " + to_string(current.type) +
                   ": declare the column's logicalType, and make the reference by the contract "
                   "(`slipway profile TABLE --contract FILE`)");
  }
  if (reference.frequent && current.frequent && !reference.frequent->abandoned() &&
      !current.frequent->abandoned())
    return category_cells(reference, current);
  return invalid("the reference has neither bins nor values of column '" + reference.name + "'");
}

Result<DriftResult> drift_of(Measure measure, const ColumnProfile& reference,
                             const ColumnProfile& current) {
  DriftResult result;
  result.n = current.rows;
  result.dialect = "native: " + title(measure);
  Cells cells = TRY(cells_of(reference, current, /*coarse=*/true));
  result.noise_p = noise_p(cells);
  result.fresh = std::move(cells.fresh);
  result.gone = std::move(cells.gone);
  if (measure == Measure::kWasserstein || measure == Measure::kKolmogorovSmirnov ||
      measure == Measure::kKolmogorovSmirnovP) {
    TRY(ordered_drift(measure, reference, current, result));
    return result;
  }
  if (measure == Measure::kProportionsP)
    TRY(proportion_drift(cells, result));
  else if (measure == Measure::kChiSquareP)
    result.score = result.noise_p;
  else
    result.score = distance(measure, cells);
  result.dialect += "; over " + cells.words;
  return result;
}

Result<double> effect_of(const ColumnProfile& reference, const ColumnProfile& current) {
  if (reference.bins && current.numeric() && current.there() > 0) {
    const Ordered cells = TRY(ordered_cells(reference, current));
    return ks_statistic_of_bins(cells.reference, cells.current);
  }
  const Cells cells = TRY(cells_of(reference, current, /*coarse=*/true));
  return cramers_v(cells.reference, cells.current);
}

}  // namespace slipway::checks
