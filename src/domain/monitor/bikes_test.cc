#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <fstream>
#include <sstream>

#include "base/file.h"
#include "domain/checks/plan.h"
#include "domain/monitor/scan.h"
#include "domain/monitor/world_testing.h"
#include "graph/kinds.h"

// Fifty weeks of bike rentals, hour by hour, answered by the example's models
// (tests/data/monitor/make_bikes.py), with the true counts a week later.
namespace slipway::monitor {
namespace {

namespace kind = graph::kind;
namespace relation = graph::relation;
using wire::Json;

constexpr UnixMs kHour = 3'600'000, kDay = 24 * kHour;

constexpr char kProject[] = R"yaml(
version: 1
project: bikes
use_case:
  problem: How many bikes will be rented in the next hour
  user: dispatcher
  owner: ops@example.org
  requirements:
    - {id: quality, metric: mae_relative, at_most: 0.35, on: holdout}
    - {id: freshness, metric: model_age, at_most: 400d, on: serving}
contracts: {data/hour.csv: contracts/hour.odcs.yaml}
deployments:
  bikes:
    model: m
    monitors:
      drift: {against: training, window: 14d, min_rows: 100}
      quality: {requirement: quality, labels: delayed, window: 7d, min_rows: 100, persist: 2}
      age: {requirement: freshness}
)yaml";

struct Hour {
  UnixMs at = 0;
  std::vector<float> features;
  double count = 0;
  std::optional<float> first, second;  // what the two models answer
};

UnixMs midnight(const std::string& day) {
  std::tm date{};
  if (strptime(day.c_str(), "%Y-%m-%d", &date) == nullptr) return 0;
  return static_cast<UnixMs>(timegm(&date)) * 1000;
}

std::string day_of(UnixMs ms) {
  return to_iso8601(ms).substr(0, 10);
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

/// All hours of the table, in order.
std::vector<Hour> read_hours() {
  const std::filesystem::path root = SLIPWAY_SOURCE_DIR;
  std::map<UnixMs, Hour> hours;
  std::ifstream table(root / "examples/bikes/data/hour.csv");
  std::string line;
  for (std::getline(table, line); std::getline(table, line);) {
    const auto c = cells_of(line);
    Hour hour;
    hour.at = midnight(c[1]) + std::stoi(c[5]) * kHour;
    for (const int column : {5, 6, 7, 8, 9, 10, 12, 13})
      hour.features.push_back(std::stof(c[static_cast<std::size_t>(column)]));
    hour.count = std::stod(c[16]);
    hours[hour.at] = hour;
  }
  std::ifstream answers(root / "tests/data/monitor/bikes_predictions.csv");
  while (std::getline(answers, line)) {
    const auto c = cells_of(line);
    Hour& hour = hours[midnight(c[0]) + std::stoi(c[1]) * kHour];
    hour.first = std::stof(c[2]);
    if (c.size() > 3) hour.second = std::stof(c[3]);
  }
  std::vector<Hour> all;
  for (auto& [at, hour] : hours) all.push_back(std::move(hour));
  return all;
}

/// The profile of what the first model was trained on: the eight weeks before 2011-05-01.
checks::Profile training_profile(const std::vector<Hour>& hours,
                                 const std::vector<std::string>& columns) {
  std::vector<table::Field> fields;
  for (const std::string& column : columns) fields.push_back({column, table::Type::kReal});
  const auto pass = [&](const checks::Plan& plan) {
    Wanted wanted;
    wanted.plan = [&](const serving::Layout&, const std::vector<std::string>&) {
      return Result<std::optional<checks::Plan>>(plan);
    };
    Gatherer gatherer(std::move(wanted));
    serving::Layout layout{"m", "1", {}, {"y"}};
    for (const std::string& column : columns) layout.columns.push_back({column, {}, false});
    for (const Hour& hour : hours) {
      if (hour.at < midnight("2011-03-06") || hour.at >= midnight("2011-05-01")) continue;
      serving::Prediction p;
      p.rows = 1;
      p.cells = hour.features;
      p.outputs = {1};
      EXPECT_TRUE(gatherer.add(p, layout, {}).ok());
    }
    return *gatherer.facts().front().profile;
  };
  const checks::Plan full = checks::full_plan(fields);
  return pass(checks::with_bins(full, pass(full)));
}

/// A version whose run an incident asked for, as triggers and runs link them.
Result<> make_remedy(db::Tx& tx, const std::string& incident, const std::string& version) {
  const Json none(Json::Object{});
  const auto edge = [&](graph::NodeRef effect, const char* what, graph::NodeRef cause) {
    return graph::put_edge(tx, {effect, what, cause, none}, 1);
  };
  TRY(edge({kind::kModelVersion, "m/" + version}, relation::kProducedBy,
           {kind::kRun, "r" + version}));
  TRY(edge({kind::kRun, "r" + version}, relation::kProducedBy, {kind::kAttempt, "a" + version}));
  TRY(edge({kind::kAttempt, "a" + version}, relation::kPartOf,
           {kind::kPipelineRun, "p" + version}));
  TRY(edge({kind::kPipelineRun, "p" + version}, relation::kStartedBy,
           {kind::kFiring, "f" + version}));
  return edge({kind::kFiring, "f" + version}, relation::kCausedBy, {kind::kIncident, incident});
}

Result<std::int64_t> tell_rollout(db::Tx& tx, const std::string& what, std::int64_t version,
                                  UnixMs now) {
  return graph::append_event(
      tx,
      {"rollout." + what,
       {kind::kDeployment, "bikes"},
       "slipway",
       0,
       Json(
           Json::Object{{"rollout", "x"}, {"model", "m"}, {"version", version}, {"reason", what}})},
      now);
}

std::string contract_text() {
  return *read_file(std::filesystem::path(SLIPWAY_SOURCE_DIR) /
                    "examples/bikes/contracts/hour.odcs.yaml");
}

TEST(Bikes, IncidentsComeInTheWeeksInWhichTheModelDecays) {
  const std::vector<Hour> hours = read_hours();
  const std::string contract = contract_text();
  World world(kProject, {{"contracts/hour.odcs.yaml", contract}});
  world.columns = {"hr",         "holiday", "weekday", "workingday",
                   "weathersit", "temp",    "hum",     "windspeed"};
  world.live = Live{"m", "1", midnight("2011-05-01")};
  world.training.profile =
      std::make_shared<checks::Profile>(training_profile(hours, world.columns));
  world.training.contract =
      std::make_shared<checks::Contract>(*checks::parse_contract(contract, "hour.odcs.yaml"));

  std::deque<std::pair<serving::PredictionId, const Hour*>> unlabelled;
  UnixMs day = 0;
  const auto end_of_day = [&] {
    const UnixMs now = day + kDay;
    std::vector<std::pair<serving::PredictionId, double>> came;
    for (; !unlabelled.empty() && unlabelled.front().second->at + 7 * kDay < now;
         unlabelled.pop_front())
      came.emplace_back(unlabelled.front().first, unlabelled.front().second->count);
    world.label(std::move(came), now);
    ASSERT_GE(world.turn_all(now), 0);
    const auto happened = [&](auto change) {
      const auto done = world.pool().write(change);
      ASSERT_TRUE(done.ok()) << done.error().message;
    };
    if (day_of(now) == "2012-02-12") {
      ASSERT_TRUE(world.incidents().back().open);
      const std::string incident = world.incidents().back().id;
      happened([&](db::Tx& tx) -> Result<std::int64_t> {
        TRY(make_remedy(tx, incident, "2"));
        return tell_rollout(tx, "requested", 2, now);
      });
    }
    if (day_of(now) == "2012-02-26") {
      happened([&](db::Tx& tx) { return tell_rollout(tx, "promoted", 2, now); });
      world.live = Live{"m", "2", midnight("2012-02-12")};
    }
    ASSERT_GE(world.turn_all(now), 0);
  };
  for (const Hour& hour : hours) {
    if (!hour.first) continue;
    while (day != 0 && hour.at >= day + kDay) {
      end_of_day();
      day += kDay;
    }
    if (day == 0) day = hour.at;
    const bool live = day >= midnight("2012-02-26");
    const bool canary = day >= midnight("2012-02-19") && (hour.at / kHour) % 2 == 0;
    const bool second = live || canary;
    const auto role = second && !live ? serving::Role::kCanary : serving::Role::kLive;
    const auto id = world.answer(hour.at, second ? "2" : "1", hour.features,
                                 second ? *hour.second : *hour.first, role);
    unlabelled.emplace_back(id, &hour);
  }
  end_of_day();

  std::vector<std::string> happened;
  for (const graph::LoggedEvent& event : world.logged("incident."))
    happened.push_back(day_of(event.time_ms) + " " + event.event.type + " of " +
                       event.event.data.find("monitor")->as_string());
  EXPECT_EQ(happened, (std::vector<std::string>{
                          "2012-01-08 incident.opened of quality",
                          "2012-01-22 incident.closed of quality",
                          "2012-02-12 incident.opened of quality",
                          "2012-02-12 incident.remedy_started of quality",
                          "2012-02-26 incident.remedy_promoted of quality",
                          "2012-03-11 incident.closed of quality",
                          "2012-04-01 incident.opened of quality",
                          "2012-04-08 incident.unresolved of quality",
                          "2012-04-15 incident.unresolved of quality",
                      }));
  const std::vector<Incident> incidents = world.incidents();
  ASSERT_EQ(incidents.size(), 3u);
  EXPECT_EQ(incidents[0].remedy, "none");
  EXPECT_EQ(incidents[1].remedy, "promotion");
  EXPECT_EQ(incidents[1].requirement, "quality");
  // What the drift monitor had to say of the same weeks: winter is colder than spring.
  EXPECT_NE(std::find(incidents[0].columns.begin(), incidents[0].columns.end(), "temp"),
            incidents[0].columns.end());
  // Two weeks of one bad window each do not make one; nobody asked for anything before.
  const std::string quality = world.statuses("quality", "1");
  EXPECT_EQ(quality.substr(0, 16), "gggggggggggggggg");
  EXPECT_EQ(world.statuses("age").find_first_not_of("g"), std::string::npos);
}

}  // namespace
}  // namespace slipway::monitor
