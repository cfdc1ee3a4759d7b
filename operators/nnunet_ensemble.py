"""Run the task's nnU-Net models: all on one grid, or the region's models and the last one by themselves."""

from holoscan.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from aimi import pipeline

__all__ = ["NnunetEnsembleOperator", "RegionEnsembleOperator", "TumorEnsembleOperator"]


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


class RegionEnsembleOperator(Operator):
    """Give the region in which findings are looked for, on the grid of its own image."""

    def __init__(self, fragment: Fragment, *args: object, job: pipeline.Job, **kwargs: object) -> None:
        self._job = job
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("images")
        spec.output("region")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Find the region."""
        images = op_input.receive("images")
        op_output.emit(pipeline.find_region_unless_done(self._job, images), "region")


class TumorEnsembleOperator(Operator):
    """Give the labels of the last model on the reference grid, where the region says that they can matter."""

    def __init__(self, fragment: Fragment, *args: object, job: pipeline.Job, **kwargs: object) -> None:
        self._job = job
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("aligned")
        spec.input("region")
        spec.output("predictions")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Predict."""
        aligned, region = op_input.receive("aligned"), op_input.receive("region")
        op_output.emit(pipeline.predict_in_region(self._job, aligned, region), "predictions")
