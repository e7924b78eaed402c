"""Tests written in Python, with the protocol of the C test programs.

    #!/usr/bin/python3
    import pathlib, sys
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
    from script_test import BUILD, SOURCE, SANITIZER, directory, main, run, test

    @test
    def two_runs_add_up(): ...

    @test(limit=180)
    def a_slow_one(): ...

    main("module")

A test fails by raising. `--list` prints the names, NAME or MODULE.NAME runs one.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

SOURCE = pathlib.Path(os.environ.get("TM_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
BUILD = pathlib.Path(os.environ.get("TM_BUILD_DIR") or SOURCE / "build" / "dev")
SANITIZER = os.environ.get("TM_SANITIZER", "")  # "address", "thread", or "" for a plain build

_tests = {}
_directory = None


def test(function=None, *, limit=0):
    """Registers a test. limit: seconds it may take, if the default of tests/run is too short."""
    def register(f):
        _tests[f.__name__] = (f, limit)
        return f
    return register(function) if function else register


def directory():
    """A fresh directory for this test, removed at the end."""
    global _directory
    if _directory is None:
        _directory = pathlib.Path(tempfile.mkdtemp(prefix="tm-"))
    return _directory


def run(*command, **options):
    """Runs a command; what it prints is returned, and shown with the failure if its status is not 0."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}\n{done.stdout}\nended with status {done.returncode}")
    return done.stdout


def main(module):
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} --list | NAME")
    if sys.argv[1] == "--list":
        for name, (_, limit) in _tests.items():
            print(f"{module}.{name}" + (f" limit={limit}" if limit else ""))
        return
    name = sys.argv[1].removeprefix(module + ".")
    if name not in _tests:
        sys.exit(f"{module} has no test named {name}")
    try:
        _tests[name][0]()
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    finally:
        if _directory is not None:
            shutil.rmtree(_directory, ignore_errors=True)
