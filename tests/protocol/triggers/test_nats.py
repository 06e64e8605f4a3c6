"""Messages of a real nats-server become runs: each once, whatever dies or is deleted, and what is wrong is said."""
import asyncio
import json
import os
import shutil
import signal
import ssl
import subprocess
import time

import nats
import pytest
from nats.js.api import StreamConfig

from test_triggers import API, DVC, SLIPWAY, Server, ended, eventually, project  # noqa: F401 (a fixture)

NATS_SERVER = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin")
PROJECT_MORE = "  ready: {pipeline: copy, cloudevent: {type: org.example.ready, nats: labels.ready}%s}\n"
EVENT = {"specversion": "1.0", "source": "/labels", "type": "org.example.ready"}


class Broker:
    """A nats-server with JetStream that may be killed and started again, at the same port, with its streams."""

    def __init__(self, folder, config="", login="", tls=None):
        self.folder, self.config, self.login, self.tls = folder, config, login, tls
        folder.mkdir()
        self.port = -1
        self.process = None
        self.start()

    def start(self):
        ports = self.folder / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        file = self.folder / "server.conf"
        file.write_text(f"listen: 127.0.0.1:{self.port}\nports_file_dir: {json.dumps(str(ports))}\n"
                        f"jetstream {{ store_dir: {json.dumps(str(self.folder))} }}\n{self.config}")
        self.process = subprocess.Popen([NATS_SERVER, "-c", str(file), "-l", str(self.folder / "log")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        listing = eventually(lambda: [json.loads(text) for text in (one.read_text() for one in ports.iterdir()) if text])
        self.port = int(listing[0]["nats"][0].rsplit(":", 1)[1])
        eventually(lambda: "Server is ready" in (self.folder / "log").read_text())

    def stop(self, how=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
        (self.folder / "log").unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def address(self):
        return f"localhost:{self.port}"

    @property
    def url(self):
        return f"{'tls' if self.tls else 'nats'}://{self.login}{self.address}"

    def do(self, work):
        """What `work`, a coroutine of a JetStream context, gives."""
        async def connected():
            client = await nats.connect(self.url, tls=self.tls, allow_reconnect=False)
            try:
                return await work(client.jetstream())
            finally:
                await client.close()
        return asyncio.run(connected())

    def stream(self, name="LABELS", subjects=("labels.>",)):
        return self.do(lambda js: js.add_stream(StreamConfig(name=name, subjects=list(subjects))))

    def publish(self, *messages, subject="labels.ready"):
        """Each is a payload, or a payload and headers."""
        async def publish(js):
            for message in messages:
                payload, headers = message if isinstance(message, tuple) else (message, None)
                data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                await js.publish(subject, data, headers=headers)
        self.do(publish)

    def consumers(self, stream="LABELS"):
        return self.do(lambda js: js.consumers_info(stream))

    def settled(self, stream="LABELS"):
        """Whether everything that the stream has was fetched and acknowledged."""
        return [(info.num_pending, info.num_ack_pending) for info in self.consumers(stream)] == [(0, 0)]


@pytest.fixture
def broker(tmp_path):
    with Broker(tmp_path / "broker") as started:
        yield started


def structured(number, **more):
    return {**EVENT, "id": str(number), **more}


def listening(project):
    return eventually(lambda: project.events("trigger.listening"))


def listener(project, broker, **environment):
    return Server(project, SLIPWAY_NATS=broker.url, **environment)


# --- what a message may be ---

def test_every_way_to_say_it(project, broker):
    broker.stream()
    project.apply("  ready: {pipeline: copy, cloudevent: {type: org.example.ready, nats: labels.ready}, overlap: allow, "
                  "with: {params: {note: \"${event.data.day}\"}}}\n")
    binary = {"ce-specversion": "1.0", "ce-id": "b%201", "ce-source": "/labels", "ce-type": "org.example.ready",
              "ce-datacontenttype": "application/json"}
    with listener(project, broker):
        broker.publish(
            (structured(1, data={"day": "monday"}), {"Content-Type": "application/cloudevents+json; charset=UTF-8"}),
            structured(2, data={"day": "tuesday"}),  # a client without headers
            ({"day": "wednesday"}, binary),
            ({"day": "thursday"}, {"Nats-Msg-Id": "own id"}),  # of somebody who knows no CloudEvents
            {"day": "friday"},
            structured(3, type="org.example.other"))
        runs = ended(project, 5)
        notes = {run["plan"]["params"][0]["value"] for run in runs}
        assert notes == {"monday", "tuesday", "wednesday", "thursday", "friday"}, runs
        assert {event["subject"] for event in project.events("message.received")} == {
            "message:/labels/1", "message:/labels/2", "message:/labels/b 1", "message:/nats/LABELS/own id",
            "message:/nats/LABELS/5"}
        eventually(broker.settled)
        why = project.json("events", "--why", runs[0]["id"])
        assert [event["type"] for event in why["events"]][:3] == [
            "message.received", "trigger.fired", "pipeline_run.requested"]
    assert len(project.runs()) == 5


def test_what_nobody_can_read_is_refused_once(project, broker):
    broker.stream()
    project.apply(PROJECT_MORE % "")
    with listener(project, broker) as server:
        broker.publish(b"\xff\xfe no JSON")
        refused = eventually(lambda: project.events("trigger.ignored"))
        assert refused[0]["data"]["rule"] == "refused", refused
        assert "LABELS/1" in refused[0]["data"]["reason"] and "JSON" in refused[0]["data"]["reason"], refused
        broker.publish(({}, {"ce-specversion": "0.3", "ce-id": "1", "ce-source": "/a", "ce-type": "b"}),
                       ([], {"Content-Type": "application/cloudevents-batch+json"}),
                       structured(1, source=""))
        eventually(broker.settled)
        decisions = server.get(API + "/triggers/decisions")["decisions"]
        assert sum(decision["times"] for decision in decisions) == 4, decisions
        # What comes after them is heard.
        broker.publish(structured(2))
        ended(project, 1)
        info, = broker.consumers()
        assert info.num_redelivered == 0


def test_a_message_that_is_too_long_is_refused(project, tmp_path):
    with Broker(tmp_path / "broker", "max_payload: 4MB\n") as broker:
        broker.stream()
        project.apply(PROJECT_MORE % "")
        with listener(project, broker):
            broker.publish({"day": "x" * (2 << 20)})
            refused, = eventually(lambda: project.events("trigger.ignored"))
            assert "at most 1048576 are read" in refused["data"]["reason"], refused
            eventually(broker.settled)


def test_two_triggers_hear_the_same_message_each(project, broker):
    broker.stream()
    project.apply(PROJECT_MORE % "" + "  all: {pipeline: twice, cloudevent: {type: org.example.ready, nats: \"labels.>\"}}\n"
                  "  http: {pipeline: copy, cloudevent: {type: org.example.ready}}\n")
    with listener(project, broker) as server:
        broker.publish(structured(1))
        runs = ended(project, 2)
        assert {run["trigger"] for run in runs} == {"ready", "all"}
        assert len(broker.consumers()) == 2
        # Who names a subject is told by the broker, the other one over HTTP.
        answer = server.message(2)
        assert len(answer["runs"]) == 1
        assert {run["trigger"] for run in ended(project, 3)} == {"ready", "all", "http"}


# --- once ---

def test_the_same_event_again_is_no_news(project, broker):
    broker.stream()
    project.apply(PROJECT_MORE % ", overlap: allow")
    with listener(project, broker):
        broker.publish(structured(1), structured(1), structured(1, data={"other": True}))
        broker.publish(({}, {"Nats-Msg-Id": "a"}))
        eventually(broker.settled)
        ended(project, 2)
    assert len(project.runs()) == 2


@pytest.mark.parametrize("point", ["nats.fetched", "nats.decided"])
def test_killed_between_fetch_and_acknowledgement(project, broker, point):
    broker.stream()
    log = project.root / ".slipway" / "ran"
    project.write("dvc.yaml", DVC.replace("cp in.txt out.txt", f"echo ran >> {log}; cp in.txt out.txt"))
    project.apply(PROJECT_MORE % "")
    with listener(project, broker, SLIPWAY_FAILPOINT=point) as server:
        broker.publish(structured(1))
        server.died()
    info, = broker.consumers()
    assert info.num_ack_pending == 1, "it was acknowledged before it was kept"
    # The broker gives it again once it waited for a minute; a new connection may ask it to hurry.
    asked_again(broker, info)
    with listener(project, broker):
        run, = ended(project, 1)
        assert run["state"] == "succeeded", run
        eventually(broker.settled, 90)
        assert log.read_text() == "ran\n"
        kinds = [event["type"] for event in project.events()]
        for kind in ("message.received", "trigger.fired", "pipeline_run.requested", "pipeline_run.succeeded"):
            assert kinds.count(kind) == 1, (kind, kinds)


def dies_at(project, broker, place):
    """A server that may come to the place before it says that it is ready."""
    process = subprocess.Popen([SLIPWAY, "up", "--listen", "127.0.0.1:0", "--log-level", "error"], cwd=project.root,
                               env=dict(project.env, SLIPWAY_NATS=broker.url, SLIPWAY_FAILPOINT=place),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert process.wait(timeout=30) == -signal.SIGKILL, place


def test_whether_somebody_listens_is_told_once_whoever_dies(project, broker):
    project.apply(PROJECT_MORE % "")
    told = lambda: [event["type"] for event in project.events("trigger.unreachable", "trigger.listening")]  # noqa: E731
    # There is no stream yet.
    dies_at(project, broker, "event.trigger.unreachable")
    assert told() == []
    dies_at(project, broker, "nats.state_told")
    assert told() == ["trigger.unreachable"]
    broker.stream()
    dies_at(project, broker, "event.trigger.listening")
    assert told() == ["trigger.unreachable"]
    dies_at(project, broker, "nats.state_told")
    assert told() == ["trigger.unreachable", "trigger.listening"]
    with listener(project, broker):
        broker.publish(structured(1))
        ended(project, 1)
        eventually(broker.settled)
    assert told() == ["trigger.unreachable", "trigger.listening"]
    assert len(broker.consumers()) == 1


def asked_again(broker, info):
    """Tells the broker for a client that died that what it had is not acknowledged (its subject says which)."""
    async def negative(js):
        await js._nc.publish(
            f"$JS.ACK.{info.stream_name}.{info.name}.1.{info.delivered.stream_seq}.{info.delivered.consumer_seq}.0.0", b"-NAK")
        await js._nc.flush()
    broker.do(negative)


def test_a_storm_is_one_run_and_few_events(project, broker):
    broker.stream()
    project.apply(PROJECT_MORE % ", debounce: 2s")
    with listener(project, broker) as server:
        listening(project)

        async def storm(js):
            for begin in range(0, 10_000, 500):
                await asyncio.gather(*(js.publish("labels.ready", json.dumps(structured(n)).encode())
                                       for n in range(begin, begin + 500)))
        broker.do(storm)
        eventually(broker.settled, 60)
        ended(project, 1)
        assert len(project.runs()) == 1
        decisions = server.get(API + "/triggers/decisions?limit=1000")["decisions"]
        assert sum(decision["times"] for decision in decisions) == 10_001, decisions  # and the firing
        assert len(decisions) <= 4 and len(project.events()) < 60
        with_metrics = subprocess.run(["curl", "-s", server.url + "/metrics"], capture_output=True, text=True).stdout
        assert 'slipway_nats_messages_total{outcome="new",trigger="ready"} 10000' in with_metrics


# --- what may be wrong ---

def test_nobody_named_a_server(project):
    project.apply(PROJECT_MORE % "")
    with Server(project) as server:
        unreachable, = eventually(lambda: project.events("trigger.unreachable"))
        assert unreachable["subject"] == "trigger:ready" and "SLIPWAY_NATS" in unreachable["data"]["reason"]
        source, = server.get(API + "/triggers/sources")["sources"]
        assert source["state"] == "unreachable" and "SLIPWAY_NATS" in source["why"], source


def test_the_broker_goes_and_comes_back(project, broker):
    broker.stream()
    project.apply(PROJECT_MORE % ", overlap: allow")
    with listener(project, broker) as server:
        broker.publish(structured(1))
        ended(project, 1)
        broker.stop()
        unreachable = eventually(lambda: project.events("trigger.unreachable"))
        assert "localhost" in unreachable[0]["data"]["reason"], unreachable
        # Everything else goes on.
        assert server.get(API + "/runs")["runs"]
        source, = server.get(API + "/triggers/sources")["sources"]
        assert source["state"] == "unreachable", source
        broker.start()
        broker.publish(structured(2))
        ended(project, 2)
        assert len(project.events("trigger.listening")) == 2
        assert len(project.events("trigger.unreachable")) <= 2
        source, = server.get(API + "/triggers/sources")["sources"]
        assert source["state"] == "listening" and source["stream"] == "LABELS" and source["why"] == "", source
    # A server that starts while nobody listens hears what was said meanwhile.
    broker.publish(structured(3))
    with listener(project, broker):
        ended(project, 3)
    assert len(project.events("trigger.listening")) == 2, "nothing had changed"


def test_the_stream_is_missing_and_the_consumer_is_deleted(project, broker):
    project.apply(PROJECT_MORE % ", overlap: allow")
    with listener(project, broker):
        unreachable, = eventually(lambda: project.events("trigger.unreachable"))
        assert "nats stream add" in unreachable["data"]["reason"] and "labels.ready" in unreachable["data"]["reason"]
        broker.stream()
        listening(project)
        broker.publish(structured(1))
        ended(project, 1)
        eventually(broker.settled)
        info, = broker.consumers()
        broker.do(lambda js: js.delete_consumer("LABELS", info.name))
        broker.publish(structured(2))
        ended(project, 2)
        assert any("was deleted" in event["data"]["reason"] for event in project.events("trigger.unreachable"))
        # It went on where it was.
        info, = broker.consumers()
        assert info.config.opt_start_seq == 2, info
        # A stream of the same name counts from one again.
        broker.do(lambda js: js.delete_stream("LABELS"))
        broker.stream()
        broker.publish({"day": 1})
        ended(project, 3)
        broker.do(lambda js: js.delete_stream("LABELS"))
        broker.stream()
        broker.publish({"day": 2})
        ended(project, 4)


def test_a_trigger_that_is_no_longer_declared_leaves_nothing_there(project, broker):
    broker.stream()
    project.apply(PROJECT_MORE % "")
    with listener(project, broker):
        listening(project)
        assert len(broker.consumers()) == 1
        project.apply((PROJECT_MORE % "").replace("labels.ready", "labels.done"))
        eventually(lambda: [info.config.filter_subject for info in broker.consumers()] == ["labels.done"])
        project.apply("  http: {pipeline: copy, cloudevent: {type: org.example.ready}}\n")
        eventually(lambda: broker.consumers() == [])


# --- who may ---

def test_passwords_are_asked_for_and_never_shown(project, tmp_path):
    config = "authorization { user: slipway, password: s3cret-w0rd }\n"
    with Broker(tmp_path / "broker", config, "slipway:s3cret-w0rd@") as broker:
        broker.stream()
        project.apply(PROJECT_MORE % "")
        errors = tmp_path / "errors"
        with Server(project, SLIPWAY_NATS=broker.url.replace("w0rd", "wrong")) as server:
            unreachable, = eventually(lambda: project.events("trigger.unreachable"))
            assert "check the user, password or token" in unreachable["data"]["reason"]
            shown = json.dumps([project.events(), server.get(API + "/triggers/sources")])
            assert "s3cret" not in shown, shown
        with listener(project, broker):
            broker.publish(structured(1))
            ended(project, 1)
            assert "s3cret" not in json.dumps(project.events())
        assert not errors.exists()


def test_tls(project, tmp_path):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)
    for name in ("good", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    config = f"tls {{ cert_file: {json.dumps(str(tmp_path / 'good.pem'))}, key_file: {json.dumps(str(tmp_path / 'good.key'))} }}\n"
    trusted = ssl.create_default_context(cafile=str(tmp_path / "good.pem"))
    with Broker(tmp_path / "broker", config, tls=trusted) as broker:
        broker.stream()
        project.apply(PROJECT_MORE % "")
        for ca in ({}, {"SLIPWAY_NATS_CA": str(tmp_path / "other.pem")}):
            with listener(project, broker, **ca):
                eventually(lambda: any("TLS" in event["data"]["reason"] for event in project.events("trigger.unreachable")))
        with Server(project, SLIPWAY_NATS=broker.url, SLIPWAY_NATS_CA=str(tmp_path / "absent.pem")):
            eventually(lambda: any("absent.pem" in event["data"]["reason"] for event in project.events("trigger.unreachable")))
        with listener(project, broker, SLIPWAY_NATS_CA=str(tmp_path / "good.pem")):
            broker.publish(structured(1))
            ended(project, 1)


def test_addresses_that_are_none(project):
    project.apply("  {}\n")
    for address in ("http://localhost", "nats://", "nats://user:s3cret@host:99999"):
        done = subprocess.run([SLIPWAY, "up", "--listen", "127.0.0.1:0"], cwd=project.root,
                              env=dict(project.env, SLIPWAY_NATS=address), capture_output=True, text=True, timeout=30)
        assert done.returncode == 2 and "NATS" in done.stderr and "s3cret" not in done.stderr, done


# --- how long it takes ---

def test_the_server_ends_in_time(project, broker):
    broker.stream()
    project.apply(PROJECT_MORE % "")
    with listener(project, broker) as server:
        listening(project)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0
        assert time.monotonic() - began < 5
