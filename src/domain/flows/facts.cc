#include "domain/flows/facts.h"

#include "base/hash.h"
#include "graph/kinds.h"

namespace slipway::flows {
namespace {

using graph::NodeRef;
using wire::Json;
namespace kind = graph::kind;
namespace relation = graph::relation;

constexpr const char* kStates[] = {"succeeded", "failed", "cancelled", "lost"};

Json object() {
  return Json(Json::Object());
}

NodeRef attempt_ref(const std::string& id) {
  return {kind::kAttempt, id};
}

/// What the graph takes as attributes of one thing is 1 MiB; the rest is for the texts around it.
constexpr std::size_t kAttributeBytesMax = 512u << 10;

std::string cut(const std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "… (" + std::to_string(text.size() - end) + " bytes more)";
}

Json with_texts_cut(const Json& json, std::size_t bytes_max) {
  if (json.is_string()) return cut(json.as_string(), bytes_max);
  if (json.is_array()) {
    Json::Array items;
    for (const Json& item : json.as_array()) items.push_back(with_texts_cut(item, bytes_max));
    return items;
  }
  if (!json.is_object()) return json;
  Json::Object members;
  for (const auto& [key, value] : json.as_object())
    members.emplace_back(cut(key, bytes_max), with_texts_cut(value, bytes_max));
  return members;
}

Json data_attributes(const DataFact& data) {
  Json attributes = object();
  attributes.set("size", data.size);
  if (data.nfiles >= 0) attributes.set("nfiles", data.nfiles);
  return attributes;
}

Json path_attribute(const DataFact& data) {
  Json attributes = object();
  attributes.set("path", data.path);
  return attributes;
}

void add_node(GraphFacts& facts, NodeRef ref, Json attributes) {
  facts.nodes.emplace_back(std::move(ref), fitted(std::move(attributes)));
}

void add_used(GraphFacts& facts, const NodeRef& effect, NodeRef cause, Json attributes) {
  facts.edges.push_back({effect, relation::kUsed, std::move(cause), std::move(attributes)});
}

void add_inputs(GraphFacts& facts, const NodeRef& attempt, const InputFacts& inputs) {
  if (!inputs.commit.commit.empty()) {
    Json attributes = object();
    attributes.set("dirty", inputs.commit.dirty);
    if (inputs.commit.dirty) attributes.set("diff", inputs.commit.diff);
    if (inputs.commit.untracked > 0) {
      attributes.set("untracked", inputs.commit.untracked);
      attributes.set("untracked_digest", inputs.commit.untracked_digest);
    }
    add_used(facts, attempt, {kind::kCommit, inputs.commit.commit}, std::move(attributes));
  }
  for (const DataFact& data : inputs.data) {
    add_node(facts, {kind::kData, data.md5}, data_attributes(data));
    add_used(facts, attempt, {kind::kData, data.md5}, path_attribute(data));
  }
  if (inputs.params.digest.empty()) return;
  Json values = object();
  values.set("values", inputs.params.description);
  add_node(facts, {kind::kParams, inputs.params.digest}, std::move(values));
  add_used(facts, attempt, {kind::kParams, inputs.params.digest}, object());
}

graph::Event event(const char* type, NodeRef subject, Json data) {
  graph::Event event;
  event.type = type;
  event.subject = std::move(subject);
  event.actor = "slipway";
  event.data = fitted(std::move(data));
  return event;
}

// --- JSON, for another process ---

Json to_json(const DataFact& data) {
  Json json = object();
  json.set("path", data.path);
  json.set("md5", data.md5);
  json.set("size", data.size);
  json.set("nfiles", data.nfiles);
  return json;
}

Json to_json(const std::vector<DataFact>& list) {
  Json::Array items;
  for (const DataFact& data : list) items.push_back(to_json(data));
  return items;
}

Json to_json(const InputFacts& inputs) {
  Json json = object();
  json.set("stage", inputs.stage);
  json.set("pipeline", inputs.pipeline);
  json.set("command", inputs.command);
  json.set("commit", inputs.commit.commit);
  json.set("dirty", inputs.commit.dirty);
  json.set("diff", inputs.commit.diff);
  json.set("untracked", inputs.commit.untracked);
  json.set("untracked_digest", inputs.commit.untracked_digest);
  json.set("data", to_json(inputs.data));
  json.set("params", fitted(inputs.params.description));
  json.set("params_digest", inputs.params.digest);
  return json;
}

/// Reads members, remembering the first that is not as it should be.
class Members {
 public:
  explicit Members(const Json& json) : json_(json) {}

