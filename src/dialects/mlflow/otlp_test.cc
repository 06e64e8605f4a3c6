#include "dialects/mlflow/otlp.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "dialects/mlflow/mlflow_testing.h"
#include "io/http/compress.h"
#include "io/wire/protobuf.h"

namespace slipway::mlflow {
namespace {

using wire::Json;

const std::string kTraceId(15, '\0'), kSpanId = std::string(7, '\0') + "\x02";

std::string bytes(std::uint32_t number, const std::string& inner) {
  std::string out;
  wire::append_proto_bytes(out, number, inner);
  return out;
}
std::string text_value(const std::string& text) {
  return bytes(1, text);
}
std::string pair(const std::string& key, const std::string& value) {
  return bytes(1, key) + bytes(2, value);
}
std::string span(const std::string& more = "", const std::string& trace = kTraceId + "\x01") {
  std::string out = bytes(1, trace) + bytes(2, kSpanId) + bytes(5, "n");
  wire::append_proto_fixed64(out, 7, 1'000'000);
  wire::append_proto_fixed64(out, 8, 3'000'000);
  return out + more;
}
std::string request(const std::string& spans, const std::string& resource = "") {
  return bytes(1, (resource.empty() ? "" : bytes(1, resource)) + bytes(2, spans));
}

TEST(Otlp, ReadsASpan) {
  const std::string attributes = bytes(9, pair("s", text_value("t"))) +
                                 bytes(9, pair("mlflow.spanType", text_value("LLM"))) +
                                 bytes(9, pair("mlflow.spanInputs", text_value("in"))) +
                                 bytes(9, pair("mlflow.traceTag.mine", text_value("1")));
  std::string status = bytes(2, "bad");
  wire::append_proto_varint(status, 3, 2);
  const std::string resource = bytes(1, pair("service.name", text_value("svc"))) +
                               bytes(1, pair("telemetry.sdk.name", text_value("no")));
  auto read = read_otlp_protobuf(request(bytes(2, span(attributes + bytes(15, status))), resource));
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->batches.size(), 1u);
  const traces::SpanBatch& batch = read->batches[0];
  EXPECT_EQ(batch.trace_id, "tr-00000000000000000000000000000001");
  EXPECT_EQ(batch.start_ms, 1);
  EXPECT_EQ(batch.end_ms, 3);
  EXPECT_EQ(batch.root_state, traces::State::kError);
  EXPECT_EQ(batch.request_preview, "\"in\"");
  EXPECT_EQ(batch.tags, (traces::Tags{{"service.name", "svc"}, {"mine", "1"}}));
  EXPECT_EQ(batch.spans[0].type, "LLM");
  EXPECT_EQ(batch.spans[0].status, "ERROR");
  EXPECT_EQ(batch.spans[0].content.find(R"({"trace_id":"AAAAAAAAAAAAAAAAAAAAAQ==","span_id":)"
                                        R"("AAAAAAAAAAI=","name":"n","start_time_unix_nano":)"
                                        R"(1000000,"end_time_unix_nano":3000000,"attributes":[)"
                                        R"({"key":"s","value":{"string_value":"t"}})"),
            0u)
      << batch.spans[0].content;
  EXPECT_NE(batch.spans[0].content.find(R"("status":{"message":"bad","code":"STATUS_CODE_ERROR"})"),
            std::string::npos);
  EXPECT_EQ(read->complete, std::vector<std::string>{batch.trace_id});
}

TEST(Otlp, TextsThatMLflowWroteAsJsonAreWhatTheyMean) {
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  auto read = read_otlp_protobuf(request(bytes(
      2,
      span(bytes(9, pair("mlflow.spanType", text_value("\"LLM\""))) +
           bytes(9, pair("mlflow.spanInputs", text_value(R"({"x": 3, "y": [true, 0.5, null]})"))) +
           bytes(9, pair("mlflow.spanOutputs", text_value("[\"a\"]"))) +
           bytes(9, pair("number", text_value("1"))) + bytes(9, pair("word", text_value("true"))) +
           bytes(9, pair("cut", text_value("{\"x\":"))) +
           bytes(9, pair("deep", text_value(deep)))))));
  ASSERT_TRUE(read.ok()) << read.error().message;
  const traces::SpanBatch& batch = read->batches[0];
  EXPECT_EQ(batch.request_preview, R"({"x": 3, "y": [true, 0.5, null]})");
  EXPECT_EQ(batch.response_preview, R"(["a"])");
  EXPECT_EQ(batch.spans[0].type, "LLM");
  const std::string& content = batch.spans[0].content;
  for (const char* part :
       {R"({"key":"mlflow.spanType","value":{"string_value":"LLM"}})",
        R"({"key":"x","value":{"int_value":3}})", R"({"values":[{"bool_value":true},)",
        R"({"key":"number","value":{"string_value":"1"}})",
        R"({"key":"word","value":{"string_value":"true"}})",
        R"({"key":"cut","value":{"string_value":"{\"x\":"}})"})
    EXPECT_NE(content.find(part), std::string::npos) << part << " in " << content;
  EXPECT_NE(content.find("{\"string_value\":\"" + deep + "\"}"), std::string::npos);
}

TEST(Otlp, TextsDecodeToNoMoreValuesThanARequestMayHold) {
  std::string list = "[1";
  for (std::size_t i = 0; i < kValuesMax * 2 / 3; ++i) list += ",1";
  list += "]";
  auto read = read_otlp_protobuf(request(bytes(2, span(bytes(9, pair("first", text_value(list))) +
                                                       bytes(9, pair("second", text_value(list)))))));
  ASSERT_TRUE(read.ok()) << read.error().message;
  const std::string& content = read->batches[0].spans[0].content;
  EXPECT_NE(content.find(R"({"key":"first","value":{"array_value":)"), std::string::npos);
  EXPECT_NE(content.find(R"({"key":"second","value":{"string_value":"[1,1)"), std::string::npos);
}

TEST(Otlp, JsonMeansTheSameAsProtobuf) {
  constexpr char kJson[] =
      R"({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value":
      {"stringValue": "svc"}}]}, "scopeSpans": [{"spans": [{"traceId":
      "00000000000000000000000000000001", "spanId": "0000000000000002", "name": "n",
      "startTimeUnixNano": "1000000", "endTimeUnixNano": 3000000, "attributes": [
      {"key": "i", "value": {"intValue": "5"}},
      {"key": "a", "value": {"arrayValue": {"values": [{"boolValue": true}]}}}]}]}]}]})";
  std::string five, yes;
  wire::append_proto_varint(five, 3, 5);
  wire::append_proto_varint(yes, 2, 1);
  const std::string attributes =
      bytes(9, pair("i", five)) + bytes(9, pair("a", bytes(5, bytes(1, yes))));
  auto json = read_otlp_json(kJson);
  auto proto = read_otlp_protobuf(
      request(bytes(2, span(attributes)), bytes(1, pair("service.name", text_value("svc")))));
  ASSERT_TRUE(json.ok()) << json.error().message;
  ASSERT_TRUE(proto.ok()) << proto.error().message;
  EXPECT_EQ(json->batches[0].spans[0].content, proto->batches[0].spans[0].content);
  EXPECT_EQ(json->batches[0].tags, proto->batches[0].tags);
}

