#!/usr/bin/python3
"""The examples, run on real files: what they print is what is there."""
import contextlib
import csv
import json
import os
import pathlib
import pty
import re
import stat
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from script_test import BUILD, SOURCE, directory, main, run, test

from prometheus_client.parser import text_string_to_metric_families

EXAMPLES = BUILD / "examples"
EMPTY_FILE_DIGEST = "99aa06d3014798d86001c324468d497f"  # XXH3-128 of no bytes

# Root reads everything; root without capabilities is refused like anybody else.
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []

ODD_NAMES = [b"plain.h", b"with space", b"new\nline", b"quote\"'back\\slash", "größe-名前".encode(), b"not-utf8-\xff\xfe",
             b"-dash", b"%41", b"*", b"=1+1"]


# ---- Trees ----

def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def plain_tree(name="tree", files=300):
    """A readable tree with odd names, special files and links; sizes differ, one is larger than a read."""
    root = os.fsencode(directory() / name)
    os.mkdir(root)
    for n, odd in enumerate(ODD_NAMES):
        os.mkdir(os.path.join(root, b"d" + odd))
        write(os.path.join(root, odd), b"x" * (n * 7))
        write(os.path.join(root, b"d" + odd, odd), odd * n)
    deep = os.path.join(root, *[b"deep"] * 40)
    os.makedirs(deep)
    write(os.path.join(deep, b"large"), os.urandom(300_001))
    for n in range(files):
        write(os.path.join(root, b"f%d" % n), b"%d\n" % n)
    os.mkfifo(os.path.join(root, b"fifo"))
    os.symlink(b"plain.h", os.path.join(root, b"link-to-file"))
    os.symlink(b"deep", os.path.join(root, b"link-to-directory"))
    os.symlink(b"nowhere", os.path.join(root, b"dangling"))
    return root


@contextlib.contextmanager
def locked_parts(root):
    """Adds what cannot be read: a file and three directories, two of which cannot be listed."""
    write(os.path.join(root, b"unreadable"), b"secret")
    os.chmod(os.path.join(root, b"unreadable"), 0)
    modes = {b"closed": 0o000, b"not listable": 0o111, b"not searchable": 0o444}
    for name, mode in modes.items():
        path = os.path.join(root, name)
        os.mkdir(path)
        write(os.path.join(path, b"inside"), b"unseen")
        os.chmod(path, mode)
    yield
    for name in modes:
        os.chmod(os.path.join(root, name), 0o700)


def measure(root):
    """Files and bytes by Python's own walk, without the directories whose inside cannot be seen."""
    files = size = 0
    for folder, directories, names in os.walk(root):
        directories[:] = [d for d in directories if stat.S_IMODE(os.lstat(os.path.join(folder, d)).st_mode) & 0o500 == 0o500]
        for name in names:
            info = os.lstat(os.path.join(folder, name))
            if stat.S_ISREG(info.st_mode):
                files += 1
                size += info.st_size
    return files, size


