#include "io/blob/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/ids.h"
#include "io/blob/frame.h"

namespace slipway::blob {
namespace {

Error failed(const std::filesystem::path& path, const char* what) {
  return {Code::kUnavailable,
          std::string("cannot ") + what + " " + path.string() + ": " + std::strerror(errno)};
}

std::uint32_t random_mark() {
  std::uint32_t mark = 0;
  while (mark == 0) random_bytes(std::as_writable_bytes(std::span(&mark, 1)));
  return mark;
}

Result<> sync_entries(Disk& disk, const std::filesystem::path& folder) {
  Fd file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) return failed(folder, "open");
  return disk.sync(file.get());
}

}  // namespace

void add_frame(std::string& out, std::string_view payload) {
  const std::size_t at = open_frame(out);
  out += payload;
  close_frame(std::span(out).subspan(at));
}

std::size_t open_frame(std::string& out) {
  const std::size_t at = out.size();
  out.append(kFrameHeadBytes, '\0');
  return at;
}

void close_frame(std::span<char> frame) {
  CHECK(frame.size() >= kFrameHeadBytes && frame.size() - kFrameHeadBytes <= kFrameBytesMax);
  put_payload_bytes(frame, static_cast<std::uint32_t>(frame.size() - kFrameHeadBytes));
}

Result<> make_folders(Disk& disk, const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return {};
  const std::filesystem::path above = folder.parent_path();
  if (above != folder) TRY(make_folders(disk, above));
  if (mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return failed(folder, "make");
  return sync_entries(disk, above);
}

Result<Journal> Journal::create(Disk& disk, const std::filesystem::path& path,
                                std::string_view kind) {
  Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0666));
  if (!file) {
    Error error = failed(path, "make");
    if (errno == EEXIST) error.code = Code::kConflict;
    return error;
  }
  Journal journal(disk, std::move(file), path, random_mark());
  TRY(journal.write(file_head(kind, journal.mark_)));
  TRY(journal.sync());
  TRY(sync_entries(disk, path.parent_path()));
  return journal;
}

Result<> Journal::append(std::span<char> frames) {
  std::uint32_t number = frames_;
  for (std::size_t at = 0; at < frames.size(); ++number) {
    CHECK(frames.size() - at >= kFrameHeadBytes);
    const std::size_t size = kFrameHeadBytes + payload_bytes_in(frames.subspan(at));
    CHECK(frames.size() - at >= size);
    write_head(frames.subspan(at, size), mark_, number);
    at += size;
  }
  TRY(write({frames.data(), frames.size()}));
  frames_ = number;
  return {};
}

Result<> Journal::write(std::string_view bytes) {
  if (broken_) {
    return Error{Code::kUnavailable,
                 path_.string() + " could not be cut back after a failed write"};
  }
  Result<> written = disk_->write(file_.get(), bytes);
  if (written.ok()) {
    bytes_ += bytes.size();
    return {};
  }
  broken_ = ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0;
  return written.error();
}

Result<> Journal::sync() {
  return disk_->sync(file_.get());
}

}  // namespace slipway::blob
