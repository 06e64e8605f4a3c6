#pragma once

// Every kind of node and relation in one place; graph/README.md says what identifies each and which attributes it has.
namespace slipway::graph::kind {

inline constexpr char kCommit[] = "commit";                 // git object id
inline constexpr char kData[] = "data";                     // MD5, with ".dir" for a tree
inline constexpr char kParams[] = "params";                 // SHA-256 of the canonical JSON of the values used
inline constexpr char kEnvironment[] = "environment";       // SHA-256 of its canonical description
inline constexpr char kAttempt[] = "attempt";               // UUIDv7
inline constexpr char kRun[] = "run";                       // 32 hex digits
inline constexpr char kModel[] = "model";                   // logged model, "m-" and 32 hex digits
inline constexpr char kFile[] = "file";                 // SHA-256 of what a run or model logged
inline constexpr char kExperiment[] = "experiment";         // decimal number; a subject of events
inline constexpr char kDataset[] = "dataset";               // NAME@DIGEST, as a run named it
inline constexpr char kModelVersion[] = "model_version";    // NAME/VERSION
inline constexpr char kRegisteredModel[] = "registered_model";  // NAME; subject of events only
inline constexpr char kFeatureViewVersion[] = "feature_view_version";  // NAME@DIGEST, SHA-256 of its meaning
inline constexpr char kRolloutStep[] = "rollout_step";   // ROLLOUT/NUMBER: one change of a rollout
inline constexpr char kPrediction[] = "prediction";      // DEPLOYMENT.UUID or DEPLOYMENT.UUID/ROW; never stored: made of the prediction log
inline constexpr char kVerdict[] = "verdict";            // ROLLOUT/GATE, ROLLOUT/NUMBER/GUARD, or UUIDv7
inline constexpr char kContractVersion[] = "contract_version";  // SHA-256 of its text
inline constexpr char kProfile[] = "profile";            // SHA-256 of its JSON
inline constexpr char kWindow[] = "window";              // DEPLOYMENT/MONITOR/VERSION/START_MS
inline constexpr char kPipelineRun[] = "pipeline_run";   // UUIDv7
inline constexpr char kFiring[] = "firing";              // UUIDv7: a trigger that fired
// What a firing is caused by; a commit or data version as well.
inline constexpr char kIncident[] = "incident";          // UUIDv7
inline constexpr char kMessage[] = "message";            // SOURCE/ID of a CloudEvent
inline constexpr char kAlert[] = "alert";                // FINGERPRINT/STARTED/STATUS
inline constexpr char kTick[] = "tick";                  // TRIGGER/LOCAL TIME
inline constexpr char kPerson[] = "person";              // NAME
// What slipway.yaml declares: subjects of events.
inline constexpr char kProject[] = "project";            // NAME
inline constexpr char kUseCase[] = "use_case";           // that of its project
inline constexpr char kRequirement[] = "requirement";    // id
inline constexpr char kContract[] = "contract";          // path of the table
inline constexpr char kFeatureView[] = "feature_view";   // path of its file
inline constexpr char kPipeline[] = "pipeline";          // NAME
inline constexpr char kTrigger[] = "trigger";            // NAME
inline constexpr char kDeployment[] = "deployment";      // NAME
inline constexpr char kMonitor[] = "monitor";            // DEPLOYMENT/NAME
inline constexpr char kNotification[] = "notification";  // webhook as written

}  // namespace slipway::graph::kind

namespace slipway::graph::relation {

inline constexpr char kUsed[] = "used";                // attempt -> commit, data, params, environment; run -> data, dataset, model
inline constexpr char kDrawnFrom[] = "drawn_from";      // data (a training set) -> feature view version, data
inline constexpr char kProducedBy[] = "produced_by";   // data, run -> attempt; model version -> run, model; model -> run
inline constexpr char kAnsweredBy[] = "answered_by";  // prediction -> rollout step, model version
inline constexpr char kFollows[] = "follows";  // rollout step -> an earlier one of its rollout; never stored: explain says it
inline constexpr char kOf[] = "of";               // rollout step -> deployment, model version
inline constexpr char kDecidedBy[] = "decided_by"; // rollout step -> verdict
inline constexpr char kAbout[] = "about";         // verdict -> model version, data, window
inline constexpr char kBy[] = "by";               // verdict -> requirement, contract
inline constexpr char kObserved[] = "observed";    // window -> deployment, model version
inline constexpr char kRaisedBy[] = "raised_by";   // incident -> verdict
inline constexpr char kRemediedBy[] = "remedied_by";  // incident -> model version
inline constexpr char kPartOf[] = "part_of";      // attempt -> pipeline run
inline constexpr char kStartedBy[] = "started_by";  // pipeline run -> firing
inline constexpr char kCausedBy[] = "caused_by";    // firing -> incident, message, alert, tick, person, commit, data

}  // namespace slipway::graph::relation
