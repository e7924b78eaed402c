"""The marks: what the figures are asked to be, and whether they are."""
import dataclasses
import statistics

from driver.plan import (GROWTH_SERIES, GROWTH_THREADS, LOOKUP_SERIES, MANY, OURS, PEERS, SYNC_SERIES,
                         VISIBILITY_INTERVAL_MS, VISIBILITY_SERIES)

FIRST_SEGMENT_CELLS = 512
CELLS_OF_A_HISTOGRAM = 13     # 11 bounds, +Inf, the sum
BYTES_OF_A_THREAD = 4 * 1024  # for where its segments are, and their beginnings at cache lines


LEFT_OUT = "left out of this run"


class NotMeasured(Exception):
    """A figure that a mark needs is not there."""


def spread(samples):
    """The median, and the quarter points on either side of it."""
    if len(samples) < 2:
        return samples[0], samples[0], samples[0]
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return middle, low, high


@dataclasses.dataclass
class Mark:
    work: str
    what: str
    unit: str
    relation: str  # "at most", "at least" or "" for a figure that nothing is asked of
    limit: float
    samples: list = None
    reason: str = ""  # why it was not measured
    note: str = ""

    @property
    def result(self):
        if not self.samples:
            return "not measured"
        if not self.relation:
            return ""
        figure = spread(self.samples)[0]
        return "met" if (figure <= self.limit if self.relation == "at most" else figure >= self.limit) else "MISSED"


class Results:
    """The figures of a contest, cell by cell."""

    def __init__(self, contest, cores):
        self.contest = contest
        self.cores = cores

    def each(self, contestant, work, threads=1, series=1):
        """One number a repeat: the mean of what the program printed."""
        cell = (contestant, work, threads, series)
        if cell not in self.contest.figures:
            raise NotMeasured(self.reason(*cell))
        return [statistics.fmean(numbers) for numbers in self.contest.figures[cell]]

    def every(self, contestant, work, threads=1, series=1):
        """All numbers that were printed."""
        self.each(contestant, work, threads, series)
        return [number for numbers in self.contest.figures[contestant, work, threads, series] for number in numbers]

    def reason(self, contestant, work, threads, series):
        if (contestant, work, threads, series) in self.contest.failures:
            return f"{contestant}: {self.contest.failures[contestant, work, threads, series]}"
        if (contestant, work) not in self.contest.program:
            return f"{contestant} is missing"
        if threads > self.cores:
            return f"there are {self.cores} cores"
        return LEFT_OUT

    def cheapest(self, contestants, work, threads=1, series=1):
        """The contestant with the lowest median, and its figures."""
        found = {}
        for contestant in contestants:
            try:
                found[contestant] = self.each(contestant, work, threads, series)
            except NotMeasured:
                continue
        if not found:
            raise NotMeasured("no peer was measured")
        best = min(found, key=lambda contestant: statistics.median(found[contestant]))
        return best, found[best]


def ratio(above, below):
    """Of two figures of the same repeat, which were measured one right after the other."""
    return [a / b for a, b in zip(above, below)]


def segments_rounded(cells):
    """Four segments of the first size, then four for every doubling."""
    total = FIRST_SEGMENT_CELLS
    while total < cells:
        total += max(FIRST_SEGMENT_CELLS, 2 ** (total.bit_length() - 3))
    return total


class Sheet:
    """The marks as they are written down; a figure that is missing becomes a mark that was not measured."""

    def __init__(self):
        self.marks = []

    def add(self, work, what, relation, limit, samples, unit="x"):
        mark = Mark(work, what, unit, relation, limit)
        try:
            answer = samples()
            if isinstance(answer, tuple):
                mark.note, mark.samples = answer
            else:
                mark.samples = answer
        except NotMeasured as reason:
            mark.reason = str(reason)
        self.marks.append(mark)


def evaluate(results):
    """All marks, from the figures of a Results."""
    sheet = Sheet()
    for add_marks in (counters, gauges, histograms, lookups, registering, memory, text, snapshots, syncs, growth,
                      visibility):
        add_marks(sheet, results)
    return sheet.marks


