"""Keep the findings that the task's rule set keeps."""

from holoscan.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from aimi import pipeline

__all__ = ["RegionFilterOperator"]


class RegionFilterOperator(Operator):
    """Give the segments, and what was removed.

    Parameters
    ----------
    paired : the images come aligned, with a region, as tasks of two roles have them.
    """

    def __init__(
        self, fragment: Fragment, *args: object, job: pipeline.Job, paired: bool = False, **kwargs: object
    ) -> None:
        self._job = job
        self._paired = paired
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        for port in ("aligned", "region") if self._paired else ("images",):
            spec.input(port)
        spec.input("predictions")
        spec.output("segments")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Clean up."""
        predictions = op_input.receive("predictions")
        aligned = op_input.receive("aligned") if self._paired else None
        region = op_input.receive("region") if self._paired else None
        images = op_input.receive("images") if aligned is None else aligned.images
        segments = pipeline.clean_up(self._job, images, predictions, region=region, aligned=aligned)
        op_output.emit(segments, "segments")
