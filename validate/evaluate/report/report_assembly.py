"""The report of a pass out of its counts and its facts."""

from collections.abc import Sequence

from paddleport.errors import UsageError
from paddleport.validate.evaluate.accuracy import row_figures
from paddleport.validate.evaluate.accuracy.accuracy_verdict import (
    AccuracyVerdict,
    judge_against_published,
    judge_drop,
)
from paddleport.validate.evaluate.accuracy.evaluated_row import (
    AnswerChanges,
    EvaluatedRow,
    EvaluatedVerdict,
)
from paddleport.validate.evaluate.accuracy.label_check import near_chance, wrong_labels
from paddleport.validate.evaluate.counts.row_tally import RowTally, ranks_shown
from paddleport.validate.evaluate.counts.tally import Tally
from paddleport.validate.evaluate.report.evaluation_report import (
    EvaluatedData,
    EvaluationFacts,
    EvaluationReport,
    PublishedAccuracy,
    RowFacts,
    UnreadablePicture,
)
from paddleport.validate.labelled.listing import some

_ROUNDED = 0.0005  # published figures have three decimals or more


def assembled_report(tally: Tally, facts: EvaluationFacts) -> EvaluationReport:
    """As ``evaluation_report`` has it."""
    if not 0 < facts.max_drop < 1:
        raise UsageError(
            f"--max-drop {100 * facts.max_drop:g} is not possible: points above 0 and below 100"
        )
    label_problem = _label_problem(tally, facts.max_drop)
    known = {row.name: row for row in facts.rows}
    rows = tuple(
        _row(tally, name, known.get(name, RowFacts(name=name, backend=name)), facts, label_problem)
        for name in tally.rows
    )
    return EvaluationReport(
        model={"title": facts.title, "name": facts.name, "weights": facts.weights, **facts.model},
        data=_data(tally, facts),
        published=PublishedAccuracy(
            top1=facts.published_top1, top5=facts.published_top5, source=facts.published_source
        ),
        reference=tally.reference,
        k=ranks_shown(tally.classes),
        max_drop=facts.max_drop,
        rows=rows,
        label_problem=label_problem,
        labels=_labels(rows, facts.labels or ()),
        seconds=facts.seconds,
        pictures_per_second=facts.pictures_per_second,
        environment=facts.environment,
        command=facts.command,
        created=facts.created,
        notes=(*facts.notes, *_notes(tally, facts)),
    )


def _data(tally: Tally, facts: EvaluationFacts) -> EvaluatedData:
    return EvaluatedData(
        source=facts.data,
        sha256=facts.data_sha256,
        count=facts.count,
        limit=facts.limit,
        classes=tally.classes,
        classes_seen=int((tally.totals > 0).sum()),
        pictures=tally.pictures,
        unreadable=tally.unreadable_count,
        unreadable_listed=tuple(
            UnreadablePicture(name=name, reason=reason) for name, reason in tally.unreadable_listed
        ),
    )


def _row(
    tally: Tally, name: str, facts: RowFacts, whole: EvaluationFacts, label_problem: str
) -> EvaluatedRow:
    row, is_reference = tally.rows[name], name == tally.reference
    reference = None if tally.reference is None else tally.rows[tally.reference]
    against = None if is_reference else reference
    count = row.counts["pictures"]  # fewer than all where it failed
    top1, topk = row_figures.top_shares(row, count)
    if reference is not None and reference.failure:  # it was given other pictures
        reference, against = None, None
    loss, error, bins = row_figures.certainty(row, reference or row)
    judged = against is not None and not row.failure
    changes = row_figures.row_changes(row, count) if judged else None
    verdict, reason, needed = _verdict(tally, row, changes, whole, label_problem)
    # with nobody else, it is held against the published figure itself
    refers = is_reference and len(tally.rows) > 1 and not row.failure
    return EvaluatedRow(
        name=name,
        backend=facts.backend,
        precision=facts.precision,
        version=facts.version,
        verdict="reference" if refers else verdict,
        reason="" if refers else reason,
        top1=top1,
        topk=topk,
        loss=loss,
        calibration_error=error,
        calibration=bins,
        changes=changes,
        not_finite=count - row.counts["finite"],
        not_finite_listed=tuple(row.not_finite),
        pictures_needed=None if refers else needed,
        pictures_per_second=facts.pictures_per_second,
        # what it was not given any more is not answered wrong
        worst_classes=() if row.failure else row_figures.worst_classes(tally, row, against),
        confused_pairs=() if row.failure else row_figures.confused_pairs(row, against),
        changed_pictures=row.changes.in_order,
        notes=(*facts.notes, *_not_finite(row, count)),
    )


