#include "domain/checks/distributions.h"

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace slipway::checks {

double chi_square_tail(double x, double degrees) {
  if (!(degrees > 0) || x <= 0) return 1;
  if (std::isinf(x)) return 0;
  return boost::math::cdf(boost::math::complement(boost::math::chi_squared(degrees), x));
}

double normal_tail(double z) {
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}

double chi_square_quantile_of_tail(double p, double degrees) {
  return boost::math::quantile(boost::math::complement(boost::math::chi_squared(degrees), p));
}

double student_quantile_of_tail(double p, double degrees) {
  return boost::math::quantile(boost::math::complement(boost::math::students_t(degrees), p));
}

double log_factorial(double n) {
  int sign = 0;
  return ::lgamma_r(n + 1, &sign);
}

}  // namespace slipway::checks
