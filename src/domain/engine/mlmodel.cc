#include "domain/engine/mlmodel.h"

#include "base/text.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kBytesMax = 4u << 20;
constexpr int kDepthMax = 64;
constexpr std::size_t kNodesMax = 100'000;

struct TypeRow {
  ColumnType type;
  const char* name;
};
constexpr TypeRow kTypes[] = {
    {ColumnType::kBoolean, "boolean"}, {ColumnType::kInteger, "integer"},
    {ColumnType::kLong, "long"},       {ColumnType::kFloat, "float"},
    {ColumnType::kDouble, "double"},   {ColumnType::kString, "string"},
    {ColumnType::kBinary, "binary"},   {ColumnType::kDatetime, "datetime"},
    {ColumnType::kOther, "other"},
};

ColumnType to_column_type(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) return row.type;
  }
  return ColumnType::kOther;
}

std::string text_of(const wire::Json& item, std::string_view key) {
  const wire::Json* value = item.find(key);
  return value && value->is_string() ? value->as_string() : "";
}

TensorSpec read_tensor(const wire::Json& item) {
  TensorSpec tensor;
  tensor.name = text_of(item, "name");
  const wire::Json* spec = item.find("tensor-spec");
  if (!spec) return tensor;
  tensor.dtype = text_of(*spec, "dtype");
  if (const wire::Json* shape = spec->find("shape"); shape && shape->is_array()) {
    for (const wire::Json& size : shape->as_array())
      tensor.shape.push_back(size.is_number() ? size.as_int64() : -1);
  }
  return tensor;
}

Column read_column(const wire::Json& item) {
  Column column;
  column.name = text_of(item, "name");
  column.type = to_column_type(text_of(item, "type"));
  if (const wire::Json* required = item.find("required"); required && required->is_bool()) {
    column.required = required->as_bool();
  }
  return column;
}

Result<std::optional<Schema>> read_side(const yaml::Node& signature, const char* side) {
  const yaml::Node* text = signature.find(side);
  if (!text || !text->is_string()) return std::optional<Schema>();
  auto schema = read_schema(text->text);
  if (!schema.ok())
    return with_context(std::string("signature.") + side, std::move(schema.error()));
  return std::optional<Schema>(std::move(*schema));
}

}  // namespace

const char* to_string(ColumnType type) {
  return kTypes[static_cast<int>(type)].name;
}

const yaml::Node* MlModel::flavor(std::string_view name) const {
  const yaml::Node* flavors = document.find("flavors");
  const yaml::Node* members = flavors ? flavors->find(name) : nullptr;
  return members && members->is_mapping() ? members : nullptr;
}

std::string MlModel::main_flavor() const {
  const yaml::Node* flavors = document.find("flavors");
  if (!flavors || flavors->entries.empty()) return "";
  for (const yaml::Entry& entry : flavors->entries) {
    if (entry.key.text != "python_function") return entry.key.text;
  }
  return "python_function";
}

Result<Schema> read_schema(std::string_view json) {
  const wire::Json list = TRY(wire::parse(json, wire::Limits{kBytesMax, kDepthMax}));
  if (!list.is_array()) return invalid("a schema is a list of columns or tensors");
  Schema schema;
  for (const wire::Json& item : list.as_array()) {
    if (!item.is_object()) return invalid("an item of a schema is no object");
    if (text_of(item, "type") == "tensor")
      schema.tensors.push_back(read_tensor(item));
    else
      schema.columns.push_back(read_column(item));
  }
  if (!schema.columns.empty() && !schema.tensors.empty())
    return invalid("a schema mixes columns and tensors");
  return schema;
}

Result<MlModel> read_mlmodel(std::string_view text) {
  MlModel model;
  model.document =
      TRY(yaml::parse(text, "MLmodel", yaml::Schema::kYaml11, {kBytesMax, kDepthMax, kNodesMax}));
  if (!model.document.is_mapping()) return invalid("MLmodel: it is no mapping");
  if (const yaml::Node* signature = model.document.find("signature")) {
    model.inputs = TRY(read_side(*signature, "inputs"));
    model.outputs = TRY(read_side(*signature, "outputs"));
  }
  return model;
}

}  // namespace slipway::engine
