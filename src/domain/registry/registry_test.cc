#include "domain/registry/registry.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/function_testing.h"
#include "domain/registry/logged_models.h"
#include "graph/graph.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::registry {
namespace {

class RegistryTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (HasFatalFailure()) return;
    pool_ = open(db::joined({graph::migrations(), migrations()}));
    registry_ = std::make_unique<Registry>(*pool_, clock_, [this] { ++changes_; });
    logged_ = std::make_unique<LoggedModels>(*pool_, clock_);
  }
  void TearDown() override { pool_.reset(); }

  Result<Model> create(const std::string& name, Tags tags = {}) {
    clock_.advance(std::chrono::milliseconds(1));
    return wait_for<Model>([&](Done<Model> done) {
      registry_->create_model("ann", {name, "", std::move(tags)}, std::move(done));
    });
  }
  Result<Version> publish(NewVersion version) {
    clock_.advance(std::chrono::milliseconds(1));
    return wait_for<Version>([&](Done<Version> done) {
      registry_->create_version("ann", std::move(version), std::move(done));
    });
  }
  Version published(const std::string& name, const std::string& source = "s3://b/m",
                    Tags tags = {}) {
    Result<Version> made = publish({.model = name, .source = source, .tags = std::move(tags)});
    EXPECT_TRUE(made.ok()) << made.error().message;
    return made.ok() ? std::move(*made) : Version{};
  }
  Result<> alias(const std::string& name, const std::string& word, std::int64_t number) {
    return wait_for(
        [&](Done<> done) { registry_->set_alias("ann", name, word, number, std::move(done)); });
  }
  Result<Version> stage(const std::string& name, std::int64_t number, Stage to,
                        bool archive = false) {
    clock_.advance(std::chrono::milliseconds(1));
    return wait_for<Version>([&](Done<Version> done) {
      registry_->set_stage("ann", name, number, to, archive, std::move(done));
    });
  }
  Result<> remove(const std::string& name, std::int64_t number) {
    return wait_for(
        [&](Done<> done) { registry_->delete_version("ann", name, number, std::move(done)); });
  }
  Result<LoggedModel> log_model(NewLoggedModel model) {
    clock_.advance(std::chrono::milliseconds(1));
    if (model.experiment_location.empty()) model.experiment_location = "store:/1";
    return wait_for<LoggedModel>(
        [&](Done<LoggedModel> done) { logged_->create("ann", std::move(model), std::move(done)); });
  }
  std::vector<std::string> events_of(const graph::NodeRef& node) {
    auto events = pool_->read([&](db::Tx& tx) { return graph::events_about(tx, node, 100); });
    std::vector<std::string> types;
    for (const graph::LoggedEvent& event : *events) types.push_back(event.event.type);
    return types;
  }
  std::vector<std::string> names(const Query& query) {
    Result<Page<Model>> page = registry_->search_models(query);
    EXPECT_TRUE(page.ok()) << page.error().message;
    std::vector<std::string> found;
    if (page.ok())
      for (const Model& model : page->items) found.push_back(model.name);
    return found;
  }
  std::vector<std::string> found(const Query& query) {
    Result<Page<Version>> page = registry_->search_versions(query);
    EXPECT_TRUE(page.ok()) << page.error().message;
    std::vector<std::string> ids;
    if (page.ok())
      for (const Version& v : page->items) ids.push_back(v.model + "/" + std::to_string(v.number));
    return ids;
  }
  std::vector<std::string> logged(const LoggedQuery& query) {
    Result<Page<LoggedModel>> page = logged_->search(query);
    EXPECT_TRUE(page.ok()) << page.error().message;
    std::vector<std::string> found;
    if (page.ok())
      for (const LoggedModel& model : page->items) found.push_back(model.name);
    return found;
  }

  FakeClock clock_;
  std::atomic<int> changes_{0};
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<LoggedModels> logged_;
  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, RegistryTest, db::every_engine(), db::engine_name);

using Names = std::vector<std::string>;

TEST_P(RegistryTest, AModelIsFoundWithItsTags) {
  ASSERT_TRUE(create("bikes", {{"team", "a"}, {"team", "b"}}).ok());
  Result<Model> model = registry_->model("bikes");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->name, "bikes");
  EXPECT_EQ(model->tags, (Tags{{"team", "b"}})) << "of one key the last value counts";
  EXPECT_EQ(model->created_ms, clock_.now_ms());
  EXPECT_TRUE(model->latest.empty());
  EXPECT_EQ(changes_, 1);
}

