#include "domain/features/online.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/text.h"
#include "domain/features/online_log.h"
#include "domain/features/online_table.h"
#include "domain/features/row.h"

namespace slipway::features {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLogsMax = 16;  // more are made into a snapshot at a start
constexpr char kLockName[] = "lock";
constexpr std::string_view kLogPrefix = "log-";
constexpr std::string_view kSnapshotPrefix = "snapshot-";
constexpr std::string_view kTemporarySuffix = ".tmp";

std::string name_of(std::string_view prefix, std::uint64_t generation) {
  std::string digits = std::to_string(generation);
  return std::string(prefix) + std::string(20 - digits.size(), '0') + digits;
}

std::optional<std::uint64_t> generation_in(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + 20) return std::nullopt;
  const std::optional<std::int64_t> number = to_int64(name.substr(prefix.size()));
  if (!number || *number < 1) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

/// The bytes of a file, for reading.
class MappedFile {
 public:
  static Result<MappedFile> open(const fs::path& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return system_error("cannot open " + path.string(), errno);
    struct stat status {};
    if (fstat(fd.get(), &status) != 0) return system_error("cannot read " + path.string(), errno);
    MappedFile file;
    file.size_ = static_cast<std::size_t>(status.st_size);
    if (file.size_ == 0) return file;
    file.data_ = mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (file.data_ == MAP_FAILED) {
      file.data_ = nullptr;
      return system_error("cannot map " + path.string(), errno);
    }
    return file;
  }
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  std::string_view bytes() const {
    return data_ == nullptr ? std::string_view()
                            : std::string_view(static_cast<const char*>(data_), size_);
  }

 private:
  MappedFile() = default;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A file that grows by frames, each synced before append() returns.
class FrameFile {
 public:
  static Result<FrameFile> create(blob::Disk& disk, const fs::path& path, log::Kind kind,
                                  std::uint64_t generation, std::uint64_t previous_bytes) {
    FrameFile file;
    file.header_ = {kind, generation, 0, previous_bytes};
    std::uint64_t& nonce = file.header_.nonce;
    random_bytes(std::as_writable_bytes(std::span(&nonce, 1)));
    file.fd_ = Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.fd_) return system_error("cannot create " + path.string(), errno);
    const std::string header = encode(file.header_);
    TRY(disk.write(file.fd_.get(), header));
    TRY(disk.sync(file.fd_.get()));
    file.bytes_ = header.size();
    return file;
  }

  Result<> write(blob::Disk& disk, std::uint64_t first_seq, std::string_view payload) {
    const std::string frame = encode(header_, {first_seq, payload});
    TRY(disk.write(fd_.get(), frame));
    bytes_ += frame.size();
    return {};
  }
  Result<> sync(blob::Disk& disk) { return disk.sync(fd_.get()); }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t generation() const { return header_.generation; }

 private:
  Fd fd_;
  log::Header header_;
  std::uint64_t bytes_ = 0;
};

Result<> check_put(const StoredView& view, const std::vector<Type>& columns, const Put& put) {
  const auto fits = [](const std::vector<Type>& types, const std::vector<Value>& values) {
    if (types.size() != values.size()) return false;
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (!is_null(values[i]) && type_of(values[i]) != types[i]) return false;
    }
    return true;
  };
  if (put.key.empty() || put.key.size() > kKeyBytesMax || !unpack_key(put.key)) {
    return invalid("a row of " + view.id + " has no key, or none of at most " +
                   std::to_string(kKeyBytesMax) + " bytes");
  }
  if (!is_in_calendar(put.event_us)) {
    return invalid("a row of " + view.id + " has an event time beyond the years 1 to 9999");
  }
  if (put.deleted) return {};
  if (fits(columns, put.values) && fits(view.operands, put.operands)) return {};
  return invalid("a row of " + view.id + " has not the columns of the view");
}

log::PutRecord to_record(std::uint32_t number, const StoredView& view,
                         const std::vector<Type>& columns, Put put) {
  log::PutRecord record;
  record.view = number;
  record.key = std::move(put.key);
  record.event_us = put.event_us;
  record.created_us = put.created_us;
  record.order = put.order;
  record.deleted = put.deleted;
  if (put.deleted) return record;
  record.row = encode_row(columns, put.values);
  record.operands = encode_row(view.operands, put.operands);
  return record;
}

