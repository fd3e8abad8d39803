"""What the operating system says of processes: their memory, and the CPUs they may use."""

import contextlib
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_CPUS = Path("/sys/devices/system/cpu")


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have these variables in this process, and in those that it starts, for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def resident_bytes(pid: int) -> int | None:
    """Memory that a process holds now; ``None`` if it is gone, or the system doesn't report it."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_resident_bytes() -> int | None:
    """The most memory that this process has held, libraries' pages included.

    Linux's VmHWM, which unlike ``ru_maxrss`` doesn't start from the parent's peak; elsewhere
    ``ru_maxrss``; ``None`` on Windows.
    """
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    )


def cpu_seconds(pid: int) -> float | None:
    """CPU time that a process's threads have taken; ``None`` where the system doesn't report it."""
    try:
        # The name, in parentheses, may hold anything; utime and stime are fields 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


def available_bytes() -> int | None:
    """Memory that can be had without swapping: MemAvailable, and what a cgroup leaves of it."""
    found: list[int] = []
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):  # "max" is no number, and no limit
            most = int((_CGROUP / limit).read_text())
            found.append(max(0, most - int((_CGROUP / used).read_text())))
    return min(found, default=None)


def first_cpus(count: int) -> tuple[int, ...]:
    """``count`` of the CPUs that this process may use, one of every core before their siblings.

    Two threads on one core's two hyperthreads would share its arithmetic units. Empty where the
    platform knows no affinity.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    seen: dict[str, int] = {}
    ranked = []
    for cpu in sorted(os.sched_getaffinity(0)):
        core = f"cpu {cpu}"
        with contextlib.suppress(OSError):
            core = (_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
        seen[core] = seen.get(core, 0) + 1
        ranked.append((seen[core], cpu))
    return tuple(sorted(cpu for _, cpu in sorted(ranked)[:count]))


def pin(cpus: Collection[int]) -> bool:
    """Keep every thread of this process, and those they start, on ``cpus``; whether that holds."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    for thread in _threads():
        with contextlib.suppress(OSError):  # it has ended, or the system does not allow it
            os.sched_setaffinity(thread, cpus)
    return is_pinned(cpus)


def is_pinned(cpus: Collection[int]) -> bool:
    """Whether no thread of this process may run elsewhere than on ``cpus``."""
    if not cpus or not hasattr(os, "sched_getaffinity"):
        return False
    allowed: set[int] = set()
    for thread in _threads():
        with contextlib.suppress(ProcessLookupError):
            allowed |= os.sched_getaffinity(thread)
    return allowed <= set(cpus)


def _threads() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:
        return [0]  # this thread, which is all there is to ask about
