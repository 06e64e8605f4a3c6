#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "io/http/conversation.h"
#include "io/http/guard.h"

// Whole conversations over any bytes: they end in answers, and mean the same however the bytes are
// cut into pieces. The first byte says how they are cut.

namespace {

using namespace slipway;
using namespace slipway::http;

void require(bool condition) {
  if (!condition) std::abort();
}

Result<Response> echo(Request& request) {
  std::string text = request.target + "|" + request.path + "|" + request.body;
  for (const auto& [name, value] : request.captures) text += "|" + name + "=" + value;
  for (const auto& [name, value] : request.query) text += "|" + name + "=" + value;
  for (const auto& [name, value] : request.headers.all()) text += "|" + name + ":" + value;
  require(!is_allowed_host("example.org", {}));
  return Response::text(std::move(text));
}

Router make_router() {
  Router router(render_plain_error);
  Router::Group group = router.group("", render_plain_error);
  group.add({Method::kGet, "/a/{b}/c", kPublic, Place::kInline}, echo);
  group.add({Method::kGet, "/{rest*}", kPublic, Place::kInline}, echo);
  group.add({Method::kPost, "/{rest*}", kPublic, Place::kInline, 1000}, echo);
  group.add_late({Method::kPut, "/late", kPublic, Place::kInline, 1000},
                 [](Request request, Reply reply) { reply.finish(echo(request)); });
  group.add_late({Method::kPut, "/dropped", kPublic, Place::kInline, 1000}, [](Request, Reply) {});
  return router;
}

ServerOptions make_options() {
  ServerOptions options;
  options.workers = 0;
  options.headers_max = 10;
  options.header_bytes_max = 2000;
  options.target_bytes_max = 500;
  return options;
}

/// What the peer gets for `text`, sent `piece` bytes at a time.
std::string converse(Site& site, LoopState& loop, std::string_view text, std::size_t piece) {
  Conversation conversation(site, loop, [] {});
  std::string answers;
  bool ended = false;
  while (!conversation.broken() && !conversation.finished()) {
    const std::span<char> room = conversation.room();
    const std::size_t n = std::min({room.size(), piece, text.size()});
    if (n > 0) {
      text.copy(room.data(), n);
      text.remove_prefix(n);
      conversation.received(n);
    } else if (!ended && text.empty()) {
      conversation.peer_ended();
      ended = true;
    } else if (conversation.output().empty()) {
      break;
    }
    std::string_view out;
    while (!conversation.output().empty()) {
      require(conversation.output().gather({&out, 1}) == 1);
      answers += out;
      conversation.sent(out.size());
    }
  }
  require(conversation.broken() || conversation.finished() || !text.empty());
  return answers;
}

/// Interim answers depend on what has come already.
std::string without_interim(std::string answers) {
  constexpr std::string_view kInterim = "HTTP/1.1 100 Continue\r\n\r\n";
  while (true) {
    const std::size_t at = answers.find(kInterim);
    if (at == std::string::npos) return answers;
    answers.erase(at, kInterim.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Router router = make_router();
  static Metrics metrics;
  static Site site(make_options(), router, metrics, {});
  static LoopState loop{.inbox = std::make_shared<Inbox>([] {}), .date = {}, .now_ms = 1};
  loop.inbox->adopt_thread();
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = without_interim(converse(site, loop, text, 1u << 20));
  const std::string cut = without_interim(converse(site, loop, text, data[0] % 16 + 1u));
  const auto dateless = [](std::string answers) {
    for (std::size_t at = 0; (at = answers.find("\r\nDate: ", at)) != std::string::npos; ++at) {
      answers.erase(at, 37);
    }
    return answers;
  };
  require(dateless(whole) == dateless(cut));
  return 0;
}