def find_measures(root):
    done = subprocess.run([*UNPRIVILEGED, "find", root, "-type", "f", "-printf", "%s\\n"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    sizes = [int(line) for line in done.stdout.split()]
    return len(sizes), sum(sizes)


# ---- Running ----

def command(root, *options, store=None):
    out = directory() / "out"
    url = f"file:{directory()}/metrics.tm" if store is None else store
    return [*UNPRIVILEGED, EXAMPLES / "checksum_tree", "--interval-ms", "2", "--out", out, "--store", url, *options, root]


def finish(process):
    """Waits; returns the samples printed, as {(name, labels): value}, and stderr."""
    stdout, stderr = process.communicate()
    assert process.returncode == 0, (process.returncode, stderr)
    return samples_of(stdout.decode()), stderr.decode()


def start(root, *options):
    return subprocess.Popen(command(root, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def checksum_tree(root, *options):
    return finish(start(root, *options))


def samples_of(text):
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} is printed twice"
            found[key] = sample.value
    return found


def value(samples, name, **labels):
    """The sum of the samples of a name that carry the labels."""
    chosen = [v for (n, own), v in samples.items() if n == name and labels.items() <= dict(own).items()]
    assert chosen, f"no sample {name} {labels}"
    return sum(chosen)


def tasks(samples, **labels):
    return value(samples, "tasker_tasks_total", **labels)


def assert_times(samples, files, size, times, failed=0):
    assert tasks(samples) == files * times, (tasks(samples), files, times)
    assert tasks(samples, status="failure") == failed * times
    assert value(samples, "tasker_file_size_bytes_total") == size * times
    assert value(samples, "tasker_steps_total", step_name="stat", status="success") == files * times
    assert value(samples, "tasker_steps_total", step_name="read", status="failure") == failed * times
    assert value(samples, "tasker_steps_total", step_name="digest") == (files - failed) * times
    assert value(samples, "tasker_task_duration_seconds_count") == files * times
    assert value(samples, "tasker_step_duration_seconds_count", step_name="digest") == (files - failed) * times
    assert value(samples, "tasker_tasks_active") == 0


# ---- The main job ----

@test
def counts_are_what_the_tree_holds():
    root = plain_tree()
    files, size = measure(root)
    assert (files, size) == find_measures(root)
    samples, summary = checksum_tree(root)
    assert_times(samples, files, size, times=1)
    assert value(samples, "tasker_file_read_bytes_total") == size
    assert f"{files} files (0 failed), {size} bytes" in summary, summary


@test
def what_cannot_be_read_is_counted_and_not_fatal():
    root = plain_tree()
    with locked_parts(root):
        files, size = measure(root)
        assert (files, size) == find_measures(root)
        samples, _ = checksum_tree(root)
    assert_times(samples, files, size, times=1, failed=1)
    assert value(samples, "tasker_file_read_bytes_total") == size - len(b"secret")
    assert value(samples, "tasker_directories_total", status="failure") == 2
    assert value(samples, "tasker_errors_total", step_name="read", error="EACCES") == 1
    assert value(samples, "tasker_errors_total", step_name="walk", error="EACCES") == 3


@test
def a_second_run_adds_to_the_first():
    root = plain_tree()
    files, size = measure(root)
    for times in (1, 2, 3):
        samples, summary = checksum_tree(root, "--threads", str(times))
        assert_times(samples, files, size, times)
        assert f"{files} files" in summary, summary


@test
def two_at_once_add_up():
    one, other = plain_tree("one", 800), plain_tree("other", 1100)
    (files, size), (more_files, more_size) = measure(one), measure(other)
    both = [finish(process)[0] for process in [start(one), start(other)]]
    last = max(both, key=tasks)  # the one whose final sync was the later
    assert_times(last, files + more_files, size + more_size, times=1)


@test
def a_single_file_and_an_empty_directory_are_trees_too():
    empty = directory() / "empty"
    empty.mkdir()
    samples, _ = checksum_tree(empty)
    assert tasks(samples) == 0
    write(empty / "file", b"")
    samples, summary = checksum_tree(empty / "file")
    assert tasks(samples) == 1
    assert EMPTY_FILE_DIGEST in summary, summary


@test
def the_digest_is_of_the_content():
    root = plain_tree()

    def digest(*options):
        return re.search(r"digest ([0-9a-f]{32})", checksum_tree(root, *options)[1])[1]

    first = digest("--threads", "1")
    assert first == digest("--threads", "8")
    with open(os.path.join(root, *[b"deep"] * 40, b"large"), "r+b") as file:
        file.seek(200_000)
        byte = file.read(1)
        file.seek(200_000)
        file.write(bytes([byte[0] ^ 1]))
    assert first != digest()


# ---- What it prints and writes ----

@test
def the_text_passes_promtool():
    done = subprocess.run(command(plain_tree()), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    run("promtool", "check", "metrics", input=done.stdout.decode())


def json_values(document):
    """{(name, labels): value} of counters and gauges."""
    metrics = document["metrics"]
    return {(m["name"], frozenset(m["labels"].items())): m["value"] for m in metrics["counters"] + metrics["gauges"]}


def csv_values(rows, kinds):
    """{(name, labels): value} of the rows of some types, named as in the first columns."""
    header = rows[0]
    found = {}
    for row in rows[1:]:
        cells = dict(zip(header, row, strict=True))
        labels = {k.removeprefix("label_"): v for k, v in cells.items() if k.startswith("label_") and v}
        if cells["type"] in kinds:
            found[(cells["name"], frozenset(labels.items()))] = float(cells["value"])
    return found


@test
def json_and_csv_say_the_same_as_the_text():
    root = plain_tree()
    with locked_parts(root):
        samples, _ = checksum_tree(root)
    with open(directory() / "out" / "metrics.json", encoding="utf-8") as file:
        from_json = json_values(json.load(file))
    with open(directory() / "out" / "metrics.csv", encoding="utf-8", newline="") as file:
        from_csv = csv_values(list(csv.reader(file)), ("counter", "gauge"))
    plain = {key: v for key, v in samples.items() if not re.search("_(bucket|sum|count)$", key[0])}
    assert sorted(plain.values()) == sorted(from_json.values()) == sorted(from_csv.values())
    assert {labels for _, labels in plain} == {labels for _, labels in from_json} == {labels for _, labels in from_csv}
    assert sorted(os.listdir(directory() / "out")) == ["metrics.csv", "metrics.json"]  # no temporary file is left


# ---- Sync while the workers run ----

def endless_file(path):
    """A file that takes long to read and no space."""
    with open(path, "wb") as file:
        file.truncate(1 << 40)


@test
def what_was_synced_outlives_a_killed_run():
    root = plain_tree()
    files, _ = measure(root)
    endless_file(os.path.join(root, b"endless"))
    nothing = directory() / "nothing"
    nothing.mkdir()

    def stored():
        samples, _ = checksum_tree(nothing)
        return tasks(samples), value(samples, "tasker_tasks_active")

    process = start(root, "--threads", "2")
    try:
        while stored() != (files, 1):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    assert stored() == (files, 1)  # the task at work never said that it ended


@test
def progress_is_shown_on_a_terminal_only():
    slow = directory() / "slow"
    slow.mkdir()
    endless_file(slow / "endless")
    master, terminal = pty.openpty()
    process = subprocess.Popen(command(slow), stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    try:
        shown = b""
        while b"at work" not in shown:
            shown += os.read(master, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    _, summary = checksum_tree(plain_tree())
    assert "\r" not in summary and "\x1b" not in summary and summary.count("\n") == 2, summary


# ---- Failures ----

def failure(root, *options, store=None):
    done = subprocess.run(command(root, *options, store=store), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith("checksum_tree: ") or "\nchecksum_tree: " in done.stderr, done.stderr
    return done.stderr


@test
def a_store_that_cannot_be_written_is_a_named_error():
    root = plain_tree()
    locked = directory() / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    assert "ermission denied" in failure(root, store=f"file:{locked}/metrics.tm")
    assert "No such file or directory" in failure(root, store=f"file:{directory()}/missing/metrics.tm")
    failure(root, store="nonsense://here")
    failure(root, store="")


@test
def a_damaged_store_is_a_named_error_and_stays_as_it_is():
    root = plain_tree()
    checksum_tree(root)
    file = directory() / "metrics.tm"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    file.write_bytes(damaged)
    assert "damaged" in failure(root)
    assert file.read_bytes() == damaged


@test
def exports_that_cannot_be_written_are_a_named_error():
    root = plain_tree()
    occupied = directory() / "occupied"
    (occupied / "metrics.json").mkdir(parents=True)
    assert "metrics.json" in failure(root, "--out", occupied)
    assert sorted(os.listdir(occupied)) == ["metrics.csv", "metrics.json"]
    assert "Not a directory" in failure(root, "--out", occupied / "metrics.csv" / "below")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command(root), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"No space left on device" in done.stderr, done


@test
def a_path_that_is_not_there_is_an_error():
    assert "No such file or directory" in failure(directory() / "absent")


@test
def a_mistake_on_the_command_line_shows_the_usage():
    root = plain_tree()
    for mistake in (["--threads", "0"], ["--threads", "x"], ["--interval-ms", "-1"], ["--what"], [root]):
        done = subprocess.run(command(root, *mistake), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 2 and b"usage:" in done.stderr and not done.stdout, (mistake, done)
    assert "usage:" in run(EXAMPLES / "checksum_tree", "--help")


@test
def the_default_store_is_in_the_output_directory():
    root = plain_tree()
    out = directory() / "odd ?%41 &name"
    for times in (1, 2):
        done = subprocess.run([EXAMPLES / "checksum_tree", "--out", out, root], stdout=subprocess.PIPE, check=True)
        assert tasks(samples_of(done.stdout.decode())) == times * measure(root)[0]
    assert sorted(n for n in os.listdir(out) if n.endswith(("tm", "json", "csv"))) == \
        ["metrics.csv", "metrics.json", "metrics.tm"]


# ---- The other examples ----

@test
def a_store_of_ones_own_counts_once():
    done = subprocess.run([EXAMPLES / "own_store"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    samples = samples_of(done.stdout)
    assert tasks(samples) == 30, samples
    assert value(samples, "tasker_task_duration_bucket", le="0.25") == 2
    assert value(samples, "tasker_task_duration_count") == 2
    assert value(samples, "tasker_task_duration_sum") == 0.5
    assert done.stderr.count("ok") == 4, done.stderr


@test
def the_readme_code_is_the_quickstart_and_runs():
    readme = (SOURCE / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^```c\n(.*?)^```$", readme, re.M | re.S)[1]
    assert block == (SOURCE / "examples" / "quickstart.c").read_text(encoding="utf-8")
    for times in (1, 2):
        samples = samples_of(run(EXAMPLES / "quickstart", cwd=directory()))
        assert tasks(samples) == times
        assert value(samples, "tasker_task_duration_count", task_name="parse") == times


main("demo")
