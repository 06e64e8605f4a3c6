#include "dialects/mlflow/webhooks.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/hash.h"
#include "dialects/mlflow/mlflow_testing.h"
#include "dialects/mlflow/webhook_events.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using wire::Json;

constexpr char kHook[] =
    R"({"name": "hook", "url": "http://127.0.0.1:9/x", "secret": "s3cret", "description": "d",
        "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}, {"entity": 1, "action": 1}]})";

class WebhookApiTest : public ApiOnEachEngine {
 protected:
  Answered make(const std::string& event_entity, const std::string& action) {
    return post("webhooks", R"({"name": "h", "url": "http://h/", "events": [{"entity": ")" +
                                event_entity + R"(", "action": ")" + action + R"("}]})");
  }
  std::vector<notify::OwedDelivery> due() {
    return *pool_->read(
        [&](db::Tx& tx) { return notify::due_deliveries(tx, clock_.now_ms() + 1000); });
  }
  /// What is owed next, without its time; empty when nothing is.
  std::string next_body() {
    const auto heads = due();
    if (heads.empty()) return "";
    auto done = pool_->write(
        [&](db::Tx& tx) { return notify::record_outcome(tx, heads[0], {}, clock_.now_ms()); });
    EXPECT_TRUE(done.ok());
    std::string body = heads[0].body;
    const std::size_t at = body.find("\"timestamp\": \"");
    return body.erase(at, body.find("\", ", at) + 3 - at);
  }
  void listen_to_all() {
    std::string events;
    for (const WebhookEventKind& one : webhook_events()) {
      events += std::string(events.empty() ? "" : ",") + R"({"entity": ")" + one.entity +
                R"(", "action": ")" + one.action + "\"}";
    }
    ASSERT_EQ(post("webhooks", R"({"name": "all", "url": "http://h/", "events": [)" + events + "]}")
                  .status,
              200);
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, WebhookApiTest, db::every_engine(), db::engine_name);

TEST_P(WebhookApiTest, AnswersWithoutTheSecret) {
  const Answered made = post("webhooks", kHook);
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.at("webhook.name"), Json("hook"));
  EXPECT_EQ(made.at("webhook.status"), Json("ACTIVE"));
  EXPECT_EQ(made.at("webhook.events.0.entity"), Json("MODEL_VERSION"));
  EXPECT_EQ(made.at("webhook.events.1.action"), Json("CREATED"));
  EXPECT_EQ(made.body.find("s3cret"), std::string::npos);
  const std::string id = made.at("webhook.webhook_id").as_string();
  EXPECT_EQ(get("webhooks/" + id).body, made.body);
  EXPECT_EQ(get("webhooks").at("webhooks.0"), made.at("webhook"));
}

