import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import type { WgmeshError } from "../../../src/core/errors.ts";
import { systemRandom } from "../../../src/core/random.ts";
import { callOnce, RpcClient } from "../../../src/rpc/client.ts";
import type { RpcLimits } from "../../../src/rpc/connection.ts";
import { newToken } from "../../../src/rpc/tokens.ts";
import { type Certificate, makeCertificate } from "../support/certificate.ts";
import { type RunningServer, startServer, temporaryFolder, vectorView } from "./fixtures.ts";

const admin = newToken("ann", "admin", systemRandom);
const reader = newToken("bob", "readonly", systemRandom);

const certificate = (folder: string, name: string): Certificate => makeCertificate(folder, name, "127.0.0.1");

interface Door extends RunningServer {
  readonly tokensPath: string;
  readonly certificate: Certificate;
  readonly folder: string;
  place(
    token: string,
    ca?: string,
  ): {
    server: { host: string; port: number };
    tls: { ca: string | null } | null;
    token: string;
  };
}

async function openDoor(secure = true, limits: Partial<RpcLimits> = {}): Promise<Door> {
  const folder = temporaryFolder();
  const tokensPath = path.join(folder, "tokens");
  writeFileSync(tokensPath, `${admin.line}\n${reader.line}\n`, { mode: 0o600 });
  const own = certificate(folder, "first");
  const running = await startServer(vectorView(), {
    rpcListen: { host: "127.0.0.1", port: 0 },
    credentials: { certificate: secure ? own : null, tokensPath },
    limits,
  });
  const port = running.server.ports.rpc ?? 0;
  return {
    ...running,
    ...{ tokensPath, certificate: own, folder },
    place: (token, ca = readFileSync(own.certPath, "utf8")) => ({
      server: { host: "127.0.0.1", port },
      tls: secure ? { ca } : null,
      token,
    }),
  };
}

