#include "domain/features/aggregate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace slipway::features {
namespace {

using F = AggregateFunction;

struct Sample {
  EventId id;
  Value value;
};

/// From all events, one after the other, without tiles.
Summary naive(std::vector<Sample> samples, Type type, const Window& window, std::int64_t at_us,
              bool cutoff) {
  std::sort(samples.begin(), samples.end(),
            [](const Sample& a, const Sample& b) { return a.id < b.id; });
  const Range range = range_of(window, at_us);
  Summary summary;
  for (const Sample& sample : samples) {
    if (sample.id.at_us < range.from_us || sample.id.at_us >= range.end_us) continue;
    if (cutoff && (sample.id.created_us == kNoCreated || sample.id.created_us > at_us)) continue;
    if (is_null(sample.value)) continue;
    Number number{0};
    if (type == Type::kInt64)
      number.whole = std::get<std::int64_t>(sample.value);
    else
      number.real = std::get<double>(sample.value);
    summary.add(number, type);
  }
  return summary;
}

Value value_of(const Summary& summary, F function, Type type) {
  bool overflow = false;
  return summary.value(function, type, overflow);
}

void expect_near(const Value& a, const Value& b, double relative) {
  ASSERT_EQ(a.index(), b.index());
  if (is_null(a)) return;
  if (!std::holds_alternative<double>(a)) {
    EXPECT_TRUE(identical(a, b)) << to_text(a) << " " << to_text(b);
    return;
  }
  const double x = std::get<double>(a), y = std::get<double>(b);
  EXPECT_LE(std::fabs(x - y), relative * std::max({1.0, std::fabs(x), std::fabs(y)}));
}

TEST(Aggregate, WindowsBeginAtAHopAndEndBeforeTheMoment) {
  const std::int64_t at = 10 * kHourUs + 17 * kMinuteUs;
  Range range = range_of({kHourUs, 5 * kMinuteUs, false}, at);
  EXPECT_EQ(range.from_us, 9 * kHourUs + 15 * kMinuteUs);
  EXPECT_EQ(range.end_us, at);
  EXPECT_EQ(range_of({kHourUs, 0, true}, at).from_us, at - kHourUs);
  EXPECT_EQ(range_of({kHourUs, 0, true}, at).end_us, at + 1);
  EXPECT_EQ(default_hop_us(kHourUs), 5 * kMinuteUs);
  EXPECT_EQ(default_hop_us(12 * kHourUs), kHourUs);
  EXPECT_EQ(default_hop_us(30 * kDayUs), kDayUs);
}

TEST(Aggregate, AnEventAtTheMomentCountsOnlyWhenInclusive) {
  History history({Type::kInt64});
  history.add({kHourUs, kNoCreated, 1}, std::vector<Value>{std::int64_t{5}});
  EXPECT_EQ(history.summary(0, {kHourUs, 0, false}, kHourUs).count, 0);
  EXPECT_EQ(history.summary(0, {kHourUs, 0, true}, kHourUs).count, 1);
  EXPECT_EQ(history.summary(0, {kHourUs, 0, false}, kHourUs + 1).count, 1);
  EXPECT_EQ(history.summary(0, {kHourUs, 0, false}, 2 * kHourUs).count, 1);
  EXPECT_EQ(history.summary(0, {kHourUs, 0, false}, 2 * kHourUs + 1).count, 0);
}

TEST(Aggregate, AnEmptyWindowHasCountZeroAndNothingElse) {
  const Summary empty;
  EXPECT_TRUE(identical(value_of(empty, F::kCount, Type::kFloat64), std::int64_t{0}));
  for (F f : {F::kSum, F::kMin, F::kMax, F::kMean, F::kVar, F::kStd, F::kFirst, F::kLast}) {
    EXPECT_TRUE(is_null(value_of(empty, f, Type::kFloat64)));
  }
}

TEST(Aggregate, WholeSumsAreExactAndOverflowIsNull) {
  Summary summary;
  const std::int64_t big = std::numeric_limits<std::int64_t>::max();
  summary.add({big}, Type::kInt64);
  summary.add({big}, Type::kInt64);
  bool overflow = false;
  EXPECT_TRUE(is_null(summary.value(F::kSum, Type::kInt64, overflow)));
  EXPECT_TRUE(overflow);
  summary.add({-big}, Type::kInt64);
  EXPECT_TRUE(identical(value_of(summary, F::kSum, Type::kInt64), big));
}

TEST(Aggregate, RealSumsAreCompensated) {
  Summary summary;
  for (double x : {1e16, 1.0, -1e16, 1.0}) {
    Number number{0};
    number.real = x;
    summary.add(number, Type::kFloat64);
  }
  EXPECT_TRUE(identical(value_of(summary, F::kSum, Type::kFloat64), 2.0));
}

TEST(Aggregate, InfinitiesAndNansArePassedOn) {
  Summary summary;
  for (double x : {1.0, std::numeric_limits<double>::infinity(), 2.0}) {
    Number number{0};
    number.real = x;
    summary.add(number, Type::kFloat64);
  }
  EXPECT_TRUE(std::isinf(std::get<double>(value_of(summary, F::kSum, Type::kFloat64))));
  Number nan{0};
  nan.real = std::nan("");
  summary.add(nan, Type::kFloat64);
  for (F f : {F::kSum, F::kMin, F::kMax, F::kMean, F::kVar, F::kStd}) {
    EXPECT_TRUE(std::isnan(std::get<double>(value_of(summary, f, Type::kFloat64))));
  }
}

struct RandomHistory {
  std::mt19937 random;
  Type type;
  std::vector<Sample> samples;