TEST_P(WebhookApiTest, RefusesInMlflowsWords) {
  const auto refused = [&](const std::string& body) {
    const Answered answered = post("webhooks", body);
    EXPECT_EQ(answered.status, 400) << body;
    return answered.at("message").as_string();
  };
  const std::string events = R"("events": [{"entity": "PROMPT", "action": "CREATED"}])";
  EXPECT_NE(refused(R"({"url": "http://h/", )" + events + "}").find("parameter 'name'"),
            std::string::npos);
  EXPECT_EQ(refused(R"({"name": "-a", "url": "http://h/", )" + events + "}")
                .find("Webhook name '-a' is invalid."),
            0u);
  EXPECT_EQ(refused(R"({"name": "a", "url": "ftp://h/", )" + events + "}"),
            "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: http, https.");
  const std::string long_text(2000, 'x');
  EXPECT_EQ(refused(R"({"name": "a", "url": ")" + long_text + R"(", )" + events + "}"),
            "Invalid webhook URL scheme: ''. Allowed schemes are: http, https.");
  EXPECT_EQ(refused(R"({"name": "a", "url": "not a scheme:x", )" + events + "}"),
            "Invalid webhook URL scheme: ''. Allowed schemes are: http, https.");
  EXPECT_EQ(refused(R"({"name": "a", "url": "http://h/)" + long_text + R"(", )" + events + "}")
                .find("Invalid webhook URL: it must have at most 500 characters"),
            0u);
  EXPECT_EQ(refused(R"({"name": "a", "url": "http:///x", )" + events + "}"),
            "Webhook URL must include a hostname: 'http:///x'");
  EXPECT_EQ(
      refused(
          R"({"name": "a", "url": "http://h/", "events": [{"entity": "PROMPT", "action": "SET"}]})"),
      "Invalid action 'set' for entity 'prompt'. Valid actions are: ['created']");
  EXPECT_EQ(get("webhooks?max_results=1001").at("message"),
            Json("max_results must be between 1 and 1000."));
  EXPECT_EQ(get("webhooks/none").status, 404);
  EXPECT_EQ(get("webhooks/none").at("message"), Json("Webhook with ID none not found."));
  EXPECT_EQ(get("webhooks?page_token=none").status, 400);
}

TEST_P(WebhookApiTest, ChangesOnlyWhatACallSays) {
  const std::string id = post("webhooks", kHook).at("webhook.webhook_id").as_string();
  clock_.advance(std::chrono::milliseconds(5));
  const Answered changed = call(Method::kPatch, "webhooks/" + id,
                                R"({"status": "DISABLED", "description": "", "name": ""})");
  EXPECT_EQ(changed.at("webhook.status"), Json("DISABLED"));
  EXPECT_TRUE(changed.at("webhook.description").is_null());
  EXPECT_EQ(changed.at("webhook.name"), Json("hook"));
  EXPECT_EQ(call(Method::kDelete, "webhooks/" + id).body, "{}");
  EXPECT_EQ(call(Method::kDelete, "webhooks/" + id).status, 404);
}

TEST_P(WebhookApiTest, ComeInPages) {
  for (int i = 0; i < 3; ++i) make("PROMPT", "CREATED");
  const Answered first = get("webhooks?max_results=2");
  EXPECT_EQ(first.at("webhooks").as_array().size(), 2u);
  const Answered second =
      get("webhooks?max_results=2&page_token=" + first.at("next_page_token").as_string());
  EXPECT_EQ(second.at("webhooks").as_array().size(), 1u);
  EXPECT_TRUE(second.at("next_page_token").is_null());
}

TEST_P(WebhookApiTest, AreToldOfEveryChangeOfAModel) {
  listen_to_all();
  post("registered-models/create",
       R"({"name": "bikes", "description": "d", "tags": [{"key": "k", "value": "\u00e9"}]})");
  EXPECT_EQ(next_body(),
            R"({"entity": "registered_model", "action": "created", "data": {"name": "bikes", )"
            R"("tags": {"k": "\u00e9"}, "description": "d"}})");
  post("model-versions/create", R"({"name": "bikes", "source": "s3://b/x"})");
  EXPECT_EQ(next_body(),
            R"({"entity": "model_version", "action": "created", "data": {"name": "bikes", )"
            R"("version": "1", "source": "s3://b/x", "run_id": null, "tags": {}, )"
            R"("description": null}})");
  post("model-versions/set-tag", R"({"name": "bikes", "version": "1", "key": "k", "value": "v"})");
  EXPECT_EQ(next_body(),
            R"({"entity": "model_version_tag", "action": "set", "data": {"name": "bikes", )"
            R"("version": "1", "key": "k", "value": "v"}})");
  call(Method::kDelete, "model-versions/delete-tag",
       R"({"name": "bikes", "version": "1", "key": "k"})");
  EXPECT_EQ(next_body(),
            R"({"entity": "model_version_tag", "action": "deleted", "data": {"name": "bikes", )"
            R"("version": "1", "key": "k"}})");
  post("registered-models/alias", R"({"name": "bikes", "alias": "a", "version": "1"})");
  EXPECT_EQ(next_body(),
            R"({"entity": "model_version_alias", "action": "created", "data": {"name": "bikes", )"
            R"("alias": "a", "version": "1"}})");
  call(Method::kDelete, "registered-models/alias", R"({"name": "bikes", "alias": "a"})");
  EXPECT_EQ(next_body(),
            R"({"entity": "model_version_alias", "action": "deleted", "data": {"name": "bikes", )"
            R"("alias": "a"}})");
  post("registered-models/set-tag", R"({"name": "bikes", "key": "k", "value": "v"})");
  EXPECT_EQ(next_body(), "");  // MLflow tells nobody
}

TEST_P(WebhookApiTest, AreToldOfPromptsByTheirOwnNames) {
  listen_to_all();
  const std::string prompt = R"({"key": "mlflow.prompt.is_prompt", "value": "true"})";
  post("registered-models/create", R"({"name": "hi", "tags": [)" + prompt + "]}");
  EXPECT_EQ(next_body(), R"({"entity": "prompt", "action": "created", "data": {"name": "hi", )"
                         R"("tags": {}, "description": ""}})");
  post("model-versions/create",
       R"({"name": "hi", "source": "prompt-template", "tags": [)" + prompt +
           R"(, {"key": "mlflow.prompt.text", "value": "Hello {{name}}"}]})");
  EXPECT_EQ(next_body(),
            R"({"entity": "prompt_version", "action": "created", "data": {"name": "hi", )"
            R"("version": "1", "template": "Hello {{name}}", "tags": {}, "description": null}})");
  post("registered-models/set-tag", R"({"name": "hi", "key": "k", "value": "v"})");
  EXPECT_EQ(next_body(), R"({"entity": "prompt_tag", "action": "set", "data": {"name": "hi", )"
                         R"("key": "k", "value": "v"}})");
  post("registered-models/alias", R"({"name": "hi", "alias": "a", "version": "1"})");
  EXPECT_EQ(next_body(), R"({"entity": "prompt_alias", "action": "created", "data": )"
                         R"({"name": "hi", "alias": "a", "version": "1"}})");
}

TEST_P(WebhookApiTest, AChangeThatFailedIsToldToNobody) {
  listen_to_all();
  post("registered-models/create", R"({"name": "bikes"})");
  next_body();
  EXPECT_EQ(post("registered-models/create", R"({"name": "bikes"})").status, 400);
  EXPECT_EQ(
      post("registered-models/alias", R"({"name": "bikes", "alias": "a", "version": "7"})").status,
      404);
  EXPECT_EQ(next_body(), "");
}

TEST_P(WebhookApiTest, ATestSendsAnExampleAndSaysWhatCame) {
  const std::string id = post("webhooks", kHook).at("webhook.webhook_id").as_string();
  std::string sent, signature, delivery, timestamp;
  post_webhook_ = [&](const std::string& url, const std::string& body,
                      const http::Headers& headers) -> Result<http::Response> {
    EXPECT_EQ(url, "http://127.0.0.1:9/x");
    sent = body;
    signature = headers.get("X-MLflow-Signature");
    delivery = headers.get("X-MLflow-Delivery-Id");
    timestamp = headers.get("X-MLflow-Timestamp");
    return http::Response::text("no", 404);
  };
  const Answered tested = post("webhooks/" + id + "/test", "{}");
  EXPECT_EQ(tested.body,
            R"({"result":{"success":false,"response_status":404,"response_body":"no"}})");
  EXPECT_NE(sent.find(R"("entity": "model_version", "action": "created")"), std::string::npos);
  EXPECT_EQ(signature,
            "v1," + base64_encode(hmac_sha256("s3cret", delivery + "." + timestamp + "." + sent)));

  post_webhook_ = [](const std::string&, const std::string&,
                     const http::Headers&) -> Result<http::Response> {
    return unavailable("nobody there");
  };
  EXPECT_EQ(post("webhooks/" + id + "/test",
                 R"({"event": {"entity": "REGISTERED_MODEL", "action": "CREATED"}})")
                .body,
            R"({"result":{"success":false,"error_message":)"
            R"("Failed to test webhook: nobody there"}})");
}

TEST(Outcome, SaysWhetherTryingAgainIsOfUse) {
  const auto outcome = [](Result<http::Response> answered) {
    return send_webhook(
        {}, [&](const auto&, const auto&, const auto&) { return answered; }, 0);
  };
  EXPECT_EQ(outcome(http::Response::text("", 204)).error, "");
  for (const int status : {408, 429, 500, 503}) {
    EXPECT_TRUE(outcome(http::Response::text("", status)).try_again) << status;
  }
  for (const int status : {301, 400, 404, 410}) {
    EXPECT_FALSE(outcome(http::Response::text("", status)).try_again) << status;
    EXPECT_NE(outcome(http::Response::text("", status)).error, "") << status;
  }
  EXPECT_TRUE(outcome(unavailable("no answer")).try_again);
  EXPECT_FALSE(outcome(denied("127.0.0.1 is no public address")).try_again);
}

}  // namespace
}  // namespace slipway::mlflow
