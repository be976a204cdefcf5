import type { Command } from "commander";
import { stateFilePath } from "../../config/paths.ts";
import { ExitCode, WgmeshError } from "../../core/errors.ts";
import type { InterfaceName } from "../../core/types.ts";
import { type ClientResult, type ClientsResult, RpcClient } from "../../rpc/client.ts";
import { addClientChoice, type Chosen, chooseFor, publicKeyOf, readClientChoice } from "../clientChoice.ts";
import { clientConfigurationText } from "../clientConfiguration.ts";
import { addClientPaper, readClientPaper, showConfiguration } from "../clientPaper.ts";
import { addLocation, type Location, readLocation } from "../location.ts";
import { refuseWords } from "../refuseWords.ts";
import { agoText, byteText, jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** `wgmesh client add|list|show|remove` (row G10): devices of plain WireGuard, and the configurations they import. */
export function addClient(program: Command, terminal: Terminal): void {
  const client = program
    .command("client")
    .description("devices without wgmesh, such as phones, that reach the mesh through this node")
    .usage("COMMAND [options]");
  addAdd(client, terminal);
  addList(client, terminal);
  addShow(client, terminal);
  addRemove(client, terminal);
}

function addAdd(parent: Command, terminal: Terminal): void {
  const command = parent
    .command("add <name>")
    .description(
      "add a device, and show the WireGuard configuration it imports, this once with its private key",
    )
    .option("--public-key <key>", "of a device that made its own key pair (default: one is made)");
  addClientChoice(command);
  addClientPaper(command).action(async (name: string) => {
    const location = readLocation(command, terminal);
    const { publicKey: given } = command.opts<{ publicKey?: string }>();
    const ownKey = given === undefined ? null : publicKeyOf(given);
    const choice = readClientChoice(command);
    const paper = readClientPaper(command, terminal);
    await withGateway(location, async ({ rpc, answer, keys, gatewayKey }) => {
      const chosen = chooseFor(answer.gateway, choice);
      const pair = ownKey === null ? keys.newKeyPair() : { privateKey: null, publicKey: ownKey };
      const presharedKey = keys.presharedKeyFor(gatewayKey, pair.publicKey);
      try {
        const added = await rpc.call("clients.add", { name, public_key: pair.publicKey });
        const text = configurationOf(added, answer, chosen, { ...choice, presharedKey, ...pair });
        showConfiguration(text, added, chosen, paper, keys.writeTextQr, terminal);
      } catch (error) {
        // Another of that name or key is why it was refused.
        const isOther = answer.clients.some(
          (known) => known.name === name || known.public_key === pair.publicKey,
        );
        if (!isOther) await takeBack(rpc, name, pair.publicKey);
        throw error;
      }
      if (paper.json || pair.privateKey === null) return;
      terminal.err("wgmesh: the private key in it is kept nowhere else, and cannot be shown again\n");
    });
  });
  addLocation(command);
}

function addList(parent: Command, terminal: Terminal): void {
  const command = parent
    .command("list", { isDefault: true })
    .description("the clients of this node")
    // So that a word that is no command is called that.
    .allowExcessArguments()
    .action(async () => {
      refuseWords(command);
      const location = readLocation(command, terminal);
      await withDaemon(location, async (rpc) => {
        const answer = await rpc.call("clients.list");
        terminal.out(location.json ? jsonText(answer) : clientTable(answer, terminal));
      });
    });
  addLocation(command);
}

function addShow(parent: Command, terminal: Terminal): void {
  const command = parent
    .command("show <name>")
    .description("show a client's WireGuard configuration as it is now, without its private key");
  addClientChoice(command);
  addClientPaper(command).action(async (name: string) => {
    const location = readLocation(command, terminal);
    const choice = readClientChoice(command);
    const paper = readClientPaper(command, terminal);
    await withGateway(location, async ({ rpc: _, answer, keys, gatewayKey }) => {
      const client = answer.clients.find((known) => known.name === name);
      if (client === undefined) throw unknownClient(`there is no client ${JSON.stringify(name)}`);
      const chosen = chooseFor(answer.gateway, choice);
      const presharedKey = keys.presharedKeyFor(gatewayKey, client.public_key);
      const text = configurationOf(client, answer, chosen, { ...choice, presharedKey, privateKey: null });
      showConfiguration(text, client, chosen, paper, keys.writeTextQr, terminal);
    });
  });
  addLocation(command);
}

function addRemove(parent: Command, terminal: Terminal): void {
  const command = parent
    .command("remove <name>")
    .description("remove a client: its tunnel ends at once, and its configuration is of no use any more")
    .action(async (name: string) => {
      const location = readLocation(command, terminal);
      await withDaemon(location, async (rpc) => {
        const removed = await rpc.call("clients.remove", { name }).catch((error: unknown) => {
          const isUnknown = error instanceof WgmeshError && error.code === "ERR_CLIENT";
          throw isUnknown ? unknownClient(error.message) : error;
        });
        terminal.out(location.json ? jsonText(removed) : `${removed.name} is removed\n`);
      });
    });
  addLocation(command);
}

type Keys = typeof import("../../identity/clientKeys.ts");

interface Gateway {
  readonly rpc: RpcClient;
  readonly answer: ClientsResult;
  readonly keys: Keys;
  readonly gatewayKey: ReturnType<Keys["openGatewayKey"]>;
}

/** With the node's key pair, which a preshared key follows from: on its machine, and as a user who may read it. */
async function withGateway(location: Location, use: (gateway: Gateway) => Promise<void>): Promise<void> {
  if (location.remote) {
    throw new WgmeshError("ERR_USAGE", "--server: a preshared key never travels over the network", {
      hint: "run it on the machine of that daemon",
    });
  }
  await withDaemon(location, async (rpc) => {
    const answer = await rpc.call("clients.list");
    const keys = await import("../../identity/clientKeys.ts");
    const gatewayKey = keys.openGatewayKey(await stateFileOf(rpc), answer.gateway.public_key);
    await use({ rpc, answer, keys, gatewayKey });
  });
}

async function withDaemon(location: Location, use: (rpc: RpcClient) => Promise<void>): Promise<void> {
  const rpc = await RpcClient.connect(location.client);
  try {
    await use(rpc);
  } finally {
    rpc.close();
  }
}

async function stateFileOf(rpc: RpcClient): Promise<string> {
  const { settings } = await rpc.call("config.get", {});
  const stateDir = settings.find(({ key }) => key === "state-dir")?.value;
  if (typeof stateDir !== "string")
    throw new WgmeshError("ERR_NOT_READY", "the daemon does not tell its state folder");
  const status = await rpc.call("daemon.status");
  return stateFilePath({ stateDir, interfaceName: status.interface as InterfaceName });
}

function configurationOf(
  client: ClientResult,
  { gateway }: ClientsResult,
  { endpoint, allowedIps }: Chosen,
  given: {
    readonly privateKey: string | null;
    readonly presharedKey: string;
    readonly dns: readonly string[];
  },
): string {
  const { privateKey, presharedKey, dns } = given;
  return clientConfigurationText({
    ...{ name: client.name, publicKey: client.public_key, ip: client.ip, ipv6: client.ipv6 },
    ...{ privateKey, dns, mtu: gateway.mtu },
    gateway: { publicKey: gateway.public_key, presharedKey, endpoint, allowedIps },
  });
}

/** What may have been added, though its configuration is nowhere. What led here is the error to tell. */
async function takeBack(rpc: RpcClient, name: string, publicKey: string): Promise<void> {
  try {
    const { clients } = await rpc.call("clients.list");
    if (clients.some((known) => known.name === name && known.public_key === publicKey))
      await rpc.call("clients.remove", { name });
  } catch {
    // The daemon has gone.
  }
}

const unknownClient = (message: string): WgmeshError =>
  new WgmeshError("ERR_CLIENT", message, { exitCode: ExitCode.notFound });

function clientTable({ clients }: ClientsResult, { clock, columns }: Terminal): string {
  if (clients.length === 0) return "no clients\n";
  const nowMs = clock.wallMs();
  const rows = clients.map((client) => [
    client.name,
    [client.ip, client.ipv6].filter(Boolean).join(", "),
    agoText(client.last_handshake, nowMs),
    byteText(client.rx_bytes),
    byteText(client.tx_bytes),
    client.endpoint || "-",
    client.public_key,
  ]);
  return tableText(
    ["NAME", "ADDRESSES", "HANDSHAKE", "RECEIVED", "SENT", "ENDPOINT", "PUBLIC KEY"],
    rows,
    columns,
  );
}
