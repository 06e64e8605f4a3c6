#pragma once

#include <memory>
#include <string>

#include "io/db/db.h"

// One server at a time acts by itself on a database, whatever its state folder.
namespace slipway::db {

inline constexpr char kClaimedTag[] = "claimed";

/// The right to act on a database, as far as this server has it. Any thread.
class Claim {
 public:
  virtual ~Claim() = default;
  /// Ok while it is this server's; taken, if need be, when it is free. kConflict with tag "claimed"
  /// while another server has it, and says which; kUnavailable when that can't be known at present.
  /// Cheap: the database is asked a few times a second at most.
  virtual Result<> check() = 0;
  /// In a write transaction: the same, as of the transaction. What was begun under a claim that was
  /// lost since must not become durable: nobody takes a claim before the transactions of the one
  /// who had it have ended.
  virtual Result<> check_in(Tx& tx) = 0;
  /// How many other servers are on the database at present, whether they act or not.
  virtual Result<std::int64_t> others(Tx& tx) = 0;
  /// Whether the server with that id is there, which may be this one.
  virtual Result<bool> is_there(Tx& tx, const std::string& id) = 0;
};

/// Who asks for a claim.
struct Claimant {
  std::string who;  // for people; 63 bytes at most are kept
  std::string id;   // stays over restarts, and no other server has it
};

/// The claim on `uri`. A SQLite file has one server at all: kConflict, tag "claimed", for others.
/// PostgreSQL has as many as like, and the claim may be another's: see check().
Result<std::unique_ptr<Claim>> claim(const std::string& uri, const Claimant& claimant);

/// The same database, for what acts by itself: its writes hold only if the claim still does. Both
/// must outlive it.
std::unique_ptr<Pool> under_claim(Pool& pool, Claim& claim);

}  // namespace slipway::db
