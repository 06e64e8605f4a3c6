import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { startBrowser, startServer, startTraining } from "./server.mjs";

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
}, { timeout: 120_000 });

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
  await page.getByRole("link", { name: "version 1" }).click();
  await page.getByRole("heading", { name: "page model version 1" }).waitFor();
  await page.getByRole("link", { name: "done-run" }).waitFor();
  assert.match(page.url(), /#\/models\/page%20model\/versions\/1$/);
});

test("the serving page says what serves", async () => {
  await open("#/serving");
  const row = page.locator("tr", { hasText: "page model" });
  await row.getByText("ready", { exact: true }).waitFor();
  await says("/v2/models/page%20model/versions/1/infer");
});

test("what is missing is said", async () => {
  await open("#/experiments/0/runs/00000000000000000000000000000000");
  await page.getByRole("alert").getByText("not found").waitFor();
  complaints.splice(0).forEach((text) => assert.match(text, /runs\/get\?.*: .* 404 /));
  await open("#/nowhere");
  await says("nothing at this address");
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