describe("RPC over TLS", () => {
  test("admin and readonly do what they may", async () => {
    const door = await openDoor();
    expect(await callOnce(door.place(admin.token), "daemon.reload")).toMatchObject({ warning: null });
    expect(await callOnce(door.place(reader.token), "daemon.ping")).toMatchObject({ pong: true });
    await expect(callOnce(door.place(reader.token), "daemon.reload")).rejects.toMatchObject({
      code: "ERR_RPC_ROLE",
    });
  });

  test("a wrong token is refused, and too many of them shut the door for that source", async () => {
    const door = await openDoor();
    for (let i = 0; i < 10; i += 1) {
      await expect(callOnce(door.place(`no ${i}`), "daemon.ping")).rejects.toMatchObject({
        code: "ERR_RPC_AUTH",
      });
    }
    await expect(callOnce(door.place(admin.token), "daemon.ping")).rejects.toThrow(/too many wrong tokens/);
    // The socket of this machine is not shut.
    expect(await callOnce({ socketPath: door.socketPath }, "daemon.ping")).toMatchObject({ pong: true });
  });

  test("nothing is answered before a token was shown, and the connection ends", async () => {
    const { place } = await openDoor();
    const { server, tls: secure } = place("");
    const socket = tls.connect({ ...server, ca: secure?.ca ?? "" });
    onTestFinished(() => {
      socket.destroy();
    });
    socket.write(
      '{"jsonrpc":"2.0","method":"daemon.status","id":1}\n{"jsonrpc":"2.0","method":"daemon.ping","id":2}\n',
    );
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    expect(text.trimEnd().split("\n")).toHaveLength(1);
    expect(text).toContain("ERR_RPC_AUTH");
  });

  test("a client believes no other authority, nor one that speaks no TLS", async () => {
    const door = await openDoor();
    const other = readFileSync(certificate(door.folder, "other").certPath, "utf8");
    await expect(callOnce(door.place(admin.token, other), "daemon.ping")).rejects.toMatchObject({
      code: "ERR_PERMISSION",
    });
    const plain = net.createServer((socket) => socket.on("error", () => {}).end("hello\n"));
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      plain.close();
    });
    const { port } = plain.address() as net.AddressInfo;
    await expect(
      callOnce({ ...door.place(admin.token), server: { host: "127.0.0.1", port } }, "daemon.ping"),
    ).rejects.toMatchObject({ code: "ERR_NOT_RUNNING" });
  });

  test("strangers who say nothing make room for who comes from the same address, the oldest first", async () => {
    const door = await openDoor();
    const { server } = door.place("");
    const come = async (): Promise<net.Socket> => {
      const stranger = net.connect(server).on("error", () => {});
      onTestFinished(() => {
        stranger.destroy();
      });
      await once(stranger, "connect");
      return stranger;
    };
    const strangers: net.Socket[] = [];
    for (let count = 0; count < 20; count += 1) strangers.push(await come());
    await expect
      .poll(() => strangers.map(({ closed }) => closed))
      .toEqual(Array.from({ length: 20 }, (_, index) => index < 4));
    expect(await callOnce(door.place(admin.token), "daemon.ping")).toMatchObject({ pong: true });
  });

  test("followers of one token cannot keep out another, and those of many cannot keep out an admin", async () => {
    const door = await openDoor(false, { connections: 16 });
    const others = ["cem", "dan", "eve"].map((name) => newToken(name, "readonly", systemRandom));
    writeFileSync(door.tokensPath, [admin, reader, ...others].map(({ line }) => `${line}\n`).join(""));
    (await door.server.prepareReload())();
    const follow = async (token: string): Promise<string> => {
      try {
        const client = await RpcClient.connect(door.place(token));
        onTestFinished(() => client.close());
        await client.follow("events.follow");
        return "follows";
      } catch (error) {
        return (error as WgmeshError).code;
      }
    };
    const outcomes: string[] = [];
    for (let count = 0; count < 3; count += 1) outcomes.push(await follow(reader.token));
    expect(outcomes).toEqual(["follows", "follows", "ERR_NOT_READY"]);
    for (const { token } of others)
      expect([await follow(token), await follow(token)]).not.toContain("ERR_NOT_READY");
    expect(await callOnce(door.place(admin.token), "daemon.ping")).toMatchObject({ pong: true });
  });

  test("strangers who say nothing are let go within seconds, at the handshake and before a token", async () => {
    const door = await openDoor();
    const { server, tls: secure } = door.place("");
    const strangers = [net.connect(server), tls.connect({ ...server, ca: secure?.ca ?? "" })];
    for (const stranger of strangers) {
      stranger.on("error", () => {});
      onTestFinished(() => {
        stranger.destroy();
      });
      stranger.resume();
    }
    await expect.poll(() => strangers.map(({ closed }) => closed), { timeout: 7_000 }).toEqual([true, true]);
  }, 10_000);

  test("a reload brings a new certificate and new tokens; who has none any more is let go", async () => {
    const door = await openDoor();
    const [kept, gone] = [
      await RpcClient.connect(door.place(admin.token)),
      await RpcClient.connect(door.place(reader.token)),
    ];
    onTestFinished(() => {
      kept.close();
      gone.close();
    });
    const next = certificate(door.folder, "next");
    writeFileSync(door.certificate.certPath, readFileSync(next.certPath));
    writeFileSync(door.certificate.keyPath, readFileSync(next.keyPath));
    writeFileSync(door.tokensPath, admin.line);
    expect((await door.server.prepareReload())()).toEqual(["rpc-tokens", "rpc-cert"]);
    expect(await kept.call("daemon.ping")).toMatchObject({ pong: true });
    await expect(gone.call("daemon.ping")).rejects.toMatchObject({ code: "ERR_NOT_RUNNING" });
    const ca = readFileSync(next.certPath, "utf8");
    expect(await callOnce(door.place(admin.token, ca), "daemon.ping")).toMatchObject({ pong: true });
    await expect(callOnce(door.place(reader.token, ca), "daemon.ping")).rejects.toMatchObject({
      code: "ERR_RPC_AUTH",
    });
  });

  test("a reload with a key of another certificate, or a bad line, changes nothing", async () => {
    const door = await openDoor();
    const next = certificate(door.folder, "next");
    const key = readFileSync(door.certificate.keyPath);
    writeFileSync(door.certificate.keyPath, readFileSync(next.keyPath));
    await expect(door.server.prepareReload()).rejects.toMatchObject({ code: "ERR_RELOAD" });
    writeFileSync(door.certificate.keyPath, key);
    writeFileSync(door.tokensPath, "ann admin\n");
    await expect(door.server.prepareReload()).rejects.toThrow(/tokens:1: ann has no hash/);
    expect(await callOnce(door.place(reader.token), "daemon.ping")).toMatchObject({ pong: true });
  });

  test("a key that everybody can read is refused, and by a reload too", async () => {
    const door = await openDoor();
    chmodSync(door.certificate.keyPath, 0o644);
    const refused = {
      code: "ERR_STATE_PERMISSIONS",
      message: `${door.certificate.keyPath} can be read by others (mode 644)`,
    };
    await expect(door.server.prepareReload()).rejects.toMatchObject(refused);
    // A group that hands out keys is the operator's wish.
    chmodSync(door.certificate.keyPath, 0o640);
    await expect(door.server.prepareReload()).resolves.toBeDefined();
  });

  test("on loopback a token does without TLS", async () => {
    const door = await openDoor(false);
    expect(await callOnce(door.place(reader.token), "daemon.ping")).toMatchObject({ pong: true });
  });
});
