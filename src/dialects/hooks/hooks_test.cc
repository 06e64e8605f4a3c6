#include <gtest/gtest.h>

#include "base/hash.h"
#include "dialects/hooks/alertmanager.h"
#include "dialects/hooks/cloudevents.h"
#include "dialects/hooks/git.h"
#include "graph/kinds.h"

namespace slipway::hooks {
namespace {

constexpr UnixMs kNow = 1'700'000'000'000;

http::Request post(const std::string& type, std::string body) {
  http::Request request;
  request.method = http::Method::kPost;
  request.headers.add("Content-Type", type);
  request.body = std::move(body);
  return request;
}
http::Request binary() {
  http::Request request = post("application/json", R"({"rows": 3})");
  request.headers.add("ce-id", "1");
  request.headers.add("ce-source", "/labels");
  request.headers.add("ce-specversion", "1.0");
  request.headers.add("ce-type", "org.example.ready");
  return request;
}
std::string fault(const http::Request& request) {
  auto read = read_cloudevents(request, kNow);
  return read.ok() ? "" : read.error().message;
}

constexpr char kEvent[] = R"({"specversion": "1.0", "id": "1", "source": "/labels",
  "type": "org.example.ready", "time": "2011-10-24T02:00:00+02:00", "subject": "s",
  "data": {"rows": 3}})";

TEST(CloudEvents, Structured) {
  auto read = read_cloudevents(post("Application/CloudEvents+json; charset=utf-8", kEvent), kNow);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const flows::Occasion& event = read->at(0);
  EXPECT_EQ(event.key, "message//labels\n1");
  EXPECT_EQ(event.cause, (graph::NodeRef{graph::kind::kMessage, "/labels/1"}));
  EXPECT_EQ(to_iso8601(event.time_ms), "2011-10-24T00:00:00.000Z");
  EXPECT_EQ(event.type, "org.example.ready");
  EXPECT_EQ(event.subject, "s");
  EXPECT_EQ(event.data.find("rows")->as_int64(), 3);
}

TEST(CloudEvents, DataMayBeInBase64) {
  const auto data_of = [](const std::string& members) {
    const std::string begin = R"({"specversion":"1.0","id":"1","source":"/s","type":"t",)";
    auto events =
        read_cloudevents(post("application/cloudevents+json", begin + members + "}"), kNow);
    return events.ok() ? wire::dump(events->at(0).data) : events.error().message;
  };
  EXPECT_EQ(data_of(R"("data_base64":"eyJwIjozfQ==")"), R"({"p":3})");
  EXPECT_EQ(data_of(R"("datacontenttype":"application/json","data_base64":"eyJwIjozfQ==")"),
            R"({"p":3})");
  EXPECT_EQ(data_of(R"("datacontenttype":"text/plain","data_base64":"eyJwIjozfQ==")"),
            R"({"value":"{\"p\":3}"})");
  EXPECT_EQ(data_of(R"("datacontenttype":"image/png","data_base64":"//8=")"), "{}");
  EXPECT_EQ(data_of(R"("data_base64":"eyJ")"), "data_base64 must be a text in base64");
  EXPECT_EQ(data_of(R"("data_base64":7)"), "data_base64 must be a text in base64");
  EXPECT_EQ(data_of(R"("data_base64":"eyJw")").substr(0, 13), "data_base64: ");
}

TEST(CloudEvents, Binary) {
  auto read = read_cloudevents(binary(), kNow);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->at(0).key, "message//labels\n1");
  EXPECT_EQ(read->at(0).time_ms, kNow);
  EXPECT_EQ(read->at(0).data.find("rows")->as_int64(), 3);
}

TEST(CloudEvents, BinaryDataMayBeText) {
  http::Request request = binary();
  request.headers.set("Content-Type", "text/plain");
  request.body = "hello";
  auto read = read_cloudevents(request, kNow);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->at(0).data.find("value")->as_string(), "hello");
}

TEST(CloudEvents, Batch) {
  const std::string other = R"({"specversion": "1.0", "id": "2", "source": "/b", "type": "t"})";
  auto read = read_cloudevents(
      post("application/cloudevents-batch+json", "[" + std::string(kEvent) + "," + other + "]"),
      kNow);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->size(), 2u);
  EXPECT_TRUE(read->at(1).data.is_object());
  EXPECT_TRUE(read_cloudevents(post("application/cloudevents-batch+json", "[]"), kNow)->empty());
}

TEST(CloudEvents, OneBadEventSpoilsItsBatch) {
  const std::string message = fault(
      post("application/cloudevents-batch+json", "[" + std::string(kEvent) + R"(,{"id": "2"}])"));
  EXPECT_NE(message.find("event 1"), std::string::npos) << message;
}

