#include "app/loop/draw_data.h"

#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <type_traits>

#include "domain/checks/contract.h"
#include "domain/data/put.h"
#include "domain/data/repository.h"
#include "domain/serving/predictions.h"
#include "io/table/table.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using Labels = std::vector<const serving::Label*>;

/// The shortest text that reads as the same number; nothing for NaN. A whole number has neither
/// point nor exponent, so that its column is read as one of integers.
template <class Number>
void append_number(std::string& out, Number value) {
  constexpr Number kExactMax = std::is_same_v<Number, float> ? Number(1 << 24) : Number(1LL << 53);
  if (std::isnan(value)) return;
  std::array<char, 48> text{};
  char* const begin = text.data();
  const bool is_whole = std::abs(value) <= kExactMax && std::trunc(value) == value;
  const auto end = is_whole ? std::to_chars(begin, begin + text.size(), std::int64_t(value))
                            : std::to_chars(begin, begin + text.size(), value);
  out.append(begin, end.ptr);
}

void append_text(std::string& out, const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

/// The columns of every version that answered, each once, and the rows.
class Answers {
 public:
  Answers(std::ostream& out, const DrawSource& source, bool labelled)
      : out_(out), source_(source), labelled_(labelled) {}

  void learn(const serving::Layout& layout) {
    for (const auto& column : layout.columns) {
      if (column.keep != serving::Keep::kValue) continue;  // the bits of a hash are no number
      if (places_.emplace(column.name, names_.size()).second) names_.push_back(column.name);
    }
  }
  /// kInvalid where a column of the model is called as one of the drawn table is.
  Result<> check_names(const std::string& deployment) const {
    for (const std::string& own : {std::string("prediction_id"), std::string("event_time"),
                                   std::string("version"), std::string("prediction"),
                                   source_.label})
      if (places_.contains(own))
        return invalid("data drawn from deployments/" + deployment + " would have two columns '" +
                       own + "', one of the model's and one of the answers': give the " +
                       (own == source_.label ? "target in the contract of this table, or the " : "") +
                       "model's column another name");
    return {};
  }
  void write_head() {
    std::string line = "prediction_id,event_time,version";
    for (const std::string& name : names_) {
      line += ',';
      append_text(line, name);
    }
    line += ",prediction,";
    append_text(line, source_.label);
    out_ << line << '\n';
  }
  void write(const serving::Prediction& prediction, const serving::Layout& layout,
             const Labels& labels) {
    for (std::uint32_t row = 0; row < prediction.rows; ++row) {
      const serving::Label* label = row < labels.size() ? labels[row] : nullptr;
      if (label == nullptr && labelled_) continue;
      write_row(prediction, layout, row, label);
      ++rows_;
    }
  }
  std::uint64_t rows() const { return rows_; }

 private:
  void write_row(const serving::Prediction& prediction, const serving::Layout& layout,
                 std::uint32_t row, const serving::Label* label) {
    serving::PredictionId id = prediction.id;
    id.row = row;
    std::string line;
    append_text(line, id.text_of_row());
    line += ',' + to_iso8601(prediction.event_time_ms) + ',';
    append_text(line, layout.version);
    std::vector<float> cells(names_.size(), std::nanf(""));
    const std::size_t width = layout.columns.size(), begin = row * width;
    for (std::size_t i = 0; i < width && begin + i < prediction.cells.size(); ++i)
      if (layout.columns[i].keep == serving::Keep::kValue)
        cells[places_.at(layout.columns[i].name)] = prediction.cells[begin + i];
    for (const float cell : cells) {
      line += ',';
      append_number(line, cell);
    }
    line += ',';
    const std::size_t outputs = layout.outputs.size();
    if (outputs > 0 && (row + 1) * outputs <= prediction.outputs.size()) {
      const auto of_row = std::span(prediction.outputs).subspan(row * outputs, outputs);
      append_number(line, serving::named_outputs(layout, of_row).front().second);
    }
    line += ',';
    if (label != nullptr) append_number(line, label->value);
    out_ << line << '\n';
  }

  std::ostream& out_;
  const DrawSource& source_;
  const bool labelled_;
  std::vector<std::string> names_;
  std::map<std::string, std::size_t> places_;
  std::uint64_t rows_ = 0;
};

bool counts(const serving::Prediction& prediction) {
  constexpr int kOk = 200;
  return prediction.role != serving::Role::kShadow && prediction.status == kOk;
}

Result<> draw_answers(const DrawSource& source, const std::string& deployment, bool labelled,
                      const fs::path& file) {
  const serving::Predictions log(source.predictions, source.labels, source.damages);
  std::ofstream out(file, std::ios::binary);
  Answers answers(out, source, labelled);
  TRY(log.scan(deployment, 0, source.until_ms,
               [&](const serving::Prediction&, const serving::Layout& layout) {
                 answers.learn(layout);
                 return true;
               }));
  TRY(answers.check_names(deployment));
  answers.write_head();
  TRY(log.scan_labelled(
      deployment, 0, source.until_ms,
      [&](const serving::Prediction& prediction, const serving::Layout& layout,
          const Labels& labels) {
        if (counts(prediction)) answers.write(prediction, layout, labels);
        return true;
      },
      source.until_ms));
  out.close();
  if (!out) return unavailable("cannot write " + file.string());
  if (answers.rows() > 0) return {};
  return missing("the deployment " + deployment + " has answered nothing " +
                 (labelled ? "that a label came for" : "yet"));
}

Result<> copy_of(const fs::path& from, const fs::path& to) {
  std::error_code failure;
  fs::copy(from, to, fs::copy_options::recursive, failure);
  if (failure) return system_error("cannot copy " + from.string(), failure.value());
  return {};
}

}  // namespace

Result<> draw_data(const DrawSource& source, const flows::RunPlan::Data& data, const fs::path& to) {
  constexpr std::string_view kDeployments = "deployments/";
  if (data.from == flows::kFromProject) return copy_of(source.project / data.to, to);
  if (!data.from.starts_with(kDeployments)) return invalid("nobody knows data from " + data.from);
  const std::string deployment = data.from.substr(kDeployments.size());
  if (!data.to.ends_with(".parquet")) return draw_answers(source, deployment, data.labelled, to);
  const fs::path csv = fs::path(to).concat(".csv");
  TRY(draw_answers(source, deployment, data.labelled, csv));
  TRY(table::csv_to_parquet(csv, to));
  std::error_code ignored;
  fs::remove(csv, ignored);
  return {};
}

Result<flows::DataFact> draw_version(const DrawSource& source, const flows::RunPlan::Data& data,
                                     const fs::path& scratch) {
  data::Repository repository = TRY(data::Repository::open(source.project));
  std::error_code failure;
  fs::create_directories(scratch, failure);
  if (failure) return system_error("cannot make " + scratch.string(), failure.value());
  const fs::path file = scratch / "data";
  TRY(draw_data(source, data, file));
  const data::Version version = TRY(data::put(repository.cache(), file));
  return flows::DataFact{data.to, version.md5, version.size.value_or(0),
                         version.nfiles.value_or(-1)};
}

std::string label_column(const project::Declared& declared, const std::string& path) {
  const project::ContractBinding* binding = declared.file.find_contract(path);
  if (binding == nullptr) return "label";
  const auto document = declared.documents.find(binding->file);
  if (document == declared.documents.end()) return "label";
  Result<checks::Contract> contract = checks::parse_contract(document->second, binding->file);
  if (!contract.ok()) return "label";
  for (const checks::Property& property : contract->properties)
    if (property.target) return property.name;
  return "label";
}

}  // namespace slipway::app
