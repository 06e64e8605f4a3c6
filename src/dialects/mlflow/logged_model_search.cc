#include "dialects/mlflow/logged_model_search.h"

#include <map>

#include "base/text.h"
#include "dialects/mlflow/filter.h"
#include "dialects/mlflow/limits.h"
#include "dialects/mlflow/request.h"

namespace slipway::mlflow {
namespace {

using registry::LoggedCondition;
using registry::LoggedField;
using registry::LoggedQuery;
using wire::Json;

constexpr std::int64_t kResultsDefault = 100;
constexpr std::int64_t kResultsMax = 10'000;
constexpr wire::Limits kTokenLimits{.bytes_max = 1u << 20, .depth_max = 8, .values_max = 100'000};

LoggedField attribute_of(std::string_view name) {
  static const std::map<std::string_view, LoggedField> kFields = {
      {"name", LoggedField::kName},
      {"model_id", LoggedField::kId},
      {"model_type", LoggedField::kType},
      {"status", LoggedField::kStatus},
      {"source_run_id", LoggedField::kRun},
      {"experiment_id", LoggedField::kExperiment},
      {"artifact_location", LoggedField::kLocation},
      {"creation_timestamp_ms", LoggedField::kCreated},
      {"last_updated_timestamp_ms", LoggedField::kUpdated},
  };
  return kFields.at(name);  // the rules of the search know no other
}

LoggedField field_of(Entity entity, std::string_view key) {
  switch (entity) {
    case Entity::kMetric:
      return LoggedField::kMetric;
    case Entity::kParam:
      return LoggedField::kParam;
    case Entity::kTag:
      return LoggedField::kTag;
    case Entity::kAttribute:
    case Entity::kDataset:
      return attribute_of(key);
    default:  // of traces only
      return LoggedField::kName;
  }
}

/// "READY" and "LOGGED_MODEL_READY" as the registry keeps it.
std::string status_word(std::string_view name) {
  constexpr std::string_view kPrefix = "LOGGED_MODEL_";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  if (name == "UPLOAD_FAILED") name = "FAILED";
  // Or by its number.
  if (name == "1") name = "PENDING";
  if (name == "2") name = "READY";
  if (name == "3") name = "FAILED";
  return to_lower(name);
}

void use_status_words(db::Operand& operand) {
  if (auto* name = std::get_if<std::string>(&operand)) *name = status_word(*name);
  if (auto* names = std::get_if<std::vector<std::string>>(&operand)) {
    for (std::string& name : *names) name = status_word(name);
  }
}

LoggedCondition to_condition(Clause clause) {
  LoggedCondition condition;
  condition.field = field_of(clause.entity, clause.key);
  if (clause.entity != Entity::kAttribute) condition.key = std::move(clause.key);
  condition.op = clause.op;
  condition.operand = std::move(clause.value);
  condition.joint = clause.joint;
  if (condition.field == LoggedField::kStatus) use_status_words(condition.operand);
  return condition;
}

Error unknown_order(const std::string& field) {
  Error error = invalid("Invalid order by field name: " + field);
  if (field.find('.') == std::string::npos) return with_tag(std::move(error), "attribute");
  error.message += ". Only metrics are supported.";
  return error;
}

Result<registry::LoggedOrder> to_order(const SearchOrder& order) {
  Result<OrderTerm> term = parse_order_field(order.field_name, kLoggedModelSearch);
  if (!term.ok()) return unknown_order(order.field_name);
  registry::LoggedOrder ours;
  ours.ascending = order.ascending;
  ours.field = field_of(term->entity, term->key);
  if (term->entity == Entity::kAttribute) return ours;
  if (ours.field != LoggedField::kMetric) return unknown_order(order.field_name);
  ours.key = std::move(term->key);
  if (order.dataset_name && !order.dataset_name->empty()) {
    ours.dataset = registry::DatasetRef{*order.dataset_name, order.dataset_digest.value_or("")};
  }
  return ours;
}

Json list_of(const std::vector<std::string>& texts) {
  return Json(Json::Array(texts.begin(), texts.end()));
}
Json order_of(const SearchLoggedModels& search) {
  Json::Array terms;
  for (const SearchOrder& order : search.order_by) {
    Json term;
    term.set("field_name", order.field_name);
    term.set("ascending", order.ascending);
    if (order.dataset_name) term.set("dataset_name", *order.dataset_name);
    if (order.dataset_digest) term.set("dataset_digest", *order.dataset_digest);
    terms.push_back(std::move(term));
  }
  return Json(std::move(terms));
}

/// What a token is made of, and made for.
Json token_of(const SearchLoggedModels& search, std::int64_t offset) {
  Json token;
  token.set("experiment_ids", list_of(search.experiment_ids));
  token.set("filter_string", search.filter);
  token.set("order_by", order_of(search));
  token.set("offset", offset);
  return token;
}

Result<std::int64_t> offset_of(const SearchLoggedModels& search) {
  if (search.page_token.empty()) return std::int64_t{0};
  const Error wrong = invalid("Invalid page token: " + search.page_token);
  Result<std::string> text = from_base64(search.page_token);
  if (!text.ok()) return wrong;
  Result<Json> token = wire::parse(*text, kTokenLimits);
  const Json* offset = token.ok() ? token->find("offset") : nullptr;
  const bool good = offset != nullptr && offset->is_integer() && !offset->is_uint64();
  if (!good || offset->as_int64() < 1) return wrong;
  constexpr std::pair<const char*, const char*> kParts[] = {{"experiment_ids", "Experiment IDs"},
                                                            {"filter_string", "Filter string"},
                                                            {"order_by", "Order by"}};
  const Json expected = token_of(search, offset->as_int64());
  for (const auto& [key, name] : kParts) {
    const Json* found = token->find(key);
    if (found != nullptr && *found == *expected.find(key)) continue;
    const std::string what = to_lower(std::string_view(name).substr(0, 1)) + (name + 1);
    return invalid(std::string(name) + " in the page token do not match the requested " + what +
                   ". Expected: " + wire::dump(*expected.find(key), {.spaces = true}) +
                   ". Found: " + (found ? wire::dump(*found, {.spaces = true}) : "None"));
  }
  return offset->as_int64();
}

}  // namespace

Result<LoggedQuery> to_query(const SearchLoggedModels& search) {
  LoggedQuery query;
  query.experiment_ids = search.experiment_ids;
  for (const std::string& id : search.experiment_ids) TRY(to_experiment_id(id));
  for (const SearchDataset& dataset : search.datasets) {
    if (dataset.dataset_name.empty()) {
      return invalid("`dataset_name` in the `datasets` clause must be specified.");
    }
    query.datasets.push_back({dataset.dataset_name, dataset.dataset_digest});
  }
  query.offset = TRY(offset_of(search));
  for (Clause& clause : TRY(parse_filter(search.filter, kLoggedModelSearch))) {
    query.conditions.push_back(to_condition(std::move(clause)));
  }
  for (const SearchOrder& order : search.order_by) query.order.push_back(TRY(to_order(order)));
  if (search.max_results < 0 || search.max_results > kResultsMax) {
    return invalid("Invalid value for max_results. It must be between 1 and " +
                   std::to_string(kResultsMax) + ", but got " + std::to_string(search.max_results));
  }
  query.limit = static_cast<int>(search.max_results == 0 ? kResultsDefault : search.max_results);
  return query;
}

std::string next_token(const SearchLoggedModels& search, const LoggedQuery& query) {
  return to_base64(wire::dump(token_of(search, query.offset + query.limit)));
}

}  // namespace slipway::mlflow
