#include <benchmark/benchmark.h>
#include <sqlite3.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>

#include "base/ids.h"
#include "io/db/db.h"

// Single-row durable writes of waiting clients through the pool, and the same rows by a plain
// SQLite loop whose transactions have the size that the pool's groups had. Both with
// synchronous=FULL, on the same disk, in one run.
namespace slipway::db {
namespace {

constexpr int kRows = 40'000;
constexpr char kTable[] =
    "create table points (id bigint primary key, run text not null, key text not null, "
    "value double precision not null)";
constexpr char kInsert[] = "insert into points values (?, ?, ?, ?)";
constexpr char kRun[] = "0123456789abcdef0123456789abcdef";

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("slipway-bench-" + random_hex32())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}
double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Cost {
  double wall = 0, cpu = 0;
};
template <class F>
Cost measure(F f) {
  double wall = wall_seconds(), cpu = cpu_seconds();
  f();
  return {wall_seconds() - wall, cpu_seconds() - cpu};
}

/// As many answers as have come since the last time; waits for one.
class Answers {
 public:
  void add() {
    std::lock_guard lock(mutex_);
    if (++count_ == 1) came_.notify_one();
  }
  int take() {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [&] { return count_ > 0; });
    return std::exchange(count_, 0);
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  int count_ = 0;
};

/// One loop thread with `clients` requests in flight: a client sends its next when it has its
/// answer.
void write_by_clients(Pool& pool, int clients) {
  Answers answers;
  int sent = 0, answered = 0;
  auto send = [&] {
    std::int64_t id = ++sent;
    pool.write_later([id](Tx& tx) { return tx.run(kInsert, id, kRun, "loss", 0.5); },
                     [&answers](Result<std::int64_t> rows) {
                       if (!rows.ok()) std::abort();
                       answers.add();
                     });
  };
  for (int i = 0; i < clients; ++i) send();
  while (answered < kRows) {
    int came = answers.take();
    answered += came;
    for (int i = 0; i < came && sent < kRows; ++i) send();
  }
}

double groups_in(const Metrics& metrics) {
  std::string text = metrics.expose();
  const std::string name = "\nslipway_db_group_writes_count ";
  return std::stod(text.substr(text.find(name) + name.size()));
}

void check(int code) {
  if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) std::abort();
}

/// Rows in transactions of `group`, as short as SQLite allows.
void write_by_loop(const std::string& file, int group) {
  sqlite3* db = nullptr;
  check(sqlite3_open(file.c_str(), &db));
  check(sqlite3_exec(db, "pragma journal_mode=wal; pragma synchronous=full", nullptr, nullptr,
                     nullptr));
  check(sqlite3_exec(db, kTable, nullptr, nullptr, nullptr));
  sqlite3_stmt *insert = nullptr, *begin = nullptr, *commit = nullptr;
  check(sqlite3_prepare_v2(db, kInsert, -1, &insert, nullptr));
  check(sqlite3_prepare_v2(db, "begin immediate", -1, &begin, nullptr));
  check(sqlite3_prepare_v2(db, "commit", -1, &commit, nullptr));
  auto run = [](sqlite3_stmt* statement) {
    check(sqlite3_step(statement));
    check(sqlite3_reset(statement));
  };
  for (int id = 1; id <= kRows;) {
    run(begin);
    for (int end = std::min(kRows + 1, id + group); id < end; ++id) {
      sqlite3_bind_int64(insert, 1, id);
      sqlite3_bind_text(insert, 2, kRun, -1, SQLITE_STATIC);
      sqlite3_bind_text(insert, 3, "loss", -1, SQLITE_STATIC);
      sqlite3_bind_double(insert, 4, 0.5);
      run(insert);
    }
    run(commit);
  }
  for (sqlite3_stmt* statement : {insert, begin, commit}) sqlite3_finalize(statement);
  sqlite3_close(db);
}

void compare_with_loop(benchmark::State& state) {
  for (auto _ : state) {
    Folder folder;
    Metrics metrics;
    auto pool =
        Pool::open("sqlite://" + folder.file("pool.db"), {{"bench/0001", kTable, ""}}, metrics);
    if (!pool.ok()) return state.SkipWithError(pool.error().message.c_str());
    Cost ours = measure([&] { write_by_clients(**pool, static_cast<int>(state.range(0))); });
    double group = kRows / groups_in(metrics);
    Cost plain = measure(
        [&] { write_by_loop(folder.file("loop.db"), std::max(1, static_cast<int>(group + 0.5))); });
    state.SetIterationTime(ours.wall);
    state.counters["group"] = group;
    state.counters["writes/s"] = kRows / ours.wall;
    state.counters["loop/s"] = kRows / plain.wall;
    state.counters["ratio"] = plain.wall / ours.wall;
    state.counters["cpu_us"] = 1e6 * ours.cpu / kRows;
    state.counters["loop_cpu_us"] = 1e6 * plain.cpu / kRows;
  }
}
BENCHMARK(compare_with_loop)
    ->ArgName("clients")
    ->Arg(1)
    ->Arg(8)
    ->Arg(64)
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

void read_by_key(benchmark::State& state) {
  Folder folder;
  Metrics metrics;
  auto pool =
      Pool::open("sqlite://" + folder.file("pool.db"), {{"bench/0001", kTable, ""}}, metrics);
  if (!pool.ok()) return state.SkipWithError(pool.error().message.c_str());
  write_by_clients(**pool, 256);
  std::int64_t id = 0;
  for (auto _ : state) {
    id = id % kRows + 1;
    auto value = (*pool)->read(
        [&](Tx& tx) { return tx.one<double>("select value from points where id = ?", id); });
    if (!value.ok()) return state.SkipWithError(value.error().message.c_str());
    benchmark::DoNotOptimize(*value);
  }
}
BENCHMARK(read_by_key);

}  // namespace
}  // namespace slipway::db

BENCHMARK_MAIN();
