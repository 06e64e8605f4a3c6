#include "domain/project/reader.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "io/wire/json.h"

namespace slipway::project {
namespace {

using yaml::Node;

constexpr char kSpanMaxForm[] = "a span of at most a hundred years (5228w)";
constexpr char kSpanForm[] = "a span such as 90s, 2m, 6h, 7d or 2w";
constexpr char kRateForm[] = "a rate such as 24/d or 3/90d";

bool is_name_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
         c == '-';
}

bool is_name(std::string_view text) {
  constexpr std::size_t kNameMax = 100;
  return !text.empty() && text.size() <= kNameMax && text.front() != '.' && text.front() != '-' &&
         text.front() != '_' && std::all_of(text.begin(), text.end(), is_name_byte);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// "a/b" for "./a//b"; nothing for what leaves the repository or names no file.
std::optional<std::string> inside(const std::string& text) {
  constexpr std::size_t kPathMax = 1024;
  if (text.empty() || text.size() > kPathMax || has_control(text) || text.front() == '/') return {};
  std::string path = std::filesystem::path(text).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == "." || path == ".." || path.starts_with("../")) return {};
  return path;
}

bool names_variable(std::string_view text) {
  constexpr std::string_view kBegin = "${env:";
  if (!text.starts_with(kBegin) || !text.ends_with("}")) return false;
  std::string_view name = text.substr(kBegin.size(), text.size() - kBegin.size() - 1);
  return !name.empty() && !is_digit(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_name_byte(c) && c != '.' && c != '-'; });
}

}  // namespace

void Faults::add(yaml::Position at, std::string message) {
  faults_.push_back({at, std::move(message)});
}

bool Faults::any_in(yaml::Position begin, yaml::Position end) const {
  const auto place = [](yaml::Position at) { return std::pair(at.line, at.column); };
  return std::any_of(faults_.begin(), faults_.end(), [&](const Fault& fault) {
    return place(fault.at) >= place(begin) && place(fault.at) < place(end);
  });
}

std::vector<std::string> Faults::lines() const {
  std::vector<const Fault*> order;
  for (const Fault& fault : faults_) order.push_back(&fault);
  std::stable_sort(order.begin(), order.end(), [](const Fault* a, const Fault* b) {
    return std::pair(a->at.line, a->at.column) < std::pair(b->at.line, b->at.column);
  });
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < std::min(order.size(), kFaultsMax); ++i)
    lines.push_back(yaml::error_at(file_, order[i]->at, order[i]->message).message);
  if (order.size() > kFaultsMax)
    lines.push_back("and " + std::to_string(order.size() - kFaultsMax) + " more");
  return lines;
}

Error Faults::error() const {
  return invalid(join(lines(), "\n"));
}

std::vector<std::string> in_order(const std::string& file, std::vector<std::string> lines) {
  using Place = std::pair<std::int64_t, std::int64_t>;
  constexpr std::int64_t kNowhere = std::numeric_limits<std::int64_t>::max();
  const auto place_of = [&](const std::string& line) -> Place {
    if (!line.starts_with(file + ":")) return {kNowhere, 0};
    const std::vector<std::string_view> parts =
        split(std::string_view(line).substr(file.size() + 1), ':');
    const auto row = to_int64(parts[0]);
    const auto column = parts.size() > 1 ? to_int64(parts[1]) : std::nullopt;
    return {row.value_or(kNowhere), column.value_or(0)};
  };
  std::stable_sort(lines.begin(), lines.end(), [&](const std::string& a, const std::string& b) {
    return place_of(a) < place_of(b);
  });
  return lines;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShownMax = 60;  // code points
  std::string_view shown = is_valid_utf8(text) ? take_code_points(text, kShownMax) : text;
  std::string out;
  wire::append_quoted(out, shown);
  return shown.size() < text.size() ? out + "..." : out;
}

std::string canonical_number(double value) {
  std::string text = python_repr(value);
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

std::string did_you_mean(std::string_view found, const std::vector<std::string>& known) {
  constexpr std::size_t kWordMax = 100;  // longer ones are no slip of the fingers
  constexpr std::size_t kWorkMax = 20'000;
  if (found.size() > kWordMax || found.size() * known.size() > kWorkMax) return "";
  std::optional<std::string> near = nearest(found, known);
  return near ? "; did you mean " + in_quotes(*near) + "?" : "";
}

std::string one_of(const std::vector<std::string>& known) {
  constexpr std::size_t kShownMax = 20;
  if (known.empty()) return "none, as none is declared";
  std::string text;
  std::size_t shown = std::min(known.size(), kShownMax);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) text += i + 1 == known.size() ? " or " : ", ";
    text += known[i];
  }
  return shown < known.size() ? text + ", ..." : text;
}

