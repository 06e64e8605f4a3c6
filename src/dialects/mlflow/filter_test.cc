#include "dialects/mlflow/filter.h"

#include <gtest/gtest.h>

#include <chrono>

namespace slipway::mlflow {
namespace {

// What the real server makes of many more filters is compared in tests/protocol/mlflow.

std::string describe(const Clause& clause) {
  constexpr const char* kEntities[] = {"attribute", "metric", "param", "tag", "dataset"};
  std::string text = std::string(kEntities[static_cast<int>(clause.entity)]) + "." + clause.key +
                     " " + db::to_string(clause.op);
  if (const auto* word = std::get_if<std::string>(&clause.value)) text += " '" + *word + "'";
  if (const auto* whole = std::get_if<std::int64_t>(&clause.value)) {
    text += " " + std::to_string(*whole);
  }
  if (const auto* real = std::get_if<double>(&clause.value)) text += " ~" + std::to_string(*real);
  if (const auto* list = std::get_if<std::vector<std::string>>(&clause.value)) {
    for (const std::string& word : *list) text += " '" + word + "'";
  }
  return text;
}

std::string read(std::string_view filter, const SearchRules& rules = kRunSearch) {
  Result<std::vector<Clause>> clauses = parse_filter(filter, rules);
  if (!clauses.ok()) return clauses.error().message;
  std::string text;
  for (const Clause& clause : *clauses) {
    text += text.empty() ? "" : clause.joint.either ? " or " : "; ";
    text += std::string(static_cast<std::size_t>(clause.joint.opens), '(') + describe(clause) +
            std::string(static_cast<std::size_t>(clause.joint.closes), ')');
  }
  return text;
}

TEST(Filter, ReadsClausesJoinedByAnd) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},
      {"  ", ""},
      {"params.p = 'a'", "param.p = 'a'"},
      {"params.p='a' and tags.t != \"b\"", "param.p = 'a'; tag.t != 'b'"},
      {"metrics.`a b` >= 1e3", "metric.a b >= ~1000.000000"},
      {"metrics.m < -.5", "metric.m < ~-0.500000"},
      {"created > 5", "attribute.start_time > 5"},
      {"`Run Name` like 'x%'", "attribute.run_name LIKE 'x%'"},
      {"run_id IN ('a', 'b',)", "attribute.run_id IN 'a' 'b'"},
      {"datasets.context NOT IN ('x')", "dataset.context NOT IN 'x'"},
      {"tags.`a.b` IS NOT NULL", "tag.a.b IS NOT NULL"},
      {"params.a.b = 'x'", "param.a.b = 'x'"},
      {"params.p = 'a' tags.t = 'b'", "param.p = 'a'; tag.t = 'b'"},
      {"run_id IN ('a') params.p = 'a'", "attribute.run_id IN 'a'; param.p = 'a'"},
  };
  for (const auto& [filter, expected] : rows) EXPECT_EQ(read(filter), expected) << filter;
}

TEST(Filter, ReadsAlternativesAndGroups) {
  const std::pair<const char*, const char*> rows[] = {
      {"params.p = 'a' OR tags.t = 'b'", "param.p = 'a' or tag.t = 'b'"},
      {"(params.p = 'a')", "(param.p = 'a')"},
      {"user_id = 'x' and ((params.p = 'a' or params.p = 'b') AND metrics.m > 1)",
       "attribute.user_id = 'x'; ((param.p = 'a' or param.p = 'b'); metric.m > ~1.000000)"},
      {"(run_id IN ('a', 'b') OR tags.t IS NULL)",
       "(attribute.run_id IN 'a' 'b' or tag.t IS NULL)"},
      // A word within quotes, or a key, is no operator.
      {"params.p = 'a OR b'", "param.p = 'a OR b'"},
      {"params.OR = '1' OR params.or = '2'", "param.OR = '1' or param.or = '2'"},
  };
  for (const auto& [filter, expected] : rows) EXPECT_EQ(read(filter), expected) << filter;
}

TEST(Filter, RefusesGroupsThatAreNotWellMade) {
  for (const char* bad :
       {"OR params.p = 'a'", "params.p = 'a' OR", "params.p = 'a' OR OR params.q = 'b'",
        "(params.p = 'a'", "params.p = 'a')", "()", "(params.p = 'a' params.q = 'b')",
        "params.p = 'a' (params.q = 'b')", "params.p = 'a' OR params.q = 'b' AND",
        "NOT (params.p = 'a')", "(params.p = 'a');"}) {
    EXPECT_TRUE(read(bad).starts_with("Invalid clause(s) in filter string: ")) << read(bad);
  }
  EXPECT_EQ(read("(params.p = 'a' OR metrics.m > 'x')"),
            "Expected numeric value type for metric. Found 'x' (at character 32)");
}

TEST(Filter, SaysWhatIsWrongAndWhere) {
  const std::pair<const char*, const char*> rows[] = {
      {"params.p = 'a' NOR params.q = 'b'",
       "Invalid clause(s) in filter string: 'NOR' (at character 16)"},
      {"params.p = 'a' datasets.context NOT IN ('b')",
       "AND is missing before 'datasets.context' (at character 16)"},
      {"params.é = 'a' x", "Invalid clause(s) in filter string: 'x' (at character 16)"},
      {"metrics.m > 'x'", "Expected numeric value type for metric. Found 'x' (at character 13)"},
      {"'a' = params.p",
       "Invalid comparison clause. Expected 'Identifier' found ''a'' (at character 1)"},
      {"a.b = 'x'",
       "Invalid entity type 'a'. Valid values are ['metric', 'parameter', 'tag', 'attribute', "
       "'dataset'] (at character 1)"},
  };
  for (const auto& [filter, expected] : rows) EXPECT_EQ(read(filter), expected) << filter;
}

