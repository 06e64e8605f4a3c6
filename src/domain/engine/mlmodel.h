#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/yaml/yaml.h"

// The file `MLmodel` at the root of a model folder: which flavours it has, and what goes in and
// comes out.
namespace slipway::engine {

enum class ColumnType {
  kBoolean,
  kInteger,
  kLong,
  kFloat,
  kDouble,
  kString,
  kBinary,
  kDatetime,
  kOther
};
/// "integer", "double", ...; "other" for arrays, objects, maps and whatever comes later.
const char* to_string(ColumnType type);

struct Column {
  std::string name;  // empty in a signature without names
  ColumnType type = ColumnType::kOther;
  bool required = true;
};
struct TensorSpec {
  std::string name;                 // may be empty
  std::string dtype;                // numpy's: "float32"
  std::vector<std::int64_t> shape;  // -1: any
};
/// Either columns or tensors; both empty when the list is.
struct Schema {
  std::vector<Column> columns;
  std::vector<TensorSpec> tensors;
  bool named() const { return !columns.empty() && !columns.front().name.empty(); }
};

struct MlModel {
  std::optional<Schema> inputs, outputs;
  yaml::Node document;  // the whole file, unknown keys included
  /// The members of flavors.NAME; null when the model does not have that flavour.
  const yaml::Node* flavor(std::string_view name) const;
  /// The flavour that names what made the model: the first beside python_function, or that one
  /// alone; "" without any.
  std::string main_flavor() const;
};

/// kInvalid with the place of what is wrong. At most 4 MiB, nesting at most 64 deep.
Result<MlModel> read_mlmodel(std::string_view text);
/// One of the signature's JSON texts: a list of columns or of tensors.
Result<Schema> read_schema(std::string_view json);

}  // namespace slipway::engine
