// Which sessions somebody wants to see, and in which order.

export type Order = "age" | "frame" | "byte" | "rtt" | "pings" | "failures";

export interface Wanted {
  text: string;
  state: string;
  verdict: string;
  by: Order;
  descending: boolean;
  limit: number;
}

export const SIZES = [50, 100, 250] as const;
export const ANY: Wanted = { text: "", state: "", verdict: "", by: "age", descending: false, limit: 50 };

export function isFiltered(wanted: Wanted): boolean {
  return Boolean(wanted.text || wanted.state || wanted.verdict);
}

/** The question of the API for the page that begins `behind` a row. */
export function query(wanted: Wanted, behind: string): string {
  const asked = new URLSearchParams({
    by: wanted.by,
    descending: String(wanted.descending),
    limit: String(wanted.limit),
  });
  for (const name of ["text", "state", "verdict"] as const) {
    if (wanted[name]) asked.set(name, wanted[name]);
  }
  if (behind) asked.set("behind", behind);
  return asked.toString();
}

/** The order after a click on a column: the other way round where it is that already. */
export function reordered(wanted: Wanted, by: Order): Partial<Wanted> {
  if (wanted.by === by) return { descending: !wanted.descending };
  return { by, descending: by !== "age" && by !== "frame" && by !== "byte" };
}
