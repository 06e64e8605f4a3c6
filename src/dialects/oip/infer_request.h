#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// An inference request as values, read in one pass: numbers go straight from the JSON text into one
// array.
namespace slipway::oip {

enum class Datatype {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBf16,
  kBytes
};
const char* to_string(Datatype type);
std::optional<Datatype> to_datatype(std::string_view name);
/// Bytes of one element; 0 for kBytes.
std::size_t element_bytes(Datatype type);

struct InputTensor {
  std::string name;
  Datatype datatype = Datatype::kFp32;
  std::vector<std::int64_t> shape;
  std::uint64_t elements = 0;  // product of the shape
  bool has_data = false, has_binary = false, has_shared_memory = false;
  std::size_t first = 0,
              count =
                  0;  // data: where its elements lie in InferRequest::numbers (not kept for kBytes)
  std::uint64_t binary_bytes = 0;
  std::string_view binary;  // into the body
  std::string_view data;    // likewise: the JSON of its elements
};

struct WantedOutput {
  std::string name;
  bool binary = false;
};

struct InferRequest {
  std::string id;
  std::vector<InputTensor> inputs;
  std::vector<WantedOutput> outputs;
  bool binary_output = false;  // default of unlisted outputs
  // Parameters for deployments, as sent; "" where left out.
  std::string slipway_key, event_time;
  std::vector<float>
      numbers;  // JSON data, rounded to float32 as XGBoost would; of all inputs, one after another

  /// "[request id: 17] ", with which most messages about a request begin.
  std::string prefix() const;
};

struct InferLimits {
  std::uint64_t bytes_max = 64u << 20;
  int depth_max = 100;
};

/// `header_bytes` is the length of the JSON part; binary tensors follow it. Views in the result
/// point into `body`. All errors are kInvalid, with Triton's wording.
Result<InferRequest> read_infer_request(std::string_view body, std::size_t header_bytes,
                                        std::string_view model, const InferLimits& limits = {});

}  // namespace slipway::oip