/// What waits for the writer: puts of one call, a definition, or the wish for a new log.
struct Job {
  std::vector<log::PutRecord> puts;
  std::optional<log::DefineRecord> define;
  bool rotate = false;
  std::string payload;
  Done<> done;
};

class MemoryStore final : public OnlineStore {
 public:
  MemoryStore(fs::path folder, Metrics& metrics, OnlineOptions options)
      : folder_(std::move(folder)),
        options_(options),
        disk_(options.disk != nullptr ? *options.disk : real_disk_),
        tables_(kOnlineViewsMax),
        queue_(options.queue_max),
        compactions_(1),
        rows_(metrics.counter("slipway_feature_rows_written_total",
                              "rows acknowledged by the online store")),
        late_(metrics.counter("slipway_feature_rows_late_total",
                              "rows that an entity's newer row made superfluous")),
        groups_(metrics.counter("slipway_feature_log_syncs_total", "groups of writes synced")),
        failures_(metrics.counter("slipway_feature_log_failures_total",
                                  "groups of writes that the disk refused")),
        forgotten_(metrics.counter("slipway_feature_events_forgotten_total",
                                   "events of entities that have too many")),
        snapshot_failures_(metrics.counter("slipway_feature_snapshot_failures_total",
                                           "snapshots that could not be written")) {}

  ~MemoryStore() override {
    compactions_.close();
    if (compactor_.joinable()) compactor_.join();
    queue_.close();
    if (writer_.joinable()) writer_.join();
  }

  Result<> start() {
    TRY(take_folder());
    TRY(load());
    TRY(begin_log(next_generation_));
    writer_ = std::thread([this] { run_writer(); });
    compactor_ = std::thread([this] { run_compactor(); });
    if (log_generation_ - oldest_log_ > kLogsMax) compactions_.push(true);
    return {};
  }

  Result<ViewNumber> define(const StoredView& view) override {
    std::lock_guard lock(define_mutex_);
    if (view.operands.size() > kOperandsMax) {
      return invalid(view.id + " has more than " + std::to_string(kOperandsMax) + " operands");
    }
    if (std::optional<ViewNumber> known = find(view.id)) {
      const StoredView& there = table(*known)->view();
      const bool same = there.column_types() == view.column_types() &&
                        there.operands == view.operands && there.reach_us == view.reach_us;
      if (same) return *known;
      return conflict(view.id + " is known with other columns");
    }
    const ViewNumber number = views_count_.load();
    if (number == kOnlineViewsMax) return busy("the online store has its most views already");
    Job job;
    job.define = log::DefineRecord{number, view};
    append(job.payload, *job.define);
    TRY(enqueue_and_wait(std::move(job)));
    return number;
  }

  std::optional<ViewNumber> find(std::string_view id) const override {
    for (ViewNumber number = 0; number < views_count_.load(); ++number) {
      if (table(number)->view().id == id) return number;
    }
    return std::nullopt;
  }

  std::vector<StoredView> views() const override {
    std::vector<StoredView> all;
    for (ViewNumber number = 0; number < views_count_.load(); ++number) {
      all.push_back(table(number)->view());
    }
    return all;
  }

  void put_later(ViewNumber view, std::vector<Put> puts, Done<> done) override {
    Result<Job> job = make_job(view, std::move(puts));
    if (!job.ok()) return done(job.error());
    job->done = std::move(done);
    enqueue(std::move(*job));
  }

  Found get(ViewNumber view, std::string_view key, const WithHistory& with_history) const override {
    if (view >= views_count_.load(std::memory_order_acquire)) return {};
    return table(view)->get(key, with_history);
  }

  Result<> compact() override {
    std::lock_guard lock(compaction_mutex_);
    Job job;
    job.rotate = true;
    TRY(enqueue_and_wait(std::move(job)));
    const std::uint64_t generation = log_generation_.load();
    TRY(write_snapshot(generation));
    remove_before(generation);
    return {};
  }

  Size size() const override {
    Size size;
    for (ViewNumber number = 0; number < views_count_.load(); ++number) {
      table(number)->count(size);
    }
    size.log_bytes = log_bytes_.load();
    size.logs = log_generation_.load() - oldest_log_.load() + 1;
    return size;
  }

 private:
  OnlineTable* table(ViewNumber number) const { return tables_[number].get(); }

  // ---- opening

