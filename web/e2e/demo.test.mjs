// The demo as a newcomer meets it: one command, the page in a real browser, a heartbeat by hand,
// an outage to look at, Ctrl-C, and on again.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import {
  BROWSER,
  clean,
  Demo,
  eventually,
  folder,
  freePort,
  heartbeat,
  processesOf,
} from "./demo.mjs";

/** Where pictures of what the tests saw are kept, for people. */
const PICTURES = fileURLToPath(new URL("../../target/browser", import.meta.url));

// Devices send every 10 seconds and are reachable for a minute, so that an outage shows quickly.
const QUICK = ["--interval", "10s", "--devices", "800", "--days", "8", "--steady"];

let data, taken, brokerPort, browser, demo;
const troubles = [];

before(async () => {
  await mkdir(PICTURES, { recursive: true });
  browser = await chromium.launch(BROWSER);
  data = await folder();
  brokerPort = await freePort();
  // Somebody has the port that is asked for.
  taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  demo = begin();
});

after(async () => {
  await demo?.interrupt();
  await browser?.close();
  taken?.close();
  await data?.remove();
});

function begin() {
  const { port } = taken.address();
  return new Demo(data.path, [...QUICK, "--port", port, "--broker-port", brokerPort].map(String));
}

/** A page that notes everything that goes wrong in it. */
async function open(path, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options });
  page.on("pageerror", (error) => troubles.push(`${path}: ${error}`));
  page.on("console", (message) => {
    // While the demo gets ready it answers 503, and its events end with it; the browser notes both.
    const expected =
      /status of 503|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING/;
    const isMissing = path.startsWith("/nowhere") && /status of 404/.test(message.text());
    if (message.type() === "error" && !expected.test(message.text()) && !isMissing) {
      troubles.push(`${path}: ${message.text()}`);
    }
  });
  await page.goto((await demo.page()) + path);
  return page;
}

async function picture(page, name) {
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

/** What the series of the Philippines says of the minutes since then. */
async function minutesSince(since) {
  const { items } = await demo.get("/api/v1/countries/ph/now");
  return items.filter((minute) => Date.parse(minute.at) > since);
}

/** The number that a country's row shows; NaN while it shows none. */
async function shown(page, country) {
  const row = page.getByRole("listitem").filter({ has: page.getByRole("link", { name: country }) });
  const count = row.locator(".count");
  return (await count.count()) === 1 ? number(await count.textContent()) : NaN;
}

function number(text) {
  return /^[\d,]+$/.test(text.trim()) ? Number(text.replaceAll(",", "")) : NaN;
}

test("the page is up at once, names a port that was taken, and shows how far it is", async () => {
  const { port } = taken.address();
  await demo.says(new RegExp(`port ${port} is taken`), 5);
  const answer = await fetch(await demo.page());
  assert.equal(answer.status, 200);
  assert.ok(Date.now() - demo.startedAt < 5000, "within five seconds");
  const page = await open("/");
  await page.getByRole("progressbar").waitFor({ timeout: 5000 });
  await picture(page, "preparing");
  // It goes over to the counts by itself.
  await page.getByRole("link", { name: "Philippines" }).waitFor({ timeout: 120_000 });
  await page.close();
});

test("seven countries, with counts that live", async () => {
  await demo.says(/ready after/, 120);
  const page = await open("/");
  for (const country of ["Philippines", "Indonesia", "India", "Cambodia", "Thailand", "Japan"]) {
    await eventually(`${country} has a count`, 20, async () => (await shown(page, country)) > 0);
  }
  await picture(page, "countries");
  const { items } = await demo.get("/api/v1/countries");
  const philippines = items.find((item) => item.country === "ph");
  assert.ok(philippines.now > 100, JSON.stringify(philippines));
  assert.ok(
    Math.abs(philippines.now / philippines.week_ago - 1) < 0.25,
    JSON.stringify(philippines),
  );
  await page.close();
});

test("a heartbeat sent by hand shows up within five seconds", async () => {
  const page = await open("/");
  await page.getByRole("link", { name: "Philippines" }).waitFor();
  assert.ok(Number.isNaN(await shown(page, "Singapore")));
  const sentAt = Date.now();
  await heartbeat(brokerPort, "my-car", '{"mcc":"525","mnc":"01"}');
  await eventually(
    "Singapore has one device",
    5,
    async () => (await shown(page, "Singapore")) === 1,
  );
  console.log(`# a heartbeat by hand was on the page after ${Date.now() - sentAt} ms`);
  await picture(page, "by-hand");
  await page.close();
});

test("an outage that is staged is plain on the page, and then over", async () => {
  const page = await open("/c/ph");
  const now = page
    .locator(".numbers, main")
    .getByText(/^[\d,]+$/)
    .first();
  const reachable = async () => number(await now.textContent());
  const earlier = await eventually("a count", 20, reachable);
  // The live fleet goes on where the history ends: no minute differs much from the one before.
  await eventually(
    "a live minute",
    90,
    async () => (await minutesSince(demo.startedAt)).length > 0,
  );
  const counts = (await minutesSince(demo.startedAt - 20 * 60_000)).map((it) => it.devices);
  for (const [index, count] of counts.entries()) {
    const before = counts[index - 1] ?? count;
    assert.ok(Math.abs(count - before) <= 0.1 * before, `a seam: ${counts}`);
  }
  const said = await demo.stage("regional-outage", "--lasts", "130s");
  assert.match(said, /globe in Metro Manila falls silent/);
  await assert.rejects(demo.stage("firmware"), /is on until/, "one at a time");
  const stagedAt = Date.now();
  const dip = await eventually("the dip", 180, async () => {
    const count = await reachable();
    return count < 0.9 * earlier && count;
  });
  console.log(`# ${earlier} to ${dip} devices, ${Math.round((Date.now() - stagedAt) / 1000)} s on`);
  // The line of the chart follows the number within a minute.
  await eventually("the dip in the series", 90, async () =>
    (await minutesSince(stagedAt)).some((it) => it.devices !== null && it.devices < 0.9 * earlier),
  );
  // The page asks for the series every quarter of a minute.
  await page.waitForTimeout(16_000);
  await picture(page, "outage");
  await eventually("all are back", 120, async () => (await reachable()) > 0.95 * earlier);
  await page.close();
});

test("our own broker's failure is unknown, not a dip", async () => {
  const page = await open("/");
  await demo.stage("broker", "--lasts", "40s");
  await page.getByText("We cannot count right now").waitFor({ timeout: 30_000 });
  await eventually("the count is unknown", 60, async () =>
    Number.isNaN(await shown(page, "Philippines")),
  );
  await picture(page, "broker-down");
  await demo.says(/broker: over/, 60);
  await eventually("it counts again", 120, async () => (await shown(page, "Philippines")) > 0);
  await page.close();
});

test("it fits a phone, in both languages and both themes", async () => {
  for (const [language, colorScheme] of [
    ["en", "light"],
    ["ja", "dark"],
  ]) {
    for (const path of ["/", "/c/ph", "/c/in", "/status", "/nowhere"]) {
      const viewport = { width: 360, height: 740 };
      const page = await open(`${path}?lang=${language}`, { viewport, colorScheme });
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      await page.waitForTimeout(500);
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - window.innerWidth,
      );
      assert.ok(wide <= 0, `${path} in ${language} scrolls sideways by ${wide} px`);
      await picture(page, `phone-${language}${path.replaceAll("/", "-")}`);
      await page.close();
    }
  }
});

