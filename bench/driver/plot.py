"""The picture: results.json drawn by gnuplot."""
import subprocess

from driver.plan import GROWTH_SERIES, GROWTH_THREADS, LOOKUP_SERIES, MANY, OURS, PEERS, VISIBILITY_SERIES

COLOURS = {OURS: "#0b6e4f", "floor": "#9a9a9a", "shared lock xadd": "#5a5a5a", "prometheus-cpp": "#c1440e",
           "client_golang": "#2a7ab0", "rust-prometheus": "#b58900"}

HEAD = """\
set terminal svg size 1280,1320 font "sans-serif,13" background "#ffffff" noenhanced
set output
set multiplot layout 4,2 margins 0.085,0.87,0.05,0.925 spacing 0.22,0.085 title "{title}" font ",16"
set border 3 lc rgb "#888888"
set tics nomirror textcolor rgb "#333333"
set grid ytics lc rgb "#e4e4e4" lt 1
set style fill solid 0.9 noborder
set key at graph 1.02,1 left top Left reverse samplen 1.2 font ",11"
"""


class Drawing:
    """A gnuplot script that is put together panel by panel."""

    def __init__(self, figures, title):
        self.figures = figures
        self.script = [HEAD.format(title=title)]
        self.blocks = 0

    def median(self, contestant, work, threads=1, series=1):
        return self.figures.get((contestant, work, threads, series))

    def block(self, rows):
        self.blocks += 1
        name = f"$data{self.blocks}"
        self.script.append("\n".join([f"{name} << END", *rows, "END", ""]))
        return name

    def panel(self, title, settings, plots):
        if plots:
            self.script.append(f'unset logscale\nset title "{title}"\n{settings}\nplot {", ".join(plots)}\n')
        else:
            self.script.append("set multiplot next\n")

    def line(self, points, title, colour):
        """A curve through (x, y), those without y left out; nothing if there are none."""
        rows = [f"{x} {y}" for x, y in points if y is not None]
        if not rows:
            return []
        return [f'{self.block(rows)} using 1:2 with linespoints lw 2 pt 7 ps 0.5 lc rgb "{colour}" title "{title}"']

    def threads_panel(self, title, work, series, extra=()):
        threads = (1, 2, 3, 4)
        plots = []
        for contestant in (OURS, "floor", *PEERS):
            points = [(t, self.median(contestant, work, t, series)) for t in threads]
            plots += self.line(points, contestant, COLOURS[contestant])
        for contestant, other, name in extra:
            points = [(t, self.median(contestant, other, t, series)) for t in threads]
            plots += self.line(points, name, COLOURS.get(name, COLOURS["floor"]))
        self.panel(title, 'set logscale y\nset xrange [0.8:4.2]\nset yrange [*:*]\nset xtics (1,2,3,4)\n'
                          'set xlabel "threads"\nset ylabel "ns an operation"', plots)

    def bars_panel(self, title, ylabel, settings, works, series, scale, contestants):
        """Bars side by side: for every work one of each contestant."""
        plots = []
        width = 0.8 / len(contestants)
        for i, contestant in enumerate(contestants):
            rows = []
            for k, (work, _) in enumerate(works):
                y = self.median(contestant, work, 1, series)
                if y is not None:
                    rows.append(f"{k + width * (i - (len(contestants) - 1) / 2)} {y * scale}")
            if rows:
                plots.append(f'{self.block(rows)} using 1:2:({width * 0.9}) with boxes lc rgb "{COLOURS[contestant]}" '
                             f'title "{contestant}"')
        tics = ", ".join(f'"{name}" {k}' for k, (_, name) in enumerate(works))
        self.panel(title, f'{settings}\nset xrange [-0.6:{len(works) - 0.4}]\n'
                          f'set xtics ({tics})\nunset xlabel\nset ylabel "{ylabel}"', plots)


