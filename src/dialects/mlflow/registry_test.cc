#include "dialects/mlflow/registry.h"

#include "dialects/mlflow/logged_model_search.h"
#include "dialects/mlflow/mlflow_testing.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using wire::Json;

class RegistryApiTest : public ApiOnEachEngine {
 protected:
  Answered patch(const std::string& target, const std::string& body) {
    return call(Method::kPatch, target, body);
  }
  Answered drop(const std::string& target, const std::string& body = "") {
    return call(Method::kDelete, target, body);
  }
  void add_model(const std::string& name) {
    ASSERT_EQ(post("registered-models/create", R"({"name": ")" + name + "\"}").status, 200);
  }
  /// Publishes a folder of the run.
  Answered publish(const std::string& name, const tracking::RunInfo& run) {
    clock_.advance(std::chrono::milliseconds(1));
    return post("model-versions/create", R"({"name": ")" + name + R"(", "run_id": ")" + run.id +
                                             R"(", "source": ")" + run.artifact_uri +
                                             R"(/model"})");
  }
  std::string log_model(const std::string& members = "") {
    clock_.advance(std::chrono::milliseconds(1));
    const Answered made =
        post("logged-models", R"({"experiment_id": "0", "name": "m")" + members + "}");
    EXPECT_EQ(made.status, 200) << made.body;
    return made.at("model.info.model_id").as_string();
  }
  std::vector<std::string> found(const std::string& target, const char* list, const char* key) {
    const Answered answer = get(target);
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::vector<std::string> values;
    const Json items = answer.at(list);
    if (!items.is_array()) return values;
    for (const Json& item : items.as_array()) values.push_back(item.find(key)->as_string());
    return values;
  }
  std::vector<std::string> causes_of_version(const std::string& version) {
    std::vector<std::string> causes;
    auto edges = pool_->read([&](db::Tx& tx) {
      return graph::causes_of(tx, {graph::kind::kModelVersion, version});
    });
    EXPECT_TRUE(edges.ok());
    for (const graph::Edge& edge : *edges) {
      causes.push_back(edge.relation + " " + edge.cause.kind + ":" + edge.cause.id);
    }
    return causes;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, RegistryApiTest, db::every_engine(), db::engine_name);

using Texts = std::vector<std::string>;

TEST_P(RegistryApiTest, AnswersInMlflowsShape) {
  EXPECT_EQ(post("registered-models/create",
                 R"({"name": "bikes", "description": "d", "tags": [{"key": "k", "value": ""}]})")
                .body,
            R"({"registered_model":{"name":"bikes","creation_timestamp":1700000000000,)"
            R"("last_updated_timestamp":1700000000000,"description":"d",)"
            R"("tags":[{"key":"k","value":""}]}})");
  const tracking::RunInfo run = new_run();
  EXPECT_EQ(publish("bikes", run).body,
            R"({"model_version":{"name":"bikes","version":"1","creation_timestamp":1700000000001,)"
            R"("last_updated_timestamp":1700000000001,"current_stage":"None","description":"",)"
            R"("source":"mlflow-artifacts:/0/)" +
                run.id + R"(/artifacts/model","run_id":")" + run.id +
                R"(","status":"READY","run_link":""}})");
  post("registered-models/alias", R"({"name": "bikes", "alias": "champion", "version": "1"})");
  const Answered model = get("/ajax-api/2.0/mlflow/registered-models/get?name=bikes");
  EXPECT_EQ(model.at("registered_model.aliases.0"),
            Json(Json::Object{{"alias", "champion"}, {"version", "1"}}));
  EXPECT_EQ(model.at("registered_model.latest_versions.0.version"), Json("1"));
  EXPECT_TRUE(model.at("registered_model.latest_versions.0.aliases").is_null());
  EXPECT_EQ(get("model-versions/get?name=bikes&version=1").at("model_version.aliases.0"),
            Json("champion"));
}

