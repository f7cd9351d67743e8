import assert from "node:assert/strict";
import { test } from "node:test";

import { en } from "../src/text/en.ts";
import { Format, NOTHING, secondsSince } from "../src/text/format.ts";
import { zh } from "../src/text/zh.ts";

const as = new Format("en", en.units);

/** With plain spaces instead of narrow ones. */
function plain(text: string): string {
  return text.replaceAll("\u202f", " ");
}

function each(tell: (value: number) => string, rows: [number, string][]): void {
  for (const [value, told] of rows) assert.equal(plain(tell(value)), told, String(value));
}

test("a figure has three digits that matter", () => {
  each((value) => as.figure(value), [
    [0, "0"], [0.0123, "0.012"], [0.5, "0.5"], [0.9714, "0.97"], [1.239, "1.24"], [12.34, "12.3"], [10, "10"], [123.4, "123"], [15_000, "15,000"],
  ]);
});

test("bytes go up to the unit in which they are short", () => {
  each((value) => as.bytes(value), [
    [0, "0 B"], [999, "999 B"], [1_024, "1 KiB"], [1_048_576, "1 MiB"], [85_000_000, "81.1 MiB"], [1_023_000_000, "976 MiB"],
    [1_073_741_824, "1 GiB"], [5e15, "4,547 TiB"],
  ]);
});

test("a time is told in its two largest units", () => {
  each((value) => as.duration(value), [
    [0, "0 ms"], [0.00018, "0.18 ms"], [0.0012, "1.2 ms"], [0.0456, "46 ms"], [1, "1.0 s"], [9.94, "9.9 s"], [12.9, "12 s"],
    [60, "1 min"], [90, "1 min 30 s"], [660, "11 min"], [3_600, "1 h"], [5_400, "1 h 30 min"], [90_000, "1 d 1 h"], [950_400, "11 d"],
    [-3, "0 ms"],
  ]);
});

test("a share is told in percent", () => {
  each((value) => as.share(value), [[0, "0 %"], [0.001, "0.1 %"], [0.0949, "9.5 %"], [0.0997, "10 %"], [0.42, "42 %"], [1, "100 %"]]);
});

test("a gauge has the unit that its name ends in", () => {
  assert.equal(plain(as.gauge("memory_bytes", 1_048_576)), "1 MiB");
  assert.equal(plain(as.gauge("received_bytes_per_s", 1_048_576)), "1 MiB/s");
  assert.equal(plain(as.gauge("handshakes_per_s", 1.5)), "1.5/s");
  assert.equal(plain(as.gauge("loop_lag_p95_s", 0.0021)), "2.1 ms");
  assert.equal(plain(as.gauge("cpu_percent", 12.34)), "12 %");
  assert.equal(plain(as.gauge("connections", 1_234)), "1,234");
});

test("what is not known is a dash, whatever it would be", () => {
  for (const value of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const tell of [as.count, as.figure, as.bytes, as.rate, as.bytesRate, as.percent, as.share, as.duration]) {
      assert.equal(tell.call(as, value), NOTHING);
    }
  }
  assert.equal(as.moment(null), NOTHING);
});

test("another language has its own units", () => {
  const chinese = new Format("zh", zh.units);
  assert.equal(plain(chinese.duration(5_400)), "1 小时 30 分");
  assert.equal(plain(chinese.rate(2)), "2/秒");
});

test("a moment of today is a time, another has its day", () => {
  const at = new Date(2026, 2, 5, 14, 3, 9);
  assert.equal(as.moment(at.toISOString(), at), "14:03:09");
  assert.equal(as.moment(at.toISOString(), new Date(2026, 2, 6)), "5 Mar 14:03:09");
});

test("a clock that differs makes no time before now", () => {
  assert.equal(secondsSince("2026-03-05T14:00:00Z", "2026-03-05T14:00:30Z"), 30);
  assert.equal(secondsSince("2026-03-05T14:00:00Z", "2026-03-05T13:00:00Z"), 0);
});
