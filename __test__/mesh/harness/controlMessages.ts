import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { type OpenedEnvelope, openEnvelope } from "../../../src/wire/envelope.ts";
import type { Sealer } from "../../../src/wire/sealer.ts";
import type { MeshNode } from "./node.ts";

/** Records the control messages that pass a link of a node's namespace until `finish`, which opens them with the mesh's own key. */
export async function recordMessages(
  node: MeshNode,
  link: string,
  sealer: Sealer,
): Promise<{ finish(): Promise<OpenedEnvelope[]> }> {
  const program = path.resolve("__test__/mesh/harness/datagrams.py");
  const [file = "", ...args] = node.command("python3", program, link);
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async finish() {
      child.stdin.end("end\n");
      const messages: OpenedEnvelope[] = [];
      for (;;) {
        const { value, done } = await lines.next();
        if (done === true || value === "end") return messages;
        const opened = openEnvelope(Buffer.from(value, "base64"), sealer, Date.now());
        if (opened.ok) messages.push(opened);
      }
    },
  };
}
