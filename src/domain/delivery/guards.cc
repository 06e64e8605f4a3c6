#include "domain/delivery/guards.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace slipway::delivery {
namespace {

using project::StepKind;

/// What a guard counts, of both versions.
struct Counted {
  Trials candidate, stable;
  double share() const {
    const std::int64_t both = candidate.trials + stable.trials;
    return both == 0 ? 0 : static_cast<double>(candidate.trials) / static_cast<double>(both);
  }
  std::int64_t events() const { return candidate.events + stable.events; }
};

Trials trials(std::int64_t answers, std::int64_t events) {
  return {std::max<std::int64_t>(answers, 0), std::clamp<std::int64_t>(events, 0, answers)};
}

Counted split_counts(Measure measure, const StepCounts& counts) {
  const bool slow = measure == Measure::kSlow;
  const ArmCounts& c = counts.candidate;
  const ArmCounts& s = counts.stable;
  return {trials(c.requests, slow ? c.slow : c.errors),
          trials(s.requests, slow ? s.slow : s.errors)};
}

/// Of pairs, those where one version alone did badly.
Counted paired_counts(Measure measure, const PairCounts& p) {
  if (measure == Measure::kLabelFlips) return {trials(p.pairs, p.flips), trials(p.pairs, 0)};
  if (measure == Measure::kSlow)
    return {trials(p.pairs, p.slow_candidate_only), trials(p.pairs, p.slow_stable_only)};
  return {trials(p.pairs, p.errors_candidate_only), trials(p.pairs, p.errors_stable_only)};
}

/// log of the mean of two e-values, which is one.
double log_half_each(double a, double b) {
  const double high = std::max(a, b), low = std::min(a, b);
  if (std::isinf(high)) return high;
  return high + std::log1p(std::exp(low - high)) - std::log(2.0);
}

Evidence split_evidence(const Guard& guard, const Counted& now,
                        const std::vector<StepCounts>& parts) {
  CountTest all;
  for (const StepCounts& part : parts) {
    const Counted counted = split_counts(guard.measure, part);
    all.add(counted.share(), counted.candidate.events, counted.stable.events);
  }
  Evidence e;
  const double alone = log_e_above(now.share(), now.events(), now.candidate.events);
  e.log_e_harmful = parts.size() > 1 ? log_half_each(alone, all.log_e_worse()) : alone;
  e.log_e_superior = log_e_below(now.share(), now.events(), now.candidate.events);
  if (guard.margin) e.log_e_non_inferior = log_e_within(now.candidate, now.stable, *guard.margin);
  return e;
}

/// Of the pairs where only one did badly, half are the candidate's if both are equally good. Its
/// rate of those bounds the difference of rates from above.
Evidence paired_evidence(const Guard& guard, const Counted& now) {
  const Trials& mine = now.candidate;
  Evidence e;
  e.log_e_harmful = log_e_above(0.5, now.events(), mine.events);
  e.log_e_superior = log_e_below(0.5, now.events(), mine.events);
  if (guard.margin) e.log_e_non_inferior = log_e_below(*guard.margin, mine.trials, mine.events);
  return e;
}

/// Labels that differ are compared with the margin itself.
Evidence flip_evidence(const Guard& guard, const Trials& flips) {
  Evidence e;
  if (!guard.margin) return e;
  e.log_e_harmful = log_e_above(*guard.margin, flips.trials, flips.events);
  e.log_e_non_inferior = log_e_below(*guard.margin, flips.trials, flips.events);
  return e;
}

/// Scores may move either way: harm on either side, half of the evidence each; within the margin
/// when both bounds hold.
Evidence mean_evidence(const std::optional<double>& margin, const MeanDifference& d) {
  Evidence e;
  if (!margin) {
    e.log_e_harmful = log_e_different(d);
    return e;
  }
  if (d.count < kMeanMin) return e;
  e.log_e_harmful = log_half_each(log_e_mean_above(d, *margin), log_e_mean_below(d, -*margin));
  e.log_e_non_inferior = std::min(log_e_mean_below(d, *margin), log_e_mean_above(d, -*margin));
  return e;
}

double rate(const Trials& t) {
  return t.trials == 0 ? 0 : static_cast<double>(t.events) / static_cast<double>(t.trials);
}

std::string rounded(double value) {
  if (!std::isfinite(value)) return value > 0 ? "inf" : "-inf";
  const double unit = std::pow(10, std::floor(std::log10(std::max(std::fabs(value), 1e-12))) - 2);
  return python_repr(std::round(value / unit) * unit);
}

/// E itself, for people; beyond 10^6 nobody needs figures.
std::string e_value(double log_e) {
  if (log_e > std::log(1e6)) return "> 10^6";
  const double e = std::exp(log_e);
  return e < 0.01 ? "< 0.01" : python_repr(std::round(e * 100) / 100);
}

const char* noun_of(Measure measure) {
  switch (measure) {
    case Measure::kErrors:
      return "failed";
    case Measure::kSlow:
      return "were slow";
    case Measure::kLabelFlips:
      return "had another label";
    case Measure::kScoreMean:
      return "";
  }
  return "";
}

std::string figures(const GuardEvidence& g) {
  if (!g.has_data) return "no answers to compare";
  if (g.measure == Measure::kScoreMean)
    return "mean score differs by " + rounded(g.difference) + " over " +
           std::to_string(g.candidate.trials) + (g.paired ? " pairs" : " answers of the candidate");
  const std::string noun = noun_of(g.measure);
  if (g.measure == Measure::kLabelFlips)
    return std::to_string(g.candidate.events) + " of " + std::to_string(g.candidate.trials) +
           " pairs " + noun;
  const std::string by_candidate =
      std::to_string(g.candidate.events) + " of " + std::to_string(g.candidate.trials);
  if (g.paired)
    return by_candidate + " pairs " + noun + " by the candidate only, " +
           std::to_string(g.stable.events) + " by the stable version only";
  return by_candidate + " answers of the candidate " + noun + ", " +
         std::to_string(g.stable.events) + " of " + std::to_string(g.stable.trials) +
         " of the stable version";
}

std::string in_words(const GuardEvidence& g) {
  const double decisive = g.finding == Finding::kHarmful    ? g.log_e.log_e_harmful
                          : g.finding == Finding::kSuperior ? g.log_e.log_e_superior
                          : g.has_margin                    ? g.log_e.log_e_non_inferior
                                                            : g.log_e.log_e_harmful;
  std::string finding = to_string(g.finding);
  std::replace(finding.begin(), finding.end(), '_', '-');
  return g.guard + ": " + finding + ", " + figures(g) + " (E " + e_value(decisive) + ", " +
         e_value(g.log_enough) + " is enough)";
}

MeanDifference mean_of(const project::RolloutStep& step, const StepCounts& counts) {
  return step.kind == StepKind::kShadow
             ? paired_difference(counts.pairs.differences, counts.stable.scores)
             : split_difference(counts.candidate.scores, counts.stable.scores);
}

/// By all that it answered in the step, alone or in pairs.
bool stable_misses(const Guard& guard, const StepCounts& counts, double alpha) {
  if (!guard.allowed) return false;
  const Trials stable = split_counts(guard.measure, counts).stable;
  // Of a requirement that allows none, one is a miss.
  if (*guard.allowed <= 0) return stable.events > 0;
  return log_e_above(*guard.allowed, stable.trials, stable.events) >= -std::log(alpha);
}

/// In units of the score.
std::optional<double> mean_margin(const Guard& guard, const StepCounts& counts) {
  if (!guard.margin) return std::nullopt;
  return *guard.margin * std::sqrt(counts.stable.scores.variance());
}

}  // namespace

