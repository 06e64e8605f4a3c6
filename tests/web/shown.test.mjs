// What the page makes of answers that a life has to go on for long to give: the server's are replaced by such answers here.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { startBrowser, startServer } from "./server.mjs";

let server, browser, page;
const complaints = [];
const hour = 3_600_000, day = 24 * hour, now = Date.now();

const rollout = (of) => ({ id: `r${of.version}`, version: 4, replaces: 3, phase: "live", waiting: false, step: 0, steps: 1, paused: "", undecided: false, forced: false,
  reason: "no request is on an older route any more", asked_by: "ann", created_ms: now - 9 * day, step_started_ms: now - hour, waiting_since_ms: now - hour, ended_ms: 0,
  live_ms: 0, serves: false, gates: [], transitions: [], ...of });
const step = (of) => ({ kind: "canary", percent: 50, min_requests: 20, min_time_ms: 0, max_wait_ms: 0, ...of });
const underWay = (of, ...steps) => rollout({ phase: "canarying", gates_wanted: [], guards: [], plan: { steps, guards: [] }, next: { action: "wait", reason: "0 of 20 answers" },
  counts: { stable: { requests: 0, errors: 0, slow: 0 }, candidate: { requests: 0, errors: 0, slow: 0 } }, ...of });
const deployment = (of) => ({ name: "live", model: "tiny", declared: true, stable: 3, previous: 2, frozen_by: "", frozen_reason: "", fault: "", answers: true, created_ms: now - 9 * day,
  rollout: null, waiting: null, quarantine: [], rollouts: [], rollbacks: [], waivers: [], ...of });
const incident = (of) => ({ id: "0190a5c0-0000-7000-8000-000000000000", deployment: "live", monitor: "quality", requirement: "quality", model: "tiny", version: "3", open: true,
  columns: [], words: "mae is 9", remedy_under_way: false, remedy_version: "", failed_remedies: 0, remedy: "", reason: "", closed_by: "", opened_ms: now - 2 * day, closed_ms: 0,
  opened_seq: 1, ...of });

const api = "**/api/slipway/v1/";
const answer = (path, json) => page.route(api + path, (route) => route.fulfill({ json }));
async function shows(one) {
  await answer("deployments", { deployments: [one] });
  await answer("deployments/live", one);
}
const open = (hash) => page.goto(server.url + "/" + hash);
const card = () => page.getByRole("article", { name: "live" });

before(async () => {
  server = await startServer();
  browser = await startBrowser();
}, { timeout: 120_000 });
beforeEach(async () => {
  await page?.close();
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a step without a longest wait has no deadline, and one without a least time no such goal", async () => {
  await shows(deployment({ rollout: underWay({}, step({})) }));
  await open("#/");
  await card().getByText("0 answers of at least 20", { exact: false }).waitFor();
  const words = await card().innerText();
  assert.match(words, /waits for ever where undecided/);
  assert.doesNotMatch(words, /pauses if undecided|of 0 seconds/);
});

test("a step with them says both, counted from when it began to wait", async () => {
  const waiting = now - 2 * hour;
  await shows(deployment({ rollout: underWay({ step_started_ms: now - 3 * day, waiting_since_ms: waiting }, step({ min_time_ms: day, max_wait_ms: 14 * day })) }));
  await open("#/");
  await card().getByText("pauses if undecided by", { exact: false }).waitFor();
  const words = await card().innerText();
  assert.ok(words.includes(new Date(waiting + 14 * day).toISOString().slice(0, 10)), words);
  assert.match(words, /3 days of 24 hours|3 days of 1 day/);
});

test("a gate that was waived did not pass", async () => {
  const gates = ["integrity", "quality", "parity"].map((gate) => ({ gate, status: gate === "parity" ? "waived" : "pass", words: "so it is" }));
  await shows(deployment({ rollout: underWay({ gates, gates_wanted: gates.map((g) => g.gate) }, step({})) }));
  await open("#/");
  await card().getByText("2 of 3 gates passed, 1 waived").waitFor();
  await card().getByText("integrity, quality; parity waived").waitFor();
});

