// The transitions of a connection as stays: in which state it was for how long.

import type { Step } from "../../api/answers.ts";

export interface Stay {
  state: string;
  /** What led there, why, and who began it; empty for the first that is known. */
  event: string;
  cause: string;
  initiator: string;
  /** Null where nobody knows. */
  seconds: number | null;
  goesOn: boolean;
}

/**
 * Return the stays, oldest first. Only the last transitions are kept, so a long life begins in the
 * middle. `lives` tells that the last stay goes on, `stateS` for how long it has.
 */
export function stays(steps: Step[], lives: boolean, stateS: number | null = null): Stay[] {
  const [first] = steps;
  if (first === undefined) return [];
  const found: Stay[] = [];
  if (first.previous !== null) {
    const unknown = { event: "", cause: "", initiator: "" };
    found.push({ ...unknown, state: first.previous, seconds: first.after_s, goesOn: false });
  }
  for (const [n, step] of steps.entries()) {
    const next = steps[n + 1];
    found.push({
      state: step.state,
      event: step.event,
      cause: step.cause,
      initiator: step.initiator ?? "",
      seconds: next?.after_s ?? (lives ? stateS : null),
      goesOn: next === undefined && lives,
    });
  }
  return found;
}
