#include "domain/flows/changes.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "domain/data/commands.h"
#include "domain/data/workspace_index.h"
#include "domain/project/params.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using data::State;

const yaml::Node* find_value(const std::vector<std::pair<std::string, yaml::Node>>& values,
                             const std::string& key) {
  for (const auto& [name, value] : values) {
    if (name == key) return &value;
  }
  return nullptr;
}

Differences::States compare(const StepParams& source, const yaml::Node& file) {
  std::vector<std::pair<std::string, yaml::Node>> actual = values_of(source, file);
  std::vector<std::string> keys = source.keys;
  if (keys.empty()) {
    for (const auto& [key, value] : actual) keys.push_back(key);
    for (const auto& [key, value] : source.recorded) {
      if (find_value(actual, key) == nullptr) keys.push_back(key);
    }
  }
  Differences::States states;
  for (const std::string& key : keys) {
    const yaml::Node *now = find_value(actual, key), *then = find_value(source.recorded, key);
    if (now == nullptr)
      states.emplace_back(key, State::kDeleted);
    else if (then == nullptr)
      states.emplace_back(key, State::kNew);
    else if (!yaml::equal(*now, *then))
      states.emplace_back(key, State::kModified);
  }
  return states;
}

/// Collects, and says when enough is known.
class Comparison {
 public:
  Comparison(data::Repository& repository, const Step& step, const fs::path& from,
             const Asked& asked)
      : repository_(repository), step_(step), from_(from), asked_(asked) {}

  Result<Differences> run(ParamsFiles& params) {
    found_.command =
        !step_.is_data && step_.is_locked && !yaml::equal(step_.locked_cmd, step_.stage.cmd());
    if (!step_.frozen) TRY(look_at_inputs(params));
    // A frozen stage does not run for it, though `status` says it, as DVC does.
    bool counts = !step_.frozen || asked_.depth == Depth::kAll;
    found_.always = counts && (step_.is_callback() || step_.always_changed);
    for (const StepOut& out : step_.outs) {
      if (enough()) return std::move(found_);
      State state = TRY(repository_.state_of(out.absolute, out.recorded, out.cache));
      if (asked_.missing_allowed && (state == State::kDeleted || state == State::kNotInCache)) {
        continue;
      }
      if (state != State::kSame) found_.outs.emplace_back(shown(out.absolute), state);
    }
    return std::move(found_);
  }

 private:
  Result<> look_at_inputs(ParamsFiles& params) {
    for (const StepDep& dep : step_.deps) {
      if (enough()) return {};
      State state = TRY(repository_.state_of_dependency(dep.absolute, dep.recorded));
      if (state == State::kDeleted && asked_.missing_allowed) {
        if (!was_made_anew(dep.absolute, dep.recorded.md5)) continue;
        state = State::kModified;
      }
      // One that is named twice is said once.
      std::pair<std::string, State> change(shown(dep.absolute), state);
      const bool said =
          std::find(found_.deps.begin(), found_.deps.end(), change) != found_.deps.end();
      if (state != State::kSame && !said) found_.deps.push_back(std::move(change));
    }
    for (const StepParams& source : step_.params) {
      if (enough()) return {};
      const yaml::Node* file = TRY(params.get(source.absolute));
      if (file == nullptr) {
        // The values that were seen are no digest: they differ from any that an output has.
        const char* seen = source.is_recorded ? "values" : "";
        if (!asked_.missing_allowed)
          found_.deps.emplace_back(shown(source.absolute), State::kDeleted);
        else if (was_made_anew(source.absolute, seen))
          found_.deps.emplace_back(shown(source.absolute), State::kModified);
      } else if (!source.is_recorded) {
        found_.deps.emplace_back(shown(source.absolute), State::kNew);
      } else if (Differences::States states = compare(source, *file); !states.empty()) {
        found_.params.emplace_back(shown(source.absolute), std::move(states));
      }
    }
    return {};
  }

  /// Whether an upstream step has recorded `path` with another digest than `seen`. As with DVC only
  /// an output of exactly this path tells; of a part of a folder nobody knows what it was.
  bool was_made_anew(const fs::path& path, const std::string& seen) const {
    return std::any_of(asked_.upstream.begin(), asked_.upstream.end(), [&](const Step* step) {
      return std::any_of(step->outs.begin(), step->outs.end(), [&](const StepOut& out) {
        return out.absolute == path && out.recorded.md5 != seen;
      });
    });
  }

  bool enough() const { return asked_.depth == Depth::kFirst && found_.any(); }
  std::string shown(const fs::path& path) const {
    return asked_.depth == Depth::kFirst ? std::string() : data::shown(path, from_);
  }

  data::Repository& repository_;
  const Step& step_;
  const fs::path& from_;
  const Asked& asked_;
  Differences found_;
};

}  // namespace

Result<const yaml::Node*> ParamsFiles::get(const fs::path& file) {
  const yaml::Node* nothing = nullptr;
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return nothing;
    return system_error("cannot look at " + file.string(), errno);
  }
  data::FileFacts facts = data::FileFacts::of(status);
  Read read{facts.mtime_ns, facts.ctime_ns, facts.inode, facts.size, {}};
  auto known = files_.find(file);
  bool same = known != files_.end() && known->second.mtime_ns == read.mtime_ns &&
              known->second.ctime_ns == read.ctime_ns && known->second.inode == read.inode &&
              known->second.size == read.size;
  if (!same) {
    read.values = TRY(project::read_params(file));
    known = files_.insert_or_assign(file, std::move(read)).first;
  }
  return static_cast<const yaml::Node*>(&known->second.values);
}

std::vector<std::pair<std::string, yaml::Node>> values_of(const StepParams& source,
                                                          const yaml::Node& file) {
  std::vector<std::pair<std::string, yaml::Node>> values;
  for (const std::string& key : source.keys) {
    if (const yaml::Node* value = project::find_param(file, key)) values.emplace_back(key, *value);
  }
  if (!source.keys.empty()) return values;
  for (const yaml::Entry& entry : file.entries) {
    values.emplace_back(entry.key.is_string() ? entry.key.text : entry.key.canonical(),
                        entry.value);
  }
  return values;
}

Result<Differences> differences(data::Repository& repository, const Step& step, ParamsFiles& params,
                                const fs::path& from, const Asked& asked) {
  return Comparison(repository, step, from, asked).run(params);
}

}  // namespace slipway::flows
