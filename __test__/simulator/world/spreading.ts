import type { ReadSignal, SignalAbout } from "../../../src/discovery/signals.ts";
import type { Spreading } from "../../../src/discovery/spreading.ts";
import { decodeDandelion } from "../../../src/wire/dandelion.ts";
import type { JsonObject } from "../../../src/wire/json.ts";

/** The same, but told the nonce of each announcement that passed the receive path. */
export function heardSpreading(spreading: Spreading, heard: (nonce: string) => void): Spreading {
  return {
    isPrivate: spreading.isPrivate,
    open(context, send) {
      const layer = spreading.open(context, send);
      return {
        tasks: () => layer.tasks(),
        status: () => layer.status(),
        readers: () =>
          new Map(
            [...layer.readers()].map(([type, reader]) => [
              type,
              (payload: JsonObject): ReadSignal => {
                const read = reader(payload);
                if (!read.ok) return read;
                const announcement = decodeDandelion(payload);
                return {
                  ...read,
                  act(about: SignalAbout) {
                    if (announcement.ok) heard(announcement.value.nonce);
                    read.act(about);
                  },
                };
              },
            ]),
          ),
      };
    },
  };
}
