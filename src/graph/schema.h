#pragma once

#include <vector>

#include "io/db/db.h"

// The tables of graph and log, and the statements that are long or differ between the engines.
namespace slipway::graph::schema {

std::vector<db::Migration> migrations();

/// What a closure is read with.
struct Walk {
  // The keys of what is reached from a key, itself first, level by level, with a limit. (Both
  // engines emit a recursive union in that order, so the limit cuts what is farthest.)
  const char* reach_causes;
  const char* reach_effects;
  // Of a list of keys, which is one value.
  const char* nodes;             // id, kind, ident, attributes, created_ms
  const char* edges_of_effects;  // effect, relation, cause, attributes, in a fixed order
  const char* edges_of_causes;
};
const Walk& walk(db::Engine engine);

inline constexpr char kCausesOf[] =
    "select edges.relation, far.kind, far.ident, edges.attributes "
    "from nodes near join edges on edges.effect = near.id join nodes far on far.id = edges.cause "
    "where near.kind = ? and near.ident = ? "
    "order by edges.relation, far.kind, far.ident, edges.attributes limit ?";
inline constexpr char kEffectsOf[] =
    "select edges.relation, far.kind, far.ident, edges.attributes "
    "from nodes near join edges on edges.cause = near.id join nodes far on far.id = edges.effect "
    "where near.kind = ? and near.ident = ? "
    "order by edges.relation, far.kind, far.ident, edges.attributes limit ?";

inline constexpr char kIdsFrom[] =
    "select ident from nodes where kind = ? and ident >= ? and ident < ? order by ident limit ?";

inline constexpr char kIdsOfKind[] =
    "select ident from nodes where kind = ? order by ident limit ?";

inline constexpr char kEventsAfter[] =
    "select seq, id, time_ms, type, subject_kind, subject_id, actor, cause_seq, data "
    "from events where seq > ? order by seq limit ?";
inline constexpr char kEventsBefore[] =
    "select seq, id, time_ms, type, subject_kind, subject_id, actor, cause_seq, data "
    "from events where seq < ? order by seq desc limit ?";
inline constexpr char kEventsAbout[] =
    "select seq, id, time_ms, type, subject_kind, subject_id, actor, cause_seq, data "
    "from events where subject_kind = ? and subject_id = ? order by seq desc limit ?";

inline constexpr char kEventsOfFamily[] =
    "select seq, id, time_ms, type, subject_kind, subject_id, actor, cause_seq, data "
    "from events where subject_kind = ? and subject_id >= ? and subject_id < ? and seq < ? "
    "order by seq desc limit ?";

}  // namespace slipway::graph::schema
