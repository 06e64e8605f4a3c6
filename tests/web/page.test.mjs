import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { axisTexts, noteTexts, startBrowser, startServer, startTraining, until } from "./server.mjs";

let server, training, browser, context, page, done;
const complaints = [];  // of the browser's console
const strangers = [];   // requests to another origin

async function post(path, body) {
  const response = await fetch(server.url + "/api/2.0/mlflow/" + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}
const open = (hash) => page.goto(server.url + "/" + hash);
const says = (text) => page.getByText(text, { exact: false }).first().waitFor();
const chart = (metric, points) => page.locator(`[data-metric="${metric}"][data-points="${points}"]`).waitFor();

before(async () => {
  server = await startServer();
  training = startTraining(server.url);
  browser = await startBrowser();
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  page = await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(`${message.location().url}: ${message.text()}`); });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("request", (request) => { if (!request.url().startsWith(server.url + "/") && !request.url().startsWith("data:")) strangers.push(request.url()); });
  done = await training.fact("done");
}, { timeout: 240_000 });

after(async () => {
  await browser?.close();
  await training?.stop();
  await server?.stop();
});

test("the link that the client prints shows the run", async () => {
  const link = training.links.find((l) => l.what === "run").url;
  assert.equal(link, `${server.url}/#/experiments/${done.experiment}/runs/${done.run}`);
  await page.goto(link);
  await page.getByRole("heading", { name: "done-run" }).waitFor();
  for (const text of ["finished", "reg:squarederror", "rides <b>&amp;</b>", "hours", "page model version 1"]) await says(text);
  assert.equal(await page.locator("table.latest tr", { hasText: "loss" }).locator("td").first().innerText(), "0.02");
  assert.equal(await page.locator("table.latest tr", { hasText: "odd" }).locator("td").first().innerText(), "NaN");
});

test("a metric with one point is a number, not a line over steps that it has not", async () => {
  await chart("odd", 1);
  assert.equal(await page.locator('[data-metric="odd"]').innerText(), "NaN");
  assert.equal(await page.locator('[data-metric="odd"] canvas').count(), 0);
});

test("its metric is drawn", async () => {
  await chart("loss", 50);
  const drawn = await page.locator('[data-metric="loss"] canvas').evaluate((canvas) => {
    const color = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const columns = new Set();
    for (let i = 0; i < data.length; i += 4) {
      const near = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 40;
      if (near && data[i + 3] > 100) columns.add((i / 4) % canvas.width);
    }
    return columns.size / canvas.width;
  });
  assert.ok(drawn > 0.5, `the line covers ${drawn} of the chart's width`);
});

test("a run says on which day it began and ended", async () => {
  for (const what of ["Started", "Ended"])
    assert.match(await page.locator(`dt:text-is("${what}") + dd`).innerText(), /\d{1,2} [A-Z][a-z]{2,3} \d{4}, \d{2}:\d{2}/, what);
});

test("over time, the axis of a chart of seconds says times of day that can be read", async () => {
  const other = await context.newPage();
  await noteTexts(other);
  await other.goto(page.url());
  await other.locator('[data-metric="loss"][data-points="50"] canvas').waitFor();
  await other.evaluate(() => { window.drawnTexts = []; });
  await other.getByLabel("Over").selectOption("time");
  await until(other, () => window.drawnTexts.some((one) => /^\d\d:\d\d/.test(one.text)));
  const texts = await axisTexts(other, /^\d\d:\d\d(:\d\d)?$/);
  assert.ok(texts.length >= 2, texts.join());
  await other.close();
});

test("an artifact can be downloaded", async () => {
  await page.getByText("notes/").click();
  const waiting = page.waitForEvent("download");
  await page.getByRole("link", { name: "hello.txt" }).click();
  assert.equal(await readFile(await (await waiting).path(), "utf8"), "hello artifact");
});

test("points of a running run appear by themselves", async () => {
  training.tell("log 0 10");
  const live = await training.fact("logged");
  await open(`#/experiments/${done.experiment}/runs/${live.run}`);
  await chart("loss", 10);
  await says("running");
  training.tell("log 10 35");
  await training.fact("logged");
  await chart("loss", 35);
  training.tell("end");
  await training.fact("ended");
  await says("finished");
});

test("runs can be filtered and ordered", async () => {
  await open("#/experiments");
  await page.getByRole("link", { name: "page", exact: true }).click();
  await page.getByRole("link", { name: "live-run" }).waitFor();
  await page.getByLabel("Filter").fill('params.depth = "4"');
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "live-run" }).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "done-run" }).waitFor();
  await page.getByLabel("Filter").fill("params.depth ~ nonsense");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  complaints.splice(0).forEach((text) => assert.match(text, /runs\/search: .* 400 /));  // the refused filter, and nothing else
  await page.getByLabel("Filter").fill("");
  await page.keyboard.press("Enter");
  for (const [order, first] of [["ascending", "done-run"], ["descending", "live-run"]]) {
    await page.getByRole("button", { name: "loss" }).click();
    await page.locator(`th[aria-sort="${order}"]`).waitFor();
    await page.locator("tbody tr").first().getByRole("link", { name: first }).waitFor();
  }
});

