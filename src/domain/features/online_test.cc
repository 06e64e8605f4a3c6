#include "domain/features/online.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "base/file.h"
#include "base/hash.h"
#include "domain/features/online_log.h"
#include "domain/features/row.h"
#include "io/blob/blob_testing.h"
#include "io/db/db_testing.h"

namespace slipway::features {
namespace {

namespace fs = std::filesystem;
using db::TemporaryFolder;

const StoredView kView = {
    "v@1", {{"x", Type::kFloat64}, {"city", Type::kString}}, {Type::kInt64}, 2 * kDayUs};

std::string key_of(std::int64_t id) {
  return pack_key(std::vector<Value>{id});
}

Put put_of(std::int64_t id, std::int64_t at_us, double x, std::int64_t created_us = kNoCreated) {
  Put put;
  put.key = key_of(id);
  put.event_us = at_us;
  put.created_us = created_us;
  put.values = {x, std::string("c") + std::to_string(id)};
  put.operands = {std::int64_t{1}};
  return put;
}

std::unique_ptr<OnlineStore> open_store(const fs::path& folder, OnlineOptions options = {}) {
  static Metrics metrics;
  Result<std::unique_ptr<OnlineStore>> store = OnlineStore::open(folder, metrics, options);
  EXPECT_TRUE(store.ok()) << store.error().message;
  return store.ok() ? std::move(*store) : nullptr;
}

std::string open_error(const fs::path& folder) {
  static Metrics metrics;
  Result<std::unique_ptr<OnlineStore>> store = OnlineStore::open(folder, metrics);
  return store.ok() ? "opened" : store.error().tag + ": " + store.error().message;
}

double x_of(const Found& found) {
  return found.present && !is_null(found.values[0]) ? std::get<double>(found.values[0]) : -1;
}

/// One call for each row, so that the writer makes groups of them; waits for all.
void put_each(OnlineStore& store, std::uint32_t view, const std::vector<Put>& puts) {
  std::vector<std::future<bool>> answers;
  for (const Put& put : puts) {
    auto answer = std::make_shared<std::promise<bool>>();
    answers.push_back(answer->get_future());
    store.put_later(view, {put}, [answer](Result<> r) { answer->set_value(r.ok()); });
  }
  for (std::future<bool>& answer : answers) EXPECT_TRUE(answer.get());
}

std::int64_t events_of(const OnlineStore& store, std::uint32_t view, std::int64_t id) {
  std::int64_t events = 0;
  store.get(view, key_of(id), [&](const History& history) {
    events = static_cast<std::int64_t>(history.events().size());
  });
  return events;
}

TEST(Online, GivesWhatWasPutAlsoAfterARestart) {
  TemporaryFolder folder;
  std::uint32_t view = 0;
  {
    auto store = open_store(folder.path() / "s");
    view = *store->define(kView);
    Put with_null = put_of(2, 20, 2.5);
    with_null.values[1] = {};
    ASSERT_TRUE(store->put(view, {put_of(1, 10, 1.5), with_null}).ok());
  }
  auto store = open_store(folder.path() / "s");
  EXPECT_EQ(store->find("v@1"), view);
  EXPECT_EQ(*store->define(kView), view);
  const Found one = store->get(view, key_of(1));
  EXPECT_TRUE(one.present);
  EXPECT_EQ(one.event_us, 10);
  EXPECT_EQ(x_of(one), 1.5);
  EXPECT_EQ(std::get<std::string>(one.values[1]), "c1");
  EXPECT_TRUE(is_null(store->get(view, key_of(2)).values[1]));
  EXPECT_FALSE(store->get(view, key_of(3)).present);
  EXPECT_EQ(events_of(*store, view, 1), 1);
}

TEST(Online, TheGreaterOfEventTimeCreatedAndWriteStays) {
  TemporaryFolder folder;
  auto store = open_store(folder.path());
  const std::uint32_t view = *store->define(kView);
  const auto write = [&](std::int64_t at, std::int64_t created, double x) {
    EXPECT_TRUE(store->put(view, {put_of(1, at, x, created)}).ok());
    return x_of(store->get(view, key_of(1)));
  };
  EXPECT_EQ(write(10, kNoCreated, 1), 1);
  EXPECT_EQ(write(9, 99, 2), 1);           // older event
  EXPECT_EQ(write(10, 5, 3), 3);           // created beats null
  EXPECT_EQ(write(10, 4, 4), 3);           // created earlier
  EXPECT_EQ(write(10, 5, 5), 5);           // equal: the later write
  EXPECT_EQ(write(11, kNoCreated, 6), 6);  // newer event
}

TEST(Online, WritingTheSameAgainChangesNothing) {
  TemporaryFolder folder;
  auto store = open_store(folder.path());
  const std::uint32_t view = *store->define(kView);
  std::vector<Put> puts;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    puts.push_back(put_of(1, static_cast<std::int64_t>(i) * 10, static_cast<double>(i)));
    puts.back().order = i;
  }
  for (int again = 0; again < 3; ++again) ASSERT_TRUE(store->put(view, puts).ok());
  EXPECT_EQ(events_of(*store, view, 1), 5);
  EXPECT_EQ(x_of(store->get(view, key_of(1))), 5);
}

TEST(Online, ADeletionHoldsAgainstOlderRowsAndEvents) {
  TemporaryFolder folder;
  {
    auto store = open_store(folder.path());
    const std::uint32_t view = *store->define(kView);
    ASSERT_TRUE(store->put(view, {put_of(1, 10, 1), put_of(1, 20, 2)}).ok());
    Put gone;
    gone.key = key_of(1);
    gone.event_us = 20;
    gone.deleted = true;
    ASSERT_TRUE(store->put(view, {gone}).ok());
    EXPECT_TRUE(store->get(view, key_of(1)).deleted);
    ASSERT_TRUE(store->put(view, {put_of(1, 15, 3)}).ok());
    EXPECT_FALSE(store->get(view, key_of(1)).present);
    EXPECT_EQ(events_of(*store, view, 1), 0);
    ASSERT_TRUE(store->compact().ok());
  }
  auto store = open_store(folder.path());
  EXPECT_TRUE(store->get(0, key_of(1)).deleted);
  ASSERT_TRUE(store->put(0, {put_of(1, 12, 3), put_of(1, 21, 4)}).ok());
  EXPECT_EQ(x_of(store->get(0, key_of(1))), 4);
  EXPECT_EQ(events_of(*store, 0, 1), 1);
}

TEST(Online, RefusesWhatDoesNotFit) {
  TemporaryFolder folder;
  auto store = open_store(folder.path());
  const std::uint32_t view = *store->define(kView);
  Put wrong = put_of(1, 10, 1);
  wrong.values[0] = std::string("text");
  EXPECT_EQ(store->put(view, {wrong}).error().code, Code::kInvalid);
  wrong = put_of(1, 10, 1);
  wrong.key = "garbage";
  EXPECT_EQ(store->put(view, {wrong}).error().code, Code::kInvalid);
  wrong = put_of(1, std::numeric_limits<std::int64_t>::max(), 1);
  EXPECT_EQ(store->put(view, {wrong}).error().code, Code::kInvalid);
  wrong = put_of(1, 10, 1);
  wrong.values[1] = std::string(kRowBytesMax + 1, 'x');
  EXPECT_EQ(store->put(view, {wrong}).error().code, Code::kInvalid);
  EXPECT_EQ(store->put(99, {put_of(1, 10, 1)}).error().code, Code::kMissing);
  StoredView other = kView;
  other.columns.pop_back();
  EXPECT_EQ(store->define(other).error().code, Code::kConflict);
  EXPECT_EQ(store->size().entities, 0u);
}

TEST(Online, RestartsDoNotPileUpFiles) {
  TemporaryFolder folder;
  for (int i = 0; i < 5; ++i) {
    auto store = open_store(folder.path());
    EXPECT_LE(store->size().logs, 2u);
    if (i > 0) continue;
    ASSERT_TRUE(store->put(*store->define(kView), {put_of(1, 1, 1)}).ok());
  }
  for (int i = 0; i < 40; ++i) {
    auto store = open_store(folder.path());
    EXPECT_LE(store->size().logs, 20u);
    ASSERT_TRUE(store->put(0, {put_of(1, 1, i)}).ok());
  }
  EXPECT_EQ(x_of(open_store(folder.path())->get(0, key_of(1))), 39);
}

TEST(Online, HasOneOwner) {
  TemporaryFolder folder;
  auto store = open_store(folder.path());
  EXPECT_EQ(open_error(folder.path()).substr(0, 7), "owned: ");
  store.reset();
  EXPECT_EQ(open_error(folder.path()), "opened");
}

TEST(Online, ForgetsEventsThatNoWindowReaches) {
  TemporaryFolder folder;
  auto store = open_store(folder.path());
  const std::uint32_t view = *store->define(kView);
  for (std::int64_t day = 0; day < 40; ++day) {
    ASSERT_TRUE(store->put(view, {put_of(1, day * kDayUs, 1)}).ok());
  }
  const std::int64_t kept = events_of(*store, view, 1);
  EXPECT_GE(kept, 4);  // two days of reach and one to look back
  EXPECT_LE(kept, 8);
}

TEST(Online, ASnapshotTakesThePlaceOfTheLogsBeforeIt) {
  TemporaryFolder folder;
  {
    auto store = open_store(folder.path());
    const std::uint32_t view = *store->define(kView);
    std::vector<Put> puts;
    for (std::int64_t i = 0; i < 500; ++i)
      puts.push_back(put_of(i % 50, i, static_cast<double>(i)));
    put_each(*store, view, puts);
    ASSERT_TRUE(store->compact().ok());
    EXPECT_EQ(store->size().logs, 1u);
    ASSERT_TRUE(store->put(view, {put_of(7, 1000, 7)}).ok());
  }
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename().string().substr(0, 4));
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"lock", "log-", "snap"}));
  auto store = open_store(folder.path());
  EXPECT_EQ(store->size().entities, 50u);
  EXPECT_EQ(x_of(store->get(0, key_of(7))), 7);
  EXPECT_EQ(x_of(store->get(0, key_of(8))), 458);
  EXPECT_EQ(events_of(*store, 0, 8), 10);
  EXPECT_EQ(events_of(*store, 0, 7), 11);
}

