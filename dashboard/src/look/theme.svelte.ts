// Light or dark: the system's choice, until somebody switches.

const KEPT_AS = "keepline.theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

type Name = "light" | "dark";

class Theme {
  #system = $state<Name>(prefersDark.matches ? "dark" : "light");
  #chosen = $state<Name | null>(kept());

  constructor() {
    prefersDark.addEventListener("change", (event) => (this.#system = event.matches ? "dark" : "light"));
  }

  get name(): Name {
    return this.#chosen ?? this.#system;
  }

  switch = (): void => {
    this.#chosen = this.name === "dark" ? "light" : "dark";
    localStorage.setItem(KEPT_AS, this.#chosen);
  };
}

function kept(): Name | null {
  const name = localStorage.getItem(KEPT_AS);
  return name === "light" || name === "dark" ? name : null;
}

export const theme = new Theme();
