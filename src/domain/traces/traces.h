#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/db/compare.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// Traces: what an application did for one request, as a tree of spans; and what people and judges
// say of it (assessments). Functions of a caller's Tx; no threads. What a span or an assessment
// holds is a text of the dialect's that nobody here looks into.
namespace slipway::traces {

std::vector<db::Migration> migrations();

struct Tag {
  std::string key, value;
  bool operator==(const Tag&) const = default;
};
WIRE(Tag, key, value)
using Tags = std::vector<Tag>;

struct Assessment {
  std::string id, trace_id;
  std::string kind;  // "feedback", "expectation"
  std::string name;
  std::string value;  // as JSON
  std::optional<double> number;
  std::string content;
  bool valid = true;
  std::string overrides;  // the id of another one, that is not valid because of this one
  UnixMs created_ms = 0, updated_ms = 0;
};

enum class State { kUnspecified, kOk, kError, kInProgress };
/// "STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"; as stored.
const char* to_string(State state);
std::optional<State> to_state(std::string_view text);

struct Trace {
  std::string id;
  std::int64_t experiment_id = 0;
  std::optional<std::string> client_request_id;
  UnixMs request_ms = 0;
  std::optional<std::int64_t> execution_ms;
  State state = State::kUnspecified;
  std::optional<std::string> request_preview, response_preview;
  Tags tags, metadata;                  // by key
  std::vector<Assessment> assessments;  // by creation
};

struct Span {
  std::string id;         // 16 hex digits
  std::string parent_id;  // empty: the root
  std::string name, type, status;
  std::int64_t start_ns = 0;
  std::string content;
};

/// Spans of one trace that come together, and what they say of it.
struct SpanBatch {
  std::string trace_id;
  std::int64_t experiment_id = 0;  // if the trace is new
  std::vector<Span> spans;
  UnixMs start_ms = 0;              // the earliest
  std::optional<UnixMs> end_ms;     // the latest
  std::optional<State> root_state;  // if the root is among them
  std::optional<std::string> request_preview, response_preview;
  Tags new_tags;  // if the trace is new
  Tags tags;
};

inline constexpr std::int64_t kSpansOfTraceMax = 100'000;
inline constexpr std::int64_t kAssessmentsMax = 10'000;  // of one trace

/// Whether the caller may change what is in an experiment. A trace's id is its maker's choice: the
/// one that is meant may be somebody else's.
using MayChange = std::function<bool(std::int64_t experiment)>;

/// What the maker of a trace says about the whole of it; it may have spans already. It is moved to
/// the experiment that is said. kDenied when it is in one that may not be changed.
Result<> put_trace(db::Tx& tx, const Trace& trace, const MayChange& may_change);
/// Spans that are there already are replaced. What the trace's maker said stays, and the trace
/// where it is; kDenied when that is an experiment that may not be changed. Returns how many were
/// not taken because the trace would have more than kSpansOfTraceMax.
Result<std::int64_t> put_spans(db::Tx& tx, const SpanBatch& batch, const MayChange& may_change);
/// kMissing.
Result<Trace> find_trace(db::Tx& tx, const std::string& id);
/// Those that are there, in the order asked for, each once.
Result<std::vector<Trace>> find_traces(db::Tx& tx, const std::vector<std::string>& ids);
/// By start.
Result<std::vector<std::string>> span_contents(db::Tx& tx, const std::string& trace_id);

/// kMissing when there is no such trace.
Result<> set_tag(db::Tx& tx, const std::string& trace_id, const Tag& tag);
/// kMissing when there is no such trace or tag.
Result<> delete_tag(db::Tx& tx, const std::string& trace_id, const std::string& key);

/// What is to go: of an experiment, all that hold.
struct Deletion {
  std::int64_t experiment_id = 0;
  std::optional<UnixMs> until_ms;       // requested then or before
  std::vector<std::string> ids;         // when not empty
  std::optional<std::int64_t> at_most;  // the oldest first
};
Result<std::int64_t> delete_traces(db::Tx& tx, const Deletion& deletion);

/// Ties traces to a run. kMissing for a trace that is not there.
Result<> link_to_run(db::Tx& tx, const std::vector<std::string>& trace_ids,
                     const std::string& run_id);

/// kMissing for a trace that is not there, or one that is to be overridden.
Result<> add_assessment(db::Tx& tx, const Assessment& assessment);
/// kMissing.
Result<Assessment> find_assessment(db::Tx& tx, const std::string& trace_id, const std::string& id);
Result<> change_assessment(db::Tx& tx, const Assessment& assessment);
/// What it overrode is valid again. One that is not there is fine, a trace neither.
Result<> delete_assessment(db::Tx& tx, const std::string& trace_id, const std::string& id);

// --- search -------------------------------------------------------------------------------------

enum class Field {
  kId,
  kExperiment,
  kRequestTime,
  kExecutionTime,
  kEndTime,
  kState,
  kClientRequestId,
  kRun,  // linked to it, or with its id in the metadata `key`
  kTag,
  kMetadata,
  kSpanName,
  kSpanType,
  kSpanStatus,
  kSpanContent,
  kSpanHolds,  // a span's content holds the operand, to the byte
  kFeedback,
  kExpectation,
};
struct Condition {
  Field field = Field::kId;
  std::string key;  // of a tag, metadata, an assessment
  db::Op op = db::Op::kEqual;
  db::Operand operand;
  db::Joint joint = {};
};
struct Order {
  Field field = Field::kRequestTime;
  std::string key;
  bool ascending = false;
};
/// Ties go by time, newest first, then by id.
struct Query {
  std::vector<std::int64_t> experiments;
  std::vector<Condition> conditions;
  std::vector<Order> order;
  int limit = 100;
  std::int64_t offset = 0;
};
inline constexpr std::size_t kConditionsMax = 50;
inline constexpr std::size_t kOrdersMax = 20;
/// kInvalid when there are too many conditions, or an operator does not fit its field.
Result<std::vector<Trace>> search(db::Tx& tx, const Query& query);

}  // namespace slipway::traces
