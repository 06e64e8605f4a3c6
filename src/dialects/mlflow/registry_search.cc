#include <map>

#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/filter.h"
#include "dialects/mlflow/registry_messages.h"
#include "dialects/mlflow/registry_routes.h"
#include "dialects/mlflow/request.h"

namespace slipway::mlflow {
namespace {

using registry::Field;
using registry::Query;

constexpr Parameter kSearch[] = {
    {"filter"}, {"max_results", Type::kInteger}, {"order_by", Type::kTexts}, {"page_token"}};

Field to_field(std::string_view name) {
  static const std::map<std::string_view, Field> kFields = {
      {"name", Field::kName},
      {"version_number", Field::kNumber},
      {"run_id", Field::kRun},
      {"source_path", Field::kSource},
      {"creation_timestamp", Field::kCreated},
      {"last_updated_timestamp", Field::kUpdated},
  };
  return kFields.at(name);  // the rules of the search know no other
}

/// Whether a clause on the prompts' tag asks for prompts; any other one only leaves them out.
bool asks_for_prompts(const Clause& clause) {
  const auto* value = std::get_if<std::string>(&clause.value);
  if (value == nullptr) return false;
  return (clause.op == db::Op::kEqual && *value == "true") ||
         (clause.op == db::Op::kUnequal && *value == "false");
}

Result<Query> to_query(const RegistrySearch& search, const SearchBounds& bounds,
                       const SearchRules& rules) {
  Query query;
  query.without = registry::Tag{kIsPromptTag, "true"};
  for (Clause& clause : TRY(parse_filter(search.filter, rules))) {
    const bool tag = clause.entity == Entity::kTag;
    if (tag && clause.key == kIsPromptTag) {
      if (asks_for_prompts(clause)) {
        query.without.reset();
      } else {
        // Always true: what the clause asks for is done by leaving prompts out.
        query.conditions.push_back({Field::kName, "", db::Op::kIsNotNull, {}, clause.joint});
        continue;
      }
    }
    const Field field = tag ? Field::kTag : to_field(clause.key);
    if (const auto* number = std::get_if<double>(&clause.value)) {
      return invalid("Invalid value for numeric attribute '" + clause.key +
                     "': " + wire::dump(wire::Json(*number)));
    }
    query.conditions.push_back({field, tag ? std::move(clause.key) : "", clause.op,
                                std::move(clause.value), clause.joint});
  }
  for (const std::string& term : search.order_by) {
    const OrderTerm order = TRY(parse_order(term, rules));
    if (order.entity != Entity::kAttribute) {
      return invalid("Invalid order_by entity: " + order.key);
    }
    query.order.push_back({to_field(order.key), order.ascending});
  }
  query.limit = static_cast<int>(search.max_results.value_or(bounds.results_default));
  query.offset = TRY(page_offset(search.page_token));
  return query;
}

}  // namespace

Result<RegistrySearch> read_search(const http::Request& request, const SearchBounds& bounds) {
  const wire::Json arguments = TRY(read_arguments(request, kSearch));
  RegistrySearch search = TRY(read_arguments_into<RegistrySearch>(arguments, kSearch));
  if (!search.max_results) return search;
  if (*search.max_results > bounds.results_max) {
    return invalid_parameter("max_results", *arguments.find("max_results"));
  }
  if (*search.max_results < 1) {
    return invalid("Invalid value for max_results. It must be a positive integer, but got " +
                   std::to_string(*search.max_results));
  }
  return search;
}

Result<Query> to_model_query(const RegistrySearch& search, const SearchBounds& bounds) {
  return to_query(search, bounds, kRegisteredModelSearch);
}

Result<Query> to_version_query(const RegistrySearch& search, const SearchBounds& bounds) {
  Query query = TRY(to_query(search, bounds, kModelVersionSearch));
  if (query.order.empty()) query.order.push_back({Field::kUpdated, /*ascending=*/false});
  return query;
}

std::optional<std::string> next_token(const Query& query, bool more) {
  if (!more) return std::nullopt;
  return page_token(query.offset + query.limit);
}

}  // namespace slipway::mlflow