TEST_P(RegistryTest, AnUnknownModelIsMissing) {
  Result<Model> model = registry_->model("bikes");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, Code::kMissing);
  EXPECT_EQ(model.error().message, "Registered Model with name=bikes not found");
  EXPECT_EQ(publish({.model = "bikes", .source = "s3://b/m"}).error().code, Code::kMissing);
}

TEST_P(RegistryTest, ANameIsTakenOnce) {
  ASSERT_TRUE(create("bikes").ok());
  Result<Model> again = create("bikes");
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().tag, "already_exists");
  EXPECT_EQ(again.error().message, "Registered Model (name=bikes) already exists.");
  EXPECT_EQ(changes_, 1) << "a write that failed changes nothing";
}

TEST_P(RegistryTest, NumbersCountUpAndDeletedOnesStayTaken) {
  ASSERT_TRUE(create("bikes").ok());
  EXPECT_EQ(published("bikes").number, 1);
  EXPECT_EQ(published("bikes").number, 2);
  ASSERT_TRUE(remove("bikes", 2).ok());
  EXPECT_EQ(published("bikes").number, 3);
  Result<Version> deleted = registry_->version("bikes", 2);
  ASSERT_FALSE(deleted.ok());
  EXPECT_EQ(deleted.error().message, "Model Version (name=bikes, version=2) not found");
  EXPECT_FALSE(remove("bikes", 2).ok());
}

TEST_P(RegistryTest, AVersionIsInTheGraphWithWhatItWasMadeFrom) {
  ASSERT_TRUE(create("bikes").ok());
  LoggedModel model = *log_model({.experiment_id = "1", .name = "xgb", .run_id = "run1"});
  Version made = *publish({.model = "bikes",
                           .source = "models:/" + model.id,
                           .logged_model_id = model.id,
                           .listing_tag = "versions"});
  EXPECT_EQ(made.location, model.location);
  EXPECT_EQ(made.run_id, "run1") << "known from the logged model";

  const graph::NodeRef node{graph::kind::kModelVersion, "bikes/1"};
  auto causes = pool_->read([&](db::Tx& tx) { return graph::causes_of(tx, node); });
  ASSERT_EQ(causes->size(), 2u);
  EXPECT_EQ((*causes)[0].cause, (graph::NodeRef{graph::kind::kModel, model.id}));
  EXPECT_EQ((*causes)[1].cause, (graph::NodeRef{graph::kind::kRun, "run1"}));
  auto found_node = pool_->read([&](db::Tx& tx) { return graph::find_node(tx, node); });
  EXPECT_EQ(*(*found_node)->attributes.find("source"), wire::Json("models:/" + model.id));
  EXPECT_EQ(events_of(node), Names{"model_version.created"});
  auto of_model = pool_->read([&](db::Tx& tx) {
    return graph::causes_of(tx, {graph::kind::kModel, model.id});
  });
  ASSERT_EQ(of_model->size(), 1u);
  EXPECT_EQ((*of_model)[0].cause, (graph::NodeRef{graph::kind::kRun, "run1"}));
  EXPECT_EQ(logged_->find(model.id)->tags,
            (Tags{{"versions", R"([{"name": "bikes", "version": 1}])"}}));
}

TEST_P(RegistryTest, AVersionOfAVersionHasItsFilesAndItsRun) {
  ASSERT_TRUE(create("bikes").ok());
  ASSERT_TRUE(create("copy").ok());
  ASSERT_TRUE(publish({.model = "bikes", .source = "s3://b/m", .run_id = "run1"}).ok());
  ASSERT_TRUE(alias("bikes", "best", 1).ok());
  for (const char* source :
       {"models:/bikes/1", "models:/bikes@best", "models:/bikes/latest", "models:/bikes/None"}) {
    Result<Version> copy = publish({.model = "copy", .source = source});
    ASSERT_TRUE(copy.ok()) << source << ": " << copy.error().message;
    EXPECT_EQ(copy->source, "models:/bikes/1");
    EXPECT_EQ(copy->location, "s3://b/m");
    EXPECT_EQ(copy->run_id, "run1");
  }
  EXPECT_EQ(publish({.model = "copy", .source = "models:/bikes/9"}).error().code, Code::kMissing);
  EXPECT_EQ(publish({.model = "copy", .source = "models:/m-unknown"}).error().code, Code::kMissing);
  EXPECT_EQ(publish({.model = "copy", .source = "models:/a/b/c"}).error().code, Code::kInvalid);
  EXPECT_EQ(publish({.model = "copy", .source = "models:/bikes/1", .run_id = "run2"}).error().code,
            Code::kInvalid);
}

