#include <gtest/gtest.h>

#include <random>

#include "base/file.h"
#include "base/text.h"
#include "domain/checks/infer.h"
#include "domain/checks/suite.h"
#include "io/table/table_testing.h"

namespace slipway::checks {
namespace {

constexpr char kHead[] =
    "apiVersion: v3.1.0\nkind: DataContract\nid: t\nschema:\n  - name: t\n    properties:\n";

Contract contract_of(const std::string& text) {
  auto contract = parse_contract(text, "c.yaml");
  EXPECT_TRUE(contract.ok()) << (contract.ok() ? "" : contract.error().message);
  return contract.ok() ? std::move(contract).value() : Contract();
}

struct Judged {
  std::vector<Verdict> all;
  const Verdict& of(const std::string& check) const {
    for (const Verdict& verdict : all) {
      if (verdict.check == check) return verdict;
    }
    static const Verdict kNone{"none", "", Status::kError, Severity::kFail, {}, {}, 0, "none", ""};
    ADD_FAILURE() << "no verdict " << check;
    return kNone;
  }
  Status status(const std::string& check) const { return of(check).status; }
};

Judged judge(const std::string& contract, const std::string& csv, Circumstances where = {}) {
  table::TestFolder folder;
  const Suite suite = compile(contract_of(contract), where.references);
  auto profile = profile_table(folder.write("t.csv", csv), suite.plan);
  EXPECT_TRUE(profile.ok()) << (profile.ok() ? "" : profile.error().message);
  return {evaluate(suite, *profile, where)};
}

TEST(Evaluate, StructureFollowsFromTypesAndOptions) {
  const std::string contract =
      std::string(kHead) +
      R"(      - {name: id, logicalType: integer, unique: true, required: true}
      - {name: x, logicalType: number, logicalTypeOptions: {minimum: 0, maximum: 1, exclusiveMaximum: true}}
      - {name: s, logicalType: string, logicalTypeOptions: {maxLength: 3, pattern: "[a-z]+"}}
      - {name: n, logicalType: number}
      - {name: gone, required: true, unique: true}
)";
  const Judged good = judge(contract, "id,x,s,n,gone\n1,0,abc,1,1\n2,0.5,b,2,2\n");
  for (const Verdict& verdict : good.all)
    EXPECT_EQ(verdict.status, Status::kPass) << verdict.check << verdict.words;
  const Judged bad = judge(contract, "id,x,s,n,more\n1,0,abcd,1,1\n1,1,B,x,2\n,0.5,,3,3\n");
  EXPECT_EQ(bad.status("id/unique"), Status::kFail);
  EXPECT_EQ(bad.of("id/unique").observed, 1);
  EXPECT_EQ(bad.status("id/required"), Status::kFail);
  EXPECT_EQ(bad.status("x/range"), Status::kFail);
  EXPECT_EQ(bad.of("x/range").words, "1 cell of 3 not within [0.0, 1.0) (first in row 2: '1.0')");
  EXPECT_EQ(bad.of("s/length").observed, 1);
  EXPECT_EQ(bad.of("s/pattern").observed, 1);
  EXPECT_EQ(bad.status("n/type"), Status::kFail);
  EXPECT_EQ(bad.of("n/type").words, "1 cell of 3 do not read as real (first in row 2: 'x')");
  EXPECT_EQ(bad.status("gone/exists"), Status::kFail);
  EXPECT_EQ(bad.status("gone/unique"), Status::kNoData);
  EXPECT_EQ(bad.of("columns").words, "1 not in the contract: more");
  EXPECT_EQ(bad.status("columns"), Status::kPass);  // for information
  EXPECT_TRUE(failed(bad.all));
  EXPECT_EQ(overall(bad.all), Status::kFail);
}

TEST(Evaluate, LibraryMetricsCountAndCompare) {
  const std::string contract = std::string(kHead) + R"(      - name: a
        quality:
          - {metric: nullValues, mustBeLessThan: 50, unit: percent}
          - {metric: missingValues, arguments: {missingValues: ["n/a"]}, mustBeLessOrEqualTo: 1}
          - {metric: invalidValues, arguments: {validValues: [x, y, n/a]}, mustBe: 0, severity: warn}
          - {metric: duplicateValues, mustBe: 0, severity: info}
      - name: b
        quality:
          - {metric: invalidValues, arguments: {validValues: [1, 2]}, mustBe: 0}
    quality:
      - {metric: rowCount, mustBeBetween: [0, 5]}
      - {metric: duplicateValues, arguments: {properties: [a, b]}, mustBeLessThan: 2}
)";
  const Judged judged = judge(contract, "a,b\nx,1\nx,1\nn/a,2\n,2\nz,3\n");
  EXPECT_EQ(judged.status("a/nullValues"), Status::kPass);
  EXPECT_EQ(judged.of("a/nullValues").observed, 20);
  EXPECT_EQ(judged.status("a/missingValues"), Status::kFail);
  EXPECT_EQ(judged.of("a/missingValues").observed, 2);
  EXPECT_EQ(judged.status("a/invalidValues"), Status::kWarn);
  EXPECT_EQ(judged.of("a/invalidValues").observed, 1);
  EXPECT_EQ(judged.status("a/duplicateValues"), Status::kPass);  // info
  EXPECT_EQ(judged.of("a/duplicateValues").observed, 1);
  EXPECT_EQ(judged.of("b/invalidValues").observed, 1);
  EXPECT_EQ(judged.status("rowCount"), Status::kFail);  // between is open
  EXPECT_EQ(judged.status("duplicateValues"), Status::kPass);
  EXPECT_EQ(judged.of("duplicateValues").observed, 1);
}

