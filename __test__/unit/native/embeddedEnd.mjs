// One end of a tunnel, in a process of its own: an embedded device that is driven by lines of JSON on standard input, one
// answer a line on standard output. Plain JavaScript, so that it needs no bundling. See embedded.cases.ts.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { generateSecretUri, MeshSecret, NodeIdentity, PresharedKey, WireGuardDevice } from "@wgmesh/native";

const identity = NodeIdentity.load("/nowhere/state.json");
let presharedKey = PresharedKey.derive(MeshSecret.fromText(generateSecretUri()));
let device;
let server;
let flow;

const commands = {
  secret: ({ text }) => {
    presharedKey = PresharedKey.derive(MeshSecret.fromText(text));
  },
  open: ({ name, mtu = 0 }) => {
    device = WireGuardDevice.open("embedded", name, mtu);
    device.onEvent((event) => tell({ event }));
    return { publicKey: identity.publicKey, index: device.index, adopted: device.adopted };
  },
  configure: ({ port }) => {
    device.configure({ identity, listenPort: port });
    return device.listenPort();
  },
  up: () => device.up(),
  /** `presharedKey: true` is the one of `secret`. */
  apply: ({ changes }) =>
    device.apply(changes.map((change) => (change.presharedKey ? { ...change, presharedKey } : change))),
  read: () => device.read(),
  reset: () => device.reset(),
  /** Milliseconds it took. */
  close: () => {
    const before = performance.now();
    device.close(true);
    return performance.now() - before;
  },
  threads: () =>
    readdirSync("/proc/self/task")
      .map((id) => readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim())
      .filter((name) => name.startsWith("wg-")),
  descriptors: () => readdirSync("/proc/self/fd").length,
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  /** Hashes what each connection sends and answers with the hash. */
  serve: ({ port }) =>
    new Promise((resolve) => {
      server = createServer({ allowHalfOpen: true }, (socket) => {
        const hash = createHash("sha256");
        socket.on("data", (chunk) => hash.update(chunk));
        socket.on("end", () => socket.end(hash.digest("hex")));
        socket.on("error", () => {});
      }).listen(port, "::", resolve);
    }),
  /** Sends pseudo-random bytes; both hashes. */
  send: ({ host, port, bytes }) =>
    new Promise((resolve, reject) => {
      const hash = createHash("sha256");
      let answer = "";
      let left = bytes;
      const socket = connect({ host, port, allowHalfOpen: true });
      const write = () => {
        while (left > 0) {
          const chunk = Buffer.alloc(Math.min(left, 65_536), `${left}.`);
          left -= chunk.length;
          hash.update(chunk);
          if (!socket.write(chunk)) return socket.once("drain", write);
        }
        socket.end();
      };
      socket.on("connect", write);
      socket.on("data", (data) => {
        answer += data;
      });
      socket.on("end", () => resolve({ sent: hash.digest("hex"), received: answer }));
      socket.on("error", reject);
    }),
  /** Sends for ever. */
  flow: ({ host, port }) =>
    new Promise((resolve, reject) => {
      flow = connect(port, host, () => {
        const chunk = Buffer.alloc(65_536);
        const write = () => {
          while (flow.write(chunk));
        };
        flow.on("drain", write);
        write();
        resolve();
      }).on("error", reject);
    }),
};

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...args } = JSON.parse(line);
  Promise.resolve()
    .then(() => commands[command](args))
    .then(
      (value) => tell({ id, value: value ?? null }),
      (error) => tell({ id, error: { code: error.code, message: error.message } }),
    );
}
flow?.destroy();
server?.close();
process.exit(0);
