/** What this process says to the kernel over netlink, as strace sees it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";

export interface Trace {
  /** Requests that only ask: listings and look-ups. */
  readonly asked: readonly string[];
  /** All others, as strace shows them. */
  readonly written: readonly string[];
}

/** Requests sent on any thread while `body` runs. Fails when strace cannot watch. */
export async function traced(body: () => Promise<void>): Promise<Trace> {
  const file = `/run/netlink-${process.pid}-${performance.now()}.trace`;
  const strace = spawn(
    "strace",
    ["-f", "-yy", "-s", "64", "-e", "trace=sendto,sendmsg,write", "-o", file, "-p", `${process.pid}`],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const ended = once(strace, "close");
  let said = "";
  const attached = new Promise<void>((resolve, reject) => {
    strace.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (/Process \d+ attached/.test(said)) resolve();
    });
    strace.on("error", reject);
    strace.on("close", () => reject(new Error(`strace ended: ${said}`)));
  });
  try {
    await attached;
    await body();
  } finally {
    strace.kill("SIGINT");
    await ended;
  }
  const requests = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.includes("<NETLINK:"));
  rmSync(file);
  return { asked: requests.filter(onlyAsks), written: requests.filter((line) => !onlyAsks(line)) };
}

/** The first byte behind the header is WireGuard's command: 0 is GET_DEVICE, 1 is SET_DEVICE (linux/wireguard.h). */
function onlyAsks(line: string): boolean {
  return /nlmsg_type=RTM_GET|nlmsg_type=nlctrl|nlmsg_type=wireguard,.*?\}, "\\[x0]*0+\\/.test(line);
}
