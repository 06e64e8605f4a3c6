#include "base/text.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace slipway {
namespace {

using Words = std::vector<std::string_view>;

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,b,,c,", ','), (Words{"a", "b", "", "c", ""}));
  EXPECT_EQ(split("", ','), (Words{""}));
  EXPECT_EQ(join({"a", "", "b"}, "--"), "a----b");
  EXPECT_EQ(join({}, ","), "");
}

TEST(Text, TrimCaseAndReplace) {
  EXPECT_EQ(trim(" \t\r\n x y \n"), "x y");
  EXPECT_EQ(trim(" \n "), "");
  EXPECT_EQ(to_lower("AbC-\xc3\x84"), "abc-\xc3\x84");
  EXPECT_EQ(to_upper("abz{"), "ABZ{");
  EXPECT_EQ(replace_all("aaa", "a", "aa"), "aaaaaa");
  EXPECT_EQ(replace_all("abc", "x", "y"), "abc");
}

TEST(Text, WholeNumbersOnly) {
  EXPECT_EQ(to_int64("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  for (const char* bad : {"", " 1", "1 ", "1.0", "0x10", "9223372036854775808", "--1", "+-1"}) {
    EXPECT_EQ(to_int64(bad), std::nullopt) << bad;
  }
}

TEST(Text, WholeDoublesOnly) {
  EXPECT_EQ(to_double("1e-3"), 0.001);
  EXPECT_EQ(to_double("-inf"), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*to_double("nan")));
  for (const char* bad : {"", " 1", "1 ", "1e", "0x1p3", "1,5", "one"}) {
    EXPECT_EQ(to_double(bad), std::nullopt) << bad;
  }
}

TEST(Text, DoublesAsPythonWritesThem) {
  const std::pair<double, const char*> cases[] = {
      {0.1, "0.1"},          {5, "5.0"},
      {-0.0, "-0.0"},        {1e-4, "0.0001"},
      {1e-5, "1e-05"},       {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},       {123456.789, "123456.789"},
      {5e-324, "5e-324"},    {1.7976931348623157e308, "1.7976931348623157e+308"},
      {1.5e300, "1.5e+300"}, {2.5e-7, "2.5e-07"},
      {NAN, "nan"},          {INFINITY, "inf"},
      {-INFINITY, "-inf"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(python_repr(value), text);
}

TEST(Text, DoublesReadBackAsTheSameBits) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    std::optional<double> back = to_double(python_repr(value));
    ASSERT_TRUE(back) << python_repr(value);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(*back), std::bit_cast<std::uint64_t>(value));
  }
}

TEST(Text, Utf8) {
  EXPECT_TRUE(
      is_valid_utf8("Gr\xc3\xbc\xc3\x9f"
                    "e \xf0\x9f\x9a\xb2"));
  for (const char* bad :
       {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xff"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
  EXPECT_EQ(count_code_points("a\xc3\xbc\xf0\x9f\x9a\xb2"), 3u);
  EXPECT_EQ(take_code_points("a\xc3\xbc\xf0\x9f\x9a\xb2", 2), "a\xc3\xbc");
  EXPECT_EQ(take_code_points("ab", 5), "ab");
}

TEST(Text, NearestIsALikelySlipOnly) {
  const std::vector<std::string> verbs = {"checkout", "commit", "status", "explain"};
  EXPECT_EQ(nearest("comit", verbs), "commit");
  EXPECT_EQ(nearest("statsu", verbs), "status");
  EXPECT_EQ(nearest("deploy", verbs), std::nullopt);
  EXPECT_EQ(nearest("x", {}), std::nullopt);
}

}  // namespace
}  // namespace slipway
