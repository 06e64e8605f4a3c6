#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "io/blob/frame.h"
#include "io/blob/journal.h"

namespace slipway::blob {
namespace {

// What looks like a frame, and is none, costs the reading of its bytes: a file that has more of
// them than this was made to.
constexpr std::uint64_t kSearchedBytesMax = 1u << 30;
constexpr std::size_t kSearchedAtOnce = 1u << 16;

Error failed(const std::filesystem::path& path, const char* what) {
  return {Code::kUnavailable,
          std::string("cannot ") + what + " " + path.string() + ": " + std::strerror(errno)};
}

/// Reads a file forwards in large pieces, as far as it went when it was opened.
class Source {
 public:
  static Result<Source> open(const std::filesystem::path& path) {
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file) {
      Error error = failed(path, "read");
      if (errno == ENOENT) error.code = Code::kMissing;
      return error;
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return failed(path, "look at");
    if (S_ISREG(status.st_mode))
      return Source(std::move(file), path, static_cast<std::uint64_t>(status.st_size));
    return Error{Code::kUnavailable, "cannot read " + path.string() +
                                         ": it is no file, but stands where a journal does; move "
                                         "it away"};
  }

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  std::uint64_t at() const { return at_; }
  std::uint64_t left() const { return size_ - at_; }

  /// Of what comes next as much as was read already.
  std::string_view buffered() const { return std::string_view(buffer_).substr(begin_); }
  /// The next `bytes`; fewer at the end of the file. Valid until the next call.
  Result<std::string_view> peek(std::size_t bytes) {
    bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, left()));
    if (buffer_.size() - begin_ < bytes) TRY(fill(bytes));
    return std::string_view(buffer_).substr(begin_, bytes);
  }
  /// Precondition: they have been looked at.
  void skip(std::size_t bytes) {
    begin_ += bytes;
    at_ += bytes;
  }
  /// The bytes at a place, whatever was read before.
  Result<std::string> read_at(std::uint64_t place, std::size_t bytes) const {
    std::string out(bytes, '\0');
    const ssize_t got = pread(file_.get(), out.data(), bytes, static_cast<off_t>(place));
    if (got < 0) return failed(path_, "read");
    out.resize(static_cast<std::size_t>(got));
    return out;
  }

 private:
  static constexpr std::size_t kPieceBytes = 1u << 18;

  Source(Fd file, std::filesystem::path path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  Result<> fill(std::size_t bytes) {
    buffer_.erase(0, begin_);
    begin_ = 0;
    while (buffer_.size() < bytes) {
      const std::size_t had = buffer_.size();
      buffer_.resize(had + std::min(std::max(bytes - had, kPieceBytes), std::size_t{4} << 20));
      ssize_t got = read(file_.get(), buffer_.data() + had, buffer_.size() - had);
      buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed(path_, "read");
      if (got > 0) continue;
      size_ = at_ + buffer_.size();  // its writer has cut it back meanwhile
      return {};
    }
    return {};
  }

  Fd file_;
  std::filesystem::path path_;
  std::uint64_t size_, at_ = 0;  // at_: of what is peeked at next
  std::string buffer_;
  std::size_t begin_ = 0;
};

Error no_journal(const std::filesystem::path& path, std::string_view kind) {
  return {Code::kInvalid, path.string() + " is no journal of kind '" + std::string(kind) + "'"};
}

struct Frame {
  std::uint32_t number = 0;
  std::string_view payload;
  std::size_t bytes = 0;  // with its head
};

class Walk {
 public:
  Walk(Source source, FrameForm form, const JournalVisitor& visitor)
      : source_(std::move(source)), form_(form), visitor_(visitor) {}

  Result<JournalEnd> read(const FileHead& head) {
    source_.skip(head.bytes);
    end_.bytes = head.bytes;
    if (head.damaged) note({0, head.bytes, 0});
    while (source_.left() > 0) {
      if (TRY(frame_here())) {
        if (form_.is_numbered() && frame_.number != next_) note_gap(source_.at());
      } else {
        const std::uint64_t from = source_.at();
        if (!TRY(find_frame())) break;
        note_gap(from);
      }
      next_ = frame_.number + 1;
      ++end_.frames;
      const bool go_on = visitor_.frame(frame_.payload);
      source_.skip(frame_.bytes);
      end_.bytes = source_.at();
      if (!go_on) break;
    }
    return end_;
  }

