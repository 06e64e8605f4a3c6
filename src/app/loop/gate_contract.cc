#include "app/loop/gate_contract.h"

#include <map>
#include <set>

#include "base/hash.h"
#include "base/ids.h"
#include "domain/checks/facts.h"
#include "domain/checks/suite.h"
#include "domain/evidence/explain.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

/// Data that a version was trained on, at a path that a contract is bound to.
struct Table {
  std::string path, md5;
  const project::ContractBinding* binding = nullptr;
  bool operator<(const Table& other) const {
    return std::tie(path, md5) < std::tie(other.path, other.md5);
  }
};

std::string path_of(const graph::Edge& edge) {
  const wire::Json* path = edge.attributes.find("path");
  return path && path->is_string() ? path->as_string() : std::string();
}

Result<std::set<Table>> training_tables(db::Tx& tx, const delivery::Rollout& rollout,
                                        const project::ProjectFile& file) {
  const graph::NodeRef version{graph::kind::kModelVersion,
                               rollout.model + "/" + std::to_string(rollout.version)};
  std::set<Table> tables;
  Result<graph::Closure> origin = evidence::explain(tx, version, graph::Direction::kToCauses);
  if (!origin.ok() && origin.error().code == Code::kMissing) return tables;
  if (!origin.ok()) return origin.error();
  for (const graph::Edge& edge : origin->edges) {
    if (edge.relation != graph::relation::kUsed || edge.cause.kind != graph::kind::kData) continue;
    const std::string path = path_of(edge);
    const project::ContractBinding* binding = file.find_contract(path);
    if (binding != nullptr) tables.insert({path, edge.cause.id, binding});
  }
  return tables;
}

/// The gravest thing that was found, in words.
std::string words_of(const std::vector<checks::Verdict>& verdicts) {
  const checks::Status worst = checks::overall(verdicts);
  for (const checks::Verdict& verdict : verdicts) {
    if (verdict.status == worst && worst != checks::Status::kPass)
      return verdict.check + ": " + verdict.words;
  }
  return std::to_string(verdicts.size()) + " checks";
}

delivery::ContractFinding finding_of(const Table& table, const checks::Judgement& judgement) {
  return {table.path,
          table.binding->file,
          checks::to_string(checks::overall(judgement.verdicts)),
          words_of(judgement.verdicts),
          judgement.id,
          table.md5};
}

/// The newest judgement of these bytes by this text of the contract.
Result<std::optional<checks::Judgement>> known_judgement(db::Tx& tx, const Table& table,
                                                         const std::string& contract) {
  constexpr int kLooked = 100;
  const graph::NodeRef data{graph::kind::kData, table.md5};
  for (const std::string& id : TRY(checks::judgements_about(tx, data, kLooked))) {
    auto judgement = TRY(checks::find_judgement(tx, id));
    if (judgement && judgement->contract == contract &&
        judgement->environment != checks::Environment::kServing)
      return judgement;
  }
  return std::optional<checks::Judgement>();
}

/// The cached bytes under a name that says their format; gone with this object.
class NamedLink {
 public:
  NamedLink(const std::filesystem::path& scratch, const std::string& path) {
    folder_ = scratch / ("check-" + random_hex32());
    link_ = folder_ / std::filesystem::path(path).filename();
  }
  ~NamedLink() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  NamedLink(const NamedLink&) = delete;
  NamedLink& operator=(const NamedLink&) = delete;
  Result<std::filesystem::path> to(const std::filesystem::path& target) {
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    if (!failed) std::filesystem::create_symlink(target, link_, failed);
    if (failed) return system_error("cannot link " + link_.string(), failed.value());
    return link_;
  }

 private:
  std::filesystem::path folder_, link_;
};

struct Checked {
  checks::Contract contract;
  checks::Profile profile;
  checks::Judgement judgement;
};

Result<Checked> check(const GateWorld& world, const Table& table, const std::string& text,
                      const std::filesystem::path& file, UnixMs made_ms) {
  Checked checked;
  checked.contract = TRY(checks::parse_contract(text, table.binding->file));
  const checks::Suite suite = checks::compile(checked.contract);
  NamedLink link(world.scratch, table.path);
  checked.profile = TRY(checks::profile_table(TRY(link.to(file)), suite.plan));
  checked.profile.table = table.path;
  checked.profile.data = table.md5;
  checked.profile.made_ms = made_ms;
  checks::Circumstances circumstances;
  circumstances.environment = checks::Environment::kTraining;
  // How fresh it was when the version was made of it, whenever that is asked.
  circumstances.now_ms = made_ms;
  checked.judgement.about = {graph::kind::kData, table.md5};
  checked.judgement.environment = circumstances.environment;
  checked.judgement.verdicts = checks::evaluate(suite, checked.profile, circumstances);
  return checked;
}

std::function<Result<>(db::Tx&, UnixMs)> fact_of(Checked checked, std::string text,
                                                 std::int64_t cause_seq) {
  return [checked = std::move(checked), text = std::move(text), cause_seq](
             db::Tx& tx, UnixMs now_ms) -> Result<> {
    checks::Judgement judgement = checked.judgement;
    judgement.time_ms = now_ms;
    judgement.contract = TRY(checks::put_contract(tx, checked.contract, text, now_ms));
    judgement.profile = TRY(checks::put_profile(tx, checked.profile, judgement.about, now_ms));
    TRY(checks::put_judgement(tx, judgement, "slipway", cause_seq));
    return {};
  };
}

}  // namespace

Result<std::vector<delivery::ContractFinding>> find_contracts(
    const GateWorld& world, const delivery::Rollout& rollout, UnixMs made_ms,
    const project::Declared& declared,
    std::vector<std::function<Result<>(db::Tx&, UnixMs)>>& facts) {
  const std::set<Table> tables =
      TRY(world.pool.read([&](db::Tx& tx) { return training_tables(tx, rollout, declared.file); }));
  std::vector<delivery::ContractFinding> findings;
  for (const Table& table : tables) {
    const std::string& text = declared.documents.at(table.binding->file);
    const auto known = TRY(
        world.pool.read([&](db::Tx& tx) { return known_judgement(tx, table, sha256_hex(text)); }));
    if (known) {
      findings.push_back(finding_of(table, *known));
      continue;
    }
    const auto file = world.find_data ? world.find_data(table.md5, table.path) : std::nullopt;
    if (!file) {
      findings.push_back({table.path, table.binding->file, "no_data",
                          "it was not checked by this contract, and its bytes are neither in the "
                          "cache nor in the project",
                          "", table.md5});
      continue;
    }
    Result<Checked> checked = check(world, table, text, *file, made_ms);
    if (!checked.ok()) {
      findings.push_back(
          {table.path, table.binding->file, "error", checked.error().message, "", table.md5});
      continue;
    }
    checked->judgement.id = uuid7(made_ms);
    findings.push_back(finding_of(table, checked->judgement));
    facts.push_back(fact_of(std::move(*checked), text, rollout.last_seq));
  }
  return findings;
}

}  // namespace slipway::app
