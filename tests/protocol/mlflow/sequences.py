"""Random sequences of calls to MLflow's API: mostly sensible ones about a few things that the sequence made itself, with
now and then a field that is missing or wrong. A seed gives the same sequence again."""
import dataclasses
import random
import string

KEYS = ["a", "b", "acc", "loss/train", "a b", "é", "漢-x", "x.y:z", "_"]
WRONG_KEYS = ["", "a!", "../x", "/a", "a//b", "a/", ".", "k" * 251, "a\n", "a,b", "%"]
TEXTS = ["", "1", "2", "x", "X", "xy", "a b", "é", "É", "it's", 'say "x"', "100%", "a_b", "NaN", "null", "漢", "\\", " x ",
         "\U0001F642", "true"]
NUMBERS = [0, 1, -1, 2.5, 1e10, -1e-7, "Infinity", "-Infinity", "3", 1e308, 0.1, 10 ** 18, 1.0]
JUNK = [None, 5, "", [], {}, "x" * 600, True, "x", -1, "5", 1.5, ["x"], [5], [{}], {"key": "a"}, 2 ** 63, "é"]
NAN_KEY = "nan"  # the one metric that may be none: ours compares it otherwise
RUN_STATUSES = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
STAGES = ["None", "Staging", "Production", "Archived", "staging", "production"]
PROMPT_TAG = "mlflow.prompt.is_prompt"
# Of these none happens in a sequence, so that nothing is sent anywhere.
EVENTS = [{"entity": "BUDGET_POLICY", "action": "EXCEEDED"}, {"entity": "PROMPT_ALIAS", "action": "DELETED"},
          {"entity": 9, "action": 1}, {"entity": "PROMPT_VERSION_TAG", "action": "SET"}]
WRONG_EVENTS = [{"entity": "PROMPT", "action": "DELETED"}, {"entity": "MODEL_VERSION", "action": "UPDATED"}, {}]
HOOK_NAMES = ["hook", "A.b-c_9", "0", "x" * 63]
WRONG_HOOK_NAMES = ["", "-a", "a-", "a b", "é", "x" * 64, "a/b"]
HOOK_URLS = ["https://1.1.1.1/", "https://1.1.1.1:8443/x?y=z#f"]
WRONG_HOOK_URLS = ["http://1.1.1.1/", "https://127.0.0.1/", "ftp://1.1.1.1/", "1.1.1.1", " ", "https:///x",
                   "https://169.254.169.254/", "https://[::1]/"]
TRACES = "/api/3.0/mlflow/traces"
STATES = ["OK", "ERROR", "IN_PROGRESS"]


@dataclasses.dataclass
class Call:
    method: str
    path: str
    body: dict | None = None
    query: dict = dataclasses.field(default_factory=dict)
    make: tuple | None = None  # as in Pair.call
    pages: bool = False        # further pages are asked for as long as there are any
    odd: bool = False          # something of it is wrong on purpose

    def __str__(self):
        return f"{self.method} {self.path} {self.body if self.body is not None else self.query}"


