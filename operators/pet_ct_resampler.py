"""Bring the PET and the CT to one grid."""

from holoscan.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from aimi import pipeline

__all__ = ["PetCtResamplerOperator"]


class PetCtResamplerOperator(Operator):
    """Give the images on the reference grid, and where the CT does not reach."""

    def __init__(self, fragment: Fragment, *args: object, job: pipeline.Job, **kwargs: object) -> None:
        self._job = job
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("selection")
        spec.input("images")
        spec.output("aligned")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Resample."""
        selection, images = op_input.receive("selection"), op_input.receive("images")
        op_output.emit(pipeline.align(self._job, selection, images), "aligned")
