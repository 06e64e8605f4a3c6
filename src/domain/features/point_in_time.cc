#include "domain/features/point_in_time.h"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <unordered_map>

namespace slipway::features {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kNullCreated = std::numeric_limits<std::int64_t>::min();

using KeyId = std::uint32_t;
constexpr KeyId kNoKey = 0xffff'ffff;

/// Numbers the distinct keys of the source; entities that have none of them get kNoKey.
class Keys {
 public:
  KeyId add(const std::vector<const Column*>& key, std::size_t row) {
    if (is_single_number(key)) return add_to(numbers_, key[0], row);
    std::string packed = pack_key(key, row);
    if (packed.empty()) return kNoKey;
    return texts_.try_emplace(std::move(packed), static_cast<KeyId>(texts_.size())).first->second;
  }
  KeyId find(const std::vector<const Column*>& key, std::size_t row) const {
    if (is_single_number(key)) {
      if (key[0]->valid[row] == 0) return kNoKey;
      const auto found = numbers_.find(key[0]->ints[row]);
      return found == numbers_.end() ? kNoKey : found->second;
    }
    const auto found = texts_.find(pack_key(key, row));
    return found == texts_.end() ? kNoKey : found->second;
  }

 private:
  static bool is_single_number(const std::vector<const Column*>& key) {
    return key.size() == 1 && key[0]->type == Type::kInt64;
  }
  static KeyId add_to(std::unordered_map<std::int64_t, KeyId>& ids, const Column* column,
                      std::size_t row) {
    if (column->valid[row] == 0) return kNoKey;
    return ids.try_emplace(column->ints[row], static_cast<KeyId>(ids.size())).first->second;
  }

  std::unordered_map<std::int64_t, KeyId> numbers_;
  std::unordered_map<std::string, KeyId> texts_;
};

/// A source row and the time from which on it may be found. What is asked of a row, event time and
/// (with the cutoff) creation at or before t, is one condition on the later of both, so a sweep
/// over t only has to remember the greatest row so far.
struct Known {
  KeyId key = 0;
  std::uint32_t row = 0;
  std::int64_t from_us = 0;
  std::int64_t event_us = 0;
  std::int64_t created_us = kNullCreated;

  auto rank() const { return std::tie(event_us, created_us, row); }
};

struct Question {
  KeyId key = 0;
  std::uint32_t row = 0;
  std::int64_t at_us = 0;
};

std::int64_t created_of(const SourceRows& source, std::size_t row) {
  if (source.created == nullptr || source.created->valid[row] == 0) return kNullCreated;
  return source.created->ints[row];
}

std::int64_t known_from(const SourceRows& source, std::size_t row, bool cutoff) {
  const std::int64_t event_us = source.event_time->ints[row];
  if (!cutoff || source.created == nullptr) return event_us;
  if (source.created->valid[row] == 0) return kNever;
  return std::max(event_us, source.created->ints[row]);
}

/// In the order in which they become known, key by key.
std::vector<Known> known_rows(const SourceRows& source, Keys& keys, bool cutoff) {
  std::vector<Known> known;
  const std::size_t rows = source.event_time->size();
  known.reserve(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    if (source.event_time->valid[row] == 0) continue;
    const KeyId key = keys.add(source.key, row);
    const std::int64_t from_us = known_from(source, row, cutoff);
    if (key == kNoKey || from_us == kNever) continue;
    known.push_back({key, static_cast<std::uint32_t>(row), from_us, source.event_time->ints[row],
                     created_of(source, row)});
  }
  std::sort(known.begin(), known.end(), [](const Known& a, const Known& b) {
    return std::tie(a.key, a.from_us, a.row) < std::tie(b.key, b.from_us, b.row);
  });
  return known;
}

std::vector<Question> questions(const EntityRows& entities, const Keys& keys) {
  std::vector<Question> all;
  const std::size_t rows = entities.event_time->size();
  all.reserve(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    if (entities.event_time->valid[row] == 0) continue;
    const KeyId key = keys.find(entities.key, row);
    if (key == kNoKey) continue;
    all.push_back({key, static_cast<std::uint32_t>(row), entities.event_time->ints[row]});
  }
  std::sort(all.begin(), all.end(), [](const Question& a, const Question& b) {
    return std::tie(a.key, a.at_us) < std::tie(b.key, b.at_us);
  });
  return all;
}

bool is_expired(const Known& known, std::int64_t at_us, std::int64_t ttl_us) {
  if (ttl_us <= 0) return false;
  std::int64_t oldest = 0;
  if (__builtin_sub_overflow(at_us, ttl_us, &oldest)) return false;
  return known.event_us < oldest;
}

Result<> check(const SourceRows& source, const EntityRows& entities) {
  if (source.key.size() != entities.key.size()) return invalid("the keys have different columns");
  for (std::size_t i = 0; i < source.key.size(); ++i) {
    if (source.key[i]->type == entities.key[i]->type) continue;
    return invalid(std::string("key column ") + std::to_string(i + 1) + " is " +
                   to_string(source.key[i]->type) + " in the source and " +
                   to_string(entities.key[i]->type) + " in the entity table");
  }
  for (const Column* time : {source.event_time, entities.event_time}) {
    if (time->type != Type::kTimestamp) return invalid("the event time is no timestamp");
    if (time->size() >= kNoRow) return invalid("a table has more than 4,294,967,294 rows");
  }
  if (source.created != nullptr && source.created->type != Type::kTimestamp) {
    return invalid("the created time is no timestamp");
  }
  return {};
}

}  // namespace

Result<Matches> join(const SourceRows& source, const EntityRows& entities, const JoinRules& rules) {
  TRY(check(source, entities));
  Keys keys;
  const std::vector<Known> known = known_rows(source, keys, rules.created_cutoff);
  Matches matches;
  matches.rows.assign(entities.event_time->size(), kNoRow);
  std::size_t found = 0;
  std::size_t next = 0;
  const Known* best = nullptr;  // the greatest of the key's rows before `next`
  for (const Question& question : questions(entities, keys)) {
    if (best != nullptr && best->key != question.key) best = nullptr;
    while (next < known.size() && known[next].key < question.key) ++next;
    for (; next < known.size() && known[next].key == question.key &&
           known[next].from_us <= question.at_us;
         ++next) {
      if (best == nullptr || best->rank() < known[next].rank()) best = &known[next];
    }
    if (best == nullptr) continue;
    if (is_expired(*best, question.at_us, rules.ttl_us)) {
      ++matches.expired;
      continue;
    }
    matches.rows[question.row] = best->row;
    ++found;
  }
  matches.unmatched = matches.rows.size() - found - matches.expired;
  return matches;
}

Column gather(const Column& column, const std::vector<std::uint32_t>& rows) {
  Column out(column.type);
  out.reserve(rows.size());
  for (std::uint32_t row : rows) {
    if (row == kNoRow)
      out.push_null();
    else
      out.push_from(column, row);
  }
  return out;
}

}  // namespace slipway::features
