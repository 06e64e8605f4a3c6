#include "graph/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <latch>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::graph {
namespace {

constexpr UnixMs kNow = 1'700'000'000'000;

wire::Json object(std::string key, wire::Json value) {
  wire::Json made;
  made.set(std::move(key), std::move(value));
  return made;
}

class GraphTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (!HasFatalFailure()) pool_ = open(migrations());
  }
  void TearDown() override { pool_.reset(); }

  template <class F>
  void write(F f) {
    Result<> written = pool_->write([&](db::Tx& tx) -> Result<> { return f(tx); });
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  template <class F>
  auto read(F f) {
    auto found = pool_->read([&](db::Tx& tx) { return f(tx); });
    EXPECT_TRUE(found.ok()) << found.error().message;
    return std::move(found).value();
  }
  std::optional<Node> node(const NodeRef& ref) {
    return read([&](db::Tx& tx) { return find_node(tx, ref); });
  }
  void link(const NodeRef& effect, const std::string& relation, const NodeRef& cause,
            wire::Json attributes = {}) {
    write([&](db::Tx& tx) { return put_edge(tx, {effect, relation, cause, attributes}, kNow); });
  }
  Event event(const std::string& type, const std::string& subject = "1") {
    return {type, {"thing", subject}, "slipway", 0, {}};
  }

  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, GraphTest, db::every_engine(), db::engine_name);

const NodeRef kRunA{kind::kRun, "a"};
const NodeRef kAttempt1{kind::kAttempt, "1"};
const NodeRef kDataX{kind::kData, "x"};

TEST_P(GraphTest, ANodeIsFoundWithItsAttributesAndTime) {
  write([](db::Tx& tx) { return put_node(tx, kRunA, object("name", "first"), kNow); });
  std::optional<Node> found = node(kRunA);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->ref, kRunA);
  EXPECT_EQ(found->attributes, object("name", "first"));
  EXPECT_EQ(found->created_ms, kNow);
  EXPECT_FALSE(node({kind::kRun, "b"}));
  EXPECT_FALSE(node({kind::kModel, "a"})) << "an id belongs to its kind";
}

TEST_P(GraphTest, PuttingANodeAgainMergesItsAttributes) {
  wire::Json first = object("name", "first");
  first.set("rows", 3);
  write([&](db::Tx& tx) { return put_node(tx, kRunA, first, kNow); });
  wire::Json second = object("rows", 4);
  second.set("size", 9);
  write([&](db::Tx& tx) { return put_node(tx, kRunA, second, kNow + 5); });
  write([&](db::Tx& tx) { return put_node(tx, kRunA, {}, kNow + 6); });

  wire::Json merged = object("name", "first");
  merged.set("rows", 4);
  merged.set("size", 9);
  std::optional<Node> found = node(kRunA);
  EXPECT_EQ(found->attributes, merged);
  EXPECT_EQ(found->created_ms, kNow);
}

TEST_P(GraphTest, AnEdgeMakesBareNodesForItsEndsAndKeepsThoseThatAreThere) {
  write([](db::Tx& tx) { return put_node(tx, kRunA, object("name", "first"), kNow); });
  link(kRunA, relation::kProducedBy, kAttempt1);
  EXPECT_EQ(node(kRunA)->attributes, object("name", "first"));
  EXPECT_EQ(node(kAttempt1)->attributes, wire::Json(wire::Json::Object{}));
}

TEST_P(GraphTest, AnEdgeIsKeptOnceForEqualAttributes) {
  link(kAttempt1, relation::kUsed, kDataX, object("path", "train.csv"));
  link(kAttempt1, relation::kUsed, kDataX, object("path", "train.csv"));
  link(kAttempt1, relation::kUsed, kDataX, object("path", "test.csv"));
  std::vector<Edge> causes = read([](db::Tx& tx) { return causes_of(tx, kAttempt1); });
  ASSERT_EQ(causes.size(), 2u);
  EXPECT_EQ(causes[0].attributes, object("path", "test.csv"));
  EXPECT_EQ(causes[1].attributes, object("path", "train.csv"));
}

