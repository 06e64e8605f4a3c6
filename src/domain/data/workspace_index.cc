#include "domain/data/workspace_index.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/file.h"
#include "base/hash.h"

namespace slipway::data {
namespace {

constexpr std::string_view kMagic = "SLIPWIX1";
constexpr std::size_t kDigestDigits = 32;
constexpr std::size_t kRowBytes = 5 * 8 + kDigestDigits + 4;

void put_u64(std::string& out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(value >> shift));
}
void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

std::uint64_t take_number(std::string_view& rest, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(rest[i])} << (8 * i);
  }
  rest.remove_prefix(bytes);
  return value;
}

/// File systems give times in steps: nanoseconds from a clock that ticks every few milliseconds, or
/// whole seconds.
bool is_racy(const FileFacts& facts, std::int64_t looked_at_ns) {
  constexpr std::int64_t kTickNs = 20'000'000, kSecondNs = 1'000'000'000;
  std::int64_t step = facts.mtime_ns % kSecondNs == 0 ? 2 * kSecondNs : kTickNs;
  return std::max(facts.mtime_ns, facts.ctime_ns) + step >= looked_at_ns;
}

}  // namespace

FileFacts FileFacts::of(const struct stat& status) {
  auto ns = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {static_cast<std::uint64_t>(status.st_size), status.st_ino, status.st_dev,
          ns(status.st_mtim), ns(status.st_ctim)};
}

std::int64_t wall_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

WorkspaceIndex WorkspaceIndex::load(const std::filesystem::path& file) {
  WorkspaceIndex index;
  Result<std::string> bytes = read_file(file, std::uint64_t{2} << 30);
  if (!bytes.ok() || bytes->size() < kMagic.size() + 8 + kDigestDigits) return index;
  std::string_view body(*bytes);
  std::string_view check = body.substr(body.size() - kDigestDigits);
  body.remove_suffix(kDigestDigits);
  if (!body.starts_with(kMagic) || md5_hex(body) != check) return index;
  index.rows_ = parse(body.substr(kMagic.size()));
  return index;
}

std::unordered_map<std::string, WorkspaceIndex::Row> WorkspaceIndex::parse(std::string_view rest) {
  std::unordered_map<std::string, Row> rows;
  std::uint64_t count = take_number(rest, 8);
  if (count > rest.size() / kRowBytes) return rows;
  rows.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (rest.size() < kRowBytes) return {};
    Row row;
    row.facts.size = take_number(rest, 8);
    row.facts.inode = take_number(rest, 8);
    row.facts.device = take_number(rest, 8);
    row.facts.mtime_ns = static_cast<std::int64_t>(take_number(rest, 8));
    row.facts.ctime_ns = static_cast<std::int64_t>(take_number(rest, 8));
    row.md5 = rest.substr(0, kDigestDigits);
    rest.remove_prefix(kDigestDigits);
    std::size_t length = take_number(rest, 4);
    if (rest.size() < length) return {};
    rows.emplace(std::string(rest.substr(0, length)), std::move(row));
    rest.remove_prefix(length);
  }
  return rows;
}

Result<> WorkspaceIndex::save(const std::filesystem::path& file) {
  if (!changed_) return {};
  std::vector<const std::pair<const std::string, Row>*> sorted;
  sorted.reserve(rows_.size());
  for (const auto& row : rows_) sorted.push_back(&row);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  std::string bytes(kMagic);
  put_u64(bytes, sorted.size());
  for (const auto* row : sorted) {
    const FileFacts& facts = row->second.facts;
    put_u64(bytes, facts.size);
    put_u64(bytes, facts.inode);
    put_u64(bytes, facts.device);
    put_u64(bytes, static_cast<std::uint64_t>(facts.mtime_ns));
    put_u64(bytes, static_cast<std::uint64_t>(facts.ctime_ns));
    bytes += row->second.md5;
    put_u32(bytes, static_cast<std::uint32_t>(row->first.size()));
    bytes += row->first;
  }
  bytes += md5_hex(bytes);
  TRY(write_file_quick(file, bytes));
  changed_ = false;
  return {};
}

std::optional<std::string> WorkspaceIndex::find(const std::string& path,
                                                const FileFacts& facts) const {
  auto found = rows_.find(path);
  if (found == rows_.end() || found->second.facts != facts) return std::nullopt;
  return found->second.md5;
}

void WorkspaceIndex::remember(const std::string& path, const FileFacts& facts, std::string_view md5,
                              std::int64_t looked_at_ns) {
  if (is_racy(facts, looked_at_ns)) return;
  Row& row = rows_[path];
  if (row.facts == facts && row.md5 == md5) return;
  row = {facts, std::string(md5)};
  changed_ = true;
}

}  // namespace slipway::data
