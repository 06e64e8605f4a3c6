// The page on the state that the demo leaves: a version that serves, a newer one in its canary, the incident that asked for
// it, weeks of windows and thousands of predictions. What the page must say is asked for beside it, by API and command line.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axisTexts, noteTexts, startBrowser, startCircle, until } from "./server.mjs";

let circle, browser, context, page, deployment, incident;
const complaints = [];
const strangers = [];

async function ask(path, body) {
  const response = await fetch(circle.url + path, body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}
const api = (path, body) => ask("/api/slipway/v1/" + path, body);
const open = (hash) => page.goto(circle.url + "/" + hash);
const region = (name) => page.getByRole("region", { name, exact: true });
const says = (text) => page.getByText(text, { exact: false }).first().waitFor();
const cellsOf = (row) => row.locator("th, td").allInnerTexts();
const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const id = (event) => event.subject.slice(event.subject.indexOf(":") + 1);
/// An hour of February, asked for by somebody who names the request.
async function predict(name) {
  const row = { hr: 17, holiday: 0, weekday: 4, workingday: 1, weathersit: 1, temp: 0.5, hum: 0.5, windspeed: 0.25 };
  const inputs = Object.entries(row).map(([column, value]) => ({ name: column, datatype: "FP64", shape: [1], data: [value] }));
  return { row, answer: await ask("/v2/models/bikes/infer", { id: name, inputs }) };
}
/// The answer of the candidate: half of the keys get it.
async function predictByCanary(name) {
  for (let attempt = 0; attempt < 64; ++attempt) {
    const asked = await predict(name);
    if (asked.answer.model_version === String(deployment.rollout.version)) return asked;
  }
  throw new Error("64 requests, and none was answered by the canary");
}

before(async () => {
  circle = await startCircle();
  deployment = await api("deployments/bikes");
  [incident] = (await api("incidents?open=true")).incidents;
  browser = await startBrowser();
  context = await browser.newContext({ viewport: { width: 1280, height: 900 }, timezoneId: "America/New_York" });  // the page says UTC anywhere
  page = await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(`${message.location().url}: ${message.text()}`); });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("request", (request) => { if (!request.url().startsWith(circle.url + "/") && !request.url().startsWith("data:")) strangers.push(request.url()); });
}, { timeout: 900_000 });

after(async () => {
  await browser?.close();
  await circle?.stop();
});

test("the start page says what serves, since when, and how it does", async () => {
  await page.goto(circle.url);
  const card = page.getByRole("article", { name: "bikes" });
  await card.getByRole("link", { name: `version ${deployment.stable}`, exact: true }).waitFor();
  await card.getByText("@champion").waitFor();
  const live = deployment.rollouts.find((r) => r.version === deployment.stable && r.phase === "live");
  const facts = card.locator("dl.facts").first();
  await facts.getByText(day(live.transitions.find((t) => t.to_phase === "promoting").time_ms)).waitFor();
  const { monitors } = await api("monitors");
  for (const monitor of monitors) {
    const said = facts.locator("dd", { has: page.locator(`a[href="#/deployments/bikes?monitor=${monitor.monitor}"]`) });
    const word = { good: "good", warn: "good, with a warning", bad: "bad", undecided: "undecided" }[monitor.last_of_live.status];
    await said.getByText(word, { exact: true }).waitFor();
  }
  const quality = monitors.find((m) => m.monitor === "quality").last_of_live;
  const measured = quality.measured;
  assert.match(await facts.locator("dd", { has: page.locator('a[href$="monitor=quality"]') }).innerText(), new RegExp(`${Number(measured.observed.toPrecision(4))} against ${measured.threshold}`));
  const { time } = await api("clock");
  await says(`replayed time: ${time.slice(0, 10)}`);
});