TEST(Evaluate, ServingSkipsWhatARequestCannotHaveAndListsIt) {
  const std::string contract =
      std::string(kHead) + R"(      - {name: x, logicalType: number, required: true}
      - {name: y, required: true, customProperties: [{property: slipway.role, value: target}]}
      - {name: day, logicalType: date}
      - {name: late, customProperties: [{property: slipway.environments, value: [TRAINING]}]}
    quality:
      - {metric: rowCount, mustBeGreaterThan: 1000}
slaProperties: [{property: latency, value: 1, unit: d, element: day}]
)";
  Circumstances serving;
  serving.environment = Environment::kServing;
  const Judged judged = judge(contract, "x\n1\n2\n", serving);
  EXPECT_EQ(judged.status("x/required"), Status::kPass);
  for (const char* skipped : {"rows", "rowCount", "y/exists", "y/required", "day/exists",
                              "day/type", "day/freshness", "late/exists"})
    EXPECT_EQ(judged.status(skipped), Status::kSkipped) << skipped;
  EXPECT_FALSE(failed(judged.all));
  Circumstances training;
  const Judged there = judge(contract, "x\n1\n2\n", training);
  EXPECT_EQ(there.status("y/exists"), Status::kFail);
  EXPECT_EQ(there.status("rowCount"), Status::kFail);
  EXPECT_EQ(there.status("late/exists"), Status::kFail);
}

TEST(Evaluate, AnEmptyTableIsNoDataAndFailsItsVolume) {
  const std::string contract =
      std::string(kHead) + "      - {name: x, required: true, logicalTypeOptions: {minimum: 0}}\n";
  const Judged judged = judge(contract, "x\n");
  EXPECT_EQ(judged.status("rows"), Status::kFail);
  EXPECT_EQ(judged.status("x/range"), Status::kNoData);
  EXPECT_EQ(judged.status("x/required"), Status::kNoData);
}

TEST(Evaluate, AnEmptyTableIsFineWhereTheContractSaysSo) {
  const std::string contract = std::string(kHead) +
                               "      - {name: x, required: true}\n"
                               "    quality:\n"
                               "      - {metric: rowCount, mustBeGreaterOrEqualTo: 0}\n";
  const Judged judged = judge(contract, "x\n");
  EXPECT_EQ(judged.status("rowCount"), Status::kPass);
  EXPECT_EQ(judged.status("x/exists"), Status::kPass);
  EXPECT_EQ(overall(judged.all), Status::kPass);
}

TEST(Evaluate, FreshnessIsTheAgeOfTheNewestValue) {
  const std::string contract =
      std::string(kHead) +
      "      - {name: t, logicalType: timestamp}\n"
      "slaProperties: [{property: latency, value: 2, unit: h, element: t}]\n";
  Circumstances where;
  where.now_ms = 1'293'890'400'000;  // 2011-01-01T14:00:00Z
  const std::string csv = "t\n2011-01-01 11:00:00\n2011-01-01 12:30:00\n";
  EXPECT_EQ(judge(contract, csv, where).status("t/freshness"), Status::kPass);
  where.now_ms += 3'600'000;
  const Judged late = judge(contract, csv, where);
  EXPECT_EQ(late.status("t/freshness"), Status::kFail);
  EXPECT_DOUBLE_EQ(*late.of("t/freshness").observed, 9000);
  const Judged ahead = judge(contract, csv + "2099-01-01 00:00:00\n", where);
  EXPECT_EQ(ahead.status("t/freshness"), Status::kFail);
  EXPECT_NE(ahead.of("t/freshness").words.find("days ahead of now"), std::string::npos);
  EXPECT_EQ(judge(contract, csv + "2011-01-02 12:00:00\n", where).status("t/freshness"),
            Status::kPass);  // of a clock elsewhere
}

TEST(Evaluate, ConfidentialValuesAreInNoWords) {
  const std::string contract =
      std::string(kHead) +
      "      - {name: s, classification: confidential, logicalTypeOptions: {pattern: 'x'}}\n";
  const Judged judged = judge(contract, "s\nsecret\n");
  EXPECT_EQ(judged.status("s/pattern"), Status::kFail);
  EXPECT_EQ(judged.of("s/pattern").words.find("secret"), std::string::npos);
}

TEST(Evaluate, AProfileOfAnotherContractIsAnErrorAndNoPass) {
  const std::string wide =
      std::string(kHead) + "      - {name: x, logicalTypeOptions: {minimum: 0}}\n";
  table::TestFolder folder;
  Plan plan;
  plan.columns.emplace_back().column = "x";
  auto profile = profile_table(folder.write("t.csv", "x\n1\n"), plan);
  ASSERT_TRUE(profile.ok());
  const Judged judged{evaluate(compile(contract_of(wide)), *profile, {})};
  EXPECT_EQ(judged.status("x/range"), Status::kError);
  EXPECT_TRUE(failed(judged.all));
}