TEST_P(GraphTest, EdgesAreFoundFromBothEndsInAFixedOrder) {
  link(kAttempt1, relation::kUsed, {kind::kCommit, "c"});
  link(kAttempt1, relation::kUsed, kDataX, object("path", "p"));
  link(kRunA, relation::kProducedBy, kAttempt1);
  std::vector<Edge> causes = read([](db::Tx& tx) { return causes_of(tx, kAttempt1); });
  ASSERT_EQ(causes.size(), 2u);
  EXPECT_EQ(causes[0].cause.kind, kind::kCommit);
  EXPECT_EQ(causes[1].cause, kDataX);
  EXPECT_EQ(causes[1].effect, kAttempt1);
  EXPECT_EQ(causes[1].relation, relation::kUsed);
  std::vector<Edge> effects = read([](db::Tx& tx) { return effects_of(tx, kAttempt1); });
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_EQ(effects[0].effect, kRunA);
  EXPECT_EQ(effects[0].cause, kAttempt1);
  EXPECT_EQ(read([](db::Tx& tx) { return causes_of(tx, kAttempt1, 1); }).size(), 1u);
}

TEST_P(GraphTest, FactsThatCannotBeKeptAreRefused) {
  auto code_of = [&](auto f) {
    Result<> refused = pool_->write([&](db::Tx& tx) -> Result<> { return f(tx); });
    return refused.ok() ? std::string("kept") : std::string(to_string(refused.error().code));
  };
  std::string long_id(2049, 'x');
  EXPECT_EQ(code_of([&](db::Tx& tx) {
              return put_node(tx, {"run", long_id}, {}, kNow);
            }),
            "invalid");
  EXPECT_EQ(code_of([](db::Tx& tx) { return put_node(tx, {"run", ""}, {}, kNow); }), "invalid");
  EXPECT_EQ(code_of([](db::Tx& tx) { return put_node(tx, {"", "a"}, {}, kNow); }), "internal");
  EXPECT_EQ(code_of([](db::Tx& tx) { return put_node(tx, kRunA, "text", kNow); }), "internal");
  wire::Json big = object("text", std::string(1 << 20, 'x'));
  EXPECT_EQ(code_of([&](db::Tx& tx) { return put_node(tx, kRunA, big, kNow); }), "invalid");
  wire::Json deep = 1;
  for (int i = 0; i < 65; ++i) deep = object("d", std::move(deep));
  EXPECT_EQ(code_of([&](db::Tx& tx) { return put_node(tx, kRunA, deep, kNow); }), "invalid");
  EXPECT_EQ(code_of([&](db::Tx& tx) {
              return put_edge(tx, {kRunA, "", kAttempt1, {}}, kNow);
            }),
            "internal");
  EXPECT_FALSE(node(kRunA));
}

TEST_P(GraphTest, AKeptAttributeMayHoldAnyJson) {
  wire::Json odd = object("nan", std::numeric_limits<double>::quiet_NaN());
  odd.set("nul", std::string("a\0b", 3));
  odd.set("big", std::uint64_t{18'446'744'073'709'551'615u});
  write([&](db::Tx& tx) { return put_node(tx, kRunA, odd, kNow); });
  wire::Json kept = node(kRunA)->attributes;
  EXPECT_TRUE(std::isnan(kept.find("nan")->as_double()));
  EXPECT_EQ(*kept.find("nul"), *odd.find("nul"));
  EXPECT_EQ(*kept.find("big"), *odd.find("big"));
}

