#include "domain/delivery/gates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "base/file.h"

namespace slipway::delivery {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(SLIPWAY_SOURCE_DIR) / "tests/data";
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// --- waivers and the sum of all gates -----------------------------------------------------------

constexpr UnixMs kNow = 1'700'000'000'000, kDay = 24 * 3600 * 1000;

Waiver waiver() {
  return {kParity, "bikes", 7, "ann", "no golden rows before May", kNow + kDay};
}

TEST(Waiver, NeedsANameAReasonAndAnExpiry) {
  EXPECT_TRUE(check_waiver(waiver(), kNow).ok());
  struct Row {
    const char* part;
    void (*spoil)(Waiver&);
  };
  const Row rows[] = {
      {"name", [](Waiver& w) { w.name = " "; }},
      {"reason", [](Waiver& w) { w.reason = ""; }},
      {"gate", [](Waiver& w) { w.gate = ""; }},
      {"reason", [](Waiver& w) { w.reason = std::string(2001, 'x'); }},
      {"future", [](Waiver& w) { w.expires_ms = kNow; }},
      {"within a year", [](Waiver& w) { w.expires_ms = kNow + 400 * kDay; }},
      {"from 1", [](Waiver& w) { w.version = -1; }},
  };
  for (const Row& row : rows) {
    Waiver w = waiver();
    row.spoil(w);
    const Result<> checked = check_waiver(w, kNow);
    ASSERT_FALSE(checked.ok()) << row.part;
    EXPECT_NE(checked.error().message.find(row.part), std::string::npos) << checked.error().message;
  }
}

TEST(Waiver, CoversItsGateAndVersionUntilItExpires) {
  EXPECT_TRUE(covers(waiver(), kParity, "bikes", 7, kNow));
  EXPECT_FALSE(covers(waiver(), kQuality, "bikes", 7, kNow));
  EXPECT_FALSE(covers(waiver(), kParity, "vans", 7, kNow));
  EXPECT_FALSE(covers(waiver(), kParity, "bikes", 8, kNow));
  EXPECT_FALSE(covers(waiver(), kParity, "bikes", 7, kNow + kDay)) << "expired";
  Waiver any = waiver();
  any.version = 0;
  EXPECT_TRUE(covers(any, kParity, "bikes", 8, kNow));
}

TEST(Waiver, TurnsWhatDidNotPassIntoWaived) {
  const GateVerdict blocked{kParity, GateStatus::kNoData, "there are no golden rows", {}};
  const GateVerdict after = waived(blocked, {waiver()}, "bikes", 7, kNow);
  EXPECT_EQ(after.status, GateStatus::kWaived);
  EXPECT_NE(after.words.find("waived by ann (no golden rows before May)"), std::string::npos);
  EXPECT_EQ(after.evidence.find("waiver")->find("instead_of")->as_string(), "no_data");
  EXPECT_EQ(waived(blocked, {waiver()}, "bikes", 7, kNow + kDay).status, GateStatus::kNoData);
  const GateVerdict passed{kParity, GateStatus::kPass, "fine", {}};
  EXPECT_EQ(waived(passed, {waiver()}, "bikes", 7, kNow).status, GateStatus::kPass);
}

TEST(Summary, WaitsForEveryGateAndNamesEveryFault) {
  const std::vector<std::string> wanted = {kIntegrity, kParity, kQuality};
  std::vector<GateVerdict> verdicts = {{kIntegrity, GateStatus::kPass, "ok", {}},
                                       {kParity, GateStatus::kNoData, "no golden rows", {}}};
  EXPECT_EQ(summarize(wanted, verdicts).outcome, GateOutcome::kRunning);
  EXPECT_EQ(summarize(wanted, verdicts).words, "waiting for quality");
  verdicts.push_back({kQuality, GateStatus::kError, "broken", {}});
  EXPECT_EQ(summarize(wanted, verdicts).outcome, GateOutcome::kBlocked);
  EXPECT_EQ(summarize(wanted, verdicts).words, "parity: no golden rows; quality: broken");
  verdicts[1].status = GateStatus::kWaived;
  verdicts[2].status = GateStatus::kPass;
  EXPECT_EQ(summarize(wanted, verdicts).outcome, GateOutcome::kPassed);
  EXPECT_EQ(summarize(wanted, verdicts).words, "integrity, quality passed; parity waived");
  EXPECT_EQ(summarize({kParity}, verdicts).words, "parity waived");
  EXPECT_EQ(summarize({}, {}).outcome, GateOutcome::kPassed);
}

// --- integrity ----------------------------------------------------------------------------------

TEST(Integrity, IsEveryFileAsRecordedAndNoOther) {
  struct Row {
    std::vector<FileDigest> files;
    GateStatus status;
    const char* words;
  };
  const Row rows[] = {
      {{{"MLmodel", "a", "a"}, {"model.ubj", "b", "b"}}, GateStatus::kPass, "2 files"},
      {{{"MLmodel", "a", "a"}, {"model.ubj", "b", "c"}}, GateStatus::kFail, "model.ubj is changed"},
      {{{"MLmodel", "a", "a"}, {"model.ubj", "b", ""}}, GateStatus::kFail, "model.ubj is missing"},
      {{{"MLmodel", "a", "a"}, {"x.pkl", "", "c"}}, GateStatus::kFail, "x.pkl is never recorded"},
      {{{"MLmodel", "", "a"}}, GateStatus::kNoData, "no digests"},
      {{}, GateStatus::kNoData, "no digests"},
  };
  for (const Row& row : rows) {
    const GateVerdict v = judge_integrity(row.files);
    EXPECT_EQ(v.status, row.status) << v.words;
    EXPECT_NE(v.words.find(row.words), std::string::npos) << v.words;
  }
}

// --- signature ----------------------------------------------------------------------------------

engine::MlModel signed_as(const std::string& inputs, const std::string& outputs = "") {
  engine::MlModel model;
  if (!inputs.empty()) {
    auto schema = engine::read_schema(inputs);
    EXPECT_TRUE(schema.ok()) << schema.error().message;
    if (schema.ok()) model.inputs = *schema;
  }
  if (!outputs.empty()) {
    auto schema = engine::read_schema(outputs);
    EXPECT_TRUE(schema.ok());
    if (schema.ok()) model.outputs = *schema;
  }
  return model;
}

std::string column(const char* name, const char* type, bool required = true) {
  return std::string("{\"name\": \"") + name + "\", \"type\": \"" + type +
         "\", \"required\": " + (required ? "true" : "false") + "}";
}

std::string tensor(const char* name, const char* dtype, const char* shape) {
  return std::string("{\"name\": \"") + name +
         "\", \"type\": \"tensor\", \"tensor-spec\": " + "{\"dtype\": \"" + dtype +
         "\", \"shape\": " + shape + "}}";
}

std::string list(std::initializer_list<std::string> items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "[" : ", ") + item;
  return text + "]";
}

