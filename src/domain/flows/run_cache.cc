#include "domain/flows/run_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "io/yaml/yaml.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kEntryBytesMax = 16u << 20;

fs::path folder_of(const fs::path& runs, const std::string& key) {
  return runs / key.substr(0, 2) / key;
}

/// The entry that was written last; empty without one.
fs::path newest(const fs::path& folder) {
  fs::path found;
  timespec at{};
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure)) {
    struct stat status {};
    bool is_growing = entry.path().has_extension();  // by another program, which may have died
    if (is_growing || stat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode))
      continue;
    const timespec& time = status.st_mtim;
    bool later = time.tv_sec != at.tv_sec ? time.tv_sec > at.tv_sec : time.tv_nsec > at.tv_nsec;
    if (!found.empty() && !later) continue;
    found = entry.path();
    at = time;
  }
  return found;
}

Result<data::LockedStage> read_entry(const fs::path& file) {
  std::string text = TRY(read_file(file, kEntryBytesMax));
  yaml::Node node = TRY(yaml::parse(text, file.filename().string()));
  data::LockedStage locked = TRY(data::LockedStage::from_node(node, file.filename().string()));
  for (const data::Record& out : locked.outs) {
    if (!data::is_digest(out.version.md5)) return invalid("an output has no MD5");
  }
  return locked;
}

bool same_paths(const std::vector<data::Record>& a, const std::vector<data::Record>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const data::Record& one, const data::Record& other) { return one.path == other.path; });
}

/// Nothing when parameters have no form in JSON.
Result<std::optional<data::RunCacheKey>> key_of(const data::LockedStage& locked) {
  Result<data::RunCacheKey> key = data::run_cache_key(locked);
  if (key.ok()) return std::optional<data::RunCacheKey>(std::move(*key));
  if (key.error().tag == "no_json") return std::optional<data::RunCacheKey>();
  return key.error();
}

}  // namespace

bool is_rememberable(const Step& step, const fs::path& root) {
  if (step.is_data || step.always_changed || step.is_callback()) return false;
  if (step.stage.commands.empty() || step.outs.empty()) return false;
  if (step.deps.empty() && step.params.empty()) return false;
  return std::all_of(step.outs.begin(), step.outs.end(), [&](const StepOut& out) {
    return !out.persist && out.absolute.native().starts_with(root.native() + "/");
  });
}

Result<std::optional<data::LockedStage>> RunCache::find(const data::LockedStage& inputs) const {
  std::optional<data::LockedStage> nothing;
  std::optional<data::RunCacheKey> key = TRY(key_of(inputs));
  if (!key) return nothing;
  fs::path file = newest(folder_of(folder_, key->key));
  if (file.empty()) return nothing;
  Result<data::LockedStage> entry = read_entry(file);
  if (!entry.ok()) {
    unlink(file.c_str());
    return nothing;
  }
  entry->normalize();
  if (!same_paths(entry->outs, inputs.outs)) return nothing;
  return std::optional<data::LockedStage>(std::move(*entry));
}

Result<> RunCache::save(const data::LockedStage& locked) const {
  std::optional<data::RunCacheKey> key = TRY(key_of(locked));
  if (!key) return {};
  fs::path folder = folder_of(folder_, key->key);
  fs::path file = folder / key->value;
  if (Result<data::LockedStage> there = read_entry(file); there.ok()) return {};
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) return system_error("cannot create " + folder.string(), failure.value());
  return replace_file(file, yaml::emit(locked.to_node()), {.durable = false, .scratch = scratch_});
}

}  // namespace slipway::flows
