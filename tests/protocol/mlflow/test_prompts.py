"""Prompts as the client of MLflow 3 keeps them: registered models and versions with tags that say so."""
import inspect

import mlflow
import pytest
from mlflow.exceptions import MlflowException

pytestmark = pytest.mark.since(3)
genai = getattr(mlflow, "genai", None)  # clients of MLflow 2 have none

TEMPLATE = "Answer {{question}} as a {{style}} é assistant."


@pytest.fixture
def prompt(name):
    return genai.register_prompt(name=name, template=TEMPLATE, commit_message="first", tags={"author": "ann"})


def takes(call, name):
    """Older clients know less: 3.6 keeps no prompt in a cache, and no configuration of a model with one."""
    return name in inspect.signature(getattr(genai, call)).parameters


def load(name, **more):
    uncached = {"cache_ttl_seconds": 0} if takes("load_prompt", "cache_ttl_seconds") else {}
    return genai.load_prompt(name, **uncached, **more)


def test_a_prompt_is_registered_and_loaded(prompt, name):
    assert (prompt.name, prompt.version, prompt.template) == (name, 1, TEMPLATE)
    for loaded in (load(name, version=1), load(f"prompts:/{name}/1"), load(f"prompts:/{name}@latest"), load(name)):
        assert (loaded.version, loaded.template, loaded.commit_message) == (1, TEMPLATE, "first")
        assert loaded.tags["author"] == "ann"
    assert load(name).format(question="why", style="brief") == "Answer why as a brief é assistant."


def test_versions_are_counted_and_kept(prompt, name):
    chat = [{"role": "system", "content": "You are {{style}}."}, {"role": "user", "content": "{{question}}"}]
    config = {"model_name": "m", "temperature": 0.5} if takes("register_prompt", "model_config") else None
    second = genai.register_prompt(name=name, template=chat, response_format={"type": "object"},
                                   **({"model_config": config} if config else {}))
    assert second.version == 2
    loaded = load(name, version=2)
    assert loaded.template == chat and not loaded.is_text_prompt
    assert loaded.response_format == {"type": "object"}
    assert getattr(loaded, "model_config", None) == config
    assert load(name, version=1).template == TEMPLATE


def test_aliases_of_prompts(prompt, name):
    genai.register_prompt(name=name, template="second")
    genai.set_prompt_alias(name, alias="production", version=1)
    assert load(f"prompts:/{name}@production").template == TEMPLATE
    genai.set_prompt_alias(name, alias="production", version=2)
    assert load(f"prompts:/{name}@production").template == "second"
    genai.delete_prompt_alias(name, alias="production")
    with pytest.raises(MlflowException):
        load(f"prompts:/{name}@production")


def test_prompts_are_searched_and_are_no_models(prompt, client, name):
    assert [p.name for p in genai.search_prompts(f"name = '{name}'")] == [name]
    assert [p.name for p in genai.search_prompts(f"name LIKE '{name[:-1]}%'", max_results=5) if p.name == name] == [name]
    assert not client.search_registered_models(f"name = '{name}'")
    client.create_registered_model(name + "-model")
    assert not genai.search_prompts(f"name = '{name}-model'")
    if mlflow.__version__.startswith("3.6."):  # refuses to ask any registry but one
        return
    found = client.search_prompt_versions(name)
    assert [v.version for v in found.prompt_versions] == [1] if hasattr(found, "prompt_versions") else len(found) == 1


def test_tags_of_prompts_and_their_versions(prompt, name):
    genai.set_prompt_tag(name, "team", "search")
    assert genai.get_prompt_tags(name)["team"] == "search"
    genai.delete_prompt_tag(name, "team")
    assert "team" not in genai.get_prompt_tags(name)
    genai.set_prompt_version_tag(name, 1, "reviewed", "yes")
    assert load(name, version=1).tags["reviewed"] == "yes"
    genai.delete_prompt_version_tag(name, 1, "reviewed")
    assert "reviewed" not in load(name, version=1).tags
    if not hasattr(genai, "set_prompt_model_config"):
        return
    genai.set_prompt_model_config(name, 1, {"model_name": "m"})
    assert load(name, version=1).model_config == {"model_name": "m"}
    genai.delete_prompt_model_config(name, 1)
    assert load(name, version=1).model_config is None


def test_a_missing_prompt(name):
    assert genai.load_prompt(name, version=1, allow_missing=True) is None
    with pytest.raises(MlflowException):
        genai.load_prompt(name, version=1)


def test_a_name_is_a_prompt_s_or_a_model_s(prompt, client, name):
    with pytest.raises(MlflowException, match="prompt"):
        client.create_registered_model(name)
    client.create_registered_model(name + "-m")
    with pytest.raises(MlflowException, match="model"):
        genai.register_prompt(name=name + "-m", template="x")


def test_a_prompt_is_deleted(prompt, client, name):
    client.delete_prompt_version(name, "1")
    client.delete_prompt(name)
    assert not genai.search_prompts(f"name = '{name}'")


def test_a_run_that_loads_a_prompt_is_tied_to_it(prompt, client, experiment, name):
    with mlflow.start_run() as run:
        load(name, version=1)
    assert f'"name": "{name}"' in client.get_run(run.info.run_id).data.tags["mlflow.linkedPrompts"]
