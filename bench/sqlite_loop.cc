// What SQLite itself can do with the rows of one request of the tracking API: the statements and
// nothing else, on one thread, a commit per group of writes.
//
//   sqlite_loop --database FILE --schema FILE --runs 8 --series 1 --points 1 --blob-bytes 23
//   --group 4.2 --seconds 3
//
// One write is what the server stores for one request: `series` rows of metric_series are made or
// brought up to date, and one row of metric_batches gets the points as bytes. The tables come from
// the server's own catalogue (--schema). Settings that decide durability and cost are the server's:
// WAL, synchronous=FULL, foreign keys on. Copying the log into the database file is SQLite's own,
// every 1,000 pages. Prints one JSON object, with the time of a bare 4 KiB pwrite and fdatasync in
// the same folder measured afterwards.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "sqlite_loop: %s\n", what.c_str());
  std::exit(2);
}

struct Plan {
  std::string database, schema;
  std::int64_t runs = 8, series = 1, points = 1;
  bool into_chunks = false;  // not into batches
  std::size_t blob_bytes = 32;
  double group = 1;  // writes of one commit, on average
  double seconds = 3;
};

Plan parse_plan(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  if (argc % 2 == 0) fail("every flag has a value");
  for (int i = 1; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  auto number = [&](const char* flag, double fallback) {
    auto found = flags.find(flag);
    return found == flags.end() ? fallback : std::strtod(found->second.c_str(), nullptr);
  };
  Plan plan;
  plan.database = flags["--database"];
  plan.schema = flags["--schema"];
  plan.runs = static_cast<std::int64_t>(number("--runs", 8));
  plan.series = static_cast<std::int64_t>(number("--series", 1));
  plan.points = static_cast<std::int64_t>(number("--points", 1));
  plan.into_chunks = flags["--into"] == "metric_chunks";
  plan.blob_bytes = static_cast<std::size_t>(number("--blob-bytes", 32));
  plan.group = std::max(1.0, number("--group", 1));
  plan.seconds = number("--seconds", 3);
  if (plan.database.empty() || plan.schema.empty()) fail("--database and --schema are needed");
  return plan;
}

std::string read_all(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) fail("cannot read " + file);
  return {std::istreambuf_iterator<char>(in), {}};
}

double cpu_so_far_s() {
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(own.ru_utime) + seconds(own.ru_stime);
}

// --- SQLite ------------------------------------------------------------------------------------

constexpr char kAddToSeries[] = R"sql(
insert into metric_series (run, key, points, value, is_nan, timestamp_ms, step, min_value, max_value, first_step,
                           last_step)
values (?1, ?2, ?3, ?4, 0, ?5, ?6, ?4, ?4, ?6, ?6)
on conflict (run, key) do update set
  points = points + excluded.points, value = excluded.value, timestamp_ms = excluded.timestamp_ms,
  step = excluded.step, min_value = min(min_value, excluded.min_value),
  max_value = max(max_value, excluded.max_value), last_step = excluded.last_step)sql";
constexpr char kAddBatch[] = "insert into metric_batches (run, points, data) values (?1, ?2, ?3)";
constexpr char kAddChunk[] = R"sql(
insert into metric_chunks (series, points, data, chunk, first_ms, last_ms) values (?1, ?2, ?3, ?4, ?5, ?5 + ?2))sql";

class Database {
 public:
  explicit Database(const std::string& file) { check(sqlite3_open(file.c_str(), &db_)); }
  ~Database() {
    for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void execute(const std::string& sql) {
    check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr));
  }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
    statements_.push_back(statement);
    return statement;
  }
  void run(sqlite3_stmt* statement) {
    check(sqlite3_step(statement));
    check(sqlite3_reset(statement));
  }

 private:
  void check(int code) {
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) fail(sqlite3_errmsg(db_));
  }
  sqlite3* db_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
};

class Writes {
 public:
  Writes(Database& database, const Plan& plan)
      : database_(database),
        plan_(plan),
        blob_(plan.blob_bytes, 'b'),
        add_to_series_(database.prepare(kAddToSeries)),
        add_points_(database.prepare(plan.into_chunks ? kAddChunk : kAddBatch)),
        begin_(database.prepare("begin immediate")),
        commit_(database.prepare("commit")) {
    for (std::int64_t i = 0; i < plan.series; ++i) keys_.push_back("loss/" + std::to_string(i));
  }

  void write() {
    const std::int64_t run = 1 + static_cast<std::int64_t>(writes_) % plan_.runs;
    for (const std::string& key : keys_) add_to_series(run, key);
    add_points(run);
    ++writes_;
  }

  /// The n-th group ends with write number n * group, so that groups have the wanted mean.
  void write_group() {
    database_.run(begin_);
    ++groups_;
    while (static_cast<double>(writes_) < static_cast<double>(groups_) * plan_.group) write();
    database_.run(commit_);
  }