  Result<> take_folder() {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) return unavailable("cannot make " + folder_.string() + ": " + error.message());
    folder_fd_ = Fd(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_fd_) return system_error("cannot open " + folder_.string(), errno);
    lock_ =
        Fd(::open((folder_ / kLockName).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock_) return system_error("cannot open the lock of " + folder_.string(), errno);
    if (flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
    return with_tag(conflict("another process has the online store in " + folder_.string()),
                    "owned");
  }

  struct FilesFound {
    std::map<std::uint64_t, fs::path> logs, snapshots;
  };
  Result<FilesFound> list_files() {
    FilesFound files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
      const std::string name = entry.path().filename().string();
      if (name == kLockName) continue;
      if (name.ends_with(kTemporarySuffix)) {
        fs::remove(entry.path(), error);
      } else if (auto number = generation_in(name, kLogPrefix)) {
        files.logs[*number] = entry.path();
      } else if (auto snapshot = generation_in(name, kSnapshotPrefix)) {
        files.snapshots[*snapshot] = entry.path();
      } else {
        return with_tag(invalid(folder_.string() + " holds '" + name +
                                "', which is no file of an online store"),
                        "damaged");
      }
    }
    if (error) return unavailable("cannot read " + folder_.string() + ": " + error.message());
    return files;
  }

  static Error gap(const fs::path& file) {
    return with_tag(invalid(file.string() +
                            " is missing: something that was acknowledged is lost. "
                            "Restore the folder from a copy, or remove it and materialize again"),
                    "damaged");
  }

  Result<> load() {
    const FilesFound files = TRY(list_files());
    std::uint64_t first = 1;
    if (!files.snapshots.empty()) {
      first = files.snapshots.rbegin()->first;
      TRY(load_snapshot(files.snapshots.rbegin()->second, first));
    }
    next_generation_ = first;
    oldest_log_ = first;
    for (const auto& [generation, path] : files.logs) {
      if (generation < first) continue;  // older than the snapshot: a removal that was cut short
      if (generation != next_generation_) {
        return gap(folder_ / name_of(kLogPrefix, next_generation_));
      }
      const std::uint64_t before = acknowledged_bytes_;
      const bool used = TRY(load_log(path, generation));
      ++next_generation_;
      // One that nothing was written to is begun again, so that restarts don't pile up files.
      if (!used && generation == files.logs.rbegin()->first && generation > first) {
        next_generation_ = generation;
        acknowledged_bytes_ = before;
      }
    }
    // A log is in its place before a snapshot names it.
    if (next_generation_ == first && !files.snapshots.empty()) {
      return gap(folder_ / name_of(kLogPrefix, first));
    }
    remove_before(first);
    return {};
  }

  Error misplaced(const fs::path& path) const {
    return with_tag(invalid(path.string() + " is damaged: it is not the file that its name says"),
                    "damaged");
  }

  Result<> load_snapshot(const fs::path& path, std::uint64_t generation) {
    const MappedFile file = TRY(MappedFile::open(path));
    const log::Contents contents = TRY(log::parse(file.bytes(), path.string()));
    const Error error =
        with_tag(invalid(path.string() + " is damaged: it is not complete"), "damaged");
    if (!contents.header || contents.torn) return error;
    if (contents.header->kind != log::Kind::kSnapshot ||
        contents.header->generation != generation) {
      return misplaced(path);
    }
    std::uint64_t entries = 0;
    bool complete = false;
    log::Visitor visitor;
    visitor.define = [&](log::DefineRecord record) { return add_view(std::move(record), path); };
    visitor.put = [&](log::PutRecord, std::uint64_t) -> Result<> { return error; };
    visitor.entry = [&](log::EntryRecord record) -> Result<> {
      ++entries;
      return restore_entry(std::move(record), path);
    };
    visitor.end = [&](const log::EndRecord& record) -> Result<> {
      complete = record.entries == entries;
      next_seq_ = record.next_seq;
      return {};
    };
    for (const log::Frame& frame : contents.frames) {
      if (complete) return error;  // nothing stands behind the end
      TRY(log::visit(frame, path.string(), visitor));
    }
    if (!complete) return error;
    snapshot_bytes_ = file.bytes().size();
    return {};
  }

