/**
 * A bug report says how many clients a node has, not whose: their names are those of people's devices. Pure.
 */
import type { MethodName } from "../rpc/client.ts";

type Entry = Readonly<Record<string, unknown>>;

/** The answer of that method, without names, keys and addresses of clients. */
export function withoutClients(method: MethodName, answer: unknown): unknown {
  if (method === "events.list") return mapped(answer, "events", isEvent, { peer: null, data: {} });
  if (method === "audit.list") return mapped(answer, "entries", isEntry, { params: {} });
  return answer;
}

const isEvent = ({ type }: Entry): boolean => String(type).startsWith("client.");
const isEntry = ({ action }: Entry): boolean => String(action).startsWith("clients.");

function mapped(answer: unknown, list: string, isClients: (entry: Entry) => boolean, change: Entry): unknown {
  const entries = (answer as Record<string, unknown>)[list];
  if (!Array.isArray(entries)) return answer;
  const shown = entries.map((entry: Entry) => (isClients(entry) ? { ...entry, ...change } : entry));
  return { ...(answer as Entry), [list]: shown };
}