TEST(Signature, IsASupersetOfTheOneItReplaces) {
  const std::string before = list({column("temp", "float"), column("hour", "integer")});
  const std::string out = list({column("count", "double")});
  struct Row {
    std::string inputs, outputs;
    GateStatus status;
    const char* words;
  };
  const Row rows[] = {
      {before, out, GateStatus::kPass, "takes and gives"},
      {list({column("hour", "integer"), column("temp", "float")}), out, GateStatus::kPass, ""},
      {list({column("temp", "double"), column("hour", "long")}), out, GateStatus::kPass, ""},
      {list({column("temp", "float"), column("hour", "integer"), column("x", "float", false)}), out,
       GateStatus::kPass, ""},
      {list({column("temp", "float")}), out, GateStatus::kPass, ""},
      {list({column("temp", "float"), column("hour", "integer"), column("x", "float")}), out,
       GateStatus::kFail, "input \"x\" is new and required"},
      {list({column("temp", "float"), column("hour", "boolean")}), out, GateStatus::kFail,
       "input \"hour\" is boolean where it was integer"},
      {list({column("temp", "float"), column("hour", "float")}), out, GateStatus::kFail,
       "input \"hour\" is float where it was integer"},
      {list({column("temp", "string"), column("hour", "integer")}), out, GateStatus::kFail,
       "input \"temp\" is string where it was float"},
      {before, list({column("total", "double")}), GateStatus::kFail, "output \"count\" is gone"},
      {before, list({column("count", "long")}), GateStatus::kFail, "output \"count\" is long"},
      {before, list({column("count", "double"), column("low", "double")}), GateStatus::kPass, ""},
      {before, "", GateStatus::kFail, "not described any more"},
      {list({tensor("temp", "float32", "[-1, 2]")}), out, GateStatus::kFail, "inputs are tensors"},
      {"", "", GateStatus::kFail, "it has no signature, the version it replaces has one"},
  };
  const engine::MlModel replaced = signed_as(before, out);
  for (const Row& row : rows) {
    const GateVerdict v = judge_signature(signed_as(row.inputs, row.outputs), &replaced);
    EXPECT_EQ(v.status, row.status) << row.inputs << " " << row.outputs << ": " << v.words;
    EXPECT_NE(v.words.find(row.words), std::string::npos) << v.words;
  }
}

