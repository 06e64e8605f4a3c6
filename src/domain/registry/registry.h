#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/result.h"
#include "domain/registry/query.h"
#include "domain/registry/reference.h"
#include "domain/registry/schema.h"
#include "domain/registry/types.h"
#include "io/db/db.h"

// Models, versions, aliases, stages. What is written is in the graph and the log in the same
// transaction.
namespace slipway::registry {

struct NewModel {
  std::string name, description;
  Tags tags;
};

struct NewVersion {
  // "= {}": a maker names what it knows.
  std::string model = {}, source = {}, run_id = {}, run_link = {}, description = {};
  std::string logged_model_id = {};
  std::string location = {};  // of its files, when the source names them in words of the caller's
  Tags tags = {};
  /// When not empty: the tag of the logged model that lists the versions made from it, as JSON
  /// [{"name": ..., "version": ...}].
  std::string listing_tag = {};
};

/// What somebody else may want to hear of.
struct Change {
  enum class Kind {
    kModelCreated,
    kVersionCreated,
    kModelTagSet,
    kModelTagDeleted,
    kVersionTagSet,
    kVersionTagDeleted,
    kAliasSet,
    kAliasDeleted,
  };
  Kind kind = Kind::kModelCreated;
  std::string model = {};
  std::int64_t number = 0;  // of the version, where the change is one's
  Tag tag = {};             // that was set; its key, when it was deleted
  std::string alias = {};
  const NewModel* new_model = nullptr;      // as it was asked for
  const NewVersion* new_version = nullptr;  // likewise
};
/// Told of each change in the transaction that makes it, on the writer thread; an error undoes it.
using Witness = std::function<Result<>(db::Tx& tx, const Change& change, UnixMs now_ms)>;

/// The value of a model's tag; empty when there is none.
Result<std::string> model_tag(db::Tx& tx, const std::string& model, const std::string& key);

/// In the caller's transaction: the alias means that version, with an event that names its cause.
/// Nothing is written when it does already. kMissing.
Result<> put_alias(db::Tx& tx, const std::string& actor, const std::string& model,
                   const std::string& alias, std::int64_t number, std::int64_t cause_seq,
                   UnixMs now_ms);
/// The version that a model's bare name means: that of the alias `kMeantAlias`, else the highest in
/// production, else the highest; nothing when it has none.
inline constexpr char kMeantAlias[] = "champion";
Result<std::optional<std::int64_t>> meant_version(db::Tx& tx, const std::string& model);

/// The version that has the alias; nothing when none does, or there is no such model.
Result<std::optional<std::int64_t>> aliased_version(db::Tx& tx, const std::string& model,
                                                    const std::string& alias);

/// What keeps a version from being taken away: a clause, "deployment live serves it".
struct Hold {
  std::int64_t version = 0;
  std::string why;
};
/// All of a model, the gravest first. Asked in the transaction that would take something away.
using Holds = std::function<Result<std::vector<Hold>>(db::Tx& tx, const std::string& model)>;
/// A tag of a version or a model: its value is the name of what may be taken away though it is
/// held, "bikes/3" or "bikes".
inline constexpr char kReleaseTag[] = "slipway.delete";

/// Everything about one model that serving needs.
struct KnownVersion {
  std::int64_t number = 0;
  Stage stage = Stage::kNone;
  UnixMs created_ms = 0;
  std::string location;
};
struct KnownModel {
  std::string name;
  std::vector<KnownVersion> versions;  // by number; deleted ones are left out
  std::map<std::string, std::int64_t> aliases;
};

/// For whoever keeps account of models by name, in the transaction of the change; none may block.
struct ModelAccount {
  std::function<Result<>(db::Tx&, const std::string& actor, const std::string& name, UnixMs now_ms)>
      making;
  std::function<Result<>(db::Tx&, const std::string& from, const std::string& to)> renaming;
  std::function<Result<>(db::Tx&, const std::string& name)> deleting;
};

/// Any thread. What returns a Result waits for the database, so it is for threads that may; what
/// takes a Done returns at once and calls it on the writer thread after the commit.
///
/// Errors: kInvalid for names, tags and values that can't be; kMissing when the model or version is
/// unknown; kConflict, tag "already_exists". `actor` is who asks, for the log.
class Registry {
 public:
  /// `changed` is called after each commit that changes a model, version, stage or alias, on the
  /// writer thread, before the Done; it must not block. `pool` and `clock` must outlive this, and
  /// the pool must be closed before it. Without `holds` nothing is held.
  Registry(db::Pool& pool, const Clock& clock, std::function<void()> changed = {},
           Holds holds = {});
  /// Before the first write.
  void tell(Witness witness) { witness_ = std::move(witness); }