def growth_in_series(drawing):
    works = [("register", "registering", True, "#c1440e"), ("prometheus_counters", "Prometheus text", True, "#2a7ab0"),
             ("snapshot", "a snapshot", True, "#b58900"), ("sync_idle", "an idle sync", True, "#7a4fa0"),
             ("lookup", "lookup + add*", False, "#5a5a5a"),
             ("counter", "counter add*", False, COLOURS[OURS])]
    plots = []
    for work, name, divide, colour in works:
        points = [(n, drawing.median(OURS, work, 1, n)) for n in GROWTH_SERIES]
        plots += drawing.line([(n, y / n if y and divide else y) for n, y in points], name, colour)
    drawing.panel("Growth: 10 to 1,000,000 series", "set logscale xy\nset xrange [8:1200000]\nset yrange [0.5:20000]\n"
                  'set xtics auto\nset format x "%.0s%c"\nset xlabel "series"\n'
                  'set ylabel "ns a series (*an operation)"', plots)
    drawing.script.append('set format x "%g"\n')


def growth_in_threads(drawing):
    points = [(t, drawing.median(OURS, "counter_cpu", t, LOOKUP_SERIES)) for t in GROWTH_THREADS]
    plots = drawing.line(points, "counter add*", COLOURS[OURS])
    points = [(t, drawing.median(OURS, "snapshot", t, LOOKUP_SERIES)) for t in GROWTH_THREADS]
    plots += drawing.line([(t, y / LOOKUP_SERIES if y else y) for t, y in points], "a snapshot", "#b58900")
    drawing.panel("Growth: 1 to 64 threads", "set logscale xy\nset xrange [0.8:80]\nset yrange [*:*]\n"
                  'set xtics (1,2,4,8,16,32,64)\nset xlabel "threads that recorded"\n'
                  'set ylabel "ns a series (*an operation)"', plots)


def visibility(drawing, values):
    rows = [f"{ns / 1e6} {100 * (i + 1) / len(values)}" for i, ns in enumerate(sorted(values))]
    plots = [f'{drawing.block(rows)} using 1:2 with steps lw 2 lc rgb "{COLOURS[OURS]}" notitle'] if rows else []
    drawing.panel("Recorded until scraped elsewhere, through Redis",
                  'set xrange [0:130]\nset yrange [0:100]\nset xtics auto\nset xlabel "ms; a sync every 100 ms"\n'
                  'set ylabel "% of them"', plots)


def draw(results, path):
    """Draws what report put together into an SVG file."""
    figures = {(r["contestant"], r["work"], r["threads"], r["series"]): r["median"] for r in results["figures"]}
    for threads in (1, 2, 3, 4):  # the faster of the two ways to add is the floor of a counter
        ways = [figures.get(("floor", way, threads, 1)) for way in ("thread_local_add", "own_cell_add")]
        if all(ways):
            figures["floor", "counter", threads, 1] = min(ways)
    machine = results["machine"]
    drawing = Drawing(figures, f"{machine['processor']}, {machine['cores']} cores, medians of {results['repeats']}")
    drawing.threads_panel("Adding to one shared counter", "counter", 1,
                          [("floor", "shared_add", "shared lock xadd")])
    drawing.threads_panel("Observing in one shared histogram, 11 bounds", "observe", 1)
    drawing.threads_panel("Lookup by name and 2 labels, and add; 1,000 series", "lookup", LOOKUP_SERIES)
    drawing.bars_panel("Prometheus text of 10,000", "ms", "set logscale y\nset yrange [*:*]",
                       [("prometheus_counters", "counters"), ("prometheus_histograms", "histograms")], MANY, 1e-6,
                       [OURS, "floor", *PEERS])
    drawing.bars_panel("Memory of a series, 2 labels, among 10,000", "bytes", "set yrange [0:*]",
                       [("heap_of_counters", "counters"), ("heap_of_histograms", "histograms")], MANY, 1,
                       [OURS, *PEERS])
    growth_in_series(drawing)
    growth_in_threads(drawing)
    visibility(drawing, [n for r in results["figures"] if r["work"] == "visibility" and r["series"] == VISIBILITY_SERIES
                         for n in r["figures"]])
    done = subprocess.run(["gnuplot"], input="".join(drawing.script), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    if done.returncode != 0 or "</svg>" not in done.stdout:
        raise RuntimeError(f"gnuplot: {done.stderr.strip()}")
    path.write_text(done.stdout)
