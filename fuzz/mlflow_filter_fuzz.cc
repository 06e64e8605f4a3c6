#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "dialects/mlflow/filter.h"
#include "dialects/mlflow/tracking_messages.h"
#include "domain/tracking/search.h"

// Whatever a filter holds: an answer in bounded time; what is understood becomes a statement with a
// value for each placeholder, and a refusal is the caller's mistake, never ours.

namespace {

using namespace slipway;

constexpr std::size_t kNameMax = 32;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_sql(const db::Sql& sql, std::string_view quoted) {
  std::size_t placeholders = 0;
  for (char c : sql.text) placeholders += c == '?';
  require(placeholders == sql.values.size());
  // Texts of the caller are bound, never part of the statement.
  require(quoted.size() < 12 || sql.text.find(quoted) == std::string::npos);
}

void check(std::string_view text, const mlflow::SearchRules& rules) {
  Result<std::vector<mlflow::Clause>> clauses = mlflow::parse_filter(text, rules);
  if (!clauses.ok()) {
    require(clauses.error().code == Code::kInvalid);
    require(!is_valid_utf8(text) || is_valid_utf8(clauses.error().message));
    return;
  }
  // A key comes from the text, or is a known name that a shorter one stands for ("Created").
  for (const mlflow::Clause& clause : *clauses)
    require(clause.key.size() <= std::max(text.size(), kNameMax));
  if (&rules != &mlflow::kRunSearch) return;
  tracking::RunQuery query;
  query.experiments = {0};
  Result<std::vector<tracking::Condition>> where = mlflow::to_conditions(std::string(text), rules);
  require(where.ok() && where->size() == clauses->size());
  query.where = *std::move(where);
  for (db::Engine engine : {db::Engine::kSqlite, db::Engine::kPostgres}) {
    Result<db::Sql> sql = tracking::run_search_sql(engine, query);
    if (sql.ok())
      check_sql(*sql, text);
    else
      require(sql.error().code == Code::kInvalid);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const mlflow::SearchRules* rules :
       {&mlflow::kRunSearch, &mlflow::kExperimentSearch, &mlflow::kRegisteredModelSearch,
        &mlflow::kModelVersionSearch, &mlflow::kLoggedModelSearch}) {
    check(text, *rules);
    Result<mlflow::OrderTerm> order = mlflow::parse_order(text, *rules);
    require(order.ok() || order.error().code == Code::kInvalid);
  }
  return 0;
}
