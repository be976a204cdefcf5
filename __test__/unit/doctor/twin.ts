import { optionsOf } from "../../../src/config/layers.ts";
import { daemonOptions } from "../../../src/config/options.ts";
import { rowsOf } from "../../../src/config/schema.ts";
import type { Check, Judgement } from "../../../src/doctor/check.ts";
import type { DoctorHost } from "../../../src/doctor/host.ts";
import type { Patient, Running } from "../../../src/doctor/patient.ts";

/** A machine on which all is well, but for what is told. */
export function twin(parts: Partial<DoctorHost> = {}): DoctorHost {
  const eth0 = {
    ...{ index: 2, name: "eth0", kind: "", up: true },
    ...{ loopback: false, multicast: true, pointToPoint: false },
  };
  return {
    platform: "linux",
    wallMs: () => Date.UTC(2026, 0, 1),
    rights: () => ({ netAdmin: true, netRaw: true }),
    deviceError: () => null,
    kernelWireguard: () => "there",
    hasProgram: () => true,
    udpHolders: () => [],
    file: () => null,
    unwritable: () => null,
    unreadable: () => null,
    space: () => ({ freeBytes: 1e9, inodes: 1000, freeInodes: 500 }),
    publicKeyIn: () => running.publicKey,
    badNodeFiles: () => [],
    stalePidFile: () => null,
    ruleset: async () => ({ chains: [], rules: [] }),
    legacyTables: () => [],
    links: () => [eth0],
    addresses: () => [{ linkName: "eth0", address: "192.0.2.7", prefixLength: 24 }],
    routes: () => [{ destination: "0.0.0.0/0", linkName: "eth0" }],
    pathTo: () => ({ linkName: "eth0", mtu: 1500, type: "unicast" }),
    setting: () => "0",
    settingsWritable: () => true,
    resolve: async () => ["203.0.113.9"],
    askStun: async () => 12,
    clockSynchronised: async () => true,
    descriptors: () => ({ limit: 1024, open: 30 }),
    linkManagers: () => [],
    ...parts,
  };
}

export const running: Running = {
  pid: 4711,
  publicKey: "mBmUmAIK6hsLM1xuMQJlbjuYIDAQfxXpIW06wRf6M2k=",
  backend: "kernel",
  listenPort: 51_820,
  advertisedNetworks: [],
  failing: [],
  health: [],
  peerHosts: [],
};

/** A node without a daemon, all options their defaults. */
export function patient(parts: Partial<Patient> = {}, options: Partial<Patient["options"]> = {}): Patient {
  const defaults = optionsOf(
    daemonOptions,
    new Map(
      rowsOf(daemonOptions).map(([, { key, row }]) => [
        key,
        { value: row.default, origin: { kind: "default" } },
      ]),
    ),
  );
  return {
    options: { ...defaults, ...options },
    configuration: { file: null, problems: [], warnings: [] },
    secretFile: null,
    secret: null,
    running: null,
    unanswered: null,
    pid: null,
    socketPath: "/run/wgmesh/wg0.sock",
    importJournal: "/var/lib/wgmesh/wg0.import.json",
    publicServers: { stun: [{ host: "stun.example", port: 3478 }], dht: [] },
    ...parts,
  };
}

export async function judged(check: Check, host: DoctorHost, of: Patient): Promise<Judgement> {
  return await check.judge(of, host, new AbortController().signal);
}
