"""Users, tokens, roles and permissions as the stock client sees them."""
import itertools
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import mlflow
import pytest
from conftest import PASSWORD, basic, bearer, slipway
from mlflow.exceptions import MlflowException, RestException
from mlflow.server.auth.client import AuthServiceClient
from server import Server

numbers = itertools.count(1)


def fresh(word):
    return f"{word}-{next(numbers)}"


def new_experiment(site, who=None):
    return site.ask("POST", "experiments/create", {"name": fresh("experiment")}, who=who or basic("root"))["experiment_id"]


def new_run(site, experiment, who=None):
    answer = site.ask("POST", "runs/create", {"experiment_id": experiment, "start_time": 1}, who=who or basic("root"))
    return answer["run"]["info"]["run_id"]


# ---- who one is

def test_nobody_in_particular_is_asked_who_he_is(site):
    status, answer, headers = site.call("GET", "experiments/get", experiment_id="0")
    assert status == 401 and answer["error_code"] == "UNAUTHENTICATED"
    assert "MLFLOW_TRACKING_USERNAME" in answer["message"]
    assert headers["WWW-Authenticate"].startswith("Basic realm=")
    # A page asks in its own words: its browser must not.
    status, _, headers = site.call("GET", "/api/slipway/v1/me", headers={"Sec-Fetch-Mode": "cors"})
    assert status == 401 and headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/health", "/version", "/", "/v2/health/live", "/api/3.0/mlflow/server-info"])
def test_what_tells_nothing_is_open(site, path):
    assert site.status("GET", path) == 200


def test_the_client_sends_a_name_and_a_password(site, as_user):
    user = fresh("ann")
    site.add(user)
    client = as_user(user)
    assert client.get_experiment("0").name == "Default"
    as_user(user, "not the password")
    with pytest.raises(MlflowException, match="wrong"):
        mlflow.MlflowClient(site.url).get_experiment("0")


def test_the_client_sends_a_token(site, as_user):
    user = fresh("ann")
    site.add(user)
    _, made, _ = site.people("create-token", basic(user), name="nightly")
    client = as_user(None, token=made["token"])
    assert client.get_experiment("0").name == "Default"
    assert site.people("revoke-token", basic(user), id=made["id"])[0] == 200
    with pytest.raises(MlflowException, match="revoked"):
        client.get_experiment("0")


def test_a_token_is_shown_once_and_good_as_a_password(site):
    user = fresh("ann")
    site.add(user)
    _, made, _ = site.people("create-token", basic(user), name="t", scope="read", days=1)
    assert made["token"].startswith("slipway-token-")
    _, listed, _ = site.people("list-tokens", basic(user))
    assert [t["name"] for t in listed["tokens"]] == ["t"] and made["token"] not in json.dumps(listed)
    assert site.status("GET", "experiments/get", who=basic(user, made["token"]), experiment_id="0") == 200
    assert site.status("GET", "experiments/get", who=basic("root", made["token"]), experiment_id="0") == 401


def test_a_token_does_no_more_than_its_scope(site):
    user = fresh("ann")
    site.add(user)
    experiment = new_experiment(site, basic(user))
    _, reads, _ = site.people("create-token", basic(user), name="r", scope="read")
    _, predicts, _ = site.people("create-token", basic(user), name="p", scope="predict")
    reads, predicts = bearer(reads["token"]), bearer(predicts["token"])
    assert site.status("GET", "experiments/get", who=reads, experiment_id=experiment) == 200
    body = {"experiment_id": experiment, "start_time": 1}
    assert site.status("POST", "runs/create", body, who=reads) == 403
    assert site.status("GET", "experiments/get", who=predicts, experiment_id=experiment) == 403
    assert site.people("create-token", reads, name="more")[0] == 403
    # A model that is not there is not found, which is beyond the question who asks.
    assert site.status("GET", "/v2/models/none", who=predicts) == 404
    assert site.status("GET", "/v2/models/none", who=reads) == 403
    assert site.status("GET", "/v2/models/none") == 401


def test_an_administrators_token_for_reading_only_reads(site):
    _, made, _ = site.people("create-token", basic("root"), name="r", scope="read")
    assert site.status("POST", "experiments/create", {"name": fresh("x")}, who=bearer(made["token"])) == 403
    assert site.status("POST", "users/create", {"username": "x", "password": "x" * 12}, who=bearer(made["token"])) == 403


# ---- what one may

