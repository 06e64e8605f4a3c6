#include "domain/features/lookup.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "io/db/db_testing.h"

namespace slipway::features {
namespace {

using db::TemporaryFolder;

constexpr char kView[] =
    "kind: feature_view\nname: driver\nentity: {driver: int64, city: string}\n"
    "source: {file: d.csv, event_time: ts, created: made,\n"
    "         columns: {trips: int64, fare: float64, note: string}}\n"
    "ttl: 20h\nrequest: {surge: float64}\n"
    "features:\n"
    "  note: string\n"
    "  fare: float64\n"
    "  rate: {expr: \"fare / nullif(trips, 0)\", type: float64}\n"
    "  filled: {expr: \"coalesce(fare, -1) * surge\", type: float64}\n"
    "  load: {expr: \"fare_sum_1h / nullif(trips_count_30d, 0) + surge\", type: float64}\n"
    "  tag: {expr: \"upper(substr(note, 1, 2)) || '-' || cast(hour(request_time) as string)\",\n"
    "        type: string}\n"
    "  late: {expr: \"date_diff('minute', ts, request_time)\", type: int64}\n"
    "aggregates:\n"
    "  - {of: fare, fn: [sum, mean, std, first, last, max], windows: [1h, 13h]}\n"
    "  - {of: trips, fn: [count, sum, min], windows: [30d], bound: inclusive}\n"
    "  - {of: fare * 2, as: double, fn: [sum], windows: [90m], exact: true}\n"
    "  - {of: \"*\", fn: [count], windows: [1h]}\n";

Plan plan_of(const std::string& text) {
  Result<View> view = parse_view(text, "view.yaml");
  EXPECT_TRUE(view.ok()) << view.error().message;
  Result<Plan> plan = Plan::make(*view);
  EXPECT_TRUE(plan.ok());
  return *plan;
}

std::unique_ptr<OnlineStore> open_store(const std::filesystem::path& folder) {
  static Metrics metrics;
  Result<std::unique_ptr<OnlineStore>> store = OnlineStore::open(folder, metrics);
  EXPECT_TRUE(store.ok()) << store.error().message;
  return std::move(*store);
}

constexpr std::int64_t kStart = 1'767'225'600'000'000;  // 2026-01-01

/// Random rows of kView's source.
struct RandomSource {
  std::mt19937_64 random;
  Table table;