test("what differs between runs comes first", async () => {
  await open(`#/experiments/${done.experiment}`);
  await page.getByRole("link", { name: "live-run" }).waitFor();
  const heads = () => page.locator("thead th").allInnerTexts();
  const params = (await heads()).filter((text) => /^(a\d|depth|objective)$/.test(text));
  assert.deepEqual(params, ["depth", "objective", "a0", "a1", "a2", "a3"]);
  await page.getByLabel("only differing").check();
  await page.getByRole("button", { name: "a0" }).waitFor({ state: "detached" });
  assert.deepEqual((await heads()).filter((text) => /^(a\d|depth|objective)$/.test(text)), ["depth", "objective"]);
});

test("chosen runs are compared side by side", async () => {
  await open(`#/experiments/${done.experiment}`);
  await page.getByLabel("Compare done-run").check();
  await page.getByLabel("Compare live-run").check();
  await page.getByRole("link", { name: "Compare", exact: true }).click();
  await page.getByRole("heading", { name: "Runs side by side" }).waitFor();
  await page.getByRole("link", { name: "live-run" }).waitFor();
  const row = (key) => page.locator("tr", { has: page.getByRole("rowheader", { name: key, exact: true }) });
  assert.deepEqual(await row("depth").locator("td").allInnerTexts(), ["4", "5"]);
  assert.deepEqual(await row("objective").locator("td").allInnerTexts(), ["reg:squarederror", "absent"]);
  assert.equal(await row("a0").count(), 1);
  await page.getByLabel("only differing").check();
  await row("a0").waitFor({ state: "detached" });
  assert.equal(await row("depth").count(), 1);
});

test("a run says which stage made it, from which commit, and leads to its lineage", async () => {
  const made = await server.repro();
  await page.goto(made.link);
  const origin = page.getByRole("region", { name: "Where it comes from" });
  await origin.getByText("python stage.py").waitFor();
  await origin.getByText("dirty", { exact: true }).waitFor();
  await origin.getByRole("link", { name: `commit ${made.commit.slice(0, 12)}` }).click();
  await page.getByRole("heading", { name: `commit ${made.commit.slice(0, 12)}` }).waitFor();
  await page.getByRole("link", { name: "attempt of staged" }).click();
  await page.getByRole("heading", { name: "attempt of staged" }).waitFor();
  await says("python stage.py");
  await page.getByRole("link", { name: /^run / }).click();
  await page.getByRole("heading", { name: "staged-run" }).waitFor();
  assert.equal(page.url(), made.link);
});

test("a run that no stage made says so", async () => {
  await open(`#/experiments/${done.experiment}/runs/${done.run}`);
  await says("No stage of a pipeline made this run.");
});

test("many runs come page by page", async () => {
  const { experiment_id } = await post("experiments/create", { name: "many " + Date.now() });
  for (let i = 0; i < 130; ++i) await post("runs/create", { experiment_id, run_name: `run-${i}`, start_time: 1_700_000_000_000 + i });
  await open(`#/experiments/${experiment_id}`);
  await page.getByRole("link", { name: "run-129" }).waitFor();
  assert.equal(await page.locator("tbody tr").count(), 100);
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("link", { name: "run-0", exact: true }).waitFor();
  assert.equal(await page.locator("tbody tr").count(), 30);
  await page.getByRole("button", { name: "Previous" }).click();
  await page.getByRole("link", { name: "run-129" }).waitFor();
});

test("an experiment without runs says what to do", async () => {
  const name = "empty " + Date.now();
  const { experiment_id } = await post("experiments/create", { name });
  await open(`#/experiments/${experiment_id}`);
  await says("No runs yet");
  await says(`mlflow.set_experiment("${name}")`);
});