TEST_P(RegistryApiTest, AVersionIsTiedToItsRunAndItsLoggedModel) {
  const tracking::RunInfo run = new_run();
  add_model("bikes");
  publish("bikes", run);
  EXPECT_EQ(causes_of_version("bikes/1"), Texts{"produced_by run:" + run.id});
  const std::string id = log_model(R"(, "source_run_id": ")" + run.id + "\"");
  post("model-versions/create",
       R"({"name": "bikes", "source": "models:/)" + id + R"(", "model_id": ")" + id + "\"}");
  EXPECT_EQ(causes_of_version("bikes/2"),
            (Texts{"produced_by model:" + id, "produced_by run:" + run.id}));
  EXPECT_EQ(get("model-versions/get-download-uri?name=bikes&version=2").body,
            R"({"artifact_uri":"mlflow-artifacts:/0/models/)" + id + R"(/artifacts"})");
  EXPECT_EQ(get("logged-models/" + id).at("model.info.tags.0.value"),
            Json(R"([{"name": "bikes", "version": 2}])"));
}

TEST_P(RegistryApiTest, ASourceInARunIsWhereThatRunsFilesAre) {
  const tracking::RunInfo run = new_run();
  add_model("bikes");
  const Answered made =
      post("model-versions/create", R"({"name": "bikes", "source": "runs:/)" + run.id +
                                        R"(/deep/model", "run_id": ")" + run.id + "\"}");
  EXPECT_EQ(made.at("model_version.source"), Json("runs:/" + run.id + "/deep/model"));
  EXPECT_EQ(get("model-versions/get-download-uri?name=bikes&version=1").at("artifact_uri"),
            Json(run.artifact_uri + "/deep/model"));
}

TEST_P(RegistryApiTest, ASourceMustBelongToWhoIsNamed) {
  const tracking::RunInfo run = new_run(), other = new_run();
  const std::string id = log_model();
  add_model("bikes");
  const auto status = [&](const std::string& source, const std::string& owner = "") {
    return post("model-versions/create",
                R"({"name": "bikes", "source": ")" + source + "\"" + owner + "}")
        .status;
  };
  const std::string by_run = R"(, "run_id": ")" + run.id + "\"";
  const std::string by_model = R"(, "model_id": ")" + id + "\"";
  EXPECT_EQ(status(run.artifact_uri + "/m"), 400);
  EXPECT_EQ(status(other.artifact_uri + "/m", by_run), 400);
  EXPECT_EQ(status(run.artifact_uri + "/../m", by_run), 400);
  EXPECT_EQ(status("/etc/passwd", by_run), 400);
  EXPECT_EQ(status("models:/" + id), 400);
  EXPECT_EQ(status("models:/bikes/9"), 404);
  EXPECT_EQ(status("s3://b/x", R"(, "model_id": "m-unknown")"), 404);
  EXPECT_EQ(status("models:/" + id, by_model), 200);
  EXPECT_EQ(status("s3://bucket/x"), 200);
  EXPECT_EQ(
      get("registered-models/get?name=bikes").at("registered_model.latest_versions.0.version"),
      Json("2"));
}

