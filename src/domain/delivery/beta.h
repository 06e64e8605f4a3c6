#pragma once

// Beta functions in logarithms, for counts up to 10^9 and beyond: no term larger than the result is
// ever subtracted from another. Pure; any thread (std::lgamma is not: it writes `signgam`).
//
// Sources: Stirling's series with its remainder for small arguments by recurrence (DLMF 5.11.1,
// 5.5.1); deviance terms as in C. Loader, "Fast and accurate computation of binomial probabilities"
// (2000); the incomplete beta function by its continued fraction (DLMF 8.17.22), evaluated by
// Lentz's method.
namespace slipway::delivery {

/// log B(a, b). Preconditions: a > 0, b > 0.
double log_beta(double a, double b);

/// log of P(X > p) for X ~ Beta(a, b); exact far into the tail. Preconditions: a, b > 0,
/// 0 < p < 1.
double log_beta_tail(double a, double b, double p);

/// log of B(a + x, b + n - x) / B(a, b) / (p^x (1 - p)^(n - x)): how much better a binomial whose
/// rate has the prior Beta(a, b) explains x events in n trials than the rate p does.
/// Preconditions: 0 <= x <= n, a, b > 0. p may be 0 or 1; infinite where p can't explain x.
double log_mixture_ratio(double n, double x, double a, double b, double p);

/// The same with the prior truncated to (p, 1). Precondition: 0 < p < 1.
double log_mixture_ratio_above(double n, double x, double a, double b, double p);

}  // namespace slipway::delivery
