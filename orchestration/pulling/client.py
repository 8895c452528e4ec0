"""One HTTP client for every pull: it waits, retries and gives up as a guest should.

The key is sent only with requests that need it, only over https or to this machine, and never to
another host by a redirect. No message quotes a header, and a key that a server repeats is removed
from what is quoted.
"""

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from httpx_retries import Retry, RetryTransport

from orchestration import __version__
from orchestration.errors import PullError, quoted, safe_text
from orchestration.settings import Settings

USER_AGENT = f"tokenshare/{__version__} (nightly archive of public usage figures; batch job)"
_RETRIED = (429, 500, 502, 503, 504)
_TYPES = {
    "json": ("application/json",),
    # Storage servers often do not know the type of a CSV.
    "csv": ("text/csv", "text/plain", "application/octet-stream", "binary/octet-stream"),
}
_CHUNK_BYTES = 64 * 1024
_MOST_REDIRECTS = 3
# The source answers 429 beyond 30 requests a minute with one key.
_KEYED_PER_MINUTE = 30
_MINUTE = 60.0
# After so many endpoints that do not end in time, a host is not asked any more.
_MOST_TIMEOUTS = 3

Kind = Literal["json", "csv"]


class HostError(PullError):
    """The host does not answer, or wants no more requests: the rest of it is not asked either."""


@dataclass(frozen=True)
class Answer:
    """A complete answer. With status 304 or 404 there is no `body`."""

    url: str
    status: Literal[200, 304, 404]
    body: bytes = b""
    etag: str = ""


class _TooLargeError(Exception):
    pass


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class _WholeAnswers(httpx.BaseTransport):
    """Reads an answer to its end before it is returned, so that one that breaks off is asked again.

    Counts the requests, keeps to the pace of the key, and enforces the limits of size and time.
    """

    def __init__(self, settings: Settings) -> None:
        self.calls = 0
        self._most_bytes = settings.max_dump_bytes
        self._most_seconds = settings.pull_timeout_seconds
        self._transports: dict[str, httpx.HTTPTransport] = {}
        self._keyed: deque[float] = deque(maxlen=_KEYED_PER_MINUTE)

    def _transport(self, url: httpx.URL) -> httpx.HTTPTransport:
        """The transport for a host: through the proxy of the environment, if there is one."""
        if url.host not in self._transports:
            bypassed = _is_this_machine(url.host) or proxy_bypass(url.host)
            proxy = None if bypassed else getproxies().get(url.scheme)
            self._transports[url.host] = httpx.HTTPTransport(proxy=proxy)
        return self._transports[url.host]

    def _keep_pace(self) -> None:
        now = time.monotonic()
        if len(self._keyed) == _KEYED_PER_MINUTE and (wait := self._keyed[0] + _MINUTE - now) > 0:
            time.sleep(wait)
        self._keyed.append(time.monotonic())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if "Authorization" in request.headers:
            self._keep_pace()
        self.calls += 1
        ends = time.monotonic() + self._most_seconds
        response = self._transport(request.url).handle_request(request)
        chunks, size = [], 0
        try:
            assert isinstance(response.stream, httpx.SyncByteStream)
            for chunk in response.stream:
                size += len(chunk)
                if size > self._most_bytes:
                    raise _TooLargeError
                if time.monotonic() > ends:
                    raise httpx.ReadTimeout("the answer did not end in time", request=request)
                chunks.append(chunk)
        finally:
            response.close()
        stream = httpx.ByteStream(b"".join(chunks))
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()