TEST(Evaluate, ForeignEnginesAreListed) {
  const Judged judged =
      judge(std::string(kHead) +
                "      - name: x\n        quality: "
                "[{type: custom, engine: soda, implementation: z}, {type: sql, query: q}]\n",
            "x\n1\n");
  EXPECT_EQ(judged.status("x/engine soda"), Status::kSkipped);
  EXPECT_EQ(judged.status("x/type sql"), Status::kSkipped);
}

// --- drift ---

std::string normals(int n, double mean, unsigned seed, int missing_in = 0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(mean, 1);
  std::string csv = "x,c,b\n";
  for (int i = 0; i < n; ++i) {
    if (missing_in == 0 || random() % static_cast<unsigned>(missing_in) != 0)
      csv += std::to_string(normal(random));
    csv += std::string(",") + "abc"[random() % 3] + "," + (random() % 2 ? "true" : "false") + "\n";
  }
  return csv;
}

Profile reference_of(const std::string& csv) {
  table::TestFolder folder;
  auto profile = profile_fully(folder.write("r.csv", csv));
  EXPECT_TRUE(profile.ok());
  return std::move(profile).value();
}

std::string drift_contract(const std::string& x, const std::string& c = "{stat: js}") {
  return std::string(kHead) +
         "      - name: x\n        quality: [{type: custom, engine: slipway, "
         "implementation: {drift: " +
         x +
         "}}]\n      - name: c\n        logicalType: string\n        "
         "quality: [{type: custom, engine: slipway, implementation: {drift: " +
         c + "}}]\n";
}

Judged against(const Profile& reference, const std::string& contract, const std::string& csv) {
  Circumstances where;
  where.references["training"] = &reference;
  return judge(contract, csv, where);
}

/// The table that `numbers` and the like write, "x,c" with x of numbers, without a file: opening one
/// takes longer than all that is looked at here.
class InMemory {
 public:
  explicit InMemory(std::string csv) : csv_(std::move(csv)) {
    bool whole = true;
    for (std::string_view line : split(std::string_view(csv_).substr(csv_.find('\n') + 1), '\n')) {
      if (line.empty()) continue;
      const std::size_t comma = line.find(',');
      const std::string_view x = line.substr(0, comma);
      whole = whole && to_int64(x).has_value();
      reals_.push_back(to_double(x).value());
      texts_.emplace_back(line.substr(comma + 1));
    }
    if (whole) integers_.assign(reals_.begin(), reals_.end());
  }

  Profile profile(const Plan& plan) const {
    const table::Type type = integers_.empty() ? table::Type::kReal : table::Type::kInteger;
    Profiler profiler(plan, {{"x", type}, {"c", table::Type::kText}});
    for (std::size_t at = 0; at < reals_.size(); at += table::kChunkRowsMax) {
      table::Chunk chunk;
      chunk.rows = std::min(reals_.size() - at, table::kChunkRowsMax);
      chunk.columns.resize(2);
      chunk.columns[0].type = type;
      if (integers_.empty())
        chunk.columns[0].reals = reals_.data() + at;
      else
        chunk.columns[0].integers = integers_.data() + at;
      chunk.columns[1].type = table::Type::kText;
      chunk.columns[1].texts = texts_.data() + at;
      profiler.add(chunk);
    }
    return profiler.profile();
  }

  Profile reference() const {
    const table::Type type = integers_.empty() ? table::Type::kReal : table::Type::kInteger;
    const Plan plan = full_plan({{"x", type}, {"c", table::Type::kText}});
    return profile(with_bins(plan, profile(plan)));
  }

  Judged against(const Profile& reference, const Suite& suite) const {
    Circumstances where;
    where.references["training"] = &reference;
    return {evaluate(suite, profile(suite.plan), where)};
  }
  Judged against(const Profile& reference, const std::string& contract) const {
    return against(reference, compile(contract_of(contract), {{"training", &reference}}));
  }

 private:
  std::string csv_;
  std::vector<double> reals_;
  std::vector<std::int64_t> integers_;  // empty where one is none
  std::vector<table::Text> texts_;
};

TEST(InMemory, IsReadAsTheFileIs) {
  for (const char* csv : {"x,c\n1,a\n2,b\n2,b\n7,a\n",
                          "x,c\n1.5,a\n2,b\n-1000,a longer text than 12\n"}) {
    Profile file = reference_of(csv), memory = InMemory(csv).reference();
    file.table = memory.table;
    EXPECT_EQ(to_json(file), to_json(memory));
  }
}

TEST(Drift, OfTheSameDistributionIsNoneAndOfAShiftIsSeenByEveryMeasure) {
  const Profile reference = reference_of(normals(6000, 0, 1));
  for (const char* stat : {"js", "js_divergence", "psi", "hellinger", "tvd", "ks", "wasserstein",
                           "chi_square_p", "ks_p"}) {
    const std::string contract = drift_contract(std::string("{stat: ") + stat + "}");
    const std::string id = std::string("x/drift.") + stat + ".training";
    const Judged same = against(reference, contract, normals(3000, 0, 2));
    EXPECT_EQ(same.status(id), Status::kPass) << same.of(id).words;
    const Judged shifted = against(reference, contract, normals(3000, 0.8, 3));
    EXPECT_EQ(shifted.status(id), Status::kFail) << shifted.of(id).words;
    EXPECT_EQ(shifted.of(id).dialect.find("native: "), 0u);
    EXPECT_EQ(shifted.status("c/drift.js.training"), Status::kPass);
  }
}

