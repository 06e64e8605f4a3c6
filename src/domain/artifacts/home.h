#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// Where the artifacts of a catalogue are: all its servers must see the same ones.
namespace slipway::artifacts {

struct Home {
  std::string identity;  // of the store, see blob::Blobs
  std::string place;     // as it is called on the server that said so
  std::string server;    // which that is, for people
};
WIRE(Home, identity, place, server)

/// Says where a server that starts has its artifacts. kConflict, tag "elsewhere", when `others` are
/// there whose artifacts are in another store. A server that is alone may have them wherever it
/// likes: what is returned is where they were until now, if that was another store.
Result<std::optional<Home>> settle_home(db::Tx& tx, const Home& home, bool others, UnixMs now_ms);

}  // namespace slipway::artifacts
