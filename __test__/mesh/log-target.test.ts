/** The log where the machine's other logs are: real daemons and services on the sockets' own paths, in a mount namespace. */
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { Outcome } from "./harness/exec.ts";
import { journalFields, LogSink } from "./harness/logSink.ts";
import { daemonProgram, type MeshNode, type StatusJson } from "./harness/node.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Has /run/systemd/journal/socket and /dev/log lead to sockets in the folder `$0`, for what it starts alone. */
const withSockets = `
mount -t tmpfs none /run && mkdir -p /run/wireguard /run/systemd/journal && ln -s "$0/journal" /run/systemd/journal/socket &&
mkdir -p "$0/dev" && mount --rbind /dev "$0/dev" && mount -t tmpfs none /dev && mkdir /dev/net &&
for name in null zero random urandom net/tun; do : > "/dev/$name" && mount --bind "$0/dev/$name" "/dev/$name" || exit 99; done &&
ln -s "$0/syslog" /dev/log && exec "$@"`;

const pidOf = (node: MeshNode): number => Number(readFileSync(path.join(node.runDir, "wg0.pid"), "utf8"));

describe("--log-target", () => {
  const lab = useLab();

  function nodeWithSockets(name: string): { node: MeshNode; sockets: string } {
    const host = lab.addHost(name);
    const sockets = path.join(host.folder, "sockets");
    mkdirSync(sockets);
    const program = ["sh", "-c", withSockets, sockets, process.execPath, daemonProgram];
    return { node: lab.addNode(name, { program }, host), sockets };
  }

  const inBackground = (node: MeshNode, ...flags: string[]): Promise<Outcome> =>
    node.exec(node.daemonCommand("--daemon", ...flags));

  test("journald has each line with its priority and its fields, and none is on standard error", async () => {
    const { node, sockets } = nodeWithSockets("journald");
    const sink = await LogSink.open(path.join(sockets, "journal"));
    try {
      await node.startAndWait("--log-target", "journald", "--log-format", "text");
      const entry = await until("the interface is told", allowanceMs(1000), () =>
        sink.received.map(journalFields).find(({ MESSAGE }) => MESSAGE?.startsWith("identity loaded")),
      );
      expect(entry).toMatchObject({ PRIORITY: "6", SYSLOG_IDENTIFIER: "wgmeshd", WGMESH_INTERFACE: "wg0" });
      expect(entry.WGMESH_PUBLIC_KEY).toBe((await node.rpc<StatusJson>("daemon.status")).pubkey);
      expect(entry.WGMESH_CREATED).toBe("true");
      expect(await node.stop()).toMatchObject({ code: 0 });
      expect(node.log).toEqual([]);
      const last = sink.received.map(journalFields).at(-1);
      expect(last?.MESSAGE).toContain("wgmeshd stopped");
    } finally {
      await sink.close();
    }
  });

  test("syslog has the lines of a daemon in the background, those of the time it was away too", async () => {
    const { node, sockets } = nodeWithSockets("syslog");
    const socket = path.join(sockets, "syslog");
    const ends: LogSink[] = [];
    const openSink = async (): Promise<LogSink> => {
      const sink = await LogSink.open(socket);
      ends.push(sink);
      return sink;
    };
    const texts = (sink: LogSink): string[] => sink.received.map(({ data }) => data.toString());
    const warnings = async () => (await node.rpc<StatusJson>("daemon.status")).warnings;
    try {
      const first = await openSink();
      const ran = await inBackground(node, "--log-target", "syslog", "--log-format", "text");
      expect(ran).toMatchObject({ code: 0, stderr: "" });
      const form = new RegExp(
        `^<(27|28|30|31)>[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d wgmeshd\\[${pidOf(node)}\\]: .+$`,
      );
      for (const text of texts(first)) expect(text).toMatch(form);
      expect(texts(first).some((text) => text.includes(": identity loaded  publicKey="))).toBe(true);

      await first.close();
      await node.rpc("daemon.reload");
      const told = await until("it is a warning", allowanceMs(1000), async () =>
        (await warnings()).find((text) => text.includes("--log-target syslog")),
      );
      expect(told).toContain("/dev/log");
      const second = await openSink();
      process.kill(pidOf(node), "SIGUSR1");
      await until("what waited is there", allowanceMs(1000), () =>
        texts(second).some((text) => text.includes("trouble is over  trouble=log-target")),
      );
      expect(texts(second)[0]).toContain("configuration applied");
      expect((await warnings()).filter((text) => text.includes("--log-target"))).toEqual([]);
      const { lines } = await node.clientJson<{ lines: { msg: string }[] }>("logs", "-n", "2000");
      expect(lines.map(({ msg }) => msg)).toEqual(
        expect.arrayContaining(["identity loaded", "trouble is over"]),
      );

      expect(await node.client("down")).toMatchObject({ code: 0, stderr: "" });
      expect(texts(second).at(-1)).toContain("wgmeshd stopped");
    } finally {
      await ends.at(-1)?.close();
    }
  });

  test("a service that does not run is an error that says what to do, in the background too", async () => {
    const { node } = nodeWithSockets("nobody");
    node.start("--log-target", "journald");
    expect(await node.exit()).toMatchObject({ code: 8 });
    const said = node.logTail(5);
    expect(said).toContain(
      "wgmeshd: --log-target journald: ENOENT: cannot reach /run/systemd/journal/socket",
    );
    expect(said).toContain("hint: start the service, or log elsewhere");
    const { code, stderr } = await inBackground(node, "--log-target", "syslog");
    expect(code).toBe(8);
    expect(stderr).toContain("did not start: --log-target syslog: ENOENT: cannot reach /dev/log");
    expect(node.leftovers()).toEqual([]);
  });
});
