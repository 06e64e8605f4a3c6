#include "domain/serving/prediction_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <fstream>
#include <latch>
#include <thread>

#include "base/hash.h"
#include "base/ids.h"
#include "domain/serving/day_files.h"
#include "domain/serving/predictions.h"
#include "domain/serving/recent.h"
#include "io/blob/blob_testing.h"

namespace slipway::serving {
namespace {

constexpr UnixMs kMay1 = 1'304'208'000'000;  // 2011-05-01T00:00:00Z
constexpr UnixMs kHour = 3'600'000;
constexpr UnixMs kDay = 24 * kHour;

TEST(NamedOutputs, OfAClassifierBeginWithTheClassThatWasAnswered) {
  using Named = std::vector<std::pair<std::string, float>>;
  const auto named = [](std::vector<std::string> names, std::vector<float> outputs) {
    return named_outputs(Layout{"m", "1", {}, std::move(names)}, outputs);
  };
  EXPECT_EQ(named({"predict"}, {12.5f}), (Named{{"predict", 12.5f}}));
  const std::string second = probability_name(1);
  EXPECT_EQ(named({second}, {0.75f}), (Named{{"predict", 1}, {second, 0.75f}}));
  EXPECT_EQ(named({second}, {0.5f}), (Named{{"predict", 0}, {second, 0.5f}}));
  EXPECT_EQ(named({"predict_proba_0", "predict_proba_1", "predict_proba_2"}, {0.2f, 0.3f, 0.5f})[0],
            (std::pair<std::string, float>("predict", 2)));
  EXPECT_EQ(named({second}, {}), Named{}) << "an answer that failed has none";
}

TEST(PredictionIds, ReadBackWhatTheySay) {
  const PredictionId id = make_prediction_id("bikes", kMay1);
  EXPECT_EQ(id.time_ms(), kMay1);
  EXPECT_EQ(*read_prediction_id(id.text()), id);
  PredictionId row = id;
  row.row = 17;
  EXPECT_EQ(row.text_of_row(), id.text() + "/17");
  EXPECT_EQ(*read_prediction_id(row.text_of_row()), row);
}

TEST(PredictionIds, ADeploymentMayHoldDots) {
  const PredictionId id = make_prediction_id("a.b.c", kMay1);
  EXPECT_EQ(read_prediction_id(id.text())->deployment, "a.b.c");
}

TEST(PredictionIds, NonsenseIsNone) {
  const std::string uuid = make_prediction_id("x", kMay1).text().substr(2);
  for (const std::string& text :
       {std::string(), std::string("x"), "x." + uuid.substr(1), uuid, "." + uuid, "x." + uuid + "/",
        "x." + uuid + "/-1", "x." + uuid + "/+1", "x." + uuid + "/4294967296", "x." + uuid + "/1/2",
        "x." + uuid.substr(0, 14) + "4" + uuid.substr(15), "x." + uuid.substr(0, 35) + "g",
        std::string(300, 'x') + "." + uuid}) {
    EXPECT_FALSE(read_prediction_id(text)) << text;
  }
}

class PredictionLogTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<PredictionLog> open() { return open_on(disk_); }
  std::unique_ptr<PredictionLog> open_on(blob::Disk& disk) {
    PredictionLogOptions options;
    options.root = root_;
    options.pending_bytes_max = pending_max_;
    options.file_bytes_max = file_max_;
    return std::make_unique<PredictionLog>(disk, metrics_, options);
  }
  Predictions read() const { return Predictions(root_, labels_); }

