// The pictures of the README, from a demo of their own while its first outage lasts:
//   node e2e/pictures.mjs FOLDER [ADDRESS_OF_A_DEMO_THAT_RUNS]
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { BROWSER, Demo, eventually, folder } from "./demo.mjs";

const [out, running] = process.argv.slice(2);
if (out === undefined) {
  console.error("usage: node e2e/pictures.mjs FOLDER [ADDRESS]");
  process.exit(2);
}

const PICTURES = [
  { name: "countries", path: "/?lang=en", width: 1280, height: 720, scale: 1 },
  { name: "country", path: "/c/ph?lang=en", width: 1280, height: 1100, scale: 1 },
  { name: "phone", path: "/c/ph?lang=ja", width: 390, height: 844, scale: 2, theme: "dark" },
];

/** How long the first outage of a demo may take to be plain. */
const DIP_WITHIN_SECONDS = 420;
/** For charts to be drawn, and for the series to be asked for anew. */
const SETTLE_MS = 17_000;

let demo, data;
let address = running;
if (address === undefined) {
  data = await folder();
  demo = new Demo(data.path, ["--port", "0", "--broker-port", "0"]);
  address = await demo.page();
  console.log(`a demo gets ready at ${address}; its first outage is plain in about five minutes`);
}
const browser = await chromium.launch(BROWSER);
try {
  await eventually("an outage", DIP_WITHIN_SECONDS, async () => {
    const answer = await fetch(`${address}/api/v1/countries/ph/now`);
    if (!answer.ok) return false;
    const { items } = await answer.json();
    const [before, now] = [items.at(-6)?.devices, items.at(-1)?.devices];
    return before && now && now < 0.86 * before;
  });
  await mkdir(out, { recursive: true });
  await Promise.all(
    PICTURES.map(async ({ name, path, width, height, scale, theme = "light" }) => {
      const page = await browser.newPage({
        viewport: { width, height },
        deviceScaleFactor: scale,
        colorScheme: theme,
        timezoneId: "Asia/Tokyo",
      });
      await page.goto(address + path);
      await page.waitForTimeout(SETTLE_MS);
      await page.screenshot({ path: join(out, `${name}.png`) });
      console.log(`${name}.png`);
    }),
  );
} finally {
  await browser.close();
  await demo?.interrupt();
  await data?.remove();
}
