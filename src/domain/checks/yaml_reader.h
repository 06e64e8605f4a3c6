#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/yaml/yaml.h"

namespace slipway::checks {

/// Reads members of YAML mappings and gathers every error with its place, so that a person sees all
/// of them at once.
class YamlReader {
 public:
  static constexpr std::size_t kErrorsMax = 50;

  explicit YamlReader(std::string name) : name_(std::move(name)) {}

  /// Positions from here on are moved: a document inside a block scalar.
  void shift(int lines, int columns) { lines_ = lines, columns_ = columns; }

  void fail(yaml::Position at, const std::string& message);
  /// "found 'x', expected one of a, b; did you mean b?"
  void fail_word(const yaml::Node& found, std::string_view what,
                 const std::vector<std::string>& known);
  void fail_type(const yaml::Node& found, std::string_view expected);

  bool is_mapping(const yaml::Node& node, std::string_view what);
  bool is_sequence(const yaml::Node& node, std::string_view what);
  /// Every key of the mapping has to be one of these.
  void keys(const yaml::Node& mapping, std::string_view what,
            std::initializer_list<std::string_view> known);

  /// Absent and null give nothing; what is of another type is an error and gives nothing.
  std::optional<std::string> text(const yaml::Node& mapping, std::string_view key);
  std::optional<bool> truth(const yaml::Node& mapping, std::string_view key);
  /// A finite one.
  std::optional<double> number(const yaml::Node& mapping, std::string_view key);
  std::optional<std::int64_t> whole(const yaml::Node& mapping, std::string_view key);
  /// Scalars as people write them: 1 is "1".
  std::vector<std::string> texts(const yaml::Node& mapping, std::string_view key);

  /// The two ends of an interval, and the keys that may hold the upper one.
  struct Ends {
    std::optional<double> min, max;
    bool min_open = false, max_open = false;
    std::initializer_list<std::string_view> keys;
  };
  /// An interval that holds no value at all is an error where its upper end stands.
  void bounds(const yaml::Node& mapping, const Ends& ends);

  bool ok() const { return errors_.empty(); }
  Result<> check() const;
  yaml::Position at(const yaml::Node& node) const;

 private:
  std::string name_;
  int lines_ = 0, columns_ = 0;
  std::vector<std::string> errors_;
};

}  // namespace slipway::checks
