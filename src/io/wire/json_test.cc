#include "io/wire/json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>

#include "io/wire/codec.h"

namespace slipway::wire {
namespace {

std::string again(std::string_view text, const DumpStyle& style = {}) {
  Result<Json> json = parse(text);
  return json.ok() ? dump(*json, style) : json.error().message;
}

TEST(Parse, ReadsWhatIsValid) {
  struct Case {
    const char* text;
    const char* dumped;
  };
  const Case cases[] = {
      {"null", "null"},
      {" \t\r\n true ", "true"},
      {"[]", "[]"},
      {"{}", "{}"},
      {"[ ]", "[]"},
      {"[[],{},[[]]]", "[[],{},[[]]]"},
      {R"({"a":{"b":[1,{"c":null}]},"d":false})", R"({"a":{"b":[1,{"c":null}]},"d":false})"},
      {"0", "0"},
      {"-0", "0"},
      {"-0.0", "-0.0"},
      {"1.0", "1.0"},
      {"1e5", "100000.0"},
      {"1E+2", "100.0"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"9223372036854775808", "9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"18446744073709551616", "1.8446744073709552e+19"},
      {"1e400", "Infinity"},
      {"-1e400", "-Infinity"},
      {"1e-400", "0.0"},
      {"1e999999999999999999999", "Infinity"},
      {"1e-999999999999999999999", "0.0"},
      {"0e999999999999999999999", "0.0"},
      {"[NaN,Infinity,-Infinity]", "[NaN,Infinity,-Infinity]"},
      {R"("\u0041\u00e9\u20ac\ud83d\ude00")", "\"A\u00e9\u20ac\U0001F600\""},
      {R"("\"\\\/\b\f\n\r\t\u0000")", R"("\"\\/\b\f\n\r\t\u0000")"},
      {"\"\x7f\"", "\"\x7f\""},
      {R"({"a":1,"b":2,"a":3})", R"({"a":3,"b":2})"},
      {R"({"a":1,"a":null})", R"({"a":null})"},
      {R"({"":1})", R"({"":1})"},
  };
  for (const Case& c : cases) EXPECT_EQ(again(c.text), c.dumped) << c.text;
}

TEST(Parse, RefusesWhatIsNot) {
  struct Case {
    std::string text;
    const char* message;
  };
  const Case cases[] = {
      {"", "line 1, column 1: expected a value, found the end of the text"},
      {"  ", "line 1, column 3: expected a value, found the end of the text"},
      {"[1,\n 2,\n x]", "line 3, column 2: expected a value, found 'x'"},
      {"[1 2]", "line 1, column 4: expected ',' or ']', found '2'"},
      {"[1,]", "line 1, column 4: expected a value, found ']'"},
      {"[", "line 1, column 2: expected a value, found the end of the text"},
      {"]", "line 1, column 1: expected a value, found ']'"},
      {"{\"a\" 1}", "line 1, column 6: expected ':', found '1'"},
      {"{a:1}", "line 1, column 2: expected a key in double quotes, found 'a'"},
      {"{\"a\":1,}", "line 1, column 8: expected a key in double quotes, found '}'"},
      {"{\"a\":1]", "line 1, column 7: expected ',' or '}', found ']'"},
      {"1 2", "line 1, column 3: expected the end of the text, found '2'"},
      {"01", "line 1, column 2: expected no digit after a leading zero, found '1'"},
      {"-", "line 1, column 2: expected a value, found the end of the text"},
      {"+1", "line 1, column 1: expected a value, found '+'"},
      {"1.", "line 1, column 3: expected a digit, found the end of the text"},
      {".5", "line 1, column 1: expected a value, found '.'"},
      {"1e", "line 1, column 3: expected a digit, found the end of the text"},
      {"nul", "line 1, column 1: expected a value, found 'n'"},
      {"NaNs", "line 1, column 4: expected the end of the text, found 's'"},
      {"-NaN", "line 1, column 2: expected a value, found 'N'"},
      {"'a'", "line 1, column 1: expected a value, found '''"},
      {"\"a", "line 1, column 1: a string without an end"},
      {"\"a\\", "line 1, column 4: expected an escape, found the end of the text"},
      {"\"\\x\"", "line 1, column 2: an unknown escape"},
      {"\"\\u12g4\"", "line 1, column 4: \\u without four hex digits"},
      {"\"\\u12", "line 1, column 4: \\u without four hex digits"},
      {"\"\\u+123\"", "line 1, column 4: \\u without four hex digits"},
      {"\"\\ud800\"", "line 1, column 2: half of a surrogate pair"},
      {"\"\\udc00\"", "line 1, column 2: half of a surrogate pair"},
      {"\"\\ud800\\u0041\"", "line 1, column 2: half of a surrogate pair"},
      {"\"\\ud800\\ud800\"", "line 1, column 2: half of a surrogate pair"},
      {"\"a\nb\"",
       "line 1, column 3: expected no control character inside a string, found byte 0xa"},
      {"\"\xff\"", "line 1, column 2: a string that is not valid UTF-8"},
      {"\"\xc0\x80\"", "line 1, column 2: a string that is not valid UTF-8"},
      {"\"\xed\xa0\x80\"", "line 1, column 2: a string that is not valid UTF-8"},
      {"\"\xf4\x90\x80\x80\"", "line 1, column 2: a string that is not valid UTF-8"},
      {"\"\xe2\x82\"", "line 1, column 2: a string that is not valid UTF-8"},
      {"\xef\xbb\xbf{}", "line 1, column 1: expected a value, found byte 0xef"},
      {std::string("\0", 1), "line 1, column 1: expected a value, found byte 0x0"},
      {"/* x */1", "line 1, column 1: expected a value, found '/'"},
  };
  for (const Case& c : cases) {
    Result<Json> json = parse(c.text);
    ASSERT_FALSE(json.ok()) << c.text;
    EXPECT_EQ(json.error().code, Code::kInvalid);
    EXPECT_EQ(json.error().message, std::string("not valid JSON: ") + c.message) << c.text;
  }
}

TEST(Parse, BoundsDepthWithoutRecursion) {
  Limits limits;
  limits.depth_max = 3;
  EXPECT_TRUE(parse("[[[1]]]", limits).ok());
  EXPECT_FALSE(parse("[[[[1]]]]", limits).ok());
  EXPECT_FALSE(parse("[[[{}]]]", limits).ok());
  for (const char* open : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 1'000'000; ++i) deep += open;
    Result<Json> json = parse(deep);
    ASSERT_FALSE(json.ok());
    EXPECT_NE(json.error().message.find("nested deeper than 100 levels"), std::string::npos);
  }
}

TEST(Parse, BoundsBytesAndValues) {
  Limits limits;
  limits.bytes_max = 10;
  EXPECT_TRUE(parse("\"12345678\"", limits).ok());
  EXPECT_EQ(parse("\"123456789\"", limits).error().message,
            "the JSON text has 11 bytes, the limit is 10");
  limits = {};
  limits.values_max = 4;
  EXPECT_TRUE(parse("[1,2,3]", limits).ok());
  EXPECT_FALSE(parse("[1,2,3,4]", limits).ok());
  EXPECT_FALSE(parse("[[],[],[],[]]", limits).ok());
}

TEST(Parse, ReadsANumberOfMillionsOfDigits) {
  std::string digits(8'000'000, '7');
  EXPECT_EQ(parse(digits)->as_double(), HUGE_VAL);
  EXPECT_EQ(parse("0." + std::string(8'000'000, '0') + "1")->as_double(), 0.0);
  EXPECT_EQ(parse("1" + std::string(400, '0') + "e-400")->as_double(), 1.0);
}

TEST(Parse, TakesManyDuplicateKeysQuickly) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"k" + std::to_string(i % 1000) + "\":1,";
  text += "\"k0\":2}";
  Result<Json> json = parse(text);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->as_object().size(), 1000u);
  EXPECT_EQ(json->as_object().front().first, "k0");
  EXPECT_EQ(json->find("k0")->as_int64(), 2);
}

