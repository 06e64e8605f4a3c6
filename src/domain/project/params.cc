#include "domain/project/params.h"

#include <cmath>

#include "base/file.h"
#include "base/text.h"
#include "io/wire/codec.h"

namespace slipway::project {
namespace {

Error no_json(const std::string& what) {
  Error error = invalid(what + " has no form in JSON");
  error.tag = "no_json";
  return error;
}

Error unsupported_format(const std::filesystem::path& file) {
  Error error = invalid("not supported yet: params from " + file.extension().string() + " files (" +
                        file.filename().string() + "); use YAML or JSON");
  error.tag = "unsupported";
  return error;
}

Result<wire::Json> number_to_json(const yaml::Node& node) {
  if (node.type == yaml::Type::kFloat) return wire::Json(node.as_double());
  Result<std::int64_t> value = node.as_int64();
  if (!value.ok()) return no_json("the integer " + node.text);
  return wire::Json(*value);
}

}  // namespace

Result<yaml::Node> read_params(const std::filesystem::path& file) {
  constexpr std::uint64_t kBytesMax = 64u << 20;
  std::string suffix = to_lower(file.extension().string());
  if (suffix == ".toml" || suffix == ".py") return unsupported_format(file);
  std::string text = TRY(read_file(file, kBytesMax));
  yaml::Node values;
  if (suffix == ".json") {
    Result<wire::Json> json = wire::parse(text);
    if (!json.ok()) return with_context(file.filename().string(), json.error());
    values = from_json(*json);
  } else {
    values = TRY(yaml::parse(text, file.filename().string()));
  }
  if (values.is_null()) values = yaml::Node::mapping();
  return values;
}

const yaml::Node* find_param(const yaml::Node& params, std::string_view dotted) {
  const yaml::Node* node = &params;
  for (std::string_view part : split(dotted, '.')) {
    if (node->is_sequence()) {
      auto index = to_int64(part);
      if (!index || *index < 0 || static_cast<std::size_t>(*index) >= node->items.size())
        return nullptr;
      node = &node->items[static_cast<std::size_t>(*index)];
      continue;
    }
    node = node->find(part);
    if (node == nullptr) return nullptr;
  }
  return node;
}

Result<wire::Json> to_json(const yaml::Node& node) {
  switch (node.type) {
    case yaml::Type::kNull:
      return wire::Json();
    case yaml::Type::kBool:
      return wire::Json(node.as_bool());
    case yaml::Type::kInteger:
    case yaml::Type::kFloat:
      return number_to_json(node);
    case yaml::Type::kDate:
      return no_json("the date " + node.text);
    case yaml::Type::kString:
      return wire::Json(node.text);
    case yaml::Type::kSequence: {
      wire::Json::Array items;
      for (const yaml::Node& item : node.items) items.push_back(TRY(to_json(item)));
      return wire::Json(std::move(items));
    }
    case yaml::Type::kMapping: {
      wire::Json::Object members;
      for (const yaml::Entry& entry : node.entries) {
        members.emplace_back(entry.key.is_string() ? entry.key.text : entry.key.canonical(),
                             TRY(to_json(entry.value)));
      }
      return wire::Json(std::move(members));
    }
  }
  return internal("a value of no known type");
}

yaml::Node from_json(const wire::Json& json) {
  if (json.is_null()) return yaml::Node::null();
  if (json.is_bool()) return yaml::Node::boolean(json.as_bool());
  if (json.is_integer()) {
    yaml::Node node = yaml::Node::integer(json.as_int64());
    if (json.as_int64() < 0 && json.as_double() > 0) {
      node.text = std::to_string(static_cast<std::uint64_t>(json.as_int64()));
    }
    return node;
  }
  if (json.is_number()) return yaml::Node::real(json.as_double());
  if (json.is_string()) return yaml::Node::string(json.as_string());
  if (json.is_array()) {
    yaml::Node list = yaml::Node::sequence();
    for (const wire::Json& item : json.as_array()) list.add(from_json(item));
    return list;
  }
  yaml::Node map = yaml::Node::mapping();
  for (const auto& [key, value] : json.as_object()) map.set(key, from_json(value));
  return map;
}

}  // namespace slipway::project
