#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/circle.h"
#include "app/loop/errand.h"
#include "app/loop/nats_listener.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "domain/flows/trigger_store.h"
#include "domain/project/applied.h"
#include "io/wire/codec.h"

namespace slipway::app {

/// What a trigger on NATS remembers, in trigger_states.watched.
struct NatsWatched {
  std::string source;         // "nats SUBJECT"
  std::int64_t since_ms = 0;  // when the trigger began to ask for this subject
  std::string stream;         // of the last message that was decided
  std::int64_t created_ms = 0, sequence = 0;
  std::string consumer;  // where one was made, to be deleted when nobody needs it
  std::string consumer_stream;
  std::string state;  // "listening", "unreachable", or "" while nobody knows
  std::string why;    // of the latter
};
WIRE(NatsWatched, source, since_ms, stream, created_ms, sequence, consumer, consumer_stream, state,
     why)

/// Of every trigger on NATS that the catalogue knows: {"sources": [{trigger, source, state, why,
/// stream, consumer, sequence}]}.
Result<wire::Json> show_nats_sources(db::Tx& tx);

/// Listens to the broker for the triggers that name a subject of NATS, each by a durable consumer
/// of its own. Messages are decided in a turn, in one transaction with how far the trigger came,
/// and acknowledged after it: what a crash leaves unacknowledged comes again, and is known by its
/// key.
class NatsPart final : public Part {
 public:
  /// Where messages come from: tests have their own.
  struct Broker {
    /// Empty: nobody named a server; the text says how to.
    bool is_named = true;
    std::function<Result<std::unique_ptr<nats::Consumer>>(const nats::Subscription&, int failed)>
        subscribe;
    std::function<Result<>(const std::string& subject, const std::string& stream,
                           const std::string& consumer)>
        remove;
  };
  static Broker broker(nats::Access access);

  /// `place` tells servers apart that share a broker: of the state folder. All must outlive it.
  NatsPart(db::Pool& pool, Metrics& metrics, Broker broker, std::string place,
           std::function<void()> wake);

  std::string name() const override { return "nats"; }
  Result<bool> turn(UnixMs now) override;
  /// The other server listens, from where the catalogue says.
  Result<bool> stand_by(UnixMs now, const std::string& why) override;
  bool is_pending() const override;

 private:
  struct Trigger {
    NatsWatched watched;
    std::shared_ptr<Guarded<nats::Position>> position;  // of `watched`, for the listener
    std::unique_ptr<NatsListener> listener;             // null: nobody to ask
    std::set<std::string> told;                         // why nobody is there, since somebody was
  };
  struct Batch;

  Result<> follow(const project::Applied& applied);
  Result<> begin(const project::Applied& applied, const project::TriggerSpec& spec);
  Result<> end_others(const std::set<std::string>& wanted);
  void end(Trigger& trigger);
  void forget(const NatsWatched& watched);
  Result<bool> note_state(const std::string& name, Trigger& trigger, UnixMs now);
  Result<bool> take(const project::ProjectFile& file, const project::TriggerSpec& spec,
                    Trigger& trigger, UnixMs now);
  void count(const std::string& trigger, const char* outcome, std::size_t messages);
  void remove_consumers();

  db::Pool& pool_;
  Metrics& metrics_;
  const Broker broker_;
  const std::string place_;
  const std::function<void()> wake_;
  project::CurrentProject current_;
  std::int64_t followed_ = 0;  // the number of the project that the triggers are of
  std::map<std::string, Trigger> triggers_;
  std::vector<std::unique_ptr<NatsListener>> ending_;
  struct Gone {
    std::string subject, stream, consumer;
  };
  std::vector<Gone> gone_;  // consumers to delete
  Errand removal_;
};

}  // namespace slipway::app
