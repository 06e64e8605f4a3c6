#include "domain/monitor/logged.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "domain/checks/plan.h"
#include "domain/checks/suite.h"

namespace slipway::monitor {
namespace {

/// Of one column "x", of a type that keeps what it is given.
checks::Profile profile_of(const checks::Plan& plan, const std::vector<double>& values,
                           table::Type type) {
  checks::Profiler profiler(plan, {{"x", type}});
  const std::vector<std::int64_t> integers(values.begin(), values.end());
  for (std::size_t at = 0; at < values.size(); at += table::kChunkRowsMax) {
    table::ColumnView view;
    view.type = type;
    view.reals = values.data() + at;
    view.integers = integers.data() + at;
    table::Chunk chunk;
    chunk.rows = std::min(values.size() - at, table::kChunkRowsMax);
    chunk.columns = {view};
    profiler.add(chunk);
  }
  return profiler.profile();
}

checks::Profile reference_of(const std::vector<double>& values, table::Type type) {
  const checks::Plan full = checks::full_plan({{"x", type}});
  return profile_of(checks::with_bins(full, profile_of(full, values, type)), values, type);
}

/// What bins with the edges of `reference` hold of the values once they were logged.
std::vector<std::int64_t> counted_when_logged(const checks::Profile& reference,
                                              std::vector<double> values) {
  for (double& value : values) value = logged(value);
  checks::Plan plan;
  plan.columns.emplace_back();
  plan.columns.back().column = "x";
  plan.columns.back().edges = reference.columns.front().bins->edges();
  return profile_of(plan, values, table::Type::kReal).columns.front().bins->all();
}

TEST(Logged, IsWhatSinglePrecisionKeeps) {
  for (const double x : {0.0, 0.1, -2.5, 1e6, 16'777'216.0, 123456.7}) EXPECT_EQ(logged(x), x);
  EXPECT_EQ(logged(20'000'001), 20'000'000);
  EXPECT_EQ(logged(20'000'003), 20'000'004);
  EXPECT_EQ(logged(1e300), 1e300) << "no cell holds it";
}

TEST(Logged, ReferencesCountTheirOwnRowsAsAWindowDoes) {
  std::mt19937_64 random(7);
  for (int trial = 0; trial < 300; ++trial) {
    const auto base = static_cast<double>(random() % 2'000'000'000);
    const std::uint64_t spread = std::vector<std::uint64_t>{3, 20, 200, 5000, 100'000}[trial % 5];
    const std::uint64_t step = 1 + trial % 3;
    std::vector<double> values;
    for (int i = 0; i < 3000; ++i) {
      // Some values come again and again.
      const std::uint64_t offset = random() % 3 == 0 ? 7 : random() % spread;
      values.push_back(base + static_cast<double>(offset * step));
    }
    const checks::Profile reference =
        as_logged(reference_of(values, table::Type::kInteger));
    const std::vector<std::int64_t> now = counted_when_logged(reference, values);
    std::vector<std::int64_t> before = reference.columns.front().bins->all();
    EXPECT_EQ(now, before) << trial << ": from " << base << ", spread " << spread;
  }
}

TEST(Logged, ReferencesOfLongDecimalsThatComeAgainCountThemAsAWindowDoes) {
  std::mt19937_64 random(9);
  std::uniform_real_distribution<double> place(48, 49);
  for (const int places : {5, 60, 150}) {
    std::vector<double> all, values;
    for (int i = 0; i < places; ++i) all.push_back(place(random));
    for (int i = 0; i < 3000; ++i) values.push_back(all[random() % all.size()]);
    const checks::Profile reference = as_logged(reference_of(values, table::Type::kReal));
    EXPECT_EQ(counted_when_logged(reference, values), reference.columns.front().bins->all());
  }
}

TEST(Logged, ReferencesThatTheLogKeepsStayAsTheyAre) {
  std::mt19937_64 random(11);
  std::vector<double> values;
  for (int i = 0; i < 3000; ++i) values.push_back(static_cast<double>(random() % 100'000) / 100);
  const checks::Profile reference = reference_of(values, table::Type::kReal);
  EXPECT_EQ(checks::to_json(as_logged(reference)), checks::to_json(reference));
}

checks::Contract contract_of(const std::string& properties) {
  auto contract = checks::parse_contract(
      "apiVersion: v3.1.0\nkind: DataContract\nid: t\nschema:\n  - name: t\n    properties:\n" +
          properties,
      "c.yaml");
  EXPECT_TRUE(contract.ok()) << (contract.ok() ? "" : contract.error().message);
  return *contract;
}

TEST(Logged, ContractsPassTheValuesThatTheyWereMadeFor) {
  const checks::Contract contract = as_logged(
      contract_of("      - name: x\n"
                  "        logicalType: integer\n"
                  "        logicalTypeOptions: "
                  "{minimum: 20000001, maximum: 20000041, multipleOf: 1}\n"
                  "        unique: true\n"
                  "        quality:\n"
                  "          - {metric: duplicateValues, mustBe: 0}\n"
                  "          - {type: custom, engine: slipway, implementation: "
                  "{domain: {values: [20000001, 20000021, 20000041]}}}\n"),
      nullptr);
  const checks::Suite suite = checks::compile(contract, {});
  std::vector<double> values;
  for (const double x : {20'000'001.0, 20'000'021.0, 20'000'041.0, 20'000'001.0})
    values.push_back(logged(x));
  checks::Circumstances serving;
  serving.environment = checks::Environment::kServing;
  int skipped = 0;
  for (const checks::Verdict& verdict :
       checks::evaluate(suite, profile_of(suite.plan, values, table::Type::kReal), serving)) {
    EXPECT_TRUE(verdict.status == checks::Status::kPass ||
                verdict.status == checks::Status::kSkipped)
        << verdict.check << ": " << verdict.words;
    skipped += verdict.words.find("rounds numbers beyond 2^24") != std::string::npos;
  }
  EXPECT_EQ(skipped, 3) << "unique, duplicateValues, multipleOf";
}

TEST(Logged, ContractsOfSmallNumbersStayAsTheyAre) {
  const checks::Contract contract = contract_of(
      "      - name: x\n"
      "        logicalType: number\n"
      "        unique: true\n"
      "        logicalTypeOptions: {exclusiveMinimum: 0.1, maximum: 99.95, multipleOf: 5}\n");
  const checks::Contract same = as_logged(contract, nullptr);
  const checks::Property& x = same.properties.front();
  EXPECT_EQ(x.min, 0.1);
  EXPECT_EQ(x.max, 99.95);
  EXPECT_TRUE(x.min_open && x.unique && x.multiple_of);
  EXPECT_TRUE(same.foreign.empty());
}

}  // namespace
}  // namespace slipway::monitor
