#include "io/nats/consumer.h"

#include <gtest/gtest.h>

namespace slipway::nats {
namespace {

TEST(Consumer, FetchesFewerWhereMessagesMayBeLarge) {
  EXPECT_EQ(batch_for(1 << 20), 64);
  EXPECT_EQ(batch_for(64 << 20), 1);
  EXPECT_EQ(batch_for(1'000'000'000'000), 1);
  EXPECT_EQ(batch_for(1'000), kBatchMax);
  EXPECT_EQ(batch_for(0), 1);
}

TEST(Consumer, BeginsAtATimeWhoseFractionHasNoLeadingZero) {
  EXPECT_EQ(start_ns(1'700'000'000'092), 1'700'000'000'000'000'000);
  EXPECT_EQ(start_ns(1'700'000'000'999), 1'700'000'000'900'000'000);
  EXPECT_EQ(start_ns(0), 100'000'000);
}

TEST(Consumer, HasANameThatNatsTakes) {
  const std::string name = consumer_name({"bikes & co", "ready", "labels.>", "place"});
  EXPECT_EQ(name.find_first_of(" .*>/\\&"), std::string::npos) << name;
  EXPECT_TRUE(name.starts_with("slipway-bikes___co-ready-labels__-")) << name;
  EXPECT_LE(consumer_name({std::string(1000, 'x')}).size(), 100u);
}

TEST(Consumer, HasANameOfItsOwn) {
  EXPECT_NE(consumer_name({"a", "b-c"}), consumer_name({"a-b", "c"}));
  EXPECT_NE(consumer_name({"a.b"}), consumer_name({"a_b"}));
  EXPECT_EQ(consumer_name({"a", "b"}), consumer_name({"a", "b"}));
}

TEST(Consumer, SaysWhoCannotBeReached) {
  const auto servers = parse_addresses("nats://ann:s3cret@127.0.0.1:1");  // nobody listens there
  const auto made = subscribe({*servers, "", "", "", ""}, servers->front(), {"a", "b", "c", 0, {}});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::kUnavailable);
  EXPECT_NE(made.error().message.find("nats://127.0.0.1:1 cannot be reached"), std::string::npos)
      << made.error().message;
  EXPECT_EQ(made.error().message.find("s3cret"), std::string::npos) << made.error().message;
}

TEST(Consumer, SaysWhichFileCannotBeRead) {
  const auto servers = parse_addresses("tls://127.0.0.1:1");
  Access access{*servers, "", "/nowhere/ca.pem", "", ""};
  const auto made = subscribe(access, servers->front(), {"a", "b", "c", 0, {}});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::kInvalid);
  EXPECT_NE(made.error().message.find("/nowhere/ca.pem"), std::string::npos);
}

}  // namespace
}  // namespace slipway::nats
