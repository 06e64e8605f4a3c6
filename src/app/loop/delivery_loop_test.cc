#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <future>

#include "app/app.h"
#include "app/catalogue.h"
#include "app/circle.h"
#include "app/delivery_api.h"
#include "app/loop/gate_part.h"
#include "app/loop/intake_part.h"
#include "app/loop/rollout_part.h"
#include "app/model_source.h"
#include "app/version_files.h"
#include "base/ids.h"
#include "domain/serving/serving_testing.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"
#include "io/db/power_loss_testing.h"

// The parts of the loop that deliver a version, on a real catalogue, real files and real models.
namespace slipway::app {
namespace {

using namespace std::chrono_literals;
using delivery::Phase;

constexpr UnixMs kStart = 1'304'208'000'000;  // 2011-05-01
constexpr char kNobody[] = "";

constexpr char kProject[] = R"(version: 1
project: bikes
use_case:
  problem: how many
  user: dispatcher
  owner: ops@example.org
  requirements: []
deployments:
  live:
    model: bikes
    gates: [GATES]
    rollout:
      - shadow: {percent: 100, min_requests: 20, max_wait: 14d}
      - canary: {percent: 50, min_requests: 20, max_wait: 14d}
    guards: [{metric: error_rate, critical: true}]
)";

std::string project_with(const std::string& gates) {
  std::string text = kProject;
  return text.replace(text.find("GATES"), 5, gates);
}

/// Golden rows of a stump: `low` below 10, `high` from there and where x is missing.
std::string golden_of(float low, float high) {
  delivery::GoldenRows rows;
  rows.columns = {"x", "y"};
  rows.made_by = "a test";
  rows.rows = delivery::kGoldenRowsMin;
  rows.features = 2;
  rows.width = rows.margins = 1;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const float x = i % 16 == 0 ? std::nanf("") : static_cast<float>(i % 20);
    rows.cells.push_back(x);
    rows.cells.push_back(static_cast<float>(i));
    rows.values.push_back(x < 10 ? low : high);
  }
  rows.margin_values = rows.values;
  return delivery::to_text(rows);
}

/// Everything that a server has of delivery, on a folder that outlives it.
class Server {
 public:
  /// `vfs`: of the catalogue's disk; "" for the real one.
  Server(const std::filesystem::path& folder, FakeClock& clock, const std::string& vfs = "")
      : clock_(clock),
        pool_(std::move(*db::Pool::open(catalogue_uri(folder), all_migrations(), metrics_,
                                        {.sqlite_vfs = vfs}))),
        blobs_(std::move(*blob::open_folder(folder / "artifacts"))),
        registry_(*pool_, clock, {}, holds_of_deployments),
        tracking_(std::move(
            *tracking::Tracking::open(*pool_, clock, {.artifact_root = "mlflow-artifacts:/"}))),
        source_(*pool_, registry_, *blobs_),
        serving_(source_, system_, metrics_),
        deployed_(serving_, clock, metrics_),
        circle_(clock) {
    serving_.start();
    auto wake = [this] { circle_.wake(); };
    auto rollouts = std::make_unique<RolloutPart>(
        *pool_, project_, *deployed_,
        RolloutPartOptions{uuid7(clock.now_ms()), "key", wake, [this] { serving_.refresh(); }});
    EXPECT_TRUE(rollouts->restore(clock.now_ms(), 10s).ok());
    parts_ = {new IntakePart(*pool_, project_, registry_, *blobs_, wake,
                             [this] { ++registry_changes_; }),
              new GatePart({*pool_, registry_, *tracking_, *blobs_, clock}, project_, wake),
              rollouts_ = rollouts.release()};
    for (Part* part : parts_) circle_.add(std::unique_ptr<Part>(part));
  }
  ~Server() { serving_.stop(); }

  /// Until nothing is left to do; what happens after it happens later.
  void settle() {
    Result<> settled = circle_.settle(60s);
    EXPECT_TRUE(settled.ok()) << settled.error().message;
    clock_.advance(1s);
  }
  /// One turn of one part.
  bool turn(std::size_t part) {
    Result<bool> did = parts_.at(part)->turn(clock_.now_ms());
    EXPECT_TRUE(did.ok()) << did.error().message;
    // Its outcome is taken by the next turn.
    while (parts_.at(part)->is_pending()) EXPECT_TRUE(parts_.at(part)->turn(clock_.now_ms()).ok());
    return did.ok() && *did;
  }
  std::size_t parts() const { return parts_.size(); }
  /// One turn of the rollouts, whatever comes of it.
  bool can_turn() {
    const bool ok = rollouts_->turn(clock_.now_ms()).ok();
    while (rollouts_->is_pending()) std::ignore = rollouts_->turn(clock_.now_ms()).ok();
    return ok;
  }
  /// As the API does: then one turn of the rollouts, and no more.
  void act(const std::string& action) {
    auto done = act_on_deployment(world(), "live", action, {"ann", "sure"});
    EXPECT_TRUE(done.ok()) << done.error().message;
    rollouts_->note_wish();
    EXPECT_TRUE(rollouts_->turn(clock_.now_ms()).ok());
  }
  /// Why the deployment answers nothing, as its route says.
  std::string unserved() {
    const serving::Deployment now = deployed_->find("live");
    return now ? now->route.unserved : "";
  }

