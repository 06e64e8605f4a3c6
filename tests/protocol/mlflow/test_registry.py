"""What the real client asks of the model registry, and what it must get."""
import pytest
from mlflow.exceptions import MlflowException


def code_of(failure):
    return failure.value.error_code


@pytest.fixture
def run(client, experiment):
    return client.create_run(experiment)


@pytest.fixture
def version(client, run, name):
    """Makes versions of one model, from files of one run."""
    client.create_registered_model(name)

    def make(**more):
        return client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id, **more)
    return make


def numbers(versions):
    return [v.version if isinstance(v.version, str) else str(v.version) for v in versions]


# --- registered models ---------------------------------------------------------------------------------------------

def test_a_model_is_created_and_found(client, name):
    made = client.create_registered_model(name, tags={"team": "blue", "empty": ""}, description="forecasts")
    found = client.get_registered_model(name)
    assert (found.name, found.description, found.tags) == (name, "forecasts", {"team": "blue", "empty": ""})
    assert found.creation_timestamp == made.creation_timestamp == found.last_updated_timestamp > 0
    assert found.latest_versions == [] and found.aliases == {}


def test_names_of_models_are_taken_once(client, name):
    client.create_registered_model(name)
    with pytest.raises(MlflowException, match=f"Registered Model \\(name={name}\\) already exists") as failure:
        client.create_registered_model(name)
    assert code_of(failure) == "RESOURCE_ALREADY_EXISTS"


@pytest.mark.parametrize("bad", ["a/b", "a:b", "", " ", ".."])
def test_bad_names_are_refused(client, bad):
    with pytest.raises(MlflowException) as failure:
        client.create_registered_model(bad)
    assert code_of(failure) == "INVALID_PARAMETER_VALUE"


def test_an_unknown_model_is_missing(client, name):
    for ask in (client.get_registered_model, client.delete_registered_model,
                lambda n: client.update_registered_model(n, "x"), lambda n: client.rename_registered_model(n, n + "2"),
                lambda n: client.set_registered_model_tag(n, "k", "v"), lambda n: client.get_latest_versions(n)):
        with pytest.raises(MlflowException, match=f"Registered Model with name={name} not found") as failure:
            ask(name)
        assert code_of(failure) == "RESOURCE_DOES_NOT_EXIST"


def test_a_model_is_described_tagged_renamed_and_deleted(client, name):
    client.create_registered_model(name)
    assert client.update_registered_model(name, "better").description == "better"
    client.set_registered_model_tag(name, "k", "1")
    client.set_registered_model_tag(name, "k", "2")
    client.set_registered_model_tag(name, "gone", "x")
    client.delete_registered_model_tag(name, "gone")
    client.delete_registered_model_tag(name, "never there")
    client.rename_registered_model(name, name + " new")
    renamed = client.get_registered_model(name + " new")
    assert (renamed.name, renamed.description, renamed.tags) == (name + " new", "better", {"k": "2"})
    client.delete_registered_model(name + " new")
    with pytest.raises(MlflowException):
        client.get_registered_model(name + " new")


def test_models_are_searched(client, name):
    for i in range(3):
        client.create_registered_model(f"{name}-{i}", tags={"kind": "odd" if i % 2 else "even"})
    mine = f"name LIKE '{name}-%'"

    def found(filter, **more):
        return [m.name[-1] for m in client.search_registered_models(filter, **more)]
    assert found(mine) == ["0", "1", "2"]
    assert found(mine, order_by=["name DESC"]) == ["2", "1", "0"]
    assert found(f"{mine} AND tags.kind = 'even'") == ["0", "2"]
    assert found(f"name ILIKE '{name.upper()}-1'") == ["1"]
    first = client.search_registered_models(mine, max_results=2)
    assert [m.name[-1] for m in first] == ["0", "1"] and first.token
    rest = client.search_registered_models(mine, max_results=2, page_token=first.token)
    assert [m.name[-1] for m in rest] == ["2"] and not rest.token
    with pytest.raises(MlflowException, match="Invalid attribute key 'colour'"):
        client.search_registered_models("colour = 'blue'")


