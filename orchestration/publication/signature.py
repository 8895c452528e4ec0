"""The detached signature of a manifest, in the format of minisign: `manifest.json.minisig`.

The manifest has the sha256 of every other file, so its signature covers the whole vintage.
"""

from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.errors import TokenshareError, VerificationError, quoted, safe_text
from orchestration.publication.manifest import MANIFEST_NAME
from orchestration.settings import Settings

if TYPE_CHECKING:
    from minisign import PublicKey, SecretKey

SIGNATURE_NAME = f"{MANIFEST_NAME}.minisig"
# Four short lines. A larger file is none, and must not be a place for other content.
_MOST_BYTES = 16 * 1024


@dataclass(frozen=True)
class Signed:
    """Who signed a manifest: the id of the key, as minisign writes it, and the trusted comment.

    The comment is part of what is signed, but it is text from outside.
    """

    key_id: str
    comment: str


def is_signature_file(path: Path) -> bool:
    """Can this be the signature of a manifest? Its content is not looked at."""
    return (
        path.name == SIGNATURE_NAME
        and not path.is_symlink()
        and path.is_file()
        and path.stat().st_size <= _MOST_BYTES
    )


def signing_key(settings: Settings) -> "SecretKey | None":
    """The secret key of this installation, decrypted, or None if none is configured.

    Raises TokenshareError, which never has the password, if the key cannot be used.
    """
    if settings.signing_key is None:
        return None
    from minisign import Error, SecretKey

    where = f"{settings.signing_key} (TOKENSHARE_SIGNING_KEY)"
    try:
        key = SecretKey.from_file(settings.signing_key)
        if key.is_encrypted():
            if settings.signing_password is None:
                raise TokenshareError(
                    f"{where}: is encrypted; set TOKENSHARE_SIGNING_PASSWORD to its password"
                )
            key.decrypt(settings.signing_password.get_secret_value())
    except OSError as error:
        raise TokenshareError(f"{where}: cannot be read: {safe_text(error)}") from error
    except Error as error:
        raise TokenshareError(
            f"{where}: {error}; expected a secret key of minisign and its password"
        ) from error
    return key


def sign(manifest: bytes, vintage_id: str, key: "SecretKey", settings: Settings) -> bytes:
    """The bytes of `manifest.json.minisig`. The same manifest and key result in the same bytes."""
    by = f", signed by {settings.signed_by}" if settings.signed_by else ""
    signature = key.sign(manifest, trusted_comment=f"tokenshare vintage {vintage_id}{by}")
    return bytes(signature) + b"\n"


def _public_key(text: str) -> "PublicKey":
    """The key in a public key file of minisign, or in the base64 line of such a file.

    Raises TokenshareError if it is neither.
    """
    from minisign import Error, PublicKey

    path = Path(text).expanduser()
    try:
        return PublicKey.from_file(path) if path.is_file() else PublicKey.from_base64(text.strip())
    except (Error, OSError) as error:
        raise TokenshareError(
            f"--key {quoted(text)}: {safe_text(error)}; expected a public key file of minisign or "
            "its second line, which begins with RW"
        ) from error


def _key_id(key: "PublicKey") -> str:
    """The id of a key as minisign prints it: after two bytes of the algorithm, eight bytes as one
    little-endian number."""
    return b64decode(key.to_base64())[2:10][::-1].hex().upper()


def check_signature(folder: Path, public_key: str) -> Signed:
    """Check the signature of a vintage's manifest and return who made it.

    `public_key` is a file or a base64 line. The other files are not checked (see `verify`).

    Raises TokenshareError if there is no such key, VerificationError if the vintage is not signed,
    or not with this key.
    """
    from minisign import Error, Signature

    key = _public_key(public_key)
    path = folder / SIGNATURE_NAME
    if not is_signature_file(path):
        raise VerificationError(f"{folder}: is not signed; expected {SIGNATURE_NAME}")
    try:
        signature = Signature.from_bytes(path.read_bytes())
        key.verify((folder / MANIFEST_NAME).read_bytes(), signature)
    except (Error, OSError) as error:
        raise VerificationError(
            f"{path}: is not a signature of {MANIFEST_NAME} by this key: {safe_text(error)}"
        ) from error
    return Signed(_key_id(key), signature.trusted_comment)
