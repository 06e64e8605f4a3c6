#include "dialects/oip/infer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "dialects/oip/json_scanner.h"
#include "domain/serving/translation.h"
#include "io/wire/json.h"

namespace slipway::oip {
namespace {

constexpr char kMatrix[] = "input-0";
constexpr char kPredict[] = "predict";
constexpr char kProbabilities[] = "predict_proba";
constexpr std::size_t kFeatureless = 0;
constexpr std::size_t kValuesMax = 16u << 20;  // in one response

std::string list_of(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text = "[";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i ? ",'" : "'") + names[i] + "'";
  return text + "]";
}

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <class T>
void append_as_floats(std::string_view bytes, std::vector<float>& out) {
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    out.push_back(static_cast<float>(value));
  }
}

/// Little-endian elements of a numeric type as floats.
void append_binary(Datatype type, std::string_view bytes, std::vector<float>& out) {
  switch (type) {
    case Datatype::kFp32: {
      const std::size_t before = out.size();
      out.resize(before + bytes.size() / sizeof(float));
      if (!bytes.empty())
        std::memcpy(out.data() + before, bytes.data(),
                    bytes.size() / sizeof(float) * sizeof(float));
      return;
    }
    case Datatype::kFp64:
      return append_as_floats<double>(bytes, out);
    case Datatype::kBool:
    case Datatype::kUint8:
      return append_as_floats<std::uint8_t>(bytes, out);
    case Datatype::kUint16:
      return append_as_floats<std::uint16_t>(bytes, out);
    case Datatype::kUint32:
      return append_as_floats<std::uint32_t>(bytes, out);
    case Datatype::kUint64:
      return append_as_floats<std::uint64_t>(bytes, out);
    case Datatype::kInt8:
      return append_as_floats<std::int8_t>(bytes, out);
    case Datatype::kInt16:
      return append_as_floats<std::int16_t>(bytes, out);
    case Datatype::kInt32:
      return append_as_floats<std::int32_t>(bytes, out);
    case Datatype::kInt64:
      return append_as_floats<std::int64_t>(bytes, out);
    default:
      return;
  }
}

template <class T>
std::string element_text(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return "";
  }
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

/// One little-endian element as a text; "" for NaN.
std::string element_text(Datatype type, const char* bytes) {
  switch (type) {
    case Datatype::kBool:
      return *bytes != 0 ? "true" : "false";
    case Datatype::kUint8:
      return element_text<std::uint8_t>(bytes);
    case Datatype::kUint16:
      return element_text<std::uint16_t>(bytes);
    case Datatype::kUint32:
      return element_text<std::uint32_t>(bytes);
    case Datatype::kUint64:
      return element_text<std::uint64_t>(bytes);
    case Datatype::kInt8:
      return element_text<std::int8_t>(bytes);
    case Datatype::kInt16:
      return element_text<std::int16_t>(bytes);
    case Datatype::kInt32:
      return element_text<std::int32_t>(bytes);
    case Datatype::kInt64:
      return element_text<std::int64_t>(bytes);
    case Datatype::kFp32:
      return element_text<float>(bytes);
    case Datatype::kFp64:
      return element_text<double>(bytes);
    default:
      return "";
  }
}

