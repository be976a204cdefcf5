import { describe, expect, test } from "vitest";
import type { Cidr } from "../../../src/core/types.ts";
import { ExitOffer } from "../../../src/mesh/exitOffer.ts";

const sources = ["10.7.0.0/16", "fd00::/64"] as Cidr[];

function make(hasRecord = false) {
  const done: string[] = [];
  const state = { families: [] as (4 | 6)[], hasRecord };
  const masquerade = {
    families: async () => state.families,
    set: async (_name: string, from: readonly string[], except: readonly string[]) => {
      done.push(`set ${from.join()} except ${except.join()}`);
      state.families = [4, 6];
    },
    remove: async () => {
      done.push("remove");
      state.families = [];
    },
  };
  const record = {
    exists: () => state.hasRecord,
    make: async () => {
      done.push("record");
      state.hasRecord = true;
    },
    remove: async () => {
      done.push("record removed");
      state.hasRecord = false;
    },
  };
  return { offer: new ExitOffer("wg0", masquerade, record), done, state };
}

describe("ExitOffer", () => {
  test("writes down that there may be a table before it makes one, and makes it once", async () => {
    const { offer, done } = make();
    await offer.ensure(sources, ["192.168.1.0/24" as Cidr]);
    await offer.ensure(sources, ["192.168.1.0/24" as Cidr]);
    expect(done).toEqual(["record", "set 10.7.0.0/16,fd00::/64 except 192.168.1.0/24"]);
  });

  test("makes it again for other networks, and when others emptied the filter", async () => {
    const { offer, done, state } = make();
    await offer.ensure(sources, []);
    await offer.ensure(sources, ["192.168.1.0/24" as Cidr]);
    state.families = [];
    await offer.ensure(sources, ["192.168.1.0/24" as Cidr]);
    expect(done.filter((what) => what.startsWith("set"))).toHaveLength(3);
  });

  test("removes what it, or a run before it, made, and else does not ask", async () => {
    const { offer, done } = make();
    await offer.undo();
    expect(done).toEqual([]);
    const after = make(true);
    await after.offer.undo();
    await after.offer.undo();
    expect(after.done).toEqual(["remove", "record removed"]);
  });
});
