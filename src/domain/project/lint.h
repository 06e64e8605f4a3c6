#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/wire/json.h"

// What a project lacks that a project should have: owner, purpose, requirements, data descriptions,
// tests, documentation, folders. A pure function of what stands in the repository.
namespace slipway::project {

/// What a repository holds. Paths are relative to its root.
struct RepositoryView {
  std::set<std::string> files, folders;
  /// The text of a file; nothing when it is not there or too long to be one.
  std::function<std::optional<std::string>(const std::string& path)> text;
};
/// Reads names at once and texts on demand. Hidden folders, the state folder and installed packages
/// are left out, links are not followed, and at most kViewMax names are read.
Result<RepositoryView> view_repository(const std::filesystem::path& root);
inline constexpr std::size_t kViewMax = 100'000;

struct Finding {
  std::string rule;     // "owner", "contract-purpose", "tests"
  std::string where;    // "slipway.yaml:3:1", "contracts/hour.odcs.yaml", "" for the repository
  std::string message;  // what was found, what was expected
  bool operator==(const Finding&) const = default;
};
/// One thing that is asked for.
struct LintRule {
  std::string id;    // of findings
  std::string asks;  // "a folder for notebooks: notebooks or notebook"
  std::string why;
  bool may_be_off = true;  // by `lint.off` of slipway.yaml
};
/// All of them; docs/reference/lint.md is this list.
const std::vector<LintRule>& lint_rules();

/// Without what `lint` of slipway.yaml turns off. In the order: slipway.yaml, contracts, pipelines,
/// folders, tests, documentation. None: nothing is missing.
std::vector<Finding> lint(const RepositoryView& repository);

/// "WHERE: MESSAGE (RULE)".
std::string to_text(const Finding& finding);
wire::Json to_json(const Finding& finding);

}  // namespace slipway::project
