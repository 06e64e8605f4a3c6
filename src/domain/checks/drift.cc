#include "domain/checks/drift.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "domain/checks/distributions.h"

namespace slipway::checks {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double total(Counts counts) {
  return std::accumulate(counts.begin(), counts.end(), 0.0);
}

std::vector<double> shares(Counts counts) {
  std::vector<double> out(counts.begin(), counts.end());
  const double sum = total(counts);
  for (double& share : out) share = sum > 0 ? share / sum : 0;
  return out;
}

std::vector<double> filled_as_evidently(std::vector<double> all) {
  double smallest = kInfinity;
  for (double share : all) {
    if (share > 0) smallest = std::min(smallest, share);
  }
  const double filling = smallest <= 0.0001 ? smallest / 1e6 : 0.0001;
  for (double& share : all) {
    if (share == 0) share = filling;
  }
  return all;
}

std::vector<double> smoothed(Counts counts, const Smoothing& smoothing) {
  switch (smoothing.kind) {
    case Smoothing::Kind::kNone:
      return shares(counts);
    case Smoothing::Kind::kAdditive: {
      std::vector<double> more(counts.begin(), counts.end());
      for (double& count : more) count += smoothing.amount;
      return shares(more);
    }
    case Smoothing::Kind::kFloor: {
      std::vector<double> all = shares(counts);
      for (double& share : all) share = std::max(share, smoothing.amount);
      return all;
    }
    case Smoothing::Kind::kEvidently:
      return filled_as_evidently(shares(counts));
  }
  return shares(counts);
}

/// r ln(r / c), with its limits where one of them is 0.
double relative_entropy(double r, double c) {
  if (r == 0) return 0;
  if (c == 0) return kInfinity;
  return r * std::log(r / c);
}

}  // namespace

double population_stability(Counts reference, Counts current, const Smoothing& smoothing) {
  const std::vector<double> r = smoothed(reference, smoothing);
  const std::vector<double> c = smoothed(current, smoothing);
  double sum = 0;
  for (std::size_t i = 0; i < r.size(); ++i) {
    if (r[i] == c[i]) continue;
    if (r[i] == 0 || c[i] == 0) return kInfinity;
    sum += (r[i] - c[i]) * std::log(r[i] / c[i]);
  }
  return sum;
}

double kullback_leibler(Counts reference, Counts current, const Smoothing& smoothing) {
  const std::vector<double> r = shares(smoothed(reference, smoothing));
  const std::vector<double> c = shares(smoothed(current, smoothing));
  double sum = 0;
  for (std::size_t i = 0; i < r.size(); ++i) sum += relative_entropy(r[i], c[i]);
  return sum;
}

double jensen_shannon_divergence(Counts reference, Counts current, double base) {
  const std::vector<double> r = shares(reference);
  const std::vector<double> c = shares(current);
  double sum = 0;
  for (std::size_t i = 0; i < r.size(); ++i) {
    const double middle = (r[i] + c[i]) / 2;
    sum += relative_entropy(r[i], middle) + relative_entropy(c[i], middle);
  }
  return std::max(0.0, sum / 2 / std::log(base));
}

double jensen_shannon_distance(Counts reference, Counts current, double base) {
  return std::sqrt(jensen_shannon_divergence(reference, current, base));
}

double hellinger(Counts reference, Counts current) {
  const std::vector<double> r = shares(reference);
  const std::vector<double> c = shares(current);
  double overlap = 0;
  for (std::size_t i = 0; i < r.size(); ++i) overlap += std::sqrt(r[i] * c[i]);
  return std::sqrt(1 - std::clamp(overlap, 0.0, 1.0));
}

double total_variation(Counts reference, Counts current) {
  const std::vector<double> r = shares(reference);
  const std::vector<double> c = shares(current);
  double sum = 0;
  for (std::size_t i = 0; i < r.size(); ++i) sum += std::abs(r[i] - c[i]);
  return sum / 2;
}

