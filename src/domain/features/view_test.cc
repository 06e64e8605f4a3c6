#include "domain/features/view.h"

#include <gtest/gtest.h>

#include <sstream>

namespace slipway::features {
namespace {

constexpr char kDriver[] = R"yaml(kind: feature_view
name: driver_stats
description: What drivers did lately.
owner: ops@example.org
entity: [driver_id: int64]
source:
  file: data/driver.csv
  event_time: ts
  created: created_at
  columns: {trips: int64, accepts: int64, city: string}
  rename: {id: driver_id}
ttl: 1d
request: {surge: float64}
features:
  city: string
  rating: float64
  acc_rate: {expr: "accepts / nullif(trips, 0)",
               type : float64
}
  busy: {expr: trips_sum_1h > 3 and surge > 1.5, type: bool}
  hour: {expr: hour(request_time), type: int64}
aggregates:
  - {of: trips, fn: [sum, count], windows: [1h, 30d]}
  - {of: "*", fn: [count], windows: [24h], bound: inclusive, exact: true}
  - {of: trips - accepts, as: missed, fn: [mean], windows: [7d], hop: 1d}
  - {of: city, fn: [count], windows: [1h]}
)yaml";

View parsed(const std::string& text) {
  Result<View> view = parse_view(text, "v.yaml");
  EXPECT_TRUE(view.ok()) << view.error().message;
  return view.ok() ? *view : View{};
}

std::string faults(const std::string& text) {
  Result<View> view = parse_view(text, "v.yaml");
  return view.ok() ? "accepted" : view.error().message;
}

std::vector<std::string> names(const std::vector<Input>& inputs) {
  std::vector<std::string> all;
  for (const Input& input : inputs) all.push_back(input.name + ":" + to_string(input.type));
  return all;
}

using Names = std::vector<std::string>;

TEST(View, SaysWhatIsWrongWithNamesAndExpressionsBesideItsShape) {
  const std::string text = faults(R"yaml(kind: feature_view
name: rides
source: {file: data/rides.csv, event_time: ts, columns: {hour: in64, rain: float64}}
features:
  wet: {expr: "rain > (", type: bool}
  late: {expr: "hour > 22", type: bool}
  cold: {expr: "temp < 0", type: bool}
  long: {expr: "rain_mean_1h * 2", type: float64}
aggregates:
  - {of: rain, fn: [maen], windows: [1h]}
  - {of: snow, fn: [mean], windows: [1h]}
)yaml");
  std::vector<std::string> places;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) places.push_back(line.substr(0, 10));
  EXPECT_EQ(places, (Names{"v.yaml:3:6", "v.yaml:5:1", "v.yaml:7:1", "v.yaml:10:", "v.yaml:11:"}))
      << text;
}

TEST(View, ReadsEverything) {
  View view = parsed(kDriver);
  EXPECT_EQ(names(view.entity), Names{"driver_id:int64"});
  EXPECT_EQ(view.ttl_us, kDayUs);
  EXPECT_EQ(names(view.outputs()),
            (Names{"city:string", "rating:float64", "acc_rate:float64", "busy:bool", "hour:int64",
                   "trips_sum_1h:int64", "trips_sum_30d:int64", "trips_count_1h:int64",
                   "trips_count_30d:int64", "rows_count_24h:int64", "missed_mean_7d:float64",
                   "city_count_1h:int64"}));
  EXPECT_EQ(names(view.stored),
            (Names{"trips:int64", "accepts:int64", "city:string", "rating:float64"}));
  EXPECT_EQ(view.aggregates[0].window, (Window{kHourUs, 5 * kMinuteUs, false}));
  EXPECT_EQ(view.aggregates[1].window, (Window{30 * kDayUs, kDayUs, false}));
  EXPECT_EQ(view.aggregates[4].window, (Window{kDayUs, 0, true}));
  EXPECT_EQ(view.operands.size(), 4u);
  EXPECT_EQ(view.reach_us(), 31 * kDayUs);
}

