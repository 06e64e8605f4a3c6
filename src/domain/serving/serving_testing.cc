#include "domain/serving/serving_testing.h"

#include "base/file.h"
#include "base/function_testing.h"

namespace slipway::serving {

std::string FolderSource::add(const std::string& model, const std::filesystem::path& folder,
                              bool production) {
  return state_.with([&](State& state) {
    KnownModel& known = state.models[model];
    known.name = model;
    KnownVersion& version = known.versions.emplace_back();
    version.version = std::to_string(known.versions.size());
    version.production = production;
    version.source = "source-" + std::to_string(++state.sources);
    state.folders[version.source] = folder;
    return version.version;
  });
}

void FolderSource::alias(const std::string& model, const std::string& alias,
                         const std::string& version) {
  state_.with([&](State& state) { state.models[model].aliases[alias] = version; });
}

void FolderSource::remove(const std::string& model) {
  state_.with([&](State& state) { state.models.erase(model); });
}

void FolderSource::break_down(bool broken) {
  state_.with([&](State& state) { state.broken = broken; });
}

int FolderSource::looks() const {
  return state_.with([](const State& state) { return state.looks; });
}

int FolderSource::reads() const {
  return state_.with([](const State& state) { return state.reads; });
}

Result<std::vector<KnownModel>> FolderSource::models() {
  return state_.with([](State& state) -> Result<std::vector<KnownModel>> {
    ++state.looks;
    if (state.broken) return unavailable("the disk is gone");
    std::vector<KnownModel> models;
    for (const auto& [name, model] : state.models) models.push_back(model);
    return models;
  });
}

Result<std::string> FolderSource::file(const std::string& model, const std::string& version,
                                       const std::string& path, std::uint64_t bytes_max) {
  std::filesystem::path folder;
  bool broken = false;
  state_.with([&](State& state) {
    ++state.reads;
    broken = state.broken;
    for (const KnownVersion& known : state.models[model].versions) {
      if (known.version == version) folder = state.folders[known.source];
    }
  });
  if (broken) return unavailable("the disk is gone");
  auto content = read_file(folder / path, bytes_max);
  if (!content.ok() && content.error().code == Code::kInvalid)
    return with_tag(std::move(content.error()), "too_large");
  return content;
}

Result<Loaded> find_now(Serving& serving, const std::string& model, const std::string& version) {
  return wait_for<Loaded>(
      [&](Done<Loaded> done) { serving.find_later(model, version, std::move(done)); });
}

std::filesystem::path scoring_models() {
  return std::filesystem::path("tests/data/scoring");
}

}  // namespace slipway::serving
