#include "domain/serving/feedback.h"

#include <gtest/gtest.h>

#include <cmath>

namespace slipway::serving {
namespace {

constexpr UnixMs kNow = 1'304'812'800'000;  // 2011-05-08

std::string id_at(UnixMs ms, const std::string& deployment = "bikes") {
  return make_prediction_id(deployment, ms).text();
}

Feedback check(std::vector<LabelText> sent) {
  return check_feedback(
      sent,
      [](const std::string& name) {
        return Answering{name == "bikes" || name == "churn", name == "churn" ? 3u : 0u};
      },
      kNow);
}

TEST(Feedback, ALabelNamesARowAndWhenItBecameTrue) {
  const std::string id = id_at(kNow - 1000);
  const Feedback feedback = check({{id + "/7", 12.5, "2011-05-01T00:00:00Z", "counter"}});
  ASSERT_TRUE(feedback.wrong.empty());
  ASSERT_EQ(feedback.labels.size(), 1u);
  EXPECT_EQ(feedback.labels[0].id, *read_prediction_id(id + "/7"));
  EXPECT_EQ(feedback.labels[0].value, 12.5);
  EXPECT_EQ(feedback.labels[0].event_time_ms, 1'304'208'000'000);
  EXPECT_EQ(feedback.labels[0].received_ms, kNow);
  EXPECT_EQ(feedback.labels[0].source, "counter");
}

TEST(Feedback, WithoutATimeItBecameTrueWhenItWasReceived) {
  EXPECT_EQ(check({{id_at(kNow), 1, "", ""}}).labels.at(0).event_time_ms, kNow);
}

TEST(Feedback, EachWrongLabelIsNamed) {
  const Feedback feedback = check({{id_at(kNow), 1, "", ""},
                                   {"bikes", 1, "", ""},
                                   {id_at(kNow, "trams"), 1, "", ""},
                                   {id_at(kNow), std::nan(""), "", ""},
                                   {id_at(kNow), 1, "noon", ""},
                                   {id_at(kNow), 1, "", std::string(257, 's')},
                                   {id_at(kNow + 2 * 24 * 3600 * 1000), 1, "", ""},
                                   {"", 1, "", ""},
                                   {id_at(kNow), std::nullopt, "", ""}});
  EXPECT_EQ(feedback.labels.size(), 1u);
  std::vector<std::size_t> wrong;
  for (const WrongLabel& one : feedback.wrong) wrong.push_back(one.index);
  EXPECT_EQ(wrong, (std::vector<std::size_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(feedback.wrong[0].why,
            "found 'bikes' as prediction_id, expected DEPLOYMENT.UUID, or DEPLOYMENT.UUID/ROW");
  EXPECT_EQ(feedback.wrong[1].why, "no deployment 'trams' has ever answered here");
}

TEST(Feedback, WhatStandsInAValuesPlaceIsNamed) {
  const Feedback feedback = check({{id_at(kNow), std::nullopt, "", "", "the text \"1\""},
                                   {id_at(kNow), std::nullopt, "", ""}});
  ASSERT_EQ(feedback.wrong.size(), 2u);
  EXPECT_EQ(feedback.wrong[0].why,
            "found the text \"1\" as value, expected a number, true or false");
  EXPECT_EQ(feedback.wrong[1].why, "found no value, expected a number");
}

TEST(Feedback, OfAClassifierIsOneOfItsClasses) {
  const std::string id = id_at(kNow, "churn");
  EXPECT_TRUE(check({{id, 0, "", ""}, {id, 2, "", ""}}).wrong.empty());
  const Feedback feedback =
      check({{id, 3, "", ""}, {id, -1, "", ""}, {id, 0.5, "", ""}, {id, 1e300, "", ""}});
  ASSERT_EQ(feedback.wrong.size(), 4u);
  EXPECT_EQ(feedback.wrong[2].why,
            "found 0.5 as value, expected one of the 3 classes that the deployment answers: a whole "
            "number from 0 to 2");
  EXPECT_TRUE(check({{id_at(kNow), -3.5, "", ""}}).wrong.empty()) << "of a regression it is any";
}

TEST(Feedback, ABatchOfTooManyDaysIsRefused) {
  std::vector<LabelText> sent;
  for (int day = 0; day <= static_cast<int>(kFeedbackDaysMax); ++day) {
    sent.push_back({id_at(kNow - UnixMs{86'400'000} * day), 1, "", ""});
  }
  const Feedback feedback = check(sent);
  ASSERT_EQ(feedback.wrong.size(), 1u);
  EXPECT_EQ(feedback.wrong[0].index, kFeedbackDaysMax);
}

TEST(Feedback, ARowThatThePredictionHasNotGotIsWrongAndAnUnknownOneIsTold) {
  const std::string known = id_at(kNow - 1000), unknown = id_at(kNow - 2000);
  const Feedback feedback = check({{known, 1, "", ""},
                                   {known + "/1", 1, "", ""},
                                   {known + "/2", 1, "", ""},
                                   {unknown, 1, "", ""}});
  ASSERT_EQ(feedback.labels.size(), 4u);
  const Matched matched =
      match_labels(feedback.labels, [&](const PredictionId& id) -> std::optional<std::uint32_t> {
        if (id.text() == known) return 2;
        return std::nullopt;
      });
  ASSERT_EQ(matched.wrong.size(), 1u);
  EXPECT_EQ(matched.wrong[0].index, 2u);
  EXPECT_EQ(matched.wrong[0].why,
            "prediction " + known + " has 2 rows, counted from 0: found row 2");
  EXPECT_EQ(matched.unknown, std::vector<std::size_t>{3});
}

}  // namespace
}  // namespace slipway::serving