  /// Whether anything stands in it.
  Result<bool> load_log(const fs::path& path, std::uint64_t generation) {
    const MappedFile file = TRY(MappedFile::open(path));
    const log::Contents contents = TRY(log::parse(file.bytes(), path.string()));
    if (!contents.header) return false;  // the power went before it was used
    if (contents.header->kind != log::Kind::kLog || contents.header->generation != generation) {
      return misplaced(path);
    }
    // What the log before had acknowledged must have been read.
    if (generation > oldest_log_ && acknowledged_bytes_ < contents.header->previous_bytes) {
      return with_tag(invalid(folder_.string() + "/" + name_of(kLogPrefix, generation - 1) +
                              " is damaged: its end is missing"),
                      "damaged");
    }
    acknowledged_bytes_ = contents.good_bytes;
    if (contents.torn) {
      log_info("the end of a feature log was cut off: what stood there was never acknowledged",
               {{"file", path.string()}});
    }
    log::Visitor visitor;
    visitor.define = [&](log::DefineRecord record) { return add_view(std::move(record), path); };
    visitor.put = [&](const log::PutRecord& record, std::uint64_t seq) {
      return replay(record, seq, path);
    };
    visitor.entry = [&](const log::EntryRecord&) -> Result<> { return misplaced(path); };
    visitor.end = [&](const log::EndRecord&) -> Result<> { return misplaced(path); };
    for (const log::Frame& frame : contents.frames) {
      TRY(log::visit(frame, path.string(), visitor));
    }
    log_bytes_ += file.bytes().size();
    return !contents.frames.empty() || contents.torn;
  }

  static Error no_such_view(const fs::path& path) {
    return with_tag(invalid(path.string() + " is damaged: a row does not fit its view"), "damaged");
  }

  Result<> add_view(log::DefineRecord record, const fs::path& path) {
    const std::uint32_t count = views_count_.load();
    if (record.view < count) {  // a snapshot knew it already
      const StoredView& there = table(record.view)->view();
      if (there.id != record.stored.id || there.column_types() != record.stored.column_types() ||
          there.operands != record.stored.operands) {
        return no_such_view(path);
      }
      return {};
    }
    if (record.view != count || count == kOnlineViewsMax ||
        record.stored.operands.size() > kOperandsMax || record.stored.reach_us < 0 ||
        record.stored.reach_us > 4'000 * kDayUs) {
      return no_such_view(path);
    }
    tables_[count] = std::make_unique<OnlineTable>(std::move(record.stored));
    views_count_.store(count + 1, std::memory_order_release);
    return {};
  }

  Result<> replay(const log::PutRecord& record, std::uint64_t seq, const fs::path& path) {
    if (record.view >= views_count_.load()) return no_such_view(path);
    OnlineTable& there = *table(record.view);
    const bool fits = record.deleted || (is_row(there.column_types(), record.row) &&
                                         is_row(there.view().operands, record.operands));
    if (!fits || !is_in_calendar(record.event_us) || !unpack_key(record.key)) {
      return no_such_view(path);
    }
    next_seq_ = std::max(next_seq_.load(), seq + 1);
    there.apply(record, seq);
    return {};
  }

  Result<> restore_entry(log::EntryRecord record, const fs::path& path) {
    if (record.view >= views_count_.load()) return no_such_view(path);
    OnlineTable& there = *table(record.view);
    bool fits = (!record.has_row || record.deleted || is_row(there.column_types(), record.row)) &&
                unpack_key(record.key) && (record.events.empty() || !there.view().operands.empty());
    for (const log::EntryRecord::Event& event : record.events) {
      fits =
          fits && is_row(there.view().operands, event.operands) && is_in_calendar(event.id.at_us);
    }
    if (!fits) return no_such_view(path);
    there.restore(std::move(record));
    return {};
  }

  // ---- writing

  Result<Job> make_job(ViewNumber view, std::vector<Put> puts) {
    if (view >= views_count_.load(std::memory_order_acquire)) return missing("no such view");
    const OnlineTable& there = *table(view);
    Job job;
    job.puts.reserve(puts.size());
    for (Put& put : puts) {
      TRY(check_put(there.view(), there.column_types(), put));
      job.puts.push_back(to_record(view, there.view(), there.column_types(), std::move(put)));
      const log::PutRecord& record = job.puts.back();
      if (record.row.size() + record.operands.size() > kRowBytesMax) {
        return invalid("a row of " + there.view().id + " is longer than " +
                       std::to_string(kRowBytesMax) + " bytes");
      }
      append(job.payload, record);
      if (job.payload.size() > kPutBytesMax) {
        return invalid("a write is longer than " + std::to_string(kPutBytesMax) +
                       " bytes: cut it into several");
      }
    }
    return job;
  }

