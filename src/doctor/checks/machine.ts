import { isInCidr } from "../../core/ipKind.ts";
import { type Cidr, parseCidr, parseIp } from "../../core/types.ts";
import { AS_ROOT, type Check, ok, unknown, warning } from "../check.ts";
import type { DoctorHost } from "../host.ts";
import { isProblem, type Patient } from "../patient.ts";

/** The mesh's network against those of this machine. */
export const overlapCheck: Check = {
  id: "overlap",
  title: "Address ranges",
  judge(patient, host) {
    const networks = meshNetworks(patient, host);
    if (networks.length === 0)
      return unknown("the mesh's network follows from the secret", "give --secret-file FILE");
    const { interfaceName } = patient.options;
    const others = [
      ...host.addresses().map(({ linkName, address, prefixLength }) => ({
        linkName,
        network: parseCidr(`${address}/${prefixLength}`),
      })),
      ...host.routes().map(({ linkName, destination }) => ({ linkName, network: parseCidr(destination) })),
    ];
    for (const { linkName, network } of others) {
      if (network === null || linkName === interfaceName || linkName === null || network.endsWith("/0"))
        continue;
      const clash = networks.find((own) => overlap(own, network));
      if (clash === undefined) continue;
      return warning(
        `the mesh's ${clash} overlaps ${network} of ${linkName}: one of both is not reached`,
        "choose another --mesh-subnet on every node, or other addresses for that link",
      );
    }
    return ok(`${networks.join(", ")} is the mesh's alone`);
  },
};

function meshNetworks({ running, options, secret }: Patient, host: DoctorHost): Cidr[] {
  const derived = secret === null || isProblem(secret) ? null : secret.meshSubnet;
  const subnet = options.meshSubnet ?? derived;
  const own = running === null ? [] : networksOf(options.interfaceName, host);
  return subnet === null ? own : [subnet, ...own.filter((network) => network.includes(":"))];
}

function networksOf(interfaceName: string, host: DoctorHost): Cidr[] {
  return host
    .addresses()
    .filter(({ linkName, address }) => linkName === interfaceName && parseIp(address) !== null)
    .filter(({ address }) => !address.startsWith("fe80:"))
    .flatMap(({ address, prefixLength }) => parseCidr(`${address}/${prefixLength}`) ?? []);
}

function overlap(one: Cidr, other: Cidr): boolean {
  const [first, second] = [one, other].map((network) => parseIp(network.split("/")[0] ?? ""));
  if (!first || !second) return false;
  return isInCidr(first, other) || isInCidr(second, one);
}

/** Sockets, tunnels and files each take one. */
const FEW_DESCRIPTORS = 256;
const FULL = 0.8;

export const descriptorsCheck: Check = {
  id: "descriptors",
  title: "Descriptors",
  judge({ pid }, host) {
    const found = host.descriptors(pid);
    if (found === null) return unknown("the limit cannot be told", AS_ROOT);
    const { limit, open } = found;
    const remedy = "raise the limit (LimitNOFILE= of the unit, ulimit -n)";
    if (limit < FEW_DESCRIPTORS) return warning(`at most ${limit} files and sockets may be open`, remedy);
    if (pid === null) return ok(`up to ${limit}`);
    if (open > limit * FULL) return warning(`${open} of ${limit} are open`, remedy);
    return ok(`${open} of ${limit} are open`);
  },
};

/** Whoever else configures the interface takes addresses and routes away. */
export const linkManagerCheck: Check = {
  id: "link-manager",
  title: "Other network managers",
  judge({ options: { interfaceName } }, host) {
    const link = host.links().find(({ name }) => name === interfaceName);
    if (link === undefined) return ok("there is no interface they could manage");
    const managers = host.linkManagers(link);
    if (managers.length === 0) return ok(`none manages ${interfaceName}`);
    return warning(
      `${managers.join(" and ")} manages ${interfaceName}, and may take its addresses and routes away`,
      managers.map((name) => unmanage(name, interfaceName)).join("; "),
    );
  },
};

const unmanage = (manager: string, name: string): string =>
  manager === "NetworkManager"
    ? `'wgmesh install-service' writes it; else in /etc/NetworkManager/conf.d/wgmesh.conf, below [keyfile]: unmanaged-devices=interface-name:${name}`
    : `'wgmesh install-service' writes it; else in /etc/systemd/network/00-wgmesh.network: [Match] Name=${name}, [Link] Unmanaged=yes`;
