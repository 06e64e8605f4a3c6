#include "dialects/mlflow/scoring_data.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "base/text.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"

namespace slipway::mlflow {
namespace {

using engine::Column;
using engine::ColumnType;
using engine::Schema;
using wire::Json;

constexpr std::size_t kCellsMax = 16u << 20;
constexpr std::size_t kFlagLettersMax = 5;  // false
constexpr std::string_view kFormats[] = {"dataframe_split", "dataframe_records", "instances",
                                         "inputs"};
constexpr char kExactlyOne[] =
    "The input must be a JSON dictionary with exactly one of the input fields {'dataframe_split', "
    "'dataframe_records', 'instances', 'inputs'}";

Error bad_request(std::string message) {
  return {Code::kInvalid, std::move(message), "bad_request"};
}
Error bad_input(std::string message) {
  return bad_request("Invalid input. " + std::move(message));
}
Error unexpected() {
  return bad_request(
      "Encountered an unexpected error while evaluating the model. Verify that the serialized "
      "input Dataframe is "
      "compatible with the model for inference.");
}

Cell to_cell(const Json& value) {
  Cell cell;
  if (value.is_null()) return cell;
  if (value.is_bool()) {
    cell.kind = Cell::Kind::kBool;
    cell.integer = value.as_bool();
  } else if (value.is_integer()) {
    cell.kind = Cell::Kind::kInteger;
    cell.integer = value.as_int64();
    cell.real = value.as_double();
  } else if (value.is_number()) {
    cell.kind = Cell::Kind::kReal;
    cell.real = value.as_double();
  } else if (value.is_string()) {
    cell.kind = Cell::Kind::kText;
    cell.text = value.as_string();
  } else {
    cell.kind = Cell::Kind::kOther;
  }
  return cell;
}

std::string python_list(const std::vector<std::string>& names) {
  std::string text = "[";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i ? ", '" : "'") + names[i] + "'";
  return text + "]";
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.as_string() : wire::dump(value);
}

const char* python_type(const Json& value) {
  if (value.is_null()) return "NoneType";
  if (value.is_bool()) return "bool";
  if (value.is_integer()) return "int";
  if (value.is_number()) return "float";
  if (value.is_string()) return "str";
  return value.is_array() ? "list" : "dict";
}

void number_columns(Frame& frame) {
  for (std::size_t i = 0; i < frame.columns.size(); ++i) frame.names.push_back(std::to_string(i));
}

Error no_split(const std::string& why) {
  return bad_input(
      "Provided dataframe_split field is not a valid dataframe representation in 'split' format. "
      "Error: '" +
      why + "'");
}

std::size_t width_of(const Json& row) {
  return row.is_array() ? row.as_array().size() : 1;
}

/// The longest row must have as many cells as there are names. Rows shorter than the longest are
/// filled up with nulls, as pandas does.
Result<> fill_from_rows(Frame& frame, const Json::Array& rows) {
  std::size_t width = 0;
  for (const Json& row : rows) width = std::max(width, width_of(row));
  if (frame.named && width != frame.names.size() && !rows.empty()) {
    return no_split(std::to_string(frame.names.size()) + " columns passed, passed data had " +
                    std::to_string(width) + " columns");
  }
  if (frame.named) width = frame.names.size();
  if (width != 0 && rows.size() > kCellsMax / width) return bad_input("Too many cells.");
  frame.rows = rows.size();
  frame.columns.assign(width, std::vector<Cell>(rows.size()));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (!rows[r].is_array()) {
      if (width > 0) frame.columns[0][r] = to_cell(rows[r]);
      continue;
    }
    const Json::Array& row = rows[r].as_array();
    for (std::size_t c = 0; c < row.size(); ++c) frame.columns[c][r] = to_cell(row[c]);
  }
  if (!frame.named) number_columns(frame);
  return {};
}