def _verdict(
    tally: Tally,
    row: RowTally,
    changes: AnswerChanges | None,
    facts: EvaluationFacts,
    label_problem: str,
) -> tuple[EvaluatedVerdict, str, int | None]:
    if row.failure:
        return "failed", row.failure, None
    reference = None if tally.reference is None else tally.rows[tally.reference]
    why = _no_verdict(tally, reference, label_problem)
    if why:
        return "unproven", why, None
    if changes is not None:
        found = judge_drop(changes, tally.pictures, facts.max_drop)
    elif facts.published_top1 is not None:
        found = judge_against_published(
            row.counts["top1"], tally.pictures, facts.published_top1, facts.max_drop
        )
    else:
        found = AccuracyVerdict(
            verdict="unproven",
            reason="nothing to hold it against: no native Paddle in this pass, and no published "
            "figure; leave out --no-reference",
        )
    return found.verdict, found.reason, found.needed


def _no_verdict(tally: Tally, reference: RowTally | None, label_problem: str) -> str:
    """Why nothing can be said of any row; empty where it can."""
    if not tally.pictures:
        return "no picture was read"
    if reference is not None and reference.failure:
        return f"native Paddle stopped, so there is nothing to compare with: {reference.failure}"
    if reference is not None and reference.counts["finite"] < tally.pictures:
        missing = tally.pictures - reference.counts["finite"]
        return f"native Paddle's own scores are not finite for {missing:,} pictures"
    return label_problem


def _label_problem(tally: Tally, max_drop: float) -> str:
    """Why these may not be the labels of this model."""
    if not tally.pictures:
        return ""
    going = [name for name, row in tally.rows.items() if not row.failure]
    if not going or (tally.reference and tally.reference not in going):
        return ""
    name = tally.reference or max(going, key=lambda name: tally.rows[name].counts["top1"])
    row = tally.rows[name]
    who = "native Paddle" if name == tally.reference else name
    found = wrong_labels(row.confusion, tally.totals)
    return found or near_chance(row.counts["top1"], tally.totals, max_drop, who)


def _not_finite(row: RowTally, count: int) -> list[str]:
    missing = count - row.counts["finite"]
    if not missing or row.failure:
        return []
    names = some(row.not_finite, missing)
    return [f"no finite scores for {missing:,} pictures ({names}): they count as wrong"]


def _notes(tally: Tally, facts: EvaluationFacts) -> list[str]:
    found = []
    total = tally.pictures + tally.unreadable_count
    if tally.unreadable_count:
        share = tally.unreadable_count / total
        names = some([name for name, _ in tally.unreadable_listed], tally.unreadable_count)
        found.append(
            f"{tally.unreadable_count:,} of {total:,} pictures ({share:.2%}) could not be read "
            f"({names}); no backend was given them, and they are in no share"
        )
    if tally.reference is None or not tally.pictures or tally.rows[tally.reference].failure:
        return found
    row, top1 = tally.rows[tally.reference], facts.published_top1
    if top1 is None:
        return found
    own, _ = row_figures.top_shares(row, tally.pictures)
    if not own.low - _ROUNDED <= top1 <= own.high + _ROUNDED:
        found.append(
            f"native Paddle itself is right on {own.share:.1%} ({own.low:.1%} to {own.high:.1%}), "
            f"published is {100 * top1:.4g}%: other pictures, labels, weights or preprocessing "
            "than the published figure's; no backend's fault, and each is held against Paddle's own"
        )
    return found


def _labels(rows: Sequence[EvaluatedRow], names: Sequence[str]) -> dict[str, str]:
    """Of the classes that are mentioned."""
    found: set[int] = set()
    for row in rows:
        for item in row.worst_classes:
            found |= {item.label, *(answer.answer for answer in item.answers)}
        for pair in row.confused_pairs:
            found |= {pair.label, pair.answer}
        for picture in row.changed_pictures:
            found |= {picture.label, picture.answer, picture.reference_answer}
    return {str(index): names[index] for index in sorted(found) if 0 <= index < len(names)}
