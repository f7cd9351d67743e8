import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

// What is read, on what it stands; WCAG 2.2 asks for 4.5 of small text, 3 of what only has to be seen.
const READ: [string, string][] = [
  ["ink", "panel"], ["ink", "ground"], ["ink", "hover"], ["ink", "bad-soft"], ["ink", "warn-soft"],
  ["ink-2", "panel"], ["ink-2", "ground"], ["ink-3", "panel"], ["ink-3", "ground"], ["ink-3", "sunken"], ["ink-3", "hover"],
  ["accent", "panel"], ["accent", "ground"], ["accent", "accent-soft"], ["on-accent", "accent"],
  ["good", "panel"], ["good", "good-soft"], ["warn", "panel"], ["warn", "warn-soft"], ["bad", "panel"], ["bad", "bad-soft"], ["bad", "ground"],
];
const SEEN: [string, string][] = ["c1", "c2", "c3", "c4", "c5", "bad-line"].map((each) => [each, "panel"]);

function coloursOf(selector: string): Map<string, string> {
  const css = readFileSync(new URL("../src/look/tokens.css", import.meta.url), "utf8");
  const block = css.slice(css.indexOf(`${selector} {`)).split("}")[0] ?? "";
  return new Map([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((each) => [each[1] ?? "", each[2] ?? ""]));
}

function luminance(colour: string): number {
  const parts = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const [red = 0, green = 0, blue = 0] = parts;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

for (const [theme, selector] of [["light", ":root"], ["dark", ':root[data-theme="dark"]']] as const) {
  const colours = coloursOf(selector);

  test(`in ${theme} everything can be read where it stands`, () => {
    for (const [rows, least] of [[READ, 4.5], [SEEN, 3]] as const) {
      for (const [front, back] of rows) {
        const found = contrast(colours.get(front) ?? "", colours.get(back) ?? "");
        assert.ok(found >= least, `${front} on ${back}: ${found.toFixed(2)}`);
      }
    }
  });
}

test("both themes have the same colours", () => {
  const [light, dark] = [coloursOf(":root"), coloursOf(':root[data-theme="dark"]')];
  assert.deepEqual([...light.keys()].sort(), [...dark.keys()].sort());
});
