#include "io/nats/delivery.h"

#include <gtest/gtest.h>

namespace slipway::nats {
namespace {

TEST(Delivery, IsWhatTheReplySubjectSays) {
  const auto found = parse_delivery("$JS.ACK.LABELS.ready.1.42.7.1700000000123456789.3");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->stream, "LABELS");
  EXPECT_EQ(found->sequence, 42u);
  EXPECT_EQ(found->time_ms, 1'700'000'000'123);
  const auto longer =
      parse_delivery("$JS.ACK.hub.ACCOUNT.LABELS.ready.1.42.7.1700000000123456789.3.random");
  ASSERT_TRUE(longer);
  EXPECT_EQ(longer->stream, "LABELS");
  EXPECT_EQ(longer->sequence, 42u);
}

TEST(Delivery, IsNothingElse) {
  for (const char* text :
       {"", "$JS.ACK.", "_INBOX.x", "$JS.ACK.S.C.1.x.7.1.3", "$JS.ACK.S.C.1.0.7.1.3",
        "$JS.ACK.S.C.1.-2.7.1.3", "$JS.ACK.S.C.1.2.7.1", "$JS.ACK..C.1.2.7.1.3",
        "$JS.ACK.a.b.S.C.1.2.7.1", "$JS.ACK.S.C.1.99999999999999999999.7.1.3"}) {
    EXPECT_FALSE(parse_delivery(text)) << text;
  }
  EXPECT_FALSE(parse_delivery("$JS.ACK." + std::string(10'000, '.')));
}

TEST(Delivery, AStatusEndsARequest) {
  EXPECT_FALSE(parse_status("", ""));
  EXPECT_EQ(parse_status("404", "No Messages"), PullEnd::kNothing);
  EXPECT_EQ(parse_status("408", "Request Timeout"), PullEnd::kNothing);
  EXPECT_EQ(parse_status("409", "Consumer Deleted"), PullEnd::kGone);
  EXPECT_EQ(parse_status("409", "Exceeded MaxWaiting"), PullEnd::kBusy);
  EXPECT_EQ(parse_status("503", ""), PullEnd::kGone);
}

TEST(Delivery, ARequestIsJson) {
  EXPECT_EQ(pull_request(1, 1'000), R"({"batch":1,"expires":1000000000})");
  EXPECT_EQ(pull_what_is_there(63), R"({"batch":63,"no_wait":true})");
}

}  // namespace
}  // namespace slipway::nats
