#pragma once

namespace slipway::checks {

/// Upper tails: the probability of a value above x.
double chi_square_tail(double x, double degrees);
double normal_tail(double z);
/// The x that is exceeded with probability p.
double chi_square_quantile_of_tail(double p, double degrees);
/// Likewise of Student's t. Precondition: 0 < p < 1, degrees > 0.
double student_quantile_of_tail(double p, double degrees);
/// ln(n!)
double log_factorial(double n);

}  // namespace slipway::checks
