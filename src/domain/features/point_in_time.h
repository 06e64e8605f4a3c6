#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "domain/features/column.h"

// The point-in-time join: for each row of an entity table the newest source row of that entity that
// was known at the entity row's time. Pure. Any thread.
//
// Of the source rows with exactly equal key (no key column null), an event time at or before t and,
// when ttl > 0, at or after t - ttl, it takes the greatest by (event time, created with null
// lowest, position). `created` is only a tie-break, unless the cutoff asks for created <= t; a null
// created never passes the cutoff, and a source without the column is not affected by it.
namespace slipway::features {

struct SourceRows {
  std::vector<const Column*> key;      // none: one entity
  const Column* event_time = nullptr;  // timestamps; a row without one is never found
  const Column* created = nullptr;     // timestamps, or no such column
};

struct EntityRows {
  std::vector<const Column*> key;  // of the source's types
  const Column* event_time = nullptr;
};

struct JoinRules {
  std::int64_t ttl_us = 0;  // 0: for ever. Both bounds are inclusive
  bool created_cutoff = false;
};

inline constexpr std::uint32_t kNoRow = 0xffff'ffff;

struct Matches {
  std::vector<std::uint32_t> rows;  // per entity row, in their order: the source row, or kNoRow
  std::size_t unmatched = 0;        // nothing known of the entity at its time, or its key is null
  std::size_t expired = 0;          // the newest is older than the ttl
};

/// O((n + m) log n) for n source and m entity rows; takes about 80 bytes for a source row and 60
/// for an entity row beside the columns, and the bytes of each distinct key once. kInvalid when
/// types differ or a table has 2^32 - 1 rows or more.
Result<Matches> join(const SourceRows& source, const EntityRows& entities, const JoinRules& rules);

/// `column` at `rows`; null where there is none.
Column gather(const Column& column, const std::vector<std::uint32_t>& rows);

}  // namespace slipway::features
