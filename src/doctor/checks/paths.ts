import type { DoctorHost } from "../host.ts";
import type { Patient } from "../patient.ts";

/** A lookup of documentation addresses finds the default route; nothing is sent. */
export const ANYWHERE = { ipv4: "203.0.113.1", ipv6: "2001:db8::1" } as const;

/** The link of the default route, else the first that leads anywhere. */
export function underlayLink(host: DoctorHost): string | null {
  const path = host.pathTo(ANYWHERE.ipv4) ?? host.pathTo(ANYWHERE.ipv6);
  return path?.linkName ?? host.links().find(({ loopback, up }) => up && !loopback)?.name ?? null;
}

export function hasDefaultRoute(host: DoctorHost): { readonly ipv4: boolean; readonly ipv6: boolean } {
  const destinations = new Set(host.routes().map(({ destination }) => destination));
  return { ipv4: destinations.has("0.0.0.0/0"), ipv6: destinations.has("::/0") };
}

export const isOffline = (host: DoctorHost): boolean => {
  const { ipv4, ipv6 } = hasDefaultRoute(host);
  return !ipv4 && !ipv6;
};

export const advertisedNetworks = ({ running, options }: Patient): readonly string[] =>
  running?.advertisedNetworks ?? options.advertiseRoutes;
