#include "domain/serving/labels.h"

#include <algorithm>
#include <cstring>

#include "domain/serving/day_files.h"

namespace slipway::serving {
namespace {

constexpr char kKind[] = "labels";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSourceBytesMax = 256;
constexpr std::size_t kOpenPartsMax = 16;
// Version, UUID, row, value, two times, length of the source.
constexpr std::size_t kFixedBytes = 1 + 16 + 4 + 8 + 8 + 8 + 2;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <class T>
T take(std::string_view& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

/// In the order of the files' making, and of writing in each.
template <class F>
Result<> each_label(const std::filesystem::path& root, const std::string& deployment,
                    const std::string& day, blob::Damages* damages, F take) {
  for (const auto& file : files_in(root / folder_of(deployment) / day)) {
    blob::Loss loss;
    const blob::JournalVisitor visitor{
        [&](std::string_view payload) {
          std::optional<Label> label = read_label(payload, deployment);
          if (label) take(std::move(*label));  // else it is of a later version of the format
          return true;
        },
        [&](const blob::Damage& damage) { loss.add(damage.at, damage.frames); }};
    const Result<blob::JournalEnd> read = blob::read_journal(file, kKind, visitor);
    if (!read.ok() && read.error().code != Code::kInvalid) return read.error();
    if (!read.ok()) loss.add(0, 0);  // nothing in it says how much was lost
    blob::tell_loss(damages, file, kKind, loss);
  }
  return {};
}

/// Two files may have grown at the same time.
void keep_last(Label& kept, Label label) {
  if (label.received_ms >= kept.received_ms) kept = std::move(label);
}

}  // namespace

std::string label_frame(const Label& label) {
  const std::string_view source = std::string_view(label.source).substr(0, kSourceBytesMax);
  std::string out;
  put(out, kVersion);
  out.append(reinterpret_cast<const char*>(label.id.uuid.data()), label.id.uuid.size());
  put(out, label.id.row);
  put(out, label.value);
  put(out, label.event_time_ms);
  put(out, label.received_ms);
  put(out, static_cast<std::uint16_t>(source.size()));
  return out += source;
}

std::optional<Label> read_label(std::string_view payload, const std::string& deployment) {
  if (payload.size() < kFixedBytes || take<std::uint8_t>(payload) != kVersion) return std::nullopt;
  Label label;
  label.id.deployment = deployment;
  label.id.uuid = take<std::array<std::byte, 16>>(payload);
  label.id.row = take<std::uint32_t>(payload);
  label.value = take<double>(payload);
  label.event_time_ms = take<UnixMs>(payload);
  label.received_ms = take<UnixMs>(payload);
  if (take<std::uint16_t>(payload) != payload.size()) return std::nullopt;
  label.source = payload;
  return label;
}

Result<> LabelLog::add(std::span<const Label> labels) {
  std::map<std::pair<std::string, std::string>, std::string> frames;
  for (const Label& label : labels) {
    std::string& part = frames[{label.id.deployment, day_of(label.id.time_ms())}];
    blob::add_frame(part, label_frame(label));
  }
  std::lock_guard lock(mutex_);
  for (auto& [where, bytes] : frames) TRY(write(where.first, where.second, bytes));
  return {};
}

Result<> LabelLog::write(const std::string& deployment, const std::string& day,
                         std::span<char> frames) {
  Part* part = TRY(part_of(deployment, day));
  Result<> written = part->journal.append(frames);
  if (written.ok()) written = part->journal.sync();
  // What a failed sync left behind is unknown: the next labels begin another file.
  if (!written.ok()) parts_.pop_back();
  return written;
}

Result<LabelLog::Part*> LabelLog::part_of(const std::string& deployment, const std::string& day) {
  auto known = std::find_if(parts_.begin(), parts_.end(), [&](const Part& part) {
    return part.day == day && part.deployment == deployment;
  });
  if (known != parts_.end()) {
    std::rotate(known, known + 1, parts_.end());
    return &parts_.back();
  }
  if (parts_.size() >= kOpenPartsMax) parts_.pop_front();
  const std::filesystem::path folder = root_ / folder_of(deployment) / day;
  TRY(blob::make_folders(disk_, folder));
  blob::Journal journal = TRY(blob::Journal::create(disk_, folder / new_file_name(), kKind));
  parts_.push_back({deployment, day, std::move(journal)});
  return &parts_.back();
}

Result<DayLabels> read_labels(const std::filesystem::path& root, const std::string& deployment,
                              const std::string& day, UnixMs known_by_ms, blob::Damages* damages) {
  DayLabels labels;
  TRY(each_label(root, deployment, day, damages, [&](Label label) {
    if (label.received_ms > known_by_ms) return;
    Label& kept = labels[{label.id.uuid, label.id.row}];
    keep_last(kept, std::move(label));
  }));
  return labels;
}

Result<std::map<std::uint32_t, Label>> labels_of(const std::filesystem::path& root,
                                                 const PredictionId& id, blob::Damages* damages) {
  std::map<std::uint32_t, Label> labels;
  TRY(each_label(root, id.deployment, day_of(id.time_ms()), damages, [&](Label label) {
    if (label.id.uuid != id.uuid) return;
    Label& kept = labels[label.id.row];
    keep_last(kept, std::move(label));
  }));
  return labels;
}

}  // namespace slipway::serving
