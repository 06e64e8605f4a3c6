#include <cstdint>
#include <cstdlib>
#include <string>

#include "dialects/mlflow/graphql.h"

// Whatever a query holds: an answer in bounded time, a few calls at most, and a refusal is the
// caller's mistake.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  int asked = 0;
  const auto ask = [&](http::Method, std::string_view, const wire::Json&) -> Result<wire::Json> {
    if (++asked > mlflow::graphql::kAsksMax) std::abort();
    return wire::parse(R"({"run": {"info": {"run_id": "r"}}, "runs": [{}, {"info": {}}]})");
  };
  const std::string query(reinterpret_cast<const char*>(data), size);
  const Result<wire::Json> answer = mlflow::graphql::answer({query, {}, ""}, ask);
  if (!answer.ok() && answer.error().code != Code::kInvalid) std::abort();
  if (answer.ok() && answer->find("data") == nullptr) std::abort();
  return 0;
}