def test_prompts_are_no_models(client, ours, name):
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    ours.ask("POST", "registered-models/create", {"name": name, "tags": prompt})
    ours.ask("POST", "model-versions/create", {"name": name, "source": "prompt-template", "tags": prompt})
    assert list(client.search_registered_models(f"name = '{name}'")) == []
    assert list(client.search_model_versions(f"name = '{name}'")) == []
    asked = client.search_registered_models(f"name = '{name}' AND tags.`mlflow.prompt.is_prompt` = 'true'")
    assert [m.name for m in asked] == [name]
    status, answer = ours.call("POST", "registered-models/create", {"name": name})
    assert status == 400 and "already taken by a prompt" in answer["message"]
    for source in (f"models:/{name}/1", "/etc/passwd"):
        status, answer = ours.call("POST", "model-versions/create",
                                   {"name": name, "source": source, "tags": prompt if source[0] == "/" else []})
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


# --- versions ------------------------------------------------------------------------------------------------------

def test_versions_are_counted(client, run, version, name):
    made = version(tags={"k": "v"}, description="first", run_link="http://elsewhere/run")
    assert numbers([made]) == ["1"]
    assert (made.name, made.status, made.current_stage, made.run_id) == (name, "READY", "None", run.info.run_id)
    found = client.get_model_version(name, "1")
    assert (found.source, found.description) == (f"{run.info.artifact_uri}/model", "first")
    assert (found.tags, found.run_link, found.aliases) == ({"k": "v"}, "http://elsewhere/run", [])
    assert numbers([version()]) == ["2"]
    client.delete_model_version(name, "2")
    assert numbers([version()]) == ["3"], "a number is never given twice"
    assert client.get_model_version_download_uri(name, "1") == f"{run.info.artifact_uri}/model"


def test_a_version_is_described_and_tagged(client, version, name):
    version()
    assert client.update_model_version(name, "1", "text").description == "text"
    client.set_model_version_tag(name, "1", "k", "1")
    client.set_model_version_tag(name, "1", "gone", "x")
    client.delete_model_version_tag(name, "1", "gone")
    found = client.get_model_version(name, "1")
    assert (found.description, found.tags) == ("text", {"k": "1"})
    assert found.last_updated_timestamp >= found.creation_timestamp


def test_a_missing_version_is_missing(client, version, name):
    version()
    for ask in (lambda: client.get_model_version(name, "9"), lambda: client.delete_model_version(name, "9"),
                lambda: client.set_model_version_tag(name, "9", "k", "v"),
                lambda: client.set_registered_model_alias(name, "a", "9"),
                lambda: client.get_model_version_download_uri(name, "9")):
        with pytest.raises(MlflowException, match=f"Model Version \\(name={name}, version=9\\) not found") as failure:
            ask()
        assert code_of(failure) == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(MlflowException, match="must be an integer, got 'x'") as failure:
        client.get_model_version(name, "x")
    assert code_of(failure) == "INVALID_PARAMETER_VALUE"


def test_versions_are_searched(client, run, version, name):
    for i in range(4):
        version(tags={"even": str(i % 2 == 0)})
    client.delete_model_version(name, "4")
    client.set_model_version_tag(name, "2", "late", "yes")
    client.update_model_version(name, "1", "touched")
    mine = f"name = '{name}'"

    def found(filter, **more):
        return numbers(client.search_model_versions(filter, **more))
    assert found(mine) == ["1", "3", "2"], "the last touched first, then by number"
    assert found(mine, order_by=["version_number ASC"]) == ["1", "2", "3"]
    assert found(f"{mine} AND version_number >= 2", order_by=["version_number DESC"]) == ["3", "2"]
    assert found(f"{mine} AND tags.even = 'True'", order_by=["version_number"]) == ["1", "3"]
    assert found(f"run_id = '{run.info.run_id}'", order_by=["creation_timestamp", "version_number"]) == ["1", "2", "3"]
    assert found(f"{mine} AND run_id IN ('{run.info.run_id}', 'other') AND tag.late = 'yes'") == ["2"]
    assert found(f"{mine} AND source_path LIKE '%/model'", order_by=["version_number"], max_results=2) == ["1", "2"]
    assert found(f"{mine} AND (version_number = 1 OR tags.late = 'yes')", order_by=["version_number"]) == ["1", "2"]


