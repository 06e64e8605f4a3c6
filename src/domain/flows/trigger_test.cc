#include "domain/flows/trigger.h"

#include <gtest/gtest.h>

#include "graph/kinds.h"

namespace slipway::flows {
namespace {

using project::Rate;
using project::Span;
using project::TriggerSpec;

constexpr UnixMs kNow = 1'700'000'000'000;
constexpr std::int64_t kSecond = 1000, kHour = 3600 * kSecond, kDay = 24 * kHour;

TriggerSpec message_trigger() {
  TriggerSpec trigger;
  trigger.name = "message";
  trigger.pipeline = "train";
  trigger.source = project::MessageSource{"org.example.ready", "", ""};
  return trigger;
}

// --- what to do about one occasion ---

struct Case {
  const char* name;
  void (*arrange)(TriggerSpec&, TriggerState&);
  bool active = false;
  Act act = Act::kFire;
  const char* rule = "";
  UnixMs until_ms = 0;
};
void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

class Decide : public testing::TestWithParam<Case> {};

TEST_P(Decide, AsTheTableSays) {
  TriggerSpec trigger = message_trigger();
  TriggerState state;
  GetParam().arrange(trigger, state);
  const Decision decision = decide(trigger, state, GetParam().active, kNow);
  EXPECT_EQ(to_string(decision.act), std::string(to_string(GetParam().act)));
  EXPECT_EQ(decision.rule, GetParam().rule);
  EXPECT_EQ(decision.until_ms, GetParam().until_ms);
  EXPECT_EQ(decision.reason.empty(), decision.act == Act::kFire);
}

void wait_since(TriggerState& state, UnixMs since) {
  state.waiting = TriggerState::Waiting{1, since, since + kHour, "debounce"};
}

const Case kCases[] = {
    {"NothingHoldsIt", [](TriggerSpec&, TriggerState&) {}},
    {"DebounceWaitsForQuiet", [](TriggerSpec& t, TriggerState&) { t.debounce = Span(kHour); },
     false, Act::kWait, "debounce", kNow + kHour},
    {"DebounceIsExtended",
     [](TriggerSpec& t, TriggerState& s) {
       t.debounce = Span(kHour);
       wait_since(s, kNow - kHour / 2);
     },
     false, Act::kWait, "debounce", kNow + kHour},
    {"DebounceIsNotExtendedForEver",
     [](TriggerSpec& t, TriggerState& s) {
       t.debounce = Span(kHour);
       wait_since(s, kNow - 9 * kHour - kHour / 2);
     },
     false, Act::kWait, "debounce", kNow + kHour / 2},
    {"DebounceOfAClockPutBackBeginsNow",
     [](TriggerSpec& t, TriggerState& s) {
       t.debounce = Span(kHour);
       wait_since(s, kNow + 100 * kDay);
     },
     false, Act::kWait, "debounce", kNow + kHour},
    {"CooldownDrops",
     [](TriggerSpec& t, TriggerState& s) {
       t.cooldown = Span(21 * kDay);
       s.last_fired_ms = kNow - kDay;
     },
     false, Act::kDrop, "cooldown", kNow + 20 * kDay},
    {"CooldownIsOver",
     [](TriggerSpec& t, TriggerState& s) {
       t.cooldown = Span(21 * kDay);
       s.last_fired_ms = kNow - 21 * kDay;
     }},
    {"CooldownOfAFiringInTheFutureDoesNotCount",
     [](TriggerSpec& t, TriggerState& s) {
       t.cooldown = Span(21 * kDay);
       s.last_fired_ms = kNow + kDay;
     }},
    {"CooldownDropsIncidentsToo",
     [](TriggerSpec& t, TriggerState& s) {
       t.source = project::IncidentSource{};
       t.cooldown = Span(21 * kDay);
       s.last_fired_ms = kNow - kDay;
     },
     false, Act::kDrop, "cooldown", kNow + 20 * kDay},
    {"TheRateHasRoom",
     [](TriggerSpec& t, TriggerState& s) {
       t.at_most = Rate{3, Span(90 * kDay)};
       s.fired = {kNow - 91 * kDay, kNow - 80 * kDay, kNow - kDay};
     }},
    {"TheRateIsFull",
     [](TriggerSpec& t, TriggerState& s) {
       t.at_most = Rate{3, Span(90 * kDay)};
       s.fired = {kNow - 80 * kDay, kNow - 40 * kDay, kNow - kDay};
     },
     false, Act::kDrop, "at_most", kNow + 10 * kDay},
    {"TheRateIsFullForTheLastOfMany",
     [](TriggerSpec& t, TriggerState& s) {
       t.at_most = Rate{1, Span(90 * kDay)};
       s.fired = {kNow - 80 * kDay, kNow - kDay};
     },
     false, Act::kDrop, "at_most", kNow + 89 * kDay},
    {"OverlapSkips", [](TriggerSpec&, TriggerState&) {}, true, Act::kDrop, "overlap"},
    {"OverlapBuffersOne", [](TriggerSpec& t, TriggerState&) { t.overlap = "buffer_one"; }, true,
     Act::kBuffer, "overlap"},
    {"OverlapIsAllowed", [](TriggerSpec& t, TriggerState&) { t.overlap = "allow"; }, true},
};
INSTANTIATE_TEST_SUITE_P(Cases, Decide, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Firing, OfASkippedRunCountsNoMore) {
  TriggerState state;
  state.last_fired_ms = kNow;
  state.fired = {kNow - kDay, kNow};
  const TriggerState before = without_firing(state, kNow, kNow - kDay);
  EXPECT_EQ(before.last_fired_ms, kNow - kDay);
  EXPECT_EQ(before.fired, std::vector<UnixMs>{kNow - kDay});
  // Another one fired meanwhile: its cool-down stays.
  const TriggerState later = without_firing(state, kNow - kDay, 0);
  EXPECT_EQ(later.last_fired_ms, kNow);
  EXPECT_EQ(later.fired, std::vector<UnixMs>{kNow});
}

TEST(Firing, KeepsWhatTheRateCounts) {
  TriggerSpec trigger = message_trigger();
  trigger.at_most = Rate{3, Span(90 * kDay)};
  TriggerState state;
  state.fired = {kNow - 91 * kDay, kNow - kDay, kNow + kDay};
  wait_since(state, kNow);
  state.buffered = 4;
  state = after_firing(trigger, state, kNow);
  EXPECT_EQ(state.fired, (std::vector<UnixMs>{kNow - kDay, kNow}));
  EXPECT_EQ(state.last_fired_ms, kNow);
  EXPECT_FALSE(state.waiting);
  EXPECT_EQ(state.buffered, 0);
}

// --- who listens ---

Occasion message(const std::string& type, const std::string& source) {
  Occasion occasion;
  occasion.cause = {graph::kind::kMessage, source + "/1"};
  occasion.id = "1";
  occasion.type = type;
  occasion.source = source;
  occasion.time_ms = kNow;
  occasion.data = wire::Json(wire::Json::Object());
  return occasion;
}

TEST(Listens, ToMessagesOfItsTypeAndSource) {
  TriggerSpec trigger = message_trigger();
  EXPECT_TRUE(listens(trigger, message("org.example.ready", "/a")));
  EXPECT_FALSE(listens(trigger, message("org.example.other", "/a")));
  std::get<project::MessageSource>(trigger.source).source = "/b";
  EXPECT_FALSE(listens(trigger, message("org.example.ready", "/a")));
}

TEST(Unheard, IsExplainedToWhoSentIt) {
  TriggerSpec ready = message_trigger(), of_b = message_trigger(), broker = message_trigger(), late;
  ready.name = "ready";
  of_b.name = "of-b";
  std::get<project::MessageSource>(of_b.source).source = "/b";
  broker.name = "broker";
  std::get<project::MessageSource>(broker.source).subject = "labels.ready";
  late.name = "late";
  late.source = project::AlertSource{{{"severity", "page"}, {"team", "ml"}}};
  const Occasion other = message("org.example.other", "/a");
  EXPECT_EQ(why_unheard({ready, of_b, broker, late}, other),
            "no trigger takes type org.example.other from source /a: ready takes type "
            "org.example.ready; of-b takes type org.example.ready from source /b");
  EXPECT_EQ(why_unheard({broker, late}, other),
            "no trigger of slipway.yaml takes messages over HTTP (`cloudevent:`)");
  Occasion alert;
  alert.cause = {graph::kind::kAlert, "f"};
  EXPECT_EQ(why_unheard({ready, late}, alert),
            "no trigger takes an alert with these labels: late takes severity=page, team=ml");
  EXPECT_EQ(why_unheard({ready}, alert), "no trigger of slipway.yaml takes alerts (`alert:`)");
  const std::string many = why_unheard(std::vector<TriggerSpec>(7, ready), other);
  EXPECT_EQ(many.substr(many.size() - 12), "; and 2 more");
}

TEST(Listens, ToMessagesOfABrokerByItsName) {
  TriggerSpec trigger = message_trigger();
  auto& source = std::get<project::MessageSource>(trigger.source);
  Occasion message;
  message.cause = {graph::kind::kMessage, "/a/1"};
  message.type = "org.example.ready";
  EXPECT_TRUE(listens(trigger, message));
  source.subject = "labels.ready";
  EXPECT_FALSE(listens(trigger, message)) << "over HTTP";
  EXPECT_TRUE(is_asked_for(source, message));
  source.source = "/b";
  EXPECT_FALSE(is_asked_for(source, message));
}

TEST(Listens, ToAlertsWithItsLabels) {
  TriggerSpec trigger = message_trigger();
  trigger.source = project::AlertSource{{{"alertname", "Late"}, {"severity", "page"}}};
  Occasion alert;
  alert.cause = {graph::kind::kAlert, "f/1/firing"};
  alert.data = *wire::parse(R"({"labels": {"alertname": "Late", "severity": "page", "x": "y"}})");
  EXPECT_TRUE(listens(trigger, alert));
  alert.data = *wire::parse(R"({"labels": {"alertname": "Late"}})");
  EXPECT_FALSE(listens(trigger, alert));
  alert.data = *wire::parse("[]");
  EXPECT_FALSE(listens(trigger, alert));
}

TEST(Listens, ToIncidentsOfItsMonitor) {
  TriggerSpec trigger = message_trigger();
  trigger.source = project::IncidentSource{"quality", ""};
  Occasion incident;
  incident.cause = {graph::kind::kIncident, "1"};
  incident.data = *wire::parse(R"({"deployment": "bikes", "monitor": "quality"})");
  EXPECT_TRUE(listens(trigger, incident));
  incident.data = *wire::parse(R"({"deployment": "bikes", "monitor": "drift"})");
  EXPECT_FALSE(listens(trigger, incident));
  trigger.source = project::IncidentSource{"", "cars"};
  EXPECT_FALSE(listens(trigger, incident));
}

// --- the calendar ---

constexpr UnixMs kMay = 1'304'208'000'000;  // 2011-05-01T00:00Z

Ticks ticks(const std::string& catchup, UnixMs after, UnixMs up_since, UnixMs now,
            bool may_overlap = false, bool active = false) {
  Result<Ticks> due =
      due_ticks({"30 2 * * *", "UTC", catchup}, may_overlap, active, after, up_since, now);
  EXPECT_TRUE(due.ok());
  return std::move(*due);
}
std::vector<std::string> names(const Ticks& ticks) {
  std::vector<std::string> names;
  for (const Ticks::Tick& tick : ticks.fire) names.push_back(tick.nominal);
  return names;
}
using Names = std::vector<std::string>;

TEST(DueTicks, OneAtItsTime) {
  EXPECT_TRUE(ticks("latest", kMay, kMay, kMay + kHour).fire.empty());
  const Ticks due = ticks("latest", kMay, kMay, kMay + 3 * kHour);
  EXPECT_EQ(names(due), Names{"2011-05-01T02:30"});
  EXPECT_TRUE(ticks("latest", due.cursor_ms, kMay, kMay + 3 * kHour).fire.empty());
}

TEST(DueTicks, LatestTakesTheNewest) {
  const Ticks due = ticks("latest", kMay, kMay + 5 * kDay, kMay + 5 * kDay);
  EXPECT_EQ(names(due), Names{"2011-05-05T02:30"});
  EXPECT_EQ(due.missed, 4);
}

TEST(DueTicks, NoneLeavesOutWhatPassedWhileNobodyLooked) {
  const Ticks due = ticks("none", kMay, kMay + 5 * kDay, kMay + 5 * kDay);
  EXPECT_TRUE(due.fire.empty());
  EXPECT_EQ(due.missed, 5);
  EXPECT_EQ(names(ticks("none", due.cursor_ms, kMay + 5 * kDay, kMay + 5 * kDay + 3 * kHour)),
            Names{"2011-05-06T02:30"});
}

TEST(DueTicks, AllTakesOneAfterTheOther) {
  const Ticks first = ticks("all", kMay, kMay, kMay + 5 * kDay);
  EXPECT_EQ(names(first), Names{"2011-05-01T02:30"});
  EXPECT_EQ(first.missed, 0);
  const Ticks waiting =
      ticks("all", first.cursor_ms, kMay, kMay + 5 * kDay, false, /*active=*/true);
  EXPECT_TRUE(waiting.fire.empty());
  EXPECT_EQ(waiting.cursor_ms, first.cursor_ms);
  EXPECT_EQ(names(ticks("all", first.cursor_ms, kMay, kMay + 5 * kDay)), Names{"2011-05-02T02:30"});
}

TEST(DueTicks, AllTogetherWhereRunsMayOverlap) {
  EXPECT_EQ(ticks("all", kMay, kMay, kMay + 5 * kDay, true).fire.size(), 5u);
  EXPECT_EQ(ticks("all", kMay, kMay, kMay + 500 * kDay, true).fire.size(),
            static_cast<std::size_t>(kTicksMax));
}

TEST(DueTicks, EachLocalTimeOnceAcrossTheChangesOfTheClock) {
  // Berlin: 2011-03-27 has no 02:30, 2011-10-30 has it twice.
  std::map<std::string, int> seen;
  UnixMs cursor = kMay - 60 * kDay;
  for (int hour = 0; hour < 400 * 24; ++hour) {
    const UnixMs now = kMay - 60 * kDay + hour * kHour;
    Result<Ticks> due =
        due_ticks({"30 2 * * *", "Europe/Berlin", "latest"}, false, false, cursor, kMay, now);
    ASSERT_TRUE(due.ok());
    for (const Ticks::Tick& tick : due->fire) ++seen[tick.nominal.substr(0, 10)];
    EXPECT_EQ(due->missed, 0);
    cursor = due->cursor_ms;
  }
  EXPECT_EQ(seen["2011-03-27"], 1);
  EXPECT_EQ(seen["2011-10-30"], 1);
  EXPECT_GE(seen.size(), 399u);
  for (const auto& [day, count] : seen) EXPECT_EQ(count, 1) << day;
}

TEST(DueTicks, RefusesARuleThatCannotBe) {
  EXPECT_FALSE(due_ticks({"99 * * * *", "UTC", "all"}, false, false, 0, 0, kNow).ok());
  EXPECT_FALSE(due_ticks({"1 * * * *", "Mars/Base", "all"}, false, false, 0, 0, kNow).ok());
}

TEST(Settling, IsForWhatStaysAsItIs) {
  Settling settling;
  const Span span(2 * kSecond);
  EXPECT_FALSE(settling.look("a", span, kNow));
  EXPECT_FALSE(settling.look("a", span, kNow + kSecond));
  EXPECT_FALSE(settling.look("b", span, kNow + 2 * kSecond));
  EXPECT_FALSE(settling.look("b", span, kNow + 3 * kSecond));
  EXPECT_TRUE(settling.look("b", span, kNow + 4 * kSecond));
  EXPECT_FALSE(settling.look("b", span, kNow)) << "the clock was put back";
  EXPECT_TRUE(Settling().look("a", Span(0), kNow));
}

// --- paths of commits ---

TEST(Touches, AsGlobsOfSlipwayYaml) {
  const std::vector<std::string> paths = {"train/deep/fit.py", "README.md"};
  EXPECT_TRUE(touches({}, paths));
  EXPECT_TRUE(touches({"train/**"}, paths));
  EXPECT_TRUE(touches({"**/fit.py"}, paths));
  EXPECT_TRUE(touches({"app/**", "*.md"}, paths));
  EXPECT_TRUE(touches({"train/*/f?t.py"}, paths));
  EXPECT_FALSE(touches({"train/*.py"}, paths));
  EXPECT_FALSE(touches({"app/**"}, paths));
  EXPECT_FALSE(touches({"train"}, paths));
  EXPECT_FALSE(touches({"train/**"}, {}));
}

TEST(Touches, TakesNoLongTimeForManyStars) {
  std::string glob;
  for (int i = 0; i < 200; ++i) glob += "*a";
  EXPECT_FALSE(touches({glob + "b"}, {std::string(2000, 'a')}));
}

// --- inputs ---

TEST(Inputs, AreTakenFromTheEvent) {
  TriggerSpec trigger = message_trigger();
  trigger.params = {{"as_of", "${event.date}", {}},
                    {"train.note", "by ${event.source} at ${event.time}", {}},
                    {"other.yaml:rows", "${event.data.counts.rows}", {}},
                    {"seed", "7", {}}};
  Occasion occasion = message("org.example.ready", "/labels");
  occasion.data = *wire::parse(R"({"counts": {"rows": 12}})");
  Result<std::vector<ParamInput>> inputs = inputs_of(trigger, occasion);
  ASSERT_TRUE(inputs.ok()) << inputs.error().message;
  EXPECT_EQ((*inputs)[0], (ParamInput{"params.yaml", "as_of", "2023-11-14"}));
  EXPECT_EQ((*inputs)[1].value, "by /labels at 2023-11-14T22:13:20.000Z");
  EXPECT_EQ((*inputs)[2], (ParamInput{"other.yaml", "rows", "12"}));
  EXPECT_EQ((*inputs)[3].value, "7");
}

TEST(Inputs, WhatTheEventDoesNotHaveIsNamed) {
  TriggerSpec trigger = message_trigger();
  trigger.params = {{"as_of", "${event.data.day}", {}}};
  Result<std::vector<ParamInput>> inputs = inputs_of(trigger, message("t", "/s"));
  ASSERT_FALSE(inputs.ok());
  EXPECT_NE(inputs.error().message.find("${event.data.day}"), std::string::npos);
}

TEST(Inputs, WhatTheEventHasButIsNoTextIsNamed) {
  TriggerSpec trigger = message_trigger();
  Occasion occasion = message("t", "/s");
  occasion.data = *wire::parse(R"({"fault": {"code": 5}, "all": [1], "none": null})");
  for (const auto& [name, what] : {std::pair{"fault", "an object"}, {"all", "a list"},
                                   {"none", "null"}}) {
    trigger.params = {{"as_of", std::string("${event.data.") + name + "}", {}}};
    Result<std::vector<ParamInput>> inputs = inputs_of(trigger, occasion);
    ASSERT_FALSE(inputs.ok());
    EXPECT_EQ(inputs.error().message,
              std::string("the parameter as_of asks for ${event.data.") + name + "}, which is " +
                  what + " in this event: expected a text, a number, true or false");
  }
}

TEST(Templates, UnknownOnesAreFoundBeforeTheyAreNeeded) {
  const project::TriggerSource incident = project::IncidentSource{};
  EXPECT_TRUE(unknown_templates(incident, "${event.monitor} ${event.time} plain").empty());
  EXPECT_TRUE(unknown_templates(project::MessageSource{}, "${event.data.day}").empty());
  const auto faults = unknown_templates(project::MessageSource{}, "${event.tiem}");
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].find("did you mean ${event.time}?"), std::string::npos) << faults[0];
  EXPECT_EQ(unknown_templates(project::CronSource{}, "${event.monitor}").size(), 1u);
}

}  // namespace
}  // namespace slipway::flows