TEST(CloudEvents, RefusesWhatTheSpecificationForbids) {
  EXPECT_NE(fault(post("application/json", kEvent)), "");
  EXPECT_NE(fault(post("application/cloudevents+json", "[]")), "");
  EXPECT_NE(fault(post("application/cloudevents+json", "{")), "");
  EXPECT_NE(fault(post("application/cloudevents+json",
                       R"({"specversion": "0.3", "id": "1", "source": "/", "type": "t"})")),
            "");
  EXPECT_NE(fault(post("application/cloudevents+json",
                       R"({"specversion": "1.0", "id": 1, "source": "/", "type": "t"})")),
            "");
  EXPECT_NE(fault(post("application/cloudevents+json",
                       R"({"specversion": "1.0", "id": "1", "source": "/", "type": "t",
                           "time": "yesterday"})")),
            "");
  for (const char* header : {"ce-id", "ce-source", "ce-type", "ce-specversion"}) {
    http::Request request = binary();
    request.headers.set(header, "");
    EXPECT_NE(fault(request), "") << header;
  }
  http::Request typed = binary();
  typed.headers.add("ce-datacontenttype", "application/json");
  EXPECT_NE(fault(typed), "");
  http::Request longer = binary();
  longer.headers.set("ce-id", std::string(2000, 'x'));
  EXPECT_NE(fault(longer), "");
}

TEST(CloudEvents, AnotherFormatIsNotUnderstood) {
  for (const char* type : {"application/cloudevents+xml", "application/cloudevents-batch+avro"}) {
    auto read = read_cloudevents(post(type, ""), kNow);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().tag, "media_type");
  }
}

TEST(CloudEvents, HeadersAreDecodedOnce) {
  EXPECT_EQ(*decode_header("Euro%20%E2%82%AC"), "Euro €");
  EXPECT_EQ(*decode_header("Euro%20%e2%82%ac"), "Euro €");
  EXPECT_EQ(*decode_header("%41b"), "Ab");
  EXPECT_EQ(*decode_header(R"("a\"b%20c")"), "a\"b c");
  EXPECT_EQ(*decode_header("%2525"), "%25");
  EXPECT_FALSE(decode_header("%C0%A0").ok());  // an overlong form
  EXPECT_FALSE(decode_header("%4").ok());
}

constexpr char kAlert[] = R"({"version": "4", "groupKey": "g", "status": "firing",
  "receiver": "slipway", "alerts": [
  {"status": "firing", "labels": {"alertname": "Late", "severity": "page"}, "annotations": {},
   "startsAt": "2011-10-24T00:00:00Z", "fingerprint": "abc"},
  {"status": "resolved", "labels": {"alertname": "Old"}, "startsAt": "2011-10-01T00:00:00Z",
   "fingerprint": "def"}]})";

TEST(Alertmanager, TellsOfWhatFires) {
  auto read = read_alerts(kAlert, kNow);
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->firing.size(), 1u);
  EXPECT_EQ(read->resolved, 1u);
  EXPECT_EQ(read->firing[0].key, "alert/abc/2011-10-24T00:00:00Z/firing");
  EXPECT_EQ(read->firing[0].cause.kind, graph::kind::kAlert);
  EXPECT_EQ(to_iso8601(read->firing[0].time_ms), "2011-10-24T00:00:00.000Z");
}

TEST(Alertmanager, RefusesOtherMessages) {
  for (const char* body : {"{}", "[]", "", R"({"version": "3", "alerts": []})",
                           R"({"version": "4", "alerts": [{"status": "odd"}]})",
                           R"({"version": "4", "alerts": [{"status": "firing"}]})"})
    EXPECT_FALSE(read_alerts(body, kNow).ok()) << body;
}

http::Request push(const std::string& secret) {
  http::Request request = post("application/json", R"({"ref": "refs/heads/main", "after": "abc"})");
  request.headers.add("X-GitHub-Event", "push");
  request.headers.add("X-Hub-Signature-256", "sha256=" + hmac_sha256_hex(secret, request.body));
  return request;
}

TEST(GitHook, TakesASignedPush) {
  auto read = read_push(push("secret"), "secret");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_TRUE(read->moved);
  EXPECT_EQ(read->branch, "main");
  EXPECT_EQ(read->commit, "abc");
}

TEST(GitHook, RefusesAnyOtherSignature) {
  EXPECT_EQ(read_push(push("other"), "secret").error().code, Code::kDenied);
  EXPECT_EQ(read_push(push(""), "").error().code, Code::kDenied);
  http::Request bare = push("secret");
  bare.headers.set("X-Hub-Signature-256", "");
  EXPECT_EQ(read_push(bare, "secret").error().code, Code::kDenied);
  http::Request changed = push("secret");
  changed.body += " ";
  EXPECT_EQ(read_push(changed, "secret").error().code, Code::kDenied);
}

TEST(GitHook, KnowsTheOtherHosts) {
  http::Request gitea = post("application/json", R"({"ref": "refs/heads/a/b"})");
  gitea.headers.add("X-Gitea-Signature", hmac_sha256_hex("secret", gitea.body));
  EXPECT_EQ(read_push(gitea, "secret")->branch, "a/b");
  http::Request gitlab = post("application/json", R"({"ref": "refs/heads/main"})");
  gitlab.headers.add("X-Gitlab-Event", "Push Hook");
  gitlab.headers.add("X-Gitlab-Token", "secret");
  EXPECT_TRUE(read_push(gitlab, "secret")->moved);
}

TEST(GitHook, OtherEventsMoveNoBranch) {
  http::Request ping = push("secret");
  ping.headers.set("X-GitHub-Event", "ping");
  EXPECT_FALSE(read_push(ping, "secret")->moved);
  http::Request tag = post("application/json", R"({"ref": "refs/tags/v1"})");
  tag.headers.add("X-Gitlab-Token", "secret");
  EXPECT_FALSE(read_push(tag, "secret")->moved);
}

}  // namespace
}  // namespace slipway::hooks
