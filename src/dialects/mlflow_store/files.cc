#include "dialects/mlflow_store/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "dialects/mlflow_store/words.h"

namespace slipway::mlflow_store {
namespace {

constexpr int kDepthMax = 32;
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

bool is_one_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

FolderEntry::Kind kind_of(int folder, const dirent& entry) {
  unsigned char type = entry.d_type;
  struct stat status {};
  if (type == DT_UNKNOWN && fstatat(folder, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
    type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_UNKNOWN;
  }
  if (type == DT_DIR) return FolderEntry::Kind::kFolder;
  return type == DT_REG ? FolderEntry::Kind::kFile : FolderEntry::Kind::kOther;
}

using TakeFile = std::function<Result<>(const Folder&, const std::string&, const std::string&)>;
using TakeOther = std::function<void(const std::string&, const std::string&)>;

Result<> walk(const Folder& folder, const std::string& path, int depth, const TakeFile& take,
              const TakeOther& other) {
  for (const FolderEntry& entry : TRY(folder.list())) {
    const std::string at = path.empty() ? entry.name : path + "/" + entry.name;
    if (entry.kind == FolderEntry::Kind::kFile) {
      TRY(take(folder, entry.name, at));
      continue;
    }
    if (entry.kind == FolderEntry::Kind::kOther) {
      other(at, "it is neither a file nor a folder; links are not followed");
      continue;
    }
    if (depth >= kDepthMax) {
      other(at, "it lies more than " + std::to_string(kDepthMax) + " folders deep");
      continue;
    }
    std::optional<Folder> below = TRY(folder.folder(entry.name));
    if (below) TRY(walk(*below, at, depth + 1, take, other));
  }
  return {};
}

}  // namespace

Result<Folder> Folder::open(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), kFolderFlags));
  if (fd) return Folder(std::move(fd));
  if (errno == ENOENT || errno == ENOTDIR) return missing("there is no folder " + path.string());
  return system_error("cannot open the folder " + path.string(), errno);
}

Result<std::optional<Folder>> Folder::folder(const std::string& name) const {
  if (!is_one_name(name)) return std::optional<Folder>();
  Fd fd(openat(fd_.get(), name.c_str(), kFolderFlags | O_NOFOLLOW));
  if (fd) return std::optional(Folder(std::move(fd)));
  if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return std::optional<Folder>();
  return system_error("cannot open the folder " + shown(name), errno);
}

Result<std::optional<Fd>> Folder::file(const std::string& name) const {
  if (!is_one_name(name)) return std::optional<Fd>();
  // Never waits for the other end of a pipe.
  Fd fd(openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::optional<Fd>();
  if (!fd && errno == ELOOP) return invalid(shown(name) + " is a link, which is not followed");
  if (!fd) return system_error("cannot open " + shown(name), errno);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return system_error("cannot look at " + shown(name), errno);
  if (!S_ISREG(status.st_mode)) return invalid(shown(name) + " is no plain file");
  return std::optional(std::move(fd));
}

Result<std::optional<std::string>> Folder::read(const std::string& name,
                                                std::uint64_t bytes_max) const {
  std::optional<Fd> opened = TRY(file(name));
  if (!opened) return std::optional<std::string>();
  std::string content;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t got = ::read(opened->get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read " + shown(name), errno);
    if (got == 0) return std::optional(std::move(content));
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > bytes_max) {
      return invalid(shown(name) + " has more than " + std::to_string(bytes_max) + " bytes");
    }
  }
}

Result<std::vector<FolderEntry>> Folder::list() const {
  const int again = openat(fd_.get(), ".", kFolderFlags);
  if (again < 0) return system_error("cannot list a folder", errno);
  std::unique_ptr<DIR, int (*)(DIR*)> folder(fdopendir(again), &closedir);
  if (!folder) {
    ::close(again);
    return system_error("cannot list a folder", errno);
  }
  std::vector<FolderEntry> entries;
  errno = 0;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({name, kind_of(again, *entry)});
    if (entries.size() > kEntriesMax) {
      return invalid("a folder has more than " + std::to_string(kEntriesMax) + " entries");
    }
    errno = 0;
  }
  if (errno != 0) return system_error("cannot list a folder", errno);
  std::sort(entries.begin(), entries.end(),
            [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  return entries;
}

Result<> each_file(const Folder& folder, const TakeFile& take, const TakeOther& other) {
  return walk(folder, "", 1, take, other);
}

Result<> each_line(const Fd& file, std::size_t bytes_max,
                   const std::function<Result<>(std::string_view line)>& take) {
  std::string rest;
  std::string buffer(256 * 1024, '\0');
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read a file", errno);
    if (got == 0) break;
    std::string_view read(buffer.data(), static_cast<std::size_t>(got));
    for (std::size_t end = read.find('\n'); end != std::string_view::npos; end = read.find('\n')) {
      rest.append(read.substr(0, end));
      if (rest.size() > bytes_max) return invalid("a line is too long");
      TRY(take(rest));
      rest.clear();
      read.remove_prefix(end + 1);
    }
    rest.append(read);
    if (rest.size() > bytes_max) return invalid("a line is too long");
  }
  return rest.empty() ? Result<>() : take(rest);
}

}  // namespace slipway::mlflow_store
