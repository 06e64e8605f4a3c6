#include <cstdint>
#include <cstdlib>
#include <string>

#include "dialects/mlflow/plain_batch.h"
#include "io/wire/codec.h"

// What the reader of plain batches takes, the general reader takes too, and to the same.

namespace {

struct Metric {
  std::string key;
  double value = 0;
  std::int64_t timestamp = 0, step = 0;
};
WIRE(Metric, key, value, timestamp, step)
struct Pair {
  std::string key, value;
};
WIRE(Pair, key, value)
struct Body {
  std::string run_id;
  std::vector<Metric> metrics;
  std::vector<Pair> params, tags;
};
WIRE(Body, run_id, metrics, params, tags)

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plain = mlflow::read_plain_batch(text);
  if (!plain) return 0;
  Body read{plain->run_id, {}, {}, {}};
  for (const tracking::Metric& m : plain->batch.metrics)
    read.metrics.push_back({m.key, m.value, m.timestamp_ms, m.step});
  for (const tracking::Param& p : plain->batch.params) read.params.push_back({p.key, p.value});
  for (const tracking::Tag& t : plain->batch.tags) read.tags.push_back({t.key, t.value});
  const Result<Body> general = wire::decode<Body>(text);
  require(general.ok() && wire::encode(*general) == wire::encode(read));
  return 0;
}
