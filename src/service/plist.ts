/** The launchd job of macOS (launchd.plist(5)). It runs as root: a utun needs it, and launchd has no capabilities to give. */
import type { InterfaceName } from "../core/types.ts";
import type { Programs } from "./programs.ts";

export const jobLabel = (interfaceName: InterfaceName): string => `wgmesh.${interfaceName}`;

/** @param secretFile absolute; root's alone. */
export function plistText(
  interfaceName: InterfaceName,
  { node, wgmeshd }: Pick<Programs, "node" | "wgmeshd">,
  secretFile: string,
): string {
  const words = [
    node,
    "--max-old-space-size=256",
    wgmeshd,
    "--iface",
    interfaceName,
    "--secret-file",
    secretFile,
    "--log-file",
    `/var/log/wgmesh.${interfaceName}.log`,
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${escaped(jobLabel(interfaceName))}</string>
  <key>ProgramArguments</key>
  <array>
${words.map((text) => `    <string>${escaped(text)}</string>`).join("\n")}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>2</integer>
  <key>ExitTimeOut</key>
  <integer>30</integer>
  <key>Umask</key>
  <integer>63</integer>
  <key>WorkingDirectory</key>
  <string>/</string>
  <key>HardResourceLimits</key>
  <dict>
    <key>Core</key>
    <integer>0</integer>
  </dict>
</dict>
</plist>
`;
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const escaped = (text: string): string => text.replace(/[&<>]/g, (sign) => entities[sign] ?? sign);
