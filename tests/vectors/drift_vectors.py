"""Recomputes the values that src/domain/checks/drift_test.cc expects, with SciPy and NumPy. Run by hand:

    python tests/vectors/drift_vectors.py        (needs numpy and scipy)

Prints one line a value: its name, and the value with 10 digits after the point. Written from the definitions of
docs/reference/drift.md, with SciPy's own functions wherever it has one.
"""
import math

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon


def show(name, value):
    print(f"{name:34s} {value:.10f}")


def shares(counts):
    counts = np.asarray(counts, dtype=float)
    return counts / counts.sum()


def filled(p):
    smallest = p[p > 0].min()
    return np.where(p == 0, smallest / 1e6 if smallest <= 0.0001 else 0.0001, p)


def psi(r, c):
    return float(((r - c) * np.log(r / c)).sum())


def hellinger(r, c):
    return math.sqrt(1 - np.sqrt(r * c).sum())


def categories(name, ref, cur):
    r, c = shares(ref), shares(cur)
    show(f"{name} js distance ln", jensenshannon(r, c))
    show(f"{name} js distance base 2", jensenshannon(r, c, base=2))
    show(f"{name} js divergence base 2", jensenshannon(r, c, base=2) ** 2)
    show(f"{name} hellinger", hellinger(r, c))
    show(f"{name} tvd", abs(r - c).sum() / 2)
    show(f"{name} l infinity", abs(r - c).max())
    show(f"{name} psi", psi(filled(r), filled(c)))
    show(f"{name} kl", stats.entropy(filled(r), filled(c)))


def v1():
    ref, cur = [16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8]
    categories("V1", ref, cur)
    expected = np.array(ref) * sum(cur) / sum(ref)
    chi, g = stats.chisquare(cur, expected), stats.power_divergence(cur, expected, lambda_="log-likelihood")
    show("V1 chi-square", chi.statistic)
    show("V1 chi-square p", chi.pvalue)
    show("V1 g", g.statistic)
    show("V1 g p", g.pvalue)


def v2():
    a = np.array([38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0])
    b = np.array([39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8])
    exact = stats.ks_2samp(a, b, method="exact")
    show("V2 ks", exact.statistic)
    show("V2 ks p exact", exact.pvalue)
    show("V2 kolmogorov(sqrt(n m/(n+m)) D)", stats.kstwobign.sf(math.sqrt(4) * exact.statistic))
    w = stats.wasserstein_distance(a, b)
    show("V2 w1", w)
    show("V2 deviation of a", a.std())
    show("V2 w1 normed", w / a.std())


def v3():
    categories("V3", [60, 40, 0], [50, 40, 10])
    r, c = np.maximum(shares([60, 40, 0]), 0.01), np.maximum(shares([50, 40, 10]), 0.01)
    show("V3 psi, floor 0.01", psi(r, c))
    r, c = shares([60.5, 40.5, 0.5]), shares([50.5, 40.5, 10.5])
    show("V3 psi, Jeffreys", psi(r, c))


def v4():
    pooled = (50 + 65) / 200
    z = 0.15 / math.sqrt(pooled * (1 - pooled) * 2 / 100)
    show("V4 z", z)
    show("V4 z p", 2 * stats.norm.sf(z))
    show("V4 fisher p", stats.fisher_exact([[50, 50], [65, 35]]).pvalue)


def v5():
    ref = 0.5 * np.arange(64)
    cur = ref + 3
    edges = np.histogram_bin_edges(np.concatenate([ref, cur]), "sturges")
    h1, h2 = np.histogram(ref, edges)[0], np.histogram(cur, edges)[0]
    print("V5 sturges", len(edges) - 1, edges[0], edges[-1], h1.tolist(), h2.tolist())
    r, c = shares(h1), shares(h2)
    show("V5 psi", psi(filled(r), filled(c)))
    show("V5 kl", stats.entropy(filled(r), filled(c)))
    show("V5 js distance ln", jensenshannon(r, c))
    show("V5 hellinger", hellinger(r, c))
    show("V5 w1 normed", stats.wasserstein_distance(ref, cur) / ref.std())
    ks = stats.ks_2samp(ref, cur)
    show("V5 ks", ks.statistic)
    show("V5 ks p exact", ks.pvalue)
    edges = np.histogram_bin_edges(ref, "doane")
    h1, h2 = np.histogram(ref, edges)[0], np.histogram(cur, edges)[0]
    left = len(cur) - h2.sum()
    print("V5 doane", len(edges) - 1, edges[0], edges[-1], h1.tolist(), h2.tolist(), left)
    r, c = shares([*h1, 0]), shares([*h2, left])
    show("V5 doane js base 2", jensenshannon(r, c, base=2))
    show("V5 doane hellinger", hellinger(r, c))


def v6():
    show("V6 jsd", jensenshannon([10, 10, 10, 30], [20, 10, 10, 20], base=2) ** 2)
    show("V6b jsd", jensenshannon([50, 50, 0, 10], [50, 50, 10, 0], base=2) ** 2)


def cramers_v(ref, cur):
    table = np.array([ref, cur])
    n, k = table.sum(), table.shape[1]
    phi2 = max(0, stats.chi2_contingency(table).statistic / n - (k - 1) / (n - 1))
    return math.sqrt(phi2 / min(k - (k - 1) ** 2 / (n - 1) - 1, 2 - 1 / (n - 1) - 1))


def v7():
    show("V7 cramer's v", cramers_v((60, 30, 10), (40, 30, 30)))
    # Deepchecks scales the larger side down to the smaller one before the table is made.
    show("V7 cramer's v, scaled", cramers_v((450, 50), (400, 100)))


def more():
    """Beyond the published vectors: sizes that differ, ties, and tails."""
    a, b = np.arange(30) % 7, np.arange(50) % 11
    ks = stats.ks_2samp(a, b, method="exact")
    show("ks of 30 and 50 with ties", ks.statistic)
    show("its p exact", ks.pvalue)
    show("its p asymptotic (Kolmogorov)", stats.kstwobign.sf(math.sqrt(30 * 50 / 80) * ks.statistic))
    show("its w1", stats.wasserstein_distance(a, b))
    table = stats.chi2_contingency([[20, 30, 50], [35, 25, 20]])
    show("chi-square of two", table.statistic)
    show("its p", table.pvalue)
    show("kolmogorov sf(0.5)", stats.kstwobign.sf(0.5))
    show("kolmogorov sf(1.17)", stats.kstwobign.sf(1.17))
    show("kolmogorov sf(1.19)", stats.kstwobign.sf(1.19))
    show("kolmogorov sf(2.5)", stats.kstwobign.sf(2.5))
    show("chi-square sf(103.4424, 63)", stats.chi2.sf(103.4424, 63))
    print("chi-square isf(0.001, 63)", stats.chi2.isf(0.001, 63))
    x = stats.false_discovery_control([0.001, 0.02, 0.04, 0.03, 0.6])
    print("benjamini-hochberg", x.tolist())


for vector in (v1, v2, v3, v4, v5, v6, v7, more):
    vector()