test("the rollout under way shows what its next step is decided by", async () => {
  deployment = await api("deployments/bikes");
  await open("#/");
  const { rollout } = deployment;
  const card = page.getByRole("article", { name: "bikes" });
  await card.getByRole("link", { name: `Version ${rollout.version}`, exact: true }).waitFor();
  const steps = card.getByRole("list", { name: `Way of version ${rollout.version}` });
  assert.deepEqual((await steps.getByRole("listitem").allInnerTexts()).map((text) => text.replace(/\s+is passed$/, "")), ["gates", ...rollout.plan.steps.map((s) => `${s.kind} ${s.percent} %`), "serves"]);
  assert.equal(await steps.locator('[aria-current="step"]').innerText(), `canary ${rollout.percent} %`);
  for (const guard of rollout.guards) {
    const row = card.getByRole("table", { name: "Guards" }).locator("tr", { has: page.getByRole("rowheader", { name: guard.guard }) });
    const [, finding, candidate, stable, evidence] = await cellsOf(row);
    assert.match(finding, new RegExp({ undecided: "undecided", non_inferior: "not worse", superior: "better", harmful: "harmful" }[guard.finding]));
    assert.equal(candidate, `${guard.candidate_events} of ${guard.candidate_answers}`);
    assert.equal(stable, `${guard.stable_events} of ${guard.stable_answers}`);
    const { margin } = rollout.plan.guards.find((g) => g.name === guard.guard);
    const log = margin === undefined ? guard.log_e_harmful : guard.log_e_non_inferior;
    const e = log === null ? "∞" : Math.exp(log) >= 1e6 ? "> 10⁶" : String(Number(Math.exp(log).toPrecision(3)));
    assert.ok(evidence.startsWith(`E ${e} of ${Math.round(Math.exp(guard.log_enough))}`), evidence);
    assert.ok(evidence.includes(margin === undefined ? "harmful" : `by more than ${margin}`), evidence);
  }
  await card.getByText(`${rollout.gates.length} of ${rollout.gates_wanted.length} gates passed`).click();
  for (const gate of rollout.gates) {
    const row = card.getByRole("table", { name: "Gates" }).locator("tr", { has: page.getByRole("rowheader", { name: gate.gate, exact: true }) });
    assert.deepEqual(await cellsOf(row), [gate.gate, "passed", gate.words]);
  }
});

test("what is wrong is said: since when, likely cause, remedy", async () => {
  await open("#/");
  const row = region("Open incidents").locator("tbody tr");
  await row.first().waitFor();
  assert.equal(await row.count(), 1);
  const [name, state, since, words, cause, remedy] = await cellsOf(row.first());
  assert.equal(name, `${incident.monitor} of bikes`);
  assert.equal(state, "open");
  assert.ok(since.startsWith(day(incident.opened_ms)), since);
  assert.ok(words.includes(incident.words), words);
  for (const column of incident.columns) assert.ok(cause.includes(column), cause);
  assert.equal(remedy, `version ${deployment.rollout.version} is on its way`);
  await row.first().getByRole("link").click();
  await page.getByRole("heading", { name: "quality of bikes" }).waitFor();
  await page.getByText(`version ${deployment.rollout.version} is on its way`, { exact: true }).waitFor();
  const { history } = await api(`incidents/${incident.id}`);
  const told = await region("What happened, and why").getByRole("listitem").allInnerTexts();
  assert.equal(told.length, history.length);
  history.forEach((h, i) => assert.ok(told[i].includes(h.action.replaceAll("_", " ")) && told[i].includes(h.reason), told[i]));
  assert.equal(await region("What happened, and why").getByRole("link", { name: /^window of/ }).count(), history[0].evidence.length);
});

test("what happened is a story from the incident to the canary, each line with its cause", async () => {
  await open("#/");
  const story = region("What happened, and why").locator("details").first();
  await story.getByText(`bikes version ${deployment.rollout.version} for quality of bikes`).waitFor();
  await story.getByText("incident open", { exact: true }).waitFor();
  const lines = await story.getByRole("listitem").allInnerTexts();
  const wanted = [`Incident of bikes: ${incident.words}`, "Trigger decay fired", "Pipeline train was asked for", `bikes version ${deployment.rollout.version} is registered`,
    `asks to serve in place of version ${deployment.stable}`, "Gates of bikes", "goes on to the shadow", "goes on to canary"];
  let at = -1;
  for (const text of wanted) {
    const found = lines.findIndex((line, i) => i > at && line.includes(text));
    assert.ok(found > at, `${text} in ${lines.join("\n")}`);
    at = found;
  }
  const gates = lines.find((line) => line.includes("Gates of bikes"));
  for (const gate of deployment.rollout.gates) assert.ok(gates.includes(gate.gate), gates);
});