TEST(Evaluate, ANumberThatIsNaNIsAMissingCell) {
  const std::string contract = std::string(kHead) + R"(      - name: x
        logicalType: number
        required: true
        quality:
          - {metric: nullValues, mustBe: 0}
          - {type: custom, engine: slipway, implementation: {missing: {max_share: 0.1}}}
)";
  for (const char* csv : {"x,y\n1.5,1\nnan,1\n2.5,1\n", "x,y\n1.5,1\n,1\n2.5,1\n"}) {
    const Judged judged = judge(contract, csv);
    for (const char* check : {"x/required", "x/nullValues", "x/missing"})
      EXPECT_EQ(judged.status(check), Status::kFail) << check << csv;
    EXPECT_EQ(judged.of("x/type").n, 2);
  }
}

TEST(Evaluate, ZeroAndOneAreBools) {
  const std::string contract = std::string(kHead) + "      - {name: x, logicalType: boolean}\n";
  EXPECT_EQ(judge(contract, "x\n1.0\n0.0\n").status("x/type"), Status::kPass);
  EXPECT_EQ(judge(contract, "x\n1\n0\n").status("x/type"), Status::kPass);
  EXPECT_EQ(judge(contract, "x\n1.0\n0.5\n").status("x/type"), Status::kFail);
  EXPECT_EQ(judge(contract, "x\n1.0\n2.0\n").status("x/type"), Status::kFail);
  EXPECT_EQ(judge(contract, "x\n1.0\ninf\n").status("x/type"), Status::kFail);
}

TEST(Drift, ToNothingButMissingCellsIsDrift) {
  std::string none = "x,c\n", numbers = "x,c\n", texts = "x,c\n";
  for (int i = 0; i < 300; ++i) {
    none += ",1\n";
    numbers += std::to_string(i % 7) + ",1\n";
    texts += (i % 2 == 0 ? "red,1\n" : "blue,1\n");
  }
  for (const char* stat : {"js", "psi", "hellinger", "tvd", "l_infinity", "chi_square_p"}) {
    const std::string contract = drift_contract(std::string("{stat: ") + stat + "}");
    const std::string id = std::string("x/drift.") + stat + ".training";
    for (const std::string& some : {numbers, texts}) {
      const Profile full = reference_of(some), empty = reference_of(none);
      EXPECT_EQ(against(full, contract, none).status(id), Status::kFail) << id;
      EXPECT_EQ(against(empty, contract, some).status(id), Status::kFail) << id;
      EXPECT_EQ(against(empty, contract, none).status(id), Status::kPass) << id;
    }
  }
  for (const char* stat : {"ks", "wasserstein", "ks_p"}) {
    const std::string contract = drift_contract(std::string("{stat: ") + stat + "}");
    const std::string id = std::string("x/drift.") + stat + ".training";
    const std::string missing = id + ".missing";
    EXPECT_EQ(against(reference_of(numbers), contract, none).status(missing), Status::kFail);
    EXPECT_EQ(against(reference_of(none), contract, numbers).status(missing), Status::kFail);
  }
}

TEST(Drift, FromNullToNaNIsNone) {
  std::string nulls = "x,c\n", nans = "x,c\n";
  for (int i = 0; i < 600; ++i) {
    nulls += (i % 3 == 0 ? "" : std::to_string(i % 7) + ".5") + ",1\n";
    nans += (i % 3 == 0 ? "nan" : std::to_string(i % 7) + ".5") + ",1\n";
  }
  const Judged judged = against(reference_of(nulls), drift_contract("{stat: js}"), nans);
  EXPECT_EQ(judged.of("x/drift.js.training").observed, 0);
}

/// A window of one column, as serving fills it, without a file.
Profile window(const Suite& suite, std::size_t n, double mean, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(mean, 1);
  std::vector<double> values(n);
  for (double& value : values) value = normal(random);
  Profiler profiler(suite.plan, {{"x", table::Type::kReal}});
  table::ColumnView view;
  view.type = table::Type::kReal;
  view.reals = values.data();
  table::Chunk chunk;
  chunk.rows = n;
  chunk.columns = {view};
  profiler.add(chunk);
  return profiler.profile();
}

TEST(Drift, OfSmallWindowsIsJudgedWithWhatChanceDoes) {
  const Profile reference = reference_of(normals(5000, 0, 1));
  Circumstances serving;
  serving.environment = Environment::kServing;
  serving.references["training"] = &reference;
  const Suite suite = compile(contract_of(drift_contract("{stat: js, fail: 0.1, min_rows: 100}")),
                              serving.references);
  auto judged = [&](std::size_t n, double mean, unsigned seed) {
    return Judged{evaluate(suite, window(suite, n, mean, seed), serving)};
  };
  int alarms = 0, seen = 0;
  for (unsigned seed = 0; seed < 500; ++seed) {
    alarms += judged(168, 0, seed).status("x/drift.js.training") != Status::kPass;
    seen += judged(168, 0.5, seed).status("x/drift.js.training") == Status::kFail;
  }
  EXPECT_LE(alarms, 3);
  EXPECT_GE(seen, 450);
  const Judged few = judged(60, 3, 61);
  EXPECT_EQ(few.status("x/drift.js.training"), Status::kInsufficient);
  EXPECT_TRUE(few.of("x/drift.js.training").observed.has_value());
}