TEST(Online, SnapshotsAreMadeWhenTheLogHasGrown) {
  TemporaryFolder folder;
  OnlineOptions options;
  options.log_bytes_max = 20'000;
  {
    auto store = open_store(folder.path(), options);
    const std::uint32_t view = *store->define(kView);
    std::vector<Put> puts;
    for (std::int64_t i = 0; i < 3000; ++i)
      puts.push_back(put_of(i % 10, i, static_cast<double>(i)));
    put_each(*store, view, puts);
  }
  std::uintmax_t bytes = 0;
  bool snapshot = false;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    snapshot = snapshot || entry.path().filename().string().starts_with("snapshot-");
    if (entry.path().filename().string().starts_with("log-")) bytes += entry.file_size();
  }
  EXPECT_TRUE(snapshot);
  EXPECT_LT(bytes, 250'000u);  // 3,000 frames are about 400 kB
  auto store = open_store(folder.path());
  for (std::int64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(x_of(store->get(0, key_of(i))), static_cast<double>(2990 + i));
    EXPECT_EQ(events_of(*store, 0, i), 300);
  }
}

TEST(Online, ManyWritersShareSyncsWhileReadersRead) {
  TemporaryFolder folder;
  auto store = open_store(folder.path());
  const std::uint32_t view = *store->define(kView);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    double last = -1;
    while (!done) {  // rows of an entity only move on
      const double now = x_of(store->get(view, key_of(3)));
      EXPECT_GE(now, last);
      last = now;
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      for (std::int64_t i = 0; i < 100; ++i) {
        EXPECT_TRUE(store->put(view, {put_of(3, i * 4 + w, static_cast<double>(i * 4 + w))}).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  ASSERT_TRUE(store->compact().ok());
  done = true;
  reader.join();
  EXPECT_EQ(x_of(store->get(view, key_of(3))), 399);
  EXPECT_EQ(events_of(*store, view, 3), 400);
}

// ---- files that are not as they were written

std::string log_path(const fs::path& folder, int generation) {
  std::string digits = std::to_string(generation);
  return (folder / ("log-" + std::string(20 - digits.size(), '0') + digits)).string();
}

void write_five(const fs::path& folder) {
  auto store = open_store(folder);
  const std::uint32_t view = *store->define(kView);
  for (std::int64_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(store->put(view, {put_of(i, i, static_cast<double>(i))}).ok());
  }
}

/// Those before the cut are all there, those after it not at all, and it goes on.
void expect_opens(const fs::path& folder, const std::string& whole, std::size_t size) {
  SCOPED_TRACE(size);
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(log_path(folder, 1), std::ios::binary) << whole.substr(0, size);
  auto store = open_store(folder);
  ASSERT_TRUE(store);
  const std::uint64_t known = store->size().entities;
  for (std::int64_t i = 1; i <= 5; ++i) {
    EXPECT_EQ(store->get(0, key_of(i)).present, i <= static_cast<std::int64_t>(known));
  }
  EXPECT_TRUE(store->put(*store->define(kView), {put_of(9, 9, 9)}).ok());
  store.reset();
  store = open_store(folder);
  ASSERT_TRUE(store);
  EXPECT_EQ(store->size().entities, known + 1);
}

TEST(OnlineLog, ATornTailIsCutWhereverItIsTorn) {
  TemporaryFolder folder;
  write_five(folder.path() / "a");
  const std::string whole = *read_file(log_path(folder.path() / "a", 1));
  std::size_t frames = 0;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    Result<log::Contents> contents = log::parse(whole.substr(0, size), "log");
    ASSERT_TRUE(contents.ok()) << size;
    EXPECT_GE(contents->frames.size(), frames) << size;
    frames = contents->frames.size();
    if (size % 61 == 0 || size == whole.size()) expect_opens(folder.path() / "t", whole, size);
  }
  EXPECT_EQ(frames, 6u);  // the view, and five rows
}

// An unreadable frame before a readable one was acknowledged once.
TEST(OnlineLog, AByteThatChangedIsFoundUnlessItIsInTheLastFrame) {
  TemporaryFolder folder;
  write_five(folder.path() / "a");
  const std::string whole = *read_file(log_path(folder.path() / "a", 1));
  Result<log::Contents> contents = log::parse(whole, "log");
  ASSERT_TRUE(contents.ok());
  const std::size_t last =
      static_cast<std::size_t>(contents->frames.back().payload.data() - whole.data()) -
      log::kFrameHeaderBytes;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    Result<log::Contents> parsed = log::parse(bad, "log");
    if (at < last) {
      ASSERT_FALSE(parsed.ok()) << at;
      EXPECT_EQ(parsed.error().tag, "damaged");
    } else {
      ASSERT_TRUE(parsed.ok()) << at;
      EXPECT_TRUE(parsed->torn);
    }
  }
}

TEST(OnlineLog, AnAcknowledgedEndThatIsMissingIsFoundByTheNextLog) {
  TemporaryFolder folder;
  write_five(folder.path());
  {
    auto store = open_store(folder.path());  // a second log
    ASSERT_TRUE(store->put(0, {put_of(6, 6, 6)}).ok());
  }
  fs::resize_file(log_path(folder.path(), 1), fs::file_size(log_path(folder.path(), 1)) - 1);
  EXPECT_EQ(open_error(folder.path()).substr(0, 9), "damaged: ");
}

TEST(OnlineLog, AMissingLogIsFound) {
  TemporaryFolder folder;
  write_five(folder.path());
  { auto store = open_store(folder.path()); }
  fs::remove(log_path(folder.path(), 1));
  EXPECT_NE(open_error(folder.path()).find("is missing"), std::string::npos);
}

TEST(OnlineLog, FilesThatAreNoneAreRefused) {
  TemporaryFolder folder;
  std::ofstream(log_path(folder.path(), 1)) << std::string(100, 'x');
  EXPECT_EQ(open_error(folder.path()).substr(0, 9), "damaged: ");
  fs::remove(log_path(folder.path(), 1));
  std::ofstream(folder.path() / "notes.txt") << "hello";
  EXPECT_NE(open_error(folder.path()).find("holds 'notes.txt'"), std::string::npos);
  fs::remove(folder.path() / "notes.txt");
  // A log under another's name.
  write_five(folder.path());
  fs::rename(log_path(folder.path(), 1), log_path(folder.path(), 2));
  EXPECT_EQ(open_error(folder.path()).substr(0, 9), "damaged: ");
}

TEST(OnlineLog, ASnapshotThatIsCutIsRefused) {
  TemporaryFolder folder;
  {
    auto store = open_store(folder.path());
    ASSERT_TRUE(store->put(*store->define(kView), {put_of(1, 1, 1)}).ok());
    ASSERT_TRUE(store->compact().ok());
  }
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    if (!entry.path().filename().string().starts_with("snapshot-")) continue;
    const std::string whole = *read_file(entry.path());
    for (std::size_t size = 0; size < whole.size(); size += 7) {
      fs::resize_file(entry.path(), 0);
      std::ofstream(entry.path(), std::ios::binary) << whole.substr(0, size);
      EXPECT_EQ(open_error(folder.path()).substr(0, 9), "damaged: ") << size;
    }
  }
}