  std::int64_t register_version(const std::string& location) {
    std::promise<Result<registry::Version>> made;
    registry::NewVersion version;
    version.model = "bikes";
    version.source = version.location = "mlflow-artifacts:/" + location;
    registry_.create_version(kNobody, version,
                             [&](Result<registry::Version> v) { made.set_value(std::move(v)); });
    Result<registry::Version> result = made.get_future().get();
    EXPECT_TRUE(result.ok()) << result.error().message;
    return result.ok() ? result->number : 0;
  }
  /// As a stage of a pipeline's run would have made it, that are in these states.
  void tell_maker(std::int64_t version, const std::string& stage, const std::string& run) {
    using graph::NodeRef;
    const NodeRef made{graph::kind::kModelVersion, "bikes/" + std::to_string(version)};
    const NodeRef tracked{graph::kind::kRun, "r1"}, attempt{graph::kind::kAttempt, "a1"},
        whole{graph::kind::kPipelineRun, "p1"};
    wire::Json of_stage(wire::Json::Object{{"stage", "train"}, {"state", stage}, {"started_ms", 1}});
    if (stage != "running") of_stage.set("ended_ms", 2);
    const wire::Json of_run(wire::Json::Object{{"state", run}, {"reason", "exited with 1"}});
    const Result<> told = pool_->write([&](db::Tx& tx) -> Result<> {
      const wire::Json none(wire::Json::Object{});
      TRY(graph::put_node(tx, tracked, none, kStart));
      TRY(graph::put_node(tx, attempt, of_stage, kStart));
      TRY(graph::put_node(tx, whole, of_run, kStart));
      TRY(graph::put_edge(tx, {made, graph::relation::kProducedBy, tracked, none}, kStart));
      TRY(graph::put_edge(tx, {tracked, graph::relation::kProducedBy, attempt, none}, kStart));
      return graph::put_edge(tx, {attempt, graph::relation::kPartOf, whole, none}, kStart);
    });
    EXPECT_TRUE(told.ok()) << told.error().message;
  }
  void make_model() {
    std::promise<void> made;
    registry_.create_model(kNobody, {"bikes", "", {}},
                           [&](Result<registry::Model>) { made.set_value(); });
    made.get_future().get();
  }
  Result<> delete_version(std::int64_t version) {
    std::promise<Result<>> done;
    registry_.delete_version("ann", "bikes", version, [&](Result<> r) { done.set_value(r); });
    return done.get_future().get();
  }
  /// By its name, though it is held.
  Result<> force_delete(std::int64_t version) {
    release(version);
    return delete_version(version);
  }
  Result<> may_remove(const std::string& key) {
    return pool_->read([&](db::Tx& tx) { return check_may_remove(tx, key); });
  }
  void release(std::int64_t version) {
    std::promise<void> done;
    registry_.set_version_tag("ann", "bikes", version,
                              {registry::kReleaseTag, "bikes/" + std::to_string(version)},
                              [&](Result<>) { done.set_value(); });
    done.get_future().get();
  }
  void delete_model_by_force() {
    std::promise<void> tagged;
    registry_.set_model_tag("ann", "bikes", {registry::kReleaseTag, "bikes"},
                            [&](Result<>) { tagged.set_value(); });
    tagged.get_future().get();
    std::promise<Result<>> done;
    registry_.delete_model("ann", "bikes", [&](Result<> r) { done.set_value(r); });
    EXPECT_TRUE(done.get_future().get().ok());
  }
  void set_alias(std::int64_t version, const std::string& alias = "champion") {
    std::promise<void> done;
    registry_.set_alias("ann", "bikes", alias, version, [&](Result<>) { done.set_value(); });
    done.get_future().get();
  }
  void delete_alias() {
    std::promise<void> done;
    registry_.delete_alias("ann", "bikes", "champion", [&](Result<>) { done.set_value(); });
    done.get_future().get();
  }
  void set_stage(std::int64_t version, registry::Stage stage) {
    std::promise<void> done;
    registry_.set_stage("ann", "bikes", version, stage, /*archive_others=*/false,
                        [&](Result<registry::Version>) { done.set_value(); });
    done.get_future().get();
  }
  /// How often a request that was refused moved an alias.
  int registry_changes() const { return registry_changes_; }
  /// Who moved aliases of the version, and the type of the event that made them do so.
  std::vector<std::string> alias_moves(std::int64_t version) {
    const auto read = pool_->read([&](db::Tx& tx) -> Result<std::vector<std::string>> {
      std::vector<std::string> moves;
      const std::string id = "bikes/" + std::to_string(version);
      for (const auto& event :
           TRY(graph::events_about(tx, {graph::kind::kModelVersion, id}, 1000))) {
        if (event.event.type != "alias.set") continue;
        const auto cause = TRY(graph::events_after(tx, event.event.cause_seq - 1, 1));
        moves.push_back(event.event.actor + ": " + cause.at(0).event.type);
      }
      return moves;
    });
    EXPECT_TRUE(read.ok());
    return read.ok() ? *read : std::vector<std::string>();
  }
  std::int64_t champion(const std::string& alias = "champion") {
    auto version = registry_.version_by_alias("bikes", alias);
    return version.ok() ? version->number : 0;
  }
  void apply(const std::string& text) {
    auto declared = project::declare(text, {});
    ASSERT_TRUE(declared.ok()) << declared.error().message;
    auto outcome = pool_->write(
        [&](db::Tx& tx) { return project::apply(tx, *declared, "ann", clock_.now_ms()); });
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  }

