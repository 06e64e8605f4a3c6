#include "domain/serving/prediction_record.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace slipway::serving {
namespace {

// The first byte of a payload.
enum class Sort : std::uint8_t {
  kUnnumberedLayout = 1,  // no longer written
  kPrediction = 2,
  kSummary = 3,
  kLayout = 4,
};

constexpr char kProbability[] = "predict_proba_";
constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kNameBytesMax = 1024;
constexpr std::size_t kColumnsMax = 100'000;
constexpr std::uint32_t kRowsMax = 16u << 20;
constexpr std::size_t kKeysMax = 255;  // of a view's entity
constexpr std::size_t kHashDigits = 16;

constexpr std::size_t kLayoutNumberAt = sizeof(Sort);
constexpr std::size_t kEventTimeAt = kLayoutNumberAt + sizeof(std::uint32_t) + 16;

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
/// At once: this is done for every answer.
template <class... T>
void put_all(std::string& out, const T&... values) {
  char bytes[(sizeof(T) + ...)];
  char* at = bytes;
  ((std::memcpy(at, &values, sizeof values), at += sizeof values), ...);
  out.append(bytes, sizeof bytes);
}
void put_text(std::string& out, std::string_view text, std::size_t bytes_max) {
  text = text.substr(0, bytes_max);
  put(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}
void put_floats(std::string& out, std::span<const float> values) {
  if (!values.empty())
    out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

/// Takes values off the front; after the first that is not there everything is zero and ok() false.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : left_(bytes) {}
  bool ok() const { return ok_; }
  bool done() const { return ok_ && left_.empty(); }
  std::size_t left() const { return left_.size(); }

  template <class T>
  T get() {
    T value{};
    std::string_view bytes = take(sizeof value);
    if (ok_) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  void skip(std::size_t bytes) { take(bytes); }
  std::string get_text() { return std::string(take(get<std::uint16_t>())); }
  std::vector<float> get_floats(std::uint64_t count) {
    if (count > left_.size() / sizeof(float)) ok_ = false;
    if (!ok_) return {};
    std::vector<float> values(count);
    std::string_view bytes = take(count * sizeof(float));
    if (count > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  std::string_view take(std::size_t size) {
    if (!ok_ || size > left_.size()) {
      ok_ = false;
      return {};
    }
    std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  std::string_view left_;
  bool ok_ = true;
};

Error broken(const char* what) {
  return {Code::kInvalid, std::string("the prediction log has a broken ") + what};
}

Result<Layout> read_layout(Cursor& in) {
  Layout layout;
  layout.model = in.get_text();
  layout.version = in.get_text();
  const auto columns = in.get<std::uint32_t>();
  const auto outputs = in.get<std::uint32_t>();
  if (columns > kColumnsMax || outputs > kColumnsMax) return broken("layout");
  for (std::uint32_t i = 0; i < columns && in.ok(); ++i) {
    const auto flags = in.get<std::uint8_t>();
    Layout::Column column;
    column.keep = (flags & 1) != 0 ? Keep::kHash : Keep::kValue;
    column.looked_up = (flags & 2) != 0;
    column.name = in.get_text();
    layout.columns.push_back(std::move(column));
  }
  for (std::uint32_t i = 0; i < outputs && in.ok(); ++i) layout.outputs.push_back(in.get_text());
  if (!in.done()) return broken("layout");
  static std::atomic<std::uint64_t> readings{0};
  layout.reading = ++readings;
  return layout;
}

/// The end of a request's payload; nothing where it does not say the keys of each row.
void put_looked_up(std::string& out, const LookedUp& looked_up, std::uint32_t rows) {
  const std::size_t keys = looked_up.keys.size();
  if (keys > kKeysMax || looked_up.values.size() != rows * keys) return;
  put_text(out, looked_up.view, kNameBytesMax);
  put_text(out, looked_up.view_version, kTextBytesMax);
  put(out, static_cast<std::uint8_t>(keys));
  for (const LookedUp::Key& key : looked_up.keys) {
    put(out, static_cast<std::uint8_t>(key.keep == Keep::kHash ? 1 : 0));
    put_text(out, key.name, kNameBytesMax);
  }
  for (const std::string& value : looked_up.values) put_text(out, value, kTextBytesMax);
}

LookedUp get_looked_up(Cursor& in, std::uint32_t rows) {
  LookedUp looked_up;
  looked_up.view = in.get_text();
  looked_up.view_version = in.get_text();
  const auto keys = in.get<std::uint8_t>();
  for (std::uint8_t i = 0; i < keys && in.ok(); ++i) {
    LookedUp::Key key;
    key.keep = (in.get<std::uint8_t>() & 1) != 0 ? Keep::kHash : Keep::kValue;
    key.name = in.get_text();
    looked_up.keys.push_back(std::move(key));
  }
  const std::uint64_t values = std::uint64_t{rows} * keys;
  for (std::uint64_t i = 0; i < values && in.ok(); ++i) looked_up.values.push_back(in.get_text());
  return looked_up;
}

bool holds(std::span<const std::string> names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

LookedUp by_rules(const LookedUp& given, std::span<const std::string> dropped,
                  std::span<const std::string> hashed, const std::string& hash_key) {
  LookedUp kept{given.view, given.view_version, {}, {}};
  const std::size_t width = given.keys.size();
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < width; ++i) {
    if (holds(dropped, given.keys[i].name)) continue;
    const bool is_hashed = holds(hashed, given.keys[i].name);
    kept.keys.push_back({given.keys[i].name, is_hashed ? Keep::kHash : given.keys[i].keep});
    at.push_back(i);
  }
  if (width == 0 || given.values.size() % width != 0) return kept;
  for (std::size_t row = 0; row < given.values.size(); row += width) {
    for (std::size_t k = 0; k < at.size(); ++k) {
      const std::string& value = given.values[row + at[k]];
      kept.values.push_back(kept.keys[k].keep == Keep::kHash
                                ? hmac_sha256_hex(hash_key, value).substr(0, kHashDigits)
                                : value);
    }
  }
  return kept;
}

std::string probability_name(std::size_t of_class) {
  return kProbability + std::to_string(of_class);
}

std::vector<std::pair<std::string, float>> named_outputs(const Layout& layout,
                                                         std::span<const float> of_row) {
  std::vector<std::pair<std::string, float>> named;
  const std::vector<std::string>& names = layout.outputs;
  const bool whole = !names.empty() && of_row.size() == names.size();
  if (whole && names.front().starts_with(kProbability)) {
    const auto likeliest = std::max_element(of_row.begin(), of_row.end()) - of_row.begin();
    const bool is_second = of_row.front() > 0.5f;
    named.emplace_back("predict", names.size() == 1 ? static_cast<float>(is_second)
                                                    : static_cast<float>(likeliest));
  }
  for (std::size_t i = 0; i < std::min(names.size(), of_row.size()); ++i)
    named.emplace_back(names[i], of_row[i]);
  return named;
}

const char* to_string(Role role) {
  switch (role) {
    case Role::kLive:
      return "live";
    case Role::kCanary:
      return "canary";
    case Role::kShadow:
      return "shadow";
  }
  return "live";
}

std::string layout_frame(const Layout& layout, std::uint32_t layout_number) {
  std::string out;
  put(out, Sort::kLayout);
  put(out, layout_number);
  put_text(out, layout.model, kNameBytesMax);
  put_text(out, layout.version, kNameBytesMax);
  put(out, static_cast<std::uint32_t>(layout.columns.size()));
  put(out, static_cast<std::uint32_t>(layout.outputs.size()));
  for (const Layout::Column& column : layout.columns) {
    const int flags = (column.keep == Keep::kHash ? 1 : 0) | (column.looked_up ? 2 : 0);
    put(out, static_cast<std::uint8_t>(flags));
    put_text(out, column.name, kNameBytesMax);
  }
  for (const std::string& output : layout.outputs) put_text(out, output, kNameBytesMax);
  return out;
}

void append_prediction_frame(std::string& out, const PredictionView& p,
                             std::uint32_t layout_number) {
  put_all(out, Sort::kPrediction, layout_number, p.uuid, p.event_time_ms, p.role, p.status,
          p.latency_us, p.key_hash);
  put_text(out, p.client_id, kTextBytesMax);
  put_text(out, p.error, kTextBytesMax);
  put_all(out, p.rows, static_cast<std::uint8_t>(p.outputs.empty() ? 0 : 1));
  put_floats(out, p.cells);
  put_floats(out, p.outputs);
  if (p.looked_up != nullptr) put_looked_up(out, *p.looked_up, p.rows);
}

FrameFacts facts_of(std::string_view payload) {
  FrameFacts facts;
  Cursor in(payload.substr(kEventTimeAt));
  facts.event_time_ms = in.get<UnixMs>();
  in.skip(sizeof(Role) + sizeof(Prediction::status) + sizeof(Prediction::latency_us) +
          sizeof(Prediction::key_hash));
  for (int text = 0; text < 2; ++text) in.skip(in.get<std::uint16_t>());
  facts.rows = in.get<std::uint32_t>();
  in.skip(1);
  CHECK(in.ok());
  facts.cells_at = payload.size() - in.left();
  return facts;
}

void set_layout_number(std::span<char> payload, std::uint32_t layout_number) {
  std::memcpy(payload.data() + kLayoutNumberAt, &layout_number, sizeof layout_number);
}

void FileSummary::add(UnixMs event_time_ms, std::uint32_t request_rows) {
  first_event_ms = requests == 0 ? event_time_ms : std::min(first_event_ms, event_time_ms);
  last_event_ms = requests == 0 ? event_time_ms : std::max(last_event_ms, event_time_ms);
  ++requests;
  rows += request_rows;
}

std::string summary_frame(const FileSummary& summary) {
  std::string out;
  put(out, Sort::kSummary);
  put(out, summary.first_event_ms);
  put(out, summary.last_event_ms);
  put(out, summary.requests);
  put(out, summary.rows);
  return out;
}

std::optional<FileSummary> read_summary(std::string_view payload) {
  Cursor in(payload);
  if (in.get<Sort>() != Sort::kSummary) return std::nullopt;
  FileSummary summary;
  summary.first_event_ms = in.get<UnixMs>();
  summary.last_event_ms = in.get<UnixMs>();
  summary.requests = in.get<std::uint64_t>();
  summary.rows = in.get<std::uint64_t>();
  if (!in.done()) return std::nullopt;
  return summary;
}

Result<std::optional<Prediction>> FrameReader::read(std::string_view payload) {
  Cursor in(payload);
  const auto sort = in.get<Sort>();
  if (sort == Sort::kLayout) {
    const auto layout_number = in.get<std::uint32_t>();
    keep(layout_number, TRY(read_layout(in)));
    return std::optional<Prediction>();
  }
  if (sort == Sort::kUnnumberedLayout) {
    Layout layout = TRY(read_layout(in));
    if (counts_) keep(unnumbered_++, std::move(layout));
    return std::optional<Prediction>();
  }
  // Sorts that a later version adds are passed over.
  if (sort != Sort::kPrediction) return std::optional<Prediction>();
  const auto number = in.get<std::uint32_t>();
  if (current_ == nullptr || number != current_number_) {
    const auto known = layouts_.find(number);
    if (known == layouts_.end())
      return missing("the prediction log lacks the layout of a prediction");
    current_ = &known->second;
    current_number_ = number;
  }
  Prediction p;
  p.id.deployment = deployment_;
  p.id.uuid = in.get<std::array<std::byte, 16>>();
  p.event_time_ms = in.get<UnixMs>();
  p.role = static_cast<Role>(std::min<std::uint8_t>(in.get<std::uint8_t>(), 2));
  p.status = in.get<std::uint16_t>();
  p.latency_us = in.get<std::uint32_t>();
  p.key_hash = in.get<std::uint64_t>();
  p.client_id = in.get_text();
  p.error = in.get_text();
  p.rows = in.get<std::uint32_t>();
  if (p.rows > kRowsMax) return broken("prediction: more rows than a request has");
  const bool answered = in.get<std::uint8_t>() != 0;
  p.cells = in.get_floats(std::uint64_t{p.rows} * layout().columns.size());
  if (answered) p.outputs = in.get_floats(std::uint64_t{p.rows} * layout().outputs.size());
  if (in.ok() && in.left() > 0) p.looked_up = get_looked_up(in, p.rows);
  if (!in.done()) return broken("prediction");
  return std::optional<Prediction>(std::move(p));
}

void FrameReader::look_ahead(std::string_view payload) {
  Cursor in(payload);
  if (in.get<Sort>() != Sort::kLayout) return;
  const auto number = in.get<std::uint32_t>();
  Result<Layout> layout = read_layout(in);
  if (layout.ok()) keep(number, std::move(*layout));
}

void FrameReader::keep(std::uint32_t number, Layout layout) {
  const auto known = layouts_.find(number);
  // One that stands in the file again is still the same reading.
  if (known != layouts_.end() && known->second == layout) return;
  layouts_[number] = std::move(layout);
}

}  // namespace slipway::serving
