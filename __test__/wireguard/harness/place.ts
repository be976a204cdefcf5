/**
 * A network namespace with a /run of its own, so that UAPI sockets of other tests are not there. A process holds it that ends
 * with this one: nothing has a name, so nothing can be left.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { ended, type Outcome, run } from "../../mesh/harness/exec.ts";

const hold = [
  "mount -t tmpfs tmpfs /run",
  "mkdir -p /run/netns /run/wireguard",
  // That of the new network namespace.
  "mount -t sysfs sysfs /sys",
  // A router cannot ask for its IPv6 neighbours before its link-local address has passed duplicate address detection, for seconds.
  "echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad",
  "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad",
  "ip link set lo up",
  "echo ready",
  "exec cat",
].join(" && ");

/** Something that runs in a place until it ends or is stopped. */
export class Job {
  readonly child: ChildProcess;
  readonly exit: Promise<Pick<Outcome, "code" | "signal">>;
  stdout = "";
  stderr = "";

  constructor(command: readonly string[]) {
    // The kernel ends it with us, however we end. (It forgets that for ping, which has capabilities: give it a deadline.)
    this.child = spawn("setpriv", ["--pdeathsig", "KILL", ...command], { stdio: "pipe" });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    // What it does not read any more is no error of ours.
    this.child.stdin?.on("error", () => {});
    this.exit = ended(this.child);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.running) this.child.kill(signal);
    await this.exit;
  }
}

export class Place {
  readonly #holder: Job;
  readonly #jobs: Job[] = [];

  private constructor(holder: Job) {
    this.#holder = holder;
  }

  static async make(): Promise<Place> {
    const holder = new Job(["unshare", "--net", "--mount", "sh", "-c", hold]);
    await new Promise<void>((resolve, reject) => {
      holder.child.stdout?.once("data", () => resolve());
      void holder.exit.then(() => reject(new Error(`no namespace: ${holder.stderr}`)));
    });
    return new Place(holder);
  }

  /** Of the process that holds it: what `ip link set … netns PID` wants. */
  get pid(): number {
    return this.#holder.pid;
  }

  command(...command: string[]): string[] {
    return ["nsenter", `--target=${this.pid}`, "--net", "--mount", ...command];
  }

  /** Runs a command, words split at spaces, to its end. */
  try(line: string, input?: string): Promise<Outcome> {
    const words = line.split(" ");
    if (input === undefined) return run(this.command(...words));
    // What node gives is a socket, which cannot be opened as /dev/stdin.
    return run(this.command("sh", "-c", 'cat | "$@"', "sh", ...words), { input });
  }

  /** The same for a command that must succeed; what it printed. */
  async run(line: string, input?: string): Promise<string> {
    const { code, signal, stdout, stderr } = await this.try(line, input);
    if (code !== 0) throw new Error(`${line}: exit ${code ?? signal}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Lines for ip(8), without the leading `ip`. */
  async ip(...lines: string[]): Promise<void> {
    await this.run("ip -batch -", `${lines.join("\n")}\n`);
  }

  /** A ruleset for nft(8). */
  async nft(rules: string): Promise<void> {
    await this.run("nft -f -", rules);
  }

  /** Sets `/proc/sys/<name>`. */
  async sysctl(name: string, value: number | string): Promise<void> {
    await this.run("sh -s", `echo ${value} >/proc/sys/${name}\n`);
  }

  start(...command: string[]): Job {
    const job = new Job(this.command(...command));
    this.#jobs.push(job);
    return job;
  }

  /** Ends what was started here, and with it the namespace and all that is in it. */
  async end(): Promise<void> {
    await Promise.all([...this.#jobs, this.#holder].map((job) => job.stop()));
  }
}

/**
 * Has all packets that come in by the link handled by one core, in the order in which they were sent. Without, a sender that
 * the kernel moves to another core in the middle of a flow has its packets queued on both, and they overtake each other.
 */
export async function keepOrder(place: Place, link: string): Promise<void> {
  await place.run("sh -s", `echo 1 >/sys/class/net/${link}/queues/rx-0/rps_cpus\n`);
}

/** Makes a pair of virtual Ethernet links, both down. */
export async function connect(a: Place, nameInA: string, b: Place, nameInB: string): Promise<void> {
  await a.run(`ip link add ${nameInA} type veth peer name ${nameInB} netns ${b.pid}`);
}
