#include "dialects/mlflow/plain_batch.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "io/wire/codec.h"

namespace slipway::mlflow {
namespace {

struct Metric {
  std::string key;
  double value = 0;
  std::int64_t timestamp = 0, step = 0;
};
WIRE(Metric, key, value, timestamp, step)
struct Pair {
  std::string key, value;
};
WIRE(Pair, key, value)
struct Body {
  std::string run_id;
  std::vector<Metric> metrics;
  std::vector<Pair> params, tags;
};
WIRE(Body, run_id, metrics, params, tags)

Body body_of(const BatchOfRun& read) {
  Body body{read.run_id, {}, {}, {}};
  for (const tracking::Metric& m : read.batch.metrics)
    body.metrics.push_back({m.key, m.value, m.timestamp_ms, m.step});
  for (const tracking::Param& p : read.batch.params) body.params.push_back({p.key, p.value});
  for (const tracking::Tag& t : read.batch.tags) body.tags.push_back({t.key, t.value});
  return body;
}

/// As it was read, or "general".
std::string read(const std::string& body) {
  const auto plain = read_plain_batch(body);
  return plain ? wire::encode(body_of(*plain)) : "general";
}

std::string with_metric(const std::string& metric) {
  return R"({"run_id": "r", "metrics": [)" + metric + "]}";
}

TEST(PlainBatch, IsReadAsClientsWriteIt) {
  EXPECT_EQ(
      read(R"({"run_id": "0a",
               "metrics": [{"key": "loss", "value": 0.25, "timestamp": 17, "step": 3},
                           {"key":"a/b c.d","value":-1e-3,"timestamp":0}],
               "params": [{"key": "lr", "value": "0.1"}],
               "tags": [{"key": "empty", "value": ""}, {"key": "none"}]})"),
      R"({"run_id":"0a","metrics":[{"key":"loss","value":0.25,"timestamp":17,"step":3},)"
      R"({"key":"a/b c.d","value":-0.001,"timestamp":0,"step":0}],)"
      R"("params":[{"key":"lr","value":"0.1"}],)"
      R"("tags":[{"key":"empty","value":""},{"key":"none","value":""}]})");
  EXPECT_EQ(read("\t\r\n {\"tags\" :[ ] , \"run_id\": \"r\"} "),
            R"({"run_id":"r","metrics":[],"params":[],"tags":[]})");
  const auto whole = read_plain_batch(with_metric(
      R"({"value": -0, "step": -9223372036854775808, "timestamp": 9223372036854775807,
          "key": "k"})"));
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->batch.metrics[0].step, INT64_MIN);
  EXPECT_EQ(whole->batch.metrics[0].timestamp_ms, INT64_MAX);
  EXPECT_FALSE(std::signbit(whole->batch.metrics[0].value)) << "a whole number, as the general one";
}

TEST(PlainBatch, WhatIsWrittenInAnyOtherWayIsLeftToTheGeneralReader) {
  for (const char* body : {
           "", "{}", "[]", "\"r\"", "{\"run_id\": \"r\"", "{\"run_id\": \"r\"}}", "{\"run_id\": 7}",
           "{\"run_id\": \"\"}", "{\"run_id\": \"r\", \"run_id\": \"r\"}", "{\"run_id\": \"r\",}",
           "{\"run_id\": \"r\", \"unknown\": 1}", "{\"run_id\": \"r\\u0041\"}",
           "{\"run_id\": \"é\"}",
           "{\"run_id\": \"r\n\"}", "{\"run_id\": \"r\", \"metrics\": null}",
           "{\"run_id\": \"r\", \"metrics\": [,]}", "{\"run_id\": \"r\", \"metrics\": {}}",
           "{\"run_id\": \"r\", \"params\": [{\"value\": \"1\"}]}",
           "{\"run_id\": \"r\", \"params\": [{\"key\": \"\", \"value\": \"1\"}]}",
           "{\"run_id\": \"r\", \"params\": [{\"key\": \"k\", \"value\": 1}]}",
           "{\"run_id\" \"r\"}", "{run_id: \"r\"}"}) {
    EXPECT_EQ(read(body), "general") << body;
  }
  const std::string before = R"({"key": "k", "timestamp": 1, "value": )";
  for (const char* value : {"NaN", "\"NaN\"", "\"1\"", "null", "1e400", "1e-400", "01", "1.", ".5",
                            "+1", "-", "1e", "1e+", "0x10", "1 2", "9223372036854775808", "inf",
                            "true", ""}) {
    EXPECT_EQ(read(with_metric(before + value + "}")), "general") << value;
  }
  for (const char* rest : {"1.0", "\"1\"", "1e3", "null", "99999999999999999999", "01", "-"}) {
    const std::string metric = R"({"key": "k", "value": 1, "timestamp": )" + std::string(rest);
    EXPECT_EQ(read(with_metric(metric + "}")), "general") << rest;
  }
  for (const char* metric : {R"({"value": 1, "timestamp": 1})", R"({"key": "k", "timestamp": 1})",
                             R"({"key": "k", "value": 1})",
                             R"({"key": "", "value": 1, "timestamp": 1})",
                             R"({"key": "k", "value": 1, "timestamp": 1, "model_id": "m-1"})",
                             R"({"key": "k", "value": 1, "value": 2, "timestamp": 1})", 
                             R"({"key": "k", "value": 1, "key""timestamp": 1})", "{}", "[]", "1"}) {
    EXPECT_EQ(read(with_metric(metric)), "general") << metric;
  }
}

// Bodies as they are made, and with one byte changed.
TEST(PlainBatch, IsReadAsTheGeneralReaderReadsIt) {
  std::mt19937_64 random(20);
  int plain = 0, mutated = 0;
  for (int round = 0; round < 3000; ++round) {
    Body made{"run", {}, {}, {}};
    for (std::uint64_t i = random() % 5; i > 0; --i) {
      double value = std::bit_cast<double>(random());
      if (!std::isfinite(value) || random() % 2 == 0)
        value = static_cast<double>(random() % 1000) / 8;
      made.metrics.push_back({"k" + std::to_string(random() % 9), value,
                              static_cast<std::int64_t>(random() >> random() % 64),
                              static_cast<std::int64_t>(random())});
    }
    for (std::uint64_t i = random() % 3; i > 0; --i)
      made.params.push_back({"p", std::to_string(random())});
    std::string text = wire::encode(made);
    const auto read = read_plain_batch(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(wire::encode(body_of(*read)), text);
    text[random() % text.size()] = "\"{}[],:0-.eE \\x\n"[random() % 16];
    ++mutated;
    const auto again = read_plain_batch(text);
    if (!again) continue;
    ++plain;
    const Result<Body> general = wire::decode<Body>(text);
    ASSERT_TRUE(general.ok()) << text;
    EXPECT_EQ(wire::encode(body_of(*again)), wire::encode(*general)) << text;
  }
  EXPECT_GT(plain, mutated / 20) << "bodies that are still plain are compared";
}

}  // namespace
}  // namespace slipway::mlflow