class Sequence:
    """The calls of one seed. Names hold the seed, so that sequences on one server do not meet."""

    def __init__(self, seed, length):
        self.random = random.Random(seed)
        self.seed, self.length, self.odd = seed, length, False
        self.experiments, self.runs, self.models, self.logged = [], [], [], []
        self.hooks, self.traces, self.assessments = [], [], []
        self.versions = {}  # by model: how many were asked for

    def __iter__(self):
        self.experiments.append("e0")
        yield Call("POST", "experiments/create", {"name": f"s{self.seed}-e0"}, make=("e0", "experiment_id"))
        self.runs.append("r0")
        yield Call("POST", "runs/create", {"experiment_id": "{e0}", "start_time": 3, "run_name": "zero"},
                   make=("r0", "run", "info", "run_id"))
        for _ in range(self.length - 2):
            self.odd = False
            call = self.random.choices(*zip(*self.calls()))[0]()
            yield self.with_junk(call)

    def calls(self):
        return [
            (self.create_experiment, 2), (self.about_experiment, 5), (self.search_experiments, 4),
            (self.create_run, 4), (self.about_run, 8), (self.log, 12), (self.log_batch, 6), (self.log_inputs, 3),
            (self.search_runs, 14), (self.history, 4), (self.search_datasets, 1),
            (self.create_model, 4), (self.about_model, 7), (self.search_models, 6),
            (self.create_version, 5), (self.about_version, 8), (self.search_versions, 6), (self.alias, 5),
            (self.create_webhook, 3), (self.about_webhook, 4), (self.list_webhooks, 1),
            (self.start_trace, 4), (self.about_trace, 8), (self.search_traces, 6), (self.assess, 3),
            (self.about_assessment, 3), (self.create_logged_model, 3), (self.about_logged_model, 6), (self.search_logged_models, 6)]

    # --- what calls are made of ---

    def chance(self, per_cent):
        return self.random.random() * 100 < per_cent

    def pick(self, values):
        return self.random.choice(values)

    def some(self, values, most=3):
        return [self.pick(values) for _ in range(self.random.randint(0, most))]

    def key(self):
        if self.chance(5):
            self.odd = True
            return self.pick(WRONG_KEYS)
        return self.pick(KEYS)

    def text(self):
        if self.chance(3):
            return "y" * self.pick([250, 500, 501, 5000, 5001, 6000, 6001, 8000, 8001])
        return self.pick(TEXTS)

    def known(self, names, kind):
        """One of what was made, or something that there is not."""
        if names and not self.chance(4):
            return "{" + self.pick(names) + "}"
        return {"e": "987654", "r": "0" * 32, "l": "m-" + "0" * 32}[kind]

    def experiment(self):
        return self.known(self.experiments, "e")

    def run(self):
        return self.known(self.runs, "r")

    def logged_model(self):
        return self.known(self.logged, "l")

    def model(self):
        return self.pick(self.models) if self.models and not self.chance(4) else f"s{self.seed}-none"

    def version(self, model):
        if self.chance(4):
            self.odd = True
            return self.pick(["0", "-1", "99", "x", "1.5", " 1", "1 ", "", "01"])
        return str(self.random.randint(1, max(1, self.versions.get(model, 0))))

    def tags(self, key=None):
        return [{"key": key() if key else self.key(), "value": self.text()} for _ in range(self.random.randint(0, 3))]

    def distinct(self, pairs):
        return list({pair["key"]: pair for pair in pairs}.values())

    def with_junk(self, call):
        """Now and then one field is missing, or holds what does not belong there."""
        if self.chance(8) and call.body:
            field = self.pick(list(call.body))
            call.odd = True
            if self.chance(40):
                del call.body[field]
            else:
                call.body[field] = self.pick(JUNK)
        elif self.chance(4) and call.query:
            field = self.pick(list(call.query))
            call.odd = True
            if self.chance(50):
                del call.query[field]
            else:
                call.query[field] = self.pick(["", "x", "-1", "5", "1.5", "{}"])
        call.odd |= self.odd
        return call

    # --- experiments and runs ---

    def create_experiment(self):
        self.experiments.append(f"e{len(self.experiments)}")
        name = f"s{self.seed}-{self.pick(self.experiments) if self.chance(10) else self.experiments[-1]}"
        body = {"name": name + self.pick(["", "", " é", "/x"]), "tags": self.distinct(self.tags())}
        if self.chance(20):
            body["artifact_location"] = self.pick(["s3://b/p", "s3://b/p?q=1", "file:///srv/x", "/srv/x", "dbfs:/x", "s3://b/x#f",
                                                   "s3://b/x?a=../..", "/srv/x;p", "s3://b/" + "x" * 2048, ""])
        return Call("POST", "experiments/create", body, make=(self.experiments[-1], "experiment_id"))

    def about_experiment(self):
        id = self.experiment()
        tag = {"experiment_id": id, "key": self.key(), "value": self.text()}
        return self.pick([
            lambda: Call("GET", "experiments/get", query={"experiment_id": id}),
            lambda: Call("GET", "experiments/get-by-name", query={"experiment_name": f"s{self.seed}-e{self.random.randint(0, 3)}"}),
            lambda: Call("POST", "experiments/set-experiment-tag", tag),
            lambda: Call("POST", "experiments/set-experiment-tag", tag),
            lambda: Call("POST", "experiments/delete-experiment-tag", {"experiment_id": id, "key": tag["key"]}),
            lambda: Call("POST", "experiments/update", {
                "experiment_id": id, "new_name": f"s{self.seed}-new{self.random.randint(0, 2)}"}),
            lambda: Call("POST", "experiments/" + self.pick(["delete", "restore", "restore"]), {"experiment_id": id}),
        ])()

    def create_run(self):
        self.runs.append(f"r{len(self.runs)}")
        body = {"experiment_id": self.experiment(), "start_time": self.random.randint(1, 5),
                "user_id": self.pick(["ann", "bob", ""]),
                "tags": self.distinct(self.tags(lambda: self.pick(KEYS + ["mlflow.runName", "mlflow.user", "a!"])))}
        if self.chance(85):
            body["run_name"] = self.pick(["one", "two", "Two", "é", ""])
        return Call("POST", "runs/create", body, make=(self.runs[-1], "run", "info", "run_id"))

    def about_run(self):
        id = self.run()
        return self.pick([
            lambda: Call("GET", "runs/get", query={self.pick(["run_id", "run_id", "run_uuid"]): id}),
            lambda: Call("GET", "runs/get", query={"run_id": id}),
            lambda: Call("POST", "runs/update", {"run_id": id, "status": self.pick(RUN_STATUSES + [1, 3, 5]),
                                                 "end_time": self.random.randint(1, 9)}),
            lambda: Call("POST", "runs/update", {"run_id": id, "run_name": self.pick(["one", "three", "", "é"])}),
            lambda: Call("POST", "runs/" + self.pick(["delete", "restore", "restore"]), {"run_id": id}),
            lambda: Call("POST", "runs/delete-tag", {"run_id": id, "key": self.key()}),
            lambda: Call("POST", "runs/set-tag", {"run_id": id, "key": "mlflow.runName", "value": self.pick(["four", ""])}),
        ])()

    def metric(self):
        metric = {"key": self.key(), "value": self.pick(NUMBERS), "timestamp": self.random.randint(0, 4)}
        if self.chance(10):
            metric.update(key=NAN_KEY, value=self.pick(["NaN", 1, -1]))
        if self.chance(60):
            metric["step"] = self.pick([0, 1, 2, 3, -1, "1"])
        if self.chance(10):
            self.odd = True
            metric[self.pick(["value", "timestamp", "step", "key"])] = self.pick(["x", "", None, [1], -1, "5", 1.5])
        if self.chance(15) and self.logged:
            metric["model_id"] = self.logged_model()
            if self.chance(50):
                metric.update(dataset_name=self.pick(["d1", "d2"]), dataset_digest="h")
        return metric

    def param(self):
        return {"key": self.key(), "value": self.pick(TEXTS[:4]) if self.chance(80) else self.text()}

    def log(self):
        id = self.run()
        return self.pick([
            lambda: Call("POST", "runs/log-metric", {"run_id": id, **self.metric()}),
            lambda: Call("POST", "runs/log-parameter", {"run_id": id, **self.param()}),
            lambda: Call("POST", "runs/set-tag", {"run_id": id, "key": self.key(), "value": self.text()}),
        ])()

    def log_batch(self):
        body = {"run_id": self.run()}
        for field, make in (("metrics", self.metric), ("params", self.param),
                            ("tags", lambda: {"key": self.key(), "value": self.text()})):
            if self.chance(60):
                body[field] = [make() for _ in range(self.random.randint(0, 5))]
        if "tags" in body:
            body["tags"] = self.distinct(body["tags"])
        if "params" in body and self.chance(80):
            body["params"] = self.distinct(body["params"])
        return Call("POST", "runs/log-batch", body)

    def log_inputs(self):
        id = self.run()
        dataset = {"name": self.pick(["d1", "d2"]), "digest": self.pick(["h", "i"]), "source_type": "local", "source": "/x"}
        if self.chance(20):
            dataset[self.pick(["schema", "profile"])] = "s"
        tags = [{"key": "mlflow.data.context", "value": self.pick(["train", "test"])}] if self.chance(70) else []
        models = [{"model_id": self.logged_model(), "step": self.random.randint(0, 2)} for _ in range(self.random.randint(0, 2))]
        if self.chance(30):
            return Call("POST", "runs/outputs", {"run_id": id, "models": models})
        return Call("POST", "runs/log-inputs", {"run_id": id, "datasets": [{"tags": tags, "dataset": dataset}] *
                                                self.random.randint(0, 2), "models": self.without_steps(models)})

    def without_steps(self, models):
        return [{"model_id": id} for id in dict.fromkeys(model["model_id"] for model in models)]

    def history(self):
        query = {"run_id": self.run(), "metric_key": self.pick(KEYS + [NAN_KEY]), "max_results": "25000"}
        if self.chance(50):
            return Call("GET", "metrics/get-history", query=query)
        query = {"run_ids": [self.run() for _ in range(self.random.randint(1, 3))], "metric_key": query["metric_key"]}
        if self.chance(50):
            query["max_results"] = self.pick(["1", "2", "3", "2500", "2501", "0"])
        if self.chance(40):
            query.update(start_step=self.pick(["-1", "0", "1"]), end_step=self.pick(["0", "1", "2"]))
        return Call("GET", "metrics/get-history-bulk-interval", query=query)

    def search_datasets(self):
        return Call("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets",
                    {"experiment_ids": [self.experiment() for _ in range(self.random.randint(0, 3))]})

    # --- the registry ---

    def create_model(self):
        name = f"s{self.seed}-m{self.random.randint(0, 4)}" + self.pick(["", "", "", " é"])
        self.models.append(name)
        tags = self.distinct(self.tags())
        if self.chance(20):
            tags.append({"key": PROMPT_TAG, "value": self.pick(["true", "true", "false", "True"])})
        body = {"name": name, "tags": tags}
        if self.chance(50):
            body["description"] = self.text()
        return Call("POST", "registered-models/create", body)

    def about_model(self):
        name = self.model()
        M = "registered-models/"
        return self.pick([
            lambda: Call("GET", M + "get", query={"name": name}),
            lambda: Call("PATCH", M + "update", {"name": name, "description": self.text()}),
            lambda: Call("POST", M + "rename", {"name": name, "new_name": f"s{self.seed}-m{self.random.randint(0, 6)}"}),
            lambda: Call("POST", M + "set-tag", {"name": name, "key": self.key(), "value": self.text()}),
            lambda: Call("DELETE", M + "delete-tag", {"name": name, "key": self.key()}),
            lambda: Call("POST", M + "get-latest-versions", {"name": name, **(
                {"stages": self.some(STAGES + ["bogus"])} if self.chance(60) else {})}),
            lambda: Call("GET", M + "get-latest-versions", query={"name": name, "stages": self.some(STAGES)}),
            lambda: Call("DELETE", M + "delete", {"name": name}) if self.chance(30) else Call("GET", M + "get", query={"name": name}),
        ])()

    def create_version(self):
        name = self.model()
        self.versions[name] = self.versions.get(name, 0) + 1
        run, logged = self.run(), self.logged_model()
        body = {"name": name, "source": self.pick([
            "s3://b/x", "s3://b/y/z", f"mlflow-artifacts:/1/{run}/artifacts/m", f"models:/{self.model()}/1", "dbfs:/x",
            f"models:/{logged}", "/etc", "s3://b/../x", f"runs:/{run}/model", "s3://b//x", "file:///x", "s3://b/%2e%2e/x"])}
        if self.chance(30):
            body["run_id"] = run
        if self.chance(20):
            body["model_id"] = logged
        if self.chance(40):
            body["tags"] = self.distinct(self.tags())
        if self.chance(15):
            body.setdefault("tags", []).append({"key": PROMPT_TAG, "value": "true"})
        if self.chance(30):
            body["description"] = self.text()
        if self.chance(15):
            body["run_link"] = "http://x/run"
        return Call("POST", "model-versions/create", body)

    def about_version(self):
        name = self.model()
        which = {"name": name, "version": self.version(name)}
        V = "model-versions/"
        return self.pick([
            lambda: Call("GET", V + "get", query=which),
            lambda: Call("GET", V + "get-download-uri", query=which),
            lambda: Call("PATCH", V + "update", {**which, "description": self.text()}),
            lambda: Call("POST", V + "set-tag", {**which, "key": self.key(), "value": self.text()}),
            lambda: Call("DELETE", V + "delete-tag", {**which, "key": self.key()}),
            lambda: Call("POST", V + "transition-stage", {**which, "stage": self.pick(STAGES),
                                                          "archive_existing_versions": self.pick([True, False])}),
            lambda: Call("POST", V + "transition-stage", {**which, "stage": self.pick(["Production", "Bogus", "Staging"])}),
            lambda: Call("DELETE", V + "delete", which) if self.chance(40) else Call("GET", V + "get", query=which),
        ])()

    def alias(self):
        name = self.model()
        alias = self.pick(["champion", "Champion", "a-b_c", "é", "latest", "v1", "a b", "", "x" * 256]) if self.chance(
            30) else self.pick(["champion", "challenger"])
        path = "registered-models/alias"
        return self.pick([
            lambda: Call("POST", path, {"name": name, "alias": alias, "version": self.version(name)}),
            lambda: Call("POST", path, {"name": name, "alias": alias, "version": self.version(name)}),
            lambda: Call("GET", path, query={"name": name, "alias": alias}),
            lambda: Call("DELETE", path, {"name": name, "alias": alias}),
        ])()

    # --- logged models ---

    def right_or_wrong(self, right, wrong, per_cent=10):
        if self.chance(per_cent):
            self.odd = True
            return self.pick(wrong)
        return self.pick(right)

    def hook_events(self):
        if self.chance(8):
            self.odd = True
            return self.pick([[], [self.pick(WRONG_EVENTS)]])
        return self.random.sample(EVENTS, self.random.randint(1, 2))

    def hook(self):
        if not self.hooks or self.chance(5):
            return "none"
        return "{" + self.pick(self.hooks) + "}"

    def create_webhook(self):
        name = f"w{len(self.hooks)}"
        self.hooks.append(name)
        body = {"name": self.right_or_wrong(HOOK_NAMES, WRONG_HOOK_NAMES),
                "url": self.right_or_wrong(HOOK_URLS, WRONG_HOOK_URLS), "events": self.hook_events()}
        for key, values in (("description", TEXTS), ("secret", ["s", "é"]), ("status", ["ACTIVE", "DISABLED"])):
            if self.chance(30):
                body[key] = self.pick(values)
        return Call("POST", "webhooks", body, make=(name, "webhook", "webhook_id"))

    def about_webhook(self):
        path = f"webhooks/{self.hook()}"
        if self.chance(30):
            return Call("GET", path)
        if self.chance(20):
            return Call("DELETE", path, {})
        body = {}
        for key, value in (("name", lambda: self.right_or_wrong(HOOK_NAMES, WRONG_HOOK_NAMES)),
                           ("url", lambda: self.right_or_wrong(HOOK_URLS, WRONG_HOOK_URLS)),
                           ("events", self.hook_events), ("description", lambda: self.pick(TEXTS)),
                           ("secret", lambda: self.pick(["", "t"])),
                           ("status", lambda: self.pick(["ACTIVE", "DISABLED"]))):
            if self.chance(40):
                body[key] = value()
        return Call("PATCH", path, body)

    def list_webhooks(self):
        return Call("GET", "webhooks", query={"max_results": self.pick([1, 2, 100, 1000, 0, 1001])})

    def trace(self):
        if not self.traces or self.chance(4):
            return "none"
        return self.pick(self.traces)

    def trace_pairs(self):
        return {self.pick(KEYS): self.pick(TEXTS) for _ in range(self.random.randint(0, 3))}

    def start_trace(self):
        if self.traces and self.chance(15):
            id = self.pick(self.traces)
        else:
            id = f"tr-{self.seed}-{len(self.traces)}"
            self.traces.append(id)
        at = self.random.randint(0, 5)
        info = {"trace_id": id, "state": self.pick(STATES), "request_time": f"2025-01-01T00:00:0{at}.{self.pick(['5', '25', '125'])}Z",
                "execution_duration": self.pick(["1.5s", "0.25s", "0s", "2s"]),
                "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{e0}"}},
                "tags": self.trace_pairs(), "trace_metadata": self.trace_pairs()}
        if self.chance(40):
            info["tags"]["mlflow.traceName"] = self.pick(["n", "m"])
        for key in ("request_preview", "response_preview", "client_request_id"):
            if self.chance(30):
                info[key] = self.pick(["x", "a b", "é"])
        return Call("POST", TRACES, {"trace": {"trace_info": info}})

    def about_trace(self):
        id = self.trace()
        kind = self.random.randint(0, 5)
        if kind == 0:
            return Call("GET", f"{TRACES}/{id}")
        if kind == 1:
            return Call("PATCH", f"{TRACES}/{id}/tags", {"key": self.key(), "value": self.text()})
        if kind == 2:
            return Call("DELETE", f"{TRACES}/{id}/tags", {"key": self.pick(KEYS)})
        if kind == 3:
            return Call("POST", f"{TRACES}/batchGetInfos", {"trace_ids": [id, self.trace()]})
        if kind == 4 and self.chance(40):
            return Call("POST", f"{TRACES}/delete-traces", {"experiment_id": "{e0}", **self.pick([
                {"request_ids": [id]}, {"max_timestamp_millis": 1735689602000}, {},
                {"max_timestamp_millis": 1735689605000, "max_traces": 1}])})
        return Call("GET", f"{TRACES}/get", query={"trace_id": id, "allow_partial": "true"})

    def trace_clause(self):
        return self.pick([
            lambda: f"tag.`{self.pick(KEYS)}` {self.pick(['=', '!='])} {self.quoted(self.pick(['1', 'x', 'a b']))}",
            lambda: f"metadata.`{self.pick(KEYS)}` LIKE {self.quoted(self.pick(['%', '1%', 'x']))}",
            lambda: f"tags.`{self.pick(KEYS)}` {self.pick(['IS NULL', 'IS NOT NULL'])}",
            lambda: f"{self.pick(['', 'trace.', 'attributes.'])}status = '{self.pick(STATES)}'",
            lambda: f"name {self.pick(['=', '!='])} '{self.pick(['n', 'm'])}'",
            lambda: f"timestamp_ms {self.pick(['<', '>=', '='])} {self.pick([1735689602500, 1735689601125, 0])}",
            lambda: f"execution_time {self.pick(['<', '>', '<='])} {self.pick([0, 1500, 250])}",
            lambda: f"client_request_id = '{self.pick(['x', 'a b'])}'",
            lambda: f"request_id IN ('{self.trace()}', '{self.trace()}')",
            lambda: f"feedback.`{self.pick(['good', 'b'])}` {self.pick(['>', '<', '='])} {self.pick(['1', '0.5', '3'])}",
            lambda: f"feedback.`{self.pick(['good', 'b'])}` = '{self.pick(['yes', 'no'])}'",
            lambda: f"feedback.`good` {self.pick(['>', '<=', '='])} '{self.pick(['1', '0.5', '3'])}'",
            lambda: f"expectation.`good` {self.pick(['IS NULL', 'IS NOT NULL'])}"])()

    def search_traces(self):
        body = {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{e0}"}}],
                "max_results": self.pick([1, 2, 100, 500])}
        clauses = [self.trace_clause() for _ in range(self.random.randint(0, 2))]
        if clauses:
            body["filter"] = " AND ".join(clauses)
        if self.chance(40):
            field = self.pick(["timestamp", "execution_time_ms", "status", "request_id", "tag.a"])
            body["order_by"] = [f"{field} {self.pick(['ASC', 'DESC'])}"]
        return Call("POST", f"{TRACES}/search", body, pages=True)

    def assess(self):
        name = f"as{len(self.assessments)}"
        id = self.trace()
        self.assessments.append((id, name))
        value = self.pick([True, "yes", "no", 0.5, 3, 1])
        at = f"2025-01-01T00:00:00.{len(self.assessments):03}Z"
        body = {"assessment_name": self.pick(["good", "b"]), "trace_id": id, "create_time": at, "last_update_time": at,
                "source": {"source_type": self.pick(["HUMAN", "CODE", "LLM_JUDGE"]), "source_id": "me"},
                self.pick(["feedback", "feedback", "expectation"]): {"value": value}}
        if self.chance(30):
            body["rationale"] = self.pick(["why", "é"])
        if self.chance(30):
            body["metadata"] = {"k": "v"}
        return Call("POST", f"{TRACES}/{id}/assessments", {"assessment": body},
                    make=(name, "assessment", "assessment_id"))

    def about_assessment(self):
        if not self.assessments:
            return self.about_trace()
        id, name = self.pick(self.assessments)
        path = f"{TRACES}/{id}/assessments/" + ("none" if self.chance(10) else "{" + name + "}")
        if self.chance(30):
            return Call("GET", path)
        if self.chance(30):
            return Call("DELETE", path, {})
        return Call("PATCH", path, {"assessment": {"feedback": {"value": self.pick([2, "no"])}, "metadata": {"z": "9"}},
                                    "update_mask": self.pick(["feedback", "feedback,metadata"])})

    def create_logged_model(self):
        self.logged.append(f"l{len(self.logged)}")
        body = {"experiment_id": self.experiment(), "name": self.pick(["lm", "LM", "é", "a b", "a/b", "x.y", ""])}
        if self.chance(50):
            body["source_run_id"] = self.run()
        if self.chance(50):
            body["model_type"] = self.pick(["xgboost", "onnx", ""])
        if self.chance(50):
            body["params"] = self.distinct([self.param() for _ in range(self.random.randint(0, 3))])
        if self.chance(50):
            body["tags"] = self.distinct(self.tags())
        return Call("POST", "logged-models", body, make=(self.logged[-1], "model", "info", "model_id"))

    def about_logged_model(self):
        id = self.logged_model()
        path = f"logged-models/{id}"
        return self.pick([
            lambda: Call("GET", path),
            lambda: Call("PATCH", path, {"model_id": id, "status": self.pick(
                ["LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED", 1, 2, 3, "2"])}),
            lambda: Call("PATCH", path + "/tags", {"tags": self.tags()}),
            lambda: Call("DELETE", path + "/tags/" + self.pick(["a", "b", "acc"])),
            lambda: Call("POST", path + "/params", {"model_id": id, "params": self.distinct(
                [self.param() for _ in range(self.random.randint(0, 3))])}),
            lambda: Call("DELETE", path) if self.chance(30) else Call("GET", path),
        ])()

    # --- searches ---

    def casing(self, word):
        return self.pick([word, word, word, word.lower(), word.lower(), word.title()] if self.chance(50) else [word])

    def quoted(self, text):
        quote = '"' if "'" in text else "'" if '"' in text or not self.chance(25) else '"'
        return quote + text + quote

    def identifier(self, types, key):
        type = self.pick(types)
        plain = bool(key) and all(c == "_" or c.isalnum() and c.isascii() for c in key)
        if not plain or self.chance(15):
            quote = self.pick("``\"")
            key = quote + key + quote
        return f"{type}.{key}" if type else key

    def comparison(self, name, text):
        """A clause about a text or a number."""
        if text:
            op = self.pick(["=", "!=", "LIKE", "ILIKE", "=", "!="])
            value = self.pick(TEXTS + ["%", "x%", "_", "%é%", "X_"])
            value = self.quoted(value)
            if self.chance(6):
                op = self.pick(["IN", "NOT IN", "IN"])
                value = self.pick(["('x', '1')", "('x')", "('x',)", '("1")', "( 'é' , 'X' )"])
        else:
            op = self.pick(["=", "!=", ">", ">=", "<", "<="])
            value = self.pick(["0", "1", "2", "1.5", "-1", "1e3", "100", "3"])
        if self.chance(5):
            self.odd = True
            op = self.pick(["=", "!=", "LIKE", "ILIKE", ">", "IN", "NOT IN", "==", "<>", "IS NULL", "IS NOT NULL", "IS"])
        if self.chance(5):
            self.odd = True
            value = self.pick(["x", "1", "'1'", "1.5", "(1)", "()", "('a', 1)", "", "`x`", "'x", "+1", ".5", "1.", "NULL"])
        space = self.pick([" ", " ", " ", "  ", "\n", "\t"])
        tight = "" if op in ("=", "!=", ">", ">=", "<", "<=") and self.chance(15) else space
        return f"{name}{tight}{self.casing(op)}{tight}{value}"

    def filter(self, clause, must=()):
        clauses = list(must) + [clause() for _ in range(self.random.randint(0, 3))]
        text = self.casing(" AND ").join(clauses)
        if self.chance(8):
            self.odd = True
            text = self.mutated(text)
        return text

    def mutated(self, text):
        pieces = text.split(" ")
        for _ in range(self.random.randint(1, 2)):
            at = self.random.randrange(len(pieces) + 1)
            if self.chance(50):
                pieces.insert(at, self.pick(["OR", "NOT", "(", ")", ";", ",", "AND", "'", "`", '"', "--", "x", "1", "=", ".",
                                             "IS NULL", "LIKE", "IN", "BETWEEN", "*", "metrics.a > 1", "params.a"]))
            elif pieces and at < len(pieces):
                del pieces[at]
        return " ".join(pieces)

    def order(self, identifier):
        terms = {}
        for _ in range(self.random.choices([0, 1, 2, 3], [30, 40, 20, 10])[0]):
            name = identifier()
            field = name if self.chance(4) else name.split(".")[-1].strip('`"').lower().removeprefix("last_updated_")
            terms[field] = name + self.pick(["", " ASC", " DESC", " asc", " desc"])
        terms = list(terms.values())
        if self.chance(4):
            self.odd = True
            terms.append(self.pick(["", "x", "x.y", "a b c", "metrics.a UP", "name name", "metrics.", "'a'", "ASC"]))
        return terms

    def page(self):
        if self.chance(50):
            return {"max_results": self.pick([1, 2, 3])}
        return {"max_results": self.pick([0, -1, 50001, "5"]) if self.chance(10) else 100}

    def run_clause(self):
        kind = self.random.randint(0, 9)
        if kind <= 1:
            return self.comparison(self.identifier(["metrics", "metric"], self.pick(KEYS + [NAN_KEY])), text=False)
        if kind <= 3:
            return self.comparison(self.identifier(["params", "param", "parameters", "parameter"], self.pick(KEYS)), text=True)
        if kind <= 5:
            return self.comparison(self.identifier(["tags", "tag"], self.pick(KEYS + ["mlflow.runName"])), text=True)
        if kind == 6:
            return self.comparison(self.identifier(["dataset", "datasets"], self.pick(["name", "digest", "context"])), text=True)
        if kind == 7:
            return self.comparison(self.identifier(["attributes", "attribute", "attr", "run", ""], self.pick(
                ["start_time", "end_time", "created", "Created"])), text=False)
        return self.comparison(self.identifier(["attributes", "attribute", "attr", "run", ""], self.pick(
            ["run_name", "status", "user_id", "run_id", "artifact_uri", "run name", "Run Name"])), text=True)

    def run_order(self):
        return self.identifier(*self.pick([
            (["metrics", "metric"], self.pick(KEYS + [NAN_KEY])), (["params", "param"], self.pick(KEYS)),
            (["tags", "tag"], self.pick(KEYS)),
            (["attributes", "attribute", ""], self.pick(["start_time", "end_time", "status", "run_name", "user_id", "run_id",
                                                         "artifact_uri", "created"]))]))

    def search_runs(self):
        order = self.order(self.run_order)
        if not any("start_time" in term or "reated" in term for term in order):
            order += ["attributes.start_time", "tags.`mlflow.runName`"]
        body = {"experiment_ids": [self.experiment() for _ in range(self.random.randint(1, 3))],
                "filter": self.filter(self.run_clause), "order_by": order, **self.page()}
        if self.chance(40):
            body["run_view_type"] = self.pick(["ALL", "ACTIVE_ONLY", "DELETED_ONLY", 1, 2, 3])
        return Call("POST", "runs/search", body, pages=True)

    def experiment_clause(self):
        kind = self.random.randint(0, 4)
        if kind <= 1:
            return self.comparison(self.identifier(["", "attribute"], "name"), text=True)
        if kind <= 3:
            return self.comparison(self.identifier(["tags", "tag"], self.pick(KEYS)), text=True)
        return self.comparison(self.identifier(["", "attribute"], self.pick(["creation_time", "last_update_time"])), text=False)

    def search_experiments(self):
        order = self.order(lambda: self.identifier(["", "attribute"], self.pick(
            ["name", "experiment_id", "creation_time", "last_update_time"])))
        body = {"filter": self.filter(self.experiment_clause, [f"name LIKE 's{self.seed}-%'"]), "order_by": order, **self.page()}
        if self.chance(40):
            body["view_type"] = self.pick(["ALL", "ACTIVE_ONLY", "DELETED_ONLY", 1, 2, 3])
        if self.chance(30):
            return Call("GET", "experiments/search", query=self.as_query(body), pages=True)
        return Call("POST", "experiments/search", body, pages=True)

    def as_query(self, body):
        return {field: value if isinstance(value, list) else str(value) for field, value in body.items()}

    def model_clause(self):
        if self.chance(50):
            return self.comparison(self.identifier(["", "attribute"], "name"), text=True)
        if self.chance(25):
            return f"tags.`{PROMPT_TAG}` {self.pick(['=', '!='])} '{self.pick(['true', 'false', 'x'])}'"
        return self.comparison(self.identifier(["tags", "tag"], self.pick(KEYS)), text=True)

    def search_models(self):
        order = self.order(lambda: self.identifier([""], self.pick(["name", "timestamp", "last_updated_timestamp"])))
        body = {"filter": self.filter(self.model_clause, [f"name LIKE 's{self.seed}-%'"]), "order_by": order, **self.page()}
        return Call("GET", "registered-models/search", query=self.as_query(body), pages=True)

    def version_clause(self):
        kind = self.random.randint(0, 4)
        if kind <= 1:
            return self.comparison(self.identifier([""], self.pick(["name", "source_path", "run_id"])), text=True)
        if kind == 2:
            return self.comparison(self.identifier([""], "version_number"), text=False)
        if kind == 3 and self.chance(25):
            return f"tags.`{PROMPT_TAG}` {self.pick(['=', '!='])} '{self.pick(['true', 'false', 'x'])}'"
        return self.comparison(self.identifier(["tags", "tag"], self.pick(KEYS)), text=True)

    def search_versions(self):
        order = self.order(lambda: self.identifier([""], self.pick(
            ["name", "version_number", "creation_timestamp", "last_updated_timestamp"])))
        body = {"filter": self.filter(self.version_clause, [f"name LIKE 's{self.seed}-%'"]), "order_by": order, **self.page()}
        return Call("GET", "model-versions/search", query=self.as_query(body), pages=True)

    def logged_clause(self):
        kind = self.random.randint(0, 5)
        if kind <= 1:
            return self.comparison(self.identifier(["metrics"], self.pick(["a", "b", "acc"])), text=False)
        if kind == 2:
            return self.comparison(self.identifier(["params"], self.pick(["a", "b", "acc"])), text=True)
        if kind == 3:
            return self.comparison(self.identifier(["tags"], self.pick(["a", "b", "acc"])), text=True)
        if kind == 4:
            return self.comparison(self.pick(["", "attributes."]) + "creation_timestamp", text=False)
        return self.comparison(self.pick(["", "attributes."]) + self.pick(["name", "model_type", "source_run_id"]), text=True)

    def search_logged_models(self):
        order = []
        for _ in range(self.random.choices([0, 1, 2], [40, 40, 20])[0]):
            term = {"field_name": self.pick(["name", "creation_time", "creation_timestamp", "metrics.a", "metrics.acc", "model_type",
                                             "status", "source_run_id"] + (["x", "params.a", ""] if self.chance(10) else []))}
            if self.chance(70):
                term["ascending"] = self.pick([True, False])
            if term["field_name"].startswith("metrics") and self.chance(30):
                term.update(dataset_name="d1", dataset_digest="h")
            order.append(term)
        body = {"experiment_ids": [self.experiment() for _ in range(self.random.randint(1, 3))],
                "filter": self.filter(self.logged_clause), "order_by": order,
                "max_results": self.pick([1, 2, 50, 100])}
        if self.chance(20):
            body["datasets"] = [{"dataset_name": self.pick(["d1", "d2"]), "dataset_digest": "h"}]
        return Call("POST", "logged-models/search", body, pages=True)
