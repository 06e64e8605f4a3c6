#include "domain/delivery/beta.h"

#include <cmath>
#include <limits>

namespace slipway::delivery {
namespace {

constexpr double kLogTwoPi = 1.8378770664093454835606594728112;

/// What Stirling's formula leaves out: log gamma(z) - ((z - 1/2) log z - z + log(2 pi) / 2).
double stirling_rest(double z) {
  if (z < 16) {
    // Up to where the series is exact, by gamma(z + 1) = z gamma(z).
    const double next = z + 1;
    return stirling_rest(next) + (z + 0.5) * std::log1p(1 / z) - 1;
  }
  const double w = 1 / (z * z);
  return (1.0 / 12 - w * (1.0 / 360 - w * (1.0 / 1260 - w * (1.0 / 1680 - w / 1188)))) / z;
}

/// x log(x / m) + m - x without cancellation where x is close to m.
double deviance(double x, double m) {
  if (std::fabs(x - m) > 0.1 * (x + m)) return x * std::log(x / m) + m - x;
  const double v = (x - m) / (x + m);
  double sum = (x - m) * v, term = 2 * x * v;
  for (int j = 1; j < 1000; ++j) {
    term *= v * v;
    const double next = sum + term / (2 * j + 1);
    if (next == sum) break;
    sum = next;
  }
  return sum;
}

/// log B(a, b) - a log p - b log(1 - p).
double log_beta_over_power(double a, double b, double p) {
  const double n = a + b;
  return deviance(a, n * p) + deviance(b, n * (1 - p)) +
         0.5 * (kLogTwoPi + std::log(n / a) - std::log(b)) + stirling_rest(a) + stirling_rest(b) -
         stirling_rest(n);
}

/// The fraction f of I_x(a, b) = x^a (1 - x)^b / (a B(a, b)) f. It converges in about the square
/// root of the larger parameter where x < (a + 1) / (a + b + 2).
double fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  const auto floored = [](double v) { return std::fabs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / floored(1 - (a + b) * x / (a + 1)), result = d;
  for (int m = 1; m < 2'000'000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / floored(1 + even * d);
    c = floored(1 + even / c);
    result *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / floored(1 + odd * d);
    c = floored(1 + odd / c);
    result *= d * c;
    if (std::fabs(d * c - 1) < 1e-15) break;
  }
  return result;
}

/// Whether the upper tail is computed itself; else as one minus the lower.
bool is_upper_tail(double a, double b, double p) {
  return 1 - p < (b + 1) / (a + b + 2);
}

double log_one_minus_lower(double a, double b, double p) {
  const double lower = std::exp(std::log(fraction(p, a, b) / a) - log_beta_over_power(a, b, p));
  return lower < 1 ? std::log1p(-lower) : std::log(std::numeric_limits<double>::epsilon());
}

}  // namespace

double log_beta(double a, double b) {
  const double p = a / (a + b);
  return log_beta_over_power(a, b, p) + a * std::log(p) + b * std::log1p(-p);
}

double log_beta_tail(double a, double b, double p) {
  if (!is_upper_tail(a, b, p)) return log_one_minus_lower(a, b, p);
  return std::log(fraction(1 - p, b, a) / b) - log_beta_over_power(a, b, p);
}

double log_mixture_ratio(double n, double x, double a, double b, double p) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (p <= 0) return x > 0 ? kInfinite : log_beta(a, b + n) - log_beta(a, b);
  if (p >= 1) return x < n ? kInfinite : log_beta(a + n, b) - log_beta(a, b);
  return log_beta_over_power(a + x, b + n - x, p) - log_beta_over_power(a, b, p);
}

double log_mixture_ratio_above(double n, double x, double a, double b, double p) {
  const double after_a = a + x, after_b = b + n - x;
  const double prior = log_beta_over_power(a, b, p) + log_beta_tail(a, b, p);
  // In the tail the powers of p cancel before they are computed.
  if (is_upper_tail(after_a, after_b, p))
    return std::log(fraction(1 - p, after_b, after_a) / after_b) - prior;
  return log_beta_over_power(after_a, after_b, p) + log_one_minus_lower(after_a, after_b, p) -
         prior;
}

}  // namespace slipway::delivery
