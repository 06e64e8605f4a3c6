#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/wire/codec.h"

// The nouns of the registry: a *model* is a name under which *versions* are published; a *logged
// model* is what one training run wrote, before anybody published it.
namespace slipway::registry {

struct Tag {
  std::string key, value;
  bool operator==(const Tag&) const = default;
};
WIRE(Tag, key, value)
using Tags = std::vector<Tag>;

enum class Stage { kNone, kStaging, kProduction, kArchived };
/// "none", "staging", "production", "archived".
const char* to_string(Stage stage);
/// Any case; nothing for any other word.
std::optional<Stage> parse_stage(std::string_view word);

struct Version {
  std::string model;
  std::int64_t number = 0;
  UnixMs created_ms = 0, updated_ms = 0;
  std::string description;
  Stage stage = Stage::kNone;
  std::string source;            // as given
  std::string location;          // of its files: `source`, or what that names
  std::string run_id, run_link;  // may be empty
  std::string logged_model_id;   // may be empty
  Tags tags;
  std::vector<std::string> aliases;
};

struct Alias {
  std::string alias;
  std::int64_t number = 0;
  bool operator==(const Alias&) const = default;
};
WIRE(Alias, alias, number)

struct Model {
  std::string name;
  UnixMs created_ms = 0, updated_ms = 0;
  std::string description;
  Tags tags;
  std::vector<Alias> aliases;
  std::vector<Version> latest;  // the newest version of each stage, by number
};

enum class LoggedModelStatus { kPending, kReady, kFailed };
const char* to_string(LoggedModelStatus status);

/// A value of a metric that was measured on a logged model. NaN is kept.
struct ModelMetric {
  std::string model_id, run_id, key;
  double value = 0;
  UnixMs timestamp_ms = 0;
  std::int64_t step = 0;
  std::string dataset_name = {}, dataset_digest = {};  // may be empty
};

struct LoggedModel {
  std::string id;  // "m-" and 32 hex digits
  std::string experiment_id, name, type;
  UnixMs created_ms = 0, updated_ms = 0;
  std::string location;  // of its files
  LoggedModelStatus status = LoggedModelStatus::kPending;
  std::string run_id;  // may be empty
  bool deleted = false;
  Tags tags, params;
  std::vector<ModelMetric> metrics;
};

/// A part of a result, and whether more follows.
template <class T>
struct Page {
  std::vector<T> items;
  bool more = false;
};

}  // namespace slipway::registry
