#include "app/event_words.h"

#include <gtest/gtest.h>

namespace slipway::app {
namespace {

std::string words(const char* type, const char* data) {
  return words_of_event(type, *wire::parse(data));
}

TEST(EventWords, CarryTheVerdictOfAGateAndOfAWindow) {
  EXPECT_EQ(
      words("gate.judged",
            R"({"gate": "parity", "status": "fail", "words": "margin differs", "rollout": "r"})"),
      "parity fail, margin differs");
  EXPECT_EQ(words("window.judged", R"({"status": "pass", "words": "", "rows": 7})"), "pass");
  EXPECT_EQ(words("window.judged", R"({"status": "fail", "words": "0.5 > 0.2"})"),
            "fail, 0.5 > 0.2");
}

TEST(EventWords, SayTheWayOfARollout) {
  EXPECT_EQ(words("rollout.advanced",
                  R"({"version": 3, "from": "shadowing", "to": "canarying", "reason": "clear"})"),
            "version 3, shadowing to canarying, clear");
  EXPECT_EQ(words("rollout.rolled_back", R"({"version": 3, "from": "canarying", "to": "aborting",
                  "quarantined": true, "reason": "errors"})"),
            "version 3, canarying to aborting, quarantined, errors");
  EXPECT_EQ(words("rollout.refused", R"({"version": 3, "reason": "in quarantine"})"),
            "version 3, in quarantine");
  EXPECT_EQ(words("deployment.rolled_back", R"({"from": 5, "to": 4, "reason": "wrong data"})"),
            "from version 5 to 4, wrong data");
}

TEST(EventWords, SayWhatAPermissionIsFor) {
  EXPECT_EQ(words("permission.granted", R"({"kind": "experiment", "of": "7", "level": "edit"})"),
            "edit on experiment 7");
  EXPECT_EQ(words("permission.default_changed", R"({"level": "none"})"), "none");
}

TEST(EventWords, AreTheReasonOfOthersOrNothing) {
  EXPECT_EQ(words("trigger.ignored", R"({"reason": "it cools down"})"), "it cools down");
  EXPECT_EQ(words("run.created", R"({"name": "x"})"), "");
  EXPECT_EQ(words("gate.judged", "[]"), "");
}

}  // namespace
}  // namespace slipway::app
