#include "io/blob/blob_testing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>

#include "base/ids.h"

namespace slipway::blob {

namespace {

std::uint64_t inode_of(int fd) {
  struct stat status {};
  fstat(fd, &status);
  return status.st_ino;
}

std::filesystem::path path_of(int fd) {
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
}

}  // namespace

Result<> FailingDisk::write(int file, std::string_view data) {
  if (!fails_now()) return Disk::write(file, data);
  TRY(Disk::write(file, data.substr(0, data.size() / 2)));  // a full disk takes a part
  return system_error("cannot write an object", ENOSPC);
}

Result<> FailingDisk::sync(int file_or_folder) {
  if (fails_now()) return system_error("cannot sync the artifact folder", EIO);
  return Disk::sync(file_or_folder);
}

Result<> FailingDisk::rename(int from_folder, const std::string& from, int to_folder,
                             const std::string& to) {
  if (fails_now()) return system_error("cannot put an object in place", EIO);
  return Disk::rename(from_folder, from, to_folder, to);
}

Result<> ForgetfulDisk::sync(int file_or_folder) {
  TRY(Disk::sync(file_or_folder));
  Kept kept;
  kept.pin = std::make_shared<Fd>(dup(file_or_folder));
  std::filesystem::path path = path_of(file_or_folder);
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      struct stat status {};
      if (lstat(entry.path().c_str(), &status) != 0) continue;
      kept.children[entry.path().filename()] = {status.st_ino, S_ISDIR(status.st_mode)};
    }
  } else {
    kept.content = TRY(read_file(path));
  }
  Inode inode = inode_of(file_or_folder);
  inodes_.with([&](Inodes& inodes) { inodes[inode] = std::move(kept); });
  return {};
}

void ForgetfulDisk::cut_power(const std::filesystem::path& root, const std::filesystem::path& to) {
  Fd fd(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Inode inode = inode_of(fd.get());
  inodes_.with([&](Inodes& inodes) { rebuild(inodes, inode, to); });
}

void ForgetfulDisk::rebuild(const Inodes& inodes, Inode folder, const std::filesystem::path& to) {
  std::filesystem::create_directories(to);
  auto kept = inodes.find(folder);
  if (kept == inodes.end()) return;
  for (const auto& [name, child] : kept->second.children) {
    if (child.is_folder) {
      rebuild(inodes, child.inode, to / name);
      continue;
    }
    auto file = inodes.find(child.inode);
    std::ofstream(to / name) << (file == inodes.end() ? "" : file->second.content);
  }
}

Result<> put(Blobs& blobs, const std::string& key, std::string_view content) {
  std::unique_ptr<Writer> writer = TRY(blobs.create(key));
  TRY(writer->write(content));
  TRY(writer->commit());
  return {};
}

Result<std::string> get(Blobs& blobs, const std::string& key) {
  std::unique_ptr<Reader> reader = TRY(blobs.open(key));
  std::string content;
  char buffer[4096];
  while (std::size_t count = TRY(reader->read(buffer))) content.append(buffer, count);
  return content;
}

TemporaryFolder::TemporaryFolder()
    : path_(std::filesystem::temp_directory_path() / ("slipway-blob-" + random_hex32())) {
  std::filesystem::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::filesystem::remove_all(path_);
}

std::unique_ptr<Blobs> open_at(Disk& disk, const std::filesystem::path& root) {
  auto blobs = open_folder_on(disk, root);
  EXPECT_TRUE(blobs.ok()) << blobs.error().message;
  return std::move(blobs).value();
}

std::size_t leftovers(const std::filesystem::path& root) {
  std::size_t found = 0;
  const std::filesystem::path incoming = root / kIncomingFolder;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(incoming)) {
    const std::filesystem::path& path = entry.path();
    const bool is_own = std::filesystem::exists(path.string() + ".lock");
    if (path != incoming / "id" && path.extension() != ".lock" && !is_own) ++found;
  }
  return found;
}

}  // namespace slipway::blob
