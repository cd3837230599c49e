// Every page in a real browser, on made-up answers: what is in the address, what leads where, what
// is said when something is missing, and whether everybody can use it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { BROWSER } from "./demo.mjs";

const PICTURES = fileURLToPath(new URL("../../target/browser", import.meta.url));
const SERVER = fileURLToPath(new URL("../test/fixtures/serve.mjs", import.meta.url));
const AXE = await readFile(
  fileURLToPath(new URL("../node_modules/axe-core/axe.min.js", import.meta.url)),
  "utf8",
);
const WAIT = { timeout: 20_000 };

let browser, server, address;
const troubles = [];

before(async () => {
  await mkdir(PICTURES, { recursive: true });
  browser = await chromium.launch(BROWSER);
  server = spawn(process.execPath, [SERVER], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  address = await new Promise((resolve) => {
    server.stdout.setEncoding("utf8");
    server.stdout.once("data", (said) => resolve(/http:\/\/[^/]+/.exec(said)[0]));
  });
});

after(async () => {
  await browser?.close();
  server?.kill();
});

// A test that fails leaves nothing behind for the next one.
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  await scene("normal");
});

async function scene(name) {
  await fetch(`${address}/scene/${name}`, { method: "POST" });
}

/** A page that notes everything that goes wrong in it. */
async function open(path, options = {}) {
  const { expected = /^$/, ...rest } = options;
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: "en-GB",
    timezoneId: "Asia/Tokyo",
    permissions: ["clipboard-read", "clipboard-write"],
    ...rest,
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => troubles.push(`${path}: ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.test(message.text())) {
      troubles.push(`${path}: ${message.text()}`);
    }
  });
  await page.goto(address + path);
  await page.locator("h1").first().waitFor(WAIT);
  return page;
}

const search = (page) => new URL(page.url()).searchParams;
const heading = (page, name) => page.getByRole("heading", { name }).first();

test("range and zone are in the address, and back takes a choice back", async () => {
  const page = await open("/c/ph");
  await heading(page, "7 days, by the hour").waitFor(WAIT);
  await heading(page, "3 hours, by the minute").waitFor(WAIT);

  await page.getByRole("radio", { name: "24 h" }).check();
  await heading(page, "24 hours, by the minute").waitFor(WAIT);
  assert.equal(search(page).get("range"), "24h");
  await page.getByRole("radio", { name: "UTC" }).check();
  await page.getByText("Times: UTC").first().waitFor(WAIT);
  assert.equal(search(page).get("tz"), "utc");
  await page.getByLabel("Other zone…").selectOption("America/New_York");
  await page
    .getByText(/Times: New York, UTC−[45]/)
    .first()
    .waitFor(WAIT);

  await page.goBack();
  await page.getByText("Times: UTC").first().waitFor(WAIT);
  await page.goBack();
  await page.getByText("Times: Manila, UTC+8").first().waitFor(WAIT);
  await page.goBack();
  await heading(page, "3 hours, by the minute").waitFor(WAIT);
  await page.goForward();
  await heading(page, "24 hours, by the minute").waitFor(WAIT);
  await page.context().close();
});

test("two instants are written by the page's clock, and stand still", async () => {
  const page = await open("/c/ph?tz=utc");
  await page.getByRole("radio", { name: "From – to" }).check();
  const day = new Date(Date.now() - 3 * 86_400_000).toISOString().slice(0, 10);
  await page.getByLabel("From", { exact: true }).fill(`${day}T10:00`);
  await page.getByLabel("To", { exact: true }).fill(`${day}T09:00`);
  assert.ok(await page.getByRole("button", { name: "Show", exact: true }).isDisabled());
  await page.getByLabel("To", { exact: true }).fill(`${day}T16:00`);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await heading(page, "6 hours, by the minute").waitFor(WAIT);
  assert.equal(search(page).get("from"), `${day}T10:00:00Z`);
  assert.equal(search(page).get("to"), `${day}T16:00:00Z`);
  await page.getByText("stand still").waitFor(WAIT);
  await page.getByRole("link", { name: "Follow the present" }).click();
  await heading(page, "3 hours, by the minute").waitFor(WAIT);
  assert.equal(search(page).get("from"), null);
  await page.context().close();
});

test("a shared link shows somebody elsewhere the same times", async () => {
  const page = await open("/c/ph?range=6h&tz=mine&by=firmware");
  await heading(page, "6 hours, by the minute").waitFor(WAIT);
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByRole("button", { name: "Link copied" }).waitFor(WAIT);
  const link = new URL(await page.evaluate(() => navigator.clipboard.readText()));
  const query = link.searchParams;
  assert.equal(query.get("tz"), "Asia/Tokyo");
  assert.equal(query.get("by"), "firmware");
  assert.equal(query.get("range"), null);
  assert.equal(query.get("lang"), null, "the language is the reader's");
  assert.equal(Date.parse(query.get("to")) - Date.parse(query.get("from")), 6 * 3_600_000);
  await page.context().close();

  const elsewhere = { locale: "ja-JP", timezoneId: "Europe/Paris" };
  const theirs = await open(link.pathname + link.search, elsewhere);
  await theirs.getByText("時刻: 東京、UTC+9").first().waitFor(WAIT);
  await theirs.getByText("固定されています").waitFor(WAIT);
  await theirs.context().close();
});

test("where the browser keeps the clipboard to itself, the link is there to be copied by hand", async () => {
  const page = await open("/c/ph");
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await page.getByRole("button", { name: "Copy link" }).click();
  const field = page.getByLabel("Copy this link:");
  await field.waitFor(WAIT);
  assert.match(await field.inputValue(), /\/c\/ph\?from=.*&to=.*&tz=Asia\/Manila$/);
  assert.ok(await field.evaluate((element) => element.selectionEnd === element.value.length));
  await page.context().close();
});

test("from all countries to one silent device in three clicks, and its way back", async () => {
  const page = await open("/");
  await page.getByRole("link", { name: "Philippines" }).click();
  await page.getByRole("button", { name: "Show the devices" }).click();
  const devices = page.getByRole("link", { name: /^IMEI:/ });
  await devices.first().waitFor(WAIT);
  const name = await devices.first().textContent();
  assert.equal(await devices.count(), 10);
  await page.getByRole("button", { name: "Show more" }).click();
  await page.waitForFunction(() => document.querySelectorAll('a[href^="/d/"]').length === 14);
  await devices.first().click();
  await heading(page, name.trim()).waitFor(WAIT);
  await page.getByText("7 days, by the hour").waitFor(WAIT);
  assert.ok((await page.locator(".cell.heard").count()) > 50);
  await page.getByText("no: buffered, sent later").waitFor(WAIT);
  await page.getByRole("link", { name: "Globe" }).click();
  await page.waitForURL(/\/c\/ph\/globe/);
  await page.context().close();
});

test("a carrier has a page of its own", async () => {
  const page = await open("/c/ph?range=24h");
  await page.getByRole("table").first().getByRole("link", { name: "Globe" }).click();
  await heading(page, "Globe").waitFor(WAIT);
  assert.equal(search(page).get("range"), "24h", "the range goes along");
  await page.getByText("Share of the country").waitFor(WAIT);
  const csv = await page
    .getByRole("link", { name: "Download as CSV" })
    .first()
    .getAttribute("href");
  assert.match(csv, /hours\.csv\?from=.*&carrier=globe/);
  await page.getByRole("link", { name: "Philippines" }).click();
  await heading(page, "Philippines").waitFor(WAIT);
  await page.context().close();
});

test("what a count is made of, by region, firmware and signal", async () => {
  const page = await open("/c/ph");
  await page.getByRole("row", { name: /Metro Manila.*Marked drop/ }).waitFor(WAIT);
  await page.getByRole("radio", { name: "Signal" }).check();
  await page.getByText("Fair (−105 to −90 dBm)").waitFor(WAIT);
  assert.equal(search(page).get("by"), "signal");
  // Deploys and maintenance are named below the charts.
  await page.getByText("2.4.1 to every tenth device").waitFor(WAIT);
  await page.getByRole("link", { name: "server 0.2.0" }).waitFor(WAIT);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download as CSV" }).last().click();
  assert.equal((await download).suggestedFilename(), "ph-signal.csv");
  await page.context().close();
});

test("all countries at a glance: us apart from the devices, what is expected where it is known", async () => {
  const page = await open("/");
  const japan = page.getByRole("listitem").filter({ hasText: "Japan" });
  await japan.locator(".expected").waitFor(WAIT);
  assert.match(await japan.locator(".expected").textContent(), /\d/);
  const philippines = page.getByRole("listitem").filter({ hasText: "Philippines" });
  assert.match(await philippines.locator(".expected").textContent(), /—/);
  await page.getByText("All countries, 24 hours").waitFor(WAIT);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "CSV" }).click();
  assert.equal((await download).suggestedFilename(), "countries.csv");
  await page.getByRole("link", { name: /Pipeline: counting Lag: 2 s/ }).click();
  await heading(page, "The way of a heartbeat").waitFor(WAIT);
  assert.equal(await page.getByText("works", { exact: true }).count(), 5);
  const gaps = page.waitForEvent("download");
  await page.getByRole("button", { name: "CSV" }).click();
  assert.equal((await gaps).suggestedFilename(), "gaps.csv");
  await page.context().close();
});

test("what changes is told by the server; without that the page asks, and says when it cannot", async () => {
  const page = await open("/c/ph", { expected: /ERR_EMPTY_RESPONSE|ERR_CONNECTION|INCOMPLETE/ });
  await page.locator(".as-of", { hasText: "Live" }).waitFor(WAIT);
  await scene("down");
  await page.getByText(/Not up to date since/).waitFor(WAIT);
  await page.locator(".as-of", { hasText: "Asked every few seconds" }).waitFor(WAIT);
  await scene("normal");
  await page.locator(".as-of", { hasText: "Live" }).waitFor({ timeout: 40_000 });
  await page.getByText(/Not up to date since/).waitFor({ state: "detached", timeout: 40_000 });
  await page.context().close();
});

test("what is not known is no number, and that we cannot count is said first", async () => {
  await scene("cannot-count");
  const page = await open("/");
  await page.getByText("We cannot count right now").waitFor(WAIT);
  await page.getByRole("link", { name: /Pipeline: not counting Lag/ }).click();
  await page.getByText("lags behind").waitFor(WAIT);
  await page.context().close();
  await scene("normal");
});

test("a viewer is told that devices are for operators", async () => {
  await scene("viewer");
  const expected = /status of 403/;
  const page = await open("/c/ph", { expected });
  await page.getByRole("button", { name: "Show the devices" }).click();
  await page.getByText("Single devices are shown to operators only.").waitFor(WAIT);
  await page.context().close();
  const device = await open("/d/IMEI:1", { expected });
  await device.getByText("Single devices are shown to operators only.").waitFor(WAIT);
  await device.context().close();
  await scene("normal");
});

test("what is not there is said", async () => {
  const expected = /status of 404/;
  for (const [path, says] of [
    ["/c/xx", "No device was ever heard in the country “XX”."],
    ["/c/ph/nobody", "No device was ever heard through a carrier “nobody” in Philippines."],
    ["/d/nobody", "There is no device “nobody”."],
  ]) {
    const page = await open(path, { expected });
    await page.getByText(says).waitFor(WAIT);
    await page.context().close();
  }
});

const PAGES = [
  "/",
  "/c/ph",
  "/c/jp?range=24h",
  "/c/ph/globe",
  "/d/IMEI:356938035610000",
  "/status",
];

test("nothing scrolls sideways on a phone, in both languages and both themes", async () => {
  for (const [lang, colorScheme] of [
    ["en", "light"],
    ["ja", "dark"],
  ]) {
    for (const path of PAGES) {
      const page = await open(`${path}${path.includes("?") ? "&" : "?"}lang=${lang}`, {
        viewport: { width: 360, height: 740 },
        hasTouch: true,
        isMobile: true,
        colorScheme,
      });
      await page.waitForFunction(() => document.querySelector("[aria-busy=true]") === null);
      await page.waitForTimeout(800);
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(wide <= 0, `${path} in ${lang} scrolls sideways by ${wide} px`);
      const name = `360${path.replace(/[^a-z0-9]+/gi, "-")}-${lang}.png`;
      await page.screenshot({ path: join(PICTURES, name), fullPage: true });
      await page.context().close();
    }
  }
});

test("no serious finding about access", async () => {
  for (const colorScheme of ["light", "dark"]) {
    for (const path of PAGES) {
      const page = await open(path, { colorScheme });
      await page.waitForFunction(() => document.querySelector("[aria-busy=true]") === null);
      await page.waitForTimeout(800);
      // The page's own policy lets no strange script in; the tests may.
      const session = await page.context().newCDPSession(page);
      await session.send("Runtime.evaluate", { expression: AXE });
      // Other colours change nothing but contrasts.
      const only = colorScheme === "dark" ? { runOnly: ["color-contrast"] } : {};
      const { violations } = await page.evaluate((options) => window.axe.run(options), only);
      const serious = violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
      assert.deepEqual(serious, [], `${path}, ${colorScheme}`);
      await page.context().close();
    }
  }
});

test("on paper there are the numbers in black on white, and nothing to press", async () => {
  const page = await open("/c/ph", { colorScheme: "dark" });
  await page.emulateMedia({ media: "print" });
  await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "light");
  assert.ok(await page.getByRole("heading", { name: "Philippines" }).isVisible());
  assert.equal(await page.getByRole("button", { name: "Copy link" }).isVisible(), false);
  await page.evaluate(() => window.dispatchEvent(new Event("afterprint")));
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.context().close();
});

test("nothing went wrong in the pages", () => {
  assert.deepEqual(troubles, []);
});
