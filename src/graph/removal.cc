#include "graph/removal.h"

namespace slipway::graph {
namespace {

Result<std::optional<std::int64_t>> key_of(db::Tx& tx, const NodeRef& ref) {
  return tx.one<std::int64_t>("select id from nodes where kind = ? and ident = ?", ref.kind,
                              ref.id);
}

}  // namespace

Result<bool> remove_some(db::Tx& tx, const NodeRef& ref, std::int64_t& rows) {
  const auto key = TRY(key_of(tx, ref));
  if (!key) return true;
  constexpr const char* kEdges[] = {
      "delete from edges where (effect, relation, cause, attributes_key) in (select effect, "
      "relation, cause, attributes_key from edges where effect = ? limit ?)",
      "delete from edges where (effect, relation, cause, attributes_key) in (select effect, "
      "relation, cause, attributes_key from edges where cause = ? limit ?)"};
  for (const char* sql : kEdges) {
    if (rows <= 0) return false;
    rows -= TRY(tx.run(sql, *key, rows));
  }
  if (rows <= 0) return false;  // there may be more
  TRY(tx.run("delete from nodes where id = ?", *key));
  return true;
}

Result<std::vector<std::string>> effects_of_kind(db::Tx& tx, const NodeRef& cause,
                                                 const std::string& kind, int limit) {
  const auto key = TRY(key_of(tx, cause));
  if (!key) return std::vector<std::string>();
  return tx.all<std::string>(
      "select distinct n.ident from edges e join nodes n on n.id = e.effect "
      "where e.cause = ? and n.kind = ? order by n.ident limit ?",
      *key, kind, std::int64_t{limit});
}

}  // namespace slipway::graph
