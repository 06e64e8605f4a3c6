#include "base/ids.h"
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

}  // namespace slipway::delivery
