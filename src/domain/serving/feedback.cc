#include "domain/serving/feedback.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"
#include "domain/serving/day_files.h"
#include "domain/serving/deployments.h"

namespace slipway::serving {
namespace {

constexpr UnixMs kAheadMax = 24 * 3600 * 1000;

Error wrong(std::string why) {
  return invalid(std::move(why));
}

std::string in_quotes(const std::string& text) {
  return "'" + text.substr(0, 80) + "'";
}

class Checker {
 public:
  Checker(const AnsweringOf& answering_of, UnixMs now_ms)
      : answering_of_(answering_of), now_ms_(now_ms) {}

  Result<Label> check(const LabelText& sent) {
    if (sent.prediction_id.empty()) return wrong("found no prediction_id");
    std::optional<PredictionId> id = read_prediction_id(sent.prediction_id);
    if (!id) {
      return wrong("found " + in_quotes(sent.prediction_id) +
                   " as prediction_id, expected DEPLOYMENT.UUID, or DEPLOYMENT.UUID/ROW");
    }
    const Answering& answering = answering_by(id->deployment);
    if (!answering.known) {
      return wrong("no deployment " + in_quotes(id->deployment) + " has ever answered here");
    }
    if (id->time_ms() > now_ms_ + kAheadMax) {
      return wrong("prediction " + in_quotes(sent.prediction_id) + " is of " +
                   to_iso8601(id->time_ms()) + ", in the future");
    }
    if (!sent.value && !sent.instead.empty())
      return wrong("found " + sent.instead + " as value, expected a number, true or false");
    if (!sent.value) return wrong("found no value, expected a number");
    if (!std::isfinite(*sent.value)) return wrong("found a value that is not finite");
    TRY(check_class(*sent.value, answering.classes));
    if (sent.source.size() > kLabelSourceBytesMax) {
      return wrong("found a source of " + std::to_string(sent.source.size()) +
                   " bytes, expected at most " + std::to_string(kLabelSourceBytesMax));
    }
    Label label{std::move(*id), *sent.value, now_ms_, now_ms_, sent.source};
    if (!sent.event_time.empty()) label.event_time_ms = TRY(read_event_time(sent.event_time));
    TRY(note_day(label));
    return label;
  }

 private:
  const Answering& answering_by(const std::string& deployment) {
    auto known = known_.find(deployment);
    if (known == known_.end()) known = known_.emplace(deployment, answering_of_(deployment)).first;
    return known->second;
  }

  static Result<> check_class(double value, std::size_t classes) {
    const bool is_class =
        value >= 0 && value < static_cast<double>(classes) && std::trunc(value) == value;
    if (classes == 0 || is_class) return {};
    return wrong("found " + python_repr(value) + " as value, expected one of the " +
                 std::to_string(classes) + " classes that the deployment answers: a whole number " +
                 "from 0 to " + std::to_string(classes - 1));
  }

  /// Each day of a deployment is a file: a batch does not make them by the thousand.
  Result<> note_day(const Label& label) {
    days_.emplace(label.id.deployment, day_of(label.id.time_ms()));
    if (days_.size() <= kFeedbackDaysMax) return {};
    return wrong("labels of more than " + std::to_string(kFeedbackDaysMax) +
                 " days in one batch: send them in several");
  }

  const AnsweringOf& answering_of_;
  const UnixMs now_ms_;
  std::map<std::string, Answering> known_;
  std::set<std::pair<std::string, std::string>> days_;
};

}  // namespace

Feedback check_feedback(std::span<const LabelText> sent, const AnsweringOf& answering_of,
                        UnixMs now_ms) {
  Feedback feedback;
  feedback.labels.reserve(sent.size());
  Checker checker(answering_of, now_ms);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    Result<Label> label = checker.check(sent[i]);
    if (label.ok())
      feedback.labels.push_back(std::move(*label));
    else
      feedback.wrong.push_back({i, std::move(label.error().message)});
  }
  return feedback;
}

Matched match_labels(
    std::span<const Label> labels,
    const std::function<std::optional<std::uint32_t>(const PredictionId& id)>& rows_of) {
  Matched matched;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const PredictionId& id = labels[i].id;
    const std::optional<std::uint32_t> rows = rows_of(id);
    if (!rows)
      matched.unknown.push_back(i);
    else if (id.row >= std::max<std::uint32_t>(*rows, 1))
      matched.wrong.push_back({i, "prediction " + id.text() + " has " + std::to_string(*rows) +
                                      (*rows == 1 ? " row" : " rows") +
                                      ", counted from 0: found row " + std::to_string(id.row)});
  }
  return matched;
}

}  // namespace slipway::serving
