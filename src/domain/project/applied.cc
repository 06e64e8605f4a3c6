#include "domain/project/applied.h"

#include "base/hash.h"
#include "domain/project/plan.h"
#include "graph/graph.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"

namespace slipway::project {
namespace {

// A document is kept once for each content; most applies leave most of them alone.
constexpr char kTables[] = R"sql(
create table applied_projects (
  number integer primary key,
  project text not null,
  digest text not null,
  commit_id text not null,
  dirty bigint not null,
  actor text not null,
  time_ms bigint not null,
  content text not null);
create table project_documents (
  sha256 text not null primary key,
  content text not null) without rowid;
create table applied_documents (
  applied bigint not null references applied_projects (number),
  path text not null,
  sha256 text not null references project_documents (sha256),
  primary key (applied, path)) without rowid;
)sql";

struct LatestRow {
  std::int64_t number = 0;
  std::string digest, commit;
  bool dirty = false;
  std::string actor;
  std::int64_t time_ms = 0;
  std::string text;
};
WIRE(LatestRow, number, digest, commit, dirty, actor, time_ms, text)

struct DocumentRow {
  std::string path, content;
};
WIRE(DocumentRow, path, content)

Result<std::optional<LatestRow>> latest(db::Tx& tx) {
  return tx.one<LatestRow>(
      "select number, digest, commit_id, dirty, actor, time_ms, content from applied_projects "
      "order by number desc limit 1");
}

Result<Declared> declared_of(db::Tx& tx, const LatestRow& row) {
  std::map<std::string, std::string> documents;
  for (DocumentRow& document : TRY(tx.all<DocumentRow>(
           "select a.path, d.content from applied_documents a "
           "join project_documents d on d.sha256 = a.sha256 where a.applied = ? order by a.path",
           row.number))) {
    documents[document.path] = std::move(document.content);
  }
  Result<Declared> declared = declare(row.text, std::move(documents));
  if (!declared.ok()) {
    Error error = conflict(
        "the project that was applied can't be read by this program; `slipway apply` the present "
        "one: " +
        declared.error().message);
    return with_tag(std::move(error), "unreadable");
  }
  declared->commit = row.commit;
  declared->dirty = row.dirty;
  return declared;
}

Result<> keep_documents(db::Tx& tx, std::int64_t number, const Declared& declared) {
  for (const auto& [path, content] : declared.documents) {
    std::string sha256 = sha256_hex(content);
    TRY(
        tx.run("insert into project_documents (sha256, content) values (?, ?) "
               "on conflict (sha256) do nothing",
               sha256, content));
    TRY(tx.run("insert into applied_documents (applied, path, sha256) values (?, ?, ?)", number,
               path, sha256));
  }
  return {};
}

Result<std::int64_t> keep(db::Tx& tx, const Declared& declared, const Outcome& outcome,
                          const std::string& actor, UnixMs now_ms) {
  TRY(
      tx.run("insert into applied_projects (number, project, digest, commit_id, dirty, actor, "
             "time_ms, content) values (?, ?, ?, ?, ?, ?, ?, ?)",
             outcome.number, declared.file.name, outcome.digest, declared.commit, declared.dirty,
             actor, now_ms, declared.text));
  TRY(keep_documents(tx, outcome.number, declared));
  wire::Json data;
  data.set("number", outcome.number);
  data.set("digest", outcome.digest);
  data.set("commit", declared.commit);
  data.set("dirty", declared.dirty);
  data.set("changes", static_cast<std::int64_t>(outcome.changes.size()));
  return graph::append_event(
      tx, {"project.applied", {graph::kind::kProject, declared.file.name}, actor, 0, data}, now_ms);
}

Result<> tell(db::Tx& tx, const Change& change, const Outcome& outcome, const std::string& actor,
              UnixMs now_ms) {
  wire::Json data = to_json(change);
  graph::Event event{std::string("declaration.") + to_string(change.kind),
                     {change.object.kind, change.object.name},
                     actor,
                     outcome.event_seq,
                     std::move(data)};
  TRY(graph::append_event(tx, event, now_ms));
  return {};
}

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("project/0001_applied", kTables)};
}

Result<std::optional<Applied>> current(db::Tx& tx) {
  std::optional<LatestRow> row = TRY(latest(tx));
  if (!row) return std::optional<Applied>();
  Applied applied;
  applied.number = row->number;
  applied.declared = TRY(declared_of(tx, *row));
  applied.digest = row->digest;
  applied.actor = row->actor;
  applied.time_ms = row->time_ms;
  return std::optional<Applied>(std::move(applied));
}

Result<std::shared_ptr<const Applied>> CurrentProject::get(db::Tx& tx) {
  std::optional<LatestRow> row = TRY(latest(tx));
  auto known = known_.with([](const auto& applied) { return applied; });
  const bool is_known = row ? known && known->number == row->number : !known;
  if (is_known) return known;
  std::optional<Applied> applied = TRY(current(tx));
  if (applied) known = std::make_shared<const Applied>(std::move(*applied));
  known_.with([&](auto& newest) { newest = known; });
  return known;
}

Result<Outcome> apply(db::Tx& tx, const Declared& declared, const std::string& actor,
                      UnixMs now_ms) {
  std::optional<LatestRow> row = TRY(latest(tx));
  Outcome outcome;
  outcome.digest = digest_of(declared);
  outcome.number = row ? row->number : 0;
  if (row && row->digest == outcome.digest) return outcome;
  outcome.changed = true;
  outcome.number += 1;
  std::optional<Declared> before;
  if (row) {
    Result<Declared> readable = declared_of(tx, *row);
    if (!readable.ok() && readable.error().tag != "unreadable") return readable.error();
    if (readable.ok()) before = std::move(*readable);
  }
  outcome.changes = changes_between(before ? &*before : nullptr, declared);
  outcome.event_seq = TRY(keep(tx, declared, outcome, actor, now_ms));
  for (const Change& change : outcome.changes) TRY(tell(tx, change, outcome, actor, now_ms));
  return outcome;
}

Result<std::vector<AppliedRow>> history(db::Tx& tx, int limit) {
  return tx.all<AppliedRow>(
      "select number, project, digest, commit_id, dirty, actor, time_ms from applied_projects "
      "order by number desc limit ?",
      limit);
}

}  // namespace slipway::project
