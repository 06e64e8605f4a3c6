#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "io/wire/json.h"
#include "io/yaml/yaml.h"

// slipway.yaml as typed values with positions: what a person declares, and nothing about how it is
// done. Values only, apart from read_project. Any thread. docs/reference/slipway-yaml.md describes
// every key.
namespace slipway::project {

/// "90s", "2m", "6h", "7d", "2w"; 0 where a key was left out, unless its comment says otherwise.
using Span = std::chrono::milliseconds;

/// "24/d", "3/90d": so many in such a span.
struct Rate {
  double count = 0;
  Span per{0};
};

/// A demand on the model. Bounds of metrics that are spans (is_span_metric) are seconds.
struct Requirement {
  std::string id, metric;
  std::optional<double> at_most, at_least;  // at least one of them
  double share = 1;                         // of the answers that have to meet it
  std::string on = "holdout";               // "holdout" or "serving"
  yaml::Position at;
  yaml::Position metric_at;
};

struct UseCase {
  std::string problem, user, owner;
  std::vector<Requirement> requirements;
};

/// The contract of a table that lies at `path`; both relative to the repository's root.
struct ContractBinding {
  std::string path, file;
  yaml::Position at;
  yaml::Position file_at = {};
};

struct PipelineSpec {
  std::string name;
  std::vector<std::string> stages;  // of dvc.yaml; empty: all
  std::vector<yaml::Position> stages_at;
  std::string register_model;       // registers the run's model under this name; "" for nothing
  int attempts_max = 1;             // per stage
  Span timeout{0};                  // of the whole run; 0: none
  yaml::Position at;
};

/// What turns an event into a run. Exactly one source each.
struct CronSource {
  std::string expression, tz = "UTC";
  std::string catchup = "latest";  // "none", "latest", "all"
  yaml::Position expression_at = {}, tz_at = {};
};
struct DataSource {
  std::string path;
  Span settle{0};
  yaml::Position path_at = {};
};
struct GitSource {
  std::string branch = "main";
  std::vector<std::string> paths;  // globs; empty: any
  std::optional<yaml::Position> branch_at = {};  // nothing: it was not said
  std::vector<yaml::Position> paths_at = {};
};
struct MessageSource {
  std::string type;     // of the CloudEvent
  std::string source;   // "": any
  std::string subject;  // NATS subject, "" for HTTP only
};
struct AlertSource {  // Alertmanager
  std::vector<std::pair<std::string, std::string>> labels;
};
struct IncidentSource {
  std::string monitor;     // "": any
  std::string deployment;  // "": any
  yaml::Position monitor_at = {}, deployment_at = {};
};
using TriggerSource =
    std::variant<CronSource, DataSource, GitSource, MessageSource, AlertSource, IncidentSource>;

/// Inputs of a run from its event. `value` may hold "${event.time}" and the like.
struct ParamMapping {
  std::string key, value;
  yaml::Position at;
};
/// Data that is drawn when the run starts: the labelled predictions of a deployment, say.
struct DataMapping {
  std::string from;  // "deployments/bikes"
  bool labelled = false;
  std::string to;  // path in the run's work tree
  yaml::Position at;
  yaml::Position from_at = {}, to_at = {};
};

struct TriggerSpec {
  std::string name, pipeline;
  TriggerSource source;
  std::vector<ParamMapping> params;
  std::optional<DataMapping> data;
  Span debounce{0};              // waits until nothing came for so long
  Span cooldown{0};              // after a firing nothing fires for so long
  std::optional<Rate> at_most;   // firings
  std::string overlap = "skip";  // "skip", "buffer_one", "allow"
  yaml::Position at;
  yaml::Position pipeline_at;
};

enum class StepKind { kShadow, kCanary };
struct RolloutStep {
  StepKind kind = StepKind::kShadow;
  double percent = 100;           // (0, 100]
  std::int64_t min_requests = 0;  // answers of the candidate
  Span min_time{0}, max_wait{0};  // max_wait 0: for ever
  yaml::Position at;
};

/// Watches a rollout. With a margin the candidate must be shown to be non-inferior within it before
/// it moves on; without one the guard only stops what is harmful. Units of margins: of error_rate,
/// label_flips and latency a share of the answers; of score_mean standard deviations of the live
/// version's outputs; of other requirements their metric's own. guards split alpha = 0.05 with the
/// steps (answers.h).
struct GuardSpec {
  std::string metric;       // "error_rate", "score_mean", "label_flips"; or
  std::string requirement;  // the id of one on serving
  std::optional<double> margin;
  bool critical = false;  // harmful: back at once
  yaml::Position at;
  yaml::Position requirement_at;
};

struct MonitorSpec {
  std::string name;
  std::string against;      // "training", "previous", or "" for none (drift)
  std::string requirement;  // id, or ""
  bool delayed_labels = false;
  Span labels_within{0};  // how long they may take after a window's end; 0: as long as the window
  Span window{0};  // 0 only where the requirement is an age
  std::int64_t min_rows = 100;
  int persist = 2;  // bad windows in a row before an incident opens
  yaml::Position at;
  yaml::Position requirement_at, window_at;
};

enum class ColumnPolicy { kKeep, kDrop, kHash };
struct LogPolicy {
  double sample = 1;  // share of the answers whose rows are kept, and windows see
  Span retention{0};  // 0: for ever
  std::vector<std::pair<std::string, ColumnPolicy>> columns;
};

/// The alias that a stable version has, unless another is declared; also what a model's bare name
/// means first.
inline constexpr char kDefaultAlias[] = "champion";

struct DeploymentSpec {
  std::string name, model;
  std::string alias = kDefaultAlias;  // of the model, that the stable version has; "": none
  std::vector<std::string> gates;
  std::optional<Rate> traffic;  // expected requests, until a week has been measured
  std::vector<RolloutStep> rollout;
  std::vector<GuardSpec> guards;
  std::vector<MonitorSpec> monitors;
  std::string features;  // feature view that the server fills in by entity key, or ""
  LogPolicy log;
  yaml::Position at;
  yaml::Position model_at, features_at;
  std::vector<yaml::Position> gates_at;
};

struct Notification {
  std::string webhook;  // as written: "${env:NAME}" is resolved where it is used, never stored
  std::string secret;   // likewise; signs the body
  // "incident", "rollback", "promotion", "rollout_paused", "run_failed"
  std::vector<std::string> on;
  yaml::Position at;
};

/// What `slipway lint` is not to ask for.
struct LintSpec {
  bool own_layout = false;                               // no folders of the standard one
  std::vector<std::pair<std::string, std::string>> off;  // rules, and why
};

struct ProjectFile {
  int version = 1;
  std::string name;
  UseCase use_case;
  std::vector<ContractBinding> contracts;
  std::vector<std::string> feature_views;  // files
  std::vector<yaml::Position> feature_views_at;
  std::vector<PipelineSpec> pipelines;
  std::vector<TriggerSpec> triggers;
  std::vector<DeploymentSpec> deployments;
  std::vector<Notification> notify;
  LintSpec lint;