TEST_P(RegistryTest, AnAliasMovesAndTheLogRemembers) {
  ASSERT_TRUE(create("bikes").ok());
  published("bikes");
  published("bikes");
  ASSERT_TRUE(alias("bikes", "champion", 1).ok());
  ASSERT_TRUE(alias("bikes", "champion", 2).ok());
  ASSERT_TRUE(alias("bikes", "champion", 2).ok());
  EXPECT_EQ(registry_->version_by_alias("bikes", "champion")->number, 2);
  EXPECT_EQ(registry_->version("bikes", 2)->aliases, Names{"champion"});
  EXPECT_EQ(registry_->model("bikes")->aliases, (std::vector<Alias>{{"champion", 2}}));
  EXPECT_EQ(registry_->version_by_alias("bikes", "Latest")->number, 2);

  const graph::NodeRef second{graph::kind::kModelVersion, "bikes/2"};
  EXPECT_EQ(events_of(second), (Names{"model_version.created", "alias.set"}));
  auto events = pool_->read([&](db::Tx& tx) { return graph::events_about(tx, second, 1); });
  EXPECT_EQ(*events->back().event.data.find("previous"), wire::Json(1));
  EXPECT_EQ(events->back().event.actor, "ann");

  ASSERT_TRUE(wait_for([&](Done<> done) {
                registry_->delete_alias("ann", "bikes", "champion", std::move(done));
              }).ok());
  ASSERT_TRUE(wait_for([&](Done<> done) {
                registry_->delete_alias("ann", "bikes", "champion", std::move(done));
              }).ok());
  EXPECT_EQ(events_of(second).back(), "alias.deleted");
  Result<Version> gone = registry_->version_by_alias("bikes", "champion");
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code, Code::kInvalid);
  EXPECT_EQ(gone.error().message, "Registered model alias champion not found.");
}

TEST_P(RegistryTest, AnAliasNeedsALiveVersionAndGoesWithIt) {
  ASSERT_TRUE(create("bikes").ok());
  published("bikes");
  EXPECT_EQ(alias("bikes", "a", 7).error().code, Code::kMissing);
  EXPECT_EQ(alias("bikes", "latest", 1).error().code, Code::kInvalid);
  EXPECT_EQ(alias("bikes", "v12", 1).error().code, Code::kInvalid);
  EXPECT_EQ(alias("bikes", "a b", 1).error().code, Code::kInvalid);
  ASSERT_TRUE(alias("bikes", "a", 1).ok());
  ASSERT_TRUE(remove("bikes", 1).ok());
  EXPECT_TRUE(registry_->model("bikes")->aliases.empty());
}

TEST_P(RegistryTest, AStageIsTakenOverFromOthers) {
  ASSERT_TRUE(create("bikes").ok());
  published("bikes");
  published("bikes");
  published("bikes");
  ASSERT_TRUE(stage("bikes", 1, Stage::kProduction).ok());
  Result<Version> second = stage("bikes", 2, Stage::kProduction, /*archive=*/true);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->stage, Stage::kProduction);
  EXPECT_EQ(second->updated_ms, clock_.now_ms());
  EXPECT_EQ(registry_->version("bikes", 1)->stage, Stage::kArchived);
  EXPECT_EQ(events_of({graph::kind::kModelVersion, "bikes/1"}),
            (Names{"model_version.created", "model_version.stage_changed",
                   "model_version.stage_changed"}));

  auto latest = registry_->latest_versions("bikes", {});
  ASSERT_EQ(latest->size(), 3u);
  EXPECT_EQ((*latest)[0].number, 1);
  EXPECT_EQ(registry_->latest_versions("bikes", {Stage::kProduction})->front().number, 2);
  EXPECT_EQ(registry_->model("bikes")->latest.back().number, 3);
  Reference production{.model = "bikes", .stage = "PRODUCTION"};
  EXPECT_EQ(registry_->resolve(production)->number, 2);
  production.stage = "Staging";
  EXPECT_EQ(registry_->resolve(production).error().code, Code::kMissing);
}

