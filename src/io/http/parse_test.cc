#include "io/http/parse.h"

#include <gtest/gtest.h>

#include <string>

namespace slipway::http {
namespace {

struct Parsed {
  Request request;
  Framing framing;
  std::optional<Refusal> refusal;
  bool whole = true;
};

/// `pieces` bytes at a time through the scanner, then through the parser.
Parsed parse(const std::string& text, std::size_t pieces = 1u << 20, ParseLimits limits = {}) {
  Parsed parsed;
  HeadScanner scanner(limits);
  std::optional<std::size_t> length;
  for (std::size_t given = 0; given < text.size() && !length && !scanner.refusal();) {
    given = std::min(text.size(), given + pieces);
    length = scanner.scan(std::string_view(text).substr(0, given));
  }
  parsed.refusal = scanner.refusal();
  parsed.whole = length.has_value();
  if (!length) return parsed;
  parsed.refusal =
      parse_head(std::string_view(text).substr(0, *length), limits, parsed.request, parsed.framing);
  return parsed;
}

std::string with(const std::string& fields, const std::string& line = "POST /x HTTP/1.1") {
  return line + "\r\nHost: localhost\r\n" + fields + "\r\n";
}

TEST(ParseHead, FillsInTheRequest) {
  const Parsed parsed = parse(
      "POST /a%20b?x=1&x=2&y=%41+z HTTP/1.1\r\nHost: localhost:5000\r\nX-One:  two \t\r\n"
      "Content-Length: 12\r\norigin: http://localhost\r\n\r\n");
  ASSERT_FALSE(parsed.refusal) << parsed.refusal->why;
  EXPECT_EQ(parsed.request.method, Method::kPost);
  EXPECT_EQ(parsed.request.target, "/a%20b?x=1&x=2&y=%41+z");
  EXPECT_EQ(parsed.request.path, "/a%20b");
  EXPECT_EQ(parsed.request.query, (Query{{"x", "1"}, {"x", "2"}, {"y", "A z"}}));
  EXPECT_EQ(parsed.request.headers.get("x-one"), "two");
  EXPECT_EQ(parsed.request.body_length, 12u);
  EXPECT_EQ(parsed.framing.host, "localhost:5000");
  EXPECT_EQ(parsed.framing.origin, "http://localhost");
  EXPECT_TRUE(parsed.framing.keep_alive);
  EXPECT_TRUE(parsed.framing.has_body());
}

TEST(ParseHead, DoesNotCareHowTheBytesCome) {
  const std::string text = "\r\n" + with("Transfer-Encoding: chunked\r\nX: y\r\n");
  for (std::size_t pieces = 1; pieces < 20; ++pieces) {
    const Parsed parsed = parse(text, pieces);
    ASSERT_TRUE(parsed.whole) << pieces;
    ASSERT_FALSE(parsed.refusal) << pieces;
    EXPECT_TRUE(parsed.framing.chunked);
  }
}

TEST(ParseHead, KnowsWhenTheConnectionEnds) {
  const auto keeps = [](const std::string& text) { return parse(text).framing.keep_alive; };
  EXPECT_TRUE(keeps(with("")));
  EXPECT_FALSE(keeps(with("Connection: close\r\n")));
  EXPECT_FALSE(keeps(with("Connection: upgrade, Close\r\n")));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

struct Case {
  const char* name;
  std::string text;
  int status;  // 0: taken
};

/// Two programs that read one of these differently would let a request hide in another's body.
const Case kCases[] = {
    {"plain", with(""), 0},
    {"both lengths", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"both lengths, other order", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
    {"two lengths", with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
    {"two equal lengths", with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
    {"list of lengths", with("Content-Length: 5, 5\r\n"), 400},
    {"negative length", with("Content-Length: -5\r\n"), 400},
    {"signed length", with("Content-Length: +5\r\n"), 400},
    {"hexadecimal length", with("Content-Length: 0x5\r\n"), 400},
    {"empty length", with("Content-Length:\r\n"), 400},
    {"length with a blank inside", with("Content-Length: 1 2\r\n"), 400},
    {"length that overflows", with("Content-Length: 18446744073709551617\r\n"), 400},
    {"length of 19 digits", with("Content-Length: 1000000000000000000\r\n"), 400},
    {"zeros before a length", with("Content-Length: 000000000000000005\r\n"), 0},
    {"unknown coding", with("Transfer-Encoding: gzip\r\n"), 400},
    {"chunked not last", with("Transfer-Encoding: chunked, identity\r\n"), 400},
    {"coding before chunked", with("Transfer-Encoding: gzip, chunked\r\n"), 400},
    {"chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
    {"odd chunked", with("Transfer-Encoding: xchunked\r\n"), 400},
    {"chunked with a tab", with("Transfer-Encoding:\tchunked\r\n"), 0},
    {"chunked with a vertical tab", with("Transfer-Encoding:\vchunked\r\n"), 400},
    {"chunked in HTTP/1.0", with("Transfer-Encoding: chunked\r\n", "POST /x HTTP/1.0"), 400},
    {"blank before the colon", with("Content-Length : 5\r\n"), 400},
    {"tab before the colon", with("Transfer-Encoding\t: chunked\r\n"), 400},
    {"folded line", with("X: a\r\n b\r\n"), 400},
    {"folded length", with("Content-Length:\r\n 5\r\n"), 400},
    {"first field folded", "GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", 400},
    {"no colon", with("nonsense\r\n"), 400},
    {"empty name", with(": x\r\n"), 400},
    {"bare line feed", "GET / HTTP/1.1\nHost: localhost\n\n", 400},
    {"bare line feed in a field", with("X: a\nContent-Length: 5\r\n"), 400},
    {"bare carriage return in a value", with("X: a\rContent-Length: 5\r\n"), 400},
    {"zero byte in a value", with(std::string("X: a\0b\r\n", 8)), 400},
    {"zero byte in a name", with(std::string("X\0: a\r\n", 7)), 400},
    {"zero byte in the target", with("", std::string("GET /\0 HTTP/1.1", 15)), 400},
    {"delete in a value", with("X: \x7f\r\n"), 400},
    {"letters beyond ASCII in a value", with("X: \xc3\xa9\r\n"), 0},
    {"letters beyond ASCII in a name", with("X\xc3\xa9: 1\r\n"), 400},
    {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two hosts", with("Host: localhost\r\n"), 400},
    {"host with a path", "GET / HTTP/1.1\r\nHost: localhost/x\r\n\r\n", 400},
    {"host with a user", "GET / HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400},
    {"no host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 0},
    {"two origins", with("Origin: http://a\r\nOrigin: http://b\r\n"), 400},
    {"unknown expectation", with("Expect: wonders\r\n"), 417},
    {"continue", with("Expect: 100-Continue\r\nContent-Length: 5\r\n"), 0},
    {"no version", "GET /\r\nHost: localhost\r\n\r\n", 400},
    {"other version", with("", "GET / HTTP/2.0"), 505},
    {"no such version", with("", "GET / HTTP/1.2"), 505},
    {"version in small letters", with("", "GET / http/1.1"), 400},
    {"two blanks", with("", "GET  / HTTP/1.1"), 400},
    {"blank in the target", with("", "GET /a b HTTP/1.1"), 400},
    {"tab in the request line", with("", "GET\t/ HTTP/1.1"), 400},
    {"blank first", with("", " GET / HTTP/1.1"), 400},
    {"blank last", with("", "GET / HTTP/1.1 "), 400},
    {"fragment", with("", "GET /#x HTTP/1.1"), 400},
    {"relative target", with("", "GET x HTTP/1.1"), 400},
    {"star for GET", with("", "GET * HTTP/1.1"), 400},
    {"star for OPTIONS", with("", "OPTIONS * HTTP/1.1"), 0},
    {"absolute target", with("", "GET http://localhost/x HTTP/1.1"), 0},
    {"absolute target without a path", with("", "GET http://localhost HTTP/1.1"), 0},
    {"absolute target of another host", with("", "GET http://example.org/x HTTP/1.1"), 400},
    {"absolute target with a user", with("", "GET http://a@localhost/x HTTP/1.1"), 400},
    {"other scheme", with("", "GET ftp://localhost/x HTTP/1.1"), 400},
    {"encoded parents stay as they are", with("", "GET /a/%2e%2e/b HTTP/1.1"), 0},
    {"broken escape in the query", with("", "GET /?a=%zz HTTP/1.1"), 400},
    {"unknown method", with("", "BREW / HTTP/1.1"), 501},
    {"method in small letters", with("", "get / HTTP/1.1"), 501},
    {"method with a slash", with("", "GE/T / HTTP/1.1"), 400},
    {"CONNECT", with("", "CONNECT localhost:80 HTTP/1.1"), 501},
    {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15), 400},
    {"many empty lines first", "\r\n\r\n\r\n\r\n" + with(""), 400},
};

TEST(ParseHead, TakesOrRefuses) {
  for (const Case& each : kCases) {
    for (const std::size_t pieces : {std::size_t{1}, std::size_t{1} << 20}) {
      const Parsed parsed = parse(each.text, pieces);
      EXPECT_EQ(parsed.refusal ? parsed.refusal->status : 0, each.status) << each.name;
    }
  }
}

TEST(ParseHead, IsBounded) {
  const ParseLimits limits{.headers_max = 4, .header_bytes_max = 1000, .target_bytes_max = 100};
  const auto status = [&](const std::string& text) {
    const Parsed whole = parse(text, 1u << 20, limits);
    const Parsed dribbled = parse(text, 1, limits);
    EXPECT_EQ(whole.refusal ? whole.refusal->status : 0,
              dribbled.refusal ? dribbled.refusal->status : 0);
    return whole.refusal ? whole.refusal->status : 0;
  };
  EXPECT_EQ(status(with("A: 1\r\nB: 2\r\nC: 3\r\n")), 0);
  EXPECT_EQ(status(with("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n")), 431);
  EXPECT_EQ(status(with("A: " + std::string(1000, 'x') + "\r\n")), 431);
  EXPECT_EQ(status(with("", "GET /" + std::string(99, 'x') + " HTTP/1.1")), 0);
  EXPECT_EQ(status(with("", "GET /" + std::string(100, 'x') + " HTTP/1.1")), 414);
  EXPECT_EQ(status(with("", "GET /" + std::string(5000, 'x') + " HTTP/1.1")), 414);
  // Without an end in sight.
  EXPECT_EQ(status("GET /" + std::string(5000, 'x')), 414);
  EXPECT_EQ(status("GET /" + std::string(5000, 'x') + "\n"), 414);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nX: " + std::string(5000, 'x')), 431);
}

TEST(ParseHead, HalfAHeadIsNoHead) {
  const std::string text = with("Content-Length: 5\r\n");
  for (std::size_t n = 0; n < text.size(); ++n) {
    const Parsed parsed = parse(text.substr(0, n));
    EXPECT_FALSE(parsed.whole);
    EXPECT_FALSE(parsed.refusal);
  }
}

// ---- chunks

struct Unchunked {
  std::string body;
  std::string rest;
  bool done = false;
  bool refused = false;
};

Unchunked unchunk(const std::string& text, std::size_t pieces, ParseLimits limits = {}) {
  Unchunked result;
  ChunkDecoder decoder(limits);
  std::size_t at = 0;
  while (at < text.size() && !decoder.done() && !decoder.refusal()) {
    std::string piece = text.substr(at, pieces);
    const ChunkDecoder::Step step = decoder.decode(piece);
    result.body.append(piece, 0, step.payload);
    at += step.consumed;
  }
  result.rest = text.substr(at);
  result.done = decoder.done();
  result.refused = decoder.refusal().has_value();
  return result;
}

TEST(Chunks, AreJoined) {
  const std::string text =
      "5\r\nhello\r\n1;name=\"value\"\r\n \r\n00A\r\nworld12345\r\n0\r\nTrailer: x\r\n\r\nGET /";
  for (std::size_t pieces = 1; pieces <= text.size(); ++pieces) {
    const Unchunked result = unchunk(text, pieces);
    ASSERT_TRUE(result.done) << pieces;
    ASSERT_EQ(result.body, "hello world12345");
    ASSERT_EQ(result.rest, "GET /");
  }
}

TEST(Chunks, AreRefusedWhenTheyCouldBeReadInTwoWays) {
  const std::string texts[] = {
      "\r\n",                        // no size
      "x\r\n",                       // no digit
      "-1\r\n",                      // a sign
      "+1\r\n",                      //
      "0x5\r\nhello\r\n",            // a prefix
      "5 \r\nhello\r\n",             // a blank after the size
      " 5\r\nhello\r\n",             // and before it
      "5\nhello\r\n",                // bare line feeds
      "5\r\nhello\n0\r\n",           //
      "5\rhello\r\n",                // a bare carriage return
      "5\r\nhello!\r\n",             // more than was said
      "5\r\nhell\r\n0\r\n\r\n",      // and less
      "FFFFFFFFFFFFFFFFF\r\n",       // sizes that overflow
      "1000000000000000\r\n",        //
      "0000000000000000000005\r\n",  // endless zeros
      "5;\x01\r\nhello\r\n",         // control characters
      "5;a\nb\r\nhello\r\n",         //
      "0\r\nTrailer\r\n\r\n",        // trailers that are none
      "0\r\n: x\r\n\r\n",            //
      "0\r\n folded\r\n\r\n",        //
      "0\r\nA : x\r\n\r\n",          //
      "0\r\nA: x\ny\r\n\r\n",        //
      "0\r\nA: x\n\r\n",             //
      "0\r\n\n",                     //
  };
  for (const std::string& text : texts) {
    for (const std::size_t pieces : {std::size_t{1}, std::size_t{1000}}) {
      EXPECT_TRUE(unchunk(text, pieces).refused) << ::testing::PrintToString(text);
    }
  }
}

TEST(Chunks, AreBounded) {
  const ParseLimits limits{.headers_max = 2, .header_bytes_max = 200};
  EXPECT_TRUE(unchunk("1;" + std::string(100'000, 'x'), 1000, limits).refused);
  EXPECT_TRUE(unchunk("0\r\nA: " + std::string(300, 'x'), 1000, limits).refused);
  EXPECT_TRUE(unchunk("0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", 1000, limits).refused);
  std::string tiny;
  for (int i = 0; i < 200'000; ++i) tiny += "1\r\nx\r\n";
  EXPECT_TRUE(unchunk(tiny, 1u << 16).refused);
}

// ---- values

TEST(PercentDecode, DecodesOnce) {
  EXPECT_EQ(*percent_decode("a%2Fb%252F"), "a/b%2F");
  EXPECT_EQ(*percent_decode("%00"), std::string(1, '\0'));
  EXPECT_EQ(*percent_decode("+"), "+");
  for (const char* broken : {"%", "%1", "a%", "%g0", "%0g", "%-1", "% 1"}) {
    EXPECT_FALSE(percent_decode(broken).ok()) << broken;
  }
}

TEST(PercentEncode, ComesBackAsItWas) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  const std::string encoded = percent_encode(all);
  EXPECT_EQ(*percent_decode(encoded), all);
  EXPECT_EQ(encoded.find('/'), std::string::npos);
  EXPECT_EQ(percent_encode("a/b c", "/"), "a/b%20c");
}

TEST(ParseQuery, KeepsOrderAndRepeats) {
  EXPECT_EQ(*parse_query("a=1&b&a=2&=3&&c=x%3Dy=z"),
            (Query{{"a", "1"}, {"b", ""}, {"a", "2"}, {"", "3"}, {"c", "x=y=z"}}));
  EXPECT_TRUE(parse_query("")->empty());
  EXPECT_FALSE(parse_query("a=%").ok());
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "a&";
  EXPECT_FALSE(parse_query(many).ok());
}

TEST(Headers, NamesAreComparedWithoutCase) {
  Headers headers;
  headers.add("Content-Type", "a");
  headers.add("content-type", "b");
  EXPECT_EQ(headers.get("CONTENT-TYPE"), "a");
  headers.set("Content-type", "c");
  ASSERT_EQ(headers.all().size(), 1u);
  EXPECT_EQ(headers.get("content-type"), "c");
  EXPECT_FALSE(headers.has("Content"));
}

}  // namespace
}  // namespace slipway::http
