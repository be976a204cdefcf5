import { chmodSync, lchownSync } from "node:fs";
import { lstat, unlink } from "node:fs/promises";
import net from "node:net";
import { messageOf, WgmeshError } from "../core/errors.ts";

/** 0600 for what is made while it holds: other users never see the socket, not even between bind and a chmod. */
const OWNER_ONLY_UMASK = 0o177;

/** A thousand clients at once wait here for their turn; the kernel may take fewer (net.core.somaxconn). */
const BACKLOG = 2_048;

/**
 * Listens on a Unix socket, mode 0600, or 0660 for a group. A socket left over from a killed process (nobody accepts on it) is removed first; one
 * that answers is ERR_ALREADY_RUNNING, and a file that is no socket is left alone (ERR_SYSTEM).
 */
export async function listenOn(
  server: net.Server,
  path: string,
  groupId: number | null = null,
): Promise<void> {
  await removeStaleSocket(path);
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: Error): void =>
      reject(new WgmeshError("ERR_SYSTEM", `cannot listen on ${path}: ${cause.message}`, { cause }));
    server.once("error", onError);
    // bind(2) happens within listen(), so the umask need not outlive this tick.
    const before = process.umask(OWNER_ONLY_UMASK);
    try {
      server.listen({ path, backlog: BACKLOG }, () => {
        server.off("error", onError);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
  if (groupId !== null) openToGroup(server, path, groupId);
}

function openToGroup(server: net.Server, path: string, groupId: number): void {
  try {
    // In this order nobody else gets in between.
    lchownSync(path, process.geteuid?.() ?? -1, groupId);
    chmodSync(path, 0o660);
  } catch (cause) {
    server.close();
    throw new WgmeshError("ERR_SYSTEM", `cannot give ${path} to group ${groupId}: ${messageOf(cause)}`, {
      cause,
      hint: "run as root, or as a member of the group",
    });
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new WgmeshError("ERR_SYSTEM", `cannot look at ${path}: ${messageOf(error)}`, { cause: error });
  });
  if (stats === null) return;
  if (!stats.isSocket()) {
    throw new WgmeshError("ERR_SYSTEM", `${path} is in the way: it is not a socket`, {
      hint: "move it away, or choose another --socket-path",
    });
  }
  if ((await probe(path)) === "answers") {
    throw new WgmeshError("ERR_ALREADY_RUNNING", `another process listens on ${path}`);
  }
  await unlink(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return;
    throw new WgmeshError("ERR_SYSTEM", `cannot remove the stale socket ${path}: ${messageOf(cause)}`, {
      cause,
    });
  });
}

/** Only a refused connection proves that nobody listens; anything else counts as an answer. */
function probe(path: string): Promise<"answers" | "stale"> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve("answers");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code === "ECONNREFUSED" || error.code === "ENOENT" ? "stale" : "answers");
    });
  });
}
