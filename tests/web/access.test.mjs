// A page that asks who one is: logging in, what is shown then, logging out.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { startBrowser } from "./server.mjs";

const password = "a password of ann";
let folder, child, url, browser, page;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "slipway-web-access-"));
  const state = join(folder, "state");
  const made = spawnSync(process.env.SLIPWAY_BINARY, ["users", "create", "ann", "--admin", "--state", state], { input: password + "\n", encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  child = spawn(process.env.SLIPWAY_BINARY, ["up", "--listen", "127.0.0.1:0", "--state", state], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) {
    url = /ready at (\S+)/.exec(line)?.[1];
    if (url) break;
  }
  browser = await startBrowser();
  page = await (await browser.newContext()).newPage();
}, { timeout: 120_000 });

after(async () => {
  await browser?.close();
  if (child) {
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
});

const logIn = async (given) => {
  await page.getByLabel("User name").fill("ann");
  await page.getByLabel("Password").fill(given);
  await page.getByRole("button", { name: "Log in" }).click();
};

test("a stranger is asked who he is, and sees nothing else", async () => {
  await page.goto(url + "/#/experiments");
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  assert.equal(await page.getByText("Default").count(), 0);
});

test("a wrong password says so", async () => {
  await logIn("not the password");
  await page.getByRole("alert").getByText("wrong").waitFor();
});

test("the right one shows what was asked for, and keeps no secret where a script can read it", async () => {
  await logIn(password);
  await page.getByText("Default").first().waitFor();
  await page.getByText("ann").first().waitFor();
  assert.equal(await page.evaluate(() => document.cookie), "");
  const [cookie] = await page.context().cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"]);
  await page.reload();
  await page.getByText("Default").first().waitFor();
});

test("whoever logs out is a stranger again, and so is his cookie", async () => {
  const [cookie] = await page.context().cookies();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  const answer = await fetch(url + "/api/slipway/v1/me", { headers: { Cookie: `${cookie.name}=${cookie.value}` } });
  assert.equal(answer.status, 401);
});
