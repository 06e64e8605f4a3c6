#include "domain/tracking/run_image.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "base/text.h"

namespace slipway::tracking {
namespace {

using db::Op;

constexpr std::size_t kPatternMax = 1000;  // a longer one takes its time elsewhere

bool is_text_attribute(std::string_view key) {
  return key != "start_time" && key != "end_time";
}

/// run_id and start_time are at hand for every run.
bool is_column(Field field, const std::string& key) {
  return field != Field::kAttribute || (key != "run_id" && key != "start_time");
}

bool is_plain(const std::string& text) {
  return text.find('\0') == std::string::npos && is_valid_utf8(text);
}

bool is_order(Op op) {
  return op == Op::kEqual || op == Op::kUnequal || op == Op::kLess || op == Op::kLessOrEqual ||
         op == Op::kGreater || op == Op::kGreaterOrEqual;
}

bool is_for_texts(const Condition& condition) {
  if (condition.op == Op::kIn || condition.op == Op::kNotIn) {
    const auto* list = std::get_if<std::vector<std::string>>(&condition.value);
    return list != nullptr && std::all_of(list->begin(), list->end(), is_plain);
  }
  const auto* text = std::get_if<std::string>(&condition.value);
  if (text == nullptr || !is_plain(*text)) return false;
  const bool like = condition.op == Op::kLike || condition.op == Op::kILike;
  return like ? text->size() <= kPatternMax : is_order(condition.op);
}

bool is_for_numbers(const Condition& condition, bool wholes) {
  if (!is_order(condition.op)) return false;
  if (const auto* real = std::get_if<double>(&condition.value)) return !std::isnan(*real);
  return wholes && std::holds_alternative<std::int64_t>(condition.value);
}

bool is_for_image(const Condition& condition) {
  switch (condition.field) {
    case Field::kAttribute:
      return is_text_attribute(condition.key) ? is_for_texts(condition)
                                              : is_for_numbers(condition, /*wholes=*/true);
    case Field::kMetric:
    case Field::kMetricPart:
      return is_for_numbers(condition, /*wholes=*/false);
    case Field::kParam:
    case Field::kTag:
      return condition.op == Op::kIsNull || condition.op == Op::kIsNotNull ||
             is_for_texts(condition);
    default:
      return false;
  }
}

template <class T>
bool compare(Op op, const T& a, const T& b) {
  switch (op) {
    case Op::kEqual:
      return a == b;
    case Op::kUnequal:
      return a != b;
    case Op::kLess:
      return a < b;
    case Op::kLessOrEqual:
      return a <= b;
    case Op::kGreater:
      return a > b;
    case Op::kGreaterOrEqual:
      return a >= b;
    default:
      return false;
  }
}

/// A condition on texts, made ready to be asked of many.
class TextTest {
 public:
  explicit TextTest(const Condition& condition) : op_(condition.op) {
    if (const auto* text = std::get_if<std::string>(&condition.value)) text_ = *text;
    if (const auto* list = std::get_if<std::vector<std::string>>(&condition.value)) {
      list_.insert(list->begin(), list->end());
    }
    if (op_ == Op::kILike) text_ = to_lower(text_);
  }
  bool operator()(const std::string& text) const {
    switch (op_) {
      case Op::kLike:
        return is_like(text, text_);
      case Op::kILike:
        return is_like(to_lower(text), text_);
      case Op::kIn:
        return list_.contains(text);
      case Op::kNotIn:
        return !list_.contains(text);
      default:
        return compare(op_, text, text_);
    }
  }

