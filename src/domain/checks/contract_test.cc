#include "domain/checks/contract.h"

#include <gtest/gtest.h>

#include "domain/checks/pattern.h"

namespace slipway::checks {
namespace {

constexpr char kHead[] = "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.0.0\n";

Contract read(const std::string& text) {
  auto contract = parse_contract(text, "c.yaml");
  EXPECT_TRUE(contract.ok()) << (contract.ok() ? "" : contract.error().message);
  return contract.ok() ? std::move(contract).value() : Contract();
}

std::string errors(const std::string& text) {
  auto contract = parse_contract(text, "c.yaml");
  return contract.ok() ? "" : contract.error().message;
}

std::string column(const std::string& rest) {
  return std::string(kHead) + "schema:\n  - name: t\n    properties:\n      - name: income\n" +
         rest;
}

TEST(Contract, IsReadWithEverythingThatTheStandardAndSlipwaySay) {
  const Contract contract = read(R"(apiVersion: v3.1.0
kind: DataContract
id: credit-features
version: 4.2.0
schema:
  - name: applicants
    properties:
      - name: income
        logicalType: number
        required: true
        classification: confidential
        logicalTypeOptions: { minimum: 0 }
        quality:
          - { metric: nullValues, mustBeLessThan: 1, unit: percent, severity: error }
          - type: custom
            engine: slipway
            implementation: |
              drift: { stat: js, vs: training, warn: 0.05, fail: 0.1, min_rows: 500 }
              skew:  { stat: psi, vs: serving, fail: 0.05 }
      - name: opened_at
        logicalType: date
        logicalTypeOptions: { minimum: 2011-01-31, exclusiveMinimum: true }
      - name: defaulted
        logicalType: boolean
        customProperties: [ { property: slipway.environments, value: [training] } ]
    quality:
      - metric: rowCount
        mustBeBetween: [0, 100]
      - type: custom
        engine: greatExpectations
        implementation: |
          type: expect_column_pair_values_a_to_be_greater_than_b
slaProperties:
  - { property: latency, value: 1, unit: d, element: applicants.opened_at }
  - { property: retention, value: 3, unit: y, element: applicants.opened_at }
)");
  EXPECT_EQ(contract.id, "credit-features");
  EXPECT_EQ(contract.table, "applicants");
  ASSERT_EQ(contract.properties.size(), 3u);
  const Property& income = contract.properties[0];
  EXPECT_EQ(income.type, table::Type::kReal);
  EXPECT_TRUE(income.required);
  EXPECT_TRUE(income.confidential);
  EXPECT_EQ(income.min, 0);
  ASSERT_EQ(income.quality.size(), 3u);
  const auto& nulls = std::get<CountQuality>(income.quality[0].what);
  EXPECT_TRUE(nulls.percent);
  EXPECT_EQ(nulls.bound.below, 1);
  const auto& drift = std::get<DriftQuality>(income.quality[1].what);
  EXPECT_EQ(drift.measure, Measure::kJensenShannon);
  EXPECT_EQ(drift.rows_min, 500);
  EXPECT_EQ(drift.warn, 0.05);
  EXPECT_EQ(income.quality[1].at.line, 18);
  EXPECT_EQ(income.quality[1].at.column, 15);
  EXPECT_TRUE(std::get<DriftQuality>(income.quality[2].what).skew);
  EXPECT_EQ(contract.properties[1].min, 1'296'432'000e6);
  EXPECT_TRUE(contract.properties[1].min_open);
  EXPECT_EQ(contract.properties[2].environments, (std::vector{Environment::kTraining}));
  ASSERT_EQ(contract.quality.size(), 1u);
  const Bound& open = std::get<CountQuality>(contract.quality[0].what).bound;
  EXPECT_TRUE(open.holds(99));
  EXPECT_FALSE(open.holds(100));  // ODCS: between is open at both ends
  EXPECT_FALSE(open.holds(0));
  ASSERT_EQ(contract.foreign.size(), 1u);
  EXPECT_EQ(contract.foreign[0].what, "engine greatExpectations");
  ASSERT_EQ(contract.freshness.size(), 1u);
  EXPECT_EQ(contract.freshness[0].column, "opened_at");
  EXPECT_EQ(contract.freshness[0].seconds_max, 86400);
  EXPECT_EQ(contract.digest.size(), 64u);
}

TEST(Contract, EveryErrorIsSaidAtOnceWithItsPlaceAndTheNearestWord) {
  const std::string said =
      errors(column("        logicalType: numbr\n        requird: true\n        quality:\n"
                    "          - {metric: nullValue, mustBe: 0}\n          - {metric: nullValues}\n"
                    "          - {type: custom, engine: slipway, implementation: {drft: {}}}\n"));
  EXPECT_NE(said.find("c.yaml:9:22: found 'numbr', which is no logicalType"), std::string::npos)
      << said;
  EXPECT_NE(said.find("did you mean 'number'?"), std::string::npos) << said;
  EXPECT_NE(said.find("c.yaml:10:9: found 'requird'"), std::string::npos) << said;
  EXPECT_NE(said.find("c.yaml:12:22: found 'nullValue', which is no quality metric"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("did you mean 'nullValues'?"), std::string::npos) << said;
  EXPECT_NE(said.find("c.yaml:13:13: found no operator"), std::string::npos) << said;
  EXPECT_NE(said.find("did you mean 'drift'?"), std::string::npos) << said;
}

TEST(Contract, AnOrderOfTextsIsRefusedWithItsPlace) {
  const std::string order =
      "        quality:\n          - {type: custom, engine: slipway, implementation: {order: {}}}\n";
  for (const char* type : {"string", "time", "object"}) {
    const std::string said =
        errors(column(std::string("        logicalType: ") + type + "\n" + order));
    EXPECT_NE(said.find("c.yaml:11:62: found 'order' at a column without numbers"),
              std::string::npos)
        << said;
  }
  EXPECT_EQ(errors(column("        logicalType: timestamp\n" + order)), "");
  EXPECT_EQ(errors(column(order)), "");
}

TEST(Contract, BoundsThatNothingKeepsOrBreaksAreRefusedWithTheirPlace) {
  const std::string own = "        quality:\n          - {type: custom, engine: slipway, "
                          "implementation: {";
  const std::string metric = "        quality: [{metric: nullValues, ";
  for (const std::string& wrong : {
           std::string("        logicalTypeOptions: {minimum: .nan}\n"),
           std::string("        logicalTypeOptions: {maximum: .inf}\n"),
           std::string("        logicalTypeOptions: {minimum: 5, maximum: 1}\n"),
           std::string("        logicalTypeOptions: {minimum: 5, exclusiveMaximum: 5}\n"),
           std::string("        logicalTypeOptions: {minLength: 5, maxLength: 4}\n"),
           std::string("        logicalTypeOptions: {maxLength: -1}\n"),
           std::string("        logicalTypeOptions: {multipleOf: .nan}\n"),
           own + "range: {min: 2, max: 1}}}\n", own + "mean: {min: 2, max: 1}}}\n",
           own + "drift: {fail: .nan}}}\n", metric + "mustBe: .nan}]\n",
           metric + "mustBeBetween: [5, 1]}]\n", metric + "mustNotBeBetween: [1, .nan]}]\n",
           metric + "mustBeLessThan: 3, mustBeGreaterOrEqualTo: 3}]\n"}) {
    const std::string said = errors(column(wrong));
    EXPECT_NE(said.find("c.yaml:" + std::string(wrong.starts_with(own) ? "10:" : "9:")),
              std::string::npos)
        << wrong << said;
  }
  EXPECT_NE(errors(column("        logicalTypeOptions: {minimum: 5, maximum: 1}\n"))
                .find("c.yaml:9:51: found a lower bound of 5.0 and an upper one of 1.0"),
            std::string::npos);
  for (const std::string& right : {
           std::string("        logicalTypeOptions: {minimum: 5, maximum: 5}\n"),
           std::string("        logicalTypeOptions: {minLength: 0, maxLength: 0}\n"),
           own + "range: {min: 1, max: 1}}}\n",
           metric + "mustBeLessThan: 3, mustBeGreaterThan: 2}]\n"})
    EXPECT_EQ(errors(column(right)), "") << right;
}

TEST(Contract, UnknownMetricsAreRefusedByName) {
  EXPECT_NE(errors(column("        quality: [{metric: freshness, mustBe: 1}]\n"))
                .find("found 'freshness', which is no quality metric; expected one of nullValues, "
                      "missingValues, invalidValues, duplicateValues, rowCount"),
            std::string::npos);
}

TEST(Contract, ErrorsInABlockScalarStandAtTheirOwnLine) {
  const std::string said =
      errors(column("        quality:\n          - type: custom\n            engine: slipway\n"
                    "            implementation: |\n              range: {min: 0}\n"
                    "              drift: {stat: jss}\n"));
  EXPECT_NE(said.find("c.yaml:14:29: found 'jss'"), std::string::npos) << said;
  EXPECT_NE(said.find("did you mean 'js'?"), std::string::npos) << said;
}

TEST(Contract, WhatIsNoContractIsRefused) {
  EXPECT_NE(errors("").find("a data contract"), std::string::npos);
  EXPECT_NE(errors("kind: DataContract\n").find("no 'apiVersion'"), std::string::npos);
  EXPECT_NE(errors("apiVersion: v2.3.0\nkind: DataContract\nschema: []\n").find("'v2.3.0'"),
            std::string::npos);
  EXPECT_NE(errors(std::string(kHead) + "schema: [{name: a}, {name: b}]\n").find("2 tables"),
            std::string::npos);
  EXPECT_NE(errors(column("      - name: income\n")).find("twice"), std::string::npos);
  EXPECT_NE(errors(column("        logicalTypeOptions: {pattern: '('}\n")).find("no valid pattern"),
            std::string::npos);
  EXPECT_NE(errors(column("        quality: [{metric: rowCount, mustBe: 3}]\n")).find("the table"),
            std::string::npos);
  EXPECT_NE(errors("[" + std::string(5000, '[')).find("c.yaml"), std::string::npos);
}

// Whatever a pattern and a text are, one pass must do: an error tells what one pass cannot.
TEST(Contract, APatternThatNoSinglePassCanMatchIsRefusedWithTheReason) {
  const std::pair<const char*, const char*> refused[] = {
      {"(?=a)b", "looking ahead"},
      {"x(?!a)b", "looking ahead"},
      {"(?<=a)b", "looking behind"},
      {"(?<!a)b", "looking behind"},
      {"(a)\\1", "going back to what a group has matched"},
      {"(?P<n>a)(?P=n)", "going back to what a group has matched"},
      {"(?<n>a)", "(?P<name>...)"},
      {"(?>a+)b", "an atomic group"},
      {"a++", "a possessive repetition"},
      {"(a)(?(1)b|c)", "a condition"},
      {"a(?R)?b", "recursion"},
      {"a{1001}", "at most 1000 times"},
      {"caf\\u00e9", "\\x{00e9}"},
  };
  for (const auto& [pattern, why] : refused) {
    const std::string said =
        errors(column("        logicalTypeOptions: {pattern: '" + std::string(pattern) + "'}\n"));
    EXPECT_NE(said.find("c.yaml:9:"), std::string::npos) << said;
    EXPECT_NE(said.find(std::string("'") + pattern + "' is no pattern"), std::string::npos) << said;
    EXPECT_NE(said.find(why), std::string::npos) << said;
    EXPECT_NE(said.find("one pass over the text"), std::string::npos) << said;
  }
}

TEST(Pattern, MatchesWholeTextsOfCodePoints) {
  const auto matches = [](const char* pattern, std::string_view text) {
    return (*Pattern::compile(pattern))->matches(text);
  };
  EXPECT_TRUE(matches("\\d{4}-\\d\\d", "2011-05"));
  EXPECT_FALSE(matches("\\d{4}-\\d\\d", "2011-051"));
  EXPECT_FALSE(matches("^b$", "abc"));
  EXPECT_TRUE(matches("a|ab", "ab"));
  EXPECT_TRUE(matches("(?i)caf.", "CAF\u00c9"));
  EXPECT_FALSE(matches(".", "\n"));
  EXPECT_FALSE(matches(".", "\xff"));
  EXPECT_TRUE(matches("[\\w.]+@(?P<host>[\\w.]+)", "a.b@c.org"));
}

// Backtracking takes 2^40 steps for each of these.
TEST(Pattern, NoPatternTakesMoreThanLinearTime) {
  const std::string text = std::string(200'000, 'a') + "!";
  for (const char* pattern : {"(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}", "(x+x+)+y|(a*)*b"}) {
    EXPECT_FALSE((*Pattern::compile(pattern))->matches(text)) << pattern;
    EXPECT_FALSE((*Pattern::compile(pattern))->matches(std::string(40, 'a') + "!")) << pattern;
  }
}

TEST(Bound, SaysWhatItAsksFor) {
  Bound bound;
  bound.at_least = 1;
  bound.below = 5;
  EXPECT_EQ(bound.words(), "at least 1 and less than 5");
  EXPECT_TRUE(bound.holds(1));
  EXPECT_FALSE(bound.holds(5));
  Bound outside;
  outside.not_between = {2, 4};
  EXPECT_TRUE(outside.holds(2));
  EXPECT_FALSE(outside.holds(3));
  EXPECT_EQ(outside.threshold(3.9), 4);
}

}  // namespace
}  // namespace slipway::checks
