#include "domain/data/data_file.h"

#include <set>

#include "base/file.h"
#include "base/text.h"
#include "domain/project/stage.h"

namespace slipway::data {
namespace {

using yaml::Entry;
using yaml::Node;

Error fail(const std::string& name, const Node& node, const std::string& message) {
  return yaml::error_at(name, node.at, message);
}

bool is_kept(const std::string& key) {
  static const std::set<std::string> kept = {"etag", "checksum",  "version_id", "cloud",  "files",
                                             "repo", "fs_config", "db",         "dataset"};
  return kept.contains(key);
}

Result<std::int64_t> count_of(const std::string& name, const Entry& entry) {
  if (entry.value.type != yaml::Type::kInteger) {
    return fail(name, entry.value, "\"" + entry.key.text + "\" takes a number");
  }
  std::int64_t value = TRY(entry.value.as_int64());
  if (value < 0) return fail(name, entry.value, "\"" + entry.key.text + "\" is negative");
  return value;
}

Result<bool> truth_of(const std::string& name, const Entry& entry) {
  if (entry.value.type != yaml::Type::kBool) {
    return fail(name, entry.value, "\"" + entry.key.text + "\" takes true or false");
  }
  return entry.value.as_bool();
}

/// One field of a record; false when it is none of ours.
Result<bool> read_field(const std::string& name, const Entry& entry, Record& record) {
  const std::string& key = entry.key.text;
  if (key == "md5") {
    // A digest of digits only may stand there unquoted, as a number.
    record.version.md5 = to_lower(entry.value.text);
    if (!record.version.md5.empty() && !is_digest(record.version.md5)) {
      return fail(name, entry.value, "\"" + entry.value.text + "\" is no MD5");
    }
  } else if (key == "hash") {
    if (entry.value.text != "md5") {
      return fail(name, entry.value,
                  "the hash \"" + entry.value.text + "\" is not known, only md5");
    }
    record.version.legacy = false;
  } else if (key == "path") {
    if (!entry.value.is_string() || entry.value.text.empty()) {
      return fail(name, entry.value, "\"path\" takes a path");
    }
    record.path = entry.value.text;
  } else if (key == "size") {
    record.version.size = TRY(count_of(name, entry));
  } else if (key == "nfiles") {
    record.version.nfiles = TRY(count_of(name, entry));
  } else if (key == "isexec") {
    record.version.is_executable = TRY(truth_of(name, entry));
  } else if (is_kept(key)) {
    record.extra.set(key, entry.value);
  } else {
    return false;
  }
  return true;
}

Result<Record> read_record(const std::string& name, const Node& node,
                           std::vector<const Entry*>* rest) {
  if (!node.is_mapping()) return fail(name, node, "an entry must be a map with \"path\"");
  Record record;
  record.version.legacy = true;  // until "hash: md5" says otherwise
  for (const Entry& entry : node.entries) {
    if (TRY(read_field(name, entry, record))) continue;
    if (rest == nullptr)
      return fail(name, entry.key, "\"" + entry.key.text + "\" is not known here");
    rest->push_back(&entry);
  }
  if (record.path.empty()) return fail(name, node, "the entry has no \"path\"");
  if (record.version.md5.empty()) record.version.legacy = false;
  return record;
}

void put_version(Node& map, const Version& version) {
  if (!version.md5.empty()) map.set("md5", Node::string(version.md5));
  if (version.size) map.set("size", Node::integer(*version.size));
  if (version.nfiles) map.set("nfiles", Node::integer(*version.nfiles));
  if (version.is_executable) map.set("isexec", Node::boolean(true));
}

Result<DataFile::Out> read_out(const std::string& name, const Node& node) {
  DataFile::Out out;
  std::vector<const Entry*> rest;
  out.record = TRY(read_record(name, node, &rest));
  for (const Entry* entry : rest) {
    const std::string& key = entry->key.text;
    if (key == "cache")
      out.cache = TRY(truth_of(name, *entry));
    else if (key == "persist")
      out.persist = TRY(truth_of(name, *entry));
    else if (key == "push")
      out.push = TRY(truth_of(name, *entry));
    else if (key != "desc" && key != "type" && key != "labels" && key != "meta" &&
             key != "metric" && key != "plot" && key != "remote") {
      return fail(name, entry->key, "\"" + key + "\" is not known here");
    }
  }
  return out;
}

Result<> read_top(const std::string& name, const Entry& entry, DataFile& file) {
  const std::string& key = entry.key.text;
  const Node& value = entry.value;
  if (key == "outs" || key == "deps") {
    if (value.is_null()) return {};
    if (!value.is_sequence()) return fail(name, value, "\"" + key + "\" takes a list");
    for (const Node& item : value.items) {
      if (key == "outs")
        file.outs.push_back(TRY(read_out(name, item)));
      else
        file.deps.push_back(TRY(read_record(name, item, nullptr)));
    }
  } else if (key == "wdir") {
    if (!value.is_null()) file.wdir = value.text;
  } else if (key == "cmd") {
    file.cmd = value.text;
  } else if (key == "desc") {
    file.desc = value.text;
  } else if (key == "frozen" || key == "locked") {
    file.frozen = TRY(truth_of(name, entry));
  } else if (key == "always_changed") {
    file.always_changed = TRY(truth_of(name, entry));
  } else if (key != "md5" && key != "meta") {
    return fail(name, entry.key, "\"" + key + "\" is no key of a .dvc file");
  }
  return {};
}

/// The out's entry after the change: identity fields first, what else stood there after.
Node merged_out(const DataFile::Out& out, const Node* old) {
  Record record = out.record;
  // As DVC writes it, however it was written.
  if (!record.path.starts_with('/')) record.path = project::normalized(record.path);
  Node fresh = to_data_node(record);
  if (old != nullptr) {
    for (const Entry& entry : old->entries) {
      const std::string& key = entry.key.text;
      bool identity = key == "md5" || key == "size" || key == "nfiles" || key == "isexec" ||
                      (key == "hash" && !record.version.md5.empty()) || key == "path" ||
                      is_kept(key);
      if (!identity) fresh.set(key, entry.value);
    }
    return fresh;
  }
  if (!out.cache) fresh.set("cache", Node::boolean(false));
  if (out.persist) fresh.set("persist", Node::boolean(true));
  if (!out.push) fresh.set("push", Node::boolean(false));
  return fresh;
}

}  // namespace

Node to_data_node(const Record& record) {
  Node map = Node::mapping();
  put_version(map, record.version);
  if (!record.version.legacy && !record.version.md5.empty()) map.set("hash", Node::string("md5"));
  map.set("path", Node::string(record.path));
  for (const Entry& entry : record.extra.entries) map.set(entry.key.text, entry.value);
  return map;
}

Result<Record> to_record(const Node& node, const std::string& file_name) {
  return read_record(file_name, node, nullptr);
}

std::filesystem::path DataFile::folder() const {
  std::filesystem::path result = (file.parent_path() / wdir).lexically_normal();
  return result.has_filename() ? result : result.parent_path();
}

Result<DataFile> DataFile::parse(std::string text, const std::filesystem::path& file) {
  std::string name = file.filename().string();
  DataFile result;
  result.file = file;
  result.document = TRY(yaml::parse(text, name));
  result.text = std::move(text);
  if (result.document.is_null()) return result;
  if (!result.document.is_mapping()) return fail(name, result.document, "the file must be a map");
  for (const Entry& entry : result.document.entries) TRY(read_top(name, entry, result));
  return result;
}

Result<DataFile> DataFile::read(const std::filesystem::path& file) {
  constexpr std::uint64_t kBytesMax = 64u << 20;
  return parse(TRY(read_file(file, kBytesMax)), file);
}

std::string DataFile::dump() const {
  Node wanted = document.is_mapping() ? document : Node::mapping();
  const Node* old_outs = document.find("outs");
  Node list = Node::sequence();
  for (std::size_t i = 0; i < outs.size(); ++i) {
    bool had = old_outs != nullptr && old_outs->is_sequence() && i < old_outs->items.size();
    list.add(merged_out(outs[i], had ? &old_outs->items[i] : nullptr));
  }
  if (document.is_null() && !wdir.empty() && wdir != ".") wanted.set("wdir", Node::string(wdir));
  wanted.set("outs", std::move(list));
  if (document.is_null()) return yaml::emit(wanted);
  return yaml::edit(text, document, wanted);
}

Result<> DataFile::write(const std::filesystem::path& scratch) const {
  std::string wanted = dump();
  if (!document.is_null() && wanted == text) return {};
  return replace_file(file, wanted, {.scratch = scratch});
}

}  // namespace slipway::data
