#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/checks/contract.h"
#include "domain/checks/suite.h"
#include "domain/checks/verdict.h"
#include "domain/monitor/facts.h"
#include "domain/monitor/window.h"
#include "domain/project/project_file.h"

// The verdict of one window about one version, as a pure function of what is known of its answers.
//
// What decides: where the monitor names a requirement, that alone; else the contract of the
// training data (in the environment SERVING), drift against the monitor's reference, and outputs
// that are not finite. Everything else is measured and told beside it.
namespace slipway::monitor {

/// Too few rows or labels, or nothing that could be judged: undecided, which is never good. A
/// warning is a good window with something to know about it.
enum class Status { kGood, kWarn, kBad, kUndecided };
/// "good", "warn", "bad", "undecided".
const char* to_string(Status status);
std::optional<Status> status_from(std::string_view text);

struct WindowVerdict {
  Status status = Status::kUndecided;
  std::string words;                      // one sentence for a person
  std::vector<checks::Verdict> deciding;  // in the order of the checks
  std::vector<checks::Verdict> told;      // beside them
  std::vector<std::string> columns;       // likely causes, the worst first
};

/// What a window's columns are judged by, and how they are to be gathered.
struct Watch {
  checks::Contract contract;  // as declared, with drift checks for columns that it says none of
  checks::Suite suite;
  std::string reference_name;  // "training", "previous"; "" for none
  const checks::Profile* reference = nullptr;
  std::shared_ptr<const checks::Profile> logged;  // the training data's, as logged (logged.h)
};
/// `declared`: null when the training data has no contract. `reference`: null when there is none
/// yet; it has to outlive the watch. `columns`: those that requests carry, in the clear. A column
/// whose drift the contract does not speak of is compared by the Jensen-Shannon distance, and warns
/// at its default threshold: most things drift and do no harm, so it takes somebody who says that
/// this column matters (severity fail in the contract) to make a bad window of it.
Watch make_watch(const checks::Contract* declared, const project::MonitorSpec& spec,
                 const checks::Profile* reference, const std::vector<std::string>& columns);

struct Question {
  const project::MonitorSpec* spec = nullptr;
  const project::Requirement* requirement = nullptr;  // the monitor's own, or null
  const Watch* watch = nullptr;                       // null where no profile was made
  Window window;
  std::optional<double> age_seconds;  // of the version at the window's end
};
WindowVerdict judge(const Question& question, const VersionFacts& facts);

/// Whether a requirement is one about labels, and the metric that measures it.
std::optional<delivery::Metric> metric_of(const project::MonitorSpec& spec,
                                          const project::Requirement& requirement);

/// What is slow, in microseconds, where the requirement is one about latency.
std::optional<double> slow_us(const project::Requirement* requirement);

/// The chance that of `n` answers `k` or more are bad if each is with probability `share`.
double chance_of(std::int64_t k, std::int64_t n, double share);

}  // namespace slipway::monitor
