#include "domain/evidence/test_score.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace slipway::evidence {
namespace {

using wire::Json;
using Window = ScoreFacts::Window;

constexpr UnixMs kDay = 24 * 3600 * 1000LL;
constexpr std::size_t kLinksMax = 5;
constexpr std::size_t kAgesMin = 4;  // windows of one version until its quality by age is a curve

struct Finding {
  Points points = Points::kNone;
  std::string why;
  std::vector<std::string> links = {};
  std::string how = {};  // where the way is shorter than the test's own
};

std::string counted(std::size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

/// One that is undecided has shown nothing.
bool is_judged(const Window& window) {
  return window.status == "good" || window.status == "warn" || window.status == "bad";
}

/// Those that were judged.
template <class Holds>
std::vector<const Window*> windows_where(const ScoreFacts& facts, Holds holds) {
  std::vector<const Window*> found;
  for (const Window& window : facts.windows) {
    if (is_judged(window) && holds(window)) found.push_back(&window);
  }
  return found;
}

template <class Holds>
std::size_t undecided_where(const ScoreFacts& facts, Holds holds) {
  return static_cast<std::size_t>(
      std::count_if(facts.windows.begin(), facts.windows.end(),
                    [&](const Window& w) { return !is_judged(w) && holds(w); }));
}

/// "1 window, and 4 undecided ones that count for nothing"
std::string counted_windows(std::size_t judged, std::size_t undecided) {
  return counted(judged, "window", "windows") +
         (undecided == 0 ? ""
                         : ", and " + counted(undecided, "undecided one that counts",
                                              "undecided ones that count") +
                               " for nothing");
}

std::vector<std::string> newest(const std::vector<const Window*>& windows) {
  std::vector<std::string> links;
  for (auto one = windows.rbegin(); one != windows.rend() && links.size() < kLinksMax; ++one) {
    links.push_back((*one)->link);
  }
  return links;
}

/// A gate that could not be asked, or was waived, has shown nothing.
const ScoreFacts::Gate* gate(const ScoreFacts& facts, std::string_view name) {
  for (const ScoreFacts::Gate& one : facts.gates) {
    if (one.name == name && (one.status == "pass" || one.status == "fail")) return &one;
  }
  return nullptr;
}

/// "bikes/age, bikes/drift": the declared monitors that will show it; "" for none.
template <class Fits>
std::string watchers_where(const ScoreFacts& facts, Fits fits) {
  std::vector<std::string> names;
  for (const Watcher& watcher : facts.watchers) {
    if (fits(watcher)) names.push_back(watcher.name);
  }
  return join(names, ", ");
}

constexpr char kAwait[] = ": `slipway monitors` says when its next window is judged";

bool is_fresh(const ScoreFacts& facts, const Window& last) {
  // Three spans of its own may be missing; labels of a window come a span late besides.
  return facts.now_ms - last.end_ms <= 4 * std::max<UnixMs>(last.end_ms - last.start_ms, kDay);
}

// --- data ----------------------------------------------------------------------------------------

Finding schema(const ScoreFacts& facts) {
  const ScoreFacts::Gate* contract = gate(facts, "contract");
  const auto has_contract = [](const Window& w) { return w.has_contract; };
  const auto windows = windows_where(facts, has_contract);
  const std::size_t undecided = undecided_where(facts, has_contract);
  if (contract != nullptr && !windows.empty()) {
    Finding finding{Points::kFull,
                    "the contract was judged on its training data and on requests: " +
                        counted_windows(windows.size(), undecided)};
    finding.links = newest(windows);
    finding.links.push_back(contract->link);
    return finding;
  }
  if (contract != nullptr) {
    const std::string watchers =
        watchers_where(facts, [](const Watcher& w) { return w.metric.empty(); });
    return {Points::kNone,
            "judged on its training data, on no window of requests yet" +
                (undecided == 0 ? "" : ": " + counted_windows(0, undecided)),
            {contract->link},
            watchers.empty() ? "" : "a window of " + watchers + kAwait};
  }
  if (!facts.checks_by_hand.empty()) {
    return {Points::kHalf, "checked by hand", facts.checks_by_hand};
  }
  return {Points::kNone, "no contract was judged on its training data"};
}

// --- model ---------------------------------------------------------------------------------------

bool shows_quality(const Watcher& watcher) {
  return watcher.has_labels && !watcher.metric.empty();
}

/// How a declared monitor of quality comes by its labels; "" where there is none.
std::string labels_for(const ScoreFacts& facts) {
  const std::string watchers = watchers_where(facts, shows_quality);
  if (watchers.empty()) return "";
  return "tell what turned out true (`slipway feedback`): " + watchers + " waits for it";
}

Finding staleness(const ScoreFacts& facts) {
  const auto windows = windows_where(facts, [&](const Window& w) {
    return w.labelled > 0 && facts.now_ms - w.end_ms <= 90 * kDay;
  });
  if (windows.size() < kAgesMin) {
    return {Points::kNone,
            "its quality by age wants " + std::to_string(kAgesMin) + " windows with labels in 90 " +
                "days, there are " + std::to_string(windows.size()),
            newest(windows), labels_for(facts)};
  }
  return {Points::kFull,
          "quality by age is measured over " + counted(windows.size(), "window", "windows"),
          newest(windows)};
}

// --- infrastructure ------------------------------------------------------------------------------

Finding integration(const ScoreFacts& facts) {
  for (auto run = facts.pipeline_runs.rbegin(); run != facts.pipeline_runs.rend(); ++run) {
    if (facts.now_ms - run->time_ms > 7 * kDay) break;
    return {Points::kFull, "the whole pipeline ran within 7 days", {run->link}};
  }
  return {Points::kNone, "the whole pipeline did not run through within 7 days"};
}

/// Why a gate that is asked for has shown nothing; else that nobody asked it.
Finding unshown(const ScoreFacts& facts, const std::string& name) {
  for (const ScoreFacts::Gate& one : facts.gates) {
    if (one.name != name) continue;
    const bool waived = one.status == "waived";
    return {Points::kNone,
            waived ? "its " + name + " gate was waived for this version, which shows nothing"
                   : "its " + name + " gate could not judge this version: " + one.status,
            {one.link},
            "a version that passes the " + name + " gate" + (waived ? " without a waiver" : "") +
                ": `slipway gates show` says what that gate found"};
  }
  return {Points::kNone, "no " + name + " gate judged this version"};
}

Finding promotion_gate(const ScoreFacts& facts) {
  const ScoreFacts::Gate* quality = gate(facts, "quality");
  if (quality == nullptr) return unshown(facts, "quality");
  return {Points::kFull,
          "its quality was judged before it served: " + quality->status,
          {quality->link}};
}

Finding canary(const ScoreFacts& facts) {
  if (facts.canary_steps.empty()) return {Points::kNone, "it served without shadow or canary"};
  return {Points::kFull, "it was tried in shadow or canary", facts.canary_steps};
}

Finding rollback(const ScoreFacts& facts) {
  for (auto one = facts.rollbacks.rbegin(); one != facts.rollbacks.rend(); ++one) {
    if (facts.now_ms - one->time_ms > 30 * kDay) break;
    return {Points::kFull, "a version was rolled back within 30 days", {one->link}};
  }
  return {Points::kNone, "nothing was rolled back within 30 days, for real or as a drill"};
}

// --- monitoring ----------------------------------------------------------------------------------

/// What a test of windows looks for: in those that were judged, and in what is declared.
struct Watch {
  const char* what;
  const char* lacking;  // where no monitor is declared that would show it
  bool (*holds)(const Window& window);
  bool (*fits)(const Watcher& watcher);
};

Finding watched(const ScoreFacts& facts, const Watch& watch) {
  const auto windows = windows_where(facts, watch.holds);
  const std::string watchers = watchers_where(facts, watch.fits);
  const std::string how = watchers.empty() ? "" : "a window of " + watchers + kAwait;
  const std::size_t undecided = undecided_where(facts, watch.holds);
  if (windows.empty() && undecided > 0) {
    return {Points::kNone,
            "nothing could be judged: " + counted(undecided, "window was", "windows were") +
                " undecided",
            {},
            how};
  }
  if (windows.empty()) {
    return {Points::kNone,
            watchers.empty() ? watch.lacking : "no window of " + watchers + " was judged yet",
            {},
            how};
  }
  if (!is_fresh(facts, *windows.back())) {
    return {Points::kNone, "its last window is of " + to_iso8601(windows.back()->end_ms),
            newest(windows), how};
  }
  return {Points::kFull, std::string(watch.what) + counted_windows(windows.size(), undecided),
          newest(windows)};
}

Finding invariants(const ScoreFacts& facts) {
  return watched(facts,
                 {"what its requests carry is judged window by window: ",
                  "no window of what its requests carry was judged",
                  [](const Window& w) {
                    return w.metric.empty() || w.has_contract || w.has_reference;
                  },
                  [](const Watcher& w) { return w.metric.empty() || w.has_reference; }});
}

Finding skew(const ScoreFacts& facts) {
  return watched(facts, {"requests are compared with a reference: ",
                         "no window was compared with the training data",
                         [](const Window& w) { return w.has_reference; },
                         [](const Watcher& w) { return w.has_reference; }});
}

Finding age(const ScoreFacts& facts) {
  return watched(facts, {"its age is judged against a requirement: ",
                         "no monitor has a requirement on model_age",
                         [](const Window& w) { return w.metric == "model_age"; },
                         [](const Watcher& w) { return w.metric == "model_age"; }});
}

Finding served_quality(const ScoreFacts& facts) {
  const Watch watch{"its quality is judged from labels: ", "no window had labels",
                    [](const Window& w) { return w.labelled > 0 && !w.metric.empty(); },
                    shows_quality};
  Finding finding = watched(facts, watch);
  const std::string how = labels_for(facts);
  if (finding.points != Points::kNone || how.empty()) return finding;
  finding.how = how;
  const bool was_judged = std::any_of(facts.windows.begin(), facts.windows.end(), [](const auto& w) {
    return !w.metric.empty() && w.metric != "model_age";
  });
  if (finding.links.empty() && was_judged) finding.why = watch.lacking;
  return finding;
}

struct Test {
  const char* id;
  const char* title;
  Finding (*find)(const ScoreFacts&);  // null: this version does not measure it
  const char* how;                     // how to come by the point; else what it would take
};

const Test kTests[] = {
    {"D1", "expectations on features are captured in a schema", schema,
     "bind a contract to the table that its stages read (contracts:), name the gate contract and a "
     "monitor without a requirement"},
    {"D2", "every feature is beneficial", nullptr, "importances of this version's inputs"},
    {"D3", "no feature costs too much", nullptr, "costs of its inputs"},
    {"D4", "features obey rules on sources, licences and privacy", nullptr, "policies on sources"},
    {"D5", "the data pipeline has privacy controls", nullptr, "access and erasure drills"},
    {"D6", "new features can be added quickly", nullptr, "times from an idea to a feature in use"},
    {"D7", "all code of features is tested", nullptr,
     "tests of feature views at the served commit"},

    {"M1", "model code is reviewed and submitted", nullptr, "reviews of the training commit"},
    {"M2", "offline and online metrics correlate", nullptr,
     "business metrics beside hold-out metrics"},
    {"M3", "all hyper-parameters are tuned", nullptr, "studies of hyper-parameters"},
    {"M4", "the effect of staleness is known", staleness,
     "tell what turned out true (`slipway feedback`), for a monitor with \"labels: delayed\""},
    {"M5", "a simpler model is not better", nullptr, "a baseline in the quality gate"},
    {"M6", "quality is sufficient on important slices", nullptr, "slices in the quality gate"},
    {"M7", "the model is tested for inclusion", nullptr, "fairness in the gates"},

    {"I1", "training is reproducible", nullptr, "a run of this version made again, byte for byte"},
    {"I2", "model code is unit tested", nullptr, "reports of tests at the training commit"},
    {"I3", "the whole pipeline is integration tested", integration,
     "`slipway run PIPELINE`, or a trigger that runs it every week"},
    {"I4", "quality is validated before serving", promotion_gate,
     "a requirement on holdout, and quality in the deployment's gates"},
    {"I5", "single answers can be debugged step by step", nullptr,
     "explanations of sampled live answers"},
    {"I6", "models go through a canary before they serve", canary,
     "steps under rollout: in the deployment"},
    {"I7", "models can be rolled back quickly", rollback,
     "`slipway rollback DEPLOYMENT` as a drill"},

    {"N1", "changes of dependencies are told", nullptr, "subscriptions to changes of dependencies"},
    {"N2", "invariants hold in training and serving inputs", invariants,
     "a monitor without a requirement in the deployment, of a table with a contract"},
    {"N3", "training and serving features do not differ", skew,
     "a monitor with \"against: training\""},
    {"N4", "models are not too stale", age,
     "a requirement on model_age, and a monitor of it"},
    {"N5", "the model is numerically stable", nullptr, "counts of NaN and infinity in training"},
    {"N6", "speed, throughput and memory have not become worse", nullptr,
     "tests of these over versions"},
    {"N7", "quality has not become worse on served data", served_quality,
     "a monitor of a requirement on quality with \"labels: delayed\", and `slipway feedback`"},
};

Finding found_by(const Test& test, const ScoreFacts& facts) {
  if (test.find != nullptr) return test.find(facts);
  return {Points::kNotMeasurable,
          std::string("not measured by this version, it would take ") + test.how};
}

std::string section_of(std::string_view test) {
  switch (test.front()) {
    case 'D':
      return "data";
    case 'M':
      return "model";
    case 'I':
      return "infrastructure";
    default:
      return "monitoring";
  }
}

std::string reading_of(double score) {
  if (score <= 0) return "more of a research project than a production system";
  if (score <= 1) return "not wholly untested, but serious holes are to be expected";
  if (score <= 2) return "a first pass at production, more is needed";
  if (score <= 3) return "reasonably tested, more can be automated";
  if (score <= 5) return "strong levels of automated testing and monitoring";
  return "exceptional levels of automated testing and monitoring";
}

std::string number(double value) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

}  // namespace

const char* to_string(Points points) {
  switch (points) {
    case Points::kFull:
      return "full";
    case Points::kHalf:
      return "half";
    case Points::kNone:
      return "none";
    case Points::kNotMeasurable:
      return "not_measurable";
  }
  return "none";
}

double value_of(Points points) {
  return points == Points::kFull ? 1 : points == Points::kHalf ? 0.5 : 0;
}

TestScore score_of(const ScoreFacts& facts) {
  TestScore score;
  score.model = facts.model;
  score.version = facts.version;
  for (const Test& test : kTests) {
    Finding finding = found_by(test, facts);
    const bool is_wanting = finding.points == Points::kNone || finding.points == Points::kHalf;
    score.measured += test.find != nullptr;
    score.sections[section_of(test.id)] += value_of(finding.points);
    if (finding.links.size() > kLinksMax) finding.links.resize(kLinksMax);
    if (finding.how.empty()) finding.how = test.how;
    score.probes.push_back({test.id, test.title, finding.points, std::move(finding.why),
                            is_wanting ? std::move(finding.how) : "", std::move(finding.links)});
  }
  score.score = 7;
  for (const auto& [section, sum] : score.sections) score.score = std::min(score.score, sum);
  score.reading = reading_of(score.score);
  return score;
}

Json to_json(const TestScore& score) {
  Json json;
  json.set("model", score.model);
  json.set("version", score.version);
  json.set("score", score.score);
  json.set("reading", score.reading);
  Json sections(Json::Object{});
  for (const auto& [section, sum] : score.sections) sections.set(section, sum);
  json.set("sections", std::move(sections));
  json.set("measured", score.measured);
  json.set("not_measured", static_cast<std::int64_t>(score.probes.size()) - score.measured);
  Json::Array tests;
  for (const Probe& probe : score.probes) {
    Json one;
    one.set("test", probe.test);
    one.set("title", probe.title);
    one.set("points", to_string(probe.points));
    one.set("measured", probe.points != Points::kNotMeasurable);
    one.set("why", probe.why);
    if (!probe.how.empty()) one.set("how", probe.how);
    one.set("evidence", Json::Array(probe.links.begin(), probe.links.end()));
    tests.push_back(std::move(one));
  }
  json.set("tests", std::move(tests));
  return json;
}

std::string to_text(const TestScore& score) {
  std::string text = "ML Test Score of " + score.model;
  text += score.version != 0 ? " version " + std::to_string(score.version) : ", without versions";
  text += ": " + number(score.score) + ", " + score.reading + "\n";
  std::string section, unmeasured;
  for (const Probe& probe : score.probes) {
    if (std::string next = section_of(probe.test); next != section) {
      section = next;
      text += section + "  " + number(score.sections.at(section)) + " of 7\n";
    }
    if (probe.points == Points::kNotMeasurable) {
      unmeasured += "  " + probe.test + " " + probe.title + "\n";
      continue;
    }
    const char* mark = probe.points == Points::kFull   ? "1  "
                       : probe.points == Points::kHalf ? "1/2"
                                                       : "0  ";
    text += "  " + probe.test + " " + mark + " " + probe.title + ": " + probe.why + "\n";
    if (!probe.how.empty()) text += "         to have it: " + probe.how + "\n";
    for (const std::string& link : probe.links) text += "           " + link + "\n";
  }
  if (unmeasured.empty()) return text;
  return text + "not measured by this version, whatever you do; they count as nothing\n" +
         unmeasured;
}

}  // namespace slipway::evidence
