"""Lives through the history of bike rentals again: every hour is asked for, its true count comes a week later, and the
server does the rest by itself. Needs a server with `--clock replay`, the project applied, and a first version live.

    python replay.py --url http://127.0.0.1:5000 --world hour.csv --from 2011-05-01 --to 2012-10-01
"""
import argparse
import collections
import csv
import datetime
import http.client
import json
import sys
import urllib.parse

FEATURES = ["hr", "holiday", "weekday", "workingday", "weathersit", "temp", "hum", "windspeed"]
CROWD = 10
DAY, WEEK = datetime.timedelta(days=1), datetime.timedelta(days=7)
TOLD = {"incident.opened": "incident", "incident.closed": "closed", "incident.unresolved": None, "trigger.fired": None,
        "pipeline_run.requested": "training", "pipeline_run.failed": "run failed", "pipeline_run.skipped": "run skipped",
        "rollout.requested": None, "rollout.advanced": None, "rollout.promoted": "promoted", "rollout.stopped": "stopped",
        "rollout.rolled_back": "rolled back", "rollout.paused": "paused"}  # and the word in the table of weeks


class Server:
    """One connection that stays open."""

    def __init__(self, url):
        self.address = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=1800)

    def call(self, method, path, body=None):
        kind = "application/cloudevents+json" if path == "/events" else "application/json"
        headers = {"Content-Type": kind} if body is not None else {}
        text = json.dumps(body) if body is not None else None
        try:
            self.connection.request(method, path, text, headers)
            answer = self.connection.getresponse()
        except ConnectionError:  # closed by the server while nothing was said for a while
            self.connection.close()
            self.connection.request(method, path, text, headers)
            answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")

    def ask(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if not 200 <= status < 300:
            raise SystemExit(f"{method} {path} answered {status}: {answer}")
        return answer


def read_world(file):
    """The true history, by day."""
    days = collections.defaultdict(list)
    with open(file, newline="") as lines:
        for row in csv.DictReader(lines):
            days[datetime.date.fromisoformat(row["dteday"])].append(row)
    return days


def instant(day, hour=0):
    return f"{day.isoformat()}T{hour:02d}:00:00Z"


class Replay:
    def __init__(self, server, days, deployment, say):
        self.server, self.days, self.deployment, self.say = server, days, deployment, say
        self.asked = collections.defaultdict(list)  # day -> (prediction id, true count)
        self.weeks = collections.OrderedDict()
        self.events = []  # all that was told
        self.seen = 0
        self.began = None
        self.crowded = []  # days of which every hour was asked for CROWD times

    def turn_clock(self, day, hour=0):
        self.server.ask("POST", "/api/slipway/v1/clock", {"time": instant(day, hour)})

    def predict(self, row, day, key=None):
        """The answer of one hour; None when there was none."""
        hour = int(row["hr"])
        parameters = {"event_time": instant(day, hour)}
        if key:
            parameters["slipway_key"] = key
        body = {"parameters": parameters,
                "inputs": [{"name": name, "datatype": "FP64", "shape": [1], "data": [float(row[name])]}
                           for name in FEATURES]}
        status, answer = self.server.call("POST", f"/v2/models/{self.deployment}/infer", body)
        if status != 200:
            return None, None, None
        return (answer["outputs"][0]["data"][0], answer.get("model_version"),
                answer.get("parameters", {}).get("prediction_id"))

    def week_of(self, day):
        return self.weeks.setdefault(self.began + (day - self.began) // WEEK * WEEK, collections.Counter())

    def live_through(self, day, times=1):
        """All hours of a day; `times` requests each, with different keys. On a crowded day the clock is turned every hour:
        what the server decides in the midst of it depends on the requests alone, not on how fast they are made."""
        week = self.week_of(day)
        for row in self.days.get(day, []):
            if times > 1:
                self.turn_clock(day, int(row["hr"]))
            for number in range(times):
                key = f"{day}-{row['hr']}-{number}" if times > 1 else None
                value, version, prediction = self.predict(row, day, key)
                week["asked"] += 1
                if value is None:
                    week["failed"] += 1
                    continue
                if number == 0:
                    week["error"] += abs(value - float(row["cnt"]))
                    week["count"] += float(row["cnt"])
                    week[f"version {version}"] += 1
                    self.asked[day].append((prediction, float(row["cnt"])))

    def tell_truth(self, day):
        labels = [{"prediction_id": prediction, "value": count, "event_time": instant(day)}
                  for prediction, count in self.asked.pop(day, []) if prediction]
        if labels:
            self.server.ask("POST", "/api/slipway/v1/feedback", {"labels": labels})

    def news(self):
        """What the log has that was not told yet."""
        while True:
            page = self.server.ask("GET", f"/api/slipway/v1/events?after={self.seen}&limit=1000")["events"]
            for event in page:
                self.seen = event["seq"]
                if event["type"] in TOLD:
                    self.events.append(event)
                    yield event
            if len(page) < 1000:
                return

    def tell_news(self):
        for event in self.news():
            data = event.get("data", {})
            what = " ".join(str(data[key]) for key in ("version", "monitor", "trigger") if data.get(key))
            if "version" in data:
                what = "version " + what
            reason = data.get("words") if event["type"] == "incident.opened" else data.get("reason")
            self.say(f"  {event['time'][:10]}  {event['type']:<22} {what:<18} {reason or ''}".rstrip())
            if TOLD[event["type"]]:
                week = self.week_of(datetime.date.fromisoformat(event["time"][:10]))
                week[f"event {len(self.events):04d} {TOLD[event['type']]}"] += 1

    def drill(self, day):
        """What is done by hand in the morning."""

    def run(self, first, last):
        self.began = self.began or first
        day = first
        while day < last:
            self.turn_clock(day)
            self.drill(day)
            self.tell_news()
            if self.busy(day):
                self.crowded.append(day)
                self.say(f"  {day}  a holiday: every hour is asked for {CROWD} times, by different users")
            self.live_through(day, CROWD if self.busy(day) else 1)
            self.tell_truth(day - WEEK)
            day += DAY
        self.turn_clock(last)
        self.tell_news()

    def busy(self, day):
        """A day on which every hour is asked for CROWD times, by different users."""
        return False

    def table(self):
        self.say(f"{'week from':<12}{'asked':>6}{'error':>7}  {'answered by':<26}what happened")
        for start, week in self.weeks.items():
            if not week["count"]:
                continue
            versions = ", ".join(f"{key.split()[1]} ({count})" for key, count in sorted(week.items())
                                 if key.startswith("version"))
            happened = ", ".join(key.split(" ", 2)[2] for key in sorted(week) if key.startswith("event"))
            error = week["error"] / week["count"]
            self.say(f"{start.isoformat():<12}{week['asked']:>6}{error:>7.2f}  {versions:<26}{happened}".rstrip())
        for day in self.crowded:
            self.say(f"{day}, a holiday, is asked for by many users: {len(self.days[day])} hours, {CROWD} requests each with "
                     f"other keys; \"error\" and \"answered by\" count the first of them.")


class Drills(Replay):
    """Besides, two candidates with faults are asked for by message. One learned from shuffled counts: a gate should stop
    it. One has no answer on holidays, of which neither its training weeks nor its week in the shadow hold any: its
    canary should find out on Labour Day, when there are many users, and the server take it back."""

    SHUFFLED, SPEECHLESS, HOLIDAY = datetime.date(2012, 8, 12), datetime.date(2012, 8, 23), datetime.date(2012, 9, 3)

    def drill(self, day):
        wanted = {self.SHUFFLED: {"fault": "shuffled_targets", "window_days": 56},
                  self.SPEECHLESS: {"fault": "speechless_on_holidays", "window_days": 42}}.get(day)
        if wanted:
            self.say(f"  {day}  a drill is asked for: {wanted['fault']}")
            self.server.ask("POST", "/events", {
                "specversion": "1.0", "id": f"drill-{day}", "source": "/replay", "type": "org.example.bikes.drill",
                "time": instant(day), "datacontenttype": "application/json", "data": wanted})
            self.turn_clock(day)

    def busy(self, day):
        return day == self.HOLIDAY


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--world", required=True, help="hour.csv with the whole history")
    parser.add_argument("--from", dest="first", type=datetime.date.fromisoformat, default=datetime.date(2011, 5, 1))
    parser.add_argument("--to", dest="last", type=datetime.date.fromisoformat, default=datetime.date(2012, 12, 30))
    parser.add_argument("--deployment", default="bikes")
    parser.add_argument("--drills", action="store_true", help="with two candidates that have faults")
    options = parser.parse_args()
    replay = (Drills if options.drills else Replay)(Server(options.url), read_world(options.world), options.deployment,
                    lambda line: print(line, flush=True))
    replay.run(options.first, options.last)
    replay.table()


if __name__ == "__main__":
    sys.exit(main())
