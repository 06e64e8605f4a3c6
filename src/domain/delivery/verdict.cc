#include "domain/delivery/verdict.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::delivery {
namespace {

constexpr std::size_t kTextMax = 2000;
constexpr UnixMs kYearMs = UnixMs{366} * 24 * 3600 * 1000;

struct StatusName {
  GateStatus status;
  const char* name;
};
constexpr StatusName kStatuses[] = {{GateStatus::kPass, "pass"},
                                    {GateStatus::kFail, "fail"},
                                    {GateStatus::kNoData, "no_data"},
                                    {GateStatus::kWaived, "waived"},
                                    {GateStatus::kError, "error"}};

/// `whose`: "a waiver".
Result<> check_text(const std::string& whose, const std::string& what, const std::string& text) {
  if (trim(text).empty()) return invalid(whose + " needs a " + what);
  if (text.size() > kTextMax || !is_valid_utf8(text))
    return invalid("the " + what + " of " + whose + " is UTF-8 of at most " +
                   std::to_string(kTextMax) + " bytes");
  return {};
}

bool lets_pass(GateStatus status) {
  return status == GateStatus::kPass || status == GateStatus::kWaived;
}

}  // namespace

const char* to_string(GateStatus status) {
  for (const StatusName& known : kStatuses)
    if (known.status == status) return known.name;
  return "error";
}

Result<GateStatus> gate_status_from(std::string_view word) {
  for (const StatusName& known : kStatuses)
    if (known.name == word) return known.status;
  return invalid("\"" + std::string(word) + "\" is no status of a gate");
}

Result<> check_waiver(const Waiver& waiver, UnixMs now_ms) {
  TRY(check_text("a waiver", "gate", waiver.gate));
  TRY(check_text("a waiver", "model", waiver.model));
  TRY(check_text("a waiver", "name", waiver.name));
  TRY(check_text("a waiver", "reason", waiver.reason));
  if (waiver.version < 0) return invalid("a version is a number from 1");
  if (waiver.expires_ms <= now_ms)
    return invalid("a waiver needs an expiry in the future, " + to_iso8601(waiver.expires_ms) +
                   " is past");
  if (waiver.expires_ms > now_ms + kYearMs)
    return invalid("a waiver expires within a year, not at " + to_iso8601(waiver.expires_ms));
  return {};
}

Result<> check_approval(const Approval& approval) {
  TRY(check_text("an approval", "model", approval.model));
  TRY(check_text("an approval", "name", approval.name));
  return check_text("an approval", "reason", approval.reason);
}

bool covers(const Waiver& waiver, const std::string& gate, const std::string& model,
            std::int64_t version, UnixMs now_ms) {
  return waiver.gate == gate && waiver.model == model &&
         (waiver.version == 0 || waiver.version == version) && now_ms < waiver.expires_ms &&
         !waiver.name.empty() && !waiver.reason.empty();
}

GateVerdict waived(GateVerdict verdict, const std::vector<Waiver>& waivers,
                   const std::string& model, std::int64_t version, UnixMs now_ms) {
  if (lets_pass(verdict.status)) return verdict;
  const auto found = std::find_if(waivers.begin(), waivers.end(), [&](const Waiver& waiver) {
    return covers(waiver, verdict.gate, model, version, now_ms);
  });
  if (found == waivers.end()) return verdict;
  verdict.evidence.set("waiver",
                       wire::Json(wire::Json::Object{{"name", found->name},
                                                     {"reason", found->reason},
                                                     {"expires_ms", found->expires_ms},
                                                     {"instead_of", to_string(verdict.status)}}));
  verdict.words = "waived by " + found->name + " (" + found->reason + ") until " +
                  to_iso8601(found->expires_ms) + ": " + verdict.words;
  verdict.status = GateStatus::kWaived;
  return verdict;
}

GateSummary summarize(const std::vector<std::string>& wanted,
                      const std::vector<GateVerdict>& verdicts) {
  std::vector<std::string> passed, excused, faults, open;
  for (const std::string& gate : wanted) {
    const auto found = std::find_if(verdicts.begin(), verdicts.end(),
                                    [&](const GateVerdict& v) { return v.gate == gate; });
    if (found == verdicts.end())
      open.push_back(gate);
    else if (found->status == GateStatus::kWaived)
      excused.push_back(gate);
    else if (lets_pass(found->status))
      passed.push_back(gate);
    else
      faults.push_back(gate + ": " + found->words);
  }
  const bool only_person = open == std::vector<std::string>{kApproval};
  // Nobody is asked before all else has passed.
  if (!only_person) std::erase(open, kApproval);
  if (!open.empty() && !only_person)
    return {GateOutcome::kRunning, "waiting for " + join(open, ", ")};
  // Nobody is asked about what does not pass anyhow.
  if (!faults.empty()) return {GateOutcome::kBlocked, join(faults, "; ")};
  if (only_person)
    return {GateOutcome::kRunning, "waiting for a person's approval", /*waits_for_person=*/true};
  std::vector<std::string> words;
  if (!passed.empty()) words.push_back(join(passed, ", ") + " passed");
  if (!excused.empty()) words.push_back(join(excused, ", ") + " waived");
  return {GateOutcome::kPassed, words.empty() ? "no gates are asked for" : join(words, "; ")};
}

}  // namespace slipway::delivery
