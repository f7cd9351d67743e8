// The type of the tables of strings, and how a sentence is filled in. Nothing here knows a browser.

import type { en } from "./en.ts";

export type Strings = typeof en;
export type Code = "en" | "zh";

/** Put values where `{name}` stands. */
export function fill(sentence: string, values: Record<string, string | number>): string {
  return sentence.replace(/\{(\w+)\}/g, (place, name: string) =>
    Object.hasOwn(values, name) ? String(values[name]) : place,
  );
}

/** What a word of the gateway is called; one that a newer gateway says is told as it is. */
export function called(names: Record<string, string>, word: string): string {
  return (Object.hasOwn(names, word) ? names[word] : undefined) ?? word.replaceAll("_", " ");
}

/** The language of a browser that prefers these, in this order. */
export function preferred(languages: readonly string[]): Code {
  for (const each of languages) {
    if (each.toLowerCase().startsWith("zh")) return "zh";
    if (each.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}
