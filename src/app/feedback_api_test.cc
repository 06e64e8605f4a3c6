#include "app/feedback_api.h"

#include <gtest/gtest.h>

namespace slipway::app {
namespace {

std::string fault_of(const char* body) {
  const auto read = read_feedback(body);
  return read.ok() ? "" : read.error().message;
}

TEST(ReadFeedback, TakesLabelsAndTheMembersOfOne) {
  const auto many = read_feedback(
      R"({"check": true, "labels": [{"prediction_id": "a.1/2", "value": 3, "event_time": 5}]})");
  ASSERT_TRUE(many.ok()) << many.error().message;
  EXPECT_TRUE(many->check);
  ASSERT_EQ(many->labels.size(), 1u);
  EXPECT_EQ(many->labels[0].prediction_id, "a.1/2");
  EXPECT_EQ(many->labels[0].event_time.as_int64(), 5);
  const auto one = read_feedback(R"({"prediction_id": "a.1", "value": true, "source": "me"})");
  ASSERT_TRUE(one.ok()) << one.error().message;
  EXPECT_FALSE(one->check);
  EXPECT_EQ(one->labels[0].source, "me");
}

TEST(ReadFeedback, RefusesAMemberThatALabelHasNotAndNamesTheNearest) {
  EXPECT_EQ(fault_of(R"({"labels": [{"prediction_id": "a.1", "value": 1},
                                    {"prediction_id": "a.1", "value": 1, "event_tme": 5}]})"),
            "labels[1]: a label has no member \"event_tme\"; did you mean \"event_time\"? (it has "
            "prediction_id, value, event_time, source)");
  EXPECT_EQ(fault_of(R"({"prediction_id": "a.1", "vale": 1})"),
            "a label has no member \"vale\"; did you mean \"value\"? (it has prediction_id, value, "
            "event_time, source)");
  EXPECT_EQ(fault_of(R"({"labels": [], "chek": true})"),
            "feedback has no member \"chek\"; did you mean \"check\"? (it has labels, check)");
}

TEST(ReadFeedback, SaysWhereTheRowOfABatchIsNamed) {
  EXPECT_EQ(fault_of(R"({"labels": [{"prediction_id": "a.1", "row": 2, "value": 1}]})"),
            "labels[0]: a label has no member \"row\"; row N is named by the prediction_id, "
            "\"ID/N\" (it has prediction_id, value, event_time, source)");
}

TEST(ReadFeedback, NamesTheLabelThatIsNone) {
  EXPECT_EQ(fault_of(R"({"labels": [7]})"), "labels[0]: expected an object");
  EXPECT_EQ(fault_of(R"({"labels": 7})"), "labels: expected a list");
  EXPECT_EQ(fault_of(R"([])"), "expected an object");
  EXPECT_EQ(fault_of(R"({"labels": [{"prediction_id": 7}]})").substr(0, 11), "labels[0]: ");
}

}  // namespace
}  // namespace slipway::app
