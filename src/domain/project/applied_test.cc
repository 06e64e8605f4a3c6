#include "domain/project/applied.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "domain/project/sketch_testing.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

namespace slipway::project {
namespace {

const std::map<std::string, std::string> kDocuments = {{"contracts/hour.odcs.yaml", "a: 1\n"}};

class AppliedTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    pool = open(db::joined({graph::migrations(), migrations()}));
  }
  Outcome put(const std::string& text, UnixMs now_ms,
              const std::map<std::string, std::string>& documents = kDocuments) {
    Declared declared = *declare(text, documents);
    declared.commit = "c0ffee";
    Result<Outcome> outcome =
        pool->write([&](db::Tx& tx) { return apply(tx, declared, "person", now_ms); });
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    return outcome.ok() ? *outcome : Outcome();
  }
  std::vector<graph::LoggedEvent> events() {
    return *pool->read([&](db::Tx& tx) { return graph::events_after(tx, 0, 1000); });
  }
  std::unique_ptr<db::Pool> pool;
};

INSTANTIATE_TEST_SUITE_P(Engines, AppliedTest, db::every_engine(), db::engine_name);

TEST_P(AppliedTest, IsParsedOnceForAsLongAsItHolds) {
  CurrentProject project;
  auto get = [&] { return *pool->read([&](db::Tx& tx) { return project.get(tx); }); };
  EXPECT_EQ(get(), nullptr);
  put("version: 1\nproject: bikes\n", 1000, {});
  auto first = get();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->declared.file.name, "bikes");
  EXPECT_EQ(get(), first);
  put("version: 1\nproject: rides\n", 2000, {});
  EXPECT_EQ(get()->declared.file.name, "rides");
}

TEST_P(AppliedTest, NothingHoldsBeforeTheFirstApply) {
  auto applied = pool->read([](db::Tx& tx) { return current(tx); });
  ASSERT_TRUE(applied.ok()) << applied.error().message;
  EXPECT_FALSE(*applied);
}

TEST_P(AppliedTest, HoldsWithItsDocuments) {
  Outcome outcome = put(kSketch, 1000);
  EXPECT_TRUE(outcome.changed);
  auto applied = pool->read([](db::Tx& tx) { return current(tx); });
  ASSERT_TRUE(applied.ok() && *applied);
  EXPECT_EQ((*applied)->number, 1);
  EXPECT_EQ((*applied)->declared.text, kSketch);
  EXPECT_EQ((*applied)->declared.documents, kDocuments);
  EXPECT_EQ((*applied)->declared.commit, "c0ffee");
  EXPECT_EQ((*applied)->declared.file.find_deployment("bikes")->gates.size(), 5u);
  EXPECT_EQ((*applied)->digest, digest_of((*applied)->declared));
  EXPECT_EQ((*applied)->actor, "person");
  EXPECT_EQ((*applied)->time_ms, 1000);
}

TEST_P(AppliedTest, TellsOfEachObjectThatChanged) {
  Outcome first = put(kSketch, 1000);
  std::vector<graph::LoggedEvent> log = events();
  ASSERT_EQ(log.size(), 21u);
  EXPECT_EQ(log[0].event.type, "project.applied");
  EXPECT_EQ(log[0].event.subject, (graph::NodeRef{"project", "bikes"}));
  EXPECT_EQ(log[0].event.actor, "person");
  EXPECT_EQ(log[0].seq, first.event_seq);
  EXPECT_EQ(log[0].event.data.find("changes")->as_int64(), 20);
  EXPECT_EQ(log[1].event.type, "declaration.added");
  EXPECT_EQ(log[1].event.cause_seq, first.event_seq);
  put(replace_all(kSketch, "at_most: 0.35", "at_most: 0.3"), 2000);
  log = events();
  ASSERT_EQ(log.size(), 23u);
  EXPECT_EQ(log[22].event.type, "declaration.changed");
  EXPECT_EQ(log[22].event.subject, (graph::NodeRef{"requirement", "quality"}));
  EXPECT_EQ(log[22].event.data.find("old")->find("at_most")->as_double(), 0.35);
  EXPECT_EQ(log[22].event.data.find("new")->find("at_most")->as_double(), 0.3);
}

TEST_P(AppliedTest, OfTheSameTextWritesNothing) {
  put(kSketch, 1000);
  Outcome again = put(kSketch, 2000);
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.number, 1);
  EXPECT_EQ(events().size(), 21u);
}

TEST_P(AppliedTest, OfAnotherTextThatSaysTheSameIsOneEvent) {
  put(kSketch, 1000);
  Outcome again = put(std::string("# a remark\n") + kSketch, 2000);
  EXPECT_TRUE(again.changed);
  EXPECT_TRUE(again.changes.empty());
  EXPECT_EQ(events().size(), 22u);
}

TEST_P(AppliedTest, AnEditOfAContractIsAChange) {
  put(kSketch, 1000);
  Outcome again = put(kSketch, 2000, {{"contracts/hour.odcs.yaml", "a: 2\n"}});
  EXPECT_EQ(again.changes.size(), 2u);
  auto applied = pool->read([](db::Tx& tx) { return current(tx); });
  EXPECT_EQ((*applied)->declared.documents.at("contracts/hour.odcs.yaml"), "a: 2\n");
}

TEST_P(AppliedTest, KeepsWhatHeldBefore) {
  put(kSketch, 1000);
  put(std::string("# a remark\n") + kSketch, 2000);
  put(kSketch, 3000);
  auto rows = pool->read([](db::Tx& tx) { return history(tx, 10); });
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[0].number, 3);
  EXPECT_EQ((*rows)[0].digest, (*rows)[2].digest);
  EXPECT_EQ((*rows)[2].time_ms, 1000);
  EXPECT_EQ((*rows)[2].project, "bikes");
}

TEST_P(AppliedTest, ReplacesWhatThisProgramCannotRead) {
  auto done = pool->write([](db::Tx& tx) {
    return tx.run(
        "insert into applied_projects (number, project, digest, commit_id, dirty, actor, time_ms, "
        "content) values (1, 'p', 'x', '', 0, 'a', 0, 'version: 99')");
  });
  ASSERT_TRUE(done.ok());
  auto applied = pool->read([](db::Tx& tx) { return current(tx); });
  EXPECT_EQ(applied.error().tag, "unreadable");
  Outcome outcome = put(kSketch, 1000);
  EXPECT_EQ(outcome.number, 2);
  EXPECT_EQ(outcome.changes.size(), 20u);
}

}  // namespace
}  // namespace slipway::project
