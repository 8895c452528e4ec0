"""Faults that the demo server injects into its answers, over real sockets."""

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal, get_args

from orchestration.demo.simulator import FEED_FAULTS, FeedFault, as_json
from orchestration.errors import TokenshareError, quoted

Kind = Literal["429", "500", "truncated", "slow", "stall", "wrong-content-type"]
_LOGIN_PAGE = b"<!doctype html><html><body><h1>Sign in to this network</h1></body></html>\n"
_SLOW_PIECES = 10
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class Fault:
    """One way to fail: for the first `first` requests of each path that begins with `path`, or for
    a `share` (0 to 1) of all of them, drawn by the seed of the server."""

    kind: Kind
    first: int = 1
    share: float | None = None
    path: str = "/"

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `KIND`, `KIND:N`, `KIND:SHARE` or either with `:PATH` behind it.

        Raises TokenshareError if it is none of these.
        """
        kind, _, rest = text.partition(":")
        amount, _, path = rest.partition(":")
        if kind not in get_args(Kind):
            raise TokenshareError(
                f"{quoted(text)}: expected a fault that begins with one of "
                f"{', '.join([*get_args(Kind), 'publish-during-pull', *FEED_FAULTS])}"
            )
        path = path or "/"
        try:
            if not path.startswith("/"):
                raise ValueError
            if "." in amount:
                share = float(amount)
                if not 0 <= share <= 1:
                    raise ValueError
                return cls(kind, share=share, path=path)  # type: ignore[arg-type]  # checked above
            return cls(kind, first=int(amount or 1), path=path)  # type: ignore[arg-type]  # same
        except ValueError as error:
            raise TokenshareError(
                f"{quoted(text)}: expected {kind}:N for the first N requests of each path, or "
                f"{kind}:0.2 for that share of all requests, and then perhaps :/PATH"
            ) from error


class Faulty:
    """An ASGI application that lets some answers of another one fail. It calls `note` with the
    request's scope and the status of its answer."""

    def __init__(
        self,
        app: Any,
        faults: tuple[Fault, ...],
        seed: int,
        pause: float,
        note: Callable[[Any, int], None],
    ) -> None:
        self._app, self._faults, self._pause, self._note = app, faults, pause, note
        self._draw = random.Random(f"{seed} faults")  # noqa: S311  # a simulation
        self._asked: dict[tuple[int, str], int] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"])
            await send(message)

        await self._answer(scope, receive, noted)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        kind = self._next(scope["path"])
        if kind is None:
            await self._app(scope, receive, send)
        elif kind in ("429", "500"):
            await _answer_error(int(kind), send)
        elif kind == "wrong-content-type":
            await _answer(200, b"text/html; charset=utf-8", _LOGIN_PAGE, send)
        else:
            await self._app(scope, receive, _Broken(kind, self._pause, receive, send))

    def _next(self, path: str) -> Kind | None:
        for number, fault in enumerate(self._faults):
            if not path.startswith(fault.path):
                continue
            if fault.share is not None:
                if self._draw.random() < fault.share:
                    return fault.kind
                continue
            asked = self._asked.get((number, path), 0)
            if asked < fault.first:
                self._asked[number, path] = asked + 1
                return fault.kind
        return None


class _Broken:
    """Passes on an answer, but cut in half, in slow pieces, or with a second half that never
    comes."""

    def __init__(self, kind: Kind, pause: float, receive: Any, send: Any) -> None:
        self._kind, self._pause, self._receive, self._send = kind, pause, receive, send
        self._is_over = False

    async def __call__(self, message: Any) -> None:
        if self._is_over:
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body = message.get("body", b"")
        if self._kind == "slow":
            size = len(body) // _SLOW_PIECES + 1
            for start in range(0, len(body), size):
                piece = {"body": body[start : start + size], "more_body": True}
                await self._send({**message, **piece})
                await asyncio.sleep(self._pause / _SLOW_PIECES)
            await self._send({**message, "body": b""})
            return
        # The server closes a connection whose answer is shorter than its Content-Length.
        self._is_over = True
        await self._send({**message, "body": body[: len(body) // 2], "more_body": True})
        if self._kind == "stall":
            while (await self._receive())["type"] != "http.disconnect":
                pass


async def _answer_error(code: int, send: Any) -> None:
    messages = {429: "Rate limit exceeded", 500: "Internal Server Error"}
    headers = [(b"retry-after", str(RETRY_AFTER_SECONDS).encode())] if code == 429 else []
    body = as_json({"error": {"message": messages[code], "code": code}})
    await _answer(code, b"application/json", body, send, headers)


async def _answer(
    status: int,
    content_type: bytes,
    body: bytes,
    send: Any,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    listed = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send(
        {"type": "http.response.start", "status": status, "headers": listed + (headers or [])}
    )
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class Faults:
    """Everything that goes wrong with one server."""

    of_answers: tuple[Fault, ...] = ()
    of_feed: FeedFault | None = None
    of_feed_from: date | None = None
    publishes_after: int | None = None


def parse_faults(texts: Iterable[str]) -> Faults:
    """Read faults as the command line has them.

    Raises TokenshareError that quotes the first one that is wrong, and says what was expected.
    """
    found = Faults()
    for text in texts:
        kind, _, rest = text.partition(":")
        if kind == "publish-during-pull":
            if not (rest or "1").isdecimal():
                raise TokenshareError(f"{quoted(text)}: expected {kind} or {kind}:N")
            found = replace(found, publishes_after=int(rest or 1))
        elif feed_fault := next((f for f in FEED_FAULTS if f == kind), None):
            if found.of_feed:
                raise TokenshareError(f"{quoted(text)}: a feed has one fault at a time")
            try:
                day = date.fromisoformat(rest)
            except ValueError as error:
                raise TokenshareError(
                    f"{quoted(text)}: expected {kind}:DAY, such as {kind}:2026-08-20"
                ) from error
            found = replace(found, of_feed=feed_fault, of_feed_from=day)
        else:
            found = replace(found, of_answers=(*found.of_answers, Fault.parse(text)))
    return found