Largest l_infinity(Counts reference, Counts current) {
  const std::vector<double> r = shares(reference);
  const std::vector<double> c = shares(current);
  Largest largest;
  for (std::size_t i = 0; i < r.size(); ++i) {
    const double difference = std::abs(r[i] - c[i]);
    if (difference >= largest.value) largest = {difference, i};
  }
  return largest;
}

double normalized_absolute_difference(Counts reference, Counts current) {
  const double all = total(reference) + total(current);
  double largest = 0;
  for (std::size_t i = 0; i < reference.size(); ++i)
    largest = std::max(largest, std::abs(reference[i] - current[i]));
  return all > 0 ? largest / all : 0;
}

// --- tests of counts ---

Significance chi_square(Counts reference, Counts current) {
  const double n = total(current);
  const double all = total(reference);
  Significance test;
  int categories = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (reference[i] == 0 && current[i] == 0) continue;
    ++categories;
    const double expected = reference[i] * n / all;
    const double difference = current[i] - expected;
    test.statistic += expected > 0 ? difference * difference / expected : kInfinity;
  }
  test.dof = std::max(0, categories - 1);
  test.p = chi_square_tail(test.statistic, test.dof);
  return test;
}

namespace {

struct TwoRows {
  double a = 0, b = 0, all = 0;
  int categories = 0;
};

TwoRows rows_of(Counts reference, Counts current) {
  TwoRows rows{total(reference), total(current), 0, 0};
  rows.all = rows.a + rows.b;
  for (std::size_t i = 0; i < reference.size(); ++i)
    rows.categories += reference[i] + current[i] > 0;
  return rows;
}

}  // namespace

Significance chi_square_of_two(Counts reference, Counts current, bool yates) {
  const TwoRows rows = rows_of(reference, current);
  Significance test;
  test.dof = std::max(0, rows.categories - 1);
  if (test.dof == 0 || rows.a == 0 || rows.b == 0) return test;
  const double correction = yates && test.dof == 1 ? 0.5 : 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double both = reference[i] + current[i];
    if (both == 0) continue;
    const double expected[] = {both * rows.a / rows.all, both * rows.b / rows.all};
    const double seen[] = {reference[i], current[i]};
    for (int row = 0; row < 2; ++row) {
      const double away = std::abs(seen[row] - expected[row]);
      const double difference = away - std::min(correction, away);
      test.statistic += difference * difference / expected[row];
    }
  }
  test.p = chi_square_tail(test.statistic, test.dof);
  return test;
}

double hypergeometric_p(double hits, double drawn, double marked, double all) {
  auto log_choose = [](double n, double k) {
    return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
  };
  const double most = std::min(drawn, marked), least = std::max(0.0, drawn + marked - all);
  const bool is_upper = hits * all >= drawn * marked;
  double term = std::exp(log_choose(marked, hits) + log_choose(all - marked, drawn - hits) -
                         log_choose(all, drawn));
  // From here on outwards each is smaller than the one before.
  double tail = term;
  for (double x = hits; is_upper ? x < most : x > least; x += is_upper ? 1 : -1) {
    term *= is_upper
                ? (marked - x) * (drawn - x) / ((x + 1) * (all - marked - drawn + x + 1))
                : x * (all - marked - drawn + x) / ((marked - x + 1) * (drawn - x + 1));
    tail += term;
    if (term <= tail * 1e-17) break;
  }
  return std::min(1.0, 2 * tail);
}

namespace {

constexpr double kExpectedMin = 5;  // below, a cell is too thin for a chi-square test

struct Pair {
  double reference = 0, current = 0;
};

/// The least p of exact tests of each pair against all others, times their number (Bonferroni).
double least_exact_p(const std::vector<Pair>& pairs, double r_all, double c_all) {
  double least = 1;
  for (const Pair& pair : pairs) {
    least = std::min(least, hypergeometric_p(std::round(pair.current), std::round(c_all),
                                             std::round(pair.reference) + std::round(pair.current),
                                             std::round(r_all) + std::round(c_all)));
  }
  return std::min(1.0, least * static_cast<double>(pairs.size()));
}

}  // namespace

