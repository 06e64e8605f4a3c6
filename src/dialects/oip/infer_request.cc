#include "dialects/oip/infer_request.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/text.h"
#include "dialects/oip/json_scanner.h"

namespace slipway::oip {
namespace {

constexpr std::size_t kTensorsMax = 10'000;
constexpr std::size_t kRankMax = 64;

struct DatatypeRow {
  Datatype type;
  const char* name;
  std::size_t bytes;
};
constexpr DatatypeRow kDatatypes[] = {
    {Datatype::kBool, "BOOL", 1},     {Datatype::kUint8, "UINT8", 1},
    {Datatype::kUint16, "UINT16", 2}, {Datatype::kUint32, "UINT32", 4},
    {Datatype::kUint64, "UINT64", 8}, {Datatype::kInt8, "INT8", 1},
    {Datatype::kInt16, "INT16", 2},   {Datatype::kInt32, "INT32", 4},
    {Datatype::kInt64, "INT64", 8},   {Datatype::kFp16, "FP16", 2},
    {Datatype::kFp32, "FP32", 4},     {Datatype::kFp64, "FP64", 8},
    {Datatype::kBf16, "BF16", 2},     {Datatype::kBytes, "BYTES", 0},
};

template <class T>
Result<float> read_integer(JsonScanner& in, Datatype type) {
  const std::string_view word = in.token();
  T value = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (!word.empty() && error == std::errc() && stop == word.data() + word.size())
    return static_cast<float>(value);
  if (word.empty()) return in.wrong("invalid value");
  return invalid("Unable to parse 'data': " + std::string(word.substr(0, 40)) + " is no " +
                 to_string(type));
}

Result<float> read_element(JsonScanner& in, Datatype type) {
  switch (type) {
    case Datatype::kFp32:
    case Datatype::kFp64:
      return static_cast<float>(TRY(in.number()));
    case Datatype::kInt8:
      return read_integer<std::int8_t>(in, type);
    case Datatype::kInt16:
      return read_integer<std::int16_t>(in, type);
    case Datatype::kInt32:
      return read_integer<std::int32_t>(in, type);
    case Datatype::kInt64:
      return read_integer<std::int64_t>(in, type);
    case Datatype::kUint8:
      return read_integer<std::uint8_t>(in, type);
    case Datatype::kUint16:
      return read_integer<std::uint16_t>(in, type);
    case Datatype::kUint32:
      return read_integer<std::uint32_t>(in, type);
    case Datatype::kUint64:
      return read_integer<std::uint64_t>(in, type);
    default:
      break;
  }
  const std::string_view word = in.token();
  if (word == "true") return 1.0f;
  if (word == "false") return 0.0f;
  return invalid("Unable to parse 'data': attempt to access JSON non-boolean as boolean");
}

class RequestReader {
 public:
  RequestReader(std::string_view body, std::size_t header_bytes, std::string_view model,
                const InferLimits& limits)
      : header_(body.substr(0, header_bytes)),
        rest_(body.substr(header_bytes)),
        model_(model),
        limits_(limits) {}

  Result<InferRequest> run() {
    JsonScanner in(header_, limits_.depth_max);
    bool inputs = false;
    const auto member = [&](std::string_view key) -> Result<> {
      if (key == "inputs") {
        inputs = true;
        request_.inputs.clear();
        return in.array([&] { return read_input(in); });
      }
      if (key == "outputs") {
        request_.outputs.clear();
        return in.array([&] { return read_output(in); });
      }
      if (key == "id") return read_text(in, "id", request_.id);
      if (key == "parameters") return read_parameters(in);
      return in.skip();
    };
    TRY(in.object(member));
    TRY(in.end());
    if (!inputs)
      return invalid(
          "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'");
    TRY(finish_inputs());
    TRY(take_binary());
    return std::move(request_);
  }

 private:
  static Result<> read_text(JsonScanner& in, const char* key, std::string& out) {
    if (in.peek() != '"') {
      return invalid("Unable to parse '" + std::string(key) +
                     "': attempt to access JSON non-string as string");
    }
    return in.text(out);
  }

  /// A text, or a number or bool as it is written.
  static Result<> read_text_or_token(JsonScanner& in, std::string& out) {
    if (in.peek() == '"') return in.text(out);
    out = TRY(in.span());
    return {};
  }

  static Result<bool> read_bool(JsonScanner& in, std::string_view key) {
    const std::string_view word = in.token();
    if (word == "true") return true;
    if (word == "false") return false;
    return invalid("Unable to parse '" + std::string(key) +
                   "': attempt to access JSON non-boolean as boolean");
  }

  static Result<std::uint64_t> read_unsigned(JsonScanner& in, const char* key) {
    const std::string_view word = in.token();
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (!word.empty() && error == std::errc() && stop == word.data() + word.size()) return value;
    return invalid("Unable to parse '" + std::string(key) +
                   "': attempt to access JSON non-unsigned-integer as unsigned-integer");
  }

