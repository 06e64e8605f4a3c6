#include "domain/checks/facts.h"

#include "base/hash.h"
#include "base/text.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"

namespace slipway::checks {
namespace {

using graph::NodeRef;
using wire::Json;
namespace kind = graph::kind;
namespace relation = graph::relation;

constexpr char kTables[] = R"sql(
create table contracts (
  digest text primary key,
  id text not null,
  version text not null,
  content text not null,
  created_ms bigint not null) without rowid;
create table profiles (
  digest text primary key,
  about_kind text not null,
  about_id text not null,
  rows bigint not null,
  content text not null,
  created_ms bigint not null) without rowid;
create index profiles_about on profiles (about_kind, about_id, created_ms);
create table judgements (
  id text primary key,
  contract text not null,
  profile text not null,
  about_kind text not null,
  about_id text not null,
  environment text not null,
  status text not null,
  verdicts text not null,
  time_ms bigint not null) without rowid;
create index judgements_about on judgements (about_kind, about_id, time_ms);
)sql";

Json object() {
  return Json(Json::Object());
}

Result<std::optional<std::string>> first_text(db::Tx& tx, std::string_view sql,
                                              const std::vector<db::Value>& values) {
  std::optional<std::string> text;
  TRY(tx.query(sql, values, [&](const db::Columns& columns) -> Result<> {
    if (!text) text = std::string(columns.text(0));
    return {};
  }));
  return text;
}

Json attributes_of(const Judgement& judgement) {
  const Tally t = tally(judgement.verdicts);
  Json attributes = object();
  attributes.set("status", to_string(overall(judgement.verdicts)));
  attributes.set("environment", to_string(judgement.environment));
  attributes.set("passed", t.pass);
  attributes.set("warned", t.warn);
  attributes.set("failed", t.fail);
  attributes.set("broken", t.error);
  attributes.set("not_judged", t.no_data + t.insufficient + t.skipped);
  return attributes;
}

Result<> put_edges(db::Tx& tx, const NodeRef& verdict, const Judgement& judgement) {
  const UnixMs now = judgement.time_ms;
  TRY(graph::put_edge(tx, {verdict, relation::kAbout, judgement.about, object()}, now));
  const NodeRef contract{kind::kContractVersion, judgement.contract};
  TRY(graph::put_edge(tx, {verdict, relation::kBy, contract, object()}, now));
  if (judgement.profile.empty()) return {};
  const NodeRef profile{kind::kProfile, judgement.profile};
  return graph::put_edge(tx, {verdict, relation::kUsed, profile, object()}, now);
}

/// An identity has at most 1,024 bytes, and the name of a column may have more.
NodeRef node_of(const Judgement& judgement, const Verdict& verdict) {
  constexpr std::size_t kCheckMax = 900;
  const bool fits = verdict.check.size() <= kCheckMax;
  return {kind::kVerdict, judgement.id + "/" + (fits ? verdict.check : sha256_hex(verdict.check))};
}

bool is_worth_a_node(const Verdict& verdict) {
  return verdict.status == Status::kWarn || verdict.status == Status::kFail ||
         verdict.status == Status::kError;
}

template <class T, class Text>
std::optional<T> among(std::initializer_list<T> all, Text text, std::string_view wanted) {
  for (T one : all) {
    if (text(one) == wanted) return one;
  }
  return std::nullopt;
}

/// A stored verdict; our own writing, so what is missing stays as it is made.
Verdict read_verdict(const Json& json) {
  Verdict verdict;
  auto text = [&](const char* key) {
    const Json* value = json.find(key);
    return value != nullptr && value->is_string() ? value->as_string() : std::string();
  };
  auto number = [&](const char* key) -> std::optional<double> {
    const Json* value = json.find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return to_double(value->as_string());
    return value->is_number() ? std::optional<double>(value->as_double()) : std::nullopt;
  };
  verdict.check = text("check");
  verdict.column = text("column");
  verdict.words = text("words");
  verdict.dialect = text("dialect");
  verdict.observed = number("observed");
  verdict.threshold = number("threshold");
  verdict.n = static_cast<std::int64_t>(number("n").value_or(0));
  verdict.status = among(
                       {Status::kPass, Status::kWarn, Status::kFail, Status::kError,
                        Status::kNoData, Status::kInsufficient, Status::kSkipped},
                       [](Status s) { return std::string_view(to_string(s)); }, text("status"))
                       .value_or(Status::kError);
  verdict.severity =
      among(
          {Severity::kInfo, Severity::kWarn, Severity::kFail, Severity::kBlock},
          [](Severity s) { return std::string_view(to_string(s)); }, text("severity"))
          .value_or(Severity::kFail);
  return verdict;
}

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("checks/0001_contracts", kTables)};
}

Result<std::string> put_contract(db::Tx& tx, const Contract& contract, const std::string& text,
                                 UnixMs now_ms) {
  TRY(tx.run(
      "insert into contracts (digest, id, version, content, created_ms) values (?, ?, ?, ?, ?) "
      "on conflict (digest) do nothing",
      contract.digest, contract.id, contract.version, text, now_ms));
  Json attributes = object();
  attributes.set("id", contract.id);
  attributes.set("version", contract.version);
  attributes.set("table", contract.table);
  TRY(graph::put_node(tx, {kind::kContractVersion, contract.digest}, attributes, now_ms));
  return contract.digest;
}

