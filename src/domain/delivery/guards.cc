#include "domain/delivery/guards.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "base/text.h"
#include "domain/delivery/clusters.h"

namespace slipway::delivery {
namespace {

using project::StepKind;

// A design effect that people are told of.
constexpr double kWorthSaying = 1.5;

Trials trials(std::int64_t answers, std::int64_t events) {
  return {std::max<std::int64_t>(answers, 0), std::clamp<std::int64_t>(events, 0, answers)};
}

Counted split_counts(Measure measure, const AnswerCounts& counts) {
  const bool slow = measure == Measure::kSlow;
  const ArmCounts& c = counts.candidate;
  const ArmCounts& s = counts.stable;
  return {trials(c.requests, slow ? c.slow : c.errors),
          trials(s.requests, slow ? s.slow : s.errors)};
}

/// Of pairs, those where one version alone did badly.
Counted paired_counts(Measure measure, const AnswerCounts& counts) {
  const PairCounts& p = counts.pairs;
  if (measure == Measure::kLabelFlips) return {trials(p.pairs, p.flips), trials(p.pairs, 0)};
  if (measure == Measure::kSlow)
    return {trials(p.pairs, p.slow_candidate_only), trials(p.pairs, p.slow_stable_only)};
  return {trials(p.pairs, p.errors_candidate_only), trials(p.pairs, p.errors_stable_only)};
}

template <class F>
CountedPart by_clusters(const StepCounts& counts, F count) {
  CountedPart part{count(counts), {}};
  for (const AnswerCounts& cluster : counts.clusters) part.clusters.push_back(count(cluster));
  return part;
}

CountedPart split_part(Measure measure, const StepCounts& counts) {
  return by_clusters(counts, [&](const AnswerCounts& c) { return split_counts(measure, c); });
}

CountedPart paired_part(Measure measure, const StepCounts& counts) {
  return by_clusters(counts, [&](const AnswerCounts& c) { return paired_counts(measure, c); });
}

/// How many values each version gave, and nothing of them: whom they are from.
CountedPart scored_part(const StepCounts& counts) {
  return by_clusters(counts, [](const AnswerCounts& c) {
    return Counted{{c.candidate.scores.count, 0}, {c.stable.scores.count, 0}};
  });
}

/// How many events of one caller may weigh as one. A caller whose requests are large has slow answers
/// from any version, however many; what fails is asked of the other version too.
double burst_of(Measure measure) {
  return measure == Measure::kSlow ? std::numeric_limits<double>::infinity() : kBurstMax;
}

/// log of the mean of two e-values, which is one.
double log_half_each(double a, double b) {
  const double high = std::max(a, b), low = std::min(a, b);
  if (std::isinf(high)) return high;
  return high + std::log1p(std::exp(low - high)) - std::log(2.0);
}

/// Of all steps in which the candidate answered: who was on it before is on it still.
double log_e_worse_in_all(Measure measure, const std::vector<StepCounts>& steps) {
  std::vector<CountedPart> parts;
  for (const StepCounts& step : steps) parts.push_back(split_part(measure, step));
  const double effect = design_effect(parts, burst_of(measure));
  CountTest all;
  for (const CountedPart& part : parts) {
    const Effective candidate(part.whole.candidate, effect), stable(part.whole.stable, effect);
    all.add(part.whole.share(), candidate.events, stable.events);
  }
  return all.log_e_worse();
}

/// By how much evidence shrinks: of harm, and of there being none.
struct Effects {
  double seen = 1, unseen = 1;
};

Effects effects_of(const Guard& guard, bool paired, const CountedPart& part) {
  const double burst = burst_of(guard.measure);
  if (paired) {
    const double seen = paired_design_effect(part, burst);
    return {seen, paired_unseen_effect(part, seen)};
  }
  const double seen = design_effect({&part, 1}, burst);
  return {seen, unseen_effect(part, seen)};
}

Evidence split_evidence(const Guard& guard, const Counted& now, const Effects& effects,
                        const std::vector<StepCounts>& parts) {
  const Effective candidate(now.candidate, effects.seen), stable(now.stable, effects.seen);
  const double events = candidate.events + stable.events;
  Evidence e;
  const double alone = log_e_above(now.share(), events, candidate.events);
  e.log_e_harmful = parts.size() > 1
                        ? log_half_each(alone, log_e_worse_in_all(guard.measure, parts))
                        : alone;
  const Effective well(now.candidate, effects.unseen), others(now.stable, effects.unseen);
  e.log_e_superior = log_e_below(now.share(), well.events + others.events, well.events);
  if (guard.margin) e.log_e_non_inferior = log_e_within(well, others, *guard.margin);
  return e;
}

/// Of a guard without a margin, whatever it counts.
bool leans(const Guard& guard, bool paired, const Counted& now, const Effects& effects,
           const Evidence& e, double log_enough) {
  if (guard.margin || !guard.critical) return false;
  Leaning leaning{now.candidate.events, e.log_e_harmful, e.log_e_harmful, kNoEvidence};
  if (std::isfinite(burst_of(guard.measure)))
    leaning.one_by_one =
        log_e_above(paired ? 0.5 : now.share(), static_cast<double>(now.events()),
                    static_cast<double>(now.candidate.events));
  const Effective candidate(now.candidate, effects.seen), stable(now.stable, effects.seen);
  leaning.little = paired ? log_e_below(kLittle, candidate.trials, candidate.events)
                          : log_e_within(candidate, stable, kLittle);
  return leans_to_harm(leaning, log_enough);
}

/// Of the pairs where only one did badly, half are the candidate's if both are equally good. Its
/// rate of those bounds the difference of rates from above.
Evidence paired_evidence(const Guard& guard, const Counted& now, const Effects& effects) {
  const Effective mine(now.candidate, effects.seen), other(now.stable, effects.seen);
  Evidence e;
  e.log_e_harmful = log_e_above(0.5, mine.events + other.events, mine.events);
  const Effective well(now.candidate, effects.unseen), others(now.stable, effects.unseen);
  e.log_e_superior = log_e_below(0.5, well.events + others.events, well.events);
  if (guard.margin) e.log_e_non_inferior = log_e_below(*guard.margin, well.trials, well.events);
  return e;
}

/// Labels that differ are compared with the margin itself.
Evidence flip_evidence(const Guard& guard, const Trials& pairs, const Effects& effects) {
  Evidence e;
  if (!guard.margin) return e;
  const Effective flips(pairs, effects.seen), well(pairs, effects.unseen);
  e.log_e_harmful = log_e_above(*guard.margin, flips.trials, flips.events);
  e.log_e_non_inferior = log_e_below(*guard.margin, well.trials, well.events);
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
  // They answer alike to the bit, whatever the margin is in units of scores that never vary.
  if (d.difference == 0 && d.variance <= 0) {
    e.log_e_non_inferior = std::numeric_limits<double>::infinity();
    return e;
  }
  e.log_e_harmful = log_half_each(log_e_mean_above(d, *margin), log_e_mean_below(d, -*margin));
  e.log_e_non_inferior = std::min(log_e_mean_below(d, *margin), log_e_mean_above(d, -*margin));
  return e;
}

double rate(const Trials& t) {
  return t.trials == 0 ? 0 : static_cast<double>(t.events) / static_cast<double>(t.trials);
}

/// In three digits, and no more than say it: "22.9", "-0.0452", "1340".
std::string rounded(double value) {
  if (!std::isfinite(value)) return value > 0 ? "inf" : "-inf";
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  std::string shortest = python_repr(std::strtod(text, nullptr));
  if (shortest.ends_with(".0")) shortest.resize(shortest.size() - 2);
  return shortest;
}

/// E itself, for people; beyond 10^6 nobody needs figures.
std::string e_value(double log_e) {
  if (log_e > std::log(1e6)) return "> 10^6";
  const double e = std::exp(log_e);
  return e < 0.01 ? "< 0.01" : rounded(e);
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

std::string compared(const Trials& candidate, const Trials& stable, const std::string& noun) {
  return std::to_string(candidate.events) + " of " + std::to_string(candidate.trials) +
         " answers of the candidate " + noun + ", " + std::to_string(stable.events) + " of " +
         std::to_string(stable.trials) + " of the stable version";
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
  if (g.paired)
    return std::to_string(g.candidate.events) + " of " + std::to_string(g.candidate.trials) +
           " pairs " + noun + " by the candidate only, " + std::to_string(g.stable.events) +
           " by the stable version only";
  return compared(g.candidate, g.stable, noun);
}

/// Whom it is from, where that makes a difference.
std::string of_callers(const GuardEvidence& g) {
  if (g.measure == Measure::kScoreMean) {
    if (g.callers <= 0 || g.callers >= kCallersMin) return "";
    return ", as many as of " + rounded(g.callers) + " callers; means are compared from " +
           std::to_string(kCallersMin) + " on";
  }
  std::string words;
  if (g.design_effect >= kWorthSaying)
    words = "; callers have many each, which weigh as one for every " + rounded(g.design_effect);
  const bool wants_more = g.has_margin && g.finding == Finding::kUndecided;
  if (wants_more && g.callers_needed > 0)
    return words + "; that all is well is shown by callers: about " +
           std::to_string(g.callers_needed) + " of the candidate are needed at this margin, " +
           std::to_string(g.callers_came) + (g.callers_came == 1 ? " has" : " have") + " come";
  if (wants_more && g.unseen_effect >= kWorthSaying && g.unseen_effect > g.design_effect)
    words += "; that all is well is shown by callers, as many as of " + rounded(g.callers) +
             " were answered";
  return words;
}

std::string in_words(const GuardEvidence& g) {
  const double decisive = g.finding == Finding::kHarmful    ? g.log_e.log_e_harmful
                          : g.finding == Finding::kSuperior ? g.log_e.log_e_superior
                          : g.has_margin                    ? g.log_e.log_e_non_inferior
                                                            : g.log_e.log_e_harmful;
  std::string finding = to_string(g.finding);
  std::replace(finding.begin(), finding.end(), '_', '-');
  const char* leaning = g.leans ? "; that leans to harm, more answers have to tell" : "";
  return g.guard + ": " + finding + ", " + figures(g) + leaning + of_callers(g) + " (E " +
         e_value(decisive) + ", " + e_value(g.log_enough) + " is enough)";
}

MeanDifference mean_of(const project::RolloutStep& step, const StepCounts& counts) {
  if (step.kind == StepKind::kShadow)
    return clustered_pairs(paired_difference(counts.pairs.differences, counts.stable.scores),
                           counts);
  return clustered_split(split_difference(counts.candidate.scores, counts.stable.scores), counts);
}

/// By all that it answered in the step, alone or in pairs.
bool stable_misses(const Guard& guard, const StepCounts& counts, double alpha) {
  if (!guard.allowed) return false;
  const CountedPart part = split_part(guard.measure, counts);
  const Trials& stable = part.whole.stable;
  // Of a requirement that allows none, one is a miss.
  if (*guard.allowed <= 0) return stable.events > 0;
  const Effective worth(stable, effects_of(guard, false, part).seen);
  return log_e_above(*guard.allowed, worth.trials, worth.events) >= -std::log(alpha);
}

std::int64_t times(std::int64_t answers, double design_effect) {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(answers) * design_effect));
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
    const std::int64_t pairs = counts.pairs.differences.count;
    g.candidate = {g.paired ? pairs : counts.candidate.scores.count, 0};
    g.stable = {g.paired ? pairs : counts.stable.scores.count, 0};
    g.callers = callers_of_candidate(scored_part(counts));
    g.difference = d.difference;
    g.log_e = mean_evidence(mean_margin(guard, counts), d);
  } else {
    const CountedPart part =
        g.paired ? paired_part(guard.measure, counts) : split_part(guard.measure, counts);
    const Counted& now = part.whole;
    g.callers = callers_of_candidate(part);
    const Effects effects = effects_of(guard, g.paired, part);
    g.design_effect = effects.seen;
    g.unseen_effect = effects.unseen;
    g.candidate = now.candidate;
    g.stable = now.stable;
    g.difference = rate(now.candidate) - rate(now.stable);
    g.log_e = guard.measure == Measure::kLabelFlips
                  ? flip_evidence(guard, now.candidate, effects)
              : g.paired ? paired_evidence(guard, now, effects)
                         : split_evidence(guard, now, effects, canary_parts);
    g.leans = leans(guard, g.paired, now, effects, g.log_e, g.log_enough);
  }
  g.share = Counted{g.candidate, g.stable}.share();
  g.stable_misses = stable_misses(guard, counts, alpha);
  g.has_data = g.candidate.trials > 0 && g.stable.trials > 0;
  g.finding = g.has_data ? decide(g.log_e, alpha) : Finding::kUndecided;
  const bool good = g.finding == Finding::kSuperior || g.finding == Finding::kNonInferior;
  g.leans = g.leans && g.finding == Finding::kUndecided;
  g.clear = g.has_data && (g.has_margin ? good : g.finding != Finding::kHarmful && !g.leans);
  g.words = in_words(g);
  return g;
}

