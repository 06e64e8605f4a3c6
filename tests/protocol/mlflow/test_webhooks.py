"""Webhooks of the registry as the stock client makes them: what a receiver gets, beside what MLflow's own server sends."""
import base64
import hashlib
import hmac
import json
import os
import re

import mlflow
import pytest
from conftest import Peer
from peer import RealServer
from receiver import Receiver
from server import Server

pytestmark = pytest.mark.since(3)

EVENTS = ["registered_model.created", "model_version.created", "model_version_tag.set", "model_version_tag.deleted",
          "model_version_alias.created", "model_version_alias.deleted", "prompt.created", "prompt_version.created",
          "prompt_tag.set", "prompt_tag.deleted", "prompt_version_tag.set", "prompt_version_tag.deleted",
          "prompt_alias.created", "prompt_alias.deleted", "budget_policy.exceeded"]
SECRET = "a secret that nobody else knows"


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """A server that may send webhooks to this machine."""
    server = Server(tmp_path_factory.mktemp("webhooks") / "state", arguments=["--webhooks", "private"])
    server.start()
    yield Peer(f"http://{server.address}")
    assert server.stop() == 0


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    allowed = {"MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true"}
    os.environ.update(allowed)
    server = RealServer(tmp_path_factory.mktemp("real"))
    for name in allowed:
        del os.environ[name]
    yield Peer(f"http://{server.address}")
    server.stop()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


def client_of(peer):
    return mlflow.MlflowClient(peer.url, peer.url)


@pytest.fixture
def client(private):
    return client_of(private)


def check_signature(headers, body):
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.{body}".encode()
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["X-MLflow-Signature"] == "v1," + expected


def test_the_calls_of_a_client(client, receiver):
    made = client.create_webhook("first", receiver.url, ["registered_model.created", "prompt.created"], "why", SECRET)
    assert (made.name, made.url, made.description, str(made.status)) == ("first", receiver.url, "why", "ACTIVE")
    assert [str(event) for event in made.events] == ["registered_model.created", "prompt.created"]
    assert made.secret is None
    assert client.get_webhook(made.webhook_id) == made or client.get_webhook(made.webhook_id).url == made.url
    changed = client.update_webhook(made.webhook_id, name="second", status="DISABLED",
                                    events=["model_version.created"])
    assert (changed.name, changed.description, str(changed.status)) == ("second", "why", "DISABLED")
    assert [str(event) for event in changed.events] == ["model_version.created"]
    assert made.webhook_id in [hook.webhook_id for hook in client.list_webhooks()]
    client.delete_webhook(made.webhook_id)
    with pytest.raises(mlflow.exceptions.RestException, match="not found"):
        client.get_webhook(made.webhook_id)
    with pytest.raises(mlflow.exceptions.RestException, match="not found"):
        client.delete_webhook(made.webhook_id)


def test_the_secret_is_in_no_answer(private, receiver):
    body = {"name": "n", "url": receiver.url, "secret": SECRET, "events": [{"entity": "PROMPT", "action": "CREATED"}]}
    made = private.ask("POST", "webhooks", body)
    id = made["webhook"]["webhook_id"]
    said = [made, private.ask("GET", f"webhooks/{id}"), private.ask("GET", "webhooks", max_results=1000),
            private.ask("PATCH", f"webhooks/{id}", {"name": "m"}), private.ask("POST", f"webhooks/{id}/test", {}),
            private.call("PATCH", f"webhooks/{id}", {"url": "ftp://x/"})]
    assert SECRET not in json.dumps(said)
    private.ask("DELETE", f"webhooks/{id}")


def test_pages(client, receiver):
    made = [client.create_webhook(f"page-{i}", receiver.url, ["prompt.created"]) for i in range(5)]
    seen, token = [], None
    while True:
        page = client.list_webhooks(max_results=2, page_token=token)
        seen += [hook.webhook_id for hook in page]
        token = page.token
        if not token:
            break
    assert [id for id in seen if id in {hook.webhook_id for hook in made}] == [h.webhook_id for h in reversed(made)]
    for hook in made:
        client.delete_webhook(hook.webhook_id)