test("of two rollouts of one version that went live, one serves; each with the time at which it went live", async () => {
  const lived = (id, version, days, serves) => rollout({ id, version, serves, created_ms: now - (days + 1) * day, live_ms: now - days * day, ended_ms: now - days * day + 1 });
  await shows(deployment({ rollouts: [lived("c", 3, 1, true), lived("b", 2, 3, false), lived("a", 3, 5, false)] }));
  await open("#/deployments/live");
  const lines = page.getByRole("region", { name: "Rollouts" }).locator("summary");
  await lines.first().waitFor();
  const texts = await lines.allInnerTexts();
  assert.deepEqual(texts.map((text) => /has served|serves/.exec(text)[0]), ["serves", "has served", "has served"]);
  [1, 3, 5].forEach((days, i) => assert.ok(texts[i].includes(new Date(now - days * day).toISOString().slice(0, 10)), texts[i]));
});

test("a remedy that was promoted is told as that, and is no failure", async () => {
  await shows(deployment({}));
  await answer("incidents?*", { incidents: [incident({ failed_remedies: 1, remedy_version: "4" })] });
  await open("#/");
  await page.getByText("version 4 serves, and has to show in a good window that it helps; before it 1 remedy failed").waitFor();
  const history = ["opened", "remedy_failed", "remedy_started", "remedy_promoted"].map((action, i) =>
    ({ number: i + 1, action, reason: `version ${i}: so it went`, actor: "slipway", evidence: [], event_seq: i + 1, time_ms: now - day + i }));
  await answer("incidents/*", { ...incident({ failed_remedies: 2 }), history });
  await open("#/incidents/0190a5c0-0000-7000-8000-000000000000");
  await page.getByText("2 remedies failed, none under way").waitFor();
  const looks = await page.getByRole("region", { name: "What happened, and why" }).getByRole("listitem").evaluateAll((all) => all.map((one) => one.className));
  assert.deepEqual(looks, ["bad", "bad", "wait", "good"]);
});

test("a monitor of which only a version that is not live was judged names that version", async () => {
  const last = { id: "w", deployment: "live", monitor: "quality", model: "tiny", version: "4", start_ms: now - 2 * day, end_ms: now - day, status: "bad", words: "mae is 9",
    requests: 6, rows: 6, labelled: 6, columns: [], facts: {}, event_seq: 1, judged_ms: now };
  const monitor = { deployment: "live", monitor: "quality", requirement: "quality", against: "", labels: "delayed", window: "1d", waits: "1h", min_rows: 5, persist: 2, begun: true, last };
  await shows(deployment({}));
  await answer("monitors", { monitors: [monitor] });
  await open("#/");
  await card().getByText("of version 4, not live:").waitFor();
});

test("a trigger whose run had nothing to do has fired", async () => {
  await answer("triggers", { triggers: [{ trigger: "nightly", pipeline: "train", on: "cron", cooldown_ms: 0, at_most: null, overlap: "skip", last_fired_ms: now - day, was_skipped: true, rests_until_ms: 0 }] });
  await open("#/");
  const row = page.getByRole("table", { name: "Triggers" }).locator("tr", { hasText: "nightly" });
  await row.getByText("nothing was new").waitFor();
  assert.ok((await row.innerText()).includes(new Date(now - day).toISOString().slice(0, 10)));
});

test("a version's page says that it is in quarantine, and why it can't be served", async () => {
  const version = { name: "tiny", version: "4", status: "READY", creation_timestamp: now - day, source: "models:/m-0", run_id: "", tags: [], aliases: [] };
  await shows(deployment({ quarantine: [{ version: 4, rollout: "r", reason: "error_rate is harmful", since_ms: now - hour }] }));
  await page.route("**/model-versions/get?*", (route) => route.fulfill({ json: { model_version: version } }));
  await page.route("**/v2/repository/index", (route) => route.fulfill({ json: [{ name: "tiny", version: "4", state: "UNAVAILABLE", reason: "not servable yet: flavour sklearn", parameters: { is_default: false, loaded: false } }] }));
  await open("#/models/tiny/versions/4");
  const serving = page.getByRole("region", { name: "Serving" });
  await serving.getByText("In quarantine of live", { exact: false }).waitFor();
  await serving.getByText("error_rate is harmful", { exact: false }).waitFor();
  await serving.getByText("not servable yet: flavour sklearn").waitFor();
});

test("nothing of it is an error of the page", () => assert.deepEqual(complaints, []));
