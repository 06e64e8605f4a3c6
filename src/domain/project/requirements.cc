#include "domain/project/sections.h"

namespace slipway::project {
namespace {

using yaml::Node;

/// A bound as it was written: whether it is a span or a number depends on the metric.
struct Draft {
  Requirement requirement;
  const Node* at_most = nullptr;
  const Node* at_least = nullptr;
};

const Keys<Draft>& requirement_keys() {
  static const Keys<Draft> keys = {
      {"id", [](Reader& r, const Node& n, Draft& d) { r.name(n, d.requirement.id); }, true},
      {"metric",
       [](Reader& r, const Node& n, Draft& d) {
         d.requirement.metric_at = n.at;
         r.name(n, d.requirement.metric);
       },
       true},
      {"at_most", [](Reader&, const Node& n, Draft& d) { d.at_most = &n; }},
      {"at_least", [](Reader&, const Node& n, Draft& d) { d.at_least = &n; }},
      {"share", [](Reader& r, const Node& n,
                   Draft& d) { r.number_in(n, 0, 1, false, d.requirement.share); }},
      {"on",
       [](Reader& r, const Node& n, Draft& d) {
         r.choice(n, {"holdout", "serving"}, d.requirement.on);
       }},
  };
  return keys;
}

void read_bound(Reader& reader, const char* key, const Node* node, const Requirement& requirement,
                std::optional<double>& out) {
  if (node == nullptr) return;
  reader.key = key;
  if (!is_span_metric(requirement.metric)) {
    double value = 0;
    if (reader.number(*node, value)) out = value;
    return;
  }
  Span span{0};
  if (reader.span(*node, span)) out = static_cast<double>(span.count()) / 1000;
}

void read_bounds(Reader& reader, const Draft& draft, Requirement& requirement) {
  read_bound(reader, "at_most", draft.at_most, requirement, requirement.at_most);
  read_bound(reader, "at_least", draft.at_least, requirement, requirement.at_least);
  std::string who = "the requirement " + in_quotes(requirement.id);
  if (draft.at_most == nullptr && draft.at_least == nullptr) {
    reader.fault(requirement.at, "found no bound in " + who + ", expected at_most or at_least");
  }
  if (requirement.at_most && requirement.at_least && *requirement.at_least > *requirement.at_most) {
    reader.fault(requirement.at, "found at_least " + canonical_number(*requirement.at_least) +
                                     " above at_most " + canonical_number(*requirement.at_most) +
                                     " in " + who + ", expected it below");
  }
}

void read_requirement(Reader& reader, const Node& node, UseCase& use_case) {
  Draft draft;
  draft.requirement.at = node.at;
  if (!read_map(reader, node, node.at, "a requirement", requirement_keys(), draft)) return;
  Requirement& requirement = draft.requirement;
  read_bounds(reader, draft, requirement);
  for (const Requirement& other : use_case.requirements) {
    if (requirement.id.empty() || other.id != requirement.id) continue;
    reader.fault(node.at, "found the requirement " + in_quotes(requirement.id) +
                              " a second time (first in line " + std::to_string(other.at.line) +
                              "), expected another id");
  }
  use_case.requirements.push_back(std::move(requirement));
}

const Keys<UseCase>& use_case_keys() {
  static const Keys<UseCase> keys = {
      {"problem", [](Reader& r, const Node& n, UseCase& u) { r.text(n, u.problem); }},
      {"user", [](Reader& r, const Node& n, UseCase& u) { r.text(n, u.user); }},
      {"owner", [](Reader& r, const Node& n, UseCase& u) { r.text(n, u.owner); }},
      {"requirements",
       [](Reader& r, const Node& n, UseCase& u) {
         r.list(n, "requirements", [&](const Node& item) { read_requirement(r, item, u); });
       },
       false, [] { return paths_of(requirement_keys(), "[]."); }},
  };
  return keys;
}

}  // namespace

void read_use_case(Reader& reader, const Node& node, ProjectFile& file) {
  if (node.is_null()) return;
  read_map(reader, node, node.at, "the use case", use_case_keys(), file.use_case);
}

std::vector<std::string> use_case_paths() {
  return paths_of(use_case_keys(), ".");
}

bool is_span_metric(std::string_view metric) {
  return metric.ends_with("_age");
}

}  // namespace slipway::project
