#include "io/blob/large_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace slipway::blob {
namespace {

constexpr std::uint64_t kPage = Piece::kAlignment;

/// statx(2): Linux says since 6.1 how such reads and writes of a file have to be aligned.
bool can_pass_cache([[maybe_unused]] int file) {
#ifdef STATX_DIOALIGN
  struct statx about {};
  if (statx(file, "", AT_EMPTY_PATH, STATX_DIOALIGN, &about) != 0) return false;
  const auto fits = [](std::uint32_t align) { return align > 0 && kPage % align == 0; };
  return (about.stx_mask & STATX_DIOALIGN) != 0 && fits(about.stx_dio_mem_align) &&
         fits(about.stx_dio_offset_align);
#else
  return false;
#endif
}

Result<> set_direct(int file, bool on) {
  const int flags = fcntl(file, F_GETFL);
  if (flags < 0 || fcntl(file, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) != 0)
    return system_error("cannot change how an object is read or written", errno);
  return {};
}

Result<std::size_t> read_at(int file, std::span<char> buffer, std::uint64_t at) {
  for (;;) {
    const ssize_t got = pread(file, buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return system_error("cannot read an object", errno);
  }
}

/// splice(2), which reads into fresh pages where a file is read past the cache. 0 also where the file
/// system can't do that.
Result<std::size_t> splice_at(int file, std::uint64_t at, int pipe, std::size_t bytes) {
  auto from = static_cast<off_t>(at);
  for (;;) {
    const ssize_t moved = splice(file, &from, pipe, nullptr, bytes, SPLICE_F_MOVE);
    if (moved >= 0) return static_cast<std::size_t>(moved);
    if (errno == EINVAL || errno == ENOSYS || errno == EPERM) return std::size_t{0};
    if (errno != EINTR) return system_error("cannot read an object", errno);
  }
}

}  // namespace

char* Piece::get() {
  if (!memory_) memory_.reset(static_cast<char*>(std::aligned_alloc(kAlignment, kPieceBytes)));
  return memory_.get();
}

// --- writing -------------------------------------------------------------------------------------

Result<> Appender::write_through(std::string_view data) {
  if (data.empty()) return {};
  TRY(disk_.write(file_, data));
  written_ += data.size();
  return {};
}

Result<> Appender::start_direct() {
  asked_ = true;
  if (!can_pass_cache(file_) || piece_.get() == nullptr) return {};
  direct_ = set_direct(file_, true).ok();
  return {};
}

Result<> Appender::gather(std::string_view data) {
  while (!data.empty()) {
    const std::size_t bytes = std::min(data.size(), kPieceBytes - gathered_);
    std::memcpy(piece_.get() + gathered_, data.data(), bytes);
    gathered_ += bytes;
    data.remove_prefix(bytes);
    if (gathered_ < kPieceBytes) return {};
    gathered_ = 0;
    TRY(write_through({piece_.get(), kPieceBytes}));
  }
  return {};
}

Result<> Appender::write(std::string_view data) {
  if (!asked_ && written_ + data.size() >= kLargeBytes) {
    // Up to the place from which on it is large, where a page ends.
    const auto bytes = static_cast<std::size_t>(kLargeBytes - written_);
    TRY(write_through(data.substr(0, bytes)));
    data.remove_prefix(bytes);
    TRY(start_direct());
  }
  return direct_ ? gather(data) : write_through(data);
}

Result<> Appender::finish() {
  if (!direct_) return {};
  direct_ = false;
  TRY(set_direct(file_, false));  // the last piece need not end where a page does
  TRY(write_through({piece_.get(), gathered_}));
  piece_.reset();
  return {};
}

// --- reading -------------------------------------------------------------------------------------

bool LargeReads::is_again(const std::string& stamp, std::uint64_t size) const {
  std::lock_guard lock(mutex_);
  const auto known = by_stamp_.find(stamp);
  return known != by_stamp_.end() && known->second->bytes >= size;
}

void LargeReads::add(const std::string& stamp, std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  auto known = by_stamp_.find(stamp);
  if (known == by_stamp_.end()) {
    latest_first_.push_front({stamp, 0});
    known = by_stamp_.emplace(stamp, latest_first_.begin()).first;
  }
  known->second->bytes += bytes;
  latest_first_.splice(latest_first_.begin(), latest_first_, known->second);
  if (latest_first_.size() <= kFilesMax) return;
  by_stamp_.erase(latest_first_.back().stamp);
  latest_first_.pop_back();
}

/// mincore(2): of a file that is not its own, or can't be mapped, a process learns nothing; that
/// counts as cached, so it is read as ever.
bool PlacedReader::is_cached(std::uint64_t page) const {
  const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, size_ - page));
  void* mapped = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file_, static_cast<off_t>(page));
  if (mapped == MAP_FAILED) return true;
  std::array<unsigned char, kPieceBytes / kPage> pages{};
  const bool known = mincore(mapped, bytes, pages.data()) == 0;
  munmap(mapped, bytes);
  const auto count = static_cast<std::ptrdiff_t>((bytes + kPage - 1) / kPage);
  return !known || std::all_of(pages.begin(), pages.begin() + count,
                               [](unsigned char one) { return (one & 1) != 0; });
}

