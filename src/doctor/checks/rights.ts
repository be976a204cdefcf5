import { AS_ROOT, type Check, fault, ok, together, unknown, warning } from "../check.ts";

/** What the kernel asks of who configures links, and of raw sockets. */
export const rightsCheck: Check = {
  id: "rights",
  title: "Rights",
  judge({ pid, options, running }, host) {
    const rights = host.rights(pid);
    if (rights === null) return unknown("the rights of the daemon cannot be told", AS_ROOT);
    const who = pid === null ? "this user" : `the daemon (PID ${pid})`;
    const admin = rights.netAdmin
      ? ok(who)
      : fault(
          `${who} lacks CAP_NET_ADMIN, without which there is no interface`,
          pid === null
            ? "run wgmeshd, and this check, as root"
            : "give its unit AmbientCapabilities=CAP_NET_ADMIN",
        );
    // The embedded backend has WireGuard's port itself.
    const needsRaw =
      (options.stun || options.punching) && (running?.backend ?? options.backend) !== "embedded";
    const raw =
      rights.netRaw || !needsRaw
        ? ok(who)
        : warning(
            `${who} lacks CAP_NET_RAW: behind NATs that change ports the node is reached less often`,
            "give it CAP_NET_RAW, or choose --backend embedded",
          );
    return together([admin, raw], ok(`${who} has what a node needs`));
  },
};
