#include "base/hash.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/limits.h"
#include "dialects/mlflow/request.h"
#include "dialects/mlflow/tracking_messages.h"
#include "dialects/mlflow/tracking_routes.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Reply;
using http::Request;
using http::Response;
using tracking::Tracking;

struct CreateRun {
  std::string experiment_id, user_id, run_name;
  std::int64_t start_time = 0;
  std::vector<TagMessage> tags;
};
WIRE(CreateRun, experiment_id, user_id, run_name, start_time, tags)
constexpr Parameter kCreate[] = {{"experiment_id"},
                                 {"start_time", Type::kInteger},
                                 {"run_name"},
                                 {"user_id"},
                                 {"tags", Type::kList}};

struct RunCall {
  std::string run_id, run_uuid;
  const std::string& id() const { return run_id.empty() ? run_uuid : run_id; }
};
WIRE(RunCall, run_id, run_uuid)
constexpr Parameter kById[] = {{"run_id", Type::kText, kRequired}, {"run_uuid"}};

struct UpdateRun {
  std::string run_id, run_uuid;
  wire::Json status;
  std::optional<std::int64_t> end_time;
  std::string run_name;
};
WIRE(UpdateRun, run_id, run_uuid, status, end_time, run_name)
constexpr Parameter kUpdate[] = {{"run_id", Type::kText, kRequired},
                                 {"run_uuid"},
                                 {"end_time", Type::kInteger},
                                 {"status", Type::kAny},
                                 {"run_name"}};

struct RunReply {
  RunMessage run;
};
WIRE(RunReply, run)
struct UpdateRunReply {
  RunInfoMessage run_info;
};
WIRE(UpdateRunReply, run_info)

struct SearchRuns {
  std::vector<std::string> experiment_ids, order_by;
  std::string filter, page_token;
  wire::Json run_view_type;
  std::int64_t max_results = 1000;
};
WIRE(SearchRuns, experiment_ids, order_by, filter, page_token, run_view_type, max_results)
constexpr Parameter kSearch[] = {{"experiment_ids", Type::kList}, {"filter"},
                                 {"max_results", Type::kInteger}, {"order_by", Type::kList},
                                 {"run_view_type", Type::kAny},   {"page_token"}};

struct SearchRunsReply {
  std::optional<std::vector<RunMessage>> runs;
  std::optional<std::string> next_page_token;
};
WIRE(SearchRunsReply, runs, next_page_token)

Result<> create(Tracking& tracking, const Request& request, Reply& reply) {
  CreateRun call = TRY(read_request<CreateRun>(request, kCreate));
  // Tags of a new run come from the client's environment: names and values of any length are taken.
  TRY(check_distinct_keys(call.tags, "tags"));
  tracking::NewRun run;
  if (!call.experiment_id.empty()) run.experiment_id = TRY(to_experiment_id(call.experiment_id));
  run.name = std::move(call.run_name);
  run.user_id = std::move(call.user_id);
  run.start_ms = call.start_time;
  run.tags = to_tags(std::move(call.tags));
  run.name_tag = kRunNameTag;
  tracking.create_run(
      std::move(run), to_actor(request.principal),
      then_answer<tracking::Run>(reply, [](tracking::Run made) {
        return to_response(RunReply{to_message(std::move(made), /*with_outputs=*/false)});
      }));
  return {};
}

Result<Response> get(Tracking& tracking, Request& request) {
  RunCall call = TRY(read_request<RunCall>(request, kById));
  return to_response(RunReply{to_message(TRY(tracking.run(call.id())), /*with_outputs=*/true)});
}

struct StatusNumber {
  std::int64_t number;
  tracking::RunStatus status;
};
constexpr StatusNumber kStatusNumbers[] = {
    {1, tracking::RunStatus::kRunning},  {2, tracking::RunStatus::kScheduled},
    {3, tracking::RunStatus::kFinished}, {4, tracking::RunStatus::kFailed},
    {5, tracking::RunStatus::kKilled},
};

/// By name or by protobuf's number.
Result<std::optional<tracking::RunStatus>> to_status(const wire::Json& json) {
  if (json.is_null()) return std::optional<tracking::RunStatus>();
  if (json.is_string()) {
    if (std::optional<tracking::RunStatus> status = tracking::to_run_status(json.as_string())) {
      return status;
    }
  }
  for (const StatusNumber& known : kStatusNumbers) {
    if (json.is_integer() && !json.is_uint64() && json.as_int64() == known.number) {
      return std::optional(known.status);
    }
  }
  return invalid_parameter("status", json);
}

