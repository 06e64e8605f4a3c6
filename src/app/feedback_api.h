#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/prediction_view.h"
#include "base/clock.h"
#include "domain/serving/deployments.h"
#include "domain/serving/feedback.h"
#include "domain/serving/labels.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// Labels in, and predictions out: over HTTP, or on the files of a state folder that nobody owns.
// Any thread; waits for disk and database.
namespace slipway::app {

/// One label as programs write it; every member may be left out, and is judged where all of them
/// are.
struct LabelRequest {
  std::string prediction_id;
  wire::Json value;       // a number, or true and false for 1 and 0
  wire::Json event_time;  // a text or a number: when it became true
  std::string source;
};
WIRE(LabelRequest, prediction_id, value, event_time, source)

inline constexpr std::size_t kWrongSaidMax = 20;  // wrong labels that an error names

struct FeedbackRequest {
  std::vector<LabelRequest> labels;
  /// The log is asked for each prediction: a row that one has not got is wrong, and those that are
  /// not in the log are counted. Reads the files of their days, so who sends labels all day leaves
  /// it out.
  bool check = false;
};
WIRE(FeedbackRequest, labels, check)

/// One label. kInvalid names a member that it has not, and the nearest.
Result<LabelRequest> read_label(const wire::Json& json);
/// {"labels": [...], "check": true}, or the members of one label; others are refused.
Result<FeedbackRequest> read_feedback(std::string_view body);

struct TakenLabels {
  std::size_t taken = 0;
  /// Of predictions that are not in the log; nothing where that was not looked at.
  std::optional<std::size_t> unknown;
};
/// `predictions`: the root of their log. Durable on return: all of them, or an error and nothing of
/// what is wrong with one. kInvalid, tag "wrong_labels", says which ones are wrong and why; `wrong`
/// has them all when it is given; `flush` is of who writes the log.
Result<TakenLabels> take_feedback(const FeedbackRequest& sent, serving::LabelLog& log,
                                  const std::filesystem::path& predictions,
                                  const serving::AnsweringOf& answering_of, UnixMs now_ms,
                                  std::vector<serving::WrongLabel>* wrong = nullptr,
                                  const FlushLog& flush = {}, blob::Damages* damages = nullptr);

struct FeedbackWorld {
  std::filesystem::path state;
  serving::LabelLog& labels;
  serving::Deployments& deployments;
  db::Pool& pool;
  const Clock& clock;
  std::function<void()> wake = {};  // the loop: labels came
  FlushLog flush = {};              // the prediction log
  blob::Damages* damages = nullptr;
  /// Fails, and says why, where another server keeps predictions and labels.
  std::function<Result<>()> keeps = {};
};

/// Under /api/slipway/v1: POST /feedback; GET /predictions/ID, where ID may end in "/ROW"; GET
/// /predictions?deployment=NAME (&version=, &role=, &status=answered|refused|failed, &limit=), the
/// newest first; GET /answers, how many each deployment gave.
void mount_feedback(http::Router& router, const FeedbackWorld& world);

// ---- for commands

/// Sends them to the owner of the state folder, or keeps them here when there is none. The answer
/// is {"taken": N}, with "unknown" where they were checked.
Result<wire::Json> feedback_at(const std::filesystem::path& state, const FeedbackRequest& feedback);

}  // namespace slipway::app
