#include "domain/data/lock_file.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "domain/data/data_file.h"
#include "domain/project/params.h"

namespace slipway::data {
namespace {

using yaml::Entry;
using yaml::Node;

constexpr char kHead[] = "schema: '2.0'\nstages:\n";

Node to_lock_node(const Record& record) {
  Node map = Node::mapping();
  map.set("path", Node::string(record.path));
  if (!record.version.legacy) map.set("hash", Node::string("md5"));
  if (!record.version.md5.empty()) map.set("md5", Node::string(record.version.md5));
  if (record.version.size) map.set("size", Node::integer(*record.version.size));
  if (record.version.nfiles) map.set("nfiles", Node::integer(*record.version.nfiles));
  if (record.version.is_executable) map.set("isexec", Node::boolean(true));
  for (const Entry& entry : record.extra.entries) map.set(entry.key.text, entry.value);
  return map;
}

Node to_list(const std::vector<Record>& records) {
  Node list = Node::sequence();
  for (const Record& record : records) list.add(to_lock_node(record));
  return list;
}

Node to_params_node(const std::vector<LockedParams>& params) {
  Node map = Node::mapping();
  for (const LockedParams& file : params) {
    Node values = Node::mapping();
    for (const auto& [key, value] : file.values)
      values.entries.push_back({Node::string(key), value});
    map.entries.push_back({Node::string(file.file), std::move(values)});
  }
  return map;
}

Error fail(const std::string& name, const Node& node, const std::string& message) {
  return yaml::error_at(name, node.at, message);
}

Result<std::vector<Record>> read_records(const Node& node, const std::string& name) {
  if (!node.is_sequence()) return fail(name, node, "a list is expected here");
  std::vector<Record> records;
  for (const Node& item : node.items) records.push_back(TRY(to_record(item, name)));
  return records;
}

Result<std::vector<LockedParams>> read_locked_params(const Node& node, const std::string& name) {
  if (!node.is_mapping()) return fail(name, node, "\"params\" takes a map of files");
  std::vector<LockedParams> params;
  for (const Entry& file : node.entries) {
    if (!file.value.is_mapping()) return fail(name, file.value, "a map of values is expected here");
    LockedParams locked{file.key.text, {}};
    for (const Entry& value : file.value.entries)
      locked.values.emplace_back(value.key.text, value.value);
    params.push_back(std::move(locked));
  }
  return params;
}

bool same_node(const Node& a, const Node& b) {
  return yaml::equal(a, b);
}

/// The digits of an integer that no machine word holds; nothing if it is not written in decimal.
std::optional<std::string> long_digits(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string digits = replace_all(std::string(text), "_", "");
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  const bool decimal =
      !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos;
  if (!decimal) return std::nullopt;
  return (negative ? "-" : "") + digits;
}

Result<> append_json(std::string& out, const Node& node);

Result<> append_object(std::string& out, const Node& map) {
  std::vector<std::pair<std::string, const Node*>> members;
  for (const Entry& entry : map.entries) {
    std::string key = entry.key.is_string() ? entry.key.text : entry.key.canonical();
    // They do not count for the run cache.
    if (key != "size" && key != "nfiles") members.emplace_back(std::move(key), &entry.value);
  }
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ", ";
    wire::append_quoted(out, members[i].first, /*ascii=*/true);
    out += ": ";
    TRY(append_json(out, *members[i].second));
  }
  out += '}';
  return {};
}

/// As Python's json writes it with sorted keys: DVC's digests are of that text.
Result<> append_json(std::string& out, const Node& node) {
  if (node.is_mapping()) return append_object(out, node);
  if (node.is_sequence()) {
    out += '[';
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      if (i > 0) out += ", ";
      TRY(append_json(out, node.items[i]));
    }
    out += ']';
    return {};
  }
  if (node.type == yaml::Type::kInteger && !node.as_int64().ok()) {
    if (std::optional<std::string> digits = long_digits(node.text)) {
      out += *digits;
      return {};
    }
  }
  wire::DumpStyle style;
  style.ascii = true;
  out += wire::dump(TRY(project::to_json(node)), style);
  return {};
}

