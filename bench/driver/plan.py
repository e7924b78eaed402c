"""What is measured."""
import dataclasses

OURS = "taskermetrics"
PEERS = ["prometheus-cpp", "client_golang", "rust-prometheus"]

GROWTH_SERIES = [10, 100, 1000, 10000, 100000, 1000000]
GROWTH_THREADS = [1, 2, 4, 8, 16, 32, 64]
MANY = 10000
LOOKUP_SERIES = 1000
SYNC_SERIES = [MANY, 10 * MANY]
VISIBILITY_INTERVAL_MS = 100  # of the syncs, in bench_visibility.c
VISIBILITY_SERIES = 1000


@dataclasses.dataclass
class Group:
    """Works that are compared with one another, so that they are measured one right after the other."""
    name: str
    works: list
    threads: list
    series: list
    steady: bool = False  # says the same every time: asked once
    repeats: int = 0      # at most; 0: as many as there are
    windows: int = 1      # how many times as long as usual
    only: tuple = ()      # the contestants that are asked; (): all


def groups(cores):
    up_to_4 = [t for t in (1, 2, 3, 4) if t <= cores]
    most = up_to_4[-1:]
    return [
        Group("counter", ["counter", "thread_local_add", "own_cell_add", "shared_add"], up_to_4, [1]),
        Group("gauge", ["gauge_set", "gauge_set_own", "gauge_add"], up_to_4, [1]),
        Group("histogram", ["observe", "observe_inline", "observe_40"], up_to_4, [1]),
        Group("lookup", ["lookup", "lookup_unordered"], up_to_4, [LOOKUP_SERIES]),
        Group("register", ["register"], [1], [MANY]),
        Group("memory", ["heap_of_counters", "heap_of_histograms", "stats_of_counters", "stats_of_histograms"], [1],
              [MANY], steady=True),
        Group("memory of threads", ["stats_of_counters", "stats_of_histograms"], [4], [MANY], steady=True,
              only=(OURS,)),
        Group("text", ["prometheus_counters", "prometheus_histograms", "openmetrics_counters", "openmetrics_histograms",
                       "json_counters", "json_histograms", "csv_counters", "csv_histograms"], [1], [MANY]),
        Group("snapshot", ["add_undisturbed", "add_under_snapshots", "add_under_snapshots_without_pause"], most, [MANY],
              windows=2),
        Group("sync", ["sync_spread", "sync_together", "sync_idle"], [1], SYNC_SERIES),
        Group("redis", ["redis_increments", "redis_round_trip", "redis_sync_spread", "redis_sync_idle", "redis_read"],
              [1], [MANY]),
        Group("redis, many series", ["redis_increments", "redis_sync_spread", "redis_sync_idle"], [1], SYNC_SERIES[1:]),
        Group("memcached", ["memcached_partitions", "memcached_item", "memcached_sync_spread", "memcached_sync_idle",
                            "memcached_read"], [1], [MANY]),
        Group("visibility", ["visibility"], [1], [VISIBILITY_SERIES], windows=20),
        Group("growth of lookups", ["lookup"], [1], GROWTH_SERIES, repeats=3, only=(OURS, "floor")),
        Group("growth in series", ["counter", "register", "stats_of_counters", "prometheus_counters",
                                   "snapshot", "sync_idle"], [1], GROWTH_SERIES, repeats=3, only=(OURS,)),
        Group("growth in threads", ["counter_cpu", "snapshot"], GROWTH_THREADS, [LOOKUP_SERIES], repeats=5,
              only=(OURS,)),
    ]
