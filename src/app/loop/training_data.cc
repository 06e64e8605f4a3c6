#include "app/loop/training_data.h"

#include <algorithm>

#include "app/loop/cached_data.h"
#include "app/project.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
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
  bool drawn = false;     // of the answers of a deployment
};
using Attempt = std::vector<Candidate>;  // what one of them read

void warn(const std::string& path, const Error& error) {
  log_warning("training data cannot be profiled", {{"path", path}, {"why", error.message}});
}

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

bool is_drawn(const graph::Closure& origin, const graph::NodeRef& data) {
  return std::any_of(origin.edges.begin(), origin.edges.end(), [&](const graph::Edge& edge) {
    return edge.effect == data && edge.relation == graph::relation::kDrawnFrom &&
           edge.cause.kind == graph::kind::kDeployment;
  });
}

/// In the order in which contracts are declared.
Attempt tables_of(const graph::Closure& origin, const graph::NodeRef& attempt,
                  const project::ProjectFile& file) {
  Attempt read;
  for (const graph::Edge& edge : origin.edges) {
    if (edge.effect != attempt || edge.relation != graph::relation::kUsed ||
        edge.cause.kind != graph::kind::kData)
      continue;
    const Json* path = edge.attributes.find("path");
    if (path != nullptr && path->is_string())
      read.push_back({path->as_string(), edge.cause.id, is_drawn(origin, edge.cause)});
  }
  std::stable_sort(read.begin(), read.end(), [&](const Candidate& a, const Candidate& b) {
    return place_of_contract(file, a.path) < place_of_contract(file, b.path);
  });
  return read;
}

