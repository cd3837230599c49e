// A demo of its own for tests and pictures: the real binary, a folder and ports that nobody has.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The binary: the one that is named, else what `cargo test` has built. */
export const HEADCOUNT =
  process.env.HEADCOUNT ??
  join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/headcount");

/** Chromium with nothing that reaches out of this machine. */
export const BROWSER = {
  executablePath: await chromium(),
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

async function chromium() {
  if (process.env.CHROMIUM !== undefined) return process.env.CHROMIUM;
  const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  paths.push("/Applications/Chromium.app/Contents/MacOS/Chromium");
  for (const path of paths) {
    if (await there(path)) return path;
  }
  throw new Error("there is no Chromium here: run `make deps`");
}

async function there(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Waits until `look` finds something, and fails with `what` when it does not in time. */
export async function eventually(what, seconds, look) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** A port that nobody has at the moment. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A folder that servers started by root can reach as well, and that has a short name. */
export async function folder() {
  const parent = tmpdir().length < 40 ? tmpdir() : "/tmp";
  const path = await mkdtemp(join(parent, "hc-demo-"));
  await chmod(path, 0o755);
  return { path: join(path, "data"), remove: () => rm(path, { recursive: true, force: true }) };
}

/** A demo that runs. */
export class Demo {
  #child;
  #said = "";

  constructor(dataDir, options = []) {
    this.dataDir = dataDir;
    this.startedAt = Date.now();
    const args = ["demo", "--data-dir", dataDir, ...options];
    this.#child = spawn(HEADCOUNT, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => (this.#said += text));
    }
  }

  /** What it has said so far. */
  get said() {
    return this.#said;
  }

  /** Waits until it says something like this. */
  async says(pattern, seconds = 60) {
    try {
      return await eventually(`the demo says ${pattern}`, seconds, () => {
        if (this.#child.exitCode !== null) throw new Error("the demo has ended");
        return pattern.exec(this.#said);
      });
    } catch (error) {
      throw new Error(`${error.message}\nit said: ${this.#said}`);
    }
  }

  /** The address of its page. */
  async page() {
    const [, address] = await this.says(/page +(http:\/\/\S+)\//, 5);
    return address;
  }

  /** What the API answers. */
  async get(path) {
    const answer = await fetch((await this.page()) + path);
    return answer.json();
  }

  /** Lets something go wrong. */
  async stage(...args) {
    const { stdout } = await run(HEADCOUNT, ["demo", "stage", ...args, "--data-dir", this.dataDir]);
    return stdout;
  }

  /** Ends it as Ctrl-C does. Returns its exit code. */
  async interrupt(signal = "SIGINT") {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill(signal);
      await once(this.#child, "exit");
    }
    return this.#child.exitCode;
  }

  /** Ends it as a power failure would. */
  kill() {
    return this.interrupt("SIGKILL");
  }
}

/** The processes whose command line names the demo's folder. */
export async function processesOf(demo) {
  return (await commandLines()).filter((line) => line.includes(demo.dataDir));
}

async function commandLines() {
  if (!(await there("/proc/self/cmdline"))) {
    const { stdout } = await run("ps", ["-axww", "-o", "args="]);
    return stdout.split("\n");
  }
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = processes.map((name) => readFile(`/proc/${name}/cmdline`, "utf8").catch(() => ""));
  return Promise.all(lines);
}

/** Removes what a demo has kept, by its own command. */
export async function clean(dataDir) {
  const { stdout } = await run(HEADCOUNT, ["demo", "clean", "--data-dir", dataDir]);
  return stdout;
}

/** Sends a heartbeat by hand. */
export async function heartbeat(port, device, payload) {
  const topic = `devices/${device}/heartbeat`;
  await run("mosquitto_pub", ["-p", String(port), "-q", "1", "-t", topic, "-m", payload]);
}
