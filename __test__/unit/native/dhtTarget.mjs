/** A node of the DHT in a process of its own: prints its port, and goes with its standard input. */
import { DhtNode } from "@wgmesh/native";

const node = DhtNode.open({ address: "127.0.0.1", server: true });
const { port } = await node.status();
console.log(port);
process.stdin.resume().on("end", () => void node.close());
