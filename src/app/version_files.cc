#include "app/version_files.h"

#include <algorithm>
#include <set>

#include "dialects/mlflow/artifact_path.h"
#include "domain/registry/registry.h"
#include "domain/registry/removal.h"
#include "domain/registry/rows.h"

namespace slipway::app {
namespace {

bool is_below(std::string_view inner, std::string_view folder) {
  if (folder.empty() || inner == folder) return true;
  return inner.size() > folder.size() && inner.starts_with(folder) && inner[folder.size()] == '/';
}

Result<std::optional<registry::rows::VersionRow>> find_version(db::Tx& tx, const std::string& model,
                                                               std::int64_t number) {
  auto row = registry::rows::find_version(tx, model, number);
  if (!row.ok() && row.error().code == Code::kMissing)
    return std::optional<registry::rows::VersionRow>();
  return std::optional(TRY(std::move(row)));
}

/// Whether the key has to do with files that the version's rollout saw. Where nothing was recorded
/// all that is in its folder counts.
Result<bool> touches(db::Tx& tx, const std::string& key, const std::string& folder,
                     const registry::rows::VersionRow& version, const std::string& model) {
  if (is_below(folder, key)) return true;
  if (!is_below(key, folder)) return false;
  const auto files =
      TRY(delivery::version_files(tx, model, version.number, version.created_ms));
  const std::string path = folder.empty() ? key : key.substr(folder.size() + 1);
  return files.empty() || std::any_of(files.begin(), files.end(), [&](const auto& file) {
           return is_below(file.path, path);
         });
}

Error held(const std::string& key, const std::string& version, const std::string& why) {
  return Error{Code::kConflict,
               "'" + key + "' can't be deleted: version " + version +
                   " of a registered model has its files there, and " + why +
                   ". For them to be deleted nevertheless, set the version's tag '" +
                   registry::kReleaseTag + "' to '" + version + "' and ask again.",
               "held"};
}

/// The rollout by which it serves began before the version that has its number now was made, and
/// what it saw was another one's.
Result<bool> is_made_anew(db::Tx& tx, const delivery::Deployment& deployment,
                          const registry::rows::VersionRow& version) {
  const auto others = TRY(tx.one<std::int64_t>(
      "select count(*) from version_files where model = ? and version = ? and made_ms <> ?",
      deployment.model, version.number, version.created_ms));
  if (others.value_or(0) == 0) return false;
  const auto asked = TRY(tx.one<std::int64_t>(
      "select coalesce(max(created_ms), 0) from rollouts where deployment = ? and version = ? and "
      "phase in ('promoting', 'live')",
      deployment.name, version.number));
  return asked.value_or(0) < version.created_ms;
}

Result<std::optional<LiveVersion>> live_version(db::Tx& tx, const delivery::Deployment& d) {
  if (d.stable == 0) return std::optional<LiveVersion>();
  const auto row = TRY(find_version(tx, d.model, d.stable));
  if (!row) return std::optional<LiveVersion>();
  LiveVersion live{d.name, d.model, d.stable, row->created_ms, {}, {}, false};
  live.made_anew = TRY(is_made_anew(tx, d, *row));
  if (live.made_anew) return std::optional(std::move(live));
  Result<std::string> key = mlflow::artifact_key(row->location);
  if (!key.ok()) return std::optional<LiveVersion>();
  live.folder = std::move(*key);
  live.files = TRY(delivery::version_files(tx, d.model, d.stable, row->created_ms));
  return std::optional(std::move(live));
}

}  // namespace

Result<> check_may_remove(db::Tx& tx, const std::string& key) {
  std::set<std::string> models;
  for (const delivery::Deployment& d : TRY(delivery::deployments(tx))) models.insert(d.model);
  for (const std::string& model : models) {
    for (const delivery::Needed& needed : TRY(delivery::needed_versions(tx, model))) {
      const auto row = TRY(find_version(tx, model, needed.version));
      if (!row) continue;
      const Result<std::string> folder = mlflow::artifact_key(row->location);
      if (!folder.ok() || !TRY(touches(tx, key, *folder, *row, model))) continue;
      if (TRY(registry::is_released(tx, model, needed.version)) == true) continue;
      return held(key, model + "/" + std::to_string(needed.version), delivery::to_words(needed));
    }
  }
  return {};
}

Result<std::map<std::string, LiveVersion>> live_versions(db::Tx& tx) {
  std::map<std::string, LiveVersion> live;
  for (const delivery::Deployment& d : TRY(delivery::deployments(tx)))
    if (auto found = TRY(live_version(tx, d))) live.emplace(d.name, std::move(*found));
  return live;
}

std::vector<std::string> lost_files(blob::Blobs& blobs, const LiveVersion& version) {
  std::vector<std::string> lost;
  for (const delivery::RecordedFile& file : version.files) {
    const auto found = blobs.find(mlflow::below(version.folder, file.path));
    if (!found.ok()) continue;
    const bool is_there = *found && !(*found)->is_folder &&
                          (*found)->bytes == static_cast<std::uint64_t>(file.bytes);
    if (!is_there) lost.push_back(file.path);
  }
  return lost;
}

std::vector<std::string> LiveFiles::lost(const LiveVersion& version) {
  const UnixMs now = clock_.now_ms();
  const UnixMs every = std::chrono::milliseconds(kLookEvery).count();
  const auto known = looks_.with([&](const auto& looks) -> std::optional<std::vector<std::string>> {
    const auto found = looks.find(version.deployment);
    if (found == looks.end()) return std::nullopt;
    const Look& look = found->second;
    const bool is_fresh = look.looked_ms <= now && now - look.looked_ms < every;
    const bool is_same = look.model == version.model && look.number == version.number &&
                         look.made_ms == version.made_ms;
    if (!is_fresh || !is_same) return std::nullopt;
    return look.lost;
  });
  if (known) return *known;
  std::vector<std::string> lost = lost_files(blobs_, version);
  looks_.with([&](auto& looks) {
    looks[version.deployment] = {version.model, version.number, version.made_ms, now, lost};
  });
  return lost;
}

}  // namespace slipway::app