TEST(Otlp, RefusesSpansThatAreNoneAndKeepsTheRest) {
  auto read = read_otlp_protobuf(request(bytes(2, span("", "short")) + bytes(2, span())));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->refused, 1);
  EXPECT_EQ(read->why, "the trace_id of a span must have 16 bytes");
  EXPECT_EQ(read->batches.size(), 1u);
}

TEST(Otlp, RefusesWhatIsNoRequest) {
  for (const std::string& body : {std::string(), std::string("garbage"), bytes(1, "\x0a\x05")}) {
    EXPECT_FALSE(read_otlp_protobuf(body).ok() && !body.empty());
  }
  for (const char* body :
       {"", "[]", "{}", R"({"resourceSpans": 1})", R"({"resourceSpans": [1]})",
        R"({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 1}]}]}]})",
        R"({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0g"}]}]}]})"}) {
    EXPECT_FALSE(read_otlp_json(body).ok()) << body;
  }
}

TEST(Otlp, ValuesMayNotLieTooDeep) {
  std::string value = text_value("x");
  for (int i = 0; i < kValueDepthMax + 2; ++i) value = bytes(5, bytes(1, value));
  auto read = read_otlp_protobuf(request(bytes(2, span(bytes(9, pair("k", value))))));
  EXPECT_FALSE(read.ok());
}

