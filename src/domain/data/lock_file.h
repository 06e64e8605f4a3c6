#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "domain/data/version.h"
#include "io/wire/json.h"
#include "io/yaml/yaml.h"

// dvc.lock: what each stage was when it last ran.
namespace slipway::data {

struct LockedParams {
  std::string file;
  std::vector<std::pair<std::string, yaml::Node>> values;  // dotted key, value
};

struct LockedStage {
  yaml::Node cmd;  // a string or a list of strings
  std::vector<Record> deps;
  std::vector<LockedParams> params;
  std::vector<Record> outs;

  /// Into the order of dvc.lock: deps and outs by path, params.yaml first, other files and all keys
  /// sorted.
  void normalize();
  /// The entry as a mapping in DVC's key order, empty parts left out: what dvc.lock and the run
  /// cache hold.
  yaml::Node to_node() const;
  static Result<LockedStage> from_node(const yaml::Node& node, const std::string& file_name);
};

/// Digests that name an entry of the run cache. Precondition: normalized.
struct RunCacheKey {
  std::string key;    // of cmd, deps, params and the paths of outs
  std::string value;  // of the whole
};
/// kInvalid with tag "no_json" when a parameter has no form in JSON (a date).
Result<RunCacheKey> run_cache_key(const LockedStage& stage);

/// A dvc.lock in memory. Stages that are not touched keep their bytes. Not thread-safe.
class LockFile {
 public:
  /// An absent file is an empty lock; an empty one is broken. kInvalid with position; `name` is how
  /// messages call the file (without its folder unless said).
  static Result<LockFile> read(const std::filesystem::path& file, std::string name = {});
  static Result<LockFile> parse(std::string_view text, const std::filesystem::path& file,
                                std::string name = {});

  const LockedStage* find(std::string_view stage) const;
  /// Normalizes, then replaces the entry where it stands. A new one comes before the first entry
  /// that `before` names, or to the end. True when anything differs from before (by value).
  bool set(const std::string& stage, LockedStage locked,
           const std::vector<std::string>& before = {});
  bool remove(std::string_view stage);
  bool existed() const { return existed_; }

  std::string text() const;
  /// Atomic and durable. `scratch`: Repository::scratch().
  Result<> write(const std::filesystem::path& scratch);

 private:
  struct Item {
    std::string name;
    LockedStage locked;
    std::string text;  // its lines in the file
  };
  std::filesystem::path file_;
  bool existed_ = false;
  bool blank_ = false;       // the text held nothing
  std::string head_, tail_;  // text before the first and after the last stage
  std::vector<Item> items_;
};

}  // namespace slipway::data
