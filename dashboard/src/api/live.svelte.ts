// The glance that every page shares: one question every two seconds for the whole tab.

import type { Glance } from "./answers.ts";
import { read, token } from "./ask.ts";
import { Watch } from "./watch.svelte.ts";

const EVERY_MS = 2_000;
const LOST_AFTER_MS = 3_000;

export const glance = new Watch<Glance>(() => read<Glance>("/api/glance"), EVERY_MS);

/** How the tab stands to the gateway. */
class Standing {
  #tick = $state(Date.now());

  constructor() {
    setInterval(() => (this.#tick = Date.now()), 1_000);
  }

  get wantsToken(): boolean {
    return glance.refusedAs === 401;
  }

  get isLost(): boolean {
    const since = glance.failingSince;
    return since !== null && !this.wantsToken && this.#tick - since >= LOST_AFTER_MS;
  }

  get lostForS(): number {
    return glance.failingSince === null ? 0 : (this.#tick - glance.failingSince) / 1_000;
  }
}

export const standing = new Standing();

export function signOut(): void {
  token.forget();
  void glance.now();
}
