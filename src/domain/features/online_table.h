#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "domain/features/online.h"
#include "domain/features/online_log.h"

// The entities of one view in memory, and the rules by which they change. Private to this folder.
// Any number of readers, one writer.
namespace slipway::features {

/// What decides between two rows of an entity: the greater one stays.
struct Stamp {
  std::int64_t event_us = 0;
  std::int64_t created_us = kNoCreated;
  std::uint64_t seq = 0;  // order of writes
  auto operator<=>(const Stamp&) const = default;
};

class OnlineTable {
 public:
  explicit OnlineTable(StoredView view)
      : view_(std::move(view)), column_types_(view_.column_types()) {}

  const StoredView& view() const { return view_; }
  const std::vector<Type>& column_types() const { return column_types_; }

  struct Applied {
    bool row_changed = false;
    std::uint64_t forgotten = 0;  // events beyond kEventsMax
  };
  /// `row` and `operands` as encode_row made them for this view. The writer.
  Applied apply(const log::PutRecord& put, std::uint64_t seq);
  void restore(log::EntryRecord record);

  Found get(std::string_view key, const OnlineStore::WithHistory& with_history) const;

  static constexpr std::size_t kShards = 64;
  /// Entities of one shard as records of view `number`, one payload or several; counts them.
  std::vector<std::string> snapshot(std::size_t shard, std::uint32_t number,
                                    std::uint64_t& entries) const;
  void count(OnlineStore::Size& size) const;

 private:
  struct Entry {
    Stamp stamp;
    bool has_row = false;  // or is deleted; else only events are known
    bool deleted = false;
    std::int64_t forgotten_us = kNoCreated;  // events up to it are deleted
    std::string row;
    std::unique_ptr<History> history;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const;
  };
  struct alignas(64) Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries;
  };

  static std::size_t shard_of(std::string_view key);
  std::uint64_t add_event(Entry& entry, const log::PutRecord& put, std::uint64_t seq);
  log::EntryRecord to_record(std::uint32_t number, const std::string& key,
                             const Entry& entry) const;

  StoredView view_;
  std::vector<Type> column_types_;
  std::array<Shard, kShards> shards_;
};

}  // namespace slipway::features
