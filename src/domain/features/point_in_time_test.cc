#include "domain/features/point_in_time.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "domain/features/calendar.h"

namespace slipway::features {
namespace {

using Minutes = std::optional<std::int64_t>;
using Key = std::vector<std::optional<std::int64_t>>;

/// Times are minutes from an arbitrary instant.
struct Fact {
  Key key;
  Minutes ts, created;
  std::string x;
};
struct Ask {
  Key key;
  Minutes ts;
};

constexpr std::int64_t kOrigin = 1'767'225'600'000'000;  // 2026-01-01

void push_time(Column& column, Minutes minutes) {
  if (!minutes) return column.push_null();
  column.push(Timestamp{kOrigin + *minutes * kMinuteUs});
}

struct Fixture {
  std::vector<Column> source_key, entity_key;
  Column ts{Type::kTimestamp}, created{Type::kTimestamp}, x{Type::kString}, at{Type::kTimestamp};
  bool has_created = true;

  Fixture(const std::vector<Fact>& facts, const std::vector<Ask>& asks) {
    const std::size_t width = facts.empty() ? asks.at(0).key.size() : facts.at(0).key.size();
    source_key.assign(width, Column(Type::kInt64));
    entity_key = source_key;
    for (const Fact& fact : facts) {
      push_key(source_key, fact.key);
      push_time(ts, fact.ts);
      push_time(created, fact.created);
      x.push(fact.x);
    }
    for (const Ask& ask : asks) {
      push_key(entity_key, ask.key);
      push_time(at, ask.ts);
    }
  }
  static void push_key(std::vector<Column>& columns, const Key& key) {
    for (std::size_t i = 0; i < key.size(); ++i) {
      if (key[i])
        columns[i].push(*key[i]);
      else
        columns[i].push_null();
    }
  }
  static std::vector<const Column*> pointers(const std::vector<Column>& columns) {
    std::vector<const Column*> all;
    for (const Column& column : columns) all.push_back(&column);
    return all;
  }
  Matches run(std::int64_t ttl_minutes, bool cutoff) const {
    Result<Matches> matches = join({pointers(source_key), &ts, has_created ? &created : nullptr},
                                   {pointers(entity_key), &at}, {ttl_minutes * kMinuteUs, cutoff});
    EXPECT_TRUE(matches.ok()) << matches.error().message;
    return matches.ok() ? *matches : Matches{};
  }
  /// The texts found, "-" for none.
  std::vector<std::string> found(std::int64_t ttl_minutes = 0, bool cutoff = false) const {
    std::vector<std::string> texts;
    for (std::uint32_t row : run(ttl_minutes, cutoff).rows) {
      texts.push_back(row == kNoRow ? "-" : x.texts[row]);
    }
    return texts;
  }
};

using Texts = std::vector<std::string>;

TEST(PointInTime, V1BothBoundsAreInclusive) {
  Fixture f({{{1, 0}, 0, 0, "A"}, {{1, 0}, 60, 60, "B"}}, {{{1, 0}, -1},
                                                           {{1, 0}, 0},
                                                           {{1, 0}, 59},
                                                           {{1, 0}, 60},
                                                           {{1, 0}, 120},
                                                           {{1, 0}, 121},
                                                           {{2, 0}, 60}});
  EXPECT_EQ(f.found(60), (Texts{"-", "A", "A", "B", "B", "-", "-"}));
  Matches matches = f.run(60, false);
  EXPECT_EQ(matches.expired, 1u);
  EXPECT_EQ(matches.unmatched, 2u);
}

TEST(PointInTime, V2CreatedBreaksTiesAndTakesBackfills) {
  Fixture f({{{1, 0}, 0, 0, "10"},
             {{1, 0}, 0, 1440, "20"},
             {{2, 0}, 0, 1440, "30"},
             {{2, 0}, 1440, 0, "40"}},
            {{{1, 0}, 2880}, {{2, 0}, 2880}, {{1, 0}, 0}, {{2, 0}, 100}});
  EXPECT_EQ(f.found(), (Texts{"20", "40", "20", "30"}));
}

TEST(PointInTime, V3EqualEntityRowsAllStay) {
  Fixture f({{{1, 0}, 5, 5, "x"}}, {{{1, 0}, 10}, {{1, 0}, 10}, {{9, 0}, 10}});
  EXPECT_EQ(f.found(), (Texts{"x", "x", "-"}));
}

TEST(PointInTime, V4OfEqualSourceRowsTheLaterPositionWins) {
  Fixture f({{{1, 0}, 5, {}, "p"}, {{1, 0}, 5, {}, "q"}}, {{{1, 0}, 10}});
  f.has_created = false;
  EXPECT_EQ(f.found(), (Texts{"q"}));
}

TEST(PointInTime, V5ANullCreatedIsLowest) {
  Fixture f({{{1, 0}, 5, {}, "n"}, {{1, 0}, 5, 3, "c"}, {{2, 0}, 5, {}, "only"}},
            {{{1, 0}, 10}, {{2, 0}, 10}});
  EXPECT_EQ(f.found(), (Texts{"c", "only"}));
}

TEST(PointInTime, V6KeysAreTuplesAndNotConcatenations) {
  Fixture f({{{1, 12}, 5, 1, "k112"}, {{11, 2}, 6, 1, "k112b"}}, {{{1, 12}, 10}, {{11, 2}, 10}});
  EXPECT_EQ(f.found(), (Texts{"k112", "k112b"}));
}

TEST(PointInTime, V7ANullKeyMatchesNothing) {
  Fixture f({{{{}, 0}, 5, 5, "n"}}, {{{{}, 0}, 10}});
  EXPECT_EQ(f.found(), (Texts{"-"}));
  Fixture single({{{{}}, 5, 5, "n"}}, {{{{}}, 10}});
  EXPECT_EQ(single.found(), (Texts{"-"}));
}

TEST(PointInTime, V8AnExpiredRowHidesOlderOnes) {
  Fixture f({{{1, 0}, 0, 0, "old"}, {{1, 0}, 30, 0, "newer"}}, {{{1, 0}, 100}});
  EXPECT_EQ(f.found(60), (Texts{"-"}));
}

TEST(PointInTime, V9TheCutoffAsksForCreation) {
  Fixture f({{{1, 0}, 0, 0, "10"},
             {{2, 0}, 0, 0, "30"},
             {{1, 0}, 0, 2880, "20"},
             {{2, 0}, 0, 2880, "40"}},
            {{{1, 0}, 1440}, {{2, 0}, 1440}});
  EXPECT_EQ(f.found(0, false), (Texts{"20", "40"}));
  EXPECT_EQ(f.found(0, true), (Texts{"10", "30"}));
}

TEST(PointInTime, V10TheCutoffIsNotMonotoneInEventTime) {
  Fixture f({{{1, 0}, 50, 55, "known"}, {{1, 0}, 90, 200, "late"}}, {{{1, 0}, 100}});
  EXPECT_EQ(f.found(0, false), (Texts{"late"}));
  EXPECT_EQ(f.found(0, true), (Texts{"known"}));
}

TEST(PointInTime, V11EqualInstantsMatchWhateverTheirZone) {
  EXPECT_EQ(parse_timestamp("2026-01-01T00:00:00Z"), parse_timestamp("2025-12-31T19:00:00-05:00"));
  EXPECT_EQ(parse_timestamp("2026-01-01T00:00:00Z"), parse_timestamp("2026-01-01T00:00:00"));
}

TEST(PointInTime, V13WithoutKeysThereIsOneEntity) {
  Fixture f({{{}, 0, {}, "a"}, {{}, 10, {}, "b"}}, {{{}, 5}, {{}, 10}, {{}, 71}, {{}, -1}});
  EXPECT_EQ(f.found(60), (Texts{"a", "b", "-", "-"}));
}

TEST(PointInTime, ANullCreatedNeverPassesTheCutoffAndWithoutTheColumnThereIsNone) {
  Fixture f({{{1}, 5, {}, "n"}}, {{{1}, 10}});
  EXPECT_EQ(f.found(0, true), (Texts{"-"}));
  f.has_created = false;
  EXPECT_EQ(f.found(0, true), (Texts{"n"}));
}

TEST(PointInTime, RowsWithoutAnEventTimeMatchNothing) {
  Fixture f({{{1}, {}, 1, "n"}, {{1}, 3, 1, "x"}}, {{{1}, 10}, {{1}, {}}});
  EXPECT_EQ(f.found(), (Texts{"x", "-"}));
}

TEST(PointInTime, ATtlCountsMicroseconds) {
  Column key(Type::kInt64), ts(Type::kTimestamp), at(Type::kTimestamp), keys(Type::kInt64);
  key.push(std::int64_t{1});
  ts.push(Timestamp{1000});
  for (std::int64_t us : {2499, 2500, 2501}) {
    keys.push(std::int64_t{1});
    at.push(Timestamp{us});
  }
  Result<Matches> matches = join({{&key}, &ts, nullptr}, {{&keys}, &at}, {1500, false});
  ASSERT_TRUE(matches.ok());
  EXPECT_EQ(matches->rows, (std::vector<std::uint32_t>{0, 0, kNoRow}));
}

TEST(PointInTime, RefusesKeysOfDifferentTypes) {
  Column number(Type::kInt64), text(Type::kString), ts(Type::kTimestamp);
  Result<Matches> matches = join({{&number}, &ts, nullptr}, {{&text}, &ts}, {});
  ASSERT_FALSE(matches.ok());
  EXPECT_EQ(matches.error().message,
            "key column 1 is int64 in the source and string in the entity table");
}

/// The rules word by word: every pair is looked at.
std::uint32_t brute_force(const Fixture& f, std::size_t entity, std::int64_t ttl_us, bool cutoff) {
  std::uint32_t best = kNoRow;
  for (std::uint32_t row = 0; row < f.ts.size(); ++row) {
    bool same = f.ts.valid[row] != 0 && f.at.valid[entity] != 0;
    for (std::size_t i = 0; i < f.source_key.size(); ++i) {
      same = same && f.source_key[i].valid[row] != 0 && f.entity_key[i].valid[entity] != 0 &&
             f.source_key[i].ints[row] == f.entity_key[i].ints[entity];
    }
    if (!same || f.ts.ints[row] > f.at.ints[entity]) continue;
    if (cutoff && f.has_created &&
        (f.created.valid[row] == 0 || f.created.ints[row] > f.at.ints[entity])) {
      continue;
    }
    const auto created = [&](std::uint32_t r) {
      return f.has_created && f.created.valid[r] != 0 ? f.created.ints[r] : INT64_MIN;
    };
    if (best == kNoRow ||
        std::pair(f.ts.ints[row], created(row)) >= std::pair(f.ts.ints[best], created(best))) {
      best = row;
    }
  }
  // The ttl is a condition on candidates; the newest one fails it only if all do.
  if (best != kNoRow && ttl_us > 0 && f.ts.ints[best] < f.at.ints[entity] - ttl_us) return kNoRow;
  return best;
}

TEST(PointInTime, AgreesWithBruteForceOnRandomTables) {
  std::mt19937 random(7);
  auto below = [&](unsigned n) { return static_cast<std::int64_t>(random() % n); };
  auto maybe = [&](unsigned one_in, std::int64_t value) {
    return below(one_in) == 0 ? Minutes() : Minutes(value);
  };
  int compared = 0;
  for (int round = 0; round < 4000; ++round) {
    const auto width = static_cast<std::size_t>(below(3));
    auto key = [&] {
      Key k;
      for (std::size_t i = 0; i < width; ++i) k.push_back(maybe(20, below(3)));
      return k;
    };
    std::vector<Fact> facts;
    for (std::int64_t n = 1 + below(25); n > 0; --n) {
      facts.push_back({key(), maybe(30, below(40)), maybe(4, below(60)), ""});
    }
    std::vector<Ask> asks;
    for (std::int64_t n = 1 + below(12); n > 0; --n) asks.push_back({key(), maybe(30, below(50))});
    Fixture f(facts, asks);
    f.has_created = below(4) != 0;
    const std::int64_t ttl = below(3) == 0 ? 0 : 1 + below(30);
    const bool cutoff = below(2) == 0;
    const Matches matches = f.run(ttl, cutoff);
    for (std::size_t i = 0; i < asks.size(); ++i) {
      ASSERT_EQ(matches.rows[i], brute_force(f, i, ttl * kMinuteUs, cutoff)) << "round " << round;
      ++compared;
    }
  }
  EXPECT_GT(compared, 20'000);
}

}  // namespace
}  // namespace slipway::features