/// Texts with their length before each (BYTES).
Result<std::vector<std::string>> prefixed_texts(std::string_view bytes, std::uint64_t elements) {
  std::vector<std::string> texts;
  while (!bytes.empty()) {
    std::uint32_t size = 0;
    if (bytes.size() < sizeof(size)) return invalid("an element is cut short");
    std::memcpy(&size, bytes.data(), sizeof(size));
    bytes.remove_prefix(sizeof(size));
    if (size > bytes.size()) return invalid("an element is cut short");
    texts.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  if (texts.size() == elements) return texts;
  return invalid("expected " + std::to_string(elements) + " elements, got " +
                 std::to_string(texts.size()));
}

/// Elements as they are written in JSON: texts, numbers, words.
Result<std::vector<std::string>> json_texts(std::string_view data) {
  std::vector<std::string> texts;
  JsonScanner in(data, InferLimits{}.depth_max);
  TRY(in.flattened([&]() -> Result<> {
    std::string& text = texts.emplace_back();
    if (in.peek() == '"') return in.text(text);
    const std::string_view word = in.token();
    if (word != "NaN" && word != "null") text = word;
    return {};
  }));
  return texts;
}

/// The elements of a tensor, exactly.
Result<std::vector<std::string>> texts_of(const InputTensor& input) {
  if (input.has_data) return json_texts(input.data);
  if (input.datatype == Datatype::kBytes) return prefixed_texts(input.binary, input.elements);
  const std::size_t size = element_bytes(input.datatype);
  std::vector<std::string> texts;
  for (std::size_t at = 0; at + size <= input.binary.size(); at += size)
    texts.push_back(element_text(input.datatype, input.binary.data() + at));
  return texts;
}

bool is_number(Datatype type) {
  return type != Datatype::kBytes && type != Datatype::kFp16 && type != Datatype::kBf16;
}

/// Checks one request against one version.
class Fitter {
 public:
  Fitter(const serving::LoadedVersion& version, std::string_view model, InferRequest& request)
      : version_(version),
        model_(model),
        request_(request),
        features_(version.engine->traits().features) {}

  Result<Batch> run() {
    TRY(check_outputs());
    const auto& inputs = request_.inputs;
    if (inputs.size() == 1 && inputs[0].name == kMatrix) return take_matrix();
    const std::vector<std::string> columns = serving::column_names_of(version_);
    const bool by_column = std::any_of(inputs.begin(), inputs.end(), [&](const InputTensor& input) {
      return input.name != kMatrix && holds(columns, input.name);
    });
    if (by_column) return take_columns(columns);
    return wrong_inputs({kMatrix});
  }

  Result<SentColumns> run_sent() {
    TRY(check_outputs());
    SentColumns sent;
    for (const InputTensor& input : request_.inputs) {
      const bool one_each =
          input.shape.size() == 1 || (input.shape.size() == 2 && input.shape[1] == 1);
      if (!one_each) return wrong_shape(input, {-1, 1});
      if (input.shape[0] != request_.inputs[0].shape[0]) {
        return wrong("input '" + input.name + "' batch size does not match other inputs for '" +
                     std::string(model_) + "'");
      }
      if (input.datatype != Datatype::kBytes) TRY(check_bytes(input));
    }
    sent.rows = static_cast<std::size_t>(request_.inputs.at(0).shape[0]);
    TRY(check_rows(sent.rows));
    for (const InputTensor& input : request_.inputs) {
      auto texts = texts_of(input);
      if (!texts.ok()) return wrong("input '" + input.name + "': " + texts.error().message);
      sent.columns.push_back({input.name, std::move(*texts)});
    }
    return sent;
  }

 private:
  Error wrong(std::string message) const { return invalid(request_.prefix() + std::move(message)); }
  std::string for_model() const { return " for model '" + std::string(model_) + "'"; }

  Result<> check_outputs() const {
    if (request_.outputs.empty()) return {};
    const std::vector<TensorFace> known = outputs_of(version_);
    for (const WantedOutput& output : request_.outputs) {
      const bool found = std::any_of(known.begin(), known.end(),
                                     [&](const auto& k) { return k.name == output.name; });
      if (!found) return wrong("unexpected inference output '" + output.name + "'" + for_model());
    }
    return {};
  }

  /// Why the inputs given are not the ones expected: their number, else the first unknown name.
  Error wrong_inputs(const std::vector<std::string>& expected) const {
    std::vector<std::string> got, lacking;
    for (const InputTensor& input : request_.inputs) got.push_back(input.name);
    for (const std::string& name : expected) {
      if (!holds(got, name)) lacking.push_back(name);
    }
    if (got.size() != expected.size()) {
      std::string text = "expected " + std::to_string(expected.size()) + " inputs but got " +
                         std::to_string(got.size()) + " inputs" + for_model() + ". Got input(s) " +
                         quoted_list(got);
      if (!lacking.empty()) text += ", but missing required input(s) " + quoted_list(lacking);
      return wrong(text + ". Please provide all required input(s).");
    }
    for (const std::string& name : got) {
      if (!holds(expected, name))
        return wrong("unexpected inference input '" + name + "'" + for_model());
    }
    return wrong("unexpected inputs" + for_model());
  }

  Error wrong_shape(const InputTensor& input, const std::vector<std::int64_t>& expected) const {
    return wrong("unexpected shape for input '" + input.name + "'" + for_model() + ". Expected " +
                 list_of(expected) + ", got " + list_of(input.shape) + ".");
  }

  /// A few bytes may ask for many outputs each; one response stays within memory.
  Result<> check_rows(std::size_t rows) const {
    const auto& traits = version_.engine->traits();
    const std::size_t width = std::max({traits.width, traits.classes, std::size_t{1}});
    if (rows <= kValuesMax / width) return {};
    return wrong("inference request batch-size must be <= " + std::to_string(kValuesMax / width) +
                 for_model());
  }

  Result<> check_bytes(const InputTensor& input) const {
    const std::uint64_t expected = input.elements * element_bytes(input.datatype);
    if (!input.has_binary || input.binary_bytes == expected) return {};
    return wrong("input byte size mismatch for input '" + input.name + "'" + for_model() +
                 ". Expected " + std::to_string(expected) + ", got " +
                 std::to_string(input.binary_bytes));
  }

  Result<Batch> take_matrix() {
    InputTensor& input = request_.inputs[0];
    if (input.datatype != Datatype::kFp32) {
      return wrong("inference input '" + input.name + "' data-type is '" +
                   to_string(input.datatype) + "', but model '" + std::string(model_) +
                   "' expects 'FP32'");
    }
    const auto features = static_cast<std::int64_t>(features_);
    if (input.shape.size() != 2 || input.shape[1] != features || features_ == kFeatureless) {
      return wrong_shape(input, {-1, features});
    }
    TRY(check_bytes(input));
    Batch batch;
    batch.rows = static_cast<std::size_t>(input.shape[0]);
    TRY(check_rows(batch.rows));
    if (input.has_binary)
      append_binary(input.datatype, input.binary, batch.cells);
    else
      batch.cells = std::move(request_.numbers);
    return batch;
  }

  Result<Batch> take_columns(const std::vector<std::string>& columns) {
    TRY(check_columns(columns));
    Batch batch;
    batch.rows = static_cast<std::size_t>(request_.inputs[0].shape[0]);
    TRY(check_rows(batch.rows));
    batch.cells.resize(batch.rows * features_, std::numeric_limits<float>::quiet_NaN());
    std::vector<float> column;
    for (const InputTensor& input : request_.inputs) {
      const auto place = static_cast<std::size_t>(
          std::find(columns.begin(), columns.end(), input.name) - columns.begin());
      const float* values = request_.numbers.data() + input.first;
      if (input.has_binary) {
        column.clear();
        append_binary(input.datatype, input.binary, column);
        values = column.data();
      }
      for (std::size_t row = 0; row < batch.rows; ++row)
        batch.cells[row * features_ + place] = values[row];
    }
    return batch;
  }

  Result<> check_columns(const std::vector<std::string>& columns) const {
    if (request_.inputs.size() != columns.size()) return wrong_inputs(columns);
    for (const InputTensor& input : request_.inputs) {
      if (!holds(columns, input.name)) return wrong_inputs(columns);
    }
    const auto& first = request_.inputs[0].shape;
    for (const InputTensor& input : request_.inputs) {
      if (!input.shape.empty() && !first.empty() && input.shape[0] != first[0]) {
        return wrong("input '" + input.name + "' batch size does not match other inputs for '" +
                     std::string(model_) + "'");
      }
    }
    for (const InputTensor& input : request_.inputs) {
      if (!is_number(input.datatype)) {
        return wrong("inference input '" + input.name + "' data-type is '" +
                     to_string(input.datatype) + "', but model '" + std::string(model_) +
                     "' expects 'FP32'");
      }
      const bool one_each =
          input.shape.size() == 1 || (input.shape.size() == 2 && input.shape[1] == 1);
      if (!one_each) return wrong_shape(input, {-1, 1});
      TRY(check_bytes(input));
    }
    return {};
  }

  const serving::LoadedVersion& version_;
  const std::string_view model_;
  InferRequest& request_;
  const std::size_t features_;
};

void append_float(std::string& out, float value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "Infinity" : "-Infinity";
    return;
  }
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value);
  const std::string_view text(digits, static_cast<std::size_t>(end - digits));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}
