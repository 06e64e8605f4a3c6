#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// Runs and logged models that are written elsewhere, where no server is reached, and are brought
// here again while they go on. What was brought last is kept beside each, so that a change made
// there is told from one made here: neither is lost, and nothing comes twice.
namespace slipway::imports {

/// What may change of one that is there.
struct Head {
  std::string name, status;
  std::optional<UnixMs> end_ms;
  std::map<std::string, std::string> tags;
  bool operator==(const Head&) const = default;
};
WIRE(Head, name, status, end_ms, tags)

/// A value that was changed here, or was here first, and stays though another one was brought.
struct Kept {
  std::string what;  // "name", "status", "tag KEY", "param KEY"
  std::string here, brought;
  bool operator==(const Kept&) const = default;
};
WIRE(Kept, what, here, brought)

struct Merge {
  std::optional<std::string> name, status;
  std::optional<UnixMs> end_ms;              // comes with a status
  std::map<std::string, std::string> tags;   // to be set
  std::vector<std::string> gone;             // tags to be taken away
  std::vector<Kept> kept;
  Head brought;  // what to keep as the last one; what stays as it is here is asked about again

  /// Nothing here is to be changed.
  bool empty() const { return !name && !status && !end_ms && tags.empty() && gone.empty(); }
};
/// What of a change from `before`, which was brought last, to `there` is to be made `here`. Pure. A
/// value that was not changed there stays as it is here; one that was changed on both sides too.
Merge merge(const Head& before, const Head& there, const Head& here);

inline constexpr char kFollowedRun[] = "run";
inline constexpr char kFollowedModel[] = "logged_model";

struct Followed {
  std::string origin;  // names it for people: "host:/path/mlflow.db"
  Head head;
};
/// Stays when what it was made of is removed for good, so that this is not made again.
Result<std::optional<Followed>> followed(db::Tx& tx, const char* kind, const std::string& id);
Result<> put_followed(db::Tx& tx, const char* kind, const std::string& id,
                      const Followed& followed, UnixMs now_ms);

/// How far a series was brought: the first `points` of it there, whose digest that is. Whoever
/// brings them makes the digest; here it is a text.
struct Trail {
  std::int64_t points = 0;
  std::string digest;
  bool operator==(const Trail&) const = default;
};
using Trails = std::unordered_map<std::string, Trail>;  // by key
Result<Trails> trails(db::Tx& tx, const std::string& run_id);
/// kConflict, tag "moved_on", unless it was brought as far as `was`.
Result<> move_trail(db::Tx& tx, const std::string& run_id, const std::string& key,
                    const Trail& was, const Trail& now);

/// A file that was brought, or is about to be: what is here has one of these digests unless
/// somebody else wrote it.
struct FileTrail {
  std::string digest, before;
};
std::optional<FileTrail> next_trail(const std::optional<FileTrail>& trail, std::string_view here,
                                    std::string_view there);
using FileTrails = std::unordered_map<std::string, FileTrail>;  // by path
Result<FileTrails> file_trails(db::Tx& tx, const std::string& owner);
Result<> put_file_trail(db::Tx& tx, const std::string& owner, const std::string& path,
                        const FileTrail& trail);

db::Migration follow_migration();

}  // namespace slipway::imports