  static std::shared_ptr<const Layout> layout(const std::string& version = "1") {
    return std::make_shared<Layout>(
        Layout{"bikes", version, {{"hr", {}, false}, {"temp", {}, true}}, {"predict"}});
  }
  static Prediction make(UnixMs at, float hr = 1, Role role = Role::kLive) {
    Prediction p;
    p.id = make_prediction_id("bikes", at);
    p.event_time_ms = at;
    p.role = role;
    p.latency_us = 12;
    p.key_hash = 99;
    p.client_id = "mine";
    p.rows = 1;
    p.cells = {hr, std::nanf("")};
    p.outputs = {hr * 10};
    return p;
  }
  std::vector<float> first_cells(UnixMs from, UnixMs to) const {
    std::vector<float> cells;
    auto end = read().scan("bikes", from, to, [&](const Prediction& p, const Layout&) {
      cells.push_back(p.cells.at(0));
      return true;
    });
    EXPECT_TRUE(end.ok()) << end.error().message;
    return cells;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("prediction_log_test_" + random_hex32());
  const std::filesystem::path root_ = folder_ / "predictions", labels_ = folder_ / "labels";
  std::size_t pending_max_ = 1u << 20;
  std::uint64_t file_max_ = 1u << 20;
  blob::Disk disk_;
  Metrics metrics_;
};

TEST_F(PredictionLogTest, TheNewestAnswersComeFirstOverFilesAndDays) {
  file_max_ = 2000;  // a few answers each
  auto log = open();
  const auto stream = log->stream("bikes");
  std::vector<std::string> ids;
  for (int i = 0; i < 60; ++i) {
    Prediction p = make(kMay1 + i * 3'600'000LL, static_cast<float>(i),
                        i % 3 == 0 ? Role::kShadow : Role::kLive);
    if (i % 10 == 9) p.status = 500, p.outputs.clear(), p.error = "it broke";
    if (i % 10 == 7) p.status = 400, p.outputs.clear();
    ids.push_back(p.id.text());
    stream->log(p, layout(i % 2 == 0 ? "1" : "2"));
    ASSERT_TRUE(log->flush().ok());
  }
  log->stop();
  std::reverse(ids.begin(), ids.end());
  const auto ids_of = [](const Recent& recent) {
    std::vector<std::string> found;
    for (const RecentAnswer& one : recent.answers) found.push_back(one.id.text());
    return found;
  };
  RecentQuery query;
  query.limit = 60;
  const Recent all = *recent_answers(root_, "bikes", query);
  EXPECT_EQ(ids_of(all), ids);
  EXPECT_TRUE(all.complete);
  EXPECT_EQ(all.answers[1].outputs, (std::vector<std::pair<std::string, float>>{{"predict", 580}}));
  query.limit = 7;
  EXPECT_EQ(ids_of(*recent_answers(root_, "bikes", query)),
            std::vector<std::string>(ids.begin(), ids.begin() + 7));
  query.limit = 60;
  query.version = "2";
  query.role = Role::kLive;
  const Recent chosen = *recent_answers(root_, "bikes", query);
  for (const RecentAnswer& one : chosen.answers)
    EXPECT_TRUE(one.version == "2" && one.role == Role::kLive);
  query = {};
  query.outcome = RecentQuery::Outcome::kFailed;
  const Recent failed = *recent_answers(root_, "bikes", query);
  ASSERT_EQ(failed.answers.size(), 6u);
  EXPECT_EQ(failed.answers[0].error, "it broke");
  query.outcome = RecentQuery::Outcome::kRefused;
  EXPECT_EQ(recent_answers(root_, "bikes", query)->answers.size(), 6u);
  query = {};
  query.bytes_max = 1;
  const Recent cut = *recent_answers(root_, "bikes", query);
  EXPECT_FALSE(cut.complete);
  EXPECT_FALSE(cut.answers.empty()) << "the newest file is read whatever its size";
  EXPECT_TRUE(recent_answers(root_, "nothing", query)->answers.empty());
}

TEST_F(PredictionLogTest, CountsWhatWasAnsweredKeptOrNot) {
  auto log = open();
  LogRules rules;
  rules.sample = 0.01;
  const auto stream = log->stream("bikes", rules);
  for (int i = 0; i < 100; ++i) stream->log(make(kMay1 + i), layout());
  stream->log(make(kMay1, 1, Role::kShadow), layout());
  Prediction broken = make(kMay1);
  broken.status = 500;
  broken.outputs.clear();
  stream->log(broken, layout());
  EXPECT_EQ(stream->answered(), 101u) << "without the one in the shadow";
  EXPECT_EQ(stream->failed(), 1u);
}

TEST_F(PredictionLogTest, CountsWhatIsAboutATimeLongBefore) {
  auto log = open();
  const auto stream = log->stream("bikes");
  const auto about = [&](UnixMs event_time_ms, Role role) {
    Prediction one = make(kMay1, 1, role);
    one.event_time_ms = event_time_ms;
    stream->log(one, layout());
    return log->late();
  };
  EXPECT_EQ(about(kMay1, Role::kLive), 0);
  EXPECT_EQ(about(kMay1 - PredictionLog::kLateMs, Role::kLive), 0);
  EXPECT_EQ(about(kMay1 + 3'600'000, Role::kLive), 0);
  EXPECT_EQ(about(kMay1 - PredictionLog::kLateMs - 1, Role::kLive), 1);
  EXPECT_EQ(about(kMay1 - 86'400'000, Role::kShadow), 1);
  EXPECT_EQ(about(kMay1 - 86'400'000, Role::kCanary), 2);
}

TEST_F(PredictionLogTest, AnAnswerIsFoundByItsIdAsItWas) {
  auto log = open();
  Prediction p = make(kMay1);
  log->stream("bikes")->log(p, layout());
  ASSERT_TRUE(log->flush().ok());
  const std::vector<Answer> found = *read().find(p.id);
  ASSERT_EQ(found.size(), 1u);
  const Prediction& got = found[0].prediction;
  EXPECT_EQ(got.id.text(), p.id.text());
  EXPECT_EQ(got.event_time_ms, kMay1);
  EXPECT_EQ(got.role, Role::kLive);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.latency_us, 12u);
  EXPECT_EQ(got.key_hash, 99u);
  EXPECT_EQ(got.client_id, "mine");
  EXPECT_EQ(got.rows, 1u);
  EXPECT_EQ(got.cells[0], 1);
  EXPECT_TRUE(std::isnan(got.cells[1]));
  EXPECT_EQ(got.outputs, std::vector<float>{10});
  EXPECT_EQ(found[0].layout, *layout());
}

TEST_F(PredictionLogTest, NothingIsFoundWhereNothingIs) {
  EXPECT_TRUE(read().find(make_prediction_id("bikes", kMay1))->empty());
  EXPECT_EQ(read().scan("bikes", 0, kMay1, [](auto&, auto&) { return true; })->requests, 0u);
}

TEST_F(PredictionLogTest, TheAnswerThatWasGivenComesBeforeShadows) {
  auto log = open();
  Prediction live = make(kMay1, 1), shadow = make(kMay1, 1, Role::kShadow);
  shadow.id = live.id;
  log->stream("bikes")->log(shadow, layout("2"));
  log->stream("bikes")->log(live, layout("1"));
  ASSERT_TRUE(log->flush().ok());
  const std::vector<Answer> found = *read().find(live.id);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].layout.version, "1");
  EXPECT_EQ(found[1].layout.version, "2");
}

