#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dialects/mlflow/logged_model_search.h"
#include "dialects/mlflow/request.h"

// Whatever a client sends as the token of a page: a place at or behind the beginning, or a refusal
// that is the caller's mistake.

namespace {

using namespace slipway;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const std::string& token) {
  const Result<std::int64_t> offset = mlflow::page_offset(token);
  require(offset.ok() ? *offset >= 0 : offset.error().code == Code::kInvalid);
  mlflow::SearchLoggedModels search;
  search.experiment_ids = {"1"};
  search.page_token = token;
  const Result<registry::LoggedQuery> query = mlflow::to_query(search);
  require(query.ok() ? query->offset >= 0 : query.error().code == Code::kInvalid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(text);
  check(mlflow::to_base64(text));  // deeper than chance gets
  const Result<std::string> back = mlflow::from_base64(mlflow::to_base64(text));
  require(back.ok() && *back == text);
  return 0;
}
