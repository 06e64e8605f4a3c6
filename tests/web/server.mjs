// Starts what the page is tested with: the server, a client that trains, a browser.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

function required(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set`);
  return value;
}

function ended(child) {
  return child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((done) => child.once("exit", done));
}

const pipeline = `stages:
  staged:
    cmd: python stage.py
    deps: [stage.py]
    outs: [made.txt]
`;
const stage = `import mlflow

mlflow.set_experiment("staged")
with mlflow.start_run(run_name="staged-run"):
    mlflow.log_metric("loss", 0.5)
open("made.txt", "w").write("made")
`;

/// A git repository with one stage that logs a run.
async function makeProject(folder) {
  const python = dirname(required("SLIPWAY_PYTHON_MLFLOW3"));
  const env = { ...process.env, PATH: python + delimiter + process.env.PATH, MLFLOW_DISABLE_TELEMETRY: "true", DO_NOT_TRACK: "true", GIT_PYTHON_REFRESH: "quiet" };
  const run = async (...command) => (await promisify(execFile)(command[0], command.slice(1), { cwd: folder, env })).stdout;
  const write = (files) => Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
  await run("git", "init", "-q", ".");
  await run(required("SLIPWAY_BINARY"), "init");
  await write({ "dvc.yaml": pipeline, "stage.py": stage, "notes.txt": "clean\n" });
  await run("git", "add", "-A");
  await run("git", "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "-qm", "one stage");
  /// The commit and the link to the run, which is made with a changed file in the work tree.
  const repro = async () => {
    await write({ "notes.txt": "changed\n" });
    const said = await run(required("SLIPWAY_BINARY"), "repro");
    const link = /View run staged-run at: (\S+)/.exec(said);
    if (!link) throw new Error("the stage printed no link: " + said);
    return { commit: (await run("git", "rev-parse", "HEAD")).trim(), link: link[1] };
  };
  return { repro, slipway: (...command) => run(required("SLIPWAY_BINARY"), ...command) };
}

/// A server in a project of its own; `repro` runs that project's only stage.
export async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), "slipway-web-"));
  const project = await makeProject(folder);
  const child = spawn(required("SLIPWAY_BINARY"), ["up", "--listen", "127.0.0.1:0", "--state", join(folder, ".slipway")], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const url = await new Promise((found, failed) => {
    const read = (chunk) => {
      said += chunk;
      const address = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(said);
      if (address) found(address[0]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => failed(new Error(`the server ended with ${code}: ${said}`)));
    child.once("error", failed);
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await ended(child);
    await rm(folder, { recursive: true });
  };
  return { url, stop, ...project };
}

/// The training script. `fact(step)` waits for the line that says so; `links` are those the client printed.
export function startTraining(url) {
  const child = spawn(required("SLIPWAY_PYTHON_MLFLOW3"), [join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "train.py")], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, MLFLOW_TRACKING_URI: url, MLFLOW_DISABLE_TELEMETRY: "true", DO_NOT_TRACK: "true", GIT_PYTHON_REFRESH: "quiet" },
  });
  const links = [];
  const facts = [];
  const waiting = [];
  let complaint = "";
  child.stderr.on("data", (chunk) => { complaint += chunk; });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const link = /View (run|experiment|Logged Model)\b.* at: (http\S+)/i.exec(line);
    if (link) links.push({ what: link[1], url: link[2] });
    if (!line.startsWith("FACT ")) return;
    facts.push(JSON.parse(line.slice(5)));
    for (const look of [...waiting]) look();
  });
  const over = new Promise((_, failed) => child.once("close", (code) => failed(new Error(`the training script ended with ${code}: ${complaint}`))));
  over.catch(() => {});
  const fact = (step) => Promise.race([over, new Promise((found) => {
    const look = () => {
      const index = facts.findIndex((f) => f.step === step);
      if (index < 0) return;
      waiting.splice(waiting.indexOf(look), 1);
      found(facts.splice(index, 1)[0]);
    };
    waiting.push(look);
    look();
  })]);
  return { links, fact, tell: (line) => child.stdin.write(line + "\n"), stop: async () => { child.kill("SIGKILL"); await ended(child); } };
}

/// Notes every text that stands on a canvas of the page, as window.drawnTexts: { canvas, text, x, y, width }, x being its left
/// end; what is wiped is forgotten.
export const noteTexts = (page) => page.addInitScript(() => {
  window.drawnTexts = [];
  const { fillText: draw, clearRect: wipe } = CanvasRenderingContext2D.prototype;
  const canvases = [];
  const number = (canvas) => (canvases.includes(canvas) ? 0 : canvases.push(canvas), canvases.indexOf(canvas));
  CanvasRenderingContext2D.prototype.clearRect = function (...area) {
    const wiped = number(this.canvas);
    window.drawnTexts = window.drawnTexts.filter((one) => one.canvas !== wiped);
    return wipe.apply(this, area);
  };
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
    const { width } = this.measureText(text);
    const shift = { center: width / 2, right: width, end: width }[this.textAlign] ?? 0;
    window.drawnTexts.push({ canvas: number(this.canvas), text: String(text), x: x - shift, y, width });
    return draw.call(this, text, x, y, ...rest);
  };
});
/// Of the chart that was drawn last, the labels in a row below it that match; of no chart may one lie on another.
export async function axisTexts(page, pattern) {
  const all = (await page.evaluate(() => window.drawnTexts)).filter((one) => pattern.test(one.text));
  let row = [];
  for (const canvas of [...new Set(all.map((one) => one.canvas))].sort((a, b) => a - b)) {
    const mine = all.filter((one) => one.canvas === canvas);
    const highest = Math.min(...mine.map((one) => one.y));
    row = mine.filter((one) => one.y === highest).sort((a, b) => a.x - b.x);
    for (let i = 1; i < row.length; ++i)
      if (row[i].x < row[i - 1].x + row[i - 1].width) throw new Error(`the label ${row[i].text} lies on ${row[i - 1].text}`);
  }
  return row.map((one) => one.text);
}

/// Waits for a condition in the page, which forbids the eval that the browser's driver would wait by.
export async function until(page, holds, arg) {
  for (const end = Date.now() + 30_000; !(await page.evaluate(holds, arg));) {
    if (Date.now() > end) throw new Error(`within 30 s it never held: ${holds}`);
    await page.evaluate(() => new Promise((next) => requestAnimationFrame(next)));
  }
}

export const startBrowser = () => chromium.launch({
  executablePath: process.env.SLIPWAY_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/// The circle of the demo, lived through up to a canary (circle.py); `slipway` runs a command of its project.
export async function startCircle() {
  const root = await mkdtemp(join(tmpdir(), "slipway-circle-"));
  const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
  const child = spawn(required("SLIPWAY_PYTHON_MLFLOW3"), [join(here, "circle.py"), join(root, "bikes")], { stdio: ["pipe", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (chunk) => { complaint += chunk; });
  const facts = await new Promise((found, failed) => {
    createInterface({ input: child.stdout }).once("line", (line) => found(JSON.parse(line)));
    child.once("close", (code) => failed(new Error(`the replay ended with ${code}: ${complaint}`)));
    child.once("error", failed);
  });
  const slipway = async (...command) => JSON.parse((await promisify(execFile)(required("SLIPWAY_BINARY"), ["--json", ...command], { cwd: facts.folder, maxBuffer: 64 << 20 })).stdout);
  const stop = async () => {
    child.stdin.end();
    await ended(child);
    await rm(root, { recursive: true });
  };
  return { ...facts, slipway, stop };
}
