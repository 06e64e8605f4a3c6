#include "domain/checks/profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <random>

#include "base/text.h"
#include "domain/checks/pattern.h"
#include "domain/checks/plan.h"
#include "domain/checks/profile_text.h"
#include "domain/checks/seen.h"
#include "domain/checks/stable_hash.h"
#include "io/table/table_testing.h"

namespace slipway::checks {
namespace {

using table::ColumnView;
using table::Type;

/// Rows of four columns in memory, given to a profiler in chunks.
class Rows {
 public:
  static std::vector<table::Field> fields() {
    return {{"n", Type::kInteger}, {"x", Type::kReal}, {"s", Type::kText}, {"b", Type::kBool}};
  }

  static Rows random(std::size_t count, unsigned seed) {
    Rows rows;
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal(5, 2);
    for (std::size_t i = 0; i < count; ++i) {
      rows.n_.push_back(static_cast<std::int64_t>(random() % 50));
      rows.x_.push_back(normal(random));
      if (random() % 40 == 0) rows.x_.back() = std::nan("");
      if (random() % 90 == 0) rows.x_.back() = random() % 2 ? INFINITY : -INFINITY;
      rows.s_.push_back("word " + std::to_string(random() % 300));
      rows.b_.push_back(random() % 3 == 0);
      for (auto* valid : {&rows.n_valid_, &rows.x_valid_, &rows.s_valid_})
        valid->push_back(random() % 10 != 0);
    }
    return rows;
  }

  std::size_t size() const { return n_.size(); }

  void give(Profiler& profiler, std::size_t begin, std::size_t end, std::size_t chunk_rows) const {
    for (std::size_t at = begin; at < end; at += chunk_rows)
      give_chunk(profiler, at, std::min(chunk_rows, end - at));
  }

 private:
  static std::vector<std::uint64_t> mask(const std::vector<bool>& valid, std::size_t at,
                                         std::size_t rows) {
    std::vector<std::uint64_t> bits((rows + 63) / 64);
    for (std::size_t i = 0; i < rows; ++i) bits[i / 64] |= std::uint64_t{valid[at + i]} << (i % 64);
    return bits;
  }

  void give_chunk(Profiler& profiler, std::size_t at, std::size_t rows) const {
    const auto n = mask(n_valid_, at, rows), x = mask(x_valid_, at, rows),
               s = mask(s_valid_, at, rows);
    std::vector<table::Text> texts(s_.begin() + static_cast<std::ptrdiff_t>(at),
                                   s_.begin() + static_cast<std::ptrdiff_t>(at + rows));
    std::unique_ptr<bool[]> bools(new bool[rows]);
    for (std::size_t i = 0; i < rows; ++i) bools[i] = b_[at + i];
    table::Chunk chunk;
    chunk.rows = rows;
    chunk.columns = {{Type::kInteger, n.data(), nullptr, n_.data() + at, nullptr, nullptr},
                     {Type::kReal, x.data(), nullptr, nullptr, x_.data() + at, nullptr},
                     {Type::kText, s.data(), nullptr, nullptr, nullptr, texts.data()},
                     {Type::kBool, nullptr, bools.get(), nullptr, nullptr, nullptr}};
    profiler.add(chunk);
  }