TEST(Drift, OfMissingCellsIsSeenToo) {
  const Profile reference = reference_of(normals(5000, 0, 1));
  const std::string csv = normals(5000, 0, 2, /*missing_in=*/4);
  const Judged js = against(reference, drift_contract("{stat: js}"), csv);
  EXPECT_EQ(js.status("x/drift.js.training"), Status::kFail);
  const Judged ks = against(reference, drift_contract("{stat: ks}"), csv);
  EXPECT_EQ(ks.status("x/drift.ks.training"), Status::kPass);
  EXPECT_EQ(ks.status("x/drift.ks.training.missing"), Status::kFail);
}

TEST(Drift, NewAndVanishedCategoriesAreListedAndMassDecides) {
  const Profile reference = reference_of(normals(3000, 0, 1));
  std::string csv = "x,c\n";
  for (int i = 0; i < 3000; ++i)
    csv += std::string("0,") + (i % 2 ? "a" : i % 100 ? "b" : "new") + "\n";
  const Judged judged = against(reference, drift_contract("{stat: js}"), csv);
  const Verdict& verdict = judged.of("c/drift.js.training");
  EXPECT_EQ(verdict.status, Status::kFail);
  EXPECT_NE(verdict.words.find("new: new (30)"), std::string::npos) << verdict.words;
  EXPECT_NE(verdict.words.find("gone: c ("), std::string::npos) << verdict.words;
}

TEST(Drift, OfANewCategoryInAWindowThatIsSmallBesideItsReferenceIsSeen) {
  auto rows = [](int a, int b, int z, int missing) {
    std::string csv = "x,c\n";
    for (const auto& [text, n] :
         {std::pair("0,a\n", a), {"0,b\n", b}, {"0,z\n", z}, {"0,\n", missing}})
      for (int i = 0; i < n; ++i) csv += text;
    return csv;
  };
  const Profile reference = reference_of(rows(10'000, 10'000, 0, 0));
  for (const char* stat : {"js", "tvd", "l_infinity", "hellinger", "chi_square_p"}) {
    const std::string contract = drift_contract("{stat: js}", std::string("{stat: ") + stat + "}");
    const std::string id = std::string("c/drift.") + stat + ".training";
    for (const std::string& csv :
         {rows(112, 110, 28, 0), rows(112, 110, 0, 28), rows(0, 30, 270, 0)})
      EXPECT_EQ(against(reference, contract, csv).status(id), Status::kFail) << stat;
    EXPECT_EQ(against(reference, contract, rows(127, 122, 1, 0)).status(id), Status::kPass) << stat;
  }
}

/// A table of x, each value so many times, and a constant c.
std::string numbers(const std::vector<std::pair<std::string, int>>& values) {
  std::string csv = "x,c\n";
  for (const auto& [text, n] : values)
    for (int i = 0; i < n; ++i) csv += text + ",a\n";
  return csv;
}

TEST(Drift, OfAFewNumbersSeesAValueBetweenThem) {
  const Profile prices = InMemory(numbers({{"0", 9500}, {"10", 500}})).reference();
  const Profile codes = 
      InMemory(numbers({{"1", 2000}, {"2", 2000}, {"4", 2000}})).reference();
  std::vector<std::pair<std::string, int>> many, with_gap;
  for (int i = 0; i < 126; i += 2) {
    many.emplace_back(std::to_string(i), 100);
    with_gap.emplace_back(std::to_string(i == 60 ? 61 : i), i == 60 ? 60 : 4);
  }
  const Profile evens = InMemory(numbers(many)).reference();
  EXPECT_EQ(evens.find("x")->bins->counts().size(), 125u);
  for (const char* stat :
       {"js", "psi", "tvd", "ks", "wasserstein", "hellinger", "chi_square_p", "ks_p"}) {
    const std::string contract = drift_contract(std::string("{stat: ") + stat + "}");
    const std::string id = std::string("x/drift.") + stat + ".training";
    const bool of_order = std::string(stat).starts_with("ks") || std::string(stat)[0] == 'w';
    auto status = [&](const Profile& reference, const std::string& csv) {
      return InMemory(csv).against(reference, contract).status(id);
    };
    EXPECT_EQ(status(prices, numbers({{"9.99", 950}, {"10", 50}})), Status::kFail) << stat;
    EXPECT_EQ(status(prices, numbers({{"0", 950}, {"10", 50}})), Status::kPass) << stat;
    EXPECT_EQ(status(codes, numbers({{"1", 67}, {"2", 67}, {"3", 66}, {"4", 67}})),
              Status::kFail)
        << stat;
    if (!of_order) EXPECT_EQ(status(evens, numbers(with_gap)), Status::kFail) << stat;
  }
  EXPECT_NEAR(*InMemory(numbers({{"9.99", 950}, {"10", 50}}))
                   .against(prices, drift_contract("{stat: ks}"))
                   .of("x/drift.ks.training")
                   .observed,
              0.95, 1e-9);
}