  delivery::Deployment deployment() {
    return **pool_->read([](db::Tx& tx) { return delivery::find_deployment(tx, "live"); });
  }
  std::vector<delivery::Rollout> rollouts() {
    return *pool_->read([](db::Tx& tx) { return delivery::rollouts_of(tx, "live", 100); });
  }
  delivery::Rollout newest() {
    auto all = rollouts();
    return all.empty() ? delivery::Rollout() : all.front();
  }
  /// Why the newest rollout went from each of its phases to the next.
  std::string reasons() {
    const std::string id = newest().id;
    const auto steps = pool_->read([&](db::Tx& tx) { return delivery::transitions_of(tx, id); });
    std::string all;
    for (const auto& step : *steps) all += step.reason + "\n";
    return all;
  }
  /// Types of what happened to the deployment, in order.
  std::vector<std::string> events() {
    std::vector<std::string> types;
    const auto logged = pool_->read([](db::Tx& tx) {
      return graph::events_about(tx, {graph::kind::kDeployment, "live"}, 1000);
    });
    for (const auto& event : *logged)
      if (event.event.type != "declaration.added") types.push_back(event.event.type);
    return types;
  }
  /// Answers with x; the version that did, 0 for nobody.
  int ask(float x, const std::string& key = "") {
    const serving::Deployment live = deployed_->find("live");
    if (!live) return 0;
    auto assigned = deployed_->assign(live, key);
    if (!assigned.ok()) return 0;
    auto scored = deployed_->answer(*assigned, {x, 0}, 1, {key, "", 0}, clock_.now_ms());
    return scored.ok() ? std::stoi(scored->version->version) : -1;
  }
  void drain_shadows() { deployed_->drain_shadow(); }
  /// Many requests with different keys.
  void ask_often(int n, float x) {
    for (int i = 0; i < n; ++i) ask(x, "key" + std::to_string(i));
  }
  DeliveryWorld world() {
    return {*pool_, registry_, *blobs_, project_, clock_, {}, {}, &*deployed_};
  }
  /// What the deployment says of itself.
  wire::Json shown(const std::string& name = "live") { return *show_deployment(world(), name); }
  Result<std::vector<delivery::GateVerdict>> verdicts() {
    const std::string id = newest().id;
    return pool_->read([&](db::Tx& tx) { return delivery::gate_verdicts(tx, id); });
  }

 private:
  FakeClock& clock_;
  SystemClock system_;  // spans between looks at the registry are real
  Metrics metrics_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<blob::Blobs> blobs_;
  registry::Registry registry_;
  std::unique_ptr<tracking::Tracking> tracking_;
  RegistrySource source_;
  serving::Serving serving_;
  serving::DeployedForTest deployed_;
  project::CurrentProject project_;
  Circle circle_;
  RolloutPart* rollouts_ = nullptr;
  std::atomic<int> registry_changes_ = 0;
  std::vector<Part*> parts_;
};

class DeliveryLoopTest : public testing::Test {
 protected:
  void SetUp() override {
    start();
    server_->make_model();
  }
  void start() { server_ = std::make_unique<Server>(folder_.path(), clock_); }
  void restart() {
    server_.reset();
    start();
  }
  /// A version whose files lie in the artifact store.
  std::int64_t add(const std::string& low, const std::string& high, bool golden = true) {
    const std::string name = "m" + std::to_string(++models_);
    const auto folder = folder_.path() / "artifacts" / name;
    serving::write_stump(folder, low, high);
    if (golden)
      std::ofstream(folder / delivery::kGoldenFile) << golden_of(std::stof(low), std::stof(high));
    return server_->register_version(name);
  }
  std::filesystem::path folder_of(int model) {
    return folder_.path() / "artifacts" / ("m" + std::to_string(model));
  }
  /// Version 1 is live.
  void serve_first(const std::string& gates = "integrity, parity") {
    server_->apply(project_with(gates));
    add("1", "2");
    server_->settle();
    ASSERT_EQ(server_->newest().phase, Phase::kLive) << server_->newest().reason;
  }
  /// Version 1 is live; version 2, which fails above 10, is in canary.
  void try_one_that_fails() {
    serve_first("integrity");
    add("1", "NaN", /*golden=*/false);
    server_->settle();
    server_->ask_often(30, 5);
    server_->settle();
    ASSERT_EQ(server_->newest().phase, Phase::kCanarying);
  }
  /// Version 1 was live; version 2 is now, by hand.
  void promote_second() {
    serve_first();
    add("3", "4");
    server_->settle();
    ASSERT_TRUE(act_on_deployment(server_->world(), "live", "promote", {"ann", "", 0}).ok());
    server_->settle();
  }

  FakeClock clock_{kStart};
  db::TemporaryFolder folder_;
  int models_ = 0;
  std::unique_ptr<Server> server_;
};

TEST_F(DeliveryLoopTest, TheFirstVersionGoesThroughItsGatesAndIsLive) {
  server_->apply(project_with("integrity, parity"));
  server_->settle();
  EXPECT_EQ(server_->ask(5), 0);
  add("1", "2");
  server_->settle();
  EXPECT_EQ(server_->deployment().stable, 1);
  EXPECT_EQ(server_->ask(5), 1);
  EXPECT_EQ(server_->champion(), 1);
  EXPECT_EQ(server_->events(),
            (std::vector<std::string>{"rollout.requested", "rollout.gates_started",
                                      "rollout.promoted", "rollout.settled"}));
}

TEST_F(DeliveryLoopTest, ADeploymentThatIsDeclaredLaterAsksForWhatItsModelMeans) {
  add("1", "2");
  add("3", "4");
  add("5", "6");
  server_->set_alias(2);
  server_->apply(project_with("integrity"));
  server_->settle();
  EXPECT_EQ(server_->deployment().stable, 2);
  EXPECT_EQ(server_->rollouts().size(), 1u);
}

TEST_F(DeliveryLoopTest, ACandidateGoesThroughShadowAndCanaryByRequests) {
  serve_first();
  add("1", "2");
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kShadowing);
  server_->ask_often(30, 5);
  server_->settle();
  ASSERT_EQ(server_->newest().phase, Phase::kCanarying) << server_->newest().reason;
  EXPECT_EQ(server_->champion(), 1);
  server_->ask_often(100, 5);
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kLive) << server_->newest().reason;
  EXPECT_EQ(server_->ask(5), 2);
  EXPECT_EQ(server_->champion(), 2);
}