TEST_P(RegistryTest, ARenamedModelKeepsItsVersionsAndTheirHistory) {
  ASSERT_TRUE(create("bikes").ok());
  ASSERT_TRUE(create("taken").ok());
  ASSERT_TRUE(publish({.model = "bikes", .source = "s3://b/m", .run_id = "run1"}).ok());
  ASSERT_TRUE(alias("bikes", "best", 1).ok());
  auto rename = [&](const std::string& to) {
    return wait_for<Model>(
        [&](Done<Model> done) { registry_->rename_model("ann", "bikes", to, std::move(done)); });
  };
  EXPECT_EQ(rename("taken").error().tag, "already_exists");
  EXPECT_EQ(rename("a/b").error().code, Code::kInvalid);
  ASSERT_TRUE(rename("cycles").ok());
  EXPECT_FALSE(registry_->model("bikes").ok());
  EXPECT_EQ(registry_->version_by_alias("cycles", "best")->number, 1);
  auto causes = pool_->read([&](db::Tx& tx) {
    return graph::causes_of(tx, {graph::kind::kModelVersion, "cycles/1"});
  });
  ASSERT_EQ(causes->size(), 1u);
  EXPECT_EQ((*causes)[0].cause.id, "run1");
  EXPECT_EQ(events_of({graph::kind::kRegisteredModel, "cycles"}),
            Names{"registered_model.renamed"});
}

TEST_P(RegistryTest, ADeletedModelIsGoneAndItsNameFree) {
  ASSERT_TRUE(create("bikes", {{"a", "b"}}).ok());
  published("bikes", "s3://b/m", {{"k", "v"}});
  ASSERT_TRUE(alias("bikes", "best", 1).ok());
  auto remove_model = [&] {
    return wait_for([&](Done<> done) { registry_->delete_model("ann", "bikes", std::move(done)); });
  };
  ASSERT_TRUE(remove_model().ok());
  EXPECT_EQ(remove_model().error().code, Code::kMissing);
  EXPECT_EQ(found({}), Names{});
  ASSERT_TRUE(create("bikes").ok());
  EXPECT_TRUE(registry_->model("bikes")->tags.empty());
  EXPECT_EQ(published("bikes").number, 1);
  EXPECT_TRUE(registry_->version("bikes", 1)->aliases.empty());
}

/// A registry of which a version is held.
class HeldVersionTest : public RegistryTest {
 protected:
  void SetUp() override {
    RegistryTest::SetUp();
    if (HasFatalFailure()) return;
    registry_ = std::make_unique<Registry>(
        *pool_, clock_, [] {},
        [this](db::Tx&, const std::string& model) -> Result<std::vector<Hold>> {
          return model == "bikes" ? holds_ : std::vector<Hold>{};
        });
    ASSERT_TRUE(create("bikes").ok());
    for (int i = 0; i < 3; ++i) published("bikes");
  }
  Result<> remove_model(const std::string& name) {
    return wait_for([&](Done<> done) { registry_->delete_model("ann", name, std::move(done)); });
  }
  Result<Model> rename(const std::string& name, const std::string& to) {
    return wait_for<Model>(
        [&](Done<Model> done) { registry_->rename_model("ann", name, to, std::move(done)); });
  }
  void tag(std::int64_t number, const std::string& value) {
    EXPECT_TRUE(
        wait_for([&](Done<> done) {
          registry_->set_version_tag("ann", "bikes", number, {kReleaseTag, value},
                                     std::move(done));
        }).ok());
  }

  std::vector<Hold> holds_ = {{2, "deployment live serves it"},
                              {1, "it has answered for deployment live"}};
};
INSTANTIATE_TEST_SUITE_P(Engines, HeldVersionTest, db::every_engine(), db::engine_name);

TEST_P(HeldVersionTest, IsNotDeletedUnlessItIsNamed) {
  const Result<> refused = remove("bikes", 2);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_EQ(refused.error().tag, "held");
  EXPECT_EQ(refused.error().message,
            "Model Version (name=bikes, version=2) can't be deleted: deployment live serves it. "
            "For it to be deleted nevertheless, set the version's tag 'slipway.delete' to "
            "'bikes/2' and ask again.");
  EXPECT_TRUE(registry_->version("bikes", 2).ok());
  EXPECT_TRUE(remove("bikes", 3).ok()) << "nothing holds it";
  tag(2, "bikes/1");
  EXPECT_FALSE(remove("bikes", 2).ok()) << "another one's name";
  tag(2, "bikes/2");
  EXPECT_TRUE(remove("bikes", 2).ok());
  const auto events = pool_->read([&](db::Tx& tx) {
    return graph::events_about(tx, {graph::kind::kModelVersion, "bikes/2"}, 100);
  });
  EXPECT_EQ(events->back().event.data.find("held")->as_string(), "deployment live serves it");
}

