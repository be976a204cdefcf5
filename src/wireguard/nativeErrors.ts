/**
 * Errors of the addon as errors of wgmesh. The native one stays as the cause, with its own code.
 */
import { type ErrorCode, messageOf, WgmeshError } from "../core/errors.ts";

const codes: Readonly<Record<string, ErrorCode>> = {
  EPERM: "ERR_PERMISSION",
  NOT_WIREGUARD: "ERR_NOT_WIREGUARD",
  EADDRINUSE: "ERR_NO_PORT",
  INTERNAL: "ERR_INTERNAL",
};

/** The code of a native error (an errno name, or one of the addon's), or null. */
export function nativeCode(error: unknown): string | null {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return typeof code === "string" ? code : null;
}

/** `special` adds to, or replaces, the meaning of single codes at this place. */
export function fromNative(error: unknown, special: Readonly<Record<string, ErrorCode>> = {}): WgmeshError {
  const native = nativeCode(error) ?? "";
  const code = special[native] ?? codes[native] ?? "ERR_SYSTEM";
  return new WgmeshError(code, messageOf(error), { cause: error });
}

/** Runs a call into the addon and translates what it throws. */
export function translated<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

/** The same of a call that is made on another thread. */
export async function translatedLater<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromNative(error);
  }
}
