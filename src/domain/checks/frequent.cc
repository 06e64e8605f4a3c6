#include "domain/checks/frequent.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::checks {
namespace {

std::string_view cut(std::string_view text) {
  if (text.size() <= Frequent::kTextMax) return text;
  std::size_t end = Frequent::kTextMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

void Frequent::rebuild(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::size_t i = 0; i < items_.size(); ++i) {
    std::size_t at = items_[i].hash & (slots - 1);
    while (slots_[at] != 0) at = (at + 1) & (slots - 1);
    slots_[at] = static_cast<std::uint32_t>(i) + 1;
  }
}

Frequent::Item& Frequent::touch(std::uint64_t hash, std::int64_t row, std::int64_t count) {
  if (slots_.size() < 2 * (items_.size() + 1))
    rebuild(std::max<std::size_t>(16, slots_.size() * 4));
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at] != 0) {
    Item& item = items_[slots_[at] - 1];
    if (item.hash == hash) {
      item.count += count;
      last_new_ = false;
      return item;
    }
    at = (at + 1) & mask;
  }
  slots_[at] = static_cast<std::uint32_t>(items_.size()) + 1;
  last_new_ = true;
  return items_.emplace_back(Item{hash, count, row, {}, 0});
}

void Frequent::add_text(std::uint64_t hash, std::string_view text, std::int64_t row) {
  note_text(hash, text, row);
  if (is_over()) reduce();
}

void Frequent::note_text(std::uint64_t hash, std::string_view text, std::int64_t row) {
  if (abandoned_) return;
  Item& item = touch(hash, row);
  if (last_new_) item.text = cut(text);
}

void Frequent::reduce() {
  std::vector<std::int64_t> counts;
  for (const Item& item : items_) counts.push_back(item.count);
  auto pivot = counts.begin() + static_cast<std::ptrdiff_t>(values_max_);
  std::nth_element(counts.begin(), pivot, counts.end(), std::greater<>());
  const std::int64_t less = *pivot;
  error_ += less;
  std::erase_if(items_, [&](Item& item) { return (item.count -= less) <= 0; });
  rebuild(slots_.size());
}

void Frequent::abandon() {
  abandoned_ = true;
  items_ = {};
  slots_ = {};
}

void Frequent::merge(const Frequent& other, std::int64_t rows_before) {
  if (other.abandoned_) abandon();
  if (abandoned_) return;
  for (const Item& theirs : other.items_) {
    Item& ours = touch(theirs.hash, theirs.first_row + rows_before, theirs.count);
    if (last_new_) {
      ours.text = theirs.text;
      ours.number = theirs.number;
    } else {
      ours.first_row = std::min(ours.first_row, theirs.first_row + rows_before);
    }
  }
  error_ += other.error_;
  if (items_.size() > values_max_) reduce();
}

const Frequent::Item* Frequent::find(std::uint64_t hash) const {
  if (slots_.empty()) return nullptr;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at] != 0; at = (at + 1) & mask) {
    if (items_[slots_[at] - 1].hash == hash) return &items_[slots_[at] - 1];
  }
  return nullptr;
}

std::vector<Frequent::Item> Frequent::top(std::size_t limit) const {
  std::vector<Item> all = items_;
  std::sort(all.begin(), all.end(), [](const Item& a, const Item& b) {
    return a.count != b.count ? a.count > b.count : a.text < b.text;
  });
  if (all.size() > limit) all.resize(limit);
  return all;
}

std::int64_t Frequent::last_new_row() const {
  std::int64_t last = -1;
  for (const Item& item : items_) last = std::max(last, item.first_row);
  return last;
}

Frequent Frequent::restored(std::vector<Item> items, std::int64_t error, bool abandoned,
                            std::size_t values_max) {
  Frequent frequent(values_max);
  frequent.items_ = std::move(items);
  frequent.error_ = error;
  frequent.abandoned_ = abandoned;
  std::size_t slots = 16;
  while (slots < 2 * (frequent.items_.size() + 1)) slots *= 2;
  if (!frequent.items_.empty()) frequent.rebuild(slots);
  return frequent;
}

}  // namespace slipway::checks