TEST(Signature, AnInputMayNotBecomeRequired) {
  const engine::MlModel replaced = signed_as(list({column("temp", "float", false)}));
  const GateVerdict v = judge_signature(signed_as(list({column("temp", "float")})), &replaced);
  EXPECT_EQ(v.status, GateStatus::kFail);
  EXPECT_NE(v.words.find("has become required"), std::string::npos);
}

TEST(Signature, TensorsMayBecomeFreer) {
  const engine::MlModel fixed = signed_as(list({tensor("x", "float32", "[-1, 28]")}));
  const engine::MlModel free = signed_as(list({tensor("x", "float32", "[-1, -1]")}));
  const engine::MlModel wide = signed_as(list({tensor("x", "float64", "[-1, 28]")}));
  EXPECT_EQ(judge_signature(free, &fixed).status, GateStatus::kPass);
  EXPECT_EQ(judge_signature(fixed, &free).status, GateStatus::kFail);
  EXPECT_EQ(judge_signature(wide, &fixed).status, GateStatus::kFail);
}

TEST(Signature, OfTheFirstVersionOnlyHasToBeThere) {
  EXPECT_EQ(judge_signature(signed_as(list({column("t", "float")})), nullptr).status,
            GateStatus::kPass);
  EXPECT_EQ(judge_signature(signed_as(""), nullptr).status, GateStatus::kNoData);
  const engine::MlModel silent = signed_as("");
  EXPECT_EQ(judge_signature(signed_as(""), &silent).status, GateStatus::kNoData);
  EXPECT_EQ(judge_signature(signed_as(list({column("t", "float")})), &silent).status,
            GateStatus::kPass);
}

// --- contract -----------------------------------------------------------------------------------

TEST(Contract, IsAsBadAsItsWorstTable) {
  struct Row {
    std::vector<const char*> statuses;
    GateStatus status;
  };
  const Row rows[] = {
      {{"pass", "warn"}, GateStatus::kPass},   {{"pass", "fail"}, GateStatus::kFail},
      {{"pass", "block"}, GateStatus::kFail},  {{"no_data", "fail"}, GateStatus::kFail},
      {{"fail", "error"}, GateStatus::kError}, {{"pass", "insufficient"}, GateStatus::kNoData},
      {{"what?"}, GateStatus::kError},         {{}, GateStatus::kNoData},
  };
  for (const Row& row : rows) {
    std::vector<ContractFinding> findings;
    for (const char* status : row.statuses)
      findings.push_back({"data/hour.csv", "contracts/hour.odcs.yaml", status, "words", "v1"});
    EXPECT_EQ(judge_contract(findings).status, row.status);
  }
}

TEST(Contract, OfOneTableIsToldByItsName) {
  const ContractFinding one{"data/hour.csv", "contracts/hour.odcs.yaml", "pass", "words", "v1"};
  EXPECT_EQ(judge_contract({one}).words, "data/hour.csv keeps its contract");
  EXPECT_EQ(judge_contract({one, one}).words, "2 tables keep their contracts");
}

// --- golden rows and parity ---------------------------------------------------------------------

std::unique_ptr<engine::Model> model_of(const std::string& name) {
  const fs::path folder = kData / "scoring" / name;
  auto text = read_file(folder / "MLmodel");
  auto mlmodel = engine::read_mlmodel(*text);
  auto model = engine::load_model(
      *mlmodel, [&](const std::string& path) { return read_file(folder / path); });
  EXPECT_TRUE(model.ok()) << model.error().message;
  return std::move(*model);
}