test("of the versions that were live once, only the one that serves says so", async () => {
  const live = deployment.rollouts.filter((r) => r.phase === "live");
  await open("#/deployments/bikes");
  const states = region("Rollouts").locator("summary", { hasText: /serves|has served/ });
  await states.first().waitFor();
  const texts = (await states.allInnerTexts()).map((text) => [Number(/version (\d+)/.exec(text)[1]), /has served/.test(text)]);
  assert.deepEqual(texts, live.map((r) => [r.version, r.version !== deployment.stable]));
});

test("an earlier story tells of the version that a gate stopped", async () => {
  const stopped = deployment.rollouts.filter((r) => r.phase === "stopped");
  await open("#/events");
  await page.locator("details.story").first().waitFor();
  for (const rollout of stopped) {
    const story = page.locator("details.story", { hasText: `bikes version ${rollout.version}` });
    await story.getByText("stopped by a gate", { exact: true }).waitFor();
    await story.locator("summary").click();
    await story.getByText(rollout.reason, { exact: false }).first().waitFor();
  }
  await page.locator("details.story", { hasText: "bikes version 1" }).getByText("promoted", { exact: true }).waitFor();
});

test("an event leads back to its first cause", async () => {
  const canary = deployment.rollouts[0].transitions.find((t) => t.to_phase === "canarying");
  await open("#/");
  await region("What happened, and why").getByRole("listitem").filter({ hasText: "goes on to canary" }).getByRole("link", { name: /^why/ }).click();
  await page.getByRole("heading", { name: "rollout advanced" }).waitFor();
  assert.ok(page.url().endsWith(`#/events/${canary.event_seq}`), page.url());
  const chain = region("What led to it").getByRole("listitem");
  await chain.first().waitFor();
  const seqs = (await chain.locator("a.why").allInnerTexts()).map(Number);
  assert.equal(seqs.at(-1), canary.event_seq);
  const events = await Promise.all(seqs.map(async (seq) => (await api(`events?after=${seq - 1}&limit=1`)).events[0]));
  assert.deepEqual(events.map((e) => e.seq), seqs);
  for (const type of ["incident.opened", "trigger.fired", "pipeline_run.requested", "model_version.created", "rollout.requested"])
    assert.ok(events.some((e) => e.type === type), `${type} in ${events.map((e) => e.type)}`);
  assert.equal(id(events.find((e) => e.type === "incident.opened")), incident.id);
  // Each is the cause of the next, or the attempt or run that did it.
  for (let i = 1; i < events.length; ++i) {
    const [cause, effect] = [events[i - 1], events[i]];
    assert.ok(effect.cause_seq === cause.seq || (effect.cause_seq === 0 && (effect.actor === cause.subject || cause.subject === `pipeline_run:${effect.data.pipeline_run}`)), `${cause.type} and ${effect.type}`);
  }
});

test("the windows of a deployment are drawn and listed", async () => {
  const { windows } = await api("windows?deployment=bikes&monitor=quality&limit=1000");
  await open("#/deployments/bikes");
  await page.locator(`[data-monitor="quality"][data-windows="${windows.length}"] canvas`).waitFor();
  const rows = page.getByRole("table", { name: "Windows of quality" }).locator("tbody tr");
  await rows.first().waitFor();
  const shown = await rows.count();
  assert.equal(shown, Math.min(30, windows.length));
  for (let i = 0; i < shown; ++i) {
    const [span, version, state, why, counted, labelled] = await cellsOf(rows.nth(i));
    assert.equal(span, `${day(windows[i].start_ms)} to ${day(windows[i].end_ms)}`);
    assert.deepEqual([version, state, counted, labelled], [windows[i].version, windows[i].status, String(windows[i].rows), String(windows[i].labelled)]);
    assert.ok(why.startsWith(windows[i].words), why);
  }
  const during = windows.slice(0, shown).filter((w) => w.judged_ms >= incident.opened_ms);
  assert.equal(await page.getByRole("table", { name: "Windows of quality" }).locator(`a[href="#/incidents/${incident.id}"]`).count(), during.length);
  assert.ok(during.length > 0);
});

