#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "io/http/message.h"

// Bytes of HTTP/1.x to values, strictly: whatever two programs could read differently is refused,
// so that nothing can be smuggled past a proxy. No sockets, no threads, no memory beyond the
// Request. Internal to this folder.
namespace slipway::http {

struct ParseLimits {
  std::size_t headers_max = 100;
  std::size_t header_bytes_max = 32u << 10;  // of the whole head
  std::size_t target_bytes_max = 16u << 10;
};

/// Why a request is not taken; the connection cannot be used after it.
struct Refusal {
  int status = 400;
  const char* why = "";
};

/// Finds the end of a head in bytes that come in pieces; each byte is looked at once.
class HeadScanner {
 public:
  /// `buffer` starts where the head starts and only ever grows. Nothing: more is needed.
  std::optional<std::size_t> scan(std::string_view buffer);
  /// Set once a line did not end in CR LF, or a bound was passed.
  const std::optional<Refusal>& refusal() const { return refusal_; }
  void reset() { *this = HeadScanner(limits_); }
  explicit HeadScanner(const ParseLimits& limits) : limits_(limits) {}

 private:
  void check_length();
  bool take_line(std::string_view line);
  /// The first one counts.
  void refuse(int status, const char* why) {
    if (!refusal_) refusal_ = Refusal{status, why};
  }

  ParseLimits limits_;
  std::size_t scanned_ = 0;     // up to where line ends were looked for
  std::size_t line_start_ = 0;  // of the line being scanned
  std::size_t lines_ = 0;
  std::optional<Refusal> refusal_;
};

/// What the head says about the connection and the body; the rest goes into the Request.
struct Framing {
  int minor_version = 1;
  bool keep_alive = true;
  bool chunked = false;
  bool expects_continue = false;
  std::optional<std::uint64_t> content_length;
  std::string_view host, origin;  // into the request's headers, valid while these stay

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

/// `head` as found by HeadScanner, with its empty line. `request` must be empty; method, target,
/// path, query, headers and body_length are filled in.
std::optional<Refusal> parse_head(std::string_view head, const ParseLimits& limits,
                                  Request& request, Framing& framing);

/// Takes the chunked coding off, in place. Chunk extensions and trailers are checked, bounded and
/// dropped.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(const ParseLimits& limits) : limits_(limits) {}

  struct Step {
    std::size_t consumed = 0;  // of the input
    std::size_t payload = 0;   // bytes now at the front of the input
  };
  /// Moves the payload of `input` to its front. Stops at the end of the body: consumed may then be
  /// less than given.
  Step decode(std::span<char> input);
  bool done() const { return state_ == State::kDone; }
  const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  enum class State {
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kTrailerLf,
    kDone
  };
  bool take_framing(char c);
  bool take_size(char c);
  bool take_extension(char c);
  bool take_trailer(char c);
  bool end_of_size_line();
  bool refuse(const char* why);

  ParseLimits limits_;
  State state_ = State::kSize;
  std::uint64_t left_ = 0;  // of the chunk
  int digits_ = 0;
  std::size_t extension_bytes_ = 0;  // of all chunks
  std::uint64_t chunks_ = 0, payload_ = 0;
  std::size_t trailer_bytes_ = 0, trailer_line_ = 0, trailers_ = 0;
  bool trailer_name_over_ = false;
  std::optional<Refusal> refusal_;
};

}  // namespace slipway::http
