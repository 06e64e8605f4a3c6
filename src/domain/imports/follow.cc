#include "domain/imports/follow.h"

#include <set>
#include <tuple>

namespace slipway::imports {
namespace {

constexpr char kTables[] = R"sql(
create table followed (
  kind text not null,
  ident text not null,
  origin text not null,
  head text not null,
  brought_ms bigint not null,
  primary key (kind, ident)) without rowid;
create table followed_series (
  run_id text not null,
  key text not null,
  points bigint not null,
  digest text not null,
  primary key (run_id, key)) without rowid;
create table followed_files (
  owner text not null,
  path text not null,
  digest text not null,
  before_digest text not null,
  primary key (owner, path)) without rowid;
)sql";

struct FollowedRow {
  std::string origin, head;
};
WIRE(FollowedRow, origin, head)
struct TrailRow {
  std::string key;
  std::int64_t points = 0;
  std::string digest;
};
WIRE(TrailRow, key, points, digest)
struct FileRow {
  std::string path, digest, before_digest;
};
WIRE(FileRow, path, digest, before_digest)

/// Whether a value that was `before`, and is `there` now, is to replace the one that is `here`.
enum class Step { kNothing, kTake, kKeep };
template <class T>
Step step_of(const T& before, const T& there, const T& here) {
  if (there == before || there == here) return Step::kNothing;
  return here == before ? Step::kTake : Step::kKeep;
}

using MaybeText = std::optional<std::string>;
MaybeText value_of(const std::map<std::string, std::string>& tags, const std::string& key) {
  auto found = tags.find(key);
  return found == tags.end() ? MaybeText() : MaybeText(found->second);
}

void merge_tag(Merge& merge, const Head& before, const std::string& key, const MaybeText& there,
               const MaybeText& here) {
  const MaybeText last = value_of(before.tags, key);
  const Step step = step_of(last, there, here);
  if (step == Step::kTake && there) merge.tags[key] = *there;
  if (step == Step::kTake && !there) merge.gone.push_back(key);
  if (step != Step::kKeep) return;
  merge.kept.push_back({"tag " + key, here.value_or("(none)"), there.value_or("(none)")});
  if (last) {
    merge.brought.tags[key] = *last;
  } else {
    merge.brought.tags.erase(key);
  }
}

}  // namespace

Merge merge(const Head& before, const Head& there, const Head& here) {
  Merge merge;
  merge.brought = there;
  const Step name = step_of(before.name, there.name, here.name);
  if (name == Step::kTake) merge.name = there.name;
  if (name == Step::kKeep) {
    merge.kept.push_back({"name", here.name, there.name});
    merge.brought.name = before.name;
  }
  using State = std::pair<std::string, std::optional<UnixMs>>;
  const State last{before.status, before.end_ms};
  const Step status =
      step_of(last, State{there.status, there.end_ms}, State{here.status, here.end_ms});
  if (status == Step::kTake) {
    merge.status = there.status;
    merge.end_ms = there.end_ms;
  }
  if (status == Step::kKeep) {
    merge.kept.push_back({"status", here.status, there.status});
    std::tie(merge.brought.status, merge.brought.end_ms) = last;
  }
  std::set<std::string> keys;
  for (const Head* head : {&before, &there})
    for (const auto& tag : head->tags) keys.insert(tag.first);
  for (const std::string& key : keys)
    merge_tag(merge, before, key, value_of(there.tags, key), value_of(here.tags, key));
  return merge;
}

Result<std::optional<Followed>> followed(db::Tx& tx, const char* kind, const std::string& id) {
  const auto row = TRY(tx.one<FollowedRow>(
      "select origin, head from followed where kind = ? and ident = ?", kind, id));
  if (!row) return std::optional<Followed>();
  return std::optional(Followed{row->origin, TRY(wire::decode<Head>(row->head))});
}

Result<> put_followed(db::Tx& tx, const char* kind, const std::string& id,
                      const Followed& followed, UnixMs now_ms) {
  TRY(
      tx.run("insert into followed (kind, ident, origin, head, brought_ms) values (?, ?, ?, ?, ?) "
             "on conflict (kind, ident) do update set origin = excluded.origin, "
             "head = excluded.head, brought_ms = excluded.brought_ms",
             kind, id, followed.origin, wire::encode(followed.head), now_ms));
  return {};
}

Result<Trails> trails(db::Tx& tx, const std::string& run_id) {
  Trails all;
  for (TrailRow& row : TRY(tx.all<TrailRow>(
           "select key, points, digest from followed_series where run_id = ?", run_id)))
    all.emplace(std::move(row.key), Trail{row.points, std::move(row.digest)});
  return all;
}

Result<> move_trail(db::Tx& tx, const std::string& run_id, const std::string& key,
                    const Trail& was, const Trail& now) {
  const auto row = TRY(tx.one<TrailRow>(
      "select key, points, digest from followed_series where run_id = ? and key = ?", run_id, key));
  const Trail here = row ? Trail{row->points, row->digest} : Trail{};
  if (here != was) {
    return Error{Code::kConflict,
                 "the series '" + key + "' of run " + run_id + " was brought as far as point " +
                     std::to_string(here.points) + ", not " + std::to_string(was.points) +
                     ": somebody else brings it at the same time; do it again",
                 "moved_on"};
  }
  TRY(
      tx.run("insert into followed_series (run_id, key, points, digest) values (?, ?, ?, ?) "
             "on conflict (run_id, key) do update set points = excluded.points, "
             "digest = excluded.digest",
             run_id, key, now.points, now.digest));
  return {};
}

std::optional<FileTrail> next_trail(const std::optional<FileTrail>& trail, std::string_view here,
                                    std::string_view there) {
  const bool is_ours = here.empty() || here == there ||
                       (trail && (here == trail->digest || here == trail->before));
  if (!is_ours) return std::nullopt;
  return FileTrail{std::string(there), std::string(here)};
}

Result<FileTrails> file_trails(db::Tx& tx, const std::string& owner) {
  FileTrails all;
  for (FileRow& row : TRY(tx.all<FileRow>(
           "select path, digest, before_digest from followed_files where owner = ?", owner)))
    all.emplace(std::move(row.path),
                FileTrail{std::move(row.digest), std::move(row.before_digest)});
  return all;
}

Result<> put_file_trail(db::Tx& tx, const std::string& owner, const std::string& path,
                        const FileTrail& trail) {
  TRY(
      tx.run("insert into followed_files (owner, path, digest, before_digest) values (?, ?, ?, ?) "
             "on conflict (owner, path) do update set digest = excluded.digest, "
             "before_digest = excluded.before_digest",
             owner, path, trail.digest, trail.before));
  return {};
}

db::Migration follow_migration() {
  return db::portable("imports/0002_followed", kTables);
}

}  // namespace slipway::imports
