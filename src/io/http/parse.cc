#include "io/http/parse.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace slipway::http {
namespace {

constexpr std::size_t kLeadingEmptyLinesMax = 2;
constexpr std::size_t kRequestLineRestBytes = 64;  // beside the target
constexpr std::size_t kExtensionBytesMax = 16u << 10;
// A flood of tiny chunks costs us more than it costs the sender; whoever writes piece by piece
// stays far below this.
constexpr std::uint64_t kTinyChunks = 100'000;
constexpr std::uint64_t kTinyChunkBytes = 16;
constexpr int kSizeDigitsMax = 15;
constexpr int kLengthDigitsMax = 18;

// RFC 9110 5.6.2: what names and methods are made of.
constexpr std::array<bool, 256> token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<std::size_t>(c)] = true;
  return table;
}
// What values are made of: no control character but the tab.
constexpr std::array<bool, 256> value_table() {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x20; c < 256; ++c) table[c] = c != 0x7F;
  table['\t'] = true;
  return table;
}
constexpr std::array<bool, 256> target_table() {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x21; c < 0x7F; ++c) table[c] = c != '#';
  return table;
}
constexpr auto kToken = token_table();
constexpr auto kValue = value_table();
constexpr auto kTarget = target_table();

bool all_of(std::string_view text, const std::array<bool, 256>& table) {
  for (const char c : text) {
    if (!table[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<Method> to_method(std::string_view name) {
  static constexpr std::array kMethods = {Method::kGet,    Method::kHead,  Method::kPost,
                                          Method::kPut,    Method::kPatch, Method::kDelete,
                                          Method::kOptions};
  for (const Method method : kMethods) {
    if (name == to_string(method)) return method;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> to_length(std::string_view text) {
  if (text.empty() || text.size() > kLengthDigitsMax) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

/// "HTTP/1.x" only; nothing for anything else.
std::optional<int> to_minor_version(std::string_view text) {
  if (text == "HTTP/1.1") return 1;
  if (text == "HTTP/1.0") return 0;
  return std::nullopt;
}

bool looks_like_version(std::string_view text) {
  return text.size() == 8 && text.substr(0, 5) == "HTTP/" && is_digit(text[5]) && text[6] == '.' &&
         is_digit(text[7]);
}

/// host[:port] as it may stand in Host or in an absolute target; never user information.
bool is_authority(std::string_view text) {
  static constexpr std::string_view kMore = "-._~!$&'()*+,;=:[]%";
  for (const char c : text) {
    const bool plain = is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && kMore.find(c) == std::string_view::npos) return false;
  }
  return true;
}

struct RequestLine {
  std::string_view method, target, version;
};

std::optional<RequestLine> split_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  return RequestLine{line.substr(0, first), line.substr(first + 1, last - first - 1),
                     line.substr(last + 1)};
}

/// One pass over the header lines, remembering what framing needs.
class FieldReader {
 public:
  FieldReader(Request& request, Framing& framing, std::size_t headers_max)
      : request_(request), framing_(framing), headers_max_(headers_max) {}

  std::optional<Refusal> take(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t') return Refusal{400, "a header line is folded"};
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return Refusal{400, "a header line has no colon"};
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim_blanks(line.substr(colon + 1));
    if (name.empty() || !all_of(name, kToken)) return Refusal{400, "a header name is malformed"};
    if (!all_of(value, kValue)) return Refusal{400, "a header value has a control character"};
    if (request_.headers.all().size() == headers_max_) return Refusal{431, "too many headers"};
    request_.headers.add(std::string(name), std::string(value));
    return note(name, request_.headers.all().size() - 1);
  }

  /// The rules that need all headers.
  std::optional<Refusal> finish() {
    if (hosts_ > 1) return Refusal{400, "more than one Host"};
    if (hosts_ == 0 && framing_.minor_version == 1) return Refusal{400, "Host is missing"};
    if (encodings_ > 1) return Refusal{400, "more than one Transfer-Encoding"};
    if (encodings_ > 0 && lengths_ > 0) {
      return Refusal{400, "both Transfer-Encoding and Content-Length"};
    }
    if (lengths_ > 1) return Refusal{400, "more than one Content-Length"};
    if (encodings_ > 0 && framing_.minor_version == 0) {
      return Refusal{400, "Transfer-Encoding in HTTP/1.0"};
    }
    if (host_at_) framing_.host = value_at(*host_at_);
    if (origin_at_) framing_.origin = value_at(*origin_at_);
    framing_.keep_alive = framing_.minor_version == 1 ? !close_ : keep_alive_ && !close_;
    framing_.expects_continue = expects_ && framing_.minor_version == 1;
    return std::nullopt;
  }

 private:
  std::string_view value_at(std::size_t index) const {
    return request_.headers.all()[index].second;
  }

  /// By length first: most names are told apart without looking at them.
  std::optional<Refusal> note(std::string_view name, std::size_t index) {
    switch (name.size()) {
      case 4:
        return same_name(name, "host") ? take_host(index) : std::nullopt;
      case 6:
        return same_name(name, "expect")   ? take_expect(index)
               : same_name(name, "origin") ? take_origin(index)
                                           : std::nullopt;
      case 10:
        return same_name(name, "connection") ? take_connection(index) : std::nullopt;
      case 14:
        return same_name(name, "content-length") ? take_length(index) : std::nullopt;
      case 17:
        return same_name(name, "transfer-encoding") ? take_encoding(index) : std::nullopt;
      default:
        return std::nullopt;
    }
  }

  std::optional<Refusal> take_host(std::size_t index) {
    ++hosts_;
    host_at_ = index;
    if (!is_authority(value_at(index))) return Refusal{400, "Host is malformed"};
    return std::nullopt;
  }
  std::optional<Refusal> take_origin(std::size_t index) {
    if (origin_at_) return Refusal{400, "more than one Origin"};
    origin_at_ = index;
    return std::nullopt;
  }
  std::optional<Refusal> take_expect(std::size_t index) {
    if (!same_name(value_at(index), "100-continue")) return Refusal{417, "unknown expectation"};
    expects_ = true;
    return std::nullopt;
  }
  std::optional<Refusal> take_connection(std::size_t index) {
    for (std::string_view token : split(value_at(index), ',')) {
      token = trim_blanks(token);
      if (same_name(token, "close")) close_ = true;
      if (same_name(token, "keep-alive")) keep_alive_ = true;
    }
    return std::nullopt;
  }
  std::optional<Refusal> take_length(std::size_t index) {
    ++lengths_;
    framing_.content_length = to_length(value_at(index));
    if (!framing_.content_length) return Refusal{400, "Content-Length is malformed"};
    request_.body_length = framing_.content_length;
    return std::nullopt;
  }
  std::optional<Refusal> take_encoding(std::size_t index) {
    ++encodings_;
    framing_.chunked = true;
    if (same_name(value_at(index), "chunked")) return std::nullopt;
    return Refusal{400, "Transfer-Encoding is not exactly 'chunked'"};
  }

  Request& request_;
  Framing& framing_;
  const std::size_t headers_max_;
  int hosts_ = 0, lengths_ = 0, encodings_ = 0;
  bool close_ = false, keep_alive_ = false, expects_ = false;
  std::optional<std::size_t> host_at_, origin_at_;
};

/// The path of "/path", "*" (OPTIONS only) or "http://authority/path"; the authority goes to
/// `authority`.
std::optional<std::string_view> to_local_target(std::string_view target, Method method,
                                                std::optional<std::string_view>& authority) {
  if (target.front() == '/') return target;
  if (target == "*") {
    return method == Method::kOptions ? std::optional(target) : std::nullopt;
  }
  constexpr std::string_view kScheme = "http://";
  if (!same_name(target.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  const std::string_view rest = target.substr(kScheme.size());
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  authority = rest.substr(0, end);
  if (authority->empty() || !is_authority(*authority)) return std::nullopt;
  if (end == rest.size()) return std::string_view("/");
  return rest[end] == '/' ? std::optional(rest.substr(end)) : std::nullopt;
}

std::optional<Refusal> take_target(std::string_view target, Request& request) {
  request.target = target;
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark == std::string_view::npos) return std::nullopt;
  Result<Query> query = parse_query(target.substr(mark + 1));
  if (!query.ok()) return Refusal{400, "the query is malformed or has too many parameters"};
  request.query = std::move(*query);
  return std::nullopt;
}

/// The head's next line without its end; parse_head was promised that all end in CR LF.
std::string_view next_line(std::string_view& head) {
  const std::size_t end = head.find("\r\n");
  const std::string_view line = head.substr(0, end);
  head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
  return line;
}

}  // namespace

std::optional<std::size_t> HeadScanner::scan(std::string_view buffer) {
  while (!refusal_ && scanned_ < buffer.size()) {
    const std::size_t at = buffer.find('\n', scanned_);
    scanned_ = std::min(at, buffer.size() - 1) + 1;
    // Before the line is judged, so that it does not matter in how many pieces it came.
    check_length();
    if (at == std::string_view::npos || refusal_) return std::nullopt;
    if (take_line(buffer.substr(line_start_, at - line_start_))) return scanned_;
  }
  return std::nullopt;
}

void HeadScanner::check_length() {
  if (lines_ == 0 && scanned_ > limits_.target_bytes_max + kRequestLineRestBytes) {
    refuse(414, "the request line is too long");
  }
  if (scanned_ > limits_.header_bytes_max) refuse(431, "the headers are too long");
}

/// `line` without its LF. True for the empty line that ends the head.
bool HeadScanner::take_line(std::string_view line) {
  line_start_ = scanned_;
  if (line.empty() || line.back() != '\r') {
    refuse(400, "a line ends without CR LF");
    return false;
  }
  if (line.size() > 1) {
    if (++lines_ > limits_.headers_max + 1) refuse(431, "too many headers");
    return false;
  }
  if (lines_ > 0) return true;
  // Empty lines before the request line are forgiven: old clients send them after a body.
  if (scanned_ > 2 * kLeadingEmptyLinesMax) refuse(400, "empty lines");
  return false;
}

std::optional<Refusal> parse_head(std::string_view head, const ParseLimits& limits,
                                  Request& request, Framing& framing) {
  std::string_view line = next_line(head);
  while (line.empty() && !head.empty()) line = next_line(head);
  const std::optional<RequestLine> parts = split_request_line(line);
  if (!parts || parts->method.empty() || !all_of(parts->method, kToken)) {
    return Refusal{400, "the request line is malformed"};
  }
  const std::optional<int> minor = to_minor_version(parts->version);
  if (!minor && looks_like_version(parts->version))
    return Refusal{505, "only HTTP/1.0 and HTTP/1.1"};
  if (!minor) return Refusal{400, "the request line is malformed"};
  if (parts->target.empty() || !all_of(parts->target, kTarget)) {
    return Refusal{400, "the target is malformed"};
  }
  if (parts->target.size() > limits.target_bytes_max) return Refusal{414, "the target is too long"};
  const std::optional<Method> method = to_method(parts->method);
  if (!method) return Refusal{501, "unknown method"};
  request.method = *method;
  framing.minor_version = *minor;

  FieldReader fields(request, framing, limits.headers_max);
  request.headers.reserve(12);
  for (line = next_line(head); !line.empty(); line = next_line(head)) {
    if (auto refusal = fields.take(line)) return refusal;
  }
  if (auto refusal = fields.finish()) return refusal;

  std::optional<std::string_view> authority;
  const auto target = to_local_target(parts->target, *method, authority);
  if (!target) return Refusal{400, "the target is malformed"};
  if (authority && !same_name(*authority, framing.host)) {
    return Refusal{400, "the target's authority and Host differ"};
  }
  return take_target(*target, request);
}

bool ChunkDecoder::refuse(const char* why) {
  refusal_ = Refusal{400, why};
  return false;
}

ChunkDecoder::Step ChunkDecoder::decode(std::span<char> input) {
  Step step;
  while (step.consumed < input.size() && state_ != State::kDone && !refusal_) {
    if (state_ != State::kData) {
      if (!take_framing(input[step.consumed])) break;
      ++step.consumed;
      continue;
    }
    const auto n =
        static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - step.consumed));
    std::memmove(input.data() + step.payload, input.data() + step.consumed, n);
    step.payload += n;
    step.consumed += n;
    payload_ += n;
    left_ -= n;
    if (left_ == 0) state_ = State::kDataCr;
  }
  return step;
}

bool ChunkDecoder::take_framing(char c) {
  switch (state_) {
    case State::kSize:
      return take_size(c);
    case State::kExtension:
      return take_extension(c);
    case State::kSizeLf:
      return c == '\n' ? end_of_size_line() : refuse("a chunk size ends without CR LF");
    case State::kDataCr:
      state_ = State::kDataLf;
      return c == '\r' || refuse("a chunk is longer than its size");
    case State::kDataLf:
      state_ = State::kSize;
      return c == '\n' || refuse("a chunk ends without CR LF");
    case State::kTrailer:
      return take_trailer(c);
    case State::kTrailerLf:
      if (c != '\n') return refuse("a trailer ends without CR LF");
      state_ = trailer_line_ == 0 ? State::kDone : State::kTrailer;
      trailer_line_ = 0;
      trailer_name_over_ = false;
      return true;
    case State::kData:
    case State::kDone:
      break;
  }
  return false;
}

bool ChunkDecoder::take_size(char c) {
  if (const int digit = hex_value(c); digit >= 0) {
    if (++digits_ > kSizeDigitsMax) return refuse("a chunk size is too large");
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return true;
  }
  if (digits_ == 0) return refuse("a chunk size is malformed");
  if (c == '\r')
    state_ = State::kSizeLf;
  else if (c == ';')
    state_ = State::kExtension;
  else
    return refuse("a chunk size is malformed");
  return true;
}

bool ChunkDecoder::take_extension(char c) {
  if (++extension_bytes_ > kExtensionBytesMax) return refuse("chunk extensions are too long");
  if (c == '\r')
    state_ = State::kSizeLf;
  else if (!kValue[static_cast<unsigned char>(c)])
    return refuse("a chunk extension is malformed");
  return true;
}

bool ChunkDecoder::end_of_size_line() {
  digits_ = 0;
  state_ = left_ == 0 ? State::kTrailer : State::kData;
  ++chunks_;
  if (chunks_ > kTinyChunks && payload_ / chunks_ < kTinyChunkBytes) {
    return refuse("too many tiny chunks");
  }
  return true;
}

bool ChunkDecoder::take_trailer(char c) {
  if (++trailer_bytes_ > limits_.header_bytes_max) return refuse("the trailers are too long");
  if (c == '\r') {
    if (trailer_line_ > 0 && !trailer_name_over_) return refuse("a trailer has no colon");
    state_ = State::kTrailerLf;
    return true;
  }
  if (trailer_line_++ == 0 && ++trailers_ > limits_.headers_max) return refuse("too many trailers");
  if (trailer_name_over_) {
    return kValue[static_cast<unsigned char>(c)] || refuse("a trailer has a control character");
  }
  if (c == ':' && trailer_line_ > 1)
    trailer_name_over_ = true;
  else if (!kToken[static_cast<unsigned char>(c)])
    return refuse("a trailer's name is malformed");
  return true;
}

}  // namespace slipway::http