TEST_P(HeldVersionTest, KeepsItsModelAndItsName) {
  const Result<> refused = remove_model("bikes");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message,
            "Registered Model (name=bikes) can't be deleted: version 2: deployment live serves it; "
            "version 1: it has answered for deployment live. For it to be deleted nevertheless, "
            "set the model's tag 'slipway.delete' to 'bikes' and ask again.");
  const Result<Model> renamed = rename("bikes", "trikes");
  ASSERT_FALSE(renamed.ok());
  EXPECT_NE(renamed.error().message.find("can't be renamed: version 2"), std::string::npos);
  EXPECT_TRUE(rename("bikes", "bikes").ok()) << "that takes nothing away";
  ASSERT_TRUE(wait_for([&](Done<> done) {
                registry_->set_model_tag("ann", "bikes", {kReleaseTag, "bikes"}, std::move(done));
              }).ok());
  EXPECT_TRUE(rename("bikes", "trikes").ok());
  EXPECT_TRUE(remove_model("trikes").ok()) << "under this name nobody needs it";
}

TEST_P(HeldVersionTest, OfManyHoldsTheFirstAreNamed) {
  holds_.assign(9, {2, "it is needed"});
  EXPECT_NE(remove("bikes", 2).error().message.find("; and 4 more."), std::string::npos);
}

TEST_P(RegistryTest, DescriptionsAndTagsAreReplaced) {
  ASSERT_TRUE(create("bikes").ok());
  published("bikes");
  clock_.advance(std::chrono::milliseconds(5));
  Result<Model> model = wait_for<Model>([&](Done<Model> done) {
    registry_->describe_model("ann", "bikes", "hourly", std::move(done));
  });
  EXPECT_EQ(model->description, "hourly");
  EXPECT_EQ(model->updated_ms, clock_.now_ms());
  Result<Version> version = wait_for<Version>([&](Done<Version> done) {
    registry_->describe_version("ann", "bikes", 1, "first", std::move(done));
  });
  EXPECT_EQ(version->description, "first");

  for (const char* value : {"1", "2"}) {
    ASSERT_TRUE(wait_for([&](Done<> done) {
                  registry_->set_version_tag("ann", "bikes", 1, {"k", value}, std::move(done));
                }).ok());
    ASSERT_TRUE(wait_for([&](Done<> done) {
                  registry_->set_model_tag("ann", "bikes", {"k", value}, std::move(done));
                }).ok());
  }
  EXPECT_EQ(registry_->version("bikes", 1)->tags, (Tags{{"k", "2"}}));
  EXPECT_EQ(registry_->model("bikes")->tags, (Tags{{"k", "2"}}));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(wait_for([&](Done<> done) {
                  registry_->delete_version_tag("ann", "bikes", 1, "k", std::move(done));
                }).ok());
    ASSERT_TRUE(wait_for([&](Done<> done) {
                  registry_->delete_model_tag("ann", "bikes", "k", std::move(done));
                }).ok());
  }
  EXPECT_TRUE(registry_->version("bikes", 1)->tags.empty());
  EXPECT_TRUE(registry_->model("bikes")->tags.empty());
  Result<> bad = wait_for([&](Done<> done) {
    registry_->set_model_tag("ann", "bikes", {"../x", ""}, std::move(done));
  });
  EXPECT_EQ(bad.error().code, Code::kInvalid);
}

TEST_P(RegistryTest, ModelsAreSearchedByNameAndTags) {
  ASSERT_TRUE(create("bikes", {{"team", "north"}, {"kind", "tree"}}).ok());
  ASSERT_TRUE(create("Buses", {{"team", "south"}}).ok());
  ASSERT_TRUE(create("text", {{"is_prompt", "true"}}).ok());
  EXPECT_EQ(names({}), (Names{"Buses", "bikes", "text"})) << "by bytes";
  Query query;
  query.without = Tag{"is_prompt", "true"};
  EXPECT_EQ(names(query), (Names{"Buses", "bikes"}));
  query.order = {{Field::kUpdated, false}};
  EXPECT_EQ(names(query), (Names{"Buses", "bikes"}));
  query.order = {{Field::kName, false}};
  EXPECT_EQ(names(query), (Names{"bikes", "Buses"}));
  query.conditions = {{Field::kName, "", db::Op::kLike, std::string("b%")}};
  EXPECT_EQ(names(query), Names{"bikes"});
  query.conditions = {{Field::kName, "", db::Op::kILike, std::string("B%")}};
  EXPECT_EQ(names(query), (Names{"bikes", "Buses"}));
  query.conditions = {{Field::kTag, "team", db::Op::kUnequal, std::string("north")}};
  EXPECT_EQ(names(query), Names{"Buses"}) << "without the tag there is no match";
  query.conditions.push_back({Field::kTag, "kind", db::Op::kEqual, std::string("tree")});
  EXPECT_EQ(names(query), Names{});
  query.conditions = {{Field::kName, "", db::Op::kIn, Names{"bikes", "x"}}};
  EXPECT_EQ(names(query), Names{"bikes"});

  query = {};
  query.limit = 2;
  Result<Page<Model>> page = registry_->search_models(query);
  EXPECT_TRUE(page->more);
  query.offset = 2;
  page = registry_->search_models(query);
  EXPECT_FALSE(page->more);
  EXPECT_EQ(page->items.size(), 1u);
  query.order = {{Field::kName, true}, {Field::kName, false}};
  EXPECT_EQ(registry_->search_models(query).error().code, Code::kInvalid);
  query.order = {{Field::kNumber, true}};
  EXPECT_EQ(registry_->search_models(query).error().code, Code::kInvalid);
}