TEST_F(DeliveryLoopTest, ACandidateThatFailsIsRolledBackAndStaysAway) {
  try_one_that_fails();
  server_->set_alias(2);
  server_->settle();
  server_->ask_often(200, 15);
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack) << server_->newest().reason;
  EXPECT_EQ(server_->ask(15), 1);
  EXPECT_EQ(server_->champion(), 1) << "it gives the alias back";
  server_->set_alias(2);
  server_->settle();
  EXPECT_EQ(server_->rollouts().size(), 2u);
  EXPECT_EQ(server_->events().back(), "rollout.refused");
  EXPECT_EQ(server_->ask(15), 1);
}

TEST_F(DeliveryLoopTest, AVersionThatIsRefusedGivesTheAliasBackToTheOneThatServes) {
  promote_second();
  server_->act("rollback");
  server_->settle();
  ASSERT_EQ(server_->deployment().stable, 1);
  server_->set_alias(2);
  server_->settle();
  EXPECT_EQ(server_->champion(), 1);
  EXPECT_EQ(server_->registry_changes(), 1) << "who keeps what the registry says is told";
  EXPECT_EQ(server_->alias_moves(1).back(), "slipway: rollout.refused");
  EXPECT_EQ(server_->rollouts().size(), 2u) << "that asks for nothing";
}

TEST_F(DeliveryLoopTest, AnAliasThatWasMovedOnMeanwhileStaysWhereItIs) {
  promote_second();
  server_->act("rollback");
  server_->settle();
  add("5", "6");
  server_->settle();
  server_->set_alias(2);
  server_->set_alias(3);
  server_->settle();
  EXPECT_EQ(server_->champion(), 3) << "its rollout is under way";
  EXPECT_EQ(server_->registry_changes(), 0);
}

TEST_F(DeliveryLoopTest, OneWhosePlaceWasTakenGivesTheAliasBackWhenTheOthersAreOver) {
  serve_first();
  add("3", "4");
  server_->settle();
  add("5", "6");
  server_->settle();
  server_->set_alias(3);
  server_->settle();
  EXPECT_EQ(server_->champion(), 3) << "it waits for the one under way";
  add("7", "8");
  server_->settle();
  ASSERT_EQ(server_->newest().version, 4);
  server_->act("rollback");
  server_->settle();
  EXPECT_EQ(server_->champion(), 1) << "nobody tries it any more";
  EXPECT_EQ(server_->newest().phase, Phase::kShadowing);
}

TEST_F(DeliveryLoopTest, AVersionThatIsRefusedInProductionIsNotWhatTheBareNameMeans) {
  promote_second();
  server_->act("rollback");
  server_->settle();
  server_->delete_alias();
  server_->set_stage(2, registry::Stage::kProduction);
  server_->settle();
  EXPECT_EQ(server_->champion(), 1);
}

TEST_F(DeliveryLoopTest, ACandidateThatFailsAnswersNobodyAlsoWhileTheDiskIsFull) {
  db::PowerLossDisk disk;
  server_ = std::make_unique<Server>(folder_.path() / "", clock_, disk.vfs_name());
  server_->make_model();
  try_one_that_fails();
  disk.fail_at(1, db::PowerLossDisk::Fault::kDiskFull, /*until_healed=*/true);
  server_->ask_often(200, 15);
  EXPECT_FALSE(server_->can_turn());
  std::ignore = server_->can_turn();  // the route without it is in place
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(server_->ask(5, "key" + std::to_string(i)), 1) << "nobody gets the candidate";
  EXPECT_EQ(server_->newest().phase, Phase::kCanarying) << "nothing was written down";
  disk.heal();
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack) << server_->newest().reason;
  server_.reset();
}

TEST_F(DeliveryLoopTest, AMovedAliasAsksAndDoesNotSwap) {
  serve_first();
  add("3", "4");
  server_->settle();
  ASSERT_TRUE(act_on_deployment(server_->world(), "live", "rollback", {"ann", "not yet"}).ok());
  server_->settle();
  ASSERT_TRUE(release_version(server_->world(), "bikes", 2, {"ann", "sure"}).ok());
  server_->set_alias(2);
  server_->settle();
  EXPECT_EQ(server_->newest().version, 2);
  EXPECT_EQ(server_->newest().asked_by, "ann");
  EXPECT_EQ(server_->newest().phase, Phase::kShadowing);
  EXPECT_EQ(server_->ask(5), 1);
}

TEST_F(DeliveryLoopTest, AnAliasThatAPromotionMovesAsksForNothing) {
  std::string text = project_with("integrity, parity");
  text += "  other: {model: bikes, gates: [integrity]}\n";
  server_->apply(text);
  add("1", "2", /*golden=*/false);
  server_->settle();
  EXPECT_EQ(server_->champion(), 1) << "the other deployment serves it";
  EXPECT_EQ(server_->newest().phase, Phase::kStopped);
  server_->settle();
  EXPECT_EQ(server_->rollouts().size(), 1u);
}

TEST_F(DeliveryLoopTest, AVersionThatIsMovedToProductionAsks) {
  serve_first();
  server_->apply("version: 1\nproject: bikes\n");
  server_->settle();
  add("3", "4");
  server_->settle();
  server_->apply(project_with("integrity"));
  server_->settle();
  EXPECT_EQ(server_->rollouts().size(), 1u) << "nobody asked while it was not declared";
  server_->set_stage(2, registry::Stage::kProduction);
  server_->settle();
  EXPECT_EQ(server_->newest().version, 2);
  EXPECT_EQ(server_->newest().phase, Phase::kShadowing);
}

