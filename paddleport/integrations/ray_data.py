"""A model for ``Dataset.map_batches`` of Ray Data: pictures in, answers out, as columns."""

from contextlib import closing
from typing import Any

from paddleport.errors import UsageError
from paddleport.integrations.answer_tables import answers_table
from paddleport.integrations.shipped_model import ShippedModel
from paddleport.integrations.stored_pictures import read_stored, with_read_errors
from paddleport.runners.picture_pipeline import Source
from paddleport.runners.predictor import Predictor, PredictorSpec


class BatchPredictor:
    """One predictor an actor; pickled as its description, and opened at the first batch.

    Takes the columns ``bytes`` (encoded pictures), ``path``, or both: then the bytes are read,
    and the path is the name. Gives what ``answers_table`` says::

        import ray
        from paddleport.integrations.ray_data import BatchPredictor
        from paddleport.integrations.shipped_model import ship

        pictures = ray.data.read_binary_files("s3://bucket/photos", include_paths=True)
        answers = pictures.map_batches(
            BatchPredictor,
            fn_constructor_args=(ship(spec),),  # or spec, where every node has the file
            batch_size=64,
            concurrency=4,  # and num_gpus=1 for a spec on a GPU
        )
        answers.write_parquet("s3://bucket/answers")

    A spec computes on as many threads as its ``options.threads`` says: give ``num_cpus`` the same
    number, and leave a CPU to the readers, without which the actors wait forever.
    """

    def __init__(self, model: PredictorSpec | ShippedModel) -> None:
        self._model = model
        self._predictor: Predictor | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return BatchPredictor, (self._model,)

    @property
    def predictor(self) -> Predictor:
        """Opened now if it was not."""
        if self._predictor is None:
            model = self._model
            self._predictor = (model.here() if isinstance(model, ShippedModel) else model).open()
        return self._predictor

    def __call__(self, batch: dict[str, Any]) -> Any:
        """Answers to a batch of columns, as a ``pyarrow.Table``; unreadable pictures in ``error``.

        Raises:
            UsageError: neither column is there.
        """
        paths, contents = batch.get("path"), batch.get("bytes")
        errors: dict[int, str] = {}
        sources: list[Source] | Any
        if contents is not None:
            names = [str(path) for path in paths] if paths is not None else None
            sources = [
                (names[place] if names else f"picture {place}", bytes(content or b""))
                for place, content in enumerate(contents)
            ]
        elif paths is not None:
            sources = read_stored([str(path) for path in paths], errors)
        else:
            raise UsageError(
                f"pictures are in a column 'bytes' or 'path', and there are {', '.join(batch)}: "
                "rename_columns"
            )
        with closing(self.predictor.predict_many(sources)) as answers:
            return answers_table(with_read_errors(answers, errors), self.predictor)
