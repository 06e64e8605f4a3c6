#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Pulls one document of model data, value by value, straight into the caller's arrays: no tree is
// built. JSON and UBJSON look alike through this face.
namespace slipway::engine {

/// Reads forward, each value once. Foreign bytes: every error is kInvalid and says where; memory
/// grows only with the bytes present, whatever sizes they claim; nesting is at most 64 deep. One
/// thread.
class DocumentReader {
 public:
  virtual ~DocumentReader() = default;
  using EachMember = std::function<Result<>(std::string_view key)>;
  using EachItem = std::function<Result<>()>;

  /// The callbacks must read or skip exactly one value each time. `key` is valid until then.
  virtual Result<> object(const EachMember& each) = 0;
  virtual Result<> array(const EachItem& each) = 0;
  virtual Result<std::string> text() = 0;
  /// A number, or text that holds one, as XGBoost writes its parameters ("5E-1").
  virtual Result<std::int64_t> integer() = 0;
  /// An array of numbers (or of booleans), appended to `out`.
  virtual Result<> floats(std::vector<float>& out) = 0;
  virtual Result<> ints(std::vector<std::int32_t>& out) = 0;
  virtual Result<> skip() = 0;
  /// Nothing but blanks is left.
  virtual Result<> end() = 0;
};

/// `bytes` must outlive the reader.
std::unique_ptr<DocumentReader> read_json(std::string_view bytes);
std::unique_ptr<DocumentReader> read_ubjson(std::string_view bytes);

/// Whether it is UBJSON rather than JSON text; both start with '{'.
bool looks_like_ubjson(std::string_view bytes);

}  // namespace slipway::engine