TEST_P(RegistryTest, VersionsAreSearched) {
  ASSERT_TRUE(create("a").ok());
  ASSERT_TRUE(create("b").ok());
  ASSERT_TRUE(publish({.model = "a", .source = "s3://b/1", .run_id = "r1"}).ok());
  published("b", "s3://b/2", {{"k", "v"}});
  published("a", "s3://b/3");
  Query latest_first;
  latest_first.order = {{Field::kUpdated, false}};
  EXPECT_EQ(found(latest_first), (Names{"a/2", "b/1", "a/1"}));
  EXPECT_EQ(found({}), (Names{"a/2", "a/1", "b/1"}));
  Query query;
  query.conditions = {{Field::kNumber, "", db::Op::kGreaterOrEqual, std::int64_t{2}}};
  EXPECT_EQ(found(query), Names{"a/2"});
  query.conditions = {{Field::kRun, "", db::Op::kIn, Names{"r1"}}};
  EXPECT_EQ(found(query), Names{"a/1"});
  query.conditions = {{Field::kTag, "k", db::Op::kEqual, std::string("v")}};
  EXPECT_EQ(found(query), Names{"b/1"});
  query.conditions = {{Field::kSource, "", db::Op::kLike, std::string("%/3")}};
  EXPECT_EQ(found(query), Names{"a/2"});
  query = {};
  query.without = Tag{"k", "v"};
  EXPECT_EQ(found(query), (Names{"a/2", "a/1"}));
  ASSERT_TRUE(remove("a", 2).ok());
  EXPECT_EQ(found({}), (Names{"a/1", "b/1"}));
}

TEST_P(RegistryTest, ServingSeesEverythingThatIsLive) {
  ASSERT_TRUE(create("bikes").ok());
  ASSERT_TRUE(create("empty").ok());
  published("bikes", "s3://b/1");
  published("bikes", "s3://b/2");
  ASSERT_TRUE(stage("bikes", 2, Stage::kProduction).ok());
  ASSERT_TRUE(remove("bikes", 1).ok());
  ASSERT_TRUE(alias("bikes", "champion", 2).ok());
  Result<std::vector<KnownModel>> known = registry_->known();
  ASSERT_EQ(known->size(), 2u);
  const KnownModel& bikes = known->front();
  ASSERT_EQ(bikes.versions.size(), 1u);
  EXPECT_EQ(bikes.versions[0].number, 2);
  EXPECT_EQ(bikes.versions[0].location, "s3://b/2");
  EXPECT_EQ(bikes.versions[0].stage, Stage::kProduction);
  EXPECT_EQ(bikes.aliases.at("champion"), 2);
  EXPECT_TRUE(known->back().versions.empty());
}

TEST_P(RegistryTest, ALoggedModelHasAFolderOfItsOwn) {
  LoggedModel model = *log_model({.experiment_id = "1",
                                  .name = "xgb",
                                  .type = "regressor",
                                  .run_id = "run1",
                                  .tags = {{"a", "1"}},
                                  .params = {{"depth", "6"}}});
  EXPECT_EQ(model.id.size(), 34u);
  EXPECT_EQ(model.location, "store:/1/models/" + model.id + "/artifacts");
  EXPECT_EQ(model.status, LoggedModelStatus::kPending);
  Result<LoggedModel> ready = wait_for<LoggedModel>([&](Done<LoggedModel> done) {
    logged_->finalize("ann", model.id, LoggedModelStatus::kReady, std::move(done));
  });
  ASSERT_TRUE(ready.ok());
  EXPECT_EQ(ready->status, LoggedModelStatus::kReady);
  EXPECT_EQ(ready->params, (Tags{{"depth", "6"}}));
  EXPECT_EQ(events_of({graph::kind::kModel, model.id}), (Names{"model.created", "model.ready"}));
}

