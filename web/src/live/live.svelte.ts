import { NOTHING_YET, phaseOf, reduce, type Feed, type FeedHandle, type Snapshot } from "./feed";

/** A live resource as a component sees it. */
export class Live<T> {
  #snapshot = $state.raw<Snapshot<T>>(NOTHING_YET);
  #handle: FeedHandle | null = null;

  get data(): T | null {
    return this.#snapshot.data;
  }
  get receivedAt(): number | null {
    return this.#snapshot.receivedAt;
  }
  get error(): unknown {
    return this.#snapshot.error;
  }
  get failures(): number {
    return this.#snapshot.failures;
  }
  get phase() {
    return phaseOf(this.#snapshot);
  }

  refresh() {
    this.#handle?.refresh();
  }

  /** Follows a feed from its beginning; returns what ends it. */
  follow(feed: Feed<T>): () => void {
    this.#snapshot = NOTHING_YET;
    const handle = feed.open((event) => {
      this.#snapshot = reduce(this.#snapshot, event);
    });
    this.#handle = handle;
    return () => {
      handle.close();
      this.#handle = null;
    };
  }
}

/**
 * Follows a feed as long as the component lives. What `feed` reads is watched: a change opens
 * the new feed and gives up the old one. Null: nothing to follow now.
 */
export function live<T>(feed: () => Feed<T> | null): Live<T> {
  const resource = new Live<T>();
  $effect(() => {
    const current = feed();
    return current === null ? undefined : resource.follow(current);
  });
  return resource;
}