double two_samples_p(Counts reference, Counts current) {
  const double r_all = total(reference), c_all = total(current);
  if (r_all <= 0 || c_all <= 0) return 1;
  auto is_thin = [&](const Pair& pair) {
    return (pair.reference + pair.current) * std::min(r_all, c_all) / (r_all + c_all) <
           kExpectedMin;
  };
  std::vector<double> r, c;
  std::vector<Pair> thin;
  Pair together;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const Pair pair{reference[i], current[i]};
    if (pair.reference + pair.current <= 0) continue;
    if (!is_thin(pair)) {
      r.push_back(pair.reference);
      c.push_back(pair.current);
      continue;
    }
    thin.push_back(pair);
    together.reference += pair.reference;
    together.current += pair.current;
  }
  if (!thin.empty() && !is_thin(together)) {
    r.push_back(together.reference);
    c.push_back(together.current);
  } else if (thin.size() > 1) {
    thin.push_back(together);
  }
  const double p = chi_square_of_two(r, c, /*yates=*/false).p;
  if (thin.empty()) return p;
  const double exact = least_exact_p(thin, r_all, c_all);
  if (r.size() < 2) return exact;
  return std::min({1.0, p / 0.9, exact / 0.1});
}

Significance g_test(Counts reference, Counts current) {
  const double n = total(current);
  const double all = total(reference);
  Significance test;
  int categories = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (reference[i] == 0 && current[i] == 0) continue;
    ++categories;
    test.statistic += 2 * relative_entropy(current[i], reference[i] * n / all);
  }
  test.dof = std::max(0, categories - 1);
  test.p = chi_square_tail(test.statistic, test.dof);
  return test;
}

Significance proportions(double hits_a, double n_a, double hits_b, double n_b) {
  Significance test;
  if (n_a <= 0 || n_b <= 0) return test;
  const double pooled = (hits_a + hits_b) / (n_a + n_b);
  const double variance = pooled * (1 - pooled) * (1 / n_a + 1 / n_b);
  if (variance <= 0) return test;
  test.statistic = (hits_a / n_a - hits_b / n_b) / std::sqrt(variance);
  test.p = std::min(1.0, 2 * normal_tail(std::abs(test.statistic)));
  return test;
}

double fisher_exact(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) {
  const std::int64_t row = a + b, other = c + d, column = a + c, all = row + other;
  auto log_choose = [](std::int64_t n, std::int64_t k) {
    return log_factorial(static_cast<double>(n)) - log_factorial(static_cast<double>(k)) -
           log_factorial(static_cast<double>(n - k));
  };
  auto log_probability = [&](std::int64_t x) {
    return log_choose(row, x) + log_choose(other, column - x) - log_choose(all, column);
  };
  const double seen = log_probability(a);
  double p = 0;
  for (std::int64_t x = std::max<std::int64_t>(0, column - other); x <= std::min(row, column);
       ++x) {
    const double probability = log_probability(x);
    if (probability <= seen + 1e-7) p += std::exp(probability);
  }
  return std::min(1.0, p);
}

double cramers_v(Counts reference, Counts current) {
  const TwoRows rows = rows_of(reference, current);
  if (rows.categories < 2 || rows.a == 0 || rows.b == 0) return 0;
  const double n = rows.all;
  const double k = rows.categories;
  const double phi2 = chi_square_of_two(reference, current).statistic / n;
  const double corrected = std::max(0.0, phi2 - (k - 1) / (n - 1));
  const double r_corrected = 2 - 1 / (n - 1);
  const double k_corrected = k - (k - 1) * (k - 1) / (n - 1);
  const double smaller = std::min(k_corrected - 1, r_corrected - 1);
  return smaller > 0 ? std::sqrt(corrected / smaller) : 0;
}

