#!/usr/bin/env python3
"""Recomputes, with SciPy alone, the values that src/domain/delivery/sequential_test.cc expects.

Integrals and sums are taken directly from the definitions; none of the closed forms of beta.cc is used.
    python tests/data/delivery/make_vectors.py
"""
import math

import numpy as np
from scipy import integrate, special, stats


def log_e_above(p, n, x, k=2.0):
    """By integration of the likelihood ratio over the truncated prior, with q = 1 - (1 - p) exp(-t), t > 0."""
    a, b = k * p, k * (1 - p)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    centre = math.log((1 - p) / (1 - min(max(x / n, p), 1 - 1e-9)))
    width = math.sqrt(max(x, 1) * max(n - x, 1) / n**3) / (1 - min(max(x / n, p), 1 - 1e-9))
    cuts = np.unique(np.concatenate([[0], np.logspace(-16, 3, 4000), np.clip(centre + width * np.linspace(-40, 40, 2000), 0, None)]))
    half, middle = (cuts[1:] - cuts[:-1]) / 2, (cuts[1:] + cuts[:-1]) / 2
    t = (middle[:, None] + half[:, None] * nodes).ravel()
    weight = (half[:, None] * weights).ravel()
    q = -np.expm1(math.log1p(-p) - t)
    # q / p - 1 = (1 - p) (1 - exp(-t)) / p; dq = (1 - q) dt.
    log_prior = (a - 1) * np.log(q) + b * (math.log1p(-p) - t) + np.log(weight)
    log_ratio = x * np.log1p(-(1 - p) * np.expm1(-t) / p) - (n - x) * t
    return float(special.logsumexp(log_prior + log_ratio) - special.logsumexp(log_prior))


def log_e_within(candidate, stable, margin, a=0.1, b=1.9):
    def log_marginal(n, x):
        return special.betaln(a + x, b + n - x) - special.betaln(a, b)

    def log_likelihood(p):
        (nc, xc), (ns, xs) = candidate, stable
        return (special.xlogy(xc, p + margin) + special.xlog1py(nc - xc, -(p + margin)) + special.xlogy(xs, p)
                + special.xlog1py(ns - xs, -p))

    def marginals():
        return log_marginal(*candidate) + log_marginal(*stable)

    (nc, xc), (ns, xs) = candidate, stable
    if xc / nc >= xs / ns + margin:  # the likeliest pair of all lies in the hypothesis
        return marginals() - float(sum(special.xlogy(x, x / n) + special.xlog1py(n - x, -x / n) for n, x in (candidate, stable)))
    grid = np.concatenate([[0], np.logspace(-12, 0, 400_001) * (1 - margin)])
    best = grid[np.argmax(log_likelihood(grid))]
    low, high = max(0, best * 0.99 - 1e-9), min(1 - margin, best * 1.01 + 1e-9)
    fine = np.linspace(low, high, 2_000_001)
    return marginals() - float(np.max(log_likelihood(fine)))


def log_mixture(d, v, tau, one_sided):
    """By integration over the mixing distribution."""
    def f(theta):
        return (d * theta - theta * theta / 2) / v + stats.norm.logpdf(theta, scale=tau)
    peak = d * tau * tau / (v + tau * tau)
    width = math.sqrt(v * tau * tau / (v + tau * tau))
    top = f(peak)
    low = 0 if one_sided else peak - 40 * width
    high = max(peak, 0) + 40 * width
    inner = [p for p in (peak - 3 * width, peak, peak + 3 * width) if low < p < high]
    total = integrate.quad(lambda t: math.exp(f(t) - top), low, high, points=inner or None, limit=2000, epsabs=0, epsrel=1e-12)[0]
    return top + math.log(total) + (math.log(2) if one_sided else 0)


CLUSTERS = [(6, 1, 20, 3), (7, 0, 21, 4), (1, 0, 20, 1), (7, 5, 4, 1), (4, 1, 28, 5), (5, 0, 18, 0), (6, 1, 27, 3),
            (3, 2, 10, 0), (8, 3, 12, 1), (1, 1, 26, 2), (3, 0, 8, 0), (4, 1, 4, 0)]


def design_effect(rows):
    """Of clusters with answers and events of the candidate, then of the stable version."""
    n_c, x_c, n_s, x_s = np.array(rows, float).T

    def variance(n, x):
        without = [np.delete(x, b).sum() / np.delete(n, b).sum() for b in range(len(n))]  # the rate, by the jackknife
        return n.sum()**2 * (len(n) - 1) / len(n) * sum((x.sum() / n.sum() - rate)**2 for rate in without)
    p = n_c.sum() / (n_c.sum() + n_s.sum())
    return (((1 - p)**2 * variance(n_c, x_c) + p**2 * variance(n_s, x_s))
            / ((1 - p)**2 * x_c.sum() + p**2 * x_s.sum()))


def main():
    print(f"design effect of the twelve clusters: {design_effect(CLUSTERS):.12g}")
    print("log_e_above: share, events, on candidate, value")
    for p, n, x in [(0.2, 1, 1), (0.2, 10, 2), (0.2, 36, 20), (0.05, 100, 12), (0.05, 100, 1), (0.5, 40, 30), (0.5, 40, 4),
                    (0.01, 1000, 30), (0.2, 100_000, 20_500), (0.2, 100_000, 20_000), (0.5, 10**6, 502_000),
                    (0.2, 10**9, 200_100_000), (0.2, 10**9, 200_000_000), (0.9, 30, 30)]:
        print(f"    {{{p}, {n}, {x}, {log_e_above(p, n, x):.12g}}},")
    print("log_e_within: candidate trials, events, stable trials, events, margin, value")
    for candidate, stable, margin in [((84, 0), (84, 0), .1), ((50, 0), (50, 0), .1), ((200, 2), (200, 4), .05),
                                      ((20_000, 200), (80_000, 800), .002), ((400, 20), (1600, 16), .1),
                                      ((50, 5), (50, 1), .02), ((100, 40), (100, 50), .05)]:
        print(f"    {{{{{candidate[0]}, {candidate[1]}}}, {{{stable[0]}, {stable[1]}}}, {margin}, "
              f"{log_e_within(candidate, stable, margin):.10g}}},")
    print("log_mixture: d, v, tau, two-sided, one-sided")
    for d, v, tau in [(.05, .001, .1), (0, .001, .1), (-.05, .001, .1), (.2, .0004, .1), (-3, .01, .1)]:
        print(f"    {{{d}, {v}, {tau}, {log_mixture(d, v, tau, False):.12g}, {log_mixture(d, v, tau, True):.12g}}},")
    print("betainc: a, b, p, log of the upper tail")
    for a, b, p in [(.4, 1.6, .2), (20.4, 17.6, .2), (2.5, 300, .2), (1000, 1000, .5), (.002, 1.998, .001)]:
        print(f"    {{{a}, {b}, {p}, {math.log(special.betaincc(a, b, p)):.12g}}},")
    print("upper bound of the mean of exp(2 sin(i)), i = 0..59; of clusters i % 12: BCa, 95 %, 100,000 replicates")
    values = np.exp(2 * np.sin(np.arange(60)))
    options = dict(confidence_level=.95, alternative="less", n_resamples=100_000, method="BCa", vectorized=True,
                   rng=np.random.default_rng(1))
    print(f"    {stats.bootstrap((values,), np.mean, **options).confidence_interval.high:.6g}")
    by_cluster = values.reshape(5, 12).mean(axis=0)
    print(f"    {stats.bootstrap((by_cluster,), np.mean, **options).confidence_interval.high:.6g}")


if __name__ == "__main__":
    main()