Result<> update(Tracking& tracking, const Request& request, Reply& reply) {
  UpdateRun call = TRY(read_request<UpdateRun>(request, kUpdate));
  tracking::RunChange change;
  change.status = TRY(to_status(call.status));
  change.end_ms = call.end_time;
  if (!call.run_name.empty()) {
    change.tags.push_back({kRunNameTag, call.run_name});
    change.name = std::move(call.run_name);
  }
  std::string id = std::move(call.run_id.empty() ? call.run_uuid : call.run_id);
  tracking.change_run(std::move(id), std::move(change), to_actor(request.principal),
                      then_answer<tracking::RunInfo>(reply, [](tracking::RunInfo info) {
                        return to_response(UpdateRunReply{to_message(std::move(info))});
                      }));
  return {};
}

Result<> remove(Tracking& tracking, const Request& request, Reply& reply) {
  RunCall call = TRY(read_request<RunCall>(request, kById));
  tracking.delete_run(call.id(), to_actor(request.principal), then_empty(reply));
  return {};
}

Result<> restore(Tracking& tracking, const Request& request, Reply& reply) {
  RunCall call = TRY(read_request<RunCall>(request, kById));
  tracking.restore_run(call.id(), to_actor(request.principal), then_empty(reply));
  return {};
}

Result<> check_page_size(std::int64_t max_results) {
  constexpr std::int64_t kMax = 50'000;
  if (max_results > kMax) return invalid_parameter("max_results", wire::Json(max_results));
  if (max_results >= 1) return {};
  return invalid("Invalid value " + std::to_string(max_results) +
                 " for parameter 'max_results' supplied. It must be a positive integer");
}

Result<std::vector<std::int64_t>> to_experiment_ids(const std::vector<std::string>& texts) {
  constexpr std::size_t kMax = 40'000;  // of one statement
  if (texts.size() > kMax) {
    return invalid("At most " + std::to_string(kMax) +
                   " experiments can be searched at once, got " + std::to_string(texts.size()) +
                   ".");
  }
  std::vector<std::int64_t> ids;
  for (const std::string& text : texts) ids.push_back(TRY(to_experiment_id(text)));
  return ids;
}

/// A page token holds the place where its page starts and which search it is of. One whose place is
/// long (it holds the texts that the runs are ordered by) has only the number of runs before it, as
/// MLflow's own.
struct RunsToken {
  std::int64_t offset = 0;
  std::optional<std::string> search;
  std::optional<std::vector<wire::Json>> after;  // for each term of the order [state, value]
};
WIRE(RunsToken, offset, search, after)
constexpr std::size_t kTokenBytesMax = 4000;  // before base64
constexpr std::size_t kTokenTermsMax = 15;

std::string name_of_search(const SearchRuns& call) {
  std::string text = call.filter;
  for (const std::string& term : call.order_by) text += '\n' + term;
  for (const std::string& id : call.experiment_ids) text += '\0' + id;
  return sha256_hex(text + wire::dump(call.run_view_type)).substr(0, 16);
}

bool is_metric(const tracking::Ordering& ordering) {
  return ordering.field == tracking::Field::kMetric ||
         ordering.field == tracking::Field::kMetricPart;
}
bool is_time(const tracking::Ordering& ordering) {
  return ordering.field == tracking::Field::kAttribute &&
         (ordering.key == "start_time" || ordering.key == "end_time");
}

std::string token_behind(const tracking::Run& last, const tracking::RunQuery& query,
                         const SearchRuns& call, std::int64_t offset) {
  const std::vector<tracking::Ordering> order = tracking::full_order(query);
  const tracking::RunPlace place = tracking::place_of(last, query);
  RunsToken token{offset, name_of_search(call), std::vector<wire::Json>()};
  if (order.size() > kTokenTermsMax) return page_token(offset);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const tracking::PlaceValue& value = place.values[i];
    wire::Json::Array pair{wire::Json(std::int64_t{value.state})};
    if (is_metric(order[i]))
      pair.emplace_back(value.real);
    else if (is_time(order[i]))
      pair.emplace_back(value.whole);
    else
      pair.emplace_back(value.text);
    token.after->push_back(wire::Json(std::move(pair)));
  }
  const std::string text = wire::encode(token);
  return text.size() > kTokenBytesMax ? page_token(offset) : to_base64(text);
}

