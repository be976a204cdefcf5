import path from "node:path";
import type { Command } from "commander";
import { addOptions, readOptions } from "../../config/flags.ts";
import { type OptionTable, type SecretOptions, secretOptions } from "../../config/options.ts";
import { rotationPath } from "../../config/paths.ts";
import { WgmeshError } from "../../core/errors.ts";
import type { InterfaceName } from "../../core/types.ts";
import type { MeshSecret } from "../../identity/derivation.ts";
import { RpcClient } from "../../rpc/client.ts";
import { addLocation, type Location, readLocation } from "../location.ts";
import { factsText, jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

const options: OptionTable<Omit<SecretOptions, "secret">> = {
  secretFile: secretOptions.secretFile,
  allowWeakSecret: secretOptions.allowWeakSecret,
};

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const MAX_GRACE_SECONDS = 30 * 86_400;
/** The second mesh is opened meanwhile. */
const TIMEOUT_MS = 30_000;

interface Flags {
  readonly accept?: true;
  readonly complete?: true;
  readonly abort?: true;
  readonly status?: true;
  readonly grace?: string;
  readonly output?: string;
}

type Rotation = Awaited<ReturnType<typeof ask>>;

/** `wgmesh rotate-secret` (row E7): moves the running mesh to a new secret. The secret goes to the daemon in a file, never over RPC. */
export function addRotateSecret(program: Command, terminal: Terminal): void {
  const command = program
    .command("rotate-secret")
    .description(
      "move the running mesh to a new secret: make or take one (--secret-file) and announce it; the others take it with --accept",
    )
    .option("--accept", "take the secret that was announced, from --secret-file, standard input or a prompt")
    .option("--complete", "drop the old secret on this node now; there is no way back")
    .option("--abort", "go back to the old secret, on all nodes that have not completed")
    .option("--status", "how far it is, and which peers have the new secret")
    .option("--grace <duration>", "how long both secrets count, such as 90s, 15m, 24h or 7d (default: 24h)")
    .option("-o, --output <file>", "write the secret that is made to this new file, mode 0600")
    .action(async () => {
      const location = readLocation(command, terminal);
      const flags = command.opts<Flags>();
      const [action = "start", ...more] = (["accept", "complete", "abort", "status"] as const).filter(
        (name) => flags[name] === true,
      );
      if (more.length > 0)
        throw new WgmeshError("ERR_USAGE", `--${action} and --${more[0]} exclude each other`);
      const client = await RpcClient.connect({ ...location.client, timeoutMs: TIMEOUT_MS });
      try {
        if (action === "status")
          return await told(client, await ask(client, "rotation.get"), location, terminal);
        if (action === "complete" || action === "abort") {
          return await told(client, await ask(client, `rotation.${action}`), location, terminal);
        }
        const request = readOptions(command, options, {});
        if (action === "accept") {
          const secret = await givenSecret({ ...request, secretFile: request.secretFile ?? "-" }, terminal);
          return await told(
            client,
            await hand(client, location, secret, graceOf(flags.grace)),
            location,
            terminal,
          );
        }
        await start(client, location, request, flags, terminal);
      } finally {
        client.close();
      }
    });
  addLocation(command);
  addOptions(command, options);
}

async function start(
  client: RpcClient,
  location: Location,
  request: Omit<SecretOptions, "secret">,
  { grace, output }: Flags,
  terminal: Terminal,
): Promise<void> {
  const graceSeconds = graceOf(grace) ?? UNITS.d ?? 0;
  if (request.secretFile !== null) {
    const secret = await givenSecret(request, terminal);
    return await told(client, await hand(client, location, secret, graceSeconds), location, terminal);
  }
  const { generateSecretUri, secretOfText } = await import("../../identity/meshSecret.ts");
  const uri = generateSecretUri();
  const rotation = await hand(client, location, secretOfText(uri), graceSeconds);
  if (output !== undefined) {
    const { writeNewFile } = await import("../newFile.ts");
    writeNewFile(path.resolve(output), `${uri}\n`);
    return await told(client, rotation, location, terminal);
  }
  if (location.json) return terminal.out(jsonText({ ...rotation, secret: uri }));
  terminal.out(`${uri}\n`);
  terminal.err("Give this to every node that is to stay: wgmesh rotate-secret --accept --secret-file FILE\n");
  await tellOfClients(client, rotation, terminal);
}

async function givenSecret(request: Omit<SecretOptions, "secret">, terminal: Terminal): Promise<MeshSecret> {
  const { openMeshSecret } = await import("../../identity/meshSecret.ts");
  const { secret, warnings } = openMeshSecret({ ...request, secret: null });
  for (const warning of warnings) terminal.err(`wgmesh: warning: ${warning}\n`);
  return secret;
}

/** Puts the secret where the daemon looks for it, and has it taken. */
async function hand(
  client: RpcClient,
  { remote, interfaceName }: Location,
  secret: MeshSecret,
  graceSeconds: number | null,
): Promise<Rotation> {
  if (remote) {
    throw new WgmeshError("ERR_USAGE", "--server: a secret never travels over the network", {
      hint: "run it on the machine of that daemon",
    });
  }
  const { settings } = await client.call("config.get", {});
  const stateDir = settings.find(({ key }) => key === "state-dir")?.value;
  if (typeof stateDir !== "string")
    throw new WgmeshError("ERR_NOT_READY", "the daemon does not tell its state folder");
  const { keepSecret } = await import("../../identity/meshIdentity.ts");
  keepSecret(
    secret,
    rotationPath({ stateDir, interfaceName: interfaceName as InterfaceName }, "offered-secret"),
  );
  return await client.call("rotation.accept", graceSeconds === null ? {} : { grace_seconds: graceSeconds });
}

const ask = (
  client: RpcClient,
  method: "rotation.get" | "rotation.complete" | "rotation.abort",
): ReturnType<typeof client.call<typeof method>> => client.call(method, {});

/** Seconds; null when it was not given. Throws ERR_USAGE. */
function graceOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const [, count, unit = ""] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (UNITS[unit] ?? Number.NaN);
  if (seconds <= MAX_GRACE_SECONDS) return seconds;
  throw new WgmeshError("ERR_USAGE", `--grace: ${JSON.stringify(text)} is no duration up to 30 days`, {
    hint: "write 90s, 15m, 24h or 7d",
  });
}

