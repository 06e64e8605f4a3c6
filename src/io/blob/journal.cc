#include "io/blob/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace slipway::blob {
namespace {

constexpr std::string_view kMagic = "SLIPWAY1";
constexpr std::size_t kKindBytes = 16;
constexpr std::size_t kHeadBytes = kFrameHeadBytes;  // of a frame: length, check sum

Error failed(const std::filesystem::path& path, const char* what) {
  return {Code::kUnavailable,
          std::string("cannot ") + what + " " + path.string() + ": " + std::strerror(errno)};
}

std::string file_head(std::string_view kind) {
  std::string head(kMagic);
  head += kind;
  head.resize(kMagic.size() + kKindBytes, '\0');
  return head;
}

void put_u32(char* at, std::uint32_t v) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(v >> (8 * i));
}
std::uint32_t get_u32(const char* at) {
  std::uint32_t v = 0;
  for (int i = 3; i >= 0; --i) v = v << 8 | static_cast<unsigned char>(at[i]);
  return v;
}

/// Of the length and the bytes: a length that was cut or zeroed is no frame of no bytes.
std::uint32_t sum_of(std::uint32_t length, std::string_view payload) {
  char head[4];
  put_u32(head, length);
  return crc32c(payload, crc32c({head, sizeof head}));
}

/// Reads a file forwards in large pieces.
class Pieces {
 public:
  Pieces(int file, const std::filesystem::path& path) : file_(file), path_(path) {}

  /// The next `size` bytes; shorter at the end of the file.
  Result<std::string_view> next(std::size_t size) {
    if (buffer_.size() - at_ < size) TRY(fill(size));
    std::string_view piece(buffer_.data() + at_, std::min(size, buffer_.size() - at_));
    at_ += piece.size();
    return piece;
  }

 private:
  static constexpr std::size_t kPieceBytes = 1u << 18;

  Result<> fill(std::size_t size) {
    buffer_.erase(0, at_);
    at_ = 0;
    while (buffer_.size() < size) {
      const std::size_t had = buffer_.size();
      // Never as much as a hostile length says: as much as the file has.
      buffer_.resize(had + std::min(std::max(size - had, kPieceBytes), std::size_t{4} << 20));
      ssize_t got = read(file_, buffer_.data() + had, buffer_.size() - had);
      buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed(path_, "read");
      if (got == 0) return {};
    }
    return {};
  }

  int file_;
  const std::filesystem::path& path_;
  std::string buffer_;
  std::size_t at_ = 0;
};

Result<> sync_entries(Disk& disk, const std::filesystem::path& folder) {
  Fd file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) return failed(folder, "open");
  return disk.sync(file.get());
}

Result<Fd> open_to_read(const std::filesystem::path& path) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) {
    Error error = failed(path, "read");
    if (errno == ENOENT) error.code = Code::kMissing;
    return error;
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return failed(path, "look at");
  if (S_ISREG(status.st_mode)) return file;
  return Error{Code::kUnavailable, "cannot read " + path.string() +
                                       ": it is no file, but stands where a journal does; move it "
                                       "away"};
}

}  // namespace

void add_frame(std::string& out, std::string_view payload) {
  const std::size_t at = open_frame(out);
  out += payload;
  seal_frame(std::span(out).subspan(at));
}

std::size_t open_frame(std::string& out) {
  const std::size_t at = out.size();
  out.append(kFrameHeadBytes, '\0');
  return at;
}

void seal_frame(std::span<char> frame) {
  CHECK(frame.size() >= kFrameHeadBytes && frame.size() - kFrameHeadBytes <= kFrameBytesMax);
  const std::string_view payload(frame.data() + kFrameHeadBytes, frame.size() - kFrameHeadBytes);
  const auto length = static_cast<std::uint32_t>(payload.size());
  put_u32(frame.data(), length);
  put_u32(frame.data() + 4, sum_of(length, payload));
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
  CHECK(kind.size() <= kKindBytes);
  Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0666));
  if (!file) {
    Error error = failed(path, "make");
    if (errno == EEXIST) error.code = Code::kConflict;
    return error;
  }
  Journal journal(disk, std::move(file), path);
  TRY(journal.append(file_head(kind)));
  TRY(journal.sync());
  TRY(sync_entries(disk, path.parent_path()));
  return journal;
}

Result<> Journal::append(std::string_view frames) {
  if (broken_) {
    return Error{Code::kUnavailable,
                 path_.string() + " could not be cut back after a failed write"};
  }
  Result<> written = disk_->write(file_.get(), frames);
  if (written.ok()) {
    bytes_ += frames.size();
    return {};
  }
  broken_ = ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0;
  return written.error();
}

Result<> Journal::sync() {
  return disk_->sync(file_.get());
}

Result<JournalEnd> read_journal(const std::filesystem::path& path, std::string_view kind,
                                const std::function<bool(std::string_view)>& visit) {
  Fd file = TRY(open_to_read(path));
  Pieces pieces(file.get(), path);
  const std::string head = file_head(kind);
  std::string_view found = TRY(pieces.next(head.size()));
  JournalEnd end;
  if (found.size() < head.size() && head.starts_with(found)) {
    end.torn = true;  // a crash came before the first frame
    return end;
  }
  if (found != head) {
    return Error{Code::kInvalid,
                 path.string() + " is no journal of kind '" + std::string(kind) + "'"};
  }
  end.bytes = head.size();
  for (;;) {
    std::string_view frame = TRY(pieces.next(kHeadBytes));
    if (frame.empty()) return end;
    end.torn = true;  // unless it turns out to be whole
    if (frame.size() < kHeadBytes) return end;
    const std::uint32_t length = get_u32(frame.data());
    const std::uint32_t sum = get_u32(frame.data() + 4);
    if (length > kFrameBytesMax) return end;
    std::string_view payload = TRY(pieces.next(length));
    if (payload.size() < length || sum_of(length, payload) != sum) return end;
    end.torn = false;
    ++end.frames;
    end.bytes += kHeadBytes + length;
    if (!visit(payload)) return end;
  }
}

Result<std::string> read_last_frame(const std::filesystem::path& path, std::size_t payload_bytes) {
  Fd file = TRY(open_to_read(path));
  struct stat info;
  if (fstat(file.get(), &info) != 0) return failed(path, "read");
  const auto want = static_cast<off_t>(kHeadBytes + payload_bytes);
  if (info.st_size < want) return std::string();
  std::string bytes(static_cast<std::size_t>(want), '\0');
  if (pread(file.get(), bytes.data(), bytes.size(), info.st_size - want) != want) {
    return failed(path, "read");
  }
  std::string payload = bytes.substr(kHeadBytes);
  if (get_u32(bytes.data()) != payload_bytes ||
      get_u32(bytes.data() + 4) != sum_of(static_cast<std::uint32_t>(payload_bytes), payload)) {
    return std::string();
  }
  return payload;
}

}  // namespace slipway::blob
