/** Replaced by the bundler with the version of package.json. */
declare const WGMESH_VERSION: string | undefined;

/** This program's version; `dev` when it runs from the sources. */
export const version: string = typeof WGMESH_VERSION === "string" ? WGMESH_VERSION : "dev";
