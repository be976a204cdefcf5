import { describe, expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import { type GatewayPlace, gatewayEndpoint } from "../../../src/daemon/gatewayEndpoint.ts";

const own = { wireguardPort: 51820, externalHost: null, externalWireguardPort: null };

function reached(change: Partial<GatewayPlace>): string | null {
  const found = gatewayEndpoint({ own, advertised: null, linkAddresses: [], usual: [], ...change });
  return found && `${found.endpoint.host} ${found.endpoint.port} ${found.source}`;
}

const seen = (externalHost: string, externalWireguardPort: number | null = null): GatewayPlace["own"] => ({
  ...own,
  externalHost: externalHost as IpAddress,
  externalWireguardPort,
});

describe("where a client reaches its gateway", () => {
  test("is what the operator says before all else", () => {
    const host = "203.0.113.7" as IpAddress;
    const others = { own: seen("198.51.100.1"), linkAddresses: ["198.51.100.1"] };
    expect(reached({ ...others, advertised: { host, port: null } })).toBe("203.0.113.7 51820 advertised");
    expect(reached({ ...others, advertised: { host, port: 443 } })).toBe("203.0.113.7 443 advertised");
  });

  test("is the address that others see, which is a NAT's where no link has it", () => {
    const linkAddresses = ["192.168.1.5", "198.51.100.1"];
    expect(reached({ own: seen("198.51.100.1"), linkAddresses })).toBe("198.51.100.1 51820 public");
    expect(reached({ own: seen("198.51.100.9", 4711), linkAddresses })).toBe("198.51.100.9 4711 nat");
  });

  test("is a public address of a link where nobody has told another", () => {
    expect(reached({ linkAddresses: ["10.0.0.5", "198.51.100.1"] })).toBe("198.51.100.1 51820 public");
    expect(reached({ linkAddresses: ["10.0.0.5", "2a00:1::5"] })).toBe("2a00:1::5 51820 public");
  });

  test("is an address of the LAN else, of the link that leads to the Internet", () => {
    const linkAddresses = ["172.17.0.1", "192.168.1.5", "fd00::5"];
    expect(reached({ linkAddresses, usual: ["192.168.1.5"] })).toBe("192.168.1.5 51820 lan");
    expect(reached({ linkAddresses })).toBe("172.17.0.1 51820 lan");
    expect(reached({ linkAddresses: ["fd00::5"], own: seen("192.168.7.7") })).toBe("fd00::5 51820 lan");
  });

  test("is unknown where there is no link", () => {
    expect(reached({})).toBeNull();
  });
});
