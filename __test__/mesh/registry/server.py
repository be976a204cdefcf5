"""usage: server.py PORT FILE: as much of GitHub's REST API as an issue tracker needs, on 127.0.0.1; the issues are in FILE."""

import json
import re
import sys

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

PORT, FILE = int(sys.argv[1]), Path(sys.argv[2])
TOKEN = "Bearer token-of-the-test"


def issues() -> list:
    return json.loads(FILE.read_text()) if FILE.exists() else []


class Handler(BaseHTTPRequestHandler):
    def answer(self, status: int, value) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def given(self) -> dict:
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def do_GET(self) -> None:
        query = parse_qs(urlparse(self.path).query).get("q", [""])[0]
        wanted = query.split(" ")[0]
        self.answer(200, {"items": [issue for issue in issues() if wanted in issue["title"]]})

    def do_POST(self) -> None:
        fields = self.given()
        if self.headers["authorization"] != TOKEN:
            return self.answer(401, {})
        everything = issues()
        everything.append({"number": len(everything) + 1, **fields})
        FILE.write_text(json.dumps(everything))
        self.answer(201, everything[-1])

    def do_PATCH(self) -> None:
        fields = self.given()
        number = int(re.search(r"/issues/(\d+)$", self.path).group(1))
        everything = issues()
        if self.headers["authorization"] != TOKEN:
            return self.answer(401, {})
        everything[number - 1].update(fields)
        FILE.write_text(json.dumps(everything))
        self.answer(200, everything[number - 1])

    def log_message(self, *_) -> None:
        pass


HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
