#include "domain/monitor/monitors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "domain/checks/facts.h"
#include "domain/monitor/scan.h"
#include "domain/monitor/world_testing.h"
#include "graph/kinds.h"

namespace slipway::monitor {
namespace {

namespace kind = graph::kind;
namespace relation = graph::relation;
using wire::Json;

constexpr UnixMs kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;
constexpr UnixMs kMay1 = 1'304'208'000'000;  // 2011-05-01T00:00:00Z

std::string project_with(const std::string& monitors) {
  return "version: 1\nproject: p\n"
         "use_case:\n"
         "  problem: p\n  user: u\n  owner: o@example.org\n"
         "  requirements:\n"
         "    - {id: quality, metric: mae_relative, at_most: 0.35, on: holdout}\n"
         "    - {id: freshness, metric: model_age, at_most: 3d, on: serving}\n"
         "deployments:\n"
         "  bikes:\n"
         "    model: m\n"
         "    gates: [quality]\n"
         "    guards: [{requirement: freshness}]\n"
         "    monitors:\n" +
         monitors;
}

const char kQuality[] =
    "      quality: {requirement: quality, labels: delayed, window: 1d, min_rows: 10, persist: "
    "2}\n";
const char kHealth[] = "      health: {window: 1d, min_rows: 10, persist: 2}\n";
const char kPrevious[] = "      drift: {against: previous, window: 1d, min_rows: 10, persist: 2}\n";

/// A day of 24 answers; labels as many as are asked for, right or far from it, the day after.
void live_a_day(World& world, UnixMs day, bool good, int labels = 24,
                const std::string& version = "1") {
  std::vector<std::pair<serving::PredictionId, double>> outcomes;
  for (int hour = 0; hour < 24; ++hour) {
    const auto id = world.answer(day + hour * kHour, version, {static_cast<float>(hour), 0.1F},
                                 good ? 100 : 10);
    if (hour < labels) outcomes.emplace_back(id, 100);
    if (hour == 0) world.turn_all(day);
  }
  world.label(std::move(outcomes), day + kDay);
}

TEST(Monitors, JudgeAWindowWhenItIsDueAndNotBefore) {
  World world(project_with(kQuality));
  live_a_day(world, kMay1, true);
  EXPECT_EQ(world.turn_all(kMay1 + 2 * kDay - 1), 0);
  EXPECT_EQ(world.turn_all(kMay1 + 2 * kDay), 1);
  EXPECT_EQ(world.statuses("quality"), "g");
  const WindowRow window = world.windows("quality").front();
  EXPECT_EQ(window.id, "bikes/quality/1/" + std::to_string(kMay1));
  EXPECT_EQ(window.start_ms, kMay1);
  EXPECT_EQ(window.rows, 24);
  EXPECT_EQ(window.labelled, 24);
  EXPECT_EQ(window.words, "mae_relative is 0, at most 0.35 asked for; 24 of 24 rows labelled");
  EXPECT_EQ(world.events("window."), std::vector<std::string>{"window.judged"});
}

TEST(Monitors, JudgeWhatIsInALogThatTakesNoMore) {
  World world(project_with(kQuality));
  live_a_day(world, kMay1, true);
  ASSERT_TRUE(world.flush_log().ok());
  world.answer(kMay1 + 23 * kHour, "1", {1, 1}, 10);
  world.fill_log_disk(true);
  EXPECT_EQ(world.turn_all(kMay1 + 2 * kDay), 1);
  EXPECT_EQ(world.statuses("quality"), "g");
  EXPECT_EQ(world.lost_answers(), 1u);
}

TEST(Monitors, DoNothingWhereNothingWasApplied) {
  World world(project_with(kQuality));
  EXPECT_EQ(world.turn_all(kMay1), 0);
  EXPECT_EQ(world.turn_all(kMay1 + 1000 * kDay), 0) << "nobody was ever answered";
}

TEST(Monitors, WhoseLabelsNeverComeStayUndecided) {
  World world(project_with(kQuality));
  for (int day = 0; day < 5; ++day) live_a_day(world, kMay1 + day * kDay, false, /*labels=*/0);
  world.turn_all(kMay1 + 6 * kDay);
  EXPECT_EQ(world.statuses("quality"), "uuuuu");
  EXPECT_TRUE(world.incidents().empty());
}

/// Answers of a day that no label has come for yet.
std::vector<serving::PredictionId> answer_a_day(World& world, UnixMs day, float output) {
  std::vector<serving::PredictionId> ids;
  for (int hour = 0; hour < 24; ++hour)
    ids.push_back(world.answer(day + hour * kHour, "1", {1, 1}, output));
  world.turn_all(day);
  return ids;
}

void label_all(World& world, const std::vector<serving::PredictionId>& ids, UnixMs at) {
  std::vector<std::pair<serving::PredictionId, double>> outcomes;
  for (const auto& id : ids) outcomes.emplace_back(id, 100);
  world.label(std::move(outcomes), at);
}

TEST(Monitors, JudgeAnewWhatLabelsComeLateFor) {
  World world(project_with(kQuality));
  std::vector<std::vector<serving::PredictionId>> days;
  for (int day = 0; day < 3; ++day) days.push_back(answer_a_day(world, kMay1 + day * kDay, 10));
  world.turn_all(kMay1 + 4 * kDay);
  EXPECT_EQ(world.statuses("quality"), "uuu");
  label_all(world, days[0], kMay1 + 4 * kDay);
  world.turn_all(kMay1 + 4 * kDay + 6 * kHour);
  EXPECT_EQ(world.statuses("quality"), "buu");
  EXPECT_TRUE(world.incidents().empty()) << "one bad window is no decay";
  label_all(world, days[1], kMay1 + 4 * kDay + 6 * kHour);
  world.turn_all(kMay1 + 4 * kDay + 12 * kHour);
  EXPECT_EQ(world.statuses("quality"), "bbu");
  ASSERT_EQ(world.incidents().size(), 1u);
  EXPECT_EQ(world.incidents().front().state.window_end_ms, kMay1 + 2 * kDay);
  const auto restated = world.logged("window.restated");
  ASSERT_EQ(restated.size(), 2u);
  EXPECT_EQ(restated[0].event.subject.id, "bikes/quality/1/" + std::to_string(kMay1));
  EXPECT_EQ(restated[0].event.data.find("was")->as_string(), "undecided");
  EXPECT_EQ(restated[0].event.data.find("labelled")->as_int64(), 24);
  EXPECT_EQ(world.windows("quality").front().labelled, 24);
  // Nothing more after a restart, which looks at all of it again.
  world.restart();
  EXPECT_EQ(world.turn_all(kMay1 + 4 * kDay + 13 * kHour), 0);
  EXPECT_EQ(world.events("incident."), std::vector<std::string>{"incident.opened"});
}

/// One answer an hour about the day that begins a week later.
std::vector<serving::PredictionId> forecast_a_day(World& world, UnixMs day, float output) {
  std::vector<serving::PredictionId> ids;
  for (int hour = 0; hour < 24; ++hour) {
    const UnixMs at = day + hour * kHour;
    ids.push_back(world.forecast(at, at + 7 * kDay, "1", {1, 1}, output));
  }
  return ids;
}

/// "undecided, 24 rows"; "" when there is no such window.
std::string window_of(World& world, const std::string& monitor, UnixMs start_ms,
                      const std::string& version = "1") {
  for (const WindowRow& row : world.windows(monitor)) {
    if (row.start_ms == start_ms && row.version == version)
      return row.status + ", " + std::to_string(row.rows) + " rows";
  }
  return "";
}

TEST(Monitors, JudgeAnewForecastsThatLabelsComeLateFor) {
  World world(project_with(kQuality));
  std::vector<std::vector<serving::PredictionId>> days;
  for (int day = 0; day < 2; ++day) days.push_back(forecast_a_day(world, kMay1 + day * kDay, 10));
  world.turn_all(kMay1 + kHour);
  for (int day = 1; day <= 11; ++day) world.turn_all(kMay1 + day * kDay);
  const UnixMs about = kMay1 + 7 * kDay;
  EXPECT_EQ(window_of(world, "quality", about), "undecided, 24 rows");
  EXPECT_EQ(window_of(world, "quality", about + kDay), "undecided, 24 rows");
  for (const auto& ids : days) label_all(world, ids, kMay1 + 11 * kDay + kHour);
  world.turn_all(kMay1 + 11 * kDay + 12 * kHour);
  EXPECT_EQ(world.events("window.restated").size(), 2u);
  EXPECT_EQ(window_of(world, "quality", about), "bad, 24 rows");
  EXPECT_EQ(window_of(world, "quality", about + kDay), "bad, 24 rows");
  EXPECT_EQ(world.incidents().size(), 1u);
  world.restart();
  EXPECT_EQ(world.turn_all(kMay1 + 11 * kDay + 13 * kHour), 0);
}

TEST(Monitors, JudgeWhatANightlyBatchIsAboutOnceItHasCome) {
  World world(project_with(std::string(kHealth) + kPrevious));
  for (int day = 0; day < 6; ++day) {
    const UnixMs night = kMay1 + (day + 1) * kDay + 2 * kHour;
    for (UnixMs at = night - 2 * kHour; at < night; at += kHour) world.turn_all(at);
    for (int hour = 0; hour < 24; ++hour)
      world.forecast(night, kMay1 + day * kDay + hour * kHour, "1",
                     {(day >= 4 ? 100.0F : 0.0F) + static_cast<float>(hour), 0.1F}, 100);
    for (UnixMs at = night + 1; at < night + 22 * kHour; at += 6 * kHour) world.turn_all(at);
  }
  for (int day = 0; day < 5; ++day)
    EXPECT_EQ(window_of(world, "health", kMay1 + day * kDay), "good, 24 rows") << day;
  EXPECT_EQ(window_of(world, "health", kMay1 + kDay, ""), "undecided, 0 rows");
  EXPECT_EQ(window_of(world, "drift", kMay1 + 2 * kDay), "good, 24 rows");
  EXPECT_EQ(window_of(world, "drift", kMay1 + 4 * kDay), "warn, 24 rows") << "against the third";
  world.restart();
  EXPECT_EQ(world.turn_all(kMay1 + 7 * kDay - kHour), 0);
}

TEST(Monitors, JudgeAnewWhatMoreAnswersComeFor) {
  World world(project_with(kHealth));
  for (int day = 0; day < 2; ++day) live_a_day(world, kMay1 + day * kDay, true);
  world.turn_all(kMay1 + 2 * kDay + kHour);
  EXPECT_EQ(window_of(world, "health", kMay1 + kDay), "good, 24 rows");
  for (int i = 0; i < 10; ++i)
    world.forecast(kMay1 + 2 * kDay + 2 * kHour, kMay1 + kDay + i * kHour, "1", {1, 0.1F}, NAN);
  world.turn_all(kMay1 + 3 * kDay + kHour);
  EXPECT_EQ(window_of(world, "health", kMay1 + kDay), "bad, 34 rows");
  const auto restated = world.logged("window.restated");
  ASSERT_EQ(restated.size(), 1u);
  EXPECT_EQ(restated[0].event.data.find("requests_before")->as_int64(), 24);
  EXPECT_EQ(world.turn_all(kMay1 + 3 * kDay + 20 * kHour), 0) << "once";
}

TEST(Monitors, DoNotPassOverWhatWasForecastForLater) {
  World world(project_with(kHealth));
  live_a_day(world, kMay1, true);
  for (int hour = 0; hour < 24; ++hour)
    world.forecast(kMay1 + 23 * kHour, kMay1 + 12 * kDay + hour * kHour, "1", {1, 0.1F}, 100);
  // The server was away for a month.
  world.turn_all(kMay1 + 30 * kDay);
  EXPECT_EQ(window_of(world, "health", kMay1 + 12 * kDay), "good, 24 rows");
}

TEST(Monitors, BeginWithWhatTheFirstAnswersAreAbout) {
  World world(project_with(kHealth));
  for (int hour = 0; hour < 24; ++hour)
    world.forecast(kMay1, kMay1 - kDay + hour * kHour, "1", {1, 0.1F}, 100);
  world.turn_all(kMay1 + kHour);
  EXPECT_EQ(window_of(world, "health", kMay1 - kDay), "good, 24 rows") << "scored the day after";
}

TEST(Monitors, JudgeAnewWhatLabelsAreCorrectedFor) {
  World world(project_with(kQuality));
  std::vector<std::vector<serving::PredictionId>> days;
  for (int day = 0; day < 2; ++day) {
    days.push_back(answer_a_day(world, kMay1 + day * kDay, 10));
    label_all(world, days.back(), kMay1 + day * kDay);
  }
  world.turn_all(kMay1 + 3 * kDay);
  EXPECT_EQ(world.statuses("quality"), "bb");
  EXPECT_EQ(world.events("incident."), std::vector<std::string>{"incident.opened"});
  // Sent again as they were: no news.
  label_all(world, days[1], kMay1 + 3 * kDay + kHour);
  world.turn_all(kMay1 + 3 * kDay + 12 * kHour);
  EXPECT_TRUE(world.events("window.restated").empty());
  for (const auto& ids : days) {
    std::vector<std::pair<serving::PredictionId, double>> right;
    for (const auto& id : ids) right.emplace_back(id, 10);
    world.label(std::move(right), kMay1 + 3 * kDay + 13 * kHour);
  }
  world.turn_all(kMay1 + 4 * kDay);
  EXPECT_EQ(world.statuses("quality").substr(0, 2), "gg");
  EXPECT_EQ(world.events("window.restated").size(), 2u);
  EXPECT_EQ(world.events("incident."),
            (std::vector<std::string>{"incident.opened", "incident.closed"}));
}

TEST(Monitors, SayNothingTwiceWhereMoreLabelsSayTheSame) {
  World world(project_with(kQuality));
  std::vector<serving::PredictionId> rest;
  for (int day = 0; day < 3; ++day) {
    auto ids = answer_a_day(world, kMay1 + day * kDay, 10);
    rest.assign(ids.begin() + 12, ids.end());
    ids.resize(12);
    label_all(world, ids, kMay1 + day * kDay);
  }
  world.turn_all(kMay1 + 4 * kDay);
  EXPECT_EQ(world.statuses("quality"), "bbb");
  const auto before = world.events("incident.");
  label_all(world, rest, kMay1 + 4 * kDay);
  world.turn_all(kMay1 + 4 * kDay + 12 * kHour);
  EXPECT_EQ(world.windows("quality").back().labelled, 24);
  EXPECT_EQ(world.events("window.restated").size(), 1u);
  EXPECT_EQ(world.events("incident."), before);
}

TEST(Monitors, CountACorrectedWindowInTheRowItStandsIn) {
  World world(project_with(kQuality));
  const auto late = answer_a_day(world, kMay1, 10);
  world.turn_all(kMay1 + 2 * kDay);
  EXPECT_EQ(world.statuses("quality"), "u");
  live_a_day(world, kMay1 + kDay, /*good=*/false);
  label_all(world, late, kMay1 + 2 * kDay);
  // Both are known when the second one is judged.
  world.turn_all(kMay1 + 3 * kDay);
  EXPECT_EQ(world.statuses("quality"), "bb");
  EXPECT_EQ(world.events("incident."), std::vector<std::string>{"incident.opened"});
}

TEST(Monitors, LeaveWindowsOfLongAgoAsTheyAre) {
  World world(project_with(kQuality));
  const auto late = answer_a_day(world, kMay1, 10);
  for (int day = 1; day < 6; ++day) live_a_day(world, kMay1 + day * kDay, /*good=*/true);
  world.turn_all(kMay1 + 7 * kDay);
  EXPECT_EQ(world.statuses("quality"), "uggggg");
  label_all(world, late, kMay1 + 7 * kDay);
  world.turn_all(kMay1 + 8 * kDay - 1);
  EXPECT_EQ(world.statuses("quality"), "uggggg");
  EXPECT_TRUE(world.events("window.restated").empty());
}

TEST(Monitors, ThatAreDeclaredNoMoreEndTheirIncident) {
  World world(project_with(std::string(kQuality) + kHealth));
  for (int day = 0; day < 2; ++day) live_a_day(world, kMay1 + day * kDay, /*good=*/false);
  world.turn_all(kMay1 + 3 * kDay);
  ASSERT_EQ(world.incidents().size(), 1u);
  ASSERT_TRUE(world.incidents().front().open);
  world.apply(project_with(kHealth));
  world.turn_all(kMay1 + 3 * kDay + 1);
  const Incident closed = world.incidents().front();
  EXPECT_FALSE(closed.open);
  EXPECT_EQ(closed.remedy, "none");
  EXPECT_EQ(closed.closed_by, "slipway");
  EXPECT_EQ(closed.reason, "the monitor quality of bikes is not declared any more");
  EXPECT_EQ(world.events("incident.closed").size(), 1u);
  // Declared anew it begins a story of its own.
  world.apply(project_with(std::string(kQuality) + kHealth));
  world.turn_all(kMay1 + 3 * kDay + 2);
  EXPECT_EQ(world.incidents().size(), 1u);
}

TEST(Monitors, CountLabelsThatComeTwiceOnce) {
  World world(project_with(kQuality));
  const auto id = world.answer(kMay1, "1", {1, 1}, 100);
  for (int hour = 1; hour < 12; ++hour)
    world.label(world.answer(kMay1 + hour * kHour, "1", {1, 1}, 100), 100, kMay1 + kDay);
  world.label(id, 5, kMay1 + kDay);
  world.label(id, 100, kMay1 + kDay + 1);
  world.turn_all(kMay1 + 2 * kDay);
  EXPECT_EQ(world.windows("quality").front().labelled, 12);
  EXPECT_EQ(world.statuses("quality"), "g");
}

TEST(Monitors, OneStormOpensNothing) {
  World world(project_with(kQuality));
  for (int day = 0; day < 6; ++day) live_a_day(world, kMay1 + day * kDay, day != 2);
  world.turn_all(kMay1 + 7 * kDay);
  EXPECT_EQ(world.statuses("quality"), "ggbggg");
  EXPECT_TRUE(world.incidents().empty());
}

TEST(Monitors, OpenOneIncidentWithItsEvidenceInTheGraph) {
  World world(project_with(std::string(kQuality) + kHealth));
  for (int day = 0; day < 3; ++day) live_a_day(world, kMay1 + day * kDay, false);
  world.turn_all(kMay1 + 4 * kDay);
  EXPECT_EQ(world.events("incident."),
            (std::vector<std::string>{"incident.opened", "incident.unresolved"}));
  const Incident incident = world.incidents().front();
  EXPECT_EQ(incident.deployment, "bikes");
  EXPECT_EQ(incident.requirement, "quality");
  EXPECT_EQ(incident.state.version, "1");
  EXPECT_EQ(incident.words, "mae_relative is 0.9, at most 0.35 asked for; 24 of 24 rows labelled");
  const auto causes = world.pool().read([&](db::Tx& tx) {
    return graph::closure(tx, {kind::kIncident, incident.id}, graph::Direction::kToCauses);
  });
  ASSERT_TRUE(causes.ok());
  std::map<std::string, int> kinds;
  for (const graph::Node& node : causes->nodes) ++kinds[node.ref.kind];
  EXPECT_EQ(kinds[kind::kVerdict], 3);
  EXPECT_EQ(kinds[kind::kWindow], 3);
  EXPECT_EQ(kinds[kind::kRequirement], 1);
  EXPECT_EQ(kinds[kind::kModelVersion], 1);
  EXPECT_EQ(kinds[kind::kDeployment], 1);
}

TEST(Monitors, JudgeTheVersionsOfAWindowEachForItself) {
  World world(project_with(kQuality));
  for (int day = 0; day < 2; ++day) {
    live_a_day(world, kMay1 + day * kDay, true, 24, "1");
    live_a_day(world, kMay1 + day * kDay, false, 24, "2");
  }
  world.turn_all(kMay1 + 3 * kDay);
  EXPECT_EQ(world.statuses("quality", "1"), "gg");
  EXPECT_EQ(world.statuses("quality", "2"), "bb");
  EXPECT_TRUE(world.incidents().empty()) << "the live version is well";
}

TEST(Monitors, PassOverShadowAnswers) {
  World world(project_with(kQuality));
  live_a_day(world, kMay1, true);
  for (int hour = 0; hour < 24; ++hour)
    world.answer(kMay1 + hour * kHour, "2", {1, 1}, 0, serving::Role::kShadow);
  world.turn_all(kMay1 + 2 * kDay);
  EXPECT_EQ(world.windows("quality").size(), 1u);
}

TEST(Monitors, KeepOneWindowOfALongSilence) {
  World world(project_with(kHealth));
  live_a_day(world, kMay1, true);
  world.turn_all(kMay1 + 400 * kDay);
  EXPECT_EQ(world.statuses("health"), "gu");
  EXPECT_EQ(world.windows("health").back().words, "nobody was answered");
  live_a_day(world, kMay1 + 400 * kDay, true);
  world.turn_all(kMay1 + 402 * kDay);
  EXPECT_EQ(world.statuses("health"), "gug");
  EXPECT_EQ(world.windows("health").back().start_ms, kMay1 + 400 * kDay);
}

TEST(Monitors, GoOnAfterAClockThatRanAhead) {
  World world(project_with(kHealth));
  live_a_day(world, kMay1, true);
  world.turn_all(kMay1 + 5000 * kDay);
  live_a_day(world, kMay1 + kDay, true);
  live_a_day(world, kMay1 + 2 * kDay, true);
  world.turn_all(kMay1 + 2 * kDay + kHour);
  world.turn_all(kMay1 + 3 * kDay + kHour);
  std::string found;
  for (const WindowRow& row : world.windows("health"))
    found += std::to_string((row.start_ms - kMay1) / kDay) + row.status.substr(0, 1) + " ";
  EXPECT_EQ(found, "0g 1u 1g 2g ") << "the silence stays, and so does what was said in it";
}

TEST(Monitors, CompareWithTheWindowBefore) {
  World world(project_with(kPrevious));
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 1);
  for (int day = 0; day < 4; ++day) {
    if (day == 1) world.turn_all(kMay1 + day * kDay);
    for (int i = 0; i < 400; ++i)
      world.answer(kMay1 + day * kDay + i * kMinute, "1",
                   {normal(random) + (day == 2 ? 3.0F : 0.0F), normal(random)}, 1);
  }
  world.turn_all(kMay1 + 5 * kDay);
  EXPECT_EQ(world.statuses("drift").substr(0, 4), "ugww");
  EXPECT_EQ(world.windows("drift")[2].columns, "[\"a\"]");
}

TEST(Monitors, SeeWhatMovesAfterAShiftAsWellAsTheShift) {
  World world(project_with(kPrevious));
  std::mt19937 random(4);
  std::uniform_real_distribution<float> unit(0, 10);
  // From the third day on all lies far above the first day's values; what moves on the fifth moves
  // within it.
  for (int day = 0; day < 6; ++day) {
    if (day == 1) world.turn_all(kMay1 + day * kDay);
    for (int i = 0; i < 400; ++i) {
      const float a = (day >= 2 ? 1000.0F : 0.0F) + unit(random) * (day >= 4 ? 0.5F : 1.0F);
      world.answer(kMay1 + day * kDay + i * kMinute, "1", {a, unit(random)}, 1);
    }
  }
  world.turn_all(kMay1 + 7 * kDay);
  EXPECT_EQ(world.statuses("drift").substr(0, 6), "ugwgwg");
  EXPECT_EQ(world.windows("drift")[4].columns, "[\"a\"]");
}

TEST(Monitors, AskForTheTrainingDataUntilThereIsSome) {
  World world(project_with("      drift: {against: training, window: 1d, min_rows: 10}\n"));
  for (int day = 0; day < 2; ++day) live_a_day(world, kMay1 + day * kDay, true);
  world.turn_all(kMay1 + 3 * kDay);
  EXPECT_EQ(world.statuses("drift"), "uu") << "there is nothing to compare with";
  EXPECT_EQ(world.trainings_asked, 2);
  // What was served so far is what it was trained on, as it turns out.
  const std::string digest = world.windows("drift").front().profile;
  const auto served =
      world.pool().read([&](db::Tx& tx) { return checks::find_profile(tx, digest); });
  ASSERT_TRUE(served.ok() && *served);
  world.training.profile = std::make_shared<checks::Profile>(**served);
  for (int day = 3; day < 6; ++day) live_a_day(world, kMay1 + day * kDay, true);
  world.turn_all(kMay1 + 7 * kDay);
  EXPECT_EQ(world.trainings_asked, 3);
}

TEST(Monitors, WatchTheAgeOfTheLiveVersion) {
  World world(project_with("      age: {requirement: freshness}\n"));
  world.live = Live{"m", "1", kMay1};
  for (int day = 0; day <= 6; ++day) world.turn_all(kMay1 + day * kDay + kHour);
  EXPECT_EQ(world.statuses("age"), "gggbbb");
  EXPECT_EQ(world.events("incident."),
            (std::vector<std::string>{"incident.opened", "incident.unresolved"}));
}

TEST(Monitors, FindWindowsThatOnlyEventTimeTells) {
  World world(project_with(kHealth));
  world.answer(kMay1, "1", {1, 1}, 1);
  world.turn_all(kMay1 + 2 * kDay);
  EXPECT_EQ(world.windows("health").front().rows, 1);
  EXPECT_EQ(world.statuses("health").front(), 'u') << "one row is no evidence";
}

TEST(Incidents, AreClosedByAPersonWithAReason) {
  World world(project_with(kQuality));
  for (int day = 0; day < 2; ++day) live_a_day(world, kMay1 + day * kDay, false);
  world.turn_all(kMay1 + 3 * kDay);
  const std::string id = world.incidents().front().id;
  const auto close = [&](const std::string& actor, const std::string& reason) {
    return world.pool().write(
        [&](db::Tx& tx) { return close_incident(tx, id, actor, reason, kMay1 + 3 * kDay); });
  };
  EXPECT_EQ(close("ann", " ").error().code, Code::kInvalid);
  EXPECT_EQ(close("", "a strike").error().code, Code::kInvalid);
  ASSERT_TRUE(close("ann", "a strike").ok());
  EXPECT_EQ(close("ann", "a strike").error().code, Code::kConflict);
  const Incident closed = world.incidents().front();
  EXPECT_EQ(closed.remedy, "person");
  EXPECT_EQ(closed.reason, "a strike");
  // It takes two bad windows again.
  live_a_day(world, kMay1 + 2 * kDay, false);
  world.turn_all(kMay1 + 4 * kDay);
  EXPECT_EQ(world.incidents().size(), 1u);
  live_a_day(world, kMay1 + 3 * kDay, false);
  world.turn_all(kMay1 + 5 * kDay);
  EXPECT_EQ(world.incidents().size(), 2u);
}

TEST(Incidents, HearOfRunsThatTheyAskedForAndThatFailed) {
  World world(project_with(kQuality));
  for (int day = 0; day < 2; ++day) live_a_day(world, kMay1 + day * kDay, false);
  world.turn_all(kMay1 + 3 * kDay);
  const std::string id = world.incidents().front().id;
  const auto fail = [&](const std::string& run, const std::string& cause) {
    const auto told = world.pool().write([&](db::Tx& tx) -> Result<std::int64_t> {
      const Json none(Json::Object{});
      TRY(graph::put_edge(
          tx, {{kind::kPipelineRun, run}, relation::kStartedBy, {kind::kFiring, "f" + run}, none},
          1));
      TRY(graph::put_edge(
          tx, {{kind::kFiring, "f" + run}, relation::kCausedBy, {kind::kIncident, cause}, none},
          1));
      return graph::append_event(
          tx, {"pipeline_run.failed", {kind::kPipelineRun, run}, "slipway", 0, none}, 1);
    });
    ASSERT_TRUE(told.ok());
  };
  fail("one", id);
  fail("other", "another incident");
  world.turn_all(kMay1 + 3 * kDay + kHour);
  world.restart();
  world.turn_all(kMay1 + 3 * kDay + 2 * kHour);
  EXPECT_EQ(world.events("incident."),
            (std::vector<std::string>{"incident.opened", "incident.remedy_failed"}));
  EXPECT_EQ(world.incidents().front().state.failed_remedies, 1);
}

// --- a life with everything in it ----------------------------------------------------------------

Result<> link_remedy(db::Tx& tx, const std::string& incident, const std::string& version) {
  const Json none(Json::Object{});
  const auto edge = [&](graph::NodeRef effect, const char* what, graph::NodeRef cause) {
    return graph::put_edge(tx, {effect, what, cause, none}, 1);
  };
  TRY(edge({kind::kModelVersion, "m/" + version}, relation::kProducedBy,
           {kind::kPipelineRun, "p" + version}));
  TRY(edge({kind::kPipelineRun, "p" + version}, relation::kStartedBy,
           {kind::kFiring, "f" + version}));
  return edge({kind::kFiring, "f" + version}, relation::kCausedBy, {kind::kIncident, incident});
}

Result<std::int64_t> tell(db::Tx& tx, const std::string& type, std::int64_t version, UnixMs now) {
  return graph::append_event(
      tx,
      {type,
       {kind::kDeployment, "bikes"},
       "slipway",
       0,
       Json(Json::Object{
           {"rollout", "x"}, {"model", "m"}, {"version", version}, {"reason", "told so"}})},
      now);
}

/// What others do during the life, at the end of a day; all of it is durable at once.
Result<> happen(World& world, int day, UnixMs now) {
  const auto incidents = world.incidents();
  const std::string id = incidents.empty() ? "" : incidents.front().id;
  return world.pool().write([&](db::Tx& tx) -> Result<> {
    // The disk may have failed after it was durable.
    if (TRY(tx.one<std::int64_t>(
            "select 1 from events where type like 'rollout.%' and time_ms = ?", now)))
      return {};
    if (day == 3) {
      TRY(link_remedy(tx, id, "2"));
      TRY(tell(tx, "rollout.requested", 2, now));
    }
    if (day == 4) TRY(tell(tx, "rollout.stopped", 2, now));
    if (day == 5) {
      TRY(link_remedy(tx, id, "3"));
      TRY(tell(tx, "rollout.requested", 3, now));
    }
    if (day == 6) TRY(tell(tx, "rollout.promoted", 3, now));
    return {};
  });
}

/// Days 0 to 5 are bad, with version 1 live; then version 3 is, and good. Where the disk fails, the
/// server starts again. How often it did.
int live_a_life(World& world, int fail_at, db::PowerLossDisk::Fault fault) {
  int restarts = 0;
  for (int day = 0; day < 9; ++day) {
    const bool good = day >= 6;
    live_a_day(world, kMay1 + day * kDay, good, 24, good ? "3" : "1");
    world.live = Live{"m", good ? "3" : "1", kMay1};
    const UnixMs now = kMay1 + (day + 1) * kDay;
    if (day == 1 && fail_at > 0) world.disk().fail_at(fail_at, fault, /*until_healed=*/true);
    while (world.turn_all(now) < 0) {
      world.disk().heal();
      world.restart();
      ++restarts;
    }
    // Others fail too, and do what they do again.
    if (world.disk().has_failed() && restarts == 0) {
      world.disk().heal();
      world.restart();
      ++restarts;
    }
    while (!happen(world, day, now).ok()) {
      world.disk().heal();
      world.restart();
      ++restarts;
    }
    while (world.turn_all(now + 10 * kMinute) < 0) {
      world.disk().heal();
      world.restart();
      ++restarts;
    }
  }
  return restarts;
}

/// Everything that is durable, but for ids that are random.
std::string state_of(World& world) {
  std::string text = world.statuses("quality") + " " + world.statuses("health") + "\n";
  for (const Incident& incident : world.incidents()) {
    text += incident.monitor + " " + (incident.open ? "open" : incident.remedy) + " " +
            std::to_string(incident.state.failed_remedies) + "\n";
    const auto changes = world.pool().read([&](db::Tx& tx) { return changes_of(tx, incident.id); });
    for (const IncidentChange& change : *changes)
      text += "  " + change.action + (change.action.starts_with("remedy") ? ": " + change.reason : "") + "\n";
  }
  std::map<std::string, int> events;
  for (const std::string& type : world.events("")) ++events[type];
  for (const auto& [type, n] : events) text += type + " " + std::to_string(n) + "\n";
  return text;
}

constexpr char kEnd[] =
    "bbbbbbgg ggggggggg\n"
    "quality promotion 1\n"
    "  opened\n"
    "  unresolved\n"
    "  remedy_started: version 2: told so\n"
    "  remedy_failed: version 2: told so\n"
    "  unresolved\n"
    "  remedy_started: version 3: told so\n"
    "  remedy_promoted: version 3: told so\n"
    "  closed\n";

TEST(Life, OfAnIncidentFromItsOpeningToItsRemedy) {
  World world(project_with(std::string(kQuality) + kHealth));
  EXPECT_EQ(live_a_life(world, 0, {}), 0);
  const std::string state = state_of(world);
  EXPECT_TRUE(state.starts_with(kEnd)) << state;
}

TEST(Life, IsTheSameWhicheverWriteFails) {
  World undisturbed(project_with(std::string(kQuality) + kHealth));
  live_a_life(undisturbed, 0, {});
  const std::string expected = state_of(undisturbed);
  const char* thorough = std::getenv("SLIPWAY_TEST_LONG");
  const int stride = thorough != nullptr && *thorough != '\0' ? 1 : 17;
  int failed = 0;
  for (int n = 1;; n += n < 20 ? 1 : stride) {
    const auto fault =
        n % 2 == 0 ? db::PowerLossDisk::Fault::kIoError : db::PowerLossDisk::Fault::kDiskFull;
    World world(project_with(std::string(kQuality) + kHealth));
    if (live_a_life(world, n, fault) == 0) break;
    ++failed;
    ASSERT_EQ(state_of(world), expected) << "with write " << n << " failing";
  }
  EXPECT_GT(failed, 40);
}

// --- against a naive model -----------------------------------------------------------------------

TEST(Scan, CountsWhatANaiveModelCountsInAnyOrderOfEvents) {
  std::mt19937 random(11);
  for (int trial = 0; trial < 20; ++trial) {
    World world(project_with(kQuality));
    struct Made {
      UnixMs at;
      int version;
      float answer;
      std::optional<double> outcome;
    };
    std::vector<Made> all;
    for (int i = 0; i < 200; ++i) {
      Made made{kMay1 + static_cast<UnixMs>(random() % (3 * kDay)),
                1 + static_cast<int>(random() % 3),
                static_cast<float>(random() % 100),
                {}};
      if (random() % 4 != 0) made.outcome = static_cast<double>(1 + random() % 100);
      all.push_back(made);
    }
    std::shuffle(all.begin(), all.end(), random);
    std::vector<std::pair<serving::PredictionId, double>> outcomes;
    world.answer(kMay1, "9", {1, 2}, 1);
    world.turn_all(kMay1);
    for (const Made& made : all) {
      const auto id = world.answer(made.at, std::to_string(made.version), {1, 2}, made.answer);
      if (made.outcome) outcomes.emplace_back(id, *made.outcome);
    }
    std::shuffle(outcomes.begin(), outcomes.end(), random);
    world.label(std::move(outcomes), kMay1 + 3 * kDay);
    world.turn_all(kMay1 + 5 * kDay - 1);
    EXPECT_EQ(world.windows("quality").size(), 3u * 3 + 1);
    for (const WindowRow& window : world.windows("quality")) {
      if (window.version == "9") continue;
      double errors = 0, sum = 0;
      std::int64_t rows = 0, labelled = 0;
      for (const Made& made : all) {
        if (made.at < window.start_ms || made.at >= window.end_ms ||
            std::to_string(made.version) != window.version)
          continue;
        ++rows;
        if (!made.outcome) continue;
        ++labelled;
        errors += std::fabs(made.answer - *made.outcome);
        sum += *made.outcome;
      }
      EXPECT_EQ(window.rows, rows);
      EXPECT_EQ(window.labelled, labelled);
      const bool decided = labelled >= 10;
      EXPECT_EQ(window.status, !decided ? "undecided" : errors / sum > 0.35 ? "bad" : "good");
    }
  }
}

TEST(Facts, OfPartsMergeToThatOfTheWhole) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 100; ++trial) {
    Outcomes whole, one, two;
    for (int i = 0; i < 50; ++i) {
      const double answer = random() % 10 == 0 ? std::nan("") : static_cast<double>(random() % 9);
      const double outcome = static_cast<double>(random() % 9);
      whole.add(delivery::Metric::kRmse, answer, outcome);
      (random() % 2 == 0 ? one : two).add(delivery::Metric::kRmse, answer, outcome);
    }
    one.merge(two);
    EXPECT_EQ(one.labelled, whole.labelled);
    EXPECT_EQ(one.not_finite, whole.not_finite);
    EXPECT_NEAR(*value_of(delivery::Metric::kRmse, one), *value_of(delivery::Metric::kRmse, whole),
                1e-9);
    EXPECT_NEAR(*bias_of(one), *bias_of(whole), 1e-9);
  }
}

