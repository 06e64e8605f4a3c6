#include "app/loop/nats_part.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/log.h"
#include "dialects/hooks/nats.h"

namespace slipway::app {
namespace {

using flows::Occasion;
using project::Applied;
using project::TriggerSpec;

constexpr std::string_view kSourceBegin = "nats ";
constexpr char kListening[] = "listening", kUnreachable[] = "unreachable";
constexpr char kNobodyNamed[] =
    "no NATS server is named: start this server with --nats URL or SLIPWAY_NATS";
constexpr std::size_t kReasonsMax = 8;  // of one time without a broker

const project::MessageSource* nats_source(const TriggerSpec& trigger) {
  const auto* message = std::get_if<project::MessageSource>(&trigger.source);
  return message != nullptr && !message->subject.empty() ? message : nullptr;
}

std::string source_text(const project::MessageSource& source) {
  return std::string(kSourceBegin) + source.subject;
}

Result<NatsWatched> watched_in(const std::string& text) {
  if (text.empty()) return NatsWatched();
  return wire::decode<NatsWatched>(text);
}

nats::Position position_in(const NatsWatched& watched) {
  return {watched.stream, watched.created_ms, static_cast<std::uint64_t>(watched.sequence)};
}

bool asked_for_a_run(const flows::Noticed& noticed) {
  return std::any_of(noticed.decided.begin(), noticed.decided.end(),
                     [](const flows::Decided& decided) { return !decided.run.empty(); });
}

}  // namespace

Result<wire::Json> show_nats_sources(db::Tx& tx) {
  wire::Json::Array sources;
  for (const flows::Watching& watching : TRY(flows::all_watched(tx))) {
    const NatsWatched watched = TRY(watched_in(watching.text));
    if (!watched.source.starts_with(kSourceBegin)) continue;
    wire::Json source;
    source.set("trigger", watching.trigger);
    source.set("source", watched.source);
    source.set("state", watched.state.empty() ? "unknown" : watched.state);
    source.set("why", watched.why);
    source.set("stream", watched.consumer_stream);
    source.set("consumer", watched.consumer);
    source.set("sequence", watched.sequence);
    sources.push_back(std::move(source));
  }
  wire::Json json;
  json.set("sources", std::move(sources));
  return json;
}

NatsPart::Broker NatsPart::broker(nats::Access access) {
  Broker broker;
  broker.is_named = !access.servers.empty();
  // The servers of a cluster in turn.
  broker.subscribe = [access](const nats::Subscription& subscription, int failed) {
    const std::size_t turn = static_cast<std::size_t>(failed) % access.servers.size();
    return nats::subscribe(access, access.servers[turn], subscription);
  };
  broker.remove = [access](const std::string& subject, const std::string& stream,
                           const std::string& consumer) -> Result<> {
    Result<> last = unavailable(kNobodyNamed);
    for (const nats::Address& server : access.servers) {
      last = nats::remove_consumer(access, server, subject, stream, consumer);
      if (last.ok()) return last;
    }
    return last;
  };
  return broker;
}

NatsPart::NatsPart(db::Pool& pool, Metrics& metrics, Broker broker, std::string place,
                   std::function<void()> wake)
    : pool_(pool),
      metrics_(metrics),
      broker_(std::move(broker)),
      place_(std::move(place)),
      wake_(wake),
      removal_(std::move(wake)) {}

bool NatsPart::is_pending() const {
  return std::any_of(triggers_.begin(), triggers_.end(), [](const auto& trigger) {
    return trigger.second.listener != nullptr && trigger.second.listener->is_at_work();
  });
}

Result<bool> NatsPart::turn(UnixMs now) {
  const auto applied = TRY(pool_.read([&](db::Tx& tx) { return current_.get(tx); }));
  if (applied == nullptr) return false;
  if (applied->number != followed_) TRY(follow(*applied));
  std::erase_if(ending_, [](const auto& listener) { return listener->is_over(); });
  remove_consumers();
  bool did = false;
  std::optional<Error> first;
  auto note = [&](const std::string& name, Result<bool> done) {
    did = did || (done.ok() && *done);
    if (!done.ok() && !first) first = with_context("trigger " + name, done.error());
  };
  for (const TriggerSpec& spec : applied->declared.file.triggers) {
    const auto found = triggers_.find(spec.name);
    if (found == triggers_.end()) continue;
    note(spec.name, note_state(spec.name, found->second, now));
    note(spec.name, take(applied->declared.file, spec, found->second, now));
  }
  if (first && !did) return *first;
  return did;
}

Result<bool> NatsPart::stand_by(UnixMs, const std::string&) {
  for (auto& [name, trigger] : triggers_) end(trigger);
  triggers_.clear();
  gone_.clear();
  followed_ = 0;
  std::erase_if(ending_, [](const auto& listener) { return listener->is_over(); });
  return false;
}

// --- which triggers there are ---

Result<> NatsPart::follow(const Applied& applied) {
  std::set<std::string> wanted;
  for (const TriggerSpec& spec : applied.declared.file.triggers) {
    const project::MessageSource* source = nats_source(spec);
    if (source == nullptr) continue;
    wanted.insert(spec.name);
    const auto found = triggers_.find(spec.name);
    if (found != triggers_.end() && found->second.watched.source == source_text(*source)) continue;
    if (found != triggers_.end()) end(found->second);
    TRY(begin(applied, spec));
  }
  TRY(end_others(wanted));
  followed_ = applied.number;
  return {};
}

Result<> NatsPart::begin(const Applied& applied, const TriggerSpec& spec) {
  const project::MessageSource& source = *nats_source(spec);
  const std::string before =
      TRY(pool_.read([&](db::Tx& tx) { return flows::peek_watched(tx, spec.name); }));
  Trigger trigger;
  trigger.watched = TRY(watched_in(before));
  if (trigger.watched.source != source_text(source)) {
    forget(trigger.watched);
    trigger.watched = NatsWatched();
    trigger.watched.source = source_text(source);
    trigger.watched.since_ms = applied.time_ms;
    trigger.watched.consumer =
        nats::consumer_name({applied.declared.file.name, spec.name, source.subject, place_});
    TRY(pool_.write([&](db::Tx& tx) {
      return flows::set_watched(tx, spec.name, wire::encode(trigger.watched));
    }));
  }
  if (trigger.watched.state == kUnreachable) trigger.told.insert(trigger.watched.why);
  if (broker_.is_named) {
    nats::Subscription wanted;
    wanted.subject = source.subject;
    wanted.consumer = trigger.watched.consumer;
    wanted.client = "slipway " + applied.declared.file.name + "/" + spec.name;
    wanted.since_ms = trigger.watched.since_ms;
    trigger.position = std::make_shared<Guarded<nats::Position>>(position_in(trigger.watched));
    auto open = [subscribe = broker_.subscribe, wanted,
                 position = trigger.position](int failed) mutable {
      wanted.after = position->with([](const nats::Position& now) { return now; });
      return subscribe(wanted, failed);
    };
    trigger.listener = std::make_unique<NatsListener>(std::move(open), wake_);
  }
  triggers_.insert_or_assign(spec.name, std::move(trigger));
  return {};
}

void NatsPart::end(Trigger& trigger) {
  if (trigger.listener == nullptr) return;
  trigger.listener->stop();
  ending_.push_back(std::move(trigger.listener));
}

/// What was made for it at the broker is to be deleted there.
void NatsPart::forget(const NatsWatched& watched) {
  if (!watched.source.starts_with(kSourceBegin) || watched.consumer.empty()) return;
  gone_.push_back(
      {watched.source.substr(kSourceBegin.size()), watched.consumer_stream, watched.consumer});
}

/// Those that are no longer declared, or listen to something else now: what was made for them at
/// the broker is deleted there.
Result<> NatsPart::end_others(const std::set<std::string>& wanted) {
  for (auto at = triggers_.begin(); at != triggers_.end();) {
    if (!wanted.contains(at->first)) {
      end(at->second);
      forget(at->second.watched);
    }
    at = wanted.contains(at->first) ? std::next(at) : triggers_.erase(at);
  }
  for (const flows::Watching& watching :
       TRY(pool_.read([](db::Tx& tx) { return flows::all_watched(tx); }))) {
    if (wanted.contains(watching.trigger)) continue;
    const NatsWatched watched = TRY(watched_in(watching.text));
    if (!watched.source.starts_with(kSourceBegin)) continue;
    forget(watched);
    TRY(pool_.write([&](db::Tx& tx) -> Result<> {
      if (TRY(flows::watched(tx, watching.trigger)) != watching.text) return {};
      return flows::set_watched(tx, watching.trigger, "");
    }));
  }
  return {};
}

/// Once: where the broker does not answer, a person has to.
void NatsPart::remove_consumers() {
  if (std::optional<Result<>> done = removal_.take(); done && !done->ok())
    log_warning("a consumer that no trigger needs stays at the NATS server",
                {{"why", done->error().message}});
  if (gone_.empty() || removal_.is_under_way() || !ending_.empty()) return;
  removal_.start([gone = std::exchange(gone_, {}), remove = broker_.remove]() -> Result<> {
    Result<> last;
    for (const Gone& one : gone) {
      Result<> removed = remove(one.subject, one.stream, one.consumer);
      if (!removed.ok()) last = std::move(removed);
    }
    return last;
  });
}

// --- what is told ---

Result<bool> NatsPart::note_state(const std::string& name, Trigger& trigger, UnixMs now) {
  const NatsListener::State state = trigger.listener != nullptr
                                        ? trigger.listener->state()
                                        : NatsListener::State{true, false, "", kNobodyNamed};
  if (!state.is_known) return false;
  NatsWatched next = trigger.watched;
  if (state.is_there) {
    trigger.told.clear();
    if (next.state == kListening && next.consumer_stream == state.stream) return false;
    next.consumer_stream = state.stream;
  } else if (trigger.told.size() >= kReasonsMax || trigger.told.contains(state.why)) {
    return false;
  }
  next.state = state.is_there ? kListening : kUnreachable;
  next.why = state.why;
  wire::Json data;
  data.set("source", next.source);
  if (state.is_there) {
    data.set("stream", state.stream);
    data.set("consumer", next.consumer);
  } else {
    data.set("reason", state.why);
    log_warning("a trigger cannot listen to its source", {{"trigger", name}, {"why", state.why}});
  }
  TRY(pool_.write([&](db::Tx& tx) -> Result<> {
    TRY(flows::note_source(tx, name, state.is_there, data, now));
    return flows::set_watched(tx, name, wire::encode(next));
  }));
  failpoint("nats.state_told");
  trigger.watched = std::move(next);
  if (!state.is_there) trigger.told.insert(state.why);
  return true;
}

/// What a fetch brought, as it is decided.
struct NatsPart::Batch {
  std::vector<Occasion> occasions;
  std::vector<nats::Settle> settles;  // one for each message
  std::size_t unheard = 0, refused = 0;
  std::string refused_message, why;  // of the first that nobody can read

