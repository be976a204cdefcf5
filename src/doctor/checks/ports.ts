import { DEFAULT_LISTEN_PORT } from "../../config/options.ts";
import { errorTable } from "../../core/errors.ts";
import { type Check, fault, ok, unknown, warning } from "../check.ts";
import type { DoctorHost, UdpHolder } from "../host.ts";
import { isProblem } from "../patient.ts";

/** LAN multicast (PROTOCOL.md section 2). */
const LAN_PORT = 51830;

const CANNOT_TELL = unknown("this system does not tell who holds which port");

/** WireGuard's own port (row C3). */
export const listenPortCheck: Check = {
  id: "listen-port",
  title: "WireGuard port",
  judge({ options: { listenPort }, running, pid }, host) {
    const wished = listenPort ?? DEFAULT_LISTEN_PORT;
    if (running !== null && (running.listenPort === wished || listenPort === null)) {
      return ok(`UDP port ${running.listenPort} is the daemon's`);
    }
    const holders = othersOn(host, wished, pid);
    if (holders === null) return CANNOT_TELL;
    const [holder] = holders;
    if (holder === undefined && running === null) return ok(`UDP port ${wished} is free`);
    const by = holder === undefined ? "was in use at its start" : `is held by ${holderText(holder)}`;
    const instead =
      running === null ? "a node takes one after it" : `the node listens on ${running.listenPort}`;
    return warning(
      `UDP port ${wished} ${by}: ${instead}, which routers that forward a port do not know`,
      `end what holds it${running === null ? "" : " and restart"}, or choose another --listen-port`,
    );
  },
};

/** The port that follows from the secret and cannot move. */
export const controlPortCheck: Check = {
  id: "control-port",
  title: "Control port",
  judge({ options: { listenAddresses }, secret, running, pid }, host) {
    if (running !== null) return ok("held by the daemon");
    if (secret === null || isProblem(secret)) {
      return unknown("it follows from the secret", "give --secret-file FILE");
    }
    const holders = othersOn(host, secret.gossipPort, pid);
    if (holders === null) return CANNOT_TELL;
    const holder = holders.find(({ address }) => meets(listenAddresses, address));
    if (holder === undefined) return ok(`UDP port ${secret.gossipPort} is free`);
    return fault(
      `UDP port ${secret.gossipPort} is held by ${holderText(holder)}`,
      errorTable.ERR_CONTROL_PORT.hint,
    );
  },
};

/** Nodes share the port of LAN discovery; another program may not share it. */
export const lanPortCheck: Check = {
  id: "lan-port",
  title: "LAN discovery port",
  judge({ options, pid }, host) {
    if (!options.lanDiscovery) return ok("LAN discovery is off");
    const holders = othersOn(host, LAN_PORT, pid);
    if (holders === null) return CANNOT_TELL;
    const stranger = holders.find(({ program }) => program !== "wgmeshd");
    if (stranger !== undefined) {
      return warning(
        `UDP port ${LAN_PORT} is held by ${holderText(stranger)}: nodes of this LAN may not be found`,
        "end that program, or turn LAN discovery off (--no-lan-discovery)",
      );
    }
    return ok(
      holders.length === 0 ? `UDP port ${LAN_PORT} is free` : "shared with other nodes of this machine",
    );
  },
};

/** Whether who holds a port on one address is in the way of who wants it on these; none stands for all. */
function meets(wanted: readonly string[], held: string): boolean {
  return wanted.length === 0 || held === "0.0.0.0" || held === "::" || wanted.includes(held);
}

function othersOn(host: DoctorHost, port: number, pid: number | null): UdpHolder[] | null {
  return (
    host.udpHolders()?.filter((holder) => holder.port === port && (pid === null || holder.pid !== pid)) ??
    null
  );
}

function holderText({ pid, program }: UdpHolder): string {
  return pid === null ? "the kernel, or another namespace" : `${program ?? "a program"} (PID ${pid})`;
}
