#include "io/http/range.h"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

const Representation kContent{1000, "\"abc\""};

Headers with(std::initializer_list<std::pair<const char*, const char*>> fields) {
  Headers headers;
  for (const auto& [name, value] : fields) headers.add(name, value);
  return headers;
}

struct Case {
  const char* range;
  int status;
  std::uint64_t from, length;
};

TEST(Range, IsOnePieceOfTheContent) {
  const Case cases[] = {{"bytes=0-9", 206, 0, 10},
                        {"bytes=990-", 206, 990, 10},
                        {"bytes=990-5000", 206, 990, 10},
                        {"bytes=-10", 206, 990, 10},
                        {"bytes=-5000", 206, 0, 1000},
                        {"Bytes=999 - 999 ", 206, 999, 1},
                        {"bytes=0-99999999999999999999999", 206, 0, 1000},
                        {"bytes=1000-", 416, 0, 0},
                        {"bytes=99999999999999999999999-", 416, 0, 0},
                        {"bytes=-0", 416, 0, 0}};
  for (const Case& c : cases) {
    const Wanted wanted = wanted_of(Method::kGet, with({{"Range", c.range}}), kContent);
    EXPECT_EQ(wanted.status, c.status) << c.range;
    if (c.status == 416) continue;
    EXPECT_EQ(wanted.from, c.from) << c.range;
    EXPECT_EQ(wanted.length, c.length) << c.range;
  }
}

TEST(Range, ThatIsNotUnderstoodMeansTheWhole) {
  for (const char* range : {"", "bytes", "bytes=", "bytes=-", "bytes=9-0", "bytes=a-b", "bytes=1-2,4-5",
                            "items=0-1", "bytes=+1-2", "bytes=0x1-2", "bytes=1--2"}) {
    const Wanted wanted = wanted_of(Method::kGet, with({{"Range", range}}), kContent);
    EXPECT_EQ(wanted.status, 200) << range;
    EXPECT_EQ(wanted.length, 1000u) << range;
  }
  EXPECT_EQ(wanted_of(Method::kGet, with({{"Range", "bytes=0-1"}, {"Range", "bytes=3-4"}}), kContent)
                .status,
            200);
}

TEST(Range, IsForGetOnly) {
  EXPECT_EQ(wanted_of(Method::kHead, with({{"Range", "bytes=0-9"}}), kContent).status, 200);
}

TEST(Range, OfAnEmptyContentIsNone) {
  for (const char* range : {"bytes=0-", "bytes=0-0", "bytes=-1"}) {
    EXPECT_EQ(wanted_of(Method::kGet, with({{"Range", range}}), {0, "\"e\""}).status, 416) << range;
  }
}

TEST(IfRange, GivesThePartOnlyOfTheSameContent) {
  const auto status = [](const char* if_range) {
    return wanted_of(Method::kGet, with({{"Range", "bytes=0-9"}, {"If-Range", if_range}}), kContent)
        .status;
  };
  EXPECT_EQ(status("\"abc\""), 206);
  EXPECT_EQ(status("\"old\""), 200);
  EXPECT_EQ(status("W/\"abc\""), 200);
  EXPECT_EQ(status("Thu, 01 Jan 2026 00:00:00 GMT"), 200);
}

TEST(IfNoneMatch, SavesWhatTheClientHas) {
  const auto status = [](const char* list) {
    return wanted_of(Method::kGet, with({{"If-None-Match", list}, {"Range", "bytes=0-1"}}), kContent)
        .status;
  };
  EXPECT_EQ(status("\"abc\""), 304);
  EXPECT_EQ(status("W/\"abc\""), 304);
  EXPECT_EQ(status("\"x\", \"abc\""), 304);
  EXPECT_EQ(status("*"), 304);
  EXPECT_EQ(status("\"x\""), 206);
  EXPECT_EQ(status("abc"), 206);
  EXPECT_EQ(status("\"abc"), 206);
  EXPECT_EQ(status("\"abc\"x"), 206);
  EXPECT_EQ(status("\"abc\" , \"x\""), 304);
}

TEST(IfMatch, RefusesAnotherContent) {
  EXPECT_EQ(wanted_of(Method::kGet, with({{"If-Match", "\"old\""}}), kContent).status, 412);
  EXPECT_EQ(wanted_of(Method::kGet, with({{"If-Match", "W/\"abc\""}}), kContent).status, 412);
  EXPECT_EQ(wanted_of(Method::kGet, with({{"If-Match", "\"old\", \"abc\""}}), kContent).status, 200);
}

TEST(Respond, SaysWhichPart) {
  const Response part = respond({206, 990, 10}, kContent);
  EXPECT_EQ(part.headers.get("Content-Range"), "bytes 990-999/1000");
  EXPECT_EQ(part.headers.get("ETag"), "\"abc\"");
  EXPECT_EQ(part.body_length, 10u);
  EXPECT_EQ(respond({416, 0, 0}, kContent).headers.get("Content-Range"), "bytes */1000");
  EXPECT_FALSE(respond({304, 0, 0}, kContent).body_length.has_value());
  EXPECT_EQ(respond({200, 0, 1000}, kContent).headers.get("Accept-Ranges"), "bytes");
}

}  // namespace
}  // namespace slipway::http
