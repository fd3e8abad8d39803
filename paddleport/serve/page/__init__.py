"""What a browser is given at ``/``: static files, no framework, nothing from anywhere else.

The page asks ``GET /v1/models`` for a list of ``name``, ``ready``, ``reason``, ``backend``,
``precision``, ``inputs``, ``outputs``, ``proof`` and ``card``, and ``POST /v1/classify?model=NAME``
with a file's bytes for the answer (``Task.plain``), the stages in the header ``Server-Timing``.
Errors are ``{"error": "one line"}``.
"""

import io
from functools import cache
from importlib.resources import files

_FOLDER = "/page"
_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
}

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""What is sent with every file: no script but ours, and no word to another host."""


@cache
def page_files() -> dict[str, tuple[str, bytes]]:
    """Path to content type and bytes: the page, its style and script, and a sample picture."""
    folder = files(__name__)
    found = {
        f"{_FOLDER}/{name}": (content_type, (folder / name).read_bytes())
        for name, content_type in _TYPES.items()
    }
    found["/"] = found.pop(f"{_FOLDER}/index.html")
    found[f"{_FOLDER}/sample.png"] = ("image/png", _sample())
    return found


def _sample() -> bytes:
    """The picture that the package draws, in a format that keeps every bit of it."""
    from PIL import Image

    from paddleport.models.synthetic.samples import sample_picture

    stream = io.BytesIO()
    Image.fromarray(sample_picture()[..., ::-1].copy()).save(stream, "PNG", optimize=True)
    return stream.getvalue()
