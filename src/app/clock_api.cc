#include "app/clock_api.h"

#include "io/wire/codec.h"

namespace slipway::app {
namespace {

constexpr std::chrono::minutes kSettleMax{30};  // a training may be among what is due

struct Turn {
  std::string time;
};
WIRE(Turn, time)

struct Shown {
  std::string time, clock;
};
WIRE(Shown, time, clock)

http::Response shown(const Clock& clock, const char* kind) {
  return http::Response::json(wire::encode(Shown{to_iso8601(clock.now_ms()), kind}));
}

Result<http::Response> turn(const http::Request& request, ReplayClock& clock, Circle& circle) {
  const Turn body = TRY(wire::decode<Turn>(request.body));
  const std::optional<UnixMs> time = parse_iso8601(body.time);
  if (!time) {
    return invalid("\"time\" must be a time as RFC 3339 writes it, 2011-05-01T00:00:00Z, got '" +
                   body.time + "'");
  }
  if (!clock.turn_to(*time)) {
    return Error{Code::kConflict, "the clock shows " + to_iso8601(clock.now_ms()) +
                                      " and never goes back; asked for " + to_iso8601(*time)};
  }
  TRY(circle.settle(kSettleMax));
  return shown(clock, "replay");
}

}  // namespace

void mount_clock(http::Router& router, ReplayClock& clock, Circle& circle) {
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  group.add({http::Method::kGet, "/clock", http::reads("server"), http::Place::kInline},
            [&clock](http::Request&) -> Result<http::Response> { return shown(clock, "replay"); });
  group.add({http::Method::kPost, "/clock", http::manages("server"), http::Place::kBlocking},
            [&clock, &circle](http::Request& request) { return turn(request, clock, circle); });
}

void mount_clock(http::Router& router, const Clock& clock) {
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  group.add({http::Method::kGet, "/clock", http::reads("server"), http::Place::kInline},
            [&clock](http::Request&) -> Result<http::Response> { return shown(clock, "system"); });
  group.add({http::Method::kPost, "/clock", http::manages("server"), http::Place::kInline},
            [](http::Request&) -> Result<http::Response> {
              return Error{Code::kConflict,
                           "this server goes by the system's clock; only one that was started with "
                           "`slipway up --clock replay` can be told the time"};
            });
}

}  // namespace slipway::app