test("the chart shows the measures, what is asked for and the incident", async () => {
  await open("#/deployments/bikes?monitor=quality");
  const canvas = page.locator('[data-monitor="quality"] canvas');
  await canvas.waitFor();
  const share = await canvas.evaluate((element) => {
    const color = (name) => [1, 3, 5].map((at) => parseInt(getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(at, at + 2), 16));
    const { width, height } = element;
    const { data } = element.getContext("2d").getImageData(0, 0, width, height);
    const columns = { line: new Set(), asked: new Set(), band: new Set() };
    const near = (i, [r, g, b]) => Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 40;
    const [accent, bad] = [color("--accent"), color("--bad")];
    for (let i = 0; i < data.length; i += 4) {
      const x = (i / 4) % width;
      if (near(i, accent) && data[i + 3] > 100) columns.line.add(x);
      if (near(i, bad) && data[i + 3] > 100) columns.asked.add(x);
      if (near(i, bad) && data[i + 3] > 15 && data[i + 3] < 60) columns.band.add(x);
    }
    return Object.fromEntries(Object.entries(columns).map(([name, set]) => [name, set.size / width]));
  });
  assert.ok(share.line > 0.5, `the line covers ${share.line} of the width`);
  assert.ok(share.asked > 0.3, `what is asked for covers ${share.asked}`);
  assert.ok(share.band > 0.01 && share.band < 0.5, `incidents cover ${share.band}`);
});

test("a week without labels is undecided, never good", async () => {
  const { windows } = await api("windows?deployment=bikes&monitor=quality&limit=1000");
  const silent = windows.filter((w) => w.status === "undecided");
  assert.ok(silent.some((w) => day(w.start_ms) === "2011-07-03"), JSON.stringify(silent.map((w) => day(w.start_ms))));
  await open("#/deployments/bikes?monitor=quality");
  const table = page.getByRole("table", { name: "Windows of quality" });
  await table.locator("tbody tr").first().waitFor();
  await page.getByRole("button", { name: "Earlier" }).click();
  const row = table.locator("tr", { hasText: "2011-07-03 to 2011-07-10" });
  await row.waitFor();
  assert.equal((await cellsOf(row))[2], "undecided");
});

test("a window opens by keyboard, and says all that was judged of it", async () => {
  const { windows } = await api("windows?deployment=bikes&monitor=drift&limit=1&verdicts=true");
  await open("#/deployments/bikes?monitor=drift");
  const fold = page.getByRole("table", { name: "Windows of drift" }).getByRole("button").first();
  await fold.focus();
  await page.keyboard.press("Enter");
  const decided = page.getByRole("table", { name: "What decided" });
  await decided.locator("tbody tr").first().waitFor();
  assert.equal(await fold.getAttribute("aria-expanded"), "true");
  const { deciding } = windows[0].verdicts;
  assert.equal(await decided.locator("tbody tr").count(), deciding.length);
  const worst = deciding.find((c) => c.status === "warn" || c.status === "fail") ?? deciding[0];
  const row = decided.locator("tr", { has: page.getByRole("rowheader", { name: worst.check, exact: true }) });
  assert.equal((await cellsOf(row))[4], worst.words);
  await page.keyboard.press("Enter");
  await decided.waitFor({ state: "detached" });
});

test("hundreds of windows come page by page, none left out", async () => {
  const { windows } = await api("windows?deployment=bikes&monitor=age&limit=1000");
  assert.ok(windows.length > 200);
  await open("#/deployments/bikes?monitor=age");
  const table = page.getByRole("table", { name: "Windows of age" });
  const seen = [];
  for (;;) {
    const first = day(windows[seen.length].start_ms);
    await table.locator("tbody tr").first().filter({ hasText: `${first} to` }).waitFor();
    seen.push(...await table.locator("tbody th").allInnerTexts());
    const earlier = page.getByRole("button", { name: "Earlier" });
    if (await earlier.isDisabled()) break;
    await earlier.click();
  }
  assert.deepEqual(seen, windows.map((w) => `${day(w.start_ms)} to ${day(w.end_ms)}`));
});

