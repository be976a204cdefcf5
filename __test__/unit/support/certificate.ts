/** A real certificate, made by openssl. */
import { execFileSync } from "node:child_process";
import path from "node:path";

export interface Certificate {
  readonly certPath: string;
  readonly keyPath: string;
}

/** Of its own authority, for an IP address, good for two days: `<name>.pem` and `<name>.key` in the folder. */
export function makeCertificate(folder: string, name: string, address: string): Certificate {
  const [certPath, keyPath] = [path.join(folder, `${name}.pem`), path.join(folder, `${name}.key`)];
  const kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" ");
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=IP:${address}`];
  execFileSync("openssl", [...kind, ...subject, "-keyout", keyPath, "-out", certPath], { stdio: "pipe" });
  return { certPath, keyPath };
}
