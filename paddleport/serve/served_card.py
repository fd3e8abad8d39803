"""A served model's card for the page: where it comes from, and how it is fed."""

from collections.abc import Mapping
from typing import Any

from paddleport.models.preprocess import Preprocess
from paddleport.models.zoo import registry as zoo
from paddleport.models.zoo.model_card import ModelCard
from paddleport.serve.hosting.model_host import ModelHost


def model_card(host: ModelHost) -> dict[str, Any]:
    """What is known of a model: ``takes_pictures``, and ``rows`` of ``name`` and ``value``.

    JSON values; no path of the server's is among them.
    """
    spec = host.spec
    model, made_of = spec.model, spec.model.provenance.get("source", {})
    name = str(made_of.get("name", ""))
    card = zoo.lookup(name) if name in zoo.names() else None
    rows = {
        "made of": name,
        "weights": _weights(made_of),
        "file": f"{model.path.name}, {model.format}",
        "steps": ", ".join(str(step.get("step", "")) for step in model.provenance.get("steps", ())),
        "task": spec.task,
        "pictures": _feeding(spec.preprocess),
        "classes": _classes(spec.labels),
        "published": _published(card, made_of),
        "licence": card.licence if card else "",
    }
    return {
        "takes_pictures": host.takes_pictures,
        "rows": [{"name": key, "value": value} for key, value in rows.items() if value],
    }


def _weights(made_of: Mapping[str, Any]) -> str:
    kind = str(made_of.get("weights", ""))
    return "seeded: untrained, so its labels mean nothing" if kind == "seeded" else kind


def _feeding(preprocess: Preprocess | None) -> str:
    if preprocess is None:
        return "none: it is fed with tensors"
    steps = []
    if preprocess.resize_short:
        steps.append(f"short side {preprocess.resize_short}")
    if preprocess.resize:
        steps.append("resize {}×{}".format(*preprocess.resize))
    if preprocess.crop:
        steps.append("crop {}×{}".format(*preprocess.crop))
    return ", ".join((*steps, preprocess.channels))


def _classes(labels: tuple[str, ...] | None) -> str:
    return f"{len(labels)}: {labels[0]} … {labels[-1]}" if labels else ""


def _published(card: ModelCard | None, made_of: Mapping[str, Any]) -> str:
    """Accuracies of the weights that are served; of other weights they would say nothing."""
    if card is None or made_of.get("weights") != "pretrained":
        return ""
    shares = {"top-1": card.published.get("top1"), "top-5": card.published.get("top5")}
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items() if share is not None)
