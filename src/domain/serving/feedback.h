#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/serving/labels.h"

// Labels as callers send them, and all that can be wrong with them. Pure functions. Any thread.
namespace slipway::serving {

inline constexpr std::size_t kFeedbackLabelsMax = 100'000;  // in one request
inline constexpr std::size_t kFeedbackDaysMax = 1'000;      // deployments times days they lie in
inline constexpr std::size_t kLabelSourceBytesMax = 256;

/// As sent; "" where left out.
struct LabelText {
  std::string prediction_id;
  std::optional<double> value;
  std::string event_time;  // as read_event_time takes it
  std::string source;
  std::string instead = {};  // what stands where the value should be: "the text \"1\""
};

struct WrongLabel {
  std::size_t index = 0;
  std::string why;
};
struct Feedback {
  std::vector<Label> labels;      // as many as were sent, when nothing is wrong
  std::vector<WrongLabel> wrong;  // each wrong one, in order
};

/// What can come true of the predictions of a deployment.
struct Answering {
  bool known = false;       // it has ever answered here
  std::size_t classes = 0;  // it answers one of so many classes, whole numbers from 0; 0: any number
};
using AnsweringOf = std::function<Answering(const std::string& deployment)>;

/// A label without a time became true when it was received, at `now_ms`. Ids from the future (more
/// than a day) are wrong.
Feedback check_feedback(std::span<const LabelText> sent, const AnsweringOf& answering_of,
                        UnixMs now_ms);

/// What the log says of labels that are right by themselves.
struct Matched {
  std::vector<WrongLabel> wrong;     // of a row that their prediction has not got
  std::vector<std::size_t> unknown;  // of no prediction in the log: mistyped, or none that was kept
};
/// `rows_of` says how many rows a prediction has; nothing when it is not in the log.
Matched match_labels(
    std::span<const Label> labels,
    const std::function<std::optional<std::uint32_t>(const PredictionId& id)>& rows_of);

}  // namespace slipway::serving
