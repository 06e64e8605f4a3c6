#include "domain/evidence/delivery_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/text.h"

namespace slipway::evidence {
namespace {

using wire::Json;

constexpr std::size_t kReleasesOfLevel = 10;
constexpr double kDayMs = 24 * 3600 * 1000.0;

/// By the nearest rank, so that every figure is one that was measured.
Spread spread_of(std::vector<double> values) {
  Spread spread;
  spread.count = static_cast<std::int64_t>(values.size());
  if (values.empty()) return spread;
  std::sort(values.begin(), values.end());
  auto at = [&](double share) {
    const double rank = std::ceil(share * static_cast<double>(values.size()));
    return values[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
  };
  spread.median_ms = at(0.5);
  spread.p90_ms = at(0.9);
  return spread;
}

bool is_of(const Repair& repair, const Release& release) {
  return repair.deployment == release.deployment && repair.model == release.model &&
         repair.version == std::to_string(release.version);
}

bool has_failed(const Release& release, const DeliveryFacts& facts, UnixMs observation_ms) {
  const UnixMs end = release.live_ms + observation_ms;
  if (release.failed_ms != 0 && release.failed_ms <= end) return true;
  return std::any_of(facts.repairs.begin(), facts.repairs.end(), [&](const Repair& repair) {
    return is_of(repair, release) && repair.opened_ms >= release.live_ms && repair.opened_ms <= end;
  });
}

struct Spans {
  std::vector<double> lead, training, gates, rollout;

  void add(const Release& release) {
    const UnixMs begun = release.caused_ms != 0 ? release.caused_ms : release.made_ms;
    add(lead, begun, release.live_ms);
    // Of a version that nothing is known to have begun with, nobody knows how long it took.
    add(training, release.caused_ms, release.made_ms);
    add(gates, release.requested_ms,
        release.traffic_ms != 0 ? release.traffic_ms : release.live_ms);
    add(rollout, release.traffic_ms, release.live_ms);
  }

 private:
  static void add(std::vector<double>& values, UnixMs from, UnixMs to) {
    if (from != 0 && to >= from) values.push_back(static_cast<double>(to - from));
  }
};

void count_promotion(const Release& release, const DeliveryFacts& facts, UnixMs observation_ms,
                     DeliveryReport& report) {
  const char* origin = to_string(release.origin);
  ++report.promotions;
  ++report.promotions_by_origin[origin];
  if (has_failed(release, facts, observation_ms)) {
    ++report.changes_failed;
    ++report.failed_by_origin[origin];
  } else if (report.to_ms - release.live_ms < observation_ms) {
    ++report.provisional;
  }
}

void count_repairs(const DeliveryFacts& facts, DeliveryReport& report) {
  std::vector<double> all;
  std::map<std::string, std::vector<double>> by_remedy;
  for (const Repair& repair : facts.repairs) {
    if (repair.closed_ms == 0 && repair.opened_ms < report.to_ms) ++report.incidents_open;
    if (repair.closed_ms < report.from_ms || repair.closed_ms >= report.to_ms) continue;
    if (repair.closed_ms == 0) continue;
    const double span = static_cast<double>(repair.closed_ms - repair.opened_ms);
    all.push_back(span);
    by_remedy[repair.remedy.empty() ? "none" : repair.remedy].push_back(span);
  }
  report.restore = spread_of(std::move(all));
  for (auto& [remedy, spans] : by_remedy) {
    report.restore_by_remedy[remedy] = spread_of(std::move(spans));
  }
}

Json to_json(const Spread& spread) {
  Json json;
  json.set("count", spread.count);
  if (spread.count > 0) {
    json.set("median_seconds", spread.median_ms / 1000);
    json.set("p90_seconds", spread.p90_ms / 1000);
  }
  return json;
}

Json to_json(const std::map<std::string, std::int64_t>& counts) {
  Json json(Json::Object{});
  for (const auto& [key, count] : counts) json.set(key, count);
  return json;
}

std::string span_text(double ms) {
  char text[32];
  if (ms < 120'000) {
    std::snprintf(text, sizeof text, "%.1f s", ms / 1000);
  } else if (ms < 7'200'000) {
    std::snprintf(text, sizeof text, "%.1f min", ms / 60'000);
  } else if (ms < 2 * kDayMs) {
    std::snprintf(text, sizeof text, "%.1f h", ms / 3'600'000);
  } else {
    std::snprintf(text, sizeof text, "%.1f days", ms / kDayMs);
  }
  return text;
}

std::string text_of(const Spread& spread) {
  if (spread.count == 0) return "not measured yet";
  return "median " + span_text(spread.median_ms) + ", p90 " + span_text(spread.p90_ms) + " (" +
         std::to_string(spread.count) + ")";
}

/// What a training was started for, in words.
std::string words_of(const std::string& origin) {
  if (origin == "by_hand") return "of versions made by hand";
  if (origin == "person") return "of runs that a person asked for";
  return "for " + origin;
}

std::string text_of(const std::map<std::string, std::int64_t>& promotions_by_origin) {
  std::vector<std::string> parts;
  for (const auto& [origin, count] : promotions_by_origin)
    parts.push_back(std::to_string(count) + " " + words_of(origin));
  return join(parts, ", ");
}

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

/// From a day on: what happened within minutes says nothing of a month.
std::string rate_text(const DeliveryReport& report) {
  if (report.to_ms - report.from_ms < kDayMs) return "";
  return ", " + two_digits(report.per_30_days) + " in 30 days";
}

}  // namespace

const char* to_string(Origin origin) {
  switch (origin) {
    case Origin::kByHand:
      return "by_hand";
    case Origin::kPerson:
      return "person";
    case Origin::kCalendar:
      return "calendar";
    case Origin::kMessage:
      return "message";
    case Origin::kData:
      return "data";
    case Origin::kCode:
      return "code";
    case Origin::kIncident:
      return "incident";
  }
  return "by_hand";
}

bool is_automatic(Origin origin) {
  return origin != Origin::kByHand && origin != Origin::kPerson;
}

DeliveryReport summarize(const DeliveryFacts& facts, UnixMs from_ms, UnixMs to_ms,
                         UnixMs observation_ms) {
  DeliveryReport report;
  report.from_ms = from_ms;
  report.to_ms = to_ms;
  Spans spans;
  std::set<std::string> models;
  auto is_in = [&](UnixMs time) { return time != 0 && time >= from_ms && time < to_ms; };
  for (const Release& release : facts.releases) {
    models.insert(release.model);
    if (is_in(release.live_ms)) {
      count_promotion(release, facts, observation_ms, report);
      spans.add(release);
    } else if (is_in(release.ended_ms)) {
      report.stopped += release.end == "stopped";
      report.rolled_back += release.end == "rolled_back";
    }
  }
  if (to_ms > from_ms) {
    report.per_30_days =
        static_cast<double>(report.promotions) * 30 * kDayMs / static_cast<double>(to_ms - from_ms);
  }
  if (report.promotions > 0) {
    report.change_failure_rate =
        static_cast<double>(report.changes_failed) / static_cast<double>(report.promotions);
  }
  report.lead = spread_of(std::move(spans.lead));
  report.training = spread_of(std::move(spans.training));
  report.gates = spread_of(std::move(spans.gates));
  report.rollout = spread_of(std::move(spans.rollout));
  count_repairs(facts, report);
  for (const std::string& model : models) report.levels.push_back(level_of(model, facts));
  return report;
}

DeliveryReport::Level level_of(const std::string& model, const DeliveryFacts& facts) {
  std::vector<const Release*> last;
  for (auto release = facts.releases.rbegin(); release != facts.releases.rend(); ++release) {
    if (release->model == model && last.size() < kReleasesOfLevel) last.push_back(&*release);
  }
  auto any = [&](auto&& holds) {
    return std::any_of(last.begin(), last.end(), [&](const Release* one) { return holds(*one); });
  };
  if (!any([](const Release& one) { return is_automatic(one.origin); })) {
    return {model, 1, "its last versions come from scripts and runs that people started"};
  }
  const auto known = facts.gates.find(model);
  auto has_gate = [&](std::initializer_list<const char*> names) {
    return known != facts.gates.end() &&
           std::any_of(names.begin(), names.end(), [&](const char* name) {
             return std::find(known->second.begin(), known->second.end(), name) !=
                    known->second.end();
           });
  };
  const bool data = has_gate({"contract"});
  const bool quality = has_gate({"quality", "parity"});
  if (!data || !quality) {
    return {model, 1,
            std::string("versions are trained by triggers, but no gate has judged ") +
                (data ? "the model (quality, parity)" : "its data (contract)")};
  }
  if (any([](const Release& one) {
        return one.origin == Origin::kCode && one.live_ms != 0 && !one.by_hand;
      })) {
    return {model, 3, "a commit became a live version with no person in between"};
  }
  return {model, 2,
          "triggers start its training and gates judge data and model; no commit has become a "
          "live version by itself yet"};
}

Json to_json(const DeliveryReport& report) {
  Json json;
  json.set("from", to_iso8601(report.from_ms));
  json.set("to", to_iso8601(report.to_ms));
  Json frequency;
  frequency.set("promotions", report.promotions);
  frequency.set("per_30_days", report.per_30_days);
  frequency.set("by_origin", to_json(report.promotions_by_origin));
  json.set("deployment_frequency", std::move(frequency));
  Json lead = to_json(report.lead);
  lead.set("training", to_json(report.training));
  lead.set("gates", to_json(report.gates));
  lead.set("rollout", to_json(report.rollout));
  json.set("lead_time", std::move(lead));
  Json restore = to_json(report.restore);
  Json by_remedy(Json::Object{});
  for (const auto& [remedy, spread] : report.restore_by_remedy) {
    by_remedy.set(remedy, to_json(spread));
  }
  restore.set("by_remedy", std::move(by_remedy));
  restore.set("open", report.incidents_open);
  json.set("time_to_restore", std::move(restore));
  Json failure;
  failure.set("failed", report.changes_failed);
  if (report.change_failure_rate) failure.set("rate", *report.change_failure_rate);
  failure.set("by_origin", to_json(report.failed_by_origin));
  failure.set("provisional", report.provisional);
  failure.set("stopped_by_gates", report.stopped);
  failure.set("rolled_back_in_rollout", report.rolled_back);
  json.set("change_failure", std::move(failure));
  Json::Array levels;
  for (const DeliveryReport::Level& one : report.levels) {
    Json level;
    level.set("model", one.model);
    level.set("level", one.level);
    level.set("why", one.why);
    levels.push_back(std::move(level));
  }
  json.set("automation", std::move(levels));
  return json;
}

std::string to_text(const DeliveryReport& report) {
  std::string text = "from " + to_iso8601(report.from_ms).substr(0, 10) + " to " +
                     to_iso8601(report.to_ms).substr(0, 10) + "\n";
  text += "deployment frequency  " + std::to_string(report.promotions) + " promotions" +
          rate_text(report);
  if (report.promotions > 0) text += " (" + text_of(report.promotions_by_origin) + ")";
  text += "\nlead time             " + text_of(report.lead);
  if (report.lead.count > 0) {
    text += "\n  until registered    " + (report.training.count == 0
                                              ? "not known: no run is known to have made them"
                                              : text_of(report.training));
    text += "\n  gates               " + text_of(report.gates);
    text += "\n  shadow and canary   " + text_of(report.rollout);
  }
  text += "\ntime to restore       " + text_of(report.restore);
  for (const auto& [remedy, spread] : report.restore_by_remedy) {
    const std::string by = remedy == "none" ? "without a remedy" : "by " + remedy;
    text += "\n  " + by + std::string(by.size() < 20 ? 20 - by.size() : 1, ' ') + text_of(spread);
  }
  if (report.incidents_open > 0) {
    text += "\n  open                " + std::to_string(report.incidents_open);
  }
  text += "\nchange failure rate   ";
  text += report.change_failure_rate ? two_digits(*report.change_failure_rate) + " (" +
                                           std::to_string(report.changes_failed) + " of " +
                                           std::to_string(report.promotions) + " promotions)"
                                     : "nothing was promoted";
  if (report.provisional > 0) {
    text += ", " + std::to_string(report.provisional) + " not observed for long enough yet";
  }
  text += "\n  never went live     " + std::to_string(report.stopped) + " stopped by gates, " +
          std::to_string(report.rolled_back) + " rolled back\n";
  for (const DeliveryReport::Level& one : report.levels) {
    text += "automation of " + one.model + ": level " + std::to_string(one.level) +
            " of 3: " + one.why + "\n";
  }
  return text;
}

}  // namespace slipway::evidence