TEST_P(GraphTest, TheClosureFollowsCausesBreadthFirst) {
  link({kind::kModelVersion, "bikes/1"}, relation::kProducedBy, kRunA);
  link(kRunA, relation::kProducedBy, kAttempt1);
  link(kAttempt1, relation::kUsed, {kind::kCommit, "c"});
  link(kAttempt1, relation::kUsed, kDataX);
  link({kind::kRun, "other"}, relation::kUsed, kDataX);

  Closure up = read([](db::Tx& tx) {
    return closure(tx, {kind::kModelVersion, "bikes/1"}, Direction::kToCauses);
  });
  std::vector<std::string> ids;
  for (const Node& found : up.nodes) ids.push_back(found.ref.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"bikes/1", "a", "1", "c", "x"}));
  EXPECT_EQ(up.edges.size(), 4u);
  EXPECT_FALSE(up.truncated);

  Closure down = read([](db::Tx& tx) { return closure(tx, kDataX, Direction::kToEffects); });
  EXPECT_EQ(down.nodes.size(), 5u);
  EXPECT_EQ(down.edges.size(), 4u);
}

TEST_P(GraphTest, TheClosureOfAnUnknownNodeIsMissing) {
  Result<Closure> none =
      pool_->read([](db::Tx& tx) { return closure(tx, kRunA, Direction::kToCauses); });
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::kMissing);
}

TEST_P(GraphTest, TheClosureSaysWhenItWasCutAndKeepsTheNearest) {
  write([](db::Tx& tx) -> Result<> {
    for (int i = 0; i < 20; ++i) {
      NodeRef near{"near", std::to_string(100 + i)};
      TRY(put_edge(tx, {kRunA, "r", near, {}}, kNow));
      TRY(put_edge(tx, {near, "r", {"far", std::to_string(i)}, {}}, kNow));
    }
    return {};
  });
  Closure cut = read([](db::Tx& tx) { return closure(tx, kRunA, Direction::kToCauses, 15); });
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(cut.nodes.size(), 15u);
  EXPECT_EQ(cut.edges.size(), 14u);
  for (const Node& found : cut.nodes) EXPECT_NE(found.ref.kind, "far");
  Closure whole = read([](db::Tx& tx) { return closure(tx, kRunA, Direction::kToCauses, 41); });
  EXPECT_FALSE(whole.truncated);
  EXPECT_EQ(whole.nodes.size(), 41u);
}

/// The same by hand, for comparison.
std::pair<std::set<std::string>, std::size_t> naive_closure(
    const std::set<std::pair<std::string, std::string>>& edges, const std::string& start) {
  std::set<std::string> reached{start};
  std::size_t before = 0;
  while (before != reached.size()) {
    before = reached.size();
    for (const auto& [effect, cause] : edges) {
      if (reached.contains(effect)) reached.insert(cause);
    }
  }
  auto inside = [&](const auto& edge) { return reached.contains(edge.first); };
  return {reached, static_cast<std::size_t>(std::count_if(edges.begin(), edges.end(), inside))};
}

TEST_P(GraphTest, TheClosureOfRandomGraphsWithCyclesEqualsANaiveOne) {
  std::mt19937 random(7);
  for (int graph = 0; graph < 8; ++graph) {
    std::string of = std::to_string(graph) + "-";
    std::set<std::pair<std::string, std::string>> edges;
    for (int i = 0; i < 40; ++i) {
      edges.insert({of + std::to_string(random() % 30), of + std::to_string(random() % 30)});
    }
    write([&](db::Tx& tx) -> Result<> {
      for (const auto& [effect, cause] : edges) {
        TRY(put_edge(tx, {{"n", effect}, "r", {"n", cause}, {}}, kNow));
      }
      return {};
    });
    std::string start = edges.begin()->first;
    auto [reached, edge_count] = naive_closure(edges, start);
    Closure found = read([&](db::Tx& tx) {
      return closure(tx, {"n", start}, Direction::kToCauses);
    });
    std::set<std::string> ids;
    for (const Node& each : found.nodes) ids.insert(each.ref.id);
    EXPECT_EQ(ids, reached);
    EXPECT_EQ(found.nodes.size(), reached.size());
    EXPECT_EQ(found.edges.size(), edge_count);
  }
}

