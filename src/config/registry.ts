import { WgmeshError } from "../core/errors.ts";

/** Where the registry is and what may be done there; the shape of discovery's `RegistryAccess`. */
export interface RegistryPlace {
  readonly baseUrl: string;
  readonly repository: string;
  readonly token: string | null;
}

const DEFAULT_URL = "https://api.github.com";
const DEFAULT_REPOSITORY = "wgmesh-registry/public";

/**
 * From `$WGMESH_REGISTRY_URL` (an API like GitHub's, for enterprise hosts), `$WGMESH_REGISTRY_REPOSITORY` and `$GITHUB_TOKEN`. Throws
 * ERR_USAGE for an address that is not HTTPS, unless it is this machine: the token would go over the wire in the clear.
 */
export function registryPlace(env: Readonly<Record<string, string | undefined>>): RegistryPlace {
  const text = env.WGMESH_REGISTRY_URL || DEFAULT_URL;
  const url = URL.canParse(text) ? new URL(text) : null;
  const isLocal = url !== null && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  const isUsable = url !== null && (url.protocol === "https:" || (url.protocol === "http:" && isLocal));
  if (!isUsable || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw new WgmeshError("ERR_USAGE", "$WGMESH_REGISTRY_URL: not an https:// address");
  }
  const repository = env.WGMESH_REGISTRY_REPOSITORY || DEFAULT_REPOSITORY;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\/[A-Za-z0-9_.-]{1,100}$/.test(repository)) {
    throw new WgmeshError(
      "ERR_USAGE",
      `$WGMESH_REGISTRY_REPOSITORY: ${JSON.stringify(repository)} is not owner/name`,
    );
  }
  return { baseUrl: text.replace(/\/+$/, ""), repository, token: env.GITHUB_TOKEN || null };
}
