#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/ids.h"

namespace slipway {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

namespace {

/// Nothing of what may stand in the place of a file is waited for: a pipe, a terminal, a socket.
const char* name_of_kind(mode_t mode) {
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "no file";
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t bytes_max) {
  // O_NONBLOCK: to open a pipe that nobody writes to would wait for its writer.
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return missing("no such file: " + path.string());
    if (errno == ENXIO) return invalid(path.string() + " is a socket, expected a file");
    return system_error("cannot open " + path.string(), errno);
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return system_error("cannot read " + path.string(), errno);
  // A folder is told by the first read.
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    return invalid(path.string() + " is " + name_of_kind(status.st_mode) + ", expected a file");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (S_ISREG(status.st_mode) && size > bytes_max) {
    return invalid(path.string() + " is longer than " + std::to_string(bytes_max) + " bytes");
  }
  std::string content;
  content.resize(static_cast<std::size_t>(size) + 1);
  std::size_t filled = 0;
  while (true) {
    if (filled > bytes_max) {
      return invalid(path.string() + " is longer than " + std::to_string(bytes_max) + " bytes");
    }
    if (filled == content.size()) content.resize(content.size() * 2);
    ssize_t got = read(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read " + path.string(), errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  content.resize(filled);
  return content;
}

Result<> sync_folder(const std::filesystem::path& folder) {
  Fd fd(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_error("cannot open folder " + folder.string(), errno);
  if (fsync(fd.get()) != 0) return system_error("cannot sync folder " + folder.string(), errno);
  return {};
}

namespace {

Result<> write_whole(int fd, std::string_view content, const std::string& name) {
  while (!content.empty()) {
    ssize_t put = write(fd, content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("cannot write " + name, errno);
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

/// The errno of a failed rename is left in `rename_failure`.
Result<> write_and_rename(const std::filesystem::path& temporary, const std::filesystem::path& path,
                          std::string_view content, const Replacement& how, int& rename_failure) {
  Result<> written = [&]() -> Result<> {
    Fd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, how.mode));
    if (!file) return system_error("cannot create " + temporary.string(), errno);
    TRY(write_whole(file.get(), content, temporary.string()));
    if (how.durable && fsync(file.get()) != 0) return system_error("cannot sync " + temporary.string(), errno);
    if (close(file.release()) != 0) return system_error("cannot close " + temporary.string(), errno);
    if (rename(temporary.c_str(), path.c_str()) != 0) {
      rename_failure = errno;
      return system_error("cannot rename " + temporary.string() + " to " + path.string(), rename_failure);
    }
    return {};
  }();
  if (!written.ok()) {
    unlink(temporary.c_str());
    return written;
  }
  if (how.durable) TRY(sync_folder(path.parent_path()));
  return {};
}

bool on_one_file_system(const std::filesystem::path& a, const std::filesystem::path& b) {
  struct stat one {}, other {};
  return stat(a.empty() ? "." : a.c_str(), &one) == 0 && stat(b.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev;
}

}  // namespace

std::filesystem::path temporary_for(const std::filesystem::path& path, const std::filesystem::path& scratch) {
  std::string random = random_hex32().substr(0, 12);
  if (!scratch.empty() && on_one_file_system(path.parent_path(), scratch)) {
    return scratch / ("slipway-" + random + ".tmp");
  }
  std::filesystem::path beside = path;
  return beside += "." + random + ".tmp";
}

Result<> replace_file(const std::filesystem::path& path, std::string_view content, const Replacement& how) {
  int rename_failure = 0;
  Result<> written = write_and_rename(temporary_for(path, how.scratch), path, content, how, rename_failure);
  // The same file system mounted twice (a container's volumes) looks like one, but nothing moves between the mounts.
  if (rename_failure != EXDEV || how.scratch.empty()) return written;
  return write_and_rename(temporary_for(path, {}), path, content, how, rename_failure);
}

Result<> write_file_atomic(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  return replace_file(path, content, {mode, true, {}});
}

Result<> write_file_quick(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  return replace_file(path, content, {mode, false, {}});
}

}  // namespace slipway