/// What the attempts behind a version read, the nearest first.
Result<std::vector<Attempt>> attempts_behind(db::Tx& tx, const graph::NodeRef& version,
                                             const project::ProjectFile& file) {
  std::vector<Attempt> all;
  const Result<graph::Closure> origin = evidence::explain(tx, version, graph::Direction::kToCauses);
  if (!origin.ok() && origin.error().code == Code::kMissing) return all;
  if (!origin.ok()) return origin.error();
  for (const graph::Node& node : origin->nodes) {
    if (node.ref.kind == graph::kind::kAttempt) all.push_back(tables_of(*origin, node.ref, file));
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

/// One that is known.
Result<bool> take_known(const TrainingWorld& world, const graph::NodeRef& about,
                        const std::vector<std::string>& columns, monitor::Training& training) {
  return world.pool.read([&](db::Tx& tx) -> Result<bool> {
    const auto known = TRY(checks::newest_profile_about(tx, about));
    auto profile = known ? TRY(checks::find_profile(tx, *known)) : std::nullopt;
    if (!profile || !is_reference(*profile, columns)) return false;
    training.profile = std::make_shared<checks::Profile>(std::move(*profile));
    training.profile_digest = *known;
    return true;
  });
}

/// One that was made now.
Result<bool> keep(const TrainingWorld& world, checks::Profile profile, const graph::NodeRef& about,
                  UnixMs now, monitor::Training& training) {
  profile.made_ms = now;
  training.profile_digest = TRY(
      world.pool.write([&](db::Tx& tx) { return checks::put_profile(tx, profile, about, now); }));
  training.profile = std::make_shared<checks::Profile>(std::move(profile));
  return true;
}

/// The profile of a data version.
Result<bool> take_profile(const TrainingWorld& world, const Candidate& candidate,
                          const std::vector<std::string>& columns, UnixMs now,
                          monitor::Training& training) {
  const graph::NodeRef data{graph::kind::kData, candidate.md5};
  if (TRY(take_known(world, data, columns, training))) return true;
  const auto object = find_data(world.state, candidate.md5, candidate.path);
  if (!object) return false;
  const NamedFile named = TRY(NamedFile::make(world.state / "checks", *object, candidate.path));
  auto profile = TRY(profile_of(named.path(), columns));
  if (!profile || !is_reference(*profile, columns)) return false;
  profile->table = candidate.path;
  profile->data = candidate.md5;
  return keep(world, std::move(*profile), data, now, training);
}

/// Tables that go together, each with all columns.
class Together {
 public:
  Together(const TrainingWorld& world, const std::vector<std::string>& columns)
      : world_(world), columns_(columns) {}

  /// Leaves out what is no table, has not got the columns, or has them with other types.
  Result<> add(const Candidate& candidate) {
    if (!is_table(candidate.path)) return {};
    const auto object = find_data(world_.state, candidate.md5, candidate.path);
    if (!object) return {};
    NamedFile named = TRY(NamedFile::make(world_.state / "checks", *object, candidate.path));
    paths_.push_back(named.path());
    table::ScanOptions asked;
    asked.columns = columns_;
    const auto fields = table::Scan::fields_of(paths_, asked);
    if (!fields.ok()) {
      paths_.pop_back();
      if (fields.error().code == Code::kUnavailable) return fields.error();
      return {};
    }
    files_.push_back(std::move(named));
    names_.push_back(candidate.path);
    has_drawn_ |= candidate.drawn;
    return {};
  }

  bool has_drawn_and_others() const { return has_drawn_ && paths_.size() > 1; }
  Result<checks::Profile> profile() const {
    checks::Profile profile = TRY(checks::profile_fully(paths_));
    profile.table = join(names_, " and ");
    return profile;
  }

 private:
  const TrainingWorld& world_;
  const std::vector<std::string>& columns_;
  std::vector<NamedFile> files_;
  table::Paths paths_;
  std::vector<std::string> names_;
  bool has_drawn_ = false;
};

/// Who learns from drawn rows and from tables beside them learns from all: the profile of all.
Result<bool> take_together(const TrainingWorld& world, const graph::NodeRef& version,
                           const Attempt& attempt, const std::vector<std::string>& columns,
                           UnixMs now, monitor::Training& training) {
  if (std::none_of(attempt.begin(), attempt.end(), [](const auto& one) { return one.drawn; }))
    return false;
  if (TRY(take_known(world, version, columns, training))) return true;
  Together tables(world, columns);
  for (const Candidate& candidate : attempt) TRY(tables.add(candidate));
  if (!tables.has_drawn_and_others()) return false;
  checks::Profile profile = TRY(tables.profile());
  if (!is_reference(profile, columns)) return false;
  return keep(world, std::move(profile), version, now, training);
}

/// Of the tables that an attempt read the first that can be compared with.
Result<bool> take_first(const TrainingWorld& world, const Attempt& attempt,
                        const std::vector<std::string>& columns, UnixMs now,
                        monitor::Training& training) {
  for (const Candidate& candidate : attempt) {
    const bool folder = candidate.md5.ends_with(".dir");
    if (!folder && !is_table(candidate.path)) continue;
    const std::vector<Candidate> tables =
        folder ? TRY(tables_in(world, candidate)) : std::vector<Candidate>{candidate};
    for (const Candidate& one : tables) {
      const Result<bool> taken = take_profile(world, one, columns, now, training);
      if (!taken.ok()) warn(one.path, taken.error());
      if (taken.ok() && *taken) return true;
    }
  }
  return false;
}

Result<bool> take_from(const TrainingWorld& world, const graph::NodeRef& version,
                       const Attempt& attempt, const std::vector<std::string>& columns, UnixMs now,
                       monitor::Training& training) {
  const Result<bool> all = take_together(world, version, attempt, columns, now, training);
  if (!all.ok()) warn("of " + version.id, all.error());
  if (all.ok() && *all) return true;
  return take_first(world, attempt, columns, now, training);
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
  const auto attempts =
      TRY(world.pool.read([&](db::Tx& tx) { return attempts_behind(tx, node, declared.file); }));
  const project::ContractBinding* binding = nullptr;
  for (const Attempt& attempt : attempts) {
    for (const Candidate& candidate : attempt)
      if (binding == nullptr) binding = declared.file.find_contract(candidate.path);
    if (!training.profile) TRY(take_from(world, node, attempt, columns, now, training));
  }
  if (binding == nullptr) binding = contract_about(declared, columns);
  if (binding != nullptr) TRY(take_contract(world, declared, *binding, now, training));
  if (training.profile || binding == nullptr) return training;
  const fs::path lies_at = project_root(world.state) / binding->path;
  std::error_code failed;
  if (!fs::is_regular_file(lies_at, failed) || failed) return training;
  auto profile = profile_of(lies_at, columns);
  if (!profile.ok()) warn(binding->path, profile.error());
  if (!profile.ok() || !*profile) return training;
  (*profile)->table = binding->path;
  TRY(keep(world, std::move(**profile), {graph::kind::kContract, binding->path}, now, training));
  return training;
}

}  // namespace slipway::app
