"""A failed run is heard of: real receivers on sockets of this machine take the alerts."""

import json
import socketserver
import ssl
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr, ValidationError

from orchestration.alerts import Alert, advice, alert_of, send, sent_on_failure
from orchestration.cli import app
from orchestration.errors import GateRefusedError, TokenshareError
from orchestration.settings import Settings
from tests import builders

# What a file name, a slug or a server may bring into the text of an error.
HOSTILE = "<!channel> & <https://evil.example|click>\x1b[31m\r\nSubject: x"


class Webhook(BaseHTTPRequestHandler):
    """Keeps what is posted to it, as `(path, content type, document)`, in `server.posted`."""

    def do_POST(self) -> None:  # http.server calls it so
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.posted.append((self.path, self.headers["content-type"], json.loads(body)))  # type: ignore[attr-defined]  # ours
        self.send_response(self.server.status)  # type: ignore[attr-defined]  # ours
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as a client needs to deliver one message to `server.mails`.

    With a context in `server.tls`, it offers STARTTLS (RFC 3207), and a login (RFC 4954) only then.
    What is logged in with is kept in `server.logins`, as it came."""

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        envelope = []
        tls = self.server.tls  # type: ignore[attr-defined]  # ours
        while line := self.rfile.readline():
            verb = line[:4].upper()
            is_safe = isinstance(self.connection, ssl.SSLSocket)
            if verb == b"EHLO" and tls:
                self.wfile.write(b"250-test\r\n250 " + (b"AUTH PLAIN" if is_safe else b"STARTTLS"))
                self.wfile.write(b"\r\n")
                continue
            if verb == b"STAR":
                self.wfile.write(b"220 go on\r\n")
                try:
                    self.connection = tls.wrap_socket(self.connection, server_side=True)
                except OSError:  # the client does not trust the certificate
                    return
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)
                continue
            if verb == b"AUTH":
                self.server.logins.append((is_safe, b64decode(line.split()[-1])))  # type: ignore[attr-defined]  # ours
                self.wfile.write(b"235 ok\r\n")
                continue
            if verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append((envelope, b"".join(lines).decode()))  # type: ignore[attr-defined]  # ours
            elif verb in (b"MAIL", b"RCPT"):
                envelope.append(line.decode().strip())
            self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def webhook() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Webhook)
    server.posted, server.status = [], 200  # type: ignore[attr-defined]  # ours
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox() -> Iterator[socketserver.ThreadingTCPServer]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)
    server.mails, server.logins, server.tls = [], [], None  # type: ignore[attr-defined]  # ours
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def alert(why: str = HOSTILE) -> Alert:
    return Alert("nightly 1a2b", "step vintage", why, advice(5), "http://127.0.0.1:3000/runs/1a2b")


def url_of(webhook: HTTPServer) -> str:
    return f"http://127.0.0.1:{webhook.server_port}/services/T0/very-secret"


def test_a_webhook_gets_the_alert_as_slack_takes_it(tmp_path: Path, webhook: HTTPServer) -> None:
    settings = Settings(data_dir=tmp_path, alert_webhook_url=url_of(webhook))
    assert send(alert(), settings) == []
    ((path, content_type, document),) = webhook.posted  # type: ignore[attr-defined]  # ours
    assert (path, content_type) == ("/services/T0/very-secret", "application/json")
    text = document["text"]
    assert text.startswith("tokenshare: nightly 1a2b failed: step vintage\n")
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;\\x1b[31m\n" in text
    assert not {"<", ">", "\x1b", "\r"} & set(text)
    assert "What to do: Nothing published has changed." in text
    assert text.endswith("More: http://127.0.0.1:3000/runs/1a2b\n")


def test_an_email_reaches_every_receiver_and_no_header_comes_from_outside(
    tmp_path: Path, mailbox: socketserver.ThreadingTCPServer
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        alert_email_host="127.0.0.1",
        alert_email_port=mailbox.server_address[1],
        alert_email_from="tokenshare@example.org",
        alert_email_to="a@example.org, b@example.org",
    )
    hostile = Alert(f"run {HOSTILE}", "step", HOSTILE, advice(None), "http://127.0.0.1:3000/")
    assert send(hostile, settings) == []
    (((sender, *receivers), message),) = mailbox.mails  # type: ignore[attr-defined]  # ours
    assert "<tokenshare@example.org>" in sender
    assert [r.split("<")[1].rstrip(">") for r in receivers] == ["a@example.org", "b@example.org"]
    headers = message.split("\r\n\r\n")[0]
    assert headers.count("Subject:") == 1 or "\nSubject: x" not in headers
    assert "To: a@example.org, b@example.org" in headers


def certificate(folder: Path) -> Path:
    """A new certificate of `localhost` and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(encoding, form, serialization.NoEncryption())
    path = folder / "localhost.pem"
    path.write_bytes(secret + made.public_bytes(encoding))
    return path