TEST(View, TheVersionIsWhatItMeans) {
  const std::string digest = parsed(kDriver).digest();
  std::string text = kDriver;
  text.replace(text.find("ops@"), 4, "dev@");
  EXPECT_EQ(parsed("# a comment\n" + text).digest(), digest);
  text.replace(text.find("ttl: 1d"), 7, "ttl: 2d");
  EXPECT_NE(parsed(text).digest(), digest);
  EXPECT_EQ(parsed(kDriver).id(), "driver_stats@" + digest);
}

TEST(View, MayHaveNoEntity) {
  View view = parsed(
      "kind: feature_view\nname: weather\nsource: {file: w.csv, event_time: at}\n"
      "features: {temp: float64}\n");
  EXPECT_TRUE(view.entity.empty());
  EXPECT_EQ(names(view.stored), Names{"temp:float64"});
}

TEST(View, SaysEveryFaultAtOnceWithItsPlace) {
  EXPECT_EQ(
      faults("kind: feature_vew\nname: x\nsorce: {}\n"),
      "v.yaml:1:1: found no \"source\" in a feature view, expected one\n"
      "v.yaml:1:7: found the text \"feature_vew\", expected feature_view for \"kind\"; did you "
      "mean \"feature_view\"?\n"
      "v.yaml:3:1: found the key \"sorce\" in a feature view, expected kind, name, description, "
      "owner, "
      "entity, source, ttl, request, features or aggregates; did you mean \"source\"?");
}

TEST(View, ChecksWhatRefersToNames) {
  const std::string head =
      "kind: feature_view\nname: x\nentity: {id: int64}\n"
      "source: {file: a.csv, event_time: ts, columns: {trips: int64, s: string}}\n";
  EXPECT_EQ(
      faults(head + "features:\n  a: {expr: tripz + 1, type: int64}\n"),
      "v.yaml:6:13: in the expression of \"a\", character 1: found 'tripz', expected a column; "
      "did you mean 'trips'?");
  EXPECT_EQ(faults(head + "features:\n  a: {expr: s, type: int64}\n"),
            "v.yaml:6:13: in the expression of \"a\", character 1: found string, expected int64");
  EXPECT_EQ(faults(head + "features: {trips: string}\n"),
            "v.yaml:5:12: found string for \"trips\", expected int64 as in \"columns\"");
  EXPECT_EQ(faults(head + "aggregates: [{of: s, fn: [sum], windows: [1h]}]\n"),
            "v.yaml:5:27: found \"sum\" of a string, expected \"count\"");
  EXPECT_EQ(faults(head + "aggregates: [{of: trips + 1, fn: [sum], windows: [1h]}]\n"),
            "v.yaml:5:14: found no \"as\" for an expression, expected a name");
  EXPECT_EQ(
      faults(head + "aggregates: [{of: trips, fn: [sum], windows: [1h], hop: 1d}]\n"),
      "v.yaml:5:14: found a hop longer than the window 1h, expected a shorter one, or \"exact: "
      "true\"");
  EXPECT_EQ(faults(head + "aggregates: [{of: trips, fn: [sum], windows: [1h], hop: 7m}]\n"),
            "v.yaml:5:57: found the text \"7m\", expected 5m, 1h or 1d for \"hop\"");
  EXPECT_EQ(faults(head + "request: {id: int64}\nfeatures: {trips: int64}\n"),
            "v.yaml:5:11: found \"id\" again, expected a name that is not taken yet");
  EXPECT_EQ(faults(head),
            "v.yaml:1:1: found neither \"features\" nor \"aggregates\", expected some");
  EXPECT_EQ(faults(head + "ttl: -1d\nfeatures: {trips: int64}\n").substr(0, 12), "v.yaml:5:6: ");
}

TEST(View, KeysAreExact) {
  EXPECT_EQ(faults("kind: feature_view\nname: x\nentity: {id: float64}\n"
                   "source: {file: a.csv, event_time: ts}\nfeatures: {a: int64}\n"),
            "v.yaml:3:9: found a key of type float64 (\"id\"), expected int64, string, bool or "
            "timestamp");
}

}  // namespace
}  // namespace slipway::features
