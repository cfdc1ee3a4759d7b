"""Load the chosen stacks."""

from holoscan.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from aimi import pipeline

__all__ = ["SeriesToVolumeOperator"]


class SeriesToVolumeOperator(Operator):
    """Give the images of a selection: role -> image."""

    def __init__(self, fragment: Fragment, *args: object, job: pipeline.Job, **kwargs: object) -> None:
        self._job = job
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("selection")
        spec.output("images")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Load."""
        op_output.emit(pipeline.load_images(self._job, op_input.receive("selection")), "images")
