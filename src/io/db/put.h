#pragma once

#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "io/db/db.h"

namespace slipway::db {

/// As tx.execute(), for what need not be waited for: where it fails, a later statement or the
/// commit says so, and the transaction has ended the same. PostgreSQL gets many of these in one go.
Result<> defer(Tx& tx, std::string_view sql, std::vector<Value> values);

template <class... Args>
Result<> put(Tx& tx, std::string_view sql, const Args&... args) {
  std::vector<Value> values;  // filled one by one: a list of initial values is copied from
  values.reserve(sizeof...(args));
  (values.emplace_back(args), ...);
  return defer(tx, sql, std::move(values));
}

/// The same question with each of `lists`, as tx.query() one after the other: `each` is told whose
/// row it is, in their order. PostgreSQL gets them in one go, so they cost one trip, not one each.
/// What comes back lies in memory at once.
Result<> ask_each(Tx& tx, std::string_view sql, const std::vector<std::vector<Value>>& lists,
                  const std::function<Result<>(std::size_t, const Columns&)>& each);

}  // namespace slipway::db
