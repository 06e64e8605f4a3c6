#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "domain/features/aggregate.h"
#include "domain/features/column.h"
#include "domain/features/expression.h"
#include "io/wire/json.h"
#include "io/yaml/yaml.h"

// A feature view: named features of an entity, where they come from and how long they hold. Read
// from YAML (docs/formats/feature-view.md) into values that are complete and checked: types agree,
// expressions compile. Values only, apart from read_view. Any thread.
namespace slipway::features {

/// The table that a view's rows come from. Names of columns are the view's, after `rename`.
struct Source {
  std::string file;            // CSV or Parquet, relative to the repository's root
  std::string event_time;      // column of timestamps
  std::string created;         // likewise, or ""
  std::vector<Input> columns;  // what expressions, features and aggregates may name, with types
  std::vector<std::pair<std::string, std::string>> rename;  // column of the file -> name here
};

/// One column that a training set gets and a lookup answers.
struct Feature {
  std::string name;
  Type type = Type::kFloat64;
  std::string expression;  // over stored columns, aggregates, request columns and request_time
  yaml::Position at;
};

struct Aggregate {
  std::string name;     // "trips_sum_1h"
  std::size_t operand;  // in View::operands
  AggregateFunction function = AggregateFunction::kCount;
  Type type = Type::kInt64;
  Window window;
};

/// What aggregates are about: an expression over the source's columns, float64 or int64.
struct Operand {
  std::string expression;
  Type type = Type::kInt64;
};

struct View {
  std::string name, description, owner;
  std::vector<Input> entity;  // join keys; none: everything is one entity
  Source source;
  std::int64_t ttl_us = 0;     // of stored columns; 0: for ever
  std::vector<Input> request;  // columns that come with the request, or with the entity table
  std::vector<Feature> features;
  std::vector<Operand> operands;
  std::vector<Aggregate> aggregates;

  /// Source columns that features read: what the online store keeps of a row. In source order.
  std::vector<Input> stored;

  /// Canonical: equal for views that mean the same, whatever their comments, owners and order of
  /// keys. Its SHA-256 is the version.
  wire::Json meaning() const;
  std::string digest() const;
  /// "NAME@DIGEST": the node of this version in the graph.
  std::string id() const { return name + "@" + digest(); }

  /// Names and types of what a lookup answers: features, then aggregates.
  std::vector<Input> outputs() const;
  /// What an expression of a feature may name: stored columns, aggregates, request columns, and the
  /// time that was asked for.
  std::vector<Input> scope() const;
  /// Back from the newest event, what aggregates may need.
  std::int64_t reach_us() const;
};

inline constexpr char kRequestTime[] = "request_time";
inline constexpr std::size_t kViewBytesMax = 1u << 20;
inline constexpr std::size_t kKeyColumnsMax = 16;
inline constexpr std::int64_t kWindowMaxUs = 1830 * kDayUs;

/// Every error of the text at once, one per line, each "FILE:LINE:COLUMN: found X, expected Y; did
/// you mean Z?". kInvalid.
Result<View> parse_view(std::string_view text, const std::string& file);
/// kMissing when there is no such file.
Result<View> read_view(const std::filesystem::path& root, const std::string& file);

}  // namespace slipway::features