TEST_F(PredictionLogTest, AScanTakesTheSpanAskedForAcrossDaysFilesAndRestarts) {
  for (int start = 0; start < 2; ++start) {
    auto log = open();
    for (int day = 0; day < 4; ++day) {
      for (int hour = 0; hour < 24; hour += 12) {
        const UnixMs at = kMay1 + day * kDay + hour * kHour + start;
        log->stream("bikes")->log(make(at, static_cast<float>(day * 100 + hour + start)), layout());
        ASSERT_TRUE(log->flush().ok());
      }
    }
    log->stop();
  }
  EXPECT_EQ(first_cells(kMay1 + kDay, kMay1 + 2 * kDay), (std::vector<float>{100, 112, 101, 113}));
  EXPECT_EQ(first_cells(0, kMay1 + 10 * kDay).size(), 16u);
}

TEST_F(PredictionLogTest, EventTimeDecidesNotTheTimeOfTheAnswer) {
  auto log = open();
  Prediction p = make(kMay1);
  p.event_time_ms = kMay1 - 30 * kDay;
  log->stream("bikes")->log(p, layout());
  ASSERT_TRUE(log->flush().ok());
  EXPECT_EQ(first_cells(kMay1 - 31 * kDay, kMay1 - 29 * kDay).size(), 1u);
  EXPECT_TRUE(first_cells(kMay1, kMay1 + kDay).empty());
}

TEST_F(PredictionLogTest, WhatDoesNotFitIsLostAndCounted) {
  pending_max_ = 10 * sizeof(Prediction);
  auto log = open();
  for (int i = 0; i < 100; ++i) log->stream("bikes")->log(make(kMay1 + i), layout());
  ASSERT_TRUE(log->flush().ok());
  const auto kept = first_cells(kMay1, kMay1 + kDay).size();
  EXPECT_GT(kept, 0u);
  EXPECT_EQ(kept + log->lost(), 100u);
}

// A reader could not tell where the next answer begins.
TEST_F(PredictionLogTest, AnAnswerThatDoesNotFitItsLayoutIsLostAndHarmsNoOther) {
  auto log = open();
  Prediction odd = make(kMay1 + 1, 2);
  odd.cells.push_back(3);
  Prediction wide = make(kMay1 + 2, 4);
  wide.outputs.push_back(5);
  for (const Prediction& p : {make(kMay1, 1), odd, wide, make(kMay1 + 3, 6)})
    log->stream("bikes")->log(p, layout());
  ASSERT_TRUE(log->flush().ok());
  EXPECT_EQ(first_cells(kMay1, kMay1 + kDay), (std::vector<float>{1, 6}));
  EXPECT_EQ(log->lost(), 2u);
}

