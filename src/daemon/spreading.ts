import { mentionSighting } from "../discovery/sightings.ts";
import type { Spreading } from "../discovery/spreading.ts";
import { Spreader } from "../privacy/spreader.ts";
import { DANDELION } from "../wire/dandelion.ts";

/** Joins stem and fluff (src/privacy) to discovery. A node without `--privacy` passes on what others announce. */
export function spreading(isPrivate: boolean, gossipPort: number): Spreading {
  return {
    isPrivate,
    open(context, send) {
      const { store, underlay } = context;
      const spreader = new Spreader({
        ...context,
        gossipPort,
        isPrivate,
        send,
        learned: (mention) => {
          // It came through a tunnel, and whose word it is nobody is to know.
          const isInside = (ip: string): boolean => underlay.isInsideMesh(ip);
          const from = { source: "spread", tunnel: true };
          store.observe(mentionSighting(mention, "gossip-transitive", isInside, from));
        },
      });
      return {
        readers: () =>
          new Map([
            [
              DANDELION,
              (payload) => {
                const read = spreader.read(payload);
                if (!read.ok) return read;
                // Whoever passes it on does not say who he is: his mesh address does.
                return {
                  ok: true,
                  sender: null,
                  act: ({ from }) => spreader.receive(read.value, from.host),
                };
              },
            ],
          ]),
        tasks: () => spreader.tasks(),
        status: () => ({
          name: "privacy",
          state: isPrivate ? "running" : "off",
          detail: spreader.detail,
          lastError: null,
        }),
      };
    },
  };
}
