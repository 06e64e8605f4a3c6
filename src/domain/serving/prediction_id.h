#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

// The name of an answer: DEPLOYMENT.UUID, row N of a batch DEPLOYMENT.UUID/N. The UUID is of
// version 7, made by the server with its own clock, so an id says when and by whom it was answered,
// and the file that holds it is found without an index.
namespace slipway::serving {

/// The server's clock when the answer was made.
UnixMs time_of(const std::array<std::byte, 16>& uuid);

struct PredictionId {
  std::string deployment;
  std::array<std::byte, 16> uuid{};
  std::uint32_t row = 0;

  UnixMs time_ms() const { return time_of(uuid); }
  /// Without the row: that of the whole request.
  std::string text() const;
  std::string text_of_row() const;

  bool operator==(const PredictionId&) const = default;
};

/// Nothing when it is not one; a row is optional. Deployments may hold dots.
std::optional<PredictionId> read_prediction_id(std::string_view text);
PredictionId make_prediction_id(std::string deployment, UnixMs now_ms);

}  // namespace slipway::serving
