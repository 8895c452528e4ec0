"""A local server that answers like OpenRouter's and Vercel's, over real sockets.

Everything is made from landed rankings, by default the shipped history; see `simulator` for what
is OpenRouter's figure and what is made up, and `documents` for the other answers. No answer comes
from the owners, and each one carries the header `X-Tokenshare-Simulated`.

Keyless: `/api/v1/datasets/exports/…`, `/api/v1/models`, `/api/v1/providers`,
`/api/v1/endpoints/zdr`, `/api/v1/models/{author}/{slug}/endpoints`, `/api/ai/leaderboard-export`.
With a Bearer key, 30 calls a minute, as the owner's documentation (read 2026-11-28) demands:
`/api/v1/datasets/rankings-daily`, `…/app-rankings`, `…/session-cost`, `/api/v1/benchmarks`,
`/api/v1/classifications/task`.
"""

import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from secrets import compare_digest
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.demo import documents
from orchestration.demo.exports import (
    DATASET,
    Snapshot,
    index,
    published_at,
    snapshot,
)
from orchestration.demo.faults import Fault, Faulty
from orchestration.demo.history import landed_records, read_history
from orchestration.demo.simulator import Feed, FeedFault, api_answer, as_json
from orchestration.errors import TokenshareError
from orchestration.landing.store import read_dump
from orchestration.settings import Settings

HOST = "127.0.0.1"
# The oldest dated snapshot that the real server has.
OLDEST_SNAPSHOT = date(2026, 9, 19)
FIRST_DAY = date(2025, 1, 1)
_MOST_DAYS = 366
_DEFAULT_DAYS = 30
_EXPORT_HEADERS = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
# So many answers of an alias are of the previous snapshot after a publish.
_STALE_ALIAS_ANSWERS = 2
_DATED_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.(csv|json|manifest\.json)")
_LATEST_FILE = re.compile(r"latest\.(csv|json|manifest\.json)")
_REQUESTS_KEPT = 1000
# Parameters that may be shown in the log of requests; others could be secrets.
_SHOWN = ("start_date", "end_date", "dataset", "modality", "from", "to", "window", "limit")