def test_whoever_makes_an_experiment_manages_it_and_others_read(site, as_user):
    ann, ben = fresh("ann"), fresh("ben")
    site.add(ann), site.add(ben)
    client = as_user(ann)
    experiment = client.create_experiment(fresh("anns"))
    run = client.create_run(experiment).info.run_id
    client.log_metric(run, "loss", 0.5)
    client.set_tag(run, "t", "1")

    client = as_user(ben)
    assert client.get_run(run).data.metrics == {"loss": 0.5}
    for denied in (lambda: client.log_metric(run, "loss", 1), lambda: client.create_run(experiment),
                   lambda: client.delete_run(run), lambda: client.rename_experiment(experiment, "mine"),
                   lambda: client.log_batch(run, metrics=[mlflow.entities.Metric("m", 1, 1, 1)])):
        with pytest.raises(RestException, match="PERMISSION_DENIED"):
            denied()

    site.grant(ben, "edit", experiment=experiment)
    client.log_metric(run, "loss", 1)
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        client.delete_run(run)
    site.grant(ben, "manage", experiment=experiment)
    client.delete_run(run)


def test_a_user_without_any_right_sees_nothing_of_an_experiment(site, as_user):
    ben = fresh("ben")
    site.add(ben)
    experiment = new_experiment(site)
    run = new_run(site, experiment)
    site.ask("POST", "runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1}, who=basic("root"))
    site.grant(ben, "deny", experiment=experiment)
    who = basic(ben)
    files = f"mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt"
    site.call("PUT", f"/api/2.0/{files}", b"secret", who=basic("root"))
    asked = [
        ("GET", "experiments/get", None, {"experiment_id": experiment}),
        ("GET", "runs/get", None, {"run_id": run}),
        ("GET", "runs/get", None, {"run_uuid": run}),
        ("GET", "runs/get", {"run_id": run}, {}),
        ("GET", "metrics/get-history", None, {"run_id": run, "metric_key": "m"}),
        ("GET", "metrics/get-history-bulk", None, {"run_id": [run], "metric_key": "m"}),
        ("GET", "metrics/get-history-bulk-interval", None, {"run_ids": [run], "metric_key": "m"}),
        ("GET", "artifacts/list", None, {"run_id": run}),
        ("GET", "/get-artifact", None, {"run_uuid": run, "path": "a.txt"}),
        ("GET", f"/api/2.0/{files}", None, {}),
        ("GET", f"/ajax-api/2.0/{files}", None, {}),
        ("GET", f"/api/2.0/mlflow-artifacts/artifacts/%{ord(experiment[0]):x}{experiment[1:]}/{run}/artifacts/a.txt", None, {}),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts", None, {"path": f"{experiment}/{run}"}),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts", None, {}),
        ("POST", f"/api/2.0/mlflow-artifacts/mpu/create/{experiment}/{run}/artifacts", {"path": "b", "num_parts": 1}, {}),
        ("PUT", f"/api/2.0/{files}", b"x", {}),
        ("DELETE", f"/api/2.0/{files}", None, {}),
        ("POST", "runs/log-inputs", {"run_id": run}, {}),
        ("POST", "runs/outputs", {"run_id": run, "models": [{"model_id": "m-1", "step": 0}]}, {}),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact", b"x", {"run_uuid": run, "path": "b"}),
        ("POST", "logged-models", {"experiment_id": experiment, "name": "m"}, {}),
    ]
    for method, path, body, query in asked:
        status, answer, _ = site.call(method, path, body, who=who, **query)
        assert status == 403, (method, path, status, answer)
        assert site.status(method, path, body, **query) == 401, (method, path)
    status, answer, _ = site.call("GET", "experiments/get-by-name", who=who,
                                  experiment_name=site.ask("GET", "experiments/get", who=basic("root"), experiment_id=experiment)["experiment"]["name"])
    assert status == 403, answer

    query = "query q($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { run { info { runId } } apiError { code } } }"
    body = {"query": query, "variables": {"data": {"runId": run}}, "operationName": "q"}
    answer = site.call("POST", "/graphql", body, who=who)[1]
    assert run not in json.dumps(answer), answer
    assert run in json.dumps(site.call("POST", "/graphql", body, who=basic("root"))[1])
    assert site.status("POST", "/graphql", body) == 401