class Client:
    """Asks one or more hosts. Use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        seconds = settings.pull_timeout_seconds
        self._whole = _WholeAnswers(settings)
        retry = Retry(
            total=settings.pull_retries,
            status_forcelist=_RETRIED,
            backoff_factor=min(0.5, settings.pull_max_wait_seconds),
            backoff_jitter=0.5,
            max_backoff_wait=settings.pull_max_wait_seconds,
            total_timeout=2 * settings.pull_max_wait_seconds,
        )
        self._client = httpx.Client(
            transport=RetryTransport(self._whole, retry),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(min(30, seconds), connect=min(10, seconds)),
            follow_redirects=False,
            trust_env=False,  # no password of ~/.netrc
        )
        self._given_up: dict[str, str] = {}
        self._timeouts: dict[str, int] = {}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    @property
    def calls(self) -> int:
        """The requests that were sent, retries included."""
        return self._whole.calls

    def get(self, url: str, kind: Kind, *, keyed: bool = False, etag: str = "") -> Answer:
        """Ask for one address. `etag` is that of an answer that is landed already.

        Raises HostError if nothing more should be asked of this host, and PullError if this one
        answer cannot be used; the message names the address and states what to do.
        """
        host = urlsplit(url).netloc
        if host in self._given_up:
            raise HostError(f"{url}: not asked: {self._given_up[host]}")
        try:
            return self._get(url, kind, keyed, etag)
        except HostError as error:
            self._given_up[host] = str(error)
            raise

    def _headers(self, url: str, kind: Kind, keyed: bool, etag: str) -> dict[str, str]:
        headers = {"Accept": _TYPES[kind][0]}
        if etag:
            headers["If-None-Match"] = etag
        key = self._settings.openrouter_api_key
        if keyed and key is not None:
            parts = urlsplit(url)
            if parts.scheme != "https" and not _is_this_machine(parts.hostname or ""):
                raise PullError(
                    f"{url}: the key is not sent without encryption; use an address with https"
                )
            headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        return headers

    def _get(self, url: str, kind: Kind, keyed: bool, etag: str) -> Answer:
        asked, headers = url, self._headers(url, kind, keyed, etag)
        for _ in range(_MOST_REDIRECTS + 1):
            response, body = self._send(asked, headers)
            if not response.has_redirect_location:
                return self._answer(url, kind, keyed, response, body)
            target = httpx.URL(asked).join(response.headers["Location"])
            here = httpx.URL(asked)
            if (target.scheme, target.host, target.port) != (here.scheme, here.host, here.port):
                raise PullError(
                    f"{url}: redirects to another host, {quoted(target.host)}, which is not "
                    "followed; has the source moved?"
                )
            asked = str(target)
        raise PullError(f"{url}: redirects more than {_MOST_REDIRECTS} times")

    def _send(self, url: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """One request with its retries."""
        host = urlsplit(url).netloc
        try:
            request = self._client.build_request("GET", url, headers=headers)
            response = self._client.send(request, stream=True)
            return response, b"".join(self._decoded(url, response))
        except httpx.TimeoutException as error:
            self._timeouts[host] = self._timeouts.get(host, 0) + 1
            is_last = (
                isinstance(error, httpx.ConnectTimeout) or self._timeouts[host] >= _MOST_TIMEOUTS
            )
            failure = HostError if is_last else PullError
            raise failure(
                f"{url}: no complete answer within "
                f"{self._settings.pull_timeout_seconds:g} s (TOKENSHARE_PULL_TIMEOUT_SECONDS), "
                f"{self._settings.pull_retries + 1} time(s)"
            ) from None
        except httpx.ConnectError as error:
            raise HostError(f"{url}: cannot be reached: {self._safe(error)}") from None
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise PullError(
                f"{url}: the answer broke off {self._settings.pull_retries + 1} time(s): "
                f"{self._safe(error)}"
            ) from None
        except httpx.DecodingError as error:
            raise PullError(f"{url}: the answer is damaged: {self._safe(error)}") from None
        except _TooLargeError:
            raise self._too_large(url) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PullError(f"{url}: cannot be asked: {self._safe(error)}") from None

    def _decoded(self, url: str, response: httpx.Response) -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_bytes(_CHUNK_BYTES):
            size += len(chunk)
            if size > self._settings.max_dump_bytes:
                raise self._too_large(url)
            yield chunk

    def _too_large(self, url: str) -> PullError:
        return PullError(
            f"{url}: has more than {self._settings.max_dump_bytes:,} bytes; if that is right, "
            "raise TOKENSHARE_MAX_DUMP_BYTES"
        )

    def _safe(self, text: object) -> str:
        """Text from outside for a message, without the key if it repeats it."""
        key = self._settings.openrouter_api_key
        said = str(text)
        return safe_text(said.replace(key.get_secret_value(), "…") if key else said)

    def _reason(self, body: bytes) -> str:
        """What an API error says about itself, or nothing."""
        try:
            said = json.loads(body)["error"]["message"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        return f": {self._safe(said)}"

    def _answer(
        self, url: str, kind: Kind, keyed: bool, response: httpx.Response, body: bytes
    ) -> Answer:
        status, reason = response.status_code, self._reason(body)
        if status == 304:
            return Answer(url, 304)
        if status == 404:
            return Answer(url, 404)
        if status == 200:
            self._check_type(url, kind, response, body)
            return Answer(url, 200, body, response.headers.get("ETag", ""))
        if status == 429:
            raise HostError(
                f"{url}: the server wants fewer requests (429{reason}); the next pull continues"
            )
        has_key = keyed and self._settings.openrouter_api_key is not None
        advice = {
            400: "the request is not what the server expects; is there a newer version of "
            "tokenshare?",
            401: (
                "the key is not accepted; renew it and set TOKENSHARE_OPENROUTER_API_KEY again"
                if has_key
                else "a key is needed; set TOKENSHARE_OPENROUTER_API_KEY"
            ),
            403: "the key may not ask for this" if has_key else "the server does not allow this",
        }.get(status, "try again later" if status >= 500 else "that is not an answer to a GET")
        raise PullError(f"{url}: status {status}{reason}; {advice}")

    def _check_type(self, url: str, kind: Kind, response: httpx.Response, body: bytes) -> None:
        media = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        begin = body[:200].lstrip()
        is_page = begin[:14].lower().startswith((b"<!doctype", b"<html", b"<?xml"))
        if is_page or media not in _TYPES[kind]:
            said = begin[:40].decode("utf-8", "replace")
            raise PullError(
                f"{url}: has the content type {self._safe(media) or 'none'} and begins with "
                f"{quoted(self._safe(said), 40)}; expected {_TYPES[kind][0]}: is it an error page?"
            )