TEST_F(DeliveryLoopTest, WithoutGoldenRowsAVersionNeedsAWaiver) {
  server_->apply(project_with("integrity, parity"));
  add("1", "2", /*golden=*/false);
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kStopped);
  EXPECT_EQ(server_->newest().reason,
            "parity: there are no golden rows: no stage of dvc.yaml made this version; `python -m "
            "slipway.golden MODEL TABLE` makes some, and `slipway deploy --version 1` asks the "
            "gates again");
  EXPECT_EQ(server_->unserved().substr(0, 60),
            "version 1 of model bikes was stopped at its gates, parity: t");
  EXPECT_EQ(server_->ask(5), 0);
  WaiverRequest waiver;
  waiver.gate = "parity";
  waiver.name = "ann";
  waiver.reason = "a test";
  waiver.lasts = "7d";
  ASSERT_TRUE(waive_gate(server_->world(), "bikes", waiver).ok());
  ASSERT_TRUE(act_on_deployment(server_->world(), "live", "deploy", {"ann", "", 1}).ok());
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kLive) << server_->newest().reason;
}

TEST_F(DeliveryLoopTest, AVersionWaitsForTheWholeRunThatMakesIt) {
  server_->apply(project_with("integrity, parity"));
  add("1", "2");
  server_->tell_maker(1, "running", "running");
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kGating);
  for (const char* run : {"running", "retry_wait"}) {  // a later stage of it is not over
    server_->tell_maker(1, "succeeded", run);
    clock_.advance(24h);
    server_->settle();
    EXPECT_EQ(server_->newest().phase, Phase::kGating) << run;
    EXPECT_EQ(server_->shown().find("rollout")->find("next")->find("reason")->as_string(),
              std::string("waiting for the end of the pipeline run p1 that made it (") + run + ")");
  }
  server_->tell_maker(1, "succeeded", "succeeded");
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kLive) << server_->newest().reason;
}

TEST_F(DeliveryLoopTest, AVersionIsNoCandidateWhenItsStageOrItsRunFails) {
  server_->apply(project_with("integrity, parity"));
  add("1", "2");
  server_->tell_maker(1, "failed", "failed");
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kStopped);
  EXPECT_EQ(server_->newest().reason.substr(0, 64),
            "integrity: the pipeline run p1 that made it failed: exited with ");
  EXPECT_EQ(server_->ask(5), 0);
}

TEST_F(DeliveryLoopTest, GoldenRowsOfAStageThatFailedAreMissingBecauseOfThat) {
  server_->apply(project_with("integrity, parity"));
  add("1", "2", /*golden=*/false);
  server_->tell_maker(1, "failed", "failed");
  server_->settle();
  const auto verdicts = server_->verdicts();
  ASSERT_TRUE(verdicts.ok());
  ASSERT_EQ(verdicts->size(), 2u);
  EXPECT_EQ((*verdicts)[1].words,
            "there are no golden rows: none are made when the pipeline run p1 that made it failed: "
            "exited with 1");
}

TEST_F(DeliveryLoopTest, WhatFailedLaterIsSaidByTheFirstGateWhereIntegrityIsNotAskedFor) {
  server_->apply(project_with("parity"));
  add("1", "2");
  server_->tell_maker(1, "succeeded", "timed_out");
  server_->settle();
  EXPECT_EQ(server_->newest().reason,
            "parity: the pipeline run p1 that made it took too long: exited with 1");
}

TEST_F(DeliveryLoopTest, AVersionThatNoEngineLoadsIsStoppedAndNoWaiverIsAdvised) {
  server_->apply(project_with("integrity, parity"));
  add("1", "2", /*golden=*/false);
  std::ofstream(folder_of(1) / "MLmodel")
      << "flavors:\n  sklearn: {pickled_model: model.pkl}\n"
         "  python_function: {loader_module: x}\n";
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kStopped);
  EXPECT_EQ(server_->newest().reason,
            "parity: no deployment can answer with it: not servable yet: flavour sklearn (models "
            "of XGBoost are served)");
}

TEST_F(DeliveryLoopTest, AFileThatWasChangedIsSeen) {
  serve_first();
  add("3", "4");
  ASSERT_TRUE(server_->turn(0));  // the digests are recorded
  std::ofstream(folder_of(2) / "model.json", std::ios::app) << " ";
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kStopped);
  EXPECT_NE(server_->newest().reason.find("model.json is changed"), std::string::npos)
      << server_->newest().reason;
}

TEST_F(DeliveryLoopTest, AnotherAnswerThanWhereItWasTrainedIsSeen) {
  serve_first();
  add("3", "4");
  std::ofstream(folder_of(2) / delivery::kGoldenFile) << golden_of(3, 5);
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kStopped);
  EXPECT_EQ(server_->newest().reason.substr(0, 7), "parity:") << server_->newest().reason;
}

TEST_F(DeliveryLoopTest, AVersionWhoseFilesAreLostIsNotGoneBackTo) {
  promote_second();
  ASSERT_EQ(server_->deployment().stable, 2);
  std::filesystem::remove(folder_of(1) / "MLmodel");
  restart();
  server_->settle();
  const auto back = act_on_deployment(server_->world(), "live", "rollback", {"ann", "", 0});
  ASSERT_FALSE(back.ok());
  EXPECT_EQ(back.error().code, Code::kConflict);
  EXPECT_EQ(back.error().message.substr(0, 79),
            "version 1 of model bikes, which live would go back to, can't be loaded: no such");
  EXPECT_EQ(server_->deployment().stable, 2);
  EXPECT_EQ(server_->ask(5), 2);
}

