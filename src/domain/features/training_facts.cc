#include "domain/features/training.h"
#include "graph/kinds.h"

namespace slipway::features {
namespace {

using graph::NodeRef;
using wire::Json;

NodeRef data(const std::string& md5) {
  return {graph::kind::kData, md5};
}

std::string shown(const std::filesystem::path& file, const std::filesystem::path& root) {
  const std::filesystem::path relative = file.lexically_relative(root);
  if (relative.empty() || *relative.begin() == "..") return file.string();
  return relative.string();
}

Json with_path(const std::string& path, const char* role) {
  Json json;
  json.set("path", path);
  json.set("role", role);
  return json;
}

Json counts(const ViewReport& report) {
  Json json;
  json.set("view", report.view);
  json.set("alias", report.alias);
  json.set("rows", static_cast<std::int64_t>(report.rows));
  json.set("unmatched", static_cast<std::int64_t>(report.unmatched));
  json.set("expired", static_cast<std::int64_t>(report.expired));
  json.set("undated", static_cast<std::int64_t>(report.undated));
  json.set("overflows", report.faults.overflows);
  json.set("domain_errors", report.faults.domain_errors);
  json.set("failed_casts", report.faults.failed_casts);
  return json;
}

Json version_attributes(const View& view) {
  Json json;
  json.set("name", view.name);
  json.set("owner", view.owner);
  json.set("description", view.description);
  json.set("meaning", view.meaning());
  return json;
}

}  // namespace

TrainingFacts to_graph(const TrainingFiles& files, const TrainingResult& result,
                       const std::vector<ViewUse>& uses, const TrainingRules& rules) {
  TrainingFacts facts;
  const NodeRef set = data(result.md5);
  const char* drawn_from = graph::relation::kDrawnFrom;
  facts.nodes.emplace_back(set, Json(Json::Object()));
  facts.edges.push_back({set, drawn_from, data(result.entities_md5),
                         with_path(shown(files.entities, files.root), "entities")});
  Json::Array reports;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    const View& view = uses[i].plan.view();
    const NodeRef version{graph::kind::kFeatureViewVersion, uses[i].plan.id()};
    facts.nodes.emplace_back(version, version_attributes(view));
    Json how;
    how.set("alias", result.reports[i].alias);
    Json keys{Json::Object()};
    for (const auto& [key, column] : uses[i].keys) keys.set(key, column);
    how.set("keys", keys);
    how.set("created_cutoff", rules.created_cutoff);
    facts.edges.push_back({set, drawn_from, version, how});
    facts.edges.push_back(
        {set, drawn_from, data(result.sources_md5[i]), with_path(view.source.file, "source")});
    reports.push_back(counts(result.reports[i]));
  }
  Json about;
  about.set("path", shown(files.output, files.root));
  about.set("rows", static_cast<std::int64_t>(result.rows));
  about.set("views", std::move(reports));
  facts.events.push_back({"training_set.drawn", set, "slipway", 0, std::move(about)});
  return facts;
}

Result<> record(db::Tx& tx, const TrainingFacts& facts, UnixMs now_ms) {
  for (const auto& [ref, attributes] : facts.nodes)
    TRY(graph::put_node(tx, ref, attributes, now_ms));
  for (const graph::Edge& edge : facts.edges) TRY(graph::put_edge(tx, edge, now_ms));
  for (const graph::Event& event : facts.events) TRY(graph::append_event(tx, event, now_ms));
  return {};
}

}  // namespace slipway::features
