/** The addon's side of starting processes. */
import * as native from "@wgmesh/native";

/** An flock; null when another process holds it. The file and its folder's rights are the caller's concern. */
export function tryLock(path: string): { release(): void } | null {
  return native.FileLock.tryAcquire(path);
}

/** From now on no child inherits a descriptor that it is not given by name. */
export const keepDescriptors: () => void = native.keepDescriptors;

export const ignoreTerminalStops: () => void = native.ignoreTerminalStops;

/** The process becomes another program; returns only by throwing. */
export const replaceProcess: typeof native.replaceProcess = native.replaceProcess;
