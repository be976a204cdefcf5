import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { attempt, run } from "./harness/exec.ts";
import { Lab } from "./harness/lab.ts";
import { addNamespace, sweepDeadRuns } from "./harness/namespaces.ts";
import { answeredInARow, countPings } from "./harness/pingOutput.ts";

const namespaces = (): string => attempt(["ip", "netns", "list"]);

describe("the lab", () => {
  test("joins its hosts, lets nothing out, and leaves nothing behind", async () => {
    const lab = new Lab();
    try {
      const [a, b] = [lab.addHost("a"), lab.addHost("b")];
      const inA = ["ip", "netns", "exec", a.namespace];
      expect((await run([...inA, "ping", "-c", "1", "-w", "5", b.address])).code).toBe(0);
      expect((await run([...inA, "ip", "route", "show", "default"])).stdout).toBe("");
    } finally {
      lab.dispose();
    }
    expect(namespaces()).not.toContain(lab.id);
    expect(existsSync(lab.folder)).toBe(false);
  });

  test("sweeps what a dead run left, and not what a living one has", async () => {
    const dead = await run(["sh", "-c", "echo $$"]);
    const left = `wgmt-${dead.stdout.trim()}-abcdef-left`;
    const leftFolder = path.join(tmpdir(), left);
    const living = new Lab();
    try {
      addNamespace(left);
      mkdirSync(leftFolder);
      sweepDeadRuns();
      expect(namespaces()).not.toContain(left);
      expect(existsSync(leftFolder)).toBe(false);
      expect(namespaces()).toContain(living.id);
      expect(existsSync(living.folder)).toBe(true);
    } finally {
      attempt(["ip", "netns", "delete", left]);
      living.dispose();
    }
  });

  test("counts the pings that were lost", () => {
    const output = `64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=1 ms
64 bytes from 10.0.0.1: icmp_seq=3 ttl=64 time=1 ms
4 packets transmitted, 2 received, 50% packet loss, time 3ms`;
    expect(countPings(output)).toEqual({ sent: 3, lost: [2] });
    expect(answeredInARow(output)).toBe(1);
    expect(answeredInARow(output.replace("icmp_seq=3", "icmp_seq=2"))).toBe(2);
  });
});