GoldenRows golden_of(const std::string& name) {
  auto text = read_file(kData / "delivery" / ("golden_" + name + ".jsonl"));
  EXPECT_TRUE(text.ok());
  auto golden = parse_golden(*text);
  EXPECT_TRUE(golden.ok()) << golden.error().message;
  return golden.ok() ? std::move(*golden) : GoldenRows{};
}

TEST(Parity, TheEngineAnswersAsXgboostDid) {
  for (const char* name : {"binary", "regressor", "three"}) {
    const GoldenRows golden = golden_of(name);
    const GateVerdict v = judge_parity(golden, replay(*model_of(name), golden));
    EXPECT_EQ(v.status, GateStatus::kPass) << name << ": " << v.words;
    EXPECT_EQ(v.evidence.find("margin_largest_ulps")->as_int64(), 0);
    EXPECT_LE(v.evidence.find("value_largest_ulps")->as_int64(), 1);
  }
}

TEST(Parity, ColumnsAreMatchedByName) {
  GoldenRows golden = golden_of("regressor");
  std::swap(golden.columns[0], golden.columns[2]);
  for (std::size_t row = 0; row < golden.rows; ++row)
    std::swap(golden.cells[row * 3], golden.cells[row * 3 + 2]);
  EXPECT_EQ(judge_parity(golden, replay(*model_of("regressor"), golden)).status, GateStatus::kPass);
  golden.columns[1] = "gust";
  const GateVerdict v = judge_parity(golden, replay(*model_of("regressor"), golden));
  EXPECT_EQ(v.status, GateStatus::kFail);
}

TEST(Parity, OfAMarginIsToTheBit) {
  const GoldenRows golden = golden_of("binary");
  Replay answer = replay(*model_of("binary"), golden);
  answer.margins[40] = std::nextafter(answer.margins[40], 100.0f);
  const GateVerdict v = judge_parity(golden, answer);
  EXPECT_EQ(v.status, GateStatus::kFail);
  EXPECT_NE(v.words.find("1 of 256 rows have another margin"), std::string::npos) << v.words;
  EXPECT_NE(v.words.find("row 41"), std::string::npos) << v.words;
}

TEST(Parity, OfAValueIsWithinOneUnitInTheLastPlace) {
  const GoldenRows golden = golden_of("binary");
  Replay answer = replay(*model_of("binary"), golden);
  answer.values = golden.values;
  answer.values[3] = std::nextafter(answer.values[3], 1.0f);
  EXPECT_EQ(judge_parity(golden, answer).status, GateStatus::kPass);
  answer.values[3] = std::nextafter(std::nextafter(answer.values[3], 1.0f), 1.0f);
  EXPECT_EQ(judge_parity(golden, answer).status, GateStatus::kFail);
}

TEST(Parity, RefusesAnswersThatAreNotFinite) {
  GoldenRows golden = golden_of("binary");
  Replay answer = replay(*model_of("binary"), golden);
  answer.values[9] = kNan;
  EXPECT_NE(judge_parity(golden, answer).words.find("row 10 gives nan"), std::string::npos);
  golden.values[9] = kNan;
  EXPECT_NE(judge_parity(golden, answer).words.find("golden row 10 has an answer of nan"),
            std::string::npos);
}

TEST(Parity, WithoutEnoughRowsHasNoData) {
  GoldenRows golden;
  EXPECT_EQ(judge_parity(golden, {}).status, GateStatus::kNoData);
  golden.rows = 255;
  EXPECT_EQ(judge_parity(golden, {}).status, GateStatus::kNoData);
}

/// The same rows, but only `count` of them again and again.
GoldenRows repeated(const GoldenRows& golden, std::size_t count) {
  GoldenRows copies = golden;
  const auto repeat = [&](auto& all, std::size_t width) {
    for (std::size_t i = count * width; i < all.size(); ++i) all[i] = all[i % (count * width)];
  };
  repeat(copies.cells, golden.features);
  repeat(copies.values, golden.width);
  repeat(copies.margin_values, golden.margins);
  repeat(copies.targets, 1);
  return copies;
}