  std::vector<std::int64_t> n_;
  std::vector<double> x_;
  std::vector<std::string> s_;
  std::vector<bool> b_, n_valid_, x_valid_, s_valid_;
};

Plan everything() {
  Plan plan = full_plan(Rows::fields());
  plan.columns[0].edges = {0, 10, 20, 30, 40, 50};
  plan.columns[1].edges = {1, 3, 5, 7, 9};
  plan.columns[0].rules.push_back({"n/range", WithinRange{0, 40}});
  plan.columns[1].rules.push_back({"x/range", WithinRange{0, std::nullopt}});
  plan.columns[2].rules.push_back({"s/pattern", MatchesPattern{*Pattern::compile("word \\d\\d?")}});
  plan.columns[2].rules.push_back({"s/length", WithinLength{std::nullopt, 7}});
  plan.keys.push_back({"n", "s"});
  return plan;
}

Profile profile_of(const Rows& rows, std::size_t begin, std::size_t end, std::size_t chunk) {
  Profiler profiler(everything(), Rows::fields());
  rows.give(profiler, begin, end, chunk);
  return profiler.profile();
}

void expect_same(const ColumnProfile& a, const ColumnProfile& b) {
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.nulls, b.nulls);
  EXPECT_EQ(a.nans, b.nans);
  EXPECT_EQ(a.infinite_low, b.infinite_low);
  EXPECT_EQ(a.infinite_high, b.infinite_high);
  EXPECT_EQ(a.moments.n, b.moments.n);
  if (a.moments.n > 0) {
    EXPECT_EQ(a.moments.min, b.moments.min);
    EXPECT_EQ(a.moments.max, b.moments.max);
    EXPECT_NEAR(a.moments.mean, b.moments.mean, 1e-9);
    EXPECT_NEAR(a.moments.m2, b.moments.m2, 1e-6 * (1 + a.moments.m2));
    EXPECT_NEAR(a.moments.m4, b.moments.m4, 1e-6 * (1 + a.moments.m4));
  }
  ASSERT_EQ(a.bins.has_value(), b.bins.has_value());
  if (a.bins) {
    EXPECT_EQ(a.bins->all(), b.bins->all());
  }
  ASSERT_EQ(a.distinct.has_value(), b.distinct.has_value());
  if (a.distinct) {
    EXPECT_TRUE(*a.distinct == *b.distinct);
  }
  ASSERT_EQ(a.frequent.has_value(), b.frequent.has_value());
  if (a.frequent) {
    EXPECT_EQ(a.frequent->abandoned(), b.frequent->abandoned());
    const auto x = a.frequent->top(20'000), y = b.frequent->top(20'000);
    ASSERT_EQ(x.size(), y.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(x[i].text, y[i].text);
      EXPECT_EQ(x[i].count, y[i].count);
      EXPECT_EQ(x[i].first_row, y[i].first_row);
    }
  }
  if (a.lengths) {
    EXPECT_EQ(a.lengths->min, b.lengths->min);
    EXPECT_EQ(a.lengths->max, b.lengths->max);
    EXPECT_EQ(a.lengths->sum, b.lengths->sum);
  }
  if (a.order) {
    EXPECT_EQ(a.order->descents, b.order->descents);
    EXPECT_EQ(a.order->repeats, b.order->repeats);
  }
  ASSERT_EQ(a.rules.size(), b.rules.size());
  for (const auto& [id, rule] : a.rules) {
    EXPECT_EQ(rule.violations, b.rules.at(id).violations) << id;
    EXPECT_EQ(rule.first_rows, b.rules.at(id).first_rows) << id;
    EXPECT_EQ(rule.first_value, b.rules.at(id).first_value) << id;
  }
  if (a.quantiles && a.quantiles->n() > 0) {
    EXPECT_EQ(a.quantiles->n(), b.quantiles->n());
    EXPECT_NEAR(a.quantiles->share_until(5), b.quantiles->share_until(5), 0.03);
  }
}

TEST(Profile, OfPartsMergesToThatOfTheWholeWhereverTheCutsAre) {
  std::mt19937 random(2);
  for (unsigned seed = 0; seed < 25; ++seed) {
    const Rows rows = Rows::random(1 + random() % 6000, seed);
    const Profile whole = profile_of(rows, 0, rows.size(), 2048);
    std::size_t at = 0;
    std::optional<Profile> all;
    while (at < rows.size() || !all) {
      const std::size_t end = std::min(rows.size(), at + random() % (rows.size() / 2 + 2));
      Profile part = profile_of(rows, at, end, 1 + random() % 2048);
      all = all ? merged(*all, part).value() : std::move(part);
      at = end;
    }
    EXPECT_EQ(all->rows, whole.rows);
    ASSERT_EQ(all->columns.size(), whole.columns.size());
    for (std::size_t i = 0; i < whole.columns.size(); ++i) {
      SCOPED_TRACE(whole.columns[i].name + " of seed " + std::to_string(seed));
      expect_same(whole.columns[i], all->columns[i]);
    }
  }
}

/// A column alone, in chunks, with one null in seven.
template <class Value, class Point>
ColumnProfile column_of(const std::vector<Value>& values, Type type, Point point) {
  const std::vector<table::Field> fields = {{"c", type}};
  Plan plan = full_plan(fields);
  plan.columns[0].unique = true;
  Profiler profiler(plan, fields);
  for (std::size_t at = 0; at < values.size(); at += table::kChunkRowsMax) {
    const std::size_t rows = std::min(table::kChunkRowsMax, values.size() - at);
    std::vector<std::uint64_t> valid((rows + 63) / 64);
    for (std::size_t i = 0; i < rows; ++i)
      valid[i / 64] |= std::uint64_t{(at + i) % 7 != 0} << (i % 64);
    ColumnView view;
    view.type = type;
    view.valid = valid.data();
    point(view, &values[at]);
    table::Chunk chunk;
    chunk.rows = rows;
    chunk.columns = {view};
    profiler.add(chunk);
  }
  return profiler.profile().columns.at(0);
}

/// What is counted of values by their hashes, one value after the other.
struct Counted {
  Frequent frequent;
  DistinctSketch distinct;
  Seen seen{true};

