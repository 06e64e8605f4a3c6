#include "domain/serving/prediction_log.h"

#include <pthread.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/hash.h"
#include "base/log.h"
#include "domain/serving/day_files.h"

namespace slipway::serving {
namespace {

constexpr char kKind[] = "predictions";
constexpr std::size_t kOpenFilesMax = 2;  // of one deployment: today's, and a late one

constexpr UnixMs kDayMs = 86'400'000;
constexpr std::size_t kBytesKept = 256u << 10;  // of memory that was needed and may be again
constexpr std::size_t kKindsLookedAt = 8;       // of those waiting, for one that an answer shares

std::int64_t day_number_of(const std::array<std::byte, 16>& uuid) {
  return time_of(uuid) / kDayMs;  // an id's time is never before 1970
}

/// At most; of a frame.
std::size_t bytes_of(const PredictionView& p) {
  constexpr std::size_t kFixed = 128, kOfText = sizeof(std::uint16_t);
  std::size_t bytes = kFixed + p.client_id.size() + p.error.size() + p.cells.size_bytes() +
                      p.outputs.size_bytes();
  if (p.looked_up == nullptr) return bytes;
  bytes += p.looked_up->view.size() + p.looked_up->view_version.size();
  for (const LookedUp::Key& key : p.looked_up->keys) bytes += 1 + kOfText + key.name.size();
  for (const std::string& value : p.looked_up->values) bytes += kOfText + value.size();
  return bytes;
}

bool fits(const PredictionView& p, const Layout& layout) {
  return p.cells.size() == p.rows * layout.columns.size() &&
         (p.outputs.empty() || p.outputs.size() == p.rows * layout.outputs.size());
}

/// A number in [0, 1) from the random end of the id: request, answer and label agree on it.
double draw_of(const std::array<std::byte, 16>& uuid) {
  std::uint64_t bits;
  std::memcpy(&bits, uuid.data() + 8, sizeof bits);
  return static_cast<double>(bits << 2 >> 11) * 0x1p-53;  // without the two bits of the variant
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

float hashed(float value, const std::string& key) {
  std::string_view bytes(reinterpret_cast<const char*>(&value), sizeof value);
  const std::string digest = hmac_sha256_hex(key, bytes);
  const auto bits = static_cast<std::uint32_t>(std::stoul(digest.substr(0, 8), nullptr, 16));
  return std::bit_cast<float>(bits);
}

}  // namespace

// --- a file and the rows in it -------------------------------------------------------------------

/// How rows of one layout are written.
struct PredictionLog::Stream::Rows {
  std::shared_ptr<const Layout> given;
  std::uint64_t written_at = 0;  // how long the file was when it was told last
  Layout written;
  std::vector<std::size_t> kept;  // indexes into the given cells
  bool as_given = true;

  Rows(std::shared_ptr<const Layout> layout, const LogRules& rules) : given(std::move(layout)) {
    written = {given->model, given->version, {}, given->outputs};
    for (std::size_t i = 0; i < given->columns.size(); ++i) {
      Layout::Column column = given->columns[i];
      if (holds(rules.dropped, column.name)) continue;
      if (holds(rules.hashed, column.name)) column.keep = Keep::kHash;
      as_given &= column.keep == Keep::kValue;
      kept.push_back(i);
      written.columns.push_back(std::move(column));
    }
    as_given &= kept.size() == given->columns.size();
  }

  /// The payload with the columns that are kept.
  void append(std::string& out, std::string_view payload, const FrameFacts& facts,
              const std::string& key) const {
    const std::size_t width = given->columns.size();
    const char* cells = payload.data() + facts.cells_at;
    out += payload.substr(0, facts.cells_at);
    for (std::size_t row = 0; row < facts.rows; ++row) {
      for (std::size_t k = 0; k < kept.size(); ++k) {
        float value;
        std::memcpy(&value, cells + (row * width + kept[k]) * sizeof value, sizeof value);
        if (written.columns[k].keep == Keep::kHash) value = hashed(value, key);
        out.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
    }
    out += payload.substr(facts.cells_at + facts.rows * width * sizeof(float));
  }
};

struct PredictionLog::Stream::File {
  std::int64_t day;
  blob::Journal journal;
  std::vector<Rows> layouts;  // by their number
  FileSummary summary;