TEST(Otlp, ManySpansAreTooMany) {
  std::string spans;
  for (std::size_t i = 0; i <= kSpansMax; ++i) spans += bytes(2, span());
  EXPECT_FALSE(read_otlp_protobuf(request(spans)).ok());
}

class OtlpApiTest : public ApiOnEachEngine {
 protected:
  Answered send(const std::string& body, http::Headers headers,
                const std::string& type = "application/x-protobuf") {
    http::Headers all;
    all.add("Content-Type", type);
    for (const auto& [name, value] : headers.all()) all.add(name, value);
    return call(http::Method::kPost, "/v1/traces", body, all);
  }
  static http::Headers in(const std::string& experiment) {
    http::Headers headers;
    headers.add("x-mlflow-experiment-id", experiment);
    return headers;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, OtlpApiTest, db::every_engine(), db::engine_name);

TEST_P(OtlpApiTest, TakesGzipAndAnswersWhatItTook) {
  http::Headers headers = in("0");
  headers.add("Content-Encoding", "gzip");
  const Answered taken =
      send(http::compress(http::Coding::kGzip, request(bytes(2, span()))), headers);
  EXPECT_EQ(taken.status, 200) << taken.body;
  EXPECT_EQ(taken.body, "");
  const Answered got =
      get("/api/3.0/mlflow/traces/get?trace_id=tr-00000000000000000000000000000001");
  EXPECT_EQ(got.at("trace.trace_info.state"), Json("OK"));
  EXPECT_EQ(got.at("trace.trace_info.execution_duration"), Json("0.002s"));
  EXPECT_EQ(got.at("trace.spans.0.name"), Json("n"));
}

TEST_P(OtlpApiTest, SaysHowManySpansItRefused) {
  const std::string body = request(bytes(2, span("", "short")) + bytes(2, span()));
  const Answered taken = send(body, in("0"));
  EXPECT_EQ(taken.status, 200);
  wire::ProtoReader reader(taken.body);
  wire::ProtoField field;
  ASSERT_TRUE(*reader.next(field));
  wire::ProtoReader partial(field.bytes);
  ASSERT_TRUE(*partial.next(field));
  EXPECT_EQ(field.value, 1u);
}

TEST_P(OtlpApiTest, RefusesAsMlflow) {
  EXPECT_EQ(send(request(bytes(2, span())), {}).status, 422);
  EXPECT_EQ(send("", in("0")).body,
            R"({"detail":"Invalid OpenTelemetry format - no spans found"})");
  EXPECT_EQ(send("garbage", in("0")).status, 400);
  EXPECT_EQ(send("x", in("0"), "text/plain").status, 400);
  EXPECT_EQ(send(request(bytes(2, span("", "short"))), in("0")).status, 422);
  EXPECT_EQ(send(request(bytes(2, span())), in("99")).status, 404);
  http::Headers broken = in("0");
  broken.add("Content-Encoding", "gzip");
  EXPECT_EQ(send("no gzip", broken).status, 400);
}

}  // namespace
}  // namespace slipway::mlflow