def add_floor(r, threads):
    """Adding to a thread-local number through a shared library; the faster of two ways, as machines differ."""
    ways = ["thread_local_add", "own_cell_add"]
    figures = {way: r.each("floor", way, threads) for way in ways}
    best = min(ways, key=lambda way: statistics.median(figures[way]))
    return best, figures[best]


def against_floor(r, work, threads):
    way, floor = add_floor(r, threads)
    return way, ratio(r.each(OURS, work, threads), floor)


def rate_against_peers(r, work, threads):
    peer, figures = r.cheapest(PEERS, work, threads)
    return peer, ratio(figures, r.each(OURS, work, threads))


def speed_up(r, work, threads):
    """The total rate of so many threads against that of one."""
    return [threads * x for x in ratio(r.each(OURS, work, 1), r.each(OURS, work, threads))]


def rate_against_fastest(r):
    peer, figures = r.cheapest(PEERS, "counter", 4)
    shared = r.each("floor", "shared_add", 4)
    if statistics.median(shared) < statistics.median(figures):
        peer, figures = "shared lock xadd", shared
    return peer, ratio(figures, r.each(OURS, "counter", 4))


def counters(sheet, r):
    for t in (1, 2, 3, 4):
        sheet.add("counter add", f"cost at {t}T / thread-local add", "at most", 1.25,
                  lambda t=t: against_floor(r, "counter", t))
    sheet.add("counter add", "total rate at 4T / prometheus-cpp's", "at least", 25,
              lambda: ratio(r.each("prometheus-cpp", "counter", 4), r.each(OURS, "counter", 4)))
    sheet.add("counter add", "total rate at 4T / the fastest contestant's", "at least", 2.5,
              lambda: rate_against_fastest(r))
    sheet.add("counter add", "total rate at 4T / shared lock xadd's", "at least", 5,
              lambda: ratio(r.each("floor", "shared_add", 4), r.each(OURS, "counter", 4)))
    sheet.add("counter add", "total rate at 4T / at 1T", "at least", 2.4, lambda: speed_up(r, "counter", 4))


def gauges(sheet, r):
    sheet.add("gauge set", "own, cost at 1T / thread-local add", "at most", 1.5,
              lambda: against_floor(r, "gauge_set_own", 1))
    sheet.add("gauge set", "shared, cost at 1T / thread-local add", "at most", 1.5,
              lambda: against_floor(r, "gauge_set", 1))
    sheet.add("gauge add", "cost at 4T / at 1T", "at most", 2,
              lambda: ratio(r.each(OURS, "gauge_add", 4), r.each(OURS, "gauge_add", 1)))
    sheet.add("gauge add", "total rate at 4T / the best peer's", "at least", 10,
              lambda: rate_against_peers(r, "gauge_add", 4))


def histograms(sheet, r):
    for t in (1, 2, 3, 4):
        sheet.add("observe", f"cost at {t}T / own cells, compare and count", "at most", 1.6,
                  lambda t=t: ratio(r.each(OURS, "observe", t), r.each("floor", "observe", t)))
    sheet.add("observe", "cost at 1T / the same written inline", "at most", 2,
              lambda: ratio(r.each(OURS, "observe", 1), r.each("floor", "observe_inline", 1)))
    sheet.add("observe", "total rate at 4T / the best peer's", "at least", 30,
              lambda: rate_against_peers(r, "observe", 4))
    for t in (1, 4):
        sheet.add("observe", f"cost of 40 bounds / 11 at {t}T", "at most", 2,
                  lambda t=t: ratio(r.each(OURS, "observe_40", t), r.each(OURS, "observe", t)))


def lookups(sheet, r):
    for work, order in (("lookup", "in order"), ("lookup_unordered", "out of order")):
        for t in (1, 2, 3, 4):
            sheet.add("lookup + add", f"labels {order}, cost at {t}T / XXH3, probe, compare, own cell", "at most", 2,
                      lambda work=work, t=t: ratio(r.each(OURS, work, t, LOOKUP_SERIES),
                                                   r.each("floor", "lookup", t, LOOKUP_SERIES)))


def registering(sheet, r):
    sheet.add("register", "10,000 series", "at most", 8,
              lambda: [ns / 1e6 for ns in r.each(OURS, "register", 1, MANY)], "ms")


