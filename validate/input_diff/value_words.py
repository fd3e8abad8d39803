"""The normalisation that was found, part by part, in plain words."""

from paddleport.models.card import Preprocess
from paddleport.validate.input_diff.explanation import Row
from paddleport.validate.input_diff.naming import Normalisation
from paddleport.validate.input_diff.normalisation import numbers, scale_text


def describe_values(values: Normalisation, preprocess: Preprocess) -> list[Row]:
    """Scale, mean and std, and the sign where it is inverted."""
    ours, theirs = scale_text(preprocess.scale), values.scale.text
    clause = f"scaled by {theirs} instead of {ours}" if values.scale.differs else ""
    scale = Row("scale", ours, theirs, values.scale.differs, clause, values.scale_note)
    rows = [scale, *_mean_and_std(values, preprocess)]
    if values.inverted:
        rows.append(Row("sign", "upright", "inverted", True, "inverted (255 − pixel)"))
    return rows


def _mean_and_std(values: Normalisation, preprocess: Preprocess) -> tuple[Row, Row]:
    ours = (numbers(preprocess.mean), numbers(preprocess.std))
    theirs = (
        _told(values.mean.text, values.mean.manner),
        _told(values.std.text, values.std.manner),
    )
    differ = (values.mean.differs, values.std.differs or values.mixed)
    clauses = [
        f"normalised with {part} {told} instead of {own}" if differs else ""
        for part, told, own, differs in zip(("mean", "std"), theirs, ours, differ, strict=True)
    ]
    if values.mixed:
        clauses[1] = "normalised with mean and std in different orders of the channels"
    elif all(differ) and values.mean.manner and values.mean.manner == values.std.manner:
        clauses = [f"normalised {_whole(values.mean.manner)}", ""]
    elif all(differ):
        both = f"mean {theirs[0]} and std {theirs[1]} instead of {ours[0]} and {ours[1]}"
        clauses = [f"normalised with {both}", ""]
    mean, std = (
        Row(part, own, told, differs, clause)
        for part, own, told, differs, clause in zip(
            ("mean", "std"), ours, theirs, differ, clauses, strict=True
        )
    )
    return mean, std


def _told(text: str, manner: str) -> str:
    return f"{text} ({'as if ' if manner == 'twice' else ''}{manner})" if manner else text


def _whole(manner: str) -> str:
    return "twice" if manner == "twice" else f"with mean and std {manner}"
