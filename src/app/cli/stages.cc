#include "app/cli/stages.h"

#include <algorithm>
#include <optional>
#include <ostream>
#include <set>

#include "app/cli/verbs.h"
#include "base/text.h"
#include "domain/data/commands.h"
#include "domain/flows/stages.h"
#include "io/git/git.h"
#include "io/wire/json.h"

// status and commit, of stages and .dvc files together.
namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using wire::Json;

/// What differs, of stages and .dvc files.
struct Looked {
  std::vector<flows::StageStatus> all;
  std::vector<data::PassedOver> passed_over;  // pipelines that were not looked at
};

flows::StageStatus to_status(const data::OwnerStatus& owner, const fs::path& from) {
  flows::StageStatus status;
  status.owner = owner.owner;
  status.found.always = owner.always_changed;
  for (const auto& [path, state] : owner.deps)
    status.found.deps.emplace_back(data::shown(path, from), state);
  for (const auto& [path, state] : owner.outs)
    status.found.outs.emplace_back(data::shown(path, from), state);
  return status;
}

/// Data is looked at even beside pipelines with something that is not supported yet.
Result<Looked> look(data::Repository& repository, const std::vector<std::string>& targets,
                    const fs::path& from) {
  Looked looked;
  Result<std::vector<flows::StageStatus>> stages = flows::status(repository, targets, from);
  if (stages.ok())
    looked.all = std::move(*stages);
  else if (stages.error().tag != "unsupported" ||
           !TRY(data::can_do_without_stages(repository, targets, from)))
    return stages.error();
  std::vector<data::PassedOver>* passed_over = stages.ok() ? nullptr : &looked.passed_over;
  for (const data::OwnerStatus& owner : TRY(data::status(repository, targets, from, passed_over))) {
    looked.all.push_back(to_status(owner, from));
  }
  return looked;
}

Json states_json(const flows::Differences::States& states) {
  Json json = Json(Json::Object());
  for (const auto& [key, state] : states) json.set(key, data::to_string(state));
  return json;
}

Json status_json(const flows::Differences& found) {
  Json::Array parts;
  if (!found.deps.empty() || !found.params.empty()) {
    Json deps = states_json(found.deps);
    for (const auto& [file, states] : found.params) deps.set(file, states_json(states));
    Json part;
    part.set("changed deps", std::move(deps));
    parts.push_back(std::move(part));
  }
  if (!found.outs.empty()) {
    Json part;
    part.set("changed outs", states_json(found.outs));
    parts.push_back(std::move(part));
  }
  if (found.always) parts.emplace_back("always changed");
  if (found.command) parts.emplace_back("changed command");
  return parts;
}

/// The object of `dvc status --json`; a pipeline that was passed over has the reason.
Json to_json(const Looked& looked, const fs::path& from) {
  Json json = Json(Json::Object());
  for (const flows::StageStatus& status : looked.all)
    json.set(status.owner, status_json(status.found));
  for (const data::PassedOver& one : looked.passed_over) {
    Json::Array parts;
    parts.emplace_back("passed over: " + one.error.message);
    json.set(data::shown(one.file, from), std::move(parts));
  }
  return json;
}

void show_states(std::ostream& out, const flows::Differences::States& states, const char* indent) {
  for (const auto& [key, state] : states) {
    std::string word = data::to_string(state);
    word.resize(std::max<std::size_t>(word.size() + 1, 14), ' ');
    out << indent << word << key << "\n";
  }
}

void show(const flows::StageStatus& status, const Surroundings& surroundings) {
  std::ostream& out = surroundings.out;
  const flows::Differences& found = status.found;
  out << heading(status.owner, surroundings) << "\n";
  show_states(out, found.deps, "  input   ");
  for (const auto& [file, states] : found.params) {
    for (const auto& [key, state] : states) {
      show_states(out, {{file + ":" + key, state}}, "  param   ");
    }
  }
  show_states(out, found.outs, "  output  ");
  if (found.command) out << "  command modified\n";
  if (found.always) out << "  always runs\n";
}

void show(const Looked& looked, const Surroundings& surroundings) {
  if (surroundings.json) {
    surroundings.out << wire::dump(to_json(looked, surroundings.folder)) << "\n";
    return;
  }
  for (const flows::StageStatus& status : looked.all) show(status, surroundings);
  const bool is_whole = looked.passed_over.empty();
  if (looked.all.empty()) {
    surroundings.out << (is_whole ? "Data and pipelines are up to date.\n"
                                  : "Data is up to date.\n");
  }
}

