#include "domain/features/expression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "domain/features/calendar.h"

namespace slipway::features {
namespace {

const std::vector<Input> kInputs = {
    {"i", Type::kInt64},  {"j", Type::kInt64},     {"x", Type::kFloat64}, {"y", Type::kFloat64},
    {"s", Type::kString}, {"t", Type::kTimestamp}, {"b", Type::kBool}};

struct Answer {
  Value value;
  Faults faults;
};

/// On one row: i = 7, j = 0, x = 2.5, y null, s = 'Grün é', t = 2024-02-29T13:45:10.5Z, b = true.
Answer evaluate(std::string_view text) {
  Result<Program> program = compile(text, kInputs);
  EXPECT_TRUE(program.ok()) << text << ": " << program.error().message;
  if (!program.ok()) return {};
  const std::vector<Value> row = {std::int64_t{7},
                                  std::int64_t{0},
                                  2.5,
                                  Value(),
                                  std::string("Grün é"),
                                  Timestamp{*parse_timestamp("2024-02-29T13:45:10.5Z")},
                                  true};
  Answer answer;
  answer.value = Evaluator(*program).row(row, answer.faults);
  return answer;
}

std::string shown(std::string_view text) {
  const Answer answer = evaluate(text);
  return is_null(answer.value) ? "null" : to_text(answer.value);
}

std::string refusal(std::string_view text, std::optional<Type> declared = std::nullopt) {
  Result<Program> program = compile(text, kInputs, declared);
  return program.ok() ? "accepted" : program.error().message;
}

TEST(Expression, FollowsTheUsualPrecedence) {
  EXPECT_EQ(shown("1 + 2 * 3 - -4"), "11");
  EXPECT_EQ(shown("(1 + 2) * 3"), "9");
  EXPECT_EQ(shown("not false and false or true"), "true");
  EXPECT_EQ(shown("1 + 1 = 2 and 'a' || 'b' = 'ab'"), "true");
  EXPECT_EQ(shown("10 - 4 - 3"), "3");
}

TEST(Expression, DividesAsRealsAndTruncatesWholeNumbers) {
  EXPECT_EQ(shown("i / 2"), "3.5");
  EXPECT_EQ(shown("i // 2"), "3");
  EXPECT_EQ(shown("-7 // 2"), "-3");
  EXPECT_EQ(shown("-7 % 2"), "-1");
  EXPECT_EQ(shown("x % 1"), "0.5");
}

TEST(Expression, DivisionByZeroIsNullAndNotCounted) {
  for (const char* text : {"i / j", "i // j", "i % j", "x / 0", "x % 0.0"}) {
    const Answer answer = evaluate(text);
    EXPECT_TRUE(is_null(answer.value)) << text;
    EXPECT_EQ(answer.faults.total(), 0u) << text;
  }
}

TEST(Expression, OverflowIsNullAndCounted) {
  for (const char* text :
       {"9223372036854775807 + 1", "-9223372036854775808 - 1", "9223372036854775807 * 2",
        "abs(-9223372036854775808)", "-9223372036854775808 // -1", "date_add('year', 9000, t)"}) {
    const Answer answer = evaluate(text);
    EXPECT_TRUE(is_null(answer.value)) << text;
    EXPECT_EQ(answer.faults.overflows, 1u) << text;
  }
  EXPECT_EQ(shown("-9223372036854775808 % -1"), "0");
}

TEST(Expression, WhatIsNotTakenIsNotCounted) {
  EXPECT_EQ(evaluate("case when i < 5 then 9223372036854775807 + i else 1 end").faults.total(), 0u);
  EXPECT_EQ(evaluate("case when i > 5 then 9223372036854775807 + i else 1 end").faults.total(), 1u);
  EXPECT_EQ(evaluate("coalesce(i, cast(s as int64))").faults.total(), 0u);
  EXPECT_EQ(evaluate("coalesce(null, cast(s as int64), 3)").faults.failed_casts, 1u);
  EXPECT_EQ(shown("coalesce(null, cast(s as int64), 3)"), "3");
}

TEST(Expression, LogicHasThreeValues) {
  EXPECT_EQ(shown("false and null"), "false");
  EXPECT_EQ(shown("true and null"), "null");
  EXPECT_EQ(shown("true or null"), "true");
  EXPECT_EQ(shown("false or null"), "null");
  EXPECT_EQ(shown("not null"), "null");
  EXPECT_EQ(shown("null = null"), "null");
  EXPECT_EQ(shown("y is null and x is not null"), "true");
  EXPECT_EQ(shown("y is not distinct from null"), "true");
  EXPECT_EQ(shown("1 in (2, 1)"), "true");
  EXPECT_EQ(shown("1 in (2, null)"), "null");
  EXPECT_EQ(shown("1 not in (2, 3)"), "true");
  EXPECT_EQ(shown("i between 1 and 7"), "true");
  EXPECT_EQ(shown("i not between 1 and null"), "null");
}

TEST(Expression, RealsFollowIeee) {
  EXPECT_EQ(shown("cast('nan' as float64) = cast('nan' as float64)"), "false");
  EXPECT_EQ(shown("cast('nan' as float64) <> 1.0"), "true");
  EXPECT_EQ(shown("1e308 * 10"), "inf");
  EXPECT_EQ(shown("0.1 + 0.2"), "0.30000000000000004");
}

TEST(Expression, ChoosesByCaseCoalesceAndNullif) {
  EXPECT_EQ(shown("case when y > 1 then 'a' when i = 7 then 'b' else 'c' end"), "b");
  EXPECT_EQ(shown("case i when 6 then 'six' when 7 then 'seven' end"), "seven");
  EXPECT_EQ(shown("case when false then 1 end"), "null");
  EXPECT_EQ(shown("coalesce(y, i)"), "7.0");
  EXPECT_EQ(shown("nullif(i, 7)"), "null");
  EXPECT_EQ(shown("nullif(i, 7.5)"), "7");
  EXPECT_EQ(shown("i / nullif(j, 0)"), "null");
  EXPECT_EQ(shown("greatest(i, null, 9)"), "9");
  EXPECT_EQ(shown("least(x, i)"), "2.5");
}

TEST(Expression, TextsAreCodePoints) {
  EXPECT_EQ(shown("length(s)"), "6");
  EXPECT_EQ(shown("substr(s, 3, 2)"), "ün");
  EXPECT_EQ(shown("substr(s, 0, 2)"), "G");
  EXPECT_EQ(shown("left(s, 3)"), "Grü");
  EXPECT_EQ(shown("right(s, 1)"), "é");
  EXPECT_EQ(shown("upper(s)"), "GRüN é");
  EXPECT_EQ(shown("strpos(s, 'n')"), "4");
  EXPECT_EQ(shown("replace(s, 'ü', 'ue')"), "Gruen é");
  EXPECT_EQ(shown("trim('  a ') || '|'"), "a|");
  EXPECT_EQ(shown("ltrim('xyxa', 'xy')"), "a");
  EXPECT_EQ(shown("split_part('a/b/c', '/', 2)"), "b");
  EXPECT_EQ(shown("split_part('a/b/c', '/', 4)"), "");
  EXPECT_EQ(shown("concat('a', null, i, true)"), "a7true");
  EXPECT_EQ(shown("s like 'Gr_n%'"), "true");
  EXPECT_EQ(shown("s like '%z%'"), "false");
  EXPECT_EQ(shown("'aXbXc' like '%X_'"), "true");
  EXPECT_EQ(shown("starts_with(s, 'Gr') and ends_with(s, 'é') and contains(s, 'ün')"), "true");
}

TEST(Expression, ATextTooLongIsNullAndCounted) {
  const std::string half(kTextBytesMax / 4, 'a');
  const Answer answer = evaluate("length(replace('" + half.substr(0, 8000) + "', 'a', 'aaaaa'))");
  EXPECT_TRUE(is_null(answer.value));
  EXPECT_EQ(answer.faults.overflows, 1u);
}

TEST(Expression, DatesAreInUtc) {
  EXPECT_EQ(shown("hour(t)"), "13");
  EXPECT_EQ(shown("extract(minute from t)"), "45");
  EXPECT_EQ(shown("date_part('dow', t)"), "4");
  EXPECT_EQ(shown("isodow(timestamp '2024-03-03')"), "7");
  EXPECT_EQ(shown("week(timestamp '2021-01-03')"), "53");
  EXPECT_EQ(shown("date_part('isoyear', timestamp '2021-01-03')"), "2020");
  EXPECT_EQ(shown("dayofyear(t)"), "60");
  EXPECT_EQ(shown("date_trunc('month', t)"), "2024-02-01T00:00:00Z");
  EXPECT_EQ(shown("date_trunc('week', t)"), "2024-02-26T00:00:00Z");
  EXPECT_EQ(shown("date_add('year', 1, t)"), "2025-02-28T13:45:10.500000Z");
  EXPECT_EQ(shown("date_diff('month', timestamp '2023-12-31', t)"), "2");
  EXPECT_EQ(shown("date_diff('hour', t, timestamp '2024-02-29T15:00:00Z')"), "2");
  EXPECT_EQ(shown("epoch(timestamp '1969-12-31T23:59:59.5Z')"), "-1");
  EXPECT_EQ(shown("t > timestamp '2024-02-29'"), "true");
}

TEST(Expression, CastsOrGivesNullAndCounts) {
  EXPECT_EQ(shown("cast(2.5 as int64)"), "2");
  EXPECT_EQ(shown("3.5::int64"), "4");
  EXPECT_EQ(shown("cast(' 12 ' as int64) + 1"), "13");
  EXPECT_EQ(shown("cast(t as string)"), "2024-02-29T13:45:10.500000Z");
  EXPECT_EQ(shown("'2024-01-01'::timestamp < t"), "true");
  EXPECT_EQ(shown("cast(b as int64)"), "1");
  EXPECT_EQ(evaluate("cast(1e300 as int64)").faults.failed_casts, 1u);
  EXPECT_EQ(evaluate("cast('x' as float64)").faults.failed_casts, 1u);
}

TEST(Expression, MathHasDomains) {
  EXPECT_EQ(shown("round(2.5)"), "3.0");
  EXPECT_EQ(shown("round(-2.345, 2)"), "-2.35");
  EXPECT_EQ(shown("floor(-0.5)"), "-1.0");
  EXPECT_EQ(shown("sqrt(16)"), "4.0");
  EXPECT_EQ(evaluate("sqrt(-1)").faults.domain_errors, 1u);
  EXPECT_EQ(evaluate("ln(0)").faults.domain_errors, 1u);
  EXPECT_EQ(shown("sign(-3)"), "-1");
  EXPECT_EQ(shown("pow(2, 10)"), "1024.0");
  // Berlin to Paris
  EXPECT_NEAR(std::get<double>(evaluate("geo_distance_m(52.52, 13.405, 48.8566, 2.3522)").value),
              877'464, 500);
}

// Stored features depend on it: the values must never change.
TEST(Expression, BucketsStayWhatTheyAre) {
  EXPECT_EQ(shown("hash_bucket('slipway', 1000)"), "960");
  EXPECT_EQ(shown("hash_bucket(42, 1000)"), "624");
}

TEST(Expression, ErrorsSayWhereWhatAndWhatWasExpected) {
  EXPECT_EQ(refusal("i + jj"), "character 5: found 'jj', expected a column; did you mean 'j'?");
  EXPECT_EQ(refusal("lenght(s)"),
            "character 1: found 'lenght', expected a function; did you mean 'length'?");
  EXPECT_EQ(refusal("i + s"),
            "character 3: found int64 and string, expected two of one type: use CAST");
  EXPECT_EQ(refusal("substr(s)"),
            "character 1: found substr(string), expected substr(string, int64) or "
            "substr(string, int64, int64)");
  EXPECT_EQ(refusal("i +"), "character 4: found the end, expected a value");
  EXPECT_EQ(refusal("'ü' + 'x"), "character 7: found no closing '");
  EXPECT_EQ(refusal("(i"), "character 3: found the end, expected ')'");
  EXPECT_EQ(refusal("i i"), "character 3: found 'i', expected an operator or the end");
  EXPECT_EQ(refusal("null"), "character 1: found only nulls, expected a type: use CAST");
  EXPECT_EQ(refusal("s", Type::kInt64), "character 1: found string, expected int64");
  EXPECT_EQ(refusal("i", Type::kFloat64), "accepted");
  EXPECT_EQ(refusal("i -- comment"), "character 3: found a comment, which can't stand here");
  EXPECT_EQ(refusal("date_trunc('dow', t)"), "character 12: found 'dow', which is no span of time");
  EXPECT_EQ(refusal("99999999999999999999"),
            "character 1: found '99999999999999999999', which is beyond 64 bits");
  EXPECT_EQ(refusal("x::bool"), "character 2: found a CAST of float64 to bool, which there is not");
}

TEST(Expression, HasLimits) {
  EXPECT_EQ(refusal(std::string(kExpressionBytesMax + 1, ' ')).substr(0, 36),
            "character 1: found an expression of ");
  EXPECT_EQ(refusal(std::string(200, '(') + "1" + std::string(200, ')')),
            "character 101: found more than 100 levels");
  std::string sum = "1";
  for (int i = 0; i < 600; ++i) sum += "+1";
  EXPECT_EQ(refusal(sum), "character 500: found more than 500 parts");
  std::string signs(300, '+');
  EXPECT_EQ(refusal(signs + "i"), "character 100: found more than 100 levels");
}

}  // namespace
}  // namespace slipway::features
