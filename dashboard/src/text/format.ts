// Numbers as people read them: short, with their unit, and of one width where they stand in columns.

import type { Code, Strings } from "./strings.ts";

export const NOTHING = "–";

const LOCALES: Record<Code, string> = { en: "en-GB", zh: "zh-CN" };
const STEPS: [number, keyof Strings["units"]][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

type Known = number | null | undefined;

function isKnown(value: Known): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

/** All that is told as a number, in one language. */
export class Format {
  readonly code: Code;
  readonly #units: Strings["units"];
  readonly #space: string;

  constructor(code: Code, units: Strings["units"]) {
    this.code = code;
    this.#units = units;
    this.#space = "\u202f"; // a narrow one, at which no line is broken
  }

  /** A count, or anything else without a unit. */
  count(value: Known, digits = 0): string {
    if (!isKnown(value)) return NOTHING;
    return new Intl.NumberFormat(LOCALES[this.code], {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }).format(value);
  }

  /** Three significant figures at most: 1,234 · 12.3 · 0.012. */
  figure(value: Known): string {
    if (!isKnown(value)) return NOTHING;
    const size = Math.abs(value);
    const digits = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
    return this.count(value, digits).replace(/([.]\d*?)0+$/, "$1").replace(/[.]$/, "");
  }

  bytes(value: Known): string {
    if (!isKnown(value)) return NOTHING;
    let step = 0;
    let size = value;
    while (Math.abs(size) >= 1_000 && step < BYTES.length - 1) {
      size /= 1_024;
      step += 1;
    }
    return `${this.figure(size)}${this.#space}${BYTES[step]}`;
  }

  rate(value: Known): string {
    return isKnown(value) ? `${this.figure(value)}${this.#units.perSecond}` : NOTHING;
  }

  bytesRate(value: Known): string {
    return isKnown(value) ? `${this.bytes(value)}${this.#units.perSecond}` : NOTHING;
  }

  percent(value: Known): string {
    if (!isKnown(value)) return NOTHING;
    const digits = value === 0 || Math.abs(value) >= 9.95 ? 0 : 1;
    return `${this.count(value, digits)}${this.#space}${this.#units.percent}`;
  }

  share(value: Known): string {
    return this.percent(isKnown(value) ? value * 100 : value);
  }

  /** A length of time in its two largest units: 3 d 4 h · 12 min · 1.24 s · 15 ms. */
  duration(seconds: Known): string {
    if (!isKnown(seconds)) return NOTHING;
    if (seconds < 60) return this.#short(Math.max(0, seconds));
    for (const [index, [size, unit]] of STEPS.entries()) {
      if (seconds < size) continue;
      const whole = Math.floor(seconds / size);
      const [smaller, name] = STEPS[index + 1] ?? [1, "s"];
      const rest = Math.floor((seconds - whole * size) / smaller);
      const large = this.#with(whole, unit);
      return rest === 0 || whole >= 10 ? large : `${large} ${this.#with(rest, name)}`;
    }
    return NOTHING;
  }

  #short(seconds: number): string {
    if (seconds >= 10) return this.#with(Math.floor(seconds), "s");
    if (seconds >= 1) return this.#with(seconds, "s", 1);
    const ms = seconds * 1_000;
    return this.#with(ms, "ms", ms >= 10 || ms === 0 ? 0 : ms >= 1 ? 1 : 2);
  }

  #with(value: number, unit: keyof Strings["units"], digits = 0): string {
    return `${this.count(value, digits)}${this.#space}${this.#units[unit]}`;
  }

  /** A moment: the time alone where it is of today. */
  moment(iso: string | null | undefined, today = new Date()): string {
    if (!iso) return NOTHING;
    const at = new Date(iso);
    const time = at.toLocaleTimeString(LOCALES[this.code], { hour12: false });
    if (at.toDateString() === today.toDateString()) return time;
    const day = at.toLocaleDateString(LOCALES[this.code], { month: "short", day: "numeric" });
    return `${day} ${time}`;
  }

  /** A gauge in the unit that its name ends in. */
  gauge(name: string, value: Known): string {
    if (name.endsWith("_bytes_per_s")) return this.bytesRate(value);
    if (name.endsWith("_per_s")) return this.rate(value);
    if (name.endsWith("_bytes")) return this.bytes(value);
    if (name.endsWith("_percent")) return this.percent(value);
    if (name.endsWith("_s")) return this.duration(value);
    return this.figure(value);
  }
}

/** Seconds from a moment to another, never below zero. */
export function secondsSince(iso: string, until: string | number = Date.now()): number {
  return Math.max(0, (new Date(until).getTime() - new Date(iso).getTime()) / 1_000);
}
