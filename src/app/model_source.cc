#include "app/model_source.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "dialects/mlflow/artifact_path.h"
#include "domain/delivery/store.h"

namespace slipway::app {
namespace {

serving::KnownModel to_known(const registry::KnownModel& model) {
  serving::KnownModel known;
  known.name = model.name;
  for (const registry::KnownVersion& version : model.versions) {
    known.versions.push_back({std::to_string(version.number),
                              version.stage == registry::Stage::kProduction,
                              version.location + "#" + std::to_string(version.created_ms)});
  }
  for (const auto& [alias, number] : model.aliases) known.aliases[alias] = std::to_string(number);
  return known;
}

Result<std::string> read_whole(blob::Reader& reader, std::uint64_t bytes_max,
                               const std::string& key) {
  if (reader.size() > bytes_max) {
    return with_tag(invalid("'" + key + "' has " + std::to_string(reader.size()) +
                            " bytes; at most " + std::to_string(bytes_max) + " are loaded"),
                    "too_large");
  }
  std::string content(static_cast<std::size_t>(reader.size()), '\0');
  for (std::size_t filled = 0; filled < content.size();) {
    std::size_t got = TRY(reader.read(std::span(content).subspan(filled)));
    if (got == 0) return unavailable("'" + key + "' became shorter while it was read");
    filled += got;
  }
  return content;
}

/// A version whose number is that of one that was deleted with its model: gates and rollouts were
/// the other's.
Error made_anew(const std::string& model, std::int64_t version) {
  const std::string number = std::to_string(version);
  return Error{Code::kInvalid,
               "version " + number + " of model " + model +
                   " was registered anew after the one that its rollout was about was deleted, and "
                   "has been through no gate; register one more, which has a number of its own",
               "changed"};
}

/// Without a record the version has no rollout.
Result<> check_recorded(const std::vector<delivery::RecordedFile>& recorded,
                        const registry::Version& version, const std::string& path,
                        const std::string& content) {
  if (recorded.empty()) return {};
  const auto found = std::find_if(recorded.begin(), recorded.end(),
                                  [&](const auto& file) { return file.path == path; });
  const std::string now = sha256_hex(content);
  if (found != recorded.end() && found->sha256 == now) return {};
  const std::string what = "file '" + path + "' of version " + std::to_string(version.number) +
                           " of model " + version.model;
  const std::string why =
      found == recorded.end()
          ? what + " was not there when its rollout was asked for"
          : what + " has changed since its rollout was asked for: its SHA-256 is " +
                now.substr(0, 12) + "..., it was " + found->sha256.substr(0, 12) + "...";
  return Error{Code::kInvalid, why + "; put back what was there, or register a new version",
               "changed"};
}

}  // namespace

Result<std::vector<serving::KnownModel>> RegistrySource::models() {
  std::vector<registry::KnownModel> all = TRY(registry_.known());
  std::vector<serving::KnownModel> known;
  std::transform(all.begin(), all.end(), std::back_inserter(known), to_known);
  return known;
}

Result<std::string> RegistrySource::file(const std::string& model, const std::string& version,
                                         const std::string& path, std::uint64_t bytes_max) {
  std::optional<std::int64_t> number = to_int64(version);
  if (!number) return missing("model '" + model + "' has no version '" + version + "'");
  registry::Version found = TRY(registry_.version(model, *number));
  auto folder = mlflow::artifact_key(found.location);
  if (!folder.ok()) return with_tag(std::move(folder.error()), "not_servable");
  std::string key = mlflow::below(*folder, path);
  std::unique_ptr<blob::Reader> reader = TRY(blobs_.open(key));
  std::string content = TRY(read_whole(*reader, bytes_max, key));
  const auto recorded =
      TRY(pool_.read([&](db::Tx& tx) -> Result<std::vector<delivery::RecordedFile>> {
        auto files = TRY(delivery::version_files(tx, model, *number, found.created_ms));
        if (files.empty() && TRY(delivery::was_recorded(tx, model, *number)))
          return made_anew(model, *number);
        return files;
      }));
  TRY(check_recorded(recorded, found, path, content));
  return content;
}

}  // namespace slipway::app
