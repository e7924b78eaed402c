#!/usr/bin/python3
"""The golden files, read by foreign parsers: they are valid, and all four formats of a snapshot say the same."""
import csv
import io
import json
import math
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from script_test import SOURCE, main, test

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

GOLDEN = SOURCE / "tests" / "golden"
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
HOSTILE_HELP = " \"quoted\" \\back\\slash\\n new\nline\ttab\rreturn\x01\x1f\x7f ä€😀 # EOF\n# TYPE x counter\n"
TYPES = {"counters": "counter", "gauges": "gauge", "histograms": "histogram"}


def golden(suffix):
    """The names and contents of all golden files of a format, bytes as they are."""
    files = sorted(GOLDEN.glob(f"*.{suffix}"))
    assert len(files) >= 6, files
    return [(file.stem, file.read_bytes().decode("utf-8")) for file in files]


def content(name, suffix):
    return (GOLDEN / f"{name}.{suffix}").read_bytes().decode("utf-8")


# ---- Reading the text formats, without a foreign parser: what stands there, number for number ----

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')


def unescaped(value):
    return re.sub(r'\\(.)', lambda m: "\n" if m[1] == "n" else m[1], value)


def labels_of(text):
    labels, at = {}, 0
    while at < len(text):
        label = LABEL.match(text, at)
        assert label, text[at:]
        assert label[1] not in labels, text
        labels[label[1]] = unescaped(label[2])
        at = label.end()
    return labels


def samples_of(text):
    """[(name, labels, number as it stands)]."""
    samples = []
    for line in text.split("\n")[:-1]:
        if line.startswith("#"):
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        samples.append((sample[1], labels_of(sample[2] or ""), sample[3]))
    return samples


def identity(name, labels):
    return name, frozenset(labels.items())


def types_of(text):
    """The family names with their types, in their order."""
    return re.findall(r'^# TYPE (\S+) (\S+)$', text, re.MULTILINE)


# ---- The text formats are valid ----

@test
def promtool_accepts_every_prometheus_file():
    for name, text in golden("prom"):
        done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{name}.prom: {done.stdout.decode()}"


@test
def the_python_client_reads_every_prometheus_file_as_it_stands():
    for name, text in golden("prom"):
        found = {identity(s.name, s.labels): s.value for family in prometheus_families(text) for s in family.samples}
        for sample, labels, number in samples_of(text):
            value = found.pop(identity(sample, labels))
            assert value == float(number) or (math.isnan(value) and number == "NaN"), (name, sample, labels)
        assert not found, (name, found)


@test
def the_openmetrics_parser_accepts_every_openmetrics_file():
    for name, text in golden("om"):
        families = list(openmetrics_families(text))
        assert [(f.name, f.type) for f in families] == types_of(text), name
        found = {identity(s.name, s.labels): s.value for family in families for s in family.samples}
        assert len(found) == len(samples_of(text)), name
        assert text.endswith("# EOF\n"), name


@test
def the_openmetrics_parser_reads_help_and_unit_back():
    families = {f.name: f for f in openmetrics_families(content("hostile", "om"))}
    assert families["hostile_help"].documentation == HOSTILE_HELP
    families = {f.name: f for f in openmetrics_families(content("typical", "om"))}
    assert families["tasker_task_duration_seconds"].unit == "seconds"
    assert families["tasker_read_bytes"].unit == "bytes"
    assert families["tasker_tasks"].unit == ""


def check_families(where, text):
    """One TYPE and one contiguous group a family, no series twice."""
    families = [family for family, _ in types_of(text)]
    assert len(families) == len(set(families)), where
    seen = set()
    current = None
    for line in text.split("\n")[:-1]:
        if line.startswith("# TYPE "):
            current = line.split(" ")[2]
        if line.startswith("#"):
            continue
        (sample, labels, _), = samples_of(line + "\n")
        assert identity(sample, labels) not in seen, f"{where} repeats {line}"
        seen.add(identity(sample, labels))
        assert current and sample.startswith(current), f"{where}: {line} stands under {current}"


@test
def no_text_file_repeats_a_series_or_a_family():
    for suffix in ("prom", "om"):
        for name, text in golden(suffix):
            check_families(f"{name}.{suffix}", text)


def histograms_of(text):
    """{(name, labels): {"buckets": [(le, count)], "sum": ..., "count": ...}}, in the order of the lines."""
    histograms = {}
    names = {family for family, kind in types_of(text) if kind == "histogram"}
    for sample, labels, number in samples_of(text):
        name, _, part = sample.rpartition("_")
        if name not in names:
            continue
        bound = labels.pop("le", None)
        histogram = histograms.setdefault(identity(name, labels), {"buckets": []})
        if part == "bucket":
            histogram["buckets"].append((bound, int(number)))
        else:
            assert bound is None and part not in histogram, sample
            histogram[part] = number
    return histograms


@test
def buckets_are_cumulative_and_end_in_the_count():
    checked = 0
    for suffix in ("prom", "om"):
        for name, text in golden(suffix):
            for series, histogram in histograms_of(text).items():
                bounds = [float(bound) for bound, _ in histogram["buckets"]]
                counts = [count for _, count in histogram["buckets"]]
                assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, (name, series)
                assert counts == sorted(counts), (name, series)
                assert ("sum" in histogram) == ("count" in histogram), (name, series)
                assert suffix == "om" or "sum" in histogram, (name, series)
                assert int(histogram.get("count", counts[-1])) == counts[-1], (name, series)
                checked += 1
    assert checked >= 20


