#include "domain/checks/infer.h"

#include <algorithm>
#include <cmath>

#include "domain/checks/cell_text.h"
#include "io/yaml/yaml.h"

namespace slipway::checks {
namespace {

using table::Type;

constexpr std::size_t kDomainMax = 400;  // values of a domain, at most
constexpr double kDomainShare = 0.05;    // of the rows, at most
constexpr double kSettled = 0.9;         // no new value came after so much of the rows
constexpr double kFreshDays = 30;  // data older than this when looked at says nothing about age

const char* logical_type(Type type) {
  switch (type) {
    case Type::kBool:
      return "boolean";
    case Type::kInteger:
      return "integer";
    case Type::kReal:
      return "number";
    case Type::kDate:
      return "date";
    case Type::kTimestamp:
      return "timestamp";
    case Type::kOther:
      return "object";
    case Type::kText:
      break;
  }
  return "string";
}

/// A text as a YAML scalar on one line.
std::string scalar(const std::string& text, bool is_text) {
  const bool plain = !text.empty() &&
                     text.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") ==
                         std::string::npos &&
                     text.front() != '-' && text.front() != '.';
  const bool text_stays_text =
      !is_text || (yaml::resolve(text, yaml::Schema::kYaml12) == yaml::Type::kString &&
                   yaml::resolve(text, yaml::Schema::kYaml11) == yaml::Type::kString);
  if (plain && text_stays_text) return text;
  if (!is_text) return text;
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// A bound with three significant digits, rounded away from the data.
double rounded(double x, bool up) {
  if (x == 0 || !std::isfinite(x)) return x;
  const double place = std::pow(10.0, std::floor(std::log10(std::abs(x))) - 2);
  return (up ? std::ceil(x / place) : std::floor(x / place)) * place;
}

std::string bound_text(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3g", x);
  const std::string out = text;
  return out;
}

class Writer {
 public:
  Writer(const Profile& profile, const InferOptions& options)
      : profile_(profile), options_(options), newest_(newest_of(profile)) {}

  std::string contract() {
    head();
    for (const ColumnProfile& column : profile_.columns) property(column);
    freshness();
    return std::move(out_);
  }

 private:
  void line(int indent, const std::string& text) {
    out_ += std::string(static_cast<std::size_t>(indent), ' ') + text + "\n";
  }

  void head() {
    std::string table = profile_.table.substr(0, profile_.table.find('.'));
    if (table.empty()) table = "table";
    const std::string id = options_.id.empty() ? table : options_.id;
    line(0, "# Inferred from " + std::to_string(profile_.rows) + " rows of " +
                one_line(profile_.table) + ": a proposal. A table fails that has no");
    line(0, "# rows, lacks a column, or has another type or nulls where it says 'required'. What");
    line(0, "# was concluded from the values (ranges, domains, uniqueness, age) only warns, until");
    line(0, "# somebody who knows the data makes its severity 'fail'.");
    line(0, "apiVersion: v3.1.0");
    line(0, "kind: DataContract");
    line(0, "id: " + scalar(id, true));
    line(0, "version: 0.1.0");
    line(0, "status: draft");
    if (is_fresh()) {
      line(0, "customProperties:");
      line(2, "- {property: slipway.freshness.severity, value: warn}");
    }
    line(0, "schema:");
    line(2, "- name: " + scalar(table, true));
    line(4, "properties:");
  }

  static std::string one_line(std::string text) {
    for (char& c : text) {
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    }
    return text;
  }

  static bool is_exact(const ColumnProfile& column) {
    return (column.frequent && column.frequent->exact()) ||
           (column.uniqueness && column.uniqueness->exact);
  }

  std::string seen(const ColumnProfile& column) const {
    std::string text;
    if (column.nulls > 0) text += std::to_string(column.nulls) + " null, ";
    if (column.nans > 0) text += std::to_string(column.nans) + " NaN, ";
    if (auto distinct = column.distinct_count())
      text += (is_exact(column) ? "" : "about ") + std::to_string(std::llround(*distinct)) +
              " different, ";
    if (column.numeric() && column.moments.n > 0) {
      text += "from " + number_text(column.moments.min, column.type) + " to " +
              number_text(column.moments.max, column.type) + ", ";
      if (column.type == Type::kInteger || column.type == Type::kReal)
        text += "mean " + bound_text(column.moments.mean) + ", ";
    }
    if (column.lengths && column.lengths->n > 0)
      text += "lengths " + std::to_string(column.lengths->min) + " to " +
              std::to_string(column.lengths->max) + ", ";
    if (text.size() > 2) text.resize(text.size() - 2);
    return text.empty() ? "no values" : text;
  }

  void property(const ColumnProfile& column) {
    line(6, "- name: " + scalar(column.name, true));
    line(8, "# " + seen(column));
    if (column.present() == 0) return line(8, "# its type is not known: every cell is null");
    line(8, std::string("logicalType: ") + logical_type(column.type));
    if (column.missing() == 0) line(8, "required: true");
    const bool unique = is_unique(column);
    Checks checks;
    if (unique)
      checks.library.emplace_back("{metric: duplicateValues, mustBe: 0, severity: warn}");
    nullability(column, checks);
    if (column.nans + column.infinite_low + column.infinite_high == 0 && column.type == Type::kReal)
      checks.ours.emplace_back("finite: {max_share: 0}");
    const bool closed = !unique && domain(column, checks);
    if (!closed && !unique) range(column, checks);
    if (is_ordered(column)) checks.ours.emplace_back("order: {}");
    write(checks);
  }

  struct Checks {
    std::vector<std::string> ours;  // lines under `implementation`
    std::vector<std::string> library;
  };

  void write(const Checks& checks) {
    if (checks.ours.empty() && checks.library.empty()) return;
    line(8, "quality:");
    for (const std::string& item : checks.library) line(10, "- " + item);
    if (checks.ours.empty()) return;
    line(10, "- type: custom");
    line(12, "engine: slipway");
    line(12, "severity: warn");
    line(12, "implementation: |");
    for (const std::string& item : checks.ours) line(14, item);
  }

  /// The share seen and three standard deviations of a binomial.
  void nullability(const ColumnProfile& column, Checks& checks) {
    if (column.missing() == 0) return;
    const double n = static_cast<double>(column.rows);
    const double share = static_cast<double>(column.missing()) / n;
    const double bound = std::min(1.0, share + 3 * std::sqrt(share * (1 - share) / n));
    checks.ours.push_back(
        "missing: {max_share: " + bound_text(std::min(1.0, rounded(bound, true))) + "}");
  }

  static bool is_unique(const ColumnProfile& column) {
    const auto& uniqueness = column.uniqueness;
    return uniqueness && uniqueness->exact && uniqueness->n > 1 &&
           uniqueness->distinct == uniqueness->n && column.missing() == 0;
  }

  static bool is_ordered(const ColumnProfile& column) {
    return column.order && column.order->n > 10 && column.order->descents == 0 &&
           column.order->repeats < column.order->n / 2 &&
           (column.type == Type::kTimestamp || column.type == Type::kDate ||
            (column.type == Type::kInteger && is_unique(column)));
  }

  bool domain(const ColumnProfile& column, Checks& checks) {
    if (!column.frequent || !column.frequent->exact() || column.type == Type::kDate ||
        column.type == Type::kTimestamp || column.type == Type::kBool)
      return column.type == Type::kBool;
    const Frequent& values = *column.frequent;
    const double n = static_cast<double>(column.there());
    if (values.size() > kDomainMax || static_cast<double>(values.size()) >= kDomainShare * n)
      return false;
    if (static_cast<double>(values.last_new_row()) > kSettled * static_cast<double>(column.rows))
      return false;  // still growing at the end
    if (column.type == Type::kReal && values.size() > 20) return false;
    if (column.type == Type::kInteger && values.size() > 32)
      return false;  // a range says it better
    std::vector<Frequent::Item> items = values.top(kDomainMax);
    std::sort(items.begin(), items.end(), [](const Frequent::Item& a, const Frequent::Item& b) {
      return a.number != b.number ? a.number < b.number : a.text < b.text;
    });
    std::string text;
    for (const Frequent::Item& item : items)
      text += (text.empty() ? "" : ", ") + scalar(item.text, column.type == Type::kText);
    if (text.empty()) return false;  // nothing but infinities
    checks.ours.push_back("domain: {values: [" + text + "]}");
    return true;
  }

  /// Soft: the outermost thousandth on each side and one inter-quartile range beyond.
  void range(const ColumnProfile& column, Checks& checks) {
    const bool number = column.type == Type::kInteger || column.type == Type::kReal;
    if (!number || !column.quantiles || column.quantiles->n() < 2) return;
    const double shares[] = {0.001, 0.25, 0.75, 0.999};
    const std::vector<double> q = column.quantiles->quantiles(shares);
    double margin = q[2] - q[1];
    if (margin == 0) margin = column.moments.max - column.moments.min;
    double low = rounded(std::min(q[0] - margin, column.moments.min), false);
    const double high = rounded(std::max(q[3] + margin, column.moments.max), true);
    // What never was negative, as counts and amounts are, is not expected to become so.
    if (column.moments.min >= 0) low = std::max(0.0, low);
    if (!(low < high)) return;
    checks.ours.push_back("range: {min: " + bound_text(low) + ", max: " + bound_text(high) + "}");
  }

  /// The column of times that reaches farthest.
  static const ColumnProfile* newest_of(const Profile& profile) {
    const ColumnProfile* newest = nullptr;
    for (const ColumnProfile& column : profile.columns) {
      if (column.type != Type::kTimestamp && column.type != Type::kDate) continue;
      if (column.moments.n == 0) continue;
      if (newest == nullptr || column.moments.max > newest->moments.max) newest = &column;
    }
    return newest;
  }

  double age_days() const {
    return (static_cast<double>(options_.now_ms) / 1e3 - newest_->moments.max / 1e6) / 86400;
  }

  /// Whether the newest value is recent enough to say how old it may become.
  bool is_fresh() const {
    return newest_ != nullptr && age_days() >= 0 && age_days() <= kFreshDays;
  }

  void freshness() {
    if (newest_ == nullptr) return;
    const std::string value = number_text(newest_->moments.max, newest_->type);
    if (!is_fresh()) {
      line(0, "# No freshness: the newest value of " + one_line(newest_->name) + " is " + value +
                  ".");
      return;
    }
    line(0, "slaProperties:");
    line(2, "# The newest value was " + value + ", " + bound_text(age_days()) + " days old.");
    line(2, "- {property: latency, value: " +
                std::to_string(static_cast<int>(std::ceil(2 * age_days() + 1))) +
                ", unit: d, element: " + scalar(newest_->name, true) + "}");
  }

  const Profile& profile_;
  const InferOptions& options_;
  const ColumnProfile* newest_;  // null: no column holds times
  std::string out_;
};

}  // namespace

std::string infer_contract(const Profile& profile, const InferOptions& options) {
  return Writer(profile, options).contract();
}

}  // namespace slipway::checks
