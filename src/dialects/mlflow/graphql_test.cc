#include "dialects/mlflow/graphql.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace slipway::mlflow::graphql {
namespace {

using wire::Json;

/// Knows one run; counts who asks.
struct Server {
  int asked = 0;
  Json arguments;
  std::string path;

  Ask ask() {
    return [this](http::Method, std::string_view asked_path, const Json& given) -> Result<Json> {
      ++asked;
      arguments = given;
      path = asked_path;
      if (path.ends_with("experiments/get")) {
        return wire::parse(R"({"experiment": {"experiment_id": "7", "name": "e"}})");
      }
      if (path.ends_with("model-versions/search")) {
        return wire::parse(R"({"model_versions": [{"name": "m", "version": "2"}]})");
      }
      if (given.find("run_id") == nullptr) return invalid("Missing value for 'run_id'");
      return wire::parse(R"({"run": {"info": {"run_id": "r", "experiment_id": "7", "status":
          "FINISHED", "start_time": 5}, "data": {"metrics": [{"key": "a", "value": 1.5, "step": 3},
          {"key": "b", "value": "NaN"}]}, "inputs": {}}})");
    };
  }
  std::string answer(const std::string& query, const std::string& variables = "{}") {
    Result<Json> answered = graphql::answer({query, *wire::parse(variables), ""}, ask());
    return answered.ok() ? wire::dump(*answered) : "refused: " + answered.error().message;
  }
};

std::string run(const std::string& selection) {
  return "{ mlflowGetRun(input: {runId: \"r\"}) { run " + selection + " } }";
}

TEST(Graphql, TakesWhatIsSelectedOutOfTheAnswer) {
  Server server;
  EXPECT_EQ(server.answer(run("{ info { runId status startTime } }")),
            R"({"data":{"mlflowGetRun":{"run":{"info":{"runId":"r","status":"FINISHED",)"
            R"("startTime":"5"}}}},"errors":null})");
  EXPECT_EQ(wire::dump(server.arguments), R"({"run_id":"r"})");
}

TEST(Graphql, ReadsWhatWasNotSetAsProtobufDoes) {
  Server server;
  EXPECT_EQ(
      server.answer("{ mlflowGetRun(input: {runId: \"r\"}) { apiError { code } run { "
                    "info { endTime runName } outputs { modelOutputs { modelId } } data { "
                    "metrics { value step } } } } }"),
      R"({"data":{"mlflowGetRun":{"apiError":null,"run":{"info":{"endTime":"0",)"
      R"("runName":""},"outputs":{"modelOutputs":[]},"data":{"metrics":[{"value":1.5,"step":"3"},)"
      R"({"value":null,"step":"0"}]}}}},"errors":null})");
}

TEST(Graphql, FillsVariablesAliasesFragmentsAndDirectives) {
  Server server;
  const std::string query =
      "query Q($in: MlflowGetRunInput!, $no: Boolean = false) @component(name: \"x\") {\n"
      "  one: mlflowGetRun(input: $in) { ...R }  # a comment\n"
      "}\n"
      "fragment R on MlflowGetRunResponse { run { info { id: runId, status @include(if: $no) } "
      "... on MlflowRunExtension { __typename } "
      "... on Other { inputs { modelInputs { modelId } } } } }";
  EXPECT_EQ(server.answer(query, R"({"in": {"runId": "r"}})"),
            R"({"data":{"one":{"run":{"info":{"id":"r"},"__typename":"MlflowRunExtension"}}},)"
            R"("errors":null})");
}

TEST(Graphql, AsksForARunsExperimentAndVersions) {
  Server server;
  EXPECT_EQ(server.answer(run("{ experiment { name } modelVersions { version } }")),
            R"({"data":{"mlflowGetRun":{"run":{"experiment":{"name":"e"},"modelVersions":)"
            R"([{"version":"2"}]}}},"errors":null})");
  EXPECT_EQ(wire::dump(server.arguments), R"({"filter":"run_id='r'"})");
  EXPECT_EQ(server.asked, 3);
}