def play(client):
    """Every change that somebody may be told of."""
    client.create_registered_model("bikes", {"k": "é ✓", "z": ""}, "a model")
    client.create_registered_model("bare")
    client.create_model_version("bikes", "s3://bucket/x", tags={"t": "1"}, description="first")
    client.create_model_version("bikes", "s3://bucket/y")
    client.set_model_version_tag("bikes", "1", "key", 'a "quoted" \\ value')
    client.delete_model_version_tag("bikes", "1", "key")
    client.set_registered_model_alias("bikes", "champion", "1")
    client.delete_registered_model_alias("bikes", "champion")
    mlflow.genai.register_prompt("greeting", "Hello {{name}}!", commit_message="why", tags={"a": "b"})
    client.set_prompt_tag("greeting", "k", "v")
    client.delete_prompt_tag("greeting", "k")
    client.set_prompt_version_tag("greeting", "1", "k", "v")
    client.delete_prompt_version_tag("greeting", "1", "k")
    client.set_prompt_alias("greeting", "live", 1)
    client.delete_prompt_alias("greeting", "live")
    client.create_registered_model("last")


def play_at(peer, receiver):
    mlflow.set_tracking_uri(peer.url)
    mlflow.set_registry_uri(peer.url)
    client = client_of(peer)
    client.create_webhook("all", receiver.url + "all", EVENTS, secret=SECRET)
    play(client)


