#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/checks/profile.h"
#include "domain/checks/verdict.h"
#include "graph/graph.h"
#include "io/db/db.h"

// Contracts, profiles and verdicts as facts: rows of their own with the whole content, nodes and
// edges for what hangs together. Functions of a caller's Tx; no threads.
namespace slipway::checks {

std::vector<db::Migration> migrations();

/// Keeps a contract's text under its digest (SHA-256), which is also its node's id. Again: nothing.
Result<std::string> put_contract(db::Tx& tx, const Contract& contract, const std::string& text,
                                 UnixMs now_ms);
Result<std::optional<std::string>> find_contract_text(db::Tx& tx, const std::string& digest);

/// Keeps a profile under the digest of its JSON, which it returns, with an edge `about` what was
/// profiled. Again: nothing.
Result<std::string> put_profile(db::Tx& tx, const Profile& profile, const graph::NodeRef& about,
                                UnixMs now_ms);
Result<std::optional<Profile>> find_profile(db::Tx& tx, const std::string& digest);
/// The newest profile about `subject`; its digest, or nothing.
Result<std::optional<std::string>> newest_profile_about(db::Tx& tx, const graph::NodeRef& subject);

/// One evaluation of a suite.
struct Judgement {
  std::string id;        // UUIDv7
  std::string contract;  // digest
  std::string profile;   // digest, or "" when it was not kept
  graph::NodeRef about;  // data, model version, window
  Environment environment = Environment::kTraining;
  std::vector<Verdict> verdicts;
  UnixMs time_ms = 0;
};
/// All verdicts as one row; a node `verdict` for the whole (its id) and one for each check that
/// warned, failed or broke (ID/CHECK), each with edges `about` and `by`; an event
/// "contract.checked". `cause_seq`: the event that asked for it. Returns the event's seq.
Result<std::int64_t> put_judgement(db::Tx& tx, const Judgement& judgement, const std::string& actor,
                                   std::int64_t cause_seq = 0);
Result<std::optional<Judgement>> find_judgement(db::Tx& tx, const std::string& id);
/// Ids, newest first.
Result<std::vector<std::string>> judgements_about(db::Tx& tx, const graph::NodeRef& subject,
                                                  int limit);

}  // namespace slipway::checks
