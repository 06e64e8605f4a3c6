#include "domain/features/online_log.h"

#include "base/hash.h"
#include "domain/features/row.h"

namespace slipway::features::log {
namespace {

constexpr std::string_view kMagic = "slipfeat";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kFrameMagic = 0x53465246;  // "FRFS"
// Looking for a frame behind an unreadable one reads no more than this over again.
constexpr std::uint64_t kSearchBytesMax = 4ull << 30;

enum class RecordKind : std::uint8_t { kDefine = 1, kPut = 2, kEntry = 3, kEnd = 4 };

Error damaged(const std::string& name, const std::string& what) {
  return with_tag(invalid(name + " is damaged: " + what +
                          ". Restore the folder from a copy, or remove it and materialize again"),
                  "damaged");
}

std::uint32_t checksum(std::uint64_t nonce, std::uint64_t first_seq, std::string_view payload) {
  ByteWriter seed;
  seed.u64(nonce);
  seed.u64(first_seq);
  return crc32c(payload, crc32c(seed.bytes()));
}

std::optional<Header> decode_header(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  ByteReader reader(bytes.substr(0, kHeaderBytes));
  if (reader.raw(kMagic.size()) != kMagic || reader.u32() != kVersion) return std::nullopt;
  Header header;
  const std::uint32_t kind = reader.u32();
  if (kind != 1 && kind != 2) return std::nullopt;
  header.kind = static_cast<Kind>(kind);
  header.generation = reader.u64();
  header.nonce = reader.u64();
  header.previous_bytes = reader.u64();
  if (reader.u32() != crc32c(bytes.substr(0, kHeaderBytes - 4))) return std::nullopt;
  return header;
}

std::optional<Frame> frame_at(std::string_view bytes, std::size_t at, std::uint64_t nonce) {
  ByteReader reader(bytes.substr(at));
  if (reader.u32() != kFrameMagic) return std::nullopt;
  const std::uint32_t length = reader.u32();
  const std::uint32_t sum = reader.u32();
  Frame frame;
  frame.first_seq = reader.u64();
  if (!reader.ok() || length > kFrameBytesMax || length > reader.left()) return std::nullopt;
  frame.payload = reader.raw(length);
  if (checksum(nonce, frame.first_seq, frame.payload) != sum) return std::nullopt;
  return frame;
}

/// Whether a readable frame begins anywhere after `at`.
bool has_frame_after(std::string_view bytes, std::size_t at, std::uint64_t nonce) {
  ByteWriter magic;
  magic.u32(kFrameMagic);
  std::uint64_t searched = 0;
  for (std::size_t place = bytes.find(magic.bytes(), at + 1); place != std::string_view::npos;
       place = bytes.find(magic.bytes(), place + 1)) {
    if (frame_at(bytes, place, nonce)) return true;
    ByteReader reader(bytes.substr(place + 4));
    searched += std::min<std::uint64_t>(reader.u32(), bytes.size() - place);
    if (searched > kSearchBytesMax) return true;
  }
  return false;
}

}  // namespace

std::string encode(const Header& header) {
  ByteWriter out;
  out.raw(kMagic);
  out.u32(kVersion);
  out.u32(static_cast<std::uint32_t>(header.kind));
  out.u64(header.generation);
  out.u64(header.nonce);
  out.u64(header.previous_bytes);
  out.u32(crc32c(out.bytes()));
  return out.take();
}

std::string encode(const Header& header, const Frame& frame) {
  ByteWriter out;
  out.u32(kFrameMagic);
  out.u32(static_cast<std::uint32_t>(frame.payload.size()));
  out.u32(checksum(header.nonce, frame.first_seq, frame.payload));
  out.u64(frame.first_seq);
  out.raw(frame.payload);
  return out.take();
}

Result<Contents> parse(std::string_view bytes, const std::string& name) {
  Contents contents;
  contents.header = decode_header(bytes);
  if (!contents.header) {
    // A file is used only after its header was synced.
    if (bytes.size() <= kHeaderBytes) {
      contents.torn = !bytes.empty();
      return contents;
    }
    return damaged(name, "it does not begin as such a file");
  }
  std::size_t at = kHeaderBytes;
  while (at < bytes.size()) {
    std::optional<Frame> frame = frame_at(bytes, at, contents.header->nonce);
    if (!frame) {
      if (has_frame_after(bytes, at, contents.header->nonce)) {
        return damaged(name, "what stands at byte " + std::to_string(at) + " can't be read");
      }
      contents.torn = true;
      break;
    }
    at += kFrameHeaderBytes + frame->payload.size();
    contents.frames.push_back(*frame);
  }
  contents.good_bytes = at;
  return contents;
}

void append(std::string& payload, const DefineRecord& record) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(RecordKind::kDefine));
  out.u32(record.view);
  out.text(record.stored.id);
  out.u32(static_cast<std::uint32_t>(record.stored.columns.size()));
  for (const Input& column : record.stored.columns) {
    out.u8(static_cast<std::uint8_t>(column.type));
    out.text(column.name);
  }
  out.u32(static_cast<std::uint32_t>(record.stored.operands.size()));
  for (Type type : record.stored.operands) out.u8(static_cast<std::uint8_t>(type));
  out.i64(record.stored.reach_us);
  payload += out.bytes();
}

