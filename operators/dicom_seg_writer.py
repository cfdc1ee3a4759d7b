"""Write the segmentation, the report and the picture: all or nothing."""

from holoscan.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from aimi import pipeline

__all__ = ["DicomSegWriterOperator"]


class DicomSegWriterOperator(Operator):
    """Write the files of a case; the last operator of every application.

    Parameters
    ----------
    paired : the images come aligned, as tasks of two roles have them.

    Attributes
    ----------
    report : the report once the files are in place; None before. Holoscan ends without an error when an
        operator did not emit: only this tells that a run was finished.
    """

    def __init__(
        self, fragment: Fragment, *args: object, job: pipeline.Job, paired: bool = False, **kwargs: object
    ) -> None:
        self._job = job
        self._paired = paired
        self.report: dict[str, object] | None = None
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        for port in ("selection", "aligned" if self._paired else "images", "predictions", "segments"):
            spec.input(port)

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Write."""
        aligned = op_input.receive("aligned") if self._paired else None
        self.report = pipeline.finish(
            self._job,
            selection=op_input.receive("selection"),
            images=op_input.receive("images") if aligned is None else aligned.images,
            predictions=op_input.receive("predictions"),
            segments=op_input.receive("segments"),
            aligned=aligned,
        )
