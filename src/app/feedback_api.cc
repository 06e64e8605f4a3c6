#include "app/feedback_api.h"

#include <algorithm>

#include "app/app.h"
#include "app/owner.h"
#include "app/prediction_view.h"
#include "domain/serving/day_files.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr char kBase[] = "/api/slipway/v1";
constexpr std::size_t kWrongToldMax = 100;
constexpr std::uint64_t kBodyBytesMax = 32u << 20;

struct Feedback {
  std::optional<std::vector<LabelRequest>> labels;
};
WIRE(Feedback, labels)

std::optional<double> number_of(const Json& value) {
  if (value.is_bool()) return value.as_bool() ? 1.0 : 0.0;
  if (value.is_number()) return value.as_double();
  return std::nullopt;
}

std::string time_text(const Json& time) {
  if (time.is_null()) return "";
  return time.is_string() ? time.as_string() : wire::dump(time);
}

/// "labels[3]: found ...", and how many more there are.
Error error_of(const std::vector<serving::WrongLabel>& wrong) {
  std::string message = "labels[" + std::to_string(wrong[0].index) + "]: " + wrong[0].why;
  if (wrong.size() > 1) message += "; and " + std::to_string(wrong.size() - 1) + " more";
  return Error{Code::kInvalid, message + "; nothing was taken", "wrong_labels"};
}

http::Response refusal(const Error& error, const std::vector<serving::WrongLabel>& wrong) {
  Json::Array told;
  for (const serving::WrongLabel& one : wrong) {
    if (told.size() >= kWrongToldMax) break;
    told.push_back(
        Json(Json::Object{{"index", static_cast<std::int64_t>(one.index)}, {"error", one.why}}));
  }
  Json json;
  json.set("error", error.message);
  json.set("wrong", Json(std::move(told)));
  json.set("wrong_total", static_cast<std::int64_t>(wrong.size()));
  return http::Response::json(wire::dump(json), 400);
}

bool has_predictions(const std::filesystem::path& state, const std::string& deployment) {
  std::error_code ignored;
  return std::filesystem::is_directory(predictions_folder(state) / serving::folder_of(deployment),
                                       ignored);
}

bool is_known(const FeedbackWorld& world, const std::string& deployment) {
  const std::vector<std::string> names = world.deployments.names();
  return std::find(names.begin(), names.end(), deployment) != names.end() ||
         has_predictions(world.state, deployment);
}

Json taken(std::size_t count) {
  return Json(Json::Object{{"taken", static_cast<std::int64_t>(count)}});
}

Result<http::Response> answer_feedback(const FeedbackWorld& world, const http::Request& request) {
  const std::vector<LabelRequest> sent = TRY(read_feedback(request.body));
  std::vector<serving::WrongLabel> wrong;
  const auto knows = [&world](const std::string& name) { return is_known(world, name); };
  const Result<> kept = take_feedback(sent, world.labels, knows, world.clock.now_ms(), &wrong);
  if (!kept.ok() && !wrong.empty()) return refusal(kept.error(), wrong);
  TRY(kept);
  if (world.wake) world.wake();
  return http::Response::json(wire::dump(taken(sent.size())));
}

Result<http::Response> answer_prediction(const FeedbackWorld& world, const http::Request& request) {
  const PredictionView view =
      TRY(find_prediction(world.pool, world.state, request.capture("id"), world.flush));
  return http::Response::json(wire::dump(to_json(view), {.non_finite_as_string = true}));
}

}  // namespace

Result<std::vector<LabelRequest>> read_feedback(std::string_view body) {
  Feedback feedback = TRY(wire::decode<Feedback>(body));
  if (!feedback.labels) {
    LabelRequest one = TRY(wire::decode<LabelRequest>(body));
    if (one.prediction_id.empty())
      return invalid("found neither labels nor prediction_id, expected {\"labels\": [...]}");
    return std::vector<LabelRequest>{std::move(one)};
  }
  if (feedback.labels->size() > serving::kFeedbackLabelsMax) {
    return invalid("found " + std::to_string(feedback.labels->size()) +
                   " labels, expected at most " + std::to_string(serving::kFeedbackLabelsMax) +
                   ": send them in several batches");
  }
  return std::move(*feedback.labels);
}

Result<> take_feedback(const std::vector<LabelRequest>& sent, serving::LabelLog& log,
                       const std::function<bool(const std::string& deployment)>& knows,
                       UnixMs now_ms, std::vector<serving::WrongLabel>* wrong) {
  std::vector<serving::LabelText> texts;
  texts.reserve(sent.size());
  for (const LabelRequest& one : sent) {
    texts.push_back(
        {one.prediction_id, number_of(one.value), time_text(one.event_time), one.source});
  }
  serving::Feedback feedback = serving::check_feedback(texts, knows, now_ms);
  if (feedback.wrong.empty()) return log.add(feedback.labels);
  Error error = error_of(feedback.wrong);
  if (wrong != nullptr) *wrong = std::move(feedback.wrong);
  return error;
}

void mount_feedback(http::Router& router, const FeedbackWorld& world) {
  http::Router::Group group = router.group(kBase, http::render_plain_error);
  group.add({http::Method::kPost, "/feedback", http::writes("serving"), http::Place::kBlocking,
             kBodyBytesMax},
            [world](http::Request& request) { return answer_feedback(world, request); });
  group.add(
      {http::Method::kGet, "/predictions/{id*}", http::reads("serving"), http::Place::kBlocking},
      [world](http::Request& request) { return answer_prediction(world, request); });
}

Result<Json> feedback_at(const std::filesystem::path& state,
                         const std::vector<LabelRequest>& labels) {
  const auto here = [&]() -> Result<Json> {
    blob::Disk disk;
    SystemClock clock;
    serving::LabelLog log(disk, labels_folder(state));
    const auto knows = [&](const std::string& name) { return has_predictions(state, name); };
    TRY(take_feedback(labels, log, knows, clock.now_ms()));
    return taken(labels.size());
  };
  return at_owner(
      state, here, [&](const std::string& url, const std::string& secret) -> Result<Json> {
        const Feedback feedback{labels};
        const http::Response response =
            TRY(post_to_owner(url + kBase + "/feedback", secret, wire::encode(feedback)));
        if (response.status == 200) return wire::parse(response.body);
        const std::string message = message_of(response);
        if (response.status == 400) return invalid(message);
        return unavailable("the server at " + url + " answered with status " +
                           std::to_string(response.status) + ": " + message);
      });
}

}  // namespace slipway::app
