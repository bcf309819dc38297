#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""One checkpoint cycle of a Redis container under load, measured from outside.

  redis_cycle.py --mib 200 --out result.json [--stock] [--live]

Runs in the test guest: podman runs localhost/frazil-redis, keys are loaded through
redis-cli, and a client keeps reading and writing while the container is pre-dumped,
dumped on top of that and restored. The client notes when it got an answer and what
each key has to hold. After the restore every key is read back and compared.

With --live the container is not pre-dumped, and goes on after a checkpoint with
--leave-running; then it is removed, and what was saved is restored. As nobody knows in
which instant that was, each key has to hold what it did at some time between the begin
and the end of the checkpoint.

--stock lets podman find Debian's criu instead of Frazil's. Times are milliseconds.
"""
import argparse
import hashlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time

VALUE_BYTES = 4000
PORT = 6379
NAME = "frazil-demo"


class CycleError(Exception):
    """Something did not work; the text says what, and what was seen."""


def progress(text, since=[time.monotonic()]):
    """Says what is going on, and how long the step before took."""
    now = time.monotonic()
    print(f"          [{now - since[0]:5.1f} s] {text}", flush=True)
    since[0] = now


def run(*argv, env=None):
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise CycleError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def value(key, generation):
    seed = f"{key}:{generation}:"
    return (seed * (VALUE_BYTES // len(seed) + 1))[:VALUE_BYTES]


def encode(*words):
    out = [f"*{len(words)}\r\n"]
    for w in words:
        out.append(f"${len(w)}\r\n{w}\r\n")
    return "".join(out).encode()


class Connection:
    """As much of the Redis protocol as SET and GET need."""

    def __init__(self):
        self.sock = socket.create_connection(("127.0.0.1", PORT), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def send(self, *words):
        self.sock.sendall(encode(*words))

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        if line[:1] == b"-":
            raise CycleError(f"redis says {line!r}")
        if line[:1] != b"$":
            return line[1:-2]
        length = int(line[1:])
        if length < 0:
            return None
        return self.file.read(length + 2)[:-2]

    def close(self):
        self.file.close()
        self.sock.close()


class Client(threading.Thread):
    """Reads a fifth of the keys and writes one in fifty, in random order, for ever.

    A request that gets no answer is repeated on a new connection: a SET is the same
    however often it is done, so the client always knows what a key holds.
    """

    def __init__(self, keys):
        super().__init__(daemon=True)
        self.random = random.Random(1)
        self.generations = [0] * keys
        self.read_keys = range(0, keys // 5)
        self.write_keys = range(0, keys // 50)
        self.answers = []  # times of answers, monotonic seconds
        self.written = set()
        self.reconnects = 0
        self.error = None
        self.stopping = threading.Event()
        self.conn = Connection()

    def request(self, *words):
        while True:
            try:
                self.conn.send(*words)
                answer = self.conn.reply()
                self.answers.append(time.monotonic())
                return answer
            except OSError:
                if self.stopping.is_set():
                    raise
                self.reconnect()

    def reconnect(self):
        self.reconnects += 1
        self.conn.close()
        while True:
            try:
                self.conn = Connection()
                return
            except OSError:
                time.sleep(0.01)

    def step(self):
        if self.random.random() < 0.2:
            i = self.random.choice(self.write_keys)
            self.generations[i] += 1
            self.request("SET", f"key:{i}", value(i, self.generations[i]))
            self.written.add(i)
        else:
            i = self.random.choice(self.read_keys)
            got = self.request("GET", f"key:{i}")
            if got != value(i, self.generations[i]).encode():
                raise CycleError(f"key {i} holds {got[:40] if got else got!r}, generation {self.generations[i]}")

    def run(self):
        try:
            while not self.stopping.is_set():
                self.step()
                time.sleep(0.0005)
        except Exception as error:  # shown by the main thread
            self.error = error

    def stop(self):
        self.stopping.set()
        self.join(90)
        if self.error:
            raise CycleError(f"client: {self.error!r}")
        if self.is_alive():
            raise CycleError("client: no answer any more")

    def longest_stall_ms(self, start, end):
        """The longest time without an answer in [start, end], monotonic seconds."""
        times = [t for t in list(self.answers) if start <= t <= end]
        return 1000 * max(b - a for a, b in zip([start, *times], [*times, end]))

    def first_answer_after(self, start, timeout=60):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for t in reversed(self.answers[-1:]):
                if t > start:
                    return next(t for t in self.answers if t > start)
            if self.error:
                raise CycleError(f"client: {self.error!r}")
            time.sleep(0.002)
        raise CycleError("no answer after the restore")


def load(keys):
    pipe = subprocess.Popen(["redis-cli", "-p", str(PORT), "--pipe"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=False)
    for i in range(keys):
        pipe.stdin.write(encode("SET", f"key:{i}", value(i, 0)))
    out, _ = pipe.communicate()
    if f"errors: 0, replies: {keys}".encode() not in out:
        raise CycleError(f"loading failed: {out!r}")


def digest_expected(generations):
    md = hashlib.md5(usedforsecurity=False)
    for i, g in enumerate(generations):
        md.update(value(i, g).encode())
    return md.hexdigest()


def digest_found(keys):
    md = hashlib.md5(usedforsecurity=False)
    conn = Connection()
    for start in range(0, keys, 500):
        batch = range(start, min(start + 500, keys))
        conn.sock.sendall(b"".join(encode("GET", f"key:{i}") for i in batch))
        for _ in batch:
            md.update(conn.reply() or b"missing")
    conn.close()
    return md.hexdigest()


def dump_stats(directory):
    for base, _, files in os.walk(directory):
        if "stats-dump" in files:
            shown = json.loads(run("crit", "show", os.path.join(base, "stats-dump")))
            return shown["entries"][0]["dump"]
    raise CycleError(f"no stats-dump in {directory}")


def frozen_with(directory):
    """The freezer of each task, by the log of a dump that podman was told to keep."""
    for base, _, files in os.walk(directory):
        if "dump.log" in files:
            with open(os.path.join(base, "dump.log")) as log:
                return re.findall(r"frazil: \d+: \d+ pages frozen with (\w+)", log.read())
    raise CycleError(f"no dump.log in {directory}")


def rounds(directory):
    """What Frazil knew when these images were made, summed over the tasks."""
    for base, _, files in os.walk(directory):
        if "frazil.rounds" in files:
            tasks = json.loads(run("frazil", "status", "--json", "--images", base))
            total = {}
            for task in tasks:
                for k in ("pages", "written", "hot", "cold"):
                    if k in task:
                        total[k] = total.get(k, 0) + task[k]
            return total
    return {}


def working_set(directory):
    """Which pages the server used before these images were made, and where they are."""
    for base, _, files in os.walk(directory):
        if "frazil.working-set" in files:
            return json.loads(run("frazil", "working-set", "--json", base))[0]
    return {}


class Container:
    def __init__(self, stock):
        self.env = dict(os.environ)
        if stock:
            self.env["PATH"] = "/opt/stock:" + self.env["PATH"]
        self.userdata = None

    def podman(self, *argv):
        return run("podman", *argv, env=self.env)

    def start(self):
        if subprocess.run(["podman", "image", "exists", "localhost/frazil-redis"]).returncode:
            self.podman("load", "-q", "-i", "/mnt/share/redis.tar")
        self.podman("run", "-d", "--name", NAME, "--network", "host", "localhost/frazil-redis")
        self.userdata = self.inspect("{{.StaticDir}}")
        for _ in range(300):
            try:
                Connection().close()
                return
            except OSError:
                time.sleep(0.1)
        raise CycleError("redis does not answer: " + self.podman("logs", NAME))

    def inspect(self, what):
        return self.podman("inspect", "--format", what, NAME).strip()

    def pid(self):
        return int(self.inspect("{{.State.Pid}}"))

    def remove(self):
        subprocess.run(["podman", "rm", "-f", "-t", "0", NAME], capture_output=True, env=self.env)


def predump(box, client, result):
    pid = box.pid()
    client.written.clear()
    start = time.monotonic()
    box.podman("container", "checkpoint", "--pre-checkpoint", "--tcp-established", NAME)
    time.sleep(0.5)
    result["predump_stall_ms"] = client.longest_stall_ms(start, time.monotonic())
    directory = os.path.join(box.userdata, "pre-checkpoint")
    stats = dump_stats(box.userdata)
    result["predump_frozen_ms"] = stats["frozen_time"] / 1000
    result["predump_pages"] = stats["pages_written"]
    result["predump_rounds"] = rounds(directory)
    if box.pid() != pid or box.inspect("{{.State.Status}}") != "running":
        raise CycleError("the container does not run after the pre-dump")
    result["redis_uid"] = os.stat(f"/proc/{pid}").st_uid
    os.unlink(os.path.join(box.userdata, "stats-dump"))


def dump_and_restore(box, client, result):
    pid = box.pid()
    start = time.monotonic()
    box.podman("container", "checkpoint", "--with-previous", "--tcp-established", "--keep", NAME)
    result["keys_written_between"] = len(client.written)
    stats = dump_stats(box.userdata)
    result["dump_frozen_ms"] = stats["frozen_time"] / 1000
    result["dump_pages"] = stats["pages_written"]
    result["dump_pages_in_parent"] = stats.get("pages_skipped_parent", 0)
    result["dump_rounds"] = rounds(os.path.join(box.userdata, "checkpoint"))
    result["dump_working_set"] = working_set(os.path.join(box.userdata, "checkpoint"))
    result["dump_pid"] = pid
    restore = time.monotonic()
    box.podman("container", "restore", "--tcp-established", "--keep", NAME)
    first = client.first_answer_after(restore)
    result["restore_to_answer_ms"] = 1000 * (first - restore)
    time.sleep(0.5)
    result["dump_restore_stall_ms"] = client.longest_stall_ms(start, time.monotonic())


def live_dump_and_restore(box, client, result):
    archive = "/tmp/live.tar"
    before = list(client.generations)
    start = time.monotonic()
    box.podman("container", "checkpoint", "--leave-running", "--tcp-established", "--keep", "--export", archive, NAME)
    end = time.monotonic()
    after = [g + 1 for g in client.generations]  # one may be on its way
    result["live_stall_ms"] = client.longest_stall_ms(start, end)
    stats = dump_stats(box.userdata)
    result["live_frozen_ms"] = stats["frozen_time"] / 1000
    result["live_pages"] = stats["pages_written"]
    result["live_frozen_with"] = frozen_with(box.userdata)
    if box.inspect("{{.State.Status}}") != "running":
        raise CycleError("the container does not run after the checkpoint")
    time.sleep(1)
    client.stop()
    result["digest_ok"] = digest_found(len(before)) == digest_expected(client.generations)
    box.remove()
    box.podman("container", "restore", "--tcp-established", "--import", archive)
    conn = Connection()
    wrong = []
    for i, (low, high) in enumerate(zip(before, after)):
        conn.send("GET", f"key:{i}")
        found = conn.reply()
        if found not in [value(i, g).encode() for g in range(low, high + 1)]:
            wrong.append(i)
    conn.close()
    result["keys_wrong_in_images"] = wrong


def versions(stock):
    criu = "/usr/sbin/criu-stock" if stock else "/usr/sbin/criu"
    return {
        "linux": os.uname().release,
        "criu": run(criu, "--version").split()[1],
        "runc": run("runc", "--version").split()[2],
        "podman": run("podman", "--version").split()[2],
        "redis": re.search(r"v=(\S+)", run("podman", "run", "--rm", "--entrypoint", "/usr/bin/redis-server",
                                          "localhost/frazil-redis", "--version")).group(1),
    }


def cycle(args):
    keys = args.mib * 1024 * 1024 // VALUE_BYTES
    box = Container(args.stock)
    result = {"who": "stock" if args.stock else "frazil", "keys": keys}
    try:
        progress("starting the container")
        box.start()
        result["versions"] = versions(args.stock)
        progress(f"loading {keys} keys")
        load(keys)
        progress("client reads and writes")
        client = Client(keys)
        client.start()
        time.sleep(args.warm_up)
        if args.live:
            progress("checkpoint while it runs, restore")
            live_dump_and_restore(box, client, result)
            return result
        progress("pre-dump")
        predump(box, client, result)
        time.sleep(args.warm_up)
        if not args.stock:
            print(run("frazil", "status"), end="", flush=True)
        progress("dump, restore")
        dump_and_restore(box, client, result)
        time.sleep(1)
        progress("comparing all keys")
        client.stop()
        result["client_reconnects"] = client.reconnects
        result["digest_ok"] = digest_found(keys) == digest_expected(client.generations)
        progress("done")
    finally:
        box.remove()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=200)
    parser.add_argument("--warm-up", type=float, default=3, help="seconds of load before each dump")
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    try:
        result = cycle(args)
    except CycleError as error:
        sys.exit(f"redis_cycle: {error}")
    with open(args.out, "w") as f:
        json.dump(result, f, indent=1)
    if not result["digest_ok"]:
        sys.exit("redis_cycle: the keys do not hold what the client wrote")


if __name__ == "__main__":
    main()