@pytest.mark.parametrize("source", ["/etc/passwd", "file:///etc/passwd", "mlflow-artifacts:/1/../../etc",
                                    "mlflow-artifacts:/%2e%2e/etc", "mlflow-artifacts:/0/another/artifacts/model",
                                    "http://127.0.0.1/latest", "runs:/unknown/model", "models:/m-unknown"])
def test_sources_outside_of_the_run_are_refused(ours, run, version, name, source):
    status, answer = ours.call("POST", "model-versions/create",
                               {"name": name, "source": source, "run_id": run.info.run_id})
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert source in answer["message"] or "scheme" in answer["message"]


# --- stages and aliases --------------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("ignore:.*stages.*")
def test_stages_are_taken_over(client, version, name):
    for _ in range(3):
        version()
    assert client.transition_model_version_stage(name, "1", "production").current_stage == "Production"
    client.transition_model_version_stage(name, "2", "Staging")
    client.transition_model_version_stage(name, "3", "Production", archive_existing_versions=True)
    latest = {v.current_stage: str(v.version) for v in client.get_latest_versions(name)}
    assert latest == {"Archived": "1", "Staging": "2", "Production": "3"}
    assert numbers(client.get_latest_versions(name, ["Production", "None"])) == ["3"]
    with pytest.raises(MlflowException, match="Invalid Model Version stage: Nowhere"):
        client.transition_model_version_stage(name, "1", "Nowhere")


def test_aliases_move(client, version, name):
    version(), version()
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "candidate", "2")
    assert client.get_registered_model(name).aliases == {"champion": "1", "candidate": "2"}
    client.set_registered_model_alias(name, "champion", "2")
    assert numbers([client.get_model_version_by_alias(name, "champion")]) == ["2"]
    assert sorted(client.get_model_version(name, "2").aliases) == ["candidate", "champion"]
    assert client.get_model_version(name, "1").aliases == []
    client.delete_registered_model_alias(name, "candidate")
    client.delete_registered_model_alias(name, "candidate")
    with pytest.raises(MlflowException, match="Registered model alias candidate not found") as failure:
        client.get_model_version_by_alias(name, "candidate")
    assert code_of(failure) == "INVALID_PARAMETER_VALUE"


def test_an_alias_goes_with_its_version(client, version, name):
    version()
    client.set_registered_model_alias(name, "champion", "1")
    client.delete_model_version(name, "1")
    assert client.get_registered_model(name).aliases == {}


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V22", "a b", "a.b", "x" * 256])
def test_reserved_and_bad_aliases_are_refused(client, version, name, alias):
    version()
    with pytest.raises(MlflowException) as failure:
        client.set_registered_model_alias(name, alias, "1")
    assert code_of(failure) == "INVALID_PARAMETER_VALUE"


def test_what_an_alias_meant_is_told_at_any_time_and_through_names(client, name, ours):
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, "s3://bucket/model")
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_tag(name, "team", "sea")
    client.set_registered_model_tag(name, "team", "sea")
    client.update_model_version(name, "1", "first")
    history = f"/api/slipway/v1/models/{name}/history"
    then = ours.ask("GET", history)["changes"][-1]["time"]
    client.set_registered_model_alias(name, "champion", "2")
    client.rename_registered_model(name, name + "-new")
    told = ours.ask("GET", history.replace(name, name + "-new"), at=then)
    assert told["as_of"]["aliases"] == {"champion": 1}
    changes = [(c["change"], c.get("version"), c.get("from"), c.get("to")) for c in
               ours.ask("GET", history.replace(name, name + "-new"))["changes"]]
    assert changes == [("registered_model.created", None, None, None), ("model_version.created", 1, None, None),
                       ("model_version.created", 2, None, None), ("alias.set", 1, None, None),
                       ("registered_model.tag_set", None, None, "sea"), ("model_version.described", 1, "", "first"),
                       ("alias.set", 2, "1", None), ("registered_model.renamed", None, name, name + "-new")]
    assert ours.call("GET", "/api/slipway/v1/models/never-there/history")[0] == 404
    assert ours.call("GET", history, at="yesterday")[0] == 400
