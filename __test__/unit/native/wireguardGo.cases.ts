/**
 * The device on a real wireguard-go. Runs in a network namespace with a /run of its own.
 */
import type { Cases } from "../../vm/cases.ts";
import { device } from "./wireguardGo/device.ts";
import { endings } from "./wireguardGo/endings.ts";
import { refusals } from "./wireguardGo/refusals.ts";

export const cases: Cases = { ...device, ...endings, ...refusals };
