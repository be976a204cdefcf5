/**
 * What happens to a node, as operators and their tools want to know it (row G5). Parts tell it through the seam {@link Events};
 * observe/events.ts keeps the last of it and passes it on.
 */
import type { PublicKey } from "./types.ts";

/** All of them, with what their data says. docs/rpc.md describes them for others. */
export const EVENT_TYPES = [
  /** A peer became known: `mesh_ip`, `endpoint`, `discovered_via`. */
  "peer.added",
  /** What is known of it changed: the new values, and only those. */
  "peer.updated",
  /** It is known no more: `reason`, `mesh_ip`. */
  "peer.removed",
  /** Its tunnel works. */
  "peer.connected",
  /** Its tunnel works no more: `reason`. */
  "peer.disconnected",
  /** It answers nothing. */
  "peer.suspect",
  /** Other ways to it are tried. */
  "peer.reconnecting",
  /** It was given up as dead; it comes back by its own word alone. */
  "peer.evicted",
  /** It answers again. */
  "peer.recovered",
  /** It is reached in another way: `from`, `to`, `relay`, `reason`. */
  "peer.path",
  /** A device of plain WireGuard was added, whose key the peer is: `name`, `ip`, `ipv6`. */
  "client.added",
  /** It was removed: `name`, `ip`, `ipv6`. */
  "client.removed",
  /** `version`, `duration_ms` of the startup. */
  "node.ready",
  "node.stopping",
  /** `changed`. */
  "node.reloaded",
  /** Our own: `from`, `to`, `nat_type`. */
  "endpoint.changed",
  /** A mesh address of ours, because another node has the old one: `from`, `to`; the peer is that node. */
  "address.moved",
  /** What others had done to the interface: `found`. */
  "interface.mended",
  /** `text`. */
  "warning.raised",
  /** `text`. */
  "warning.cleared",
  /** Names and new values of settings: `changed`. */
  "config.changed",
  /** `task`, `reason`, `retry_in_ms` (null for one that stays down). */
  "task.failed",
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** Never a secret: it is shown to whoever may read. */
export type EventData = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface NodeEvent {
  /** Unix time in milliseconds. */
  readonly atMs: number;
  readonly type: EventType;
  /** Whom it is about. */
  readonly peer?: PublicKey;
  /** What the peer called itself then. */
  readonly hostname?: string;
  readonly data: EventData;
}

/** An event as it is kept. */
export interface KeptEvent extends NodeEvent {
  /** 1 for the first of a run of the daemon, then rising by one: what is missing can be counted. */
  readonly id: number;
}

/** What somebody wants to hear of. Absent members let everything through. */
export interface EventFilter {
  readonly types?: readonly EventType[];
  readonly peer?: PublicKey;
  /** Unix milliseconds: this and later. */
  readonly sinceMs?: number;
  /** Only those with a greater id. */
  readonly afterId?: number;
}

export interface EventSubject {
  readonly peer?: PublicKey;
  readonly hostname?: string;
  readonly data?: EventData;
}

/** Where parts tell what happened. Synchronous; never throws. */
export interface Events {
  emit(type: EventType, about?: EventSubject): void;
}

export const silentEvents: Events = { emit() {} };
