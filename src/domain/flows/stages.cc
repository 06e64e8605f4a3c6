#include "domain/flows/stages.h"

#include <algorithm>
#include <set>

#include "domain/data/commands.h"
#include "domain/flows/engine.h"
#include "domain/flows/record.h"
#include "domain/flows/run_cache.h"
#include "domain/flows/steps.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

struct Chosen {
  std::size_t step = 0;
  fs::path only_out;  // empty: the whole stage
};

/// Stages that the targets name, in their order; all when there are none.
Result<std::vector<Chosen>> choose(const Steps& steps, const std::vector<std::string>& targets) {
  std::vector<Chosen> chosen;
  for (std::size_t i = 0; targets.empty() && i < steps.all().size(); ++i) chosen.push_back({i, {}});
  for (const std::string& target : targets) {
    Result<std::vector<std::size_t>> found = steps.find(target, false, false);
    if (!found.ok() && found.error().tag != "no_target") return found.error();
    if (!found.ok()) continue;
    fs::path path = (steps.from() / target).lexically_normal();
    for (std::size_t i : *found) {
      const std::vector<StepOut>& outs = steps.all()[i].outs;
      bool is_out = std::any_of(outs.begin(), outs.end(),
                                [&](const StepOut& out) { return out.absolute == path; });
      chosen.push_back({i, is_out ? path : fs::path()});
    }
  }
  std::erase_if(chosen, [&](const Chosen& one) { return steps.all()[one.step].is_data; });
  return chosen;
}

}  // namespace

Result<std::vector<StageStatus>> status(data::Repository& repository,
                                        const std::vector<std::string>& targets,
                                        const fs::path& from) {
  data::RepositoryLock lock = TRY(repository.lock());
  Steps steps = TRY(Steps::load(repository, from));
  if (targets.empty()) TRY(steps.graph());  // bad pipelines are said here already
  ParamsFiles params;
  std::vector<StageStatus> result;
  for (const Chosen& chosen : TRY(choose(steps, targets))) {
    Step step = steps.all()[chosen.step];
    if (!chosen.only_out.empty()) {
      std::erase_if(step.outs, [&](const StepOut& out) { return out.absolute != chosen.only_out; });
    }
    Differences found = TRY(differences(repository, step, params, from, {}));
    if (found.any()) result.push_back({step.name, std::move(found), step.frozen});
  }
  repository.flush();
  return result;
}

Result<std::vector<fs::path>> commit(data::Repository& repository, const StageCommit& request) {
  data::RepositoryLock lock = TRY(repository.lock());
  repository.sync_later();
  Steps steps = TRY(Steps::load(repository, request.from));
  RunCache run_cache(repository.cache().run_cache(), repository.scratch());
  ParamsFiles params;
  LockFiles lock_files;
  std::vector<data::Repository::IgnoreLine> outs;
  std::vector<data::LockedStage> remembered;
  std::size_t place = 0;
  for (const Chosen& chosen : TRY(choose(steps, request.targets))) {
    const Step& step = steps.all()[chosen.step];
    Differences found = TRY(differences(repository, step, params, request.from, {}));
    auto counts = [](const auto& state) { return state.second != data::State::kNotInCache; };
    bool changed = found.command || !found.deps.empty() || !found.params.empty() ||
                   std::any_of(found.outs.begin(), found.outs.end(), counts);
    if (changed && !request.force) {
      Error error = conflict("unable to commit changed stage: '" + step.name +
                             "'. Use `-f|--force` to force.");
      error.tag = "changed";
      return error;
    }
    std::vector<fs::path> writes;
    for (const StepOut& out : step.outs) writes.push_back(out.absolute);
    data::PathsLock claim = TRY(repository.lock_paths("slipway commit", {}, writes));
    data::LockedStage locked = TRY(inputs_now(repository, step, params, request.from));
    bool remember = (changed || request.force) && is_rememberable(step, repository.root());
    TRY(save_outs(repository, step, locked, {true, request.relink, remember, false}, request.from));
    for (const StepOut& out : step.outs) {
      if (out.cache) outs.push_back({out.absolute});
    }
    if (remember) remembered.push_back(locked);
    lock_files.put(step.file, step.stage.name, std::move(locked), place++);
  }
  TRY(repository.sync());
  for (const data::LockedStage& locked : remembered) TRY(run_cache.save(locked));
  std::vector<fs::path> files = TRY(repository.ignore_all(outs)).files;
  for (const LockFiles::Written& written : TRY(lock_files.write(repository.scratch()))) {
    files.push_back(written.file);
  }
  repository.flush();
  return files;
}

}  // namespace slipway::flows