Result<std::string> digest_of(const Node& node) {
  std::string text;
  TRY(append_json(text, node));
  return sha256_hex(text);
}

std::string emit_stage(const std::string& name, const LockedStage& locked) {
  Node map = Node::mapping();
  map.set(name, locked.to_node());
  return yaml::emit(map, 2);
}

std::size_t line_start(std::string_view text, std::size_t offset) {
  std::size_t newline = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  return newline == std::string_view::npos ? 0 : newline + 1;
}

std::size_t after_line(std::string_view text, std::size_t offset) {
  std::size_t newline = text.find('\n', offset);
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

}  // namespace

void LockedStage::normalize() {
  auto by_path = [](const Record& a, const Record& b) { return a.path < b.path; };
  std::sort(deps.begin(), deps.end(), by_path);
  std::sort(outs.begin(), outs.end(), by_path);
  std::sort(params.begin(), params.end(), [](const LockedParams& a, const LockedParams& b) {
    bool first_a = a.file == "params.yaml", first_b = b.file == "params.yaml";
    return first_a != first_b ? first_a : a.file < b.file;
  });
  for (LockedParams& file : params) {
    std::stable_sort(file.values.begin(), file.values.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }
}

Node LockedStage::to_node() const {
  Node map = Node::mapping();
  map.set("cmd", cmd);
  if (!deps.empty()) map.set("deps", to_list(deps));
  if (!params.empty()) map.set("params", to_params_node(params));
  if (!outs.empty()) map.set("outs", to_list(outs));
  return map;
}

Result<LockedStage> LockedStage::from_node(const Node& node, const std::string& name) {
  if (!node.is_mapping()) return fail(name, node, "a stage's entry must be a map");
  LockedStage locked;
  bool has_cmd = false;
  for (const Entry& entry : node.entries) {
    const std::string& key = entry.key.text;
    if (key == "cmd") {
      if (!entry.value.is_string() && !entry.value.is_sequence()) {
        return fail(name, entry.value, "\"cmd\" takes a text or a list");
      }
      locked.cmd = entry.value;
      has_cmd = true;
    } else if (key == "deps") {
      locked.deps = TRY(read_records(entry.value, name));
    } else if (key == "outs") {
      locked.outs = TRY(read_records(entry.value, name));
    } else if (key == "params") {
      locked.params = TRY(read_locked_params(entry.value, name));
    } else {
      return fail(name, entry.key, "\"" + key + "\" is no key of a locked stage");
    }
  }
  if (!has_cmd) return fail(name, node, "the stage's entry has no \"cmd\"");
  return locked;
}

Result<RunCacheKey> run_cache_key(const LockedStage& stage) {
  const Node value = stage.to_node();
  Node key = value;
  Node paths = Node::sequence();
  for (const Record& out : stage.outs) paths.add(Node::string(out.path));
  key.set("outs", std::move(paths));
  return RunCacheKey{TRY(digest_of(key)), TRY(digest_of(value))};
}

Result<LockFile> LockFile::read(const std::filesystem::path& file, std::string name) {
  constexpr std::uint64_t kBytesMax = 64u << 20;
  Result<std::string> text = read_file(file, kBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing) {
    LockFile empty;
    empty.file_ = file;
    empty.head_ = kHead;
    return empty;
  }
  if (!text.ok()) return text.error();
  if (name.empty()) name = file.filename().string();
  LockFile lock = TRY(parse(*text, file, name));
  if (!lock.blank_) return lock;
  // Something went wrong with it: taken for a new one, every stage would seem to have never run.
  return invalid("'" + name +
                 "' validation failed: the file is empty; delete it, and the next reproduction "
                 "writes a new one");
}

Result<LockFile> LockFile::parse(std::string_view text, const std::filesystem::path& file,
                                 std::string name) {
  if (name.empty()) name = file.filename().string();
  LockFile lock;
  lock.file_ = file;
  lock.existed_ = true;
  lock.head_ = kHead;
  Node root = TRY(yaml::parse(text, name));
  lock.blank_ = root.is_null();
  if (lock.blank_) return lock;
  if (!root.is_mapping()) return fail(name, root, "the file must be a map");
  const Node* schema = root.find("schema");
  if (schema == nullptr || schema->text != "2.0") {
    return fail(name, root, "only lock files with schema '2.0' can be read");
  }
  Node* stages = root.find("stages");
  bool plain = stages != nullptr && stages->is_mapping() && !stages->flow &&
               !stages->entries.empty() && stages->at.column == 3;
  if (stages != nullptr && !stages->is_null() && !stages->is_mapping()) {
    return fail(name, *stages, "\"stages\" takes a map");
  }
  if (!plain) {
    // Not in the writer's shape: the head is written anew, and so is every stage.
    Node head = root;
    std::erase_if(head.entries, [](const Entry& entry) { return entry.key.text == "stages"; });
    lock.head_ = yaml::emit(head) + "stages:\n";
  }
  if (stages == nullptr) return lock;
  for (std::size_t i = 0; i < stages->entries.size(); ++i) {
    const Entry& entry = stages->entries[i];
    Item item{entry.key.text, TRY(LockedStage::from_node(entry.value, name)), ""};
    if (plain) {
      std::size_t begin = line_start(text, entry.key.begin);
      bool last = i + 1 == stages->entries.size();
      std::size_t end = last ? after_line(text, entry.value.end)
                             : line_start(text, stages->entries[i + 1].key.begin);
      item.text = text.substr(begin, end - begin);
      if (i == 0) lock.head_ = text.substr(0, begin);
      if (last) lock.tail_ = text.substr(end);
      if (!item.text.ends_with('\n')) item.text += '\n';
    } else {
      item.text = emit_stage(item.name, item.locked);
    }
    lock.items_.push_back(std::move(item));
  }
  return lock;
}

const LockedStage* LockFile::find(std::string_view stage) const {
  for (const Item& item : items_) {
    if (item.name == stage) return &item.locked;
  }
  return nullptr;
}

bool LockFile::set(const std::string& stage, LockedStage locked,
                   const std::vector<std::string>& before) {
  locked.normalize();
  for (Item& item : items_) {
    if (item.name != stage) continue;
    if (same_node(item.locked.to_node(), locked.to_node())) return false;
    item.text = emit_stage(stage, locked);
    item.locked = std::move(locked);
    return true;
  }
  std::string text = emit_stage(stage, locked);
  auto place = std::find_if(items_.begin(), items_.end(), [&](const Item& item) {
    return std::find(before.begin(), before.end(), item.name) != before.end();
  });
  items_.insert(place, {stage, std::move(locked), std::move(text)});
  return true;
}

bool LockFile::remove(std::string_view stage) {
  return std::erase_if(items_, [&](const Item& item) { return item.name == stage; }) > 0;
}

std::string LockFile::text() const {
  if (items_.empty()) {
    std::string_view head = head_;
    if (head.ends_with("stages:\n")) head.remove_suffix(1);
    return std::string(head) + " {}\n" + tail_;
  }
  std::size_t size = head_.size() + tail_.size();
  for (const Item& item : items_) size += item.text.size();
  std::string result;
  result.reserve(size);
  result += head_;
  for (const Item& item : items_) result += item.text;
  result += tail_;
  return result;
}

Result<> LockFile::write(const std::filesystem::path& scratch) {
  TRY(replace_file(file_, text(), {.scratch = scratch}));
  existed_ = true;
  return {};
}

}  // namespace slipway::data
