#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/serving/predictions.h"
#include "io/db/db.h"
#include "io/wire/json.h"

// One prediction as people and programs see it: what was asked, what every version answered, by
// which step of a rollout, and what turned out true. From files and the catalogue, so it needs no
// server. Any thread; waits for disk and database.
namespace slipway::app {

struct PredictionView {
  serving::PredictionId id;
  std::optional<std::uint32_t> row;  // the one that was asked for; else all
  /// The answer that was given first, then what other versions made of it.
  std::vector<serving::Answer> answers;
  std::vector<std::string> step_ids;  // of each answer: its rollout step; "" where none is known
  /// By row; those that have one.
  std::map<std::uint32_t, serving::Label> labels;
};

/// Whether `text` looks like a prediction's id, and not like any other thing with a name.
bool is_prediction_id(std::string_view text);

/// Puts into the files what was answered and is still on its way there: for whoever writes the log.
using FlushLog = std::function<Result<>()>;

/// kMissing for a prediction that is not in the log, or a row that it has not got. An answer that
/// was just given may not be in the log's files: `flush` puts it there; without it, whoever asks
/// beside the owner of the log, waits for a moment.
Result<PredictionView> find_prediction(db::Pool& pool, const std::filesystem::path& state,
                                       std::string_view text, const FlushLog& flush = {},
                                       blob::Damages* damages = nullptr);

/// {"id", "deployment", "time", "answers": [{"role", "model", "version", "step", "status",
/// "latency_us", "event_time", "client_id", "key_hash", "error", "rows", "inputs": [{COLUMN: value
/// or null}], "outputs": [{NAME: value}], "hashed", "looked_up", "features": {"view", "version",
/// "keys": [{NAME: text}], "hashed"} or null}], "labels": [{"row", "value", "event_time",
/// "received", "source"}], "truncated"}; at most kRowsShownMax rows.
inline constexpr std::size_t kRowsShownMax = 1'000;
wire::Json to_json(const PredictionView& view);
/// A few lines for people.
std::string to_text(const PredictionView& view);

}  // namespace slipway::app