@test
def openmetrics_says_what_prometheus_says():
    """But for the form of the bounds, the names of counter families, and sums that are no counters."""
    for name, text in golden("prom"):
        other = content(name, "om")
        assert [(f.removesuffix("_total") if t == "counter" else f, t) for f, t in types_of(text)] == types_of(other)

        def canonical(samples):
            return {identity(n, {**labels, "le": float(labels["le"])} if "le" in labels else labels): number
                    for n, labels, number in samples}

        expected = canonical(samples_of(text))
        found = canonical(samples_of(other))
        left_out = {n for n, _ in expected.keys() - found.keys()}
        assert all(re.search("_(sum|count)$", n) for n in left_out), left_out
        assert found == {key: number for key, number in expected.items() if key in found}


@test
def openmetrics_leaves_out_sums_that_are_no_counters():
    histograms = histograms_of(content("numbers", "om"))
    with_sum = {dict(labels)["sum"] for (_, labels), histogram in histograms.items() if "sum" in histogram}
    assert with_sum == {"tenth", "infinity", "negative_zero", "full"}, with_sum
    histograms = histograms_of(content("negative_bounds", "om"))
    assert ["sum" in histogram for histogram in histograms.values()] == [False, False, True]


# ---- JSON and CSV say what the Prometheus text says ----

def printed(name, unit, kind):
    """The name of a family's samples in Prometheus, by the rules of the documentation."""
    name = name.replace(".", "_")
    if kind == "counter":
        name = name.removesuffix("_total")
    if unit and not name.endswith("_" + unit):
        name += "_" + unit
    return name + "_total" if kind == "counter" else name


class Number(str):
    """A number of a JSON text, as it stands there."""


def checked_number(number):
    assert isinstance(number, Number) or number in ("NaN", "+Inf", "-Inf"), repr(number)
    return number


def read_json(text):
    def once(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), keys
        return dict(pairs)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=refuse, object_pairs_hook=once)


def json_samples(document):
    """As samples_of."""
    for key, kind in TYPES.items():
        for series in document["metrics"][key]:
            name = printed(series["name"], series.get("unit", ""), kind)
            if kind != "histogram":
                yield name, series["labels"], checked_number(series["value"])
                continue
            for bucket in series["buckets"]:
                yield name + "_bucket", {**series["labels"], "le": checked_number(bucket["le"])}, bucket["count"]
            yield name + "_sum", series["labels"], checked_number(series["sum"])
            yield name + "_count", series["labels"], series["count"]


def table_of(samples):
    table = {}
    for name, labels, number in samples:
        assert identity(name, labels) not in table, (name, labels)
        table[identity(name, labels)] = number
    return table


@test
def json_says_what_prometheus_says():
    for name, text in golden("prom"):
        document = read_json(content(name, "json"))
        assert list(document) == ["timestamp", "metrics"] and list(document["metrics"]) == list(TYPES), name
        assert table_of(json_samples(document)) == table_of(samples_of(text)), name


@test
def json_tells_help_and_unit_where_there_are_any():
    document = read_json(content("typical", "json"))
    helps = {(s["name"], s.get("unit"), s["help"]) for key in TYPES for s in document["metrics"][key]}
    assert ("tasker.task.duration", "seconds", "How long a task took.") in helps
    assert ("tasker.tasks", None, "Tasks that have ended.") in helps
    document = read_json(content("hostile", "json"))
    assert document["metrics"]["gauges"][0]["help"] == HOSTILE_HELP


def disarmed(value):
    return "'" + value if value.startswith(FORMULA_BEGINS) else value


def read_csv(text):
    separator = text[len("timestamp")]
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    assert rows[0][:4] == ["timestamp", "name", "type", "value"], rows[0]
    assert rows[0][4:] == sorted(rows[0][4:]) and all(c.startswith("label_") for c in rows[0][4:]), rows[0]
    assert all(len(row) == len(rows[0]) for row in rows)
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def csv_samples(rows, units):
    for row in rows:
        labels = {column.removeprefix("label_"): cell for column, cell in row.items()
                  if column.startswith("label_") and cell}
        base, part = row["name"], ""
        if row["type"] == "histogram":
            base, _, part = row["name"].rpartition("_")
            part = "_" + part
        yield printed(base, units[base], row["type"]) + part, labels, row["value"]


@test
def csv_says_what_prometheus_says():
    for name, text in golden("prom"):
        document = read_json(content(name, "json"))
        units = {series["name"]: series.get("unit", "") for key in TYPES for series in document["metrics"][key]}
        rows = read_csv(content(name, "csv"))
        assert {row["timestamp"] for row in rows} <= {document["timestamp"]}, name
        # An empty value and no label are the same cell; bounds are numbers, not texts to be disarmed.
        expected = [(sample, {k: v if k == "le" else disarmed(v) for k, v in labels.items() if v}, number)
                    for sample, labels, number in samples_of(text)]
        assert table_of(csv_samples(rows, units)) == table_of(expected), name


@test
def csv_lines_end_as_the_rfc_says_and_no_text_cell_is_a_formula():
    for name, text in golden("csv"):
        assert text.endswith("\r\n"), name
        outside = re.sub('"(?:[^"]|"")*"', "", text)
        assert outside.count("\r") == outside.count("\n") == outside.count("\r\n") == len(read_csv(text)) + 1, name
        for row in read_csv(text):
            for column, cell in row.items():
                assert column in ("value", "label_le") or not cell.startswith(FORMULA_BEGINS), (name, row)


main("formats")
