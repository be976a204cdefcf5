// One end of a tunnel, in a process of its own: an embedded device that is driven by lines of JSON on standard input, one
// answer a line on standard output. Plain JavaScript, so that it needs no bundling. See embedded.cases.ts.
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { relayCommands } from "./relayCommands.mjs";
import { useTestBuild } from "./testBuild.mjs";

const testBuild = process.env.TEST_BUILD === "1" ? useTestBuild() : undefined;
const native = await import("@wgmesh/native");
const { generateSecretUri, MeshSecret, NodeIdentity, PresharedKey, WireGuardDevice } = native;

const identity = NodeIdentity.load("/nowhere/state.json");
let presharedKey = PresharedKey.derive(MeshSecret.fromText(generateSecretUri()));
let device;
let server;
let counter;
const flows = [];

const commands = {
  ...relayCommands(native),
  secret: ({ text }) => {
    presharedKey = PresharedKey.derive(MeshSecret.fromText(text));
  },
  open: ({ name, mtu = 0, kind = "embedded" }) => {
    device = WireGuardDevice.open(kind, name, mtu);
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
  /** Sends pseudo-random bytes, or a text again and again; both hashes. */
  send: ({ host, port, bytes, text }) =>
    new Promise((resolve, reject) => {
      const hash = createHash("sha256");
      let answer = "";
      let left = bytes;
      const socket = connect({ host, port, allowHalfOpen: true });
      const write = () => {
        while (left > 0) {
          const chunk = Buffer.alloc(Math.min(left, 65_536), text ?? `${left}.`);
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
      const flow = connect(port, host, () => {
        const chunk = Buffer.alloc(65_536);
        const write = () => {
          while (flow.write(chunk));
        };
        flow.on("drain", write);
        write();
        resolve();
      }).on("error", reject);
      flows.push(flow);
    }),
  /** CPU time of each thread so far, in clock ticks. */
  threadTicks: () =>
    readdirSync("/proc/self/task").map((id) => {
      const [, name, rest] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/self/task/${id}/stat`, "utf8"));
      const fields = rest.split(" ");
      return { name, ticks: Number(fields[11]) + Number(fields[12]) };
    }),
  /** Counts numbered datagrams, by the port they come from. */
  count: ({ port }) =>
    new Promise((resolve) => {
      const seen = new Map();
      const socket = createSocket({ type: "udp6", recvBufferSize: 4 << 20 });
      counter = { socket, seen };
      socket.on("message", (bytes, { port: from }) => {
        const number = bytes.readUInt32BE();
        const last = seen.get(from) ?? { count: 0, number: -1, overtaken: 0 };
        const overtaken = last.overtaken + (number < last.number ? 1 : 0);
        seen.set(from, { count: last.count + 1, number: Math.max(number, last.number), overtaken });
      });
      socket.bind(port, resolve);
    }),
  counted: () => [...counter.seen.values()],
  /** Sends numbered datagrams of all sizes from as many ports as `sockets`. */
  burst: async ({ host, port, sockets, each, bytes }) => {
    const senders = Array.from({ length: sockets }, () =>
      createSocket({ type: "udp4", sendBufferSize: 4 << 20 }),
    );
    const send = (socket, number) => {
      const datagram = Buffer.alloc(bytes ?? 16 + ((number * 37) % 1300));
      datagram.writeUInt32BE(number);
      return new Promise((resolve) => socket.send(datagram, port, host, resolve));
    };
    for (let number = 0; number < each; number += 16) {
      // Sixteen of each at a time, so that sockets' buffers suffice.
      const numbers = Array.from({ length: 16 }, (_, i) => number + i);
      await Promise.all(senders.flatMap((socket) => numbers.map((n) => send(socket, n))));
    }
    for (const socket of senders) socket.close();
  },
  /** Makes an offload of embedded devices fail; errno 0 for no more. */
  failOffload: ({ name, errno }) => testBuild.failEmbeddedOffload(name, errno),
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
for (const flow of flows) flow.destroy();
server?.close();
process.exit(0);