  void enqueue(Job job) {
    const std::uint64_t bytes = job.payload.size();
    if (queued_bytes_.fetch_add(bytes) + bytes > options_.queue_bytes_max || !queue_.push(job)) {
      queued_bytes_ -= bytes;
      job.done(busy("too many writes wait for the online store"));
    }
  }

  Result<> enqueue_and_wait(Job job) {
    auto answer = std::make_shared<std::promise<Result<>>>();
    std::future<Result<>> future = answer->get_future();
    job.done = [answer](Result<> result) { answer->set_value(std::move(result)); };
    enqueue(std::move(job));
    return future.get();
  }

  void run_writer() {
    while (true) {
      std::vector<Job> jobs = queue_.pop_many(options_.group_max);
      if (jobs.empty()) return;
      commit(jobs);
    }
  }

  void commit(std::vector<Job>& jobs) {
    std::string payload;
    bool rotates = false;
    for (const Job& job : jobs) {
      payload += job.payload;
      rotates = rotates || job.rotate;
    }
    const std::uint64_t first_seq = next_seq_;
    Result<> written = make_durable(first_seq, payload);
    if (written.ok())
      apply(jobs);
    else
      skip(jobs);
    if (written.ok() && rotates) written = begin_log(log_generation_ + 1);
    queued_bytes_ -= payload.size();
    for (Job& job : jobs) job.done(job.rotate || !written.ok() ? written : Result<>());
    if (written.ok() &&
        log_bytes_.load() > std::max(options_.log_bytes_max, snapshot_bytes_.load())) {
      compactions_.push(true);  // one is waiting already: good enough
    }
  }

  Result<> make_durable(std::uint64_t first_seq, const std::string& payload) {
    if (payload.empty()) return {};
    Result<> written = [&]() -> Result<> {
      // What a failed write has left in a log is not known: nothing is written behind it.
      if (log_failed_) TRY(begin_log(log_generation_ + 1));
      TRY(log_->write(disk_, first_seq, payload));
      return log_->sync(disk_);
    }();
    if (!written.ok()) {
      failures_.add();
      log_failed_ = true;
      return written;
    }
    groups_.add();
    acknowledged_bytes_ = log_->bytes();
    log_bytes_ += payload.size() + log::kFrameHeaderBytes;
    return {};
  }

  /// A group that failed may be found by the next start: nothing else has its numbers.
  void skip(const std::vector<Job>& jobs) {
    for (const Job& job : jobs) next_seq_ += job.puts.size();
  }

  void apply(std::vector<Job>& jobs) {
    for (Job& job : jobs) {
      if (job.define) {
        tables_[job.define->view] = std::make_unique<OnlineTable>(job.define->stored);
        views_count_.store(job.define->view + 1, std::memory_order_release);
      }
      for (const log::PutRecord& put : job.puts) {
        const OnlineTable::Applied applied = table(put.view)->apply(put, next_seq_++);
        if (!applied.row_changed) late_.add();
        if (applied.forgotten > 0) forgotten_.add(static_cast<double>(applied.forgotten));
      }
      rows_.add(static_cast<double>(job.puts.size()));
    }
  }

  /// A log is used only when its name is durable, and a gap in the names means damage: so the next
  /// one gets the same name when this one could not be made.
  Result<> begin_log(std::uint64_t generation) {
    const fs::path path = folder_ / name_of(kLogPrefix, generation);
    unlink(path.c_str());
    log_failed_ = true;
    FrameFile made =
        TRY(FrameFile::create(disk_, path, log::Kind::kLog, generation, acknowledged_bytes_));
    TRY(disk_.sync(folder_fd_.get()));
    acknowledged_bytes_ = made.bytes();
    log_.emplace(std::move(made));
    log_generation_ = generation;
    log_failed_ = false;
    return {};
  }

  // ---- snapshots

  void run_compactor() {
    while (compactions_.pop()) {
      Result<> compacted = compact();
      if (compacted.ok()) continue;
      snapshot_failures_.add();
      log_error("a snapshot of the online store failed; its log grows on",
                {{"error", compacted.error().message}});
    }
  }

