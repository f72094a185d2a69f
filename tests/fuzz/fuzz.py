"""Reads damaged documents by the thousand: `make fuzz`, or `python tests/fuzz/fuzz.py --help`.

The property: a document is read rightly, or refused by a `HiProbeError` whose message names it.
Never a traceback, a warning, a hang, or memory without end. Each case is made by its seed alone.

Cases run in child processes under a limit of memory. The parent watches: a child that says nothing
for `SILENCE_SECONDS`, or dies, was at the seed that it named last. Failing seeds are printed with
their reason; put them into `seeds.txt`, and every test run replays them.
"""

from __future__ import annotations

import argparse
import os
import random
import selectors
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEEDS_FILE = HERE / "seeds.txt"
MEMORY_BYTES = 6 << 30
"""Of addresses, of which the libraries alone reserve more than a GB."""

SILENCE_SECONDS = 60
"""A case takes some milliseconds; imports and a busy machine some seconds."""


@dataclass(frozen=True)
class Failure:
    """A case that broke the property."""

    seed: int
    reason: str


def kept_seeds() -> list[int]:
    """Seeds that failed once, one a line; what follows a # says why."""
    lines = SEEDS_FILE.read_text("utf-8").splitlines()
    return [int(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]


def fuzz(seeds: Sequence[int]) -> list[Failure]:
    """Run cases in children until all are done; those that broke the property."""
    failures, left = [], list(seeds)
    while left:
        done, found = _batch(left)
        failures += found
        left = left[done:]
    return failures


def _batch(seeds: Sequence[int]) -> tuple[int, list[Failure]]:
    """How many of them one child did, with the one at which it hung or died, and failures."""
    env = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    command = [sys.executable, "-X", "faulthandler", str(Path(__file__).resolve()), "--child"]
    pipe = subprocess.PIPE
    begun, failures = 0, []
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=words, text=True, env=env
        ) as child,
    ):
        assert child.stdin is not None
        child.stdin.write(" ".join(map(str, seeds)))
        child.stdin.close()
        for line in _lines(child):
            word, _, rest = line.partition(" ")
            if word == "begin":
                begun += 1
            elif word == "fail":
                failures.append(Failure(seeds[begun - 1], rest))
            elif word == "done":
                return len(seeds), failures
        hung = child.poll() is None
        child.kill()
        child.wait()
        what = f"hung for {SILENCE_SECONDS} s" if hung else f"died with {child.returncode}"
        words.seek(0)
        what += f": {words.read()[-2000:].decode(errors='replace')}"
    if not begun:
        raise RuntimeError(f"the child {what}")
    return begun, [*failures, Failure(seeds[begun - 1], what)]


def _lines(child: subprocess.Popen[str]) -> Iterator[str]:
    """Lines of a child, until it ends or says nothing for too long."""
    assert child.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        buffer = b""
        while ready.select(SILENCE_SECONDS):
            read = os.read(child.stdout.fileno(), 65536)
            if not read:
                child.wait()
                return
            buffer += read
            *whole, buffer = buffer.split(b"\n")
            yield from (line.decode() for line in whole)


def _child() -> None:
    import resource

    seeds = [int(word) for word in sys.stdin.read().split()]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("error")
    told = os.fdopen(os.dup(1), "w", buffering=1)  # what a reader prints goes elsewhere
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        sound = Sound(Path(folder) / "sound")
        for seed in seeds:
            told.write(f"begin {seed}\n")
            reason = sound.case(seed, Path(folder) / "probe case")
            if reason:
                told.write(f"fail {' | '.join(reason.splitlines())}\n")
    told.write("done\n")


class Sound:
    """Sound documents of every kind, made once; cases damage copies of them."""

    def __init__(self, root: Path) -> None:
        from kinds import KINDS

        self.root = root
        for kind in KINDS:
            folder = root / kind.name
            folder.mkdir(parents=True)
            kind.make(folder)

    def case(self, seed: int, folder: Path) -> str:
        """Damage a document by seed and read it; what broke the property, or nothing."""
        from damage import damage_file
        from kinds import KINDS

        from hiprobe.errors import HiProbeError

        if seed < 0:  # readers that are broken on purpose, to see that the fuzzer finds them
            return "broken" if seed == -1 else os.abort()
        rng = random.Random(seed)
        kind = rng.choice(KINDS)
        shutil.copytree(self.root / kind.name, folder)
        name, form = rng.choice(kind.files)
        try:
            damage_file(rng, folder / name, form)
            if kind.mend is not None and rng.random() < 0.8:
                kind.mend(folder)
            kind.read(folder)
        except HiProbeError as error:
            if kind.tolerant:
                return f"{kind.name} {name}: ended by {type(error).__name__}: {error}"
            if str(folder) not in str(error):
                return f"{kind.name} {name}: {type(error).__name__} names no file: {error}"
        except Exception:
            return f"{kind.name} {name}: {traceback.format_exc(limit=-6)}"
        finally:
            shutil.rmtree(folder)
        return ""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Read damaged documents by the thousand.")
    parser.add_argument("--cases", type=int, default=20_000, help="how many [20000]")
    parser.add_argument("--first", type=int, default=0, help="the first seed [0]")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child()
        return
    failures, batch = [], 500
    end = given.first + given.cases
    for first in range(given.first, end, batch):
        found = fuzz(range(first, min(first + batch, end)))
        for failure in found:
            print(f"seed {failure.seed}: {failure.reason}", flush=True)
        failures += found
    print(f"{given.cases} cases, {len(failures)} failures")
    if failures:
        print(f"failing seeds, for {SEEDS_FILE}: {' '.join(str(f.seed) for f in failures)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