TEST(Drift, OfAFewNumbersFromARarelyFilledTableIsChance) {
  std::mt19937_64 random(3);
  int alarms = 0;
  for (int trial = 0; trial < 20; ++trial) {
    auto drawn = [&](int rows) {
      std::string csv = "x,c\n";
      for (int i = 0; i < rows; ++i) csv += std::to_string(random() % 65) + ",a\n";
      return csv;
    };
    const Profile reference = InMemory(drawn(220)).reference();
    alarms += InMemory(drawn(250))
                  .against(reference, drift_contract("{stat: js}"))
                  .status("x/drift.js.training") != Status::kPass;
  }
  EXPECT_EQ(alarms, 0);
}

TEST(Drift, OfAReferenceWhoseBinsReachFromValueToValueIsStillTold) {
  Profile reference = reference_of(numbers({{"1", 2000}, {"2", 2000}, {"4", 2000}}));
  for (ColumnProfile& column : reference.columns) {
    const std::int64_t counts[] = {0, 2000, 2000, 2000, 0};
    if (column.name == "x") column.bins = Bins::restored({1, 2, 4, std::nextafter(4, 5)}, counts);
  }
  const std::string contract = drift_contract("{stat: js}");
  EXPECT_EQ(against(reference, contract, numbers({{"1", 100}, {"2", 100}, {"4", 100}}))
                .status("x/drift.js.training"),
            Status::kPass);
  EXPECT_EQ(against(reference, contract, numbers({{"1", 300}})).status("x/drift.js.training"),
            Status::kFail);
}

TEST(Drift, OfConstantsAndIdentifiers) {
  std::string same = "x,c\n", other = same, ids = same;
  for (int i = 0; i < 1000; ++i) {
    same += "7,a\n";
    other += "8,a\n";
    ids += std::to_string(i) + ",a\n";
  }
  const Profile reference = InMemory(same).reference();
  for (const char* stat : {"js", "ks", "hellinger", "tvd", "wasserstein", "ks_p", "chi_square_p"}) {
    const std::string contract = drift_contract(std::string("{stat: ") + stat + "}");
    const std::string id = std::string("x/drift.") + stat + ".training";
    const Judged equal = InMemory(same).against(reference, contract);
    EXPECT_EQ(equal.status(id), Status::kPass) << equal.of(id).words;
    EXPECT_NEAR(*equal.of(id).observed, std::string(stat).ends_with("_p") ? 1 : 0, 1e-9);
    EXPECT_EQ(InMemory(other).against(reference, contract).status(id), Status::kFail);
  }
  EXPECT_NEAR(
      *InMemory(other)
           .against(reference, drift_contract("{stat: js}"))
           .of("x/drift.js.training")
           .observed,
      1, 1e-9);
  const Profile numbered = InMemory(ids).reference();
  const Judged skipped = InMemory(ids).against(numbered, drift_contract("{stat: js}"));
  EXPECT_EQ(skipped.status("x/drift.js.training"), Status::kSkipped);
}

TEST(Drift, WithoutItsReferenceIsSkipped) {
  EXPECT_EQ(judge(drift_contract("{stat: js}"), "x,c\n1,a\n").status("x/drift.js.training"),
            Status::kSkipped);
}

TEST(Infinities, AreBeyondEveryBoundNoMultiplesAndNoWholeNumbers) {
  const std::string contract =
      std::string(kHead) +
      "      - name: x\n        logicalType: integer\n"
      "        logicalTypeOptions: {minimum: 0, maximum: 10, multipleOf: 1}\n        quality:\n"
      "          - {type: custom, engine: slipway, implementation: {range: {min: 0}}}\n"
      "          - {type: custom, engine: slipway, implementation: {domain: {values: [1, 2.5]}}}\n"
      "          - {type: custom, engine: slipway, implementation: {max: {max: 10}}}\n"
      "          - {type: custom, engine: slipway, implementation: {min: {min: 0}}}\n";
  const Judged judged = judge(contract, "x\n1\ninf\n-inf\nnan\n1.0\n");
  EXPECT_EQ(judged.status("x/type"), Status::kFail);
  EXPECT_EQ(judged.of("x/range").observed, 2);
  EXPECT_NE(judged.of("x/range").words.find("row 2"), std::string::npos)
      << judged.of("x/range").words;
  EXPECT_EQ(judged.of("x/multipleOf").observed, 2);
  EXPECT_EQ(judged.of("x/range#2").observed, 0.25);  // only what is below
  EXPECT_EQ(judged.of("x/domain").observed, 0.5);
  EXPECT_EQ(judged.status("x/max"), Status::kFail);
  EXPECT_EQ(judged.status("x/min"), Status::kFail);
  const Judged finite = judge(contract, "x\n1\n1.0\nnan\n");
  for (const char* id : {"x/type", "x/range", "x/multipleOf", "x/domain", "x/max", "x/min"})
    EXPECT_EQ(finite.status(id), Status::kPass) << id;
}