/// Records that may lack keys; columns in the order in which they were met.
Result<> fill_from_records(Frame& frame, const Json::Array& records) {
  std::map<std::string, std::size_t, std::less<>> places;
  frame.named = true;
  frame.rows = records.size();
  for (std::size_t r = 0; r < records.size(); ++r) {
    if (!records[r].is_object()) return bad_input("A record is no dictionary.");
    for (const auto& [key, value] : records[r].as_object()) {
      const auto [place, added] = places.try_emplace(key, frame.names.size());
      if (added) {
        if (frame.rows > kCellsMax / (frame.names.size() + 1)) return bad_input("Too many cells.");
        frame.names.push_back(key);
        frame.columns.emplace_back(records.size());
      }
      frame.columns[place->second][r] = to_cell(value);
    }
  }
  return {};
}

Result<Frame> read_split(const Json& split) {
  if (!split.is_object()) {
    return bad_input("Dataframe split format must be a dictionary. Got " +
                     (split.is_array() ? std::string("list")
                                       : "type <class '" + std::string(python_type(split)) + "'>") +
                     ".");
  }
  std::vector<std::string> keys;
  bool known = true;
  for (const auto& [key, value] : split.as_object()) {
    keys.push_back(key);
    known = known && (key == "data" || key == "columns" || key == "index");
  }
  const Json* data = split.find("data");
  if (!data || !known) {
    std::string got = python_list(keys);
    got.front() = '{';
    got.back() = '}';
    return bad_input(
        "Dataframe split format must have 'data' field and optionally 'columns' and 'index' "
        "fields. Got " +
        got + ".'");
  }
  if (!data->is_array()) return no_split("data is no list");
  Frame frame;
  if (const Json* columns = split.find("columns"); columns && columns->is_array()) {
    frame.named = true;
    for (const Json& name : columns->as_array()) frame.names.push_back(text_of(name));
  }
  TRY(fill_from_rows(frame, data->as_array()));
  if (const Json* index = split.find("index"); index && index->is_array()) {
    const std::size_t labels = index->as_array().size();
    if (labels != frame.rows && frame.rows > 0) {
      return no_split("Length of values (" + std::to_string(frame.rows) +
                      ") does not match length of index (" + std::to_string(labels) + ")");
    }
  }
  return frame;
}

Result<Frame> read_records(const Json& records) {
  if (!records.is_array()) {
    return bad_input("Dataframe records format must be a list of records. Got " +
                     (records.is_object()
                          ? std::string("dictionary")
                          : "type <class '" + std::string(python_type(records)) + "'>") +
                     ".");
  }
  Frame frame;
  if (!records.as_array().empty() && !records.as_array()[0].is_object())
    TRY(fill_from_rows(frame, records.as_array()));
  else
    TRY(fill_from_records(frame, records.as_array()));
  return frame;
}

Result<Frame> read_column_arrays(const Json::Object& columns) {
  Frame frame;
  frame.source = Frame::Source::kColumnArrays;
  frame.named = true;
  for (const auto& [name, values] : columns) {
    std::vector<Cell>& column = frame.columns.emplace_back();
    frame.names.push_back(name);
    if (values.is_array()) {
      for (const Json& value : values.as_array()) {
        const bool wrapped = value.is_array() && value.as_array().size() == 1;
        column.push_back(to_cell(wrapped ? value.as_array()[0] : value));
      }
    } else {
      column.push_back(to_cell(values));
    }
    frame.rows = std::max(frame.rows, column.size());
  }
  return frame;
}

/// An array has no rows of unequal length; a table may.
Result<> check_even(const Json::Array& rows) {
  for (const Json& row : rows) {
    const bool alike = row.is_array() == rows[0].is_array() && width_of(row) == width_of(rows[0]);
    if (alike) continue;
    return bad_input(
        "Failed to parse input data. setting an array element with a sequence. The requested array "
        "has an inhomogeneous shape after 1 dimensions. The detected shape was (" +
        std::to_string(rows.size()) + ",) + inhomogeneous part.");
  }
  return {};
}

