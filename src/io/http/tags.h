#pragma once

// Tags of errors that a transport gives to whoever handles its requests.
namespace slipway::http {

/// Of the kUnavailable that ends a body which comes too slowly: the sender's fault, 408.
inline constexpr char kSlowSender[] = "slow_sender";

}  // namespace slipway::http
