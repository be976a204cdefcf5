import { describe, expect, test } from "vitest";
import {
  isLoopback,
  type RpcOptions,
  rpcContradictions,
  rpcOptions,
} from "../../../src/config/rpcOptions.ts";

const defaults = Object.fromEntries(
  Object.entries(rpcOptions).map(([name, row]) => [name, row.default]),
) as unknown as RpcOptions;
const outside = { host: "192.0.2.1", port: 7000 };
const inside = { host: "127.0.0.1", port: 7000 };
const certificate = { rpcCert: "/c.pem", rpcKey: "/k.pem" };

const problems = (options: Partial<RpcOptions>): string[] =>
  rpcContradictions({ ...defaults, ...options }, (key) => `file:1: ${key}`).map(({ message }) => message);

describe("what guards a listener", () => {
  test.each<[string, Partial<RpcOptions>]>([
    ["nothing asked for", {}],
    ["TLS and tokens", { rpcListen: outside, rpcTokens: "/t", ...certificate }],
    ["tokens alone on loopback", { rpcListen: inside, rpcTokens: "/t" }],
    ["HTTP on loopback beside tokens", { httpListen: inside, rpcTokens: "/t" }],
    ["HTTP for everybody, without tokens", { httpListen: outside }],
    ["HTTP with TLS and tokens", { httpListen: outside, rpcTokens: "/t", ...certificate }],
    ["a group", { socketGroup: "wheel", socketGroupAdmin: true }],
  ])("%s is enough", (_what, options) => {
    expect(problems(options)).toEqual([]);
  });

  test.each<[string, Partial<RpcOptions>, RegExp]>([
    [
      "no TLS beyond loopback",
      { rpcListen: outside, rpcTokens: "/t" },
      /file:1: rpc-listen: 192\.0\.2\.1:7000.*outside/,
    ],
    [
      "HTTP beyond loopback with tokens and no TLS",
      { httpListen: outside, rpcTokens: "/t" },
      /file:1: http-listen.*outside/,
    ],
    ["no tokens", { rpcListen: inside, ...certificate }, /file:1: rpc-listen: there are no tokens/],
    ["a certificate without its key", { rpcCert: "/c.pem" }, /file:1: rpc-cert: .*--rpc-key/],
    ["rights for no group", { socketGroupAdmin: true }, /file:1: socket-group-admin: there is no group/],
  ])("%s is refused", (_what, options, message) => {
    expect(problems(options)).toEqual([expect.stringMatching(message)]);
  });

  test.each([
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["::1", true],
    ["localhost", true],
    ["0.0.0.0", false],
    ["::", false],
    ["192.0.2.1", false],
    ["localhost.example", false],
  ])("%s is loopback: %s", (host, loopback) => {
    expect(isLoopback(host)).toBe(loopback);
  });
});
