#include "app/gate.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "app/bring_up.h"
#include "app/catalogue.h"
#include "base/base64.h"
#include "base/log.h"
#include "io/http/client.h"

namespace slipway::app {
namespace {

class GateTest : public testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kError);
    std::string pattern = (std::filesystem::temp_directory_path() / "slipway-gate-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  AppOptions options() const {
    AppOptions options;
    options.state = folder_ / "state";
    options.listen.port = 0;
    return options;
  }

  std::filesystem::path folder_;
};

TEST_F(GateTest, KnowsARuleForEveryRoute) {
  for (const bool apart : {false, true}) {
    AppOptions wanted = options();
    if (apart) wanted.listen_serving = Address{};
    wanted.replay = apart;
    Result<std::unique_ptr<App>> app = bring_up(wanted);
    ASSERT_TRUE(app.ok()) << app.error().message;
    EXPECT_EQ((*app)->routes_without_rule(), std::vector<std::string>{});
  }
}

TEST(AccessRules, NameEachRouteOnceAndSayWhatTheyLookAt) {
  std::set<std::string> routes;
  for (const access::Rule& rule : all_access_rules()) {
    EXPECT_TRUE(routes.insert(rule.route).second) << rule.route;
    EXPECT_EQ(rule.route.find("/ajax-api/"), std::string::npos) << rule.route;
    if (rule.on == access::Rule::On::kThings) {
      EXPECT_NE(rule.things, nullptr) << rule.route;
    }
    const bool open = rule.on == access::Rule::On::kNobody;
    EXPECT_EQ(open, rule.on != access::Rule::On::kSomebody && rule.level == access::Level::kNone)
        << rule.route;
  }
}

TEST_F(GateTest, LetsNobodyFromElsewhereInUnasked) {
  AppOptions wanted = options();
  wanted.listen.host = "0.0.0.0";
  Result<std::unique_ptr<App>> app = bring_up(wanted);
  ASSERT_FALSE(app.ok());
  EXPECT_EQ(app.error().tag, "usage");
  EXPECT_NE(app.error().message.find("slipway users create"), std::string::npos);
  wanted.anyone_may_do_anything = true;
  EXPECT_TRUE(bring_up(wanted).ok());
}

/// A server with an administrator, and with "eve", who is denied everything.
class MatrixTest : public GateTest {
 protected:
  static constexpr char kPassword[] = "a long password";
  void SetUp() override {
    GateTest::SetUp();
    std::filesystem::create_directories(options().state);
    Metrics metrics;
    SystemClock clock;
    auto pool = db::Pool::open(catalogue_uri(options().state), all_migrations(), metrics);
    ASSERT_TRUE(pool.ok()) << pool.error().message;
    auto people = access::People::open(**pool, clock, clock, metrics, {ScryptCost{16, 8, 1}});
    ASSERT_TRUE(people.ok()) << people.error().message;
    ASSERT_TRUE((*people)->create("owner", "root", kPassword, true).ok());
    ASSERT_TRUE((*people)->create("owner", "eve", kPassword, false).ok());
    for (const access::Kind kind : {access::Kind::kExperiment, access::Kind::kModel}) {
      const access::Grant denied{kind, access::kEvery, access::Level::kDeny};
      ASSERT_TRUE((*people)
                      ->change("root",
                               [&](db::Tx& tx, const access::By& by) {
                                 return access::grant_to(tx, by, "eve", denied);
                               })
                      .ok());
    }
    people->reset();
    pool->reset();
    app_ = std::move(bring_up(options())).value();
  }

  /// The status of a call of a route, with something at the place of each of its names.
  int status_of(const std::string& route, const std::string& user) {
    const std::size_t blank = route.find(' ');
    const std::string verb = route.substr(0, blank);
    http::ClientRequest request;
    for (const http::Method method :
         {http::Method::kGet, http::Method::kPost, http::Method::kPut, http::Method::kPatch,
          http::Method::kDelete, http::Method::kOptions}) {
      if (verb == to_string(method)) request.method = method;
    }
    std::string path = route.substr(blank + 1);
    for (std::size_t open; (open = path.find('{')) != std::string::npos;) {
      path.replace(open, path.find('}') - open + 1, "1");
    }
    request.url = app_->url() + path;
    request.headers.add("Content-Type", "application/json");
    if (!user.empty()) {
      request.headers.add("Authorization",
                          "Basic " + base64_encode(user + ":" + std::string(kPassword)));
    }
    if (request.method != http::Method::kGet) request.body = kEverything;
    if (request.method == http::Method::kGet) request.url += kQuery;
    const Result<http::Response> response = http::fetch(request);
    EXPECT_TRUE(response.ok()) << route << ": " << response.error().message;
    return response.ok() ? response->status : 0;
  }

