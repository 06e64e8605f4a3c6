#pragma once

#include <optional>

#include "base/result.h"
#include "io/http/message.h"
#include "io/http/router.h"

namespace slipway::http {

/// The tag of a kDenied for a caller who has to say who he is: 401 instead of 403.
inline constexpr char kUnauthenticated[] = "unauthenticated";

/// Says who asks, by the head of a request, before a byte of its body is taken. Any thread.
class Doorkeeper {
 public:
  virtual ~Doorkeeper() = default;
  /// On the connection's loop, so in memory only. An error ends the request. Nothing: it takes
  /// longer to tell; then prove() is asked.
  virtual std::optional<Result<Principal>> recognise(const Request& head,
                                                     const Router::Entry& entry) = 0;
  /// On a worker, with Request::peer; the loop's other connections go on meanwhile.
  virtual Result<Principal> prove(const Request& head, const Router::Entry& entry) = 0;
};

}  // namespace slipway::http