def more_bytes_a_cell(r, work, cells):
    """What each of three further threads takes, less a little for itself, for every cell of its segments."""
    more = (r.each(OURS, work, 4, MANY)[0] - r.each(OURS, work, 1, MANY)[0]) * MANY / 3
    return [(more - BYTES_OF_A_THREAD) / segments_rounded(MANY * cells)]


def memory(sheet, r):
    for work, most in (("counters", 105), ("histograms", 250)):
        for means, by in (("stats", "as the registry tells"), ("heap", "as the heap tells")):
            sheet.add("memory", f"a series of 10,000 {work}, {by}", "at most", most,
                      lambda means=means, work=work: r.each(OURS, f"{means}_of_{work}", 1, MANY), "bytes")
    for work, cells in (("counters", 1), ("histograms", CELLS_OF_A_HISTOGRAM)):
        sheet.add("memory", f"a further thread, beside 4 KiB, a cell of its segments for 10,000 {work}", "at most", 8,
                  lambda work=work, cells=cells: more_bytes_a_cell(r, f"stats_of_{work}", cells), "bytes")


def text_against_peers(r, work):
    peer, figures = r.cheapest(PEERS, work, 1, MANY)
    return peer, ratio(figures, r.each(OURS, work, 1, MANY))


def text(sheet, r):
    for kind, least in (("counters", 15), ("histograms", 4)):
        work = f"prometheus_{kind}"
        sheet.add("text", f"10,000 {kind}, speed / the fastest peer's", "at least", least,
                  lambda work=work: text_against_peers(r, work))
        sheet.add("text", f"10,000 {kind}, cost / copying prefixes and printing integers", "at most", 3,
                  lambda work=work: ratio(r.each(OURS, work, 1, MANY), r.each("floor", work, 1, MANY)))
        for other in ("json", "csv", "openmetrics"):
            sheet.add("text", f"10,000 {kind}, cost of {other} / Prometheus text", "at most", 2.5,
                      lambda kind=kind, work=work, other=other: ratio(r.each(OURS, f"{other}_{kind}", 1, MANY),
                                                                      r.each(OURS, work, 1, MANY)))


def snapshots(sheet, r):
    def slower(work):
        return [100 * (x - 1) for x in ratio(r.each(OURS, work, 4, MANY), r.each(OURS, "add_undisturbed", 4, MANY))]
    sheet.add("snapshot", "4 threads record in 10,000 series, a snapshot every 10 ms: slower by", "at most", 5,
              lambda: slower("add_under_snapshots"), "%")
    sheet.add("snapshot", "the same, snapshots without a pause: slower by", "", 0,
              lambda: slower("add_under_snapshots_without_pause"), "%")


def sync_beside_scan(r, prefix, kind):
    """10,000 changed of 100,000 against 10,000 of 10,000, each less what a sync takes that finds nothing changed."""
    def less_scan(series):
        changed = r.each(OURS, f"{prefix}sync_{kind}", 1, series)
        idle = r.each(OURS, f"{prefix}sync_idle", 1, series)
        less = [a - b for a, b in zip(changed, idle)]
        if min(less) <= 0:
            raise NotMeasured("a sync without changes was no faster")
        return less
    return ratio(less_scan(SYNC_SERIES[1]), less_scan(SYNC_SERIES[0]))


