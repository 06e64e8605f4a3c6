#include "domain/monitor/logged.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/text.h"
#include "domain/monitor/decimals.h"

namespace slipway::monitor {
namespace {

using checks::Bins;
using checks::ColumnProfile;
using table::Type;

double after(double x) {
  return std::nextafter(x, std::numeric_limits<double>::infinity());
}

/// Edges and counts of a reference's bins on their way through the log.
class Rebinned {
 public:
  explicit Rebinned(std::int64_t under) { counts_.push_back(under); }

  /// The next bin below `edge`, or, where `kept` is false, more of the one that goes on there.
  void add(double edge, bool kept, std::int64_t above) {
    if (kept && (edges_.empty() || edge > edges_.back())) {
      edges_.push_back(edge);
      counts_.push_back(0);
    }
    counts_.back() += above;
  }
  /// The upper end of it all, which the last bin holds; above it lies `over`.
  void end(double edge, std::int64_t over) {
    while (edges_.size() > 1 && edges_.back() >= edge) {
      const std::int64_t joined = counts_.back();
      edges_.pop_back();
      counts_.pop_back();
      counts_.back() += joined;
    }
    edges_.push_back(edge > edges_.back() ? edge : after(edges_.back()));
    counts_.push_back(over);
  }
  Bins bins() && { return Bins::restored(std::move(edges_), counts_); }

 private:
  std::vector<double> edges_;
  std::vector<std::int64_t> counts_;  // one more: the first is of what lies below the first edge
};

bool has_gaps_filled(const std::vector<std::int64_t>& all) {
  for (std::size_t i = 0; i < all.size(); i += 2) {
    if (all[i] > 0) return true;
  }
  return false;
}

/// Where every value has a bin: those that the log makes one are one.
Bins of_values(const Bins& bins) {
  const std::vector<std::int64_t> all = bins.all();
  std::map<double, std::int64_t> seen;
  for (std::size_t i = 0; i < bins.edges().size(); i += 2)
    seen[logged(bins.edges()[i])] += all[i + 1];
  std::vector<double> values;
  std::vector<std::int64_t> counts{0};
  for (const auto& [value, count] : seen) {
    values.push_back(value);
    counts.insert(counts.end(), {count, 0});
  }
  return Bins::restored(checks::edges_from_values(values), counts);
}

/// An edge of bins, and whether the log keeps what lies on its two sides apart: of whole numbers
/// that is known, of others it is so but for what is nearer than the log can tell.
struct Edge {
  double at = 0;
  bool is_told_apart = true;
};
Edge logged_edge(const std::vector<double>& edges, std::size_t i, bool whole) {
  const double edge = edges[i];
  // The upper one of a bin of a single value.
  if (i > 0 && edge == after(edges[i - 1])) {
    const double value = edges[i - 1];
    return {after(logged(value)), !whole || logged(value + 1) > logged(value)};
  }
  if (!whole) return {logged(edge), true};
  const double first = std::ceil(edge);
  return {logged(first), logged(first - 1) < logged(first)};
}

Bins of_ranges(const Bins& bins, bool whole) {
  const std::vector<double>& edges = bins.edges();
  const std::vector<std::int64_t> all = bins.all();
  Rebinned out(all.front());
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    const Edge edge = logged_edge(edges, i, whole);
    out.add(edge.at, i == 0 || edge.is_told_apart, all[i + 1]);
  }
  out.end(logged_edge(edges, edges.size() - 1, whole).at, all.back());
  return std::move(out).bins();
}

void take_through(ColumnProfile& column) {
  if (column.type != Type::kInteger && column.type != Type::kReal) return;
  if (column.moments.n > 0) {
    column.moments.min = logged(column.moments.min);
    column.moments.max = logged(column.moments.max);
  }
  if (!column.bins) return;
  const std::vector<double>& edges = column.bins->edges();
  const bool is_exact = std::all_of(edges.begin(), edges.end(), [](double edge) {
    const double before = std::nextafter(edge, -std::numeric_limits<double>::infinity());
    return logged(edge) == edge || logged(before) == before;
  });
  const bool is_whole = column.type == Type::kInteger;
  const bool is_small = std::max(std::fabs(edges.front()), std::fabs(edges.back())) <= kWholeMax;
  if (is_exact && (!is_whole || is_small)) return;
  const bool of_each = checks::are_of_values(edges) && !has_gaps_filled(column.bins->all());
  column.bins = of_each ? of_values(*column.bins) : of_ranges(*column.bins, is_whole);
}

// --- contracts -----------------------------------------------------------------------------------

void take_through(std::optional<double>& bound) {
  if (bound) bound = logged(*bound);
}

void take_through(std::vector<std::string>& values) {
  for (std::string& value : values) {
    const std::optional<double> number = to_double(value);
    if (!number || !std::isfinite(*number) || logged(*number) == *number) continue;
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, logged(*number));
    value.assign(text, end.ptr);
  }
}