TEST(Labels, OfClassesAreReadFromProbabilities) {
  const float three[] = {0.2F, 0.5F, 0.3F}, half = 0.5F, low = 0.49F, two = 2;
  EXPECT_EQ(label_of(three, 3), 1);
  EXPECT_EQ(label_of(&half, 1), 0) << "as the server answers";
  EXPECT_EQ(label_of(&low, 1), 0);
  EXPECT_EQ(label_of(&two, 1), 2);
}

TEST(LogLoss, OfSeveralClassesIsThatOfTheOneThatTurnedOutTrue) {
  const float three[] = {0.2F, 0.5F, 0.3F}, gone[] = {0.2F, NAN, 0.3F};
  Outcomes outcomes;
  for (const double label : {0, 1, 2}) outcomes.add_classes(three, label);
  EXPECT_NEAR(*value_of(delivery::Metric::kLogLoss, outcomes),
              -(std::log(0.2) + std::log(0.5) + std::log(0.3)) / 3, 1e-6);
  outcomes.add_classes(gone, 0);
  EXPECT_EQ(outcomes.not_finite, 1);
  Outcomes unknown;
  for (const double label : {3.0, -1.0, 0.5}) unknown.add_classes(three, label);
  EXPECT_NEAR(*value_of(delivery::Metric::kLogLoss, unknown), -std::log(1e-15), 1e-6);
}

TEST(LogLoss, OfSeveralClassesIsGatheredFromTheirProbabilities) {
  Wanted wanted;
  wanted.metric = delivery::Metric::kLogLoss;
  Gatherer gatherer(std::move(wanted));
  serving::Layout layout;
  layout.model = "m";
  layout.version = "1";
  for (std::size_t i = 0; i < 3; ++i) layout.outputs.push_back(serving::probability_name(i));
  serving::Prediction prediction;
  prediction.status = 200;
  prediction.rows = 1;
  prediction.outputs = {0.1F, 0.2F, 0.7F};
  serving::Label label;
  label.value = 2;
  ASSERT_TRUE(gatherer.add(prediction, layout, {&label}).ok());
  EXPECT_NEAR(*value_of(delivery::Metric::kLogLoss, gatherer.facts().front().outcomes),
              -std::log(0.7), 1e-6);
}

}  // namespace
}  // namespace slipway::monitor
