#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "graph/graph.h"
#include "io/wire/json.h"

// What is known of an attempt (one execution of a stage), and how it looks in the asset graph.
namespace slipway::flows {

/// Data by content, with the path it had: relative to the root of the project, or absolute outside.
struct DataFact {
  std::string path, md5;
  std::int64_t size = 0;
  std::int64_t nfiles = -1;  // -1: a file
};

/// The commit that a run started from.
struct CommitFact {
  std::string commit;          // hex; empty without git, or before the first commit
  bool dirty = false;          // tracked files differ from it, beyond what `repro` itself wrote
  std::string diff;            // SHA-256 of what differs; empty when not dirty
  std::int64_t untracked = 0;  // files that git neither tracks nor ignores, nor a stage writes
  std::string untracked_digest = {};  // SHA-256 of their list with contents; empty without any
};

/// Something identified by the digest of its description.
struct DescribedFact {
  std::string digest;  // SHA-256 of the description's canonical JSON; empty: nothing to describe
  wire::Json description;
};

/// What an execution used. Equal for an attempt and for a restored stage.
struct InputFacts {
  std::string stage;     // name in its file
  std::string pipeline;  // path of that dvc.yaml, relative to the root
  wire::Json command;    // a text, or a list of texts
  CommitFact commit;
  std::vector<DataFact> data;
  DescribedFact params;  // {file: {key: value}}
};

struct AttemptStarted {
  std::string id;  // UUIDv7
  InputFacts inputs;
  DescribedFact environment;
  std::string host;
  UnixMs started_ms = 0;
  std::string pipeline_run = {};  // that it is part of; ""
};

struct AttemptEnded {
  enum class State { kSucceeded, kFailed, kCancelled, kLost };
  std::string id;
  std::string stage, pipeline;
  State state = State::kLost;
  int exit_code = 0;
  int signal = 0;
  UnixMs ended_ms = 0;
  std::int64_t cpu_us = 0;
  std::int64_t memory_max_kb = 0;
  std::string message;            // why it failed
  std::vector<DataFact> outputs;  // of one that succeeded
};

/// Outputs were taken from the cache instead of running the stage.
struct StageRestored {
  std::string id;  // UUIDv7: of the attempt that stands for it when nobody knows who made the data
  InputFacts inputs;
  std::string host;
  bool from_run_cache = false;  // else by what dvc.lock says
  UnixMs time_ms = 0;
  std::vector<DataFact> outputs;
};

const char* to_string(AttemptEnded::State state);

/// Where facts go. One thread.
class FactSink {
 public:
  virtual ~FactSink() = default;
  /// On return the fact outlives this process, but perhaps not a power cut. An error ends the run:
  /// work without evidence is not done.
  virtual Result<> started(const AttemptStarted& fact) = 0;
  virtual Result<> ended(const AttemptEnded& fact) = 0;
  virtual Result<> restored(const StageRestored& fact) = 0;
  /// All facts given so far are durable afterwards. Called before dvc.lock names what they are
  /// about.
  virtual Result<> flush() = 0;
  /// Called now and then while commands run: a moment to pass facts on to whoever is to know them.
  /// What can't be passed on waits for the next call.
  virtual void hand_over() {}
};

/// Facts as nodes, edges and events of the graph, to be written in one transaction.
struct GraphFacts {
  std::vector<std::pair<graph::NodeRef, wire::Json>> nodes;
  std::vector<graph::Edge> edges;
  std::vector<graph::Event> events;
};
GraphFacts to_graph(const AttemptStarted& fact);
GraphFacts to_graph(const AttemptEnded& fact);
/// An event alone: who made these data is known since they were made.
GraphFacts to_graph(const StageRestored& fact);
/// For data whose maker is not known here (a shared cache, say): an attempt in the state "restored"
/// that stands for the remembered one, with what that used and made.
GraphFacts restored_attempt(const StageRestored& fact);

/// `attributes` cut to what the graph keeps: long texts end in "… (N bytes more)", longest first.
wire::Json fitted(wire::Json attributes);

/// For handing facts to another process: an object with "fact": "started", "ended" or "restored".
wire::Json to_json(const AttemptStarted& fact);
wire::Json to_json(const AttemptEnded& fact);
wire::Json to_json(const StageRestored& fact);
/// Gives the fact in `json` to `sink`. kInvalid for what is none.
Result<> deliver(const wire::Json& json, FactSink& sink);

/// SHA-256 of the canonical JSON (keys sorted, no blanks, UTF-8).
DescribedFact described(wire::Json description);

}  // namespace slipway::flows