TEST_P(GraphTest, ALongChainIsFollowedToItsEnd) {
  constexpr int kLength = 3000;
  write([](db::Tx& tx) -> Result<> {
    for (int i = 0; i < kLength; ++i) {
      TRY(put_edge(tx, {{"n", std::to_string(i)}, "r", {"n", std::to_string(i + 1)}, {}}, kNow));
    }
    return {};
  });
  Closure chain = read([](db::Tx& tx) { return closure(tx, {"n", "0"}, Direction::kToCauses); });
  ASSERT_EQ(chain.nodes.size(), kLength + 1u);
  EXPECT_EQ(chain.nodes.back().ref.id, std::to_string(kLength));
}

TEST_P(GraphTest, EventsComeBackInOrderWithAllTheyHold) {
  std::int64_t first = 0;
  write([&](db::Tx& tx) -> Result<> {
    first = TRY(append_event(tx, event("thing.made"), kNow));
    Event second{"thing.changed", {"thing", "1"}, "attempt:7", first, object("to", "b")};
    TRY(append_event(tx, second, kNow + 1));
    TRY(append_event(tx, event("thing.made", "2"), kNow + 2));
    return {};
  });
  std::vector<LoggedEvent> all = read([](db::Tx& tx) { return events_after(tx, 0, 10); });
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].seq, first);
  EXPECT_LT(all[0].seq, all[1].seq);
  EXPECT_LT(all[1].seq, all[2].seq);
  EXPECT_EQ(all[1].event.type, "thing.changed");
  EXPECT_EQ(all[1].event.subject, (NodeRef{"thing", "1"}));
  EXPECT_EQ(all[1].event.actor, "attempt:7");
  EXPECT_EQ(all[1].event.cause_seq, first);
  EXPECT_EQ(all[1].event.data, object("to", "b"));
  EXPECT_EQ(all[1].time_ms, kNow + 1);
  EXPECT_EQ(all[1].id.size(), 36u);
  EXPECT_NE(all[0].id, all[1].id);

  std::vector<LoggedEvent> rest = read([&](db::Tx& tx) { return events_after(tx, all[0].seq, 1); });
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].seq, all[1].seq);
  std::vector<LoggedEvent> about = read([](db::Tx& tx) {
    return events_about(tx, {"thing", "1"}, 10);
  });
  ASSERT_EQ(about.size(), 2u);
  EXPECT_EQ(about[0].event.type, "thing.made");
  std::vector<LoggedEvent> newest = read([](db::Tx& tx) {
    return events_about(tx, {"thing", "1"}, 1);
  });
  ASSERT_EQ(newest.size(), 1u);
  EXPECT_EQ(newest[0].event.type, "thing.changed");
}

TEST_P(GraphTest, ALookBackFindsTheNewestOfItsKindsPageByPage) {
  write([&](db::Tx& tx) -> Result<> {
    for (int i = 1; i <= 9; ++i) {
      TRY(append_event(tx, event(i % 3 == 0 ? "rollout.promoted" : "window.judged"), i));
    }
    return {};
  });
  const auto seen = [](const EventsBack& found) {
    std::vector<UnixMs> times;
    for (const LoggedEvent& event : found.events) times.push_back(event.time_ms);
    return times;
  };
  LookBack look;
  look.kinds = {"incident.", "rollout."};
  look.limit = 2;
  const EventsBack newest = read([&](db::Tx& tx) { return events_back(tx, look); });
  EXPECT_EQ(seen(newest), (std::vector<UnixMs>{6, 9}));
  ASSERT_GT(newest.before, 0);

  look.before = newest.before;
  const EventsBack rest = read([&](db::Tx& tx) { return events_back(tx, look); });
  EXPECT_EQ(seen(rest), (std::vector<UnixMs>{3}));
  EXPECT_EQ(rest.before, 0);
}