// In one write: canary and live by turns, on both sides of midnight, with and without a rule.
TEST_F(PredictionLogTest, LayoutsAndDaysMayChangeFromAnswerToAnswer) {
  for (const bool hashed : {false, true}) {
    LogRules rules;
    if (hashed) rules.dropped = {"temp"};
    auto log = open();
    auto stream = log->stream("bikes", rules);
    const auto first = layout("1"), second = layout("2");
    const UnixMs base = kMay1 + (hashed ? 10 : 0) * kDay;
    for (int i = 0; i < 40; ++i)
      stream->log(make(base + i % 3 * kDay, static_cast<float>(i)), i % 2 == 0 ? first : second);
    ASSERT_TRUE(log->flush().ok());
    std::vector<float> cells;
    ASSERT_TRUE(read()
                    .scan("bikes", base, base + 3 * kDay,
                          [&](const Prediction& p, const Layout& l) {
                            EXPECT_EQ(l.version, static_cast<int>(p.cells[0]) % 2 == 0 ? "1" : "2");
                            EXPECT_EQ(l.columns.size(), hashed ? 1u : 2u);
                            EXPECT_EQ(p.outputs, std::vector<float>{p.cells[0] * 10});
                            cells.push_back(p.cells[0]);
                            return true;
                          })
                    .ok());
    std::sort(cells.begin(), cells.end());
    ASSERT_EQ(cells.size(), 40u);
    for (int i = 0; i < 40; ++i) EXPECT_EQ(cells[static_cast<std::size_t>(i)], i);
  }
}

TEST_F(PredictionLogTest, AFullFileIsFollowedByAnother) {
  file_max_ = 2000;
  auto log = open();
  for (int i = 0; i < 100; ++i) {
    log->stream("bikes")->log(make(kMay1 + i, static_cast<float>(i)), layout());
    ASSERT_TRUE(log->flush().ok());
  }
  EXPECT_GT(files_in(root_ / "bikes" / "2011-05-01").size(), 3u);
  EXPECT_EQ(first_cells(kMay1, kMay1 + kDay).size(), 100u);
}

// Whichever call fails: what a flush called durable is there, the rest is counted, and it goes on.
TEST_F(PredictionLogTest, AFailingDiskLosesOnlyWhatIsCounted) {
  for (int failing = 1;; ++failing) {
    std::filesystem::remove_all(folder_);
    blob::FailingDisk disk(failing);
    auto log = open_on(disk);
    std::size_t durable = 0;
    for (int i = 0; i < 5; ++i) {
      log->stream("bikes")->log(make(kMay1 + i * kDay / 3), layout());
      if (log->flush().ok()) ++durable;
    }
    EXPECT_EQ(durable + log->lost(), 5u) << failing;
    const std::size_t found = first_cells(0, kMay1 + 9 * kDay).size();
    EXPECT_GE(found, durable) << failing;
    EXPECT_GE(durable, disk.has_failed() ? 4u : 5u) << failing;
    if (!disk.has_failed()) break;
    ASSERT_LT(failing, 100);
  }
}

/// Its first sync lasts until it is let go.
class SlowDisk : public blob::Disk {
 public:
  Result<> sync(int file_or_folder) override {
    if (!has_begun_.test_and_set()) {
      begun.count_down();
      let_go.wait();
      has_ended = true;
    }
    return Disk::sync(file_or_folder);
  }
  std::latch begun{1}, let_go{1};
  std::atomic<bool> has_ended = false;

 private:
  std::atomic_flag has_begun_;
};

TEST_F(PredictionLogTest, PausingWaitsForTheWriteUnderWay) {
  SlowDisk disk;
  auto log = open_on(disk);
  log->stream("bikes")->log(make(kMay1), layout());
  std::thread writing([&] { EXPECT_TRUE(log->flush().ok()); });
  disk.begun.wait();
  std::thread pausing([&] {
    log->pause();
    EXPECT_TRUE(disk.has_ended);
  });
  disk.let_go.count_down();
  pausing.join();
  writing.join();
}

TEST_F(PredictionLogTest, WhoPausesAllTheTimeDelaysTheLogAndNoMore) {
  auto log = open();
  log->start();
  log->stream("bikes")->log(make(kMay1), layout());
  std::atomic<bool> is_there = false;
  std::thread pausing([&] {
    while (!is_there) log->pause();
  });
  while (first_cells(kMay1, kMay1 + kDay).empty()) std::this_thread::yield();
  is_there = true;
  pausing.join();
  log->stop();
}

TEST_F(PredictionLogTest, WhatWasFlushedOutlivesAPowerCut) {
  std::filesystem::create_directories(folder_);
  blob::ForgetfulDisk disk;
  // The folder itself was there, durable, before the log began.
  {
    Fd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY));
    ASSERT_TRUE(disk.sync(folder.get()).ok());
  }
  auto log = open_on(disk);
  log->stream("bikes")->log(make(kMay1, 7), layout());
  ASSERT_TRUE(log->flush().ok());
  const auto after = folder_.string() + ".after";
  disk.cut_power(folder_, after);
  std::vector<float> cells;
  ASSERT_TRUE(Predictions(std::filesystem::path(after) / "predictions", labels_)
                  .scan("bikes", kMay1, kMay1 + kDay,
                        [&](const Prediction& p, const Layout&) {
                          cells.push_back(p.cells.at(0));
                          return true;
                        })
                  .ok());
  EXPECT_EQ(cells, std::vector<float>{7});
  std::filesystem::remove_all(after);
}

