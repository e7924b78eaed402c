#!/usr/bin/python3
"""The benchmarks, without their peers: every contestant answers, and the marks say what the figures are."""
import itertools
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from script_test import BUILD, SANITIZER, SOURCE, main, run, test

sys.path.insert(0, str(SOURCE / "bench"))
from driver.contest import Contest, Failure
from driver.marks import Results, evaluate, segments_rounded, spread
from driver.plan import OURS, PEERS, groups

WITH_SERVERS = ("redis", "memcached", "visibility")


class NoServers:
    environment = {}

    def empty(self):
        pass


def contest():
    programs = [path for path in (BUILD / "bench").glob("bench_*") if path.is_file()]
    assert programs, "no bench was built"
    return Contest(programs, NoServers())


def figures_for_all(contestants):
    """A contest in which every cell of the plan has the figure 100, an idle sync 10, three times."""
    made = Contest([], NoServers())
    for group in groups(4):
        for cell in itertools.product(contestants, group.works, group.threads, group.series):
            figure = 10.0 if cell[1].endswith("sync_idle") else 100.0
            made.program[cell[:2]] = None
            made.figures[cell] = [[figure]] * 3
    return made


def mark_of(made, work, what):
    return next(mark for mark in evaluate(Results(made, 4)) if mark.work == work and what in mark.what)


if not SANITIZER:  # whose builds leave the benchmarks out
    @test(limit=180)
    def every_work_gives_a_figure():
        asked = contest()
        for (contestant, work), program in asked.program.items():
            if not work.startswith(WITH_SERVERS):
                numbers = asked.ask(program, work, 1, 1, 10000)
                assert len(numbers) == 1 and numbers[0] > 0, f"{contestant} {work}: {numbers}"

    @test
    def every_work_of_ours_is_in_the_plan():
        planned = {work for group in groups(4) for work in group.works}
        offered = {work for _, work in contest().program}
        assert planned == offered, f"only planned: {planned - offered}, only offered: {offered - planned}"

    @test
    def a_program_that_fails_has_no_figure():
        asked = contest()
        program = asked.program["floor", "shared_add"]
        asked.program["floor", "no_such_work"] = program
        asked.measure("floor", "no_such_work", 1, 1, 1)
        assert asked.failures == {("floor", "no_such_work", 1, 1): "no such work"}, asked.failures
        assert not asked.figures
        try:
            asked.ask(program, "shared_add", 65, 1, 1)
        except Failure as failure:
            assert "out of range" in str(failure)
        else:
            raise AssertionError("65 threads were taken")

    @test
    def all_marks_are_measured_when_all_took_part():
        marks = evaluate(Results(figures_for_all([OURS, "floor", "hiredis", "libmemcached", *PEERS]), 4))
        assert marks and [mark for mark in marks if not mark.samples] == []

    @test
    def a_scan_that_hides_the_changes_leaves_their_mark_unmeasured():
        made = figures_for_all([OURS])
        made.figures[OURS, "sync_idle", 1, 100000] = [[100.0]] * 3
        mark = mark_of(made, "sync", "memory, 10,000 changed")
        assert mark.result == "not measured" and mark.reason == "a sync without changes was no faster", mark

    @test
    def a_missing_peer_leaves_its_marks_unmeasured():
        mark = mark_of(figures_for_all([OURS, "floor"]), "counter add", "prometheus-cpp's")
        assert mark.result == "not measured" and mark.reason == "prometheus-cpp is missing", mark

    @test
    def too_few_cores_leave_marks_unmeasured():
        made = figures_for_all([OURS, "floor"])
        for cell in [cell for cell in made.figures if cell[2] == 4]:
            del made.figures[cell]
        reasons = {mark.what: mark.reason for mark in evaluate(Results(made, 2)) if mark.work == "counter add"}
        assert reasons["cost at 4T / thread-local add"] == "there are 2 cores", reasons

    @test
    def a_figure_beyond_its_mark_is_missed():
        made = figures_for_all([OURS, "floor"])
        for figure, result in ((125.0, "met"), (125.1, "MISSED")):
            made.figures[OURS, "counter", 4, 1] = [[figure]] * 3
            assert mark_of(made, "counter add", "cost at 4T").result == result
        for figure, result in ((20.0, "met"), (20.1, "MISSED")):
            made.figures[OURS, "counter", 4, 1] = [[figure]] * 3
            assert mark_of(made, "counter add", "shared lock xadd's").result == result

    @test
    def a_ratio_is_taken_within_a_repeat():
        made = figures_for_all([OURS, "floor"])
        made.figures[OURS, "observe", 1, 1] = [[10.0], [200.0], [30.0]]
        made.figures["floor", "observe", 1, 1] = [[10.0], [100.0], [10.0]]
        assert mark_of(made, "observe", "cost at 1T / own cells").samples == [1, 2, 3]

    @test
    def medians_and_quarter_points():
        assert spread([3, 1, 2, 5, 4]) == (3, 2, 4)
        assert spread([7]) == (7, 7, 7)

    @test
    def cells_are_rounded_to_segments():
        assert [segments_rounded(n) for n in (1, 512, 513, 2049, 4097, 10000, 130000)] == [
        512, 512, 1024, 2560, 5120, 10240, 131072]

    @test
    def what_is_not_to_be_measured_is_named():
        done = subprocess.run([SOURCE / "bench" / "run", "--build", BUILD, "nonesuch"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert done.returncode != 0 and "there is to measure: counter, " in done.stdout, done.stdout

main("bench")