bool PlacedReader::goes_past_cache(std::uint64_t page) {
  if (!std::exchange(asked_, true)) can_ = can_pass_cache(file_) && piece_.get() != nullptr;
  return can_ && !reads_.is_again(stamp_, size_) && !is_cached(page);
}

/// How the piece that begins there is to be read.
Result<> PlacedReader::look(std::uint64_t page) {
  if (!goes_past_cache(page)) {
    note_cached(page);
    return {};
  }
  fetched_ = {page, page + TRY(fetch(page))};
  reads_.add(stamp_, fetched_.end - fetched_.begin);
  return {};
}

void PlacedReader::note_cached(std::uint64_t page) {
  cached_ = {page, std::min(size_, page + kPieceBytes)};
  reads_.add(stamp_, cached_.end - cached_.begin);
}

Result<std::size_t> PlacedReader::fetch(std::uint64_t page) {
  fetched_ = {};
  TRY(set_direct(file_, true));
  const auto got = read_at(file_, {piece_.get(), kPieceBytes}, page);
  TRY(set_direct(file_, false));
  return got;
}

Result<std::size_t> PlacedReader::read(std::uint64_t at, std::span<char> buffer) {
  if (size_ < kLargeBytes || at >= size_) return read_at(file_, buffer, at);
  if (!cached_.contains(at) && !fetched_.contains(at)) TRY(look(at / kPage * kPage));
  if (cached_.contains(at)) {
    const auto bytes = std::min<std::uint64_t>(buffer.size(), cached_.end - at);
    return read_at(file_, buffer.first(static_cast<std::size_t>(bytes)), at);
  }
  if (!fetched_.contains(at)) return std::size_t{0};  // the file became shorter
  const auto bytes = std::min<std::uint64_t>(buffer.size(), fetched_.end - at);
  std::memcpy(buffer.data(), piece_.get() + (at - fetched_.begin), bytes);
  return static_cast<std::size_t>(bytes);
}

Result<std::size_t> PlacedReader::move_pages(std::uint64_t at, const Reader::Pipe& pipe,
                                             std::size_t bytes) {
  const bool to_the_end = at + bytes == size_;  // where the last page may be asked for as a whole
  const std::size_t whole = (bytes + (to_the_end ? kPage - 1 : 0)) / kPage * kPage;
  const int entrance = whole == 0 ? -1 : pipe();
  if (entrance < 0) return std::size_t{0};
  TRY(set_direct(file_, true));
  const auto moved = splice_at(file_, at, entrance, whole);
  TRY(set_direct(file_, false));
  if (moved.ok() && *moved > bytes) return internal("an object became longer while it was read");
  if (moved.ok()) reads_.add(stamp_, *moved);
  return moved;
}

Result<std::size_t> PlacedReader::move_to(std::uint64_t at, const Reader::Pipe& pipe,
                                          std::size_t bytes) {
  if (size_ < kLargeBytes || at >= size_) return std::size_t{0};
  if (cached_.contains(at) || fetched_.contains(at) || at % kPage != 0) return std::size_t{0};
  if (goes_past_cache(at)) return move_pages(at, pipe, std::min(bytes, kPieceBytes));
  note_cached(at);
  return std::size_t{0};
}

}  // namespace slipway::blob