TEST_F(PredictionLogTest, ColumnsAreDroppedOrHashedBeforeTheyReachTheDisk) {
  auto log = open();
  LogRules rules;
  rules.dropped = {"hr"};
  rules.hashed = {"temp"};
  rules.hash_key = "k";
  auto stream = log->stream("bikes", rules);
  std::vector<PredictionId> ids;
  for (float temp : {0.25f, 0.25f, 0.5f}) {
    Prediction p = make(kMay1);
    p.cells = {3, temp};
    ids.push_back(p.id);
    stream->log(p, layout());
  }
  ASSERT_TRUE(log->flush().ok());
  std::vector<std::uint32_t> hashes;
  for (const PredictionId& id : ids) {
    const Answer answer = read().find(id)->at(0);
    ASSERT_EQ(answer.layout.columns.size(), 1u);
    EXPECT_EQ(answer.layout.columns[0].name, "temp");
    EXPECT_EQ(answer.layout.columns[0].keep, Keep::kHash);
    ASSERT_EQ(answer.prediction.cells.size(), 1u);
    hashes.push_back(std::bit_cast<std::uint32_t>(answer.prediction.cells[0]));
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_NE(hashes[0], hashes[2]);
  EXPECT_NE(hashes[0], std::bit_cast<std::uint32_t>(0.25f));
}

TEST_F(PredictionLogTest, WhoseFeaturesWereLookedUpIsKeptByTheRulesOfColumns) {
  auto log = open();
  LogRules rules;
  rules.dropped = {"phone"};
  rules.hashed = {"customer"};
  rules.hash_key = "k";
  Prediction p = make(kMay1);
  p.rows = 2;
  p.cells = {1, 2, 3, 4};
  p.outputs = {5, 6};
  p.looked_up = LookedUp{"visits",
                         "0123",
                         {{"customer", Keep::kValue},
                          {"phone", Keep::kValue},
                          {"shop", Keep::kValue}},
                         {"ann", "555", "north", "ann", "", "south"}};
  log->stream("bikes", rules)->log(p, layout());
  Prediction plain = make(kMay1 + 1);
  plain.looked_up = p.looked_up;
  plain.looked_up->values.resize(3);
  log->stream("others")->log(plain, layout());
  ASSERT_TRUE(log->flush().ok());
  const LookedUp kept = *read().find(p.id)->at(0).prediction.looked_up;
  EXPECT_EQ(kept.view, "visits");
  EXPECT_EQ(kept.view_version, "0123");
  EXPECT_EQ(kept.keys,
            (std::vector<LookedUp::Key>{{"customer", Keep::kHash}, {"shop", Keep::kValue}}));
  ASSERT_EQ(kept.values.size(), 4u);
  EXPECT_EQ(kept.values[0], kept.values[2]) << "the same customer";
  EXPECT_EQ(kept.values[0].size(), 16u);
  EXPECT_EQ(kept.values[0], hmac_sha256_hex("k", "ann").substr(0, 16));
  EXPECT_EQ(kept.values[1], "north");
  EXPECT_EQ(kept.values[3], "south");
  plain.id.deployment = "others";
  EXPECT_EQ(read().find(plain.id)->at(0).prediction.looked_up, plain.looked_up);
}

TEST_F(PredictionLogTest, SamplingKeepsErrorsAndCandidates) {
  auto log = open();
  LogRules rules;
  rules.sample = 0.25;
  auto stream = log->stream("bikes", rules);
  for (int i = 0; i < 2000; ++i) stream->log(make(kMay1 + i, 0), layout());
  for (int i = 0; i < 10; ++i) stream->log(make(kMay1 + i, 1, Role::kCanary), layout());
  Prediction failed = make(kMay1, 2);
  failed.status = 500;
  failed.outputs.clear();
  stream->log(failed, layout());
  ASSERT_TRUE(log->flush().ok());
  std::map<float, int> seen;
  for (float cell : first_cells(kMay1, kMay1 + kDay)) ++seen[cell];
  EXPECT_NEAR(seen[0], 500, 100);
  EXPECT_EQ(seen[1], 10);
  EXPECT_EQ(seen[2], 1);
}

TEST_F(PredictionLogTest, NewRulesBeginAnotherStreamAndLoseNothing) {
  auto log = open();
  LogRules rules;
  rules.dropped = {"temp"};
  auto before = log->stream("bikes");
  before->log(make(kMay1, 1), layout());
  auto after = log->stream("bikes", rules);
  after->log(make(kMay1, 2), layout());
  ASSERT_TRUE(log->flush().ok());
  before->log(make(kMay1, 3), layout());  // a request that began before the change
  before.reset();
  ASSERT_TRUE(log->flush().ok());
  std::vector<float> cells = first_cells(kMay1, kMay1 + kDay);
  std::sort(cells.begin(), cells.end());
  EXPECT_EQ(cells, (std::vector<float>{1, 2, 3}));
}

// --- damage --------------------------------------------------------------------------------------

std::vector<std::filesystem::path> only_files(const std::filesystem::path& root) {
  return files_in(root / "bikes" / "2011-05-01");
}

void write_at(const std::filesystem::path& file, std::size_t at, char byte) {
  const Fd out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(pwrite(out.get(), &byte, 1, static_cast<off_t>(at)), 1);
}

// Whichever bit of a file flips, in a frame's head, an answer, or what says what answers mean.
TEST_F(PredictionLogTest, AFlippedBitTakesOneAnswerAtMost) {
  for (const bool is_closed : {true, false}) {
    std::filesystem::remove_all(folder_);
    auto log = open();
    auto stream = log->stream("bikes");
    for (int i = 0; i < 8; ++i) {
      stream->log(make(kMay1 + i, static_cast<float>(i)), layout(i % 4 == 3 ? "2" : "1"));
      if (i % 2 == 0) {
        ASSERT_TRUE(log->flush().ok());
      }
    }
    ASSERT_TRUE(log->flush().ok());
    if (is_closed) log->stop();
    const auto file = only_files(root_).at(0);
    const std::string bytes = *read_file(file);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      const int bit = static_cast<int>(at % 8);
      write_at(file, at, static_cast<char>(bytes[at] ^ (1 << bit)));
      std::size_t found = 0;
      float last = -1;
      const auto end =
          read().scan("bikes", kMay1, kMay1 + kDay, [&](const Prediction& p, const Layout& l) {
            EXPECT_GT(p.cells.at(0), last) << at;
            last = p.cells.at(0);
            EXPECT_EQ(l, *layout(static_cast<int>(last) % 4 == 3 ? "2" : "1")) << at;
            EXPECT_EQ(p.outputs, std::vector<float>{last * 10});
            ++found;
            return true;
          });
      ASSERT_TRUE(end.ok()) << at << ": " << end.error().message;
      ASSERT_GE(found, 7u) << at;
      ASSERT_EQ(end->damaged_files + end->torn_files, 1u) << at;
      ASSERT_GE(end->lost_requests + end->torn_files, 8 - found) << at;
      write_at(file, at, bytes[at]);
    }
  }
}