TEST_P(RegistryTest, ALoggedModelsTagsAndParamsGrow) {
  LoggedModel model = *log_model({.experiment_id = "1", .name = "xgb", .params = {{"a", "1"}}});
  auto params = [&](Tags more) {
    return wait_for(
        [&](Done<> done) { logged_->log_params(model.id, std::move(more), std::move(done)); });
  };
  EXPECT_TRUE(params({{"a", "1"}, {"b", "2"}}).ok());
  EXPECT_EQ(params({{"a", "2"}}).error().code, Code::kConflict);
  EXPECT_TRUE(wait_for([&](Done<> done) {
                logged_->set_tags(model.id, {{"t", "1"}, {"t", "2"}}, std::move(done));
              }).ok());
  EXPECT_EQ(logged_->find(model.id)->tags, (Tags{{"t", "2"}}));
  EXPECT_EQ(logged_->find(model.id)->params.size(), 2u);
  auto drop = [&] {
    return wait_for([&](Done<> done) { logged_->delete_tag(model.id, "t", std::move(done)); });
  };
  EXPECT_TRUE(drop().ok());
  EXPECT_EQ(drop().error().code, Code::kMissing);
}

TEST_P(RegistryTest, ADeletedLoggedModelIsMissingUnlessAskedFor) {
  LoggedModel model = *log_model({.experiment_id = "1", .name = "xgb"});
  auto drop = [&] {
    return wait_for([&](Done<> done) { logged_->remove("ann", model.id, std::move(done)); });
  };
  ASSERT_TRUE(drop().ok());
  EXPECT_TRUE(drop().ok());
  EXPECT_EQ(logged_->find(model.id).error().message,
            "Logged model with ID '" + model.id + "' not found.");
  EXPECT_TRUE(logged_->find(model.id, /*also_deleted=*/true)->deleted);
  EXPECT_EQ(logged({.experiment_ids = {"1"}}), Names{});
}

TEST_P(RegistryTest, AVersionNamesNoLoggedModelThatIsNotThereWhateverItsRun) {
  ASSERT_TRUE(create("m").ok());
  LoggedModel model = *log_model({.experiment_id = "1", .name = "xgb"});
  const auto publish_of = [&](const std::string& id) {
    return publish(
        {.model = "m", .source = "s3://b/m", .run_id = "some-run", .logged_model_id = id});
  };
  ASSERT_TRUE(publish_of(model.id).ok());
  EXPECT_EQ(publish_of("m-none").error().code, Code::kMissing);
  EXPECT_EQ(publish_of("m-none").error().message, "Logged model with ID 'm-none' not found.");
  ASSERT_TRUE(
      wait_for([&](Done<> done) { logged_->remove("ann", model.id, std::move(done)); }).ok());
  EXPECT_EQ(publish_of(model.id).error().message,
            "Logged model with ID '" + model.id + "' not found.");
}

