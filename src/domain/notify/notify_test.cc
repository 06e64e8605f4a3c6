#include "domain/notify/notify.h"

#include <gtest/gtest.h>

#include <map>

#include "io/wire/json.h"

namespace slipway::notify {
namespace {

TEST(Notify, KnowsWhatEachWordStandsFor) {
  EXPECT_TRUE(is_wanted({"incident"}, "incident.opened"));
  EXPECT_TRUE(is_wanted({"promotion", "rollback"}, "rollout.rolled_back"));
  EXPECT_FALSE(is_wanted({"promotion"}, "rollout.rolled_back"));
  EXPECT_FALSE(is_wanted({}, "incident.opened"));
  EXPECT_TRUE(is_wanted({"rollout_paused"}, "rollout.paused"));
  EXPECT_FALSE(is_wanted({"incident", "rollback", "promotion", "rollout_paused", "run_failed"},
                         "gate.judged"));
}

TEST(Notify, SendsACloudEvent) {
  graph::LoggedEvent event;
  event.seq = 12;
  event.id = "0197";
  event.time_ms = 0;
  event.event = {"rollout.promoted", {"deployment", "bikes"}, "slipway", 9, {}};
  event.event.data.set("version", 2);
  auto body = wire::parse(body_of(event, "city bikes"));
  ASSERT_TRUE(body.ok());
  auto text = [&](const char* key) { return body->find(key)->as_string(); };
  EXPECT_EQ(text("specversion"), "1.0");
  EXPECT_EQ(text("id"), "0197");
  EXPECT_EQ(text("source"), "/slipway/city%20bikes");
  EXPECT_EQ(text("type"), "slipway.rollout.promoted");
  EXPECT_EQ(text("subject"), "deployment/bikes");
  EXPECT_EQ(text("time"), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(wire::dump(*body->find("data")),
            R"({"version":2,"seq":12,"cause_seq":9,"actor":"slipway"})");
}

std::map<std::string, std::string> headers(const std::string& secret) {
  std::map<std::string, std::string> found;
  // The example of the Standard Webhooks specification.
  for (const Header& one : headers_of("msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330'000, secret,
                                      R"({"test": 2432232314})")) {
    found[one.name] = one.value;
  }
  return found;
}

TEST(Notify, SignsAsTheSpecificationDoes) {
  auto found = headers("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  EXPECT_EQ(found["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
  EXPECT_EQ(found["webhook-timestamp"], "1614265330");
  EXPECT_EQ(found["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Notify, SendsNoSignatureWithoutASecret) {
  EXPECT_FALSE(headers("").contains("webhook-signature"));
  EXPECT_TRUE(headers("plain words").contains("webhook-signature"));
}

TEST(Notify, WaitsLongerAndLonger) {
  EXPECT_EQ(pause_after(1), 1000);
  EXPECT_EQ(pause_after(2), 2000);
  EXPECT_EQ(pause_after(5), 16'000);
  EXPECT_EQ(pause_after(13), 3'600'000);
  EXPECT_EQ(pause_after(1'000'000), 3'600'000);
}

TEST(Notify, ResolvesVariables) {
  auto variable = [](const std::string& name) -> std::optional<std::string> {
    if (name == "HOOK") return "http://receiver/";
    return std::nullopt;
  };
  EXPECT_EQ(resolve("${env:HOOK}", variable), "http://receiver/");
  EXPECT_EQ(resolve("${env:OTHER}", variable), std::nullopt);
  EXPECT_EQ(resolve("http://other/", variable), "http://other/");
}

}  // namespace
}  // namespace slipway::notify