TEST(Texts, OfACsvFileAreJudgedAsTheyAreWritten) {
  const std::string contract = std::string(kHead) + R"(      - name: id
        logicalType: string
        unique: true
      - name: flag
        logicalType: string
        quality:
          - type: custom
            engine: slipway
            implementation: {domain: {values: ['True', 'False']}}
      - name: price
        logicalType: string
        logicalTypeOptions: {minLength: 4}
        quality:
          - type: custom
            engine: slipway
            implementation: {domain: {values: ['1.00', '2.00']}}
)";
  const std::string head = "id,flag,price\n";
  const Judged good = judge(contract, head +
                                          "12345678901234567890123,True,1.00\n"
                                          "12345678901234567890124,False,2.00\n");
  for (const Verdict& verdict : good.all)
    EXPECT_EQ(verdict.status, Status::kPass) << verdict.check << verdict.words;
  const Judged bad = judge(contract, head + "1,true,1.0\n1.0,False,2.00\n");
  EXPECT_EQ(bad.status("id/unique"), Status::kPass);
  EXPECT_EQ(bad.of("flag/domain").observed, 0.5);
  EXPECT_EQ(bad.of("price/domain").observed, 0.5);
  EXPECT_EQ(bad.status("price/length"), Status::kFail);
}

TEST(Texts, WhoseReferenceHasNumbersAreComparedAsNumbers) {
  const Profile reference = reference_of(numbers({{"1", 300}, {"2", 300}}));
  const std::string contract = std::string(kHead) +
                               "      - name: x\n        logicalType: string\n        quality:\n"
                               "          - {type: custom, engine: slipway, "
                               "implementation: {drift: {stat: js}}}\n";
  EXPECT_EQ(against(reference, contract, numbers({{"1", 300}, {"2", 300}}))
                .status("x/drift.js.training"),
            Status::kPass);
}