GuardEvidence weigh(const Guard& guard, const project::RolloutStep& step, const StepCounts& counts,
                    const std::vector<StepCounts>& canary_parts, double alpha) {
  GuardEvidence g;
  g.guard = guard.name;
  g.measure = guard.measure;
  g.critical = guard.critical;
  g.has_margin = guard.margin.has_value();
  g.paired = step.kind == StepKind::kShadow;
  g.log_enough = -std::log(alpha);
  if (guard.measure == Measure::kScoreMean) {
    const MeanDifference d = mean_of(step, counts);
    g.candidate = {g.paired ? d.count : counts.candidate.scores.count, 0};
    g.stable = {g.paired ? d.count : counts.stable.scores.count, 0};
    g.difference = d.difference;
    g.log_e = mean_evidence(mean_margin(guard, counts), d);
  } else {
    const Counted now =
        g.paired ? paired_counts(guard.measure, counts.pairs) : split_counts(guard.measure, counts);
    g.candidate = now.candidate;
    g.stable = now.stable;
    g.difference = rate(now.candidate) - rate(now.stable);
    g.log_e = guard.measure == Measure::kLabelFlips ? flip_evidence(guard, now.candidate)
              : g.paired                            ? paired_evidence(guard, now)
                                                    : split_evidence(guard, now, canary_parts);
  }
  g.share = Counted{g.candidate, g.stable}.share();
  g.stable_misses = stable_misses(guard, counts, alpha);
  g.has_data = g.candidate.trials > 0 && g.stable.trials > 0;
  g.finding = g.has_data ? decide(g.log_e, alpha) : Finding::kUndecided;
  const bool good = g.finding == Finding::kSuperior || g.finding == Finding::kNonInferior;
  g.clear = g.has_data && (g.has_margin ? good : g.finding != Finding::kHarmful);
  g.words = in_words(g);
  return g;
}

std::int64_t needed_answers(const Guard& guard, const project::RolloutStep& step,
                            const StepCounts& counts, double alpha) {
  if (!guard.margin) return 0;
  if (guard.measure == Measure::kScoreMean)
    return mean_answers_needed(mean_of(step, counts), *mean_margin(guard, counts), alpha);
  if (step.kind == StepKind::kShadow)
    return pairs_needed(*guard.margin, alpha,
                        rate(paired_counts(guard.measure, counts.pairs).candidate));
  const Counted now = split_counts(guard.measure, counts);
  return answers_needed(*guard.margin, alpha, step.percent / 100, rate(now.stable));
}

}  // namespace slipway::delivery
