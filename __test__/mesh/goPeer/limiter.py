"""The receive limiter of the Go peer: PROTOCOL.md section 5, step 2."""

import time

from collections import OrderedDict

PER_SECOND = 10
BURST = 20
MAX_SOURCES = 4096


class Limiter:
    """One token bucket a source address; the least recently used one is forgotten."""

    def __init__(self, clock=time.monotonic):
        self.clock = clock
        self.dropped: dict[str, int] = {}
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, source: str) -> bool:
        now = self.clock()
        tokens, at = self._buckets.pop(source, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_SECOND)
        allowed = tokens >= 1
        self._buckets[source] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > MAX_SOURCES:
            self._buckets.popitem(last=False)
        if not allowed:
            self.dropped[source] = self.dropped.get(source, 0) + 1
        return allowed
