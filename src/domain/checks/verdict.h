#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/checks/contract.h"
#include "io/wire/json.h"

namespace slipway::checks {

enum class Status {
  kPass,
  kWarn,
  kFail,
  kError,         // the check is broken, or asks for what was not gathered; never a pass
  kNoData,        // there was nothing to judge
  kInsufficient,  // too few rows to judge; the score is shown
  kSkipped,       // does not apply here
};
/// "pass", "warn", "fail", "error", "no_data", "insufficient", "skipped".
const char* to_string(Status status);

/// The outcome of one check.
struct Verdict {
  std::string check;   // "income/range": stable from contract to contract
  std::string column;  // "" for the table
  Status status = Status::kPass;
  Severity severity = Severity::kFail;
  std::optional<double> observed, threshold;
  std::int64_t n = 0;   // rows (of the column, without nulls) it rests on
  std::string words;    // one sentence for a person
  std::string dialect;  // of a drift measure: whose definition, over which cells
};

struct Tally {
  int pass = 0, warn = 0, fail = 0, error = 0, no_data = 0, insufficient = 0, skipped = 0;
};
Tally tally(const std::vector<Verdict>& verdicts);
/// Whether any check failed or is broken.
bool failed(const std::vector<Verdict>& verdicts);
/// The gravest: fail, error, warn, then no_data or insufficient where nothing else was judged.
Status overall(const std::vector<Verdict>& verdicts);

wire::Json to_json(const Verdict& verdict);
/// The verdicts with what they are about, as one document.
wire::Json to_json(const std::vector<Verdict>& verdicts);
/// A table for people: what is not a pass first; passes only where `all`.
std::string to_table(const std::vector<Verdict>& verdicts, bool all);
/// JUnit's XML: fails are failures, broken checks errors, and what was not judged is skipped.
std::string to_junit(const std::vector<Verdict>& verdicts, const std::string& suite);

}  // namespace slipway::checks
