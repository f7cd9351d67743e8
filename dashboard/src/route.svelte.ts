// Which page is shown: what stands behind the # of the address.

export type Page = "fleet" | "charts" | "sessions" | "alerts" | "drain" | "device";

export const PAGES = ["fleet", "charts", "sessions", "alerts", "drain"] as const;

interface Place {
  page: Page;
  device: string;
}

class Route {
  place = $state.raw<Place>(placeOf(location.hash));

  constructor() {
    addEventListener("hashchange", () => (this.place = placeOf(location.hash)));
  }
}

function placeOf(hash: string): Place {
  const [page = "", ...rest] = hash.replace(/^#\/?/, "").split("/");
  if (page === "device" && rest.length > 0) return { page, device: decoded(rest.join("/")) };
  const known = PAGES.find((each) => each === page);
  return { page: known ?? "fleet", device: "" };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function hrefOf(deviceId: string): string {
  return `#/device/${encodeURIComponent(deviceId)}`;
}

export const route = new Route();
