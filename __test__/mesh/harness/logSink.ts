import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";

export interface Datagram {
  readonly data: Buffer;
  /** It came as a file in memory, not as a datagram. */
  readonly asFile: boolean;
}

/** A log service of this machine, bound to a path; Node.js cannot bind datagram sockets. */
export class LogSink {
  readonly received: Datagram[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child;
    this.#closed = once(child, "close");
    lines.on("line", (line) => {
      const { data, asFile } = JSON.parse(line) as { data?: string; asFile?: boolean };
      if (data !== undefined)
        this.received.push({ data: Buffer.from(data, "base64"), asFile: asFile === true });
    });
  }

  static async open(socketPath: string): Promise<LogSink> {
    const program = path.resolve("__test__/mesh/harness/logSink.py");
    const child = spawn("python3", [program, socketPath], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout });
    const sink = new LogSink(child, lines);
    // The first line says that the socket is there.
    await once(lines, "line");
    return sink;
  }

  /** Its socket goes with it. */
  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.#closed;
  }
}

/** An entry of the Native Journal Protocol, decoded. */
export function journalFields({ data }: Datagram): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let at = 0; at < data.length; ) {
    const end = data.indexOf("\n", at);
    const [name = "", ...value] = data.toString("utf8", at, end).split("=");
    at = end + 1;
    if (value.length > 0) {
      fields[name] = value.join("=");
      continue;
    }
    const length = Number(data.readBigUInt64LE(at));
    fields[name] = data.toString("utf8", at + 8, at + 8 + length);
    at += 8 + length + 1;
  }
  return fields;
}