test("models and versions are shown", async () => {
  await open("#/models");
  await page.getByRole("link", { name: "page model" }).click();
  await page.getByRole("heading", { name: "page model" }).waitFor();
  await says("@champion");
  await page.getByRole("rowheader").getByRole("link", { name: "version 1" }).click();
  await page.getByRole("heading", { name: "page model version 1" }).waitFor();
  await page.getByRole("link", { name: "done-run" }).waitFor();
  assert.match(page.url(), /#\/models\/page%20model\/versions\/1$/);
});

test("a model links its runs where they are", async () => {
  await open("#/models/page%20model");
  await says("The bare name means");
  await page.getByRole("link", { name: done.run.slice(0, 8) }).click();
  await page.getByRole("heading", { name: "done-run" }).waitFor();
  assert.match(page.url(), new RegExp(`#/experiments/${done.experiment}/runs/${done.run}$`));
});

test("the serving page says what serves, loaded or not, and what a bare name means", async () => {
  await open("#/serving");
  const ready = page.getByRole("region", { name: "Answers predictions" });
  const row = (name, version) => ready.locator("tr", { has: page.getByRole("rowheader", { name, exact: true }) }).filter({ has: page.getByRole("link", { name: version, exact: true }) });
  await row("page model", "1").getByText("ready", { exact: true }).waitFor();
  await says("/v2/models/page%20model/versions/1/infer");
  await row("named", "2").getByText("loads when first asked").waitFor();
  await row("named", "1").getByText("/deployments/named/invocations").waitFor();
  assert.equal(await row("named", "2").getByText("/deployments/named/invocations").count(), 0);
});

test("the serving page shows what a version takes when it is asked", async () => {
  const row = page.getByRole("region", { name: "Answers predictions" }).locator("tr", { has: page.getByRole("rowheader", { name: "named", exact: true }) }).filter({ has: page.getByRole("link", { name: "2", exact: true }) });
  await row.getByText("what it takes and gives").click();
  await row.getByRole("table", { name: "Columns" }).getByRole("rowheader").first().waitFor();
});

test("a model's page tells what this version measures of its test score from what it does not", async () => {
  await open("#/models/named");
  const score = page.getByRole("region", { name: "ML Test Score" });
  await score.getByRole("row").filter({ hasText: "I7 models can be rolled back quickly" }).getByText("slipway rollback DEPLOYMENT").waitFor();
  assert.equal(await score.getByRole("row").count(), 11);
  await score.getByText("18 tests that this version of Slipway does not measure").click();
  await score.getByText("every feature is beneficial").waitFor();
});

test("a version's page lists its columns, and its requests work as copied", async () => {
  for (const [version, requests] of [["1", 2], ["2", 1]]) {
    await open(`#/models/named/versions/${version}`);
    const serving = page.getByRole("region", { name: "Serving" });
    await serving.getByRole("rowheader", { name: "it's warm", exact: true }).waitFor();
    const cells = await serving.locator("table.inputs tbody tr").allInnerTexts();
    assert.deepEqual(cells.map((text) => text.split(/\s*\t\s*/)), [["it's warm", "boolean", "yes"], ["wind", "double", "yes"], ["hour", "long", "yes"]]);
    await serving.getByText(version === "1" ? "means this version" : "version 1").first().waitFor();
    const lines = (await serving.locator("pre").allInnerTexts()).filter((text) => text.startsWith("curl "));
    assert.equal(lines.length, requests);
    for (const line of lines) {
      const { stdout } = await promisify(execFile)("sh", ["-c", line.replace(/^curl /, "curl -sS ")]);
      assert.ok((JSON.parse(stdout).predictions ?? JSON.parse(stdout).outputs)?.length > 0, line + "\n" + stdout);
    }
  }
});

test("requests of a model without names work as copied", async () => {
  await open("#/models/page%20model/versions/1");
  const serving = page.getByRole("region", { name: "Serving" });
  await serving.getByText("means this version").waitFor();
  const lines = (await serving.locator("pre").allInnerTexts()).filter((text) => text.startsWith("curl "));
  assert.equal(lines.length, 2);
  for (const line of lines) {
    const { stdout } = await promisify(execFile)("sh", ["-c", line.replace(/^curl /, "curl -sS ")]);
    assert.ok((JSON.parse(stdout).predictions ?? JSON.parse(stdout).outputs)?.length > 0, line + "\n" + stdout);
  }
});

test("what is missing is said", async () => {
  await open("#/experiments/0/runs/00000000000000000000000000000000");
  await page.getByRole("alert").getByText("not found").waitFor();
  complaints.splice(0).forEach((text) => assert.match(text, /runs\/get\?.*: .* 404 /));
  await open("#/nowhere");
  await says("nothing at this address");
});

test("a server without deployments says on its start page what to do", async () => {
  await page.goto(server.url);
  await page.getByRole("heading", { name: "Home" }).waitFor();
  await page.getByRole("heading", { name: "Nothing is declared yet" }).waitFor();
  await says("slipway apply");
  await page.getByRole("region", { name: "Open incidents" }).getByText("None.").waitFor();
  await page.getByRole("region", { name: "What happened, and why" }).getByRole("link", { name: "page model version 1 is registered", exact: true }).waitFor();
  await open("#/deployments");
  await page.getByRole("heading", { name: "Nothing is declared yet" }).waitFor();
});

test("once a project without a deployment is applied, the start page says the next step", async () => {
  await server.slipway("apply");
  await page.goto(server.url);
  await page.getByRole("heading", { name: "No deployment is declared yet" }).waitFor();
  await says("slipway plan");
  await says("deployments:");
  await says("model: named");
});

test("the keyboard reaches the content", async () => {
  await open("#/models");
  await page.reload();
  await page.getByRole("heading", { name: "Models" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

test("the console stays clean and no other origin is asked", () => {
  assert.deepEqual(complaints, []);
  assert.deepEqual(strangers, []);
});