Result<Frame> read_tensors(const Json& value, bool instances) {
  Frame frame;
  frame.source = Frame::Source::kArray;
  if (value.is_object()) {
    frame = TRY(read_column_arrays(value.as_object()));
  } else if (!value.is_array()) {
    frame.source = Frame::Source::kScalar;
    frame.rows = 1;
    frame.columns = {{to_cell(value)}};
    number_columns(frame);
  } else if (!value.as_array().empty() && value.as_array()[0].is_object()) {
    TRY(fill_from_records(frame, value.as_array()));
    frame.source = instances ? Frame::Source::kColumnArrays : Frame::Source::kRecordList;
    if (instances) {
      // What a record lacks is not there in its column either, so that lengths differ, as they do
      // in MLflow.
      for (std::size_t c = 0; c < frame.columns.size(); ++c) {
        frame.columns[c].clear();
        for (const Json& record : value.as_array()) {
          if (const Json* cell = record.find(frame.names[c]))
            frame.columns[c].push_back(to_cell(*cell));
        }
      }
    }
  } else {
    TRY(check_even(value.as_array()));
    TRY(fill_from_rows(frame, value.as_array()));
  }
  frame.from_instances = instances;
  return frame;
}

/// Fields of CSV records; `ragged` is the line of the first record with too many.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {}

  /// False at the end. Empty lines are passed over.
  bool next(std::vector<std::string>& fields) {
    fields.clear();
    do {
      if (rest_.empty()) return false;
      ++line_;
    } while (skip_empty_line());
    for (;;) {
      fields.push_back(field());
      if (rest_.empty()) return true;
      const char after = rest_.front();
      rest_.remove_prefix(1);
      if (after == ',') continue;
      if (after == '\r' && !rest_.empty() && rest_.front() == '\n') rest_.remove_prefix(1);
      return true;
    }
  }
  std::size_t line() const { return line_; }

 private:
  bool skip_empty_line() {
    const std::size_t before = rest_.size();
    if (rest_.front() == '\r') rest_.remove_prefix(1);
    if (!rest_.empty() && rest_.front() == '\n') rest_.remove_prefix(1);
    return rest_.size() != before;
  }
  std::string field() {
    if (rest_.empty() || rest_.front() != '"') {
      const std::size_t end = std::min(rest_.find_first_of(",\r\n"), rest_.size());
      std::string value(rest_.substr(0, end));
      rest_.remove_prefix(end);
      return value;
    }
    std::string value;
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c != '"') {
        value += c;
      } else if (!rest_.empty() && rest_.front() == '"') {
        value += '"';
        rest_.remove_prefix(1);
      } else {
        break;
      }
    }
    return value;
  }

  std::string_view rest_;
  std::size_t line_ = 0;
};

Error csv_error(const std::string& what) {
  return bad_request(
      "Failed to parse input as a Pandas DataFrame. Ensure that the input is a valid CSV-formatted "
      "Pandas DataFrame produced "
      "using the `pandas.DataFrame.to_csv()` method. Error: '" +
      what + "'");
}

Cell csv_cell(std::string&& text) {
  static constexpr std::string_view kNulls[] = {
      "", "NaN", "nan", "NA", "N/A", "n/a", "null", "NULL", "None", "<NA>", "#N/A", "-NaN", "-nan"};
  Cell cell;
  if (std::find(std::begin(kNulls), std::end(kNulls), text) != std::end(kNulls)) return cell;
  cell.kind = Cell::Kind::kText;
  cell.text = std::move(text);
  return cell;
}

