#include "io/db/power_loss_testing.h"

#include <sqlite3.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <random>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace slipway::db {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSectorBytes = 512;

struct Change {
  std::size_t offset = 0;
  std::string bytes;
  bool truncates = false;  // to `offset`
};

void apply(std::string& content, const Change& change) {
  if (change.truncates) return content.resize(change.offset);
  content.resize(std::max(content.size(), change.offset + change.bytes.size()));
  std::copy(change.bytes.begin(), change.bytes.end(),
            content.begin() + static_cast<std::ptrdiff_t>(change.offset));
}

/// What a disk may have taken of a change that was not synced.
void apply_some(std::string& content, const Change& change, std::mt19937& random) {
  if (change.truncates) {
    if (random() % 2) apply(content, change);
    return;
  }
  for (std::size_t at = 0; at < change.bytes.size(); at += kSectorBytes) {
    if (random() % 2) apply(content, {change.offset + at, change.bytes.substr(at, kSectorBytes)});
  }
}

/// A file under any name: what the disk has promised, and what it was told since.
struct Inode {
  std::string synced;
  std::vector<Change> unsynced;

  void sync() {
    for (const Change& change : unsynced) apply(synced, change);
    unsynced.clear();
  }
};
using Folder = std::map<std::string, std::shared_ptr<Inode>>;  // by path

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

struct PowerLossDisk::State {
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs vfs{};
  std::string name;

  mutable std::mutex mutex;  // guards all below
  Folder now, promised;
  int calls = 0;
  int cut_at = 0;  // in terms of `calls`; 0: never
  int fail_at = 0;
  Fault fault = Fault::kIoError;
  bool until_healed = false;
  bool failed = false;

  bool is_off() const { return cut_at != 0 && calls >= cut_at; }

  enum class Kind { kWrite, kTruncate, kSync, kCreate, kRemove };
  /// Counts a change; whether it happens. Under the mutex.
  bool allows(Kind kind) {
    ++calls;
    if (is_off()) return false;
    if (fail_at == 0 || calls < fail_at) return true;
    if (calls > fail_at && !until_healed) return true;
    bool needs_space = kind == Kind::kWrite || kind == Kind::kCreate;
    if (fault == Fault::kDiskFull && calls > fail_at && !needs_space) return true;
    failed = true;
    return false;
  }
  int error(int io_error) const {
    return fault == Fault::kDiskFull && !is_off() ? SQLITE_FULL : io_error;
  }
};

