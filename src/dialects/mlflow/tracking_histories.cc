#include <algorithm>
#include <cmath>

#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/limits.h"
#include "dialects/mlflow/request.h"
#include "dialects/mlflow/tracking_messages.h"
#include "dialects/mlflow/tracking_routes.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Request;
using http::Response;
using tracking::Point;
using tracking::Tracking;

constexpr std::size_t kPointsMax = 25'000;  // of one answer
constexpr std::size_t kRunsMax = 100;
constexpr std::int64_t kSampleMax = 2500;  // points of one run

struct GetHistory {
  std::string run_id, run_uuid, metric_key, page_token;
  std::optional<std::int64_t> max_results;
};
WIRE(GetHistory, run_id, run_uuid, metric_key, page_token, max_results)
constexpr Parameter kGetHistory[] = {{"run_id", Type::kText, kRequired},
                                     {"metric_key", Type::kText, kRequired},
                                     {"page_token"},
                                     {"max_results", Type::kInteger},
                                     {"run_uuid"}};

struct GetBulk {
  std::vector<std::string> run_id;
  std::optional<std::string> metric_key;
  std::int64_t max_results = static_cast<std::int64_t>(kPointsMax);
};
WIRE(GetBulk, run_id, metric_key, max_results)
constexpr Parameter kGetBulk[] = {
    {"run_id", Type::kList}, {"metric_key"}, {"max_results", Type::kInteger}};

struct GetInterval {
  std::vector<std::string> run_ids;
  std::string metric_key;
  std::optional<std::int64_t> start_step, end_step;
  std::int64_t max_results = kSampleMax;
};
WIRE(GetInterval, run_ids, metric_key, start_step, end_step, max_results)
constexpr Parameter kGetInterval[] = {{"run_ids", Type::kList, kRequired},
                                      {"metric_key", Type::kText, kRequired},
                                      {"start_step", Type::kInteger},
                                      {"end_step", Type::kInteger},
                                      {"max_results", Type::kInteger}};

struct HistoryReply {
  std::optional<std::vector<MetricMessage>> metrics;
  std::optional<std::string> next_page_token;
};
WIRE(HistoryReply, metrics, next_page_token)
struct BulkReply {
  std::vector<MetricMessage> metrics;
};
WIRE(BulkReply, metrics)

/// Where the next page starts: the last point of this one.
struct Place {
  std::int64_t timestamp = 0, step = 0;
  double value = 0;
  bool nan = false;
};
WIRE(Place, timestamp, step, value, nan)

std::string to_token(const Point& last) {
  return to_base64(wire::encode(Place{last.timestamp_ms, last.step, last.value, last.nan}));
}

Result<std::optional<Point>> to_place(const std::string& token) {
  if (token.empty()) return std::optional<Point>();
  std::string text = TRY(from_base64(token));
  constexpr wire::Limits kLimits{.bytes_max = 4096, .depth_max = 4, .values_max = 64};
  Result<wire::Json> json = wire::parse(text, kLimits);
  Result<Place> place = wire::decode<Place>(text, kLimits);
  const auto has = [&](const char* member) { return json.ok() && json->find(member) != nullptr; };
  const bool whole = has("timestamp") && has("step") && has("value") && has("nan");
  if (!whole || !place.ok() || !std::isfinite(place->value)) {
    return invalid("Invalid page token, parsed value=" + text.substr(0, 200));
  }
  return std::optional<Point>({place->timestamp, place->step, place->value, place->nan});
}

MetricMessage to_metric(const std::string& key, const Point& point) {
  return {key, value_of(point), point.timestamp_ms, point.step, std::nullopt};
}

Result<std::size_t> page_size(const std::optional<std::int64_t>& max_results) {
  if (!max_results) return kPointsMax;
  if (*max_results > 0) return std::min(static_cast<std::size_t>(*max_results), kPointsMax);
  return invalid("Invalid value " + std::to_string(*max_results) +
                 " for parameter 'max_results' supplied. It must be a positive integer.");
}

Result<Response> get_history(Tracking& tracking, Request& request) {
  GetHistory call = TRY(read_request<GetHistory>(request, kGetHistory));
  const std::size_t limit = TRY(page_size(call.max_results));
  std::optional<Point> after = TRY(to_place(call.page_token));
  const std::string& run_id = call.run_id.empty() ? call.run_uuid : call.run_id;
  tracking::HistoryPage page = TRY(tracking.history(run_id, call.metric_key, after, limit));
  HistoryReply reply;
  if (page.more) reply.next_page_token = to_token(page.points.back());
  std::vector<MetricMessage> metrics;
  metrics.reserve(page.points.size());
  for (const Point& point : page.points) metrics.push_back(to_metric(call.metric_key, point));
  reply.metrics = unless_empty(std::move(metrics));
  return to_response(reply);
}