  std::string text(const char* key) {
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_string()) return value->as_string();
    return fail(key), std::string();
  }
  std::int64_t number(const char* key) {
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_integer()) return value->as_int64();
    return fail(key), 0;
  }
  bool truth(const char* key) {
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_bool()) return value->as_bool();
    return fail(key), false;
  }
  Json any(const char* key) {
    const Json* value = json_.find(key);
    return value != nullptr ? *value : Json();
  }
  std::vector<DataFact> data(const char* key) {
    std::vector<DataFact> list;
    const Json* value = json_.find(key);
    if (value == nullptr || !value->is_array()) return fail(key), list;
    for (const Json& item : value->as_array()) {
      Members members(item);
      list.push_back({members.text("path"), members.text("md5"), members.number("size"),
                      members.number("nfiles")});
      if (!members.check().ok()) fail(key);
    }
    return list;
  }
  void fail(const char* key) {
    if (wrong_.empty()) wrong_ = key;
  }
  Result<> check() const {
    if (wrong_.empty()) return {};
    return invalid("a fact has no valid \"" + wrong_ + "\"");
  }

 private:
  const Json& json_;
  std::string wrong_;
};

InputFacts read_inputs(Members& members) {
  InputFacts inputs;
  inputs.stage = members.text("stage");
  inputs.pipeline = members.text("pipeline");
  inputs.command = members.any("command");
  inputs.commit.commit = members.text("commit");
  inputs.commit.dirty = members.truth("dirty");
  inputs.commit.diff = members.text("diff");
  // Older facts, which may still wait in an outbox, do not have these.
  if (!members.any("untracked").is_null()) {
    inputs.commit.untracked = members.number("untracked");
    inputs.commit.untracked_digest = members.text("untracked_digest");
  }
  inputs.data = members.data("data");
  inputs.params = {members.text("params_digest"), members.any("params")};
  return inputs;
}

Result<> deliver_started(const Json& json, FactSink& sink) {
  Members members(json);
  AttemptStarted fact;
  fact.id = members.text("id");
  fact.inputs = read_inputs(members);
  fact.environment = {members.text("environment_digest"), members.any("environment")};
  fact.host = members.text("host");
  fact.started_ms = members.number("started_ms");
  if (json.find("pipeline_run") != nullptr) fact.pipeline_run = members.text("pipeline_run");
  TRY(members.check());
  return sink.started(fact);
}

Result<> deliver_ended(const Json& json, FactSink& sink) {
  Members members(json);
  AttemptEnded fact;
  fact.id = members.text("id");
  fact.stage = members.text("stage");
  fact.pipeline = members.text("pipeline");
  std::string state = members.text("state");
  bool known = false;
  for (std::size_t i = 0; i < std::size(kStates); ++i) {
    if (state != kStates[i]) continue;
    fact.state = static_cast<AttemptEnded::State>(i);
    known = true;
  }
  if (!known) members.fail("state");
  fact.exit_code = static_cast<int>(members.number("exit_code"));
  fact.signal = static_cast<int>(members.number("signal"));
  fact.ended_ms = members.number("ended_ms");
  fact.cpu_us = members.number("cpu_us");
  fact.memory_max_kb = members.number("memory_max_kb");
  fact.message = members.text("message");
  fact.outputs = members.data("outputs");
  TRY(members.check());
  return sink.ended(fact);
}

Result<> deliver_restored(const Json& json, FactSink& sink) {
  Members members(json);
  StageRestored fact;
  fact.id = members.text("id");
  fact.inputs = read_inputs(members);
  fact.host = members.text("host");
  fact.from_run_cache = members.truth("from_run_cache");
  fact.time_ms = members.number("time_ms");
  fact.outputs = members.data("outputs");
  TRY(members.check());
  return sink.restored(fact);
}

}  // namespace

const char* to_string(AttemptEnded::State state) {
  return kStates[static_cast<std::size_t>(state)];
}

DescribedFact described(Json description) {
  if (description.is_null()) return {};
  wire::DumpStyle canonical;
  canonical.sort_keys = true;
  std::string digest = sha256_hex(wire::dump(description, canonical));
  return {std::move(digest), std::move(description)};
}

Json fitted(Json attributes) {
  for (std::size_t bytes_max = 64u << 10; bytes_max >= 64; bytes_max /= 4) {
    if (wire::dump(attributes).size() <= kAttributeBytesMax) return attributes;
    attributes = with_texts_cut(attributes, bytes_max);
  }
  if (wire::dump(attributes).size() <= kAttributeBytesMax) return attributes;
  Json marker = object();
  marker.set("cut", "more than is kept");
  return marker;
}

GraphFacts to_graph(const AttemptStarted& fact) {
  GraphFacts facts;
  NodeRef attempt = attempt_ref(fact.id);
  Json attributes = object();
  attributes.set("stage", fact.inputs.stage);
  attributes.set("pipeline", fact.inputs.pipeline);
  attributes.set("command", fact.inputs.command);
  attributes.set("host", fact.host);
  attributes.set("started_ms", fact.started_ms);
  attributes.set("state", "running");
  add_node(facts, attempt, std::move(attributes));
  add_inputs(facts, attempt, fact.inputs);
  if (!fact.environment.digest.empty()) {
    NodeRef environment{kind::kEnvironment, fact.environment.digest};
    add_node(facts, environment, fact.environment.description);
    add_used(facts, attempt, environment, object());
  }
  Json data = object();
  data.set("stage", fact.inputs.stage);
  data.set("pipeline", fact.inputs.pipeline);
  if (!fact.pipeline_run.empty()) {
    facts.edges.push_back(
        {attempt, relation::kPartOf, {kind::kPipelineRun, fact.pipeline_run}, object()});
    data.set("pipeline_run", fact.pipeline_run);
  }
  facts.events.push_back(event("attempt.started", attempt, std::move(data)));
  return facts;
}

