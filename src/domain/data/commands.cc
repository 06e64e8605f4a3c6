#include "domain/data/commands.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "domain/data/data_file.h"
#include "domain/data/lock_file.h"
#include "domain/data/place.h"
#include "domain/project/stage.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

fs::path absolute(const std::string& target, const fs::path& from) {
  fs::path path = (from / target).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

bool is_inside(const fs::path& inner, const fs::path& outer) {
  const std::string &in = inner.native(), &out = outer.native();
  return in.size() > out.size() && in.starts_with(out) && in[out.size()] == '/';
}

Result<> collect_data_file(const fs::path& file, const fs::path& from, std::vector<Tracked>& all) {
  DataFile read = TRY(DataFile::read(file));
  for (std::size_t i = 0; i < read.outs.size(); ++i) {
    const DataFile::Out& out = read.outs[i];
    fs::path path = absolute(out.record.path, read.folder());
    all.push_back(
        {shown(file, from), file, "", i, path, out.record.version, out.cache, out.persist});
  }
  return {};
}

Result<> collect_pipeline(const fs::path& file, const fs::path& from, const fs::path& root,
                          std::vector<Tracked>& all) {
  project::Pipeline pipeline = TRY(project::read_pipeline(file));
  fs::path lock_path = file;
  lock_path.replace_extension(".lock");
  LockFile lock = TRY(LockFile::read(lock_path));
  std::string prefix = file.parent_path() == from ? "" : shown(file, from) + ":";
  for (const project::Stage& stage : pipeline.stages) {
    const LockedStage* locked = lock.find(stage.name);
    for (std::size_t i = 0; i < stage.outs.size(); ++i) {
      const project::Output& out = stage.outs[i];
      Version version;
      if (locked != nullptr) {
        const std::string recorded = project::recorded_path(out.path, stage.folder(), root);
        for (const Record& record : locked->outs) {
          if (record.path == recorded) version = record.version;
        }
      }
      fs::path path = absolute(out.path, stage.folder());
      all.push_back(
          {prefix + stage.name, file, stage.name, i, path, version, out.cache, out.persist});
    }
  }
  return {};
}

bool fits(const Tracked& one, const std::string& target, const fs::path& path) {
  return one.owner == target || one.file == path || one.path == path || is_inside(one.path, path) ||
         is_inside(path, one.path);
}

/// What is known of a target of `add` before anything is written.
struct Addition {
  fs::path path;
  fs::path file;
  DataFile data;
  std::size_t out = 0;
  bool is_new = false;
};

Error overlap(const fs::path& added, const Tracked& other, const fs::path& from) {
  bool child = is_inside(added, other.path);
  std::string message = "cannot add '" + shown(added, from) + "': it overlaps with '" +
                        shown(other.path, from) + "' of " + other.owner;
  Error error = with_tag(conflict(message), child ? "overlap_child" : "overlap_parent");
  return error;
}

Result<Addition> prepare(const std::string& target, const AddRequest& request,
                         const Repository& repository, const std::vector<Tracked>& all) {
  Addition addition;
  addition.path = absolute(target, request.from);
  const fs::path& path = addition.path;
  if (path == repository.root() || !is_inside(path, repository.root())) {
    return with_tag(
        invalid("'" + target + "' does not lie in the project " + repository.root().string()),
        "outside");
  }
  if (path == repository.dvc_folder() || is_inside(path, repository.dvc_folder())) {
    return with_tag(invalid("'" + target + "' lies in the project's own .dvc folder"),
                    "inside_dvc");
  }
  if (project::is_stage_file_name(path.filename().string())) {
    return with_tag(invalid("DVC file '" + target + "' cannot be an output"), "stage_file");
  }
  std::error_code failure;
  fs::path below = path.parent_path().lexically_relative(repository.root());
  fs::path expected = (fs::weakly_canonical(repository.root(), failure) / below).lexically_normal();
  if (!expected.has_filename()) expected = expected.parent_path();
  if (fs::weakly_canonical(path.parent_path(), failure) != expected) {
    return with_tag(invalid("'" + target + "' lies below a symbolic link"), "symlink");
  }
  for (const Tracked& one : all) {
    if (one.path == path && !one.stage.empty()) {
      return with_tag(conflict(one.owner), "pipeline_output");
    }
    if (one.path == path) {
      addition.file = one.file;
      addition.data = TRY(DataFile::read(one.file));
      addition.out = one.index;
      return addition;
    }
    if (is_inside(path, one.path) || is_inside(one.path, path))
      return overlap(path, one, request.from);
  }
  addition.is_new = true;
  addition.file = path;
  addition.file += ".dvc";
  addition.data.file = addition.file;
  addition.data.outs.emplace_back();
  addition.data.outs[0].record.path = path.filename().string();
  return addition;
}

Result<Version> record(Repository& repository, const fs::path& path, bool store, bool relink) {
  if (store) return repository.save(path, relink);
  std::optional<Version> version = TRY(repository.version_of(path));
  if (!version) return missing(path.string() + " does not exist");
  return *version;
}

Result<> finish(Repository& repository, Added& added) {
  repository.flush();
  std::sort(added.files.begin(), added.files.end());
  added.files.erase(std::unique(added.files.begin(), added.files.end()), added.files.end());
  added.staged = TRY(repository.autostage(added.files));
  return {};
}

Result<> add_one(Repository& repository, const AddRequest& request, Addition& addition,
                 Added& added) {
  std::error_code failure;
  bool exists = fs::exists(addition.path, failure);
  if (!exists || repository.is_ignored(addition.path, fs::is_directory(addition.path, failure))) {
    return with_tag(missing("'" + shown(addition.path, request.from) + "' does not exist"),
                    "no_output");
  }
  std::optional<fs::path> gitignore = TRY(repository.ignore(addition.path));
  Result<Version> version = record(repository, addition.path, request.store, request.relink);
  if (!version.ok()) {
    if (gitignore) TRY(repository.unignore(addition.path));
    return version.error();
  }
  addition.data.outs[addition.out].record.version = *version;
  TRY(addition.data.write(repository.scratch()));
  if (gitignore) added.files.push_back(*gitignore);
  added.files.push_back(addition.file);
  return {};
}

}  // namespace