void append(std::string& payload, const PutRecord& record) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(RecordKind::kPut));
  out.u32(record.view);
  out.text(record.key);
  out.i64(record.event_us);
  out.i64(record.created_us);
  out.u64(record.order);
  out.u8(record.deleted ? 1 : 0);
  out.text(record.row);
  out.text(record.operands);
  payload += out.bytes();
}

void append(std::string& payload, const EntryRecord& record) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(RecordKind::kEntry));
  out.u32(record.view);
  out.text(record.key);
  out.u8(static_cast<std::uint8_t>((record.has_row ? 1 : 0) | (record.deleted ? 2 : 0)));
  out.i64(record.event_us);
  out.i64(record.created_us);
  out.u64(record.seq);
  out.i64(record.forgotten_us);
  out.text(record.row);
  out.u32(static_cast<std::uint32_t>(record.events.size()));
  for (const EntryRecord::Event& event : record.events) {
    out.i64(event.id.at_us);
    out.i64(event.id.created_us);
    out.u64(event.id.order);
    out.text(event.operands);
  }
  payload += out.bytes();
}

void append(std::string& payload, const EndRecord& record) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(RecordKind::kEnd));
  out.u64(record.entries);
  out.u64(record.next_seq);
  payload += out.bytes();
}

namespace {

std::optional<Type> type_in(std::uint8_t byte) {
  if (byte > static_cast<std::uint8_t>(Type::kTimestamp)) return std::nullopt;
  return static_cast<Type>(byte);
}

/// Nothing for a type that there is not.
std::optional<DefineRecord> read_define(ByteReader& in) {
  DefineRecord record;
  record.view = in.u32();
  record.stored.id = in.text();
  const std::uint32_t columns = in.u32();
  for (std::uint32_t i = 0; i < columns && in.ok(); ++i) {
    const std::optional<Type> type = type_in(in.u8());
    if (!type) return std::nullopt;
    record.stored.columns.push_back({std::string(in.text()), *type});
  }
  const std::uint32_t operands = in.u32();
  for (std::uint32_t i = 0; i < operands && in.ok(); ++i) {
    const std::optional<Type> type = type_in(in.u8());
    if (type != Type::kInt64 && type != Type::kFloat64) return std::nullopt;
    record.stored.operands.push_back(*type);
  }
  record.stored.reach_us = in.i64();
  return record;
}

PutRecord read_put(ByteReader& in) {
  PutRecord record;
  record.view = in.u32();
  record.key = in.text();
  record.event_us = in.i64();
  record.created_us = in.i64();
  record.order = in.u64();
  record.deleted = in.u8() != 0;
  record.row = in.text();
  record.operands = in.text();
  return record;
}

EntryRecord read_entry(ByteReader& in) {
  EntryRecord record;
  record.view = in.u32();
  record.key = in.text();
  const std::uint8_t flags = in.u8();
  record.has_row = (flags & 1) != 0;
  record.deleted = (flags & 2) != 0;
  record.event_us = in.i64();
  record.created_us = in.i64();
  record.seq = in.u64();
  record.forgotten_us = in.i64();
  record.row = in.text();
  const std::uint32_t events = in.u32();
  for (std::uint32_t i = 0; i < events && in.ok(); ++i) {
    EntryRecord::Event event;
    event.id.at_us = in.i64();
    event.id.created_us = in.i64();
    event.id.order = in.u64();
    event.operands = in.text();
    record.events.push_back(std::move(event));
  }
  return record;
}

}  // namespace

Result<> visit(const Frame& frame, const std::string& name, const Visitor& visitor) {
  ByteReader in(frame.payload);
  const Error error = damaged(name, "a frame holds no records");
  std::uint64_t seq = frame.first_seq;
  while (!in.at_end()) {
    switch (static_cast<RecordKind>(in.u8())) {
      case RecordKind::kDefine: {
        std::optional<DefineRecord> record = read_define(in);
        if (!record || !in.ok()) return error;
        TRY(visitor.define(std::move(*record)));
        break;
      }
      case RecordKind::kPut: {
        PutRecord record = read_put(in);
        if (!in.ok()) return error;
        TRY(visitor.put(std::move(record), seq++));
        break;
      }
      case RecordKind::kEntry: {
        EntryRecord record = read_entry(in);
        if (!in.ok()) return error;
        TRY(visitor.entry(std::move(record)));
        break;
      }
      case RecordKind::kEnd: {
        EndRecord record;
        record.entries = in.u64();
        record.next_seq = in.u64();
        if (!in.ok()) return error;
        TRY(visitor.end(record));
        break;
      }
      default:
        return error;
    }
  }
  return {};
}

}  // namespace slipway::features::log
