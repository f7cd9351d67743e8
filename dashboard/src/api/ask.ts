// One question to the gateway, with the token if there is one.

const TIMEOUT_MS = 10_000;
const KEPT_AS = "keepline.token";

/** The gateway answered, and said no. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

/** Nothing came back. */
export class Unreachable extends Error {}

/** Kept until this tab is closed, and never where another tab could read it. */
export const token = {
  get: (): string | null => sessionStorage.getItem(KEPT_AS),
  keep: (value: string): void => sessionStorage.setItem(KEPT_AS, value),
  forget: (): void => sessionStorage.removeItem(KEPT_AS),
};

export function read<T>(path: string): Promise<T> {
  return asked<T>(path, { method: "GET" });
}

export function change<T>(path: string, body: unknown = {}): Promise<T> {
  return asked<T>(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
}

async function asked<T>(path: string, init: RequestInit): Promise<T> {
  const headers = new Headers(init.headers);
  const shown = token.get();
  if (shown !== null) headers.set("Authorization", `Bearer ${shown}`);
  let answer: Response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    answer = await fetch(path, { ...init, headers, signal, cache: "no-store" });
  } catch {
    throw new Unreachable();
  }
  let body: unknown;
  try {
    body = await answer.json();
  } catch {
    throw answer.ok ? new Unreachable() : new Refused(answer.status, answer.statusText);
  }
  if (!answer.ok) throw new Refused(answer.status, detailOf(body) || answer.statusText);
  return body as T;
}

function detailOf(body: unknown): string {
  const detail = (body as { detail?: unknown } | null)?.detail;
  if (typeof detail === "string") return detail;
  if (!Array.isArray(detail)) return "";
  return detail.map((each: { loc?: unknown[]; msg?: string }) => `${each.loc?.at(-1)}: ${each.msg}`).join("; ");
}
