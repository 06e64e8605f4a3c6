#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/project/project_file.h"
#include "io/yaml/yaml.h"

// How slipway.yaml is read: tables of keys, and readers of single values that note what is wrong
// and go on, so that a person sees every fault at once. For the .cc files of this folder and of
// domain/features, whose files are read alike. One thread.
namespace slipway::project {

/// What is wrong with a text, in the order of the text.
class Faults {
 public:
  explicit Faults(std::string file) : file_(std::move(file)) {}
  void add(yaml::Position at, std::string message);
  bool any() const { return !faults_.empty(); }
  /// More than will be told: no need to look for hints.
  bool full() const { return faults_.size() >= kFaultsMax; }
  std::size_t count() const { return faults_.size(); }
  /// Whether one lies from `begin` on, and before `end`.
  bool any_in(yaml::Position begin, yaml::Position end) const;
  /// In the order of the text, at most kFaultsMax and how many more there are.
  std::vector<std::string> lines() const;
  /// Precondition: any(). The lines.
  Error error() const;

 private:
  static constexpr std::size_t kFaultsMax = 200;
  struct Fault {
    yaml::Position at;
    std::string message;
  };
  std::string file_;
  std::vector<Fault> faults_;
};

/// What several of them found, in the order of `file`; what has no place in it comes after.
std::vector<std::string> in_order(const std::string& file, std::vector<std::string> lines);

/// "; did you mean "Z"?", or nothing.
std::string did_you_mean(std::string_view found, const std::vector<std::string>& known);
/// "a, b or c"; "none" when there is none.
std::string one_of(const std::vector<std::string>& known);
/// A short text in double quotes.
std::string in_quotes(std::string_view text);
/// "5" and not "5.0"; else the shortest text that reads back.
std::string canonical_number(double value);
/// "the text "x"", "the number 5", "a list", "nothing".
std::string describe(const yaml::Node& node);

/// Bounds of what one file may declare.
inline constexpr std::size_t kFileBytesMax = 1u << 20;
inline constexpr std::size_t kItemsMax = 1000;  // of any list or map of it
inline constexpr std::size_t kTextBytesMax = 4096;

/// Readers of single values. Each leaves its target as it was when the value is wrong, and says so:
/// "found X, expected Y for "key"".
class Reader {
 public:
  explicit Reader(Faults& faults) : faults_(faults) {}

  void fault(yaml::Position at, std::string message) { faults_.add(at, std::move(message)); }
  void expected(const yaml::Node& node, const std::string& what, const std::string& hint = {});
  /// So many so far.
  std::size_t fault_count() const { return faults_.count(); }
  /// did_you_mean, as long as somebody will read it: distances between words take time.
  std::string hint(std::string_view found, const std::vector<std::string>& known) const;

  bool text(const yaml::Node& node, std::string& out);
  /// Letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100 bytes.
  bool name(const yaml::Node& node, std::string& out);
  /// A registered model: no '/' and ':', at most 256 bytes.
  bool model(const yaml::Node& node, std::string& out);
  /// Inside the repository; normalized: "./a//b" is "a/b".
  bool path(const yaml::Node& node, std::string& out);
  bool glob(const yaml::Node& node, std::string& out);
  bool choice(const yaml::Node& node, const std::vector<std::string>& known, std::string& out);
  bool truth(const yaml::Node& node, bool& out);
  bool count(const yaml::Node& node, std::int64_t min, std::int64_t max, std::int64_t& out);
  bool count(const yaml::Node& node, int min, int max, int& out);
  bool number(const yaml::Node& node, double& out);
  /// above < value <= at_most, or < at_most when `open`.
  bool number_in(const yaml::Node& node, double above, double at_most, bool open, double& out);
  bool span(const yaml::Node& node, Span& out);
  bool rate(const yaml::Node& node, std::optional<Rate>& out);
  /// "${env:NAME}", and with `urls` also an http or https URL.
  bool from_environment(const yaml::Node& node, bool urls, std::string& out);

  using Item = std::function<void(const yaml::Node&)>;
  /// A list; nothing at all counts as an empty one.
  void list(const yaml::Node& node, const std::string& what, const Item& item);
  using Member = std::function<void(const yaml::Entry&)>;
  /// A map whose keys the person chose; nothing at all counts as an empty one.
  void members(const yaml::Node& node, const std::string& what, const Member& member);
  /// A list of values that each may stand there once.
  void texts(const yaml::Node& node, bool (Reader::*one)(const yaml::Node&, std::string&),
             std::vector<std::string>& out, std::vector<yaml::Position>* places = nullptr);

  /// What "for" in messages names.
  std::string key;

 private:
  Faults& faults_;
};

/// One key of a map: how its value is read, and which keys may stand below it.
template <class T>
struct Key {
  const char* name;
  void (*read)(Reader&, const yaml::Node&, T&);
  bool required = false;
  /// Paths below, each with its joint: ".model", "[].id", ".NAME.cron". Null: a value.
  std::vector<std::string> (*below)() = nullptr;
};
template <class T>
using Keys = std::vector<Key<T>>;

/// Every path that `keys` make, with `joint` before each.
template <class T>
std::vector<std::string> paths_of(const Keys<T>& keys, const std::string& joint) {
  std::vector<std::string> paths;
  for (const Key<T>& key : keys) {
    paths.push_back(joint + key.name);
    if (key.below == nullptr) continue;
    for (const std::string& below : key.below()) paths.push_back(joint + key.name + below);
  }
  return paths;
}

/// Faults for keys that a map of `where` ("a trigger") does not have.
void refuse_unknown(Reader& reader, const yaml::Node& node, const std::string& where,
                    const std::vector<std::string>& known);

/// Reads a map by its table. False when it is no map. `at` is where a missing key is reported.
template <class T>
bool read_map(Reader& reader, const yaml::Node& node, yaml::Position at, const std::string& where,
              const Keys<T>& keys, T& out) {
  if (!node.is_mapping()) {
    reader.expected(node, "a map (" + where + ")");
    return false;
  }
  std::vector<std::string> known;
  for (const Key<T>& key : keys) known.push_back(key.name);
  refuse_unknown(reader, node, where, known);
  std::string outer = reader.key;
  for (const Key<T>& key : keys) {
    const yaml::Node* value = node.find(key.name);
    reader.key = key.name;
    if (value != nullptr) {
      key.read(reader, *value, out);
    } else if (key.required) {
      reader.fault(at, "found no " + in_quotes(key.name) + " in " + where + ", expected one");
    }
  }
  reader.key = outer;
  return true;
}

}  // namespace slipway::project
