#include "app/feedback_api.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "app/app.h"
#include "app/owner.h"
#include "app/prediction_view.h"
#include "base/text.h"
#include "domain/serving/day_files.h"
#include "domain/serving/recent.h"
#include "domain/serving/row_counts.h"
#include "io/wire/member_names.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr char kBase[] = "/api/slipway/v1";
constexpr std::size_t kWrongToldMax = 100, kNameShownMax = 60;
constexpr std::uint64_t kBodyBytesMax = 32u << 20;

/// What is read to check labels; beyond it they are taken unchecked.
constexpr std::uint64_t kCheckedBytesMax = std::uint64_t{2} << 30;

/// What is beside the labels, or beside the members of one.
struct Manner {
  bool check = false;
};
WIRE(Manner, check)

const std::vector<std::string>& label_members() {
  static const std::vector<std::string> all = {"prediction_id", "value", "event_time", "source"};
  return all;
}

/// What somebody misspelt would be lost without a word.
Result<> refuse_unknown(const Json& json, const std::string& what,
                        const std::vector<std::string>& known) {
  if (!json.is_object()) return invalid("expected an object");
  const std::optional<std::string> name = wire::unknown_member(json, known);
  if (!name) return {};
  const std::string shown(take_code_points(*name, kNameShownMax));
  std::string message = what + " has no member " + wire::dump(Json(shown));
  if (*name == "row")
    message += "; row N is named by the prediction_id, \"ID/N\"";
  else if (const auto near = nearest(*name, known))
    message += "; did you mean \"" + *near + "\"?";
  return invalid(message + " (it has " + join(known, ", ") + ")");
}

Result<std::vector<LabelRequest>> read_labels(const Json& json) {
  if (!json.is_array()) return invalid("labels: expected a list");
  const Json::Array& list = json.as_array();
  if (list.size() > serving::kFeedbackLabelsMax) {
    return invalid("found " + std::to_string(list.size()) + " labels, expected at most " +
                   std::to_string(serving::kFeedbackLabelsMax) + ": send them in several batches");
  }
  std::vector<LabelRequest> labels;
  labels.reserve(list.size());
  for (const Json& one : list) {
    Result<LabelRequest> label = read_label(one);
    if (!label.ok()) {
      return invalid("labels[" + std::to_string(labels.size()) + "]: " + label.error().message);
    }
    labels.push_back(std::move(*label));
  }
  return labels;
}

std::optional<double> number_of(const Json& value) {
  if (value.is_bool()) return value.as_bool() ? 1.0 : 0.0;
  if (value.is_number()) return value.as_double();
  return std::nullopt;
}

/// What somebody sent that is no number; "" where nothing was sent.
std::string instead_of_number(const Json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  if (!value.is_string()) return "";
  return "the text " + wire::dump(Json(take_code_points(value.as_string(), kNameShownMax)));
}

std::string time_text(const Json& time) {
  if (time.is_null()) return "";
  return time.is_string() ? time.as_string() : wire::dump(time);
}

