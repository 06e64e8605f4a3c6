#pragma once

#include <cstdint>
#include <cstdlib>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "io/blob/blobs.h"
#include "io/blob/disk.h"

// Files that are large go between the disk and their reader or writer past the system's cache,
// where the file system can do that (elsewhere all is as ever). Each fresh page of that cache is
// memory, which the host of a virtual machine may have to find first: that can take longer than all
// else. And what others read often is not pushed out by what is read or written once.
namespace slipway::blob {

inline constexpr std::uint64_t kLargeBytes = 16u << 20;
inline constexpr std::size_t kPieceBytes = 1u << 20;  // that are read or written at a time

/// Memory where the system wants it for that.
class Piece {
 public:
  static constexpr std::size_t kAlignment = 4096;
  /// Null when there is no memory.
  char* get();
  void reset() { memory_.reset(); }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
};

/// Appends to a file that was empty; what is behind kLargeBytes goes past the cache. One thread.
class Appender {
 public:
  /// Both must outlive it.
  Appender(Disk& disk, int file) : disk_(disk), file_(file) {}

  Result<> write(std::string_view data);
  /// The last bytes; before anything else is done with the file.
  Result<> finish();

 private:
  Result<> write_through(std::string_view data);
  Result<> start_direct();
  Result<> gather(std::string_view data);

  Disk& disk_;
  const int file_;
  std::uint64_t written_ = 0;
  bool asked_ = false;   // whether the file system can
  bool direct_ = false;  // by `piece_`
  Piece piece_;
  std::size_t gathered_ = 0;  // bytes in it
};

/// Which large files were read whole lately: another time they are worth a place in the cache. Any
/// thread.
class LargeReads {
 public:
  /// Whether as much as all of it was read already.
  bool is_again(const std::string& stamp, std::uint64_t size) const;
  void add(const std::string& stamp, std::uint64_t bytes);

 private:
  static constexpr std::size_t kFilesMax = 1024;
  struct Read {
    std::string stamp;
    std::uint64_t bytes = 0;
  };
  mutable std::mutex mutex_;
  std::list<Read> latest_first_;
  std::unordered_map<std::string, std::list<Read>::iterator> by_stamp_;
};

/// Reads a file from any place on. One thread.
class PlacedReader {
 public:
  /// `reads` and `file` must outlive it; `stamp` names the file's content.
  PlacedReader(LargeReads& reads, int file, std::uint64_t size, std::string stamp)
      : reads_(reads), file_(file), size_(size), stamp_(std::move(stamp)) {}

  /// 0 at the end of the file.
  Result<std::size_t> read(std::uint64_t at, std::span<char> buffer);
  /// Into an empty pipe. 0 at the end, and where these bytes have to be read: only what goes past
  /// the cache is moved, by whole pages. Those of the cache would be the file itself, and change
  /// with it while they wait for a peer.
  Result<std::size_t> move_to(std::uint64_t at, const Reader::Pipe& pipe, std::size_t bytes);

 private:
  struct Range {
    std::uint64_t begin = 0, end = 0;
    bool contains(std::uint64_t at) const { return at >= begin && at < end; }
  };
  Result<std::size_t> move_pages(std::uint64_t at, const Reader::Pipe& pipe, std::size_t bytes);
  void note_cached(std::uint64_t page);
  Result<> look(std::uint64_t page);
  bool goes_past_cache(std::uint64_t page);
  bool is_cached(std::uint64_t page) const;
  Result<std::size_t> fetch(std::uint64_t page);

  LargeReads& reads_;
  const int file_;
  const std::uint64_t size_;
  const std::string stamp_;
  bool asked_ = false, can_ = false;  // read past the cache
  Piece piece_;
  Range fetched_;  // what is in it
  Range cached_;   // what is read through the cache
};

}  // namespace slipway::blob