  Batch(const NatsListener::Messages& messages, const TriggerSpec& spec) {
    for (const nats::Message& message : messages) settles.push_back(read(message, spec));
  }

 private:
  nats::Settle read(const nats::Message& message, const TriggerSpec& spec) {
    const project::MessageSource& source = *nats_source(spec);
    Result<Occasion> occasion = hooks::read_message(message, spec.name);
    if (!occasion.ok()) {
      if (refused++ == 0) {
        refused_message = message.at.stream + "/" + std::to_string(message.at.sequence);
        why = "message " + refused_message + ": " + occasion.error().message;
      }
      return nats::Settle::kRefuse;
    }
    // Who knows no CloudEvents tells no type: whatever comes to the subject is of this one.
    if (occasion->type.empty()) occasion->type = source.type;
    if (flows::is_asked_for(source, *occasion))
      occasions.push_back(std::move(*occasion));
    else
      ++unheard;
    return nats::Settle::kDone;
  }
};

Result<bool> NatsPart::take(const project::ProjectFile& file, const TriggerSpec& spec,
                            Trigger& trigger, UnixMs now) {
  const auto messages = trigger.listener != nullptr ? trigger.listener->offered() : nullptr;
  if (messages == nullptr) return false;
  Batch batch(*messages, spec);
  NatsWatched next = trigger.watched;
  const nats::Position& last = messages->back().at;
  const bool same = next.stream == last.stream && next.created_ms == last.created_ms;
  const auto sequence = static_cast<std::int64_t>(last.sequence);
  next.stream = last.stream;
  next.created_ms = last.created_ms;
  next.sequence = same ? std::max(next.sequence, sequence) : sequence;
  failpoint("nats.fetched");
  const auto noticed = TRY(pool_.write([&](db::Tx& tx) -> Result<std::vector<flows::Noticed>> {
    std::vector<flows::Noticed> all;
    for (const Occasion& occasion : batch.occasions)
      all.push_back(TRY(flows::notice(tx, file, occasion, now, spec.name)));
    if (batch.refused > 0) {
      TRY(flows::note_refused(tx, spec.name, static_cast<std::int64_t>(batch.refused),
                              batch.refused_message, batch.why, now));
    }
    TRY(flows::set_watched(tx, spec.name, wire::encode(next)));
    return all;
  }));
  trigger.watched = next;
  trigger.position->with([&](nats::Position& position) { position = position_in(next); });
  failpoint("nats.decided");
  trigger.listener->settle(std::move(batch.settles));
  std::size_t fresh = 0;
  bool asked = false;
  for (const flows::Noticed& one : noticed) {
    fresh += one.is_new ? 1 : 0;
    asked = asked || asked_for_a_run(one);
  }
  count(spec.name, "new", fresh);
  count(spec.name, "duplicate", noticed.size() - fresh);
  count(spec.name, "unheard", batch.unheard);
  count(spec.name, "refused", batch.refused);
  if (asked) failpoint("trigger.decided");
  return true;
}

void NatsPart::count(const std::string& trigger, const char* outcome, std::size_t messages) {
  if (messages == 0) return;
  metrics_
      .counter("slipway_nats_messages_total",
               "Messages of NATS, by trigger and what became of them",
               {{"trigger", trigger}, {"outcome", outcome}})
      .add(static_cast<double>(messages));
}

}  // namespace slipway::app