test("the newest answers are listed, by version and outcome, and lead to their explanation", async () => {
  await predict("the newest");
  const list = async (more = "") => (await api("predictions?deployment=bikes&limit=50" + more)).predictions;
  await open("#/predictions");
  const rows = page.getByRole("table", { name: "Recent predictions of bikes" }).locator("tbody tr");
  await rows.first().waitFor();
  const all = await list();
  assert.equal(all.length, 50);
  const names = (found) => found.map((one) => one.id.slice("bikes.".length));
  assert.deepEqual(await rows.locator("th").allInnerTexts(), names(all));
  const candidate = String(deployment.rollout.version);
  await page.getByLabel("Version").selectOption(candidate);
  // While they are fetched there is no row at all.
  await until(page, (version) => {
    const found = [...document.querySelectorAll("tbody tr")];
    return found.length > 0 && found.every((row) => row.cells[3].innerText.startsWith(version));
  }, candidate);
  assert.deepEqual(await rows.locator("th").allInnerTexts(), names(await list("&version=" + candidate)));
  await page.getByLabel("Outcome").selectOption("failed");
  await says("No answer of that kind is in the log.");
  await open("#/predictions?deployment=bikes");
  await rows.first().getByRole("link").first().click();
  await page.getByRole("heading", { name: "A prediction, explained" }).waitFor();
  await region("Where it comes from").waitFor();
});

test("what starts pipelines is listed with its cool-down", async () => {
  const { triggers } = await api("triggers");
  assert.ok(triggers.length > 0);
  await open("#/");
  const table = page.getByRole("table", { name: "Triggers", exact: true });
  for (const one of triggers) {
    const row = table.locator("tr", { has: page.getByRole("rowheader", { name: one.trigger, exact: true }) });
    await row.waitFor();
    const cells = await cellsOf(row);
    assert.deepEqual(cells.slice(0, 3), [one.trigger, one.on, one.pipeline]);
    assert.match(cells[4], one.rests_until_ms ? /rests until 20/ : one.cooldown_ms ? /not resting/ : /none/);
  }
});

test("a deployment says how many it answers just now", async () => {
  await open("#/deployments/bikes");
  const now = page.locator('dt:text-is("Now") + dd');
  await now.getByText(/answers? a minute/).waitFor();
  const before = (await api("answers")).answers.find((one) => one.deployment === "bikes").answered;
  for (let i = 0; i < 20; ++i) await predict(`rate ${i}`);
  assert.equal((await api("answers")).answers.find((one) => one.deployment === "bikes").answered, before + 20);
  await now.getByText(/[1-9][\d.,]* answers? a minute/).waitFor();
});

test("windows of minutes have times of day below them, of weeks days", async () => {
  const other = await context.newPage();
  await noteTexts(other);
  await other.goto(circle.url + "/#/deployments/bikes?monitor=age");
  await other.locator('[data-monitor="age"] canvas').waitFor();
  await until(other, () => window.drawnTexts.some((one) => /^20\d\d-/.test(one.text)));
  const days = await axisTexts(other, /^20\d\d-\d\d-\d\d$/);
  assert.ok(days.length >= 3 && new Set(days).size === days.length, days.join());
  const { windows } = await api("windows?deployment=bikes&monitor=age&limit=6&measured=true");
  const first = Date.parse("2011-06-01T23:57:00Z");
  const short = windows.map((w, i) => ({ ...w, id: `w${i}`, start_ms: first + (5 - i) * 60_000, end_ms: first + (6 - i) * 60_000 }));
  await other.route("**/api/slipway/v1/windows?*", (route) => route.fulfill({ json: { windows: short } }));
  await other.reload();
  await until(other, () => window.drawnTexts.some((one) => /^\d\d:\d\d/.test(one.text)));
  const texts = await axisTexts(other, /^\d\d:\d\d(:\d\d)?$/);
  assert.ok(texts.length >= 3 && new Set(texts).size === texts.length, texts.join());
  assert.ok((await other.evaluate(() => window.drawnTexts.map((one) => one.text))).includes("2011-06-01"), "the day is not said");
  await other.close();
});