// --- Kolmogorov-Smirnov ---

double ks_statistic(std::span<const double> a, std::span<const double> b) {
  double largest = 0;
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    const double x = std::min(a[i], b[j]);
    while (i < a.size() && a[i] <= x) ++i;
    while (j < b.size() && b[j] <= x) ++j;
    const double f = static_cast<double>(i) / static_cast<double>(a.size());
    const double g = static_cast<double>(j) / static_cast<double>(b.size());
    largest = std::max(largest, std::abs(f - g));
  }
  return largest;
}

double ks_statistic_of_bins(Counts reference, Counts current) {
  const double n = total(reference), m = total(current);
  if (n == 0 || m == 0) return 0;
  double f = 0, g = 0, largest = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    f += reference[i];
    g += current[i];
    largest = std::max(largest, std::abs(f / n - g / m));
  }
  return largest;
}

double ks_p_exact(double statistic, std::int64_t n, std::int64_t m) {
  // Paths from (0,0) to (n,m) that keep |i/n - j/m| below the statistic, as a share of all: each
  // step's share is taken at once, so that nothing overflows.
  if (n > m) std::swap(n, m);
  const std::int64_t divisor = std::gcd(n, m);
  const std::int64_t ng = n / divisor, mg = m / divisor;
  const double unit =
      static_cast<double>(n) * static_cast<double>(mg);  // the least common multiple
  const auto limit = static_cast<std::int64_t>(std::llround(statistic * unit));
  if (limit <= 0) return 1;
  auto inside = [&](std::int64_t i, std::int64_t j) { return std::abs(i * mg - j * ng) < limit; };
  std::vector<double> row(static_cast<std::size_t>(m) + 1);
  for (std::int64_t j = 0; j <= m; ++j)
    row[static_cast<std::size_t>(j)] =
        inside(0, j) && (j == 0 || row[static_cast<std::size_t>(j - 1)] > 0) ? 1 : 0;
  for (std::int64_t i = 1; i <= n; ++i) {
    for (std::int64_t j = 0; j <= m; ++j) {
      double& here = row[static_cast<std::size_t>(j)];
      if (!inside(i, j)) {
        here = 0;
        continue;
      }
      // The last step came from (i-1, j) or (i, j-1), in proportion to the paths there.
      const double left = j > 0 ? row[static_cast<std::size_t>(j - 1)] : 0;
      here = (here * static_cast<double>(i) + left * static_cast<double>(j)) /
             static_cast<double>(i + j);
    }
  }
  return std::clamp(1 - row.back(), 0.0, 1.0);
}

double ks_p_asymptotic(double statistic, double n, double m) {
  const double x = statistic * std::sqrt(n * m / (n + m));
  if (x <= 0) return 1;
  if (x < 1.18) {  // the series for small x converges faster
    const double y = std::exp(-1.23370055013616983 / (x * x));  // pi^2 / 8
    const double cdf = 2.25675833419102515 * std::sqrt(-std::log(y)) *
                       (y + std::pow(y, 9) + std::pow(y, 25) + std::pow(y, 49));
    return std::clamp(1 - cdf, 0.0, 1.0);
  }
  double sum = 0;
  for (int k = 1; k < 100; ++k) {
    const double term = std::exp(-2.0 * k * k * x * x);
    sum += k % 2 == 1 ? term : -term;
    if (term < 1e-18) break;
  }
  return std::clamp(2 * sum, 0.0, 1.0);
}

double ks_p(double statistic, double n, double m) {
  constexpr double kExactMax = 10'000;
  if (std::max(n, m) <= kExactMax)
    return ks_p_exact(statistic, static_cast<std::int64_t>(n), static_cast<std::int64_t>(m));
  return ks_p_asymptotic(statistic, n, m);
}

// --- Wasserstein ---