 private:
  Op op_;
  std::string text_;
  std::set<std::string, std::less<>> list_;
};

/// `value op operand` for a whole number, as the engines compare it with either kind.
bool compare_whole(Op op, std::int64_t value, const db::Operand& operand) {
  if (const auto* whole = std::get_if<std::int64_t>(&operand)) return compare(op, value, *whole);
  return compare(op, static_cast<double>(value), std::get<double>(operand));
}

using Rows = std::vector<std::uint32_t>;

template <class Test>
void keep(Rows& rows, Test test) {
  std::erase_if(rows, [&](std::uint32_t row) { return !test(row); });
}

void keep_by_metric(Rows& rows, const Column& column, const Condition& condition) {
  const double operand = std::get<double>(condition.value);
  const bool nan_matches = condition.op == Op::kUnequal;
  keep(rows, [&](std::uint32_t row) {
    if (column.state(row) == CellState::kMissing) return false;
    if (column.state(row) == CellState::kNan) return nan_matches;
    return compare(condition.op, column.real(row), operand);
  });
}

void keep_by_pair(Rows& rows, const Column& column, const Condition& condition) {
  if (condition.op == Op::kIsNull || condition.op == Op::kIsNotNull) {
    const bool wanted = condition.op == Op::kIsNotNull;
    return keep(rows, [&](std::uint32_t row) {
      return (column.state(row) == CellState::kHere) == wanted;
    });
  }
  const TextTest test(condition);
  keep(rows, [&](std::uint32_t row) {
    return column.state(row) == CellState::kHere && test(column.text(row));
  });
}

const Column& column_at(const RunImage& image, Field field, const std::string& key) {
  return *image.columns.at({field, key});
}

void keep_by_attribute(Rows& rows, const RunImage& image, const Condition& condition) {
  const RunRows& base = *image.rows;
  if (condition.key == "start_time") {
    return keep(rows, [&](std::uint32_t row) {
      return compare_whole(condition.op, base.start_ms[row], condition.value);
    });
  }
  if (condition.key == "run_id") {
    const TextTest test(condition);
    return keep(rows, [&](std::uint32_t row) { return test(base.run_ids[row]); });
  }
  const Column& column = column_at(image, condition.field, condition.key);
  if (column.kind() == ColumnKind::kText) return keep_by_pair(rows, column, condition);
  keep(rows, [&](std::uint32_t row) {
    return column.state(row) == CellState::kHere &&
           compare_whole(condition.op, column.whole(row), condition.value);
  });
}

Rows matching(const RunImage& image, const RunQuery& query) {
  const RunRows& base = *image.rows;
  Rows rows;
  rows.reserve(base.keys.size());
  for (std::uint32_t row = 0; row < base.keys.size(); ++row) {
    const bool deleted = base.deleted[row] != 0;
    if (query.view == View::kAll || deleted == (query.view == View::kDeleted)) rows.push_back(row);
  }
  for (const Condition& condition : query.where) {
    if (condition.field == Field::kAttribute) {
      keep_by_attribute(rows, image, condition);
      continue;
    }
    const Column& column = column_at(image, condition.field, condition.key);
    if (column.kind() == ColumnKind::kReal)
      keep_by_metric(rows, column, condition);
    else
      keep_by_pair(rows, column, condition);
  }
  return rows;
}

struct Candidate {
  /// The order by the first term as a number that tells most of it: what has a lesser one comes
  /// first, what has the same one may be before or behind.
  std::uint64_t rank = 0;
  std::uint32_t image = 0, row = 0;
};
constexpr std::uint64_t kRankOfNan = ~std::uint64_t{1}, kRankOfNone = ~std::uint64_t{0};
constexpr std::uint64_t kTopBit = std::uint64_t{1} << 63;

std::uint64_t rank_of(std::int64_t whole) {
  return static_cast<std::uint64_t>(whole) ^ kTopBit;
}
std::uint64_t rank_of(double real) {
  const auto bits = std::bit_cast<std::uint64_t>(real + 0.0);  // -0 is 0
  return (bits & kTopBit) != 0 ? ~bits : bits | kTopBit;
}
std::uint64_t rank_of(const std::string& text) {
  std::uint64_t rank = 0;
  for (std::size_t i = 0; i < sizeof rank; ++i) {
    rank = rank << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0u);
  }
  return rank;
}

template <class T>
int three_way(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

/// One term of an order, with the column it reads of each image (none for what each run has).
class Term {
 public:
  Term(const Ordering& ordering, std::span<const RunImage> images)
      : ascending_(ordering.ascending), images_(images) {
    by_start_ = ordering.field == Field::kAttribute && ordering.key == "start_time";
    by_run_id_ = ordering.field == Field::kAttribute && ordering.key == "run_id";
    if (by_start_ || by_run_id_) return;
    for (const RunImage& image : images) {
      columns_.push_back(&column_at(image, ordering.field, ordering.key));
    }
  }
  int operator()(const Candidate& a, const Candidate& b) const {
    if (by_start_) return directed(three_way(start(a), start(b)));
    if (by_run_id_) return directed(run_id(a).compare(run_id(b)));
    const Column& left = *columns_[a.image];
    const Column& right = *columns_[b.image];
    const CellState state = left.state(a.row);
    if (state != right.state(b.row)) return three_way(state, right.state(b.row));
    if (state != CellState::kHere) return 0;
    return directed(values(left, a.row, right, b.row));
  }
  std::uint64_t rank(const Candidate& c) const {
    if (by_start_) return directed_rank(rank_of(std::int64_t{start(c)}));
    if (by_run_id_) return directed_rank(rank_of(run_id(c)));
    const Column& column = *columns_[c.image];
    if (column.state(c.row) == CellState::kMissing) return kRankOfNone;
    if (column.state(c.row) == CellState::kNan) return kRankOfNan;
    switch (column.kind()) {
      case ColumnKind::kReal:
        return directed_rank(rank_of(column.real(c.row)));
      case ColumnKind::kWhole:
        return directed_rank(rank_of(column.whole(c.row)));
      case ColumnKind::kText:
        return directed_rank(rank_of(column.text(c.row)));
    }
    return 0;
  }
  /// Against the place behind which a page starts.
  int against(const Candidate& a, const PlaceValue& place) const {
    if (by_start_) return directed(three_way(start(a), place.whole));
    if (by_run_id_) return directed(run_id(a).compare(place.text));
    const Column& column = *columns_[a.image];
    const auto state = static_cast<int>(column.state(a.row));
    if (state != place.state) return three_way(state, place.state);
    if (state != 0) return 0;
    switch (column.kind()) {
      case ColumnKind::kReal:
        return directed(three_way(column.real(a.row), place.real));
      case ColumnKind::kWhole:
        return directed(three_way(column.whole(a.row), place.whole));
      case ColumnKind::kText:
        return directed(column.text(a.row).compare(place.text));
    }
    return 0;
  }

 private:
  static int values(const Column& left, std::size_t a, const Column& right, std::size_t b) {
    switch (left.kind()) {
      case ColumnKind::kReal:
        return three_way(left.real(a), right.real(b));
      case ColumnKind::kWhole:
        return three_way(left.whole(a), right.whole(b));
      case ColumnKind::kText:
        return left.text(a).compare(right.text(b));
    }
    return 0;
  }
  std::uint64_t directed_rank(std::uint64_t rank) const {
    return std::min(ascending_ ? rank : ~rank, kRankOfNan - 1);
  }
  int directed(int order) const { return ascending_ ? order : -order; }
  UnixMs start(const Candidate& c) const { return images_[c.image].rows->start_ms[c.row]; }
  const std::string& run_id(const Candidate& c) const {
    return images_[c.image].rows->run_ids[c.row];
  }

  bool ascending_, by_start_ = false, by_run_id_ = false;
  std::span<const RunImage> images_;
  std::vector<const Column*> columns_;
};

std::vector<Term> to_terms(const RunQuery& query, std::span<const RunImage> images) {
  std::vector<Term> terms;
  for (const Ordering& ordering : full_order(query)) terms.emplace_back(ordering, images);
  return terms;
}

bool is_behind(const std::vector<Term>& terms, const Candidate& candidate, const RunPlace& place) {
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (int order = terms[i].against(candidate, place.values[i])) return order > 0;
  }
  return false;
}

}  // namespace