  Result<> read_parameters(JsonScanner& in) {
    return in.object([&](std::string_view key) -> Result<> {
      if (key.substr(0, 7) == "triton_") {
        return invalid(
            "parameter keys starting with 'triton_' are reserved for Triton usage and should not "
            "be specified.");
      }
      if (key == "binary_data_output") {
        request_.binary_output = TRY(read_bool(in, key));
        return {};
      }
      if (key == "headers") return in.skip();
      if (const char next = in.peek(); next == '{' || next == '[' || next == 'n') {
        return invalid(
            "parameter '" + std::string(key) +
            "' has invalid type. It should be either 'int', 'bool', 'string', or 'double'.");
      }
      if (key == "slipway_key") return read_text_or_token(in, request_.slipway_key);
      if (key == "event_time") return read_text_or_token(in, request_.event_time);
      return in.skip();
    });
  }

  Result<> read_input(JsonScanner& in) {
    if (request_.inputs.size() >= kTensorsMax) return invalid("more than 10000 inputs");
    InputTensor& input = request_.inputs.emplace_back();
    bool name = false, shape = false, datatype = false;
    std::string_view data_for_later;
    const auto member = [&](std::string_view key) -> Result<> {
      if (key == "name") {
        name = true;
        return read_text(in, "name", input.name);
      }
      if (key == "shape") {
        shape = true;
        return read_shape(in, input);
      }
      if (key == "datatype") {
        datatype = true;
        return read_datatype(in, input);
      }
      if (key == "parameters") return read_input_parameters(in, input);
      if (key != "data") return in.skip();
      input.has_data = true;
      if (!datatype) {
        data_for_later = TRY(in.span());
        input.data = data_for_later;
        return {};
      }
      const char* begin = (in.peek(), in.position());
      TRY(read_data(in, input));
      input.data = std::string_view(begin, static_cast<std::size_t>(in.position() - begin));
      return {};
    };
    TRY(in.object(member));
    for (const auto& [there, key] :
         {std::pair{name, "name"}, {shape, "shape"}, {datatype, "datatype"}}) {
      if (!there) {
        return invalid("Unable to parse '" + std::string(key) +
                       "': attempt to access non-existing object member '" + key + "'");
      }
    }
    if (data_for_later.empty()) return {};
    JsonScanner later(data_for_later, limits_.depth_max);
    return read_data(later, input);
  }

  static Result<> read_shape(JsonScanner& in, InputTensor& input) {
    input.shape.clear();
    return in.array([&]() -> Result<> {
      const std::uint64_t size = TRY(read_unsigned(in, "shape"));
      if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return invalid("Unable to parse 'shape': " + std::to_string(size) + " is too large");
      }
      if (input.shape.size() >= kRankMax)
        return invalid("Unable to parse 'shape': more than 64 dimensions");
      input.shape.push_back(static_cast<std::int64_t>(size));
      return {};
    });
  }

  static Result<> read_datatype(JsonScanner& in, InputTensor& input) {
    std::string name;
    TRY(read_text(in, "datatype", name));
    const auto type = to_datatype(name);
    if (!type)
      return invalid("invalid datatype '" + name.substr(0, 40) + "' for input '" + input.name +
                     "'");
    input.datatype = *type;
    return {};
  }

  static Result<> read_input_parameters(JsonScanner& in, InputTensor& input) {
    return in.object([&](std::string_view key) -> Result<> {
      if (key == "binary_data_size") {
        input.has_binary = true;
        input.binary_bytes = TRY(read_unsigned(in, "binary_data_size"));
        return {};
      }
      input.has_shared_memory = input.has_shared_memory || key == "shared_memory_region";
      return in.skip();
    });
  }

  /// Which element it is that is no such number. A text that is no JSON at all is told by its byte.
  Error at_element(JsonScanner& in, const InputTensor& input, const Error& error) const {
    constexpr std::string_view kUnfit = "Unable to parse 'data': ";
    const bool is_text = in.peek() == '"';
    if (!is_text && !error.message.starts_with(kUnfit)) return error;
    const std::string who = input.name.empty()
                                ? "input number " + std::to_string(request_.inputs.size())
                                : "input '" + input.name.substr(0, 100) + "'";
    const std::string found =
        std::string(kUnfit) + "found a text, expected " + std::string(to_string(input.datatype));
    return invalid((is_text ? found : error.message) + " (element " +
                   std::to_string(request_.numbers.size() - input.first) + " of " + who +
                   ", counted from 0)");
  }

  Result<> read_data(JsonScanner& in, InputTensor& input) {
    if (input.datatype == Datatype::kFp16 || input.datatype == Datatype::kBf16) {
      return invalid(
          "receiving " + std::string(to_string(input.datatype)) +
          " data via JSON is not supported. Please use the binary data format for input " +
          input.name);
    }
    input.count = 0;
    if (input.datatype == Datatype::kBytes) {
      std::string ignored;
      return in.flattened([&] {
        ++input.count;
        return in.text(ignored);
      });
    }
    auto& numbers = request_.numbers;
    input.first = numbers.size();
    const auto element = [&]() -> Result<> {
      Result<float> value = read_element(in, input.datatype);
      if (!value.ok()) return at_element(in, input, value.error());
      numbers.push_back(*value);
      return {};
    };
    TRY(in.flattened(element));
    input.count = numbers.size() - input.first;
    return {};
  }

