#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// How far what was kept elsewhere is brought here. Each thing is noted in the transaction that
// makes it, so whoever is killed goes on where it was, and makes nothing twice.
namespace slipway::imports {

std::vector<db::Migration> migrations();

struct Import {
  std::int64_t id = 0;
  std::string source;  // names it for people, without secrets
  UnixMs began_ms = 0;
  std::optional<UnixMs> ended_ms;
  std::string report;  // JSON, of its last end; "" before
};
WIRE(Import, id, source, began_ms, ended_ms, report)

/// The import of that source, which begins now unless it has begun before.
Result<Import> begin(db::Tx& tx, const std::string& source, UnixMs now_ms);
Result<> end(db::Tx& tx, std::int64_t import, const std::string& report, UnixMs now_ms);
/// By number.
Result<std::vector<Import>> all(db::Tx& tx);

/// How far one thing is: whole, or up to a place that its importer understands.
struct Item {
  bool whole = false;
  std::string key = {};
  std::int64_t number = 0;
  /// What it was at its source, in its importer's words; empty where that was not kept.
  std::string print = {};
};
using Items = std::unordered_map<std::string, Item>;  // by identity

Result<> put_item(db::Tx& tx, std::int64_t import, const char* kind, const std::string& ident,
                  const Item& item);
Result<Items> items(db::Tx& tx, std::int64_t import, const char* kind);

}  // namespace slipway::imports
