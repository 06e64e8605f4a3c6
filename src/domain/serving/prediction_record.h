#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/serving/prediction_id.h"

// What is kept of an answer, and its bytes in the prediction log (docs/formats/predictions.md).
// Values only. Any thread.
namespace slipway::serving {

enum class Role : std::uint8_t { kLive = 0, kCanary = 1, kShadow = 2 };
const char* to_string(Role role);

/// What is done with a column before it is written.
enum class Keep : std::uint8_t { kValue = 0, kHash = 1 };

/// What the rows of one version look like; stands once in each file, before its first request.
struct Layout {
  struct Column {
    std::string name;
    Keep keep = Keep::kValue;
    bool looked_up = false;  // filled in from the online store, not sent by the caller
    bool operator==(const Column&) const = default;
  };
  std::string model, version;
  std::vector<Column> columns;
  std::vector<std::string> outputs;
  // Of those that were read: two with the same number are one. 0: says nothing.
  std::uint64_t reading = 0;

  bool operator==(const Layout& other) const {
    return model == other.model && version == other.version && columns == other.columns &&
           outputs == other.outputs;
  }
};

/// What the outputs of a classifier are called: its probabilities, each with its class. Of two
/// classes there is the second one's alone.
std::string probability_name(std::size_t of_class);
/// What a caller was told of a row, whose outputs these are: the class first where they are its
/// probabilities, as "predict" of the V2 protocol has it, then all outputs by their names.
std::vector<std::pair<std::string, float>> named_outputs(const Layout& layout,
                                                         std::span<const float> of_row);

/// Whose features were looked up for a request: the version of the view, and the keys as they were
/// sent.
struct LookedUp {
  struct Key {
    std::string name;
    Keep keep = Keep::kValue;  // kHash: hex digits of a keyed hash instead of what was sent
    bool operator==(const Key&) const = default;
  };
  std::string view, view_version;   // its name, and the SHA-256 that graph and store know it by
  std::vector<Key> keys;            // without those that are dropped
  std::vector<std::string> values;  // of each key, row by row; at most 256 bytes each are kept
  bool operator==(const LookedUp&) const = default;
};
/// What is kept of it by the rules of columns.
LookedUp by_rules(const LookedUp& given, std::span<const std::string> dropped,
                  std::span<const std::string> hashed, const std::string& hash_key);

/// One answered request. Cells and outputs are row by row; missing cells are NaN, hashed ones hold
/// 32 bits of a keyed hash instead of a number.
struct Prediction {
  PredictionId id;           // of the request; the row says nothing
  UnixMs event_time_ms = 0;  // as the request said, else when it was answered
  Role role = Role::kLive;
  std::uint16_t status = 200;  // HTTP's; from 400 on there are no outputs
  std::uint32_t latency_us = 0;
  std::uint64_t key_hash = 0;    // of what made it stick to its role; 0 without
  std::string client_id, error;  // the caller's request id; at most 256 bytes each are kept
  std::uint32_t rows = 0;
  std::vector<float> cells, outputs;
  std::optional<LookedUp> looked_up;
};

/// The same where its parts lie: valid as long as they are.
struct PredictionView {
  PredictionView() = default;
  PredictionView(const Prediction& p)  // NOLINT: a prediction is one
      : uuid(p.id.uuid),
        event_time_ms(p.event_time_ms),
        role(p.role),
        status(p.status),
        latency_us(p.latency_us),
        key_hash(p.key_hash),
        client_id(p.client_id),
        error(p.error),
        rows(p.rows),
        cells(p.cells),
        outputs(p.outputs),
        looked_up(p.looked_up ? &*p.looked_up : nullptr) {}

  std::array<std::byte, 16> uuid{};
  UnixMs event_time_ms = 0;
  Role role = Role::kLive;
  std::uint16_t status = 200;
  std::uint32_t latency_us = 0;
  std::uint64_t key_hash = 0;
  std::string_view client_id, error;
  std::uint32_t rows = 0;
  std::span<const float> cells, outputs;
  const LookedUp* looked_up = nullptr;  // null: nothing was
};

/// Payloads of frames. `layout_number` counts the layouts of a file from 0; a layout may stand in
/// it more than once.
std::string layout_frame(const Layout& layout, std::uint32_t layout_number);
void append_prediction_frame(std::string& out, const PredictionView& prediction,
                             std::uint32_t layout_number);

/// What the writer of a file needs of a payload that append_prediction_frame() made.
struct FrameFacts {
  UnixMs event_time_ms = 0;
  std::uint32_t rows = 0;
  std::size_t cells_at = 0;  // bytes before the first cell
};
FrameFacts facts_of(std::string_view prediction_payload);
void set_layout_number(std::span<char> prediction_payload, std::uint32_t layout_number);

/// What a whole file holds, written when it is closed.
struct FileSummary {
  UnixMs first_event_ms = 0, last_event_ms = 0;
  std::uint64_t requests = 0, rows = 0;
  /// A request at `event_time_ms`.
  void add(UnixMs event_time_ms, std::uint32_t request_rows);
};
std::string summary_frame(const FileSummary& summary);
inline constexpr std::size_t kSummaryBytes = 33;
std::optional<FileSummary> read_summary(std::string_view payload);

/// Reads the frames of one file in order. kInvalid for what is none of them, kMissing for a
/// prediction whose layout has not been read; memory is bounded by the payload.
class FrameReader {
 public:
  explicit FrameReader(std::string deployment) : deployment_(std::move(deployment)) {}
  /// A prediction, or nothing when the frame was of another sort; layout() is then its layout.
  Result<std::optional<Prediction>> read(std::string_view payload);
  /// Only looks whether it is a layout, which may then be read before its turn.
  void look_ahead(std::string_view payload);
  /// Frames are missing here. Among them may be layouts of the old sort, which say no number: which
  /// one a later of them has is not known any more.
  void miss() { counts_ = false; }
  const Layout& layout() const { return *current_; }

 private:
  void keep(std::uint32_t number, Layout layout);

  std::string deployment_;
  std::map<std::uint32_t, Layout> layouts_;
  std::uint32_t unnumbered_ = 0;
  bool counts_ = true;
  const Layout* current_ = nullptr;
  std::uint32_t current_number_ = 0;
};

}  // namespace slipway::serving