  Result<> read_output(JsonScanner& in) {
    if (request_.outputs.size() >= kTensorsMax) return invalid("more than 10000 outputs");
    WantedOutput& output = request_.outputs.emplace_back();
    bool name = false;
    TRY(in.object([&](std::string_view key) -> Result<> {
      if (key == "name") {
        name = true;
        return read_text(in, "name", output.name);
      }
      if (key == "parameters") return read_output_parameters(in, output);
      return in.skip();
    }));
    if (!name)
      return invalid("Unable to parse 'name': attempt to access non-existing object member 'name'");
    return {};
  }

  static Result<> read_output_parameters(JsonScanner& in, WantedOutput& output) {
    return in.object([&](std::string_view key) -> Result<> {
      if (key == "binary_data") {
        output.binary = TRY(read_bool(in, key));
        return {};
      }
      if (key == "classification")
        return invalid("classification of output '" + output.name + "' is not supported");
      if (key == "shared_memory_region") return invalid("shared memory is not supported");
      return in.skip();
    });
  }

  Result<> finish_inputs() {
    for (InputTensor& input : request_.inputs) {
      const int given = input.has_data + input.has_binary + input.has_shared_memory;
      if (given != 1) {
        return invalid(
            "Input must set only one of the following fields: 'data', 'binary_data_size' in "
            "'parameters', "
            "'shared_memory_region' in 'parameters'. But " +
            std::string(given == 0 ? "no field is set" : "more than one is set") + " for input '" +
            input.name + "'");
      }
      if (input.has_shared_memory)
        return invalid("shared memory is not supported: input '" + input.name + "'");
      TRY(count_elements(input));
    }
    for (const InputTensor& input : request_.inputs) {
      if (input.has_data && input.count != input.elements) {
        return invalid("Unable to parse 'data': Shape does not match true shape of 'data' field");
      }
    }
    return check_names();
  }

  Result<> count_elements(InputTensor& input) const {
    constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
    std::uint64_t elements = 1;
    for (const std::int64_t size : input.shape) {
      if (__builtin_mul_overflow(elements, static_cast<std::uint64_t>(size), &elements) ||
          elements > kMax) {
        return invalid("shape of input '" + input.name +
                       "' causes total element count to exceed maximum size of " +
                       std::to_string(kMax));
      }
    }
    std::uint64_t bytes = 0;
    const std::uint64_t each = std::max<std::uint64_t>(element_bytes(input.datatype), 1);
    if (__builtin_mul_overflow(elements, each, &bytes) || bytes > kMax) {
      return invalid("byte size overflow for input '" + input.name + "'");
    }
    input.elements = elements;
    return {};
  }

  template <class Tensor>
  Result<> check_unique(const std::vector<Tensor>& tensors, const char* kind) const {
    std::vector<std::string_view> names;
    if (tensors.size() < 2) return {};
    for (const Tensor& tensor : tensors) names.push_back(tensor.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return {};
    return invalid(request_.prefix() + kind + " '" + std::string(*twice) +
                   "' already exists in request");
  }

  Result<> check_names() const {
    TRY(check_unique(request_.inputs, "input"));
    return check_unique(request_.outputs, "output");
  }

  Result<> take_binary() {
    std::string_view rest = rest_;
    for (InputTensor& input : request_.inputs) {
      if (!input.has_binary) continue;
      if (input.binary_bytes > rest.size()) {
        return invalid("unexpected size for input '" + input.name + "', expecting " +
                       std::to_string(input.binary_bytes - rest.size()) +
                       " additional bytes for model '" + std::string(model_) + "'");
      }
      input.binary = rest.substr(0, input.binary_bytes);
      rest.remove_prefix(input.binary_bytes);
    }
    if (rest.empty()) return {};
    return invalid("unexpected additional input data for model '" + std::string(model_) + "'");
  }

  std::string_view header_, rest_, model_;
  const InferLimits& limits_;
  InferRequest request_;
};

}  // namespace

const char* to_string(Datatype type) {
  return kDatatypes[static_cast<int>(type)].name;
}

std::optional<Datatype> to_datatype(std::string_view name) {
  for (const DatatypeRow& row : kDatatypes) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

std::size_t element_bytes(Datatype type) {
  return kDatatypes[static_cast<int>(type)].bytes;
}

std::string InferRequest::prefix() const {
  return "[request id: " + (id.empty() ? std::string("<id_unknown>") : id) + "] ";
}

Result<InferRequest> read_infer_request(std::string_view body, std::size_t header_bytes,
                                        std::string_view model, const InferLimits& limits) {
  if (body.size() > limits.bytes_max) {
    return invalid("Request JSON size (" + std::to_string(body.size()) +
                   " bytes) exceeds configured HTTP input size limit of " +
                   std::to_string(limits.bytes_max) + " bytes");
  }
  return RequestReader(body, header_bytes, model, limits).run();
}

}  // namespace slipway::oip
