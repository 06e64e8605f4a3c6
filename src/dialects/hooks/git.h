#pragma once

#include <string>

#include "io/http/message.h"

// Pushes as hosts of git repositories tell of them. Pure; any thread.
namespace slipway::hooks {

struct Push {
  bool moved = false;  // false: a greeting, or an event that is none of a branch
  std::string branch;
  std::string commit;  // its tip, as the sender says; "" when the branch was deleted
};
/// Checks the signature over the raw body first: kDenied unless one of X-Hub-Signature-256,
/// X-Gitea-Signature and X-Forgejo-Signature (HMAC-SHA-256) or X-Gitlab-Token (the secret itself)
/// proves that the sender knows `secret`. kInvalid for a body that is no push.
Result<Push> read_push(const http::Request& request, const std::string& secret);

}  // namespace slipway::hooks
