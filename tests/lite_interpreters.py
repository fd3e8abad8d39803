"""Interpreters for Paddle Lite's tests: the user's own, and stand-ins that say that they are."""

import os
import stat
import sys
from pathlib import Path

from conftest import skip_or_fail

from paddleport.runners.paddle_lite import lite_process
from paddleport.runners.paddle_lite.lite_interpreter import VARIABLE

_ANSWERING = """#!{python} -I
# This is a stand-in for an interpreter with Paddle Lite: it answers one thing, whatever is asked.
import json, sys
asked = json.loads(sys.stdin.readline())
print(json.dumps({{"from": "paddleport", "arrays": [], **{answer!r}}}), flush=True)
{then}
"""
_WRAPPING = """#!{python} -I
# This is a stand-in for Paddle Lite's runtime: it is the real one, and spoils what that computes.
import sys
sys.argv[:] = sys.argv[-1:]
source = open({child!r}).read()
names = {{"__name__": "spoilt"}}
exec(compile(source, {child!r}, "exec"), names)
taken = names["Lite"]._taken
def spoilt(self, tensor):
    import array
    dtype, shape, data = taken(self, tensor)
    values = array.array("f")
    values.frombytes(data)
    values.reverse()
    return dtype, shape, array.array("f", [value * 1.1 for value in values]).tobytes()
names["Lite"]._taken = spoilt
names["main"]()
"""


def real_interpreter() -> Path:
    """What PADDLEPORT_LITE_PYTHON names."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        skip_or_fail("paddle-lite", f"{VARIABLE} names no interpreter with paddlelite")
    return Path(named)


def script(path: Path, text: str) -> Path:
    """A file that can be started."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def answering(path: Path, answer: dict[str, object], then: str = "") -> Path:
    """A stand-in that answers the first request, then does something else."""
    return script(path, _ANSWERING.format(python=sys.executable, answer=answer, then=then))


def spoiling(path: Path) -> Path:
    """The real interpreter with a runtime that gives wrong outputs."""
    child = str(Path(lite_process.__file__).with_name("lite_child.py"))
    return script(path, _WRAPPING.format(python=real_interpreter(), child=child))