def test_commands_about_runs_show_and_change_only_what_one_may(site):
    ben, ann = fresh("ben"), fresh("ann")
    for user in (ben, ann):
        site.add(user)
    experiment = new_experiment(site)
    name = site.ask("GET", "experiments/get", who=basic("root"), experiment_id=experiment)["experiment"]["name"]
    run = new_run(site, experiment)
    metric = fresh("metric")
    site.ask("POST", "runs/log-metric", {"run_id": run, "key": metric, "value": 1, "timestamp": 1}, who=basic("root"))
    site.grant(ben, "deny", experiment=experiment)
    site.grant(ann, "edit", experiment=experiment)
    tracked = "/api/slipway/v1/tracked-runs/"
    for body in ({"metric": metric}, {"metric": metric, "experiments": [experiment]}, {"metric": metric, "experiments": [name]}):
        assert site.status("POST", tracked + "best", body, who=basic(ben)) == 404
        assert site.ask("POST", tracked + "best", body, who=basic(ann))["contenders"][0]["run_id"] == run
        assert site.status("POST", tracked + "best", body) == 401
    assert site.status("POST", tracked + "show", {"name": run}, who=basic(ben)) == 404
    assert site.ask("POST", tracked + "show", {"name": run}, who=basic(ann))["run_id"] == run
    hidden = new_experiment(site)
    other = new_run(site, hidden)
    site.ask("POST", "runs/log-metric", {"run_id": other, "key": metric, "value": 0, "timestamp": 1}, who=basic("root"))
    for user in (ben, ann):
        site.grant(user, "deny", experiment=hidden)
    record = {"metric": metric, "experiments": [name]}
    for body, user in ((record, ben), ({"metric": metric}, ann), ({"metric": metric, "experiments": [experiment, hidden]}, ann)):
        assert site.status("POST", tracked + "record-best", body, who=basic(user)) == 403, (body, user)
    assert site.ask("POST", tracked + "record-best", record, who=basic(ann))["event"] > 0
    both = {"metric": metric, "experiments": [experiment, hidden], "goal": "maximize"}
    assert len(site.ask("POST", tracked + "record-best", both, who=basic("root"))["contenders"]) >= 1
    kept = site.ask("POST", tracked + "show", {"name": run}, who=basic(ann))["comparisons"]
    assert [one["actor"] for one in kept] == [ann, "root"] and other not in json.dumps(kept)
    assert kept[0]["found"]["contenders"][0]["run_id"] == run and set(kept[1]["found"]) == {"metric", "verdict"}
    kept = site.ask("POST", tracked + "show", {"name": run}, who=basic("root"))["comparisons"]
    assert other in json.dumps(kept[1])
    everything = {"format": "json", "view": "all"}
    assert run not in json.dumps(site.ask("POST", tracked + "export", everything, who=basic(ben)))
    assert run in json.dumps(site.ask("POST", tracked + "export", everything, who=basic(ann)))
    assert metric not in json.dumps(site.ask("POST", tracked + "columns", {}, who=basic(ben)))
    assert metric in json.dumps(site.ask("POST", tracked + "columns", {}, who=basic(ann)))
    for verb in ("delete", "restore"):
        for named in ([experiment], [name], []):
            for user in (ben, ann):
                status = site.status("POST", tracked + verb, {"experiments": named, "all": True}, who=basic(user))
                assert status == 403, (verb, named, user)
    for call in ("gc", "gc/work"):
        assert site.status("POST", tracked + call, {"dry_run": True}, who=basic(ann)) == 403
    site.grant(ann, "manage", experiment=experiment)
    assert site.ask("POST", tracked + "delete", {"experiments": [name], "all": True}, who=basic(ann))["runs"] == 1
    assert site.ask("POST", tracked + "gc", {"dry_run": True, "run_ids": [run]}, who=basic("root"))["runs"] == [run]


def test_searches_hold_only_what_may_be_read_and_page_on(site, as_user):
    ben = fresh("ben")
    site.add(ben)
    word = fresh("paged")
    experiments = [site.ask("POST", "experiments/create", {"name": f"{word} {i}"}, who=basic("root"))["experiment_id"]
                   for i in range(7)]
    hidden = {experiments[1], experiments[4]}
    for experiment in hidden:
        site.grant(ben, "deny", experiment=experiment)
    client = as_user(ben)
    seen, token = [], None
    while True:
        page = client.search_experiments(filter_string=f"name LIKE '{word}%'", max_results=2, page_token=token)
        seen += [e.experiment_id for e in page]
        token = page.token
        if not token:
            break
        assert len(page) == 2
    assert sorted(seen, key=int) == [e for e in experiments if e not in hidden]

    runs = {e: new_run(site, e) for e in experiments}
    seen, token = [], None
    while True:
        page = client.search_runs(experiments, max_results=2, page_token=token)
        seen += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    assert sorted(seen) == sorted(run for e, run in runs.items() if e not in hidden)
    assert client.search_runs(sorted(hidden)) == []
    answer = site.ask("POST", "experiments/search-datasets", {"experiment_ids": sorted(hidden)}, who=basic(ben))
    assert answer.get("dataset_summaries", []) == []


