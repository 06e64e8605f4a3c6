#include "io/http/compress.h"

#include <zlib.h>

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace slipway::http {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for the gzip wrapping
constexpr int kZlibWindow = 15;
constexpr std::size_t kPieceBytes = 64u << 10;

int window_of(Coding coding) {
  return coding == Coding::kGzip ? kGzipWindow : kZlibWindow;
}

/// "gzip;q=0.5" as 0.5; 1 without a weight, 0 for one that is no number.
double weight_of(std::string_view item) {
  const auto at = item.find(';');
  if (at == std::string_view::npos) return 1;
  const std::string_view parameter = trim(item.substr(at + 1));
  if (parameter.substr(0, 2) != "q=") return 1;
  return to_double(parameter.substr(2)).value_or(0);
}

}  // namespace

Coding to_coding(std::string_view content_encoding) {
  const std::string name = to_lower(trim(content_encoding));
  if (name.empty() || name == "identity") return Coding::kIdentity;
  if (name == "gzip" || name == "x-gzip") return Coding::kGzip;
  return name == "deflate" ? Coding::kDeflate : Coding::kUnknown;
}

Coding preferred_coding(std::string_view accept_encoding) {
  Coding best = Coding::kIdentity;
  double best_weight = 0;
  for (const std::string_view item : split(accept_encoding, ',')) {
    const Coding coding = to_coding(item.substr(0, item.find(';')));
    const double weight = weight_of(item);
    if (trim(item).empty() || coding == Coding::kUnknown || weight <= best_weight) continue;
    best = coding;
    best_weight = weight;
  }
  return best;
}

Result<std::string> decompress(Coding coding, std::string_view data, std::uint64_t bytes_max) {
  z_stream stream{};
  CHECK(inflateInit2(&stream, window_of(coding)) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(std::min<std::size_t>(data.size(), 0xFFFF'FFFF));
  std::string out;
  int state = Z_OK;
  while (state == Z_OK && out.size() <= bytes_max) {
    const std::size_t before = out.size();
    out.resize(before + kPieceBytes);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = kPieceBytes;
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  const bool all = stream.avail_in == 0;
  inflateEnd(&stream);
  if (out.size() > bytes_max)
    return invalid("decompressed body exceeds the limit of " + std::to_string(bytes_max) +
                   " bytes");
  if (state != Z_STREAM_END || !all) return invalid("the compressed body is broken");
  return out;
}

std::string compress(Coding coding, std::string_view data) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window_of(coding), 8, Z_DEFAULT_STRATEGY) ==
        Z_OK);
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int state = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  CHECK(state == Z_STREAM_END);
  return out;
}

}  // namespace slipway::http