  // Whatever a route may want to know of.
  static constexpr char kEverything[] =
      R"({"experiment_id": "0", "run_id": "1", "name": "m", "version": "1", "path": "0/a",
          "username": "root", "resource_type": "experiment", "resource_id": "0",
          "experiment_ids": ["0"], "model_id": "m-1", "key": "k", "value": "1", "timestamp": 1,
          "trace_ids": ["tr-1"], "locations": [{"mlflow_experiment": {"experiment_id": "0"}}],
          "trace": {"trace_info": {"trace_location": {"mlflow_experiment": {"experiment_id": "0"}}}}
         })";
  static constexpr char kQuery[] =
      "?experiment_id=0&experiment_name=Default&run_id=1&run_ids=1&name=m&version=1&path=0%2Fa"
      "&username=root&metric_key=k&trace_id=tr-1&trace_ids=tr-1&request_id=tr-1";
  std::unique_ptr<App> app_;
};

TEST_F(MatrixTest, NobodyInParticularComesToNoRouteThatIsNotOpen) {
  for (const access::Rule& rule : all_access_rules()) {
    std::string ajax = rule.route;
    const std::size_t api = ajax.find(" /api/");
    if (api != std::string::npos) ajax.replace(api, 6, " /ajax-api/");
    const int status = status_of(rule.route, ""), of_page = status_of(ajax, "");
    if (rule.on == access::Rule::On::kNobody) {
      const bool proven = rule.route.ends_with("/hooks/git") || rule.route.ends_with("/login");
      EXPECT_TRUE(status != 401 || proven) << rule.route;
      continue;
    }
    // Most are served below both, some below one of them.
    EXPECT_TRUE(status == 401 || of_page == 401) << rule.route;
    EXPECT_TRUE(status == 401 || status == 404) << rule.route << ": " << status;
    EXPECT_TRUE(of_page == 401 || of_page == 404) << ajax << ": " << of_page;
  }
}

TEST_F(MatrixTest, WhoeverMayNothingComesToNothing) {
  using On = access::Rule::On;
  for (const access::Rule& rule : all_access_rules()) {
    const bool asks = rule.on == On::kThings || rule.on == On::kEverything || rule.on == On::kAdmin;
    // Anybody may make what is his own.
    if (!asks || rule.route.ends_with("/experiments/create")) continue;
    const int status = status_of(rule.route, "eve");
    // What is not there is not there; what may be is refused.
    EXPECT_TRUE(status == 403 || status == 404) << rule.route << ": " << status;
    if (rule.on != On::kThings) {
      EXPECT_EQ(status, 403) << rule.route;
    }
  }
}

TEST_F(MatrixTest, AnAdministratorIsRefusedNothing) {
  for (const access::Rule& rule : all_access_rules()) {
    // Taken from whoever can read the state folder only.
    const bool owners = rule.on == access::Rule::On::kAdmin &&
                        rule.route.find("/api/slipway/v1/") != std::string::npos;
    const bool ends = rule.route.find("logout") != std::string::npos ||
                      rule.route.find("login") != std::string::npos;
    const bool demotes = rule.route.find("update-admin") != std::string::npos;
    if (owners || ends || demotes || rule.route.ends_with("/hooks/git")) continue;
    const int status = status_of(rule.route, "root");
    EXPECT_TRUE(status != 401 && status != 403) << rule.route << ": " << status;
  }
}

TEST(ExperimentOf, RemembersAndHasABound) {
  ExperimentOf known;
  EXPECT_EQ(known.find("a"), std::nullopt);
  for (std::size_t i = 0; i <= ExperimentOf::kEntriesMax; ++i) {
    known.learn(std::to_string(i), "7");
  }
  EXPECT_EQ(known.find(std::to_string(ExperimentOf::kEntriesMax)), "7");
  EXPECT_EQ(known.find("0"), std::nullopt);
}

}  // namespace
}  // namespace slipway::app