TEST_P(RegistryApiTest, RefusesInMlflowsWords) {
  add_model("bikes");
  struct Refusal {
    Method method;
    const char* target;
    const char* body;
    int status;
    const char* code;
    const char* message;
  };
  constexpr const char* kInvalid = "INVALID_PARAMETER_VALUE";
  constexpr const char* kAbsent = "RESOURCE_DOES_NOT_EXIST";
  const Refusal refusals[] = {
      {Method::kPost, "registered-models/create", R"({"name": "bikes"})", 400,
       "RESOURCE_ALREADY_EXISTS", "Registered Model (name=bikes) already exists."},
      {Method::kPost, "registered-models/create", "{}", 400, kInvalid,
       "Missing value for required parameter 'name'. See the API docs for more information about "
       "request parameters."},
      {Method::kPost, "registered-models/create", R"({"name": 5})", 400, kInvalid,
       "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API "
       "docs for more information about request parameters."},
      {Method::kPost, "registered-models/create", R"({"name": "a/b"})", 400, kInvalid,
       "Invalid model name 'a/b'. Names cannot contain '/' or ':'."},
      {Method::kGet, "registered-models/get?name=none", "", 404, kAbsent,
       "Registered Model with name=none not found"},
      {Method::kGet, "registered-models/alias?name=bikes&alias=latest", "", 404, kAbsent,
       "Latest version not found for model bikes."},
      {Method::kGet, "registered-models/alias?name=bikes&alias=none", "", 400, kInvalid,
       "Registered model alias none not found."},
      {Method::kPost, "registered-models/alias",
       R"({"name": "bikes", "alias": "v1", "version": "1"})", 400, kInvalid,
       "Version alias name 'v1' is reserved."},
      {Method::kPost, "registered-models/get-latest-versions",
       R"({"name": "bikes", "stages": ["x"]})", 400, kInvalid,
       "Invalid Model Version stage: x. Value must be one of None, Staging, Production, Archived."},
      {Method::kGet, "model-versions/get?name=bikes&version=x", "", 400, kInvalid,
       "Parameter 'version' must be an integer, got 'x'."},
      {Method::kGet, "model-versions/get?name=bikes&version=9", "", 404, kAbsent,
       "Model Version (name=bikes, version=9) not found"},
      {Method::kPost, "model-versions/transition-stage",
       R"({"name": "bikes", "version": "1", "stage": "None", "archive_existing_versions": true})",
       400, kInvalid,
       "Model version transition cannot archive existing model versions because 'None' is not an "
       "Active stage. Valid stages are ['Staging', 'Production']"},
      {Method::kGet, "registered-models/search?max_results=1001", "", 400, kInvalid,
       "Invalid value \"1001\" for parameter 'max_results' supplied:  Hint: Value was of type "
       "'str'. See the API docs for more information about request parameters."},
      {Method::kGet, "model-versions/search?max_results=0", "", 400, kInvalid,
       "Invalid value for max_results. It must be a positive integer, but got 0"},
      {Method::kGet, "model-versions/search?filter=version_number%20%3E%201.5", "", 400, kInvalid,
       "Invalid value for numeric attribute 'version_number': 1.5"},
      {Method::kGet, "logged-models/m-none", "", 404, kAbsent,
       "Logged model with ID 'm-none' not found."},
      {Method::kPost, "model-versions/create",
       R"({"name": "bikes", "source": "s3://b/x", "model_id": "m-none"})", 404, kAbsent,
       "Logged model with ID 'm-none' not found."},
      {Method::kPost, "model-versions/create",
       R"({"name": "bikes", "source": "s3://b/x", "run_id": "r", "model_id": "m-none"})", 404,
       kAbsent, "Logged model with ID 'm-none' not found."},
      {Method::kPost, "logged-models", R"({"experiment_id": "99"})", 404, kAbsent,
       "No Experiment with id=99 exists"},
      {Method::kPost, "logged-models", R"({"experiment_id": "0", "name": "a.b"})", 400, kInvalid,
       "Invalid model name ('a.b') provided. Model name must be a non-empty string and cannot "
       "contain the following characters: ('/', ':', '.', '%', '\"', \"'\")"},
      {Method::kPatch, "logged-models/m-none", R"({"model_id": "m-none", "status": "LOST"})", 400,
       kInvalid,
       "Invalid value \"LOST\" for parameter 'status' supplied:  Hint: Value was of type 'str'. "
       "See "
       "the API docs for more information about request parameters."},
      {Method::kPost, "logged-models/search",
       R"({"experiment_ids": ["0"], "datasets": [{"dataset_digest": "d"}]})", 400, kInvalid,
       "`dataset_name` in the `datasets` clause must be specified."},
  };
  for (const Refusal& refusal : refusals) {
    const Answered answer = call(refusal.method, refusal.target, refusal.body);
    EXPECT_EQ(answer.status, refusal.status) << refusal.target << " " << answer.body;
    EXPECT_EQ(answer.at("error_code"), Json(refusal.code)) << refusal.target;
    EXPECT_EQ(answer.at("message"), Json(refusal.message)) << refusal.target;
  }
}