 private:
  /// Whether a whole frame begins here; frame_ is it then.
  Result<bool> frame_here() {
    const std::size_t head_bytes = form_.head_bytes();
    std::string_view bytes = source_.buffered();
    if (bytes.size() < head_bytes) bytes = TRY(source_.peek(head_bytes));
    const auto head = form_.read(bytes, source_.left());
    if (!head) return false;
    const std::size_t size = head_bytes + head->length;
    if (bytes.size() < size) bytes = TRY(source_.peek(size));
    if (bytes.size() < size) return false;
    bytes = bytes.substr(0, size);
    if (!form_.is_whole(bytes, *head)) {
      searched_ += size;
      return false;
    }
    form_.learn(bytes);
    frame_ = {head->number, bytes.substr(head_bytes), size};
    return true;
  }

  /// Goes on to the next whole frame behind what is none here; false when there is none. A whole
  /// frame can only be one that was written: contents do not know the mark.
  Result<bool> find_frame() {
    end_.torn = true;  // unless one is found
    const std::uint64_t from = source_.at();
    source_.skip(1);
    while (source_.left() > 0) {
      const std::string_view bytes = TRY(source_.peek(kSearchedAtOnce));
      const std::size_t place = form_.find(bytes, source_.left());
      if (place == std::string_view::npos) {
        if (bytes.size() < kSearchedAtOnce) return false;
        source_.skip(bytes.size() - form_.head_bytes() + 1);
        continue;
      }
      source_.skip(place);
      if (TRY(frame_here())) {
        end_.torn = false;
        return true;
      }
      if (searched_ > kSearchedBytesMax) {
        note({from, source_.size() - from, 1});
        return false;
      }
      source_.skip(1);
    }
    return false;
  }

  /// Between `from` and frame_.
  void note_gap(std::uint64_t from) {
    const std::uint64_t bytes = source_.at() - from;
    std::uint64_t frames = 1;
    // No more than there was room for.
    if (form_.is_numbered())
      frames = frame_.number < next_
                   ? 0
                   : std::min<std::uint64_t>(frame_.number - next_, bytes / form_.head_bytes());
    note({from, bytes, frames});
  }
  void note(const Damage& damage) {
    ++end_.damages;
    end_.lost_frames += damage.frames;
    if (visitor_.damage) visitor_.damage(damage);
  }

  Source source_;
  FrameForm form_;
  const JournalVisitor& visitor_;
  JournalEnd end_;
  Frame frame_;
  std::uint32_t next_ = 0;  // number of the frame that should come
  std::uint64_t searched_ = 0;
};

}  // namespace

Result<JournalEnd> read_journal(const std::filesystem::path& path, std::string_view kind,
                                const JournalVisitor& visitor) {
  Source source = TRY(Source::open(path));
  const std::string_view bytes = TRY(source.peek(kFileHeadBytes));
  const std::optional<FileHead> head = read_file_head(bytes, kind);
  if (head) return Walk(std::move(source), head->form, visitor).read(*head);
  if (!is_unfinished_head(bytes, kind)) return no_journal(path, kind);
  JournalEnd end;  // a crash came before the first frame
  end.torn = true;
  return end;
}

Result<std::string> read_last_frame(const std::filesystem::path& path, std::string_view kind,
                                    std::size_t payload_bytes) {
  Source source = TRY(Source::open(path));
  const auto head = read_file_head(TRY(source.peek(kFileHeadBytes)), kind);
  if (!head) return std::string();
  const std::size_t frame_bytes = head->form.head_bytes() + payload_bytes;
  if (source.size() < head->bytes + frame_bytes) return std::string();
  const std::string bytes = TRY(source.read_at(source.size() - frame_bytes, frame_bytes));
  if (bytes.size() < frame_bytes) return std::string();
  const auto frame = head->form.read(bytes, frame_bytes);
  if (!frame || frame->length != payload_bytes || !head->form.is_whole(bytes, *frame))
    return std::string();
  return bytes.substr(head->form.head_bytes());
}

}  // namespace slipway::blob
