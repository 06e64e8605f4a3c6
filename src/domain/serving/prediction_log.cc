#include "domain/serving/prediction_log.h"

#include <pthread.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.h"
#include "base/log.h"
#include "domain/serving/day_files.h"

namespace slipway::serving {
namespace {

constexpr char kKind[] = "predictions";
constexpr std::size_t kOpenFilesMax = 2;  // of one deployment: today's, and a late one

std::size_t bytes_of(const Prediction& p) {
  return sizeof(Prediction) + p.client_id.size() + p.error.size() +
         (p.cells.size() + p.outputs.size()) * sizeof(float);
}

/// A number in [0, 1) from the random end of the id: request, answer and label agree on it.
double draw_of(const PredictionId& id) {
  std::uint64_t bits;
  std::memcpy(&bits, id.uuid.data() + 8, sizeof bits);
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

  void apply(Prediction& p, const std::string& key) const {
    if (as_given) return;
    const std::size_t width = given->columns.size();
    std::vector<float> cells;
    cells.reserve(p.rows * kept.size());
    for (std::size_t row = 0; row < p.rows; ++row) {
      for (std::size_t k = 0; k < kept.size(); ++k) {
        const float value = p.cells[row * width + kept[k]];
        cells.push_back(written.columns[k].keep == Keep::kHash ? hashed(value, key) : value);
      }
    }
    p.cells = std::move(cells);
  }
};

struct PredictionLog::Stream::File {
  std::string day;
  blob::Journal journal;
  std::vector<Rows> layouts;  // by their number
  FileSummary summary;

  std::size_t number_of(const std::shared_ptr<const Layout>& layout, const LogRules& rules,
                        std::string& out) {
    for (std::size_t i = 0; i < layouts.size(); ++i) {
      if (layouts[i].given == layout || *layouts[i].given == *layout) return i;
    }
    layouts.emplace_back(layout, rules);
    blob::add_frame(out, layout_frame(layouts.back().written));
    return layouts.size() - 1;
  }
};

// --- a stream ------------------------------------------------------------------------------------

PredictionLog::Stream::Stream(PredictionLog& log, std::string deployment, LogRules rules)
    : log_(log), deployment_(std::move(deployment)), rules_(std::move(rules)) {}

bool PredictionLog::Stream::is_kept(const Prediction& p) const {
  return rules_.sample >= 1 || p.role != Role::kLive || p.status >= 400 ||
         draw_of(p.id) < rules_.sample;
}

void PredictionLog::Stream::log(Prediction prediction, std::shared_ptr<const Layout> layout) {
  if (!is_kept(prediction)) return;
  const std::size_t bytes = bytes_of(prediction);
  const bool taken = pending_.with([&](Pending& pending) {
    if (pending.bytes + bytes > log_.options_.pending_bytes_max) return false;
    pending.bytes += bytes;
    pending.entries.push_back({std::move(prediction), std::move(layout)});
    return true;
  });
  if (!taken) lose(1);
}

Result<> PredictionLog::Stream::flush() {
  Pending taken = pending_.with([](Pending& pending) { return std::exchange(pending, {}); });
  std::vector<Entry>& entries = taken.entries;
  Result<> first;
  for (std::size_t begin = 0, end = 0; begin < entries.size(); begin = end) {
    const std::string day = day_of(entries[begin].prediction.id.time_ms());
    while (end < entries.size() && day_of(entries[end].prediction.id.time_ms()) == day) ++end;
    Result<> written = write(day, std::span(entries).subspan(begin, end - begin));
    if (written.ok()) {
      log_.logged_counter_.add(static_cast<double>(end - begin));
      continue;
    }
    lose(end - begin);
    if (first.ok()) first = std::move(written);
  }
  return first;
}

Result<> PredictionLog::Stream::write(const std::string& day, std::span<Entry> entries) {
  File* file = TRY(file_of(day));
  Result<> written = write_to(*file, entries);
  if (!written.ok()) {
    // Whether what it holds is on the disk is no longer known: the next answers get another file.
    std::erase_if(files_, [&](const auto& open) { return open.get() == file; });
  }
  return written;
}

Result<> PredictionLog::Stream::write_to(File& file, std::span<Entry> entries) {
  std::string frames, payload;
  for (Entry& entry : entries) {
    Prediction& p = entry.prediction;
    const std::size_t number = file.number_of(entry.layout, rules_, frames);
    file.layouts[number].apply(p, rules_.hash_key);
    payload.clear();
    append_prediction_frame(payload, p, static_cast<std::uint32_t>(number));
    if (payload.size() > blob::kFrameBytesMax) {
      lose(1);
      continue;
    }
    blob::add_frame(frames, payload);
    file.summary.add(p.event_time_ms, p.rows);
  }
  TRY(file.journal.append(frames));
  return file.journal.sync();
}

Result<PredictionLog::Stream::File*> PredictionLog::Stream::file_of(const std::string& day) {
  for (const auto& file : files_) {
    if (file->day == day && file->journal.bytes() < log_.options_.file_bytes_max) return file.get();
  }
  while (files_.size() >= kOpenFilesMax) {
    std::unique_ptr<File> oldest = std::move(files_.front());
    files_.pop_front();
    TRY(close(*oldest));
  }
  const std::filesystem::path folder = log_.options_.root / folder_of(deployment_) / day;
  TRY(blob::make_folders(log_.disk_, folder));
  blob::Journal journal = TRY(blob::Journal::create(log_.disk_, folder / new_file_name(), kKind));
  files_.push_back(std::make_unique<File>(File{day, std::move(journal), {}, {}}));
  return files_.back().get();
}

Result<> PredictionLog::Stream::close(File& file) {
  std::string frame;
  blob::add_frame(frame, summary_frame(file.summary));
  TRY(file.journal.append(frame));
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
    while (!stop_.wait_for(options_.interval)) {
      if (Result<> flushed = flush(); !flushed.ok()) {
        log_warning("the prediction log cannot be written", {{"why", flushed.error().message}});
      }
    }
  });
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
