"""Run the task's nnU-Net models."""

from holoscan.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from aimi import pipeline

__all__ = ["NnunetEnsembleOperator"]


class NnunetEnsembleOperator(Operator):
    """Give the network labels of each model on the reference grid."""

    def __init__(self, fragment: Fragment, *args: object, job: pipeline.Job, **kwargs: object) -> None:
        self._job = job
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("images")
        spec.output("predictions")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Predict."""
        images = op_input.receive("images")
        op_output.emit(pipeline.predict_unless_done(self._job, images), "predictions")
