// Asks for one thing again and again while somebody looks at it.

import { Refused } from "./ask.ts";

const SLOWEST_MS = 15_000;

/** What was answered last, and why there is nothing newer. */
export class Watch<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<Error | null>(null);
  failingSince = $state<number | null>(null);
  #ask: () => Promise<T>;
  #everyMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #asked = 0;

  constructor(ask: () => Promise<T>, everyMs: number) {
    this.#ask = ask;
    this.#everyMs = everyMs;
  }

  /** Ask from now on, but not while nobody sees the page; returns how to end it. */
  start = (): (() => void) => {
    this.#running = true;
    const seen = () => {
      if (!document.hidden) void this.now();
    };
    document.addEventListener("visibilitychange", seen);
    void this.now();
    return () => {
      this.#running = false;
      this.#asked += 1; // what is still under way is nobody's answer any more
      clearTimeout(this.#timer);
      document.removeEventListener("visibilitychange", seen);
    };
  };

  /** Ask at once; an answer to an earlier question is not taken after that. */
  now = async (): Promise<void> => {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    try {
      const data = await this.#ask();
      if (asked !== this.#asked) return;
      this.data = data;
      this.error = null;
      this.failingSince = null;
    } catch (error) {
      if (asked !== this.#asked) return;
      this.error = error as Error;
      this.failingSince ??= Date.now();
    }
    if (this.#running && !document.hidden) this.#timer = setTimeout(this.now, this.#waitMs());
  };

  #waitMs(): number {
    // A gateway that is gone is asked no more often than one that is here, and ever more seldom.
    const failingMs = this.failingSince === null ? 0 : Date.now() - this.failingSince;
    return Math.min(SLOWEST_MS, Math.max(this.#everyMs, failingMs / 4));
  }

  get refusedAs(): number | null {
    return this.error instanceof Refused ? this.error.status : null;
  }
}