Column::Column(ColumnKind kind, std::size_t rows) : kind_(kind) {
  resize(rows);
}

void Column::resize(std::size_t rows) {
  states_.resize(rows, CellState::kMissing);
  if (kind_ == ColumnKind::kReal) reals_.resize(rows);
  if (kind_ == ColumnKind::kWhole) wholes_.resize(rows);
  if (kind_ == ColumnKind::kText) texts_.resize(rows);
}

namespace {
std::size_t beyond(const std::string& text) {
  return text.capacity() > std::string().capacity() ? text.capacity() + 17 : 0;
}
}  // namespace

void Column::set(std::size_t row, Cell cell) {
  states_[row] = cell.state;
  if (kind_ == ColumnKind::kReal) reals_[row] = cell.real;
  if (kind_ == ColumnKind::kWhole) wholes_[row] = cell.whole;
  if (kind_ != ColumnKind::kText) return;
  text_bytes_ -= beyond(texts_[row]);
  texts_[row] = std::move(cell.text);
  text_bytes_ += beyond(texts_[row]);
}

bool Column::holds(std::size_t row, const Cell& cell) const {
  if (states_[row] != cell.state) return false;
  if (cell.state != CellState::kHere) return true;
  switch (kind_) {
    case ColumnKind::kReal:
      return reals_[row] == cell.real;
    case ColumnKind::kWhole:
      return wholes_[row] == cell.whole;
    case ColumnKind::kText:
      return texts_[row] == cell.text;
  }
  return false;
}

