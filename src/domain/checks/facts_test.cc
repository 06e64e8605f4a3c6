#include "domain/checks/facts.h"

#include <cmath>

#include "domain/checks/plan.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::checks {
namespace {

class CheckFacts : public db::OnEachEngine {
 protected:
  std::unique_ptr<db::Pool> open_all() {
    return open(db::joined({graph::migrations(), checks::migrations()}));
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, CheckFacts, db::every_engine(), db::engine_name);

constexpr char kContract[] =
    "apiVersion: v3.1.0\nkind: DataContract\nid: hours\nversion: 1.0.0\nschema: [{name: t}]\n";

Profile small_profile() {
  Plan plan;
  plan.columns.emplace_back().column = "x";
  Profiler profiler(plan, {{"x", table::Type::kReal}});
  const double values[] = {1, 2, 3};
  table::ColumnView view;
  view.type = table::Type::kReal;
  view.reals = values;
  table::Chunk chunk;
  chunk.rows = 3;
  chunk.columns = {view};
  profiler.add(chunk);
  Profile profile = profiler.profile();
  profile.table = "t.csv";
  return profile;
}

Judgement judgement_of(const std::string& contract, const std::string& profile) {
  Judgement judgement;
  judgement.id = "0190aaaa-0000-7000-8000-000000000001";
  judgement.contract = contract;
  judgement.profile = profile;
  judgement.about = {graph::kind::kData, "d41d8cd98f00b204e9800998ecf8427e"};
  judgement.environment = Environment::kValidation;
  judgement.time_ms = 1000;
  judgement.verdicts.push_back(
      {"x/range", "x", Status::kFail, Severity::kBlock, INFINITY, 0, 3, "3 cells", ""});
  judgement.verdicts.push_back(
      {"x/exists", "x", Status::kPass, Severity::kFail, {}, {}, 3, "", ""});
  judgement.verdicts.push_back({std::string(2000, 'y') + "/exists",
                                "y",
                                Status::kError,
                                Severity::kFail,
                                {},
                                {},
                                0,
                                "broken",
                                "native"});
  return judgement;
}

TEST_P(CheckFacts, KeepContractsAndProfilesByTheirContent) {
  std::unique_ptr<db::Pool> pool = open_all();
  const Contract contract = parse_contract(kContract, "c").value();
  const Profile profile = small_profile();
  const graph::NodeRef data{graph::kind::kData, "0cc175b9c0f1b6a831c399e269772661"};
  std::string digest;
  for (int again = 0; again < 2; ++again) {
    auto kept = pool->write([&](db::Tx& tx) -> Result<std::string> {
      TRY(put_contract(tx, contract, kContract, 1));
      return put_profile(tx, profile, data, 2);
    });
    ASSERT_TRUE(kept.ok()) << kept.error().message;
    digest = *kept;
  }
  auto read = pool->read([&](db::Tx& tx) -> Result<> {
    EXPECT_EQ(TRY(find_contract_text(tx, contract.digest)), kContract);
    EXPECT_EQ(TRY(find_contract_text(tx, "none")), std::nullopt);
    EXPECT_EQ(to_json(*TRY(find_profile(tx, digest))), to_json(profile));
    EXPECT_EQ(TRY(newest_profile_about(tx, data)), digest);
    EXPECT_FALSE(TRY(find_profile(tx, "none")).has_value());
    const auto edges = TRY(graph::causes_of(tx, {graph::kind::kProfile, digest}));
    EXPECT_EQ(edges.size(), 1u);
    EXPECT_TRUE(edges[0].cause == data);
    return {};
  });
  EXPECT_TRUE(read.ok()) << read.error().message;
}

TEST_P(CheckFacts, AJudgementIsARowNodesEdgesAndAnEvent) {
  std::unique_ptr<db::Pool> pool = open_all();
  const Contract contract = parse_contract(kContract, "c").value();
  auto seq = pool->write([&](db::Tx& tx) -> Result<std::int64_t> {
    TRY(put_contract(tx, contract, kContract, 1));
    const Judgement judgement = judgement_of(contract.digest, "");
    const std::string profile = TRY(put_profile(tx, small_profile(), judgement.about, 1));
    return put_judgement(tx, judgement_of(contract.digest, profile), "slipway", 0);
  });
  ASSERT_TRUE(seq.ok()) << seq.error().message;
  auto read = pool->read([&](db::Tx& tx) -> Result<> {
    const Judgement expected = judgement_of(contract.digest, "");
    const auto found = TRY(find_judgement(tx, expected.id));
    EXPECT_TRUE(found.has_value());
    if (!found) return {};
    EXPECT_EQ(found->environment, Environment::kValidation);
    EXPECT_EQ(found->verdicts.size(), 3u);
    EXPECT_EQ(found->verdicts[0].observed, INFINITY);
    EXPECT_EQ(found->verdicts[0].severity, Severity::kBlock);
    EXPECT_EQ(found->verdicts[2].status, Status::kError);
    EXPECT_EQ(TRY(judgements_about(tx, expected.about, 10)), std::vector{expected.id});
    const graph::NodeRef failed{graph::kind::kVerdict, expected.id + "/x/range"};
    const auto node = TRY(graph::find_node(tx, failed));
    EXPECT_TRUE(node.has_value());
    std::vector<std::string> relations;
    for (const graph::Edge& edge : TRY(graph::causes_of(tx, failed)))
      relations.push_back(edge.relation + " " + edge.cause.kind);
    EXPECT_EQ(relations,
              (std::vector<std::string>{"about data", "by contract_version", "used profile"}));
    const auto passed =
        TRY(graph::find_node(tx, {graph::kind::kVerdict, expected.id + "/x/exists"}));
    EXPECT_FALSE(passed.has_value());
    const auto events = TRY(graph::events_after(tx, *seq - 1, 10));
    EXPECT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].event.type, "contract.checked");
    EXPECT_EQ(events[0].event.data.find("failed")->as_int64(), 1);
    EXPECT_EQ(events[0].event.data.find("status")->as_string(), "fail");
    return {};
  });
  EXPECT_TRUE(read.ok()) << read.error().message;
}

}  // namespace
}  // namespace slipway::checks