/// A column of nothing but true, false (in any case) and missing cells holds flags, as for pandas.
void read_flags(std::vector<Cell>& column) {
  const auto is_flag = [](const Cell& cell) {
    if (cell.kind == Cell::Kind::kNull) return true;
    if (cell.text.size() > kFlagLettersMax) return false;
    const std::string word = to_lower(cell.text);
    return word == "true" || word == "false";
  };
  if (!std::all_of(column.begin(), column.end(), is_flag)) return;
  for (Cell& cell : column) {
    if (cell.kind == Cell::Kind::kNull) continue;
    cell.kind = Cell::Kind::kBool;
    cell.integer = to_lower(cell.text) == "true";
  }
}

/// Why a cell is no number of the type wanted; the words are Python's.
std::string not_a_number(const Cell& cell, bool integer) {
  if (cell.kind == Cell::Kind::kNull)
    return "Cannot convert non-finite values (NA or inf) to integer.";
  if (cell.kind != Cell::Kind::kText) return "setting an array element with a sequence.";
  return integer ? "invalid literal for int() with base 10: '" + cell.text + "'"
                 : "could not convert string to float: '" + cell.text + "'";
}

std::optional<double> python_float(std::string_view text) {
  text = trim(text);
  const std::string lower = to_lower(text);
  if (lower == "nan" || lower == "inf" || lower == "-inf" || lower == "infinity" ||
      lower == "-infinity") {
    if (lower == "nan") return std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    return lower[0] == '-' ? -infinity : infinity;
  }
  return to_double(text);
}

