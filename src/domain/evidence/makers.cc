#include "domain/evidence/makers.h"

#include "graph/kinds.h"

namespace slipway::evidence {
namespace {

UnixMs time_or(const graph::Node& node, const char* key, UnixMs otherwise) {
  const wire::Json* value = node.attributes.find(key);
  return value != nullptr && value->is_integer() ? value->as_int64() : otherwise;
}

}  // namespace

UnixMs begun_ms(const graph::Node& attempt) {
  return time_or(attempt, "started_ms", attempt.created_ms);
}

UnixMs made_ms(const graph::Node& attempt) {
  return time_or(attempt, "ended_ms", begun_ms(attempt));
}

std::string text_of(const wire::Json& attributes, std::string_view key) {
  const wire::Json* value = attributes.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

std::int64_t integer_of(const wire::Json& attributes, std::string_view key) {
  const wire::Json* value = attributes.find(key);
  return value != nullptr && value->is_number() ? value->as_int64() : 0;
}

std::string path_of(const graph::Edge& edge) {
  std::string path = text_of(edge.attributes, "path");
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();  // a folder, as somebody wrote it
  return path;
}

const Maker* maker_of(const std::vector<Maker>& makers, const std::string& path, UnixMs before_ms) {
  const Maker* latest = nullptr;
  for (const Maker& maker : makers) {
    if (path_of(maker.edge) != path || maker.made_ms > before_ms) continue;
    if (latest == nullptr || maker.made_ms > latest->made_ms) latest = &maker;
  }
  return latest;
}

bool is_same_bytes(const graph::Edge& edge) {
  const wire::Json* value = edge.attributes.find("same_bytes");
  return value != nullptr && value->is_bool() && value->as_bool();
}

bool is_of_version(const graph::Edge& edge, const graph::Node& version) {
  const wire::Json* of_edge = edge.attributes.find("created_ms");
  const wire::Json* of_node = version.attributes.find("created_ms");
  bool is_told = of_edge != nullptr && of_node != nullptr;
  return !is_told || !of_edge->is_integer() || !of_node->is_integer() ||
         of_edge->as_int64() == of_node->as_int64();
}

}  // namespace slipway::evidence
