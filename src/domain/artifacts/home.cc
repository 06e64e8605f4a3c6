#include "domain/artifacts/home.h"

namespace slipway::artifacts {
namespace {

Error elsewhere(const Home& known, const Home& own) {
  return {Code::kConflict,
          "the artifacts of this catalogue are in " + known.place + " (as " + known.server +
              " calls it), and " + own.server + " would have them in " + own.place +
              ", which is another store: each would miss the files of what the other took. Name "
              "the same folder, which all servers of a catalogue share, or the same "
              "s3://BUCKET/PREFIX by --artifacts or SLIPWAY_ARTIFACTS",
          "elsewhere"};
}

}  // namespace

Result<std::optional<Home>> settle_home(db::Tx& tx, const Home& home, bool others, UnixMs now_ms) {
  const auto known = TRY(tx.one<Home>("select identity, place, server from artifact_home"));
  const bool is_other = known && known->identity != home.identity;
  if (is_other && others) return elsewhere(*known, home);
  if (known && !is_other && others) return std::optional<Home>();
  TRY(tx.run(
      "insert into artifact_home (only_one, identity, place, server, since_ms) "
      "values (1, ?, ?, ?, ?) on conflict (only_one) do update set identity = excluded.identity, "
      "place = excluded.place, server = excluded.server, since_ms = excluded.since_ms",
      home.identity, home.place, home.server, now_ms));
  return is_other ? known : std::optional<Home>();
}

}  // namespace slipway::artifacts