TEST(OnlineLog, AFrameInsideAValueIsNoFrame) {
  const log::Header header{log::Kind::kLog, 1, 4711, 0};
  const log::Header other{log::Kind::kLog, 1, 4712, 0};  // what somebody may guess
  std::string payload = encode(other, {1, "x"}) + encode(other, {1, "y"});
  std::string bytes = encode(header) + encode(header, {1, payload});
  bytes.resize(bytes.size() - 3);
  Result<log::Contents> contents = log::parse(bytes, "log");
  ASSERT_TRUE(contents.ok()) << contents.error().message;
  EXPECT_TRUE(contents->torn);
  EXPECT_TRUE(contents->frames.empty());
}

TEST(Row, ReadsBackWhatItWrites) {
  const std::vector<Type> types = {Type::kBool,   Type::kInt64,     Type::kFloat64,
                                   Type::kString, Type::kTimestamp, Type::kString};
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<Value> values = {random() % 2 == 0,
                                 static_cast<std::int64_t>(random()),
                                 static_cast<double>(random()) / 7,
                                 std::string(random() % 20, 'a'),
                                 Timestamp{static_cast<std::int64_t>(random())},
                                 std::string(random() % 3, 'b')};
    for (Value& value : values) {
      if (random() % 3 == 0) value = {};
    }
    const std::string bytes = encode_row(types, values);
    ASSERT_TRUE(is_row(types, bytes));
    const std::vector<Value> back = decode_row(types, bytes);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_TRUE(identical(values[i], back[i]));
    EXPECT_FALSE(is_row(types, bytes + "x"));
    EXPECT_FALSE(is_row(types, bytes.substr(1)) && bytes.size() == 1);
  }
}

