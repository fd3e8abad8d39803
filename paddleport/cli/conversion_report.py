"""What ``paddleport convert`` prints of a finished conversion."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paddleport.cli.console import literal, new_table, stdout, verdict_text
from paddleport.wording import counted

if TYPE_CHECKING:
    from paddleport.convert.conversion import Conversion
    from paddleport.convert.precision.gate_check import BackendGate, GateReport

_SHOWN_LAYERS = 8


def print_conversion(done: "Conversion") -> None:
    """The file, where its weights are from, what the target says of it, and how it was checked."""
    console, gate = stdout(), done.gate
    where = literal(str(done.place or "no file written"))
    size = f"{done.size_bytes / 1e6:.1f} MB"
    weights = f"{done.source.weights_title}: {done.source.weights_from}"
    if gate is not None:
        title = f"{done.precision} · {size}, {done.size_bytes / gate.fp32_bytes:.0%} of fp32"
        lines = {"weights": weights, **_gate_lines(gate)}
    elif done.target == "onnx":
        title, lines = f"opset {done.opset} · {size}", {"weights": weights, **_onnx_lines(done)}
    else:
        title = f"{done.facts.get('library', done.target)} · {size}"
        origin = f"ONNX, opset {done.opset}, proven against native Paddle"
        if done.made_of == "paddle":
            origin = "the Paddle program itself, with no ONNX file on the way"
        lines = {"weights": weights, "from": origin, **_engine_lines(done.facts)}
        lines |= {f"note/{note}": note for note in done.facts.get("notes", ())}
    width = 10 if done.target == "onnx" and gate is None else 12
    console.print(f"[bold]{where}[/]  {literal(title)}", soft_wrap=True)
    lines |= {f"narrowed/{index}": text for index, text in enumerate(done.narrowed)}
    for name, text in lines.items():
        console.print(f"  {name.split('/')[0]:<{width}} {literal(text)}")
    _print_check(done)
    if done.place != done.path:
        console.print(f"  {'next':<12} [bold]{where}/README.md[/] has the lines that build it")
    elif done.path is not None and done.target != "onnx":
        console.print(f"  {'as JSON':<12} [bold]{literal(str(done.path))}.json[/]")


def _onnx_lines(done: "Conversion") -> dict[str, str]:
    facts = done.onnx_facts
    if facts is None:
        return {}
    why = f" ({facts.not_simplified})" if facts.not_simplified else ""
    lines = {"nodes": f"{facts.nodes_before} from Paddle2ONNX, {facts.nodes} simplified{why}"}
    if done.input_format:
        lines["input"] = f"{done.input_format}, normalised inside"
    for title, texts in {"mended": facts.fixups, "note": facts.notes}.items():
        lines |= {f"{title}/{index}": text for index, text in enumerate(texts)}
    return lines


def _engine_lines(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a target reports of its file, where it is an engine's."""
    if "computes_in" not in facts:
        return {}
    from paddleport.tensors import ShapeRange, TensorSpec

    rounded = "TF32 on" if facts["tf32"] else "TF32 off"
    lines = {
        "computes in": f"{facts['computes_in']}, {rounded}; {facts['layers']} layers before fusion",
        "capability": ", ".join(facts["capabilities"]) or "of the GPU here",
    }
    for spec in facts["inputs"]:
        given = TensorSpec(**spec)
        taken = ShapeRange(**facts["profile"][given.name])
        lines[f"takes/{given.name}"] = f"{given}: {taken}"
    for spec in facts["outputs"]:
        lines[f"gives/{spec['name']}"] = str(TensorSpec(**spec))
    return lines | {f"note/{note}": note for note in facts["notes"]}


def _gate_lines(gate: "GateReport") -> dict[str, str]:
    lines = {}
    for title, pictures in {"judged on": gate.pictures, "calibrated": gate.calibration}.items():
        if pictures:
            kind = "feeds" if pictures["source"].endswith("feeds") else "pictures"
            lines[title] = (
                f"{pictures['pictures']} {kind} ({pictures['source']}), sha256 "
                f"{pictures['sha256'][:12]}"
            )
    if gate.keep_fp32:
        lines["in fp32"] = ", ".join(gate.keep_fp32)
    if gate.kept_fp32:
        lines["in fp32 too"] = ", ".join(f"{name} ({why})" for name, why in gate.kept_fp32.items())
    if gate.advice and gate.advice.harm:
        worst = list(gate.advice.harm.items())[:_SHOWN_LAYERS]
        lines["most harmful"] = ", ".join(f"{name} {harm:.2g}" for name, harm in worst)
    return lines


def _print_check(done: "Conversion") -> None:
    console = stdout()
    for item in done.comparisons:
        error = "–" if item.worst_error is None else f"{item.worst_error:.1e}"
        ranking = item.ranking
        top1 = f", top-1 {ranking.top1_agreeing} of {ranking.total}" if ranking else ""
        console.print(
            f"  {item.output}: {verdict_text(item.verdict)} with native Paddle on "
            f"{counted(len(done.feeds), 'feed')}: {item.measure}, "
            f"worst error {error} / {item.limit:.1e}{top1}"
            + "".join(f": {text}" for text in (item.reason, item.note) if text)
        )
    if done.proof is not None and done.proof.pictures:
        console.print(f"  {literal(done.proof.pictures)}")
    if done.why and not done.explanation:
        console.print(f"  {literal(done.why)}")
    if done.not_run:
        console.print(f"  {'not run here':<12} {literal(done.not_run)}")
    if done.gate is not None:
        labelled = any(row.result and row.result.top1 is not None for row in done.gate.rows)
        accuracies = ("top-1", "fp32 top-1") if labelled else ()
        table = new_table("backend", "computes in", *accuracies, "agreement", "log-p", "verdict")
        for row in done.gate.rows:
            table.add_row(*(literal(cell) for cell in _cells(row, labelled=labelled)))
        console.print(table)


def _cells(row: "BackendGate", *, labelled: bool) -> tuple[str, ...]:
    result = row.result
    if result is None:
        nothing = ("–",) * (5 if labelled else 3)
        return (row.backend, *nothing, f"not judged: {row.unavailable}")
    accuracies = (result.top1, result.reference_top1) if labelled else ()
    error = result.log_probability_error
    return (
        row.backend,
        row.computes_in,
        *("–" if value is None else f"{value:.1%}" for value in accuracies),
        f"{result.agreement:.1%} of {result.pictures}",
        "–" if error is None else f"{error:.2g}",
        "passed" if result.passed else result.reason,
    )
