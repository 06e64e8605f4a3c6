#include "domain/flows/record.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "domain/data/commands.h"
#include "domain/project/params.h"
#include "io/git/git.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

Result<data::LockedParams> params_now(const StepParams& source, ParamsFiles& params,
                                      const fs::path& from) {
  const yaml::Node* file = TRY(params.get(source.absolute));
  std::string name = data::shown(source.absolute, from);
  if (file == nullptr) return missing("dependency '" + name + "' does not exist");
  data::LockedParams locked{source.file, values_of(source, *file)};
  std::vector<std::string> absent;
  for (const std::string& key : source.keys) {
    bool there = std::any_of(locked.values.begin(), locked.values.end(),
                             [&](const auto& value) { return value.first == key; });
    if (!there) absent.push_back(key);
  }
  if (absent.empty()) return locked;
  return missing("Parameters '" + join(absent, ", ") + "' are missing from '" + name + "'.");
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

std::string text_of(const git::Outcome& outcome) {
  return std::string(trim(outcome.err.empty() ? outcome.out : outcome.err));
}

bool lies_at_or_in(const std::string& inner, const std::string& outer) {
  return inner == outer ||
         (inner.size() > outer.size() && inner.starts_with(outer) && inner[outer.size()] == '/');
}

/// Lines that `repro` may add to the .gitignore files, by the file's path.
std::set<std::string> own_ignore_lines(const Steps& steps, const fs::path& file) {
  std::set<std::string> lines;
  for (const Step& step : steps.all()) {
    for (const StepOut& out : step.outs) {
      if (out.absolute.parent_path() != file.parent_path()) continue;
      std::string line = "+/";
      for (char c : out.absolute.filename().string()) {
        if (std::string_view("\\[]!*#?").find(c) != std::string_view::npos) line.push_back('\\');
        line.push_back(c);
      }
      lines.insert(line);
    }
  }
  return lines;
}

/// Whether a .gitignore differs from HEAD by nothing but lines for outputs.
Result<bool> is_own_ignore_change(const fs::path& top, const std::string& name,
                                  const Steps& steps) {
  std::set<std::string> own = own_ignore_lines(steps, top / name);
  git::Outcome outcome = TRY(git::run(top, {"--literal-pathspecs", "diff", "HEAD", "-U0",
                                            "--no-color", "--no-ext-diff", "--", name}));
  bool in_hunk = false;
  for (std::string_view line : split(outcome.out, '\n')) {
    if (line.starts_with("@@"))
      in_hunk = true;
    else if (in_hunk && line.starts_with("-"))
      return false;
    else if (in_hunk && line.starts_with("+") && !own.contains(std::string(line)))
      return false;
  }
  return true;
}

}  // namespace

Result<data::LockedStage> inputs_now(data::Repository& repository, const Step& step,
                                     ParamsFiles& params, const fs::path& from) {
  data::LockedStage locked;
  locked.cmd = step.stage.cmd();
  for (const StepDep& dep : step.deps) {
    std::optional<data::Version> version = TRY(repository.version_of(dep.absolute));
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

Result<CommitFact> commit_now(const data::Repository& repository, const Steps& steps) {
  CommitFact fact;
  if (!repository.uses_git()) return fact;
  std::optional<git::WorkTree> tree = git::WorkTree::find(repository.root());
  std::optional<std::string> head = tree ? TRY(tree->head()) : std::nullopt;
  if (!head) return fact;
  fact.commit = *head;
  const fs::path& top = tree->root();
  git::Outcome names = TRY(git::run(top, {"diff", "HEAD", "--name-only", "--no-renames", "-z"}));
  if (names.status != 0) return unavailable("git diff failed: " + text_of(names));
  std::set<std::string> own;  // relative to the top of the work tree
  for (const Step& step : steps.all()) {
    if (!step.is_data) own.insert(lock_path_of(step.file).lexically_relative(top).string());
    for (const StepOut& out : step.outs) own.insert(out.absolute.lexically_relative(top).string());
  }
  std::vector<std::string> changed;
  for (std::string_view name : split(names.out, '\0')) {
    std::string path(name);
    bool is_own = path.empty() || own.contains(path) ||
                  std::any_of(own.begin(), own.end(),
                              [&](const std::string& one) { return lies_at_or_in(path, one); });
    if (is_own) continue;
    bool is_ignore_file = fs::path(path).filename() == ".gitignore";
    if (is_ignore_file && TRY(is_own_ignore_change(top, path, steps))) continue;
    changed.push_back(std::move(path));
  }
  if (changed.empty()) return fact;
  std::vector<std::string> arguments = {
      "--literal-pathspecs", "diff",          "HEAD",         "--binary", "--full-index",
      "--no-color",          "--no-ext-diff", "--no-renames", "--"};
  arguments.insert(arguments.end(), changed.begin(), changed.end());
  git::Outcome diff = TRY(git::run(top, arguments));
  if (diff.status != 0) return unavailable("git diff failed: " + text_of(diff));
  fact.dirty = true;
  fact.diff = sha256_hex(diff.out);
  return fact;
}

}  // namespace slipway::flows