test("an answer is explained down to the incident that asked for its version", async () => {
  const { row, answer } = await predictByCanary("hour <b>17</b>");
  const prediction = answer.parameters.prediction_id;
  const facts = await circle.slipway("explain", prediction);
  const node = (kind) => facts.nodes.find((n) => n.kind === kind);
  const nodes = (kind) => facts.nodes.filter((n) => n.kind === kind);
  await open("#/predictions");
  await page.getByLabel("Prediction", { exact: true }).fill(` ${prediction} `);
  await page.keyboard.press("Enter");
  const asked = region("What was asked and answered");
  await asked.waitFor();
  assert.ok(page.url().endsWith("#/predictions/" + prediction), page.url());
  for (const [name, value] of Object.entries(row))
    assert.deepEqual((await cellsOf(asked.getByRole("table", { name: "Inputs" }).locator("tr", { has: page.getByRole("rowheader", { name, exact: true }) }))).map((t) => t.trim()), [name, String(value)]);
  const given = await asked.getByRole("table", { name: "Answer" }).locator("tr").first().locator("td").innerText();
  assert.ok(Math.abs(Number(given) - answer.outputs[0].data[0]) < 1e-3, given);
  await says("no label has come yet");
  await says("hour <b>17</b>");

  const link = async (what) => region("Where it comes from").locator(".chain > li", { has: page.getByRole("heading", { name: what, exact: true }) }).innerText();
  const version = deployment.rollout.version;
  assert.match(await link("Version"), new RegExp(`bikes version ${version}\\b`));
  const rollout = await link("Rollout");
  assert.match(rollout, /shadowing at 100 %/);
  assert.match(rollout, /canarying at 50 %/);
  const gates = await link("Gates"), guards = await link("Guards");
  for (const verdict of nodes("verdict")) {
    const [kind, name] = verdict.attributes.check.split(" ");
    if (kind === "gate" || kind === "guard") assert.ok((kind === "gate" ? gates : guards).includes(`${name} ${verdict.attributes.words}`), verdict.attributes.words);
  }
  assert.ok((await link("Run")).includes(node("run").attributes.name));
  const attempts = await link("Attempts");
  for (const attempt of nodes("attempt")) assert.ok(attempts.includes(attempt.attributes.command), attempts);
  const data = await link("Data");
  for (const edge of facts.edges.filter((e) => e.relation === "used" && e.cause.startsWith("data:") && e.attributes.path)) assert.ok(data.includes(edge.attributes.path) && data.includes(edge.cause.slice(5, 17)), data);
  assert.ok((await link("Commit")).includes(node("commit").id.slice(0, 12)));
  assert.match(await link("Pipeline run"), /pipeline run of train\s+succeeded/);
  assert.ok((await link("Trigger")).includes(`trigger ${node("firing").attributes.trigger}`));
  const because = await link("Because of");
  assert.ok(because.includes("incident of quality of bikes") && because.includes(incident.words), because);
  for (const window of nodes("window")) assert.ok(because.includes(`window of ${day(window.attributes.start_ms)} to ${day(window.attributes.end_ms)}`), because);
  await region("Where it comes from").getByRole("link", { name: "incident of quality of bikes" }).click();
  await page.getByRole("heading", { name: "quality of bikes" }).waitFor();
  assert.ok(page.url().endsWith(incident.id));
});

test("things on the way have pages of their own", async () => {
  const { answer } = await predictByCanary("again");
  await open("#/predictions/" + answer.parameters.prediction_id);
  await region("Where it comes from").getByRole("link", { name: "pipeline run of train" }).click();
  await page.getByRole("heading", { name: "pipeline run of train" }).waitFor();
  await page.getByRole("link", { name: "trigger decay" }).click();
  await page.getByRole("heading", { name: "trigger decay" }).waitFor();
  await page.getByRole("link", { name: "incident of quality of bikes" }).click();
  await page.getByRole("heading", { name: "quality of bikes" }).waitFor();
});

test("an old answer says what turned out, and that nobody's trigger asked for its version", async () => {
  const { id: prediction, count } = circle.labelled;
  const facts = await api("predictions/" + prediction);
  assert.equal(facts.labels[0].value, count);
  await open("#/predictions/" + prediction);
  const answer = region("What was asked and answered").getByRole("table", { name: "Answer" });
  await answer.locator("tr", { hasText: "turned out" }).getByText(`${count} received`, { exact: false }).waitFor();
  const given = Number(await answer.locator("tr").first().locator("td").innerText());
  assert.ok(Math.abs(given - facts.answers[0].outputs[0].predict) < 1e-2, String(given));
  await region("Where it comes from").getByText("It was trained by hand.").waitFor();
});