TEST_F(DeliveryLoopTest, AVersionWhoseFilesAreLostAfterItWasGoneBackToLeavesNobodyToAnswer) {
  promote_second();
  restart();  // the first version is not in memory any more
  server_->settle();
  ASSERT_TRUE(act_on_deployment(server_->world(), "live", "rollback", {"ann", "", 0}).ok());
  std::filesystem::remove(folder_of(1) / "MLmodel");
  server_->settle();
  EXPECT_EQ(server_->deployment().stable, 1);
  EXPECT_EQ(server_->ask(5), 0) << "version 2 is in quarantine";
  EXPECT_NE(server_->unserved().find("version 1 of model bikes can't be loaded"), std::string::npos)
      << server_->unserved();
}

TEST_F(DeliveryLoopTest, AnotherVersionTakesThePlaceOfOneWhoseFilesAreLost) {
  const auto sign = [&](int model) {
    std::ofstream(folder_of(model) / "MLmodel", std::ios::app)
        << "signature:\n  inputs: '[{\"type\": \"double\", \"name\": \"x\"}]'\n";
  };
  server_->apply(project_with("integrity, signature, parity"));
  add("1", "2");
  sign(1);
  server_->settle();
  ASSERT_EQ(server_->newest().phase, Phase::kLive) << server_->newest().reason;
  std::filesystem::remove(folder_of(1) / "MLmodel");
  restart();
  server_->settle();
  EXPECT_EQ(server_->ask(5), 0);
  add("3", "4");
  sign(2);
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kLive) << server_->newest().reason;
  EXPECT_EQ(server_->ask(5), 2);
}

TEST_F(DeliveryLoopTest, ACandidateThatCannotBeLoadedGoesBack) {
  serve_first("integrity");
  add("3", "4", /*golden=*/false);
  ASSERT_TRUE(server_->turn(0));
  server_->settle();
  ASSERT_EQ(server_->newest().phase, Phase::kShadowing);
  std::filesystem::remove_all(folder_of(2));
  restart();
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack) << server_->newest().reason;
  EXPECT_EQ(server_->ask(5), 1);
}

TEST_F(DeliveryLoopTest, AFirstVersionThatCannotBeLoadedLeavesNothingServed) {
  server_->apply(project_with(""));
  add("1", "2");
  std::ofstream(folder_of(1) / "model.json") << "{";
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack) << server_->newest().reason;
  EXPECT_EQ(server_->deployment().stable, 0);
  add("3", "4");
  server_->settle();
  EXPECT_EQ(server_->ask(5), 2);
}

TEST_F(DeliveryLoopTest, OtherBytesThanTheGatesSawAreNotServed) {
  serve_first("integrity");
  serving::write_stump(folder_of(1), "7", "8");
  restart();
  server_->settle();
  EXPECT_EQ(server_->ask(5), 0);
  // Put back, it answers again.
  serving::write_stump(folder_of(1), "1", "2");
  restart();
  server_->settle();
  EXPECT_EQ(server_->ask(5), 1);
}

TEST_F(DeliveryLoopTest, ACandidateWhoseBytesChangeUnderWayGoesBack) {
  serve_first("integrity");
  add("1", "2");
  server_->settle();
  ASSERT_EQ(server_->newest().phase, Phase::kShadowing);
  serving::write_stump(folder_of(2), "7", "8");
  restart();
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack);
  EXPECT_NE(server_->reasons().find("has changed since its rollout was asked for"),
            std::string::npos)
      << server_->reasons();
  EXPECT_EQ(server_->ask(5), 1);
}

TEST_F(DeliveryLoopTest, TwoDeploymentsOfAModelGoTheirOwnWays) {
  server_->apply(project_with("integrity") +
                 "  other: {model: bikes, alias: champion-of-others, gates: [integrity]}\n");
  add("1", "2");
  server_->settle();
  EXPECT_EQ(server_->champion(), 1);
  EXPECT_EQ(server_->champion("champion-of-others"), 1);
  // `live` takes it through shadow and canary, the other one at once.
  add("3", "4");
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kShadowing);
  EXPECT_EQ(server_->champion(), 1);
  EXPECT_EQ(server_->champion("champion-of-others"), 2);
  ASSERT_TRUE(act_on_deployment(server_->world(), "live", "rollback", {"ann", "no"}).ok());
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack);
  EXPECT_EQ(server_->shown().find("quarantine")->as_array().size(), 1u);
  EXPECT_EQ(server_->shown("other").find("quarantine")->as_array().size(), 0u);
  EXPECT_EQ(server_->shown("other").find("stable")->as_int64(), 2);
  // An alias is a wish for the deployment that moves it.
  server_->set_alias(1, "champion-of-others");
  server_->settle();
  EXPECT_EQ(server_->shown("other").find("stable")->as_int64(), 1);
  EXPECT_EQ(server_->rollouts().size(), 2u) << "nobody asked live for anything";
  EXPECT_EQ(server_->champion(), 1);
}

TEST_F(DeliveryLoopTest, WhatAnswersCannotBeDeletedByChance) {
  serve_first();
  const Result<> refused = server_->delete_version(1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().tag, "held");
  EXPECT_NE(refused.error().message.find("deployment live serves it"), std::string::npos);
  EXPECT_EQ(server_->shown().find("fault")->as_string(), "");
  EXPECT_TRUE(server_->shown().find("answers")->as_bool());
}

TEST_F(DeliveryLoopTest, WhatWasDeletedByForceIsSaidAndCanBeReplaced) {
  serve_first();
  ASSERT_TRUE(server_->force_delete(1).ok());
  server_->settle();
  EXPECT_EQ(server_->ask(5), 1) << "it is in memory";
  EXPECT_EQ(server_->shown().find("fault")->as_string(),
            "version 1 was deleted from the registry: it answers from memory until the server "
            "ends, then nobody does; `slipway deploy live --version N` brings another one");
  restart();
  server_->settle();
  EXPECT_EQ(server_->ask(5), 0);
  EXPECT_FALSE(server_->shown().find("answers")->as_bool());
  EXPECT_EQ(server_->shown().find("fault")->as_string(),
            "version 1 was deleted from the registry: nobody answers; `slipway deploy live "
            "--version N` brings another one");
  EXPECT_NE(server_->unserved().find("version 1 of model bikes can't be loaded: "),
            std::string::npos)
      << server_->unserved();
  add("3", "4");
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kLive) << server_->reasons();
  EXPECT_EQ(server_->ask(5), 2);
  EXPECT_EQ(server_->shown().find("fault")->as_string(), "");
}

