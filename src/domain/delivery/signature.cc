#include <algorithm>

#include "base/text.h"
#include "domain/delivery/gates.h"

namespace slipway::delivery {
namespace {

using engine::Column;
using engine::ColumnType;
using engine::Schema;
using engine::TensorSpec;
using wire::Json;

/// Whether an input of type `wide` takes every value that one of type `narrow` took.
bool accepts(ColumnType wide, ColumnType narrow) {
  if (wide == narrow) return true;
  const auto rank = [](ColumnType type) {
    switch (type) {
      case ColumnType::kBoolean:
        return 1;
      case ColumnType::kInteger:
        return 2;
      case ColumnType::kLong:
        return 3;
      case ColumnType::kFloat:
        return 4;
      case ColumnType::kDouble:
        return 5;
      default:
        return 0;
    }
  };
  // A float has no room for each long; MLflow lets an integer into double, not into float.
  if (wide == ColumnType::kFloat) return false;
  return rank(narrow) > 0 && rank(wide) > rank(narrow);
}

bool accepts_shape(const std::vector<std::int64_t>& wide, const std::vector<std::int64_t>& narrow) {
  return wide.size() == narrow.size() &&
         std::equal(wide.begin(), wide.end(), narrow.begin(),
                    [](std::int64_t w, std::int64_t n) { return w == -1 || w == n; });
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  sizes.reserve(shape.size());
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

/// By name where there are names, else by position.
template <class Item>
const Item* counterpart(const std::vector<Item>& items, const Item& wanted, std::size_t position) {
  if (wanted.name.empty()) return position < items.size() ? &items[position] : nullptr;
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const Item& item) { return item.name == wanted.name; });
  return found == items.end() ? nullptr : &*found;
}

template <class Item>
std::string called(const Item& item, std::size_t position) {
  return item.name.empty() ? "number " + std::to_string(position + 1) : "\"" + item.name + "\"";
}

std::string is_kind(const Schema& schema) {
  return schema.tensors.empty() ? "columns" : "tensors";
}

std::vector<std::string> input_faults(const Schema& now, const Schema& before) {
  std::vector<std::string> faults;
  if (now.columns.empty() != before.columns.empty())
    return {"inputs are " + is_kind(now) + " where they were " + is_kind(before)};
  for (std::size_t i = 0; i < now.columns.size(); ++i) {
    const Column& column = now.columns[i];
    const Column* was = counterpart(before.columns, column, i);
    if (!was) {
      if (column.required) faults.push_back("input " + called(column, i) + " is new and required");
      continue;
    }
    if (column.required && !was->required)
      faults.push_back("input " + called(column, i) + " has become required");
    if (!accepts(column.type, was->type))
      faults.push_back("input " + called(column, i) + " is " + to_string(column.type) +
                       " where it was " + to_string(was->type));
  }
  for (std::size_t i = 0; i < now.tensors.size(); ++i) {
    const TensorSpec& tensor = now.tensors[i];
    const TensorSpec* was = counterpart(before.tensors, tensor, i);
    if (!was)
      faults.push_back("input " + called(tensor, i) + " is new and required");
    else if (tensor.dtype != was->dtype || !accepts_shape(tensor.shape, was->shape))
      faults.push_back("input " + called(tensor, i) + " is " + tensor.dtype +
                       shape_text(tensor.shape) + " where it was " + was->dtype +
                       shape_text(was->shape));
  }
  // Without names a missing column moves all that follow.
  if (!now.named() && !before.named() && now.columns.size() < before.columns.size())
    faults.push_back(std::to_string(now.columns.size()) +
                     " inputs without names where there were " +
                     std::to_string(before.columns.size()));
  return faults;
}

std::vector<std::string> output_faults(const Schema& now, const Schema& before) {
  std::vector<std::string> faults;
  if (now.columns.empty() != before.columns.empty())
    return {"outputs are " + is_kind(now) + " where they were " + is_kind(before)};
  for (std::size_t i = 0; i < before.columns.size(); ++i) {
    const Column* is = counterpart(now.columns, before.columns[i], i);
    if (!is)
      faults.push_back("output " + called(before.columns[i], i) + " is gone");
    else if (is->type != before.columns[i].type)
      faults.push_back("output " + called(before.columns[i], i) + " is " + to_string(is->type) +
                       " where it was " + to_string(before.columns[i].type));
  }
  for (std::size_t i = 0; i < before.tensors.size(); ++i) {
    const TensorSpec* is = counterpart(now.tensors, before.tensors[i], i);
    if (!is)
      faults.push_back("output " + called(before.tensors[i], i) + " is gone");
    else if (is->dtype != before.tensors[i].dtype ||
             !accepts_shape(before.tensors[i].shape, is->shape))
      faults.push_back("output " + called(before.tensors[i], i) + " is " + is->dtype +
                       shape_text(is->shape) + " where it was " + before.tensors[i].dtype +
                       shape_text(before.tensors[i].shape));
  }
  return faults;
}

GateVerdict found(GateStatus status, std::string words, const std::vector<std::string>& faults) {
  Json evidence(Json::Object{{"faults", Json(Json::Array(faults.begin(), faults.end()))}});
  return {kSignature, status, std::move(words), std::move(evidence)};
}

}  // namespace

GateVerdict judge_signature(const engine::MlModel& candidate, const engine::MlModel* replaced) {
  if (!candidate.inputs) {
    if (replaced && replaced->inputs)
      return found(GateStatus::kFail, "it has no signature, the version it replaces has one",
                   {"no signature"});
    return found(GateStatus::kNoData, "it has no signature", {});
  }
  if (!replaced) return found(GateStatus::kPass, "it replaces nothing", {});
  if (!replaced->inputs)
    return found(GateStatus::kPass, "the version it replaces promised nothing", {});
  std::vector<std::string> faults = input_faults(*candidate.inputs, *replaced->inputs);
  if (replaced->outputs) {
    const std::vector<std::string> more =
        candidate.outputs ? output_faults(*candidate.outputs, *replaced->outputs)
                          : std::vector<std::string>{"outputs are not described any more"};
    faults.insert(faults.end(), more.begin(), more.end());
  }
  if (faults.empty())
    return found(GateStatus::kPass, "it takes and gives what the version it replaces does", {});
  return found(GateStatus::kFail, join(faults, "; "), faults);
}

}  // namespace slipway::delivery
