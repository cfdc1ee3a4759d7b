"""Liver on CT: one axial CT of the abdomen in, the liver out."""

from aimi.tasks.liver_ct import LIVER_CT
from operators.application import TaskApplication, conduct
from operators.dicom_seg_writer import DicomSegWriterOperator
from operators.launch import Launched
from operators.nnunet_ensemble import NnunetEnsembleOperator
from operators.region_filter import RegionFilterOperator
from operators.series_selector import SeriesSelectorOperator
from operators.series_to_volume import SeriesToVolumeOperator


class LiverCtApp(TaskApplication):
    """Select, load, predict, keep the largest component, write."""

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


def run(launched: Launched) -> int:
    """Annotate the liver; give the exit status."""
    return conduct(LiverCtApp, LIVER_CT, launched)
