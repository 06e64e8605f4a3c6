#include "domain/features/view.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"

namespace slipway::features {
namespace {

using wire::Json;

Json columns_json(const std::vector<Input>& columns) {
  Json::Array all;
  for (const Input& column : columns) {
    all.push_back(Json::Array{column.name, to_string(column.type)});
  }
  return all;
}

Json source_json(const Source& source) {
  Json json;
  json.set("file", source.file);
  json.set("event_time", source.event_time);
  json.set("created", source.created);
  // Which columns a source offers beyond what is read, and in which order, changes nothing.
  Json::Array rename;
  auto sorted = source.rename;
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [from, to] : sorted) rename.push_back(Json::Array{from, to});
  json.set("rename", std::move(rename));
  return json;
}

Json feature_json(const Feature& feature) {
  Json json;
  json.set("name", feature.name);
  json.set("type", to_string(feature.type));
  json.set("expression", feature.expression);
  return json;
}

Json aggregate_json(const Aggregate& aggregate, const Operand& operand) {
  Json json;
  json.set("name", aggregate.name);
  json.set("of", operand.expression);
  json.set("of_type", to_string(operand.type));
  json.set("function", to_string(aggregate.function));
  json.set("length_us", aggregate.window.length_us);
  json.set("hop_us", aggregate.window.hop_us);
  json.set("inclusive", aggregate.window.inclusive);
  return json;
}

}  // namespace

Json View::meaning() const {
  Json json;
  json.set("format", 1);
  json.set("name", name);
  json.set("entity", columns_json(entity));
  json.set("source", source_json(source));
  json.set("stored", columns_json(stored));
  json.set("ttl_us", ttl_us);
  json.set("request", columns_json(request));
  Json::Array all;
  for (const Feature& feature : features) all.push_back(feature_json(feature));
  json.set("features", std::move(all));
  Json::Array windows;
  for (const Aggregate& aggregate : aggregates) {
    windows.push_back(aggregate_json(aggregate, operands[aggregate.operand]));
  }
  json.set("aggregates", std::move(windows));
  return json;
}

std::string View::digest() const {
  wire::DumpStyle style;
  style.sort_keys = true;
  return sha256_hex(wire::dump(meaning(), style));
}

std::vector<Input> View::outputs() const {
  std::vector<Input> all;
  for (const Feature& feature : features) all.push_back({feature.name, feature.type});
  for (const Aggregate& aggregate : aggregates) all.push_back({aggregate.name, aggregate.type});
  return all;
}

std::vector<Input> View::scope() const {
  std::vector<Input> all = stored;
  for (const Aggregate& aggregate : aggregates) all.push_back({aggregate.name, aggregate.type});
  all.insert(all.end(), request.begin(), request.end());
  all.push_back({kRequestTime, Type::kTimestamp});
  return all;
}

std::int64_t View::reach_us() const {
  std::int64_t reach = 0;
  for (const Aggregate& aggregate : aggregates) {
    reach = std::max(reach, aggregate.window.length_us + aggregate.window.hop_us);
  }
  return reach;
}

Result<View> read_view(const std::filesystem::path& root, const std::string& file) {
  Result<std::string> text = read_file(root / file, kViewBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing) {
    return missing("there is no feature view " + file + " in " + root.string());
  }
  if (!text.ok()) return text.error();
  return parse_view(*text, file);
}

}  // namespace slipway::features
