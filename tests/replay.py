"""`make replay`: every pull of a folder as its own night, then a fresh run on the same dumps.

The last vintage of the nights must have the same tables, byte for byte. The pulls are the real
ones beside the project or, without them, those that `tokenshare simulate pulls` makes from the
shipped history. DIR names another folder.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orchestration.publication.vintage import Vintage, latest_vintage
from orchestration.settings import PROJECT_ROOT, Settings

REAL = PROJECT_ROOT.parent / "shared" / "data" / "openrouter" / "rankings-daily" / "pulls"


def tokenshare(*arguments: object) -> None:
    """Run a command of tokenshare without the shipped history; its output is shown."""
    subprocess.run(
        [Path(sys.executable).with_name("tokenshare"), *map(str, arguments)],
        env={**os.environ, "TOKENSHARE_SHIPPED_HISTORY": "false"},
        check=True,
    )


def pulls(folder: Path) -> Path:
    """The folder of pulls to replay; says which it is."""
    if len(sys.argv) > 1:
        print(f"pulls of {sys.argv[1]}")
        return Path(sys.argv[1])
    if REAL.exists():
        print(f"the real pulls of {REAL}")
        return REAL
    print(f"{REAL} does not exist: the pulls are simulated from the shipped history")
    tokenshare("simulate", "pulls", folder / "simulated")
    return folder / "simulated" / "pulls"


def vintage_of(data_dir: Path) -> Vintage:
    """The latest vintage, which must be there."""
    vintage = latest_vintage(Settings(data_dir=data_dir))
    assert vintage, f"{data_dir}: nothing is published"
    return vintage


def main() -> None:
    """Replay, run afresh, compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        replayed, fresh = folder / "replayed", folder / "fresh"
        source = pulls(folder)
        before, started = os.times(), time.monotonic()
        tokenshare("replay", source, "--data-dir", replayed)
        seconds, after = time.monotonic() - started, os.times()
        cpu = after.children_user + after.children_system
        cpu -= before.children_user + before.children_system
        shutil.copytree(replayed / "landing", fresh / "landing")
        tokenshare("run", "--data-dir", fresh)
        last, alone = (vintage_of(data_dir).path / "tables" for data_dir in (replayed, fresh))
        names = sorted(path.name for path in last.iterdir())
        assert names == sorted(path.name for path in alone.iterdir())
        _, differing, _ = filecmp.cmpfiles(last, alone, names, shallow=False)
    print(f"replay: {seconds:.0f} s, {cpu:.0f} s of CPU")
    if differing:
        raise SystemExit(f"other bytes than in a fresh run on the same dumps: {differing}")
    print(f"all {len(names)} tables have the bytes of a fresh run on the same dumps")


if __name__ == "__main__":
    main()
