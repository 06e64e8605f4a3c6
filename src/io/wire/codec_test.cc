#include "io/wire/codec.h"

#include <gtest/gtest.h>

#include <cmath>

namespace slipway::wire {

struct Metric {
  std::string key;
  double value = 0;
  std::int64_t timestamp = 0, step = 0;
};
WIRE(Metric, key, value, timestamp, step)

struct Everything {
  std::string text;
  bool flag = false;
  std::int64_t big = 0;
  int small = 0;
  double number = 0;
  Json any;
  std::optional<std::string> maybe;
  std::vector<Metric> metrics;
  std::map<std::string, double> weights;
  std::vector<std::optional<double>> holes;
};
WIRE(Everything, text, flag, big, small, number, any, maybe, metrics, weights, holes)

namespace {

std::string outcome(std::string_view text, const Limits& limits = {}) {
  Result<Everything> result = decode<Everything>(text, limits);
  return result.ok() ? "ok" : result.error().message;
}

/// With a NaN beside it simdjson refuses the text, so the same value takes the slow path.
std::string slowly(std::string_view object) {
  return "{\"slow\":NaN," + std::string(object.substr(1));
}

TEST(Decode, ReadsEveryKindOfMember) {
  const std::string text =
      R"({"unknown":[{}],"text":"a\u00e9","flag":true,"big":"-9223372036854775808","small":7.0,)"
      R"("number":"1e3","any":{"x":[1,2.5,null,18446744073709551615]},"maybe":"m",)"
      R"("metrics":[{"key":"k","value":1,"timestamp":2.0,"step":"3"},{}],"weights":{"w":0.5},)"
      R"("holes":[null,2]})";
  for (const std::string& t : {text, slowly(text)}) {
    Everything e = *decode<Everything>(t);
    EXPECT_EQ(e.text, "aé");
    EXPECT_TRUE(e.flag);
    EXPECT_EQ(e.big, INT64_MIN);
    EXPECT_EQ(e.small, 7);
    EXPECT_EQ(e.number, 1000);
    EXPECT_EQ(dump(e.any), R"({"x":[1,2.5,null,18446744073709551615]})");
    EXPECT_EQ(e.maybe, "m");
    ASSERT_EQ(e.metrics.size(), 2u);
    EXPECT_EQ(e.metrics[0].step, 3);
    EXPECT_EQ(e.metrics[0].timestamp, 2);
    EXPECT_EQ(e.weights.at("w"), 0.5);
    ASSERT_EQ(e.holes.size(), 2u);
    EXPECT_FALSE(e.holes[0].has_value());
    EXPECT_EQ(e.holes[1], 2.0);
  }
}

TEST(Decode, LeavesAbsentAndNullMembersAlone) {
  Everything e = *decode<Everything>(R"({"text":null,"maybe":null,"metrics":null,"any":null})");
  EXPECT_EQ(e.text, "");
  EXPECT_FALSE(e.maybe.has_value());
  EXPECT_TRUE(e.metrics.empty());
  EXPECT_TRUE(e.any.is_null());
}

TEST(Decode, TakesTheLastOfDuplicateKeys) {
  const std::string text =
      R"({"big":1,"any":{"x":1,"x":2},"metrics":[{"key":"a"}],"big":2,"metrics":[],"weights":{"w":1,"v":"x","w":2,"v":3}})";
  for (const std::string& t : {text, slowly(text)}) {
    Everything e = *decode<Everything>(t);
    EXPECT_EQ(e.big, 2);
    EXPECT_TRUE(e.metrics.empty());
    EXPECT_EQ(dump(e.any), R"({"x":2})");
    EXPECT_EQ(e.weights.at("w"), 2);
    EXPECT_EQ(e.weights.at("v"), 3) << "what came before it may be anything";
  }
}

TEST(Decode, ReadsNumbersThatOnlyPythonWrites) {
  struct Case {
    const char* token;
    double value;
  };
  const Case cases[] = {
      {"Infinity", HUGE_VAL},
      {"-Infinity", -HUGE_VAL},
      {"\"Infinity\"", HUGE_VAL},
      {"\"-Infinity\"", -HUGE_VAL},
      {"1e400", HUGE_VAL},
      {"\"1e400\"", HUGE_VAL},
      {"-1e999999", -HUGE_VAL},
      {"1e-999999", 0.0},
      {"18446744073709551616", 18446744073709551616.0},
      {"18446744073709551615", 18446744073709551616.0},
      {"\" 1\"", NAN},
      {"\"-0.5\"", -0.5},
  };
  for (const Case& c : cases) {
    Result<Everything> e = decode<Everything>(std::string("{\"number\":") + c.token + "}");
    ASSERT_EQ(e.ok(), !std::isnan(c.value)) << c.token;
    if (!e.ok()) continue;
    EXPECT_EQ(e->number, c.value) << c.token;
  }
  EXPECT_TRUE(std::isnan(decode<Everything>(R"({"number":NaN})")->number));
  EXPECT_TRUE(std::isnan(decode<Everything>(R"({"number":"NaN"})")->number));
}

TEST(Decode, NamesThePathOfWhatIsWrong) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {R"({"text":1})", "text: expected a string, found the number 1"},
      {R"({"flag":"true"})", "flag: expected true or false, found the string \"true\""},
      {R"({"big":1.5})", "big: expected an integer of 64 bits, found the number 1.5"},
      {R"({"big":"x"})", "big: expected an integer of 64 bits, found the string \"x\""},
      {R"({"big":""})", "big: expected an integer of 64 bits, found the string \"\""},
      {R"({"big":9223372036854775808})",
       "big: expected an integer of 64 bits, found the number 9223372036854775808"},
      {R"({"big":18446744073709551616})",
       "big: expected an integer of 64 bits, found the number 1.8446744073709552e+19"},
      {R"({"big":-9223372036854775809})",
       "big: expected an integer of 64 bits, found the number -9.223372036854776e+18"},
      {R"({"big":NaN})", "big: expected an integer of 64 bits, found the number NaN"},
      {R"({"big":1e300})", "big: expected an integer of 64 bits, found the number 1e+300"},
      {R"({"small":2147483648})",
       "small: expected an integer of 32 bits, found the number 2147483648"},
      {R"!({"number":"nan(7)"})!", "number: expected a number, found the string \"nan(7)\""},
      {R"({"number":true})", "number: expected a number, found true"},
      {R"({"metrics":{}})", "metrics: expected an array, found an object"},
      {R"({"metrics":[{},{},{},{"value":[]}]})",
       "metrics[3].value: expected a number, found an array"},
      {R"({"metrics":[{},3]})", "metrics[1]: expected an object, found the number 3"},
      {R"({"metrics":[null]})", "metrics[0]: expected an object, found null"},
      {R"({"weights":{"a":1,"b":"x"}})", "weights.b: expected a number, found the string \"x\""},
      {R"({"weights":{"a":null}})", "weights.a: expected a number, found null"},
      {R"([])", "expected an object, found an array"},
      {R"(null)", "expected an object, found null"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(outcome(c.text), c.message);
    if (c.text[0] != '{') continue;
    EXPECT_EQ(outcome(slowly(c.text)), c.message);
  }
}

TEST(Decode, SaysWhereTheTextIsNoJson) {
  EXPECT_EQ(outcome("{\"text\":\n  tru}"),
            "not valid JSON: line 2, column 3: expected a value, found 't'");
  for (const char* text :
       {"", " ", "{", "{\"a\":1", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\xff\"",
        "\"\xed\xa0\x80\"", "\xef\xbb\xbf{}", "{}{}", "{\"a\":01}", "{\"a\":\"\n\"}"}) {
    EXPECT_TRUE(outcome(text).starts_with("not valid JSON: ")) << text << ": " << outcome(text);
  }
}

TEST(Decode, BoundsDepthBytesAndValues) {
  Limits limits;
  limits.depth_max = 3;
  EXPECT_EQ(outcome(R"({"any":[[]]})", limits), "ok");
  EXPECT_NE(outcome(R"({"any":[[[1]]]})", limits), "ok");
  EXPECT_EQ(outcome(R"({"unknown":[[1]]})", limits), "ok");
  EXPECT_NE(outcome(R"({"unknown":[[{"a":1}]]})", limits), "ok");
  EXPECT_NE(outcome(R"({"any":[[[NaN]]]})", limits), "ok");

  std::string deep = "{\"any\":" + std::string(1'000'000, '[');
  EXPECT_NE(outcome(deep).find("nested deeper than 100 levels"), std::string::npos);
  EXPECT_NE(outcome(deep + std::string(1'000'000, ']') + "}").find("nested deeper"),
            std::string::npos);

  limits = {};
  limits.bytes_max = 11;
  EXPECT_EQ(outcome(R"({"text":""})", limits), "ok");
  EXPECT_EQ(outcome(R"({"text":"x"})", limits), "the JSON text has 12 bytes, the limit is 11");

  limits = {};
  limits.values_max = 100;
  std::string list;
  for (int i = 0; i < 99; ++i) list += i == 0 ? "{}" : ",{}";
  EXPECT_EQ(outcome("{\"metrics\":[" + list + "]}", limits), "ok");
  EXPECT_EQ(outcome("{\"metrics\":[{}," + list + "]}", limits),
            "metrics: more values than the limit allows");
  EXPECT_EQ(outcome("{\"any\":[1,1," + list + "]}", limits),
            "any: more values than the limit allows");
}

TEST(Decode, ReadsAValueThatWasParsedBefore) {
  Json json = *parse(R"({"metrics":[{"key":"k","value":NaN,"step":18446744073709551615}]})");
  EXPECT_EQ(
      decode<Everything>(json).error().message,
      "metrics[0].step: expected an integer of 64 bits, found the number 18446744073709551615");
}

TEST(Decode, ReusesItsBuffersAcrossTextsOfAllSizes) {
  for (std::size_t size : {10u, 3'000'000u, 20u, 100'000u, 0u}) {
    std::string text = "{\"text\":\"" + std::string(size, 'x') + "\"}";
    EXPECT_EQ(decode<Everything>(text)->text.size(), size);
  }
}

TEST(Encode, WritesEveryKindOfMember) {
  Everything e;
  e.text = "q\"é";
  e.big = 1ll << 60;
  e.number = 1e-5;
  e.any = Json(Json::Array{1, "x"});
  e.metrics = {{"k", NAN, 2, 3}};
  e.weights = {{"w", 2}};
  e.holes = {std::nullopt, 1.5};
  EXPECT_EQ(encode(e),
            R"({"text":"q\"é","flag":false,"big":1152921504606846976,"small":0,"number":1e-05,)"
            R"("any":[1,"x"],"metrics":[{"key":"k","value":"NaN","timestamp":2,"step":3}],)"
            R"("weights":{"w":2.0},"holes":[null,1.5]})");
}

TEST(Encode, FollowsItsStyle) {
  Everything e;
  e.maybe = "é";
  e.any = Json(HUGE_VAL);
  EXPECT_EQ(encode(e, {.omit_empty = true,
                       .ascii = true,
                       .int64_as_string = true,
                       .non_finite_as_string = false}),
            R"({"flag":false,"big":"0","small":0,"number":0.0,"any":Infinity,"maybe":"\u00e9"})");
  Metric metric{"k", 1, 2, 3};
  EXPECT_EQ(encode(std::vector<Metric>{metric}, {.indent = 2}),
            "[\n  {\n    \"key\": \"k\",\n    \"value\": 1.0,\n    \"timestamp\": 2,\n    "
            "\"step\": 3\n  }\n]");
  EXPECT_EQ(encode(std::vector<Metric>{}, {.indent = 2}), "[]");
}

TEST(Encode, IsReadBackByDecode) {
  Everything e;
  e.text = "\x01\x1f\u2028😀";
  e.metrics = {{"a", -0.0, INT64_MIN, INT64_MAX}, {"b", 5e-324, 0, 0}};
  e.any = *parse(R"({"k":[1,2.5,"x",null,true]})");
  std::string text = encode(e);
  EXPECT_EQ(encode(*decode<Everything>(text)), text);
}

}  // namespace
}  // namespace slipway::wire
