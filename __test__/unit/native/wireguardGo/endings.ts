/** However it ends, it is told, and nothing is left. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { endLeftoverChild, linkGet } from "@wgmesh/native";
import type { Cases } from "../../../vm/cases.ts";
import { children, processEntry, processes, startOf, threadStates } from "../processes.ts";
import {
  addon,
  assertGone,
  childPid,
  coded,
  keyOf,
  newIdentity,
  newName,
  open,
  sockets,
  until,
  withEvents,
  withFolder,
} from "./support.ts";

export const endings: Cases = {
  "a child that is killed is told as a failure, and what it left is removed": withEvents(
    async (device, events) => {
      device.configure({ identity: newIdentity() });
      device.up();
      process.kill(childPid(), "SIGKILL");
      await until("the failure is told", () => events.length > 0);
      assert.deepEqual(
        events.map((event) => ({ ...event })),
        [{ type: "failed", reason: "wireguard-go is gone: it ended with signal 9" }],
      );
      assert.equal(linkGet(device.name), null, "the interface goes with it");
      await assert.rejects(device.read(), coded("ENODEV", /wireguard-go is gone: it ended with signal 9/));
      await assert.rejects(device.apply([{ publicKey: keyOf(1) }]), coded("ENODEV", /is gone/));
      assert.deepEqual(children(), [], "no zombie, although nobody closed the device yet");
      device.close(true);
      assertGone(device.name);
    },
  ),

  "a child that is stopped and does not answer is ended and told as a failure": withEvents(
    async (device, events) => {
      const pid = childPid();
      process.kill(pid, "SIGSTOP");
      // The signal is on its way to every thread.
      await until("it is stopped", () => threadStates(pid).every((state) => state === "T"));
      await assert.rejects(device.read(), coded("ETIMEDOUT", /did not answer within 10 s/));
      await until("the failure is told", () => events.some(({ type }) => type === "failed"));
      assert.ok(events.some((event) => event.type === "notice" && /so it is ended/.test(event.text)));
    },
  ),

  "somebody who removes the socket ends it, which is told": withEvents(async (device, events) => {
    rmSync(`${sockets}/${device.name}.sock`);
    await until("the failure is told", () => events.some(({ type }) => type === "failed"));
  }),

  "an interface that another process deletes is told as a failure": withEvents(async (device, events) => {
    execFileSync("ip", ["link", "delete", device.name]);
    await until("the failure is told", () => events.some(({ type }) => type === "failed"));
  }),

  "the socket of a killed one is in nobody's way": async () => {
    const name = newName();
    const program = `require(${JSON.stringify(addon)}).WireGuardDevice.open("wireguard-go", "${name}", 0);
      process.kill(process.pid, "SIGKILL");`;
    const child = spawn(process.execPath, ["-e", program], { stdio: "ignore" });
    await once(child, "exit");
    await until("its wireguard-go is gone", () => linkGet(name) === null);
    assert.ok(existsSync(`${sockets}/${name}.sock`), "SIGKILL leaves it");
    open(name).close(true);
    assertGone(name);
  },

  "a child goes with its process, however that ends, and its record ends nobody else": () =>
    withFolder(async (folder) => {
      for (const end of ['process.kill(process.pid, "SIGKILL")', "process.exit(0)", "throw 1"]) {
        const record = path.join(folder, "child.json");
        const program = `const { WireGuardDevice } = require(${JSON.stringify(addon)});
          WireGuardDevice.open("wireguard-go", "wgbrief", 0, { childRecord: ${JSON.stringify(record)} }).onEvent(() => {});
          ${end};`;
        const child = spawn(process.execPath, ["-e", program], { stdio: "ignore" });
        await once(child, "exit");
        const { pid } = JSON.parse(readFileSync(record, "utf8"));
        // Where nobody reaps orphans it stays a zombie, whose other threads may hold the interface for a moment.
        await until(`the child is gone after ${end}`, () =>
          [null, "Z"].includes(processEntry(pid)?.state ?? null),
        );
        await until("its interface is, too", () => linkGet("wgbrief") === null);
        // The number when the last of it was still on its way out.
        assert.ok([null, pid].includes(endLeftoverChild(record)));
        assert.equal(existsSync(record), false);
        assert.equal(endLeftoverChild(record), null);
      }
      assertGone("wgbrief");
    }),

  "a child that outlived its process is ended by its record": () =>
    withFolder(async (folder) => {
      const name = newName();
      // By a shell that ends: nobody here is its parent, as nobody is of a leftover.
      const started = execFileSync("sh", [
        "-c",
        `wireguard-go --foreground ${name} >/dev/null 2>&1 & echo $!`,
      ]);
      const pid = Number(started);
      await until("it serves", () => existsSync(`${sockets}/${name}.sock`));
      const record = path.join(folder, "child.json");
      const socket = `/var${sockets}/${name}.sock`;
      const text = JSON.stringify({ pid, start: startOf(pid), program: "/usr/bin/wireguard-go", socket });
      writeFileSync(record, text, { mode: 0o600 });
      assert.equal(endLeftoverChild(record), pid);
      await until("it is gone", () => linkGet(name) === null);
      assert.ok(!processes().some((entry) => entry.pid === pid && entry.state !== "Z"));
      assert.equal(existsSync(record), false);
      assertGone(name);
    }),
};
