#include "app/outbox.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/ids.h"
#include "base/log.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKind = "facts";
constexpr std::size_t kFactsMax = 500;            // handed over at once
constexpr std::size_t kBytesMax = 8u << 20;       // of those, about
constexpr std::uint64_t kRefusedMax = 16u << 20;  // bytes of the file of refused facts

fs::path folder_of(const fs::path& state) {
  return state / "outbox";
}

enum class Wait { kNo, kYes };

/// Held as long as the outbox is somebody's. Nothing when somebody else holds it, or it is gone.
Result<std::optional<Fd>> take_lock(const fs::path& file, Wait wait) {
  Fd lock(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock && errno == ENOENT) return std::optional<Fd>();
  if (!lock) return system_error("cannot open " + file.string(), errno);
  const int how = LOCK_EX | (wait == Wait::kNo ? LOCK_NB : 0);
  int outcome = flock(lock.get(), how);
  while (outcome != 0 && errno == EINTR) outcome = flock(lock.get(), how);
  if (outcome != 0) {
    if (errno == EWOULDBLOCK) return std::optional<Fd>();
    return system_error("cannot lock " + file.string(), errno);
  }
  // Between opening and locking somebody may have found it empty, and removed it.
  struct stat status {};
  if (fstat(lock.get(), &status) != 0 || status.st_nlink == 0) return std::optional<Fd>();
  return std::optional<Fd>(std::move(lock));
}

/// Keeps what a catalogue refuses where a person can look at it.
void set_aside(const fs::path& folder, const std::string& outbox, const RefusedFact& refused,
               const wire::Json& fact) {
  log_warning("the catalogue refused a fact, which is set aside",
              {{"outbox", outbox}, {"index", refused.index}, {"why", refused.why}});
  wire::Json line;
  line.set("outbox", outbox);
  line.set("index", refused.index);
  line.set("why", refused.why);
  line.set("fact", fact);
  std::string text = wire::dump(line) + "\n";
  fs::path path = folder / "refused.jsonl";
  Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0) return;
  if (static_cast<std::uint64_t>(status.st_size) + text.size() > kRefusedMax) return;
  static_cast<void>(!write(file.get(), text.data(), text.size()));
}

/// Facts from `first` on, in batches. `first` moves on with what was taken.
Result<> deliver_all(const fs::path& folder, const std::string& name, std::int64_t& first,
                     wire::Json::Array& facts, const TakeFacts& take) {
  while (!facts.empty()) {
    wire::Json::Array batch;
    std::size_t bytes = 0;
    for (const wire::Json& fact : facts) {
      if (batch.size() == kFactsMax || bytes > kBytesMax) break;
      bytes += wire::dump(fact).size();
      batch.push_back(fact);
    }
    TakenFacts taken = TRY(take(name, first, batch));
    for (const RefusedFact& refused : taken.refused) {
      std::int64_t at = refused.index - first;
      if (at < 0 || at >= static_cast<std::int64_t>(batch.size())) continue;
      set_aside(folder, name, refused, batch[static_cast<std::size_t>(at)]);
    }
    facts.erase(facts.begin(), facts.begin() + static_cast<std::ptrdiff_t>(batch.size()));
    first += static_cast<std::int64_t>(batch.size());
  }
  return {};
}

/// It may be one that is being made, and not locked yet.
bool is_young(const fs::path& file) {
  constexpr std::chrono::minutes kYoung{1};
  std::error_code failure;
  const fs::file_time_type changed = fs::last_write_time(file, failure);
  return !failure && fs::file_time_type::clock::now() - changed < kYoung;
}

/// A frame that is no JSON, or is lost, is one that nothing can be done about; its place counts.
Result<wire::Json::Array> read_facts(const fs::path& file, blob::Damages* damages) {
  wire::Json::Array facts;
  blob::Loss loss;
  const blob::JournalVisitor visitor{[&](std::string_view payload) {
                                       Result<wire::Json> fact = wire::parse(payload);
                                       facts.push_back(fact.ok() ? std::move(*fact) : wire::Json());
                                       return true;
                                     },
                                     [&](const blob::Damage& damage) {
                                       loss.add(damage.at, damage.frames);
                                       facts.resize(facts.size() + damage.frames);
                                     }};
  TRY(blob::read_journal(file, kKind, visitor));
  blob::tell_loss(damages, file, kKind, loss);
  return facts;
}

std::vector<fs::path> outboxes_in(const fs::path& state) {
  std::vector<fs::path> files;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_of(state), failure)) {
    if (entry.path().extension() == ".log") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());  // UUIDv7: by age
  return files;
}

}  // namespace

Result<Outbox> Outbox::create(const StateFolder& state) {
  constexpr int kTries = 20;
  auto disk = std::make_unique<blob::Disk>();
  TRY(blob::make_folders(*disk, folder_of(state.path())));
  // Whoever made the state folder may not have waited for the disk.
  TRY(state.sync_entry());
  for (int i = 0; i < kTries; ++i) {
    std::string name = uuid7(SystemClock().now_ms());
    fs::path file = folder_of(state.path()) / (name + ".log");
    blob::Journal journal = TRY(blob::Journal::create(*disk, file, kKind));
    // Who looks for outboxes that were left holds it no longer than it takes to find it empty.
    std::optional<Fd> lock = TRY(take_lock(file, Wait::kYes));
    if (lock) return Outbox(std::move(disk), std::move(journal), std::move(*lock), name);
  }
  return unavailable("cannot keep a file in " + folder_of(state.path()).string());
}

Result<> Outbox::put(wire::Json fact) {
  std::string payload = wire::dump(fact);
  if (payload.size() > blob::kFrameBytesMax) {
    return invalid("a fact of " + std::to_string(payload.size()) + " bytes is too long");
  }
  std::string frame;
  blob::add_frame(frame, payload);
  TRY(journal_.append(frame));
  waiting_.push_back(std::move(fact));
  unsynced_ = true;
  return {};
}

Result<> Outbox::sync() {
  if (!unsynced_) return {};
  TRY(journal_.sync());
  unsynced_ = false;
  return {};
}

Result<> Outbox::deliver(const TakeFacts& take) {
  return deliver_all(journal_.path().parent_path(), name_, first_, waiting_, take);
}

void Outbox::close() {
  if (waiting_.empty()) unlink(journal_.path().c_str());
}

bool has_outboxes(const fs::path& state) {
  return !outboxes_in(state).empty();
}

Result<> deliver_left(const fs::path& state, const TakeFacts& take, blob::Damages* damages) {
  for (const fs::path& file : outboxes_in(state)) {
    std::optional<Fd> lock = TRY(take_lock(file, Wait::kNo));
    if (!lock) continue;  // its process lives
    Result<wire::Json::Array> facts = read_facts(file, damages);
    if (!facts.ok() && facts.error().code == Code::kInvalid) {
      log_warning("passing over a file that is no outbox", {{"file", file.string()}});
      continue;
    }
    if (!facts.ok()) return facts.error();
    if (facts->empty() && is_young(file)) continue;
    std::int64_t first = 0;
    TRY(deliver_all(file.parent_path(), file.stem().string(), first, *facts, take));
    unlink(file.c_str());
  }
  return {};
}

}  // namespace slipway::app