std::optional<float> as_real(const Cell& cell) {
  switch (cell.kind) {
    case Cell::Kind::kNull:
      return std::numeric_limits<float>::quiet_NaN();
    case Cell::Kind::kBool:
    case Cell::Kind::kInteger:
      return static_cast<float>(cell.integer);
    case Cell::Kind::kReal:
      return static_cast<float>(cell.real);
    case Cell::Kind::kText: {
      const auto value = python_float(cell.text);
      if (value) return static_cast<float>(*value);
      return std::nullopt;
    }
    case Cell::Kind::kOther:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<float> as_integer(const Cell& cell) {
  switch (cell.kind) {
    case Cell::Kind::kBool:
    case Cell::Kind::kInteger:
      return static_cast<float>(cell.integer);
    case Cell::Kind::kReal:
      if (!std::isfinite(cell.real)) return std::nullopt;
      return static_cast<float>(std::trunc(cell.real));
    case Cell::Kind::kText: {
      const auto value = to_int64(trim(cell.text));
      if (value) return static_cast<float>(*value);
      return std::nullopt;
    }
    case Cell::Kind::kNull:
    case Cell::Kind::kOther:
      return std::nullopt;
  }
  return std::nullopt;
}

bool is_integer_type(ColumnType type) {
  return type == ColumnType::kInteger || type == ColumnType::kLong;
}

/// Python's truth, by which numpy casts to bool.
std::optional<float> as_flag(const Cell& cell) {
  switch (cell.kind) {
    case Cell::Kind::kNull:
      return 0.0F;
    case Cell::Kind::kBool:
    case Cell::Kind::kInteger:
      return cell.integer != 0 ? 1.0F : 0.0F;
    case Cell::Kind::kReal:
      return cell.real != 0 ? 1.0F : 0.0F;
    case Cell::Kind::kText:
      return cell.text.empty() ? 0.0F : 1.0F;
    case Cell::Kind::kOther:
      return std::nullopt;
  }
  return std::nullopt;
}

/// A cell of a CSV column for whole numbers or flags: unlike numpy's casts, pandas' reader refuses
/// to lose anything.
std::optional<float> as_exact(const Cell& cell, ColumnType type) {
  if (cell.kind == Cell::Kind::kNull) return std::nullopt;
  if (cell.kind == Cell::Kind::kBool) return static_cast<float>(cell.integer);
  const bool flag = type == ColumnType::kBoolean;
  if (const auto whole = as_integer(cell); whole && !flag) return whole;
  const auto value = python_float(cell.text);
  if (!value || !std::isfinite(*value) || *value != std::trunc(*value)) return std::nullopt;
  if (flag && *value != 0 && *value != 1) return std::nullopt;
  return static_cast<float>(*value);
}

std::optional<float> cast_cell(const Cell& cell, ColumnType type, bool csv) {
  const bool flag = type == ColumnType::kBoolean;
  if (csv && (flag || is_integer_type(type))) return as_exact(cell, type);
  if (flag) return as_flag(cell);
  return is_integer_type(type) ? as_integer(cell) : as_real(cell);
}

const char* numpy_name(ColumnType type) {
  switch (type) {
    case ColumnType::kBoolean:
      return "bool";
    case ColumnType::kInteger:
      return "int32";
    case ColumnType::kLong:
      return "int64";
    case ColumnType::kFloat:
      return "float32";
    default:
      return "float64";
  }
}

/// Why a CSV cell is not what the column wants.
std::string not_exact(const Cell& cell, ColumnType type, const std::string& name) {
  const bool flag = type == ColumnType::kBoolean;
  if (cell.kind == Cell::Kind::kNull) {
    return (flag ? "Bool column has NA values in column "
                 : "Integer column has NA values in column ") +
           name;
  }
  if (!flag && !(is_integer_type(type) && python_float(cell.text)))
    return not_a_number(cell, is_integer_type(type));
  return "cannot safely convert '" + cell.text + "' to " + numpy_name(type) + " in column " + name;
}

/// Casts frames to what the schema says.
class Caster {
 public:
  Caster(const Frame& frame, const engine::MlModel& mlmodel, const engine::Model::Traits& traits)
      : frame_(frame), schema_(mlmodel.inputs), traits_(traits) {}

  Result<std::vector<float>> run() {
    if (!schema_) return without_signature();
    if (!schema_->tensors.empty()) return by_tensor();
    TRY(check_names());
    return schema_->named() ? by_name() : by_position();
  }

 private:
  /// MLflow echoes the data here; we do not.
  Error not_enforced(const std::string& why) const {
    return invalid(
        "Failed to predict data. \nError: Failed to enforce schema of data with schema '" +
        schema_text() + "'. Error: " + why);
  }

  std::string schema_text() const {
    std::string text = "[";
    for (const Column& column : schema_->columns) {
      if (text.size() > 1) text += ", ";
      if (!column.name.empty()) text += "'" + column.name + "': ";
      text +=
          std::string(to_string(column.type)) + (column.required ? " (required)" : " (optional)");
    }
    return text + "]";
  }

  const std::vector<Cell>* find(const std::string& name) const {
    for (std::size_t i = 0; i < frame_.names.size(); ++i) {
      if (frame_.names[i] == name) return &frame_.columns[i];
    }
    return nullptr;
  }

  Result<std::vector<float>> cast_column(const std::vector<Cell>& cells, ColumnType type,
                                         const std::string& name) const {
    std::vector<float> out;
    out.reserve(cells.size());
    for (const Cell& cell : cells) {
      const auto value = cast_cell(cell, type, frame_.source == Frame::Source::kCsv);
      if (!value) return cast_error(cell, type, name);
      out.push_back(*value);
    }
    return out;
  }

  Error cast_error(const Cell& cell, ColumnType type, const std::string& name) const {
    if (frame_.source == Frame::Source::kCsv) return csv_error(not_exact(cell, type, name));
    const std::string why = not_a_number(cell, is_integer_type(type));
    return bad_input("Data is not compatible with model signature. Failed to convert column " +
                     name + " to type '" + numpy_name(type) + "'. Error: '" + why + "'");
  }

  Result<std::vector<float>> by_name() {
    const auto& columns = schema_->columns;
    const bool bare_list = columns.size() == 1 && frame_.source == Frame::Source::kArray;
    std::vector<std::vector<float>> taken;
    std::vector<std::string> names, lacking;
    TRY(check_lengths());
    for (const Column& column : columns) {
      const std::vector<Cell>* cells =
          bare_list && !frame_.columns.empty() ? &frame_.columns[0] : find(column.name);
      if (cells) {
        taken.push_back(TRY(cast_column(*cells, column.type, column.name)));
        names.push_back(column.name);
      } else if (column.required) {
        lacking.push_back(column.name);
      }
    }
    if (!lacking.empty()) return missing_inputs(lacking);
    if (!traits_.feature_names.empty() && names != traits_.feature_names) return unexpected();
    return interleave(taken);
  }

  /// Two columns of one name: which is meant?
  Result<> check_names() const {
    if (frame_.source != Frame::Source::kTable) return {};
    std::vector<std::string> names = frame_.names;
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return {};
    return not_enforced("Column '" + *twice + "' is there more than once");
  }

  bool is_required_column(const std::string& name) const {
    return std::any_of(schema_->columns.begin(), schema_->columns.end(), [&](const Column& column) {
      return column.required && column.name == name;
    });
  }

  /// MLflow looks at required columns of instances first, pandas at the others.
  Result<> check_lengths() const {
    if (frame_.source != Frame::Source::kColumnArrays) return {};
    for (const bool required : {true, false}) {
      for (std::size_t i = 0; i < frame_.columns.size(); ++i) {
        const bool is_required = !schema_->named() || is_required_column(frame_.names[i]);
        if (is_required != required || frame_.columns[i].size() == frame_.rows) continue;
        if (required && frame_.from_instances)
          return bad_input("The length of values for each input/column name are not the same");
        return not_enforced("All arrays must be of the same length");
      }
    }
    return {};
  }

  Error missing_inputs(const std::vector<std::string>& lacking) const {
    std::vector<std::string> extra;
    for (const std::string& name : frame_.names) {
      const bool known = std::any_of(schema_->columns.begin(), schema_->columns.end(),
                                     [&](const Column& column) { return column.name == name; });
      if (!known) extra.push_back(name);
    }
    std::string why = "Model is missing inputs " + python_list(lacking) + ".";
    if (!extra.empty()) why += " Note that there were extra inputs: " + python_list(extra) + ".";
    return not_enforced(why);
  }

  Error wants_array() const {
    return bad_input(
        "Failed to parse input data. This model contains an un-named  model signature which "
        "expects a single n-dimensional "
        "array or a single value as input, however, an input of type <class 'dict'> was found.");
  }

  Result<std::vector<float>> by_position() {
    if (frame_.source == Frame::Source::kColumnArrays && !frame_.from_instances)
      return wants_array();
    if (frame_.source == Frame::Source::kRecordList) return not_enforced("len() of unsized object");
    const std::size_t wanted = schema_->columns.size();
    if (frame_.columns.size() < wanted) {
      return not_enforced("Model inference is missing inputs. The model signature declares " +
                          std::to_string(wanted) + " inputs  but the provided value only has " +
                          std::to_string(frame_.columns.size()) +
                          " inputs. Note: the inputs were not named in the signature so we can "
                          "only verify their count.");
    }
    TRY(check_lengths());
    std::vector<std::vector<float>> taken;
    for (std::size_t i = 0; i < wanted; ++i) {
      const ColumnType type = schema_->columns[i].type;
      if (frame_.source == Frame::Source::kColumnArrays) TRY(check_widening(i, type));
      taken.push_back(TRY(cast_column(frame_.columns[i], type, frame_.names[i])));
    }
    return interleave(taken);
  }

  /// Whole numbers that were never cast become doubles only when they are all 0 or 1.
  Result<> check_widening(std::size_t column, ColumnType type) const {
    const auto& cells = frame_.columns[column];
    if (is_integer_type(type) || cells.empty()) return {};
    const bool whole = std::all_of(cells.begin(), cells.end(),
                                   [](const Cell& c) { return c.kind == Cell::Kind::kInteger; });
    const bool flags = std::all_of(cells.begin(), cells.end(),
                                   [](const Cell& c) { return c.integer == 0 || c.integer == 1; });
    if (!whole || flags) return {};
    return not_enforced("Incompatible input types for column " + frame_.names[column] +
                        ". Can not safely convert int64 to " + numpy_name(type) + ".");
  }

  Result<std::vector<float>> by_tensor() {
    if (schema_->tensors.size() != 1 || !schema_->tensors[0].name.empty()) return unexpected();
    if (frame_.source == Frame::Source::kColumnArrays && !frame_.from_instances)
      return wants_array();
    TRY(check_lengths());
    if (frame_.source == Frame::Source::kRecordList ||
        frame_.source == Frame::Source::kColumnArrays) {
      return not_enforced(
          "This model contains a tensor-based model signature with no input names, which suggests "
          "a numpy array input or a "
          "pandas dataframe input with proper column values, but an input of type <class 'dict'> "
          "was found.");
    }
    std::vector<std::vector<float>> taken;
    const bool whole = schema_->tensors[0].dtype.find("int") != std::string::npos;
    for (std::size_t i = 0; i < frame_.columns.size(); ++i) {
      taken.push_back(TRY(cast_column(
          frame_.columns[i], whole ? ColumnType::kLong : ColumnType::kFloat, frame_.names[i])));
    }
    TRY(check_shape());
    return interleave(taken);
  }

  Result<> check_shape() const {
    const auto& shape = schema_->tensors[0].shape;
    const auto rows = static_cast<std::int64_t>(frame_.rows),
               width = static_cast<std::int64_t>(frame_.columns.size());
    const bool fits = shape.size() == 2 && (shape[0] == -1 || shape[0] == rows) &&
                      (shape[1] == -1 || shape[1] == width);
    if (fits) return {};
    std::string expected;
    for (const std::int64_t size : shape)
      expected += (expected.empty() ? "" : ", ") + std::to_string(size);
    return not_enforced("Shape of input (" + std::to_string(rows) + ", " + std::to_string(width) +
                        ") does not match expected shape (" + expected + ").");
  }

  /// Flags with a missing one among them are objects to pandas, which XGBoost takes not.
  static bool mixes_flags(const std::vector<Cell>& cells) {
    const auto of = [](Cell::Kind kind) {
      return [kind](const Cell& c) { return c.kind == kind; };
    };
    return std::any_of(cells.begin(), cells.end(), of(Cell::Kind::kBool)) &&
           std::any_of(cells.begin(), cells.end(), of(Cell::Kind::kNull));
  }

  Result<std::vector<float>> without_signature() {
    const bool table =
        frame_.source == Frame::Source::kTable || frame_.source == Frame::Source::kCsv;
    if (!table && frame_.source != Frame::Source::kArray) return unexpected();
    if (table && !traits_.feature_names.empty() && frame_.names != traits_.feature_names)
      return unexpected();
    std::vector<std::vector<float>> taken;
    for (const auto& cells : frame_.columns) {
      if (frame_.source == Frame::Source::kCsv && mixes_flags(cells)) return unexpected();
      auto& column = taken.emplace_back();
      for (const Cell& cell : cells) {
        const bool text = cell.kind == Cell::Kind::kText && frame_.source != Frame::Source::kCsv;
        const auto value = text ? std::nullopt : as_real(cell);
        if (!value) return unexpected();
        column.push_back(*value);
      }
    }
    return interleave(taken);
  }

  Result<std::vector<float>> interleave(const std::vector<std::vector<float>>& columns) const {
    if (columns.size() != traits_.features) return unexpected();
    std::vector<float> cells(frame_.rows * columns.size());
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (columns[c].size() != frame_.rows) return unexpected();
      for (std::size_t r = 0; r < frame_.rows; ++r) cells[r * columns.size() + c] = columns[c][r];
    }
    return cells;
  }

  const Frame& frame_;
  const std::optional<Schema>& schema_;
  const engine::Model::Traits& traits_;
};

/// MLflow's words name the fields that it knows, here none: which ones there are instead, and where
/// rows go.
std::string other_fields(const Json& input) {
  constexpr std::size_t kShownMax = 10, kBytesMax = 60;
  if (input.as_object().empty()) return " The dictionary is empty.";
  std::vector<std::string> names;
  std::size_t more = 0;
  for (const auto& member : input.as_object()) {
    std::string name(member.first);
    const bool is_shown = names.size() < kShownMax && name.size() <= kBytesMax;
    if (is_shown)
      names.push_back(std::move(name));
    else
      ++more;
  }
  return " It has the fields " + python_list(names) +
         (more == 0 ? "" : " and " + std::to_string(more) + " more") +
         " instead: rows go into one of the above, as {\"dataframe_records\": [{COLUMN: VALUE, "
         "...}]}.";
}

}  // namespace

