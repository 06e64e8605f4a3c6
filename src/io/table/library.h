#pragma once

#include <cstdint>

#include "base/result.h"

// The part of DuckDB's C interface that we call, declared by ourselves, so that Slipway builds
// where DuckDB is not installed. Seen by io/table only. The interface is stable: functions are only
// added.
namespace slipway::table::duck {

enum class Outcome : int { kSuccess = 0, kError = 1 };

/// Types of columns, as far as we tell them apart.
enum class TypeId : int {
  kBoolean = 1,
  kTinyInt = 2,
  kSmallInt = 3,
  kInteger = 4,
  kBigInt = 5,
  kUTinyInt = 6,
  kUSmallInt = 7,
  kUInteger = 8,
  kUBigInt = 9,
  kFloat = 10,
  kDouble = 11,
  kTimestamp = 12,
  kDate = 13,
  kTime = 14,
  kHugeInt = 16,
  kVarchar = 17,
  kDecimal = 19,
  kTimestampS = 20,
  kTimestampMs = 21,
  kTimestampNs = 22,
  kEnum = 23,
  kUuid = 27,
  kTimestampTz = 31,
  kUHugeInt = 32,
  kSqlNull = 36,
};

struct DatabaseBody;
struct ConnectionBody;
struct ConfigBody;
struct PreparedBody;
struct PendingBody;
struct ChunkBody;
struct VectorBody;
using Database = DatabaseBody*;
using Connection = ConnectionBody*;
using Config = ConfigBody*;
using Prepared = PreparedBody*;
using Pending = PendingBody*;
using Chunk = ChunkBody*;
using Vector = VectorBody*;

/// Passed by value; only its functions look inside.
struct Answer {
  std::uint64_t unused_counts[3];
  void* unused_columns;
  char* unused_message;
  void* body;
};

struct Library {
  const char* (*version)();
  Outcome (*create_config)(Config*);
  Outcome (*set_config)(Config, const char* name, const char* value);
  void (*destroy_config)(Config*);
  Outcome (*open)(const char* path, Database*, Config, char** error);
  void (*close)(Database*);
  Outcome (*connect)(Database, Connection*);
  void (*disconnect)(Connection*);
  void (*free)(void*);
  Outcome (*query)(Connection, const char* sql, Answer*);
  Outcome (*prepare)(Connection, const char* sql, Prepared*);
  const char* (*prepare_error)(Prepared);
  void (*destroy_prepared)(Prepared*);
  Outcome (*pending_streaming)(Prepared, Pending*);
  const char* (*pending_error)(Pending);
  Outcome (*execute_pending)(Pending, Answer*);
  void (*destroy_pending)(Pending*);
  const char* (*answer_error)(Answer*);
  void (*destroy_answer)(Answer*);
  std::uint64_t (*column_count)(Answer*);
  const char* (*column_name)(Answer*, std::uint64_t column);
  TypeId (*column_type)(Answer*, std::uint64_t column);
  Chunk (*fetch_chunk)(Answer);
  void (*destroy_chunk)(Chunk*);
  std::uint64_t (*chunk_rows)(Chunk);
  Vector (*chunk_vector)(Chunk, std::uint64_t column);
  void* (*vector_data)(Vector);
  std::uint64_t* (*vector_validity)(Vector);
};

/// Opens libduckdb.so on the first call: from lib/ beside the program, from lib/ one folder above
/// it, or from where the system keeps libraries. kUnavailable says how to get it. Any thread.
Result<const Library*> library();

}  // namespace slipway::table::duck
