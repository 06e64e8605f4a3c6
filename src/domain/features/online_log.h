#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/features/aggregate.h"
#include "domain/features/online.h"

// The bytes of the online store's log and snapshots (docs/formats/online-log.md), as functions over
// texts: what is written, and what of a file may be believed. Private to this folder. Any thread.
namespace slipway::features::log {

inline constexpr std::size_t kHeaderBytes = 44;
inline constexpr std::size_t kFrameHeaderBytes = 20;
inline constexpr std::size_t kFrameBytesMax = 256u << 20;

enum class Kind : std::uint8_t { kLog = 1, kSnapshot = 2 };

struct Header {
  Kind kind = Kind::kLog;
  std::uint64_t generation = 0;
  std::uint64_t nonce = 0;  // random: no content can pretend to be a frame of this file
  /// So much of the log before was acknowledged when this one began.
  std::uint64_t previous_bytes = 0;
};
std::string encode(const Header& header);

/// One group of records that became durable together.
struct Frame {
  std::uint64_t first_seq = 0;  // of its first put
  std::string_view payload;
};
std::string encode(const Header& header, const Frame& frame);

struct Contents {
  std::optional<Header> header;  // nothing: the file never got that far
  std::vector<Frame> frames;     // point into the text
  std::uint64_t good_bytes = 0;  // up to the end of the last frame
  bool torn = false;             // what stands behind is cut off
};
/// kInvalid (tag "damaged") for what is no such file, and where an unreadable frame is followed by
/// a readable one: then something that was acknowledged is lost, and nothing must be guessed.
Result<Contents> parse(std::string_view bytes, const std::string& name);

// ---- records in frames

struct DefineRecord {
  std::uint32_t view = 0;
  StoredView stored;
};
struct PutRecord {
  std::uint32_t view = 0;
  std::string key;
  std::int64_t event_us = 0, created_us = kNoCreated;
  std::uint64_t order = 0;
  bool deleted = false;
  std::string row, operands;  // as encode_row
};
/// An entity as it was, in a snapshot.
struct EntryRecord {
  std::uint32_t view = 0;
  std::string key;
  bool has_row = false, deleted = false;
  std::int64_t event_us = 0, created_us = kNoCreated;
  std::uint64_t seq = 0;
  std::int64_t forgotten_us = 0;  // events up to it are deleted
  std::string row;
  struct Event {
    EventId id;
    std::string operands;
  };
  std::vector<Event> events;
};
struct EndRecord {
  std::uint64_t entries = 0;
  std::uint64_t next_seq = 0;
};

void append(std::string& payload, const DefineRecord& record);
void append(std::string& payload, const PutRecord& record);
void append(std::string& payload, const EntryRecord& record);
void append(std::string& payload, const EndRecord& record);

struct Visitor {
  std::function<Result<>(DefineRecord)> define;
  std::function<Result<>(PutRecord, std::uint64_t seq)> put;
  std::function<Result<>(EntryRecord)> entry;
  std::function<Result<>(EndRecord)> end;
};
/// kInvalid (tag "damaged") for bytes that are no records. Rows are not looked into.
Result<> visit(const Frame& frame, const std::string& name, const Visitor& visitor);

}  // namespace slipway::features::log