TEST(Distinct, OfRealsIsExactAndAnEstimateIsJudgedWithItsError) {
  auto contract = [](int n) {
    return std::string(kHead) +
           "      - name: x\n        logicalType: number\n        quality: [{type: custom, "
           "engine: slipway, implementation: {distinct: {min: " +
           std::to_string(n) + ", max: " + std::to_string(n) + "}}}]\n";
  };
  std::string csv = "x\n";
  for (int i = 0; i < 20'000; ++i) csv += std::to_string(i % 9484) + ".25\n";
  const Judged exact = judge(contract(9484), csv);
  EXPECT_EQ(exact.status("x/distinct"), Status::kPass);
  EXPECT_EQ(exact.of("x/distinct").observed, 9484);
  EXPECT_EQ(judge(contract(9485), csv).status("x/distinct"), Status::kFail);

  const Suite suite = compile(contract_of(contract(9484)));
  table::TestFolder folder;
  const auto part = profile_table(folder.write("t.csv", csv), suite.plan);
  const auto both = merged(*part, *part);  // no longer exact
  auto of_both = [&](int n) {
    return Judged{evaluate(compile(contract_of(contract(n))), *both, {})}.of("x/distinct");
  };
  EXPECT_EQ(of_both(9484).status, Status::kPass);
  EXPECT_NE(of_both(9484).words.find("about"), std::string::npos) << of_both(9484).words;
  EXPECT_EQ(of_both(10'500).status, Status::kFail);
  EXPECT_EQ(of_both(8'500).status, Status::kFail);
}

// --- infer ---

TEST(Infer, GivesAContractThatItsDataKeeps) {
  table::TestFolder folder;
  std::string csv = "id,kind,amount,at,flag,note\n";
  std::mt19937_64 random(4);
  for (int i = 0; i < 4000; ++i) {
    csv += std::to_string(i) + "," + (i % 3 ? "bike" : "yes") + "," +
           (i % 50 ? std::to_string(static_cast<double>(random() % 10'000) / 100) : "") +
           ",2011-01-01 0" + std::to_string(i / 3600) + ":" + std::to_string(10 + i / 60 % 50) +
           ":" + std::to_string(10 + i % 50) + "," + (i % 2 ? "true" : "false") + ",\"text " +
           std::to_string(random()) + "\"\n";
  }
  const auto path = folder.write("t.csv", csv);
  auto profile = profile_fully(path);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  const std::string text = infer_contract(*profile, {.id = "t", .now_ms = 1'294'000'000'000});
  const Contract contract = contract_of(text);
  EXPECT_EQ(contract.structure, Severity::kFail);
  EXPECT_EQ(contract.age, Severity::kWarn);
  ASSERT_EQ(contract.properties.size(), 6u) << text;
  EXPECT_FALSE(contract.properties[0].unique) << "that it was unique may have been chance";
  EXPECT_EQ(contract.properties[0].quality.front().severity, Severity::kWarn);
  EXPECT_TRUE(contract.properties[0].required);
  EXPECT_FALSE(contract.properties[2].required);
  EXPECT_EQ(contract.properties[3].type, table::Type::kTimestamp);
  EXPECT_EQ(contract.properties[4].type, table::Type::kBool);
  EXPECT_EQ(contract.freshness.size(), 1u) << text;
  EXPECT_NE(text.find("domain: {values: [bike, \"yes\"]}"), std::string::npos) << text;
  const Suite suite = compile(contract);
  auto again = profile_table(path, suite.plan);
  ASSERT_TRUE(again.ok());
  for (const Verdict& verdict :
       evaluate(suite, *again, {Environment::kTraining, 1'294'000'000'000, {}}))
    EXPECT_TRUE(verdict.status == Status::kPass || verdict.status == Status::kSkipped)
        << verdict.check << " " << verdict.words << "\n"
        << text;
}

/// The contract that is inferred from one text, held against another.
Judged infer_and_judge(const std::string& from, const std::string& against) {
  table::TestFolder folder;
  auto profile = profile_fully(folder.write("t.csv", from));
  EXPECT_TRUE(profile.ok());
  return judge(infer_contract(*profile, {.id = "t", .now_ms = 0}), against);
}

TEST(Infer, FailsATableOfAnotherStructure) {
  const std::string rows = "id,amount\n1,0.5\n2,1.5\n3,2.5\n";
  EXPECT_EQ(infer_and_judge(rows, "a,b\n1,2\n").status("id/exists"), Status::kFail);
  EXPECT_EQ(infer_and_judge(rows, "id,amount\n1,red\n").status("amount/type"), Status::kFail);
  EXPECT_EQ(infer_and_judge(rows, "id,amount\n1,\n2,3\n").status("amount/required"), Status::kFail);
  EXPECT_EQ(infer_and_judge(rows, "id,amount\n").status("rows"), Status::kFail);
}

TEST(Infer, SeesThatNaNIsMissing) {
  std::string rows = "x,y\n";
  for (int i = 0; i < 200; ++i) rows += (i % 4 == 0 ? "nan" : std::to_string(i) + ".5") + ",1\n";
  const Judged judged = infer_and_judge(rows, rows);
  EXPECT_EQ(judged.status("x/missing"), Status::kPass);
  for (const Verdict& verdict : judged.all) EXPECT_NE(verdict.check, "x/required");
}

TEST(Infer, OnlyWarnsOfOtherValues) {
  const std::string rows = "id,amount\n1,0.5\n2,1.5\n3,2.5\n";
  const Judged judged = infer_and_judge(rows, "id,amount\n1,0.5\n1,90000.5\n");
  EXPECT_EQ(judged.status("id/duplicateValues"), Status::kWarn);
  EXPECT_EQ(judged.status("amount/range"), Status::kWarn);
}

TEST(Suite, KnowsWhetherAnythingInItCanFail) {
  const std::string column = std::string(kHead) + "      - name: x\n        required: true\n";
  const std::string warns = "customProperties: [{property: slipway.severity, value: warn}]\n";
  const std::string nulls = "        quality: [{metric: nullValues, mustBe: 0, severity: ";
  EXPECT_TRUE(can_fail(compile(contract_of(column))));
  EXPECT_FALSE(can_fail(compile(contract_of(column + warns))));
  EXPECT_FALSE(can_fail(compile(contract_of(column + nulls + "warn}]\n" + warns))));
  EXPECT_TRUE(can_fail(compile(contract_of(column + nulls + "error}]\n" + warns))));
  const std::string foreign =
      "        quality: [{type: custom, engine: soda, implementation: x}]\n";
  EXPECT_FALSE(can_fail(compile(contract_of(column + foreign + warns))));
}

TEST(Example, TheBikesKeepTheirContractEverywhere) {
  const std::filesystem::path bikes = SLIPWAY_SOURCE_DIR "/examples/bikes";
  auto text = read_file(bikes / "contracts/hour.odcs.yaml");
  ASSERT_TRUE(text.ok());
  const Contract contract = contract_of(*text);
  auto reference = profile_fully(bikes / "data/hour.csv");
  ASSERT_TRUE(reference.ok()) << reference.error().message;
  Circumstances where;
  where.references["training"] = &*reference;
  const Suite suite = compile(contract, where.references);
  auto profile = profile_table(bikes / "data/hour.csv", suite.plan);
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  for (Environment environment : {Environment::kTraining, Environment::kCi,
                                  Environment::kValidation, Environment::kServing}) {
    where.environment = environment;
    const auto verdicts = evaluate(suite, *profile, where);
    EXPECT_EQ(overall(verdicts), Status::kPass) << to_table(verdicts, false);
    EXPECT_EQ(tally(verdicts).warn, 0);
  }
}

// --- reports ---

TEST(Report, TableJsonAndJunitSayTheSame) {
  const Judged judged = judge(std::string(kHead) +
                                  "      - {name: x, required: true}\n"
                                  "      - {name: \"<&\", required: true}\n",
                              "x\n1\n\n");
  const std::string text = to_table(judged.all, /*all=*/false);
  EXPECT_EQ(text.find("fail"), 0u) << text;
  const wire::Json json = to_json(judged.all);
  EXPECT_EQ(json.find("status")->as_string(), "fail");
  EXPECT_EQ(json.find("verdicts")->as_array().size(), judged.all.size());
  const std::string xml = to_junit(judged.all, "t.csv");
  EXPECT_NE(xml.find("name=\"&lt;&amp;/exists\"><failure"), std::string::npos) << xml;
  EXPECT_NE(xml.find("failures=\"" + std::to_string(tally(judged.all).fail) + "\""),
            std::string::npos);
}

}  // namespace
}  // namespace slipway::checks