TEST_P(RegistryApiTest, SearchesPageByPage) {
  for (const char* name : {"a", "b", "c"}) add_model(name);
  const Answered first = get("registered-models/search?max_results=2");
  EXPECT_EQ(first.at("registered_models.1.name"), Json("b"));
  const std::string token = first.at("next_page_token").as_string();
  EXPECT_EQ(
      found("registered-models/search?max_results=2&page_token=" + http::percent_encode(token),
            "registered_models", "name"),
      Texts{"c"});
  EXPECT_EQ(found("registered-models/search?order_by=name%20DESC", "registered_models", "name"),
            (Texts{"c", "b", "a"}));
  EXPECT_EQ(get("registered-models/search?page_token=bad").status, 400);
  EXPECT_EQ(get("registered-models/search?order_by=name&order_by=name").status, 400);
}

TEST_P(RegistryApiTest, SearchesVersionsFromTheLastTouched) {
  const tracking::RunInfo run = new_run();
  add_model("bikes");
  for (int i = 0; i < 3; ++i) publish("bikes", run);
  clock_.advance(std::chrono::milliseconds(1));
  patch("model-versions/update", R"({"name": "bikes", "version": "1", "description": "x"})");
  const std::string search = "model-versions/search";
  EXPECT_EQ(found(search, "model_versions", "version"), (Texts{"1", "3", "2"}));
  EXPECT_EQ(found(search + "?order_by=version_number%20ASC", "model_versions", "version"),
            (Texts{"1", "2", "3"}));
  EXPECT_EQ(
      found(search + "?filter=run_id%20%3D%20'" + run.id + "'%20AND%20version_number%20%3C%202",
            "model_versions", "version"),
      Texts{"1"});
}

TEST_P(RegistryApiTest, HidesPromptsUnlessAskedForThem) {
  constexpr char kTags[] = R"("tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}])";
  post("registered-models/create", R"({"name": "greeting", )" + std::string(kTags) + "}");
  add_model("bikes");
  const auto names = [&](const std::string& filter) {
    return found("registered-models/search?filter=" + http::percent_encode(filter),
                 "registered_models", "name");
  };
  EXPECT_EQ(names(""), Texts{"bikes"});
  EXPECT_EQ(names("tags.`mlflow.prompt.is_prompt` = 'true'"), Texts{"greeting"});
  EXPECT_EQ(names("tags.`mlflow.prompt.is_prompt` != 'true'"), Texts{"bikes"});
  EXPECT_EQ(names("tags.`mlflow.prompt.is_prompt` = 'false'"), Texts{"bikes"});
  const std::string version = R"({"name": "greeting", )" + std::string(kTags) + R"(, "source": )";
  EXPECT_EQ(post("model-versions/create", version + R"("dummy-source"})").status, 200);
  EXPECT_EQ(post("model-versions/create", version + R"("/etc/passwd"})").status, 400);
  EXPECT_EQ(
      post("model-versions/create", R"({"name": "bikes", "source": "models:/greeting/1"})").status,
      400);
  EXPECT_EQ(post("registered-models/create", R"({"name": "greeting"})").at("message"),
            Json("Tried to create a registered model with name 'greeting', but the name is already "
                 "taken by a prompt. MLflow does not allow creating a model and a prompt with the "
                 "same name."));
}

TEST_P(RegistryApiTest, ALoggedModelGrows) {
  const std::string id = log_model(
      R"(, "params": [{"key": "p", "value": "1"}], "tags": [{"key": "t", "value": "v"}])");
  const std::string path = "logged-models/" + id;
  EXPECT_EQ(get(path).at("model.info.status"), Json("LOGGED_MODEL_PENDING"));
  for (const char* ready : {"2", R"("2")", R"("LOGGED_MODEL_READY")"}) {
    const Answered done = patch(path, R"({"model_id": ")" + id + R"(", "status": )" + ready + "}");
    EXPECT_EQ(done.at("model.info.status"), Json("LOGGED_MODEL_READY")) << ready;
  }
  EXPECT_EQ(patch(path + "/tags", R"({"tags": [{"key": "t", "value": "w"}]})").body, "{}");
  EXPECT_EQ(post(path + "/params",
                 R"({"model_id": ")" + id + R"(", "params": [{"key": "q", "value": "2"}]})")
                .body,
            "{}");
  EXPECT_EQ(get(path).at("model.info.tags.0.value"), Json("w"));
  EXPECT_EQ(get(path).at("model.data.params.1.value"), Json("2"));
  EXPECT_EQ(drop(path + "/tags/t").body, "{}");
  EXPECT_EQ(drop(path + "/tags/t").status, 404);
  EXPECT_EQ(drop(path).body, "{}");
  EXPECT_EQ(drop(path).body, "{}");
  EXPECT_EQ(get(path).status, 404);
  EXPECT_EQ(get(path + "?allow_deleted=true").status, 200);
}

