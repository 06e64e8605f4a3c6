#include "domain/serving/prediction_id.h"

#include <span>

#include "base/ids.h"
#include "base/text.h"

namespace slipway::serving {
namespace {

constexpr std::size_t kUuidChars = 36;
constexpr std::size_t kDeploymentCharsMax = 256;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_dash_place(std::size_t i) {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

std::optional<std::array<std::byte, 16>> read_uuid7(std::string_view text) {
  if (text.size() != kUuidChars || text[14] != '7') return std::nullopt;
  std::array<std::byte, 16> bytes{};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_dash_place(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = hex_value(text[i]);
    if (value < 0) return std::nullopt;
    bytes[digits / 2] = bytes[digits / 2] << 4 | static_cast<std::byte>(value);
    ++digits;
  }
  return bytes;
}

void append_uuid(std::string& text, const std::array<std::byte, 16>& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char chars[kUuidChars];
  char* at = chars;
  const auto put = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      *at++ = kDigits[std::to_integer<unsigned>(uuid[i]) >> 4];
      *at++ = kDigits[std::to_integer<unsigned>(uuid[i]) & 15];
    }
  };
  put(0, 4);
  for (const std::size_t group : {4, 6, 8}) {
    *at++ = '-';
    put(group, group + 2);
  }
  *at++ = '-';
  put(10, 16);
  text.append(chars, sizeof chars);
}

}  // namespace

UnixMs time_of(const std::array<std::byte, 16>& uuid) {
  UnixMs ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = ms << 8 | std::to_integer<UnixMs>(uuid[i]);
  return ms;
}

std::string PredictionId::text() const {
  std::string text;
  text.reserve(deployment.size() + 1 + kUuidChars);
  text += deployment;
  text += '.';
  append_uuid(text, uuid);
  return text;
}

std::string PredictionId::text_of_row() const {
  return text() + "/" + std::to_string(row);
}

std::optional<PredictionId> read_prediction_id(std::string_view text) {
  PredictionId id;
  // The UUID has no dot, and a deployment may hold a slash's worth of anything else: from the end.
  const std::size_t dot = text.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot > kDeploymentCharsMax) return std::nullopt;
  id.deployment = text.substr(0, dot);
  std::string_view rest = text.substr(dot + 1);
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::optional<std::int64_t> row = to_int64(rest.substr(slash + 1));
    if (!row || *row < 0 || *row > UINT32_MAX || !is_digit(rest[slash + 1])) return std::nullopt;
    id.row = static_cast<std::uint32_t>(*row);
    rest = rest.substr(0, slash);
  }
  std::optional<std::array<std::byte, 16>> uuid = read_uuid7(rest);
  if (!uuid) return std::nullopt;
  id.uuid = *uuid;
  return id;
}

PredictionId make_prediction_id(std::string deployment, UnixMs now_ms) {
  constexpr std::size_t kTimeBytes = 6;
  PredictionId id{std::move(deployment), {}, 0};
  for (std::size_t i = 0; i < kTimeBytes; ++i) {
    id.uuid[i] = static_cast<std::byte>(now_ms >> (8 * (kTimeBytes - 1 - i)) & 0xff);
  }
  random_bytes(std::span(id.uuid).subspan(kTimeBytes));
  id.uuid[6] = (id.uuid[6] & std::byte{0x0f}) | std::byte{0x70};
  id.uuid[8] = (id.uuid[8] & std::byte{0x3f}) | std::byte{0x80};
  return id;
}

}  // namespace slipway::serving
