#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "domain/features/aggregate.h"
#include "domain/features/column.h"
#include "domain/features/expression.h"
#include "io/blob/disk.h"

// The online store: the newest row and the recent events of each entity, in memory, durable through
// a log. A write is acknowledged when its group is synced; a restart reads the last snapshot and
// the logs after it. docs/formats/online-log.md describes the files.
//
// Of two rows of an entity the greater by (event time, created with null lowest, order of writes)
// stays, so late and repeated writes change nothing. A deletion is a row like any other, and also
// forgets the entity's events up to its event time for ever. Rows have no ttl here: who reads knows
// it (lookup.h).
//
// Threads: any may call anything. Readers take a shared lock of one of 64 shards per view for the
// time of a copy; one writer thread syncs groups and applies them; one compactor writes snapshots.
namespace slipway::features {

/// What is kept of a view. Identified by its id, which holds the view's version.
struct StoredView {
  std::string id;
  std::vector<Input> columns;  // of a row
  std::vector<Type> operands;  // of events; none: no events are kept
  std::int64_t reach_us = 0;   // how far back aggregates look
  std::vector<Type> column_types() const;
};

/// Put::order of the n-th event, from 1, that a source has of an entity at one (event time, created
/// time): it takes the place of the n-th that is there. So a source may be sorted anew, get rows
/// anywhere and have rows corrected, and its events are there once.
constexpr std::uint64_t nth_at_its_time(std::uint64_t n) {
  return (std::uint64_t{1} << 63) | n;
}

struct Put {
  std::string key;  // as pack_key; not empty
  std::int64_t event_us = 0;
  std::int64_t created_us = kNoCreated;
  /// What the event is known by beside its times: written again it is the same. 0: a new event.
  std::uint64_t order = 0;
  bool deleted = false;
  std::vector<Value> values;    // of the view's columns; none when deleted
  std::vector<Value> operands;  // of the view's operands
};

struct Found {
  bool present = false;  // false also when deleted
  bool deleted = false;
  std::int64_t event_us = 0;
  std::int64_t created_us = kNoCreated;
  std::vector<Value> values;
};

struct OnlineOptions {
  blob::Disk* disk = nullptr;                  // null: the real one
  std::uint64_t log_bytes_max = 64u << 20;     // then a snapshot is made, or when the log is as
                                               // large as the last one
  std::size_t group_max = 256;                 // calls in one sync
  std::size_t queue_max = 10'000;              // calls that wait; full: kBusy
  std::uint64_t queue_bytes_max = 128u << 20;  // likewise
};

inline constexpr std::size_t kOnlineViewsMax = 4096;
inline constexpr std::size_t kKeyBytesMax = 4096;
inline constexpr std::size_t kRowBytesMax = 1u << 20;
inline constexpr std::size_t kPutBytesMax = 64u << 20;  // of one call
inline constexpr std::size_t kOperandsMax = 256;
inline constexpr std::size_t kEventsMax = 100'000;  // of one entity; the oldest are forgotten
/// Events are kept so much longer than any window, for questions about the recent past.
inline constexpr std::int64_t kLookBackUs = kDayUs;

class OnlineStore {
 public:
  using ViewNumber = std::uint32_t;

  /// kConflict (tag "owned") when another process has the folder; kInvalid (tag "damaged") when its
  /// files are not what was written: nothing is guessed then.
  static Result<std::unique_ptr<OnlineStore>> open(const std::filesystem::path& folder,
                                                   Metrics& metrics, OnlineOptions options = {});
  /// Finishes what was queued.
  virtual ~OnlineStore() = default;

  /// Durable when it returns; the same again gives the same number. kConflict for an id that is
  /// known with other columns.
  virtual Result<ViewNumber> define(const StoredView& view) = 0;
  virtual std::optional<ViewNumber> find(std::string_view id) const = 0;
  virtual std::vector<StoredView> views() const = 0;

  /// Queues a write; it becomes durable and visible as a whole. `done` is called on the writer
  /// thread (or at once with kInvalid or kBusy) and must not block. After kUnavailable the write
  /// may or may not be there after a restart; repeating it is harmless when `order` is set.
  virtual void put_later(ViewNumber view, std::vector<Put> puts, Done<> done) = 0;
  /// The same, waiting. Never in `done`.
  Result<> put(ViewNumber view, std::vector<Put> puts);

  /// `with_history` is called, under the shard's lock, when the entity has events.
  using WithHistory = std::function<void(const History&)>;
  virtual Found get(ViewNumber view, std::string_view key,
                    const WithHistory& with_history = {}) const = 0;

  /// Writes a snapshot now and removes what it makes superfluous. Waits.
  virtual Result<> compact() = 0;

  struct Size {
    std::uint64_t entities = 0, events = 0, log_bytes = 0, logs = 0;
  };
  virtual Size size() const = 0;
};

}  // namespace slipway::features