std::string shown(const fs::path& path, const fs::path& from) {
  std::string relative = path.lexically_relative(from).string();
  return relative.empty() ? path.string() : relative;
}

Result<std::vector<Tracked>> tracked(const Repository& repository, const fs::path& from,
                                     std::vector<PassedOver>* passed_over) {
  Repository::StageFiles files = TRY(repository.stage_files());
  std::vector<Tracked> all;
  for (const fs::path& file : files.single) TRY(collect_data_file(file, from, all));
  for (const fs::path& file : files.pipelines) {
    Result<> collected = collect_pipeline(file, from, repository.root(), all);
    if (collected.ok()) continue;
    if (passed_over == nullptr || collected.error().tag != "unsupported") return collected.error();
    passed_over->push_back({file, collected.error()});
  }
  return all;
}

namespace {

Error no_target(const std::string& target, const std::vector<Tracked>& all, const fs::path& from) {
  std::vector<std::string> known;
  for (const Tracked& one : all) {
    known.push_back(one.owner);
    known.push_back(shown(one.path, from));
  }
  std::string message = "nothing that is tracked is called '" + target + "'";
  if (auto near = nearest(target, known)) message += "; did you mean '" + *near + "'?";
  return with_tag(missing(message), "no_target");
}

}  // namespace

Result<std::vector<Tracked>> select(const std::vector<Tracked>& all,
                                    const std::vector<std::string>& targets, const fs::path& from) {
  if (targets.empty()) return all;
  std::set<std::size_t> chosen;
  for (const std::string& target : targets) {
    fs::path path = absolute(target, from);
    bool any = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!fits(all[i], target, path)) continue;
      chosen.insert(i);
      any = true;
    }
    if (!any) return no_target(target, all, from);
  }
  std::vector<Tracked> result;
  for (std::size_t i : chosen) result.push_back(all[i]);
  return result;
}

namespace {

Result<std::vector<Tracked>> chosen_of(Repository& repository,
                                       const std::vector<std::string>& targets,
                                       const fs::path& from,
                                       std::vector<PassedOver>* passed_over = nullptr) {
  std::vector<Tracked> all = TRY(tracked(repository, from, passed_over));
  Result<std::vector<Tracked>> chosen = select(all, targets, from);
  if (passed_over == nullptr || passed_over->empty()) return chosen;
  if (!chosen.ok() || chosen->empty()) return passed_over->front().error;  // it may be there
  std::erase_if(*passed_over, [&](const PassedOver& one) {
    return !targets.empty() &&
           std::none_of(targets.begin(), targets.end(), [&](const std::string& target) {
             fs::path path = absolute(target, from);
             return one.file == path || is_inside(one.file, path);
           });
  });
  return chosen;
}

}  // namespace

Result<Added> add(Repository& repository, const AddRequest& request) {
  RepositoryLock lock = TRY(repository.lock());
  std::vector<Tracked> all = TRY(tracked(repository, request.from));
  std::vector<Addition> additions;
  std::vector<fs::path> writes;
  for (const std::string& target : request.targets) {
    Addition addition = TRY(prepare(target, request, repository, all));
    bool twice = std::any_of(additions.begin(), additions.end(),
                             [&](const Addition& other) { return other.path == addition.path; });
    if (twice) continue;
    for (const Addition& other : additions) {
      if (is_inside(addition.path, other.path) || is_inside(other.path, addition.path)) {
        Tracked already{
            shown(other.file, request.from), other.file, "", 0, other.path, {}, true, false};
        return overlap(addition.path, already, request.from);
      }
    }
    writes.push_back(addition.path);
    additions.push_back(std::move(addition));
  }
  PathsLock claim = TRY(repository.lock_paths("slipway add", {}, writes));
  Added added;
  for (Addition& addition : additions) TRY(add_one(repository, request, addition, added));
  TRY(finish(repository, added));
  return added;
}

