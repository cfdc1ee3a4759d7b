"""The flow of every task that annotates one series: select, load, predict, clean up, write."""

from operators.application import TaskApplication
from operators.dicom_seg_writer import DicomSegWriterOperator
from operators.nnunet_ensemble import NnunetEnsembleOperator
from operators.region_filter import RegionFilterOperator
from operators.series_selector import SeriesSelectorOperator
from operators.series_to_volume import SeriesToVolumeOperator

__all__ = ["SingleSeriesApplication"]


class SingleSeriesApplication(TaskApplication):
    """Annotate one series with the task's networks, one or several, and keep what its rule set keeps."""

    def compose(self) -> None:
        """Connect the operators."""
        selector = SeriesSelectorOperator(self, job=self.job, source=self.source, name="series_selector")
        loader = SeriesToVolumeOperator(self, job=self.job, name="series_to_volume")
        ensemble = NnunetEnsembleOperator(self, job=self.job, name="nnunet_ensemble")
        region_filter = RegionFilterOperator(self, job=self.job, name="region_filter")
        self.writer = DicomSegWriterOperator(self, job=self.job, name="dicom_seg_writer")

        self.add_flow(selector, loader, {("selection", "selection")})
        self.add_flow(loader, ensemble, {("images", "images")})
        self.add_flow(loader, region_filter, {("images", "images")})
        self.add_flow(ensemble, region_filter, {("predictions", "predictions")})
        self.add_flow(selector, self.writer, {("selection", "selection")})
        self.add_flow(loader, self.writer, {("images", "images")})
        self.add_flow(ensemble, self.writer, {("predictions", "predictions")})
        self.add_flow(region_filter, self.writer, {("segments", "segments")})