Cell Column::cell(std::size_t row) const {
  Cell cell;
  cell.state = states_[row];
  if (cell.state != CellState::kHere) return cell;
  if (kind_ == ColumnKind::kReal) cell.real = reals_[row];
  if (kind_ == ColumnKind::kWhole) cell.whole = wholes_[row];
  if (kind_ == ColumnKind::kText) cell.text = texts_[row];
  return cell;
}

std::size_t Column::bytes() const {
  return states_.capacity() + reals_.capacity() * sizeof(double) +
         wholes_.capacity() * sizeof(std::int64_t) + texts_.capacity() * sizeof(std::string) +
         text_bytes_;
}

std::optional<std::size_t> RunRows::find(std::int64_t key) const {
  auto found = std::lower_bound(keys.begin(), keys.end(), key);
  if (found == keys.end() || *found != key) return std::nullopt;
  return static_cast<std::size_t>(found - keys.begin());
}

ColumnKind kind_of(const ColumnName& name) {
  const bool real = name.field == Field::kMetric || name.field == Field::kMetricPart;
  if (real) return ColumnKind::kReal;
  const bool whole = name.field == Field::kAttribute && !is_text_attribute(name.key);
  return whole ? ColumnKind::kWhole : ColumnKind::kText;
}

std::optional<std::vector<ColumnName>> columns_of(const RunQuery& query) {
  std::set<ColumnName> names;
  for (const Condition& condition : query.where) {
    if (!is_for_image(condition) || !condition.joint.is_plain()) return std::nullopt;
    if (is_column(condition.field, condition.key)) names.insert({condition.field, condition.key});
  }
  for (const Ordering& ordering : query.order) {
    if (is_column(ordering.field, ordering.key)) names.insert({ordering.field, ordering.key});
  }
  for (const ColumnName& name : names) {
    if (!is_plain(name.key)) return std::nullopt;
  }
  return std::vector<ColumnName>(names.begin(), names.end());
}

std::vector<std::int64_t> find_runs(std::span<const RunImage> images, const RunQuery& query) {
  const std::vector<Term> terms = to_terms(query, images);
  std::vector<Candidate> found;
  for (std::uint32_t image = 0; image < images.size(); ++image) {
    for (std::uint32_t row : matching(images[image], query)) {
      Candidate candidate{0, image, row};
      if (query.after && !is_behind(terms, candidate, *query.after)) continue;
      candidate.rank = terms.front().rank(candidate);
      found.push_back(candidate);
    }
  }
  auto before = [&](const Candidate& a, const Candidate& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    for (const Term& term : terms) {
      if (int order = term(a, b)) return order < 0;
    }
    return false;
  };
  const auto skipped = std::min(static_cast<std::size_t>(query.offset), found.size());
  const auto end = std::min(skipped + static_cast<std::size_t>(query.limit) + 1, found.size());
  // Only the page is put in order, wherever it is.
  const auto first = found.begin() + static_cast<std::ptrdiff_t>(skipped);
  const auto last = found.begin() + static_cast<std::ptrdiff_t>(end);
  if (last != found.end()) std::nth_element(found.begin(), last, found.end(), before);
  if (first != last && first != found.begin()) std::nth_element(found.begin(), first, last, before);
  std::sort(first, last, before);
  std::vector<std::int64_t> keys;
  keys.reserve(end - skipped);
  for (auto at = first; at != last; ++at) keys.push_back(images[at->image].rows->keys[at->row]);
  return keys;
}

bool is_like(std::string_view text, std::string_view pattern) {
  auto after_character = [](std::string_view s, std::size_t at) {
    ++at;
    while (at < s.size() && (static_cast<unsigned char>(s[at]) & 0xc0) == 0x80) ++at;
    return at;
  };
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t t = 0, p = 0;
  std::size_t after_percent = kNone, retry = 0;  // where to go on when what follows a % fails
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      after_percent = ++p;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      t = after_character(text, t);
      ++p;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++t;
      ++p;
    } else if (after_percent != kNone) {
      p = after_percent;
      t = retry = after_character(text, retry);
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

std::vector<std::uint32_t> matching_rows(const RunImage& image, const RunQuery& query) {
  return matching(image, query);
}

}  // namespace slipway::tracking