void append_number(std::string& out, float value) {
  append_float(out, value);
}
void append_number(std::string& out, std::int64_t value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

/// Writes outputs: the JSON part, and behind it the bytes of binary tensors.
class ResponseWriter {
 public:
  ResponseWriter(const serving::LoadedVersion& version, std::string_view model,
                 const InferRequest& request, std::size_t rows, std::string_view prediction_id)
      : request_(request), rows_(rows) {
    json_.reserve(192 + prediction_id.size() + rows * 16 * version.engine->traits().width);
    json_ += '{';
    if (!request.id.empty()) {
      json_ += "\"id\":";
      wire::append_quoted(json_, request.id);
      json_ += ',';
    }
    json_ += "\"model_name\":";
    wire::append_quoted(json_, model);
    json_ += ",\"model_version\":";
    wire::append_quoted(json_, version.version);
    if (!prediction_id.empty()) {
      json_ += ",\"parameters\":{\"prediction_id\":";
      wire::append_quoted(json_, prediction_id);
      json_ += '}';
    }
    json_ += ",\"outputs\":[";
  }

  template <class T>
  void add(std::string_view name, const char* datatype, std::size_t width,
           std::span<const T> values) {
    if (json_.back() == '}') json_ += ',';
    json_ += "{\"name\":\"";
    json_ += name;
    json_ += "\",\"datatype\":\"";
    json_ += datatype;
    json_ += "\",\"shape\":[";
    append_number(json_, static_cast<std::int64_t>(rows_));
    json_ += ',';
    append_number(json_, static_cast<std::int64_t>(width));
    json_ += ']';
    if (wants_binary(name))
      add_binary(values);
    else
      add_data(values);
    json_ += '}';
  }

  http::Response finish() {
    json_ += "]}";
    if (binary_.empty()) return http::Response::json(std::move(json_));
    http::Response response;
    response.headers.add("Content-Type", "application/octet-stream");
    response.headers.add("Inference-Header-Content-Length", std::to_string(json_.size()));
    response.body = std::move(json_);
    response.body += binary_;
    return response;
  }

 private:
  /// A listed output says so itself; the request's default is for requests that list none.
  bool wants_binary(std::string_view name) const {
    if (request_.outputs.empty()) return request_.binary_output;
    for (const WantedOutput& output : request_.outputs) {
      if (output.name == name) return output.binary;
    }
    return false;
  }
  template <class T>
  void add_data(std::span<const T> values) {
    json_ += ",\"data\":[";
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i) json_ += ',';
      append_number(json_, values[i]);
    }
    json_ += ']';
  }
  template <class T>
  void add_binary(std::span<const T> values) {
    json_ += ",\"parameters\":{\"binary_data_size\":";
    append_number(json_, static_cast<std::int64_t>(values.size_bytes()));
    json_ += '}';
    binary_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }

  const InferRequest& request_;
  const std::size_t rows_;
  std::string json_, binary_;
};