std::string describe(const Node& node) {
  switch (node.type) {
    case yaml::Type::kNull:
      return "nothing";
    case yaml::Type::kBool:
      return node.as_bool() ? "true" : "false";
    case yaml::Type::kInteger:
    case yaml::Type::kFloat:
      return "the number " + node.text;
    case yaml::Type::kDate:
      return "the date " + node.text;
    case yaml::Type::kString:
      return "the text " + in_quotes(node.text);
    case yaml::Type::kSequence:
      return "a list";
    case yaml::Type::kMapping:
      return "a map";
  }
  return "something else";
}

void Reader::expected(const Node& node, const std::string& what, const std::string& hint) {
  std::string place = key.empty() ? "" : " for " + in_quotes(key);
  fault(node.at, "found " + describe(node) + ", expected " + what + place + hint);
}

std::string Reader::hint(std::string_view found, const std::vector<std::string>& known) const {
  return faults_.full() ? "" : did_you_mean(found, known);
}

bool Reader::text(const Node& node, std::string& out) {
  if (!node.is_string() || node.text.empty() || node.text.size() > kTextBytesMax ||
      node.text.find('\0') != std::string::npos) {
    expected(node, "a text of 1 to " + std::to_string(kTextBytesMax) + " bytes");
    return false;
  }
  out = node.text;
  return true;
}

bool Reader::name(const Node& node, std::string& out) {
  // 2011 and true are as good as names as any other word.
  if (!node.is_scalar() || !is_name(node.text)) {
    expected(node, "a name of letters, digits, '.', '_' and '-'");
    return false;
  }
  out = node.text;
  return true;
}

bool Reader::model(const Node& node, std::string& out) {
  constexpr std::size_t kModelMax = 256;
  bool fits = node.is_scalar() && !node.text.empty() && node.text.size() <= kModelMax &&
              node.text.find_first_of("/:") == std::string::npos && !has_control(node.text);
  if (!fits) {
    expected(node, "the name of a registered model (without '/' and ':')");
    return false;
  }
  out = node.text;
  return true;
}

bool Reader::path(const Node& node, std::string& out) {
  std::optional<std::string> normal = node.is_string() ? inside(node.text) : std::nullopt;
  if (!normal) {
    expected(node, "a path inside the repository, relative to its root");
    return false;
  }
  out = *normal;
  return true;
}

bool Reader::glob(const Node& node, std::string& out) {
  std::optional<std::string> normal = node.is_string() ? inside(node.text) : std::nullopt;
  if (!normal) {
    expected(node, "a pattern of paths inside the repository such as train/**");
    return false;
  }
  out = *normal;
  return true;
}

bool Reader::choice(const Node& node, const std::vector<std::string>& known, std::string& out) {
  if (!node.is_scalar() || std::find(known.begin(), known.end(), node.text) == known.end()) {
    expected(node, one_of(known), node.is_scalar() ? hint(node.text, known) : "");
    return false;
  }
  out = node.text;
  return true;
}

bool Reader::truth(const Node& node, bool& out) {
  if (node.type != yaml::Type::kBool) {
    expected(node, "true or false");
    return false;
  }
  out = node.as_bool();
  return true;
}

bool Reader::count(const Node& node, std::int64_t min, std::int64_t max, std::int64_t& out) {
  Result<std::int64_t> value =
      node.type == yaml::Type::kInteger ? node.as_int64() : Result<std::int64_t>(invalid(""));
  if (!value.ok() || *value < min || *value > max) {
    expected(node, min == max ? "the number " + std::to_string(min)
                              : "a whole number from " + std::to_string(min) + " to " +
                                    std::to_string(max));
    return false;
  }
  out = *value;
  return true;
}

bool Reader::count(const Node& node, int min, int max, int& out) {
  std::int64_t value = 0;
  if (!count(node, std::int64_t{min}, std::int64_t{max}, value)) return false;
  out = static_cast<int>(value);
  return true;
}

