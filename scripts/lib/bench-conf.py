"""Times two programs that test a configuration, on files that grow by one kind of object.

    bench-conf.py STANDFASTD KEEPALIVED DIRECTORY RUNS [--quick]

--quick leaves the largest sizes out, and all repetitions but two.

The two run in turns, so that a busy moment hits both. Times are wall clock from start to end; memory is the largest
resident set of a run of its own, started by time(1), which is small: a process inherits the mark of whoever forked it. The exponent is the slope of the median time between the last two sizes, both logarithmic,
with the time of an empty file taken off: 1 is linear.
"""

import math
import os
import statistics
import subprocess
import sys
import time


def address(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def virtual_servers(count):
    for number in range(count):
        yield f"virtual_server 192.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255} 80 {{\n"
        yield "    delay_loop 3\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n"
        for server in (2 * number, 2 * number + 1):
            yield f"    real_server {address(server)} 80 {{\n        weight 1\n        TCP_CHECK {{\n"
            yield "            connect_timeout 3\n        }\n    }\n"
        yield "}\n"


def instances(count):
    for number in range(count):
        yield f"vrrp_instance V{number} {{\n    state BACKUP\n    interface b{number // 255}\n"
        yield f"    virtual_router_id {number % 255 + 1}\n    priority 100\n    advert_int 1\n"
        yield f"    virtual_ipaddress {{\n        {address(number)}/32\n    }}\n}}\n"


def real_servers(count):
    yield "virtual_server 192.0.2.1 80 {\n    delay_loop 3\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n"
    for number in range(count):
        yield f"    real_server {address(number)} 80 {{\n        weight 1\n        TCP_CHECK {{\n"
        yield "            connect_timeout 3\n        }\n    }\n"
    yield "}\n"


def addresses(count):
    # An advertisement counts to 255; what is above that is held without being advertised.
    yield "vrrp_instance V {\n    state BACKUP\n    interface b0\n    virtual_router_id 1\n    virtual_ipaddress {\n"
    for number in range(min(count, 20)):
        yield f"        {address(number)}/32\n"
    yield "    }\n    virtual_ipaddress_excluded {\n"
    for number in range(20, count):
        yield f"        {address(number)}/32\n"
    yield "    }\n}\n"


def groups(count):
    yield from instances(2 * count)
    for number in range(count):
        yield f"vrrp_sync_group G{number} {{\n    group {{\n        V{2 * number}\n        V{2 * number + 1}\n    }}\n}}\n"


FAMILIES = [
    ("virtual servers, 2 real servers each", virtual_servers, [10, 100, 1000, 10000]),
    ("vrrp instances", instances, [10, 100, 1000, 10000]),
    ("real servers of one virtual server", real_servers, [10, 100, 1000, 10000]),
    ("addresses of one instance", addresses, [10, 100, 1000, 10000]),
    ("sync groups of two instances", groups, [10, 100, 1000, 5000]),
]

# A run that takes longer is ended, and counts as that: the slower program must not take the evening.
LIMIT_S = 120


def run(program, path):
    """Seconds and status of one run; none if it took too long."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.execv(program, [program, "-t", "-f", path])
        finally:
            os._exit(127)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return time.monotonic() - began, os.waitstatus_to_exitcode(status)
        if time.monotonic() - began > LIMIT_S:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return None
        time.sleep(0.0002)


def memory(program, path):
    """KiB of one run."""
    words = ["/usr/bin/time", "-q", "-f", "%M", program, "-t", "-f", path]
    ran = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False)
    return int(ran.stderr.split()[-1])


def measure(programs, path, runs):
    """For each program its times, its memory and its status."""
    found = [([], 0, 0) for _ in programs]
    slow = [False for _ in programs]
    for _ in range(runs):
        for at, program in enumerate(programs):
            if slow[at]:
                continue
            result = run(program, path)
            if result is None:
                slow[at] = True
                continue
            seconds, status = result
            found[at] = (found[at][0] + [seconds], 0, status)
    return [(times, memory(program, path) if times else 0, status) for program, (times, _, status) in zip(programs, found)]


def shown(times):
    if not times:
        return f"{'over ' + str(LIMIT_S) + ' s':>24}"
    low, middle, high = min(times) * 1e3, statistics.median(times) * 1e3, max(times) * 1e3
    return f"{middle:9.1f} {low:7.1f}-{high:<7.1f}"


def exponent(points, empty):
    """The slope of the last two sizes; none while the time is that of starting."""
    points = [(count, seconds - empty) for count, seconds in points if seconds - empty > 0.001]
    if len(points) < 2:
        return "     -"
    (a, x), (b, y) = points[-2:]
    return f"{math.log(y / x) / math.log(b / a):6.2f}"


def main():
    programs, directory, runs = sys.argv[1:3], sys.argv[3], int(sys.argv[4])
    quick = "--quick" in sys.argv
    if quick:
        runs = min(runs, 2)
    path = os.path.join(directory, "bench.conf")
    with open(path, "w") as file:
        file.write("global_defs {\n}\n")
    empty = [statistics.median(times) for times, _, _ in measure(programs, path, runs)]
    print(f"{runs} runs in turns; times in ms: median, least-most; memory in MiB; exit status")
    print(f"start alone: standfastd {empty[0] * 1e3:.1f} ms, keepalived {empty[1] * 1e3:.1f} ms")
    for title, generate, counts in FAMILIES:
        print(f"\n{title}\n{'':>7} {'standfastd':>24} {'MiB':>6} st {'keepalived':>24} {'MiB':>6} st  times faster")
        points = ([], [])
        for count in counts[:3] if quick else counts:
            with open(path, "w") as file:
                file.writelines(generate(count))
            found = measure(programs, path, runs)
            for at in (0, 1):
                if found[at][0]:
                    points[at].append((count, statistics.median(found[at][0])))
            cells = " ".join(f"{shown(t)} {memory / 1024:6.1f} {status:>2}" for t, memory, status in found)
            both = all(times for times, _, _ in found)
            ratio = statistics.median(found[1][0]) / statistics.median(found[0][0]) if both else math.nan
            print(f"{count:7} {cells} {ratio:8.2f}", flush=True)
        print(f"exponent {exponent(points[0], empty[0])} of standfastd, {exponent(points[1], empty[1])} of keepalived")


main()
