#include <algorithm>

#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/feedback_api.h"
#include "app/project.h"
#include "base/file.h"
#include "base/text.h"
#include "domain/features/csv.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr std::uint64_t kFileBytesMax = 1u << 30;

/// A label and where it stands: a line of a file, 0 for the command line.
struct Placed {
  LabelRequest label;
  std::size_t line = 0;
};

Result<Json> number_of(std::string_view text) {
  const std::string_view word = trim(text);
  if (word == "true" || word == "false") return Json(word == "true");
  const std::optional<double> number = to_double(word);
  if (number) return Json(*number);
  return invalid("found '" + std::string(text.substr(0, 40)) + "', expected a number");
}

/// A table may have more columns; one that looks like a label's, and would be lost, is refused.
Result<> refuse_slips(const std::vector<std::string>& names, const std::string& file) {
  const std::vector<std::string> known = {"prediction_id", "value", "event_time", "source"};
  const auto has = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto near = nearest(name, known);
    if (near && !has(*near)) {
      return invalid(file + ":1: found the column " + python_repr(name) + "; did you mean '" +
                     *near + "'?");
    }
    if (name != "row") continue;
    return invalid(file +
                   ":1: found a column 'row'; row N is named by the prediction_id, \"ID/N\"");
  }
  return {};
}

/// What is wrong with lines of a file: the first ones with their words, the others counted.
class Faults {
 public:
  void add(const std::string& name, std::size_t line, const std::string& why) {
    if (count_++ < kWrongSaidMax) said_ += "\n  " + name + ":" + std::to_string(line) + ": " + why;
  }
  /// `labels`, or an error where any of their lines was wrong.
  Result<std::vector<Placed>> end(const std::string& name, std::vector<Placed> labels) const {
    if (count_ == 0) return labels;
    const std::size_t more = count_ - std::min(count_, kWrongSaidMax);
    return invalid(name + ": " + std::to_string(count_) + " of " +
                   std::to_string(count_ + labels.size()) + " labels are wrong, none was taken:" +
                   said_ + (more == 0 ? "" : "\n  and " + std::to_string(more) + " more"));
  }

 private:
  std::size_t count_ = 0;
  std::string said_;
};

/// Columns prediction_id and value; event_time and source may be there.
Result<std::vector<Placed>> labels_of_csv(std::string_view text, const std::string& name) {
  const features::CsvTable table = TRY(features::parse_csv(text, name));
  const auto column = [&](std::string_view wanted) {
    const auto found = std::find(table.names.begin(), table.names.end(), wanted);
    return static_cast<std::size_t>(found - table.names.begin());
  };
  const std::size_t width = table.names.size();
  const std::size_t id = column("prediction_id"), value = column("value");
  const std::size_t time = column("event_time"), source = column("source");
  if (id == width || value == width) {
    return invalid(name + ":1: found the columns " + join(table.names, ", ") +
                   ", expected prediction_id and value");
  }
  TRY(refuse_slips(table.names, name));
  std::vector<Placed> labels;
  Faults faults;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    Placed placed;
    placed.line = table.lines[row];
    placed.label.prediction_id = table.at(row, id).text;
    Result<Json> number = number_of(table.at(row, value).text);
    if (!number.ok()) {
      faults.add(name, placed.line, "value: " + number.error().message);
      continue;
    }
    placed.label.value = std::move(*number);
    if (time != width && !table.at(row, time).text.empty())
      placed.label.event_time = Json(table.at(row, time).text);
    if (source != width) placed.label.source = table.at(row, source).text;
    labels.push_back(std::move(placed));
  }
  return faults.end(name, std::move(labels));
}

/// One label a line.
Result<std::vector<Placed>> labels_of_jsonl(std::string_view text, const std::string& name) {
  std::vector<Placed> labels;
  Faults faults;
  std::size_t line = 0;
  for (std::string_view one : split(text, '\n')) {
    ++line;
    if (trim(one).empty()) continue;
    const Result<Json> json = wire::parse(one);
    Result<LabelRequest> label = json.ok() ? read_label(*json) : Result<LabelRequest>(json.error());
    if (label.ok())
      labels.push_back({std::move(*label), line});
    else
      faults.add(name, line, label.error().message);
  }
  return faults.end(name, std::move(labels));
}

Result<std::vector<Placed>> labels_of_file(const std::filesystem::path& path,
                                           const std::string& name) {
  const std::string text = TRY(read_file(path, kFileBytesMax));
  const std::string extension = path.extension().string();
  if (extension == ".csv") return labels_of_csv(text, name);
  if (extension == ".jsonl" || extension == ".ndjson") return labels_of_jsonl(text, name);
  return usage("found --file " + name + ", expected a name that ends in .csv or .jsonl");
}

