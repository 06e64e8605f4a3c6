#include "domain/serving/prediction_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>

#include "base/ids.h"
#include "domain/serving/day_files.h"
#include "domain/serving/predictions.h"
#include "io/blob/blob_testing.h"

namespace slipway::serving {
namespace {

constexpr UnixMs kMay1 = 1'304'208'000'000;  // 2011-05-01T00:00:00Z
constexpr UnixMs kHour = 3'600'000;
constexpr UnixMs kDay = 24 * kHour;

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
  const std::string head = layout_frame({"m", "1", {{"a", {}, false}, {"b", {}, false}}, {"o"}});
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

}  // namespace
}  // namespace slipway::serving
