#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "domain/checks/column_fill.h"
#include "domain/checks/stable_hash.h"
#include "domain/checks/tally.h"

namespace slipway::checks {
namespace {

using table::ColumnView;
using table::kChunkRowsMax;
using table::Text;

class TextFill final : public ColumnFill {
 public:
  TextFill(const ColumnPlan& plan, const table::Field& field) : ColumnFill(plan, field) {
    if (plan.frequent) profile_.frequent.emplace(Frequent::kValuesMax);
    if (plan.lengths) profile_.lengths.emplace();
    hashes_wanted_ = plan.distinct || plan.frequent || plan.unique ||
                     std::any_of(rules_.begin(), rules_.end(),
                                 [](const RuleCounter& rule) { return rule.wants_hash(); });
    const bool rules_are_cheap = std::all_of(
        plan.rules.begin(), plan.rules.end(),
        [](const NamedRule& rule) { return std::holds_alternative<WithinLength>(rule.rule); });
    tally_pays_ = hashes_wanted_ || !rules_are_cheap;
  }

  ColumnProfile result() const override {
    ColumnProfile result = ColumnFill::result();
    settle(result);
    return result;
  }

 protected:
  void fill(const ColumnView& view, std::size_t rows) override {
    if (!hashes_wanted_ && !profile_.lengths && rules_.empty()) {
      profile_.nulls += static_cast<std::int64_t>(rows - count_present(view, rows));
    } else if (!tally_pays_ || resting_ > 0) {
      look_at_all(view, rows);
      resting_ -= resting_ > 0;
    } else {
      tally(view, rows);
    }
  }

 private:
  // --- equal texts are looked at once ---

  void tally(const ColumnView& view, std::size_t rows) {
    std::size_t looked_at = 0, present = 0;
    std::int64_t known = 0;
    each_present(view, rows, [&](std::size_t row) {
      ++present;
      const Text& text = view.texts[row];
      if (text.is_inside() && tally_.count(TextKey(text))) {
        ++known;
        return;
      }
      ++looked_at;
      seen_.add_known(std::exchange(known, 0));
      look_at(view, row);
    });
    seen_.add_known(known);
    profile_.nulls += static_cast<std::int64_t>(rows - present);
    constexpr std::size_t kRest = 31;  // chunks: whether texts are often equal may change
    if (4 * looked_at > rows) resting_ = kRest;
  }

  /// A text that may be new.
  void look_at(const ColumnView& view, std::size_t row) {
    const Text& text = view.texts[row];
    const std::uint64_t hash = hashes_wanted_ ? hash_of(text.view()) : 0;
    if (profile_.distinct) profile_.distinct->add(hash);
    if (plan_->unique) seen_.add(hash);
    const bool kept = !profile_.frequent || add_frequent(hash, text, row);
    if (profile_.lengths) add_length(text, 1);
    // A text that breaks a rule is told each time with its row.
    if (keep_rules(hash, view, row) && kept && text.is_inside()) tally_.put(TextKey(text), hash);
  }

  /// What was counted goes where it belongs.
  void settle(ColumnProfile& profile) const {
    tally_.each([&](std::uint64_t hash, const TextKey& key, std::int64_t count) {
      if (profile.frequent) profile.frequent->add_known(hash, count);
      if (profile.lengths) add_length(*profile.lengths, key.text(), count);
    });
  }

  // --- or each for itself ---

  void look_at_all(const ColumnView& view, std::size_t rows) {
    const std::span<const std::uint64_t> hashes = hashes_of(view, rows);
    profile_.nulls += static_cast<std::int64_t>(rows - hashes.size());
    if (profile_.distinct) profile_.distinct->add_all(hashes);
    if (plan_->unique) seen_.add_all(hashes);
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const std::size_t row = rows_[i];
      if (profile_.frequent) add_frequent(hashes[i], view.texts[row], row);
      if (profile_.lengths) add_length(view.texts[row], 1);
      keep_rules(hashes[i], view, row);
    }
  }

  /// Of the texts that are there; 0 where nobody wants them. rows_ says where each came from.
  std::span<const std::uint64_t> hashes_of(const ColumnView& view, std::size_t rows) {
    std::size_t n = 0;
    each_present(view, rows, [&](std::size_t row) {
      hashes_[n] = hashes_wanted_ ? hash_of(view.texts[row].view()) : 0;
      rows_[n++] = static_cast<std::uint32_t>(row);
    });
    return {hashes_.data(), n};
  }

  // --- of one text ---

  /// Whether it is surely kept.
  bool add_frequent(std::uint64_t hash, const Text& text, std::size_t row) {
    Frequent& frequent = *profile_.frequent;
    frequent.note_text(hash, plan_->confidential ? hidden(hash) : text.view(),
                       profile_.rows + static_cast<std::int64_t>(row));
    if (!frequent.is_over()) return true;
    settle(profile_);  // before the rarest go
    tally_.clear();
    frequent.reduce();
    return false;
  }

  std::string_view hidden(std::uint64_t hash) {
    hidden_ = "#" + std::to_string(hash);
    return hidden_;
  }

  void add_length(const Text& text, std::int64_t count) {
    add_length(*profile_.lengths, text, count);
  }

  static void add_length(TextLengths& lengths, const Text& text, std::int64_t count) {
    const auto length = static_cast<std::int64_t>(count_code_points(text));
    lengths.min = lengths.n == 0 ? length : std::min(lengths.min, length);
    lengths.max = std::max(lengths.max, length);
    lengths.empty += length == 0 ? count : 0;
    lengths.sum += length * count;
    lengths.n += count;
  }

  bool keep_rules(std::uint64_t hash, const ColumnView& view, std::size_t row) {
    bool kept = true;
    for (RuleCounter& rule : rules_) {
      if (rule.keeps(view.texts[row].view(), hash)) continue;
      rule.broken(view, row, profile_.rows);
      kept = false;
    }
    return kept;
  }

  bool hashes_wanted_ = false;
  bool tally_pays_ = false;
  std::size_t resting_ = 0;  // chunks
  Tally<TextKey> tally_;     // of what the accumulators know
  std::string hidden_;
  std::array<std::uint64_t, kChunkRowsMax> hashes_;
  std::array<std::uint32_t, kChunkRowsMax> rows_;
};

}  // namespace

std::unique_ptr<ColumnFill> make_text_fill(const ColumnPlan& plan, const table::Field& field) {
  return std::make_unique<TextFill>(plan, field);
}

}  // namespace slipway::checks
