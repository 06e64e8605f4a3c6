#pragma once

#include <memory>
#include <string>

#include "base/result.h"

// Who acts on a database. Any number of programs may read and write it; what is in it is carried on
// (rollouts, runs, notices) by one at a time, wherever its state folder lies.
namespace slipway::db {

/// Held from claim() until it is destroyed or the process ends, however it ends. Any thread.
class Claim {
 public:
  virtual ~Claim() = default;
  /// Whether it still holds, as of a second ago at most. A lost connection is made anew, and the
  /// claim with it: kUnavailable while there is none, kConflict (tag "claimed") when another took
  /// the database meanwhile.
  virtual Result<> check() = 0;
};

/// kConflict with tag "claimed" says who has it. `who` is what others are told of this one, at most
/// 63 bytes of it. On SQLite a lock of the file PATH.owner, which holds `who`; on PostgreSQL an
/// advisory lock of database and schema, on a connection of its own whose application_name is
/// `who`.
Result<std::unique_ptr<Claim>> claim(const std::string& uri, const std::string& who);

}  // namespace slipway::db