bool is_beyond(const checks::Property& property, const checks::Profile* reference) {
  const auto is_large = [](const std::optional<double>& bound) {
    return bound && std::fabs(*bound) > kWholeMax;
  };
  if (is_large(property.min) || is_large(property.max)) return true;
  const ColumnProfile* seen = reference != nullptr ? reference->find(property.name) : nullptr;
  return seen != nullptr && seen->numeric() && seen->moments.n > 0 &&
         (is_large(seen->moments.min) || is_large(seen->moments.max));
}

/// What of it a rounded column cannot tell; "" for nothing.
std::string lost(checks::Quality& quality) {
  if (const auto* count = std::get_if<checks::CountQuality>(&quality.what)) {
    if (count->metric == checks::CountQuality::Metric::kDuplicates) return "duplicateValues";
  }
  if (const auto* statistic = std::get_if<checks::StatisticQuality>(&quality.what)) {
    if (statistic->which == checks::StatisticQuality::Which::kDistinct) return "distinct";
  }
  if (auto* order = std::get_if<checks::OrderQuality>(&quality.what)) order->strictly = false;
  return "";
}

void take_through(checks::Quality& quality) {
  if (auto* range = std::get_if<checks::RangeQuality>(&quality.what)) {
    take_through(range->min);
    take_through(range->max);
  }
  if (auto* domain = std::get_if<checks::DomainQuality>(&quality.what))
    take_through(domain->values);
  if (auto* count = std::get_if<checks::CountQuality>(&quality.what)) take_through(count->values);
  using Which = checks::StatisticQuality::Which;
  auto* statistic = std::get_if<checks::StatisticQuality>(&quality.what);
  if (statistic == nullptr || (statistic->which != Which::kMin && statistic->which != Which::kMax &&
                               statistic->which != Which::kQuantile))
    return;
  take_through(statistic->min);
  take_through(statistic->max);
}

void leave_out(checks::Contract& contract, const std::string& column, const std::string& what) {
  checks::ForeignQuality left_out;
  left_out.what =
      what + ": the log of predictions rounds numbers beyond 2^24, as this column has them";
  left_out.column = column;
  contract.foreign.push_back(std::move(left_out));
}

void take_through(checks::Property& property, bool is_beyond, checks::Contract& contract) {
  take_through(property.min);
  take_through(property.max);
  for (checks::Quality& quality : property.quality) take_through(quality);
  if (!is_beyond) return;
  // What lies beside an open bound may be rounded onto it.
  property.min_open = property.max_open = false;
  if (property.multiple_of) leave_out(contract, property.name, "multipleOf");
  if (property.unique) leave_out(contract, property.name, "unique");
  property.multiple_of.reset();
  property.unique = false;
  std::erase_if(property.quality, [&](checks::Quality& quality) {
    const std::string what = lost(quality);
    if (!what.empty()) leave_out(contract, property.name, what);
    return !what.empty();
  });
}

}  // namespace

double logged(double x) {
  const auto cell = static_cast<float>(x);
  return std::isfinite(cell) ? as_written(cell) : x;
}

checks::Profile as_logged(checks::Profile reference) {
  for (ColumnProfile& column : reference.columns) take_through(column);
  return reference;
}

checks::Contract as_logged(checks::Contract contract, const checks::Profile* reference) {
  bool has_rounded_key = false;
  std::vector<std::string> rounded;
  for (checks::Property& property : contract.properties) {
    const bool beyond = is_beyond(property, reference);
    if (beyond) rounded.push_back(property.name);
    has_rounded_key |= beyond && property.primary_key > 0;
    take_through(property, beyond, contract);
  }
  if (has_rounded_key) {
    leave_out(contract, "", "primaryKey");
    for (checks::Property& property : contract.properties) {
      property.required |= property.primary_key > 0;
      property.primary_key = 0;
    }
  }
  std::erase_if(contract.quality, [&](const checks::Quality& quality) {
    const auto* count = std::get_if<checks::CountQuality>(&quality.what);
    const bool is_lost =
        count != nullptr && std::any_of(count->columns.begin(), count->columns.end(),
                                        [&](const std::string& column) {
                                          return std::find(rounded.begin(), rounded.end(),
                                                           column) != rounded.end();
                                        });
    if (is_lost) leave_out(contract, "", "duplicateValues");
    return is_lost;
  });
  return contract;
}

}  // namespace slipway::monitor