def test_models_and_their_versions_are_hidden_as_well(site, as_user):
    ben = fresh("ben")
    site.add(ben)
    word = fresh("models")
    names = [f"{word}-{i}" for i in range(4)]
    for name in names:
        site.ask("POST", "registered-models/create", {"name": name}, who=basic("root"))
        site.ask("POST", "model-versions/create", {"name": name, "source": "s3://bucket/model"}, who=basic("root"))
    site.grant(ben, "deny", model=names[2])
    client = as_user(ben)
    found = client.search_registered_models(f"name LIKE '{word}%'", max_results=2)
    rest = client.search_registered_models(f"name LIKE '{word}%'", max_results=2, page_token=found.token)
    assert [m.name for m in [*found, *rest]] == [names[0], names[1], names[3]]
    versions = client.search_model_versions(f"name LIKE '{word}%'")
    assert sorted(v.name for v in versions) == [names[0], names[1], names[3]]
    for denied in (lambda: client.get_registered_model(names[2]), lambda: client.get_model_version(names[2], 1),
                   lambda: client.set_registered_model_alias(names[0], "champion", 1),
                   lambda: client.delete_model_version(names[0], 1)):
        with pytest.raises(RestException, match="PERMISSION_DENIED"):
            denied()
    site.grant(ben, "edit", model=names[0])
    client.set_registered_model_alias(names[0], "champion", 1)
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        client.delete_registered_model_alias(names[0], "champion")


def test_a_version_is_made_only_of_what_its_maker_may_read(site):
    ben = fresh("ben")
    site.add(ben)
    experiment = new_experiment(site)
    run = new_run(site, experiment)
    secret = fresh("secret")
    site.ask("POST", "registered-models/create", {"name": secret}, who=basic("root"))
    site.grant(ben, "deny", experiment=experiment)
    site.grant(ben, "deny", model=secret)
    mine = fresh("mine")
    site.ask("POST", "registered-models/create", {"name": mine}, who=basic(ben))
    for source in (f"runs:/{run}/model", f"mlflow-artifacts:/{experiment}/{run}/artifacts/model", f"models:/{secret}/1"):
        body = {"name": mine, "source": source}
        assert site.status("POST", "model-versions/create", body, who=basic(ben)) == 403, source
    body = {"name": mine, "source": "s3://bucket/model", "run_id": run}
    assert site.status("POST", "model-versions/create", body, who=basic(ben)) == 403
    body = {"name": fresh("e"), "artifact_location": f"mlflow-artifacts:/{experiment}"}
    assert site.status("POST", "experiments/create", body, who=basic(ben)) == 403


def test_a_metric_goes_to_no_model_of_another_experiment(site):
    ben = fresh("ben")
    site.add(ben)
    theirs = new_experiment(site)
    model = site.ask("POST", "logged-models", {"experiment_id": theirs, "name": "m"}, who=basic("root"))["model"]["info"]["model_id"]
    mine = new_experiment(site, basic(ben))
    run = new_run(site, mine, basic(ben))
    metric = {"key": "m", "value": 1, "timestamp": 1, "step": 0, "model_id": model}
    assert site.status("POST", "runs/log-metric", {"run_id": run, **metric}, who=basic(ben)) == 403
    assert site.status("POST", "runs/log-batch", {"run_id": run, "metrics": [metric]}, who=basic(ben)) == 403
    del metric["model_id"]
    assert site.status("POST", "runs/log-batch", {"run_id": run, "metrics": [metric]}, who=basic(ben)) == 200


def test_the_default_is_what_the_administrator_says(site):
    ben = fresh("ben")
    site.add(ben)
    experiment = new_experiment(site)
    try:
        assert site.people("set-default", basic(ben), level="manage")[0] == 403
        assert site.people("set-default", basic("root"), level="none")[0] == 200
        assert site.status("GET", "experiments/get", who=basic(ben), experiment_id=experiment) == 403
        answer = site.ask("POST", "experiments/search", {"max_results": 1000}, who=basic(ben))
        assert answer.get("experiments", []) == []
        own = new_experiment(site, basic(ben))
        answer = site.ask("POST", "experiments/search", {"max_results": 1000}, who=basic(ben))
        assert [e["experiment_id"] for e in answer["experiments"]] == [own]
        assert site.status("GET", "/api/slipway/v1/events", who=basic(ben)) == 403
    finally:
        assert site.people("set-default", basic("root"), level="read")[0] == 200
    assert site.status("GET", "/api/slipway/v1/events", who=basic(ben)) == 200


