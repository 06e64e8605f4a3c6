#include "domain/project/lint.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "base/ids.h"
#include "base/text.h"
#include "domain/project/layout.h"
#include "domain/project/project_file.h"
#include "domain/project/sketch_testing.h"

namespace slipway::project {
namespace {

/// A repository of texts; the folders are those that the files lie in.
class Repository {
 public:
  Repository& put(const std::string& path, const std::string& text = "x\n") {
    files_[path] = text;
    return *this;
  }
  std::vector<Finding> lint() const {
    RepositoryView view;
    for (const auto& [path, text] : files_) {
      view.files.insert(path);
      for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
        view.folders.insert(path.substr(0, at));
      }
    }
    view.text = [this](const std::string& path) -> std::optional<std::string> {
      auto found = files_.find(path);
      return found == files_.end() ? std::nullopt : std::optional<std::string>(found->second);
    };
    return project::lint(view);
  }
  std::vector<std::string> rules() const {
    std::vector<std::string> names;
    for (const Finding& finding : lint()) names.push_back(finding.rule);
    return names;
  }

 private:
  std::map<std::string, std::string> files_;
};

constexpr char kContract[] = R"(apiVersion: v3.1.0
kind: DataContract
team: {name: Operations}
description: {purpose: Hourly demand., limitations: One city.}
customProperties:
  - {property: source, value: https://example.org/data}
  - {property: labelling, value: counted by the docks}
schema:
  - name: hour
    properties:
      - {name: cnt, logicalType: integer, description: Rentals in the hour.}
)";

constexpr char kStages[] = R"(stages:
  prepare: {cmd: a}
  train: {cmd: b}
  evaluate: {cmd: c}
  build-app: {cmd: d}
)";

/// Nothing is missing in it.
Repository complete() {
  Repository repository;
  repository.put("slipway.yaml", kSketch).put("dvc.yaml", kStages);
  repository.put("contracts/hour.odcs.yaml", kContract);
  for (const Place& place : places()) repository.put(place.names.front() + "/.gitkeep");
  repository.put("tests/test_features.py");
  std::string page;
  for (const Topic& topic : topics()) page += "## " + topic.words.back() + "\n\nText.\n\n";
  return repository.put("docs/model.md", page);
}

TEST(Lint, FindsNothingWhereNothingIsMissing) {
  std::vector<Finding> findings = complete().lint();
  EXPECT_TRUE(findings.empty()) << to_text(findings.front());
}

TEST(Lint, OfNothingFindsEverything) {
  std::vector<std::string> rules = Repository().rules();
  EXPECT_EQ(rules.front(), "slipway.yaml");
  EXPECT_EQ(rules.size(), 1 + places().size() + 1 + topics().size());
}

TEST(Lint, AsksForOwnerPurposeUserAndRequirements) {
  Repository repository = complete();
  repository.put("slipway.yaml",
                 "version: 1\nproject: p\ncontracts: {d: contracts/hour.odcs.yaml}\n");
  EXPECT_EQ(repository.rules(),
            (std::vector<std::string>{"purpose", "user", "owner", "requirements"}));
  EXPECT_EQ(to_text(repository.lint()[2]),
            "slipway.yaml: found no use_case.owner, expected who answers for it (owner)");
}

TEST(Lint, PassesOnEveryFaultOfTheProjectFile) {
  Repository repository = complete();
  repository.put("slipway.yaml", "version: 2\nprojekt: p\n");
  std::vector<Finding> findings = repository.lint();
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[1].where, "slipway.yaml:1:10");
  EXPECT_TRUE(findings[1].message.starts_with("found the number 2"));
}

TEST(Lint, AsksForAContract) {
  Repository repository = complete();
  repository.put("slipway.yaml", replace_all(kSketch,
                                             "contracts: {data/hour.csv: contracts/hour.odcs.yaml, "
                                             "data/live.parquet: contracts/hour.odcs.yaml}\n",
                                             ""));
  EXPECT_EQ(repository.rules(), std::vector<std::string>{"contracts"});
}

struct ContractLack {
  const char* name;
  std::string line;
  std::vector<std::string> rules;
};

