#include "domain/flows/record.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "domain/data/commands.h"
#include "domain/project/params.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

/// Values that dvc.lock can't hold: DVC would refuse the file.
Result<> check_values(const yaml::Node& value, const std::string& name) {
  if (value.type == yaml::Type::kDate) {
    const bool has_time = value.text.find(':') != std::string::npos;
    return invalid(std::string("Unsupported value of type '") + (has_time ? "datetime" : "date") +
                   "' in '" + name + "'; put it in quotes, and it is a text");
  }
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    TRY(check_values(value.items[i], name + "." + std::to_string(i)));
  }
  for (const yaml::Entry& entry : value.entries) {
    TRY(check_values(entry.value, name + "." + entry.key.text));
  }
  return {};
}

Result<data::LockedParams> params_now(const StepParams& source, ParamsFiles& params,
                                      const fs::path& from) {
  const yaml::Node* file = TRY(params.get(source.absolute));
  std::string name = data::shown(source.absolute, from);
  if (file == nullptr) return missing("dependency '" + name + "' does not exist");
  data::LockedParams locked{source.file, values_of(source, *file)};
  for (const auto& [key, value] : locked.values) TRY(check_values(value, name + ":" + key));
  std::vector<std::string> absent;
  for (const std::string& key : source.keys) {
    bool there = std::any_of(locked.values.begin(), locked.values.end(),
                             [&](const auto& value) { return value.first == key; });
    if (!there) absent.push_back(key);
  }
  if (absent.empty()) return locked;
  return missing("Parameters '" + join(absent, ", ") + "' are missing from '" + name + "'.");
}

Result<> check_outs(const Step& step, const data::Repository& repository) {
  const fs::path& root = repository.root();
  for (const StepOut& out : step.outs) {
    std::error_code none;
    if (repository.is_ignored(out.absolute, fs::is_directory(out.absolute, none)))
      return invalid("Path '" + out.path + "' is ignored by .dvcignore, so it cannot be an output");
    if (!out.cache || out.absolute.native().starts_with(root.native() + "/")) continue;
    return invalid("Cached output(s) outside of DVC project: " + out.path +
                   "; let the stage write inside, or say `cache: false`");
  }
  return {};
}

/// As DVC guesses it: no NUL in the first 512 bytes, and at most 30 % that is no text.
bool looks_like_text(const fs::path& path) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char block[512];
  ssize_t got = file ? read(file.get(), block, sizeof(block)) : -1;
  if (got <= 0) return true;
  std::string_view head(block, static_cast<std::size_t>(got));
  if (head.find('\0') != std::string_view::npos) return false;
  auto is_odd = [](char c) {
    return (c < 32 || c > 126) && std::string_view("\n\r\t\f\b").find(c) == std::string_view::npos;
  };
  return std::count_if(head.begin(), head.end(), is_odd) * 10 <= got * 3;
}

Result<std::optional<data::Version>> save_out(data::Repository& repository, const StepOut& out,
                                              const SaveOptions& options, const fs::path& from) {
  std::optional<data::Version> version = TRY(repository.version_of(out.absolute));
  if (!version) {
    if (options.missing_allowed) return version;
    return missing("output '" + data::shown(out.absolute, from) + "' does not exist");
  }
  bool is_metric_file = out.kind == project::OutputKind::kMetric && !version->is_folder();
  if (is_metric_file && !looks_like_text(out.absolute)) {
    return invalid("binary file '" + out.absolute.string() + "' cannot be used as metrics.");
  }
  bool store = out.cache ? options.store : options.store && options.remember;
  if (!store) return version;
  // An output outside of the cache stays a file of its own; its bytes are only kept as well.
  return std::optional<data::Version>(
      TRY(repository.save(out.absolute, out.cache && options.relink)));
}

}  // namespace

Result<data::LockedStage> inputs_now(data::Repository& repository, const Step& step,
                                     ParamsFiles& params, const fs::path& from) {
  TRY(check_outs(step, repository));
  data::LockedStage locked;
  locked.cmd = step.stage.cmd();
  for (const StepDep& dep : step.deps) {
    std::optional<data::Version> version = TRY(repository.version_of_dependency(dep.absolute));
    if (!version)
      return missing("dependency '" + data::shown(dep.absolute, from) + "' does not exist");
    locked.deps.push_back({dep.path, *version, {}});
  }
  for (const StepParams& source : step.params) {
    locked.params.push_back(TRY(params_now(source, params, from)));
  }
  for (const StepOut& out : step.outs) locked.outs.push_back({out.path, {}, {}});
  locked.normalize();
  return locked;
}

Result<> save_outs(data::Repository& repository, const Step& step, data::LockedStage& locked,
                   const SaveOptions& options, const fs::path& from) {
  for (const StepOut& out : step.outs) {
    std::optional<data::Version> version = TRY(save_out(repository, out, options, from));
    for (data::Record& record : locked.outs) {
      if (record.path == out.path) record.version = version.value_or(data::Version());
    }
  }
  return {};
}

wire::Json params_json(const data::LockedStage& locked) {
  wire::Json all;
  for (const data::LockedParams& file : locked.params) {
    wire::Json values = wire::Json(wire::Json::Object());
    for (const auto& [key, value] : file.values) {
      Result<wire::Json> json = project::to_json(value);
      if (!json.ok()) return {};
      values.set(key, std::move(*json));
    }
    all.set(file.file, std::move(values));
  }
  return all;
}

std::vector<DataFact> data_facts(const Step& step, const std::vector<data::Record>& records,
                                 const fs::path& root) {
  std::vector<DataFact> facts;
  for (const data::Record& record : records) {
    if (record.version.md5.empty()) continue;
    fs::path path = (step.folder / record.path).lexically_normal();
    bool inside = path.native().starts_with(root.native() + "/");
    DataFact fact;
    fact.path = inside ? path.native().substr(root.native().size() + 1) : path.string();
    fact.md5 = record.version.md5;
    fact.size = record.version.size.value_or(0);
    fact.nfiles = record.version.nfiles.value_or(-1);
    facts.push_back(std::move(fact));
  }
  return facts;
}

}  // namespace slipway::flows
