"""A vintage that is signed when it is published, and what `tokenshare verify --key` says of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestration import pipeline
from orchestration.cli import app
from orchestration.errors import TokenshareError, VerificationError
from orchestration.landing.store import land
from orchestration.publication.signature import SIGNATURE_NAME
from orchestration.settings import Settings
from tests.conftest import later_dumps, vintage_of
from tests.unit.test_signature import MINISIGN_KEY, PREHASHED

# A key that minisign made and encrypted with the password `test`: the tests of
# github.com/slarew/swift-minisign (MIT).
SECRET = """\
untrusted comment: minisign encrypted secret key
RWRTY0Iyvmea6pdrXYdDVqn91GknFBllkJmsQyS2jpVGoBqETB4AAAACAAAAAAAAAEAAAAAAr5jLDlb+ahHMPoPZAawLCKbUilW5ECEFsFCFSQLXfKrFQDv54sYqJzr3rR4gTmDnplQY+/T+EYCZkc5+QJOWwmaKBHPRx+Tw3rFH4CfCGkYRr4WNdZprmAzi1ZNzTl/wyvc1/uplgO8=
"""
PUBLIC = "RWTp19aCM5iK4plw14gbtviwUSISZP++TJMfOfNTKoCcRIkcrV13Oppe"


def checked(folder: Path, key: str = "") -> Result:
    command = ["verify", str(folder), *(["--key", key] if key else [])]
    return CliRunner().invoke(app, command)


def refused(folder: Path, key: str = "") -> str:
    """What `verify` says of a vintage that it refuses."""
    error = checked(folder, key).exception
    assert isinstance(error, VerificationError), error
    return str(error)


def test_a_run_signs_its_vintage_and_verify_says_who_did(
    small: Settings, drop: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    unsigned = vintage_of(small).path
    secret = tmp_path / "minisign.key"
    for name, content in later_dumps().items():
        land(drop(name, content), small)
    object.__setattr__(small, "signing_key", secret)
    object.__setattr__(small, "signed_by", "Ada & Co.")

    # Without the key nothing is published, and the candidate waits for it.
    with pytest.raises(TokenshareError, match=r"minisign\.key .*: cannot be read"):
        pipeline.run(small)
    assert vintage_of(small).path == unsigned
    secret.write_text(SECRET, encoding="utf-8")
    signed = pipeline.publish_newest(
        Settings(
            data_dir=small.data_dir, signing_key=secret, signing_password="test",
            signed_by="Ada & Co.",
        )
    )  # fmt: skip
    assert signed.is_new

    # Whoever has no key checks it as ever; `--key` says who signed.
    without = checked(signed.path)
    assert without.exit_code == 0
    assert "manifest.json.minisig was not checked" in without.output
    with_key = checked(small.published_dir, PUBLIC)
    assert with_key.exit_code == 0, with_key.output
    assert (
        "signed with key E28A983382D6D7E9: "
        f"tokenshare vintage {signed.vintage_id}, signed by Ada & Co.\n"
    ) in with_key.output

    # Another key, another signature, another manifest, none at all.
    assert "incompatible key identifiers" in refused(signed.path, MINISIGN_KEY)
    assert "is not signed" in refused(unsigned, PUBLIC)
    assert checked(unsigned).exit_code == 0
    copy = shutil.copytree(signed.path, tmp_path / signed.vintage_id)
    (copy / SIGNATURE_NAME).write_text(PREHASHED, encoding="utf-8")
    assert "is not a signature of manifest.json by this key" in refused(copy, PUBLIC)
    shutil.copy(signed.path / SIGNATURE_NAME, copy)
    shutil.copy(unsigned / "manifest.json", copy)
    assert "signature verification failed" in refused(copy, PUBLIC)

    # Nothing else can be hidden in the file, and a right signature does not excuse another file.
    shutil.copy(signed.path / "manifest.json", copy)
    (copy / "gate" / "results.json").write_text("{}", encoding="utf-8")
    assert "gate/results.json: has 2 bytes" in refused(copy, PUBLIC)
    (copy / SIGNATURE_NAME).write_bytes(b"x" * 20_000)
    assert f"{SIGNATURE_NAME}: not in the manifest" in refused(copy)