// ---- bad days

constexpr int kWrites = 11;

/// What was acknowledged, by entity.
using Known = std::map<std::int64_t, double>;

/// Writes until an error comes, with a snapshot now and then.
Known live(OnlineStore& store, int writes) {
  Known acknowledged;
  Result<std::uint32_t> view = store.define(kView);
  if (!view.ok()) view = store.define(kView);
  if (!view.ok()) return acknowledged;
  for (int i = 0; i < writes; ++i) {
    const std::int64_t id = i % 3;
    if (store.put(*view, {put_of(id, i, i)}).ok()) acknowledged[id] = i;
    if (i % 5 == 4) (void)store.compact().ok();
  }
  return acknowledged;
}

/// Every acknowledged row is there, or a newer one.
void expect_kept(const OnlineStore& store, const Known& acknowledged) {
  for (const auto& [id, x] : acknowledged) EXPECT_GE(x_of(store.get(0, key_of(id))), x) << id;
}

class CuttingDisk final : public blob::ForgetfulDisk {
 public:
  explicit CuttingDisk(int calls) : left_(calls) {}
  Result<> write(int file, std::string_view data) override {
    if (gone()) return unavailable("the power is gone");
    return ForgetfulDisk::write(file, data);
  }
  Result<> sync(int file) override {
    if (gone()) return unavailable("the power is gone");
    return ForgetfulDisk::sync(file);
  }
  Result<> rename(int a, const std::string& from, int b, const std::string& to) override {
    if (gone()) return unavailable("the power is gone");
    return ForgetfulDisk::rename(a, from, b, to);
  }
  int calls() const { return calls_; }

