"""Telling what was measured: on the terminal, and as JSON."""
import json
import os
import platform
import re
import subprocess

from driver.marks import spread

BUSY_LOAD = 0.5  # others' load, as a share of the cores, from which figures are not to be trusted


def first_match(path, pattern):
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""


def load():
    return os.getloadavg()[0]


def machine(cores):
    return {
        "processor": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine(),
        "cores": cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "virtual": "hypervisor" in first_match("/proc/cpuinfo", r"^flags\s*:\s*(.*)$").split(),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "libc": " ".join(platform.libc_ver()),
        "load_at_start": round(load(), 2),
    }


def compiled_with(build):
    """The compiler and flags of the library, as CMake noted them."""
    cache = build / "CMakeCache.txt"
    compiler = first_match(cache, r"^CMAKE_C_COMPILER:[A-Z]+=(.*)$")
    kind = first_match(cache, r"^CMAKE_BUILD_TYPE:[A-Z]+=(.*)$")
    flags = " ".join(first_match(cache, rf"^{name}:[A-Z]+=(.*)$") for name in
                     ("CMAKE_C_FLAGS", f"CMAKE_C_FLAGS_{kind.upper()}"))
    version = subprocess.run([compiler, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return f"{version.splitlines()[0]}, {flags.strip()}, shared library"


def short(number):
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


def digits(number, count):
    return float(f"{number:.{count}g}")


def cell_record(cell, repeats):
    contestant, work, threads, series = cell
    numbers = [number for numbers in repeats for number in numbers]
    median, low, high = spread(numbers)
    return {"contestant": contestant, "work": work, "threads": threads, "series": series, "median": digits(median, 5),
            "lower_quartile": digits(low, 5), "upper_quartile": digits(high, 5),
            "figures": [digits(number, 5) for number in numbers]}


def mark_record(mark):
    record = {"work": mark.work, "what": mark.what, "unit": mark.unit, "asked": mark.relation, "limit": mark.limit,
              "result": mark.result}
    if mark.samples:
        median, low, high = spread(mark.samples)
        record.update(median=digits(median, 4), lower_quartile=digits(low, 4), upper_quartile=digits(high, 4))
    if mark.note:
        record["against"] = mark.note
    if mark.reason:
        record["reason"] = mark.reason
    return record


def print_figures(contest, plan):
    """Medians, contestants beside each other, one group after the other."""
    printed = set()
    for group in plan:
        lines = []
        for work in group.works:
            for threads in group.threads:
                for series in group.series:
                    found = [cell for cell in contest.figures if cell[1:] == (work, threads, series)]
                    if found and (work, threads, series) not in printed:
                        printed.add((work, threads, series))
                        lines.append((work, threads, series, found))
        if lines:
            print(f"\n{group.name}: nanoseconds an operation and thread, or bytes a series; median (quarter points)")
        for work, threads, series, found in lines:
            print(f"  {work} {threads}T" + (f" {series} series" if series > 1 else ""))
            for cell in found:
                median, low, high = spread([number for numbers in contest.figures[cell] for number in numbers])
                print(f"    {cell[0]:<18} {short(median):>10}  ({short(low)} - {short(high)})")


def print_marks(marks):
    print("\nmarks: median (quarter points)")
    for mark in marks:
        figure = "-"
        if mark.samples:
            median, low, high = spread(mark.samples)
            figure = f"{short(median)} ({short(low)} - {short(high)}) {mark.unit}"
        asked = f"{mark.relation} {mark.limit:g}" if mark.relation else ""
        aside = f"  [{mark.note or mark.reason}]" if mark.note or mark.reason else ""
        print(f"  {mark.work:<13} {mark.what:<76} {figure:<30} {asked:<14} {mark.result}{aside}")
    counts = {result: sum(mark.result == result for mark in marks) for result in ("met", "MISSED", "not measured")}
    print("\n" + ", ".join(f"{count} {result}" for result, count in counts.items()))


def print_circumstances(results):
    machine = results["machine"]
    kind = "virtual machine" if machine["virtual"] else "machine"
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {kind}; "
          f"{machine['system']}, {machine['kernel']}, {machine['libc']}; load {machine['load_at_start']} at the start")
    print(f"library: {results['library']}")
    for made in results["peers"].values():
        print(f"peer: {made}")
    print(f"{results['repeats']} repeats of {results['window_ms']} ms")
    for name, reason in results["missing"].items():
        print(f"missing: {name}: {reason}")
    for failure in results["failures"]:
        print(f"failed: {' '.join(map(str, failure['cell']))}: {failure['reason']}")


def as_json(results):
    """One record a line, so that two runs can be compared with diff."""
    parts = []
    for key, value in results.items():
        if isinstance(value, list):
            lines = ",\n".join("  " + json.dumps(record) for record in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n ]" if value else f"{json.dumps(key)}: []")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{" + ",\n ".join(parts) + "}\n"