  Result<> write_snapshot(std::uint64_t generation) {
    const std::string name = name_of(kSnapshotPrefix, generation);
    const std::string temporary = name + std::string(kTemporarySuffix);
    unlink((folder_ / temporary).c_str());
    Result<> written = fill_snapshot(folder_ / temporary, generation);
    if (!written.ok()) {
      unlink((folder_ / temporary).c_str());
      return written;
    }
    TRY(disk_.rename(folder_fd_.get(), temporary, folder_fd_.get(), name));
    return disk_.sync(folder_fd_.get());
  }

  Result<> fill_snapshot(const fs::path& path, std::uint64_t generation) {
    FrameFile file = TRY(FrameFile::create(disk_, path, log::Kind::kSnapshot, generation, 0));
    const std::uint32_t views = views_count_.load(std::memory_order_acquire);
    // What is written meanwhile stands in the new log too, and is the same when it is read again.
    log::EndRecord end;
    end.next_seq = 1;
    std::string defines;
    for (std::uint32_t number = 0; number < views; ++number) {
      append(defines, log::DefineRecord{number, table(number)->view()});
    }
    TRY(file.write(disk_, 0, defines));
    for (std::uint32_t number = 0; number < views; ++number) {
      for (std::size_t shard = 0; shard < OnlineTable::kShards; ++shard) {
        for (const std::string& payload : table(number)->snapshot(shard, number, end.entries)) {
          if (!payload.empty()) TRY(file.write(disk_, 0, payload));
        }
      }
    }
    end.next_seq = next_seq_.load();
    std::string last;
    append(last, end);
    TRY(file.write(disk_, 0, last));
    TRY(file.sync(disk_));
    snapshot_bytes_ = file.bytes();
    return {};
  }

  /// What stays behind is removed by the next start.
  void remove_before(std::uint64_t generation) {
    std::error_code error;
    std::uint64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
      const std::string name = entry.path().filename().string();
      const std::optional<std::uint64_t> log = generation_in(name, kLogPrefix);
      const std::optional<std::uint64_t> snapshot = generation_in(name, kSnapshotPrefix);
      if (log && *log >= generation) {
        bytes += entry.file_size(error);
      } else if ((log && *log < generation) || (snapshot && *snapshot < generation)) {
        unlink(entry.path().c_str());
      }
    }
    oldest_log_ = generation;
    log_bytes_ = bytes;
  }

  const fs::path folder_;
  const OnlineOptions options_;
  blob::Disk real_disk_;
  blob::Disk& disk_;
  Fd folder_fd_, lock_;

  std::vector<std::unique_ptr<OnlineTable>> tables_;  // never moved; the first views_count_ are set
  std::atomic<std::uint32_t> views_count_ = 0;
  std::mutex define_mutex_;

  Queue<Job> queue_;
  std::atomic<std::uint64_t> queued_bytes_ = 0;
  Queue<bool> compactions_;
  std::mutex compaction_mutex_;

  // The writer's, after start().
  std::optional<FrameFile> log_;
  bool log_failed_ = false;
  std::atomic<std::uint64_t> next_seq_ = 1;
  std::atomic<std::uint64_t> log_generation_ = 0;
  std::uint64_t next_generation_ = 1;
  std::uint64_t acknowledged_bytes_ = 0;  // of the log before the next one

  std::atomic<std::uint64_t> log_bytes_ = 0, snapshot_bytes_ = 0, oldest_log_ = 1;
  Counter &rows_, &late_, &groups_, &failures_, &forgotten_, &snapshot_failures_;
  std::thread writer_, compactor_;
};

}  // namespace

std::vector<Type> StoredView::column_types() const {
  std::vector<Type> types;
  for (const Input& column : columns) types.push_back(column.type);
  return types;
}

Result<std::unique_ptr<OnlineStore>> OnlineStore::open(const fs::path& folder, Metrics& metrics,
                                                       OnlineOptions options) {
  auto store = std::make_unique<MemoryStore>(folder, metrics, options);
  TRY(store->start());
  return std::unique_ptr<OnlineStore>(std::move(store));
}

Result<> OnlineStore::put(ViewNumber view, std::vector<Put> puts) {
  auto answer = std::make_shared<std::promise<Result<>>>();
  std::future<Result<>> future = answer->get_future();
  put_later(view, std::move(puts), [answer](Result<> r) { answer->set_value(std::move(r)); });
  return future.get();
}

}  // namespace slipway::features
