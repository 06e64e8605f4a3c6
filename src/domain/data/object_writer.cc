#include "domain/data/object_writer.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/hash.h"
#include "base/ids.h"

namespace slipway::data {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;

int write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    ssize_t put = write(fd, data, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    data += put;
    size -= static_cast<std::size_t>(put);
  }
  return 0;
}

/// With `sync` the entries of new folders survive a power cut: an object does so with all of them.
Result<> make_folders(const std::filesystem::path& folder, bool shared, bool sync) {
  std::error_code failure;
  if (std::filesystem::is_directory(folder, failure)) return {};
  const std::filesystem::path above = folder.parent_path();
  if (above != folder) TRY(make_folders(above, shared, sync));
  bool made = mkdir(folder.c_str(), 0777) == 0;
  if (!made && errno != EEXIST) return system_error("cannot create " + folder.string(), errno);
  if (made && shared) chmod(folder.c_str(), 02775);
  return sync ? sync_folder(above) : Result<>();
}

}  // namespace

int copy_bytes(int from, int to) {
  std::string block(kBlockBytes, '\0');
  while (true) {
    ssize_t got = read(from, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    if (int failure = write_all(to, block.data(), static_cast<std::size_t>(got))) return failure;
  }
}

Result<> copy_over(const std::filesystem::path& from, const std::filesystem::path& to,
                   unsigned mode, const std::filesystem::path& scratch) {
  auto copy_by = [&](const std::filesystem::path& temporary) {
    Fd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    if (!source) return errno;
    Fd target(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!target) return errno;
    int failure = copy_bytes(source.get(), target.get());
    if (failure == 0 && rename(temporary.c_str(), to.c_str()) != 0) failure = errno;
    if (failure != 0) unlink(temporary.c_str());
    return failure;
  };
  int failure = copy_by(temporary_for(to, scratch));
  if (failure == EXDEV && !scratch.empty()) failure = copy_by(temporary_for(to, {}));
  if (failure != 0) return system_error("cannot write " + to.string(), failure);
  return {};
}

bool clones_between(const std::filesystem::path& from, const std::filesystem::path& to) {
  Fd source(::open(from.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  Fd target(::open(to.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  bool filled = source && target && write_all(source.get(), "x", 1) == 0;
  return filled && ioctl(target.get(), FICLONE, source.get()) == 0;
}

Result<std::string> digest_of_file(const std::filesystem::path& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return system_error("cannot open " + path.string(), errno);
  Hasher hasher(Hasher::Kind::kMd5);
  std::string block(kBlockBytes, '\0');
  while (true) {
    ssize_t got = read(file.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read " + path.string(), errno);
    if (got == 0) return hasher.finish_hex();
    hasher.update({block.data(), static_cast<std::size_t>(got)});
  }
}

Result<ObjectWriter> ObjectWriter::open(const std::filesystem::path& folder) {
  TRY(make_folders(folder, false, true));
  ObjectWriter writer;
  writer.file_ = Fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (writer.file_) return writer;
  if (errno == ENOSPC || errno == EDQUOT || errno == EACCES || errno == EROFS) {
    return system_error("cannot write into " + folder.string(), errno);
  }
  writer.named_ = folder / ("." + random_hex32().substr(0, 16) + ".tmp");
  writer.file_ = Fd(::open(writer.named_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!writer.file_) return system_error("cannot create " + writer.named_.string(), errno);
  return writer;
}

ObjectWriter::~ObjectWriter() {
  if (!named_.empty() && file_) unlink(named_.c_str());
}

Result<> ObjectWriter::write(std::string_view bytes) {
  if (int failure = write_all(file_.get(), bytes.data(), bytes.size())) {
    return system_error("cannot write an object of the cache", failure);
  }
  return {};
}

Result<std::string> ObjectWriter::copy_from(int source, const std::string& name) {
  bool cloned = ioctl(file_.get(), FICLONE, source) == 0;
  // A clone is a snapshot: hashing it hashes exactly what is kept.
  int from = cloned ? file_.get() : source;
  Hasher hasher(Hasher::Kind::kMd5);
  std::string block(kBlockBytes, '\0');
  while (true) {
    ssize_t got = read(from, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read " + name, errno);
    if (got == 0) break;
    std::string_view part(block.data(), static_cast<std::size_t>(got));
    hasher.update(part);
    if (!cloned) TRY(write(part));
  }
  return hasher.finish_hex();
}

Result<> ObjectWriter::publish(const std::filesystem::path& object, unsigned mode, bool shared,
                               bool sync) {
  TRY(make_folders(object.parent_path(), shared, sync));
  if (fchmod(file_.get(), mode) != 0) return system_error("cannot protect an object", errno);
  if (sync && fsync(file_.get()) != 0) return system_error("cannot sync an object", errno);
  int linked;
  if (named_.empty()) {
    std::string self = "/proc/self/fd/" + std::to_string(file_.get());
    linked = linkat(AT_FDCWD, self.c_str(), AT_FDCWD, object.c_str(), AT_SYMLINK_FOLLOW);
  } else {
    linked = link(named_.c_str(), object.c_str());
  }
  if (linked != 0 && errno != EEXIST)
    return system_error("cannot create " + object.string(), errno);
  if (sync) TRY(sync_folder(object.parent_path()));
  return {};
}

}  // namespace slipway::data
