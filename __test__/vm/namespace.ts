/** Another machine beside the one under test: a network namespace behind a veth pair. */

/** Runs a command; throws when it fails. */
type Run = (program: string, ...args: string[]) => unknown;

interface Wire {
  /** Name of the interface on the machine under test. */
  readonly near: string;
  /** Name of the interface in the namespace. */
  readonly far?: string;
  /** The first three numbers of an IPv4 /24: `.1` is near, `.2` is far. */
  readonly network: string;
}

/** Makes the namespace, its loopback and the pair, all up. */
export function addMachine(run: Run, namespace: string, { near, far = "eth0", network }: Wire): void {
  const inside = ["-n", namespace];
  run("ip", "netns", "add", namespace);
  run("ip", ...inside, "link", "set", "lo", "up");
  run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", namespace);
  for (const [where, name, host] of [
    [[], near, 1],
    [inside, far, 2],
  ] as const) {
    run("ip", ...where, "address", "add", `${network}.${host}/24`, "dev", name);
    run("ip", ...where, "link", "set", name, "up");
  }
}
