import type { Command } from "commander";
import { addOptions, readOptions } from "../../config/flags.ts";
import { daemonOptions, type OptionTable, type SecretOptions, secretOptions } from "../../config/options.ts";
import { staticPeer } from "../../config/values.ts";
import { WgmeshError } from "../../core/errors.ts";
import type { Cidr } from "../../core/types.ts";
import type { TestPeerResult } from "../../daemon/alone.ts";
import { withProgress } from "../progress.ts";
import { factsText, jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

type TestPeerOptions = Omit<SecretOptions, "allowWeakSecret"> & { readonly meshSubnet: Cidr | null };

const options: OptionTable<TestPeerOptions> = {
  secretFile: secretOptions.secretFile,
  secret: secretOptions.secret,
  meshSubnet: daemonOptions.meshSubnet,
};

/** `wgmesh test-peer host[:port]`: who answers there (row G3). Needs the secret, but no daemon and no rights. */
export function addTestPeer(program: Command, terminal: Terminal): void {
  const command = program
    .command("test-peer [address]")
    .description(
      "ask host[:port] (the control port, by default the mesh's own) who is there; waits up to 10 s",
    )
    .option("--peer <address>", "the same, as the Go peer spells it")
    .option("--json", "print JSON")
    .action(async (address: string | undefined) => {
      const { peer, json } = command.opts<{ peer?: string; json?: true }>();
      const text = address ?? peer;
      if (text === undefined) throw new WgmeshError("ERR_USAGE", "no address was given");
      const target = staticPeer(text, "address");
      const { meshSubnet, ...request } = readOptions(command, options, {});
      const { openMeshSecret } = await import("../../identity/meshSecret.ts");
      // Nothing is joined here, so a weak secret is no reason to refuse.
      const { secret, warnings } = openMeshSecret({ ...request, allowWeakSecret: true });
      for (const warning of warnings) terminal.err(`wgmesh: warning: ${warning}\n`);
      const { testPeer } = await import("../../daemon/alone.ts");
      const result = await withProgress(terminal, `asking ${text}`, () =>
        testPeer(target, secret, meshSubnet),
      );
      terminal.out(json ? jsonText(result) : resultText(result, terminal));
      if (!result.answered) throw silent(result);
    });
  addOptions(command, options);
}

const PROOFS = {
  ok: "good: the holder of that key spoke",
  none: "none: a Go node, or another that does not prove itself",
  wrong: "WRONG: whoever spoke does not hold that key",
} as const;

function resultText(result: TestPeerResult, { columns }: Terminal): string {
  if (!result.answered) return "";
  const { mesh_ip, mesh_ipv6, mesh_ip_derived, proof } = result;
  const addresses = [mesh_ip, mesh_ipv6].filter(Boolean).join(", ");
  const facts: [string, string][] = [
    ["answered", `${result.address}, after ${result.after_ms} ms`],
    ["public key", result.pubkey ?? ""],
    ["host name", result.hostname || "not told"],
    ["mesh addresses", mesh_ip_derived ? addresses : `${addresses} (not those that follow from its key)`],
    ["endpoint", result.endpoint || "not told"],
    ["sees us at", result.observed || "not told"],
    ["NAT", result.nat_type || "unknown"],
    ["proof", proof === null ? "none" : PROOFS[proof]],
    ["mentions", `${result.mentions} peers`],
  ];
  return factsText(facts, columns);
}

function silent({ address, error, strangers }: TestPeerResult): WgmeshError {
  const why = error ?? (strangers > 0 ? "what came from there is not of this mesh" : "no answer within 10 s");
  const hint =
    strangers > 0
      ? "compare the secrets with 'wgmesh status --secret-file FILE' on both sides, and the clocks (10 minutes at most apart)"
      : "check that wgmeshd runs there with the same secret, that a firewall lets its control port through, and both clocks";
  return new WgmeshError("ERR_PEER_SILENT", `${address}: ${why}`, { hint });
}