# ---- MLflow's own client of users and permissions

def test_users_by_the_stock_client(site, as_user):
    as_user("root")
    auth, name = AuthServiceClient(site.url), fresh("carl")
    made = auth.create_user(name, PASSWORD.format(name))
    assert (made.username, made.is_admin) == (name, False)
    assert auth.get_user(name).id == made.id
    with pytest.raises(RestException, match="RESOURCE_ALREADY_EXISTS"):
        auth.create_user(name, PASSWORD.format(name))
    with pytest.raises(RestException, match="at least 12 characters"):
        auth.create_user(fresh("short"), "short")
    auth.update_user_password(name, "another password 1")
    auth.update_user_admin(name, True)
    assert auth.get_user(name).is_admin
    auth.update_user_admin(name, False)

    as_user(name, "another password 1")
    assert AuthServiceClient(site.url).get_user(name).id == made.id
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        AuthServiceClient(site.url).get_user("root")
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        AuthServiceClient(site.url).update_user_admin(name, True)

    as_user("root")
    auth.delete_user(name)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth.get_user(name)
    with pytest.raises(RestException, match="cannot delete their own"):
        auth.delete_user("root")


@pytest.mark.since(3)
def test_ones_own_password_takes_the_current_one(site, as_user):
    name = fresh("carl")
    site.add(name)
    as_user(name)
    auth = AuthServiceClient(site.url)
    with pytest.raises(RestException, match="Current password is required"):
        auth.update_user_password(name, "another password 1")
    with pytest.raises(RestException, match="does not match"):
        auth.update_user_password(name, "another password 1", current_password="not the password")
    auth.update_user_password(name, "another password 1", current_password=PASSWORD.format(name))
    as_user(name, "another password 1")
    assert auth.get_user(name).username == name


@pytest.mark.since(3)
def test_permissions_by_the_stock_client_of_3(site, as_user):
    ann, ben = fresh("ann"), fresh("ben")
    site.add(ann), site.add(ben)
    experiment = new_experiment(site, basic(ann))
    as_user(ann)
    auth = AuthServiceClient(site.url)
    auth.grant_user_permission(ben, "experiment", experiment, "EDIT")
    with pytest.raises(RestException, match="RESOURCE_ALREADY_EXISTS"):
        auth.grant_user_permission(ben, "experiment", experiment, "READ")
    as_user(ben)
    held = auth.get_user_permission(ben, "experiment", experiment)
    assert (held.allowed, held.permission) == (True, "EDIT")
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        auth.grant_user_permission(ben, "experiment", experiment, "MANAGE")
    as_user(ann)
    auth.revoke_user_permission(ben, "experiment", experiment)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth.revoke_user_permission(ben, "experiment", experiment)
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        auth.grant_user_permission(ben, "experiment", "*", "READ")
    as_user("root")
    assert auth.get_user_permission(ben, "experiment", experiment).permission == "READ"
    with pytest.raises(RestException, match="not supported"):
        auth.grant_user_permission(ben, "gateway_endpoint", "x", "USE")


@pytest.mark.since(3)
def test_roles_by_the_stock_client(site, as_user):
    ben = fresh("ben")
    site.add(ben)
    experiment = new_experiment(site)
    as_user("root")
    auth = AuthServiceClient(site.url)
    role = auth.create_role("default", fresh("role"), "who edit")
    assert (role.workspace, role.description) == ("default", "who edit")
    grant = auth.add_role_permission(role.id, "experiment", experiment, "EDIT")
    assignment = auth.assign_role(ben, role.id)
    assert assignment.role_id == role.id
    assert [r.name for r in auth.list_user_roles(ben)] == [role.name]
    assert [u.user_id for u in auth.list_role_users(role.id)] == [assignment.user_id]
    assert [p.permission for p in auth.list_role_permissions(role.id)] == ["EDIT"]
    assert role.name in [r.name for r in auth.list_roles("default")] and auth.list_roles("other") == []
    assert new_run(site, experiment, basic(ben))
    assert auth.update_role_permission(grant.id, "READ").permission == "READ"
    assert site.status("POST", "runs/create", {"experiment_id": experiment}, who=basic(ben)) == 403
    renamed = auth.update_role(role.id, name=fresh("renamed"))
    assert auth.get_role(role.id).name == renamed.name
    auth.unassign_role(ben, role.id)
    assert auth.list_user_roles(ben) == []
    auth.remove_role_permission(grant.id)
    auth.delete_role(role.id)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth.get_role(role.id)
    as_user(ben)
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        auth.list_all_roles()


