#include "app/prediction_view.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <thread>

#include "app/app.h"
#include "base/text.h"
#include "domain/delivery/store.h"
#include "domain/serving/day_files.h"
#include "domain/serving/prediction_log.h"

namespace slipway::app {
namespace {

using serving::Answer;
using serving::Layout;
using serving::Prediction;
using wire::Json;

/// Rows that are shown: the one asked for, else the first ones.
struct Span {
  std::size_t first = 0, end = 0;
};
Span shown(const PredictionView& view, const Prediction& prediction) {
  if (view.row) return {*view.row, std::min<std::size_t>(*view.row + 1, prediction.rows)};
  return {0, std::min<std::size_t>(prediction.rows, kRowsShownMax)};
}

std::string hash_text(float cell) {
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", std::bit_cast<std::uint32_t>(cell));
  return digits;
}

/// What was sent, as it was kept: null is missing, of a hashed column the hash.
Json cell_json(const Layout::Column& column, float cell) {
  if (column.keep == serving::Keep::kHash) return hash_text(cell);
  if (std::isnan(cell)) return nullptr;
  return static_cast<double>(cell);
}

Json inputs_of_row(const Answer& answer, std::size_t row) {
  Json::Object inputs;
  const std::size_t width = answer.layout.columns.size();
  for (std::size_t i = 0; i < width; ++i) {
    const Layout::Column& column = answer.layout.columns[i];
    inputs.emplace_back(column.name, cell_json(column, answer.prediction.cells[row * width + i]));
  }
  return Json(std::move(inputs));
}

Json outputs_of_row(const Answer& answer, std::size_t row) {
  Json::Object outputs;
  const std::size_t width = answer.layout.outputs.size();
  const auto of_row = std::span(answer.prediction.outputs).subspan(row * width, width);
  for (const auto& [name, value] : serving::named_outputs(answer.layout, of_row))
    outputs.emplace_back(name, static_cast<double>(value));
  return Json(std::move(outputs));
}

Json names_where(const Layout& layout, bool (*holds)(const Layout::Column&)) {
  Json::Array names;
  for (const Layout::Column& column : layout.columns) {
    if (holds(column)) names.emplace_back(column.name);
  }
  return Json(std::move(names));
}

/// The keys whose features were looked up for a row; a hashed one by its hash.
Json keys_of_row(const serving::LookedUp& looked_up, std::size_t row) {
  Json::Object keys;
  const std::size_t width = looked_up.keys.size();
  for (std::size_t i = 0; i < width; ++i)
    keys.emplace_back(looked_up.keys[i].name, looked_up.values[row * width + i]);
  return Json(std::move(keys));
}

/// Null where nothing was looked up, or nobody wrote down for whom.
Json features_json(const Prediction& p, const Span& rows) {
  if (!p.looked_up) return nullptr;
  Json::Array keys, hashed;
  for (std::size_t row = rows.first; row < rows.end; ++row)
    keys.push_back(keys_of_row(*p.looked_up, row));
  for (const serving::LookedUp::Key& key : p.looked_up->keys)
    if (key.keep == serving::Keep::kHash) hashed.emplace_back(key.name);
  return Json(Json::Object{{"view", p.looked_up->view},
                           {"version", p.looked_up->view_version},
                           {"keys", Json(std::move(keys))},
                           {"hashed", Json(std::move(hashed))}});
}

Json answer_json(const PredictionView& view, std::size_t number) {
  const Answer& answer = view.answers[number];
  const Prediction& p = answer.prediction;
  Json::Array inputs, outputs;
  const Span rows = shown(view, p);
  for (std::size_t row = rows.first; row < rows.end; ++row) {
    inputs.push_back(inputs_of_row(answer, row));
    if (!p.outputs.empty()) outputs.push_back(outputs_of_row(answer, row));
  }
  Json json;
  json.set("role", serving::to_string(p.role));
  json.set("model", answer.layout.model);
  json.set("version", answer.layout.version);
  json.set("step", view.step_ids[number].empty() ? Json() : Json(view.step_ids[number]));
  json.set("status", static_cast<std::int64_t>(p.status));
  json.set("latency_us", static_cast<std::int64_t>(p.latency_us));
  json.set("event_time", to_iso8601(p.event_time_ms));
  json.set("client_id", p.client_id);
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(p.key_hash));
  json.set("key_hash", p.key_hash == 0 ? Json() : Json(std::string(hash)));
  if (!p.error.empty()) json.set("error", p.error);
  json.set("rows", static_cast<std::int64_t>(p.rows));
  json.set("inputs", Json(std::move(inputs)));
  json.set("outputs", Json(std::move(outputs)));
  json.set("hashed", names_where(answer.layout, [](const Layout::Column& column) {
             return column.keep == serving::Keep::kHash;
           }));
  json.set("looked_up", names_where(answer.layout,
                                    [](const Layout::Column& column) { return column.looked_up; }));
  json.set("features", features_json(p, rows));
  return json;
}

Json label_json(const serving::Label& label) {
  Json json;
  json.set("row", static_cast<std::int64_t>(label.id.row));
  json.set("value", label.value);
  json.set("event_time", to_iso8601(label.event_time_ms));
  json.set("received", to_iso8601(label.received_ms));
  json.set("source", label.source);
  return json;
}

std::string id_text(const PredictionView& view) {
  return view.row ? view.id.text_of_row() : view.id.text();
}

/// Of each answer the rollout step that let its version answer at that time.
Result<std::vector<std::string>> steps_of(db::Pool& pool, const PredictionView& view) {
  return pool.read([&](db::Tx& tx) -> Result<std::vector<std::string>> {
    std::vector<std::string> steps;
    for (const Answer& answer : view.answers) {
      const std::int64_t version = to_int64(answer.layout.version).value_or(0);
      steps.push_back(
          TRY(delivery::step_at(tx, view.id.deployment, version, view.id.time_ms())).value_or(""));
    }
    return steps;
  });
}

Result<std::map<std::uint32_t, serving::Label>> labels_of(const std::filesystem::path& root,
                                                          const PredictionView& view,
                                                          blob::Damages* damages) {
  std::map<std::uint32_t, serving::Label> labels = TRY(serving::labels_of(root, view.id, damages));
  std::erase_if(labels, [&](const auto& one) { return view.row && *view.row != one.first; });
  return labels;
}

std::string values_text(const Json& object) {
  std::string text;
  for (const auto& [name, value] : object.as_object()) {
    text += (text.empty() ? "" : "  ") + name + "=";
    text += value.is_string() ? "#" + value.as_string()
                              : (value.is_null() ? "missing" : wire::dump(value));
  }
  return text;
}

/// "station=north, from stations@0123456789ab"
std::string features_text(const serving::LookedUp& looked_up, std::size_t row) {
  constexpr std::size_t kDigestShown = 12;
  std::string text;
  const std::size_t width = looked_up.keys.size();
  for (std::size_t i = 0; i < width; ++i) {
    const serving::LookedUp::Key& key = looked_up.keys[i];
    const std::string& value = looked_up.values[row * width + i];
    text += (text.empty() ? "" : "  ") + key.name + "=";
    text += value.empty() ? "missing" : (key.keep == serving::Keep::kHash ? "#" : "") + value;
  }
  if (text.empty()) text = "an entity whose keys are not kept";
  return text + ", from " + looked_up.view + "@" +
         looked_up.view_version.substr(0, kDigestShown);
}

/// An answer reaches the files a moment after its caller (PredictionLogOptions::interval).
Result<std::vector<serving::Answer>> find_answers(const serving::Predictions& predictions,
                                                  const serving::PredictionId& id,
                                                  const FlushLog& flush) {
  constexpr int kLooks = 4;
  std::vector<serving::Answer> answers = TRY(predictions.find(id));
  if (flush) {
    if (!answers.empty()) return answers;
    (void)flush();  // what can't be written is lost, and counted
    return predictions.find(id);
  }
  for (int look = 1; look < kLooks && answers.empty(); ++look) {
    std::this_thread::sleep_for(serving::PredictionLogOptions().interval);
    answers = TRY(predictions.find(id));
  }
  return answers;
}

}  // namespace