/// "labels[3]: found ...; labels[7]: ...", and how many more there are.
Error error_of(const std::vector<serving::WrongLabel>& wrong) {
  const std::size_t said = std::min(wrong.size(), kWrongSaidMax);
  std::string message;
  for (std::size_t i = 0; i < said; ++i) {
    message += (i == 0 ? "labels[" : "; labels[") + std::to_string(wrong[i].index) +
               "]: " + wrong[i].why;
  }
  if (wrong.size() > said) message += "; and " + std::to_string(wrong.size() - said) + " more";
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

/// What the versions that answer are trained for; of one that answers no more nobody knows it.
serving::Answering answering_of(const FeedbackWorld& world, const std::string& deployment) {
  serving::Answering answering{is_known(world, deployment)};
  const serving::Deployment now = world.deployments.find(deployment);
  if (!now || now->route.deployment != deployment) return answering;
  for (const serving::Loaded& version : {now->stable, now->candidate}) {
    if (!version) continue;
    const std::size_t classes = version->engine->traits().classes;
    if (classes == 0) return {answering.known};  // one of them answers any number
    answering.classes = std::max(answering.classes, classes);
  }
  return answering;
}

Json to_json(const TakenLabels& labels) {
  Json json(Json::Object{{"taken", static_cast<std::int64_t>(labels.taken)}});
  if (labels.unknown) json.set("unknown", static_cast<std::int64_t>(*labels.unknown));
  return json;
}

bool is_recent(const serving::Label& label, UnixMs now_ms) {
  constexpr UnixMs kFlushedByMs = 5'000;
  return label.id.time_ms() > now_ms - kFlushedByMs;
}

using Counts = std::optional<serving::RowCounts>;
serving::Matched match(std::span<const serving::Label> labels, const Counts& counts) {
  return serving::match_labels(
      labels, [&](const serving::PredictionId& id) -> std::optional<std::uint32_t> {
        const auto found = counts->find({id.deployment, id.uuid});
        if (found == counts->end()) return std::nullopt;
        return found->second;
      });
}

/// Nothing when the log is too large to look. An answer that was just given may still be on its way
/// into the log's files: `flush` puts it there.
Result<std::optional<serving::Matched>> find_predictions(std::span<const serving::Label> labels,
                                                         const std::filesystem::path& predictions,
                                                         UnixMs now_ms, const FlushLog& flush,
                                                         blob::Damages* damages) {
  Counts counts = TRY(serving::count_rows(predictions, labels, kCheckedBytesMax, damages));
  if (!counts) return std::optional<serving::Matched>();
  serving::Matched matched = match(labels, counts);
  const bool may_come =
      flush && std::any_of(matched.unknown.begin(), matched.unknown.end(),
                           [&](std::size_t index) { return is_recent(labels[index], now_ms); });
  if (!may_come) return std::optional(std::move(matched));
  (void)flush();  // what can't be written is lost, and counted
  counts = TRY(serving::count_rows(predictions, labels, kCheckedBytesMax, damages));
  if (!counts) return std::optional<serving::Matched>();
  return std::optional(match(labels, counts));
}

/// Of what is wrong with some the first is the error, and all are told.
Error refused(std::vector<serving::WrongLabel> found, std::vector<serving::WrongLabel>* wrong) {
  Error error = error_of(found);
  if (wrong != nullptr) *wrong = std::move(found);
  return error;
}

Result<http::Response> answer_feedback(const FeedbackWorld& world, const http::Request& request) {
  const FeedbackRequest sent = TRY(read_feedback(request.body));
  if (world.keeps) TRY(world.keeps());
  std::vector<serving::WrongLabel> wrong;
  const auto answering = [&world](const std::string& name) { return answering_of(world, name); };
  const Result<TakenLabels> taken =
      take_feedback(sent, world.labels, predictions_folder(world.state), answering,
                    world.clock.now_ms(), &wrong, world.flush, world.damages);
  if (!taken.ok() && !wrong.empty()) return refusal(taken.error(), wrong);
  if (!taken.ok()) return taken.error();
  if (world.wake) world.wake();
  return http::Response::json(wire::dump(to_json(*taken)));
}

Result<http::Response> answer_prediction(const FeedbackWorld& world, const http::Request& request) {
  const PredictionView view = TRY(
      find_prediction(world.pool, world.state, request.capture("id"), world.flush, world.damages));
  return http::Response::json(wire::dump(to_json(view), {.non_finite_as_string = true}));
}

Result<serving::RecentQuery> recent_query_of(const http::Request& request) {
  using Outcome = serving::RecentQuery::Outcome;
  constexpr std::int64_t kLimitMax = 500;
  serving::RecentQuery query;
  const auto limit = to_int64(request.query_value("limit").value_or("50"));
  if (!limit || *limit < 1 || *limit > kLimitMax)
    return invalid("limit must be a whole number from 1 to " + std::to_string(kLimitMax));
  query.limit = static_cast<std::size_t>(*limit);
  query.version = request.query_value("version").value_or("");
  const std::string role = request.query_value("role").value_or("");
  for (const serving::Role one :
       {serving::Role::kLive, serving::Role::kCanary, serving::Role::kShadow})
    if (role == serving::to_string(one)) query.role = one;
  if (!role.empty() && !query.role)
    return invalid("role must be live, canary or shadow, found '" + role.substr(0, 80) + "'");
  static const std::map<std::string, Outcome> kOutcomes = {{"", Outcome::kAny},
                                                           {"answered", Outcome::kAnswered},
                                                           {"refused", Outcome::kRefused},
                                                           {"failed", Outcome::kFailed}};
  const std::string status = request.query_value("status").value_or("");
  const auto outcome = kOutcomes.find(status);
  if (outcome == kOutcomes.end())
    return invalid("status must be answered, refused or failed, found '" + status.substr(0, 80) +
                   "'");
  query.outcome = outcome->second;
  return query;
}

Json json_of(const serving::RecentAnswer& answer) {
  Json::Object outputs;
  for (const auto& [name, value] : answer.outputs)
    outputs.emplace_back(name, static_cast<double>(value));
  Json json(Json::Object{{"id", answer.id.text()},
                         {"time", to_iso8601(answer.id.time_ms())},
                         {"event_time", to_iso8601(answer.event_time_ms)},
                         {"role", serving::to_string(answer.role)},
                         {"model", answer.model},
                         {"version", answer.version},
                         {"status", static_cast<std::int64_t>(answer.status)},
                         {"latency_us", static_cast<std::int64_t>(answer.latency_us)},
                         {"rows", static_cast<std::int64_t>(answer.rows)},
                         {"client_id", answer.client_id},
                         {"outputs", Json(std::move(outputs))}});
  if (!answer.error.empty()) json.set("error", answer.error);
  return json;
}

/// The newest of a deployment: of what was answered until now.
Result<http::Response> answer_recent(const FeedbackWorld& world, const http::Request& request) {
  const std::string deployment = request.query_value("deployment").value_or("");
  if (deployment.empty()) return invalid("deployment says whose predictions");
  const serving::RecentQuery query = TRY(recent_query_of(request));
  if (!is_known(world, deployment))
    return missing("no deployment '" + deployment.substr(0, 80) + "' is served or has a log");
  if (world.flush) (void)world.flush();  // what can't be written is lost, and counted
  const serving::Recent recent = TRY(
      serving::recent_answers(predictions_folder(world.state), deployment, query, world.damages));
  Json::Array list;
  for (const serving::RecentAnswer& one : recent.answers) list.push_back(json_of(one));
  const Json json(
      Json::Object{{"predictions", Json(std::move(list))}, {"complete", recent.complete}});
  return http::Response::json(wire::dump(json, {.non_finite_as_string = true}));
}

/// How many were answered since the server began, or the log's rules changed: who asks twice knows
/// the rate.
Result<http::Response> answer_counts(const FeedbackWorld& world) {
  Json::Array list;
  for (const serving::Deployment& one : world.deployments.all()) {
    if (!one->stream) continue;
    list.push_back(
        Json(Json::Object{{"deployment", one->route.deployment},
                          {"answered", static_cast<std::int64_t>(one->stream->answered())},
                          {"failed", static_cast<std::int64_t>(one->stream->failed())}}));
  }
  const std::int64_t uptime_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(world.clock.monotonic()).count();
  return http::Response::json(wire::dump(
      Json(Json::Object{{"answers", Json(std::move(list))}, {"monotonic_ms", uptime_ms}})));
}

}  // namespace

