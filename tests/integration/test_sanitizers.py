#!/usr/bin/python3
"""The sanitizer builds are what they say: each stops a program that is broken on purpose, and the library is under it."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from script_test import BUILD, SANITIZER, main, run, test


def expect_report(canary, words):
    done = subprocess.run([BUILD / "tests" / "canary" / canary], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    assert done.returncode != 0, f"{canary} ended well:\n{done.stdout}"
    assert words in done.stdout, f"{canary} failed for another reason:\n{done.stdout}"


def expect_instrumented(prefix):
    """The sanitizer's functions are called from the code of the library itself."""
    libraries = list(BUILD.glob("libtaskermetrics*.a"))
    assert libraries, f"no library in {BUILD}"
    for library in libraries:
        assert f" {prefix}" in run("nm", "--undefined-only", library), f"{library} does not call {prefix}"


if SANITIZER == "address":
    @test
    def a_heap_overflow_is_caught():
        expect_report("heap_overflow", "heap-buffer-overflow")

    @test
    def a_leak_is_caught():
        expect_report("leak", "detected memory leaks")

    @test
    def a_signed_overflow_is_caught():
        expect_report("signed_overflow", "signed integer overflow")

    @test
    def the_library_is_instrumented_for_addresses():
        expect_instrumented("__asan_report_")

    @test
    def the_library_is_instrumented_for_undefined_behaviour():
        expect_instrumented("__ubsan_handle_")

if SANITIZER == "thread":
    @test
    def a_data_race_is_caught():
        expect_report("data_race", "data race")

    @test
    def the_library_is_instrumented_for_threads():
        expect_instrumented("__tsan_write")

main("sanitizers")