namespace {

using State = PowerLossDisk::State;
using Kind = State::Kind;

/// SQLite allocates it, followed by the real VFS's own file.
struct File {
  sqlite3_file base;
  State* state;
  std::shared_ptr<Inode>* inode;  // null: a file that is not part of the database
  bool first_sync_syncs_folder;

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
File& as_file(sqlite3_file* file) {
  return *reinterpret_cast<File*>(file);
}
State& as_state(sqlite3_vfs* vfs) {
  return *static_cast<State*>(vfs->pAppData);
}

int close_file(sqlite3_file* handle) {
  File& file = as_file(handle);
  delete file.inode;
  file.inode = nullptr;
  return file.real()->pMethods->xClose(file.real());
}

int read_file_at(sqlite3_file* handle, void* to, int size, sqlite3_int64 offset) {
  File& file = as_file(handle);
  return file.real()->pMethods->xRead(file.real(), to, size, offset);
}

int write_file_at(sqlite3_file* handle, const void* from, int size, sqlite3_int64 offset) {
  File& file = as_file(handle);
  if (file.inode) {
    std::lock_guard lock(file.state->mutex);
    if (!file.state->allows(Kind::kWrite)) return file.state->error(SQLITE_IOERR_WRITE);
    std::string bytes(static_cast<const char*>(from), static_cast<std::size_t>(size));
    (*file.inode)->unsynced.push_back({static_cast<std::size_t>(offset), std::move(bytes)});
  }
  return file.real()->pMethods->xWrite(file.real(), from, size, offset);
}

int truncate_file(sqlite3_file* handle, sqlite3_int64 size) {
  File& file = as_file(handle);
  if (file.inode) {
    std::lock_guard lock(file.state->mutex);
    if (!file.state->allows(Kind::kTruncate)) return file.state->error(SQLITE_IOERR_TRUNCATE);
    (*file.inode)->unsynced.push_back({static_cast<std::size_t>(size), {}, true});
  }
  return file.real()->pMethods->xTruncate(file.real(), size);
}

int sync_file(sqlite3_file* handle, int) {
  File& file = as_file(handle);
  if (!file.inode) return SQLITE_OK;
  std::lock_guard lock(file.state->mutex);
  if (!file.state->allows(Kind::kSync)) return file.state->error(SQLITE_IOERR_FSYNC);
  (*file.inode)->sync();
  if (file.first_sync_syncs_folder) file.state->promised = file.state->now;
  file.first_sync_syncs_folder = false;
  return SQLITE_OK;
}

int file_size(sqlite3_file* handle, sqlite3_int64* size) {
  File& file = as_file(handle);
  return file.real()->pMethods->xFileSize(file.real(), size);
}
int lock_file(sqlite3_file* handle, int level) {
  File& file = as_file(handle);
  return file.real()->pMethods->xLock(file.real(), level);
}
int unlock_file(sqlite3_file* handle, int level) {
  File& file = as_file(handle);
  return file.real()->pMethods->xUnlock(file.real(), level);
}
int check_reserved(sqlite3_file* handle, int* reserved) {
  File& file = as_file(handle);
  return file.real()->pMethods->xCheckReservedLock(file.real(), reserved);
}
int control_file(sqlite3_file* handle, int what, void* argument) {
  File& file = as_file(handle);
  return file.real()->pMethods->xFileControl(file.real(), what, argument);
}
int sector_size(sqlite3_file* handle) {
  File& file = as_file(handle);
  return file.real()->pMethods->xSectorSize(file.real());
}
int characteristics(sqlite3_file* handle) {
  File& file = as_file(handle);
  return file.real()->pMethods->xDeviceCharacteristics(file.real());
}
int map_shared(sqlite3_file* handle, int region, int size, int extend, void volatile** at) {
  File& file = as_file(handle);
  return file.real()->pMethods->xShmMap(file.real(), region, size, extend, at);
}
int lock_shared(sqlite3_file* handle, int offset, int count, int flags) {
  File& file = as_file(handle);
  return file.real()->pMethods->xShmLock(file.real(), offset, count, flags);
}
void barrier_shared(sqlite3_file* handle) {
  File& file = as_file(handle);
  file.real()->pMethods->xShmBarrier(file.real());
}
int unmap_shared(sqlite3_file* handle, int remove) {
  File& file = as_file(handle);
  return file.real()->pMethods->xShmUnmap(file.real(), remove);
}

const sqlite3_io_methods kFileMethods = {2,
                                         close_file,
                                         read_file_at,
                                         write_file_at,
                                         truncate_file,
                                         sync_file,
                                         file_size,
                                         lock_file,
                                         unlock_file,
                                         check_reserved,
                                         control_file,
                                         sector_size,
                                         characteristics,
                                         map_shared,
                                         lock_shared,
                                         barrier_shared,
                                         unmap_shared,
                                         nullptr,
                                         nullptr};

/// The inode under `path`, made when `create` allows it; null when the power is gone or a creation
/// fails.
std::shared_ptr<Inode> find_or_create(State& state, const std::string& path, bool create) {
  if (auto known = state.now.find(path); known != state.now.end()) return known->second;
  if (fs::exists(path)) {
    // From before this disk: it is all there.
    auto inode = std::make_shared<Inode>(Inode{read_whole(path), {}});
    state.promised[path] = inode;
    return state.now[path] = inode;
  }
  if (!create || !state.allows(Kind::kCreate)) return nullptr;
  return state.now[path] = std::make_shared<Inode>();
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* handle, int flags, int* out_flags) {
  State& state = as_state(vfs);
  File& file = *new (handle) File{{}, &state, nullptr, false};
  constexpr int kLogs = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
  const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
  std::shared_ptr<Inode> inode;
  if (name && (flags & (SQLITE_OPEN_MAIN_DB | kLogs)) != 0) {
    std::lock_guard lock(state.mutex);
    inode = find_or_create(state, name, create);
    if (!inode) return state.error(SQLITE_CANTOPEN);
  }
  int code = state.real->xOpen(state.real, name, file.real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  file.base.pMethods = &kFileMethods;
  if (inode) file.inode = new std::shared_ptr<Inode>(std::move(inode));
  file.first_sync_syncs_folder = create && (flags & kLogs) != 0;
  return SQLITE_OK;
}

int remove_file(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  State& state = as_state(vfs);
  {
    std::lock_guard lock(state.mutex);
    if (state.now.contains(name)) {
      if (!state.allows(Kind::kRemove)) return state.error(SQLITE_IOERR_DELETE);
      state.now.erase(name);
      if (sync_folder) state.promised = state.now;
    }
  }
  return state.real->xDelete(state.real, name, 0);
}

int check_access(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  sqlite3_vfs* real = as_state(vfs).real;
  return real->xAccess(real, name, flags, result);
}
int full_path(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  sqlite3_vfs* real = as_state(vfs).real;
  return real->xFullPathname(real, name, size, out);
}
int randomness(sqlite3_vfs* vfs, int size, char* out) {
  sqlite3_vfs* real = as_state(vfs).real;
  return real->xRandomness(real, size, out);
}
int pause(sqlite3_vfs* vfs, int microseconds) {
  sqlite3_vfs* real = as_state(vfs).real;
  return real->xSleep(real, microseconds);
}
int current_time(sqlite3_vfs* vfs, double* days) {
  sqlite3_vfs* real = as_state(vfs).real;
  return real->xCurrentTime(real, days);
}
int last_error(sqlite3_vfs*, int, char*) {
  return 0;
}

}  // namespace

PowerLossDisk::PowerLossDisk() : state_(std::make_unique<State>()) {
  sqlite3_initialize();
  State& state = *state_;
  state.real = sqlite3_vfs_find(nullptr);
  state.name = "power_loss_" + random_hex32();
  sqlite3_vfs& vfs = state.vfs;
  vfs.iVersion = 1;
  vfs.szOsFile = static_cast<int>(sizeof(File)) + state.real->szOsFile;
  vfs.mxPathname = state.real->mxPathname;
  vfs.zName = state.name.c_str();
  vfs.pAppData = &state;
  vfs.xOpen = open_file;
  vfs.xDelete = remove_file;
  vfs.xAccess = check_access;
  vfs.xFullPathname = full_path;
  vfs.xRandomness = randomness;
  vfs.xSleep = pause;
  vfs.xCurrentTime = current_time;
  vfs.xGetLastError = last_error;
  sqlite3_vfs_register(&vfs, /*makeDflt=*/0);
}

PowerLossDisk::~PowerLossDisk() {
  sqlite3_vfs_unregister(&state_->vfs);
}

const std::string& PowerLossDisk::vfs_name() const {
  return state_->name;
}

void PowerLossDisk::cut_power_at(int call) {
  std::lock_guard lock(state_->mutex);
  state_->cut_at = state_->calls + call;
}

void PowerLossDisk::restore(const fs::path& to, Unsynced unsynced, unsigned seed) const {
  std::lock_guard lock(state_->mutex);
  std::mt19937 random(seed);
  const bool some = unsynced == Unsynced::kAnySubset;
  Folder folder = state_->promised;
  if (some) {
    for (const auto& [path, inode] : state_->now) {
      if (random() % 2) folder[path] = inode;
    }
    for (const auto& [path, inode] : state_->promised) {
      if (!state_->now.contains(path) && random() % 2) folder.erase(path);
    }
  }
  for (const auto& [path, inode] : folder) {
    std::string content = inode->synced;
    if (some) {
      for (const Change& change : inode->unsynced) apply_some(content, change, random);
    }
    std::ofstream(to / fs::path(path).filename(), std::ios::binary) << content;
  }
}

void PowerLossDisk::fail_at(int call, Fault fault, bool until_healed) {
  std::lock_guard lock(state_->mutex);
  state_->fail_at = state_->calls + call;
  state_->fault = fault;
  state_->until_healed = until_healed;
  state_->failed = false;
}

void PowerLossDisk::heal() {
  std::lock_guard lock(state_->mutex);
  state_->fail_at = 0;
}

bool PowerLossDisk::has_failed() const {
  std::lock_guard lock(state_->mutex);
  return state_->failed;
}

int PowerLossDisk::calls() const {
  std::lock_guard lock(state_->mutex);
  return state_->calls;
}

}  // namespace slipway::db