 private:
  bool gone() {
    ++calls_;
    return --left_ < 0;
  }
  std::atomic<int> left_;
  std::atomic<int> calls_ = 0;
};

TEST(OnlineFaults, APowerCutAtAnyCallLosesNothingThatWasAcknowledged) {
  int calls = 0;
  {
    TemporaryFolder folder;
    CuttingDisk disk(1 << 30);
    OnlineOptions options;
    options.disk = &disk;
    live(*open_store(folder.path() / "s", options), kWrites);
    calls = disk.calls();
  }
  EXPECT_GT(calls, 35);
  int kept = 0;
  for (int call = 4; call <= calls; ++call) {
    SCOPED_TRACE(call);
    TemporaryFolder folder;
    CuttingDisk disk(call);
    OnlineOptions options;
    options.disk = &disk;
    Known acknowledged;
    {
      auto store = open_store(folder.path() / "s", options);
      ASSERT_TRUE(store);
      acknowledged = live(*store, kWrites);
    }
    disk.cut_power(folder.path() / "s", folder.path() / "after");
    auto store = open_store(folder.path() / "after");
    ASSERT_TRUE(store);
    expect_kept(*store, acknowledged);
    kept += static_cast<int>(acknowledged.size());
  }
  EXPECT_GT(kept, calls);  // it did not always come too early
}