Result<std::vector<OwnerStatus>> status(Repository& repository,
                                        const std::vector<std::string>& targets,
                                        const fs::path& from,
                                        std::vector<PassedOver>* passed_over) {
  RepositoryLock lock = TRY(repository.lock());
  std::vector<Tracked> chosen = TRY(chosen_of(repository, targets, from, passed_over));
  std::vector<OwnerStatus> result;
  std::set<fs::path> deps_done;
  for (const Tracked& one : chosen) {
    if (!one.stage.empty()) continue;
    OwnerStatus fresh{one.owner, {}, {}, false};
    if (deps_done.insert(one.file).second) {
      DataFile data = TRY(DataFile::read(one.file));
      for (const Record& dep : data.deps) {
        if (dep.version.md5.empty() || data.frozen || dep.path.find("://") != std::string::npos)
          continue;
        fs::path path = absolute(dep.path, data.folder());
        State state = TRY(repository.state_of(path, dep.version, false));
        if (state != State::kSame) fresh.deps.emplace_back(path, state);
      }
      fresh.always_changed = data.always_changed;
    }
    State state = TRY(repository.state_of(one.path, one.version, one.cache));
    if (state != State::kSame) fresh.outs.emplace_back(one.path, state);
    if (fresh.deps.empty() && fresh.outs.empty() && !fresh.always_changed) continue;
    if (!result.empty() && result.back().owner == one.owner) {
      result.back().outs.insert(result.back().outs.end(), fresh.outs.begin(), fresh.outs.end());
    } else {
      result.push_back(std::move(fresh));
    }
  }
  repository.flush();
  return result;
}

Result<bool> can_do_without_stages(const Repository& repository,
                                   const std::vector<std::string>& targets, const fs::path& from) {
  std::vector<PassedOver> passed_over;
  std::vector<Tracked> all = TRY(tracked(repository, from, &passed_over));
  if (passed_over.empty()) return false;
  Result<std::vector<Tracked>> chosen = select(all, targets, from);
  auto is_data = [](const Tracked& one) { return one.stage.empty(); };
  if (!chosen.ok()) return false;
  return targets.empty() ? std::any_of(chosen->begin(), chosen->end(), is_data)
                         : std::all_of(chosen->begin(), chosen->end(), is_data);
}

Result<CheckedOut> checkout(Repository& repository, const CheckoutRequest& request) {
  RepositoryLock lock = TRY(repository.lock());
  CheckedOut result;
  std::vector<Tracked> chosen =
      TRY(chosen_of(repository, request.targets, request.from, &result.passed_over));
  std::erase_if(chosen, [](const Tracked& one) { return !one.cache; });
  std::vector<fs::path> writes;
  for (const Tracked& one : chosen) writes.push_back(one.path);
  PathsLock claim = TRY(repository.lock_paths("slipway checkout", {}, writes));
  std::vector<Repository::CheckoutPlan> plans;
  std::string unsaved;
  for (const Tracked& one : chosen) {
    Result<Repository::CheckoutPlan> plan =
        repository.plan_checkout(one.path, one.version, request.relink);
    if (!plan.ok() && plan.error().tag == "bad_place")
      return with_context(one.owner + ", nothing was checked out", plan.error());
    plans.push_back(TRY(std::move(plan)));
    for (const fs::path& path : plans.back().unsaved) unsaved += "\n" + path.string();
  }
  if (!unsaved.empty() && !request.force) {
    return with_tag(
        conflict("these have changes that are saved nowhere; use --force to lose them:" + unsaved),
        "unsaved");
  }
  for (const Repository::CheckoutPlan& plan : plans) {
    if (!plan.missing.empty())
      result.failed.push_back(plan.path);
    else
      TRY(repository.apply(plan, &result.changes));
  }
  repository.flush();
  return result;
}

Result<Added> commit(Repository& repository, const CommitRequest& request) {
  RepositoryLock lock = TRY(repository.lock());
  std::vector<Tracked> chosen = TRY(chosen_of(repository, request.targets, request.from));
  std::erase_if(chosen, [](const Tracked& one) { return !one.stage.empty(); });
  std::vector<fs::path> writes;
  for (const Tracked& one : chosen) writes.push_back(one.path);
  PathsLock claim = TRY(repository.lock_paths("slipway commit", {}, writes));
  Added added;
  for (const Tracked& one : chosen) {
    Result<> place = one.cache ? check_place(repository.root(), one.path) : Result<>();
    if (!place.ok()) return with_context(one.owner, place.error());
    State state = TRY(repository.state_of(one.path, one.version, false));
    if (state != State::kSame && !request.force) return with_tag(conflict(one.owner), "changed");
    DataFile data = TRY(DataFile::read(one.file));
    std::optional<fs::path> gitignore;
    if (one.cache && state != State::kDeleted) gitignore = TRY(repository.ignore(one.path));
    data.outs[one.index].record.version =
        TRY(record(repository, one.path, one.cache, request.relink));
    TRY(data.write(repository.scratch()));
    if (gitignore) added.files.push_back(*gitignore);
    added.files.push_back(one.file);
  }
  TRY(finish(repository, added));
  return added;
}

}  // namespace slipway::data
