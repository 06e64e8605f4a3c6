#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/data/version.h"
#include "io/yaml/yaml.h"

// A .dvc file: one stage without a name, most often without a command: data that is tracked.
namespace slipway::data {

struct DataFile {
  std::filesystem::path file;  // absolute
  std::string wdir;            // as written; empty: the file's own folder
  std::string cmd, desc;
  bool frozen = false;
  bool always_changed = false;
  std::vector<Record> deps;
  struct Out {
    Record record;
    bool cache = true;
    bool persist = false;
    bool push = true;
  };
  std::vector<Out> outs;
  yaml::Node document;  // as read; null for a new file
  std::string text;     // as read

  std::filesystem::path folder() const;  // that paths are relative to, absolute and normalized
  bool is_import() const { return !deps.empty() && cmd.empty(); }

  static Result<DataFile> parse(std::string text, const std::filesystem::path& file);
  static Result<DataFile> read(const std::filesystem::path& file);
  /// The text to write: edits of `text` when there is one, so that comments and order survive.
  std::string dump() const;
  /// Atomic and durable; nothing when the text is the same. `scratch`: Repository::scratch().
  Result<> write(const std::filesystem::path& scratch) const;
};

/// Keys of a Record in the order of .dvc files (hash last but path) and back.
yaml::Node to_data_node(const Record& record);
Result<Record> to_record(const yaml::Node& node, const std::string& file_name);

}  // namespace slipway::data