TEST(OnlineFaults, AFailureOfAnyCallLosesNothingAndTheStoreGoesOn) {
  for (int call = 4; call < 45; ++call) {
    SCOPED_TRACE(call);
    TemporaryFolder folder;
    blob::FailingDisk disk(call);
    OnlineOptions options;
    options.disk = &disk;
    Known acknowledged;
    {
      auto store = open_store(folder.path(), options);
      ASSERT_TRUE(store);
      acknowledged = live(*store, kWrites);
      EXPECT_EQ(acknowledged.size(), 3u) << "it works again when the disk does";
      expect_kept(*store, acknowledged);
    }
    auto store = open_store(folder.path());
    ASSERT_TRUE(store);
    expect_kept(*store, acknowledged);
  }
}

// A child writes and says what was acknowledged; it is killed at a random moment.
void write_until_killed(const fs::path& folder, int report) {
  auto store = open_store(folder);
  const std::uint32_t view = *store->define(kView);
  std::int64_t step = 0;
  for (std::int64_t id = 0; id < 5; ++id) {
    step = std::max(step, static_cast<std::int64_t>(x_of(store->get(view, key_of(id)))) + 1);
  }
  for (;; ++step) {
    if (!store->put(view, {put_of(step % 5, step, static_cast<double>(step))}).ok()) _exit(1);
    if (write(report, &step, sizeof step) != sizeof step) _exit(2);
    if (step % 37 == 0) (void)store->compact().ok();
  }
}

TEST(OnlineFaults, AKillLosesNothingThatWasAcknowledged) {
  TemporaryFolder folder;
  std::mt19937 random(11);
  Known acknowledged;
  for (int trial = 0; trial < 30; ++trial) {
    SCOPED_TRACE(trial);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_until_killed(folder.path(), ends[1]);
    close(ends[1]);
    const int reports = static_cast<int>(random() % 60);
    std::int64_t step = 0;
    for (int i = 0; i < reports && read(ends[0], &step, sizeof step) == sizeof step; ++i) {
      acknowledged[step % 5] = static_cast<double>(step);
    }
    kill(child, SIGKILL);
    while (read(ends[0], &step, sizeof step) == sizeof step) {
      acknowledged[step % 5] = static_cast<double>(step);
    }
    close(ends[0]);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    auto store = open_store(folder.path());
    ASSERT_TRUE(store);
    expect_kept(*store, acknowledged);
  }
  EXPECT_EQ(acknowledged.size(), 5u);
}

}  // namespace
}  // namespace slipway::features