Result<std::optional<std::string>> find_contract_text(db::Tx& tx, const std::string& digest) {
  return first_text(tx, "select content from contracts where digest = ?", {digest});
}

Result<std::string> put_profile(db::Tx& tx, const Profile& profile, const NodeRef& about,
                                UnixMs now_ms) {
  const std::string content = to_json(profile);
  const std::string digest = sha256_hex(content);
  TRY(
      tx.run("insert into profiles (digest, about_kind, about_id, rows, content, created_ms) "
             "values (?, ?, ?, ?, ?, ?) on conflict (digest) do nothing",
             digest, about.kind, about.id, profile.rows, content, now_ms));
  Json attributes = object();
  attributes.set("table", profile.table);
  attributes.set("rows", profile.rows);
  const NodeRef node{kind::kProfile, digest};
  TRY(graph::put_node(tx, node, attributes, now_ms));
  TRY(graph::put_edge(tx, {node, relation::kAbout, about, object()}, now_ms));
  return digest;
}

Result<std::optional<Profile>> find_profile(db::Tx& tx, const std::string& digest) {
  const auto content =
      TRY(first_text(tx, "select content from profiles where digest = ?", {digest}));
  if (!content) return std::optional<Profile>();
  return std::optional<Profile>(TRY(parse_profile(*content)));
}

Result<std::optional<std::string>> newest_profile_about(db::Tx& tx, const NodeRef& subject) {
  return first_text(tx,
                    "select digest from profiles where about_kind = ? and about_id = ? "
                    "order by created_ms desc, digest limit 1",
                    {subject.kind, subject.id});
}

Result<std::int64_t> put_judgement(db::Tx& tx, const Judgement& judgement, const std::string& actor,
                                   std::int64_t cause_seq) {
  Json::Array verdicts;
  for (const Verdict& verdict : judgement.verdicts) verdicts.push_back(to_json(verdict));
  TRY(tx.run(
      "insert into judgements (id, contract, profile, about_kind, about_id, environment, status, "
      "verdicts, time_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      judgement.id, judgement.contract, judgement.profile, judgement.about.kind, judgement.about.id,
      to_string(judgement.environment), to_string(overall(judgement.verdicts)),
      wire::dump(Json(std::move(verdicts))), judgement.time_ms));
  const NodeRef whole{kind::kVerdict, judgement.id};
  const Json attributes = attributes_of(judgement);
  TRY(graph::put_node(tx, whole, attributes, judgement.time_ms));
  TRY(put_edges(tx, whole, judgement));
  for (const Verdict& verdict : judgement.verdicts) {
    if (!is_worth_a_node(verdict)) continue;
    const NodeRef node = node_of(judgement, verdict);
    TRY(graph::put_node(tx, node, to_json(verdict), judgement.time_ms));
    TRY(put_edges(tx, node, judgement));
  }
  graph::Event event;
  event.type = "contract.checked";
  event.subject = whole;
  event.actor = actor;
  event.cause_seq = cause_seq;
  event.data = attributes;
  event.data.set("contract", judgement.contract);
  event.data.set("about_kind", judgement.about.kind);
  event.data.set("about", judgement.about.id);
  return graph::append_event(tx, event, judgement.time_ms);
}

Result<std::optional<Judgement>> find_judgement(db::Tx& tx, const std::string& id) {
  std::optional<Judgement> found;
  std::string verdicts;
  TRY(tx.query(
      "select contract, profile, about_kind, about_id, environment, verdicts, time_ms "
      "from judgements where id = ?",
      {id}, [&](const db::Columns& columns) -> Result<> {
        Judgement& judgement = found.emplace();
        judgement.id = id;
        judgement.contract = columns.text(0);
        judgement.profile = columns.text(1);
        judgement.about = {std::string(columns.text(2)), std::string(columns.text(3))};
        judgement.environment = parse_environment(columns.text(4)).value_or(Environment::kTraining);
        verdicts = columns.text(5);
        judgement.time_ms = columns.int64(6);
        return {};
      }));
  if (!found) return found;
  const Json list = TRY(wire::parse(verdicts));
  if (!list.is_array()) return internal("the verdicts of " + id + " are damaged");
  for (const Json& verdict : list.as_array()) found->verdicts.push_back(read_verdict(verdict));
  return found;
}

Result<std::vector<std::string>> judgements_about(db::Tx& tx, const NodeRef& subject, int limit) {
  std::vector<std::string> ids;
  TRY(
      tx.query("select id from judgements where about_kind = ? and about_id = ? "
               "order by time_ms desc, id desc limit ?",
               {subject.kind, subject.id, limit}, [&](const db::Columns& columns) -> Result<> {
                 ids.emplace_back(columns.text(0));
                 return {};
               }));
  return ids;
}

}  // namespace slipway::checks
