#include "domain/data/cache.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/hash.h"
#include "domain/data/object_writer.h"

namespace slipway::data {
namespace {

constexpr unsigned kObjectMode = 0444;
constexpr unsigned kUnsyncedMode = 0644;
constexpr unsigned kWriteBits = 0222;
constexpr unsigned kExecuteBits = 0111;

/// Whether the content of `object` is what its name says.
bool holds(const std::filesystem::path& object, std::string_view md5) {
  Result<std::string> found = digest_of_file(object);
  return found.ok() && *found == md5.substr(0, 32);
}

/// Makes `temporary` out of `object` by one way; the errno of the failure, 0 when done.
int make_link(LinkType type, const std::filesystem::path& object,
              const std::filesystem::path& temporary) {
  if (type == LinkType::kHardlink) return link(object.c_str(), temporary.c_str()) == 0 ? 0 : errno;
  if (type == LinkType::kSymlink)
    return symlink(object.c_str(), temporary.c_str()) == 0 ? 0 : errno;
  Fd from(open(object.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from) return errno;
  Fd to(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!to) return errno;
  int failure = type == LinkType::kReflink ? (ioctl(to.get(), FICLONE, from.get()) == 0 ? 0 : errno)
                                           : copy_bytes(from.get(), to.get());
  if (failure != 0) unlink(temporary.c_str());
  return failure;
}

/// The mode of a protected object; one that is hard-linked to a program stays executable.
unsigned protected_mode(const struct stat& status) {
  return kObjectMode | (status.st_mode & kExecuteBits);
}

/// So that a proven object need not prove itself again. That it may belong to another user is no
/// error.
void protect_proven(const std::filesystem::path& object) {
  struct stat status {};
  Fd file(open(object.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || fstat(file.get(), &status) != 0 || fsync(file.get()) != 0) return;
  static_cast<void>(fchmod(file.get(), protected_mode(status)) == 0);
}

bool is_empty_file(const std::filesystem::path& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && status.st_size == 0;
}

/// Lets `to` be such a link, by way of `temporary`; the errno of the failure, 0 when done.
int put_link(LinkType type, const std::filesystem::path& object,
             const std::filesystem::path& temporary, const std::filesystem::path& to,
             bool executable) {
  if (int failure = make_link(type, object, temporary)) return failure;
  struct stat status {};
  if (executable && stat(temporary.c_str(), &status) == 0)
    chmod(temporary.c_str(), (status.st_mode | 0100) & 07777);
  int failure = rename(temporary.c_str(), to.c_str()) == 0 ? 0 : errno;
  // rename() leaves it when both are the same inode already.
  if (failure != 0 || type == LinkType::kHardlink) unlink(temporary.c_str());
  return failure;
}

}  // namespace

Cache::Cache(std::filesystem::path folder, std::filesystem::path scratch,
             std::vector<LinkType> links, bool shared_by_group)
    : folder_(std::move(folder)),
      scratch_(std::move(scratch)),
      links_(std::move(links)),
      shared_(shared_by_group),
      unsynced_(std::make_shared<Guarded<std::set<std::string, std::less<>>>>()) {}

std::filesystem::path Cache::object_path(std::string_view md5, bool legacy) const {
  std::filesystem::path base = legacy ? folder_ : folder_ / "files" / "md5";
  return base / std::string(md5.substr(0, 2)) / std::string(md5.substr(2));
}

bool Cache::has(std::string_view md5, bool legacy) const {
  struct stat status {};
  if (!is_digest(md5)) return false;
  std::filesystem::path object = object_path(md5, legacy);
  if (lstat(object.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  // What is read-only is complete on disk too; anything else has to prove itself.
  if ((status.st_mode & kWriteBits) == 0 || legacy) return true;
  if (unsynced_->with([&](const auto& digests) { return digests.contains(md5); })) return true;
  if (!holds(object, md5)) return false;
  protect_proven(object);
  return true;
}

Result<bool> Cache::has_all(const Version& version) const {
  if (!has(version.md5, version.legacy)) return false;
  if (!version.is_folder()) return true;
  Tree files = TRY(tree(version));
  for (const TreeEntry& file : files.files) {
    if (!has(file.md5, version.legacy)) return false;
  }
  return true;
}

Result<Tree> Cache::tree(const Version& version) const {
  constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;
  if (!is_digest(version.md5)) return invalid("\"" + version.md5 + "\" is no MD5");
  std::string bytes = TRY(read_file(object_path(version.md5, version.legacy), kBytesMax));
  Result<Tree> tree = Tree::parse(bytes);
  if (!tree.ok()) return with_context("object " + version.md5, tree.error());
  return tree;
}

Result<> Cache::publish(ObjectWriter& writer, std::string_view md5, bool is_synced) {
  std::filesystem::path object = object_path(md5);
  unlink(object.c_str());  // a damaged object, if any
  TRY(writer.publish(object, is_synced ? kObjectMode : kUnsyncedMode, shared_, is_synced));
  if (!is_synced) unsynced_->with([&](auto& digests) { digests.emplace(md5); });
  return {};
}

Result<> Cache::put_bytes(std::string_view md5, std::string_view bytes, bool is_synced) {
  if (has(md5)) return {};
  ObjectWriter writer = TRY(ObjectWriter::open(folder_));
  TRY(writer.write(bytes));
  return publish(writer, md5, is_synced);
}

Result<> Cache::put_file(std::string_view md5, const std::filesystem::path& from, bool is_synced) {
  if (has(md5)) return {};
  std::string found = TRY(absorb(from, is_synced));
  if (found == md5) return {};
  return conflict(from.string() + " changed while it was being saved; run the command again");
}

Result<std::string> Cache::absorb(const std::filesystem::path& from, bool is_synced) {
  Fd source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) return system_error("cannot open " + from.string(), errno);
  ObjectWriter writer = TRY(ObjectWriter::open(folder_));
  std::string md5 = TRY(writer.copy_from(source.get(), from.string()));
  if (!has(md5)) TRY(publish(writer, md5, is_synced));
  return md5;
}

Result<> Cache::sync() {
  Fd folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error("cannot open " + folder_.string(), errno);
  if (syncfs(folder.get()) != 0) return system_error("cannot sync " + folder_.string(), errno);
  std::set<std::string, std::less<>> synced;
  unsynced_->with([&](auto& digests) { synced.swap(digests); });
  for (const std::string& md5 : synced) {
    std::filesystem::path object = object_path(md5);
    struct stat status {};
    bool is_there = stat(object.c_str(), &status) == 0;
    if (is_there && chmod(object.c_str(), protected_mode(status)) != 0) {
      return system_error("cannot protect " + object.string(), errno);
    }
  }
  return {};
}

Result<LinkType> Cache::place(std::string_view md5, const std::filesystem::path& to,
                              bool executable, bool legacy) const {
  std::filesystem::path object = object_path(md5, legacy);
  if (!has(md5, legacy)) {
    Error error = missing("the object " + std::string(md5) + " is not in the cache");
    error.tag = "not_in_cache";
    return error;
  }
  int failure = 0;
  for (LinkType type : links_) {
    // An empty file is never hard-linked: all empty files of a project would be one.
    if (type == LinkType::kHardlink && is_empty_file(object)) type = LinkType::kCopy;
    failure = put_link(type, object, temporary_for(to, scratch_), to, executable);
    // The same file system mounted twice looks like one, but nothing moves between the mounts.
    if (failure == EXDEV) failure = put_link(type, object, temporary_for(to, {}), to, executable);
    if (failure == 0) return type;
  }
  Error error = system_error("no configured link type works for " + to.string(), failure);
  error.tag = "no_link";
  return error;
}

}  // namespace slipway::data