  void add(std::uint64_t hash, std::int64_t row, std::string_view text = "") {
    frequent.add_text(hash, text, row);
    distinct.add(hash);
    seen.add(hash);
  }
  void expect_in(const ColumnProfile& column) const {
    EXPECT_TRUE(*column.distinct == distinct);
    EXPECT_EQ(column.uniqueness->n, seen.result().n);
    EXPECT_EQ(column.uniqueness->distinct, seen.result().distinct);
    EXPECT_EQ(column.uniqueness->exact, seen.result().exact);
    if (column.frequent->abandoned()) return;
    EXPECT_EQ(column.frequent->error(), frequent.error());
    ASSERT_EQ(column.frequent->size(), frequent.size());
    for (const Frequent::Item& item : frequent.items()) {
      const Frequent::Item* ours = column.frequent->find(item.hash);
      ASSERT_NE(ours, nullptr) << item.text;
      EXPECT_EQ(ours->count, item.count) << item.text;
      EXPECT_EQ(ours->first_row, item.first_row) << item.text;
      if (column.type == Type::kText) EXPECT_EQ(ours->text, item.text);
    }
  }
};

TEST(Profile, OfTextsIsTheSameWhetherTheyAreLookedAtOnceOrEachTime) {
  std::mt19937_64 random(3);
  for (const std::uint64_t different : {1ull, 20ull, 9'000ull, 15'000ull, 60'000ull}) {
    std::vector<std::string> words;
    for (int i = 0; i < 150'000; ++i) {
      // Now few, now many different ones; some too long to lie in a cell.
      const std::uint64_t n = random() % (i / 30'000 % 2 == 0 ? different : 1 + different / 50);
      words.push_back((n % 5 == 0 ? "a long word, number " : "\xc3\xa4") + std::to_string(n));
    }
    const std::vector<table::Text> texts(words.begin(), words.end());
    const ColumnProfile column =
        column_of(texts, Type::kText,
                  [](ColumnView& view, const table::Text* at) { view.texts = at; });
    Counted counted;
    std::int64_t sum = 0, n = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (i % 7 == 0) continue;
      counted.add(hash_of(std::string_view(words[i])), static_cast<std::int64_t>(i), words[i]);
      sum += static_cast<std::int64_t>(count_code_points(words[i]));
      ++n;
    }
    SCOPED_TRACE(different);
    counted.expect_in(column);
    EXPECT_EQ(column.lengths->n, n);
    EXPECT_EQ(column.lengths->sum, sum);
  }
}

TEST(Profile, OfWholeNumbersIsTheSameWhetherTheyAreLookedAtOnceOrEachTime) {
  std::mt19937_64 random(4);
  for (const std::uint64_t different : {1ull, 300ull, 9'000ull, 12'000ull, 10'000'000ull}) {
    std::vector<std::int64_t> values;
    for (int i = 0; i < 100'000; ++i) {
      values.push_back(static_cast<std::int64_t>(random() % different) * (1ll << 39));
      if (random() % 1000 == 0) values.back() = std::numeric_limits<std::int64_t>::min();
      if (random() % 1000 == 0) values.back() = std::numeric_limits<std::int64_t>::max();
    }
    const ColumnProfile column =
        column_of(values, Type::kInteger,
                  [](ColumnView& view, const std::int64_t* at) { view.integers = at; });
    Counted counted;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (i % 7 != 0) counted.add(hash_of(values[i]), static_cast<std::int64_t>(i));
    SCOPED_TRACE(different);
    counted.expect_in(column);
    EXPECT_EQ(column.frequent->abandoned(), different > 10'000);
  }
}

/// As an answer that is worked out in whole numbers.
struct Judged {
  std::int64_t outside = 0, not_allowed = 0, no_multiples = 0, descents = 0, repeats = 0;
};

TEST(Profile, OfWholeNumbersThatNoDoubleHoldsIsExact) {
  constexpr std::int64_t kMiddle = 1'764'230'400'000'000'000;  // a time in nanoseconds
  const std::int64_t low = kMiddle - 256, high = kMiddle + 256;  // these are doubles
  const std::vector<std::int64_t> allowed = {kMiddle + 1, kMiddle + 3, kMiddle - 100};
  Plan plan;
  ColumnPlan& asked = plan.columns.emplace_back();
  asked.column = "v";
  asked.order = true;
  const auto real = [](std::int64_t n) { return static_cast<double>(n); };
  OneOf one_of;
  for (const std::int64_t n : allowed) one_of.values.insert(std::to_string(n));
  asked.rules = {{"range", WithinRange{real(low), real(high), false, true}},
                 {"domain", one_of},
                 {"multiple", MultipleOf{7}}};
  std::mt19937_64 random(12);
  std::vector<std::int64_t> values;
  for (int i = 0; i < 5000; ++i)
    values.push_back(kMiddle - 300 + static_cast<std::int64_t>(random() % 600));
  Judged expected;
  for (std::size_t i = 0; i < values.size(); ++i) {
    expected.outside += values[i] < low || values[i] >= high;
    expected.not_allowed += std::count(allowed.begin(), allowed.end(), values[i]) == 0;
    expected.no_multiples += values[i] % 7 != 0;
    if (i == 0) continue;
    expected.descents += values[i] < values[i - 1];
    expected.repeats += values[i] == values[i - 1];
  }
  Profiler profiler(plan, {{"v", Type::kInteger}});
  for (std::size_t at = 0; at < values.size(); at += 1000) {
    ColumnView view;
    view.type = Type::kInteger;
    view.integers = values.data() + at;
    table::Chunk chunk;
    chunk.rows = 1000;
    chunk.columns = {view};
    profiler.add(chunk);
  }
  const ColumnProfile column = profiler.profile().columns.at(0);
  EXPECT_EQ(column.rules.at("range").violations, expected.outside);
  EXPECT_EQ(column.rules.at("domain").violations, expected.not_allowed);
  EXPECT_EQ(column.rules.at("multiple").violations, expected.no_multiples);
  EXPECT_EQ(column.order->descents, expected.descents);
  EXPECT_EQ(column.order->repeats, expected.repeats);
  EXPECT_GT(expected.repeats, 0);
}

TEST(Profile, OfRealsLeavesOutWhatIsNotFiniteAndKnowsOneZero) {
  std::mt19937_64 random(8);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::vector<double> some = {0.0, -0.0, 1.5, -3, std::nan(""), kInfinity, -kInfinity, 1e308};
  std::vector<double> values;
  for (int i = 0; i < 20'000; ++i) values.push_back(some[random() % some.size()]);
  const ColumnProfile column = column_of(
      values, Type::kReal, [](ColumnView& view, const double* at) { view.reals = at; });
  Counted counted;
  std::int64_t nans = 0, low = 0, high = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % 7 == 0) continue;
    nans += std::isnan(values[i]);
    low += values[i] == -kInfinity;
    high += values[i] == kInfinity;
    if (std::isfinite(values[i])) counted.add(hash_of(values[i]), static_cast<std::int64_t>(i));
  }
  counted.expect_in(column);
  EXPECT_EQ(column.frequent->size(), 4u);
  EXPECT_EQ(column.nans, nans);
  EXPECT_EQ(column.infinite_low, low);
  EXPECT_EQ(column.infinite_high, high);
}

TEST(Profile, IsReadBackAsItWasWritten) {
  const Rows rows = Rows::random(5000, 77);
  Profile profile = profile_of(rows, 0, 5000, 2048);
  profile.table = "hour.csv";
  profile.data = "abc";
  profile.made_ms = 1'700'000'000'000;
  profile.others = {"extra"};
  const std::string text = to_json(profile);
  auto again = parse_profile(text);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(to_json(*again), text);
  EXPECT_EQ(again->others, profile.others);
  ASSERT_EQ(again->keys.size(), 1u);
  EXPECT_EQ(again->keys[0].uniqueness.distinct, profile.keys[0].uniqueness.distinct);
  for (std::size_t i = 0; i < profile.columns.size(); ++i)
    expect_same(profile.columns[i], again->columns[i]);
  EXPECT_LT(text.size(), 200'000u);
}

TEST(Profile, StaysSmallWhateverTheRows) {
  Profiler profiler(everything(), Rows::fields());
  for (unsigned i = 0; i < 40; ++i) Rows::random(2000, i).give(profiler, 0, 2000, 2000);
  EXPECT_LT(to_json(profiler.profile()).size(), 200'000u);
}

TEST(Profile, HostileTextIsRefused) {
  for (const char* text :
       {"", "[]", "{}", R"({"slipway_profile": 1})",
        R"({"slipway_profile": 1, "table": "t", "made_ms": 0, "rows": -1, "columns": []})",
        R"({"slipway_profile":1,"table":"t","made_ms":0,"rows":1,"columns":[{"name":"a"}]})",
        R"({"slipway_profile":1,"table":"t","made_ms":0,"rows":1,"columns":[
            {"name":"a","type":"real","rows":1,"nulls":0,"bins":{"edges":[1,1],"counts":[0,0,0]}}]})",
        R"({"slipway_profile":1,"table":"t","made_ms":0,"rows":1,"columns":[
            {"name":"a","type":"real","rows":1,"nulls":0,"bins":{"edges":[1,2],"counts":[0,0]}}]})",
        R"({"slipway_profile":1,"table":"t","made_ms":0,"rows":1,"columns":[
            {"name":"a","type":"real","rows":1,"nulls":0,"distinct":"z9999."}]})"}) {
    auto profile = parse_profile(text);
    ASSERT_FALSE(profile.ok()) << text;
    EXPECT_EQ(profile.error().code, Code::kInvalid) << text;
  }
  auto later = parse_profile(R"({"slipway_profile": 2})");
  ASSERT_FALSE(later.ok());
  EXPECT_EQ(later.error().code, Code::kConflict);
}

