#include "io/yaml/json.h"

#include <gtest/gtest.h>

namespace slipway::yaml {
namespace {

wire::Json value_of(const std::string& text) {
  auto json = to_json(text, wire::Limits{});
  EXPECT_TRUE(json.ok()) << text << ": " << (json.ok() ? "" : json.error().message);
  return json.ok() ? *json : wire::Json();
}

std::string error_of(const std::string& text) {
  auto json = to_json(text, wire::Limits{1000, 10});
  return json.ok() ? "accepted" : json.error().message;
}

TEST(YamlToJson, ResolvesPlainScalarsAsPyYamlDoes) {
  EXPECT_TRUE(value_of("~").is_null());
  EXPECT_TRUE(value_of("yes").as_bool());
  EXPECT_EQ(value_of("-12").as_int64(), -12);
  EXPECT_EQ(value_of("2.50").as_double(), 2.5);
  EXPECT_EQ(value_of("1e5").as_string(), "1e5");
  EXPECT_EQ(value_of("3.11.7").as_string(), "3.11.7");
  EXPECT_EQ(value_of("'12'").as_string(), "12");
}

TEST(YamlToJson, KeepsTheOrderOfKeys) {
  const wire::Json json = value_of("b: 1\na: {c: [x, null]}\n");
  ASSERT_EQ(json.as_object().size(), 2u);
  EXPECT_EQ(json.as_object()[0].first, "b");
  EXPECT_TRUE(json.find("a")->find("c")->as_array()[1].is_null());
}

TEST(YamlToJson, RefusesAliases) {
  EXPECT_EQ(error_of("a: &x [1]\nb: *x\n"), "line 2: aliases are not supported here");
}

TEST(YamlToJson, RefusesDeepNesting) {
  EXPECT_EQ(error_of(std::string(50, '[')), "line 1: nesting is too deep");
}

TEST(YamlToJson, NamesTheLineOfAMistake) {
  EXPECT_EQ(error_of("a: 1\nb: [\n").substr(0, 6), "line 3");
}

TEST(YamlToJson, RefusesASecondDocument) {
  EXPECT_NE(error_of("a: 1\n---\nb: 2\n").find("second document"), std::string::npos);
}

TEST(YamlToJson, RefusesWhatIsTooLong) {
  EXPECT_EQ(error_of(std::string(1001, 'a')), "longer than 1000 bytes");
}

}  // namespace
}  // namespace slipway::yaml
