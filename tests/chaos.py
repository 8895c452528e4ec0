"""`make chaos`: SIGKILL at random moments, and faults of the machine, on real runs.

Each kill hits one command in one process: a run, a run that pulls from the demo server, a prune, a
rollback, a correction of a dump's time. The moment is drawn in CPU seconds of that process, so that
a busy machine does not move all kills to the beginning; every seventh run is killed as it begins a
stage. After each kill every vintage is hashed again, and a plain run must go through without any
help. Another process reads the latest vintage all the time, as a reader would.

KILLS and SEED are environment variables. The exit code is 1 if anything was torn, lost, or needed
a hand.
"""

import contextlib
import json
import multiprocessing.process
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orchestration import pipeline
from orchestration.demo.faults import Fault
from orchestration.demo.server import Demo, demo_server, make_demo
from orchestration.demo.simulator import csv_answer
from orchestration.errors import VerificationError, as_user_error
from orchestration.files import write_atomically
from orchestration.landing.store import land, read_records
from orchestration.publication.manifest import seal_manifest
from orchestration.publication.retention import plan
from orchestration.publication.verify import verify
from orchestration.publication.vintage import latest_vintage
from orchestration.run_log import read_runs
from orchestration.settings import Settings
from tests import builders
from tests.integration.test_kill import STAGES, WARM

KILLS = int(os.environ.get("KILLS", "100"))
SEED = int(os.environ.get("SEED", str(time.time_ns() % 10_000)))
FIRST, DAYS = date(2026, 1, 1), 42
TICKS = os.sysconf("SC_CLK_TCK")
# Of 20 kills. A prune, a rollback and a correction take a fraction of a second.
COMMANDS = ["run", "run --source-url", "prune", "rollback", "run"] * 4
COMMANDS[4], COMMANDS[14] = "land --correct", "land --correct"


def process_of(settings: Settings, command: str, said: Path, stage: str | None = None) -> None:
    """What a killed process does. It writes its steps to `said`."""

    def note(step: str) -> None:
        said.write_text(step, encoding="utf-8")
        if stage is not None and step.startswith(stage):
            os.kill(os.getpid(), signal.SIGKILL)

    note("starting")
    if command.startswith("run"):
        pipeline.run(settings, note, pull=settings.source_url is not None)
    elif command == "prune":
        pipeline.prune_vintages(settings)
    elif command == "rollback":
        before = latest_vintage(settings)
        assert before is not None
        name = before.manifest["previous_vintage"]
        pipeline.roll_back_to(name, "chaos", settings)
        pipeline.roll_back_to(before.vintage_id, "chaos, forward again", settings)
    else:
        with pipeline.writer_lock(settings):
            record = read_records(settings)[-1]
            better = record.as_of - timedelta(seconds=1)
            dump = settings.landing_dir / record.path
            land(dump, settings, record.source, better, correction="chaos")
    note("done")


def read_on(settings: Settings, counts: Any, stop: Any) -> None:
    """A reader: the latest vintage must be whole whenever it looks."""
    while not stop.is_set():
        try:
            if (vintage := latest_vintage(settings)) is not None:
                verify(vintage.path, deep=False)
            counts[0] += 1
        except VerificationError as error:
            counts[1] += 1
            print(f"reader: {error}", flush=True)
        time.sleep(0.3)


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process; more than any limit once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except OSError:
        return float("inf")
    return float("inf") if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / TICKS


