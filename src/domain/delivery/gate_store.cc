#include "base/ids.h"
#include "base/text.h"
#include "domain/delivery/changes.h"
#include "domain/delivery/store.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::delivery {
namespace {

using wire::Json;

struct GateRow {
  std::string gate, status, words, evidence;
};
WIRE(GateRow, gate, status, words, evidence)

Result<GateVerdict> value_of(GateRow row) {
  GateVerdict v;
  v.gate = std::move(row.gate);
  v.status = TRY(gate_status_from(row.status));
  v.words = std::move(row.words);
  v.evidence = TRY(wire::parse(row.evidence));
  return v;
}

struct WaiverRow {
  std::string gate, model;
  std::int64_t version = 0;
  std::string name, reason;
  std::int64_t expires_ms = 0;
};
WIRE(WaiverRow, gate, model, version, name, reason, expires_ms)

Json data_of(const Waiver& w) {
  return Json(Json::Object{{"gate", w.gate},
                           {"model", w.model},
                           {"version", w.version},
                           {"name", w.name},
                           {"reason", w.reason},
                           {"expires_ms", w.expires_ms}});
}

Result<bool> is_kept(db::Tx& tx, const std::string& rollout, const GateVerdict& v,
                     const std::string& evidence) {
  const auto row = TRY(tx.one<GateRow>(
      "select gate, status, words, evidence from gate_verdicts where rollout = ? and gate = ?",
      rollout, v.gate));
  return row && row->status == to_string(v.status) && row->words == v.words &&
         row->evidence == evidence;
}

}  // namespace

Result<> put_gate_verdict(db::Tx& tx, const std::string& rollout, const GateVerdict& verdict,
                          UnixMs now_ms) {
  const Rollout r = TRY(rows::get_rollout(tx, rollout));
  if (r.phase != Phase::kGating)
    return conflict("rollout " + r.id + " is not at its gates: it is " + to_string(r.phase));
  const GateVerdict v =
      waived(verdict, TRY(waivers_of(tx, r.model, now_ms)), r.model, r.version, now_ms);
  const std::string evidence =
      wire::dump(v.evidence.is_object() ? v.evidence : Json(Json::Object{}));
  if (TRY(is_kept(tx, rollout, v, evidence))) return {};
  const std::string version = r.model + "/" + std::to_string(r.version);
  const std::int64_t seq =
      TRY(graph::append_event(tx,
                              {"gate.judged",
                               {graph::kind::kModelVersion, version},
                               "slipway",
                               r.last_seq,
                               Json(Json::Object{{"deployment", r.deployment},
                                                 {"rollout", r.id},
                                                 {"gate", v.gate},
                                                 {"status", to_string(v.status)},
                                                 {"words", v.words}})},
                              now_ms));
  TRY(
      tx.run("insert into gate_verdicts (rollout, gate, status, words, evidence, event_seq, "
             "time_ms) values (?, ?, ?, ?, ?, ?, ?) on conflict (rollout, gate) do update set "
             "status = excluded.status, words = excluded.words, evidence = excluded.evidence, "
             "event_seq = excluded.event_seq, time_ms = excluded.time_ms",
             r.id, v.gate, to_string(v.status), v.words, evidence, seq, now_ms));
  return {};
}

Result<std::vector<GateVerdict>> gate_verdicts(db::Tx& tx, const std::string& rollout) {
  std::vector<GateVerdict> all;
  for (GateRow& row : TRY(tx.all<GateRow>("select gate, status, words, evidence from gate_verdicts "
                                          "where rollout = ? order by event_seq",
                                          rollout)))
    all.push_back(TRY(value_of(std::move(row))));
  return all;
}

Result<std::string> add_waiver(db::Tx& tx, const Waiver& w, UnixMs now_ms) {
  TRY(check_waiver(w, now_ms));
  const std::string id = uuid7(now_ms);
  TRY(
      tx.run("insert into waivers (id, gate, model, version, name, reason, created_ms, expires_ms) "
             "values (?, ?, ?, ?, ?, ?, ?, ?)",
             id, w.gate, w.model, w.version, w.name, w.reason, now_ms, w.expires_ms));
  Json data = data_of(w);
  data.set("waiver", id);
  TRY(graph::append_event(
      tx, {"waiver.granted", {graph::kind::kRegisteredModel, w.model}, w.name, 0, std::move(data)},
      now_ms));
  return id;
}