def without_time(request):
    """Path and body of a delivery whose headers are as they should be."""
    path, headers, body = request
    check_signature(headers, body)
    assert headers["Content-Type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["X-MLflow-Delivery-Id"])
    assert re.search(r'"timestamp": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00"', body)
    return path, re.sub(r'"timestamp": "[^"]*"', '"timestamp": ""', body)


def test_every_event_is_sent_as_mlflow_sends_it(private, real):
    """Ours in order; theirs in any."""
    ours, theirs = Receiver(), Receiver()
    try:
        play_at(private, ours)
        play_at(real, theirs)
        mine = [without_time(ours.next())]
        while '"name": "last"' not in mine[-1][1]:
            mine.append(without_time(ours.next()))
        assert sorted(mine) == sorted(without_time(theirs.next()) for _ in mine)
        assert theirs.got.empty()
        kinds = {(json.loads(body)["entity"], json.loads(body)["action"]) for _, body in mine}
        assert kinds == {tuple(event.split(".")) for event in EVENTS if "budget" not in event}
    finally:
        for peer in (private, real):
            for hook in client_of(peer).list_webhooks():
                client_of(peer).delete_webhook(hook.webhook_id)
        ours.close()
        theirs.close()


def test_a_test_call_is_answered_as_by_mlflow(private, real, receiver):
    results = []
    for peer in (private, real):
        client = client_of(peer)
        hook = client.create_webhook("tested", receiver.url, ["model_version.created"], secret=SECRET)
        for event in (None, *EVENTS):
            result = client.test_webhook(hook.webhook_id, event)
            said = result.success, result.response_status, result.response_body, result.error_message
            results.append((said, without_time(receiver.next())))
        client.delete_webhook(hook.webhook_id)
    half = len(results) // 2
    assert results[:half] == results[half:]


def test_a_test_call_says_that_nobody_is_there(client, receiver):
    closed = Receiver()
    hook = client.create_webhook("closed", closed.url, ["model_version.created"])
    closed.close()
    result = client.test_webhook(hook.webhook_id)
    assert not result.success and result.error_message.startswith("Failed to test webhook: ")
    client.delete_webhook(hook.webhook_id)


def test_is_sent_again_until_it_is_taken(client, receiver):
    hook = client.create_webhook("again", receiver.url, ["registered_model.created"], secret=SECRET)
    receiver.answers = [503, 429]
    client.create_registered_model("again")
    ids = []
    for _ in range(3):
        _, headers, body = receiver.next()
        check_signature(headers, body)
        ids.append(headers["X-MLflow-Delivery-Id"])
    assert len(set(ids)) == 1
    client.delete_webhook(hook.webhook_id)


def test_what_is_refused_or_sent_elsewhere_is_given_up_and_the_next_one_comes(client, receiver):
    hook = client.create_webhook("refused", receiver.url, ["registered_model.created"])
    receiver.answers = [404, 302]
    for name in ("refused-1", "refused-2", "refused-3"):
        client.create_registered_model(name)
    got = [receiver.next() for _ in range(3)]
    assert [json.loads(body)["data"]["name"] for _, _, body in got] == ["refused-1", "refused-2", "refused-3"]
    assert {path for path, _, _ in got} == {"/"}
    client.delete_webhook(hook.webhook_id)


def test_one_that_is_off_is_told_nothing(client, receiver):
    off = client.create_webhook("off", receiver.url + "off", ["registered_model.created"], status="DISABLED")
    on = client.create_webhook("on", receiver.url + "on", ["registered_model.created"])
    client.create_registered_model("quiet")
    assert receiver.next()[0] == "/on"
    assert receiver.got.empty()
    for hook in (off, on):
        client.delete_webhook(hook.webhook_id)


@pytest.mark.parametrize("url, why", [
    ("http://example.com/", "scheme"), ("ftp://example.com/", "scheme"), ("https:///x", "hostname"), (" ", "empty"),
    ("https://127.0.0.1/", "non-public"), ("https://localhost/", "non-public"), ("https://10.0.0.1/", "non-public"),
    ("https://169.254.169.254/latest/meta-data/", "non-public"), ("https://[::1]/", "non-public"),
    ("https://[::ffff:127.0.0.1]/", "non-public"), ("https://[fe80::1]/", "non-public"),
    ("https://user:word@127.0.0.1/", "non-public"), ("https://2130706433/", "non-public"),
    ("https://no-such-host.invalid/", "Cannot resolve")])
def test_strangers_name_no_address_of_ours(ours, url, why):
    event = [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]
    status, answer = ours.call("POST", "webhooks", {"name": "inner", "url": url, "events": event})
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert why in answer["message"]


def test_killed_between_the_change_and_the_delivery(tmp_path, receiver):
    """A server that dies after it sent, and one that dies before: the next one sends what is owed."""
    state = tmp_path / "state"
    server = Server(state, arguments=["--webhooks", "private"], SLIPWAY_FAILPOINT="webhooks.sent")
    server.start()
    peer = Peer(f"http://{server.address}")
    client_of(peer).create_webhook("kept", receiver.url, ["registered_model.created"], secret=SECRET)
    peer.ask("POST", "registered-models/create", {"name": "kept"})
    first = receiver.next()
    server.process.wait(timeout=30)
    server.process.stdout.close()

    server = Server(state, arguments=["--webhooks", "private"])
    server.start()
    again = receiver.next()
    assert again[1]["X-MLflow-Delivery-Id"] == first[1]["X-MLflow-Delivery-Id"]
    assert again[2] == first[2]
    receiver.answers = [503] * 100  # nobody takes it while this server lives
    Peer(f"http://{server.address}").ask("POST", "registered-models/create", {"name": "later"})
    assert json.loads(receiver.next()[2])["data"]["name"] == "later"
    server.kill()

    receiver.answers = []
    server = Server(state, arguments=["--webhooks", "private"])
    server.start()
    _, headers, body = receiver.next()
    while json.loads(body)["data"]["name"] != "later":
        _, headers, body = receiver.next()
    check_signature(headers, body)
    assert server.stop() == 0
