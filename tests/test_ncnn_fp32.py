"""An ncnn runner that says fp32 and leaves fp16 on is reported by ``validate``."""

from pathlib import Path

import pytest
from plugin import install

from paddleport.convert.artifact_cache import cached_onnx
from paddleport.convert.remaking import RemadeConversion
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import resolve
from paddleport.validate import Plan
from paddleport.validate.parity.validation import validate

pytest.importorskip("ncnn")

SOURCE = '''
from paddleport.runners.ncnn import NcnnRunner


class LeftOn(NcnnRunner):
    """Its options lie: fp16 storage is on, and nothing says so."""

    name = "lefton"
    computes_in = "fp32"

    def _set_options(self):
        super()._set_options()
        self._net.opt.use_fp16_storage = True

    def _check_options(self):
        pass
'''


@pytest.mark.slow
def test_the_row_does_not_agree(
    small_pir: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "left_on", SOURCE, ("LeftOn",))
    source = resolve(small_pir.path)
    onnx = cached_onnx(source)
    plan = Plan(backends=("ncnn", "lefton"), seconds_each=0, quick=True)
    with RemadeConversion(source, onnx) as conversions:
        rows = {row.name: row for row in validate(source, onnx, plan, conversions=conversions).rows}
    assert rows["ncnn"].verdict == "agrees", rows["ncnn"].explanation
    assert rows["lefton"].verdict == "differs"
    assert rows["lefton"].computes_in == "fp32"
    assert "runtime" in rows["lefton"].cause, rows["lefton"].explanation
