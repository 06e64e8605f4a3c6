#include <algorithm>

#include "domain/project/layout.h"
#include "domain/project/lint.h"
#include "domain/project/sections.h"

namespace slipway::project {
namespace {

using yaml::Node;

/// What stands in the repository's own words, before its folders and pages.
std::vector<LintRule> rules_of_declarations() {
  return {
      {"slipway.yaml", "a slipway.yaml that parses", "nothing can be judged without it", false},
      {"purpose", "`use_case.problem`", "what the model is for, before what it can", true},
      {"user", "`use_case.user`", "somebody acts on its answers", true},
      {"owner", "`use_case.owner`", "somebody is asked when it goes wrong", true},
      {"requirements", "a requirement", "without one no version can be refused for its quality",
       true},
      {"contracts", "a contract of each table that a pipeline reads",
       "wrong data is found before a model learns from it", true},
      {"contract", "contract files that are there and parse", "the gate judges by them", false},
      {"contract-owner", "`team` of a contract", "somebody answers for the data", true},
      {"contract-purpose", "`description.purpose` of a contract", "what the data is for", true},
      {"contract-limitations", "`description.limitations` of a contract",
       "what it must not be used for", true},
      {"contract-source", "`servers`, or a custom property `source`, of a contract",
       "where the data comes from", true},
      {"contract-labelling", "a custom property `labelling` of a contract",
       "labels are made by somebody, in some way", true},
      {"contract-columns", "a description of each column of a contract",
       "a name does not say the unit", true},
      {"stages", "stages of pipelines that dvc.yaml has", "a run of others fails", false},
      {"declaration", "nothing that other parts could not act on",
       "`slipway plan` refuses the same", false},
      {"foreseen", "nothing that is hardly meant: what `slipway plan` warns of and needs no server",
       "a trigger that never fires and a contract that never fails look as if they worked", true},
      {"tests", "files of tests, and a folder for them", "data and code are tested as any code is",
       true},
  };
}

const Keys<LintSpec>& lint_keys() {
  static const Keys<LintSpec> keys = {
      {"layout",
       [](Reader& r, const Node& n, LintSpec& spec) {
         std::string layout = "standard";
         r.choice(n, {"standard", "own"}, layout);
         spec.own_layout = layout == "own";
       }},
      {"off",
       [](Reader& r, const Node& n, LintSpec& spec) {
         std::vector<std::string> known;
         for (const LintRule& rule : lint_rules())
           if (rule.may_be_off) known.push_back(rule.id);
         r.members(n, "rules to why they are off", [&](const yaml::Entry& entry) {
           const std::string& rule = entry.key.text;
           if (std::find(known.begin(), known.end(), rule) == known.end()) {
             return r.fault(entry.key.at, "found the rule " + in_quotes(rule) +
                                              ", expected one that can be off (`slipway lint "
                                              "--rules` lists them)" +
                                              r.hint(rule, known));
           }
           std::string reason;
           r.key = rule;
           const bool is_said = r.text(entry.value, reason) && !reason.empty();
           if (is_said) spec.off.emplace_back(rule, std::move(reason));
         });
       }},
  };
  return keys;
}

}  // namespace

const std::vector<LintRule>& lint_rules() {
  static const std::vector<LintRule> all = [] {
    std::vector<LintRule> rules = rules_of_declarations();
    for (const Place& place : places()) {
      if (place.rule == "tests") continue;  // said with the tests themselves
      rules.push_back({place.rule, "a folder for " + place.what + ": " + one_of(place.names),
                       "whoever comes new finds it; not asked for with `layout: own`", true});
    }
    for (const Topic& topic : topics())
      rules.push_back({topic.rule,
                       "a section that says " + topic.what + ", with " + one_of(topic.words) +
                           " in its heading, in docs/ or README.md",
                       "what was decided, and how to go on, is known to more than one person",
                       true});
    return rules;
  }();
  return all;
}

void read_lint(Reader& reader, const Node& node, ProjectFile& file) {
  if (node.is_null()) return;
  read_map(reader, node, node.at, "\"lint\"", lint_keys(), file.lint);
}

std::vector<std::string> lint_paths() {
  return paths_of(lint_keys(), ".");
}

}  // namespace slipway::project
