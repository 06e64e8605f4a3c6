#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// The files of runs and models, known to the catalogue by what is in them.
namespace slipway::artifacts {

std::vector<db::Migration> migrations();

struct Record {
  std::string key;
  std::int64_t bytes = 0;
  std::string stamp;   // the store's, of the content that the rest tells of
  std::string sha256;  // hex; empty: it did not pass through here
  UnixMs written_ms = 0;
};
WIRE(Record, key, bytes, stamp, sha256, written_ms)

/// Of one object, as it was when it was written last; it may have changed since, see Record::stamp.
Result<std::optional<Record>> record_of(db::Tx& tx, const std::string& key);
/// Of all objects in a folder and those below it, by key; at most `limit`.
Result<std::vector<Record>> records_below(db::Tx& tx, const std::string& folder, int limit);

/// `store` with records: commit() and join_parts() return when the record is durable as well;
/// readers know the recorded digest, and hold what they read to it (see README). `pool` and
/// `clock` must outlive it. Any thread, but never a loop or the pool's writer.
std::unique_ptr<blob::Blobs> open_recorded(std::unique_ptr<blob::Blobs> store, db::Pool& pool,
                                           const Clock& clock);

}  // namespace slipway::artifacts
