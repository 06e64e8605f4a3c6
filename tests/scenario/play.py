"""Plays the steps of a scenario on a world: anything with call, run, events, edges and the like (world.py has the real one)."""
import datetime
import json
import re
import shlex

from language import (ABOUT_THE_LAST, Failed, Missing, Wrong, check, events_like, fill, like, look_up, parse, short, told_as,
                      value_of)

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
API = "/api/slipway/v1"


class Answer:
    """Of a request."""

    def __init__(self, status, text):
        self.status, self.text = status, text
        try:
            self.json = json.loads(text)
        except ValueError:
            self.json = None


class Done:
    """Of a command."""

    def __init__(self, code, output, json_text):
        self.code, self.output = code, output
        try:
            self.json = json.loads(json_text)
        except ValueError:
            self.json = None


def play(file, text, world):
    Player(file, parse(file, text), world).play()


class Player:
    def __init__(self, file, steps, world):
        self.path, self.steps, self.world = file, steps, world
        self.values, self.headers, self.seen = {"root": str(world.root)}, {}, 0
        self.last = []  # answers, or what was done, or an event: what `expect` and `let` look at
        self.now = None

    def play(self):
        for at, step in enumerate(self.steps):
            try:
                getattr(self, step.verb)(step)
                if step.verb in ("request", "ask", "label", "command"):
                    self.must_have_gone_well(self.steps[at + 1:])
            except Wrong as wrong:
                raise Failed(self.path, step.line, step.sentence, wrong.expected, wrong.found) from None

    def must_have_gone_well(self, following):
        """Unless a line that follows says how it ended."""
        for step in following:
            if step.verb not in ABOUT_THE_LAST:
                break
            if step.verb in ("status", "exit"):
                return
        for one in self.last:
            if isinstance(one, Answer) and not 200 <= one.status < 300:
                raise Wrong("an answer 2xx (or `expect STATUS` below)", f"{one.status} {short(one.text)}")
            if isinstance(one, Done) and one.code != 0:
                raise Wrong("exit 0 (or `expect exit N` below)", f"exit {one.code}: {short(one.output)}")

    def fill(self, text, **more):
        return fill(text, {**self.values, **more})

    # --- what is given ---

    def file(self, step):
        self.world.write(step.path, fill(step.block, self.values, lenient=True))

    def copy(self, step):
        self.world.copy(step.path, step.source, step.first and int(step.first), step.last and int(step.last))

    def receiver(self, step):
        self.values["receiver"] = self.world.receive()

    def version(self, step):
        made = self.world.register(step.model, self.fill(step.source), self.fill(step.more or ""))
        if made != int(step.version):
            raise Wrong(f"version {step.version}", f"it is version {made}")

    def commit(self, step):
        self.world.commit(step.message)

    # --- the server and its time ---

    def up(self, step):
        environment = dict(word.split("=", 1) for word in self.fill(step.environment).split())
        self.values["url"] = self.world.up(environment)

    def stop(self, _):
        self.world.stop()

    def restart(self, _):
        self.values["url"] = self.world.restart()
        if self.now is not None:
            self.turn_clock()

    def clock(self, step):
        if step.time:
            self.now = datetime.datetime.fromisoformat(self.fill(step.time).replace("Z", "+00:00"))
        elif self.now is None:
            raise Wrong("a `clock TIME` before the first span", "none")
        else:
            self.now += datetime.timedelta(seconds=int(step.span) * SPANS[step.unit])
        self.turn_clock()

    def turn_clock(self):
        time = self.now.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.values["now"] = time
        self.world.set_time(time)
        status, text = self.world.call("POST", f"{API}/clock", json.dumps({"time": time}).encode(), {})
        if status != 200:
            raise Wrong(f"that the clock can be turned to {time}", f"{status} {text}")

    # --- what is asked ---

    def header(self, step):
        self.headers[step.name] = self.fill(step.value)

    def send(self, times, method, path, body):
        """As often as it says; `body` is a text in which ${n} stands for the number of the request, from 0."""
        headers, self.headers = self.headers, {}
        self.last = []
        for n in range(int(times or 1)):
            number = {"n": str(n), "nn": f"{n:02}"}
            data = self.fill(body, **number) if body else ""
            if data and "Content-Type" not in headers:
                try:
                    json.loads(data)
                except ValueError as error:
                    raise Wrong("a body that is JSON (or a `header Content-Type: ...` above)", f"{error}: {data}") from None
            status, text = self.world.call(method, self.fill(path, **number), data.encode() if data else None, headers)
            self.last.append(Answer(status, text))

    def request(self, step):
        self.send(step.times, step.method, step.path, step.body or step.block)

    def ask(self, step):
        values = dict(word.split("=", 1) for word in step.values.split())
        key = values.pop("key", None)
        parameters = f'"parameters": {{"slipway_key": {json.dumps(key)}}}, ' if key else ""
        tensors = [f'{{"name": "{name}", "shape": [1], "datatype": "FP32", "data": [{value}]}}' for name, value in values.items()]
        self.send(step.times, "POST", f"/v2/models/{step.deployment}/infer", f'{{{parameters}"inputs": [{", ".join(tensors)}]}}')

    def label(self, step):
        ids = self.values[step.name]
        value = value_of(self.fill(step.value))
        labels = [{"prediction_id": one, "value": value} for one in (ids if isinstance(ids, list) else [ids])]
        self.send(1, "POST", f"{API}/feedback", json.dumps({"labels": labels}))

    def command(self, step):
        self.last = [Done(*self.world.run(shlex.split(self.fill(step.command))))]

    # --- what must hold ---

    def documents(self):
        for one in self.last:
            document = one if isinstance(one, dict) else one.json
            if document is None:
                raise Wrong("JSON", short(getattr(one, "text", None) or getattr(one, "output", "") or "nothing"))
            yield document

    def check_all(self, words):
        for n, document in enumerate(self.documents()):
            check(document, words, {**self.values, "n": str(n), "nn": f"{n:02}"})

    def status(self, step):
        for one in self.last:
            if not isinstance(one, Answer):
                raise Wrong(f"status {step.status} of a request", "the last thing above is no request")
            if one.status != int(step.status):
                raise Wrong(f"status {step.status}", f"{one.status} {short(one.text)}")
        if step.path:
            self.check_all(step.words)

    def the_command(self):
        if len(self.last) != 1 or not isinstance(self.last[0], Done):
            raise Wrong("a command as the last thing above", "something else")
        return self.last[0]

    def exit(self, step):
        done = self.the_command()
        if done.code != int(step.code):
            raise Wrong(f"exit {step.code}", f"exit {done.code}: {short(done.output)}")

    def output(self, step):
        done = self.the_command()
        pattern = fill(step.pattern, self.values, escape=re.escape)
        if (re.search(pattern, done.output, re.M) is not None) != (step.op == "~"):
            raise Wrong(f"output that {'has' if step.op == '~' else 'lacks'} {pattern}", short(done.output, 3000))

    def expect(self, step):
        self.check_all(step.words)

    def let(self, step):
        if step.path == "output":
            found = [self.the_command().output]
        else:
            try:
                found = [look_up(document, self.fill(step.path)) for document in self.documents()]
            except Missing as missing:
                raise Wrong(f"a {step.path}", str(missing)) from None
        if step.pattern:
            pattern = re.compile(fill(step.pattern, self.values, escape=re.escape), re.M)
            matches = [pattern.search(one if isinstance(one, str) else json.dumps(one)) for one in found]
            if not all(matches):
                raise Wrong(f"{step.path} ~ {pattern.pattern}", short(found))
            found = [match.group(match.re.groups and 1) for match in matches]
        self.values[step.name] = found[0] if len(found) == 1 else found

    def event(self, step):
        """The first such event after the one that was matched before."""
        events = [event for event in self.world.events() if event["seq"] > self.seen]
        wrong = None
        for event in events_like(events, step.type, self.fill(step.subject)):
            try:
                if step.path:
                    check(event["data"], step.words, self.values)
            except Wrong as not_this:
                wrong = not_this
                continue
            self.seen, self.last = event["seq"], [event]
            return
        raise Wrong(f"{step.type} {self.fill(step.subject)}" + (f" with {wrong.expected}" if wrong else "")
                    + f", after event {self.seen}", told_as(events))

    def no_event(self, step):
        """None after the one that was matched before."""
        events = [event for event in self.world.events() if event["seq"] > self.seen]
        found = events_like(events, step.type, step.subject and self.fill(step.subject))
        if found:
            raise Wrong(f"no {step.type} after event {self.seen}", told_as(found))

    def events(self, step):
        """So many in the whole log."""
        events = self.world.events()
        found = events_like(events, step.type, step.subject and self.fill(step.subject))
        if len(found) != int(step.count):
            raise Wrong(f"{step.count} of {step.type} {step.subject or ''}", f"{len(found)} among " + told_as(events))

    def edges(self, step):
        effect, cause = self.fill(step.effect), self.fill(step.cause)
        edges = self.world.edges()
        return [edge for edge in edges if like(edge[0], effect) and like(edge[1], step.relation) and like(edge[2], cause)], edges

    def graph(self, step):
        found, edges = self.edges(step)
        if not found:
            kind = self.fill(step.effect).split(":")[0]
            near = [f"\n              {e} -[{relation}]-> {c}" for e, relation, c in edges if e.split(":")[0] == kind]
            raise Wrong(f"an edge {self.fill(step.effect)} -[{step.relation}]-> {self.fill(step.cause)}",
                        "".join(near[:40]) or f"no edge from any {kind}")

    def no_graph(self, step):
        found, _ = self.edges(step)
        if found:
            raise Wrong("no such edge", str(found))

    def told(self, step):
        if not self.world.was_told(step.type):
            raise Wrong(f"a notification of {step.type}", str(self.world.notices()))