bool is_wanted(const InferRequest& request, std::string_view name) {
  if (request.outputs.empty()) return true;
  return std::any_of(request.outputs.begin(), request.outputs.end(),
                     [&](const auto& o) { return o.name == name; });
}

/// Outputs in the order in which they were asked for.
std::vector<std::string_view> output_order(const serving::LoadedVersion& version,
                                           const InferRequest& request) {
  std::vector<std::string_view> names;
  for (const WantedOutput& output : request.outputs) names.push_back(output.name);
  if (!names.empty()) return names;
  names.push_back(kPredict);
  if (version.engine->traits().classes > 0) names.push_back(kProbabilities);
  return names;
}

}  // namespace

std::vector<TensorFace> inputs_of(const serving::LoadedVersion& version) {
  return {{kMatrix,
           Datatype::kFp32,
           {-1, static_cast<std::int64_t>(version.engine->traits().features)}}};
}

std::vector<TensorFace> outputs_of(const serving::LoadedVersion& version) {
  const auto& traits = version.engine->traits();
  if (!traits.classifier)
    return {{kPredict, Datatype::kFp32, {-1, static_cast<std::int64_t>(traits.width)}}};
  std::vector<TensorFace> outputs{{kPredict, Datatype::kInt64, {-1, 1}}};
  if (traits.classes > 0)
    outputs.push_back(
        {kProbabilities, Datatype::kFp32, {-1, static_cast<std::int64_t>(traits.classes)}});
  return outputs;
}