TEST_F(PredictionLogTest, WhatDamageHasTakenIsCountedOnce) {
  auto log = open();
  for (int i = 0; i < 3; ++i) log->stream("bikes")->log(make(kMay1 + i), layout());
  ASSERT_TRUE(log->flush().ok());
  const auto file = only_files(root_).at(0);
  const std::string bytes = *read_file(file);
  write_at(file, bytes.find("mine"), 'M');
  blob::Damages damages(metrics_);
  const Predictions predictions(root_, labels_, &damages);
  for (int i = 0; i < 3; ++i) {
    const auto end =
        predictions.scan("bikes", 0, kMay1 + kDay, [](const auto&, const auto&) { return true; });
    ASSERT_TRUE(end.ok());
    EXPECT_EQ(end->requests, 2u);
    EXPECT_EQ(end->lost_requests, 1u);
  }
  EXPECT_NE(metrics_.expose().find("\nslipway_journal_frames_lost_total 1\n"), std::string::npos);
}

// It may be of another program, or have lost its beginning: others are read all the same.
TEST_F(PredictionLogTest, AFileThatIsNoJournalHidesNoOther) {
  auto log = open();
  log->stream("bikes")->log(make(kMay1, 5), layout());
  ASSERT_TRUE(log->flush().ok());
  std::ofstream(only_files(root_).at(0).parent_path() / "0.log") << std::string(4096, 'x');
  EXPECT_EQ(first_cells(kMay1, kMay1 + kDay), std::vector<float>{5});
  const auto end = read().scan("bikes", 0, kMay1 + kDay, [](auto&, auto&) { return true; });
  EXPECT_EQ(end->damaged_files, 1u);
}

// --- labels --------------------------------------------------------------------------------------