TEST(Dump, WritesDoublesAsPythonDoes) {
  struct Case {
    double value;
    const char* text;
  };
  const Case cases[] = {
      {0.1, "0.1"},
      {5, "5.0"},
      {-0.0, "-0.0"},
      {1e-5, "1e-05"},
      {1e-4, "0.0001"},
      {9.999999999999999e-05, "9.999999999999999e-05"},
      {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},
      {9999999999999998.0, "9999999999999998.0"},
      {123456789012345680.0, "1.2345678901234568e+17"},
      {1.5e300, "1.5e+300"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {2.5e-7, "2.5e-07"},
      {1.0 / 3, "0.3333333333333333"},
      {-123.456, "-123.456"},
      {std::nan(""), "NaN"},
      {-HUGE_VAL, "-Infinity"},
  };
  for (const Case& c : cases) {
    std::string out;
    append_double(out, c.value);
    EXPECT_EQ(out, c.text);
  }
}

TEST(Dump, FollowsItsStyle) {
  const char* text = R"({"b":[1,2.0,{}],"a":"é😀","c":NaN,"d":[]})";
  EXPECT_EQ(again(text, {.sort_keys = true, .ascii = true, .spaces = true}),
            R"({"a": "\u00e9\ud83d\ude00", "b": [1, 2.0, {}], "c": NaN, "d": []})");
  // As Python's json does: what is no printable ASCII.
  EXPECT_EQ(again("\"plain\x7ftext\"", {.ascii = true}), R"("plain\u007ftext")");
  EXPECT_EQ(again(text, {.indent = 2, .non_finite_as_string = true}),
            "{\n  \"b\": [\n    1,\n    2.0,\n    {}\n  ],\n  \"a\": \"é😀\",\n  \"c\": "
            "\"NaN\",\n  \"d\": []\n}");
}

TEST(Dump, ReplacesBytesThatAreNotUtf8WhenWritingAscii) {
  std::string out;
  append_quoted(out, "a\xff\xe2\x82z\xf0", true);
  EXPECT_EQ(out, R"("a\ufffd\ufffd\ufffdz\ufffd")");
}

TEST(Equality, ComparesNumbersByValueAndObjectsRegardlessOfOrder) {
  struct Case {
    const char* a;
    const char* b;
    bool equal;
  };
  const Case cases[] = {
      {"1", "1.0", true},
      {"1", "true", false},
      {"0", "-0.0", true},
      {"0", "null", false},
      {"9007199254740993", "9007199254740992.0", false},
      {"18446744073709551615", "18446744073709551616.0", false},
      {"-1", "18446744073709551615", false},
      {"9223372036854775808", "9223372036854775808.0", true},
      {"NaN", "NaN", false},
      {"\"1\"", "1", false},
      {R"({"a":1,"b":[2]})", R"({"b":[2.0],"a":1})", true},
      {R"({"a":1})", R"({"a":1,"b":2})", false},
      {R"({"a":1})", R"({"b":1})", false},
      {"[1,2]", "[2,1]", false},
      {"[]", "{}", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(*parse(c.a) == *parse(c.b), c.equal) << c.a << " " << c.b;
    EXPECT_EQ(*parse(c.b) == *parse(c.a), c.equal) << c.b << " " << c.a;
  }
}

TEST(Json, SetsAndFindsMembers) {
  Json json;
  json.set("a", 1).operator=(Json(2));
  json.set("b", Json::Array{});
  json.set("a", "x");
  EXPECT_EQ(dump(json), R"({"a":"x","b":[]})");
  EXPECT_EQ(json.find("z"), nullptr);
  EXPECT_EQ(Json(3).find("a"), nullptr);
  EXPECT_EQ(Json(1e300).as_int64(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(Json(-2.9).as_int64(), -2);
}

}  // namespace
}  // namespace slipway::wire
