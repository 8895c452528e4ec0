"""Signatures of manifests: made and checked as minisign does."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from minisign import KeyPair
from pydantic import ValidationError

from orchestration.errors import TokenshareError, VerificationError
from orchestration.publication.signature import (
    SIGNATURE_NAME,
    Signed,
    check_signature,
    sign,
    signing_key,
)
from orchestration.settings import Settings

# The author of minisign signed `test` with the key of its releases: the examples of
# github.com/jedisct1/rust-minisign-verify (MIT), prehashed and as before minisign 0.10.
MINISIGN_KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
PREHASHED = """\
untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1556193335\tfile:test
y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==
"""
LEGACY = """\
untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
"""
VINTAGE = "20261128T120000Z-1a2b3c4d"
ANOTHER_KEY = "RWTp19aCM5iK4plw14gbtviwUSISZP++TJMfOfNTKoCcRIkcrV13Oppe"


def folder_with(tmp_path: Path, manifest: bytes, signature: bytes | str) -> Path:
    (tmp_path / "manifest.json").write_bytes(manifest)
    content = signature if isinstance(signature, bytes) else signature.encode()
    (tmp_path / SIGNATURE_NAME).write_bytes(content)
    return tmp_path


def encrypted() -> KeyPair:
    pair = KeyPair.generate()
    pair.secret_key.encrypt("hunter2")
    return pair


def with_key(tmp_path: Path, content: bytes | str, **others: str) -> Settings:
    path = tmp_path / "secret.key"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Settings(data_dir=tmp_path / "data", signing_key=path, **others)


@pytest.mark.parametrize(
    ("signature", "comment"),
    [(PREHASHED, "timestamp:1556193335\tfile:test"), (LEGACY, "timestamp:1555779966\tfile:test")],
    ids=["prehashed", "legacy"],
)
def test_signatures_of_minisign_itself_are_accepted(
    tmp_path: Path, signature: str, comment: str
) -> None:
    folder = folder_with(tmp_path, b"test", signature)
    expected = Signed("E7620F1842B4E81F", comment)
    assert check_signature(folder, MINISIGN_KEY) == expected
    public = tmp_path / "minisign.pub"
    public.write_text(
        f"untrusted comment: minisign public key E7620F1842B4E81F\n{MINISIGN_KEY}\n",
        encoding="utf-8",
    )
    assert check_signature(folder, str(public)) == expected


@pytest.mark.parametrize(
    ("manifest", "signature", "key"),
    [
        (b"Test", PREHASHED, MINISIGN_KEY),
        (b"test", PREHASHED.replace("file:test", "file:tests"), MINISIGN_KEY),
        (b"test", PREHASHED.replace("559r3g", "559r3h"), MINISIGN_KEY),
        (b"test", PREHASHED, ANOTHER_KEY),
        (b"test", "signed, sincerely", MINISIGN_KEY),
        (b"test", b"\xff" * 300, MINISIGN_KEY),
        (b"test", PREHASHED + "x" * 20_000, MINISIGN_KEY),
    ],
    ids=["content", "comment", "signature", "another key", "no signature", "no text", "too large"],
)
def test_everything_else_is_refused(
    tmp_path: Path, manifest: bytes, signature: bytes | str, key: str
) -> None:
    with pytest.raises(VerificationError):
        check_signature(folder_with(tmp_path, manifest, signature), key)


@pytest.mark.parametrize("key", ["", "nonsense", MINISIGN_KEY[:-1], "RU" + MINISIGN_KEY[2:]])
def test_a_key_that_is_none_is_named(tmp_path: Path, key: str) -> None:
    folder = folder_with(tmp_path, b"test", PREHASHED)
    with pytest.raises(TokenshareError, match="expected a public key file of minisign") as error:
        check_signature(folder, key)
    assert not isinstance(error.value, VerificationError)


def test_a_link_is_no_signature(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, b"test", PREHASHED)
    (folder / SIGNATURE_NAME).rename(folder / "elsewhere")
    (folder / SIGNATURE_NAME).symlink_to(folder / "elsewhere")
    with pytest.raises(VerificationError, match="is not signed"):
        check_signature(folder, MINISIGN_KEY)


def test_an_encrypted_key_signs_with_its_password(tmp_path: Path) -> None:
    """The test of signed vintages does so with a key that minisign itself encrypted."""
    pair = encrypted()
    settings = with_key(
        tmp_path, bytes(pair.secret_key), signing_password="hunter2", signed_by="Ada"
    )
    key = signing_key(settings)
    assert key is not None
    signature = sign(b"test", VINTAGE, key, settings)
    assert signature == sign(b"test", VINTAGE, key, settings)
    public = pair.public_key.to_base64().decode()
    signed = check_signature(folder_with(tmp_path, b"test", signature), public)
    assert signed.comment == f"tokenshare vintage {VINTAGE}, signed by Ada"


@pytest.mark.parametrize(
    ("content", "password", "said"),
    [
        (None, None, "is encrypted; set TOKENSHARE_SIGNING_PASSWORD"),
        (None, "hunter3", "wrong password"),
        ("RWRTY0Iy", "hunter3", "expected a secret key of minisign"),
        ("", "hunter3", "expected a secret key of minisign"),
    ],
)
def test_a_key_that_cannot_be_used_is_named_and_its_password_is_not(
    tmp_path: Path, content: str | None, password: str | None, said: str
) -> None:
    made = bytes(encrypted().secret_key) if content is None else content
    settings = with_key(tmp_path, made, **({"signing_password": password} if password else {}))
    with pytest.raises(TokenshareError, match=said) as error:
        signing_key(settings)
    assert "secret.key (TOKENSHARE_SIGNING_KEY)" in str(error.value)
    assert "hunter" not in str(error.value)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, signing_key=tmp_path / "none")
    with pytest.raises(TokenshareError, match=r"none .*: cannot be read"):
        signing_key(settings)


def test_who_signs_is_plain_text() -> None:
    with pytest.raises(ValidationError, match="signed_by"):
        Settings(signed_by="Ada\nuntrusted comment:")


def test_our_signature_is_what_minisign_describes(tmp_path: Path) -> None:
    """Checked with cryptography by the format's description (jedisct1.github.io/minisign): Ed25519
    of the BLAKE2b hash of the file, and Ed25519 of that signature with the trusted comment. The
    minisign 0.11 of Debian accepted such a signature as well."""
    pair = KeyPair.generate()
    settings = with_key(tmp_path, bytes(pair.secret_key) + b"\n")
    key = signing_key(settings)
    assert key is not None
    _, signed, comment, whole, last = sign(b"{}\n", VINTAGE, key, settings).split(b"\n")
    signature, public = base64.b64decode(signed), base64.b64decode(pair.public_key.to_base64())
    assert (signature[:2], public[:2], last) == (b"ED", b"Ed", b"")
    assert signature[2:10] == public[2:10]
    trusted = comment.removeprefix(b"trusted comment: ")
    assert trusted.startswith(f"tokenshare vintage {VINTAGE}".encode())
    ed25519 = Ed25519PublicKey.from_public_bytes(public[10:])
    ed25519.verify(signature[10:], hashlib.blake2b(b"{}\n").digest())
    ed25519.verify(base64.b64decode(whole), signature[10:] + trusted)