TEST(Lint, AsksWhatAContractSays) {
  const ContractLack lacks[] = {
      {"owner", "team: {name: Operations}\n", {"contract-owner"}},
      {"description",
       "description: {purpose: Hourly demand., limitations: One city.}\n",
       {"contract-purpose", "contract-limitations"}},
      {"source", "  - {property: source, value: https://example.org/data}\n", {"contract-source"}},
      {"labelling",
       "  - {property: labelling, value: counted by the docks}\n",
       {"contract-labelling"}},
      {"column", ", description: Rentals in the hour.", {"contract-columns"}},
  };
  for (const ContractLack& lack : lacks) {
    Repository repository = complete();
    std::string text = replace_all(kContract, lack.line, "");
    ASSERT_NE(text, kContract) << lack.name;
    repository.put("contracts/hour.odcs.yaml", text);
    EXPECT_EQ(repository.rules(), lack.rules) << lack.name;
    EXPECT_EQ(repository.lint()[0].where, "contracts/hour.odcs.yaml");
  }
}

TEST(Lint, NamesTheContractThatIsNotThereOrNoYaml) {
  Repository repository = complete();
  repository.put("contracts/hour.odcs.yaml", "a: [\n");
  EXPECT_EQ(repository.rules(), std::vector<std::string>{"contract"});
  repository.put("slipway.yaml", replace_all(kSketch, "hour.odcs.yaml", "other.odcs.yaml"));
  ASSERT_EQ(repository.lint().size(), 1u);
  EXPECT_EQ(repository.lint()[0].where, "contracts/other.odcs.yaml");
}

TEST(Lint, KnowsTheStagesOfDvcYaml) {
  Repository repository = complete();
  repository.put("slipway.yaml", replace_all(kSketch, "[prepare, train,", "[prepare, trian,"));
  ASSERT_EQ(repository.lint().size(), 1u);
  EXPECT_EQ(to_text(repository.lint()[0]),
            "slipway.yaml:13:29: found the stage \"trian\" in the pipeline \"train\", expected "
            "prepare, train, evaluate or build-app; did you mean \"train\"? (stages)");
}

TEST(Lint, AsksForTests) {
  Repository repository = complete();
  Repository without;
  without.put("slipway.yaml", kSketch).put("dvc.yaml", kStages);
  without.put("contracts/hour.odcs.yaml", kContract);
  std::vector<std::string> rules = without.rules();
  EXPECT_NE(std::find(rules.begin(), rules.end(), "tests"), rules.end());
  without.put("src/features/features_test.py");
  rules = without.rules();
  EXPECT_EQ(std::count(rules.begin(), rules.end(), "tests"), 1);  // the folder, no longer the tests
}

TEST(Lint, DoesNotTakeAnEmptySectionForDocumentation) {
  Repository repository = complete();
  repository.put("docs/model.md",
                 "## Selection\n<!-- to be\nsaid -->\n\n## Experiments\n- one\n## Algorithm\nx\n"
                 "# Usage\nx\n# Deployment\nx\n");
  EXPECT_EQ(repository.rules(), std::vector<std::string>{"selection-criteria"});
}

TEST(Lint, SaysWhichSectionIsEmpty) {
  Repository repository = complete();
  repository.put("docs/model.md", "# Experiments\nx\n# Algorithm\nx\n# Usage\nx\n# Release\nx\n");
  repository.put("README.md", "## Selection criteria\n<!-- why -->\n");
  ASSERT_EQ(repository.lint().size(), 1u);
  EXPECT_EQ(to_text(repository.lint()[0]),
            "found the section \"Selection criteria\" of README.md empty, expected it to say "
            "how the model was selected (selection-criteria)");
}

TEST(Lint, AsksNotForWhatIsOffWithAReason) {
  Repository repository;
  repository.put("slipway.yaml", std::string(kSketch) +
                                     "lint:\n  layout: own\n  off: {pseudo-code: a forest, tests: "
                                     "none yet}\n");
  repository.put("dvc.yaml", kStages).put("contracts/hour.odcs.yaml", kContract);
  EXPECT_EQ(repository.rules(), (std::vector<std::string>{"selection-criteria", "experiments",
                                                          "run-locally", "deployment-process"}));
}

TEST(Lint, TurnsNoRuleOffThatIsAFaultOrHasNoReason) {
  const auto said = [](const std::string& off) {
    const auto file =
        parse_project("version: 1\nproject: p\nlint: {off: {" + off + "}}\n");
    return file.ok() ? "accepted" : file.error().message;
  };
  EXPECT_EQ(said("notebooks: we keep none"), "accepted");
  EXPECT_NE(said("notebook: we keep none").find("; did you mean \"notebooks\"?"),
            std::string::npos);
  EXPECT_NE(said("stages: x").find("expected one that can be off"), std::string::npos);
  EXPECT_NE(said("notebooks: ").find("slipway.yaml:3:"), std::string::npos);
}

