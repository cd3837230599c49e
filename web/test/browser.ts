import type { Surroundings } from "../src/live/feed";

/** A browser with a clock that the test moves. */
export class FakeBrowser implements Surroundings {
  at = 0;
  shown = true;
  #timers = new Map<number, { due: number; run: () => void }>();
  #wakers = new Set<() => void>();
  #ids = 0;

  now = () => this.at;
  random = () => 0;
  visible = () => this.shown;
  setTimeout = (run: () => void, ms: number) => {
    this.#timers.set(++this.#ids, { due: this.at + ms, run });
    return this.#ids;
  };
  clearTimeout = (id: number) => void this.#timers.delete(id);
  onWake = (run: () => void) => {
    this.#wakers.add(run);
    return () => void this.#wakers.delete(run);
  };

  get waiting(): number[] {
    return [...this.#timers.values()].map((timer) => timer.due - this.at);
  }
  get listeners(): number {
    return this.#wakers.size;
  }

  async pass(ms: number) {
    const until = this.at + ms;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a[1].due - b[1].due)[0];
      if (next === undefined || next[1].due > until) break;
      this.at = next[1].due;
      this.#timers.delete(next[0]);
      next[1].run();
      await settle();
    }
    this.at = until;
  }

  async show(shown: boolean) {
    this.shown = shown;
    for (const run of this.#wakers) run();
    await settle();
  }
}

export async function settle() {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
