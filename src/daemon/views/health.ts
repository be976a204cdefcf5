/**
 * The checks of health: each looks at one thing, none waits for anything.
 */
import { messageOf } from "../../core/errors.ts";
import {
  HEALTH_CHECK_IDS,
  type HealthCheck,
  type HealthCheckId,
  type HealthState,
  overall,
} from "../../observe/health.ts";
import { METRICS_CONTENT_TYPE, metricsText } from "../../observe/prometheus.ts";
import type { HealthView } from "../../rpc/views/health.ts";
import { publishHealth } from "../nodeMetrics.ts";
import type { ViewParts } from "./viewParts.ts";

/** Late enough for keepalives and punches to miss their time. */
const LATE_WARN_MS = 500;
const LATE_FAIL_MS = 5_000;
/** The reconciler runs every 5 s. */
const RECONCILE_STALE_MS = 60_000;
/** Anything before is the clock of a machine that never was told the time: the release is younger. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);

type Check = Omit<HealthCheck, "id">;

const ok = (detail: string): Check => ({ state: "ok", detail });
const warn = (detail: string): Check => ({ state: "warn", detail });
const fail = (detail: string): Check => ({ state: "fail", detail });

export function healthView(view: ViewParts): HealthView {
  const { metrics } = view.parts;
  const health = (): ReturnType<HealthView["health"]> => {
    const checks = HEALTH_CHECK_IDS.map((id) => ({ id, ...attempt(() => checksOf[id](view)) }));
    return { state: overall(checks), checks };
  };
  return {
    health,
    metrics: () => {
      publishHealth(metrics, health());
      return { contentType: METRICS_CONTENT_TYPE, text: metricsText(metrics.snapshot()) };
    },
  };
}

function attempt(check: () => Check): Check {
  try {
    return check();
  } catch (error) {
    return { state: "unknown", detail: messageOf(error) };
  }
}

const checksOf = {
  daemon: ({ parts, supervisor }: ViewParts): Check => {
    if (parts.signals.stopSignal.aborted) return fail("stopping");
    const broken = supervisor.statuses().filter(({ state }) => state === "backoff" || state === "failed");
    if (broken.length === 0) return ok("running");
    return warn(broken.map(({ name, lastError }) => `${name}: ${lastError}`).join("; "));
  },

  interface: ({ parts, node }: ViewParts): Check => {
    const { interfaceName } = parts.options;
    const link = parts.system.interfaceControl(interfaceName).link();
    if (link === null) return fail(`${interfaceName} is not there`);
    if (!link.up) return fail(`${interfaceName} is down`);
    const [warning] = node.reconciler.warnings();
    return warning === undefined ? ok(`${interfaceName} is up, MTU ${link.mtu}`) : warn(warning);
  },

  backend: ({ parts, node }: ViewParts): Check => {
    const report = node.reconciler.lastReport();
    if (report === null) return { state: "unknown", detail: "not asked yet" };
    if (report.error !== null) return fail(report.error);
    const ageMs = parts.clock.wallMs() - report.atMs;
    if (ageMs > RECONCILE_STALE_MS) return warn(`last brought up to date ${Math.round(ageMs / 1000)} s ago`);
    const [first, ...others] = node.reconciler.failing();
    if (first === undefined) return ok(node.backend.name);
    return warn(
      `${first.object}: ${first.reason}${others.length === 0 ? "" : `, and ${others.length} more`}`,
    );
  },

  discovery: ({ discovery }: ViewParts): Check => {
    if (discovery === null) return { state: "unknown", detail: "none" };
    const layers = discovery.layers();
    const degraded = layers.filter(({ state }) => state === "degraded" || state === "stopped");
    const running = layers.filter(({ state }) => state === "running").map(({ name }) => name);
    if (running.length === 0) return warn("no layer runs");
    if (degraded.length === 0) return ok(running.join(", "));
    return warn(degraded.map(({ name, lastError, detail }) => `${name}: ${lastError ?? detail}`).join("; "));
  },

  "state-directory": ({ parts }: ViewParts): Check => troubleCheck(parts, "state-directory", "peer-cache"),

  descriptors: ({ parts }: ViewParts): Check => troubleCheck(parts, "descriptors"),

  machine: ({ parts }: ViewParts): Check => {
    const own = ["state-directory", "peer-cache", "descriptors"];
    return troubleCheck(parts, ...parts.troubles.list().flatMap(({ id }) => (own.includes(id) ? [] : [id])));
  },

  peers: ({ node }: ViewParts): Check => {
    const { healthy, suspect, reconnecting } = node.health.counts();
    const judged = healthy + suspect + reconnecting;
    if (judged === 0) return ok("none had a tunnel so far");
    return healthy === 0 ? warn(`none of ${judged} answers`) : ok(`${healthy} of ${judged} well`);
  },

  "event-loop": ({ parts }: ViewParts): Check => {
    const lateMs = Math.round(parts.machine.lateMs());
    const detail = `${lateMs} ms late at most in the last minute`;
    const state: HealthState = lateMs >= LATE_FAIL_MS ? "fail" : lateMs >= LATE_WARN_MS ? "warn" : "ok";
    return { state, detail };
  },

  clock: ({ parts, discovery }: ViewParts): Check => {
    if (parts.clock.wallMs() < EARLIEST_MS)
      return fail("the clock is years behind: no member can hear this node");
    const problem = discovery?.clockProblem() ?? null;
    return problem === null ? ok("no member's clock is far from ours") : warn(problem);
  },
} satisfies Record<HealthCheckId, (view: ViewParts) => Check>;

function troubleCheck({ troubles }: ViewParts["parts"], ...ids: string[]): Check {
  const standing = troubles.list().filter(({ id }) => ids.includes(id));
  return standing.length === 0 ? ok("no trouble") : warn(standing.map(({ text }) => text).join("; "));
}
