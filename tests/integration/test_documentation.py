#!/usr/bin/python3
"""The documentation speaks of what is there: every status, option, field, test and link."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from script_test import BUILD, SANITIZER, SOURCE, main, run, test

HEADERS = SOURCE / "include" / "taskermetrics"
PAGES = [SOURCE / "README.md", SOURCE / "CHANGELOG.md", *sorted((SOURCE / "docs").glob("*.md"))]


def page(name):
    return (SOURCE / "docs" / name).read_text(encoding="utf-8")


def fields(header, struct):
    """The names of a struct's fields, but for the size."""
    body = re.search(rf"typedef struct {struct} {{\n(.*?)^}} {struct};", (HEADERS / header).read_text(), re.M | re.S)[1]
    without_comments = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    names = re.findall(r"(?:\(\*(\w+)\)\(|(\w+)(?:\[\w+\])?;)", without_comments)
    found = [a or b for a, b in names if (a or b) != "size"]
    assert found, struct
    return found


def first_cells(text):
    """The code in the first cell of every row of the tables on a page."""
    return {word for row in re.findall(r"^\|([^|]*)\|", text, re.M) for word in re.findall(r"`([^`]+)`", row)}


def expect_rows(header, struct, name):
    missing = [field for field in fields(header, struct) if field not in first_cells(page(name))]
    assert not missing, f"docs/{name} has no row for {missing} of {struct}"


@test
def every_status_is_explained():
    listed = re.findall(r"X\(-?\d+, (\w+), ", (HEADERS / "base.h").read_text())
    explained = [row for row in first_cells(page("errors.md")) if row.startswith("TM_")]
    assert sorted(explained) == sorted("TM_" + name for name in listed), set(explained) ^ {"TM_" + n for n in listed}


@test
def every_option_is_explained():
    expect_rows("registry.h", "tm_registry_options", "recording.md")
    expect_rows("registry.h", "tm_registry_stats_t", "recording.md")
    expect_rows("base.h", "tm_family", "recording.md")
    expect_rows("store.h", "tm_store_options", "stores.md")
    expect_rows("export.h", "tm_export_options", "export.md")
    expect_rows("sync.h", "tm_sync_report", "sync.md")


@test
def every_public_function_is_spoken_of():
    text = "".join(p.read_text(encoding="utf-8") for p in PAGES)
    spoken_of = set(re.findall(r"\btm_\w+", text))
    declared = set()
    for header in HEADERS.glob("*.h"):
        declared |= set(re.findall(r"^TM_API\b[^;]*?\b(tm_\w+)\(", header.read_text(), re.M))
    accessors = {name for name in declared if name.startswith("tm_snapshot_")}  # described in snapshot.h
    assert declared - accessors <= spoken_of, sorted(declared - accessors - spoken_of)


@test
def nothing_is_spoken_of_that_is_not_there():
    headers = "".join(header.read_text() for header in HEADERS.glob("*.h"))
    statuses = {"TM_" + name for name in re.findall(r"X\(-?\d+, (\w+), ", headers)}
    known = set(re.findall(r"\b(?:tm|TM)__?\w+", headers)) | statuses
    code = "".join(file.read_text() for file in (SOURCE / "src").rglob("*.[ch]"))
    known |= set(re.findall(r"\btm__\w+", code))
    build_options = set(re.findall(r"TM_\w+", (SOURCE / "CMakeLists.txt").read_text() + (SOURCE / "dev").read_text()))
    for path in PAGES:
        for name in re.findall(r"\b(?:tm|TM)_\w+", path.read_text(encoding="utf-8")):
            beginning = name.endswith("_") and any(k.startswith(name) for k in known)
            assert name in known | build_options or beginning, f"{path.name} speaks of {name}"


@test
def links_lead_somewhere():
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if not target.startswith("https://"):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


if not SANITIZER:  # whose builds leave the tests of the package out
    @test
    def tests_that_are_named_exist():
        names = set(run("/usr/bin/python3", SOURCE / "tests" / "run", "--build", BUILD, "--list").split())
        for path in PAGES:
            for name in re.findall(r"\b[a-z_0-9]+\.[a-z0-9]+(?:_[a-z0-9]+){2,}\b", path.read_text(encoding="utf-8")):
                assert name in names, f"{path.name} names the test {name}"


main("documentation")
