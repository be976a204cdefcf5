/**
 * The documented sample of the configuration file: every setting with its meaning, all of them commented out.
 */
import { shapeText } from "./given.ts";
import { type PlainValue, plainValue, tomlText } from "./layers.ts";
import { type SchemaRow, schema, schemaTables } from "./schema.ts";

const header = `# Configuration of wgmesh. Copy it to /etc/wgmesh/<interface>.toml (or wgmesh.toml, for every interface without a file of its own)
# and take the # away from what you set; the values shown are the defaults, or examples where there is none.
#
# Flags and WGMESH_* variables win over this file; so does what 'wgmesh config set --keep' kept.
# After a change: 'wgmesh config check', then 'wgmesh reload' applies what is marked [live] and names what needs a restart.
# The file must belong to root, or to the user of wgmeshd, and nobody else may write it. The mesh secret is never in it.
`;

/** Where there is no default, by the placeholder of the flag. */
const examples: Readonly<Record<string, string | number | readonly string[]>> = {
  ADDRESS: ["node.example.org", "203.0.113.7:51821", "[2001:db8::7]:51821"],
  ADDRESSES: ["stun.example.org"],
  BYTES: 1400,
  CIDR: "10.99.0.0/16",
  CIDRS: ["192.168.10.0/24", "fd00:10::/64"],
  GROUP: "wgmesh",
  FILE: "/etc/wgmesh/mesh.secret",
  KEY: ["mBmUmAIK6hsLM1xuMQJlbjuYIDAQfxXpIW06wRf6M2k="],
  NAMES: ["eth0"],
  PATH: "/run/wgmesh/wg0.sock",
  PORT: 51820,
};

export function sampleText(): string {
  const sections = schemaTables.map((table) => {
    const rows = [...schema.values()].filter((row) => row.table === table);
    return `[${table}]\n${rows.map((row) => `\n${settingText(row)}`).join("")}`;
  });
  return [header, ...sections].join("\n");
}

function settingText(row: SchemaRow): string {
  const { key, variable, shape, reload } = row;
  const facts = `${shapeText(shape)}; $${variable}${reload === "live" ? " [live]" : ""}`;
  const lines = [...wrapped(meaning(row)), ...wrapped(facts)].map((line) => `# ${line}\n`);
  return `${lines.join("")}#${key} = ${tomlText(sampleValue(row))}\n`;
}

/** The help without what is true of flags alone. */
export function meaning({ row }: SchemaRow): string {
  const { form } = row;
  const help = row.help.replace(/; (commas between(, or repeated)?|may be repeated)(?= \(|$)/, "");
  if (form.kind === "switch" && form.present === false) return `false: ${help}`;
  if (form.kind === "pair")
    return `${JSON.stringify(form.present)}: ${help}; ${JSON.stringify(form.contrary)}: ${form.contraryHelp}`;
  return help;
}

function sampleValue({ row }: SchemaRow): PlainValue {
  const value = plainValue(row.default);
  const isSome = value !== null && value !== 0 && !(Array.isArray(value) && value.length === 0);
  if (isSome) return value;
  const placeholder = "placeholder" in row.form ? row.form.placeholder : "";
  return row.example ?? examples[placeholder] ?? "…";
}

/** Lines of at most 120 characters with the `# ` before them. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 118) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
