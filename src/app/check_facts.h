#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// What a `slipway check` found becomes a fact: contract, profile and verdicts in the catalogue,
// about the very bytes that were checked. In this process where nobody owns the state folder, else
// by the one that does.
namespace slipway::app {

struct CheckReference {
  std::string name, profile;  // docs/formats/profile.md
};
WIRE(CheckReference, name, profile)

/// All that a verdict follows from: whoever takes it judges again and comes to the same.
struct CheckFact {
  std::string path, md5;                // of the data
  std::string contract_file, contract;  // and its text
  std::string profile;
  std::vector<CheckReference> references;
  std::string environment;  // "TRAINING", ...
  std::int64_t as_of_ms = 0;
  std::string actor;
};
WIRE(CheckFact, path, md5, contract_file, contract, profile, references, environment, as_of_ms,
     actor)

/// {"judgement": ID, "event_seq": N}. kInvalid for what is no check.
Result<wire::Json> put_check(db::Pool& pool, const CheckFact& fact, UnixMs now_ms);
/// The same at the owner of `state`.
Result<wire::Json> record_check(const std::filesystem::path& state, const CheckFact& fact);
/// POST /api/slipway/v1/checks, only from a command that can read the state folder.
void mount_checks(http::Router& router, db::Pool& pool, const Clock& clock);

}  // namespace slipway::app
