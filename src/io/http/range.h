#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/http/message.h"

// Which part of a content a request wants, and whether it has it already (RFC 9110, 13 and 14).
// Pure.
namespace slipway::http {

/// A content that can be asked for in parts.
struct Representation {
  std::uint64_t bytes = 0;
  std::string etag;  // strong, with its quotes
};

struct Wanted {
  /// 200 all of it; 206 `length` bytes from `from` on; 304 the client has it; 412 it is no longer
  /// what the client means; 416 it has no such part.
  int status = 200;
  std::uint64_t from = 0;
  std::uint64_t length = 0;
};

/// For GET and HEAD. If-Match, If-None-Match, If-Range and one range of bytes are heeded; a Range
/// with several, of another unit or not well-formed is as none, which the standard allows.
Wanted wanted_of(Method method, const Headers& headers, const Representation& content);

/// Status and headers that follow: ETag, Accept-Ranges, Content-Range. Of an answer with a body
/// also body_length; the caller adds the body that is `wanted`. Errors have a text for people.
Response respond(const Wanted& wanted, const Representation& content);

}  // namespace slipway::http
