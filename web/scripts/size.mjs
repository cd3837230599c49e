// How much script a reader's browser loads, as it travels: all files together, compressed. Fails
// above the limit, so that a library that slips in is seen before people on slow networks see it.
import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 350 * 1000;
const folder = new URL("../dist/assets/", import.meta.url);

const names = await readdir(folder).catch(() => []);
const scripts = names.filter((name) => name.endsWith(".js"));
if (scripts.length === 0) {
  console.error("no script in dist/: run `npm run build`");
  process.exit(1);
}
const sizes = await Promise.all(
  scripts.map(async (name) => gzipSync(await readFile(new URL(name, folder))).length),
);
const total = sizes.reduce((sum, size) => sum + size, 0);
const kilobytes = (bytes) => `${Math.ceil(bytes / 1000)} KB`;
console.log(`scripts, compressed: ${kilobytes(total)} of ${kilobytes(LIMIT_BYTES)}`);
if (total > LIMIT_BYTES) {
  console.error("too much script: see what `npm run build` says about each file");
  process.exitCode = 1;
}