test("an id that nobody knows, or that is none, says what to do", async () => {
  await open("#/predictions/bikes.0197a5c0-0000-7000-8000-000000000000");
  await page.getByRole("heading", { name: "This prediction is not known" }).waitFor();
  await says("X-Slipway-Prediction-Id");
  await page.getByLabel("Prediction", { exact: true }).fill("hello");
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByRole("alert").waitFor();
  await says("This id cannot be looked up");
  await open("#/incidents/none");
  await page.getByRole("heading", { name: "This incident cannot be shown" }).waitFor();
  await open("#/events/999999999");
  await says("The log has no event 999999999");
  await open("#/deployments/nowhere");
  await page.getByRole("alert").getByText("there is no deployment 'nowhere'").waitFor();
  complaints.splice(0).forEach((text) => assert.match(text, /(explain|incidents\/none|deployments\/nowhere).*: .* 40[04] /));
});

test("hostile words stay words", async () => {
  const hostile = '<img src=x onerror="document.title=1"> & "quotes"';
  await api("deployments/bikes/pause", { actor: "<b>eve</b>", reason: hostile });
  try {
    await open("#/");
    await says(hostile);
    await open("#/deployments/bikes");
    await says(hostile);
    assert.equal(await page.locator('img[src="x"]').count(), 0);
    assert.match(await page.title(), /Slipway$/);
  } finally {
    await api("deployments/bikes/resume", { actor: "test" });
  }
});

test("before the answer, and when the server is gone, the page says so and keeps what it has", async () => {
  const other = await context.newPage();
  let release;
  const held = new Promise((done) => { release = done; });
  await other.route("**/api/slipway/v1/deployments", async (route) => { await held; await route.continue(); });
  await other.goto(circle.url);
  const serves = other.getByRole("region", { name: "What serves" });
  await serves.getByText("Loading…").waitFor();
  release();
  const card = other.getByRole("article", { name: "bikes" });
  await card.getByText("@champion").waitFor();
  await other.unroute("**/api/slipway/v1/deployments");
  await other.route("**/api/slipway/v1/**", (route) => route.abort());
  await serves.getByRole("alert").first().getByText("What you see is from", { exact: false }).waitFor();
  await card.getByRole("link", { name: `version ${deployment.stable}`, exact: true }).waitFor();
  await other.unroute("**/api/slipway/v1/**");
  await serves.getByRole("alert").first().waitFor({ state: "detached" });
  await other.close();
});

test("thousands of deployments ask for no more than a page shows", async () => {
  const other = await context.newPage();
  const [one] = (await api("deployments")).deployments;
  const many = Array.from({ length: 3000 }, (_, i) => ({ ...one, name: `d${String(i).padStart(4, "0")}`, rollout: null }));
  const asked = new Set();
  await other.route("**/api/slipway/v1/deployments", (route) => route.fulfill({ json: { deployments: many } }));
  await other.route("**/api/slipway/v1/deployments/*", (route) => { asked.add(route.request().url()); return route.fulfill({ json: { ...one, rollout: null, rollouts: [], quarantine: [] } }); });
  await other.goto(circle.url);
  await other.getByRole("link", { name: "All 3000 deployments" }).click();
  await other.getByRole("heading", { name: "Deployments" }).waitFor();
  assert.equal(await other.locator("tbody tr").count(), 100);
  assert.equal(asked.size, 8);
  await other.getByRole("button", { name: "Next" }).click();
  await other.getByRole("link", { name: "d0100", exact: true }).waitFor();
  await other.close();
});

test("it is dark where the system is", async () => {
  await page.emulateMedia({ colorScheme: "light" });
  await open("#/");
  await page.getByRole("article", { name: "bikes" }).waitFor();
  const paper = () => page.getByRole("article", { name: "bikes" }).evaluate((e) => getComputedStyle(e).backgroundColor);
  const light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  assert.notEqual(await paper(), light);
  await page.emulateMedia({ colorScheme: null });
});

test("the console stays clean and no other origin is asked", () => {
  assert.deepEqual(complaints, []);
  assert.deepEqual(strangers, []);
});
