#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "domain/project/declared.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// The project file that holds now, and every one that held before, in the catalogue. Functions of a
// caller's Tx; no threads. docs/formats/project.md describes the tables.
namespace slipway::project {

std::vector<db::Migration> migrations();

struct Applied {
  std::int64_t number = 0;  // 1, 2, ...
  Declared declared;
  std::string digest;  // digest_of(declared)
  std::string actor;
  UnixMs time_ms = 0;
};

/// The project that holds; nothing before the first apply. kConflict with tag "unreadable" when a
/// program of another age applied what this one cannot parse: apply again.
Result<std::optional<Applied>> current(db::Tx& tx);

/// The same, parsed once for as long as it holds: for whoever asks again and again. Any thread.
class CurrentProject {
 public:
  /// Null before the first apply.
  Result<std::shared_ptr<const Applied>> get(db::Tx& tx);

 private:
  Guarded<std::shared_ptr<const Applied>> known_;
};

struct Outcome {
  bool changed = false;  // false: texts and documents are those that held already; nothing written
  std::int64_t number = 0;
  std::string digest;
  std::int64_t event_seq = 0;  // of "project.applied"; 0 when unchanged
  std::vector<Change> changes;
};
/// Makes `declared` hold. In the caller's transaction: the texts, an event "project.applied", and
/// caused by it one "declaration.added", "declaration.changed" or "declaration.removed" for each
/// object that is not what it was, with its old and new value.
Result<Outcome> apply(db::Tx& tx, const Declared& declared, const std::string& actor,
                      UnixMs now_ms);

/// What held, newest first, without the texts.
struct AppliedRow {
  std::int64_t number = 0;
  std::string project, digest, commit;
  bool dirty = false;
  std::string actor;
  UnixMs time_ms = 0;
};
WIRE(AppliedRow, number, project, digest, commit, dirty, actor, time_ms)
Result<std::vector<AppliedRow>> history(db::Tx& tx, int limit);

}  // namespace slipway::project
