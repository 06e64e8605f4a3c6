#include "domain/traces/traces.h"

#include <algorithm>
#include <set>

namespace slipway::traces {
namespace {

struct Row {
  std::int64_t seq = 0;
  std::string id;
  std::int64_t experiment = 0;
  std::optional<std::string> client_request_id;
  std::int64_t request_ms = 0;
  std::optional<std::int64_t> execution_ms;
  std::string state;
  std::optional<std::string> request_preview, response_preview;
  bool finalized = false;
};
WIRE(Row, seq, id, experiment, client_request_id, request_ms, execution_ms, state, request_preview,
     response_preview, finalized)

constexpr char kColumns[] =
    "select seq, id, experiment, client_request_id, request_ms, execution_ms, state, "
    "request_preview, response_preview, finalized from traces ";

Result<std::optional<Row>> find_row(db::Tx& tx, const std::string& id) {
  static const std::string kSql = std::string(kColumns) + "where id = ?";
  return tx.one<Row>(kSql, id);
}

/// As find_row(), for one that is to be changed: no other transaction moves it meanwhile.
Result<std::optional<Row>> find_row_to_change(db::Tx& tx, const std::string& id,
                                              const MayChange& may_change) {
  // Locks the row where others write at the same time.
  TRY(tx.run("update traces set experiment = experiment where id = ?", id));
  auto row = TRY(find_row(tx, id));
  if (row && !may_change(row->experiment)) return denied("Permission denied");
  return row;
}

Error no_trace(const std::string& id) {
  return missing("Trace with ID '" + id + "' not found.");
}

Result<Row> must_find(db::Tx& tx, const std::string& id) {
  auto row = TRY(find_row(tx, id));
  if (!row) return no_trace(id);
  return std::move(*row);
}

struct AssessmentRow {
  std::string id, kind, name, value;
  std::optional<double> number;
  std::string content;
  bool valid = true;
  std::string overrides;
  std::int64_t created_ms = 0, updated_ms = 0;
};
WIRE(AssessmentRow, id, kind, name, value, number, content, valid, overrides, created_ms,
     updated_ms)

Assessment to_assessment(AssessmentRow row, const std::string& trace_id) {
  return {std::move(row.id),        trace_id,       std::move(row.kind),    std::move(row.name),
          std::move(row.value),     row.number,     std::move(row.content), row.valid,
          std::move(row.overrides), row.created_ms, row.updated_ms};
}

Result<Trace> load(db::Tx& tx, Row row) {
  Trace trace{std::move(row.id),
              row.experiment,
              std::move(row.client_request_id),
              row.request_ms,
              row.execution_ms,
              to_state(row.state).value_or(State::kUnspecified),
              std::move(row.request_preview),
              std::move(row.response_preview),
              {},
              {},
              {}};
  trace.tags =
      TRY(tx.all<Tag>("select key, value from trace_tags where trace = ? order by key", row.seq));
  trace.metadata = TRY(
      tx.all<Tag>("select key, value from trace_metadata where trace = ? order by key", row.seq));
  auto rows = TRY(tx.all<AssessmentRow>(
      "select id, kind, name, value, number, content, valid, overrides, created_ms, updated_ms "
      "from trace_assessments where trace = ? order by created_ms, seq",
      row.seq));
  for (AssessmentRow& one : rows) {
    trace.assessments.push_back(to_assessment(std::move(one), trace.id));
  }
  return trace;
}

Result<> put_tags(db::Tx& tx, std::int64_t trace, const Tags& tags) {
  for (const Tag& tag : tags) {
    TRY(tx.run(
        "insert into trace_tags (trace, key, value) values (?, ?, ?) on conflict (trace, key) do "
        "update set value = excluded.value",
        trace, tag.key, tag.value));
  }
  return {};
}

Result<> put_metadata(db::Tx& tx, std::int64_t trace, const Tags& metadata) {
  for (const Tag& tag : metadata) {
    TRY(tx.run(
        "insert into trace_metadata (trace, key, value) values (?, ?, ?) on conflict (trace, key) "
        "do update set value = excluded.value",
        trace, tag.key, tag.value));
  }
  return {};
}

Result<std::int64_t> insert_trace(db::Tx& tx, const Trace& trace, bool finalized) {
  const auto seq = TRY(tx.one<std::int64_t>(
      "insert into traces (id, experiment, client_request_id, request_ms, execution_ms, state, "
      "request_preview, response_preview, finalized) values (?, ?, ?, ?, ?, ?, ?, ?, ?) returning "
      "seq",
      trace.id, trace.experiment_id, trace.client_request_id, trace.request_ms, trace.execution_ms,
      to_string(trace.state), trace.request_preview, trace.response_preview,
      std::int64_t{finalized}));
  if (!seq) return internal("a trace was stored without a key");
  return *seq;
}

/// What changes of a trace that is there by spans that come to it.
void take_in(Row& row, const SpanBatch& batch) {
  if (!row.finalized) {
    std::optional<UnixMs> end = batch.end_ms;
    if (row.execution_ms) end = std::max(end.value_or(0), row.request_ms + *row.execution_ms);
    row.request_ms = std::min(row.request_ms, batch.start_ms);
    if (end) row.execution_ms = *end - row.request_ms;
  }
  const State state = to_state(row.state).value_or(State::kUnspecified);
  const bool is_open = state == State::kInProgress || state == State::kUnspecified;
  if (is_open && batch.root_state) row.state = to_string(*batch.root_state);
  if (!row.request_preview) row.request_preview = batch.request_preview;
  if (!row.response_preview) row.response_preview = batch.response_preview;
}

Result<std::int64_t> trace_for(db::Tx& tx, const SpanBatch& batch, const MayChange& may_change) {
  auto row = TRY(find_row_to_change(tx, batch.trace_id, may_change));
  if (row) {
    take_in(*row, batch);
    TRY(tx.run(
        "update traces set request_ms = ?, execution_ms = ?, state = ?, request_preview = ?, "
        "response_preview = ? where seq = ?",
        row->request_ms, row->execution_ms, row->state, row->request_preview, row->response_preview,
        row->seq));
    return row->seq;
  }
  Trace fresh;
  fresh.id = batch.trace_id;
  fresh.experiment_id = batch.experiment_id;
  fresh.request_ms = batch.start_ms;
  if (batch.end_ms) fresh.execution_ms = *batch.end_ms - batch.start_ms;
  fresh.state = batch.root_state.value_or(State::kInProgress);
  fresh.request_preview = batch.request_preview;
  fresh.response_preview = batch.response_preview;
  const std::int64_t seq = TRY(insert_trace(tx, fresh, /*finalized=*/false));
  TRY(put_tags(tx, seq, batch.new_tags));
  return seq;
}

Result<> put_span(db::Tx& tx, std::int64_t trace, const Span& span) {
  TRY(tx.run(
      "insert into trace_spans (trace, id, parent_id, name, type, status, start_ns, content) "
      "values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (trace, id) do update set parent_id = "
      "excluded.parent_id, name = excluded.name, type = excluded.type, status = excluded.status, "
      "start_ns = excluded.start_ns, content = excluded.content",
      trace, span.id, span.parent_id, span.name, span.type, span.status, span.start_ns,
      span.content));
  return {};
}

Result<> erase(db::Tx& tx, std::int64_t trace) {
  TRY(tx.run("delete from trace_spans where trace = ?", trace));
  TRY(tx.run("delete from trace_assessments where trace = ?", trace));
  TRY(tx.run("delete from trace_tags where trace = ?", trace));
  TRY(tx.run("delete from trace_metadata where trace = ?", trace));
  TRY(tx.run("delete from trace_runs where trace = ?", trace));
  TRY(tx.run("delete from traces where seq = ?", trace));
  return {};
}

Error no_assessment(const std::string& trace_id, const std::string& id) {
  return missing("Assessment with ID '" + id + "' not found for trace '" + trace_id + "'");
}

Result<> insert_assessment(db::Tx& tx, std::int64_t trace, const Assessment& one) {
  TRY(tx.run(
      "insert into trace_assessments (trace, id, kind, name, value, number, content, valid, "
      "overrides, created_ms, updated_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict "
      "(trace, id) do nothing",
      trace, one.id, one.kind, one.name, one.value, one.number, one.content,
      std::int64_t{one.valid}, one.overrides, one.created_ms, one.updated_ms));
  return {};
}

constexpr std::pair<State, const char*> kStates[] = {{State::kUnspecified, "STATE_UNSPECIFIED"},
                                                     {State::kOk, "OK"},
                                                     {State::kError, "ERROR"},
                                                     {State::kInProgress, "IN_PROGRESS"}};

}  // namespace

const char* to_string(State state) {
  for (const auto& [one, text] : kStates) {
    if (one == state) return text;
  }
  return "";
}

std::optional<State> to_state(std::string_view text) {
  for (const auto& [state, one] : kStates) {
    if (text == one) return state;
  }
  return std::nullopt;
}

Result<> put_trace(db::Tx& tx, const Trace& trace, const MayChange& may_change) {
  const auto row = TRY(find_row_to_change(tx, trace.id, may_change));
  std::int64_t seq = 0;
  if (row) {
    seq = row->seq;
    const auto& request = trace.request_preview ? trace.request_preview : row->request_preview;
    const auto& response = trace.response_preview ? trace.response_preview : row->response_preview;
    TRY(tx.run(
        "update traces set experiment = ?, client_request_id = ?, request_ms = ?, execution_ms = "
        "?, state = ?, request_preview = ?, response_preview = ?, finalized = 1 where seq = ?",
        trace.experiment_id, trace.client_request_id, trace.request_ms, trace.execution_ms,
        to_string(trace.state), request, response, seq));
  } else {
    seq = TRY(insert_trace(tx, trace, /*finalized=*/true));
  }
  TRY(put_tags(tx, seq, trace.tags));
  TRY(put_metadata(tx, seq, trace.metadata));
  for (const Assessment& one : trace.assessments) TRY(insert_assessment(tx, seq, one));
  return {};
}

Result<std::int64_t> put_spans(db::Tx& tx, const SpanBatch& batch, const MayChange& may_change) {
  const std::int64_t trace = TRY(trace_for(tx, batch, may_change));
  const auto count =
      TRY(tx.one<std::int64_t>("select count(*) from trace_spans where trace = ?", trace));
  std::int64_t room = kSpansOfTraceMax - count.value_or(0), refused = 0;
  for (const Span& span : batch.spans) {
    if (room-- > 0) {
      TRY(put_span(tx, trace, span));
    } else {
      ++refused;
    }
  }
  TRY(put_tags(tx, trace, batch.tags));
  return refused;
}

Result<Trace> find_trace(db::Tx& tx, const std::string& id) {
  return load(tx, TRY(must_find(tx, id)));
}

Result<std::vector<Trace>> find_traces(db::Tx& tx, const std::vector<std::string>& ids) {
  std::vector<Trace> found;
  std::set<std::string_view> seen;
  for (const std::string& id : ids) {
    if (!seen.insert(id).second) continue;
    if (auto row = TRY(find_row(tx, id))) found.push_back(TRY(load(tx, std::move(*row))));
  }
  return found;
}

Result<std::vector<std::string>> span_contents(db::Tx& tx, const std::string& trace_id) {
  return tx.all<std::string>(
      "select s.content from trace_spans s join traces t on t.seq = s.trace where t.id = ? order "
      "by s.start_ns, s.parent_id, s.id",
      trace_id);
}

Result<> set_tag(db::Tx& tx, const std::string& trace_id, const Tag& tag) {
  return put_tags(tx, TRY(must_find(tx, trace_id)).seq, {tag});
}

Result<> delete_tag(db::Tx& tx, const std::string& trace_id, const std::string& key) {
  const auto row = TRY(find_row(tx, trace_id));
  const std::int64_t deleted =
      row ? TRY(tx.run("delete from trace_tags where trace = ? and key = ?", row->seq, key)) : 0;
  if (deleted > 0) return {};
  return missing("No trace tag with key '" + key + "' for trace with ID '" + trace_id + "'");
}

Result<std::int64_t> delete_traces(db::Tx& tx, const Deletion& deletion) {
  db::Sql sql;
  sql.add("select seq from traces where experiment = ?").bind(deletion.experiment_id);
  if (deletion.until_ms) sql.add(" and request_ms <= ?").bind(*deletion.until_ms);
  if (!deletion.ids.empty()) {
    sql.add(" and ");
    TRY(db::append_comparison(sql, tx.engine(), "id", db::Op::kIn, deletion.ids));
  }
  sql.add(" order by request_ms, id");
  if (deletion.at_most) sql.add(" limit ?").bind(std::max<std::int64_t>(0, *deletion.at_most));
  std::vector<std::int64_t> found;
  TRY(tx.query(
      sql.text, sql.values,
      [&](const db::Columns& row) -> Result<> {
        found.push_back(row.int64(0));
        return {};
      },
      /*cache=*/false));
  for (const std::int64_t trace : found) TRY(erase(tx, trace));
  return static_cast<std::int64_t>(found.size());
}

Result<> link_to_run(db::Tx& tx, const std::vector<std::string>& trace_ids,
                     const std::string& run_id) {
  for (const std::string& id : trace_ids) {
    TRY(tx.run("insert into trace_runs (run_id, trace) values (?, ?) on conflict do nothing",
               run_id, TRY(must_find(tx, id)).seq));
  }
  return {};
}

Result<> add_assessment(db::Tx& tx, const Assessment& assessment) {
  const std::int64_t trace = TRY(must_find(tx, assessment.trace_id)).seq;
  const auto count =
      TRY(tx.one<std::int64_t>("select count(*) from trace_assessments where trace = ?", trace));
  if (count.value_or(0) >= kAssessmentsMax) {
    return Error{Code::kInvalid, "trace '" + assessment.trace_id + "' has " +
                                     std::to_string(kAssessmentsMax) +
                                     " assessments, and can have no more"};
  }
  if (!assessment.overrides.empty()) {
    const std::int64_t changed =
        TRY(tx.run("update trace_assessments set valid = 0 where trace = ? and id = ?", trace,
                   assessment.overrides));
    if (changed == 0) return no_assessment(assessment.trace_id, assessment.overrides);
  }
  return insert_assessment(tx, trace, assessment);
}

Result<Assessment> find_assessment(db::Tx& tx, const std::string& trace_id, const std::string& id) {
  const auto trace = TRY(find_row(tx, trace_id));
  if (!trace) return missing("Trace with request_id '" + trace_id + "' not found");
  auto row = TRY(tx.one<AssessmentRow>(
      "select id, kind, name, value, number, content, valid, overrides, created_ms, updated_ms "
      "from trace_assessments where trace = ? and id = ?",
      trace->seq, id));
  if (!row) return no_assessment(trace_id, id);
  return to_assessment(std::move(*row), trace_id);
}

Result<> change_assessment(db::Tx& tx, const Assessment& one) {
  const std::int64_t trace = TRY(must_find(tx, one.trace_id)).seq;
  TRY(tx.run(
      "update trace_assessments set kind = ?, name = ?, value = ?, number = ?, content = ?, "
      "updated_ms = ? where trace = ? and id = ?",
      one.kind, one.name, one.value, one.number, one.content, one.updated_ms, trace, one.id));
  return {};
}

Result<> delete_assessment(db::Tx& tx, const std::string& trace_id, const std::string& id) {
  const auto trace = TRY(find_row(tx, trace_id));
  if (!trace) return {};
  const auto overrides = TRY(tx.one<std::string>(
      "delete from trace_assessments where trace = ? and id = ? returning overrides", trace->seq,
      id));
  if (!overrides || overrides->empty()) return {};
  TRY(tx.run("update trace_assessments set valid = 1 where trace = ? and id = ?", trace->seq,
             *overrides));
  return {};
}

// --- search -------------------------------------------------------------------------------------

namespace {

using db::Op;
using db::Sql;

const char* column_of(Field field) {
  switch (field) {
    case Field::kId:
      return "t.id";
    case Field::kExperiment:
      return "t.experiment";
    case Field::kRequestTime:
      return "t.request_ms";
    case Field::kExecutionTime:
      return "t.execution_ms";
    case Field::kEndTime:
      return "(t.request_ms + t.execution_ms)";
    case Field::kState:
      return "t.state";
    case Field::kClientRequestId:
      return "t.client_request_id";
    case Field::kSpanName:
      return "s.name";
    case Field::kSpanType:
      return "s.type";
    case Field::kSpanStatus:
      return "s.status";
    case Field::kSpanContent:
    case Field::kSpanHolds:
      return "s.content";
    default:
      return nullptr;
  }
}

// Ends every subquery of a condition: with an offset PostgreSQL answers hundreds of them one by
// one. Without, it plans their joins together, in memory that grows without bound.
constexpr const char* kEndOfExists = " limit 1 offset 0)";

Result<> append_pair(Sql& sql, db::Engine engine, const char* table, const Condition& one) {
  // A key that must be absent is asked for with IS NULL.
  if (one.op == Op::kIsNull) sql.add("not ");
  sql.add("exists (select 1 from ").add(table).add(" p where p.trace = t.seq and p.key = ?");
  sql.bind(one.key);
  if (one.op != Op::kIsNull && one.op != Op::kIsNotNull) {
    sql.add(" and ");
    TRY(db::append_comparison(sql, engine, "p.value", one.op, one.operand));
  }
  sql.add(kEndOfExists);
  return {};
}

Result<> append_run(Sql& sql, db::Engine engine, const Condition& one) {
  const auto* run = std::get_if<std::string>(&one.operand);
  if (one.op != Op::kEqual || run == nullptr)
    return append_pair(sql, engine, "trace_metadata", one);
  sql.add("(exists (select 1 from trace_runs r where r.trace = t.seq and r.run_id = ?").bind(*run);
  sql.add(kEndOfExists).add(" or ");
  TRY(append_pair(sql, engine, "trace_metadata", one));
  sql.add(")");
  return {};
}

Result<> append_span(Sql& sql, db::Engine engine, const Condition& one) {
  sql.add("exists (select 1 from trace_spans s where s.trace = t.seq and ");
  const auto* text = std::get_if<std::string>(&one.operand);
  if (one.field != Field::kSpanHolds) {
    TRY(db::append_comparison(sql, engine, column_of(one.field), one.op, one.operand));
  } else if (text != nullptr && (one.op == Op::kEqual || one.op == Op::kUnequal)) {
    const char* at = engine == db::Engine::kSqlite ? "instr(s.content, ?)" : "strpos(s.content, ?)";
    sql.add(at).add(one.op == Op::kEqual ? " > 0" : " = 0").bind(*text);
  } else {
    return invalid("that can't be searched for in spans");
  }
  sql.add(kEndOfExists);
  return {};
}

Result<> append_assessment(Sql& sql, db::Engine engine, const Condition& one) {
  if (one.op == Op::kIsNull) sql.add("not ");
  sql.add(
      "exists (select 1 from trace_assessments a where a.trace = t.seq and a.name = ? and "
      "a.kind = ?");
  sql.bind(one.key).bind(one.field == Field::kFeedback ? "feedback" : "expectation");
  if (one.op != Op::kIsNull && one.op != Op::kIsNotNull) {
    const bool is_number = std::holds_alternative<double>(one.operand);
    sql.add(" and ");
    TRY(db::append_comparison(sql, engine, is_number ? "a.number" : "a.value", one.op,
                              one.operand));
  }
  sql.add(kEndOfExists);
  return {};
}

Result<> append_condition(Sql& sql, db::Engine engine, const Condition& one) {
  switch (one.field) {
    case Field::kTag:
      return append_pair(sql, engine, "trace_tags", one);
    case Field::kMetadata:
      return append_pair(sql, engine, "trace_metadata", one);
    case Field::kRun:
      return append_run(sql, engine, one);
    case Field::kSpanName:
    case Field::kSpanType:
    case Field::kSpanStatus:
    case Field::kSpanContent:
    case Field::kSpanHolds:
      return append_span(sql, engine, one);
    case Field::kFeedback:
    case Field::kExpectation:
      return append_assessment(sql, engine, one);
    default:
      return db::append_whole_comparison(sql, engine, column_of(one.field), one.op, one.operand);
  }
}

Result<> append_order(Sql& sql, const Order& order) {
  std::string what;
  if (const char* column = column_of(order.field); column != nullptr && column[0] != 's') {
    what = column;
  } else if (order.field == Field::kTag || order.field == Field::kMetadata ||
             order.field == Field::kRun) {
    what = std::string("(select p.value from ") +
           (order.field == Field::kTag ? "trace_tags" : "trace_metadata") +
           " p where p.trace = t.seq and p.key = ?)";
    sql.bind(order.key);
  } else {
    return invalid("traces cannot be ordered by that");
  }
  // Nothing comes last, whatever the direction.
  sql.add("case when ").add(what).add(" is null then 1 else 0 end, ").add(what);
  if (what.find('?') != std::string::npos) sql.bind(order.key);
  sql.add(order.ascending ? " asc, " : " desc, ");
  return {};
}

}  // namespace

Result<std::vector<Trace>> search(db::Tx& tx, const Query& query) {
  if (query.conditions.size() > kConditionsMax) {
    return invalid("a filter has at most " + std::to_string(kConditionsMax) + " conditions");
  }
  if (query.order.size() > kOrdersMax) {
    return invalid("`order_by` has at most " + std::to_string(kOrdersMax) + " fields");
  }
  Sql sql;
  sql.add(
      "select t.seq, t.id, t.experiment, t.client_request_id, t.request_ms, t.execution_ms, "
      "t.state, t.request_preview, t.response_preview, t.finalized from traces t where ");
  if (query.experiments.empty()) return std::vector<Trace>();
  sql.add("t.experiment in (");
  for (std::size_t i = 0; i < query.experiments.size(); ++i) {
    sql.add(i == 0 ? "?" : ", ?").bind(query.experiments[i]);
  }
  sql.add(")");
  TRY(db::append_joined(sql, query.conditions, [&](const Condition& one) {
    return append_condition(sql, tx.engine(), one);
  }));
  sql.add(" order by ");
  for (const Order& order : query.order) TRY(append_order(sql, order));
  sql.add("t.request_ms desc, t.id limit ? offset ?");
  sql.bind(std::int64_t{query.limit}).bind(query.offset);
  std::vector<Row> rows;
  TRY(tx.query(
      sql.text, sql.values,
      [&](const db::Columns& row) -> Result<> { return db::read_row(row, rows.emplace_back()); },
      /*cache=*/false));
  std::vector<Trace> found;
  for (Row& row : rows) found.push_back(TRY(load(tx, std::move(row))));
  return found;
}

}  // namespace slipway::traces
