#include "domain/flows/tracked.h"

#include "domain/data/commands.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

TrackedData tracked(const Step& step, const fs::path& root, const fs::path& path,
                    const data::Version& version) {
  fs::path by = step.is_data ? step.file : lock_path_of(step.file);
  return {data::shown(path, root), version, data::shown(by, root)};
}

/// The first that `is_meant(path, version)`.
template <class Meant>
std::optional<TrackedData> first_recorded(const Steps& steps, const fs::path& root,
                                          Meant is_meant) {
  for (const Step& step : steps.all()) {
    for (const StepOut& out : step.outs) {
      if (is_meant(out.absolute, out.recorded))
        return tracked(step, root, out.absolute, out.recorded);
    }
  }
  for (const Step& step : steps.all()) {
    for (const StepDep& dep : step.deps) {
      if (is_meant(dep.absolute, dep.recorded))
        return tracked(step, root, dep.absolute, dep.recorded);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<TrackedData> tracked_at(const Steps& steps, const fs::path& root,
                                      const fs::path& path) {
  fs::path wanted = path.lexically_normal();
  if (!wanted.has_filename()) wanted = wanted.parent_path();  // "folder/"
  return first_recorded(steps, root, [&](const fs::path& at, const data::Version& version) {
    return !version.md5.empty() && (at.has_filename() ? at : at.parent_path()) == wanted;
  });
}

std::optional<TrackedData> tracked_as(const Steps& steps, const fs::path& root,
                                      std::string_view md5) {
  return first_recorded(steps, root, [&](const fs::path&, const data::Version& version) {
    return version.md5 == md5;
  });
}

}  // namespace slipway::flows
