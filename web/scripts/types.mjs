// Writes src/api/schema.d.ts from the API's description; with --check only says whether it is
// up to date.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const description = new URL("../../crates/api/openapi.json", import.meta.url);
const target = new URL("../src/api/schema.d.ts", import.meta.url);

const header = "// Made by `npm run types` from crates/api/openapi.json. Do not edit.\n\n";
const wanted = header + astToString(await openapiTS(description, { alphabetize: true }));

if (process.argv.includes("--check")) {
  const found = await readFile(target, "utf8").catch(() => "");
  if (found !== wanted) {
    console.error("src/api/schema.d.ts does not fit crates/api/openapi.json: run `npm run types`");
    process.exitCode = 1;
  }
} else {
  await writeFile(target, wanted);
}
