"""The contestants: which programs there are, and asking them."""
import os
import pathlib
import subprocess

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
LIMIT_S = 120


class Failure(Exception):
    """Why a contestant has no figure."""


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no output"


def build_peers(folder):
    """Builds every peer into the folder: what was built, by name, and what is missing and why."""
    folder.mkdir(parents=True, exist_ok=True)
    built, missing = {}, {}
    for script in sorted(PEERS.glob("*/build")):
        name = script.parent.name
        done = subprocess.run([script, folder / name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            built[name] = last_line(done.stdout)
        else:
            missing[name] = last_line(done.stderr).replace(f"{script}: ", "")
            (folder / name).unlink(missing_ok=True)
    return built, missing


class Contest:
    """Every work of every contestant, and the figures so far.

    A figure belongs to a cell (contestant, work, threads, series) and has a list: one entry a repeat, each the list of
    numbers that the program printed."""

    def __init__(self, programs, servers):
        self.servers = servers
        self.program = {}  # (contestant, work) -> path
        self.figures = {}
        self.failures = {}
        for path in programs:
            listing = subprocess.run([path], stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S)
            for line in listing.stdout.splitlines():
                contestant, work = line.split()
                self.program[contestant, work] = path

    def contestants(self, work):
        return [contestant for contestant, known in self.program if known == work]

    def measure(self, contestant, work, threads, series, window_ms):
        """One more figure of a cell; a cell that failed is not asked again."""
        cell = (contestant, work, threads, series)
        if cell in self.failures:
            return
        try:
            self.servers.empty()
            numbers = self.ask(self.program[contestant, work], work, threads, window_ms, series)
        except Failure as failure:
            self.failures[cell] = str(failure)
            self.figures.pop(cell, None)
            return
        self.figures.setdefault(cell, []).append(numbers)

    def ask(self, program, *words):
        try:
            done = subprocess.run([program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, env={**os.environ, **self.servers.environment}, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"no answer within {LIMIT_S} s") from None
        numbers = [float(word) for word in done.stdout.split()]
        if done.returncode != 0 or not numbers:
            raise Failure(last_line(done.stderr))
        return numbers