void append(std::vector<MetricMessage>& metrics, const std::string& run_id, const std::string& key,
            const std::vector<Point>& points) {
  if (metrics.empty()) metrics.reserve(points.size());
  for (const Point& point : points) {
    metrics.push_back(to_metric(key, point));
    metrics.back().run_id = run_id;
  }
}

Result<> check_bulk(const GetBulk& call) {
  if (call.run_id.empty()) {
    return invalid("GetMetricHistoryBulk request must specify at least one run_id.");
  }
  if (call.run_id.size() > kRunsMax) {
    return invalid("GetMetricHistoryBulk request cannot specify more than " +
                   std::to_string(kRunsMax) + " run_ids. Received " +
                   std::to_string(call.run_id.size()) + " run_ids.");
  }
  if (call.metric_key) return {};
  return invalid("GetMetricHistoryBulk request must specify a metric_key.");
}

/// Whole histories one after the other, until the answer is full.
Result<Response> get_bulk(Tracking& tracking, Request& request) {
  GetBulk call = TRY(read_request<GetBulk>(request, kGetBulk));
  TRY(check_bulk(call));
  std::sort(call.run_id.begin(), call.run_id.end());
  call.run_id.erase(std::unique(call.run_id.begin(), call.run_id.end()), call.run_id.end());
  std::size_t room = TRY(page_size(call.max_results));
  BulkReply reply;
  for (const std::string& run_id : call.run_id) {
    if (room == 0) break;
    tracking::HistoryPage page =
        TRY(tracking.history(run_id, *call.metric_key, std::nullopt, room));
    append(reply.metrics, run_id, *call.metric_key, page.points);
    room -= page.points.size();
  }
  // Bare NaN, as charts of MLflow's own page expect it here.
  return Response::json(wire::encode(reply, {.ascii = true, .non_finite_as_string = false}));
}

constexpr std::string_view kSeeDocs =
    " See the API docs for more information about request parameters.";

Result<std::optional<tracking::StepRange>> to_range(const GetInterval& call) {
  if (!call.start_step && !call.end_step) return std::optional<tracking::StepRange>();
  if (!call.start_step || !call.end_step) {
    return invalid("If either start step or end step are specified, both must be specified.");
  }
  if (*call.start_step > *call.end_step) {
    return invalid("end_step must be greater than start_step. Found start_step=" +
                   std::to_string(*call.start_step) +
                   " and end_step=" + std::to_string(*call.end_step) + ".");
  }
  return std::optional<tracking::StepRange>({*call.start_step, *call.end_step});
}

Result<> check_interval(const GetInterval& call) {
  if (call.run_ids.size() > kRunsMax) {
    return invalid("GetMetricHistoryBulkInterval request must specify at most " +
                   std::to_string(kRunsMax) + " run_ids. Received " +
                   std::to_string(call.run_ids.size()) + " run_ids." + std::string(kSeeDocs));
  }
  if (call.max_results >= 1 && call.max_results <= kSampleMax) return {};
  return invalid("max_results must be between 1 and " + std::to_string(kSampleMax) + "." +
                 std::string(kSeeDocs));
}

Result<Response> get_interval(Tracking& tracking, Request& request) {
  GetInterval call = TRY(read_request<GetInterval>(request, kGetInterval));
  TRY(check_interval(call));
  std::optional<tracking::StepRange> steps = TRY(to_range(call));
  std::vector<MetricMessage> metrics;
  for (const std::string& run_id : call.run_ids) {
    append(metrics, run_id, call.metric_key,
           TRY(tracking.sample(run_id, call.metric_key, steps,
                               static_cast<std::size_t>(call.max_results))));
  }
  return to_response(HistoryReply{unless_empty(std::move(metrics)), std::nullopt});
}

}  // namespace

void mount_histories(Api& api, Tracking& tracking) {
  ServiceApi routes(api, tracking);
  routes.read(Method::kGet, "/metrics/get-history", kReadsTracking, get_history);
  routes.read(Method::kGet, "/metrics/get-history-bulk", kReadsTracking, get_bulk);
  routes.read(Method::kGet, "/metrics/get-history-bulk-interval", kReadsTracking, get_interval);
}

}  // namespace slipway::mlflow