  /// Its layout goes to `out` when the file lacks it, and again whenever the file has doubled: what
  /// takes one of them must not take the meaning of all rows.
  std::uint32_t number_of(const std::shared_ptr<const Layout>& layout, const LogRules& rules,
                          std::string& out) {
    std::uint32_t number = 0;
    while (number < layouts.size() && layouts[number].given != layout &&
           *layouts[number].given != *layout)
      ++number;
    const bool is_new = number == layouts.size();
    if (is_new) layouts.emplace_back(layout, rules);
    if (is_new || journal.bytes() >= 2 * layouts[number].written_at) tell(number, out);
    return number;
  }
  void tell(std::uint32_t number, std::string& out) {
    layouts[number].written_at = journal.bytes();
    blob::add_frame(out, layout_frame(layouts[number].written, number));
  }
};

// --- a stream ------------------------------------------------------------------------------------

PredictionLog::Stream::Stream(PredictionLog& log, std::string deployment, LogRules rules)
    : log_(log), deployment_(std::move(deployment)), rules_(std::move(rules)) {}

bool PredictionLog::Stream::is_kept(const PredictionView& p) const {
  return rules_.sample >= 1 || p.role != Role::kLive || p.status >= 400 ||
         draw_of(p.uuid) < rules_.sample;
}

void PredictionLog::Stream::count(const PredictionView& p) {
  constexpr int kErrorStatus = 500;  // below it the caller was wrong
  if (p.role == Role::kShadow) return;
  answered_.fetch_add(1, std::memory_order_relaxed);
  if (p.status >= kErrorStatus) failed_.fetch_add(1, std::memory_order_relaxed);
  if (time_of(p.uuid) - p.event_time_ms > kLateMs)
    log_.late_.fetch_add(1, std::memory_order_relaxed);
}

std::uint32_t PredictionLog::Stream::Pending::kind_of(const std::shared_ptr<const Layout>& layout,
                                                      std::int64_t day) {
  const std::size_t end = kinds.size() - std::min(kinds.size(), kKindsLookedAt);
  for (std::size_t i = kinds.size(); i-- > end;) {
    if (kinds[i].layout == layout && kinds[i].day == day) return static_cast<std::uint32_t>(i);
  }
  kinds.push_back({layout, day});
  return static_cast<std::uint32_t>(kinds.size() - 1);
}

std::size_t PredictionLog::Stream::Pending::bytes() const {
  return frames.size() + entries.size() * sizeof(Entry) + kinds.size() * sizeof(Kind);
}

void PredictionLog::Stream::Pending::clear() {
  frames.clear();
  entries.clear();
  kinds.clear();
}

void PredictionLog::Stream::log(const PredictionView& p,
                                const std::shared_ptr<const Layout>& layout) {
  count(p);
  if (!is_kept(p)) return;
  if (p.looked_up == nullptr || (rules_.dropped.empty() && rules_.hashed.empty()))
    return keep(p, layout);
  const LookedUp kept =
      by_rules(*p.looked_up, rules_.dropped, rules_.hashed, rules_.hash_key);
  PredictionView with_rules = p;
  with_rules.looked_up = &kept;
  keep(with_rules, layout);
}

/// By its rules already, but for the cells.
void PredictionLog::Stream::keep(const PredictionView& p,
                                 const std::shared_ptr<const Layout>& layout) {
  const std::size_t bytes = bytes_of(p);
  if (bytes > blob::kFrameBytesMax && p.looked_up != nullptr) {
    // The answer is worth more than whose it was.
    PredictionView without_keys = p;
    without_keys.looked_up = nullptr;
    return keep(without_keys, layout);
  }
  // What no reader could read again must not stand before what comes later.
  if (bytes > blob::kFrameBytesMax || !fits(p, *layout)) return lose(1);
  const std::int64_t day = day_number_of(p.uuid);
  const bool taken = pending_.with([&](Pending& pending) {
    if (pending.bytes() + bytes > log_.options_.pending_bytes_max) return false;
    const std::uint32_t kind = pending.kind_of(layout, day);
    const std::size_t at = blob::open_frame(pending.frames);
    append_prediction_frame(pending.frames, p, 0);
    blob::close_frame(std::span(pending.frames).subspan(at));
    pending.entries.push_back({kind, static_cast<std::uint32_t>(pending.frames.size() - at)});
    return true;
  });
  if (!taken) lose(1);
}

Result<> PredictionLog::Stream::flush() {
  taken_.clear();
  pending_.with([this](Pending& pending) { std::swap(pending, taken_); });
  const std::span<const Entry> entries = taken_.entries;
  const std::span<const Kind> kinds = taken_.kinds;
  const std::span<char> frames = taken_.frames;
  Result<> first;
  std::size_t bytes_before = 0;
  for (std::size_t begin = 0, end = 0; begin < entries.size(); begin = end) {
    const std::int64_t day = kinds[entries[begin].kind].day;
    std::size_t bytes = 0;
    for (; end < entries.size() && kinds[entries[end].kind].day == day; ++end)
      bytes += entries[end].bytes;
    Result<> written =
        write(day, kinds, entries.subspan(begin, end - begin), frames.subspan(bytes_before, bytes));
    bytes_before += bytes;
    if (written.ok()) {
      log_.logged_counter_.add(static_cast<double>(end - begin));
      continue;
    }
    lose(end - begin);
    if (first.ok()) first = std::move(written);
  }
  // Lets go of versions that are gone, and of what only a storm needed.
  taken_.kinds.clear();
  if (taken_.frames.capacity() > 4 * taken_.frames.size() + kBytesKept) taken_ = {};
  return first;
}

Result<> PredictionLog::Stream::write(std::int64_t day, std::span<const Kind> kinds,
                                      std::span<const Entry> entries, std::span<char> frames) {
  File* file = TRY(file_of(day));
  Result<> written = write_to(*file, kinds, entries, frames);
  if (!written.ok()) {
    // Whether what it holds is on the disk is no longer known: the next answers get another file.
    std::erase_if(files_, [&](const auto& open) { return open.get() == file; });
  }
  return written;
}

Result<> PredictionLog::Stream::write_to(File& file, std::span<const Kind> kinds,
                                         std::span<const Entry> entries, std::span<char> frames) {
  std::string layouts;  // that this file has not seen
  std::vector<std::optional<std::uint32_t>> numbers(kinds.size());
  bool as_given = true;
  for (const Entry& entry : entries) {
    std::optional<std::uint32_t>& number = numbers[entry.kind];
    if (!number) number = file.number_of(kinds[entry.kind].layout, rules_, layouts);
    as_given &= file.layouts[*number].as_given;
  }
  std::string changed;  // all of them, where rules change any
  std::size_t at = 0;
  for (const Entry& entry : entries) {
    finish(file, *numbers[entry.kind], frames.subspan(at, entry.bytes),
           as_given ? nullptr : &changed);
    at += entry.bytes;
  }
  if (!layouts.empty()) TRY(file.journal.append(layouts));
  TRY(file.journal.append(as_given ? frames : std::span<char>(changed)));
  return file.journal.sync();
}

void PredictionLog::Stream::finish(File& file, std::uint32_t layout_number, std::span<char> frame,
                                   std::string* changed) const {
  const std::span<char> payload = frame.subspan(blob::kFrameHeadBytes);
  set_layout_number(payload, layout_number);
  const FrameFacts facts = facts_of({payload.data(), payload.size()});
  file.summary.add(facts.event_time_ms, facts.rows);
  if (changed == nullptr) return;
  const std::size_t begun = blob::open_frame(*changed);
  file.layouts[layout_number].append(*changed, {payload.data(), payload.size()}, facts,
                                     rules_.hash_key);
  blob::close_frame(std::span(*changed).subspan(begun));
}

Result<PredictionLog::Stream::File*> PredictionLog::Stream::file_of(std::int64_t day) {
  for (const auto& file : files_) {
    if (file->day == day && file->journal.bytes() < log_.options_.file_bytes_max) return file.get();
  }
  while (files_.size() >= kOpenFilesMax) {
    std::unique_ptr<File> oldest = std::move(files_.front());
    files_.pop_front();
    TRY(close(*oldest));
  }
  const std::filesystem::path folder =
      log_.options_.root / folder_of(deployment_) / day_of(day * kDayMs);
  TRY(blob::make_folders(log_.disk_, folder));
  blob::Journal journal = TRY(blob::Journal::create(log_.disk_, folder / new_file_name(), kKind));
  files_.push_back(std::make_unique<File>(File{day, std::move(journal), {}, {}}));
  return files_.back().get();
}

Result<> PredictionLog::Stream::close(File& file) {
  std::string frames;
  for (std::uint32_t number = 0; number < file.layouts.size(); ++number) file.tell(number, frames);
  blob::add_frame(frames, summary_frame(file.summary));
  TRY(file.journal.append(frames));
  return file.journal.sync();
}

Result<> PredictionLog::Stream::close_all() {
  Result<> first;
  for (const auto& file : files_) {
    Result<> closed = close(*file);
    if (first.ok()) first = std::move(closed);
  }
  files_.clear();
  return first;
}

// --- the log -------------------------------------------------------------------------------------

PredictionLog::PredictionLog(blob::Disk& disk, Metrics& metrics, PredictionLogOptions options)
    : disk_(disk),
      options_(std::move(options)),
      logged_counter_(metrics.counter("slipway_prediction_log_requests_total",
                                      "Answers that are durable in the prediction log.")),
      lost_counter_(
          metrics.counter("slipway_log_dropped_total", "Answers that the prediction log lost.")) {}

PredictionLog::~PredictionLog() {
  stop();
}

void PredictionLog::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "prediction-log");
    while (await_turn()) {
      if (Result<> flushed = flush(); !flushed.ok()) {
        log_warning("the prediction log cannot be written", {{"why", flushed.error().message}});
      }
    }
  });
}