@dataclass
class Chaos:
    """One installation on which everything is done. `made` maps each vintage that was ever there
    to the hash of its manifest."""

    settings: Settings
    demo: Demo
    folder: Path
    chance: random.Random
    made: dict[str, str] = field(default_factory=dict)
    torn: int = 0
    helped: int = 0
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def said(self) -> Path:
        return self.folder / "said"

    def start(self, command: str, stage: str | None = None) -> multiprocessing.process.BaseProcess:
        settings = self.settings
        if command == "run --source-url":
            settings = settings.model_copy(update={"source_url": self.demo.base_url})
        self.said.write_text("starting", encoding="utf-8")
        process = WARM.Process(target=process_of, args=(settings, command, self.said, stage))
        process.start()
        return process

    def prepare(self, command: str) -> None:
        """Make something new for the command to do."""
        if command.startswith("run"):
            self.demo.next_night()
        if command == "run":
            last = self.demo.today - timedelta(days=1)
            at = self.demo.now + timedelta(minutes=5)
            content = csv_answer(self.demo.feed, FIRST, last, at)
            path = builders.write(self.folder, f"{at:%Y-%m-%dT%H-%M-%SZ}.csv", content)
            land(path, self.settings)
            path.unlink()
        if command == "prune":
            self.age()

    def age(self) -> None:
        """Copies of the latest vintage as of three days of one old week, of which two may go."""
        latest = latest_vintage(self.settings)
        assert latest is not None
        for day in range(3):
            name = f"2024010{day + 1}T000000Z-0000000{day}"
            folder = self.settings.vintages_dir / name
            if folder.exists():
                continue
            shutil.copytree(latest.path, self.folder / "copy")
            document = {**latest.manifest, "vintage_id": name}
            del document["manifest_sha256"]
            (self.folder / "copy" / "manifest.json").write_bytes(seal_manifest(document))
            (self.folder / "copy").rename(folder)

    def check(self, where: str) -> None:
        """Every vintage is whole, and none that must be kept is gone."""
        must_stay = {k.vintage_id for k in plan(self.settings) if k.why}
        there = {p.name for p in self.settings.vintages_dir.glob("2*")}
        for name in list(self.made):
            is_old = name.startswith("2024")
            if name not in there and (name in must_stay or not is_old):
                self.torn += 1
                print(f"LOST {name} after {where}")
        for name in sorted(there):
            try:
                manifest = verify(self.settings.vintages_dir / name, deep=False)
            except VerificationError as error:
                self.torn += 1
                print(f"TORN after {where}: {error}")
                continue
            known = self.made.setdefault(name, manifest["manifest_sha256"])
            if known != manifest["manifest_sha256"] and not name.startswith("2024"):
                self.torn += 1
                print(f"CHANGED {name} after {where}")
        if (latest := latest_vintage(self.settings)) is None:
            self.torn += 1
            print(f"LOST latest.json after {where}")
        else:
            verify(latest.path)
        if not (self.settings.published_dir / "latest" / "manifest.json").exists():
            self.torn += 1
            print(f"LOST the link latest after {where}")

    def recover(self, where: str) -> None:
        """The next run goes through without help and leaves nothing half."""
        process = self.start("run")
        process.join()
        left = [p for p in self.settings.data_dir.rglob(".building-*") if "dbt" not in p.parts]
        left += [p for p in [self.settings.data_dir / ".publishing.json"] if p.exists()]
        latest, link = latest_vintage(self.settings), self.settings.published_dir / "latest"
        left += [] if latest and link.samefile(latest.path) else [link]
        if process.exitcode or left:
            self.helped += 1
            last = read_runs(self.settings)[-1]
            print(f"NOT HEALED after {where}: exit code {process.exitcode}, {left}, {last.error}")
        self.check(where + ", and the next run")

    def kill(self, number: int) -> None:
        """One kill, and the run after it."""
        command = COMMANDS[number % len(COMMANDS)]
        self.prepare(command)
        if command not in self.seconds:
            # Once unhurt, to know how much CPU time it takes.
            process = self.start(command)
            used = 0.0
            while (now := cpu_seconds(process.pid or 0)) != float("inf"):
                used = now
                time.sleep(0.01)
            process.join()
            if process.exitcode:
                raise SystemExit(f"{command} fails unhurt: exit code {process.exitcode}")
            self.seconds[command] = used
            self.check(f"{command}, unhurt")
            self.prepare(command)
        stage = self.chance.choice(STAGES) if command == "run" and number % 7 == 0 else None
        process = self.start(command, stage)
        limit = self.chance.uniform(0, self.seconds[command])
        while stage is None and cpu_seconds(process.pid or 0) < limit:
            time.sleep(0.002)
        if stage is None:
            process.kill()
        process.join()
        step = self.said.read_text(encoding="utf-8")
        step = "building models" if step.startswith("building models") else step
        step = "ingesting" if step.startswith("ingesting") else step
        hit = process.exitcode == -signal.SIGKILL
        where = f"{command}: {step}" + ("" if hit else " (ended before)")
        self.rows.append((command, step, "kill" if hit else "late"))
        self.check(where)
        self.recover(where)
        print(f"{number + 1:4} {where}; torn {self.torn}, needed a hand {self.helped}", flush=True)