async function told(
  client: RpcClient,
  rotation: Rotation,
  location: Location,
  terminal: Terminal,
): Promise<void> {
  shown(rotation, location, terminal);
  if (!location.json) await tellOfClients(client, rotation, terminal);
}

/** They know the networks of the mesh by their configurations alone, and those follow from the secret. */
async function tellOfClients(client: RpcClient, { phase }: Rotation, terminal: Terminal): Promise<void> {
  if (phase !== "accepted" && phase !== "completed") return;
  // A daemon of an earlier release has none.
  const { clients } = await client.call("clients.list").catch(() => ({ clients: [] }));
  if (clients.length === 0) return;
  const names = clients.map(({ name }) => name).join(", ");
  const how =
    phase === "accepted"
      ? "now it names the networks of both secrets"
      : "with the present one the mesh is reached until its nodes are restarted";
  terminal.err(
    `wgmesh: the mesh gets other networks, so give each client of this node (${names}) a new configuration: wgmesh client show NAME; ${how}\n`,
  );
}

function shown(rotation: Rotation, { json }: Location, terminal: Terminal): void {
  if (json) {
    terminal.out(jsonText(rotation));
    return;
  }
  const { phase, commitment, ends_at: endsAt, offers, peers } = rotation;
  const facts: [string, string][] = [["state", MEANING[phase]]];
  if (commitment !== null) facts.push(["new secret", commitment]);
  if (phase === "accepted" && endsAt !== null) facts.push(["both count until", endsAt]);
  for (const offer of offers) facts.push(["announced", `${offer.commitment}, until ${offer.ends_at}`]);
  terminal.out(factsText(facts, terminal.columns));
  if (phase !== "accepted" || peers.length === 0) return;
  const rows = peers.map(({ pubkey, hostname, has, connected }) => [
    hostname || pubkey,
    has ? "yes" : "no",
    connected ? "connected" : "not connected",
  ]);
  terminal.out(`\n${tableText(["PEER", "HAS IT", "TUNNEL"], rows, terminal.columns)}`);
}

const MEANING: Readonly<Record<Rotation["phase"], string>> = {
  idle: "no new secret",
  announced: "a new secret is announced, and not on this node",
  accepted: "both secrets count",
  completed: "the old secret is dropped; the node is started with it still",
};