TEST(Filter, OfLoggedModelsTakesTextsWithoutQuotes) {
  const std::pair<const char*, const char*> rows[] = {
      {"name = m1", "attribute.name = 'm1'"},
      {"name != m1 AND params.p = 5", "attribute.name != 'm1'; param.p = '5'"},
      {"tags.t = a.b", "tag.t = 'a.b'"},
      {"name = 'm1'", "attribute.name = 'm1'"},
      {"metrics.m > 5", "metric.m > ~5.000000"},
  };
  for (const auto& [filter, expected] : rows) {
    EXPECT_EQ(read(filter, kLoggedModelSearch), expected) << filter;
  }
  for (const char* bad : {"name = AND", "model_id = m-1", "name LIKE m%", "name IN (m1)",
                          "metrics.m = x", "name = "}) {
    EXPECT_FALSE(parse_filter(bad, kLoggedModelSearch).ok()) << bad;
  }
  EXPECT_FALSE(parse_filter("attributes.run_name = m1", kRunSearch).ok());
}

TEST(Filter, ABackslashBeforeTheLastQuoteIsText) {
  EXPECT_EQ(read(R"(params.p = '\')"), R"(param.p = '\')");
  EXPECT_EQ(read(R"(params.p = "\" AND tags.t = 'x')"), R"(param.p = '\'; tag.t = 'x')");
  EXPECT_EQ(read("params.p = 'a''b'"), "param.p = 'a''b'");
  // With a quote further on, it is that one which ends the text.
  EXPECT_FALSE(parse_filter(R"(params.p = '\' AND tags.t = 'x')", kRunSearch).ok());
}

TEST(Filter, IsBounded) {
  std::string many = "params.p = 'a'";
  for (int i = 0; i < 500; ++i) many += " AND params.p = 'a'";
  EXPECT_FALSE(parse_filter(many, kRunSearch).ok());
  EXPECT_FALSE(parse_filter(std::string(600'000, ' '), kRunSearch).ok());
  EXPECT_FALSE(parse_filter(std::string(60'000, '('), kRunSearch).ok());
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '(') + "params.p = 'a'" + std::string(depth, ')');
  };
  EXPECT_TRUE(parse_filter(nested(20), kRunSearch).ok());
  EXPECT_FALSE(parse_filter(nested(21), kRunSearch).ok());
  many = "params.p = 'a'";
  for (int i = 0; i < 500; ++i) many += " OR params.p = 'a'";
  EXPECT_FALSE(parse_filter(many, kRunSearch).ok());
  EXPECT_FALSE(parse_filter("params.p = '\xff'", kRunSearch).ok());
}

std::string repeated(std::string_view what, std::size_t bytes) {
  std::string text;
  while (text.size() + what.size() <= bytes) text += what;
  return text;
}

TEST(Filter, ReadsALongListAndNeedsNoLongerForWhatIsOdd) {
  constexpr std::size_t kBytes = 512u << 10;
  const std::string list = "run_id IN (" + repeated("'a',", kBytes - 20) + "'b')";
  auto clauses = parse_filter(list, kRunSearch);
  ASSERT_TRUE(clauses.ok()) << clauses.error().message;
  EXPECT_GT(std::get<std::vector<std::string>>(clauses->front().value).size(), 100'000u);
  for (const char* piece :
       {"(", ")", "'", "\"", "`", "''", "'\"", "\\'", "a.'", "a.\"", "a.`", "a.", "(a", "AND ",
        "x IN (", "a=1 OR ", "(a=1 OR ", "tags.a = '1' AND ", "IS NOT ", "a.'b", "1e", "- ", "=",
        ";", "\xc3\xa9"}) {
    for (const std::string& odd : {repeated(piece, kBytes), "'" + repeated(piece, kBytes - 1),
                                   repeated(piece, kBytes - 1) + ")"}) {
      const auto began = std::chrono::steady_clock::now();
      static_cast<void>(parse_filter(odd, kRunSearch));
      // A second under a sanitizer; minutes and hours if the time grew with the square.
      EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20)) << piece;
    }
  }
  EXPECT_FALSE(parse_filter(list + repeated(" ", 20), kRunSearch).ok());
}

TEST(Order, IsANameAndADirection) {
  Result<OrderTerm> order = parse_order("metrics.`a b` DESC", kRunSearch);
  ASSERT_TRUE(order.ok());
  EXPECT_EQ(order->entity, Entity::kMetric);
  EXPECT_EQ(order->key, "a b");
  EXPECT_FALSE(order->ascending);
  EXPECT_TRUE(parse_order("start_time", kRunSearch)->ascending);
  for (const char* bad : {"", "ASC", "desc DESC", "metrics.m UP", "metrics.m DESC x", "color", "dataset.name"}) {
    EXPECT_FALSE(parse_order(bad, kRunSearch).ok()) << bad;
  }
}

}  // namespace
}  // namespace slipway::mlflow
