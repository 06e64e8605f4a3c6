#include "domain/delivery/gates.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace slipway::delivery {
namespace {

using wire::Json;

constexpr std::size_t kNamedMax = 20;  // things listed one by one in evidence

GateVerdict verdict(const char* gate, GateStatus status, std::string words, Json evidence) {
  return {gate, status, std::move(words), std::move(evidence)};
}

struct IntegrityFault {
  std::string path;
  const char* what;
};

std::vector<IntegrityFault> integrity_faults(const std::vector<FileDigest>& files) {
  std::vector<IntegrityFault> faults;
  for (const FileDigest& file : files) {
    if (file.found.empty())
      faults.push_back({file.path, "missing"});
    else if (file.recorded.empty())
      faults.push_back({file.path, "never recorded"});
    else if (file.recorded != file.found)
      faults.push_back({file.path, "changed"});
  }
  return faults;
}

/// How bad a word of a check is for a gate.
GateStatus gate_status_of(const std::string& word) {
  if (word == "pass" || word == "warn" || word == "info" || word == "waived")
    return GateStatus::kPass;
  if (word == "fail" || word == "block") return GateStatus::kFail;
  if (word == "no_data" || word == "insufficient" || word == "skipped") return GateStatus::kNoData;
  return GateStatus::kError;
}

std::int64_t percentile_99(std::vector<std::int64_t>& sorted) {
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

}  // namespace

GateVerdict judge_integrity(const std::vector<FileDigest>& files) {
  const bool recorded = std::any_of(files.begin(), files.end(),
                                    [](const FileDigest& f) { return !f.recorded.empty(); });
  if (!recorded)
    return verdict(kIntegrity, GateStatus::kNoData, "no digests were recorded for its files",
                   Json(Json::Object{}));
  const std::vector<IntegrityFault> faults = integrity_faults(files);
  Json::Array listed;
  for (std::size_t i = 0; i < std::min(faults.size(), kNamedMax); ++i)
    listed.push_back(Json(Json::Object{{"path", faults[i].path}, {"what", faults[i].what}}));
  Json evidence(Json::Object{{"files", static_cast<std::int64_t>(files.size())},
                             {"faults", static_cast<std::int64_t>(faults.size())},
                             {"listed", std::move(listed)}});
  if (faults.empty())
    return verdict(kIntegrity, GateStatus::kPass,
                   std::to_string(files.size()) + " files have the digests that were recorded",
                   std::move(evidence));
  return verdict(kIntegrity, GateStatus::kFail,
                 std::to_string(faults.size()) + " of " + std::to_string(files.size()) +
                     " files are not what was recorded: " + faults.front().path + " is " +
                     faults.front().what,
                 std::move(evidence));
}

GateVerdict judge_contract(const std::vector<ContractFinding>& findings) {
  if (findings.empty())
    return verdict(kContract, GateStatus::kNoData, "its training data was checked against nothing",
                   Json(Json::Object{}));
  // The worst word counts: an error before a failure, that before missing data.
  constexpr GateStatus kWorstFirst[] = {GateStatus::kError, GateStatus::kFail, GateStatus::kNoData};
  Json::Array listed;
  for (const ContractFinding& f : findings)
    listed.push_back(Json(Json::Object{{"table", f.table},
                                       {"contract", f.contract},
                                       {"status", f.status},
                                       {"words", f.words},
                                       {"verdict", f.verdict},
                                       {"data", f.data}}));
  Json evidence(Json::Object{{"tables", std::move(listed)}});
  for (const GateStatus status : kWorstFirst) {
    for (const ContractFinding& f : findings) {
      if (gate_status_of(f.status) == status)
        return verdict(kContract, status, f.table + ": " + f.status + ", " + f.words,
                       std::move(evidence));
    }
  }
  return verdict(kContract, GateStatus::kPass,
                 findings.size() == 1
                     ? findings.front().table + " keeps its contract"
                     : std::to_string(findings.size()) + " tables keep their contracts",
                 std::move(evidence));
}

GateVerdict judge_performance(std::vector<std::int64_t> nanoseconds,
                              const project::Requirement* requirement) {
  constexpr std::size_t kEnough = 100;
  if (nanoseconds.size() < kEnough)
    return verdict(kPerformance, GateStatus::kNoData,
                   std::to_string(nanoseconds.size()) + " rows were timed, at least " +
                       std::to_string(kEnough) + " are needed",
                   Json(Json::Object{}));
  const auto rows = static_cast<std::int64_t>(nanoseconds.size());
  const double p99_ms = static_cast<double>(percentile_99(nanoseconds)) / 1e6;
  Json evidence(
      Json::Object{{"rows", rows},
                   {"p99_ms", p99_ms},
                   {"p50_ms", static_cast<double>(nanoseconds[nanoseconds.size() / 2]) / 1e6}});
  const std::string found = "p99 of one row is " + python_repr(p99_ms) + " ms";
  if (!requirement || !requirement->at_most)
    return verdict(kPerformance, GateStatus::kNoData,
                   found + ", and no requirement bounds latency_ms", std::move(evidence));
  evidence.set("at_most_ms", *requirement->at_most);
  return verdict(kPerformance,
                 p99_ms <= *requirement->at_most ? GateStatus::kPass : GateStatus::kFail,
                 found + ", at most " + python_repr(*requirement->at_most) + " is asked for",
                 std::move(evidence));
}

GateVerdict judge_approval(const Approval* approval) {
  if (approval == nullptr)
    return {kApproval, GateStatus::kNoData, "nobody has approved it", Json(Json::Object{})};
  return {kApproval, GateStatus::kPass, "approved by " + approval->name + ": " + approval->reason,
          Json(Json::Object{{"name", approval->name},
                            {"reason", approval->reason},
                            {"given_ms", approval->given_ms}})};
}

}  // namespace slipway::delivery