@pytest.mark.until(2)
def test_permissions_by_the_stock_client_of_2(site, as_user):
    ann, ben = fresh("ann"), fresh("ben")
    site.add(ann), site.add(ben)
    experiment = new_experiment(site, basic(ann))
    as_user(ann)
    auth = AuthServiceClient(site.url)
    made = auth.create_experiment_permission(experiment, ben, "EDIT")
    assert (made.experiment_id, made.permission) == (experiment, "EDIT")
    assert auth.get_experiment_permission(experiment, ben).user_id == made.user_id
    auth.update_experiment_permission(experiment, ben, "NO_PERMISSIONS")
    assert site.status("GET", "experiments/get", who=basic(ben), experiment_id=experiment) == 403
    auth.delete_experiment_permission(experiment, ben)
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST"):
        auth.get_experiment_permission(experiment, ben)
    model = fresh("model")
    site.ask("POST", "registered-models/create", {"name": model}, who=basic(ann))
    assert auth.create_registered_model_permission(model, ben, "MANAGE").name == model
    assert auth.get_registered_model_permission(model, ben).permission == "MANAGE"
    auth.update_registered_model_permission(model, ben, "READ")
    auth.delete_registered_model_permission(model, ben)
    as_user(ben)
    with pytest.raises(RestException, match="PERMISSION_DENIED"):
        auth.create_experiment_permission(experiment, ben, "MANAGE")


# ---- what is written of it

def test_every_change_says_who_made_it(site):
    ann = fresh("ann")
    who = site.add(ann)
    experiment = new_experiment(site, who)
    site.grant(ann, "edit", experiment="0")
    mine = [(e["type"], e["actor"]) for e in site.events() if e["subject"] in (f"person:{ann}", f"experiment:{experiment}")]
    assert ("user.created", "root") in mine and ("permission.granted", "root") in mine
    assert ("experiment.created", ann) in mine
    said = json.dumps(site.events())
    assert "scrypt" not in said and PASSWORD.format(ann) not in said


def test_failures_are_counted_and_guessing_is_slowed_down(site):
    ann = fresh("ann")
    who = site.add(ann)
    assert site.status("GET", "experiments/get", who=who, experiment_id="0") == 200

    def failures():
        text = site.call("GET", "/metrics", who=basic("root"))[1]
        return float(re.search(r'slipway_login_failures_total\{credential="password"\} (\S+)', text)[1])

    before, answers = failures(), []
    for _ in range(7):
        status, _, headers = site.call("GET", "experiments/get", who=basic(ann, "not the password"), experiment_id="0")
        answers.append(status)
    assert answers == [401] * 5 + [429] * 2 and headers["Retry-After"]
    assert failures() == before + 5
    # Whoever has shown the right one lately is not kept out by somebody who guesses.
    assert site.status("GET", "experiments/get", who=who, experiment_id="0") == 200


# ---- commands