double wasserstein(std::span<const double> a, std::span<const double> b) {
  double area = 0;
  std::size_t i = 0, j = 0;
  double before = std::min(a.front(), b.front());
  while (i < a.size() || j < b.size()) {
    const double x = std::min(i < a.size() ? a[i] : kInfinity, j < b.size() ? b[j] : kInfinity);
    const double f = static_cast<double>(i) / static_cast<double>(a.size());
    const double g = static_cast<double>(j) / static_cast<double>(b.size());
    area += std::abs(f - g) * (x - before);
    before = x;
    while (i < a.size() && a[i] == x) ++i;
    while (j < b.size() && b[j] == x) ++j;
  }
  return area;
}

double wasserstein_of_bins(std::span<const double> edges, Counts reference, Counts current) {
  const std::vector<double> r = shares(reference);
  const std::vector<double> c = shares(current);
  double area = 0, before = 0;
  for (std::size_t i = 0; i < r.size(); ++i) {
    const double after = before + r[i] - c[i];
    const double width = edges[i + 1] - edges[i];
    // The difference goes linearly from one to the other; where it changes sign, two triangles.
    if (before * after >= 0)
      area += width * std::abs(before + after) / 2;
    else
      area += width * (before * before + after * after) / (2 * std::abs(before - after));
    before = after;
  }
  return area;
}

double wasserstein_error_of_bins(std::span<const double> edges, Counts reference, Counts current) {
  const std::vector<double> r = shares(reference);
  const std::vector<double> c = shares(current);
  double error = 0;
  // The worst is all of a bin's mass at one of its edges: a triangle beside the even spread.
  for (std::size_t i = 0; i < r.size(); ++i) error += (edges[i + 1] - edges[i]) * (r[i] + c[i]) / 2;
  return error;
}

Scale wasserstein_scale(double deviation, double mean) {
  const double floor = 1e-3 * std::max(1.0, std::abs(mean));
  return {std::max(deviation, floor), deviation < floor};
}

Scale wasserstein_scale_of_evidently(double deviation) {
  return {std::max(deviation, 0.001), deviation < 0.001};
}

// --- TFDV's histograms ---

namespace {

std::vector<double> spread_over(const Histogram& histogram, const std::vector<double>& edges) {
  std::vector<double> counts(edges.size() - 1);
  for (std::size_t bucket = 0; bucket < histogram.counts.size(); ++bucket) {
    const double low = histogram.edges[bucket], high = histogram.edges[bucket + 1];
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
      const double overlap = std::min(high, edges[i + 1]) - std::max(low, edges[i]);
      if (overlap > 0) counts[i] += histogram.counts[bucket] * overlap / (high - low);
    }
  }
  return counts;
}

}  // namespace

double jensen_shannon_of_histograms(const Histogram& reference, const Histogram& current) {
  std::vector<double> edges = reference.edges;
  edges.insert(edges.end(), current.edges.begin(), current.edges.end());
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  std::vector<double> r = spread_over(reference, edges);
  std::vector<double> c = spread_over(current, edges);
  if (reference.nans > 0 || current.nans > 0) {
    r.insert(r.end(), {0, reference.nans});
    c.insert(c.end(), {current.nans, 0});
  }
  return std::min(1.0, jensen_shannon_divergence(r, c));
}

std::vector<bool> benjamini_hochberg(std::span<const double> p, double q) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::size_t significant = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double bound = q * static_cast<double>(i + 1) / static_cast<double>(order.size());
    if (p[order[i]] <= bound) significant = i + 1;
  }
  std::vector<bool> out(p.size(), false);
  for (std::size_t i = 0; i < significant; ++i) out[order[i]] = true;
  return out;
}

std::vector<double> sturges_edges(double min, double max, double n) {
  const int bins = std::max(1, static_cast<int>(std::ceil(std::log2(n) + 1)));
  std::vector<double> edges;
  for (int i = 0; i <= bins; ++i) edges.push_back(min + (max - min) * i / bins);
  return edges;
}

}  // namespace slipway::checks
