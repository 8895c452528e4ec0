"""Somebody hears of a failed run: a webhook, an e-mail or a command, by settings.

The command line and Dagster send the same alert through `send`. Texts in it may come from outside:
they are cut, control characters are escaped, and secrets are replaced. Nothing here decides
whether a run has failed.
"""

import os
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage

from orchestration.errors import as_user_error, safe_text, with_notes
from orchestration.run_log import without_secrets
from orchestration.settings import Settings

_TIMEOUT_SECONDS = 20
_MOST_LINES = 30
_LINE_LENGTH = 500
# Variables that the command does not get: some of them are secrets.
_SECRETS_OF = ("TOKENSHARE_", "DAGSTER_PG_", "OPENROUTER_")
# What to do, by the exit code that the command line returns for the error.
_ADVICE = {
    1: "Do what the message says, then run `tokenshare run`.",
    3: "Everything else is published. The file is in inbox/refused with the reason beside it; put "
    "a right one into inbox/.",
    4: "Restore the dump from a backup, or remove its folder and land it again.",
    5: "Nothing published has changed. Open the gate's page in the candidate's folder. If the data "
    "is right, accept it in configuration/gate.yml, move the dump that was set aside back, and run "
    "`tokenshare publish`.",
    6: "Do not use this vintage. Restore its files from a backup, as the message says.",
    7: "Wait for the other run, or stop it if it hangs. The next run goes on by itself.",
    8: "Nothing published has changed. Mend what the message names, then run `tokenshare run`.",
    9: "Mend the rows of the registry that the message names.",
    10: "A vintage is published without the source. Look at the rules that it broke; the next run "
    "tries again.",
    11: "What is landed is published. Look at what the server answered; the next night pulls what "
    "is missing.",
    14: "The vintage is published, and PostgreSQL has the one before it. Do what the message says, "
    "then run `tokenshare serve-to`, or leave it to the next night.",
}  # fmt: skip
_BUG = "This is not a failure that tokenshare knows. Look at the log of the run."


@dataclass(frozen=True)
class Alert:
    """A failed run. `why` is the text of the error; `link` is where more can be read."""

    run: str
    failed: str
    why: str
    what_to_do: str
    link: str

    @property
    def subject(self) -> str:
        return f"tokenshare: {safe_text(self.run, 100)} failed: {safe_text(self.failed, 100)}"

    def text(self) -> str:
        """The alert as plain text, one fact per line. The error may take several lines."""
        lines = [line for line in self.why.splitlines() if line.strip()]
        why = "\n".join(safe_text(line, _LINE_LENGTH) for line in lines[:_MOST_LINES])
        if len(lines) > _MOST_LINES:
            why += f"\n… and {len(lines) - _MOST_LINES} more lines"
        return (
            f"{self.subject}\n\nWhy: {why or 'no error text'}\n\nWhat to do: {self.what_to_do}\n\n"
            f"More: {self.link}\n"
        )


def advice(exit_code: int | None) -> str:
    """What to do about an error with this exit code; None is an error that nobody expected."""
    return _ADVICE.get(exit_code or 0, _BUG)


def alert_of(error: Exception, run: str, link: str) -> Alert:
    """The alert for an error that ended a run of the command line."""
    known = as_user_error(error)
    failed = f"{type(known or error).__name__}, exit code {known.exit_code if known else 1}"
    return Alert(run, failed, with_notes(error), advice(known.exit_code if known else None), link)


def _post(alert: Alert, text: str, settings: Settings) -> None:
    """Post to a webhook as Slack's incoming webhooks expect it."""
    import httpx

    assert settings.alert_webhook_url is not None
    # Slack asks to escape exactly these three; then no mention and no link can be made.
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    answer = httpx.post(
        settings.alert_webhook_url.get_secret_value(),
        json={"text": text, "mrkdwn": False},
        timeout=_TIMEOUT_SECONDS,
    )
    if not answer.is_success:
        raise OSError(f"the webhook answered {answer.status_code}")


def _mail(alert: Alert, text: str, settings: Settings) -> None:
    message = EmailMessage()
    message["Subject"] = without_secrets(alert.subject, settings)
    message["From"] = settings.alert_email_from
    message["To"] = settings.alert_email_to
    message.set_content(text)
    with smtplib.SMTP(
        settings.alert_email_host, settings.alert_email_port, timeout=_TIMEOUT_SECONDS
    ) as server:
        if settings.alert_email_user:
            password = settings.alert_email_password
            # Without a context, smtplib would give the password to any server.
            server.starttls(context=ssl.create_default_context())
            server.login(settings.alert_email_user, password.get_secret_value() if password else "")
        server.send_message(message)


def _command(alert: Alert, text: str, settings: Settings) -> None:
    """Start the command. The text is its standard input: no shell reads it."""
    done = subprocess.run(  # noqa: S603  # the operator's own command; no text from outside in it
        list(settings.alert_command),
        input=text,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
        env={n: v for n, v in os.environ.items() if not n.startswith(_SECRETS_OF)},
        timeout=_TIMEOUT_SECONDS,
    )
    if done.returncode:
        raise OSError(f"it ended with {done.returncode}: {safe_text(done.stderr)}")


def send(alert: Alert, settings: Settings) -> list[str]:
    """Send an alert to every receiver that is set. Returns what went wrong, one line per receiver.

    A receiver that fails keeps neither the others nor the error of the run from being shown.
    """
    receivers: list[tuple[str, object, Callable[[Alert, str, Settings], None]]] = [
        ("webhook", settings.alert_webhook_url, _post),
        ("e-mail", settings.alert_email_host, _mail),
        ("command", settings.alert_command, _command),
    ]
    text = without_secrets(alert.text(), settings)
    problems = []
    for name, is_set, deliver in receivers:
        if not is_set:
            continue
        try:
            deliver(alert, text, settings)
        except Exception as error:
            why = without_secrets(f"{type(error).__name__}: {error}", settings)
            problems.append(f"the alert was not sent by {name}: {safe_text(why)}")
    return problems


@contextmanager
def sent_on_failure(run: str, settings: Settings) -> Iterator[None]:
    """Send an alert if the block raises an error, which goes on with a note if that failed."""
    try:
        yield
    except Exception as error:
        for problem in send(alert_of(error, run, f"{settings.served_url}/"), settings):
            error.add_note(f"note: {problem}")
        raise
