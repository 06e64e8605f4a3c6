#include "base/clock.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(Iso8601, ReadsWhatItWrites) {
  for (UnixMs ms : {UnixMs{0}, UnixMs{1'304'208'000'000}, UnixMs{1'795'600'000'123}, UnixMs{-1}}) {
    EXPECT_EQ(parse_iso8601(to_iso8601(ms)), ms) << to_iso8601(ms);
  }
}

TEST(Iso8601, ReadsOffsetsFractionsAndDates) {
  constexpr UnixMs kNoon = 1'304'251'200'000;  // 2011-05-01T12:00:00Z
  for (const char* text :
       {"2011-05-01T12:00:00Z", "2011-05-01 12:00:00z", "2011-05-01T14:00:00+02:00",
        "2011-05-01T06:30:00-05:30", "2011-05-01T12:00:00.0009Z"}) {
    EXPECT_EQ(parse_iso8601(text), kNoon) << text;
  }
  EXPECT_EQ(parse_iso8601("2011-05-01T12:00:00.25Z"), kNoon + 250);
  EXPECT_EQ(parse_iso8601("2011-05-01"), kNoon - 12 * 3'600'000);
  EXPECT_EQ(parse_iso8601("2012-02-29T23:59:60Z"), parse_iso8601("2012-03-01T00:00:00Z"));
}

TEST(Iso8601, RefusesTheRest) {
  for (const char* text :
       {"", "2011", "2011-05", "2011-13-01", "2011-02-29", "2011-05-01T", "2011-05-01T12:00Z",
        "2011-05-01T12:00:00", "2011-05-01T24:00:00Z", "2011-05-01T12:00:00.Z",
        "2011-05-01T12:00:00+1:00", "2011-05-01T12:00:00+24:00", "2011-05-01T12:00:00Zx",
        "+011-05-01T12:00:00Z", "0000-01-01T00:00:00Z"}) {
    EXPECT_EQ(parse_iso8601(text), std::nullopt) << text;
  }
}

TEST(ReplayClock, NeverGoesBack) {
  ReplayClock clock(1000);
  EXPECT_TRUE(clock.turn_to(2000));
  EXPECT_EQ(clock.now_ms(), 2000);
  EXPECT_FALSE(clock.turn_to(1999));
  EXPECT_EQ(clock.now_ms(), 2000);
  EXPECT_TRUE(clock.turn_to(2000));
}

}  // namespace
}  // namespace slipway
