/** For {@link DhtNode.open}. */
export interface DhtOptions {
  /** IPv4 address to bind to; all of them when it is left out. */
  address?: string;
  /** UDP port; any free one when it is 0 or left out. */
  port?: number;
  /** Mark of the packets sent (SO_MARK), 32 bits; 0, the default, is none. Linux. */
  fwmark?: number;
  /**
   * Nodes to ask first, as `a.b.c.d:port`, at most 100; names are not looked up. A few are enough, since all are asked as long as fewer
   * others are known. Without any, the node waits to be asked: it is the first of a network of its own.
   */
  bootstrap?: string[];
  /** True answers from the start, for a network of one's own. Else it only asks, and answers once it has been reachable for 15 minutes. */
  server?: boolean;
  /** How long one node may take to answer, in milliseconds, 50..60000; 1000 when it is left out. A look-up waits that long for dead nodes. */
  requestTimeoutMs?: number;
}

/** What {@link DhtNode.status} tells. */
export interface DhtStatus {
  /** Our node id, 40 hex digits. */
  id: string;
  /** The UDP port it is bound to. */
  port: number;
  /** How many nodes have answered in the last 15 minutes. */
  nodes: number;
  /** Our own address and port as most nodes of the last look-up saw them, or null. */
  publicAddress: string | null;
  /** Whether it answers the questions of others. */
  server: boolean;
}

/**
 * A node of the BitTorrent DHT (BEP 5), over IPv4: finds hosts by 20-byte ids, and lets them find this one. A thread of its own does
 * the work, and one more for each call under way; only calls keep the process alive. Whatever others send, it neither throws nor ends
 * the process; what they say of third parties is not checked.
 */
export class DhtNode {
  private constructor();

  /**
   * Binds the socket and starts to learn nodes. Takes up to 50 ms.
   *
   * Errors: `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `EINVAL`.
   */
  static open(options?: DhtOptions): DhtNode;

  /**
   * Asks the nodes nearest to the id who has announced itself there. Resolves when no nearer one is left to ask, after
   * `requestTimeoutMs` or more when some are dead, at most 30 s. A look-up for an id that is being looked up joins that one.
   *
   * @param infoHash - 40 hex digits.
   * @param onPeers - Gets the answers as they come in, that of one node at a time, as `a.b.c.d:port`; at most 256. Not called after `close`.
   *
   * Errors: `ECANCELED` (closed meanwhile), `ETIMEDOUT`, `EBADF`, `EAGAIN` (16 calls are under way), `EINVAL`.
   */
  lookup(infoHash: string, onPeers: (peers: string[]) => void): Promise<void>;

  /**
   * Announces this host for the id, with a port of its choice. Resolves when at least one node has confirmed that it stored it, which lasts
   * for about half an hour.
   *
   * @param infoHash - 40 hex digits.
   * @param port - 1..65535
   *
   * Errors: `ENOENT` (no node took it), and those of {@link DhtNode.lookup}.
   */
  announce(infoHash: string, port: number): Promise<void>;

  /**
   * Nodes that answer and are worth knowing again, at most 200: records of 38 bytes, id 20, IPv6 address 16 (IPv4 as `::ffff:a.b.c.d`), port 2.
   * Makes two look-ups. Errors: those of {@link DhtNode.lookup}.
   */
  nodes(): Promise<Buffer>;

  /** What is known now. Takes up to 0.1 s. Errors: those of {@link DhtNode.lookup}. */
  status(): Promise<DhtStatus>;

  /** Ends all calls, joins the threads and closes the socket; resolves when that is done, within 0.2 s. Safe to call twice. */
  close(): Promise<void>;
}
