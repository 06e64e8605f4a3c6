#include "io/blob/s3_sign.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "base/hash.h"
#include "base/text.h"

namespace slipway::blob::s3 {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

/// All but letters, digits and "-._~" as %XX, upper case.
std::string escaped(std::string_view text, bool keep_slash) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/');
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

/// "20130524T000000Z".
std::string time_text(UnixMs now_ms) {
  const std::time_t seconds = static_cast<std::time_t>(now_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 64> text;
  const int n = std::snprintf(text.data(), text.size(), "%04d%02d%02dT%02d%02d%02dZ",
                              utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                              utc.tm_min, utc.tm_sec);
  return {text.data(), static_cast<std::size_t>(n)};
}

std::string query_text(const Pairs& query) {
  Pairs pairs;
  for (const auto& [name, value] : query) {
    pairs.emplace_back(escaped(name, false), escaped(value, false));
  }
  std::ranges::sort(pairs);
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) text += '&';
    text += name + "=" + value;
  }
  return text;
}

/// Without blanks at the ends, and one for several within.
std::string normal_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank) out += c;
    if (blank && !out.empty() && out.back() != ' ') out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

struct CanonicalHeaders {
  std::string lines, names;
};

CanonicalHeaders canonical(const Pairs& headers, const std::string& host) {
  Pairs sorted{{"host", host}};
  for (const auto& [name, value] : headers) sorted.emplace_back(to_lower(name), normal_value(value));
  std::ranges::sort(sorted);
  CanonicalHeaders out;
  for (const auto& [name, value] : sorted) {
    out.lines += name + ":" + value + "\n";
    if (!out.names.empty()) out.names += ';';
    out.names += name;
  }
  return out;
}

std::string scope_of(const Signer& signer) {
  return time_text(signer.now_ms).substr(0, 8) + "/" + signer.region + "/s3/aws4_request";
}

std::string signature_of(const Unsigned& request, const Pairs& query,
                         const CanonicalHeaders& headers, const Signer& signer,
                         const std::string& payload) {
  const std::string canonical_request = request.method + "\n" + escaped(request.path, true) + "\n" +
                                        query_text(query) + "\n" + headers.lines + "\n" +
                                        headers.names + "\n" + payload;
  const std::string time = time_text(signer.now_ms);
  const std::string to_sign = std::string(kAlgorithm) + "\n" + time + "\n" + scope_of(signer) +
                              "\n" + sha256_hex(canonical_request);
  std::string key = hmac_sha256("AWS4" + signer.credentials.secret, time.substr(0, 8));
  for (const std::string_view part : {std::string_view(signer.region), std::string_view("s3"),
                                      std::string_view("aws4_request")}) {
    key = hmac_sha256(key, part);
  }
  return hmac_sha256_hex(key, to_sign);
}

}  // namespace

Pairs sign(const Unsigned& request, const Signer& signer, const std::string& payload_sha256) {
  Pairs headers = request.headers;
  headers.emplace_back("x-amz-content-sha256", payload_sha256);
  headers.emplace_back("x-amz-date", time_text(signer.now_ms));
  if (!signer.credentials.session_token.empty()) {
    headers.emplace_back("x-amz-security-token", signer.credentials.session_token);
  }
  const CanonicalHeaders lines = canonical(headers, request.host);
  headers.emplace_back(
      "Authorization",
      std::string(kAlgorithm) + " Credential=" + signer.credentials.key_id + "/" +
          scope_of(signer) + ",SignedHeaders=" + lines.names + ",Signature=" +
          signature_of(request, request.query, lines, signer, payload_sha256));
  return headers;
}

std::string presign(const Unsigned& request, const Signer& signer, std::chrono::seconds lasts) {
  const CanonicalHeaders lines = canonical({}, request.host);
  Pairs query = request.query;
  query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  query.emplace_back("X-Amz-Credential", signer.credentials.key_id + "/" + scope_of(signer));
  query.emplace_back("X-Amz-Date", time_text(signer.now_ms));
  query.emplace_back("X-Amz-Expires", std::to_string(lasts.count()));
  query.emplace_back("X-Amz-SignedHeaders", lines.names);
  if (!signer.credentials.session_token.empty()) {
    query.emplace_back("X-Amz-Security-Token", signer.credentials.session_token);
  }
  const std::string signature = signature_of(request, query, lines, signer, kUnsignedPayload);
  Unsigned whole = request;
  whole.query = std::move(query);
  return url_of(whole) + "&X-Amz-Signature=" + signature;
}

std::string url_of(const Unsigned& request) {
  const std::string query = query_text(request.query);
  return request.scheme + "://" + request.host + escaped(request.path, true) +
         (query.empty() ? "" : "?" + query);
}

}  // namespace slipway::blob::s3