bool Reader::number(const Node& node, double& out) {
  bool is_number = node.type == yaml::Type::kInteger || node.type == yaml::Type::kFloat;
  if (!is_number || !std::isfinite(node.as_double())) {
    expected(node, "a number");
    return false;
  }
  out = node.as_double();
  return true;
}

bool Reader::number_in(const Node& node, double above, double at_most, bool open, double& out) {
  bool is_number = node.type == yaml::Type::kInteger || node.type == yaml::Type::kFloat;
  double value = is_number ? node.as_double() : above;
  bool fits = value > above && (open ? value < at_most : value <= at_most);
  if (!fits || !std::isfinite(value)) {
    std::string what = "a number above " + canonical_number(above);
    if (std::isfinite(at_most))
      what += std::string(open ? " and below " : ", at most ") + canonical_number(at_most);
    expected(node, what);
    return false;
  }
  out = value;
  return true;
}

bool Reader::span(const Node& node, Span& out) {
  std::optional<Span> value = node.is_string() ? parse_span(node.text) : std::nullopt;
  if (!value) {
    const bool is_long = node.is_string() && is_too_long_span(node.text);
    expected(node, is_long ? kSpanMaxForm : kSpanForm);
    return false;
  }
  out = *value;
  return true;
}

bool Reader::rate(const Node& node, std::optional<Rate>& out) {
  std::optional<Rate> value = node.is_string() ? parse_rate(node.text) : std::nullopt;
  if (!value) {
    expected(node, kRateForm);
    return false;
  }
  out = value;
  return true;
}

bool Reader::from_environment(const Node& node, bool urls, std::string& out) {
  bool fits = node.is_string() && node.text.size() <= kTextBytesMax && !has_control(node.text);
  bool url = fits && urls &&
             ((node.text.starts_with("https://") && node.text.size() > 8) ||
              (node.text.starts_with("http://") && node.text.size() > 7));
  if (!url && !(fits && names_variable(node.text))) {
    // What stands here may be a secret that was written out by mistake: it is not repeated.
    std::string found = node.is_string() ? "a text" : describe(node);
    fault(node.at, "found " + found + ", expected " +
                       (urls ? "an http or https URL or ${env:NAME}" : "${env:NAME}") + " for " +
                       in_quotes(key));
    return false;
  }
  out = node.text;
  return true;
}

void Reader::list(const Node& node, const std::string& what, const Item& item) {
  if (node.is_null()) return;
  if (!node.is_sequence()) return expected(node, "a list of " + what);
  if (node.items.size() > kItemsMax) {
    return fault(node.at, "found " + std::to_string(node.items.size()) +
                              " items, expected at most " + std::to_string(kItemsMax) + " for " +
                              in_quotes(key));
  }
  for (const Node& one : node.items) item(one);
}

void Reader::members(const Node& node, const std::string& what, const Member& member) {
  if (node.is_null()) return;
  if (!node.is_mapping()) return expected(node, "a map of " + what);
  if (node.entries.size() > kItemsMax) {
    return fault(node.at, "found " + std::to_string(node.entries.size()) +
                              " entries, expected at most " + std::to_string(kItemsMax) + " for " +
                              in_quotes(key));
  }
  for (const yaml::Entry& entry : node.entries) member(entry);
}

void Reader::texts(const Node& node, bool (Reader::*one)(const Node&, std::string&),
                   std::vector<std::string>& out, std::vector<yaml::Position>* places) {
  list(node, "texts", [&](const Node& item) {
    std::string value;
    if (!(this->*one)(item, value)) return;
    if (std::find(out.begin(), out.end(), value) != out.end()) {
      return fault(item.at, "found " + in_quotes(value) + " a second time, expected it once for " +
                                in_quotes(key));
    }
    out.push_back(std::move(value));
    if (places != nullptr) places->push_back(item.at);
  });
}

void refuse_unknown(Reader& reader, const Node& node, const std::string& where,
                    const std::vector<std::string>& known) {
  for (const yaml::Entry& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key.text) != known.end()) continue;
    reader.fault(entry.key.at, "found the key " + in_quotes(entry.key.text) + " in " + where +
                                   ", expected " + one_of(known) +
                                   reader.hint(entry.key.text, known));
  }
}

}  // namespace slipway::project