TEST_P(RegistryApiTest, LoggedModelsAreSearchedPageByPage) {
  const std::string one = log_model(R"(, "model_type": "xgboost")"), two = log_model();
  const auto search = [&](const std::string& more) {
    return post("logged-models/search", R"({"experiment_ids": ["0"])" + more + "}");
  };
  EXPECT_EQ(search("").at("models.0.info.model_id"), Json(two));
  EXPECT_EQ(search(R"(, "filter": "model_type = 'xgboost'")").at("models.0.info.model_id"),
            Json(one));
  EXPECT_EQ(search(R"(, "filter": "status = 'PENDING'")").at("models.1.info.model_id"), Json(one));
  EXPECT_EQ(search(R"(, "order_by": [{"field_name": "creation_time", "ascending": true}])")
                .at("models.0.info.model_id"),
            Json(one));
  const Answered first = search(R"(, "max_results": 1)");
  const std::string token = first.at("next_page_token").as_string();
  const std::string next = R"(, "max_results": 1, "page_token": ")" + token + "\"";
  EXPECT_EQ(search(next).at("models.0.info.model_id"), Json(one));
  EXPECT_TRUE(search(next).at("next_page_token").is_null());
  EXPECT_EQ(search(next + R"(, "filter": "name = 'm'")").status, 400);
  EXPECT_EQ(search(R"(, "page_token": "bad")").status, 400);
  EXPECT_EQ(post("logged-models/search", R"({"experiment_ids": ["1"]})").body, "{}");
}

TEST_P(RegistryApiTest, DeletingNeedsMoreThanWriting) {
  for (const http::Router::Entry* entry : router_->entries()) {
    const std::string& pattern = entry->route.pattern;
    const bool registry = pattern.find("/registered-models") != std::string::npos ||
                          pattern.find("/model-versions/") != std::string::npos ||
                          pattern.find("/logged-models") != std::string::npos;
    if (!registry) continue;
    const bool deletes = pattern.ends_with("/delete") || (pattern.ends_with("{model_id}") &&
                                                          entry->route.method == Method::kDelete);
    const auto level = entry->route.permission.level();
    EXPECT_EQ(deletes, level == http::Permission::Level::kManage) << pattern;
    EXPECT_NE(level, http::Permission::Level::kNone) << pattern;
    if (entry->route.method == Method::kGet) {
      EXPECT_EQ(level, http::Permission::Level::kRead) << pattern;
    }
  }
}

TEST_P(RegistryApiTest, RefusesWhatIsTooMuch) {
  add_model("bikes");
  const std::string tag = R"({"name": "bikes", "key": "k", "value": ")";
  EXPECT_EQ(post("registered-models/set-tag", tag + std::string(100'000, 'x') + "\"}").status, 200);
  EXPECT_EQ(post("registered-models/set-tag", tag + std::string(100'001, 'x') + "\"}").status, 400);
  std::string filter = "name = 'a'";
  for (int i = 0; i < 1000; ++i) filter += " AND name = 'a'";
  EXPECT_EQ(get("registered-models/search?filter=" + http::percent_encode(filter)).status, 400);
  std::string tags;
  for (int i = 0; i <= 1000; ++i) tags += R"({"key": "k)" + std::to_string(i) + R"("},)";
  tags.pop_back();
  EXPECT_EQ(post("registered-models/create", R"({"name": "x", "tags": [)" + tags + "]}").status,
            400);
}

}  // namespace
}  // namespace slipway::mlflow
