#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "domain/traces/traces.h"
#include "io/wire/json.h"

// Traces and assessments in MLflow's words, in both directions. Pure.
namespace slipway::mlflow {

inline constexpr char kFinalizedKey[] = "mlflow.trace.infoFinalized";
inline constexpr char kSizeStatsKey[] = "mlflow.trace.sizeStats";

/// The "trace_info" of a call. kInvalid says what is wrong.
Result<traces::Trace> to_trace(const wire::Json& info);
wire::Json to_message(const traces::Trace& trace);

/// An assessment of a call, without the ids that the server gives.
Result<traces::Assessment> to_assessment(const wire::Json& given, const std::string& trace_id,
                                         const std::string& id, UnixMs now_ms);
wire::Json to_message(const traces::Assessment& assessment);
/// `given` where `mask` ("feedback,rationale") says so, the rest as it was.
Result<traces::Assessment> to_changed(const traces::Assessment& before, const wire::Json& given,
                                      const std::string& mask, UnixMs now_ms);

/// As protobuf's JSON has them: "2025-01-01T00:00:00.500Z", "1.500s".
std::string to_timestamp(UnixMs ms);
std::string to_duration(std::int64_t ms);
Result<UnixMs> parse_timestamp(const wire::Json& given);
Result<std::int64_t> parse_duration(const wire::Json& given);

/// What may be a tag of a trace; a value that is too long is cut.
Result<> check_trace_tag(traces::Tag& tag);

}  // namespace slipway::mlflow
