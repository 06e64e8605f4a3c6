#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "graph/graph.h"
#include "io/wire/json.h"

// The ML Test Score of a model (Breck et al., "The ML Test Score: A Rubric for ML Production
// Readiness and Technical Debt Reduction", 2017), computed from what gates, rollouts, monitors and
// runs have left behind, never typed in. Four sections of seven tests; the score is the least of
// the four sums. docs/reference/test-score.md says what each test asks for here.
namespace slipway::evidence {

enum class Points {
  kFull,           // a machine runs it, again and again, and the evidence is fresh
  kHalf,           // the evidence was made by hand
  kNone,           // it could be had, and is not there: the probe says how
  kNotMeasurable,  // this version cannot show it, whatever the user does; counts as nothing
};
/// "full", "half", "none", "not_measurable".
const char* to_string(Points points);
double value_of(Points points);

/// A monitor that is declared for a deployment of the model, and what it will show when its windows
/// are judged.
struct Watcher {
  std::string name;    // "DEPLOYMENT/MONITOR"
  std::string metric;  // of its requirement; "" for none
  bool has_labels = false, has_reference = false;
};
/// What slipway.yaml says, as it was applied.
struct Declared {
  std::map<std::string, std::string> metrics;  // of the requirements, by id
  std::vector<Watcher> watchers;
};

/// What is known of one version; all links are of the form "kind:id".
struct ScoreFacts {
  std::string model;
  std::int64_t version = 0;  // the live one, else the newest; 0: there is none
  bool is_live = false;
  UnixMs now_ms = 0;  // of the newest event

  struct Gate {
    std::string name, status, link;
  };
  std::vector<Gate> gates;
  struct Window {
    std::string link, metric;  // of the requirement that it is judged by; "" for none
    std::string status;
    bool has_contract = false, has_reference = false;
    UnixMs start_ms = 0, end_ms = 0;
    std::int64_t requests = 0, labelled = 0;
  };
  std::vector<Window> windows;  // of this version, oldest first
  std::vector<Watcher> watchers;
  std::vector<std::string> canary_steps;
  struct Done {
    std::string link;
    UnixMs time_ms = 0;
  };
  std::vector<Done> rollbacks;              // of any version
  std::vector<Done> pipeline_runs;          // that succeeded
  std::vector<std::string> checks_by_hand;  // verdicts of `slipway check` about its training data
};
/// `declared`: for this model. kMissing for an unknown model.
Result<ScoreFacts> score_facts(db::Tx& tx, const std::string& model, const Declared& declared);

struct Probe {
  std::string test, title;  // "D1", "expectations on features are captured in a schema"
  Points points = Points::kNone;
  std::string why;
  std::string how;  // to come by the whole point; "" where it is there, or not measurable
  std::vector<std::string> links;
};
struct TestScore {
  std::string model;
  std::int64_t version = 0;
  std::vector<Probe> probes;               // 28, by section
  std::int64_t measured = 0;               // of them, by this version
  std::map<std::string, double> sections;  // "data", "model", "infrastructure", "monitoring"
  double score = 0;                        // the least of them
  std::string reading;
};
/// Pure.
TestScore score_of(const ScoreFacts& facts);

wire::Json to_json(const TestScore& score);
/// For a terminal; ends with a newline.
std::string to_text(const TestScore& score);

}  // namespace slipway::evidence