TEST_P(GraphTest, ALookBackThatMeetsOnlyOthersSaysWhereToGoOn) {
  write([&](db::Tx& tx) -> Result<> {
    for (int i = 1; i <= 9; ++i) {
      TRY(append_event(tx, event(i == 2 ? "rollout.promoted" : "window.judged"), i));
    }
    return {};
  });
  LookBack look;
  look.kinds = {"rollout."};
  look.looked_at_max = 4;
  int looks = 1;
  EventsBack found = read([&](db::Tx& tx) { return events_back(tx, look); });
  for (; found.events.empty() && found.before != 0; ++looks) {
    look.before = found.before;
    found = read([&](db::Tx& tx) { return events_back(tx, look); });
  }
  EXPECT_EQ(looks, 2);
  ASSERT_EQ(found.events.size(), 1U);
  EXPECT_EQ(found.events[0].time_ms, 2);
}

TEST_P(GraphTest, AnEventOfAFailedWriteIsNotInTheLog) {
  Result<> failed = pool_->write([&](db::Tx& tx) -> Result<> {
    TRY(append_event(tx, event("thing.made"), kNow));
    return conflict("no");
  });
  EXPECT_FALSE(failed.ok());
  EXPECT_TRUE(read([](db::Tx& tx) { return events_after(tx, 0, 10); }).empty());
}

TEST_P(GraphTest, ACursorStartsAtZeroAndIsKept) {
  auto cursor = [&](const std::string& reader) {
    return read([&](db::Tx& tx) { return read_cursor(tx, reader); });
  };
  EXPECT_EQ(cursor("page"), 0);
  write([](db::Tx& tx) { return move_cursor(tx, "page", 5); });
  write([](db::Tx& tx) { return move_cursor(tx, "page", 9); });
  EXPECT_EQ(cursor("page"), 9);
  EXPECT_EQ(cursor("other"), 0);
}

// Two pools stand for two servers.
TEST_P(GraphTest, AReaderNeverPassesAnEventThatCommitsLate) {
  std::unique_ptr<db::Pool> other = open(migrations());
  std::latch early_has_number(1), reader_has_looked(1);
  std::int64_t early = 0;
  std::thread slow([&] {
    Result<> done = pool_->write([&](db::Tx& tx) -> Result<> {
      early = TRY(append_event(tx, event("early"), kNow));
      early_has_number.count_down();
      reader_has_looked.wait();
      return {};
    });
    EXPECT_TRUE(done.ok()) << done.error().message;
  });
  early_has_number.wait();
  std::promise<Result<std::int64_t>> late;
  other->write_later([&](db::Tx& tx) { return append_event(tx, event("late"), kNow); },
                     [&](Result<std::int64_t> seq) { late.set_value(std::move(seq)); });
  // Whatever a reader sees now, it must not be beyond the number that is still open.
  EXPECT_TRUE(read([](db::Tx& tx) { return events_after(tx, 0, 10); }).empty());
  reader_has_looked.count_down();
  slow.join();
  Result<std::int64_t> late_seq = late.get_future().get();
  ASSERT_TRUE(late_seq.ok()) << late_seq.error().message;
  EXPECT_GT(*late_seq, early);
}

TEST_P(GraphTest, AReaderThatGoesByNumberMissesNothingOfTwoBusyServers) {
  constexpr int kEach = 60;
  std::unique_ptr<db::Pool> other = open(migrations());
  std::atomic<int> writing{4};
  auto write_events = [&](db::Pool& pool) {
    for (int i = 0; i < kEach; ++i) {
      auto seq = pool.write([&](db::Tx& tx) { return append_event(tx, event("e"), kNow); });
      EXPECT_TRUE(seq.ok()) << seq.error().message;
    }
    --writing;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] { write_events(*pool_); });
    threads.emplace_back([&] { write_events(*other); });
  }
  // Reads from its last number on, as every consumer of the log does.
  std::vector<std::int64_t> seen;
  bool ended = false;
  while (!ended) {
    ended = writing == 0;  // asked before the read, so the last read sees everything
    std::int64_t last = seen.empty() ? 0 : seen.back();
    for (const LoggedEvent& e : read([&](db::Tx& tx) { return events_after(tx, last, 100'000); })) {
      seen.push_back(e.seq);
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen.size(), 4u * kEach);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

}  // namespace
}  // namespace slipway::graph
