#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <unordered_set>

#include "base/hash.h"
#include "base/ids.h"
#include "base/text.h"
#include "io/blob/blobs.h"
#include "io/blob/disk.h"
#include "io/blob/large_file.h"
#include "io/blob/uploads.h"

namespace slipway::blob {

Result<> Disk::write(int file, std::string_view data) {
  while (!data.empty()) {
    ssize_t put = ::write(file, data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("cannot write an object", errno);
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<> Disk::sync(int file_or_folder) {
  if (fsync(file_or_folder) != 0) return system_error("cannot sync the artifact folder", errno);
  return {};
}

Result<> Disk::rename(int from_folder, const std::string& from, int to_folder,
                      const std::string& to) {
  if (renameat(from_folder, from.c_str(), to_folder, to.c_str()) == 0) return {};
  if (errno == ENOENT) return missing("the folder of '" + to + "' is gone");
  if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST) {
    return conflict("'" + to + "' is a folder");
  }
  return system_error("cannot put an object in place", errno);
}

namespace {

constexpr int kParentAttempts =
    8;  // a remove() may take the folder away between making and using it
constexpr char kIdFile[] = "id";  // in kIncomingFolder
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

struct Place {
  std::string folder;  // "" for the root
  std::string name;
};

Place place_of(const std::string& key) {
  std::size_t slash = key.rfind('/');
  if (slash == std::string::npos) return {"", key};
  return {key.substr(0, slash), key.substr(slash + 1)};
}

/// For kernels and sandboxes without openat2: one segment at a time, none of them a link. `path` is
/// a checked key, so it has no "..".
Fd walk(int root, const std::string& path, int flags) {
  Fd at(dup(root));
  std::vector<std::string_view> segments = split(path, '/');
  for (std::size_t i = 0; at && i < segments.size(); ++i) {
    bool last = i + 1 == segments.size();
    int how = last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC;
    at = Fd(openat(at.get(), std::string(segments[i]).c_str(), how | O_NOFOLLOW));
  }
  return at;
}

/// Opens `path` below `root`, following no link; errno as open() leaves it (ELOOP for a link).
Fd open_beneath(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  Fd fd(static_cast<int>(syscall(SYS_openat2, root, name, &how, sizeof how)));
  if (fd || (errno != ENOSYS && errno != EPERM)) return fd;
  if (path.empty()) return Fd(openat(root, ".", flags));
  return walk(root, path, flags);
}

bool is_absent(int error) {
  return error == ENOENT || error == ENOTDIR;
}

Error open_error(const std::string& key, int error) {
  if (is_absent(error)) return missing("no such object: " + key);
  if (error == ELOOP || error == EXDEV) return invalid("a symbolic link lies on the way to " + key);
  return system_error("cannot open " + key, error);
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

Folder read_folder(int fd) {
  int copy = openat(fd, ".", kFolderFlags);
  return Folder(copy < 0 ? nullptr : fdopendir(copy));
}

Error too_many(const std::string& folder) {
  return invalid("the folder '" + folder + "' has more than " + std::to_string(kEntriesMax) +
                 " entries, too many for one listing");
}

std::vector<std::string> names_in(int fd) {
  std::vector<std::string> names;
  Folder folder = read_folder(fd);
  if (!folder) return names;
  while (dirent* entry = readdir(folder.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  return names;
}

/// Entries that are neither a file nor a folder (links, sockets) do not exist for a store.
std::optional<Entry> entry_of(int folder, const std::string& name) {
  struct stat status {};
  if (fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  if (S_ISDIR(status.st_mode)) return Entry{name, true, 0};
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  return Entry{name, false, static_cast<std::uint64_t>(status.st_size)};
}

void delete_tree(int folder, const std::string& name) {
  if (unlinkat(folder, name.c_str(), 0) == 0) return;
  Fd inside(openat(folder, name.c_str(), kFolderFlags | O_NOFOLLOW));
  if (inside) {
    for (const std::string& child : names_in(inside.get())) delete_tree(inside.get(), child);
  }
  unlinkat(folder, name.c_str(), AT_REMOVEDIR);
}

/// A file that replaces another is made while that one is there, so it has another inode; when
/// inodes are used again, time has passed.
std::string stamp_of(const struct stat& status) {
  return std::to_string(status.st_ino) + "-" + std::to_string(status.st_mtim.tv_sec) + "." +
         std::to_string(status.st_mtim.tv_nsec) + "-" + std::to_string(status.st_size);
}

class FolderReader final : public Reader {
 public:
  FolderReader(std::shared_ptr<LargeReads> reads, Fd file, const struct stat& status)
      : reads_(std::move(reads)),
        file_(std::move(file)),
        size_(static_cast<std::uint64_t>(status.st_size)),
        stamp_(stamp_of(status)),
        from_(*reads_, file_.get(), size_, stamp_) {}
  std::uint64_t size() const override { return size_; }
  std::string stamp() const override { return stamp_; }
  Result<> select(std::uint64_t at, std::uint64_t bytes) override {
    TRY(check_selection(size_, at, bytes));
    at_ = at;
    left_ = bytes;
    return {};
  }
  Result<std::size_t> read(std::span<char> buffer) override {
    if (buffer.size() > left_) buffer = buffer.first(static_cast<std::size_t>(left_));
    return passed(TRY(from_.read(at_, buffer)));
  }
  Result<std::size_t> move_to(const Pipe& pipe, std::size_t bytes) override {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, left_));
    return passed(TRY(from_.move_to(at_, pipe, most)));
  }

 private:
  std::size_t passed(std::size_t bytes) {
    at_ += bytes;
    left_ -= bytes;
    return bytes;
  }

  const std::shared_ptr<LargeReads> reads_;
  const Fd file_;
  const std::uint64_t size_;
  const std::string stamp_;
  PlacedReader from_;
  std::uint64_t at_ = 0, left_ = size_;
};

/// Folders whose own entry, and those of all folders above, are known to be durable. Any thread.
class DurableFolders {
 public:
  /// Before folders are synced. What add() tells later counts unless something was removed since.
  std::uint64_t begin() {
    std::lock_guard lock(mutex_);
    return epoch_;
  }
  bool contains(const std::string& folder) {
    std::lock_guard lock(mutex_);
    return removing_ == 0 && folders_.contains(folder);
  }
  void add(const std::string& folder, std::uint64_t begun) {
    std::lock_guard lock(mutex_);
    if (removing_ > 0 || begun != epoch_) return;
    if (folders_.size() >= kFoldersMax) folders_.clear();
    folders_.insert(folder);
  }
  /// `folder` was made anew: somebody has taken it away from outside.
  void forget(const std::string& folder) {
    std::lock_guard lock(mutex_);
    ++epoch_;
    std::erase_if(folders_, [&](const std::string& known) {
      return known == folder || known.starts_with(folder + "/");
    });
  }

  /// A removal, from before it begins until it is over: what is made in its place is new.
  class Removal {
   public:
    explicit Removal(DurableFolders& folders) : folders_(folders) { folders_.change(+1); }
    ~Removal() { folders_.change(-1); }
    Removal(const Removal&) = delete;

   private:
    DurableFolders& folders_;
  };

 private:
  static constexpr std::size_t kFoldersMax = 10'000;

  void change(int removals) {
    std::lock_guard lock(mutex_);
    removing_ += removals;
    ++epoch_;
    folders_.clear();
  }

  std::mutex mutex_;
  std::unordered_set<std::string> folders_;
  std::uint64_t epoch_ = 0;
  int removing_ = 0;
};

/// What writers share with their store; it lives as long as any of them.
/// The folder in which one program's objects grow, beside those of others that use the same store.
/// A locked file says that it is in use, as long as the program lives; what has none is swept.
class Own {
 public:
  static Result<Own> make(int shared) {
    for (int tries = 0; tries < kOwnAttempts; ++tries) {
      Own own(shared, random_hex32());
      own.lock_ = Fd(openat(shared, (own.name_ + kLockEnding).c_str(),
                            O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (!own.lock_) return system_error("cannot create a file for growing objects", errno);
      // Somebody who sweeps may have been faster than the lock.
      struct stat status {};
      const bool is_locked = flock(own.lock_.get(), LOCK_EX | LOCK_NB) == 0;
      if (!is_locked || fstat(own.lock_.get(), &status) != 0 || status.st_nlink == 0) continue;
      if (mkdirat(shared, own.name_.c_str(), 0777) != 0)
        return system_error("cannot make a folder for growing objects", errno);
      own.folder_ = Fd(openat(shared, own.name_.c_str(), kFolderFlags | O_NOFOLLOW));
      if (!own.folder_) return system_error("cannot open the folder of growing objects", errno);
      return own;
    }
    return unavailable("the folder of growing objects is being swept by others all the time");
  }
  ~Own() {
    if (!lock_) return;
    delete_tree(shared_, name_);
    unlinkat(shared_, (name_ + kLockEnding).c_str(), 0);
  }
  Own(Own&&) = default;
  Own& operator=(Own&&) = delete;
  int get() const { return folder_.get(); }

  /// What programs left that are gone.
  static void sweep(int shared) {
    for (const std::string& name : names_in(shared)) {
      if (name == kIdFile) continue;
      const bool is_lock = name.ends_with(kLockEnding);
      const std::string stem = is_lock ? name.substr(0, name.size() - kLockBytes) : name;
      const std::string lock_name = stem + kLockEnding;
      Fd lock(openat(shared, lock_name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
      if (lock && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;
      if (!lock && errno != ENOENT) continue;
      delete_tree(shared, stem);
      if (lock) unlinkat(shared, lock_name.c_str(), 0);
    }
  }

 private:
  static constexpr int kOwnAttempts = 100;
  static constexpr char kLockEnding[] = ".lock";
  static constexpr std::size_t kLockBytes = sizeof(kLockEnding) - 1;
  Own(int shared, std::string name) : shared_(shared), name_(std::move(name)) {}

  int shared_;
  std::string name_;
  Fd lock_, folder_;
};

struct Roots {
  Roots(Disk& on, Fd at, Fd shared, Own growing, std::string name)
      : disk(on),
        root(std::move(at)),
        all_incoming(std::move(shared)),
        incoming(std::move(growing)),
        id(std::move(name)) {}
  Disk& disk;
  Fd root;
  Fd all_incoming;
  Own incoming;
  const std::string id;
  DurableFolders durable;
};

/// Opens the folder, making what is missing of it.
Result<Fd> make_folder(Roots& roots, const std::string& folder) {
  // Most often it is there.
  if (Fd there = open_beneath(roots.root.get(), folder, kFolderFlags)) return there;
  for (std::size_t end = 0; !folder.empty() && end != std::string::npos;) {
    end = folder.find('/', end + 1);
    Place place = place_of(folder.substr(0, end));
    Fd parent = open_beneath(roots.root.get(), place.folder, kFolderFlags);
    if (!parent) return open_error(folder, errno);
    const bool made = mkdirat(parent.get(), place.name.c_str(), 0777) == 0;
    const int reason = made ? 0 : errno;
    if (made) roots.durable.forget(folder.substr(0, end));
    if (made || reason == EEXIST) continue;
    if (reason == ENOENT) return missing("the folder of '" + place.name + "' is gone");
    return system_error("cannot make folder " + folder, reason);
  }
  Fd made = open_beneath(roots.root.get(), folder, kFolderFlags);
  if (!made && errno == ENOTDIR) return conflict("a file lies on the way to " + folder);
  if (!made) return open_error(folder, errno);
  return made;
}

/// The folder of a new entry, and those above up to the first that is known to be durable: a folder
/// that another thread, or a process that was killed, has just made is there for all to see before
/// it is.
Result<> sync_chain(Roots& roots, const std::string& changed) {
  const std::uint64_t begun = roots.durable.begin();
  std::vector<std::string> synced;
  bool whole = true;  // nothing was removed meanwhile
  for (std::string folder = changed;; folder = place_of(folder).folder) {
    Fd fd = open_beneath(roots.root.get(), folder, kFolderFlags);
    bool removed_meanwhile = !fd && is_absent(errno) && !folder.empty();
    if (!fd && !removed_meanwhile) return open_error(folder, errno);
    if (fd) TRY(roots.disk.sync(fd.get()));
    whole &= !removed_meanwhile;
    if (folder.empty() || roots.durable.contains(folder)) break;
    synced.push_back(folder);
  }
  if (!whole) return {};
  for (const std::string& folder : synced) roots.durable.add(folder, begun);
  return {};
}

class FolderWriter final : public Writer {
 public:
  FolderWriter(std::shared_ptr<Roots> roots, std::string key, std::string temporary, Fd file)
      : roots_(std::move(roots)),
        key_(std::move(key)),
        temporary_(std::move(temporary)),
        file_(std::move(file)),
        appender_(roots_->disk, file_.get()) {}
  ~FolderWriter() override {
    if (!placed_) unlinkat(roots_->incoming.get(), temporary_.c_str(), 0);
  }

  Result<> write(std::string_view data) override {
    Result<> written = usable();
    if (written.ok()) written = appender_.write(data);
    failed_ = !written.ok();
    if (!failed_) digest_.update(data);
    return written;
  }

  Result<Stored> commit() override {
    TRY(usable());
    failed_ = true;  // until all is done: a failed commit is not repeated
    TRY(appender_.finish());
    const bool early = replaces() || !start_writing();
    if (early) TRY(roots_->disk.sync(file_.get()));
    TRY(put_in_place());
    if (!early) TRY(roots_->disk.sync(file_.get()));
    TRY(sync_chain(*roots_, place_of(key_).folder));
    struct stat status {};
    if (fstat(file_.get(), &status) != 0) return system_error("cannot read " + key_, errno);
    return Stored{static_cast<std::uint64_t>(status.st_size), stamp_of(status),
                  digest_.finish_hex()};
  }

 private:
  Result<> usable() const {
    if (failed_) return conflict("the object " + key_ + " was given up or committed already");
    return {};
  }

  /// What is there already must not go before this is on the disk for good.
  bool replaces() const {
    return static_cast<bool>(open_beneath(roots_->root.get(), key_, O_PATH | O_CLOEXEC));
  }

  /// Has the bytes on the disk, or in its cache, before any entry leads to them. Then one sync
  /// after the rename covers both, which file systems with a journal do at half the price of two.
  bool start_writing() {
    constexpr unsigned kAll =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    return sync_file_range(file_.get(), 0, 0, kAll) == 0;
  }

  Result<> put_in_place() {
    Place place = place_of(key_);
    Result<> put;
    for (int attempt = 0; attempt < kParentAttempts; ++attempt) {
      put = try_put(place);
      if (put.ok() || put.error().code != Code::kMissing) break;
    }
    placed_ = put.ok();
    return put;
  }

  Result<> try_put(const Place& place) {
    Fd folder = TRY(make_folder(*roots_, place.folder));
    return roots_->disk.rename(roots_->incoming.get(), temporary_, folder.get(), place.name);
  }

  std::shared_ptr<Roots> roots_;
  std::string key_;
  std::string temporary_;
  Fd file_;
  Appender appender_;
  Hasher digest_{Hasher::Kind::kSha256};
  bool placed_ = false;
  bool failed_ = false;
};

class FolderBlobs final : public Blobs {
 public:
  explicit FolderBlobs(std::shared_ptr<Roots> roots)
      : roots_(std::move(roots)), uploads_(roots_->disk, roots_->incoming.get()) {}

  Result<std::unique_ptr<Writer>> create(const std::string& key) override {
    TRY(check_key(key));
    std::string temporary = random_hex32();
    Fd file(openat(roots_->incoming.get(), temporary.c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file) return system_error("cannot create an object", errno);
    return std::unique_ptr<Writer>(
        std::make_unique<FolderWriter>(roots_, key, std::move(temporary), std::move(file)));
  }

  Result<std::unique_ptr<Reader>> open(const std::string& key) override {
    TRY(check_key(key));
    // Without O_NONBLOCK a FIFO that somebody put there would hold the thread for ever.
    Fd file = open_beneath(roots_->root.get(), key, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (!file) return open_error(key, errno);
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return system_error("cannot read " + key, errno);
    if (!S_ISREG(status.st_mode)) return missing("no such object: " + key);
    return std::unique_ptr<Reader>(std::make_unique<FolderReader>(reads_, std::move(file), status));
  }

  Result<std::vector<Entry>> list(const std::string& folder) override {
    if (!folder.empty()) TRY(check_key(folder));
    std::vector<Entry> entries;
    Fd fd = open_beneath(roots_->root.get(), folder, kFolderFlags);
    if (!fd && is_absent(errno)) return entries;
    if (!fd) return open_error(folder, errno);
    for (const std::string& name : names_in(fd.get())) {
      if (folder.empty() && name == kIncomingFolder) continue;
      if (entries.size() == kEntriesMax) return too_many(folder);
      if (auto entry = entry_of(fd.get(), name)) entries.push_back(std::move(*entry));
    }
    std::ranges::sort(entries, {}, &Entry::name);
    return entries;
  }

  Result<std::optional<Entry>> find(const std::string& key) override {
    TRY(check_key(key));
    Place place = place_of(key);
    Fd folder = open_beneath(roots_->root.get(), place.folder, kFolderFlags);
    if (!folder && is_absent(errno)) return std::optional<Entry>();
    if (!folder) return open_error(key, errno);
    return entry_of(folder.get(), place.name);
  }

  Result<> remove(const std::string& key) override {
    TRY(check_key(key));
    Place place = place_of(key);
    Fd folder = open_beneath(roots_->root.get(), place.folder, kFolderFlags);
    if (!folder && is_absent(errno)) return {};
    if (!folder) return open_error(key, errno);
    // Aside first, so that a folder goes as a whole; what a crash leaves there is swept by the next
    // open.
    DurableFolders::Removal removal(roots_->durable);
    std::string aside = random_hex32();
    Result<> moved = roots_->disk.rename(folder.get(), place.name, roots_->incoming.get(), aside);
    if (!moved.ok() && moved.error().code == Code::kMissing) return {};
    TRY(std::move(moved));
    TRY(roots_->disk.sync(folder.get()));
    delete_tree(roots_->incoming.get(), aside);
    return {};
  }

  Result<std::string> begin_parts(const std::string& key) override {
    return uploads_.begin(key, TRY(create(key)));
  }
  Result<std::unique_ptr<Writer>> create_part(const std::string& upload, int number) override {
    return uploads_.create_part(upload, number);
  }
  Result<Stored> join_parts(const std::string& key, const std::string& upload,
                            const std::vector<Part>& parts) override {
    return uploads_.join(key, upload, parts);
  }
  Result<> drop_parts(const std::string& key, const std::string& upload) override {
    uploads_.drop(key, upload);
    return {};
  }
  Result<std::optional<std::string>> direct_url(const DirectUse&) override {
    return std::optional<std::string>();
  }
  std::string identity() const override { return roots_->id; }

 private:
  std::shared_ptr<Roots> roots_;
  const std::shared_ptr<LargeReads> reads_ = std::make_shared<LargeReads>();
  Uploads uploads_;
};

/// What tells this folder from all others, by whatever path it is reached: made once.
Result<std::string> id_in(int incoming) {
  constexpr std::size_t kIdBytes = 32;
  const std::string fresh = random_hex32();
  for (int tries = 0; tries < 2; ++tries) {
    if (Fd file{openat(incoming, kIdFile, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)}) {
      char text[kIdBytes];
      const ssize_t got = ::read(file.get(), text, sizeof text);
      if (got == static_cast<ssize_t>(sizeof text)) return std::string(text, sizeof text);
      return conflict(std::string("the file ") + kIncomingFolder + "/" + kIdFile +
                      " of the artifact folder is damaged; remove it, and a new one is made");
    }
    if (errno != ENOENT) return system_error("cannot read the artifact folder's id", errno);
    // Under another name first, so that nobody finds half of one.
    Fd file(openat(incoming, fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file) return system_error("cannot write the artifact folder's id", errno);
    Disk disk;
    Result<> written = disk.write(file.get(), fresh);
    if (written.ok()) written = disk.sync(file.get());
    const int linked = written.ok() ? linkat(incoming, fresh.c_str(), incoming, kIdFile, 0) : 0;
    const int reason = errno;
    unlinkat(incoming, fresh.c_str(), 0);
    TRY(std::move(written));
    if (linked != 0 && reason != EEXIST)
      return system_error("cannot write the artifact folder's id", reason);
  }
  return unavailable("the artifact folder's id cannot be read");
}

}  // namespace

Result<std::unique_ptr<Blobs>> open_folder_on(Disk& disk, const std::filesystem::path& root) {
  std::error_code failed;
  std::filesystem::create_directories(root, failed);
  if (failed) return system_error("cannot make folder " + root.string(), failed.value());
  Fd fd(::open(root.c_str(), kFolderFlags));
  if (!fd) return system_error("cannot open folder " + root.string(), errno);
  if (mkdirat(fd.get(), kIncomingFolder, 0777) != 0 && errno != EEXIST) {
    return system_error("cannot make a folder in " + root.string(), errno);
  }
  Fd incoming(openat(fd.get(), kIncomingFolder, kFolderFlags | O_NOFOLLOW));
  if (!incoming) return system_error("cannot open a folder in " + root.string(), errno);
  Own::sweep(incoming.get());
  std::string id = TRY(id_in(incoming.get()));
  Own own = TRY(Own::make(incoming.get()));
  TRY(disk.sync(fd.get()));
  TRY(sync_folder(root.parent_path()));
  auto roots = std::make_shared<Roots>(disk, std::move(fd), std::move(incoming), std::move(own),
                                       std::move(id));
  return std::unique_ptr<Blobs>(std::make_unique<FolderBlobs>(std::move(roots)));
}

Result<std::unique_ptr<Blobs>> open_folder(const std::filesystem::path& root) {
  static Disk disk;  // has no state
  return open_folder_on(disk, root);
}

}  // namespace slipway::blob