bool leans_to_harm(const Leaning& leaning, double log_enough) {
  if (leaning.events < 2 || leaning.little >= log_enough) return false;
  return std::max(leaning.weighed, leaning.one_by_one) >= std::log(kLeaning);
}

std::string failures_in_words(const Trials& candidate, const Trials& stable) {
  return compared(candidate, stable, noun_of(Measure::kErrors));
}

void add_need(const Guard& guard, const project::RolloutStep& step, const StepCounts& counts,
              double alpha, GuardEvidence& g) {
  if (!guard.margin) return;
  if (guard.measure == Measure::kScoreMean) {
    g.needed = mean_answers_needed(mean_of(step, counts), *mean_margin(guard, counts), alpha);
    return;
  }
  const bool paired = step.kind == StepKind::kShadow;
  const CountedPart part =
      paired ? paired_part(guard.measure, counts) : split_part(guard.measure, counts);
  const std::int64_t independent =
      paired ? pairs_needed(*guard.margin, alpha, rate(part.whole.candidate))
             : answers_needed(*guard.margin, alpha, step.percent / 100, rate(part.whole.stable));
  const double effect = effects_of(guard, paired, part).unseen;
  g.needed = times(independent, effect);
  const double came = callers_that_count(part);
  if (came <= 0) return;
  // More answers of the same callers weigh no more: they would have to be others.
  const double each = static_cast<double>(part.whole.candidate.trials) / came;
  const double callers =
      std::min(static_cast<double>(independent) * effect / each, kCallersMany * effect / each);
  if (callers <= came) return;
  g.needed = 0;
  g.callers_came = std::llround(came);
  g.callers_needed = std::max(static_cast<std::int64_t>(std::ceil(callers)), g.callers_came + 1);
  g.words = in_words(g);
}

}  // namespace slipway::delivery
