// What the gateway answers; the description of all of it is at /openapi.json.

export type Numbers = Record<string, number | null>;

export interface Part {
  name: string;
  weight: number;
  points: number;
  value: number;
  fine: number;
  bad: number;
}

export interface Ending {
  initiator: string;
  cause: string;
  total: number;
  lately: number;
}

export interface Order {
  pressure: number;
  by: string;
  worker?: number;
  left_s: number | null;
}

export interface GovernorAction {
  action: string;
  worker?: number;
  low: number;
  high: number;
  signals: string[];
  on: boolean;
  forced: Order | null;
  strength: number | null;
  for_s: number | null;
  begun: number;
}

export interface Governor {
  pressure: number;
  worker?: number;
  forced: Order | null;
  signals: { signal: string; seen: number | null; pressure: number }[];
  actions: GovernorAction[];
  door: {
    limit: number | null;
    per_turn: number | null;
    judging: number;
    waiting: number;
    holding: number;
    waited: number;
    held: number;
    refused: number;
    shed: number;
  };
}

export interface OpenAlert {
  number: number;
  worker?: number;
  about: string;
  kind: string;
  scope: string;
  severity: string;
  status: string;
  acknowledged: boolean;
  since: string;
}

/** Several workers that answer as one: who has not, and whose number each of `worst` is. */
export interface Machine {
  workers: number[];
  silent: number[];
  worst: Record<string, number>;
}

export interface Glance {
  machine?: Machine;
  at: string;
  version: string;
  address: string;
  up_s: number;
  ready: boolean;
  reason: string;
  drain: { phase: string; left: number; eta_s: number } | null;
  sessions: number;
  limit: number;
  interval_s: number;
  sampled_at: string | null;
  latest: Numbers;
  thresholds: Record<string, number>;
  score: { total: number; parts: Part[]; worker?: number } | null;
  endings: Ending[];
  unattributed: number | null;
  governor: Governor;
  alerts: OpenAlert[];
}

export interface Span {
  start: number;
  step_s: number;
  least: (number | null)[];
  mean: (number | null)[];
  most: (number | null)[];
}

export interface Capacity {
  sessions: number;
  most: number;
  left: number;
  least: number;
  best: number;
  known: boolean;
  limited_by: string;
  terms: { interval_s: number; verdict_s: number; talk_share: number };
  rooms: {
    resource: string;
    used: number;
    allowed: number;
    each: number;
    most: number | null;
    learned: boolean;
  }[];
}

export interface Session {
  device_id: string;
  session_id: string;
  state: string;
  verdict: string;
  profile: string;
  address: string;
  age_s: number;
  last_frame_s: number;
  last_byte_s: number;
  average_rtt_s: number | null;
  pings: number;
  ping_failures: number;
  former: boolean;
}

export interface Table {
  total: number;
  matching: number;
  sessions: Session[];
  next: string | null;
}

export interface Step {
  previous: string | null;
  state: string;
  event: string;
  initiator: string | null;
  cause: string;
  after_s: number;
}

export interface DeviceEnding {
  at: string;
  ago_s: number;
  cause: string;
  initiator: string;
  code: number | null;
  advice: string | null;
  detail: string;
  state: string;
  age_s: number;
  average_rtt_s: number | null;
  pings: number;
  ping_failures: number;
  session_id: string;
  address: string;
  steps: Step[];
}

export interface Device {
  device_id: string;
  session: (Session & { claim: number; outcome: string; state_s: number | null; held_back_s: number; steps: Step[] }) | null;
  store: "here" | "away";
  former: "none" | "silent";
  totals: {
    first_at: string;
    last_at: string;
    sessions: number;
    resumed: number;
    connected_s: number;
    pings: number;
    ping_failures: number;
    average_rtt_s: number | null;
  } | null;
  endings: DeviceEnding[];
  next: number | null;
  refusals: {
    at: string;
    ago_s: number;
    cause: string;
    status: number | null;
    detail: string;
    address: string;
  }[];
}

export interface DeviceEvent {
  id: number;
  at: string;
  device_id: string;
  kind: string;
  data: unknown;
}

export interface Alert {
  number: number;
  worker?: number;
  about: string;
  kind: string;
  scope: string;
  status: string;
  severity: string;
  detail: string;
  value: number | null;
  limit: number | null;
  exhausted_in_s: number | null;
  since: string;
  updated_at: string;
  resolved_at: string | null;
  resolution: string;
  openings: number;
  silenced: boolean;
  advice: string;
  actions: { at: string; action: string; effect: string; ended_at: string | null }[];
  undone: string;
  acknowledged: { at: string; by: string; note: string } | null;
}

export interface Silence {
  number: number;
  about: string;
  kind: string;
  until: string;
  by: string;
  note: string;
}

export interface Alerts {
  open: Alert[];
  recent: Alert[];
  silences: Silence[];
}

export interface Wave {
  wave: string;
  devices: number;
  never: number;
  told: number;
  by_itself: number;
  cut: number;
}

export interface Plan {
  devices: number;
  waves: Wave[];
  rate_per_s: number;
  own_rate_per_s: number;
  turn_s: number;
  wait_s: number;
  limit_s: number;
  waves_s: number;
  eta_s: number;
  fits: boolean;
}

export interface Drain {
  phase: string;
  asked_by: string;
  binding: boolean;
  elapsed_s: number;
  left: number;
  talking: number;
  unsaved: number;
  rate: number;
  eta_s: number;
  sent: number;
  forced: number;
  cut: number;
  dropped: number;
  told: number;
  confirmed: number;
  timed_out: number;
  plan: Plan | null;
}