TEST(LintRules, HaveAllThatIsFound) {
  std::set<std::string> known;
  for (const LintRule& rule : lint_rules()) EXPECT_TRUE(known.insert(rule.id).second) << rule.id;
  for (const std::string& rule : Repository().rules()) EXPECT_TRUE(known.contains(rule)) << rule;
  const auto page = read_file(SLIPWAY_SOURCE_DIR "/docs/reference/lint.md");
  ASSERT_TRUE(page.ok());
  for (const LintRule& rule : lint_rules()) {
    const std::string line = "| `" + rule.id + "` | " + rule.asks + " | " + rule.why + " | " +
                             (rule.may_be_off ? "yes" : "no") + " |";
    EXPECT_NE(page->find(line), std::string::npos) << line;
  }
}

class LayOut : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(root); }
  void TearDown() override { std::filesystem::remove_all(root); }
  std::vector<std::string> rules() {
    std::vector<std::string> names;
    for (const Finding& finding : lint(*view_repository(root))) names.push_back(finding.rule);
    return names;
  }
  std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("slipway-" + random_hex32()) / "My Bikes!";
};

TEST_F(LayOut, MakesAProjectThatLacksOnlyWhatAPersonKnows) {
  Result<std::vector<std::string>> made = lay_out(root);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->size(), 3 + places().size());
  EXPECT_EQ(read_project(root)->name, "my-bikes");
  EXPECT_EQ(rules(), (std::vector<std::string>{"purpose", "user", "owner", "requirements",
                                               "contracts", "tests", "selection-criteria",
                                               "experiments", "pseudo-code"}));
}

TEST_F(LayOut, OfARepositoryWithItsOwnLayoutIsSlipwayYamlAlone) {
  std::filesystem::create_directories(root / ".dvc");
  ASSERT_TRUE(write_file_quick(root / ".dvc" / "config", "").ok());
  EXPECT_EQ(lint(*view_repository(root)).front().message,
            "found no slipway.yaml, expected one; `slipway init --minimal` makes it");
  const std::string said = read_project(root).error().message;
  EXPECT_TRUE(said.ends_with("; `slipway init --minimal` lays one out")) << said;
  EXPECT_EQ(*lay_out(root, Extent::kMinimal), (std::vector<std::string>{"slipway.yaml"}));
  EXPECT_EQ(read_project(root)->name, "my-bikes");
  EXPECT_TRUE(read_project(root)->lint.own_layout);
  std::set<std::string> asked;
  for (const std::string& rule : rules()) asked.insert(rule);
  for (const Place& place : places())
    if (place.rule != "tests") EXPECT_FALSE(asked.contains(place.rule)) << place.rule;
  EXPECT_TRUE(lay_out(root, Extent::kMinimal)->empty());
  EXPECT_FALSE(std::filesystem::exists(root / "docs"));
}

TEST_F(LayOut, ChangesNothingThatIsThere) {
  std::filesystem::create_directories(root / "src");
  std::filesystem::create_directories(root / "data");
  ASSERT_TRUE(write_file_quick(root / "slipway.yaml", "mine\n").ok());
  std::vector<std::string> made = *lay_out(root);
  EXPECT_EQ(*read_file(root / "slipway.yaml"), "mine\n");
  EXPECT_FALSE(std::filesystem::exists(root / "src/features"));
  EXPECT_FALSE(std::filesystem::exists(root / "data/raw"));
  EXPECT_TRUE(std::filesystem::exists(root / "data/processed/.gitkeep"));
  EXPECT_TRUE(lay_out(root)->empty());
}

TEST_F(LayOut, DoesNotFollowLinksWhenItLooks) {
  std::filesystem::create_directory_symlink("/", root / "loop");
  Result<RepositoryView> view = view_repository(root);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->files, std::set<std::string>{"loop"});
}

TEST(FirstFiles, ParseWithAllThatTheyShow) {
  std::string text = first_files("p")[0].text;
  EXPECT_TRUE(parse_project(text).ok());
  std::string shown;
  for (std::string_view line : split(text, '\n')) {
    if (line.starts_with("# ")) line.remove_prefix(2);
    shown += std::string(line) + "\n";
  }
  Result<ProjectFile> file = parse_project(shown);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->triggers.size(), 3u);
  EXPECT_EQ(file->deployments[0].monitors.size(), 2u);
  EXPECT_EQ(file->notify.size(), 1u);
}

TEST(ProjectName, IsMadeFromAnyFolder) {
  EXPECT_EQ(project_name_of("bikes"), "bikes");
  EXPECT_EQ(project_name_of("My Bikes!"), "my-bikes");
  EXPECT_EQ(project_name_of("..."), "project");
  EXPECT_EQ(project_name_of("_x"), "x");
}

}  // namespace
}  // namespace slipway::project