TEST(Parity, OfCopiesOfAFewRowsHasNoData) {
  const auto model = model_of("regressor");
  const GoldenRows golden = golden_of("regressor");
  const GoldenRows copies = repeated(golden, 1);
  const GateVerdict v = judge_parity(copies, replay(*model, copies));
  EXPECT_EQ(v.status, GateStatus::kNoData) << v.words;
  EXPECT_EQ(v.words.find("256 golden rows, but only 1 different one, at least 128 are needed: log"),
            0u)
      << v.words;
  EXPECT_EQ(v.evidence.find("different_rows")->as_int64(), 1);
  EXPECT_EQ(too_few_golden(golden), "");
  EXPECT_NE(too_few_golden(repeated(golden, 100)), "");
}

TEST(GoldenRows, AlikeIsWhatNoModelTellsApart) {
  GoldenRows rows;
  rows.features = 2;
  rows.rows = 4;
  rows.cells = {0.0f, kNan, -0.0f, -kNan, 0.0f, 1.0f, 0.0f, 1.0f};
  EXPECT_EQ(different_rows(rows, Alike::kInCells), 2u);
  EXPECT_EQ(different_rows(rows, Alike::kInCellsAndTarget), 2u);
  rows.targets = {1, 2, 3, 3};
  EXPECT_EQ(different_rows(rows, Alike::kInCells), 2u);
  EXPECT_EQ(different_rows(rows, Alike::kInCellsAndTarget), 3u);
}

TEST(Parity, OfAnotherModelFails) {
  const GoldenRows golden = golden_of("regressor");
  EXPECT_EQ(judge_parity(golden, replay(*model_of("binary"), golden)).status, GateStatus::kFail);
}

TEST(GoldenRows, ReadBack) {
  const GoldenRows golden = golden_of("regressor");
  auto again = parse_golden(to_text(golden));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(to_text(*again), to_text(golden));
  EXPECT_EQ(again->values, golden.values);
  EXPECT_EQ(again->targets, golden.targets);
  EXPECT_EQ(again->columns, golden.columns);
}

TEST(GoldenRows, HostileFilesAreRefusedByLine) {
  const std::string header =
      "{\"golden\": 1, \"rows\": 2, \"features\": 2, \"width\": 1, \"margins\": 0}\n";
  const std::string row = "{\"in\": [1, null], \"out\": [2]}\n";
  ASSERT_TRUE(parse_golden(header + row + row).ok());
  EXPECT_TRUE(parse_golden(header + "\n" + row + row + "\n").ok());
  struct Row {
    std::string text;
    const char* message;
  };
  const Row rows[] = {
      {"", "an empty file"},
      {"{\"golden\": 2}", "line 1: expected"},
      {"[1]", "line 1: expected"},
      {"nonsense", "line 1"},
      {header + row, "cut off"},
      {header + row + row + row, "line 4: more rows"},
      {header + "{\"in\": [1], \"out\": [2]}\n", "line 2: in is a list of 2 numbers"},
      {header + "{\"in\": [1, \"x\"], \"out\": [2]}\n", "line 2: in is a list"},
      {header + "{\"in\": [1, 2], \"out\": []}\n", "line 2: out is a list of 1"},
      {header + "{\"in\": [1, 2], \"out\": [2], \"target\": 1}\n" + row, "a target in some rows"},
      {"{\"golden\": 1, \"rows\": 100001, \"features\": 2, \"width\": 1, \"margins\": 0}",
       "rows is a number from 0 to 100000"},
      {"{\"golden\": 1, \"rows\": 100000, \"features\": 4096, \"width\": 1, \"margins\": 0}",
       "more than 16777216 cells"},
      {"{\"golden\": 1, \"rows\": 1, \"features\": 0, \"width\": 1, \"margins\": 0}", "without"},
      {"{\"golden\": 1, \"rows\": 1, \"features\": 2, \"width\": 1, \"margins\": 0, "
       "\"columns\": [\"a\"]}",
       "columns names each of the 2"},
      {header + std::string(2 << 20, ' ') + "{}" + std::string(2 << 20, '['), "longer than 1 MiB"},
  };
  for (const Row& bad : rows) {
    auto golden = parse_golden(bad.text);
    ASSERT_FALSE(golden.ok()) << bad.message;
    EXPECT_NE(golden.error().message.find(bad.message), std::string::npos)
        << golden.error().message;
  }
}

// --- quality ------------------------------------------------------------------------------------

