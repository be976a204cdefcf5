import { pidFilePath, startingPath } from "../../config/paths.ts";
import {
  AS_ROOT,
  type Check,
  fault,
  type Judgement,
  note,
  ok,
  together,
  unknown,
  warning,
} from "../check.ts";

export const daemonCheck: Check = {
  id: "daemon",
  title: "Daemon",
  judge({ running, unanswered, pid, socketPath, options }, host) {
    if (running !== null) return ok(`PID ${running.pid} answers`);
    if (unanswered !== null && unanswered.code !== "ERR_PERMISSION" && pid === null)
      return fault(unanswered.message, unanswered.hint);
    if (pid === null) return note("none runs", "wgmesh up");
    if (unanswered?.code === "ERR_PERMISSION") return unknown(unanswered.message, AS_ROOT);
    const starts = unanswered?.code === "ERR_NOT_READY" || host.file(startingPath(options)) !== null;
    if (starts) return note(`PID ${pid} is starting, or stopping`, "ask again in a moment");
    if (host.file(socketPath) === null) {
      return fault(
        `PID ${pid} lives, but its socket ${socketPath} is gone: nobody can ask it anything`,
        `end it (kill ${pid}), and start it again with 'wgmesh up'`,
      );
    }
    return fault(
      `PID ${pid} lives (${pidFilePath(options)}), but does not answer: ${unanswered?.message ?? "no reason is known"}`,
      unanswered?.hint ?? "look at its log",
    );
  },
};

/** What other checks look at themselves. */
const ELSEWHERE = ["clock", "interface"];

/** What a daemon that answers says is wrong. */
export const troublesCheck: Check = {
  id: "troubles",
  title: "Troubles it tells of",
  judge({ running, pid, unanswered }) {
    if (running === null && pid === null) return ok("no daemon runs");
    if (running === null) return unknown(`it does not tell: ${unanswered?.message ?? "no answer"}`);
    const findings = running.health
      .filter(({ id }) => !ELSEWHERE.includes(id))
      .flatMap(({ id, state, detail }): Judgement[] => {
        const remedy = "'wgmesh status' and 'wgmesh logs --level warn' tell more";
        if (state === "fail") return [fault(`${id}: ${detail}`, remedy)];
        return state === "warn" ? [warning(`${id}: ${detail}`, remedy)] : [];
      });
    const failing = running.failing.map(({ object, reason }) =>
      warning(`${object}: ${reason}`, "'wgmesh reconcile' tries again at once"),
    );
    return together([...findings, ...failing], ok("none"));
  },
};
