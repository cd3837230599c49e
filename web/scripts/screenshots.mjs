// Pictures of the pages, for a designer's eye: node scripts/screenshots.mjs BASE_URL OUT_DIR
// Fails when a page logs an error, breaks the content policy or scrolls sideways.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { BROWSER } from "../e2e/demo.mjs";

const [baseUrl, outDir] = process.argv.slice(2);
if (baseUrl === undefined || outDir === undefined) {
  console.error("usage: node scripts/screenshots.mjs BASE_URL OUT_DIR [PATH...]");
  process.exit(2);
}
const asked = process.argv.slice(4);
const paths = asked.length > 0 ? asked : ["/", "/c/ph", "/c/ph/globe", "/status"];

const SIZES = [
  { name: "desktop", viewport: { width: 1280, height: 800 }, hasTouch: false },
  { name: "phone", viewport: { width: 360, height: 780 }, hasTouch: true },
];
const THEMES = ["light", "dark"];
const LANGUAGES = ["en", "ja"];
/** For the charts and small lines to come. */
const SETTLE_MS = 900;

const browser = await chromium.launch(BROWSER);
let troubles = 0;
await mkdir(outDir, { recursive: true });

for (const size of SIZES) {
  for (const colorScheme of THEMES) {
    for (const language of LANGUAGES) {
      const context = await browser.newContext({
        viewport: size.viewport,
        hasTouch: size.hasTouch,
        isMobile: size.hasTouch,
        deviceScaleFactor: size.hasTouch ? 2 : 1,
        colorScheme,
        locale: language === "ja" ? "ja-JP" : "en-GB",
        timezoneId: "Asia/Tokyo",
      });
      const page = await context.newPage();
      for (const path of paths) {
        const where = `${size.name} ${colorScheme} ${language} ${path}`;
        const complain = (text) => {
          troubles += 1;
          console.error(`${where}: ${text}`);
        };
        const onConsole = (message) => message.type() === "error" && complain(message.text());
        const onError = (error) => complain(String(error));
        page.on("console", onConsole);
        page.on("pageerror", onError);
        await page.goto(new URL(path, baseUrl).href, { waitUntil: "load" });
        await page.waitForSelector("h1");
        await page.waitForFunction(() => document.querySelector("[aria-busy=true]") === null);
        await page.waitForTimeout(SETTLE_MS);
        const sideways = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        if (sideways > 0) complain(`scrolls sideways by ${sideways} px`);
        const name = path.replace(/[^a-z0-9]+/gi, "-").replace(/^-|-$/g, "") || "home";
        const file = join(outDir, `${name}-${size.name}-${colorScheme}-${language}.png`);
        await page.screenshot({ path: file, fullPage: true });
        page.off("console", onConsole);
        page.off("pageerror", onError);
      }
      await context.close();
    }
  }
}
await browser.close();
if (troubles > 0) process.exitCode = 1;
