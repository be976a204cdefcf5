import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Call {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

interface StoredIssue {
  number: number;
  title: string;
  body: string;
}

/** As much of GitHub's REST API as an issue tracker needs, on the loopback. */
export class IssueServer {
  readonly issues: StoredIssue[] = [];
  readonly calls: Call[] = [];
  /** Answers in place of the API when set. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | null = null;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<IssueServer> {
    const server = createServer();
    const api = new IssueServer(server);
    server.on("request", (request, response) => void api.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { method = "", url = "" } = request;
    this.calls.push({ method, url, authorization: request.headers.authorization, body });
    if (this.instead) return this.instead(request, response);
    const [status, answer] = this.#answer(method, url, body, request.headers.authorization);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  }

  #answer(method: string, path: string, body: string, authorization: string | undefined): [number, unknown] {
    const url = new URL(path, "http://localhost");
    if (method === "GET" && url.pathname === "/search/issues") {
      const words = (url.searchParams.get("q") ?? "").split(" ");
      return [
        200,
        { total_count: 1, items: this.issues.filter(({ title }) => title.includes(words[0] ?? "")) },
      ];
    }
    if (authorization !== "Bearer the token of the test")
      return [401, { message: "Requires authentication" }];
    const given = JSON.parse(body) as Partial<StoredIssue>;
    if (method === "POST" && url.pathname === "/repos/wgmesh-registry/public/issues") {
      const issue = { number: this.issues.length + 7, title: given.title ?? "", body: given.body ?? "" };
      this.issues.push(issue);
      return [201, issue];
    }
    const number = Number(/^\/repos\/wgmesh-registry\/public\/issues\/(\d+)$/.exec(url.pathname)?.[1]);
    const issue = this.issues.find((candidate) => candidate.number === number);
    if (method !== "PATCH" || issue === undefined) return [404, { message: "Not Found" }];
    issue.body = given.body ?? issue.body;
    return [200, issue];
  }
}