GraphFacts to_graph(const AttemptEnded& fact) {
  GraphFacts facts;
  NodeRef attempt = attempt_ref(fact.id);
  Json attributes = object();
  attributes.set("state", to_string(fact.state));
  attributes.set("exit_code", fact.exit_code);
  if (fact.signal != 0) attributes.set("signal", fact.signal);
  attributes.set("ended_ms", fact.ended_ms);
  attributes.set("cpu_us", fact.cpu_us);
  attributes.set("memory_max_kb", fact.memory_max_kb);
  if (!fact.message.empty()) attributes.set("message", fact.message);
  Json data = attributes;
  data.set("stage", fact.stage);
  data.set("pipeline", fact.pipeline);
  add_node(facts, attempt, std::move(attributes));
  for (const DataFact& output : fact.outputs) {
    NodeRef ref{kind::kData, output.md5};
    add_node(facts, ref, data_attributes(output));
    facts.edges.push_back({ref, relation::kProducedBy, attempt, path_attribute(output)});
  }
  std::string type = std::string("attempt.") + to_string(fact.state);
  facts.events.push_back(event(type.c_str(), attempt, std::move(data)));
  return facts;
}

GraphFacts to_graph(const StageRestored& fact) {
  // Who produced these data is known since they were produced; that they are here again is an
  // event.
  GraphFacts facts;
  Json data = to_json(fact);
  NodeRef subject{kind::kData, fact.outputs.empty() ? std::string() : fact.outputs[0].md5};
  for (const DataFact& output : fact.outputs) {
    add_node(facts, {kind::kData, output.md5}, data_attributes(output));
  }
  facts.events.push_back(event("attempt.restored", subject, std::move(data)));
  return facts;
}

GraphFacts restored_attempt(const StageRestored& fact) {
  GraphFacts facts;
  NodeRef attempt = attempt_ref(fact.id);
  Json attributes = object();
  attributes.set("stage", fact.inputs.stage);
  attributes.set("pipeline", fact.inputs.pipeline);
  attributes.set("command", fact.inputs.command);
  attributes.set("host", fact.host);
  attributes.set("started_ms", fact.time_ms);
  attributes.set("ended_ms", fact.time_ms);
  attributes.set("state", "restored");
  attributes.set("restored_from", fact.from_run_cache ? "run cache" : "dvc.lock");
  Json data = attributes;
  add_node(facts, attempt, std::move(attributes));
  add_inputs(facts, attempt, fact.inputs);
  for (const DataFact& output : fact.outputs) {
    NodeRef ref{kind::kData, output.md5};
    add_node(facts, ref, data_attributes(output));
    facts.edges.push_back({ref, relation::kProducedBy, attempt, path_attribute(output)});
  }
  facts.events.push_back(event("attempt.restored", attempt, std::move(data)));
  return facts;
}

Json to_json(const AttemptStarted& fact) {
  Json json = to_json(fact.inputs);
  json.set("fact", "started");
  json.set("id", fact.id);
  json.set("environment", fitted(fact.environment.description));
  json.set("environment_digest", fact.environment.digest);
  json.set("host", fact.host);
  json.set("started_ms", fact.started_ms);
  if (!fact.pipeline_run.empty()) json.set("pipeline_run", fact.pipeline_run);
  return json;
}

Json to_json(const AttemptEnded& fact) {
  Json json = object();
  json.set("fact", "ended");
  json.set("id", fact.id);
  json.set("stage", fact.stage);
  json.set("pipeline", fact.pipeline);
  json.set("state", to_string(fact.state));
  json.set("exit_code", fact.exit_code);
  json.set("signal", fact.signal);
  json.set("ended_ms", fact.ended_ms);
  json.set("cpu_us", fact.cpu_us);
  json.set("memory_max_kb", fact.memory_max_kb);
  json.set("message", cut(fact.message, 64u << 10));
  json.set("outputs", to_json(fact.outputs));
  return json;
}

Json to_json(const StageRestored& fact) {
  Json json = to_json(fact.inputs);
  json.set("fact", "restored");
  json.set("id", fact.id);
  json.set("host", fact.host);
  json.set("from_run_cache", fact.from_run_cache);
  json.set("time_ms", fact.time_ms);
  json.set("outputs", to_json(fact.outputs));
  return json;
}

Result<> deliver(const Json& json, FactSink& sink) {
  const Json* fact = json.find("fact");
  std::string what = fact != nullptr && fact->is_string() ? fact->as_string() : "";
  if (what == "started") return deliver_started(json, sink);
  if (what == "ended") return deliver_ended(json, sink);
  if (what == "restored") return deliver_restored(json, sink);
  return invalid("\"" + what + "\" is no kind of fact");
}

}  // namespace slipway::flows