TEST(Profile, OfDifferentQuestionsAreNotMerged) {
  const Rows rows = Rows::random(100, 1);
  Profile a = profile_of(rows, 0, 100, 100), b = a;
  b.columns[1].bins = Bins({0, 1});
  EXPECT_FALSE(merged(a, b).ok());
  b = a;
  b.columns[0].type = Type::kReal;
  EXPECT_FALSE(merged(a, b).ok());
  b = a;
  b.columns.pop_back();
  EXPECT_FALSE(merged(a, b).ok());
}

TEST(ProfileTable, OfAFileHasBinsOfEqualMassAndExactCounts) {
  table::TestFolder folder;
  auto path = folder.parquet("a.parquet",
                             "select i, i % 7 as day, i * 0.001 as x, 'v' || (i % 3) as s, "
                             "case when i % 10 = 0 then null else i end as gaps "
                             "from range(100000) t(i)");
  auto profile = profile_fully(path);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(profile->rows, 100'000);
  const ColumnProfile& x = *profile->find("x");
  ASSERT_TRUE(x.bins);
  EXPECT_EQ(x.bins->counts().size(), 64u);
  EXPECT_EQ(x.bins->under() + x.bins->over(), 0);
  for (std::int64_t count : x.bins->counts()) EXPECT_NEAR(count, 100'000 / 64.0, 700);
  EXPECT_EQ(profile->find("day")->bins->counts().size(), 13u);  // 7 values, 6 gaps
  EXPECT_EQ(profile->find("gaps")->nulls, 10'000);
  EXPECT_TRUE(profile->find("i")->uniqueness->exact);
  EXPECT_EQ(profile->find("i")->uniqueness->distinct, 100'000);
  EXPECT_EQ(profile->find("i")->order->descents, 0);
  EXPECT_EQ(profile->find("s")->frequent->size(), 3u);
  EXPECT_TRUE(profile->find("i")->frequent->abandoned());
}

TEST(ProfileTable, IsALineAColumnForPeople) {
  table::TestFolder folder;
  auto path = folder.write("t.csv",
                           "id,day,x,town\n1,2011-01-01,0.5,Bern\n2,2011-01-02,,Bern\n"
                           "3,2011-01-03,1.5,Z\xC3\xBCrich\n4,2011-01-04,2.5,Bern\n");
  auto profile = profile_fully(path);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(to_table(*profile),
            "4 rows, 4 columns\n"
            "column  type     missing  distinct  smallest    mean  largest     most frequent\n"
            "id      integer  -        4         1           2.5   4           -\n"
            "day     date     -        4         2011-01-01  -     2011-01-04  -\n"
            "x       real     25.0 %   3         0.5         1.5   2.5         -\n"
            "town    text     -        2         4 letters   -     6 letters   Bern (75.0 %)\n");
}

TEST(ProfileTable, IsTheSameForAnyNumberOfThreads) {
  table::TestFolder folder;
  auto path = folder.parquet("a.parquet",
                             "select i, hash(i) % 1000 as h, (i * 7 % 13)::double / 3 as x, "
                             "'v' || (i % 700) as s, i % 2 = 0 as b from range(200000) t(i)");
  auto one = profile_fully(path, {1, 1u << 30});
  auto three = profile_fully(path, {3, 1u << 30});
  ASSERT_TRUE(one.ok() && three.ok());
  EXPECT_EQ(to_json(*one), to_json(*three));
  EXPECT_EQ(one->rows, 200'000);
}

// Files of whole chunks: where chunks end, sketches of quantiles may be others.
TEST(ProfileTable, OfSeveralFilesIsThatOfOneWithTheirRows) {
  table::TestFolder folder;
  const std::string select = "select i, hash(i) % 1000 as h, i * 0.25 as x, 'v' || (i % 70) as s ";
  const table::Paths parts{folder.parquet("all.parquet", select + "from range(30720) t(i)"),
                           folder.parquet("b.parquet", select + "from range(30720, 80000) t(i)")};
  const table::TestFolder other;
  const auto whole = other.parquet("all.parquet", select + "from range(80000) t(i)");
  const auto together = profile_fully(parts), alone = profile_fully(whole);
  ASSERT_TRUE(together.ok() && alone.ok());
  EXPECT_EQ(together->rows, 80'000);
  EXPECT_TRUE(to_json(*together) == to_json(*alone));
}

TEST(ProfileTable, OfAWideTableIsThatOfItsParts) {
  table::TestFolder folder;
  constexpr int kColumns = 300;
  std::string select = "select i as id";
  for (int i = 1; i < kColumns; ++i)
    select += ", " + (i % 50 == 0 ? "'v' || (i % 7)" : "i * " + std::to_string(i) + " % 1000") +
              " as c" + std::to_string(i);
  const auto path = folder.parquet("wide.parquet", select + " from range(50) t(i)");
  Plan plan;
  for (int i = 0; i < kColumns; ++i) {
    ColumnPlan& column = plan.columns.emplace_back();
    column.column = i == 0 ? "id" : "c" + std::to_string(i);
    column.frequent = column.distinct = true;
  }
  plan.keys = {{"id", "c299"}};
  const auto whole = profile_table(path, plan);
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  ASSERT_EQ(whole->columns.size(), static_cast<std::size_t>(kColumns));
  EXPECT_EQ(whole->rows, 50);
  ASSERT_EQ(whole->keys.size(), 1u);
  EXPECT_EQ(whole->keys[0].uniqueness.distinct, 50);
  for (const int at : {0, 150, 255, 256, 299}) {
    Plan one;
    one.columns = {plan.columns[static_cast<std::size_t>(at)]};
    Profile alone = profile_table(path, one).value();
    Profile part = *whole;
    part.keys.clear();
    part.columns = {whole->columns[static_cast<std::size_t>(at)]};
    alone.others.clear();
    EXPECT_EQ(to_json(alone), to_json(part)) << at;
  }
}

TEST(ProfileTable, TakesFewerColumnsAtOnceWhereMemoryHasNoRoomForAll) {
  table::TestFolder folder;
  std::string select = "select 0 as c0";
  for (int i = 1; i < 24; ++i)
    select += ", repeat(hash(i * 100 + " + std::to_string(i) + ")::varchar, 2000) as c" +
              std::to_string(i);
  const auto path = folder.parquet("long.parquet", select + " from range(200) t(i)");
  const auto fields = table::Scan::fields_of(path);
  ASSERT_TRUE(fields.ok());
  const PassOptions little{2, 60u << 20};
  const auto profile = profile_table(path, full_plan(*fields), little);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(profile->columns.size(), 24u);
  table::ScanOptions all;
  all.threads = 1;
  all.memory_bytes_max = little.memory_bytes_max / 2;
  const auto scan = table::Scan::open(path, all);
  Result<const table::Chunk*> chunk = scan.ok() ? (*scan)->next() : scan.error();
  EXPECT_TRUE(!chunk.ok() && chunk.error().code == Code::kBusy) << "all of them fit";
}

TEST(ProfileTable, OfColumnsApartHasKeysOfAnyOfThem) {
  table::TestFolder folder;
  auto path = folder.parquet("k.parquet",
                             "select i % 100 as a, i // 100 as b, i as c, 'x' as d, 1 as e "
                             "from range(5000) t(i)");
  Plan plan;
  for (const char* name : {"c", "a", "absent"}) plan.columns.emplace_back().column = name;
  plan.keys = {{"a", "b"}, {"d", "b"}};
  for (int threads : {1, 2, 5}) {
    auto profile = profile_table(path, plan, {threads, 1u << 30});
    ASSERT_TRUE(profile.ok()) << profile.error().message;
    EXPECT_EQ(profile->rows, 5000);
    ASSERT_EQ(profile->columns.size(), 2u);
    EXPECT_EQ(profile->columns[0].name, "c");
    EXPECT_EQ(profile->columns[1].moments.max, 99);
    ASSERT_EQ(profile->keys.size(), 2u);
    EXPECT_EQ(profile->keys[0].uniqueness.distinct, 5000);
    EXPECT_EQ(profile->keys[1].uniqueness.distinct, 50);
    EXPECT_EQ(profile->others, (std::vector<std::string>{"e"}));
    auto none = profile_table(path, Plan(), {threads, 1u << 30});
    ASSERT_TRUE(none.ok());
    EXPECT_EQ(none->rows, 5000);
  }
}

TEST(ProfileTable, OfADamagedColumnIsAnErrorWhicheverThreadReadsIt) {
  table::TestFolder folder;
  auto path = folder.parquet("d.parquet",
                             "select md5(i::varchar) as a, md5((-i)::varchar) as b, "
                             "md5((i + 9)::varchar) as c from range(50000) t(i)");
  const auto size = std::filesystem::file_size(path);
  for (const double share : {0.1, 0.5, 0.9}) {
    const auto damaged = folder.path() / "damaged.parquet";
    std::filesystem::copy_file(path, damaged, std::filesystem::copy_options::overwrite_existing);
    std::fstream file(damaged, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(static_cast<double>(size) * share) - 20'000);
    file << std::string(40'000, '\xff');
    file.close();
    EXPECT_FALSE(profile_fully(damaged).ok()) << share;
  }
}

TEST(ProfileTable, ReadsOnlyWhatThePlanNeedsAndSaysWhatElseIsThere) {
  table::TestFolder folder;
  auto path = folder.write("a.csv", "a,b,c\n1,2,x\n3,4,y\n");
  Plan plan;
  ColumnPlan b, absent;
  b.column = "b";
  absent.column = "absent";
  plan.columns = {b, absent};
  auto profile = profile_table(path, plan);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  ASSERT_EQ(profile->columns.size(), 1u);
  EXPECT_EQ(profile->columns[0].moments.mean, 3);
  EXPECT_EQ(profile->others, (std::vector<std::string>{"a", "c"}));
  auto none = profile_table(path, Plan());
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->rows, 2);
}

TEST(ProfileTable, ALateCellOfAnotherTypeMakesAColumnText) {
  table::TestFolder folder;
  std::string text = "n\n";
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + "\n";
  auto profile = profile_fully(folder.write("late.csv", text + "seven\n"));
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(profile->find("n")->type, Type::kText);
  EXPECT_EQ(profile->rows, 100'001);
}

/// A table of one column of whole numbers, `value` of each row.
template <class Value>
std::filesystem::path table_of(table::TestFolder& folder, int rows, Value value) {
  std::string text = "n\n";
  for (int i = 0; i < rows; ++i) text += std::to_string(value(i)) + "\n";
  return folder.write("table.csv", text);
}

/// The bins that two passes give.
Bins bins_by_all(const std::filesystem::path& path) {
  const Plan full = full_plan({{"n", Type::kInteger}});
  const auto first = profile_table(path, full);
  const auto second = profile_table(path, with_bins(full, *first));
  return *second->find("n")->bins;
}

TEST(ProfileFully, BinsOfAFewRowsAreThoseOfAllOfThem) {
  table::TestFolder folder;
  const auto path = table_of(folder, 10'000, [](int i) { return i * 7919 % 10'007; });
  const auto profile = profile_fully(path);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  const Bins all = bins_by_all(path);
  EXPECT_EQ(profile->find("n")->bins->edges(), all.edges());
  EXPECT_EQ(profile->find("n")->bins->all(), all.all());
}

TEST(ProfileFully, BinsOfManyAreToldByTheFirstOnesWhereThoseAreLikeTheOthers) {
  table::TestFolder folder;
  const auto path = table_of(folder, 60'000, [](int i) { return i * 7919LL % 60'013; });
  const auto profile = profile_fully(path);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  const Bins& bins = *profile->find("n")->bins;
  EXPECT_NE(bins.edges(), bins_by_all(path).edges());
  EXPECT_TRUE(bins.are_even());
  EXPECT_EQ(bins.total(), 60'000);
  EXPECT_EQ(bins.under() + bins.over(), 0);
  EXPECT_EQ(bins.edges().front(), profile->find("n")->moments.min);
  EXPECT_EQ(bins.edges().back(), profile->find("n")->moments.max);
}

TEST(ProfileFully, BinsOfASortedTableAreThoseOfAllOfIt) {
  table::TestFolder folder;
  const auto path = table_of(folder, 60'000, [](int i) { return i; });
  const auto profile = profile_fully(path);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(profile->find("n")->bins->edges(), bins_by_all(path).edges());
  EXPECT_EQ(profile->find("n")->bins->all(), bins_by_all(path).all());
}

TEST(ProfileFully, AValueThatComesLateHasItsOwnBinToo) {
  table::TestFolder folder;
  const auto path = table_of(folder, 40'000, [](int i) { return i < 30'000 ? i % 5 : i % 6; });
  const auto profile = profile_fully(path);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(profile->find("n")->bins->all(), bins_by_all(path).all());
  EXPECT_EQ(profile->find("n")->bins->counts().size(), 11u);
}

}  // namespace
}  // namespace slipway::checks
