#pragma once

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
  return defer(tx, sql, std::vector<Value>{Value(args)...});
}

}  // namespace slipway::db