class _RefusedError(Exception):
    """An answer with an error in the owner's form."""

    def __init__(self, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class Demo:
    """A server's state. `today` is the day of the newest snapshot; tests step it from night to
    night. `requests` lists the last 1,000 requests with the status of the answer, without headers.

    With `publishes_after`, the snapshot of `today` appears only after so many requests for
    exports, so that a pull sees two states.
    """

    feed: Feed
    today: date
    oldest: date = OLDEST_SNAPSHOT
    api_key: str | None = None
    calls_per_minute: int = 30
    publishes_after: int | None = None
    vercel: documents.Leaderboard = field(default_factory=documents.Leaderboard)
    landed: dict[str, bytes] = field(default_factory=dict)
    base_url: str = ""
    requests: list[str] = field(default_factory=list)
    on_request: Callable[[str], None] | None = None
    _calls: deque[float] = field(default_factory=deque)
    _alias_answers: dict[tuple[date, str], int] = field(default_factory=dict)
    _export_requests: int = 0

    def next_night(self, nights: int = 1) -> date:
        """Move the clock, and return the new day."""
        self.today += timedelta(days=nights)
        return self.today

    @property
    def now(self) -> datetime:
        """The time of the server: just after the newest snapshot was published."""
        return published_at(self.today)

    @property
    def newest(self) -> date:
        """The day of the newest snapshot."""
        is_waiting = (
            self.publishes_after is not None and self._export_requests <= self.publishes_after
        )
        return self.today - timedelta(days=1) if is_waiting else self.today

    def app(self) -> Starlette:
        """The application, without faults."""
        api = "/api/v1"
        keyed: dict[str, Callable[[Request], bytes]] = {
            f"{api}/datasets/{DATASET}": self._rankings,
            f"{api}/datasets/app-rankings": lambda _: documents.app_rankings(self.feed, self.today),
            f"{api}/datasets/session-cost": lambda _: documents.session_cost(self.feed, self.today),
            f"{api}/benchmarks": lambda _: documents.benchmarks(self.today),
            f"{api}/classifications/task": lambda _: documents.tasks(self.feed, self.today),
        }
        keyless: dict[str, Callable[[Request], bytes]] = {
            f"{api}/models": lambda _: documents.models(self.today),
            f"{api}/providers": lambda _: documents.providers(),
            f"{api}/endpoints/zdr": lambda _: documents.zero_retention(self.feed, self.today),
            f"{api}/models/{{author}}/{{slug}}/endpoints": self._endpoints,
            "/api/ai/leaderboard-export": self._leaderboard,
        }
        exports = f"{api}/datasets/exports"
        routes = [
            Route(f"{exports}/index.json", self._handler(self._index)),
            Route(f"{exports}/{DATASET}/{{file}}", self._handler(self._export)),
            *(Route(path, self._json(make, needs_key=True)) for path, make in keyed.items()),
            *(Route(path, self._json(make, needs_key=False)) for path, make in keyless.items()),
            Route("/{path:path}", self._handler(_nothing_here)),
        ]
        return Starlette(routes=routes)

    def _handler(self, answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            try:
                response = answer(request)
            except _RefusedError as error:
                body = as_json({"error": {"message": error.message, "code": error.code}})
                response = Response(body, error.code, error.headers, "application/json")
            response.headers["X-Tokenshare-Simulated"] = "true"
            return response

        return handle

    def note(self, scope: Any, status: int) -> None:
        """Add a request to `requests`: method, path, known parameters and status; no headers."""
        request = Request(scope)
        shown = "&".join(f"{k}={v}" for k, v in request.query_params.items() if k in _SHOWN)
        line = f"{request.method} {request.url.path}{'?' + shown if shown else ''} {status}"
        self.requests.append(line)
        del self.requests[:-_REQUESTS_KEPT]
        if self.on_request:
            self.on_request(line)

    def _json(self, make: Callable[[Request], bytes], needs_key: bool) -> Callable[[Request], Any]:
        def answer(request: Request) -> Response:
            if needs_key:
                self._check_key(request)
            body = self.landed.get(request.url.path) or make(request)
            return _cached(request, body, "application/json", {})

        return self._handler(answer)

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise _RefusedError(401, "No auth credentials found")
        if self.api_key is not None and not compare_digest(key.strip(), self.api_key):
            raise _RefusedError(401, "User not found.")
        now = time.monotonic()
        while self._calls and now - self._calls[0] >= 60:
            self._calls.popleft()
        if len(self._calls) >= self.calls_per_minute:
            wait = str(int(60 - (now - self._calls[0])) + 1)
            raise _RefusedError(429, "Rate limit exceeded", Retry_After=wait)
        self._calls.append(now)

    def _rankings(self, request: Request) -> bytes:
        yesterday = self.today - timedelta(days=1)
        last = min(_day(request, "end_date") or yesterday, yesterday)
        if last < FIRST_DAY:
            raise _RefusedError(400, f"end_date must be on or after {FIRST_DAY}")
        first = _day(request, "start_date") or last - timedelta(days=_DEFAULT_DAYS - 1)
        first = max(first, FIRST_DAY)
        if first > last:
            raise _RefusedError(400, "start_date must be on or before end_date")
        if (last - first).days >= _MOST_DAYS:
            raise _RefusedError(400, f"the window must not exceed {_MOST_DAYS} days")
        return api_answer(self.feed, first, last, self.now)

    def _index(self, request: Request) -> Response:
        self._export_requests += 1
        body = index(self.newest, self.base_url)
        return _cached(request, body, "application/json", _EXPORT_HEADERS)

    def _export(self, request: Request) -> Response:
        self._export_requests += 1
        name = request.path_params["file"]
        if dated := _DATED_FILE.fullmatch(name):
            day, kind = _as_day(dated[1]), dated[2]
        elif latest := _LATEST_FILE.fullmatch(name):
            kind = latest[1]
            day = self._day_of_alias(kind)
        else:
            day = kind = None
        if day is None or kind is None or not min(self.oldest, self.today) <= day <= self.newest:
            raise _RefusedError(404, "Export not found")
        found: Snapshot = snapshot(self.feed, day, self.base_url)
        body, content_type = {
            "csv": (found.csv, "text/csv; charset=utf-8"),
            "json": (found.json, "application/json"),
            "manifest.json": (found.manifest, "application/json"),
        }[kind]
        return _cached(request, body, content_type, _EXPORT_HEADERS)

    def _day_of_alias(self, kind: str) -> date:
        """After a publish the alias `latest.csv` still is the previous snapshot for a while, and
        the other two are not."""
        newest = self.newest
        key = (newest, kind)
        self._alias_answers[key] = self._alias_answers.get(key, 0) + 1
        is_stale = kind == "csv" and self._alias_answers[key] <= _STALE_ALIAS_ANSWERS
        return newest - timedelta(days=1) if is_stale and newest > self.oldest else newest

    def _endpoints(self, request: Request) -> bytes:
        model = f"{request.path_params['author']}/{request.path_params['slug']}"
        found = documents.endpoints(model, self.today)
        if found is None:
            raise _RefusedError(404, "Model not found")
        return found

    def _leaderboard(self, request: Request) -> bytes:
        asked = request.query_params
        dataset, modality = asked.get("dataset", "labs"), asked.get("modality", "text")
        if dataset not in documents.LEADERBOARDS or modality != "text":
            raise _RefusedError(400, "dataset must be labs or models, and modality text")
        return self.vercel.answer(
            dataset, self.feed, self.today, _day(request, "from"), _day(request, "to")
        )


def _nothing_here(request: Request) -> Response:
    raise _RefusedError(404, "Not Found")


def _as_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _day(request: Request, name: str) -> date | None:
    """The day in a parameter, or None if the parameter is not there."""
    text = request.query_params.get(name)
    if text is None:
        return None
    day = _as_day(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None
    if day is None:
        raise _RefusedError(400, f"{name} must be a date, YYYY-MM-DD")
    return day


def _cached(request: Request, body: bytes, content_type: str, headers: dict[str, str]) -> Response:
    """The answer with an ETag, or 304 without a body if the client has it already."""
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {**headers, "ETag": etag}
    asked = [t.strip().removeprefix("W/") for t in
             request.headers.get("If-None-Match", "").split(",")]  # fmt: skip
    if etag in asked:
        return Response(None, 304, headers)
    return Response(body, 200, headers, content_type)


# Which landed dumps are answers to which path. Others are made by `documents`.
_PATH_OF_SOURCE = {
    "openrouter_models": "/api/v1/models",
    "openrouter_providers": "/api/v1/providers",
    "openrouter_app_rankings": "/api/v1/datasets/app-rankings",
    "openrouter_task_classifications": "/api/v1/classifications/task",
}


def _read_landed(settings: Settings | None) -> tuple[dict[str, bytes], documents.Leaderboard]:
    """The newest landed answer by path, and the landed rows of Vercel's leaderboard by day."""
    answers: dict[str, bytes] = {}
    rows: dict[tuple[str, date], list[dict[str, Any]]] = {}
    records, settings = landed_records(settings)
    for record in records:
        if not record.layout.startswith("json/"):
            continue
        if path := _PATH_OF_SOURCE.get(record.source):
            answers[path] = read_dump(record, settings).open_text().read().encode()
        elif record.source == "vercel_leaderboard":
            document = json.loads(read_dump(record, settings).open_text().read())
            of_day: dict[tuple[str, date], list[dict[str, Any]]] = {}
            for row in document["rows"]:
                key = (document.get("dataset", "models"), date.fromisoformat(row["date"]))
                of_day.setdefault(key, []).append(row)
            rows |= of_day
    return answers, documents.Leaderboard(rows)


def make_demo(
    today: date,
    settings: Settings | None = None,
    seed: int = 0,
    feed_fault: FeedFault | None = None,
    feed_fault_from: date | None = None,
    **options: Any,
) -> Demo:
    """A server's state from the landed data of `settings`, by default the shipped history.

    `options` are fields of `Demo`. Raises TokenshareError if no rankings are landed.
    """
    feed = Feed(read_history(settings), seed, feed_fault, feed_fault_from)
    landed, vercel = _read_landed(settings)
    return Demo(feed, today, vercel=vercel, landed=landed, **options)


def _listen(port: int) -> socket.socket:
    """A socket that listens on a port, or on a free one if the port is 0.

    Raises TokenshareError if the port is taken.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
    except OSError as error:
        sock.close()
        raise TokenshareError(
            f"port {port} of {HOST}: {error.strerror}; choose another one with --port"
        ) from error
    return sock


@contextmanager
def demo_server(
    demo: Demo, faults: Sequence[Fault] = (), seed: int = 0, pause: float = 1.0, port: int = 0
) -> Iterator[Demo]:
    """Run a demo in a thread on a port of localhost, by default a free one; its address is
    `demo.base_url`. `pause` is how long a slow answer takes, in seconds.

    The clock does not move until the caller moves it with `demo.next_night()`.

    Raises TokenshareError if the port is taken.
    """
    sock = _listen(port)
    demo.base_url = f"http://{HOST}:{sock.getsockname()[1]}"
    config = uvicorn.Config(
        Faulty(demo.app(), tuple(faults), seed, pause, demo.note),
        log_config=None,
        log_level="critical",  # a cut answer is meant
        access_log=False,  # it would show whole addresses
        lifespan="off",
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise TokenshareError("the demo server did not start")
            time.sleep(0.005)
        yield demo
    finally:
        server.should_exit = True
        server.force_exit = True  # a stalled answer would hold it
        thread.join(timeout=5)
        sock.close()