Result<LabelRequest> read_label(const Json& json) {
  TRY(refuse_unknown(json, "a label", label_members()));
  return wire::decode<LabelRequest>(json);
}

Result<FeedbackRequest> read_feedback(std::string_view body) {
  Json json = TRY(wire::parse(body));
  if (!json.is_object()) return invalid("expected an object");
  FeedbackRequest feedback;
  feedback.check = TRY(wire::decode<Manner>(json)).check;
  const Json* labels = json.find("labels");
  if (labels != nullptr && !labels->is_null()) {
    TRY(refuse_unknown(json, "feedback", {"labels", "check"}));
    feedback.labels = TRY(read_labels(*labels));
    return feedback;
  }
  std::erase_if(json.as_object(), [](const Json::Member& member) {
    return member.first == "check" || member.first == "labels";
  });
  feedback.labels.push_back(TRY(read_label(json)));
  if (feedback.labels.front().prediction_id.empty())
    return invalid("found neither labels nor prediction_id, expected {\"labels\": [...]}");
  return feedback;
}

Result<TakenLabels> take_feedback(const FeedbackRequest& sent, serving::LabelLog& log,
                                  const std::filesystem::path& predictions,
                                  const serving::AnsweringOf& answering_of, UnixMs now_ms,
                                  std::vector<serving::WrongLabel>* wrong,
                                  const FlushLog& flush, blob::Damages* damages) {
  std::vector<serving::LabelText> texts;
  texts.reserve(sent.labels.size());
  for (const LabelRequest& one : sent.labels) {
    texts.push_back({one.prediction_id, number_of(one.value), time_text(one.event_time),
                     one.source, instead_of_number(one.value)});
  }
  serving::Feedback feedback = serving::check_feedback(texts, answering_of, now_ms);
  if (!feedback.wrong.empty()) return refused(std::move(feedback.wrong), wrong);
  TakenLabels taken{feedback.labels.size(), std::nullopt};
  if (sent.check) {
    auto matched = TRY(find_predictions(feedback.labels, predictions, now_ms, flush, damages));
    if (matched && !matched->wrong.empty()) return refused(std::move(matched->wrong), wrong);
    if (matched) taken.unknown = matched->unknown.size();
  }
  TRY(log.add(feedback.labels));
  return taken;
}

void mount_feedback(http::Router& router, const FeedbackWorld& world) {
  http::Router::Group group = router.group(kBase, http::render_plain_error);
  group.add({http::Method::kPost, "/feedback", http::writes("serving"), http::Place::kBlocking,
             kBodyBytesMax},
            [world](http::Request& request) { return answer_feedback(world, request); });
  group.add(
      {http::Method::kGet, "/predictions/{id*}", http::reads("serving"), http::Place::kBlocking},
      [world](http::Request& request) { return answer_prediction(world, request); });
  group.add({http::Method::kGet, "/predictions", http::reads("serving"), http::Place::kBlocking},
            [world](http::Request& request) { return answer_recent(world, request); });
  group.add({http::Method::kGet, "/answers", http::reads("serving"), http::Place::kInline},
            [world](http::Request&) { return answer_counts(world); });
}

Result<Json> feedback_at(const std::filesystem::path& state, const FeedbackRequest& feedback) {
  const auto here = [&]() -> Result<Json> {
    blob::Disk disk;
    SystemClock clock;
    serving::LabelLog log(disk, labels_folder(state));
    const auto answering = [&](const std::string& name) {
      return serving::Answering{has_predictions(state, name)};
    };
    return to_json(
        TRY(take_feedback(feedback, log, predictions_folder(state), answering, clock.now_ms())));
  };
  TRY(require_state(state));  // a label makes none: nobody ever answered there
  return at_owner(
      state, here, [&](const std::string& url, const std::string& secret) -> Result<Json> {
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