TEST_F(DeliveryLoopTest, AVersionThatWasMadeAnewUnderAServingNumberIsNotServed) {
  serve_first();
  server_->delete_model_by_force();
  server_->make_model();
  add("7", "8");
  restart();
  server_->settle();
  EXPECT_EQ(server_->ask(5), 0) << "it has been through no gate";
  EXPECT_NE(server_->shown().find("fault")->as_string().find("was registered anew"),
            std::string::npos)
      << server_->shown().find("fault")->as_string();
}

TEST_F(DeliveryLoopTest, AVersionThatWasMadeAnewDoesNotHideThatTheOneThatServesIsGone) {
  serve_first();
  server_->delete_model_by_force();
  server_->make_model();
  clock_.advance(1s);
  add("7", "8");
  server_->settle();
  EXPECT_EQ(server_->ask(5), 1) << "it is in memory";
  const std::string fault =
      "version 1 was deleted with its model, and the version 1 that was registered anew has been "
      "through no gate: it answers from memory until the server ends, then nobody does; `slipway "
      "deploy live --version N` brings another one";
  EXPECT_EQ(server_->shown().find("fault")->as_string(), fault);
  EXPECT_FALSE(act_on_deployment(server_->world(), "live", "deploy", {"ann", "", 1}).ok());
  EXPECT_EQ(server_->shown().find("fault")->as_string(), fault) << "to ask for it changes nothing";
}

TEST_F(DeliveryLoopTest, FilesThatAreLostWhileTheirVersionServesAreSaid) {
  serve_first();
  EXPECT_EQ(server_->shown().find("fault")->as_string(), "");
  std::filesystem::remove(folder_of(1) / "MLmodel");
  EXPECT_EQ(server_->shown().find("fault")->as_string(),
            "file 'MLmodel' of version 1 is gone or changed: it answers from memory until the "
            "server ends, then nobody does; put back what was there, or `slipway deploy live "
            "--version N` brings another one");
  EXPECT_EQ(server_->ask(5), 1);
  std::filesystem::remove_all(folder_of(1));
  EXPECT_EQ(server_->shown().find("fault")->as_string().substr(0, 26), "files 'MLmodel' and 2 more")
      << server_->shown().find("fault")->as_string();
}

TEST_F(DeliveryLoopTest, FilesThatADeploymentNeedsAreNotDeletedByChance) {
  struct Case {
    const char* key;
    bool may;
  };
  promote_second();  // 1 served before
  std::ofstream(folder_of(2) / "late.txt") << "not seen by any rollout";
  const Case cases[] = {
      {"m1", false},         {"m2", false},      {"m2/model.json", false}, {"m1/MLmodel", false},
      {"m2/late.txt", true}, {"m2/other", true}, {"m", true},              {"m22", true},
      {"m2.json", true},
  };
  for (const Case& c : cases) {
    const Result<> may = server_->may_remove(c.key);
    EXPECT_EQ(may.ok(), c.may) << c.key;
    if (!may.ok()) {
      EXPECT_EQ(may.error().tag, "held") << c.key;
    }
  }
  EXPECT_EQ(server_->may_remove("m2").error().message,
            "'m2' can't be deleted: version bikes/2 of a registered model has its files there, and "
            "deployment live serves it. For them to be deleted nevertheless, set the version's tag "
            "'slipway.delete' to 'bikes/2' and ask again.");
  server_->release(2);
  EXPECT_TRUE(server_->may_remove("m2").ok());
  EXPECT_FALSE(server_->may_remove("m1").ok());
}

TEST(LiveFiles, TheStoreIsAskedSeldom) {
  const auto blobs = blob::open_memory();
  const auto put = [&] {
    auto writer = blobs->create("m1/MLmodel");
    ASSERT_TRUE((*writer)->write("x").ok() && (*writer)->commit().ok());
  };
  put();
  FakeClock clock{kStart};
  LiveFiles files(*blobs, clock);
  LiveVersion version{"live", "bikes", 1, 5, "m1", {{"MLmodel", "", 1, 0}}, false};
  EXPECT_EQ(files.lost(version).size(), 0u);
  ASSERT_TRUE(blobs->remove("m1").ok());
  EXPECT_EQ(files.lost(version).size(), 0u) << "it was looked at just now";
  clock.advance(LiveFiles::kLookEvery);
  EXPECT_EQ(files.lost(version), std::vector<std::string>{"MLmodel"});
  put();
  version.made_ms = 6;
  EXPECT_EQ(files.lost(version).size(), 0u) << "another version is looked at at once";
}

TEST_F(DeliveryLoopTest, WhatIsDeclaredNoMoreAnswersNoMore) {
  serve_first();
  add("3", "4");
  server_->settle();
  server_->apply("version: 1\nproject: bikes\n");
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack);
  EXPECT_EQ(server_->ask(5), 0);
  server_->apply(project_with("integrity"));
  server_->settle();
  EXPECT_EQ(server_->ask(5), 1) << "it serves what it served before";
}

TEST_F(DeliveryLoopTest, ARestartAnswersAsBefore) {
  serve_first();
  add("3", "4");
  server_->settle();
  server_->ask_often(10, 5);
  server_->settle();
  restart();
  EXPECT_EQ(server_->ask(5), 1) << "before any turn";
  server_->ask_often(10, 5);
  server_->settle();
  EXPECT_EQ(server_->newest().phase, Phase::kCanarying)
      << "what both processes counted is added up: " << server_->newest().reason;
}