/** A start that was killed while it loaded, and one that was interrupted, are begun anew. */
async function interruptedLoads() {
  const { path, remove } = await folder();
  const options = ["--devices", "2000", "--port", "0", "--broker-port", "0", "--steady"];
  const percent = async (which) => (await which.get("/api/v1/status")).preparing?.percent ?? 0;
  for (const end of ["kill", "interrupt"]) {
    const begun = new Demo(path, options);
    await eventually("it has loaded a part", 60, async () => (await percent(begun)) >= 25);
    await begun[end]();
  }
  const again = new Demo(path, options);
  try {
    await again.says(/ready after/, 120);
    const { items: hours } = await again.get("/api/v1/countries/ph/hours");
    assert.ok(hours.length >= 24 && hours.every((hour) => hour.devices > 100));
  } finally {
    await again.interrupt();
    await remove();
  }
}

test("Ctrl-C leaves nothing running, and the next start goes on without a false outage", async () => {
  // Of all moments, while our own broker is down.
  await demo.stage("broker", "--lasts", "10m");
  assert.equal(await demo.interrupt(), 0, demo.said);
  assert.match(demo.said, /nothing is left running/);
  await eventually("no process is left", 10, async () => (await processesOf(demo)).length === 0);
  const endedAt = Date.now();
  // Long enough for everybody to be unreachable, had they been silent.
  const pause = new Promise((resolve) => setTimeout(resolve, 75_000));
  await Promise.all([pause, interruptedLoads()]);

  demo = begin();
  await demo.says(/ready after/, 60);
  const page = await open("/");
  await eventually("the counts are there", 20, async () => (await shown(page, "Philippines")) > 0);
  await eventually(
    "a live minute",
    90,
    async () => (await minutesSince(demo.startedAt)).length > 0,
  );
  const between = await minutesSince(endedAt);
  assert.ok(between.length >= 2, JSON.stringify(between));
  for (const { at, devices } of between) {
    assert.ok(devices !== null, `${at} is unknown`);
    const first = between[0].devices;
    assert.ok(Math.abs(devices - first) <= 0.1 * first, JSON.stringify(between));
  }
  await page.close();

  // Another fleet does not fit into the same folder.
  await demo.interrupt();
  const other = new Demo(data.path, ["--devices", "10", "--port", "0", "--broker-port", "0"]);
  await eventually("it is refused", 30, () => /holds another fleet/.test(other.said));
  await other.interrupt();
  assert.match(await clean(data.path), /removed/);
});

test("nothing went wrong in the pages", () => {
  assert.deepEqual(troubles, []);
});
