#!/usr/bin/python3
"""What recording costs in instructions, which are the same every time, held against tests/golden/instructions.txt.

A release build is counted, whatever build runs the tests. TM_GOLDEN_UPDATE=1 writes the counts into the table."""
import os
import pathlib
import platform
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from script_test import BUILD, SANITIZER, SOURCE, directory, main, run, test

TABLE = SOURCE / "tests" / "golden" / "instructions.txt"
RELEASE = BUILD / "instructions"
FEW, MANY = 20000, 120000  # operations of the two runs whose difference is counted
SERIES = 1000
TOLERANCE = 0.1
LEAST_TOLERANCE = 2  # instructions


def build_release():
    run("cmake", "-S", SOURCE, "--preset", "release", "-B", RELEASE, "-DTM_WITH_REDIS=OFF", "-DTM_WITH_MEMCACHED=OFF",
        "-DTM_BUILD_EXAMPLES=OFF")
    run("cmake", "--build", RELEASE, "--target", "bench_recording")
    return RELEASE / "bench" / "bench_recording"


def instructions(program, work, operations):
    output = run("valgrind", "--tool=callgrind", f"--callgrind-out-file={directory() / work}",
                 program, work, 0, operations, SERIES)
    return int(re.search(r"Collected\s*:\s*(\d+)", output)[1])


def instructions_an_operation(program, work):
    """With the loop around it; what only begins or ends a run falls out of the difference."""
    return (instructions(program, work, MANY) - instructions(program, work, FEW)) / (MANY - FEW)


def read_table():
    return {work: int(count) for work, count in re.findall(r"^(\w+) (\d+)$", TABLE.read_text(), re.MULTILINE)}


def update_table(counted):
    TABLE.write_text(re.sub(r"^(\w+) \d+$", lambda row: f"{row[1]} {counted[row[1]]:.0f}", TABLE.read_text(),
                            flags=re.MULTILINE))


if not SANITIZER and platform.machine() == "x86_64":
    @test(limit=300)
    def recording_costs_what_the_table_says():
        program = build_release()
        counted = {work: instructions_an_operation(program, work) for work in read_table()}
        if os.environ.get("TM_GOLDEN_UPDATE"):
            update_table(counted)
        table = read_table()
        wrong = [work for work, count in counted.items()
                 if abs(count - table[work]) > max(TOLERANCE * table[work], LEAST_TOLERANCE)]
        assert counted and not wrong, "\n".join(f"{work}: {counted[work]:.1f}, not {table[work]}" for work in wrong)

main("instructions")