TEST_F(PredictionLogTest, LabelsJoinLateInAnyOrderAndTheLastOneReceivedCounts) {
  auto log = open();
  std::vector<PredictionId> ids;
  for (int i = 0; i < 3; ++i) {
    Prediction p = make(kMay1 + i * kDay, static_cast<float>(i));
    ids.push_back(p.id);
    log->stream("bikes")->log(p, layout());
  }
  ASSERT_TRUE(log->flush().ok());
  auto label = [&](int which, double value, UnixMs received) {
    return Label{ids[static_cast<std::size_t>(which)], value, kMay1, received, "test"};
  };
  {
    LabelLog labels(disk_, labels_);
    const Label late[] = {label(2, 20, 5), label(0, 1, 5)};
    ASSERT_TRUE(labels.add(late).ok());
    const Label twice[] = {label(0, 2, 9)};
    ASSERT_TRUE(labels.add(twice).ok());
    ASSERT_TRUE(labels.add(twice).ok());
  }
  const Label older[] = {label(0, 3, 8)};
  ASSERT_TRUE(LabelLog(disk_, labels_).add(older).ok());

  std::vector<std::optional<double>> joined;
  auto end = read().scan_labelled(
      "bikes", kMay1, kMay1 + 9 * kDay, [&](const Prediction&, const Layout&, const auto& of_rows) {
        joined.push_back(of_rows[0] ? std::optional(of_rows[0]->value) : std::nullopt);
        return true;
      });
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(joined, (std::vector<std::optional<double>>{2, std::nullopt, 20}));

  std::vector<std::map<std::uint32_t, Label>> of;
  for (const PredictionId& id : ids) of.push_back(*labels_of(labels_, id));
  ASSERT_EQ(of[0].size(), 1u);
  EXPECT_EQ(of[0].begin()->second.value, 2);
  EXPECT_TRUE(of[1].empty());
  EXPECT_EQ(of[2].at(0).value, 20);
}

TEST_F(PredictionLogTest, LabelsAreDurableBeforeTheyAreAcknowledged) {
  std::filesystem::create_directories(folder_);
  blob::ForgetfulDisk disk;
  {
    Fd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY));
    ASSERT_TRUE(disk.sync(folder.get()).ok());
  }
  LabelLog labels(disk, labels_);
  const Label label{make_prediction_id("bikes", kMay1), 4, kMay1, kMay1, ""};
  ASSERT_TRUE(labels.add({&label, 1}).ok());
  const auto after = folder_.string() + ".after";
  disk.cut_power(folder_, after);
  EXPECT_EQ(read_labels(std::filesystem::path(after) / "labels", "bikes", "2011-05-01")->size(),
            1u);
  std::filesystem::remove_all(after);
}

TEST_F(PredictionLogTest, AFlippedBitTakesOneLabelAtMost) {
  std::vector<Label> given;
  for (int i = 0; i < 10; ++i)
    given.push_back({make_prediction_id("bikes", kMay1 + i), i + 0.5, kMay1, kMay1, "test"});
  {
    LabelLog labels(disk_, labels_);
    ASSERT_TRUE(labels.add(given).ok());
  }
  const auto file = only_files(labels_).at(0);
  const std::string bytes = *read_file(file);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    write_at(file, at, static_cast<char>(bytes[at] ^ (1 << at % 8)));
    const auto labels = read_labels(labels_, "bikes", "2011-05-01");
    ASSERT_TRUE(labels.ok()) << at;
    ASSERT_EQ(labels->size(), at < 32 ? 10u : 9u) << at;
    for (const auto& read : *labels) {
      const Label& label = read.second;
      const auto same = std::find_if(given.begin(), given.end(), [&](const Label& one) {
        return one.id.uuid == label.id.uuid;
      });
      ASSERT_NE(same, given.end());
      EXPECT_EQ(label.value, same->value);
    }
    write_at(file, at, bytes[at]);
  }
}

TEST_F(PredictionLogTest, ALabelIsAcknowledgedOnlyWhenItIsThereWhicheverCallFails) {
  for (int failing = 1;; ++failing) {
    std::filesystem::remove_all(folder_);
    blob::FailingDisk disk(failing);
    LabelLog labels(disk, labels_);
    std::size_t acknowledged = 0;
    for (int i = 0; i < 4; ++i) {
      const Label label{make_prediction_id("bikes", kMay1 + i % 2 * kDay), 4, kMay1, kMay1, ""};
      if (labels.add({&label, 1}).ok()) ++acknowledged;
    }
    const std::size_t found = read_labels(labels_, "bikes", "2011-05-01")->size() +
                              read_labels(labels_, "bikes", "2011-05-02")->size();
    EXPECT_GE(found, acknowledged) << failing;
    EXPECT_GE(acknowledged, disk.has_failed() ? 3u : 4u) << failing;
    if (!disk.has_failed()) break;
    ASSERT_LT(failing, 100);
  }
}

