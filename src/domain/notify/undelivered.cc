#include "domain/notify/undelivered.h"

#include <algorithm>

#include "domain/notify/deliveries.h"
#include "io/wire/codec.h"

namespace slipway::notify {
namespace {

/// The oldest that waits for a receiver, and how many do.
struct Head {
  std::string name, address;  // name: of one that a client made
  std::int64_t waiting = 0, attempts = 0;
  UnixMs created_ms = 0;
  std::string last_error;
};
WIRE(Head, name, address, waiting, attempts, created_ms, last_error)

/// What was given up for one, and why the last.
struct Loss {
  std::string name, address;
  std::int64_t given_up = 0;
  std::string last_error;
};
WIRE(Loss, name, address, given_up, last_error)

constexpr char kDeclaredHeads[] =
    "select '' as name, d.webhook as address, (select count(*) from notify_deliveries w where "
    "w.state = 'waiting' and w.webhook = d.webhook) as waiting, d.attempts, d.created_ms, "
    "d.last_error from notify_deliveries d where d.state = 'waiting' and d.event_seq = (select "
    "min(e.event_seq) from notify_deliveries e where e.state = 'waiting' and e.webhook = "
    "d.webhook) order by d.webhook";
constexpr char kMadeHeads[] =
    "select h.name as name, h.url as address, (select count(*) from webhook_deliveries w where "
    "w.state = 'waiting' and w.webhook = d.webhook) as waiting, d.attempts, d.created_ms, "
    "d.last_error from webhook_deliveries d join webhooks h on h.seq = d.webhook where "
    "h.active = 1 and d.state = 'waiting' and d.seq = (select min(e.seq) from webhook_deliveries e where "
    "e.state = 'waiting' and e.webhook = d.webhook) order by h.name, h.seq";
// One that is declared no more was given up without an attempt's error.
constexpr char kDeclaredLosses[] =
    "select '' as name, d.webhook as address, count(*) as given_up, (select e.last_error from "
    "notify_deliveries e where e.state = 'given_up' and e.webhook = d.webhook order by e.event_seq "
    "desc limit 1) as last_error from notify_deliveries d where d.state = 'given_up' and "
    "d.ended_ms >= ? and d.last_error <> ? group by d.webhook order by d.webhook";
constexpr char kMadeLosses[] =
    "select h.name as name, h.url as address, count(*) as given_up, (select e.last_error from "
    "webhook_deliveries e where e.state = 'given_up' and e.webhook = h.seq order by e.seq desc "
    "limit 1) as last_error from webhook_deliveries d join webhooks h on h.seq = d.webhook where "
    "h.active = 1 and d.state = 'given_up' and d.created_ms >= ? group by h.seq, h.name, h.url "
    "order by h.name, h.seq";

std::string receiver_of(const std::string& name, const std::string& address) {
  const std::string shown = shown_address(address);
  return name.empty() ? shown : "'" + name + "' (" + shown + ")";
}

void add_head(std::vector<Undelivered>& all, const Head& head, UnixMs late_ms) {
  if (head.attempts == 0 && head.created_ms >= late_ms) return;
  Undelivered& one = all.emplace_back();
  one.receiver = receiver_of(head.name, head.address);
  one.waiting = head.waiting;
  one.oldest_ms = head.created_ms;
  one.attempts = head.attempts;
  one.last_error = head.last_error;
}

void add_loss(std::vector<Undelivered>& all, const Loss& loss) {
  const std::string receiver = receiver_of(loss.name, loss.address);
  Undelivered* known = nullptr;
  for (Undelivered& one : all)
    if (one.receiver == receiver) known = &one;
  Undelivered& one = known != nullptr ? *known : all.emplace_back();
  one.receiver = receiver;
  one.given_up += loss.given_up;
  if (one.last_error.empty()) one.last_error = loss.last_error;
}

}  // namespace

std::string shown_address(std::string_view address) {
  constexpr std::string_view kVariable = "${";
  const std::size_t scheme = address.find("://");
  if (scheme == std::string_view::npos) {
    const bool is_variable = address.starts_with(kVariable) &&
                             address.find('}') == address.size() - 1;
    return is_variable ? std::string(address) : "...";
  }
  const std::size_t begin = scheme + 3;
  const std::size_t end = std::min(address.find_first_of("/?#", begin), address.size());
  std::string_view host = address.substr(begin, end - begin);
  if (const std::size_t at = host.rfind('@'); at != std::string_view::npos)
    host.remove_prefix(at + 1);
  const bool is_bare = address.substr(end).empty() || address.substr(end) == "/";
  return std::string(address.substr(0, begin)) + std::string(host) + (is_bare ? "/" : "/...");
}

Result<std::vector<Undelivered>> undelivered(db::Tx& tx, UnixMs late_ms, UnixMs since_ms) {
  std::vector<Undelivered> all;
  for (const Head& head : TRY(tx.all<Head>(kDeclaredHeads))) add_head(all, head, late_ms);
  for (const Head& head : TRY(tx.all<Head>(kMadeHeads))) add_head(all, head, late_ms);
  for (const Loss& loss : TRY(tx.all<Loss>(kDeclaredLosses, since_ms, std::string(kUndeclared))))
    add_loss(all, loss);
  for (const Loss& loss : TRY(tx.all<Loss>(kMadeLosses, since_ms))) add_loss(all, loss);
  return all;
}

}  // namespace slipway::notify
