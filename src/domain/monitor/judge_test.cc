#include "domain/monitor/judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "domain/monitor/scan.h"
#include "domain/project/outlook.h"

namespace slipway::monitor {
namespace {

using delivery::Metric;
using Outcome = checks::Status;

project::Requirement requirement(const char* metric, std::optional<double> at_most,
                                 double share = 1) {
  project::Requirement r;
  r.id = "demand";
  r.metric = metric;
  r.at_most = at_most;
  r.share = share;
  return r;
}

project::MonitorSpec spec(const char* against = "", std::int64_t min_rows = 100) {
  project::MonitorSpec s;
  s.name = "watch";
  s.against = against;
  s.window = std::chrono::hours(24);
  s.min_rows = min_rows;
  return s;
}

WindowVerdict judge_by(const project::Requirement& r, const VersionFacts& facts,
                       project::MonitorSpec s = spec(), std::optional<double> age = {}) {
  s.requirement = r.id;
  Question q;
  q.spec = &s;
  q.requirement = &r;
  q.age_seconds = age;
  return judge(q, facts);
}

VersionFacts labelled(int rows, double answer, double outcome, Metric metric) {
  VersionFacts facts;
  facts.answers.requests = facts.answers.rows = facts.outcomes.rows = rows;
  for (int i = 0; i < rows; ++i) facts.outcomes.add(metric, answer, outcome);
  return facts;
}

TEST(Metrics, ThatADeclarationMayNameAreThoseThatAWindowCanTell) {
  const VersionFacts facts = labelled(150, 60, 100, Metric::kMae);
  const auto cannot_tell = [&](const std::string& metric) {
    const WindowVerdict found = judge_by(requirement(metric.c_str(), 1), facts);
    return std::ranges::any_of(found.deciding, [&](const checks::Verdict& verdict) {
      return verdict.words == "a window cannot tell " + metric;
    });
  };
  for (const std::string& metric : project::window_metrics())
    EXPECT_FALSE(cannot_tell(metric)) << metric;
  EXPECT_TRUE(cannot_tell("f1"));
  for (const std::string& metric : project::holdout_metrics())
    EXPECT_TRUE(delivery::metric_from(metric)) << metric;
}

TEST(Quality, IsTheErrorInSharesOfTheMeanOutcome) {
  const VersionFacts facts = labelled(150, 60, 100, Metric::kMaeRelative);
  EXPECT_DOUBLE_EQ(*value_of(Metric::kMaeRelative, facts.outcomes), 0.4);
  EXPECT_EQ(judge_by(requirement("mae_relative", 0.35), facts).status, Status::kBad);
  EXPECT_EQ(judge_by(requirement("mae_relative", 0.4), facts).status, Status::kGood);
}

TEST(Quality, OfEachMetricIsThatOfTheGates) {
  Outcomes squares, classes;
  for (const double answer : {1.0, 2.0, 5.0}) squares.add(Metric::kRmse, answer, 2);
  EXPECT_DOUBLE_EQ(*value_of(Metric::kMse, squares), 10.0 / 3);
  EXPECT_DOUBLE_EQ(*value_of(Metric::kRmse, squares), std::sqrt(10.0 / 3));
  for (const double answer : {1.0, 0.0, 1.0, 1.0}) classes.add(Metric::kAccuracy, answer, 1);
  EXPECT_DOUBLE_EQ(*value_of(Metric::kAccuracy, classes), 0.75);
  EXPECT_DOUBLE_EQ(*value_of(Metric::kErrorRate, classes), 0.25);
}

TEST(Quality, WithTooFewLabelsIsUndecidedHoweverGoodItLooks) {
  VersionFacts facts = labelled(99, 100, 100, Metric::kMaeRelative);
  facts.answers.rows = facts.answers.requests = facts.outcomes.rows = 168;
  const WindowVerdict verdict = judge_by(requirement("mae_relative", 0.35), facts);
  EXPECT_EQ(verdict.status, Status::kUndecided);
  EXPECT_EQ(verdict.words, "99 of 168 rows labelled, 100 are needed");
}

TEST(Quality, WhoseLabelsNeverCameIsUndecided) {
  VersionFacts facts;
  facts.answers.requests = facts.answers.rows = facts.outcomes.rows = 5000;
  EXPECT_EQ(judge_by(requirement("mae_relative", 0.35), facts).status, Status::kUndecided);
}

TEST(Quality, WithAnAnswerThatIsNotFiniteIsBad) {
  VersionFacts facts = labelled(150, 100, 100, Metric::kMae);
  facts.outcomes.add(Metric::kMae, std::nan(""), 100);
  EXPECT_EQ(judge_by(requirement("mae", 1), facts).status, Status::kBad);
}

TEST(Quality, RelativeToNothingIsUndecided) {
  EXPECT_EQ(
      judge_by(requirement("mae_relative", 0.35), labelled(150, 1, 0, Metric::kMaeRelative)).status,
      Status::kUndecided);
}

TEST(Bias, IsBadOnEitherSide) {
  const project::Requirement r = requirement("bias_relative", 0.2);
  EXPECT_EQ(judge_by(r, labelled(150, 70, 100, Metric::kMae)).status, Status::kBad);
  EXPECT_EQ(judge_by(r, labelled(150, 130, 100, Metric::kMae)).status, Status::kBad);
  EXPECT_EQ(judge_by(r, labelled(150, 85, 100, Metric::kMae)).status, Status::kGood);
  EXPECT_DOUBLE_EQ(*relative_bias_of(labelled(150, 70, 100, Metric::kMae).outcomes), -0.3);
}

TEST(Bias, IsToldBesideQuality) {
  const WindowVerdict verdict =
      judge_by(requirement("mae_relative", 0.35), labelled(150, 60, 100, Metric::kMaeRelative));
  ASSERT_FALSE(verdict.told.empty());
  EXPECT_EQ(verdict.told.back().words,
            "answers lie 40 % below the outcomes in the mean (60 against 100)");
}

VersionFacts timed(std::int64_t n, std::int64_t slow) {
  VersionFacts facts;
  facts.answers.requests = facts.answers.rows = facts.answers.timed = n;
  facts.answers.slow = slow;
  facts.answers.timed_weight = static_cast<double>(n);
  facts.answers.slow_weight = static_cast<double>(slow);
  return facts;
}

TEST(Latency, IsTheShareOfSlowAnswers) {
  const project::Requirement r = requirement("latency_ms", 5, 0.99);
  EXPECT_DOUBLE_EQ(*slow_us(&r), 5000);
  EXPECT_EQ(judge_by(r, timed(1000, 10)).status, Status::kGood);
  EXPECT_EQ(judge_by(r, timed(1000, 30)).status, Status::kBad);
}

TEST(Latency, AboveWhatIsAllowedByChanceIsUndecided) {
  EXPECT_EQ(judge_by(requirement("latency_ms", 5, 0.99), timed(150, 3)).status, Status::kUndecided);
}

TEST(Latency, OfTooFewAnswersIsUndecided) {
  EXPECT_EQ(judge_by(requirement("latency_ms", 5, 0.99), timed(99, 0)).status, Status::kUndecided);
}

TEST(ErrorRate, OnServingIsThatOfRequests) {
  VersionFacts facts = timed(1000, 0);
  facts.answers.failed = 50;
  facts.answers.failed_weight = 50;
  facts.answers.answered_weight = 1000;
  EXPECT_EQ(judge_by(requirement("error_rate", 0.01), facts).status, Status::kBad);
  EXPECT_EQ(judge_by(requirement("error_rate", 0.05), facts).status, Status::kGood);
}

/// All failures are logged, and a share of the good answers.
VersionFacts sampled(std::int64_t failed, std::int64_t good, double sample) {
  VersionFacts facts;
  Answers& a = facts.answers;
  a.failed = failed;
  a.requests = failed + std::llround(static_cast<double>(good) * sample);
  a.failed_weight = static_cast<double>(failed);
  a.answered_weight = static_cast<double>(failed + good);
  a.rows = a.requests;
  return facts;
}

TEST(ErrorRate, OfASampledLogIsThatOfAllRequests) {
  const project::Requirement r = requirement("error_rate", 0.02);
  EXPECT_EQ(judge_by(r, sampled(25, 1000, 1)).words,
            "25 of 1025 answers failed (2.439 %, at most 2 %): chance does so to so few");
  const WindowVerdict few = judge_by(r, sampled(25, 1000, 0.1));
  EXPECT_EQ(few.status, Status::kUndecided) << "as without sampling";
  EXPECT_EQ(few.words,
            "25 of about 1025 answers failed (2.439 %, at most 2 %); 125 of them are logged: "
            "chance does so to so few");
  EXPECT_EQ(judge_by(r, sampled(45, 1000, 0.1)).status, Status::kBad);
  EXPECT_EQ(judge_by(r, sampled(14, 1000, 0.1)).status, Status::kGood);
  EXPECT_EQ(judge_by(r, sampled(0, 500, 0.1)).words, "50 answers logged, 100 are needed");
}

TEST(ErrorRate, OfASampledLogAlarmsNoOftenerThanAWholeOne) {
  std::mt19937 random(17);
  std::bernoulli_distribution fails(0.02), is_kept(0.1);
  const project::Requirement r = requirement("error_rate", 0.02);
  int alarms = 0;
  for (int trial = 0; trial < 400; ++trial) {
    VersionFacts facts;
    Answers& a = facts.answers;
    for (int i = 0; i < 1000; ++i) {
      const bool failed = fails(random);
      if (!failed && !is_kept(random)) continue;
      ++a.requests, ++a.rows;
      a.answered_weight += failed ? 1 : 10;
      a.failed += failed, a.failed_weight += failed;
    }
    alarms += judge_by(r, facts).status == Status::kBad;
  }
  EXPECT_LE(alarms, 30) << "5 % of 400, and what chance adds";
}

TEST(Age, CountsFromTheVersionsMaking) {
  const project::Requirement r = requirement("model_age", 400 * 86400.0);
  EXPECT_EQ(judge_by(r, {}, spec(), 399 * 86400.0).status, Status::kGood);
  EXPECT_EQ(judge_by(r, {}, spec(), 401 * 86400.0).status, Status::kBad);
  EXPECT_EQ(judge_by(r, {}, spec(), {}).status, Status::kUndecided);
}

TEST(Requirements, ThatAWindowCannotTellAreNeverGood) {
  EXPECT_EQ(judge_by(requirement("sharpe_ratio", 1), timed(1000, 0)).status, Status::kUndecided);
}

TEST(ChanceOf, IsTheTailOfTheBinomial) {
  EXPECT_DOUBLE_EQ(chance_of(0, 10, 0.1), 1);
  EXPECT_NEAR(chance_of(1, 10, 0.1), 1 - std::pow(0.9, 10), 1e-12);
  EXPECT_NEAR(chance_of(10, 10, 0.1), 1e-10, 1e-22);
  EXPECT_DOUBLE_EQ(chance_of(11, 10, 0.1), 0);
  EXPECT_DOUBLE_EQ(chance_of(1, 10, 0), 0);
  // SciPy 1.17: binom.sf(2, 150, 0.01), binom.sf(9, 1_000_000, 1e-5)
  EXPECT_NEAR(chance_of(3, 150, 0.01), 0.190518137983936, 1e-12);
  EXPECT_NEAR(chance_of(10, 1'000'000, 1e-5), 0.542070911031046, 1e-9);
  EXPECT_GT(chance_of(1, 1'000'000'000, 0.5), 0.999999);
}

// --- columns -------------------------------------------------------------------------------------

/// A profile of columns "a" and "b" as the scan makes them; NaN is missing.
checks::Profile profile_of(const checks::Plan& plan,
                           const std::vector<std::pair<float, float>>& rows) {
  Wanted wanted;
  wanted.plan = [&](const serving::Layout&, const std::vector<std::string>&) {
    return Result<std::optional<checks::Plan>>(plan);
  };
  Gatherer gatherer(std::move(wanted));
  serving::Layout layout{"m", "1", {{"a", {}, false}, {"b", {}, false}}, {"y"}};
  for (const auto& [a, b] : rows) {
    serving::Prediction p;
    p.rows = 1;
    p.cells = {a, b};
    p.outputs = {1};
    EXPECT_TRUE(gatherer.add(p, layout, {}).ok());
  }
  return *gatherer.facts().front().profile;
}

std::vector<std::pair<float, float>> rows_of(int n, double shift, unsigned seed,
                                             double missing = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<std::pair<float, float>> rows;
  for (int i = 0; i < n; ++i) {
    const float a = normal(random) + static_cast<float>(shift), b = normal(random);
    rows.emplace_back(a, uniform(random) < missing ? std::nanf("") : b);
  }
  return rows;
}

/// As the profile of a training table is: with bins by its own quantiles.
checks::Profile reference() {
  const checks::Plan full =
      checks::full_plan({{"a", table::Type::kReal}, {"b", table::Type::kReal}});
  const checks::Profile first = profile_of(full, rows_of(2000, 0, 1));
  return profile_of(checks::with_bins(full, first), rows_of(2000, 0, 1));
}

WindowVerdict judge_columns_of(const checks::Profile& training, const checks::Contract* contract,
                               const std::vector<std::pair<float, float>>& rows,
                               const project::MonitorSpec& s = spec("training"),
                               bool with_reference = true) {
  const Watch watch = make_watch(contract, s, with_reference ? &training : nullptr, {"a", "b"});
  VersionFacts facts;
  facts.profile = profile_of(watch.suite.plan, rows);
  facts.answers.requests = facts.answers.rows = static_cast<std::int64_t>(rows.size());
  Question q;
  q.spec = &s;
  q.watch = &watch;
  return judge(q, facts);
}

TEST(Drift, OfNothingIsGood) {
  const WindowVerdict verdict = judge_columns_of(reference(), nullptr, rows_of(500, 0, 2));
  EXPECT_EQ(verdict.status, Status::kGood) << verdict.words;
}

TEST(Drift, NamesTheColumnThatMoved) {
  const WindowVerdict verdict = judge_columns_of(reference(), nullptr, rows_of(500, 1.5, 3));
  EXPECT_EQ(verdict.status, Status::kWarn) << "nobody said that it matters";
  ASSERT_FALSE(verdict.columns.empty());
  EXPECT_EQ(verdict.columns.front(), "a");
  const auto drifted = std::find_if(verdict.deciding.begin(), verdict.deciding.end(),
                                    [](const auto& v) { return v.check == "a/drift.js.training"; });
  ASSERT_NE(drifted, verdict.deciding.end());
  EXPECT_TRUE(drifted->dialect.starts_with("native: Jensen-Shannon distance, base 2"))
      << drifted->dialect;
}

TEST(Drift, OfTooFewRowsIsUndecided) {
  EXPECT_EQ(judge_columns_of(reference(), nullptr, rows_of(99, 1.5, 3)).status, Status::kUndecided);
}

TEST(Drift, OfFewerRowsThanTheContractAsksForSaysSo) {
  auto contract = checks::parse_contract(
      "apiVersion: v3.1.0\nkind: DataContract\nid: t\nschema:\n  - name: t\n    properties:\n"
      "      - name: a\n        quality: [{type: custom, engine: slipway, implementation: "
      "{drift: {stat: js, min_rows: 200}}}]\n"
      "      - name: b\n        quality: [{type: custom, engine: slipway, implementation: "
      "{drift: {stat: js, min_rows: 200}}}]\n",
      "c.yaml");
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  const WindowVerdict verdict = judge_columns_of(reference(), &*contract, rows_of(150, 0, 2));
  EXPECT_EQ(verdict.status, Status::kUndecided);
  EXPECT_NE(verdict.words.find("200 rows are needed, 150 are there"), std::string::npos)
      << verdict.words;
}

TEST(Drift, WithoutAReferenceIsUndecided) {
  const WindowVerdict verdict = judge_columns_of(reference(), nullptr, rows_of(500, 0, 3),
                                                 spec("training"), /*with_reference=*/false);
  EXPECT_EQ(verdict.status, Status::kUndecided);
  EXPECT_EQ(verdict.words, "there is nothing to compare with (against: training)");
}

TEST(MissingCells, ThatBecomeMoreAreBad) {
  const WindowVerdict verdict =
      judge_columns_of(reference(), nullptr, rows_of(500, 0, 4, /*missing=*/0.3));
  EXPECT_EQ(verdict.status, Status::kBad);
  ASSERT_FALSE(verdict.columns.empty());
  EXPECT_EQ(verdict.columns.front(), "b");
}

constexpr char kContract[] = R"(
apiVersion: v3.1.0
kind: DataContract
id: table
version: 1.0.0
status: active
schema:
  - name: table
    properties:
      - name: a
        logicalType: number
        required: true
        logicalTypeOptions: {minimum: -100, maximum: 100}
        quality:
          - type: custom
            engine: slipway
            severity: warn
            implementation: |
              drift: {stat: js, vs: training, warn: 0.1, min_rows: 100}
      - name: b
        logicalType: number
        required: true
      - name: elsewhere
        logicalType: number
        required: true
      - name: y
        logicalType: number
        required: true
        customProperties: [{property: slipway.role, value: target}]
    quality:
      - metric: rowCount
        mustBeGreaterThan: 1000000
)";

/// `weighs`: drift of column a is a fault, and not only worth a warning.
checks::Contract contract(bool weighs = false) {
  std::string text = kContract;
  if (weighs) {
    text.replace(text.find("severity: warn"), 14, "severity: error");
    text.replace(text.find("warn: 0.1"), 9, "fail: 0.1");
  }
  auto parsed = checks::parse_contract(text, "table.odcs.yaml");
  EXPECT_TRUE(parsed.ok()) << (parsed.ok() ? "" : parsed.error().message);
  return std::move(parsed).value();
}

TEST(Contract, SaysHowMuchItsDriftWeighs) {
  for (const bool weighs : {false, true}) {
    const checks::Contract declared = contract(weighs);
    const WindowVerdict verdict = judge_columns_of(reference(), &declared, rows_of(500, 1.5, 3));
    EXPECT_EQ(verdict.status, weighs ? Status::kBad : Status::kWarn) << verdict.words;
    EXPECT_EQ(verdict.columns, std::vector<std::string>{"a"});
  }
}

TEST(Contract, IsBrokenByWhatRequestsCarry) {
  const checks::Contract declared = contract();
  auto rows = rows_of(500, 0, 5);
  rows[7].first = 1000;
  const WindowVerdict verdict = judge_columns_of(reference(), &declared, rows);
  EXPECT_EQ(verdict.status, Status::kBad);
  EXPECT_EQ(verdict.columns.front(), "a");
}

TEST(Contract, ListsWhatDoesNotApplyInServing) {
  const checks::Contract declared = contract();
  const WindowVerdict verdict = judge_columns_of(reference(), &declared, rows_of(500, 0, 2));
  EXPECT_EQ(verdict.status, Status::kGood) << verdict.words;
  const auto status_of = [&](const std::string& check) {
    for (const auto& v : verdict.deciding)
      if (v.check == check) return v.status;
    ADD_FAILURE() << "no verdict of " << check;
    return Outcome::kError;
  };
  EXPECT_EQ(status_of("y/required"), Outcome::kSkipped);          // the target
  EXPECT_EQ(status_of("elsewhere/required"), Outcome::kSkipped);  // requests do not carry it
  EXPECT_EQ(status_of("rowCount"), Outcome::kSkipped);
}

TEST(Outputs, ThatAreNotFiniteAreBad) {
  VersionFacts facts;
  facts.answers.requests = facts.answers.rows = 1000;
  facts.answers.rows_not_finite = 1;
  const project::MonitorSpec s = spec();
  Question q;
  q.spec = &s;
  EXPECT_EQ(judge(q, facts).status, Status::kBad);
}

TEST(Answers, ThatNobodyGotAreUndecided) {
  const project::MonitorSpec s = spec();
  Question q;
  q.spec = &s;
  EXPECT_EQ(judge(q, {}).status, Status::kUndecided);
}

}  // namespace
}  // namespace slipway::monitor
