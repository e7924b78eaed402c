"""Servers of the bench's own, which programs find through their environment."""
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

START_S = 10


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, command, family, address, empty, answer):
        self.family, self.address, self.empty_command, self.answer = family, address, empty, answer
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def empty(self):
        with socket.socket(self.family) as connection:
            connection.settimeout(START_S)
            connection.connect(self.address)
            connection.sendall(self.empty_command)
            answer = connection.recv(100)
        if not answer.startswith(self.answer):
            raise RuntimeError(f"a server answers {answer!r}")

    def wait_until_ready(self):
        end = time.monotonic() + START_S
        while True:
            try:
                return self.empty()
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
            time.sleep(0.01)


class Servers:
    """A Redis and a Memcached, where they are installed; each is empty before every measurement that uses it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-bench-"))
        self.environment = {}
        self.missing = {}
        self.running = []

    def __enter__(self):
        path = str(self.folder / "redis.sock")
        self.start("redis-server", ["--port", "0", "--unixsocket", path, "--dir", str(self.folder), "--save", ""],
                   "TM_BENCH_REDIS", path, socket.AF_UNIX, path, b"FLUSHALL\r\n", b"+OK")
        port = free_port()
        self.start("memcached", ["-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-m", "1024"],
                   "TM_BENCH_MEMCACHED", str(port), socket.AF_INET, ("127.0.0.1", port), b"flush_all\r\n", b"OK")
        return self

    def start(self, program, words, variable, value, family, address, empty, answer):
        if not shutil.which(program):
            self.missing[program] = "not installed"
            return
        server = Server([program, *words], family, address, empty, answer)
        self.running.append(server)
        try:
            server.wait_until_ready()
        except OSError as error:
            self.missing[program] = f"does not start: {error}"
            return
        self.environment[variable] = value

    def empty(self):
        for server in self.running:
            server.empty()

    def __exit__(self, *exception):
        for server in self.running:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
