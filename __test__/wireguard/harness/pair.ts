/** Two ends of a tunnel that know each other, in the arrangements most tests need. */
import { newPresharedKey } from "./keys.ts";
import { connect, type Place } from "./place.ts";
import type { Scene } from "./scene.ts";
import { Tunnel, type TunnelOptions } from "./tunnel.ts";

export interface Pair {
  readonly a: Tunnel;
  readonly b: Tunnel;
}

/** Inner networks of end 1 and 2. */
export const inner = (number: number): string[] => [`10.99.0.${number}/24`, `fd99::${number}/64`];
/** The addresses alone, as allowed IPs. */
export const hosts = (number: number): string[] => [`10.99.0.${number}/32`, `fd99::${number}/128`];

export type EndOptions = Partial<Pick<TunnelOptions, "kind" | "mtu" | "timing">>;

/**
 * Three namespaces, as in the WireGuard project's own test: both ends have their sockets in the middle one, ports 1 and 2 of
 * its loopback interface, and their interfaces (`wg1`, `wg2`) in the outer ones.
 */
export async function loopbackPair(
  scene: Scene,
  options: EndOptions = {},
): Promise<Pair & { middle: Place }> {
  const [middle, ...outer] = await Promise.all([scene.place(), scene.place(), scene.place()]);
  const [a, b] = (await Promise.all(
    outer.map((inside, index) => {
      const number = index + 1;
      return Tunnel.make(middle, {
        ...options,
        name: `wg${number}`,
        inside,
        port: number,
        addresses: inner(number),
      });
    }),
  )) as [Tunnel, Tunnel];
  await introduce(a, "127.0.0.1:1", b, "127.0.0.1:2");
  return { a, b, middle };
}

/** Two namespaces with a veth pair `eth0` (192.0.2.1 and .2, 2001:db8::1 and ::2), ports 1 and 2. */
export async function vethPair(scene: Scene, options: EndOptions = {}, optionsOfB = options): Promise<Pair> {
  const places = (await Promise.all([scene.place(), scene.place()])) as [Place, Place];
  await connect(places[0], "eth0", places[1], "eth0");
  const [a, b] = (await Promise.all(
    places.map(async (place, index) => {
      const number = index + 1;
      await place.ip(
        `address add 192.0.2.${number}/24 dev eth0`,
        `address add 2001:db8::${number}/64 dev eth0 nodad`,
        "link set eth0 up",
      );
      const own = index === 0 ? options : optionsOfB;
      return await Tunnel.make(place, { ...own, port: number, addresses: inner(number) });
    }),
  )) as [Tunnel, Tunnel];
  await introduce(a, "192.0.2.1:1", b, "192.0.2.2:2");
  return { a, b };
}

/** Makes each the other's peer, with a preshared key. */
export async function introduce(
  a: Tunnel,
  endpointOfA: string,
  b: Tunnel,
  endpointOfB: string,
): Promise<void> {
  const presharedKey = newPresharedKey();
  await a.setPeer(b, { presharedKey, endpoint: endpointOfB, allowedIps: hosts(2) });
  await b.setPeer(a, { presharedKey, endpoint: endpointOfA, allowedIps: hosts(1) });
}