def test_commands_go_to_the_server_or_to_the_catalogue(site, tmp_path):
    state = tmp_path / "state"
    for command in (["users", "list"], ["tokens", "list"], ["permissions", "list", "ann"]):
        nowhere = slipway(*command, "--state", state, check=False)
        assert nowhere.returncode == 3 and "there is no state" in nowhere.stderr and not state.exists()
    refused = slipway("users", "create", "ann", "--state", state, input="a password of ann\n", check=False)
    assert refused.returncode == 3 and "administrator" in refused.stderr
    (tmp_path / "password").write_text("a password of ann\n")
    slipway("users", "create", "ann", "--admin", "--state", state, "--password-file", tmp_path / "password")
    slipway("users", "create", "ben", "--state", state, input="a password of ben\n")
    assert slipway("users", "list", "--state", state).splitlines() == ["ann  admin", "ben"]
    given = slipway("permissions", "create", "ben", "--experiment", "0", "--level", "edit", "--state", state)
    assert given == "ben: experiment 0  edit\n"
    for unknown in ("99", "nowhere"):
        refused = slipway("permissions", "create", "ben", "--experiment", unknown, "--level", "edit", "--state", state,
                          check=False)
        assert refused.returncode == 3 and unknown in refused.stderr
    assert "experiment 0  edit" in slipway("permissions", "list", "ben", "--state", state)
    os.mkfifo(tmp_path / "pipe")
    setting = subprocess.Popen([os.environ["SLIPWAY_BINARY"], "users", "password", "ben", "--state", state,
                                "--password-file", tmp_path / "pipe"])
    (tmp_path / "pipe").write_text("a password of ben\n")
    assert setting.wait(timeout=60) == 0
    token = slipway("tokens", "create", "nightly", "--user", "ben", "--state", state).strip()
    server = Server(state)
    server.start()
    try:
        request = urllib.request.Request(f"http://{server.address}/api/2.0/mlflow/experiments/get?experiment_id=0",
                                         headers=bearer(token))
        assert json.load(urllib.request.urlopen(request))["experiment"]["name"] == "Default"
        # Beside the server: known to it at once.
        slipway("users", "create", "carl", "--state", state, input="a password of carl\n")
        request = urllib.request.Request(request.full_url, headers=basic("carl"))
        urllib.request.urlopen(request)
        given = slipway("permissions", "create", "carl", "--experiment", "Default", "--level", "use", "--state", state)
        assert given == "carl: experiment 0  use\n"
        # From elsewhere, by a token.
        root = slipway("tokens", "create", "root", "--user", "ann", "--state", state).strip()
        away = {"SLIPWAY_URL": f"http://{server.address}", "cwd": tmp_path}
        assert "carl" in slipway("users", "list", SLIPWAY_TOKEN=root, **away)
        (tmp_path / "token").write_text(root + "\n")
        assert "carl" in slipway("users", "list", SLIPWAY_TOKEN_FILE=str(tmp_path / "token"), **away)
        assert "user.created" in slipway("events", SLIPWAY_TOKEN=root, **away)
        # A place that is named is meant, whatever the environment says of a server.
        other = tmp_path / "other"
        slipway("users", "create", "olga", "--admin", "--state", other, SLIPWAY_TOKEN=root, input="a password of olga\n", **away)
        assert slipway("users", "list", "--state", other, SLIPWAY_TOKEN=root, **away).splitlines() == ["olga  admin"]
        assert "olga" not in slipway("users", "list", SLIPWAY_TOKEN=root, **away)
        shown = slipway("events", check=False, **(away | {"SLIPWAY_URL": f"http://ann:s3cr3t@{server.address}"}))
        assert shown.returncode == 2 and "SLIPWAY_TOKEN" in shown.stderr and "s3cr3t" not in shown.stderr
        nobody = slipway("events", check=False, **away)
        assert nobody.returncode == 3 and "SLIPWAY_TOKEN" in nobody.stderr
        denied = slipway("users", "list", SLIPWAY_TOKEN=token, check=False, **away)
        assert denied.returncode == 3 and "administrators" in denied.stderr
        listed = json.loads(slipway("--json", "tokens", "list", "--state", state))["tokens"]
        nightly = next(t["id"] for t in listed if t["name"] == "nightly")
        slipway("tokens", "revoke", nightly, "--state", state)
        assert slipway("users", "list", SLIPWAY_TOKEN=token, check=False, **away).returncode == 3
    finally:
        assert server.stop() == 0


def test_a_server_without_users_listens_to_nobody_else(tmp_path):
    state = tmp_path / "state"
    refused = slipway("up", "--listen", "0.0.0.0:0", "--state", state, check=False)
    assert refused.returncode == 2
    assert "slipway users create NAME --admin" in refused.stderr and "--anyone-may-do-anything" in refused.stderr
    slipway("users", "create", "ann", "--admin", "--state", state, input="a password of ann\n")
    refused = slipway("up", "--listen", "0.0.0.0:0", "--state", state, "--access", "off", check=False)
    assert refused.returncode == 2 and "--access off" in refused.stderr