Result<std::vector<Placed>> labels_of(const Arguments& arguments,
                                      const Surroundings& surroundings) {
  const std::string file = flag(arguments, "file");
  const auto& given = arguments.positional;
  if (!file.empty()) {
    if (!given.empty()) return usage("found a prediction beside --file, expected one of them");
    return labels_of_file(surroundings.folder / file, file);
  }
  if (given.size() != 2) return usage("expected PREDICTION and VALUE, or --file");
  Placed one;
  one.label.prediction_id = given[0];
  Result<Json> number = number_of(given[1]);
  if (!number.ok()) return usage("VALUE: " + number.error().message);
  one.label.value = std::move(*number);
  if (const std::string time = flag(arguments, "event-time"); !time.empty())
    one.label.event_time = Json(time);
  one.label.source = flag(arguments, "source");
  return std::vector<Placed>{std::move(one)};
}

/// "labels[3]: ..." of a batch whose first label is the one at `begin`, with the line of the file.
std::string with_lines(const std::string& message, const std::vector<Placed>& labels,
                       std::size_t begin) {
  constexpr std::string_view kLabel = "labels[";
  std::string text;
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t found = std::min(message.find(kLabel, at), message.size());
    text += message.substr(at, found - at);
    at = found;
    if (found == message.size()) break;
    const std::size_t end = std::min(message.find("]: ", found), message.size());
    const auto index =
        to_int64(std::string_view(message).substr(found, end - found).substr(kLabel.size()));
    const std::size_t place = begin + static_cast<std::size_t>(index.value_or(0));
    if (index && *index >= 0 && place < labels.size()) {
      text += "line " + std::to_string(labels[place].line);
      at = end + 1;
    } else {
      text += kLabel;
      at += kLabel.size();
    }
  }
  return text;
}

/// In batches: each of them is taken as a whole, or refused as a whole.
Result<TakenLabels> send(const std::filesystem::path& state, std::vector<Placed> labels) {
  std::size_t taken = 0;
  std::optional<std::size_t> unknown = 0;
  while (taken < labels.size()) {
    const std::size_t count = std::min(labels.size() - taken, serving::kFeedbackLabelsMax);
    FeedbackRequest batch;
    batch.check = true;
    for (std::size_t i = taken; i < taken + count; ++i)
      batch.labels.push_back(std::move(labels[i].label));
    Result<Json> answer = feedback_at(state, batch);
    if (!answer.ok()) {
      Error error = std::move(answer.error());
      const bool of_labels = error.message.find("labels[") != std::string::npos;
      if (labels[0].line != 0 && of_labels) {
        error.message = with_lines(error.message, labels, taken) + " of these " +
                        std::to_string(count) + " labels";
      }
      if (taken > 0) {
        error.message += "; " + std::to_string(taken) + " labels before line " +
                         std::to_string(labels[taken].line) + " were taken";
      }
      return error;
    }
    taken += count;
    if (answer->find("unknown") == nullptr)
      unknown.reset();
    else if (unknown)
      *unknown += static_cast<std::size_t>(number_at(*answer, "unknown"));
  }
  return TakenLabels{taken, unknown};
}

std::string text_of(const TakenLabels& labels) {
  std::string text =
      std::to_string(labels.taken) + (labels.taken == 1 ? " label" : " labels") + " taken";
  if (labels.unknown.value_or(0) == 0) return text;
  return text + ", " + std::to_string(*labels.unknown) +
         " of no prediction in the log: mistyped, not sampled, or of a day that is gone";
}

int run_feedback(const Arguments& arguments, const Surroundings& surroundings) {
  Result<std::vector<Placed>> labels = labels_of(arguments, surroundings);
  if (!labels.ok()) return report(labels.error(), surroundings);
  const Result<TakenLabels> taken = send(state_folder(arguments, surroundings), std::move(*labels));
  if (!taken.ok()) return report(taken.error(), surroundings);
  if (!surroundings.json) {
    surroundings.out << text_of(*taken) << "\n";
    return kDone;
  }
  Json json(Json::Object{{"taken", static_cast<std::int64_t>(taken->taken)}});
  if (taken->unknown) json.set("unknown", static_cast<std::int64_t>(*taken->unknown));
  surroundings.out << wire::dump(json) << "\n";
  return kDone;
}

}  // namespace

std::vector<Command> feedback_commands() {
  return {
      {.name = "feedback",
       .summary = "say what predictions should have been",
       .positional = "PREDICTION VALUE",
       .positional_max = 2,
       .positional_help =
           "id of a prediction (of row N of a batch: ID/N), and what turned out true",
       .flags = {{"--file", "FILE",
                  "labels.csv with the columns prediction_id and value (event_time, source), or "
                  "labels.jsonl"},
                 {"--event-time", "TIME", "when it became true (now)"},
                 {"--source", "NAME", "who says so"},
                 {"--state", "DIR", "the state folder (.slipway of this project)"}},
       .examples = {"slipway feedback bikes.019753a8-3c1a-7e05-8a4e-0f6b1d2c3e4f 112",
                    "slipway feedback --file labels.csv"},
       .run = run_feedback}};
}

}  // namespace slipway::app
