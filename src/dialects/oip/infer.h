#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dialects/oip/infer_request.h"
#include "domain/serving/enrich.h"
#include "domain/serving/serving.h"
#include "io/http/message.h"

// A loaded version as a model with tensors: what it takes, what it gives, and one inference on it.
namespace slipway::oip {

struct TensorFace {
  std::string name;
  Datatype datatype;
  std::vector<std::int64_t> shape;  // -1: the number of rows
};
/// What metadata says: one matrix in; out "predict", and "predict_proba" of a classifier that has
/// probabilities.
std::vector<TensorFace> inputs_of(const serving::LoadedVersion& version);
std::vector<TensorFace> outputs_of(const serving::LoadedVersion& version);
/// The columns of the matrix in its order, as far as the model's files tell: names may be empty,
/// and the type is that of the signature, kOther where it says none. Empty when nothing is known.
std::vector<engine::Column> columns_of(const serving::LoadedVersion& version);

/// A request that fits the version: its rows, ready to be scored.
struct Batch {
  std::size_t rows = 0;
  std::vector<float> cells;
};
/// Checks in Triton's order, with its wording. Takes the numbers out of `request`.
Result<Batch> make_batch(const serving::LoadedVersion& version, std::string_view model,
                         InferRequest& request);

/// A request of one tensor per column, with one element a row, whatever the columns are: those a
/// deployment fills up.
struct SentColumns {
  std::size_t rows = 0;
  std::vector<serving::SentColumn> columns;
};
Result<SentColumns> sent_columns(const serving::LoadedVersion& version, std::string_view model,
                                 InferRequest& request);

/// A request whose whole body is the data of the only input (Inference-Header-Content-Length: 0).
Result<InferRequest> read_raw_request(const serving::LoadedVersion& version, std::string_view body);

/// Writes the response of values that the version's engine gave, row by row. `prediction_id` is a
/// parameter of it; "" for none.
http::Response respond(const serving::LoadedVersion& version, std::string_view model,
                       const InferRequest& request, std::size_t rows, std::span<const float> values,
                       std::string_view prediction_id = {});
/// Scores and writes the response.
http::Response answer(const serving::LoadedVersion& version, std::string_view model,
                      const InferRequest& request, const Batch& batch);

}  // namespace slipway::oip