struct Committed {
  std::vector<fs::path> files;
  bool staged = false;
};

Result<Committed> commit_all(data::Repository& repository, const data::CommitRequest& request) {
  Result<data::Added> added = data::commit(repository, request);
  if (!added.ok() && added.error().tag == "changed") {
    const std::string& owner = added.error().message;
    return with_tag(conflict(owner + " differs from what is recorded; -f records it as it is"),
                    "changed");
  }
  if (!added.ok()) return added.error();
  Committed done{std::move(added->files), added->staged};
  for (fs::path& file :
       TRY(flows::commit(repository, flows::StageCommit{request.targets, request.from,
                                                        request.force, request.relink}))) {
    done.files.push_back(std::move(file));
  }
  done.files = for_git(repository, done.files);
  return done;
}

/// Those of `files` that `git status` speaks of; nothing when git can't say.
std::optional<std::vector<fs::path>> changed_for_git(const git::WorkTree& tree,
                                                     const std::vector<fs::path>& files) {
  std::vector<std::string> arguments = {
      "--no-optional-locks", "--literal-pathspecs",   "status", "--porcelain=v1", "-z",
      "--no-renames",        "--untracked-files=all", "--"};
  for (const fs::path& file : files) arguments.push_back(file.string());
  Result<git::Outcome> status = git::run(tree.root(), arguments);
  if (!status.ok() || status->status != 0) return std::nullopt;
  std::set<fs::path> changed;
  constexpr std::size_t kBeforeName = 3;  // two letters and a blank
  for (std::string_view entry : split(status->out, '\0')) {
    if (entry.size() > kBeforeName)
      changed.insert(tree.root() / std::string(entry.substr(kBeforeName)));
  }
  std::vector<fs::path> kept;
  std::copy_if(files.begin(), files.end(), std::back_inserter(kept),
               [&](const fs::path& file) { return changed.contains(file); });
  return kept;
}

}  // namespace

std::vector<fs::path> for_git(const data::Repository& repository, std::vector<fs::path> files) {
  constexpr std::size_t kAskedMax = 1000;  // more do not fit a command line for sure
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  if (!repository.uses_git() || files.empty() || files.size() > kAskedMax) return files;
  std::optional<git::WorkTree> tree = git::WorkTree::find(repository.root());
  std::optional<std::vector<fs::path>> changed =
      tree ? changed_for_git(*tree, files) : std::nullopt;
  return changed ? *changed : files;
}

void say_for_git(const data::Repository& repository, const std::vector<fs::path>& files,
                 const Surroundings& surroundings) {
  if (files.empty() || !repository.uses_git()) return;
  surroundings.out << "\nFor git:";
  for (const fs::path& file : files)
    surroundings.out << " " << data::shown(file, surroundings.folder);
  surroundings.out << "\n";
}

int run_status(const Arguments& arguments, const Surroundings& surroundings) {
  Result<data::Repository> repository = data::Repository::open(surroundings.folder);
  if (!repository.ok()) return report(repository.error(), surroundings);
  Result<Looked> looked = look(*repository, arguments.positional, surroundings.folder);
  if (!looked.ok()) return report(looked.error(), surroundings);
  show(*looked, surroundings);
  for (const data::PassedOver& one : looked->passed_over)
    warn("passed over, no stage was looked at: " + one.error.message, surroundings);
  if (!looked->passed_over.empty()) return kCouldNotBeDone;
  return looked->all.empty() ? kDone : kAnswerIsNo;
}

int run_commit(const Arguments& arguments, const Surroundings& surroundings) {
  Result<data::Repository> repository = data::Repository::open(surroundings.folder);
  if (!repository.ok()) return report(repository.error(), surroundings);
  Result<Committed> done =
      commit_all(*repository, {arguments.positional, surroundings.folder, arguments.on("force"),
                               !arguments.on("no-relink")});
  if (!done.ok()) return report(done.error(), surroundings);
  if (!surroundings.json) {
    if (!done->staged) say_for_git(*repository, done->files, surroundings);
    return kDone;
  }
  Json::Array files;
  for (const fs::path& file : done->files)
    files.emplace_back(data::shown(file, surroundings.folder));
  Json json;
  json.set("files", std::move(files));
  json.set("staged", done->staged);
  surroundings.out << wire::dump(json) << "\n";
  return kDone;
}

}  // namespace slipway::app