bool is_prediction_id(std::string_view text) {
  return serving::read_prediction_id(text).has_value();
}

Result<PredictionView> find_prediction(db::Pool& pool, const std::filesystem::path& state,
                                       std::string_view text, const FlushLog& flush,
                                       blob::Damages* damages) {
  std::optional<serving::PredictionId> id = serving::read_prediction_id(text);
  if (!id) {
    return invalid("'" + std::string(text.substr(0, 80)) +
                   "' is no prediction, expected DEPLOYMENT.UUID or DEPLOYMENT.UUID/ROW");
  }
  PredictionView view;
  view.id = std::move(*id);
  if (text.find('/', text.rfind('.')) != std::string_view::npos) view.row = view.id.row;
  const serving::Predictions predictions(predictions_folder(state), labels_folder(state), damages);
  view.answers = TRY(find_answers(predictions, view.id, flush));
  if (view.answers.empty()) {
    return missing("prediction " + view.id.text() + " is not in the log of this server");
  }
  const std::uint32_t rows = view.answers.front().prediction.rows;
  if (view.row && *view.row >= std::max<std::uint32_t>(rows, 1)) {
    return missing("prediction " + view.id.text() + " has " + std::to_string(rows) +
                   " rows, from 0");
  }
  view.labels = TRY(labels_of(labels_folder(state), view, damages));
  view.step_ids = TRY(steps_of(pool, view));
  return view;
}