@contextlib.contextmanager
def chaos(folder: Path) -> Iterator[Chaos]:
    """An installation with two vintages, and a demo server that knows more nights."""
    settings = Settings(
        data_dir=folder / "data",
        shipped_history=False,
        inbox_quiet_seconds=0,
        calls_per_night=6,
        pull_retries=1,
        pull_max_wait_seconds=0.05,
        pull_timeout_seconds=20,
    )
    feed = builders.csv3(builders.feed(builders.days(FIRST.isoformat(), DAYS)))
    at = datetime(2026, 2, 12, 1, 0, tzinfo=UTC)
    path = builders.write(folder, f"{at:%Y-%m-%dT%H-%M-%SZ}.csv", feed)
    land(path, settings)
    demo = make_demo(date(2026, 2, 12), settings, oldest=date(2026, 2, 10))
    with demo_server(demo) as running:
        pipeline.run(settings)
        yield Chaos(settings, running, folder, random.Random(SEED))


# --- faults of the machine -------------------------------------------------------------------


def as_user(user: int | None, settings: Settings, result: Path) -> None:
    """A run in a process of its own; writes what a user would read to `result`."""
    descriptor = os.open(result, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    text, code = "", 0
    try:
        done = pipeline.run(settings)
        text = "\n".join(done.notices)
        code = done.problem.exit_code if done.problem else 0
    except Exception as error:
        known = as_user_error(error)
        code = known.exit_code if known else 99
        text = str(known) if known else f"BUG {type(error).__name__}: {error}"
    os.write(descriptor, json.dumps([code, text]).encode())


def run_in_child(one: Chaos, user: int | None = None) -> tuple[int, str]:
    """The exit code and the message of a run in a process of its own."""
    result = one.folder / "result"
    result.unlink(missing_ok=True)
    process = WARM.Process(target=as_user, args=(user, one.settings, result))
    process.start()
    process.join()
    code, text = json.loads(result.read_text(encoding="utf-8") or '[98, "nothing"]')
    return int(code), str(text)


def faults(one: Chaos, found: list[tuple[str, str, str]]) -> None:
    """Inject each fault, look at what the run says, take the fault away, run again."""

    def try_fault(name: str, expected: set[int], said: tuple[int, str]) -> None:
        code, text = said
        first = text.replace(str(one.folder), "…").split("\n")[0][:150]
        if code not in expected:
            one.helped += 1
            print(f"UNEXPECTED {name}: exit code {code}: {text}")
        try:
            one.check(name)
        except VerificationError as error:
            print(f"{name}: {str(error)[:200]}")
        found.append((name, str(code), first))
        print(f"     {name}: exit code {code}: {first}", flush=True)

    def heal(name: str, check: Callable[[], object] = lambda: None) -> None:
        code, text = run_in_child(one)
        if code != 0:
            one.helped += 1
            print(f"NOT HEALED after {name}: exit code {code}: {text}")
        check()
        one.check(name + ", and the next run")

    data = one.settings.data_dir
    if os.getuid() == 0:
        # A small disk: the whole data folder moves to a tmpfs, with less and less room.
        for room in (0, 400_000, 8_000_000, 16_000_000):
            one.prepare("run")
            with small_disk(data, room):
                try_fault(f"disk full, {room:,} bytes left", {0, 1}, run_in_child(one))
            heal("disk full")
        one.prepare("run")
        with mounted(data, "remount,ro,bind"):
            try_fault("read-only disk", {1}, run_in_child(one))
        try_fault("a user without rights", {1}, run_in_child(one, user=65534))
        heal("read-only disk")

    one.prepare("run")
    with holding(one.settings.database_path):
        try_fault("locked database", {0, 1}, run_in_child(one))
    heal("locked database")

    one.prepare("run")
    first, second = one.start("run"), one.start("run")
    first.join()
    second.join()
    codes = (first.exitcode or 0, second.exitcode or 0)
    try_fault("two runs at once", {0}, (max(codes), f"exit codes {codes}"))

    latest = latest_vintage(one.settings)
    assert latest is not None
    pointer = one.settings.latest_path
    before = pointer.read_bytes()
    for name, damage in (
        ("latest.json cut", lambda: pointer.write_bytes(before[:20])),
        ("latest.json empty", lambda: pointer.write_bytes(b"")),
        ("latest.json names a vintage that is not there", lambda: pointer.write_bytes(
            before.replace(latest.vintage_id.encode(), b"20260101T000000Z-00000000"))),
    ):  # fmt: skip
        damage()
        try_fault(name, {0}, run_in_child(one))
    for name in ("manifest cut", "table cut", "vintage deleted"):
        latest = latest_vintage(one.settings)
        assert latest is not None
        kept = one.folder / "kept"
        if name == "vintage deleted":
            latest.path.rename(kept)
        else:
            file = "manifest.json" if name == "manifest cut" else "tables/usage_daily.parquet"
            target = latest.path / file
            target.chmod(0o644)
            target.write_bytes(target.read_bytes()[:100])
            shutil.copytree(latest.path, kept)
        one.made.pop(latest.vintage_id)
        code, text = run_in_child(one)
        shutil.rmtree(kept)
        shutil.rmtree(latest.path, ignore_errors=True)  # so that the others can be checked
        try_fault(f"latest: {name}", {0}, (code, text))
    older = sorted(p for p in one.settings.vintages_dir.iterdir())[0]
    one.made.pop(older.name)
    shutil.rmtree(older)
    try_fault("older vintage deleted", {0}, run_in_child(one))

    half = one.settings.landing_dir / "openrouter_rankings" / f".building-1-{'0' * 64}"
    half.mkdir()
    (half / "dump.csv").write_bytes(b"date,model")
    try_fault("half-written landing", {0}, run_in_child(one))

    one.demo.next_night()
    with demo_server(one.demo, [Fault.parse("stall:1000")]) as stalling:
        pulls = one.settings.model_copy(
            update={"source_url": stalling.base_url, "pull_timeout_seconds": 1.0}
        )
        process = WARM.Process(
            target=pull_in_child, args=(pulls, one.folder / "result"), daemon=False
        )
        (one.folder / "result").unlink(missing_ok=True)
        process.start()
        process.join()
        code, text = json.loads((one.folder / "result").read_text(encoding="utf-8"))
        try_fault("a server that stalls", {11}, (code, text))
    heal("a server that stalls")


def pull_in_child(settings: Settings, result: Path) -> None:
    done = pipeline.run(settings, pull=True)
    problem = done.problem
    said = [problem.exit_code if problem else 0, str(problem)]
    write_atomically(result, json.dumps(said).encode())


def _mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """The folder bound to itself with other options."""
    _mount("--bind", folder, folder)
    try:
        _mount("-o", options, folder)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def small_disk(folder: Path, room: int) -> Iterator[None]:
    """The folder on a tmpfs on which so many bytes are free; afterward, what is there is kept."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", "size=1g", "tmpfs", folder)
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True, symlinks=True)
        page = os.sysconf("SC_PAGE_SIZE")
        used = shutil.disk_usage(folder).used
        _mount("-o", f"remount,size={(used + room + page - 1) // page * page}", folder)
        yield
        _mount("-o", "remount,size=1g", folder)
        shutil.rmtree(aside)
        shutil.copytree(folder, aside, symlinks=True)
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        aside.rename(folder)


@contextlib.contextmanager
def holding(database: Path) -> Iterator[None]:
    """Another process has the database open."""
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); "
        "sys.stdin.read()"
    )
    if not database.exists():
        duckdb.connect(str(database)).close()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.communicate()


def main() -> int:
    started = time.monotonic()
    print(f"seed {SEED}, {KILLS} kills", flush=True)
    with tempfile.TemporaryDirectory(prefix="tokenshare-chaos-") as made, chaos(Path(made)) as one:
        counts, stop = WARM.Array("i", 2), WARM.Event()
        reader = WARM.Process(target=read_on, args=(one.settings, counts, stop))
        reader.start()
        for number in range(KILLS):
            one.kill(number)
        stop.set()
        reader.join()
        found: list[tuple[str, str, str]] = []
        faults(one, found)
        print("\n| command | killed while | kills |\n|---|---|---|")
        killed = Counter((command, step) for command, step, how in one.rows if how == "kill")
        for (command, step), count in sorted(killed.items()):
            print(f"| `{command}` | {step} | {count} |")
        late = sum(1 for *_, how in one.rows if how == "late")
        print("\n| fault | exit code | what the run says |\n|---|---|---|")
        for name, code, text in found:
            print(f"| {name} | {code} | {text} |")
        print(
            f"\nseed {SEED}: {sum(killed.values())} kills ({late} more came after the end of the "
            f"command), {len(found)} faults, {len(one.made)} vintages, {counts[0]} reads of "
            f"the latest vintage; torn or lost: {one.torn + counts[1]}; needed a hand: "
            f"{one.helped}; {time.monotonic() - started:.0f} s"
        )
        return 1 if one.torn + counts[1] + one.helped else 0


if __name__ == "__main__":
    sys.exit(main())
