#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/traces/traces.h"

// Spans as OpenTelemetry sends them (OTLP/HTTP, protobuf and JSON), made into ours. Pure; the bytes
// are anybody's, and everything has a bound.
namespace slipway::mlflow {

inline constexpr std::size_t kSpansMax = 10'000;      // of one request
inline constexpr std::size_t kValuesMax = 1'000'000;  // attributes, events, and values in them
inline constexpr int kValueDepthMax = 32;             // values inside one another
inline constexpr std::size_t kAttributeTagMax = 8000;

/// What a request holds, by trace.
struct OtlpSpans {
  std::vector<traces::SpanBatch> batches;  // experiment and new tags are the caller's to set
  std::int64_t refused = 0;                // spans that are none
  std::string why;                         // the first
  std::vector<std::string> complete;       // traces whose root is among the spans
};

/// kInvalid, as a whole, for bytes that are no request or hold no spans.
Result<OtlpSpans> read_otlp_protobuf(std::string_view body);
Result<OtlpSpans> read_otlp_json(std::string_view body);

/// A span's content as MLflow's own files have it: attributes as JSON texts.
wire::Json to_span_file(const wire::Json& span);

}  // namespace slipway::mlflow