Json to_json(const PredictionView& view) {
  Json::Array answers, labels;
  bool truncated = false;
  for (std::size_t i = 0; i < view.answers.size(); ++i) {
    answers.push_back(answer_json(view, i));
    truncated |= !view.row && view.answers[i].prediction.rows > kRowsShownMax;
  }
  for (const auto& [row, label] : view.labels) {
    if (labels.size() < kRowsShownMax) labels.push_back(label_json(label));
  }
  Json json;
  json.set("id", id_text(view));
  json.set("deployment", view.id.deployment);
  json.set("time", to_iso8601(view.id.time_ms()));
  json.set("answers", Json(std::move(answers)));
  json.set("labels", Json(std::move(labels)));
  json.set("truncated", truncated);
  return json;
}

std::string to_text(const PredictionView& view) {
  constexpr std::size_t kRowsPrintedMax = 5;
  std::string text;
  for (std::size_t i = 0; i < view.answers.size(); ++i) {
    const Answer& answer = view.answers[i];
    const Prediction& p = answer.prediction;
    text += "  " + std::string(serving::to_string(p.role)) + ": version " + answer.layout.version +
            " of " + answer.layout.model + ", status " + std::to_string(p.status) + ", " +
            std::to_string(p.latency_us) + " us, for " + to_iso8601(p.event_time_ms);
    if (!p.error.empty()) text += ": " + p.error;
    text += "\n";
    const Span rows = shown(view, p);
    for (std::size_t row = rows.first; row < std::min(rows.end, rows.first + kRowsPrintedMax);
         ++row) {
      if (i == 0) text += "    inputs   " + values_text(inputs_of_row(answer, row)) + "\n";
      if (i == 0 && p.looked_up)
        text += "    features of " + features_text(*p.looked_up, row) + "\n";
      if (!p.outputs.empty())
        text += "    outputs  " + values_text(outputs_of_row(answer, row)) + "\n";
    }
    if (rows.end - rows.first > kRowsPrintedMax && i == 0)
      text += "    ... " + std::to_string(p.rows) + " rows\n";
  }
  std::size_t printed = 0;
  for (const auto& [row, label] : view.labels) {
    if (++printed > kRowsPrintedMax) break;
    text +=
        "  turned out: " + wire::dump(Json(label.value)) +
        (view.row || view.answers.front().prediction.rows == 1 ? std::string()
                                                               : " in row " + std::to_string(row)) +
        (label.source.empty() ? "" : ", says " + label.source) + ", received " +
        to_iso8601(label.received_ms) + "\n";
  }
  return text;
}

}  // namespace slipway::app
