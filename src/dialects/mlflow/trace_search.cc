#include "dialects/mlflow/trace_search.h"

#include "dialects/mlflow/filter.h"
#include "io/wire/json.h"

namespace slipway::mlflow {
namespace {

using db::Op;
using traces::Condition;
using traces::Field;

struct AttributeField {
  std::string_view name;
  Field field;
  const char* key = "";
};
constexpr AttributeField kAttributes[] = {
    {"request_id", Field::kId},
    {"experiment_id", Field::kExperiment},
    {"timestamp_ms", Field::kRequestTime},
    {"execution_time_ms", Field::kExecutionTime},
    {"end_time_ms", Field::kEndTime},
    {"status", Field::kState},
    {"client_request_id", Field::kClientRequestId},
    {"name", Field::kTag, kTraceNameTag},
    {"run_id", Field::kRun, kSourceRunKey},
    {"text", Field::kSpanContent},
};

Result<AttributeField> attribute_of(std::string_view name) {
  for (const AttributeField& one : kAttributes) {
    if (one.name == name) return one;
  }
  return internal("an attribute of traces has no field: " + std::string(name));
}

Error wrong_operator(const std::string& what, Op op) {
  return invalid(what + " comparator '" + db::to_string(op) + "' is not supported");
}

std::string quoted(const std::string& text) {
  std::string out;
  wire::append_quoted(out, text);
  return out;
}

/// A text attribute is in the content as "key":K,"value":{"string_value":V}.
Result<Condition> span_attribute(const std::string& key, const Clause& clause) {
  const auto* text = std::get_if<std::string>(&clause.value);
  const std::string before = "{\"key\":" + quoted(key) + ",\"value\":{\"string_value\":";
  if (text == nullptr) return wrong_operator("span.attributes." + key, clause.op);
  if (clause.op == Op::kEqual || clause.op == Op::kUnequal) {
    return Condition{Field::kSpanHolds, "", clause.op, before + quoted(*text) + "}", clause.joint};
  }
  if (clause.op != Op::kLike && clause.op != Op::kILike) {
    return wrong_operator("span.attributes." + key, clause.op);
  }
  return Condition{Field::kSpanContent, "", clause.op, "%" + before + quoted(*text) + "}%",
                   clause.joint};
}

Result<Condition> span_condition(const Clause& clause) {
  constexpr std::string_view kAttribute = "attributes.";
  if (clause.key.starts_with(kAttribute)) {
    return span_attribute(clause.key.substr(kAttribute.size()), clause);
  }
  Field field = Field::kSpanName;
  if (clause.key == "type") field = Field::kSpanType;
  if (clause.key == "status") field = Field::kSpanStatus;
  if (clause.key == "content") field = Field::kSpanContent;
  const bool is_like = clause.op == Op::kLike || clause.op == Op::kILike;
  if (field == Field::kSpanContent && !is_like) return wrong_operator("span.content", clause.op);
  return Condition{field, "", clause.op, clause.value, clause.joint};
}

/// Values are kept as JSON: 'yes' is "yes", true and 5 are themselves.
Result<Condition> assessment_condition(const Clause& clause) {
  const Field field = clause.entity == Entity::kFeedback ? Field::kFeedback : Field::kExpectation;
  Condition condition{field, clause.key, clause.op, clause.value, clause.joint};
  const auto* text = std::get_if<std::string>(&clause.value);
  if (text == nullptr) return condition;
  if (clause.op == Op::kEqual || clause.op == Op::kUnequal) {
    condition.op = clause.op == Op::kEqual ? Op::kIn : Op::kNotIn;
    condition.operand = std::vector<std::string>{*text, quoted(*text)};
  } else if (clause.op != Op::kLike && clause.op != Op::kILike) {
    const char* word = clause.entity == Entity::kFeedback ? "feedback" : "expectation";
    return invalid("Expected a numeric value for " + std::string(word) +
                   " when using comparator '" + db::to_string(clause.op) + "'. Got value '" +
                   *text + "'");
  }
  return condition;
}

Result<Condition> to_condition(const Clause& clause) {
  switch (clause.entity) {
    case Entity::kAttribute: {
      const AttributeField attribute = TRY(attribute_of(clause.key));
      const bool is_like = clause.op == Op::kLike || clause.op == Op::kILike;
      if (attribute.field == Field::kSpanContent && !is_like) {
        return wrong_operator("trace.text", clause.op);
      }
      return Condition{attribute.field, attribute.key, clause.op, clause.value, clause.joint};
    }
    case Entity::kTag:
      return Condition{Field::kTag, clause.key, clause.op, clause.value, clause.joint};
    case Entity::kMetadata:
      return Condition{Field::kMetadata, clause.key, clause.op, clause.value, clause.joint};
    case Entity::kSpan:
      return span_condition(clause);
    default:
      return assessment_condition(clause);
  }
}

}  // namespace

Result<traces::Query> to_trace_query(const std::string& filter,
                                     const std::vector<std::string>& order_by) {
  traces::Query query;
  for (const Clause& clause : TRY(parse_filter(filter, kTraceSearch))) {
    query.conditions.push_back(TRY(to_condition(clause)));
  }
  for (const std::string& term : order_by) {
    const OrderTerm order = TRY(parse_order(term, kTraceSearch));
    if (order.entity == Entity::kAttribute) {
      const AttributeField attribute = TRY(attribute_of(order.key));
      query.order.push_back({attribute.field, attribute.key, order.ascending});
    } else if (order.entity == Entity::kTag || order.entity == Entity::kMetadata) {
      const Field field = order.entity == Entity::kTag ? Field::kTag : Field::kMetadata;
      query.order.push_back({field, order.key, order.ascending});
    } else {
      return invalid("Invalid order_by clause '" + term +
                     "'. Traces are ordered by attributes, "
                     "tags and metadata.");
    }
  }
  return query;
}

}  // namespace slipway::mlflow