  RandomHistory(unsigned seed, Type t) : random(seed), type(t) {
    const std::size_t count = random() % 60;
    const std::int64_t span = random() % 2 ? 3 * kHourUs : 40 * kDayUs;
    for (std::size_t i = 0; i < count; ++i) {
      Sample sample;
      // Often on the edge of a tile, often at one moment.
      sample.id.at_us = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(span));
      if (random() % 3 == 0) sample.id.at_us = floor_to(sample.id.at_us, kTileUs[random() % 3]);
      if (random() % 5 == 0 && !samples.empty()) sample.id.at_us = samples.back().id.at_us;
      if (random() % 4 != 0) {
        sample.id.created_us = sample.id.at_us + static_cast<std::int64_t>(random() % kDayUs);
      }
      sample.id.order = i + 1;
      if (random() % 8 != 0) sample.value = number();
      samples.push_back(sample);
    }
  }
  Value number() {
    const auto n = static_cast<std::int64_t>(random() % 2'000'001) - 1'000'000;
    if (type == Type::kInt64) return n;
    return static_cast<double>(n) / 1000.0 * std::pow(10.0, static_cast<double>(random() % 9) - 4);
  }
  std::int64_t moment() {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(50 * kDayUs));
  }
  Window window() {
    constexpr std::int64_t kLengths[] = {10 * kMinuteUs, kHourUs, 13 * kHourUs, 30 * kDayUs};
    Window window;
    window.length_us = kLengths[random() % 4];
    window.hop_us = random() % 3 == 0 ? 0 : default_hop_us(window.length_us);
    window.inclusive = random() % 2 == 0;
    return window;
  }
  History history(const std::vector<Sample>& order) const {
    History made({type});
    for (const Sample& sample : order) made.add(sample.id, std::vector<Value>{sample.value});
    return made;
  }
};

constexpr F kAll[] = {F::kCount, F::kSum, F::kMin,   F::kMax, F::kMean,
                      F::kVar,   F::kStd, F::kFirst, F::kLast};

TEST(Aggregate, TilesAgreeWithTheEventsThemselves) {
  for (unsigned seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE(seed);
    RandomHistory r(seed, seed % 2 ? Type::kInt64 : Type::kFloat64);
    const History history = r.history(r.samples);
    for (int question = 0; question < 8; ++question) {
      const Window window = r.window();
      const std::int64_t at = question % 2 && !r.samples.empty()
                                  ? r.samples[r.random() % r.samples.size()].id.at_us
                                  : r.moment();
      const bool cutoff = r.random() % 2 == 0;
      const Summary tiled = history.summary(0, window, at, cutoff);
      const Summary plain = naive(r.samples, r.type, window, at, cutoff);
      ASSERT_EQ(tiled.count, plain.count);
      for (F f : kAll) expect_near(value_of(tiled, f, r.type), value_of(plain, f, r.type), 1e-9);
    }
  }
}

// What makes offline and online equal: the bits don't depend on the way the events came.
TEST(Aggregate, TheOrderOfArrivalDoesNotMatter) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    RandomHistory r(seed, Type::kFloat64);
    std::vector<Sample> shuffled = r.samples;
    std::shuffle(shuffled.begin(), shuffled.end(), r.random);
    const std::size_t again = shuffled.size() / 2;  // and some come twice
    shuffled.insert(shuffled.end(), shuffled.begin(),
                    shuffled.begin() + static_cast<std::ptrdiff_t>(again));
    const History a = r.history(r.samples), b = r.history(shuffled);
    EXPECT_EQ(a.events(), b.events());
    for (int question = 0; question < 8; ++question) {
      const Window window = r.window();
      const std::int64_t at = r.moment();
      for (F f : kAll) {
        EXPECT_TRUE(identical(value_of(a.summary(0, window, at), f, r.type),
                              value_of(b.summary(0, window, at), f, r.type)));
      }
    }
  }
}

// A server knows only what was created by now; a training set with the cutoff pretends to.
TEST(Aggregate, TheCutoffGivesTheBitsOfThoseWhoKnewNoMore) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    RandomHistory r(seed, Type::kFloat64);
    const History all = r.history(r.samples);
    const std::int64_t at = r.moment();
    std::vector<Sample> known;
    for (const Sample& sample : r.samples) {
      if (sample.id.created_us != kNoCreated && sample.id.created_us <= at) known.push_back(sample);
    }
    const History some = r.history(known);
    const Window window = r.window();
    for (F f : kAll) {
      EXPECT_TRUE(identical(value_of(all.summary(0, window, at, true), f, r.type),
                            value_of(some.summary(0, window, at), f, r.type)));
    }
  }
}

TEST(Aggregate, ForgettingKeepsEveryWindowThatBeginsLater) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    RandomHistory r(seed, Type::kFloat64);
    const History all = r.history(r.samples);
    History some = all;
    const std::int64_t at = r.moment();
    const Window window = r.window();
    some.drop_before(range_of(window, at).from_us - 1);
    for (F f : kAll) {
      EXPECT_TRUE(identical(value_of(all.summary(0, window, at), f, r.type),
                            value_of(some.summary(0, window, at), f, r.type)));
    }
  }
}

}  // namespace
}  // namespace slipway::features
