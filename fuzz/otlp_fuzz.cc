#include <cstdint>
#include <cstdlib>
#include <string>

#include "dialects/mlflow/otlp.h"
#include "io/wire/json.h"

// Whatever anybody sends to /v1/traces, as protobuf and as JSON: spans whose contents are JSON that
// can be answered, or a refusal that is the sender's mistake.

namespace {

using namespace slipway;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Result<mlflow::OtlpSpans>& read) {
  if (!read.ok()) {
    require(read.error().code == Code::kInvalid);
    return;
  }
  std::size_t spans = 0;
  for (const traces::SpanBatch& batch : read->batches) {
    require(batch.trace_id.size() == 35 && !batch.spans.empty());
    spans += batch.spans.size();
    for (const traces::Span& span : batch.spans) {
      require(span.id.size() == 16);
      const Result<wire::Json> content = wire::parse(span.content);
      require(content.ok());
      wire::dump(mlflow::to_span_file(*content));
    }
  }
  require(spans + static_cast<std::size_t>(read->refused) <= mlflow::kSpansMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  check(mlflow::read_otlp_protobuf(body));
  check(mlflow::read_otlp_json(body));
  return 0;
}