def test_without_users_everybody_on_this_machine_may_everything(tmp_path):
    server = Server(tmp_path / "state")
    server.start()
    url = f"http://{server.address}"
    try:
        request = urllib.request.Request(url + "/api/2.0/mlflow/experiments/create", b'{"name": "mine"}',
                                         {"Content-Type": "application/json"})
        assert urllib.request.urlopen(request).status == 200
        assert json.load(urllib.request.urlopen(url + "/api/slipway/v1/me"))["access"] is False
        # But nobody lets himself in.
        request = urllib.request.Request(url + "/api/2.0/mlflow/users/create",
                                         b'{"username": "eve", "password": "eve-eve-eve-eve"}',
                                         {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)
    finally:
        assert server.stop() == 0


def test_every_route_has_a_rule(tmp_path):
    state = tmp_path / "state"
    for arguments in ([], ["--listen-serving", "127.0.0.1:0", "--clock", "replay"]):
        process = subprocess.Popen(
            [os.environ["SLIPWAY_BINARY"], "up", "--listen", "127.0.0.1:0", "--state", str(state), "--log-level", "warning",
             *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("slipway: ready")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=40)
        assert process.returncode == 0 and "slipway: state in" in said
        assert [line for line in said.splitlines() if "has no rule of access" in line] == []


def otlp(trace, span, name="added"):
    """One span as JSON."""
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": trace, "spanId": span, "name": name, "startTimeUnixNano": "1000000000", "endTimeUnixNano": "2000000000"}]}]}]}


def test_nobody_takes_a_trace_or_adds_to_it_by_its_id(site):
    ben = fresh("ben")
    site.add(ben)
    theirs, mine = new_experiment(site), new_experiment(site, basic(ben))
    ids = itertools.count(int.from_bytes(os.urandom(15), "big") << 8)

    def start(trace, experiment, who, **more):
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        info = {"trace_id": trace, "trace_location": location, "request_time": "2026-01-01T00:00:00Z", "state": "OK", **more}
        return site.call("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": info}}, who=who)

    def send(number, experiment, who, span="0000000000000001", **more):
        return site.call("POST", "/v1/traces", otlp(f"{number:032x}", span, **more), who=who,
                         headers={"x-mlflow-experiment-id": experiment})

    def found(trace, who=basic("root")):
        return site.ask("GET", "/api/3.0/mlflow/traces/get", who=who, trace_id=trace, allow_partial="true")["trace"]

    # One that its maker told of, and one of which there are spans alone.
    for begin in (lambda number: start(f"tr-{number:032x}", theirs, basic("root"), tags={"of": "root"}),
                  lambda number: send(number, theirs, basic("root"), name="first")):
        number = next(ids)
        trace = f"tr-{number:032x}"
        assert begin(number)[0] == 200
        before = found(trace)
        status, answer, _ = start(trace, mine, basic(ben), tags={"of": "ben"})
        assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED"), answer
        assert send(number, mine, basic(ben))[0] == 403
        assert send(number, mine, basic(ben), span="0000000000000002")[0] == 403
        assert found(trace) == before
        # Who may edit where it is adds spans to it by whatever experiment, and may move it.
        site.grant(ben, "edit", experiment=theirs)
        assert send(number, mine, basic(ben), span="0000000000000003")[0] == 200
        assert found(trace)["trace_info"]["trace_location"]["mlflow_experiment"]["experiment_id"] == theirs
        assert start(trace, mine, basic(ben))[0] == 200
        assert found(trace)["trace_info"]["trace_location"]["mlflow_experiment"]["experiment_id"] == mine
        site.grant(ben, "read", experiment=theirs)
    # A new one is its maker's.
    number = next(ids)
    assert send(number, mine, basic(ben))[0] == 200
    assert start(f"tr-{number:032x}", mine, basic(ben))[0] == 200


def test_nobody_ends_anothers_upload_by_its_word(site):
    ben = fresh("ben")
    site.add(ben)
    theirs, mine = new_experiment(site), new_experiment(site, basic(ben))
    proxy = "/api/2.0/mlflow-artifacts"
    begun = site.ask("POST", f"{proxy}/mpu/create/{theirs}/r/artifacts", {"path": "f", "num_parts": 1}, who=basic("root"))
    part = urllib.parse.urlsplit(begun["credentials"][0]["url"]).path
    upload = begun["upload_id"]
    assert site.status("POST", f"{proxy}/mpu/abort/{theirs}/r/artifacts", {"path": "f", "upload_id": upload}, who=basic(ben)) == 403
    site.call("POST", f"{proxy}/mpu/abort/{mine}/r/artifacts", {"path": "f", "upload_id": upload}, who=basic(ben))
    status, _, headers = site.call("PUT", part, b"whole", who=basic("root"))
    assert status == 200
    site.ask("POST", f"{proxy}/mpu/complete/{theirs}/r/artifacts", {
        "path": "f", "upload_id": upload, "parts": [{"part_number": 1, "etag": headers["ETag"]}]}, who=basic("root"))
    assert site.call("GET", f"{proxy}/artifacts/{theirs}/r/artifacts/f", who=basic("root"))[1] == "whole"