Result<tracking::PlaceValue> to_place_value(const wire::Json& json,
                                            const tracking::Ordering& ordering) {
  const Error wrong = invalid("Invalid page token: it does not fit the order of this search");
  if (!json.is_array() || json.as_array().size() != 2) return wrong;
  const wire::Json& state = json.as_array()[0];
  const wire::Json& value = json.as_array()[1];
  if (!state.is_integer() || state.is_uint64() || state.as_int64() < 0 || state.as_int64() > 2) {
    return wrong;
  }
  tracking::PlaceValue place;
  place.state = static_cast<int>(state.as_int64());
  if (is_metric(ordering)) {
    if (!value.is_number()) return wrong;
    place.real = value.as_double();
    return place;
  }
  if (is_time(ordering)) {
    if (!value.is_integer() || value.is_uint64()) return wrong;
    place.whole = value.as_int64();
    return place;
  }
  if (!value.is_string()) return wrong;
  place.text = value.as_string();
  return place;
}

/// Where the page starts; `offset` tells how many runs were before it.
Result<std::int64_t> start_page(const SearchRuns& call, tracking::RunQuery& query) {
  const std::int64_t offset = TRY(page_offset(call.page_token));
  query.offset = offset;
  if (offset == 0) return offset;
  constexpr wire::Limits kLimits{.bytes_max = 4096, .depth_max = 4, .values_max = 64};
  Result<RunsToken> token = wire::decode<RunsToken>(TRY(from_base64(call.page_token)), kLimits);
  if (!token.ok() || !token->after) return offset;
  if (token->search != name_of_search(call)) {
    return invalid("Invalid page token: it was given by a search with another filter, order, "
                   "view or other experiments");
  }
  const std::vector<tracking::Ordering> order = tracking::full_order(query);
  if (token->after->size() != order.size()) {
    return invalid("Invalid page token: it does not fit the order of this search");
  }
  tracking::RunPlace place;
  for (std::size_t i = 0; i < order.size(); ++i) {
    place.values.push_back(TRY(to_place_value((*token->after)[i], order[i])));
  }
  query.after = std::move(place);
  query.offset = 0;
  return offset;
}

Result<Response> search(Tracking& tracking, Request& request) {
  SearchRuns call = TRY(read_request<SearchRuns>(request, kSearch));
  TRY(check_page_size(call.max_results));
  tracking::RunQuery query;
  query.where = TRY(to_conditions(call.filter, kRunSearch));
  query.order = TRY(to_order(call.order_by, kRunSearch));
  query.experiments = TRY(to_experiment_ids(call.experiment_ids));
  query.view = TRY(to_view(call.run_view_type, "run_view_type"));
  query.limit = static_cast<int>(call.max_results);
  query.of_series = tracking::OfSeries::kLatest;
  const std::int64_t offset = TRY(start_page(call, query));
  tracking::RunPage page = TRY(tracking.search(query));
  SearchRunsReply reply;
  if (page.more) {
    reply.next_page_token = token_behind(page.runs.back(), query, call, offset + query.limit);
  }
  std::vector<RunMessage> runs;
  runs.reserve(page.runs.size());
  for (tracking::Run& run : page.runs) {
    runs.push_back(to_message(std::move(run), /*with_outputs=*/true));
  }
  reply.runs = unless_empty(std::move(runs));
  return to_response(reply);
}

}  // namespace

void mount_runs(Api& api, Tracking& tracking) {
  ServiceApi routes(api, tracking);
  routes.read(Method::kGet, "/runs/get", kReadsTracking, get);
  routes.read(Method::kPost, "/runs/search", kReadsTracking, search);
  routes.write(Method::kPost, "/runs/create", kWritesTracking, create);
  routes.write(Method::kPost, "/runs/update", kWritesTracking, update);
  routes.write(Method::kPost, "/runs/delete", kWritesTracking, remove);
  routes.write(Method::kPost, "/runs/restore", kWritesTracking, restore);
}

}  // namespace slipway::mlflow
