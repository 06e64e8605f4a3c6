#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/wire/json.h"

// The outcome of a gate, what a person may do about it, and what all gates together say. Values;
// pure.
namespace slipway::delivery {

/// kError is a gate that could not be asked; it is never a pass, nor is kNoData.
enum class GateStatus { kPass, kFail, kNoData, kWaived, kError };
/// "pass", "fail", "no_data", "waived", "error".
const char* to_string(GateStatus status);
Result<GateStatus> gate_status_from(std::string_view word);

struct GateVerdict {
  std::string gate;
  GateStatus status = GateStatus::kError;
  std::string words;    // one sentence: what was found, and what was asked for
  wire::Json evidence;  // an object: figures, first differences
};

/// A person's word that a version may pass a gate nevertheless, for a while.
struct Waiver {
  std::string gate, model;
  std::int64_t version = 0;  // 0: of any version of the model
  std::string name, reason;
  UnixMs expires_ms = 0;
};
/// kInvalid without a name, a reason, a gate, or an expiry after `now_ms`; at most a year ahead,
/// and at most 2,000 bytes of each text.
Result<> check_waiver(const Waiver& waiver, UnixMs now_ms);
/// Whether it holds for the gate of that version at that time.
bool covers(const Waiver& waiver, const std::string& gate, const std::string& model,
            std::int64_t version, UnixMs now_ms);

/// The same verdict, or kWaived with the waiver in words and evidence where it had not passed and
/// one of `waivers` covers it.
GateVerdict waived(GateVerdict verdict, const std::vector<Waiver>& waivers,
                   const std::string& model, std::int64_t version, UnixMs now_ms);

/// The gate that waits for a person.
inline constexpr char kApproval[] = "approval";
/// A person's word that one version may serve.
struct Approval {
  std::string model;
  std::int64_t version = 0;
  UnixMs made_ms = 0;  // when the version was made: another may have its number later
  std::string name, reason;
  UnixMs given_ms = 0;
};
/// kInvalid without a name or a reason; at most 2,000 bytes of each.
Result<> check_approval(const Approval& approval);

enum class GateOutcome { kRunning, kPassed, kBlocked };
struct GateSummary {
  GateOutcome outcome = GateOutcome::kRunning;
  std::string words;  // "integrity and parity passed", "quality: ...; parity: no golden rows"
  bool waits_for_person = false;  // running, and nothing but a person's approval is missing
};
/// kRunning until each of `wanted` has a verdict, so that a person sees all that is wrong at once.
GateSummary summarize(const std::vector<std::string>& wanted,
                      const std::vector<GateVerdict>& verdicts);

}  // namespace slipway::delivery
