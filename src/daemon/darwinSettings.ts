/**
 * What stands for Linux's settings below /proc/sys/net on macOS, which has none for single links.
 */
import { WgmeshError } from "../core/errors.ts";
import type { NetworkSettings } from "../mesh/forwarding.ts";

/** IPv6 is there. Forwarding is the operator's to turn on: it is one switch for the whole machine. */
export const darwinSettings: NetworkSettings = {
  read(setting) {
    if (setting.endsWith("/disable_ipv6")) return "0";
    if (setting.endsWith("/forwarding")) throw forwardingError();
    return null;
  },
  write() {
    throw forwardingError();
  },
  links: () => [],
};

function forwardingError(): WgmeshError {
  return new WgmeshError("ERR_SYSTEM", "wgmesh does not turn forwarding on on macOS", {
    hint: "turn it on by hand: sysctl -w net.inet.ip.forwarding=1 (and net.inet6.ip6.forwarding=1)",
  });
}