def with_password(folder: Path, mailbox: socketserver.ThreadingTCPServer) -> Settings:
    return Settings(
        data_dir=folder,
        alert_email_host="localhost",
        alert_email_port=mailbox.server_address[1],
        alert_email_from="tokenshare@example.org",
        alert_email_to="a@example.org",
        alert_email_user="me",
        alert_email_password=SecretStr("very-secret"),
    )


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_password_is_given_only_over_tls_and_to_a_host_with_a_trusted_certificate(
    tmp_path: Path,
    mailbox: socketserver.ThreadingTCPServer,
    monkeypatch: pytest.MonkeyPatch,
    is_trusted: bool,
) -> None:
    pem = certificate(tmp_path)
    mailbox.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # type: ignore[attr-defined]  # ours
    mailbox.tls.load_cert_chain(pem)  # type: ignore[attr-defined]  # ours
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    problems = send(alert(), with_password(tmp_path, mailbox))
    if is_trusted:
        assert problems == []
        assert mailbox.logins == [(True, b"\0me\0very-secret")]  # type: ignore[attr-defined]  # ours
        assert len(mailbox.mails) == 1  # type: ignore[attr-defined]  # ours
    else:
        (problem,) = problems
        assert "the alert was not sent by e-mail: SSLCertVerificationError" in problem
        assert mailbox.logins == mailbox.mails == []  # type: ignore[attr-defined]  # ours


def test_a_mail_server_without_tls_gets_no_password(
    tmp_path: Path, mailbox: socketserver.ThreadingTCPServer
) -> None:
    (problem,) = send(alert(), with_password(tmp_path, mailbox))
    assert "STARTTLS extension not supported" in problem
    assert mailbox.logins == mailbox.mails == []  # type: ignore[attr-defined]  # ours


def test_a_command_gets_the_alert_as_input_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENSHARE_OPENROUTER_API_KEY", "sk-or-secret")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "pg-secret")
    out = tmp_path / "out"
    code = f"import os, sys; open({str(out)!r}, 'w').write(sys.stdin.read() + str(os.environ))"
    settings = Settings(data_dir=tmp_path, alert_command=(sys.executable, "-c", code, "; touch x"))
    assert send(alert(), settings) == []
    text = out.read_text(encoding="utf-8")
    assert text.startswith(alert().text())
    assert "sk-or-secret" not in text
    assert "pg-secret" not in text


def test_a_receiver_that_fails_keeps_no_other_from_being_asked_and_shows_no_secret(
    tmp_path: Path, webhook: HTTPServer
) -> None:
    webhook.status = 404  # type: ignore[attr-defined]  # ours
    out = tmp_path / "out"
    settings = Settings(
        data_dir=tmp_path,
        alert_webhook_url=url_of(webhook),
        alert_command=(sys.executable, "-c", f"open({str(out)!r}, 'w'); raise SystemExit(3)"),
    )
    problems = send(alert(f"no answer from {url_of(webhook)}"), settings)
    assert problems == [
        "the alert was not sent by webhook: OSError: the webhook answered 404",
        "the alert was not sent by command: OSError: it ended with 3: ",
    ]
    assert out.exists()
    ((_, _, document),) = webhook.posted  # type: ignore[attr-defined]  # ours
    assert "Why: no answer from ***" in document["text"]


def test_every_error_has_its_advice() -> None:
    kinds = TokenshareError.__subclasses__()
    assert len(kinds) > 8
    unknown = advice(None)
    assert [kind for kind in kinds if advice(kind.exit_code) == unknown] == []
    assert alert_of(KeyError("x"), "run", "").what_to_do == unknown
    refused = alert_of(GateRefusedError("SHARE_SUM failed"), "run", "")
    assert "gate" in refused.what_to_do
    assert refused.failed == "GateRefusedError, exit code 5"


def test_an_error_of_many_lines_is_cut(tmp_path: Path) -> None:
    text = alert("\n".join("x" * 900 for _ in range(100))).text()
    assert "… and 70 more lines" in text
    assert max(map(len, text.splitlines())) < 700


def test_an_email_without_a_receiver_is_a_wrong_setting() -> None:
    with pytest.raises(ValidationError, match="alert_email_to"):
        Settings(alert_email_host="127.0.0.1", alert_email_from="a@example.org")


def test_a_run_of_the_command_line_that_fails_sends_the_alert(
    tmp_path: Path, webhook: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    monkeypatch.setenv("TOKENSHARE_ALERT_WEBHOOK_URL", url_of(webhook))
    monkeypatch.setenv("TOKENSHARE_SHIPPED_HISTORY", "false")
    builders.write(tmp_path, "inbox", b"a file where a folder should be")
    done = CliRunner().invoke(app, ["run", "--data-dir", str(tmp_path)])
    assert done.exit_code
    ((_, _, document),) = webhook.posted  # type: ignore[attr-defined]  # ours
    assert "tokenshare run failed: " in document["text"]
    assert "inbox" in document["text"]


def test_the_error_of_a_run_goes_on_with_a_note_if_no_alert_could_be_sent(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, alert_command=("/nonexistent/program",))
    with (
        pytest.raises(TokenshareError, match="broken") as raised,
        sent_on_failure("tokenshare run", settings),
    ):
        raise TokenshareError("broken")
    assert "note: the alert was not sent by command: FileNotFoundError" in raised.value.__notes__[0]
