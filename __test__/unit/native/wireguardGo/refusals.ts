/** Programs, names and sockets that are refused. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import type { Cases } from "../../../vm/cases.ts";
import { assertGone, coded, newName, open, sockets, withFolder } from "./support.ts";

export const refusals: Cases = {
  "programs that are missing, wrong, or end at once are errors with a remedy, and change nothing": () =>
    withFolder((folder) => {
      const script = (name: string, body: string) => {
        const file = path.join(folder, name);
        writeFileSync(file, `#!/bin/sh\n${body}\n`);
        chmodSync(file, 0o755);
        return file;
      };
      const refused = (program: string, text: RegExp) => {
        const name = newName();
        assert.throws(() => open(name, { program }), coded("NO_WIREGUARD_GO", text));
        assert.throws(() => open(name, { program }), coded("NO_WIREGUARD_GO", /apt install wireguard-go/));
        assertGone(name);
      };
      refused("/nonesuch/wireguard-go", /cannot use \/nonesuch\/wireguard-go: No such file/);
      refused("wireguard-go", /absolute path/);
      refused(script("other", "echo amneziawg-go v0.2.13"), /it is not wireguard-go/);
      refused(script("old", "echo wireguard-go v0.0.20200320"), /version 0\.0\.20200320 is older/);
      refused(
        script("fails", "echo no such library >&2; exit 127"),
        /status 127, last it said: no such library/,
      );
      const plain = script("plain", "");
      chmodSync(plain, 0o644);
      refused(plain, /it is not executable/);

      const version = '[ "$1" = --version ] && { echo wireguard-go v0.0.20250522; exit; }';
      const dies = script("dies", `${version}; echo 'ERROR: (x) 2026/01/02 03:04:05 no luck'; exit 4`);
      assert.throws(
        () => open("wgdies", { program: dies }),
        coded("CHILD_FAILED", /cannot start wireguard-go: it ended with status 4, last it said: no luck/),
      );
      const wraps = script("wraps", `${version}; wireguard-go "$@" & wait`);
      assert.throws(() => open("wgwraps", { program: wraps }), coded("EBUSY", /wrapper without exec/));
      assertGone("wgwraps");
    }),

  "what is found in $PATH is taken only when root alone can have put it there": () =>
    withFolder((folder) => {
      const before = process.env.PATH;
      const program = path.join(folder, "wireguard-go");
      writeFileSync(program, "#!/bin/sh\necho wireguard-go v9.9.9\n");
      chmodSync(program, 0o777);
      process.env.PATH = `${folder}:${before}`;
      try {
        assert.throws(
          () => open(),
          coded("NO_WIREGUARD_GO", /others than its owner can write to it.*--wireguard-go/),
        );
      } finally {
        process.env.PATH = before;
      }
    }),

  "names and sockets of others are refused and stay": async () => {
    execFileSync("ip", ["link", "add", "taken", "type", "veth", "peer", "name", "taken2"]);
    execFileSync("ip", ["tuntap", "add", "tunnel", "mode", "tun"]);
    assert.throws(() => open("taken"), coded("NOT_WIREGUARD", /a link of that name exists \(veth\)/));
    assert.throws(() => open("tunnel"), coded("EEXIST", /exists \(tun\)/));
    const server = createServer().listen(`${sockets}/wgserved.sock`);
    await once(server, "listening");
    assert.throws(() => open("wgserved"), coded("EBUSY", /wgserved\.sock: another process serves it/));
    await new Promise((resolve) => server.close(resolve));
    assertGone("wgserved");
  },
};
