import { errorTable } from "../../core/errors.ts";
import { type Check, fault, note, ok, unknown } from "../check.ts";
import type { DoctorHost } from "../host.ts";
import type { Patient } from "../patient.ts";

export const TUN_DEVICE = "/dev/net/tun";

const KERNEL = {
  there: "the kernel has WireGuard",
  loadable: "the kernel has a WireGuard module",
  missing: "the kernel has no WireGuard",
} as const;

/** What would move the packets (wireguard/select.ts decides). */
export const backendCheck: Check = {
  id: "backend",
  title: "WireGuard",
  judge({ options, running }, host) {
    const kernel = host.kernelWireguard();
    const told = kernel === null ? "" : ` (${KERNEL[kernel]})`;
    if (running !== null) return ok(`${running.backend} moves the packets${told}`);
    const works = {
      kernel: kernel === "there" || kernel === "loadable",
      embedded: host.platform === "linux" && host.deviceError(TUN_DEVICE) === null,
      "wireguard-go": canRunWireguardGo(options, host),
    };
    if (options.backend === "kernel" && kernel === null) {
      return unknown(
        "whether the kernel has WireGuard is not seen from here",
        "start the node: it finds out",
      );
    }
    const choices =
      options.backend === "auto" ? (["kernel", "embedded", "wireguard-go"] as const) : [options.backend];
    const first = choices.find((choice) => works[choice]);
    if (first === undefined) {
      const hint = options.backend === "wireguard-go" ? "ERR_NO_WIREGUARD_GO" : "ERR_NO_BACKEND";
      return fault(`--backend ${options.backend} cannot work here${told}`, errorTable[hint].hint);
    }
    if (first === "kernel" && kernel === "loadable")
      return note(`${KERNEL.loadable}, loaded at the first start`);
    return ok(`${first} would be used${told}`);
  },
};

function canRunWireguardGo({ wireguardGo }: Patient["options"], host: DoctorHost): boolean {
  const hasDevice = host.platform !== "linux" || host.deviceError(TUN_DEVICE) === null;
  return hasDevice && host.hasProgram(wireguardGo ?? "wireguard-go");
}
