"""What writes the pages' output: commands in order, files that a page shows, servers."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

SERVER = """import http.server
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
open("port", "w").write(str(server.server_port))
print("serves 3 files · Ctrl-C ends", flush=True)
server.serve_forever()
"""
ASK = """import urllib.request
print(len(urllib.request.urlopen(f"http://127.0.0.1:{open('port').read()}/port").read()), "bytes")
"""
PAGE = f"""# Serve
```python title="server.py"
{SERVER}```
```python title="ask.py"
{ASK}```
```console
$ python server.py &
serves 7 files · Ctrl-C ends
```
```console
$ python ask.py
9 bytes
```
```python
import never_run
```
"""


@pytest.fixture
def readme(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "docs"))
    return __import__("readme")


def test_a_pages_server_answers_its_later_commands_and_ends(readme: Any, tmp_path: Path) -> None:
    stale: list[str] = []
    new = readme.renewed(PAGE, tmp_path, stale)
    assert not stale, "numbers alone differ"
    assert "serves 3 files · Ctrl-C ends\n```" in new
    assert re.sub("[0-9]", "", new) == re.sub("[0-9]", "", PAGE)
    commands = __import__("page_commands").PageCommands(tmp_path)
    assert "refused" in commands.printed("python ask.py")


def test_changed_output_is_told(readme: Any, tmp_path: Path) -> None:
    stale: list[str] = []
    new = readme.renewed(PAGE.replace("9 bytes", "9 words"), tmp_path, stale)
    assert len(stale) == 1 and stale[0].startswith("$ python ask.py\n")
    assert "bytes\n```" in new


def test_a_server_that_ends_at_once_fails_the_page(readme: Any, tmp_path: Path) -> None:
    page = PAGE.replace("server.serve_forever()", "").replace("Ctrl-C ends", "Goodbye")
    with pytest.raises(SystemExit, match="ended before it served"):
        readme.renewed(page, tmp_path, [])


def test_a_shown_file_is_the_one_in_the_repository(readme: Any, tmp_path: Path) -> None:
    shown = readme.DOCS.parent / "examples/kserve/inference_service.yaml"
    page = f'```yaml title="examples/kserve/inference_service.yaml"\n{shown.read_text()}```\n'
    stale: list[str] = []
    assert readme.renewed(page, tmp_path, stale) == page and not stale
    assert readme.renewed(page.replace("8080", "9090"), tmp_path, stale) == page
    assert len(stale) == 1


def test_scripts_of_foreign_clients_have_a_python_of_their_own(
    readme: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEPORT_CLIENTS_PYTHON", sys.executable)
    commands = __import__("page_commands").PageCommands(tmp_path)
    commands.write("ask.py", "import sys\nif 0:\n    import tritonclient.grpc\nprint('asked')\n")
    assert commands.printed("python ask.py") == "asked\n"
    monkeypatch.delenv("PADDLEPORT_CLIENTS_PYTHON")
    with pytest.raises(SystemExit, match="make clients"):
        commands.printed("python ask.py")