Result<> revoke_waiver(db::Tx& tx, const std::string& id, const std::string& actor, UnixMs now_ms) {
  const auto model = TRY(tx.one<std::string>("select model from waivers where id = ?", id));
  if (!model) return missing("there is no waiver " + id);
  const std::int64_t changed = TRY(
      tx.run("update waivers set revoked_ms = ? where id = ? and revoked_ms is null", now_ms, id));
  if (changed == 0) return {};
  TRY(graph::append_event(tx,
                          {"waiver.revoked",
                           {graph::kind::kRegisteredModel, *model},
                           actor,
                           0,
                           Json(Json::Object{{"waiver", id}})},
                          now_ms));
  return {};
}

Result<std::vector<KeptWaiver>> all_waivers_of(db::Tx& tx, const std::string& model) {
  return tx.all<KeptWaiver>(
      "select id, gate, version, name, reason, created_ms, expires_ms, revoked_ms from waivers "
      "where model = ? order by created_ms, id",
      model);
}

Result<std::vector<Waiver>> waivers_of(db::Tx& tx, const std::string& model, UnixMs now_ms) {
  std::vector<Waiver> all;
  for (WaiverRow& row : TRY(tx.all<WaiverRow>(
           "select gate, model, version, name, reason, expires_ms from waivers "
           "where model = ? and revoked_ms is null and expires_ms > ? order by created_ms, id",
           model, now_ms)))
    all.push_back({std::move(row.gate), std::move(row.model), row.version, std::move(row.name),
                   std::move(row.reason), row.expires_ms});
  return all;
}

// --- approvals -----------------------------------------------------------------------------------

namespace {

struct ApprovalRow {
  std::string name, reason;
  std::int64_t given_ms = 0;
};
WIRE(ApprovalRow, name, reason, given_ms)

Result<> tell_of_version(db::Tx& tx, const char* type, const std::string& model,
                         std::int64_t version, const std::string& actor, const std::string& reason,
                         UnixMs now_ms) {
  TRY(graph::append_event(tx,
                          {type,
                           {graph::kind::kModelVersion, model + "/" + std::to_string(version)},
                           actor,
                           0,
                           Json(Json::Object{{"reason", reason}})},
                          now_ms));
  return {};
}

}  // namespace

Result<> approve(db::Tx& tx, const Approval& approval) {
  TRY(check_approval(approval));
  const auto known = TRY(approval_of(tx, approval.model, approval.version, approval.made_ms));
  if (known)
    return with_tag(conflict(approval.model + "/" + std::to_string(approval.version) +
                             " was approved by " + known->name + " at " +
                             to_iso8601(known->given_ms)),
                    "approved");
  TRY(
      tx.run("insert into approvals (model, version, made_ms, name, reason, given_ms) "
             "values (?, ?, ?, ?, ?, ?)",
             approval.model, approval.version, approval.made_ms, approval.name, approval.reason,
             approval.given_ms));
  return tell_of_version(tx, "model_version.approved", approval.model, approval.version,
                         approval.name, approval.reason, approval.given_ms);
}

Result<> disapprove(db::Tx& tx, const std::string& model, std::int64_t version, UnixMs made_ms,
                    const std::string& actor, const std::string& reason, UnixMs now_ms) {
  const std::int64_t gone =
      TRY(tx.run("delete from approvals where model = ? and version = ? and made_ms = ?", model,
                 version, made_ms));
  if (gone == 0) return missing("nobody has approved " + model + "/" + std::to_string(version));
  return tell_of_version(tx, "model_version.disapproved", model, version, actor, reason, now_ms);
}

Result<std::optional<Approval>> approval_of(db::Tx& tx, const std::string& model,
                                            std::int64_t version, UnixMs made_ms) {
  auto row = TRY(
      tx.one<ApprovalRow>("select name, reason, given_ms from approvals where model = ? and "
                          "version = ? and made_ms = ?",
                          model, version, made_ms));
  if (!row) return std::nullopt;
  return Approval{model, version, made_ms, std::move(row->name), std::move(row->reason),
                  row->given_ms};
}

}  // namespace slipway::delivery