def syncs(sheet, r):
    few, many = SYNC_SERIES
    sheet.add("sync", "memory, 10,000 changed of 100,000, spread / of 10,000, less the scan", "at most", 1.5,
              lambda: sync_beside_scan(r, "", "spread"))
    sheet.add("sync", "the same, the changed ones side by side", "", 0, lambda: sync_beside_scan(r, "", "together"))
    sheet.add("sync", "the scan of 100,000: nothing has changed", "at most", 1,
              lambda: [ns / 1e6 for ns in r.each(OURS, "sync_idle", 1, many)], "ms")
    sheet.add("sync", "Redis, 10,000 changed of 100,000, spread / of 10,000, less the scan", "at most", 1.5,
              lambda: sync_beside_scan(r, "redis_", "spread"))
    sheet.add("sync", "the same of bare pipelines of HINCRBY: 10,000 fields of 100,000 / of 10,000", "", 0,
              lambda: ratio(r.each("hiredis", "redis_increments", 1, many), r.each("hiredis", "redis_increments", 1, few)))
    sheet.add("sync", "Redis, 10,000 changed / bare pipelines of HINCRBY", "at most", 2,
              lambda: ratio(r.each(OURS, "redis_sync_spread", 1, few), r.each("hiredis", "redis_increments", 1, few)))
    sheet.add("sync", "Redis, 10,000 changed", "at most", 100,
              lambda: [ns / 1e6 for ns in r.each(OURS, "redis_sync_spread", 1, few)], "ms")
    sheet.add("sync", "Memcached, 10,000 changed", "at most", 500,
              lambda: [ns / 1e6 for ns in r.each(OURS, "memcached_sync_spread", 1, few)], "ms")
    sheet.add("sync", "Memcached, 10,000 changed / the same bytes bare", "at most", 5,
              lambda: ratio(r.each(OURS, "memcached_sync_spread", 1, few),
                            r.each("libmemcached", "memcached_partitions", 1, few)))
    sheet.add("sync", "Memcached, 10,000 items one by one, bare / the sync", "at least", 50,
              lambda: [MANY * x for x in ratio(r.each("libmemcached", "memcached_item", 1, few),
                                               r.each(OURS, "memcached_sync_spread", 1, few))])


def growth_of(r, work, a_series):
    """What a series costs when there are ten times as many: the worst step of all. `a_series`: the figure is for one."""
    share = 1 if a_series else 10
    steps = [ratio(r.each(OURS, work, 1, more), r.each(OURS, work, 1, fewer))
             for fewer, more in zip(GROWTH_SERIES, GROWTH_SERIES[1:])]
    return [max(repeat) / share for repeat in zip(*steps)]


def growth(sheet, r):
    for work, what, a_series in (("register", "registering", False), ("stats_of_counters", "memory", True),
                                 ("prometheus_counters", "text", False), ("snapshot", "a snapshot", False)):
        sheet.add("growth", f"{what}, a series, the worst of all steps to ten times as many, up to 1,000,000", "at most", 2,
                  lambda work=work, a_series=a_series: growth_of(r, work, a_series))
    sheet.add("growth", "counter add with 1,000,000 series / with 10", "at most", 1.25,
              lambda: ratio(r.each(OURS, "counter", 1, GROWTH_SERIES[-1]),
                            r.each(OURS, "counter", 1, GROWTH_SERIES[0])))
    sheet.add("growth", "lookup + add among 1,000,000 series / XXH3, probe, compare, own cell", "", 0,
              lambda: ratio(r.each(OURS, "lookup", 1, GROWTH_SERIES[-1]),
                            r.each("floor", "lookup", 1, GROWTH_SERIES[-1])))
    sheet.add("growth", "counter add, processor time with 64 threads / with 1", "at most", 1.25,
              lambda: ratio(r.each(OURS, "counter_cpu", GROWTH_THREADS[-1], LOOKUP_SERIES),
                            r.each(OURS, "counter_cpu", 1, LOOKUP_SERIES)))
    sheet.add("growth", "a snapshot of 64 threads' numbers, a thread / of 4", "at most", 2,
              lambda: [x / 16 for x in ratio(r.each(OURS, "snapshot", 64, LOOKUP_SERIES),
                                             r.each(OURS, "snapshot", 4, LOOKUP_SERIES))])


def visibility(sheet, r):
    def all_ms():
        return sorted(ns / 1e6 for ns in r.every(OURS, "visibility", 1, VISIBILITY_SERIES))

    def at(share):
        values = all_ms()
        return [values[min(int(share * len(values)), len(values) - 1)]]
    limit = VISIBILITY_INTERVAL_MS + 20
    sheet.add("end to end", "recorded until scraped elsewhere through Redis, median", "", 0, lambda: at(.5), "ms")
    sheet.add("end to end", "the same, 99 of 100", "at most", limit, lambda: at(.99), "ms")
    sheet.add("end to end", "the same, all", "at most", limit, lambda: at(1), "ms")
