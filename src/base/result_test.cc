#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/function.h"

namespace slipway {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return invalid("odd: " + std::to_string(number));
  return number / 2;
}
Result<int> quarter(int number) {
  return TRY(half(TRY(half(number))));
}
Result<> must_be_even(int number) {
  TRY(half(number));
  return {};
}

TEST(Result, TryPassesTheFirstErrorOn) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().message, "odd: 3");
  EXPECT_EQ(quarter(7).error().message, "odd: 7");
  EXPECT_TRUE(must_be_even(2).ok());
  EXPECT_EQ(must_be_even(1).error().code, Code::kInvalid);
}

TEST(Result, HoldsThingsThatCannotBeCopied) {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(5);
  Result<std::unique_ptr<int>> moved = std::move(made);
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ(*std::move(moved).value(), 5);
}

TEST(Result, AssignmentChangesBetweenValueAndError) {
  Result<std::string> result = std::string("a long enough text to live on the heap");
  result = Result<std::string>(missing("gone"));
  EXPECT_FALSE(result.ok());
  result = Result<std::string>(std::string("back"));
  EXPECT_EQ(*result, "back");
  Result<std::string> copy = result;
  EXPECT_EQ(*copy, "back");
  EXPECT_EQ(Result<int>(busy("full")).value_or(3), 3);
}

TEST(Result, ErrorsSayWhatAndWhere) {
  EXPECT_EQ(system_error("cannot open /x", 2).message, "cannot open /x: No such file or directory");
  Error inner{Code::kConflict, "taken", "already_exists"};
  Error outer = with_context("creating run", inner);
  EXPECT_EQ(outer.message, "creating run: taken");
  EXPECT_EQ(outer.code, Code::kConflict);
  EXPECT_EQ(outer.tag, "already_exists");
  EXPECT_STREQ(to_string(Code::kUnavailable), "unavailable");
}

TEST(UniqueFunction, CarriesThingsThatCannotBeCopied) {
  UniqueFunction<int(int)> add = [five = std::make_unique<int>(5)](int n) { return *five + n; };
  UniqueFunction<int(int)> moved = std::move(add);
  EXPECT_FALSE(add);
  EXPECT_EQ(moved(2), 7);
}

}  // namespace
}  // namespace slipway
