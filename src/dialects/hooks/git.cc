#include "dialects/hooks/git.h"

#include "base/hash.h"
#include "base/ids.h"
#include "base/text.h"
#include "io/wire/codec.h"

namespace slipway::hooks {
namespace {

using wire::Json;

constexpr wire::Limits kLimits{8u << 20, 50, 500'000};

bool is_signed(const http::Request& request, const std::string& secret) {
  const std::string expected = hmac_sha256_hex(secret, request.body);
  constexpr std::string_view kPrefix = "sha256=";
  std::string_view hub = request.headers.get("X-Hub-Signature-256");
  if (hub.starts_with(kPrefix) && equal_secrets(hub.substr(kPrefix.size()), expected)) return true;
  for (const char* name : {"X-Gitea-Signature", "X-Forgejo-Signature"})
    if (equal_secrets(request.headers.get(name), expected)) return true;
  return equal_secrets(request.headers.get("X-Gitlab-Token"), secret);
}

std::string kind_of(const http::Request& request) {
  for (const char* name :
       {"X-GitHub-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gitlab-Event"}) {
    const std::string_view kind = request.headers.get(name);
    if (!kind.empty()) return to_lower(kind);
  }
  return "push";
}

std::string text_of(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

}  // namespace

Result<Push> read_push(const http::Request& request, const std::string& secret) {
  if (secret.empty() || !is_signed(request, secret)) {
    return denied("the signature of this webhook is missing, or made with another secret");
  }
  const std::string kind = kind_of(request);
  if (kind != "push" && kind != "push hook") return Push();
  const Json json = TRY(wire::parse(request.body, kLimits));
  const std::string ref = text_of(json, "ref");
  if (ref.empty()) return invalid("a push names its \"ref\"");
  constexpr std::string_view kBranches = "refs/heads/";
  if (!ref.starts_with(kBranches)) return Push();
  Push push;
  push.moved = true;
  push.branch = ref.substr(kBranches.size());
  push.commit = text_of(json, "after");
  if (push.commit.find_first_not_of('0') == std::string::npos) push.commit.clear();
  return push;
}

}  // namespace slipway::hooks