  explicit RandomSource(unsigned seed) : random(seed) {
    for (const auto& [name, type] :
         {std::pair("driver", Type::kInt64), std::pair("city", Type::kString),
          std::pair("trips", Type::kInt64), std::pair("fare", Type::kFloat64),
          std::pair("note", Type::kString), std::pair("ts", Type::kTimestamp),
          std::pair("made", Type::kTimestamp)}) {
      table.add(name, Column(type));
    }
    for (std::uint64_t rows = 5 + below(60); rows > 0; --rows) add_row();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }
  Value maybe(Value value) { return below(8) == 0 ? Value() : std::move(value); }
  Value number() {
    return (static_cast<double>(below(2'000'000)) - 1e6) *
           std::pow(10.0, static_cast<double>(below(7)) - 5);
  }
  std::int64_t moment(std::int64_t span) {
    const auto us = static_cast<std::int64_t>(below(static_cast<std::uint64_t>(span)));
    return kStart + (below(3) == 0 ? floor_to(us, kTileUs[below(3)]) : us);
  }
  void add_row() {
    const std::int64_t at = moment(2 * kDayUs);
    const std::vector<Value> row = {
        below(30) == 0 ? Value() : Value(static_cast<std::int64_t>(below(3))),
        std::string(below(2) == 0 ? "x" : "y"),
        maybe(static_cast<std::int64_t>(below(5))),
        maybe(number()),
        maybe(std::string("nøte").substr(0, below(6))),
        below(40) == 0 ? Value() : Value(Timestamp{at}),
        maybe(Timestamp{at + static_cast<std::int64_t>(below(kDayUs))})};
    for (std::size_t i = 0; i < row.size(); ++i) table.columns[i].push(row[i]);
    ++table.rows;
  }
};

/// What the store may know at `at_us`, in any order, some of it twice.
void write_known(OnlineStore& store, const Plan& plan, RandomSource& source, std::int64_t at_us) {
  Materialized report;
  Result<std::vector<Put>> puts = puts_of(plan, source.table, at_us, report);
  ASSERT_TRUE(puts.ok());
  // Rows of equal event and created time need their order; others may come as they like.
  std::vector<Put> shuffled = *puts;
  std::shuffle(shuffled.begin(), shuffled.end(), source.random);
  std::stable_sort(shuffled.begin(), shuffled.end(), [](const Put& a, const Put& b) {
    return a.event_us == b.event_us && a.created_us == b.created_us && a.order < b.order;
  });
  Result<OnlineStore::ViewNumber> number = store.define(stored_view(plan));
  ASSERT_TRUE(store.put(*number, shuffled).ok());
  ASSERT_TRUE(store.put(*number, *puts).ok());
}

// The promise of the whole folder: a training set and the server give the same bits.
TEST(Lookup, AnswersWithTheBitsOfTheTrainingSet) {
  const Plan plan = plan_of(kView);
  int compared = 0, present = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    RandomSource source(seed);
    TemporaryFolder folder;
    auto store = open_store(folder.path());
    Result<std::unique_ptr<Lookup>> lookup = Lookup::open(*store, plan);
    ASSERT_TRUE(lookup.ok());
    std::vector<std::int64_t> moments;
    for (int i = 0; i < 3; ++i) moments.push_back(source.moment(3 * kDayUs));
    std::sort(moments.begin(), moments.end());
    for (std::int64_t at : moments) {  // the store learns, as time goes on
      write_known(*store, plan, source, at);
      Table entities;
      for (const char* name : {"driver", "city", "event_timestamp", "surge"}) {
        const bool is_time = name == std::string("event_timestamp");
        entities.add(name, Column(name == std::string("driver") ? Type::kInt64
                                  : name == std::string("city") ? Type::kString
                                  : is_time                     ? Type::kTimestamp
                                                                : Type::kFloat64));
      }
      for (std::int64_t driver = -1; driver < 4; ++driver) {
        entities.columns[0].push(driver < 0 ? Value() : Value(driver));
        entities.columns[1].push(std::string(source.below(2) == 0 ? "x" : "y"));
        entities.columns[2].push(Timestamp{at});
        entities.columns[3].push(source.maybe(source.number()));
        ++entities.rows;
      }
      Result<TrainingSet> set = make_training_set(entities, {{plan, "", {}}}, {&source.table}, {});
      ASSERT_TRUE(set.ok()) << set.error().message;
      for (std::size_t row = 0; row < entities.rows; ++row) {
        const std::vector<Value> key = {entities.columns[0].at(row), entities.columns[1].at(row)};
        const std::vector<Value> request = {entities.columns[3].at(row)};
        Result<Answer> answer = (*lookup)->get(key, request, at);
        ASSERT_TRUE(answer.ok()) << answer.error().message;
        present += answer->presence == Presence::kPresent ? 1 : 0;
        for (std::size_t i = 0; i < answer->values.size(); ++i) {
          const Value offline = set->table.columns[4 + i].at(row);
          ASSERT_TRUE(identical(answer->values[i], offline))
              << plan.view().outputs()[i].name << ": " << to_text(answer->values[i]) << " online, "
              << to_text(offline) << " offline";
          ++compared;
        }
      }
    }
  }
  EXPECT_GT(compared, 15'000);
  EXPECT_GT(present, 200);
}

TEST(Lookup, SaysWhyThereIsNothing) {
  TemporaryFolder folder;
  auto store = open_store(folder.path());
  const Plan plan = plan_of(
      "kind: feature_view\nname: w\nentity: {id: int64}\nttl: 1h\n"
      "source: {file: w.csv, event_time: ts}\nfeatures: {x: float64}\n");
  Result<std::unique_ptr<Lookup>> lookup = Lookup::open(*store, plan);
  ASSERT_TRUE(lookup.ok());
  const auto ask = [&](std::int64_t at) {
    Result<Answer> answer = (*lookup)->get(std::vector<Value>{std::int64_t{1}}, {}, at);
    return answer.ok() ? std::string(to_string(answer->presence)) + " " + to_text(answer->values[0])
                       : answer.error().message;
  };
  EXPECT_EQ(ask(kHourUs), "missing ");
  Put put;
  put.key = pack_key(std::vector<Value>{std::int64_t{1}});
  put.event_us = kHourUs;
  put.values = {2.5};
  ASSERT_TRUE(store->put((*lookup)->number(), {put}).ok());
  EXPECT_EQ(ask(kHourUs - 1), "missing ");
  EXPECT_EQ(ask(kHourUs), "present 2.5");
  EXPECT_EQ(ask(2 * kHourUs), "present 2.5");
  EXPECT_EQ(ask(2 * kHourUs + 1), "expired ");
  put.values = {Value()};
  ASSERT_TRUE(store->put((*lookup)->number(), {put}).ok());
  EXPECT_EQ(ask(kHourUs), "present ");  // a null that was stored
  put.deleted = true;
  put.values.clear();
  ASSERT_TRUE(store->put((*lookup)->number(), {put}).ok());
  EXPECT_EQ(ask(kHourUs), "deleted ");
  EXPECT_EQ((*lookup)->get(std::vector<Value>{std::string("1")}, {}, 0).error().message,
            "found a string for 'id' of w, expected int64");
  EXPECT_EQ((*lookup)->get({}, {}, 0).error().code, Code::kInvalid);
}

TEST(Materialize, WritesTheNewestOfEachEntityOnce) {
  TemporaryFolder folder;
  auto store = open_store(folder.path());
  const Plan plan = plan_of(
      "kind: feature_view\nname: w\nentity: {id: int64}\n"
      "source: {file: w.csv, event_time: ts}\nfeatures: {x: float64}\n");
  Table source;
  for (const auto& [name, type] : {std::pair("id", Type::kInt64), std::pair("x", Type::kFloat64),
                                   std::pair("ts", Type::kTimestamp)}) {
    source.add(name, Column(type));
  }
  for (std::int64_t i = 0; i < 12'000; ++i) {
    source.columns[0].push(i % 6000);
    source.columns[1].push(static_cast<double>(i));
    source.columns[2].push(Timestamp{i});
    ++source.rows;
  }
  Result<Materialized> report = materialize(*store, plan, source, 11'999);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->written, 6000u);
  EXPECT_EQ(report->entities, 6000u);
  report = materialize(*store, plan, source, 6'500);
  EXPECT_EQ(report->skipped, 5499u);
  Result<std::unique_ptr<Lookup>> lookup = Lookup::open(*store, plan);
  Result<Answer> answer = (*lookup)->get(std::vector<Value>{std::int64_t{501}}, {}, 20'000);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(to_text(answer->values[0]), "6501.0");  // an older state takes nothing back
}

/// The rows of another order, with some corrected and some more.
Table edited(RandomSource& source) {
  const Table before = source.table;
  const std::size_t rows = before.rows;
  std::vector<std::size_t> places(rows);
  for (std::size_t i = 0; i < rows; ++i) places[i] = i;
  std::shuffle(places.begin(), places.end(), source.random);
  Table after;
  for (std::size_t i = 0; i < before.names.size(); ++i)
    after.add(before.names[i], Column(before.columns[i].type));
  source.table = std::move(after);
  for (const std::size_t place : places) {
    if (source.below(4) == 0) source.add_row();
    const bool corrected = source.below(5) == 0;
    for (std::size_t i = 0; i < before.columns.size(); ++i) {
      const bool is_fare = before.names[i] == "fare";
      source.table.columns[i].push(corrected && is_fare ? source.maybe(source.number())
                                                        : before.columns[i].at(place));
    }
    ++source.table.rows;
  }
  return source.table;
}

TEST(Materialize, OfASourceThatWasSortedAnewExtendedAndCorrectedIsThatOfTheNewOne) {
  const Plan plan = plan_of(kView);
  const std::int64_t until = kStart + 3 * kDayUs;
  const auto ask = [&](OnlineStore& store) {
    std::string answers;
    auto lookup = Lookup::open(store, plan);
    EXPECT_TRUE(lookup.ok());
    for (std::int64_t driver = 0; driver < 3; ++driver) {
      for (const char* city : {"x", "y"}) {
        for (const std::int64_t at : {kStart + kDayUs, kStart + 2 * kDayUs}) {
          auto answer = (*lookup)->get(std::vector<Value>{driver, std::string(city)},
                                       std::vector<Value>{2.0}, at);
          EXPECT_TRUE(answer.ok());
          for (const Value& value : answer->values) answers += to_text(value) + " ";
          answers += "\n";
        }
      }
    }
    return answers;
  };
  for (unsigned seed = 0; seed < 60; ++seed) {
    TemporaryFolder folder, fresh_folder;
    RandomSource source(seed);
    auto store = open_store(folder.path());
    ASSERT_TRUE(materialize(*store, plan, source.table, until).ok());
    const Table next = edited(source);
    ASSERT_TRUE(materialize(*store, plan, next, until).ok());
    auto fresh = open_store(fresh_folder.path());
    ASSERT_TRUE(materialize(*fresh, plan, next, until).ok());
    ASSERT_EQ(ask(*store), ask(*fresh)) << "seed " << seed;
    store.reset();
    ASSERT_EQ(ask(*open_store(folder.path())), ask(*fresh)) << "after a restart, seed " << seed;
  }
}

}  // namespace
}  // namespace slipway::features