Result<Frame> read_json_frame(std::string_view body) {
  auto parsed = wire::parse(body);
  if (!parsed.ok()) {
    return bad_input("Ensure that input is a valid JSON formatted string. Error: '" +
                     parsed.error().message + "'");
  }
  const Json& input = *parsed;
  if (input.is_array()) return bad_input(std::string(kExactlyOne) + ". Received a list.");
  if (!input.is_object()) {
    return bad_input(std::string(kExactlyOne) + ". Received unexpected input type '<class '" +
                     python_type(input) + "'>.");
  }
  std::vector<std::string> given;
  for (const std::string_view format : kFormats) {
    if (input.find(format)) given.emplace_back(format);
  }
  if (given.size() != 1) {
    return bad_request(std::string(kExactlyOne) +
                       ". Received dictionary with input fields: " + python_list(given) + "." +
                       (given.empty() ? other_fields(input) : ""));
  }
  const Json& data = *input.find(given[0]);
  if (given[0] == "dataframe_split") return read_split(data);
  if (given[0] == "dataframe_records") return read_records(data);
  return read_tensors(data, given[0] == "instances");
}

Result<Frame> read_csv_frame(std::string_view body) {
  if (!is_valid_utf8(body)) return bad_input("Ensure that input is a valid UTF-8 encoded string.");
  // The mark that spreadsheets put before UTF-8 is no part of the first name.
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (body.starts_with(kByteOrderMark)) body.remove_prefix(kByteOrderMark.size());
  CsvReader reader(body);
  Frame frame;
  frame.source = Frame::Source::kCsv;
  frame.named = true;
  if (!reader.next(frame.names)) return csv_error("No columns to parse from file");
  const std::size_t width = frame.names.size();
  frame.columns.resize(width);
  std::size_t labels = 0;  // fields before the first column: pandas takes them for the index
  std::vector<std::string> fields;
  while (reader.next(fields)) {
    if (frame.rows == 0) labels = std::max(fields.size(), width) - width;
    if (fields.size() > labels + width) {
      return csv_error("Error tokenizing data. C error: Expected " +
                       std::to_string(labels + width) + " fields in line " +
                       std::to_string(reader.line()) + ", saw " + std::to_string(fields.size()) +
                       "\n");
    }
    if (++frame.rows > kCellsMax / (labels + width)) return bad_input("Too many cells.");
    fields.resize(labels + width);
    for (std::size_t i = 0; i < width; ++i)
      frame.columns[i].push_back(csv_cell(std::move(fields[labels + i])));
  }
  for (auto& column : frame.columns) read_flags(column);
  return frame;
}

Result<std::vector<float>> to_cells(const Frame& frame, const engine::MlModel& mlmodel,
                                    const engine::Model::Traits& traits) {
  return Caster(frame, mlmodel, traits).run();
}

}  // namespace slipway::mlflow
