#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::checks {

/// The counts of values: exact while there are at most `kValuesMax` different ones. Beyond that the
/// rarest are dropped, as Misra and Gries (and, told otherwise, Space-Saving) do: every value's
/// true count lies in [count, count + error()], and what is more frequent than error() is kept.
class Frequent {
 public:
  static constexpr std::size_t kValuesMax = 10'000;
  static constexpr std::size_t kTextMax = 128;  // bytes of a value that are kept

  struct Item {
    std::uint64_t hash = 0;  // tells values apart
    std::int64_t count = 0;
    std::int64_t first_row = 0;  // where it was first seen
    std::string text;            // as people write it
    double number = 0;           // of a number, a bool or a time
  };

  explicit Frequent(std::size_t values_max = kValuesMax) : values_max_(values_max) {}

  /// A number. Where last_was_new() says so, name_last() has to follow.
  void add_number(std::uint64_t hash, std::int64_t row) {
    if (abandoned_) return;
    touch(hash, row);
  }
  void add_text(std::uint64_t hash, std::string_view text, std::int64_t row);
  /// add_text() without the reduction, which the caller makes where is_over() says so.
  void note_text(std::uint64_t hash, std::string_view text, std::int64_t row);
  /// More of a value that is kept.
  void add_known(std::uint64_t hash, std::int64_t count) { touch(hash, 0, count); }
  /// Whether there are too many values. After a first reduction there is room for twice as many, so
  /// that the next one pays for itself.
  bool is_over() const {
    return items_.size() > (exact() ? values_max_ : 2 * values_max_);
  }
  /// Takes away from every count that of the value which would be the first beyond the bound.
  void reduce();
  bool last_was_new() const { return last_new_; }
  void name_last(std::string text, double number) {
    items_.back().text = std::move(text);
    items_.back().number = number;
  }

  /// Rows of `other` come after `rows_before` others.
  void merge(const Frequent& other, std::int64_t rows_before);
  /// Forgets all, for ever: there are too many different values to be worth counting.
  void abandon();

  bool exact() const { return error_ == 0 && !abandoned_; }
  bool abandoned() const { return abandoned_; }
  std::int64_t error() const { return error_; }
  std::size_t size() const { return items_.size(); }
  const std::vector<Item>& items() const { return items_; }
  /// The item of that value, if it is kept.
  const Item* find(std::uint64_t hash) const;
  /// The most frequent first; those of equal count by their text.
  std::vector<Item> top(std::size_t limit) const;
  /// The last row that brought a value for the first time; -1 for none. Meaningful while exact().
  std::int64_t last_new_row() const;

  static Frequent restored(std::vector<Item> items, std::int64_t error, bool abandoned,
                           std::size_t values_max);
  std::size_t values_max() const { return values_max_; }

 private:
  Item& touch(std::uint64_t hash, std::int64_t row, std::int64_t count = 1);
  void rebuild(std::size_t slots);

  std::size_t values_max_;
  std::vector<Item> items_;
  std::vector<std::uint32_t> slots_;  // index + 1 of an item, by hash, open addressing
  std::int64_t error_ = 0;
  bool abandoned_ = false;
  bool last_new_ = false;
};

}  // namespace slipway::checks