QualityInput quality(double candidate, double live, std::size_t rows = 200) {
  QualityInput in;
  in.requirement.metric = "mae_relative";
  in.requirement.at_most = 0.35;
  for (std::size_t i = 0; i < rows; ++i) {
    const double swing = 1 + 0.5 * std::sin(static_cast<double>(i));
    in.candidate_losses.push_back(100 * candidate * swing);
    in.live_losses.push_back(100 * live * swing);
    in.targets.push_back(100);
  }
  in.has_live = true;
  return in;
}

TEST(Quality, OfAccuracyItSaysThatErrorsAreCompared) {
  QualityInput in = quality(0, 0);
  in.requirement.metric = "accuracy";
  in.requirement.at_most.reset();
  in.requirement.at_least = 0.5;
  for (std::size_t i = 0; i < in.targets.size(); ++i) {
    in.candidate_losses[i] = i % 5 == 0;  // 0.8
    in.live_losses[i] = i % 8 == 0;       // 0.875
  }
  const GateVerdict verdict = judge_quality(in);
  EXPECT_EQ(verdict.status, GateStatus::kFail);
  EXPECT_EQ(verdict.words,
            "its accuracy is 0.8, the live version's on the same rows 0.875: its error, 1 - "
            "accuracy, is 0.2, not shown to be at most 10 % above the live version's 0.125");
}

TEST(Quality, KeepsTheRequirementAndIsNoWorseThanTheLiveVersion) {
  struct Row {
    QualityInput input;
    GateStatus status;
    const char* words;
  };
  QualityInput unscored = quality(0.2, 0.3), first = quality(0.2, 0.3), few = quality(0.2, 0.3, 29),
               unknown = quality(0.2, 0.3), broken = quality(0.2, 0.3), bare = quality(0.2, 0.3),
               copied = quality(0.2, 0.3);
  copied.different = 1;
  unscored.live_losses.clear();
  first.live_losses.clear();
  first.has_live = false;
  unknown.requirement.metric = "vibes";
  broken.candidate_losses[7] = std::nan("");
  bare.targets.clear();
  const Row rows[] = {
      {quality(0.26, 0.41), GateStatus::kPass, "the live version's on the same rows 0.41"},
      {quality(0.65, 0.44), GateStatus::kFail, "at most 0.35 is asked for"},  // Christmas
      {quality(0.34, 0.22), GateStatus::kFail, "not shown to be at most 10 % worse"},
      {quality(0.22, 0.22), GateStatus::kPass, ""},
      {quality(0.23, 0.22), GateStatus::kPass, ""},
      {first, GateStatus::kPass, "0.2"},
      {unscored, GateStatus::kNoData, "not scored"},
      {few, GateStatus::kNoData, "29 rows"},
      {unknown, GateStatus::kError, "vibes"},
      {broken, GateStatus::kFail, "not finite"},
      {bare, GateStatus::kNoData, "no targets"},
      {copied, GateStatus::kNoData, "200 rows were held out, but only 1 different one"},
  };
  for (const Row& row : rows) {
    const GateVerdict v = judge_quality(row.input);
    EXPECT_EQ(v.status, row.status) << v.words;
    EXPECT_NE(v.words.find(row.words), std::string::npos) << v.words;
  }
}

TEST(Quality, NoiseIsNoProof) {
  QualityInput in = quality(0.2, 0.2, 40);
  for (std::size_t i = 0; i < in.candidate_losses.size(); ++i)
    in.candidate_losses[i] += (i % 2 ? 30 : -30);
  EXPECT_EQ(judge_quality(in).status, GateStatus::kFail);
}

TEST(Quality, AtLeastBoundsAccuracy) {
  QualityInput in;
  in.requirement.metric = "accuracy";
  in.requirement.at_least = 0.9;
  in.candidate_losses.assign(100, 0);
  for (int i = 0; i < 11; ++i) in.candidate_losses[static_cast<std::size_t>(i)] = 1;
  EXPECT_EQ(judge_quality(in).status, GateStatus::kFail);
  in.candidate_losses[0] = 0;
  EXPECT_EQ(judge_quality(in).status, GateStatus::kPass);
}