TEST_F(PredictionLogTest, OldDaysExpireWithTheirLabels) {
  auto log = open();
  for (int day = 0; day < 3; ++day) {
    Prediction p = make(kMay1 + day * kDay);
    log->stream("bikes")->log(p, layout());
    const Label label{p.id, 1, kMay1, kMay1, ""};
    ASSERT_TRUE(LabelLog(disk_, labels_).add({&label, 1}).ok());
  }
  ASSERT_TRUE(log->flush().ok());
  EXPECT_EQ(*read().expire("bikes", "2011-05-03"), 2);
  EXPECT_EQ(days_in(root_ / "bikes"), std::vector<std::string>{"2011-05-03"});
  EXPECT_EQ(days_in(labels_ / "bikes"), std::vector<std::string>{"2011-05-03"});
}

TEST(DayFiles, NoDeploymentLeavesTheFolder) {
  EXPECT_EQ(folder_of("bikes-2.v1_x"), "bikes-2.v1_x");
  EXPECT_EQ(folder_of(".."), "%2E.");
  EXPECT_EQ(folder_of("../a b"), "%2E.%2Fa%20b");
}

TEST(PredictionFrames, NoByteOfABrokenFrameIsTrusted) {
  Prediction p;
  p.id = make_prediction_id("bikes", kMay1);
  p.rows = 2;
  p.cells = {1, 2, 3, 4};
  p.outputs = {5, 6};
  const std::string head = layout_frame({"m", "1", {{"a", {}, false}, {"b", {}, false}}, {"o"}}, 0);
  std::string payload;
  append_prediction_frame(payload, p, 0);
  for (std::size_t size = 1; size < payload.size(); ++size) {
    FrameReader reader("bikes");
    ASSERT_TRUE(reader.read(head).ok());
    EXPECT_FALSE(reader.read(payload.substr(0, size)).ok()) << size;
  }
  for (std::size_t size = 1; size < head.size(); ++size) {
    EXPECT_FALSE(FrameReader("bikes").read(head.substr(0, size)).ok()) << size;
  }
  FrameReader reader("bikes");
  EXPECT_FALSE(reader.read(payload).ok());  // without its layout
  ASSERT_TRUE(reader.read(head).ok());
  EXPECT_EQ((*reader.read(payload))->outputs, p.outputs);
}

TEST(PredictionFrames, WhoseFeaturesWereLookedUpStandsAtTheEndWhole) {
  Prediction p;
  p.id = make_prediction_id("bikes", kMay1);
  p.rows = 2;
  p.cells = {1, 2};
  p.outputs = {5, 6};
  const std::string head = layout_frame({"m", "1", {{"a", {}, true}}, {"o"}}, 0);
  std::string before, payload;
  append_prediction_frame(before, p, 0);
  p.looked_up = LookedUp{"v", "01", {{"k", Keep::kValue}, {"h", Keep::kHash}}, {"1", "", "2", "z"}};
  append_prediction_frame(payload, p, 0);
  FrameReader reader("bikes");
  ASSERT_TRUE(reader.read(head).ok());
  EXPECT_EQ((*reader.read(payload))->looked_up, p.looked_up);
  EXPECT_EQ((*reader.read(before))->looked_up, std::nullopt) << "as all were once";
  for (std::size_t size = before.size() + 1; size < payload.size(); ++size)
    EXPECT_FALSE(reader.read(payload.substr(0, size)).ok()) << size;
  EXPECT_FALSE(reader.read(payload + "x").ok());

  std::string without;
  p.looked_up->values.pop_back();
  append_prediction_frame(without, p, 0);
  EXPECT_EQ(without, before) << "keys that are not those of the rows are not kept";
}

// Files of before layouts had numbers: theirs is their place among the layouts.
TEST(PredictionFrames, UnnumberedLayoutsAreCountedAsLongAsNothingIsMissing) {
  const auto old_frame = [](const std::string& version) {
    std::string frame = layout_frame({"m", version, {{"a", {}, false}}, {"o"}}, 0);
    frame.erase(1, 4);
    frame[0] = 1;
    return frame;
  };
  const auto answer = [](std::uint32_t number) {
    Prediction p;
    p.id = make_prediction_id("bikes", kMay1);
    p.rows = 1;
    p.cells = {1};
    p.outputs = {2};
    std::string payload;
    append_prediction_frame(payload, p, number);
    return payload;
  };
  FrameReader whole("bikes"), cut("bikes");
  for (FrameReader* reader : {&whole, &cut}) {
    ASSERT_TRUE(reader->read(old_frame("1")).ok());
    if (reader == &cut) reader->miss();
    ASSERT_TRUE(reader->read(old_frame("2")).ok());
    ASSERT_TRUE(reader->read(answer(0)).ok());
    EXPECT_EQ(reader->layout().version, "1");
  }
  ASSERT_TRUE(whole.read(answer(1)).ok());
  EXPECT_EQ(whole.layout().version, "2");
  EXPECT_EQ(cut.read(answer(1)).error().code, Code::kMissing);
}

}  // namespace
}  // namespace slipway::serving
