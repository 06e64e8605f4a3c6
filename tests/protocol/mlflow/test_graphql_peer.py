"""GraphQL as MLflow's own page calls it: the same queries to the real server and to ours, the same answers."""
import pytest
from test_tracking_peer import Pair, made, pair, post  # noqa: F401

pytestmark = pytest.mark.since(3)
V = "model-versions/"

RUN = """
query GetRun($data: MlflowGetRunInput!) @component(name: "MLflow.ExperimentTracking") {
  mlflowGetRun(input: $data) {
    apiError { code helpUrl message }
    run {
      info { artifactUri endTime experimentId lifecycleStage runName runUuid startTime status userId runId }
      experiment { experimentId name tags { key value } artifactLocation lifecycleStage }
      modelVersions { status version name source tags { key value } aliases runId currentStage }
      data { metrics { key value step timestamp } params { key value } tags { key value } }
      inputs { datasetInputs { dataset { digest name profile schema source sourceType } tags { key value } }
               modelInputs { modelId } }
      outputs { modelOutputs { modelId step } }
    }
  }
}"""


def ask(pair, query, **variables):
    pair.agree("POST", "/graphql", {"query": query, "variables": variables})


@pytest.fixture
def full(pair, made, request):
    """The run {r} with something of everything."""
    post(pair, "runs/log-batch", {"run_id": "{r}", "metrics": [
        {"key": "m", "value": 1.5, "timestamp": 3, "step": 2}, {"key": "nan", "value": "NaN", "timestamp": 3}],
        "params": [{"key": "p", "value": "1"}]})
    post(pair, "runs/log-inputs", {"run_id": "{r}", "datasets": [
        {"tags": [{"key": "mlflow.data.context", "value": "train"}],
         "dataset": {"name": "d", "digest": "h", "source_type": "local", "source": "x"}}]})
    name = f"graphql {request.node.name}"
    post(pair, "registered-models/create", {"name": name})
    post(pair, V + "create", {"name": name, "source": "s3://b/x", "run_id": "{r}"})


def test_the_page_of_a_run(pair, full):
    ask(pair, RUN, data={"runId": "{r}"})
    post(pair, "runs/update", {"run_id": "{r}", "status": "FINISHED", "end_time": 9})
    ask(pair, RUN, data={"runId": "{r}"})
    ask(pair, RUN, data={"runId": "none"})
    for _, answer in pair.call("POST", "/graphql", {"query": RUN, "variables": {"data": {}}}):
        assert answer["data"] == {"mlflowGetRun": None} and len(answer["errors"]) == 1


def test_each_query(pair, full):
    ask(pair, '{ mlflowGetExperiment(input: {experimentId: "{e}"}) { experiment { name workspace tags { key } } } }')
    ask(pair, '{ mlflowGetExperiment(input: {experimentId: "99999"}) { experiment { name } } }')
    ask(pair, '{ mlflowGetMetricHistoryBulkInterval(input: {runIds: ["{r}"], metricKey: "m", maxResults: 5}) '
              '{ metrics { key value timestamp step runId } } }')
    ask(pair, '{ mlflowListArtifacts(input: {runId: "{r}"}) { rootUri files { path isDir fileSize } nextPageToken } }')
    ask(pair, "query($in: MlflowSearchModelVersionsInput) { mlflowSearchModelVersions(input: $in) "
              "{ modelVersions { name version status runLink } nextPageToken } }", **{"in": {"filter": "run_id = '{r}'"}})
    for kind in ("query", "mutation"):
        ask(pair, kind + '{ mlflowSearchRuns(input: {experimentIds: ["{e}"], maxResults: 10, orderBy: "start_time"}) '
                         '{ runs { info { runId status endTime } data { metrics { key value } } } nextPageToken } }')
    ask(pair, 'mutation { mlflowSearchDatasets(input: {experimentIds: ["{e}"]}) '
              '{ datasetSummaries { experimentId name digest context } apiError { code } } }')


def test_shapes_of_queries(pair, full):
    info = '{ run { info { runId } } }'
    ask(pair, '{ a: mlflowGetRun(input: {runId: "{r}"}) %s b: mlflowGetRun(input: {runUuid: "{r}"}) %s }' % (info, info))
    ask(pair, '{ mlflowGetRun(input: {runId: "{r}"}) { ...F __typename } } fragment F on MlflowGetRunResponse %s' % info)
    skipping = ('query($no: Boolean = false) { mlflowGetRun(input: {runId: "{r}"}) { run { info { runId @skip(if: true) '
                'runName @include(if: $no) status } } } }')
    theirs, ours = pair.call("POST", "/graphql", {"query": skipping})
    assert theirs[1]["errors"] and ours[1]["data"]["mlflowGetRun"]["run"]["info"] == {"status": "RUNNING"}, \
        "ours knows the directives that every GraphQL server has"
    ask(pair, "query($l: LongString) { mlflowSearchModelVersions(input: {maxResults: $l}) { nextPageToken } }", l="1")


def test_refusals(pair, full):
    """In GraphQL's words or ours; nothing is answered."""
    info = '{ run { info { runId } } }'
    for query in ('{ mlflowGetRun(input: {runId: "{r}"}) { x } }', '{ nothing }', '{ mlflowGetRun(input: {runId: 5}) %s }' % info,
                  '{ mlflowGetRun(input: {x: "5"}) %s }' % info, '{ mlflowGetRun(input: {runId: "{r}"}) { run } }',
                  '{ %s }' % " ".join(f'a{i}: mlflowGetRun(input: {{runId: "x"}}) {info}' for i in range(11)),
                  "{ a { a { a { a { a { a { a { a { a { a { a } } } } } } } } } } }"):
        theirs, ours = pair.call("POST", "/graphql", {"query": query})
        for status, answer in (theirs, ours):
            assert status == 200 and answer["errors"] and not any((answer["data"] or {}).values()), (query, answer)
    theirs, ours = pair.call("POST", "/graphql", {"query": "{ a"})
    assert theirs[0] == 500 and ours[0] == 400, "what is no GraphQL is the caller's mistake"