TEST_P(RegistryTest, LoggedModelsAreSearchedByMetricsOnDatasets) {
  LoggedModel one = *log_model({.experiment_id = "1", .name = "one", .params = {{"p", "x"}}});
  LoggedModel two = *log_model({.experiment_id = "1", .name = "two", .tags = {{"t", "y"}}});
  LoggedModel far = *log_model({.experiment_id = "2", .name = "far"});
  std::vector<ModelMetric> metrics = {
      {one.id, "r", "loss", 0.5, 10, 0, "train", "d1"},
      {one.id, "r", "loss", 0.1, 20, 0, "test", "d2"},
      {two.id, "r", "loss", 0.3, 10, 0, "train", "d1"},
      {two.id, "r", "odd", std::nan(""), 10, 0, "", ""},
  };
  Result<> logged_metrics =
      pool_->write([&](db::Tx& tx) { return log_model_metrics(tx, metrics); });
  ASSERT_TRUE(logged_metrics.ok()) << logged_metrics.error().message;
  ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return log_model_metrics(tx, metrics); }).ok());
  Result<LoggedModel> read = logged_->find(two.id);
  ASSERT_EQ(read->metrics.size(), 2u);
  EXPECT_TRUE(std::isnan(read->metrics[1].value));

  LoggedQuery query{.experiment_ids = {"1"}};
  EXPECT_EQ(logged(query), (Names{"two", "one"})) << "newest first";
  query.order = {{LoggedField::kMetric, "loss", true, {}}};
  EXPECT_EQ(logged(query), (Names{"one", "two"})) << "by the latest value";
  query.order = {{LoggedField::kMetric, "loss", true, DatasetRef{"train", ""}}};
  EXPECT_EQ(logged(query), (Names{"two", "one"}));
  query.order = {{LoggedField::kMetric, "unknown", false, {}}};
  EXPECT_EQ(logged(query).size(), 2u) << "without a value they come last, not away";
  query.order = {};
  query.conditions = {{LoggedField::kMetric, "loss", db::Op::kLess, 0.2}};
  EXPECT_EQ(logged(query), Names{"one"});
  query.datasets = {{"train", "d1"}};
  EXPECT_EQ(logged(query), Names{});
  query.conditions = {};
  EXPECT_EQ(logged(query), (Names{"two", "one"}));
  query.datasets = {{"test", ""}};
  EXPECT_EQ(logged(query), Names{"one"});
  query.datasets = {};
  query.conditions = {{LoggedField::kParam, "p", db::Op::kEqual, std::string("x")}};
  EXPECT_EQ(logged(query), Names{"one"});
  query.conditions = {{LoggedField::kTag, "t", db::Op::kIn, Names{"y", "z"}}};
  EXPECT_EQ(logged(query), Names{"two"});
  query.conditions = {{LoggedField::kName, "", db::Op::kLike, std::string("t%")}};
  EXPECT_EQ(logged(query), Names{"two"});
  query = {.experiment_ids = {"1", "2"}, .limit = 2};
  EXPECT_EQ(logged(query), (Names{"far", "two"}));
  EXPECT_EQ(pool_
                ->write([&](db::Tx& tx) {
                  return log_model_metrics(tx, std::vector<ModelMetric>{{"m-no", "r", "k", 1}});
                })
                .error()
                .code,
            Code::kMissing);
}

TEST_P(RegistryTest, HostileNamesAndValuesAreRefused) {
  for (const char* name : {"", "  ", "a/b", "a:b", "..", ".", "a\x01\xff", "%"}) {
    Result<Model> made = create(name);
    if (std::string(name) == "%")
      EXPECT_TRUE(made.ok()) << "a percent sign is a letter like others";
    else
      EXPECT_EQ(made.ok() ? Code::kInternal : made.error().code, Code::kInvalid) << name;
  }
  EXPECT_EQ(create(std::string("a\0b", 3)).error().code, Code::kInvalid);
  EXPECT_EQ(create(std::string(300, 'a')).error().code, Code::kInvalid);
  EXPECT_EQ(create("t", {{"k", std::string(100'001, 'a')}}).error().code, Code::kInvalid);
  EXPECT_EQ(create("t", Tags(1001, Tag{"k", "v"})).error().code, Code::kInvalid);
  EXPECT_EQ(registry_->version("'; drop table model_versions; --", 1).error().code, Code::kMissing);
  EXPECT_EQ(log_model({.experiment_id = "1", .name = "a/b"}).error().code, Code::kInvalid);
}

TEST(Locations, GrowBeforeTheirQuery) {
  EXPECT_EQ(extend_location("store:/1", "models/m"), "store:/1/models/m");
  EXPECT_EQ(extend_location("store:/1/", "models/m"), "store:/1/models/m");
  EXPECT_EQ(extend_location("s3://b/1?region=x", "models/m"), "s3://b/1/models/m?region=x");
  EXPECT_EQ(extend_location("/", "a"), "/a");
}

TEST(References, SayWhatTheyMean) {
  EXPECT_EQ(parse_reference("models:/m-12")->logged_model_id, "m-12");
  EXPECT_EQ(parse_reference("models:/bikes/7")->number, 7);
  EXPECT_EQ(parse_reference("models:/bikes@best")->alias, "best");
  EXPECT_EQ(parse_reference("models:/bikes/Production")->stage, "Production");
  EXPECT_EQ(*parse_reference("models:/bikes/LATEST"), (Reference{.model = "bikes"}));
  for (const char* bad :
       {"models:", "models:/", "models://host/a/1", "models:/a/b/c", "models:/a/", "models:/@x",
        "models:/a@", "runs:/a/b", "models:/a/99999999999999999999", "bikes/1"}) {
    EXPECT_FALSE(parse_reference(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace slipway::registry