std::vector<engine::Column> columns_of(const serving::LoadedVersion& version) {
  const auto& schema = version.mlmodel.inputs;
  const std::vector<engine::Column> declared =
      schema ? schema->columns : std::vector<engine::Column>();
  const std::vector<std::string> names = serving::column_names_of(version);
  if (names.empty())
    return declared.size() == version.engine->traits().features ? declared
                                                                : std::vector<engine::Column>();
  std::vector<engine::Column> columns;
  for (const std::string& name : names) {
    const auto found =
        std::find_if(declared.begin(), declared.end(),
                     [&](const engine::Column& column) { return column.name == name; });
    columns.push_back(found == declared.end() ? engine::Column{.name = name} : *found);
  }
  return columns;
}

Result<Batch> make_batch(const serving::LoadedVersion& version, std::string_view model,
                         InferRequest& request) {
  return Fitter(version, model, request).run();
}

Result<SentColumns> sent_columns(const serving::LoadedVersion& version, std::string_view model,
                                 InferRequest& request) {
  return Fitter(version, model, request).run_sent();
}

Result<InferRequest> read_raw_request(const serving::LoadedVersion& version,
                                      std::string_view body) {
  const std::size_t row_bytes = version.engine->traits().features * sizeof(float);
  if (row_bytes == 0 || body.size() % row_bytes != 0) {
    return invalid("raw binary request of " + std::to_string(body.size()) +
                   " bytes is no whole number of rows of " + std::to_string(row_bytes) +
                   " bytes for model '" + version.model + "'");
  }
  InferRequest request;
  request.binary_output = true;
  InputTensor& input = request.inputs.emplace_back();
  input.name = kMatrix;
  input.shape = {static_cast<std::int64_t>(body.size() / row_bytes),
                 static_cast<std::int64_t>(row_bytes / sizeof(float))};
  input.elements = body.size() / sizeof(float);
  input.has_binary = true;
  input.binary_bytes = body.size();
  input.binary = body;
  return request;
}

http::Response respond(const serving::LoadedVersion& version, std::string_view model,
                       const InferRequest& request, std::size_t rows, std::span<const float> values,
                       std::string_view prediction_id) {
  const engine::Model& engine = *version.engine;
  const auto& traits = engine.traits();
  ResponseWriter out(version, model, request, rows, prediction_id);
  if (!traits.classifier) {
    out.add<float>(kPredict, "FP32", traits.width, values);
    return out.finish();
  }
  for (const std::string_view name : output_order(version, request)) {
    if (name == kPredict) {
      std::vector<std::int64_t> labels(rows);
      engine.labels(values, rows, labels);
      out.add<std::int64_t>(kPredict, "INT64", 1, labels);
    } else if (is_wanted(request, kProbabilities)) {
      std::vector<float> probabilities(rows * traits.classes);
      engine.probabilities(values, rows, probabilities);
      out.add<float>(kProbabilities, "FP32", traits.classes, probabilities);
    }
  }
  return out.finish();
}

http::Response answer(const serving::LoadedVersion& version, std::string_view model,
                      const InferRequest& request, const Batch& batch) {
  std::vector<float> values(batch.rows * version.engine->traits().width);
  version.engine->values(batch.cells, batch.rows, values);
  return respond(version, model, request, batch.rows, values);
}

}  // namespace slipway::oip
