/**
 * A lab: one bridge in a namespace of its own, node namespaces hanging on it by veth, no default route, no DNS, no way
 * out. Nothing is made outside these namespaces and one temporary folder, but an empty /run/wireguard where there is none.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { must } from "./exec.ts";
import { addNamespace, deleteNamespace, newRunId, sweepDeadRuns } from "./namespaces.ts";
import { MeshNode, type NodeOptions } from "./node.ts";

/** The underlay; TEST-NET-1, so that it can never be the network of the machine. */
const underlayAddress = (host: number): string => `192.0.2.${host}`;

/** A namespace on the bridge. */
export interface Host {
  readonly namespace: string;
  /** Folder of its own. */
  readonly folder: string;
  /** Its IPv4 address on the bridge. */
  readonly address: string;
}

export class Lab {
  readonly id = newRunId();
  readonly folder = mkdtempSync(path.join(tmpdir(), `${this.id}-`));
  readonly secretFile: string;
  readonly nodes: MeshNode[] = [];
  readonly #namespaces: string[] = [];
  readonly #bridge = `${this.id}-bridge`;
  #disposed = false;
  #nextHost = 1;

  constructor() {
    sweepDeadRuns();
    // Ctrl-C and a worker that is ended must not leave daemons behind; a kill -9 is the next run's sweep.
    process.once("exit", this.#disposeOnExit);
    exitOnSignals();
    this.addNamespace("bridge");
    must(["ip", "-n", this.#bridge, "link", "add", "br0", "up", "type", "bridge"]);
    this.secretFile = this.newSecretFile("mesh");
  }

  /** A secret of full strength in a file of mode 0600. */
  newSecretFile(name: string): string {
    const file = path.join(this.folder, `${name}.secret`);
    writeFileSync(file, `wgmesh://v1/${randomBytes(32).toString("base64url")}\n`, { mode: 0o600 });
    return file;
  }

  /** Adds a namespace with `eth0` on the bridge. */
  addHost(name: string): Host {
    const number = this.#nextHost++;
    const address = underlayAddress(number);
    const port = `p${number}`;
    const namespace = this.addNamespace(name);
    must([
      "ip",
      "-n",
      namespace,
      "link",
      "add",
      "eth0",
      "type",
      "veth",
      "peer",
      "name",
      port,
      "netns",
      this.#bridge,
    ]);
    must(["ip", "-n", this.#bridge, "link", "set", port, "master", "br0", "up"]);
    must(["ip", "-n", namespace, "address", "add", `${address}/24`, "dev", "eth0"]);
    must(["ip", "-n", namespace, "link", "set", "eth0", "up"]);
    return { namespace, folder: this.newFolder(name), address };
  }

  /** Adds a namespace that is connected to nothing; gone with the lab, and all that runs in it. Returns its full name. */
  addNamespace(name: string): string {
    const namespace = `${this.id}-${name}`;
    this.#namespaces.push(namespace);
    addNamespace(namespace);
    return namespace;
  }

  /** Makes a folder that is gone with the lab. */
  newFolder(name: string): string {
    const folder = path.join(this.folder, name);
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  }

  /** Adds a node, on a host of its own unless one is given; `start` it. */
  addNode(name: string, options: NodeOptions = {}, host: Host = this.addHost(name)): MeshNode {
    const node = new MeshNode(name, host, { secretFile: this.secretFile, ...options });
    this.nodes.push(node);
    return node;
  }

  /** The end of the log of every node that said something since the last call, for a test that failed. */
  describe(lines = 40): string {
    return this.nodes
      .map((node) => ({ node, news: node.takeNews() }))
      .filter(({ news }) => news.length > 0)
      .map(({ node, news }) => `--- ${node.name}\n${news.slice(-lines).join("\n")}`)
      .join("\n");
  }

  /** Ends everything that was started here and removes all of it. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    process.removeListener("exit", this.#disposeOnExit);
    for (const node of this.nodes) node.killNow();
    for (const namespace of this.#namespaces) deleteNamespace(namespace);
    rmSync(this.folder, { recursive: true, force: true });
  }

  readonly #disposeOnExit = (): void => this.dispose();
}

let signalsHandled = false;

/** A signal would end this process without its `exit` handlers. */
function exitOnSignals(): void {
  if (signalsHandled) return;
  signalsHandled = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
}
