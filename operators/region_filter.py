"""Keep the findings that the task's rule set keeps."""

from holoscan.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from aimi import pipeline

__all__ = ["RegionFilterOperator"]


class RegionFilterOperator(Operator):
    """Give the segments, and what was removed."""

    def __init__(self, fragment: Fragment, *args: object, job: pipeline.Job, **kwargs: object) -> None:
        self._job = job
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("images")
        spec.input("predictions")
        spec.output("segments")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Clean up."""
        images = op_input.receive("images")
        predictions = op_input.receive("predictions")
        op_output.emit(pipeline.clean_up(self._job, images, predictions), "segments")
