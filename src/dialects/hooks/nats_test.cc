#include "dialects/hooks/nats.h"

#include <gtest/gtest.h>

namespace slipway::hooks {
namespace {

using flows::Occasion;

constexpr char kEvent[] =
    R"({"specversion": "1.0", "id": "7", "source": "/labels", "type": "ready", "data": {"day": 1}})";

nats::Message message(std::string body,
                      std::vector<std::pair<std::string, std::string>> headers = {}) {
  nats::Message out;
  out.at = {"LABELS", 1'000, 42};
  out.subject = "labels.ready";
  out.headers = std::move(headers);
  out.bytes = body.size();
  out.body = std::move(body);
  out.time_ms = 5'000;
  return out;
}

TEST(NatsMessage, IsAStructuredCloudEvent) {
  for (const auto& one :
       {message(kEvent, {{"Content-Type", "application/cloudevents+json"}}),
        message(kEvent, {{"content-type", "application/cloudevents; charset=UTF-8"}}),
        message(kEvent)}) {
    Result<Occasion> occasion = read_message(one, "ready");
    ASSERT_TRUE(occasion.ok()) << occasion.error().message;
    EXPECT_EQ(occasion->id, "7");
    EXPECT_EQ(occasion->type, "ready");
    EXPECT_EQ(occasion->source, "/labels");
    EXPECT_EQ(occasion->time_ms, 5'000);
    EXPECT_EQ(occasion->cause, (graph::NodeRef{"message", "/labels/7"}));
    EXPECT_EQ(occasion->data.find("day")->as_int64(), 1);
  }
}

TEST(NatsMessage, IsABinaryCloudEvent) {
  Result<Occasion> occasion =
      read_message(message(R"({"day": 2})", {{"ce-specversion", "1.0"},
                                             {"ce-id", "a%20b"},
                                             {"ce-source", "/labels"},
                                             {"ce-type", "ready"},
                                             {"ce-time", "2018-04-05T03:56:24Z"},
                                             {"ce-datacontenttype", "application/json"}}),
                   "ready");
  ASSERT_TRUE(occasion.ok()) << occasion.error().message;
  EXPECT_EQ(occasion->id, "a b");
  EXPECT_EQ(to_iso8601(occasion->time_ms).substr(0, 19), "2018-04-05T03:56:24");
  EXPECT_EQ(occasion->data.find("day")->as_int64(), 2);
}

TEST(NatsMessage, OfTheSameEventHasOneKeyForEachTrigger) {
  const auto key = [](const nats::Message& one, const char* trigger) {
    return read_message(one, trigger)->key;
  };
  nats::Message later = message(kEvent);
  later.at.sequence = 43;
  EXPECT_EQ(key(message(kEvent), "a"), key(later, "a"));
  EXPECT_NE(key(message(kEvent), "a"), key(message(kEvent), "b"));
}

TEST(NatsMessage, MayBePlainJson) {
  Result<Occasion> occasion = read_message(message(R"({"day": 3, "id": 9})"), "ready");
  ASSERT_TRUE(occasion.ok()) << occasion.error().message;
  EXPECT_EQ(occasion->type, "");
  EXPECT_EQ(occasion->id, "42");
  EXPECT_EQ(occasion->source, "/nats/LABELS");
  EXPECT_EQ(occasion->subject, "labels.ready");
  EXPECT_EQ(occasion->data.find("day")->as_int64(), 3);
  EXPECT_EQ(read_message(message("[1]"), "ready")->data.find("value")->as_array().size(), 1u);
  EXPECT_TRUE(read_message(message(""), "ready")->data.as_object().empty());
}

TEST(NatsMessage, IsKnownByItsOwnIdOrItsPlaceInTheStream) {
  nats::Message first = message("{}"), again = message("{}"), other_stream = message("{}");
  again.at.sequence = 43;
  other_stream.at.created_ms = 2'000;  // made anew, it counts from one again
  EXPECT_EQ(read_message(first, "t")->key, read_message(message("{}"), "t")->key);
  EXPECT_NE(read_message(first, "t")->key, read_message(again, "t")->key);
  EXPECT_NE(read_message(first, "t")->key, read_message(other_stream, "t")->key);
  first.headers = again.headers = other_stream.headers = {{"Nats-Msg-Id", "x"}};
  EXPECT_EQ(read_message(first, "t")->id, "x");
  EXPECT_EQ(read_message(first, "t")->key, read_message(again, "t")->key);
  EXPECT_EQ(read_message(first, "t")->key, read_message(other_stream, "t")->key);
}

TEST(NatsMessage, ThatNobodyCanReadIsRefused) {
  nats::Message long_one = message("");
  long_one.is_too_long = true;
  long_one.bytes = 2u << 20;
  for (const nats::Message& one :
       {long_one, message("hello"), message("\xFF"), message(R"({"specversion": "1.0"})"),
        message(R"({"specversion": "0.3", "id": "1", "source": "/a", "type": "b"})"),
        message("[]", {{"Content-Type", "application/cloudevents-batch+json"}}),
        message("<a/>", {{"Content-Type", "application/cloudevents+xml"}}),
        message("{}", {{"ce-specversion", "1.0"}, {"ce-id", "%FF"}}),
        message("{}", {{"Nats-Msg-Id", std::string(2000, 'x')}}),
        message(std::string(100'000, '['))}) {
    Result<Occasion> occasion = read_message(one, "t");
    ASSERT_FALSE(occasion.ok()) << one.body.substr(0, 100);
    EXPECT_EQ(occasion.error().code, Code::kInvalid);
    EXPECT_FALSE(occasion.error().message.empty());
  }
}

}  // namespace
}  // namespace slipway::hooks