  /// Once, before anything is written.
  void keep_account(ModelAccount account) { account_ = std::move(account); }

  Result<Model> model(const std::string& name);
  /// The newest version of each wanted stage, by number; no stages: of every stage.
  Result<std::vector<Version>> latest_versions(const std::string& name,
                                               const std::vector<Stage>& stages);
  Result<Version> version(const std::string& name, std::int64_t number);
  /// The version with that alias; "latest", in any case, is the newest. An unknown alias is
  /// kInvalid.
  Result<Version> version_by_alias(const std::string& name, const std::string& alias);
  /// The version that "models:/..." means. kMissing; kInvalid for a logged model.
  Result<Version> resolve(const Reference& reference);
  Result<Page<Model>> search_models(const Query& query);
  /// Aliases are left empty.
  Result<Page<Version>> search_versions(const Query& query);
  /// Everything there is.
  Result<std::vector<KnownModel>> known();

  void create_model(std::string actor, NewModel model, Done<Model> done);
  /// kConflict, tag "held", when one of its versions is held: by its name it would not be found.
  void rename_model(std::string actor, std::string name, std::string new_name, Done<Model> done);
  void describe_model(std::string actor, std::string name, std::string description,
                      Done<Model> done);
  /// With its versions, aliases and tags. kConflict, tag "held", when one of them is held.
  void delete_model(std::string actor, std::string name, Done<> done);
  void set_model_tag(std::string actor, std::string name, Tag tag, Done<> done);
  /// A tag that is not there is fine.
  void delete_model_tag(std::string actor, std::string name, std::string key, Done<> done);

  /// Its number is one more than that of any version the model ever had. A source that names a
  /// logged model or a version is resolved: kMissing when there is none. Whether the source may be
  /// used otherwise is the caller's to know.
  void create_version(std::string actor, NewVersion version, Done<Version> done);
  void describe_version(std::string actor, std::string name, std::int64_t number,
                        std::string description, Done<Version> done);
  /// `archive_others` moves the other versions of that stage to kArchived.
  void set_stage(std::string actor, std::string name, std::int64_t number, Stage stage,
                 bool archive_others, Done<Version> done);
  /// Its number stays taken; its aliases go. kConflict, tag "held", when something holds it.
  void delete_version(std::string actor, std::string name, std::int64_t number, Done<> done);
  void set_version_tag(std::string actor, std::string name, std::int64_t number, Tag tag,
                       Done<> done);
  void delete_version_tag(std::string actor, std::string name, std::int64_t number, std::string key,
                          Done<> done);

  void set_alias(std::string actor, std::string name, std::string alias, std::int64_t number,
                 Done<> done);
  /// An alias that is not there is fine.
  void delete_alias(std::string actor, std::string name, std::string alias, Done<> done);

 private:
  /// Runs `f(tx, now)` on the writer; tells of the change after the commit.
  template <class F, class T>
  void write(F f, Done<T> done);
  Result<> told(db::Tx& tx, const Change& change, UnixMs now) const;

  db::Pool& pool_;
  const Clock& clock_;
  const std::function<void()> changed_;
  const Holds holds_;
  Witness witness_;
  ModelAccount account_;
};

}  // namespace slipway::registry
