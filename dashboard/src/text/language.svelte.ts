// The language that is spoken now: the browser's, until somebody switches.

import { en } from "./en.ts";
import { Format } from "./format.ts";
import { preferred, type Code, type Strings } from "./strings.ts";
import { zh } from "./zh.ts";

const KEPT_AS = "keepline.language";
const TABLES: Record<Code, Strings> = { en, zh };

class Language {
  code = $state<Code>(kept() ?? preferred(navigator.languages));
  t = $derived(TABLES[this.code]);
  as = $derived(new Format(this.code, this.t.units));

  switch = (): void => {
    this.code = this.code === "en" ? "zh" : "en";
    localStorage.setItem(KEPT_AS, this.code);
  };
}

function kept(): Code | null {
  const code = localStorage.getItem(KEPT_AS);
  return code === "en" || code === "zh" ? code : null;
}

export const language = new Language();
