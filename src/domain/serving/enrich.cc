#include "domain/serving/enrich.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/text.h"

namespace slipway::serving {
namespace {

using features::Input;
using features::Value;

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
constexpr std::int64_t kUsPerMs = 1000;

Error wrong(std::string why) {
  return Error{Code::kInvalid, std::move(why), "bad_request"};
}

template <class Names>
bool holds(const Names& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const auto& one) { return one == name; });
}

bool names_input(const std::vector<Input>& inputs, std::string_view name) {
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const Input& input) { return input.name == name; });
}

/// Where the cells of one column of the version come from.
struct From {
  const SentColumn* sent = nullptr;
  std::size_t output = 0;  // of the view, when nobody sent it
};

class Enricher {
 public:
  Enricher(const features::Lookup& lookup, const LoadedVersion& version,
           std::span<const SentColumn> sent)
      : lookup_(lookup),
        view_(lookup.plan().view()),
        columns_(version.engine->traits().feature_names),
        sent_(sent),
        outputs_(view_.outputs()) {}

  Result<Enriched> run(std::size_t rows, UnixMs at_ms) {
    TRY(check_sent());
    TRY(plan_columns());
    Enriched result;
    result.cells.reserve(rows * columns_.size());
    for (const From& from : from_) result.looked_up.push_back(from.sent == nullptr);
    for (std::size_t row = 0; row < rows; ++row) TRY(add_row(row, at_ms, result.cells));
    result.entity = std::make_shared<const LookedUp>(entity_of(rows));
    return result;
  }

 private:
  /// Of every row, as they were sent.
  LookedUp entity_of(std::size_t rows) const {
    LookedUp entity{view_.name, lookup_.version(), {}, {}};
    std::vector<const SentColumn*> sent;
    for (const Input& key : view_.entity) {
      entity.keys.push_back({key.name, Keep::kValue});
      sent.push_back(find_sent(key.name));
    }
    for (std::size_t row = 0; row < rows; ++row) {
      for (const SentColumn* column : sent)
        entity.values.push_back(column == nullptr ? "" : column->texts[row]);
    }
    return entity;
  }

  const SentColumn* find_sent(std::string_view name) const {
    const auto found = std::find_if(sent_.begin(), sent_.end(),
                                    [&](const SentColumn& one) { return one.name == name; });
    return found == sent_.end() ? nullptr : &*found;
  }

  Result<> check_sent() const {
    for (const SentColumn& one : sent_) {
      if (names_input(outputs_, one.name) && !names_input(view_.entity, one.name)) {
        return wrong("'" + one.name + "' is looked up by the keys of " + view_.name +
                     ": it can't be sent with them");
      }
      const bool is_known = names_input(view_.entity, one.name) ||
                            names_input(view_.request, one.name) || holds(columns_, one.name);
      if (!is_known) {
        return wrong("'" + one.name + "' is neither a key nor a request column of " + view_.name +
                     ", nor a column of the model");
      }
    }
    return {};
  }

  Result<> plan_columns() {
    if (columns_.empty()) return wrong("the columns of the model have no names to look up");
    for (const std::string& column : columns_) {
      From from{find_sent(column), 0};
      const auto output = std::find_if(outputs_.begin(), outputs_.end(),
                                       [&](const Input& one) { return one.name == column; });
      if (from.sent == nullptr && output == outputs_.end()) {
        return wrong("column '" + column + "' is neither sent nor a feature of " + view_.name);
      }
      from.output = static_cast<std::size_t>(output - outputs_.begin());
      from_.push_back(from);
    }
    return {};
  }

  /// Of the key or the request columns; what was not sent is null.
  Result<std::vector<Value>> values_of(const std::vector<Input>& inputs, std::size_t row) const {
    std::vector<Value> values;
    for (const Input& input : inputs) {
      const SentColumn* sent = find_sent(input.name);
      const std::string text = sent == nullptr ? "" : sent->texts[row];
      std::optional<Value> value = text.empty() ? Value() : features::parse_value(input.type, text);
      if (!value) {
        return wrong("row " + std::to_string(row) + ": found '" + text.substr(0, 40) + "' for '" +
                     input.name + "', expected " + features::to_string(input.type));
      }
      values.push_back(std::move(*value));
    }
    return values;
  }

  Result<> add_row(std::size_t row, UnixMs at_ms, std::vector<float>& cells) const {
    const std::vector<Value> key = TRY(values_of(view_.entity, row));
    const std::vector<Value> with_request = TRY(values_of(view_.request, row));
    const features::Answer answer = TRY(lookup_.get(key, with_request, at_ms * kUsPerMs));
    for (std::size_t i = 0; i < from_.size(); ++i) {
      cells.push_back(from_[i].sent == nullptr
                          ? TRY(cell_of(answer.values[from_[i].output], columns_[i]))
                          : TRY(sent_cell(*from_[i].sent, row)));
    }
    return {};
  }

  Result<float> cell_of(const Value& value, const std::string& column) const {
    if (features::is_null(value)) return kMissing;
    if (const auto* number = std::get_if<double>(&value)) return static_cast<float>(*number);
    if (const auto* integer = std::get_if<std::int64_t>(&value))
      return static_cast<float>(*integer);
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? 1.0f : 0.0f;
    return Error{Code::kInternal,
                 "feature '" + column + "' of " + view_.name + " is a " +
                     features::to_string(features::type_of(value)) + ", expected a number",
                 "broken"};
  }

  Result<float> sent_cell(const SentColumn& column, std::size_t row) const {
    const std::string& text = column.texts[row];
    if (text.empty()) return kMissing;
    if (text == "true" || text == "false") return text == "true" ? 1.0f : 0.0f;
    const std::optional<double> number = to_double(text);
    if (number) return static_cast<float>(*number);
    return wrong("row " + std::to_string(row) + ": found '" + text.substr(0, 40) + "' for '" +
                 column.name + "', expected a number");
  }

  const features::Lookup& lookup_;
  const features::View& view_;
  const std::vector<std::string>& columns_;
  const std::span<const SentColumn> sent_;
  const std::vector<Input> outputs_;
  std::vector<From> from_;  // by column of the version
};

}  // namespace

bool asks_for_features(const features::View& view, const LoadedVersion& version,
                       std::span<const std::string_view> sent) {
  const bool has_keys = std::all_of(view.entity.begin(), view.entity.end(),
                                    [&](const Input& key) { return holds(sent, key.name); });
  const auto& columns = version.engine->traits().feature_names;
  return has_keys && !std::all_of(columns.begin(), columns.end(),
                                  [&](const std::string& column) { return holds(sent, column); });
}

Result<Enriched> enrich(const features::Lookup& lookup, const LoadedVersion& version,
                        std::span<const SentColumn> sent, std::size_t rows, UnixMs at_ms) {
  return Enricher(lookup, version, sent).run(rows, at_ms);
}

}  // namespace slipway::serving
