import { createSocket } from "node:dgram";
import type { Clock } from "../../core/clock.ts";
import type { OnBound } from "../nodeUdp.ts";
import type { Ask, Reply } from "./portMapping.ts";

/** RFC 6886 section 3.1 begins with 250 ms and doubles. */
const SEND_AT_MS = [0, 250, 750];
const GIVE_UP_MS = 1_800;

/** Asks over a connected socket of the operating system, so that a refusal (ICMP) is heard and strangers are not. `onBound` is told of each socket before it sends. Nobody answers once the signal is aborted. */
export function nodeAsk(clock: Clock, signal?: AbortSignal, onBound?: OnBound): Ask {
  return ({ host, port }, data) =>
    new Promise((resolve) => {
      const socket = createSocket({
        type: host.includes(":") ? "udp6" : "udp4",
        lookup: (name, _options, done) => done(null, name, name.includes(":") ? 6 : 4),
      });
      const cancels: (() => void)[] = [];
      let ended = false;
      const end = (reply: Reply): void => {
        if (ended) return;
        ended = true;
        signal?.removeEventListener("abort", stop);
        for (const cancel of cancels) cancel();
        socket.close();
        resolve(reply);
      };
      const stop = (): void => end({ kind: "silent" });
      signal?.addEventListener("abort", stop, { once: true });
      if (signal?.aborted) return stop();
      socket.on("message", (answer) => end({ kind: "answer", data: answer }));
      socket.on("error", (error: NodeJS.ErrnoException) =>
        end({ kind: error.code === "ECONNREFUSED" ? "refused" : "silent" }),
      );
      socket.connect(port, host, () => {
        onBound?.(socket.address().port);
        for (const delayMs of SEND_AT_MS) cancels.push(clock.after(delayMs, () => socket.send(data)));
      });
      cancels.push(clock.after(GIVE_UP_MS, () => end({ kind: "silent" })));
    });
}