/// Every part in its turn, the server killed after each: nothing happens twice.
TEST_F(DeliveryLoopTest, AKillAfterAnyTurnChangesNothing) {
  server_->apply(project_with("integrity, parity"));
  add("1", "2");
  int turns = 0;
  for (bool did = true; did;) {
    did = false;
    for (std::size_t part = 0; part < server_->parts(); ++part) {
      did |= server_->turn(part);
      restart();
      ++turns;
    }
    ASSERT_LT(turns, 200);
    if (server_->newest().phase == Phase::kLive) break;
  }
  EXPECT_EQ(server_->newest().phase, Phase::kLive);
  EXPECT_EQ(server_->rollouts().size(), 1u);
  EXPECT_EQ(server_->events(),
            (std::vector<std::string>{"rollout.requested", "rollout.gates_started",
                                      "rollout.promoted", "rollout.settled"}));
  EXPECT_EQ(server_->verdicts()->size(), 2u);
  EXPECT_EQ(server_->champion(), 1);
}

/// The same through shadow, canary and promotion, and for one that is rolled back.
TEST_F(DeliveryLoopTest, AKillAfterAnyTurnOfAWholeLifeChangesNothing) {
  serve_first("integrity");
  const auto live_through = [&](std::int64_t version, float x) {
    const auto is_through = [&] {
      return server_->newest().version == version && delivery::is_over(server_->newest().phase);
    };
    for (int round = 0; round < 60 && !is_through(); ++round) {
      for (std::size_t part = server_->parts(); part-- > 0;) {
        server_->ask_often(100, x);
        server_->drain_shadows();
        server_->turn(part);
        restart();
      }
      clock_.advance(1s);
    }
  };
  add("1", "2", /*golden=*/false);
  live_through(2, 5);
  EXPECT_EQ(server_->newest().phase, Phase::kLive) << server_->newest().reason;
  add("1", "NaN", /*golden=*/false);
  live_through(3, 15);
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack) << server_->newest().reason;
  EXPECT_EQ(server_->rollouts().size(), 3u);
  EXPECT_EQ(server_->ask(15), 2);
  EXPECT_EQ(server_->champion(), 2);
  const std::vector<std::string> expected = {
      "rollout.requested",   "rollout.gates_started", "rollout.promoted",  // nothing was served
      "rollout.settled",                                                   //
      "rollout.requested",   "rollout.gates_started", "rollout.advanced",
      "rollout.advanced",    "rollout.promoted",      "rollout.settled",  //
      "rollout.requested",   "rollout.gates_started", "rollout.advanced",
      "rollout.rolled_back", "rollout.settled"};
  EXPECT_EQ(server_->events(), expected);
}

TEST_F(DeliveryLoopTest, APersonGoesBackToTheVersionBefore) {
  serve_first();
  add("3", "4");
  server_->settle();
  ASSERT_TRUE(act_on_deployment(server_->world(), "live", "promote", {"ann", "sure"}).ok());
  server_->settle();
  ASSERT_EQ(server_->ask(5), 2);
  auto back = act_on_deployment(server_->world(), "live", "rollback", {"ann", "complaints"});
  ASSERT_TRUE(back.ok()) << back.error().message;
  server_->settle();
  EXPECT_EQ(server_->ask(5), 1);
  EXPECT_EQ(server_->champion(), 1);
  EXPECT_EQ(back->find("quarantine")->as_array().size(), 1u);
}

TEST_F(DeliveryLoopTest, WhatAPersonAsksForHoldsAfterOneTurn) {
  serve_first();
  for (const char* action : {"promote", "rollback"}) {
    const int stable = server_->ask(5);
    const std::int64_t added = add("3", "4");
    server_->settle();
    server_->ask_often(30, 5);
    server_->settle();
    ASSERT_EQ(server_->newest().phase, Phase::kCanarying) << server_->newest().reason;
    server_->act(action);
    const int expected = std::string(action) == "promote" ? static_cast<int>(added) : stable;
    for (int i = 0; i < 40; ++i) EXPECT_EQ(server_->ask(5, "key" + std::to_string(i)), expected);
    server_->settle();
    EXPECT_EQ(server_->champion(), expected);
  }
}

TEST_F(DeliveryLoopTest, HarmThatWasCountedUntilThenStandsAgainstAPersonsPromotion) {
  try_one_that_fails();
  server_->ask_often(200, 15);  // nobody has looked at these counts yet
  server_->act("promote");
  EXPECT_EQ(server_->newest().phase, Phase::kRolledBack) << server_->newest().reason;
  EXPECT_EQ(server_->ask(15), 1);
  server_->settle();
  EXPECT_EQ(server_->champion(), 1);
}

TEST_F(DeliveryLoopTest, TheGuardsOfAStepCanBeSeen) {
  serve_first();
  add("3", "4");
  server_->settle();
  server_->ask_often(5, 5);
  server_->settle();
  auto shown = show_deployment(server_->world(), "live");
  ASSERT_TRUE(shown.ok()) << shown.error().message;
  const wire::Json* rollout = shown->find("rollout");
  ASSERT_NE(rollout, nullptr);
  EXPECT_EQ(rollout->find("guards")->as_array().size(), 1u);
  EXPECT_EQ(rollout->find("gates")->as_array().size(), 2u);
  EXPECT_EQ(rollout->find("next")->find("reason")->as_string(), "5 of 20 answers");
  EXPECT_EQ(show_deployment(server_->world(), "lve").error().message,
            "there is no deployment 'lve'; did you mean 'live'?");
}

}  // namespace
}  // namespace slipway::app