TEST(UpperBound, IsThatOfSciPysBootstrap) {
  std::vector<double> values;
  std::vector<std::int64_t> clusters;
  for (int i = 0; i < 60; ++i) {
    values.push_back(std::exp(2 * std::sin(i)));
    clusters.push_back(i % 12);
  }
  EXPECT_NEAR(upper_bound(values, {}), 2.93539, 0.05);
  EXPECT_NEAR(upper_bound(values, clusters), 3.13623, 0.06);
  EXPECT_EQ(upper_bound(values, {}), upper_bound(values, {})) << "the seed is fixed";
}

TEST(UpperBound, OfManyRowsIsTheNormalOne) {
  std::vector<double> values(40'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 2 ? 1 : -1;
  EXPECT_NEAR(upper_bound(values, {}), 1.6448536 / 200, 1e-6);
  values.resize(19'999);
  EXPECT_NEAR(upper_bound(values, {}), 1.6448536 / std::sqrt(19'999.0), 1e-3);
  EXPECT_EQ(upper_bound({1}, {}), HUGE_VAL);
}

TEST(Losses, AreThoseOfTheEngine) {
  const GoldenRows rows = golden_of("regressor");
  auto found = losses(*model_of("regressor"), rows, Metric::kMae);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_NEAR((*found)[50], std::fabs(rows.values[50] - rows.targets[50]), 1e-12);
  EXPECT_FALSE(losses(*model_of("regressor"), rows, Metric::kAccuracy).ok());
  EXPECT_FALSE(losses(*model_of("binary"), golden_of("binary"), Metric::kLogLoss).ok())
      << "it has no targets";
}

TEST(Loss, IsThatOfItsMetric) {
  EXPECT_DOUBLE_EQ(loss_of(Metric::kMae, 3, 5), 2);
  EXPECT_DOUBLE_EQ(loss_of(Metric::kRmse, 3, 5), 4);
  EXPECT_DOUBLE_EQ(loss_of(Metric::kLogLoss, 0.25, 1), std::log(4));
  EXPECT_DOUBLE_EQ(loss_of(Metric::kLogLoss, 0.25, 0), std::log(4.0 / 3));
  EXPECT_TRUE(std::isfinite(loss_of(Metric::kLogLoss, 0, 1)));
  EXPECT_DOUBLE_EQ(loss_of(Metric::kErrorRate, 2, 2), 0);
}

// --- approval -----------------------------------------------------------------------------------

TEST(Approval, NeedsANameAndAReason) {
  const Approval good{"bikes", 3, 0, "ann", "looked at it", 0};
  EXPECT_TRUE(check_approval(good).ok());
  for (const auto& [name, reason] : {std::pair<std::string, std::string>{"", "r"},
                                     {"ann", " "},
                                     {"ann", std::string(2001, 'r')},
                                     {"\xff", "r"}}) {
    Approval wrong = good;
    wrong.name = name;
    wrong.reason = reason;
    EXPECT_EQ(check_approval(wrong).error().code, Code::kInvalid) << name;
  }
}

TEST(Approval, PassesByAPersonsWordOnly) {
  EXPECT_EQ(judge_approval(nullptr).status, GateStatus::kNoData);
  const Approval given{"bikes", 3, 0, "ann", "looked at it", 77};
  const GateVerdict verdict = judge_approval(&given);
  EXPECT_EQ(verdict.status, GateStatus::kPass);
  EXPECT_EQ(verdict.words, "approved by ann: looked at it");
  EXPECT_EQ(verdict.evidence.find("given_ms")->as_int64(), 77);
}

TEST(Summary, APersonIsAskedWhenAllElseHasPassed) {
  const std::vector<std::string> wanted = {"approval", "parity", "quality"};
  std::vector<GateVerdict> verdicts = {{"parity", GateStatus::kPass, "", {}}};
  EXPECT_EQ(summarize(wanted, verdicts).words, "waiting for quality") << "nobody is asked yet";
  EXPECT_FALSE(summarize(wanted, verdicts).waits_for_person);
  verdicts.push_back({"quality", GateStatus::kPass, "", {}});
  EXPECT_EQ(summarize(wanted, verdicts).outcome, GateOutcome::kRunning);
  EXPECT_TRUE(summarize(wanted, verdicts).waits_for_person);
  verdicts.back().status = GateStatus::kFail;
  verdicts.back().words = "too bad";
  EXPECT_EQ(summarize(wanted, verdicts).outcome, GateOutcome::kBlocked);
  EXPECT_EQ(summarize(wanted, verdicts).words, "quality: too bad");
  verdicts.back().status = GateStatus::kWaived;
  verdicts.push_back({"approval", GateStatus::kPass, "", {}});
  EXPECT_EQ(summarize(wanted, verdicts).outcome, GateOutcome::kPassed);
}

// --- performance --------------------------------------------------------------------------------

TEST(Performance, IsTheNinetyNinthPercentileOfOneRow) {
  std::vector<std::int64_t> times(1000, 2'000'000);
  for (std::size_t i = 0; i < 10; ++i) times[i * 100] = 50'000'000;
  project::Requirement latency;
  latency.metric = "latency_ms";
  latency.at_most = 5;
  EXPECT_EQ(judge_performance(times, &latency).status, GateStatus::kPass);
  times[1] = 50'000'000;
  EXPECT_EQ(judge_performance(times, &latency).status, GateStatus::kFail);
  EXPECT_EQ(judge_performance(times, nullptr).status, GateStatus::kNoData);
  times.resize(99);
  EXPECT_EQ(judge_performance(times, &latency).status, GateStatus::kNoData);
}

TEST(Performance, TimesSingleRows) {
  std::int64_t now = 0;
  const auto times =
      time_rows(*model_of("regressor"), golden_of("regressor"), 500, [&] { return now += 10; });
  EXPECT_EQ(times, std::vector<std::int64_t>(500, 10));
}

TEST(GoldenRows, TheRowsWithATargetAreHeldOut) {
  const auto golden = parse_golden(
      "{\"golden\": 1, \"rows\": 3, \"features\": 1, \"width\": 1, \"margins\": 0}\n"
      "{\"in\": [1], \"out\": [10], \"target\": 11}\n"
      "{\"in\": [null], \"out\": [20], \"target\": null}\n"
      "{\"in\": [3], \"out\": [30], \"target\": 33}\n");
  ASSERT_TRUE(golden.ok()) << golden.error().message;
  const GoldenRows held = held_out(*golden);
  EXPECT_EQ(held.rows, 2u);
  EXPECT_EQ(held.cells, (std::vector<float>{1, 3}));
  EXPECT_EQ(held.values, (std::vector<float>{10, 30}));
  EXPECT_EQ(held.targets, (std::vector<double>{11, 33}));
  EXPECT_EQ(parse_golden(to_text(*golden))->targets.size(), 3u);
}

project::Requirement at_most(double bound) {
  project::Requirement r;
  r.id = "quality";
  r.metric = "mae_relative";
  r.at_most = bound;
  return r;
}

TEST(QualityByMetric, KeepsTheRequirementAndIsNotMuchWorse) {
  const auto judge = [](double candidate, std::optional<double> live, bool has_live) {
    return judge_quality_by_metric(at_most(0.35), candidate, live, has_live).status;
  };
  EXPECT_EQ(judge(0.3, {}, false), GateStatus::kPass);
  EXPECT_EQ(judge(0.36, {}, false), GateStatus::kFail);
  EXPECT_EQ(judge(std::nan(""), {}, false), GateStatus::kFail);
  EXPECT_EQ(judge(0.3, {}, true), GateStatus::kPass) << "it is no data about the live one alone";
  EXPECT_EQ(judge(0.3, 0.28, true), GateStatus::kPass);
  EXPECT_EQ(judge(0.34, 0.28, true), GateStatus::kFail);
  // Relative to a mean that is negative.
  EXPECT_EQ(judge(-5, {}, false), GateStatus::kFail);
  EXPECT_EQ(judge(-0.3, -0.29, true), GateStatus::kPass);
  EXPECT_EQ(judge(-0.34, -0.28, true), GateStatus::kFail);
}

TEST(QualityByMetric, MoreIsBetterOfWhatIsBoundedFromBelow) {
  project::Requirement r = at_most(0);
  r.at_most.reset();
  r.at_least = 0.8;
  EXPECT_EQ(judge_quality_by_metric(r, 0.9, 0.95, true).status, GateStatus::kPass);
  EXPECT_EQ(judge_quality_by_metric(r, 0.82, 0.95, true).status, GateStatus::kFail);
  EXPECT_EQ(judge_quality_by_metric(r, 0.7, 0.6, true).status, GateStatus::kFail);
}

}  // namespace
}  // namespace slipway::delivery
