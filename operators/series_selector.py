"""Read a study's headers and choose the stacks that the task annotates."""

from pathlib import Path

from holoscan.conditions import CountCondition
from holoscan.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from aimi import pipeline

__all__ = ["SeriesSelectorOperator"]


class SeriesSelectorOperator(Operator):
    """Give the selection of a study: role -> stack."""

    def __init__(self, fragment: Fragment, *args: object, job: pipeline.Job, source: Path, **kwargs: object) -> None:
        self._job = job
        self._source = source
        super().__init__(fragment, CountCondition(fragment, 1), *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.output("selection")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Choose."""
        pipeline.prepare(self._job)
        pipeline.find_models(self._job)
        study = pipeline.read_study(self._job, self._source)
        op_output.emit(pipeline.choose(self._job, study), "selection")
