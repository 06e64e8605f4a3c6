#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "graph/graph.h"
#include "io/wire/json.h"

// How often, how fast and how well models reach production: the four delivery metrics, and how far
// each model's life is automated. Computed from the event log and the graph, never typed in; times
// are those of the events. Definitions: docs/reference/delivery-report.md.
namespace slipway::evidence {

/// What made a version be: the kind of thing that its pipeline run was started for.
enum class Origin {
  kByHand,  // no pipeline run: a script that somebody started
  kPerson,  // a pipeline run that somebody asked for
  kCalendar,
  kMessage,  // a message or an alert
  kData,
  kCode,      // a commit
  kIncident,  // a monitoring event
};
/// "by_hand", "person", "calendar", "message", "data", "code", "incident".
const char* to_string(Origin origin);
bool is_automatic(Origin origin);

/// One candidate's way, as far as it has come. Times are 0 for what has not happened.
struct Release {
  std::string rollout, deployment, model;
  std::int64_t version = 0, replaces = 0;
  Origin origin = Origin::kByHand;
  UnixMs caused_ms = 0;     // the incident, commit, tick, run, ... that all began with
  UnixMs made_ms = 0;       // the version was registered
  UnixMs requested_ms = 0;  // its rollout
  UnixMs traffic_ms = 0;    // the gates let it pass
  UnixMs live_ms = 0;       // it became the stable version
  UnixMs ended_ms = 0;      // of the rollout, whatever the outcome
  std::string end;          // "live", "stopped", "rolled_back", "superseded"; "" under way
  std::string reason;       // of the end
  bool by_hand = false;     // a person promoted it
  UnixMs failed_ms = 0;     // live, and taken back again later
  std::string failure;      // why
};

/// One incident.
struct Repair {
  std::string incident, deployment, model, version;
  UnixMs opened_ms = 0, closed_ms = 0;
  std::string remedy;  // "" while open
};

/// Of one model: which kinds of gates have judged its versions.
struct DeliveryFacts {
  std::vector<Release> releases;                          // in the order of their requests
  std::vector<Repair> repairs;                            // in the order of opening
  std::map<std::string, std::vector<std::string>> gates;  // by model
};
Result<DeliveryFacts> delivery_facts(db::Tx& tx);

/// Nothing of no values.
struct Spread {
  std::int64_t count = 0;
  double median_ms = 0, p90_ms = 0;
};
struct DeliveryReport {
  UnixMs from_ms = 0, to_ms = 0;
  std::int64_t promotions = 0;
  double per_30_days = 0;
  std::map<std::string, std::int64_t> promotions_by_origin;
  Spread lead, training, gates, rollout;  // from the cause on; the parts of it
  std::int64_t changes_failed = 0;        // promoted in the span, and taken back or an incident
  std::optional<double> change_failure_rate;
  std::map<std::string, std::int64_t> failed_by_origin;
  std::int64_t provisional = 0;  // promotions that were live for less than the observation span
  std::int64_t stopped = 0, rolled_back = 0;  // candidates that never became live
  Spread restore;
  std::map<std::string, Spread> restore_by_remedy;
  std::int64_t incidents_open = 0;
  struct Level {
    std::string model;
    int level = 1;
    std::string why;
  };
  std::vector<Level> levels;
};
/// A promotion counts as failed when within `observation_ms` of it the version was taken back, or
/// an incident was opened about it. Pure.
DeliveryReport summarize(const DeliveryFacts& facts, UnixMs from_ms, UnixMs to_ms,
                         UnixMs observation_ms);

/// 1: versions come from scripts or pipeline runs that people start. 2: of the last ten at least
/// one pipeline run was started by something else than a person, and gates have judged both data
/// and model. 3: besides, a commit led to a live version with no person in between. Pure.
DeliveryReport::Level level_of(const std::string& model, const DeliveryFacts& facts);

wire::Json to_json(const DeliveryReport& report);
/// For a terminal; ends with a newline.
std::string to_text(const DeliveryReport& report);

}  // namespace slipway::evidence