/// Of the thread: waits until it is to write; false when it is to end.
bool PredictionLog::await_turn() {
  if (stop_.wait_for(options_.interval)) return false;
  // Once: who pauses it again and again must not make it wait for ever.
  const auto left = paused_until_.load() - std::chrono::steady_clock::now();
  return left.count() <= 0 || !stop_.wait_for(std::chrono::ceil<std::chrono::milliseconds>(left));
}

void PredictionLog::pause() {
  paused_until_ = std::chrono::steady_clock::now() + kPauseMax;
  std::lock_guard until_written(flush_mutex_);
}

void PredictionLog::stop() {
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
  if (Result<> flushed = flush(); !flushed.ok()) {
    log_error("the prediction log cannot be written", {{"why", flushed.error().message}});
  }
  std::lock_guard lock(flush_mutex_);
  streams_.with([](auto& streams) {
    for (auto& [name, stream] : streams) (void)stream->close_all();
  });
}

std::shared_ptr<PredictionLog::Stream> PredictionLog::stream(const std::string& deployment,
                                                             const LogRules& rules) {
  return streams_.with([&](auto& streams) {
    std::shared_ptr<Stream>& known = streams[deployment];
    if (known && known->rules_ == rules) return known;
    if (known) retired_.with([&](auto& retired) { retired.push_back(known); });
    known.reset(new Stream(*this, deployment, rules));
    return known;
  });
}

Result<> PredictionLog::flush() {
  std::lock_guard lock(flush_mutex_);
  Result<> first;
  auto note = [&first](Result<> done) {
    if (first.ok()) first = std::move(done);
  };
  auto streams = streams_.with([](const auto& known) { return known; });
  for (auto& [name, stream] : streams) note(stream->flush());
  // A stream with old rules goes once nobody else holds it: nothing more can be logged to it.
  std::vector<std::shared_ptr<Stream>> retired =
      retired_.with([](auto& known) { return std::exchange(known, {}); });
  for (auto& stream : retired) {
    const bool held = stream.use_count() > 1;
    note(stream->flush());
    if (held)
      retired_.with([&](auto& known) { known.push_back(stream); });
    else
      note(stream->close_all());
  }
  return first;
}

void PredictionLog::Stream::lose(std::uint64_t requests) {
  log_.lose(deployment_, requests);
}

void PredictionLog::lose(const std::string& deployment, std::uint64_t requests) {
  lost_ += requests;
  losses_.with([&](auto& losses) { losses[deployment] += requests; });
  lost_counter_.add(static_cast<double>(requests));
}

}  // namespace slipway::serving
