#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// How far two distributions lie apart: exact definitions, as pure functions. `reference` and
// `current` are counts (or masses) of the same bins or categories in the same order; they need not
// be scaled. docs/reference/drift.md gives every formula, and who else means the same by the name.
namespace slipway::checks {

using Counts = std::span<const double>;

/// What stands in for an empty bin where a logarithm or a division would not be finite.
struct Smoothing {
  enum class Kind {
    kNone,
    kAdditive,   // `amount` is added to every bin's count, then shares are taken (Jeffreys: 0.5)
    kFloor,      // shares below `amount` become `amount`, not renormalised
    kEvidently,  // empty shares become 0.0001, or a millionth of the smallest one if that is
                 // smaller
  };
  Kind kind = Kind::kAdditive;
  double amount = 0.5;
};

/// Sum of (r - c) ln(r / c). Infinite where a bin is empty on one side only and nothing smooths.
double population_stability(Counts reference, Counts current, const Smoothing& smoothing = {});
/// Sum of r ln(r / c), in nats; with kEvidently's filling the shares are renormalised, as SciPy
/// does.
double kullback_leibler(Counts reference, Counts current, const Smoothing& smoothing = {});
/// Of shares, in units of log `base` (2 or e): 0 to 1 bit. The distance is its square root.
double jensen_shannon_divergence(Counts reference, Counts current, double base = 2);
double jensen_shannon_distance(Counts reference, Counts current, double base = 2);
/// sqrt(1 - sum of sqrt(r c)), 0 to 1.
double hellinger(Counts reference, Counts current);
/// Half the sum of |r - c|, 0 to 1.
double total_variation(Counts reference, Counts current);
struct Largest {
  double value = 0;
  std::size_t index = 0;  // where it is attained; of equal ones the last
};
/// The largest |r - c|, 0 to 1.
Largest l_infinity(Counts reference, Counts current);
/// The largest |r - c| of counts over the sum of all counts: a change of volume shows.
double normalized_absolute_difference(Counts reference, Counts current);

struct Significance {
  double statistic = 0;
  double p = 1;
  int dof = 0;
};
/// Pearson's chi-square of the current counts against the reference's shares (k - 1 degrees of
/// freedom). A category the reference lacks makes it infinite and p 0.
Significance chi_square(Counts reference, Counts current);
/// The same for two samples (the 2 x k table); empty columns are left out, and for a 2 x 2 table
/// `yates` takes the continuity correction. This is the test of sampling noise in both.
Significance chi_square_of_two(Counts reference, Counts current, bool yates = true);
/// p of a difference like this between two samples of one distribution. Cells of which fewer than 5
/// are expected in the smaller sample are too thin for the chi-square test: they enter it as one
/// cell, where together they are not too thin, and each is tested by itself, exactly. Of ten parts
/// of the error that is allowed the chi-square test takes nine, the others share the tenth.
double two_samples_p(Counts reference, Counts current);
/// Two-sided, exact: twice the smaller tail of drawing `hits` of `marked` ones when `drawn` of
/// `all` are drawn.
double hypergeometric_p(double hits, double drawn, double marked, double all);
/// Log-likelihood ratio, against the reference's shares scaled to the current size.
Significance g_test(Counts reference, Counts current);
/// Two proportions, pooled, two-sided. Both constant and equal: statistic 0, p 1.
Significance proportions(double hits_a, double n_a, double hits_b, double n_b);
/// Fisher's exact test of a 2 x 2 table, two-sided: tables at most as likely as the one seen.
double fisher_exact(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d);
/// Bias-corrected Cramer's V of the 2 x k table, from counts as they are given.
double cramers_v(Counts reference, Counts current);

/// Kolmogorov-Smirnov of two samples. `ascending`: sorted, finite.
double ks_statistic(std::span<const double> ascending_a, std::span<const double> ascending_b);
/// The same from counts of common bins, in their order: exact at the edges, so at most the largest
/// mass of a bin too small.
double ks_statistic_of_bins(Counts reference, Counts current);
/// p of a two-sided statistic. Exact: by counting lattice paths, for max(n, m) up to 10,000;
/// asymptotic: Kolmogorov's distribution at the effective size.
double ks_p_exact(double statistic, std::int64_t n, std::int64_t m);
double ks_p_asymptotic(double statistic, double n, double m);
/// Exact while max(n, m) is at most 10,000.
double ks_p(double statistic, double n, double m);

/// W1: the area between the two distribution functions. `ascending`: sorted, finite, not empty.
double wasserstein(std::span<const double> ascending_a, std::span<const double> ascending_b);
/// The same from counts of common bins with these edges (one more than counts), the mass of a bin
/// spread evenly over it.
double wasserstein_of_bins(std::span<const double> edges, Counts reference, Counts current);
/// How far that can lie from the distance of the values themselves, wherever in their bins they are.
double wasserstein_error_of_bins(std::span<const double> edges, Counts reference, Counts current);
/// What W1 is divided by: max(deviation, 0.001) of Evidently, or Slipway's own floor.
struct Scale {
  double value = 1;
  bool floored = false;
};
Scale wasserstein_scale(double reference_deviation, double reference_mean);
Scale wasserstein_scale_of_evidently(double reference_deviation);

/// A histogram with buckets of its own, as TFDV compares them.
struct Histogram {
  std::vector<double> edges;  // ascending, one more than counts
  std::vector<double> counts;
  double nans = 0;
};
/// TFDV's approximate Jensen-Shannon divergence: base 2, not rooted, over the union of both lists
/// of edges; when either side has NaN, both NaN counts are mismatched against nothing.
double jensen_shannon_of_histograms(const Histogram& reference, const Histogram& current);

/// Which of several p-values stay significant when the share of false alarms among them is to be at
/// most `q` (Benjamini and Hochberg).
std::vector<bool> benjamini_hochberg(std::span<const double> p, double q);

/// Equal bins over the range of both samples: ceil(log2(n) + 1) of them (Sturges), n counts both.
std::vector<double> sturges_edges(double min, double max, double n);

}  // namespace slipway::checks