  const Requirement* find_requirement(std::string_view id) const;
  const PipelineSpec* find_pipeline(std::string_view name) const;
  const DeploymentSpec* find_deployment(std::string_view name) const;
  const ContractBinding* find_contract(std::string_view data_path) const;
};

inline constexpr char kProjectFile[] = "slipway.yaml";

/// The gates and the metrics of guards that a deployment may name.
const std::vector<std::string>& gate_names();
const std::vector<std::string>& guard_metrics();
/// Metrics whose bounds are spans in the file, and seconds in a Requirement: "model_age".
bool is_span_metric(std::string_view metric);

/// Every path that the parser knows: "use_case.requirements[].id", "triggers.NAME.cron", ...
std::vector<std::string> known_keys();

/// Every error of the text at once, one per line, each "slipway.yaml:LINE:COLUMN: found X, expected
/// Y; did you mean Z?". kInvalid.
Result<ProjectFile> parse_project(std::string_view text);
/// kMissing when there is no slipway.yaml in `root`.
Result<ProjectFile> read_project(const std::filesystem::path& root);

/// "90s" and the like; nothing when it is not one.
std::optional<Span> parse_span(std::string_view text);
/// Whether it would be one, were it not for more than a hundred years.
bool is_too_long_span(std::string_view text);
std::optional<Rate> parse_rate(std::string_view text);
/// The shortest spelling that parse_span reads back.
std::string to_text(Span span);
std::string to_text(const Rate& rate);

}  // namespace slipway::project
