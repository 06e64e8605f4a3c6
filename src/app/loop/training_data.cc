#include "app/loop/training_data.h"

#include <algorithm>

#include "app/loop/cached_data.h"
#include "app/project.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/log.h"
#include "domain/checks/facts.h"
#include "domain/checks/plan.h"
#include "domain/evidence/explain.h"
#include "graph/kinds.h"
#include "io/table/table.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using wire::Json;

constexpr std::size_t kTreeBytesMax = 8u << 20;  // of the listing of a folder

/// A table that a version's attempts read.
struct Candidate {
  std::string path, md5;  // of the data version: a file, or a folder with ".dir"
};

bool is_table(const std::string& path) {
  for (const char* end : {".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet"})
    if (path.ends_with(end)) return true;
  return false;
}

/// The bytes under a name that says their format; gone with this object.
class NamedFile {
 public:
  static Result<NamedFile> make(const fs::path& scratch, const fs::path& target,
                                const std::string& path) {
    NamedFile file;
    file.folder_ = scratch / ("profile-" + random_hex32());
    std::error_code failed;
    fs::create_directories(file.folder_, failed);
    file.path_ = file.folder_ / fs::path(path).filename();
    if (!failed) fs::create_symlink(fs::absolute(target), file.path_, failed);
    if (failed) return system_error("cannot link " + file.path_.string(), failed.value());
    return file;
  }
  ~NamedFile() {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  NamedFile(NamedFile&& other) noexcept
      : folder_(std::move(other.folder_)), path_(std::move(other.path_)) {
    other.folder_.clear();
  }
  const fs::path& path() const { return path_; }

 private:
  NamedFile() = default;
  fs::path folder_, path_;
};

/// The place of the contract that is bound to a path, in the order of slipway.yaml.
std::size_t place_of_contract(const project::ProjectFile& file, const std::string& path) {
  const project::ContractBinding* binding = file.find_contract(path);
  return binding == nullptr ? file.contracts.size()
                            : static_cast<std::size_t>(binding - file.contracts.data());
}

/// What the attempts behind a version read, the nearest first; of one attempt in the order in which
/// contracts are declared.
Result<std::vector<Candidate>> tables_behind(db::Tx& tx, const graph::NodeRef& version,
                                             const project::ProjectFile& file) {
  std::vector<Candidate> all;
  const Result<graph::Closure> origin = evidence::explain(tx, version, graph::Direction::kToCauses);
  if (!origin.ok() && origin.error().code == Code::kMissing) return all;
  if (!origin.ok()) return origin.error();
  for (const graph::Node& node : origin->nodes) {
    if (node.ref.kind != graph::kind::kAttempt) continue;
    const auto first = static_cast<std::ptrdiff_t>(all.size());
    for (const graph::Edge& edge : origin->edges) {
      if (edge.effect != node.ref || edge.relation != graph::relation::kUsed ||
          edge.cause.kind != graph::kind::kData)
        continue;
      const Json* path = edge.attributes.find("path");
      if (path != nullptr && path->is_string()) all.push_back({path->as_string(), edge.cause.id});
    }
    std::stable_sort(all.begin() + first, all.end(), [&](const Candidate& a, const Candidate& b) {
      return place_of_contract(file, a.path) < place_of_contract(file, b.path);
    });
  }
  return all;
}

/// The files of a folder's listing that are tables, the largest first.
Result<std::vector<Candidate>> tables_in(const TrainingWorld& world, const Candidate& folder) {
  std::vector<Candidate> all;
  const auto listing = cached_data(world.state, folder.md5);
  if (!listing) return all;
  const Json entries = TRY(wire::parse(TRY(read_file(*listing, kTreeBytesMax))));
  std::vector<std::pair<std::uintmax_t, Candidate>> sized;
  if (!entries.is_array()) return all;
  for (const Json& entry : entries.as_array()) {
    const Json* md5 = entry.find("md5");
    const Json* path = entry.find("relpath");
    if (md5 == nullptr || path == nullptr || !md5->is_string() || !path->is_string()) continue;
    if (!is_table(path->as_string())) continue;
    const auto object = cached_data(world.state, md5->as_string());
    if (!object) continue;
    std::error_code failed;
    const std::uintmax_t bytes = fs::file_size(*object, failed);
    if (!failed)
      sized.push_back({bytes, {folder.path + "/" + path->as_string(), md5->as_string()}});
  }
  std::stable_sort(sized.begin(), sized.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (auto& [bytes, candidate] : sized) all.push_back(std::move(candidate));
  return all;
}

bool has_all(const std::vector<table::Field>& fields, const std::vector<std::string>& columns) {
  return std::all_of(columns.begin(), columns.end(), [&](const std::string& column) {
    return std::any_of(fields.begin(), fields.end(),
                       [&](const table::Field& field) { return field.name == column; });
  });
}

/// Whether windows can be compared with it.
bool is_reference(const checks::Profile& profile, const std::vector<std::string>& columns) {
  return std::all_of(columns.begin(), columns.end(), [&](const std::string& name) {
    const checks::ColumnProfile* column = profile.find(name);
    return column != nullptr && (column->bins || column->frequent);
  });
}

/// Profiles the file where it has all columns; nothing where it has not.
Result<std::optional<checks::Profile>> profile_of(const fs::path& file,
                                                  const std::vector<std::string>& columns) {
  {
    const auto scan = table::Scan::open(file);
    if (!scan.ok() && scan.error().code == Code::kUnavailable) return scan.error();
    if (!scan.ok()) return std::optional<checks::Profile>();
    if (!has_all((*scan)->fields(), columns)) return std::optional<checks::Profile>();
  }
  return std::optional<checks::Profile>(TRY(checks::profile_fully(file)));
}

/// The profile of a data version: one that is known, or made now and kept.
Result<bool> take_profile(const TrainingWorld& world, const Candidate& candidate,
                          const std::vector<std::string>& columns, UnixMs now,
                          monitor::Training& training) {
  const graph::NodeRef data{graph::kind::kData, candidate.md5};
  const auto known =
      TRY(world.pool.read([&](db::Tx& tx) { return checks::newest_profile_about(tx, data); }));
  if (known) {
    auto profile =
        TRY(world.pool.read([&](db::Tx& tx) { return checks::find_profile(tx, *known); }));
    if (profile && is_reference(*profile, columns)) {
      training.profile = std::make_shared<checks::Profile>(std::move(*profile));
      training.profile_digest = *known;
      return true;
    }
  }
  const auto object = find_data(world.state, candidate.md5, candidate.path);
  if (!object) return false;
  const NamedFile named = TRY(NamedFile::make(world.state / "checks", *object, candidate.path));
  auto profile = TRY(profile_of(named.path(), columns));
  if (!profile || !is_reference(*profile, columns)) return false;
  profile->table = candidate.path;
  profile->data = candidate.md5;
  profile->made_ms = now;
  training.profile_digest = TRY(
      world.pool.write([&](db::Tx& tx) { return checks::put_profile(tx, *profile, data, now); }));
  training.profile = std::make_shared<checks::Profile>(std::move(*profile));
  return true;
}

Result<> take_contract(const TrainingWorld& world, const project::Declared& declared,
                       const project::ContractBinding& binding, UnixMs now,
                       monitor::Training& training) {
  const auto text = declared.documents.find(binding.file);
  if (text == declared.documents.end()) return {};
  checks::Contract contract = TRY(checks::parse_contract(text->second, binding.file));
  TRY(world.pool.write(
      [&](db::Tx& tx) { return checks::put_contract(tx, contract, text->second, now); }));
  training.contract = std::make_shared<checks::Contract>(std::move(contract));
  return {};
}

/// The first contract that speaks of every column; null when none does.
const project::ContractBinding* contract_about(const project::Declared& declared,
                                               const std::vector<std::string>& columns) {
  for (const project::ContractBinding& binding : declared.file.contracts) {
    const auto text = declared.documents.find(binding.file);
    if (text == declared.documents.end()) continue;
    const auto contract = checks::parse_contract(text->second, binding.file);
    if (!contract.ok()) continue;
    if (std::all_of(columns.begin(), columns.end(),
                    [&](const std::string& column) { return contract->find(column) != nullptr; }))
      return &binding;
  }
  return nullptr;
}

}  // namespace

Result<monitor::Training> training_data(const TrainingWorld& world,
                                        const project::Declared& declared, const std::string& model,
                                        const std::string& version,
                                        const std::vector<std::string>& columns, UnixMs now) {
  monitor::Training training;
  const graph::NodeRef node{graph::kind::kModelVersion, model + "/" + version};
  const auto used =
      TRY(world.pool.read([&](db::Tx& tx) { return tables_behind(tx, node, declared.file); }));
  const project::ContractBinding* binding = nullptr;
  for (const Candidate& candidate : used) {
    if (binding == nullptr) binding = declared.file.find_contract(candidate.path);
    if (training.profile) continue;
    const bool folder = candidate.md5.ends_with(".dir");
    if (!folder && !is_table(candidate.path)) continue;
    const std::vector<Candidate> tables =
        folder ? TRY(tables_in(world, candidate)) : std::vector<Candidate>{candidate};
    for (const Candidate& one : tables) {
      const Result<bool> taken = take_profile(world, one, columns, now, training);
      if (!taken.ok())
        log_warning("training data cannot be profiled",
                    {{"path", one.path}, {"why", taken.error().message}});
      if (taken.ok() && *taken) break;
    }
  }
  if (binding == nullptr) binding = contract_about(declared, columns);
  if (binding != nullptr) TRY(take_contract(world, declared, *binding, now, training));
  if (training.profile || binding == nullptr) return training;
  const fs::path lies_at = project_root(world.state) / binding->path;
  std::error_code failed;
  if (!fs::is_regular_file(lies_at, failed) || failed) return training;
  auto profile = profile_of(lies_at, columns);
  if (!profile.ok())
    log_warning("training data cannot be profiled",
                {{"path", binding->path}, {"why", profile.error().message}});
  if (!profile.ok() || !*profile) return training;
  (*profile)->table = binding->path;
  (*profile)->made_ms = now;
  training.profile_digest = TRY(world.pool.write([&](db::Tx& tx) {
    return checks::put_profile(tx, **profile, {graph::kind::kContract, binding->path}, now);
  }));
  training.profile = std::make_shared<checks::Profile>(std::move(**profile));
  return training;
}

}  // namespace slipway::app
