/**
 * Who calls, and what he may.
 */

/** `readonly` looks, `admin` also changes. */
export type Role = "readonly" | "admin";

export type Caller = (
  | {
      /** A process of this machine, as the kernel names it (SO_PEERCRED). */
      readonly kind: "socket";
      readonly uid: number;
      readonly gid: number;
      readonly pid: number;
    }
  | {
      /** Whoever holds the token of that name. */
      readonly kind: "token";
      readonly name: string;
    }
) & { readonly role: Role };

export function mayCall(caller: Caller, needed: Role): boolean {
  return caller.role === "admin" || needed === "readonly";
}

/** As the log names him. */
export function callerText(caller: Caller): string {
  return caller.kind === "socket" ? `uid ${caller.uid} pid ${caller.pid}` : `token ${caller.name}`;
}