  std::uint64_t writes() const { return writes_; }
  std::uint64_t groups() const { return groups_; }

 private:
  /// A run has one series where its points go into chunks, so that its number is the series' too.
  void add_points(std::int64_t run) {
    sqlite3_bind_int64(add_points_, 1, run);
    sqlite3_bind_int64(add_points_, 2, plan_.points);
    sqlite3_bind_blob64(add_points_, 3, blob_.data(), blob_.size(), SQLITE_STATIC);
    if (plan_.into_chunks) {
      const auto number = static_cast<std::int64_t>(writes_);
      sqlite3_bind_int64(add_points_, 4, number);
      sqlite3_bind_int64(add_points_, 5, 1'764'000'000'000 + number * plan_.points);
    }
    database_.run(add_points_);
  }

  void add_to_series(std::int64_t run, const std::string& key) {
    const auto step = static_cast<std::int64_t>(writes_);
    sqlite3_bind_int64(add_to_series_, 1, run);
    sqlite3_bind_text(add_to_series_, 2, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    sqlite3_bind_int64(add_to_series_, 3, plan_.points / plan_.series);
    sqlite3_bind_double(add_to_series_, 4, static_cast<double>(step % 1000) * 0.001);
    sqlite3_bind_int64(add_to_series_, 5, 1'764'000'000'000 + step);
    sqlite3_bind_int64(add_to_series_, 6, step);
    database_.run(add_to_series_);
  }

  Database& database_;
  const Plan& plan_;
  std::string blob_;
  std::vector<std::string> keys_;
  sqlite3_stmt *add_to_series_, *add_points_, *begin_, *commit_;
  std::uint64_t writes_ = 0, groups_ = 0;
};

void prepare_tables(Database& database, const Plan& plan) {
  database.execute("pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-8192;");
  database.execute(read_all(plan.schema));
  database.execute(
      "insert into experiments (id, name, artifact_location, deleted, created_ms, updated_ms) "
      "values (1, 'loop', '', 0, 0, 0)");
  for (std::int64_t run = 1; run <= plan.runs; ++run) {
    const std::string id = std::to_string(run);
    database.execute(
        "insert into runs (id, run_id, experiment, name, user_id, status, start_ms, artifact_uri, "
        "deleted) values (" +
        id + ", 'run" + id + "', 1, '', '', 'RUNNING', 0, '', 0)");
  }
  database.execute("pragma foreign_keys=on");
}

// --- the disk ----------------------------------------------------------------------------------

/// Mean time of overwriting 4 KiB and syncing it, as a log that goes round does.
double mean_sync_us(const std::string& beside) {
  constexpr int kPages = 64, kSyncs = 400;
  const std::string file = beside + ".sync";
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) fail("cannot make " + file);
  const std::vector<char> page(4096, 'p');
  for (int i = 0; i < kPages; ++i) {
    if (pwrite(fd, page.data(), page.size(), i * 4096L) != 4096) fail("cannot write " + file);
  }
  fsync(fd);
  const auto began = Clock::now();
  for (int i = 0; i < kSyncs; ++i) {
    if (pwrite(fd, page.data(), page.size(), i % kPages * 4096L) != 4096 || fdatasync(fd) != 0) {
      fail("cannot write " + file);
    }
  }
  const double us = std::chrono::duration<double, std::micro>(Clock::now() - began).count();
  close(fd);
  unlink(file.c_str());
  return us / kSyncs;
}

}  // namespace

int main(int argc, char** argv) {
  const Plan plan = parse_plan(argc, argv);
  Database database(plan.database);
  prepare_tables(database, plan);
  Writes writes(database, plan);
  writes.write_group();  // makes the first rows
  const std::uint64_t before = writes.writes(), groups_before = writes.groups();
  const double cpu_before_s = cpu_so_far_s();
  const auto began = Clock::now();
  const auto end = began + std::chrono::duration<double>(plan.seconds);
  while (Clock::now() < end) writes.write_group();
  const double wall_s = std::chrono::duration<double>(Clock::now() - began).count();
  const double cpu_s = cpu_so_far_s() - cpu_before_s;
  const auto done = static_cast<double>(writes.writes() - before);
  std::printf(
      "{\"writes\": %.0f, \"seconds\": %.6f, \"writes_per_second\": %.1f, \"rows_per_second\": "
      "%.1f, \"group\": %.3f, \"cpu_s\": %.4f, \"sync_us\": %.1f}\n",
      done, wall_s, done / wall_s, done / wall_s * static_cast<double>(plan.series + 1),
      done / static_cast<double>(writes.groups() - groups_before), cpu_s,
      mean_sync_us(plan.database));
}