TEST(Graphql, AFailedCallIsNullWithItsMessage) {
  Server server;
  EXPECT_EQ(server.answer("{ mlflowGetRun(input: {}) { run { info { runId } } } }"),
            R"({"data":{"mlflowGetRun":null},"errors":["Missing value for 'run_id'"]})");
}

TEST(Graphql, AsksForNothingWhenTheQueryIsWrong) {
  Server server;
  for (const std::string& query :
       {run("{ nothing }"), run("{ info }"), run("{ info { runId { x } } }"), std::string("{ x }"),
        std::string("mutation { mlflowGetRun(input: {runId: \"r\"}) { run { info { runId } } } }"),
        std::string("query A { x } query B { x }")}) {
    const std::string answer = server.answer(query);
    EXPECT_TRUE(answer.starts_with(R"({"data":null,"errors":[")")) << answer;
  }
  EXPECT_EQ(server.asked, 0);
}

TEST(Graphql, RefusesArgumentsThatDoNotFit) {
  Server server;
  for (const char* input :
       {"(input: {runId: 5})", "(input: {x: 5})", "(other: 5)", "", "(input: 5)"}) {
    const std::string answer =
        server.answer("{ mlflowGetRun" + std::string(input) + " { run { info { runId } } } }");
    EXPECT_TRUE(answer.starts_with(R"({"data":{"mlflowGetRun":null},"errors":[")")) << answer;
  }
  EXPECT_EQ(server.asked, 0);
}

std::string times(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += replace_all(text, "%", std::to_string(i));
  return all;
}

TEST(Graphql, RefusesWhatIsTooMuch) {
  Server server;
  const auto refuses = [&](const std::string& query, const std::string& words) {
    const std::string answer = server.answer(query);
    EXPECT_NE(answer.find(words), std::string::npos) << answer;
  };
  const std::string field = "mlflowGetRun(input: {runId: \"r\"}) { run { info { runId } } } ";
  refuses("{" + times(11, field) + "}", "at most 10 root fields, got 11");
  refuses(run("{" + times(11, "a%: __typename ") + "}"), "at most 10 aliases, got 11");
  refuses(run("{" + times(1001, "__typename ") + "}"), "maximum total selections");
  refuses("{" + times(11, "a {") + "b" + times(11, "}") + "}", "maximum depth of 10");
  refuses("{ ...F } fragment F on Query { mlflowGetRun { ...F } }", "maximum depth of 10");
  refuses(times(40, "{ a "), "nested less");
  EXPECT_EQ(server.asked, 0);
}

TEST(Graphql, FragmentsOfFragmentsAreFollowedOnce) {
  Server server;
  std::string query = "{ ...A0 ...B0 }";
  for (int i = 0; i < 40; ++i) {
    const std::string next = std::to_string(i + 1);
    for (const char* name : {"A", "B"}) {
      query += " fragment " + (name + std::to_string(i)) + " on Query { ...A" + next + " ...B" +
               next + " }";
    }
  }
  EXPECT_EQ(server.answer(query + " fragment A40 on Query { __typename } "
                                  "fragment B40 on Query { __typename }"),
            R"({"data":{"__typename":"Query"},"errors":null})");
}

TEST(Graphql, SaysWhereADocumentIsWrong) {
  for (const auto& [query, words] : std::vector<std::pair<std::string, std::string>>{
           {"", "expected a query, found the end (at character 1)"},
           {"{ a", "expected a field or '}', found the end (at character 4)"},
           {"{ é }", "found 'é' (at character 3)"},
           {"{ a(b: ) }", "expected a value, found ')'"},
           {"{ a(b: \"x) }", "a text that ends"},
           {"{ a(b: 1.2.3) }", "a number"},
           {"{ a(b: \"\\q\") }", "wrong escapes"},
           {"{}", "a field before '}'"},
           {"subscription { a }", "'query', 'mutation' or 'fragment'"},
           {"fragment F on Q { a } fragment F on Q { a } { a }", "only one fragment named 'F'"}}) {
    Result<Document> document = parse_document(query);
    ASSERT_FALSE(document.ok()) << query;
    EXPECT_NE(document.error().message.find(words), std::string::npos) << document.error().message;
  }
}

}  // namespace
}  // namespace slipway::mlflow::graphql
