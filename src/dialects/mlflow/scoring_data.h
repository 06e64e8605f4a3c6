#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/engine/mlmodel.h"
#include "domain/engine/model.h"

// What MLflow's scoring server accepts, from bytes to the cells of rows.
namespace slipway::mlflow {

struct Cell {
  enum class Kind : std::uint8_t { kNull, kBool, kInteger, kReal, kText, kOther };
  Kind kind = Kind::kNull;
  std::int64_t integer = 0;  // also of a bool
  double real = 0;
  std::string text;
};

/// A table as it came in, before any type is known.
struct Frame {
  /// How it was written decides which rules apply.
  enum class Source { kTable, kCsv, kColumnArrays, kRecordList, kArray, kScalar };
  Source source = Source::kTable;
  bool from_instances = false;
  bool named = false;
  std::vector<std::string> names;          // one per column; "0", "1", ... when not named
  std::vector<std::vector<Cell>> columns;  // of equal length, but for kColumnArrays
  std::size_t rows = 0;
};

/// Errors carry the tag "bad_request"; messages are those of MLflow's server.
Result<Frame> read_json_frame(std::string_view body);
Result<Frame> read_csv_frame(std::string_view body);

/// Casts and enforces the signature (none: only the count, and names where the model has them), and
/// gives row-major float32 cells. Tag "bad_request" for what can't be cast, none for a schema that
/// is not met.
Result<std::vector<float>> to_cells(const Frame& frame, const engine::MlModel& mlmodel,
                                    const engine::Model::Traits& traits);

}  // namespace slipway::mlflow
