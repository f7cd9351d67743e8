import assert from "node:assert/strict";
import { test } from "node:test";

import { en } from "../src/text/en.ts";
import { called, fill, preferred } from "../src/text/strings.ts";
import { zh } from "../src/text/zh.ts";

/** Every sentence by the path of its keys. */
function sentences(table: object, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(table)) {
    if (typeof value === "string") found.set(path + key, value);
    else for (const [name, sentence] of sentences(value, `${path}${key}.`)) found.set(name, sentence);
  }
  return found;
}

function places(sentence: string): string[] {
  return [...sentence.matchAll(/\{(\w+)\}/g)].map((each) => each[1] ?? "").sort();
}

test("both languages have the same keys, and nothing is empty", () => {
  const [english, chinese] = [sentences(en), sentences(zh)];
  assert.deepEqual([...english.keys()].sort(), [...chinese.keys()].sort());
  for (const [key, sentence] of [...english, ...chinese]) assert.notEqual(sentence.trim(), "", key);
});

test("both languages put the same values into a sentence", () => {
  const chinese = sentences(zh);
  for (const [key, sentence] of sentences(en)) {
    assert.deepEqual(places(chinese.get(key) ?? ""), places(sentence), key);
  }
});

test("what is Chinese has Chinese in it, but for names and signs", () => {
  const plain = /^[\x20-\x7e\u2026]*$/;
  const same = [...sentences(zh)].filter(([, sentence]) => plain.test(sentence)).map(([key]) => key);
  assert.deepEqual(same.sort(), [
    "about.cpu_percent", "fleet.cpu", "fleet.p95", "gauges.loop_lag_p50_s", "gauges.loop_lag_p95_s",
    "gauges.rtt_p50_s", "gauges.rtt_p95_s", "language.other", "resources.cpu", "units.percent",
  ]);
});

test("a value is put where its name stands, and what is missing stays to be seen", () => {
  assert.equal(fill("{a} of {b}", { a: 1, b: "two" }), "1 of two");
  assert.equal(fill("{a} {a} {c}", { a: 1 }), "1 1 {c}");
  assert.equal(fill("{constructor}", {}), "{constructor}");
});

test("a word that nobody has translated yet is told as it is", () => {
  assert.equal(called(en.states, "heartbeat_timeout"), "heartbeat timeout");
  assert.equal(called(en.states, "hovering_above"), "hovering above");
});

test("the first language of the browser that there is a table for is spoken", () => {
  assert.equal(preferred(["zh-Hans-CN", "en"]), "zh");
  assert.equal(preferred(["de", "zh"]), "zh");
  assert.equal(preferred(["en-US", "zh"]), "en");
  assert.equal(preferred(["fr"]), "en");
  assert.equal(preferred([]), "en");
});
