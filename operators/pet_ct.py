"""The flow of the tasks that annotate a PET with its CT: two series, two grids, two models.

::

    selector -> loader -> region ensemble ------------------+--------------+
          |        |                                        |              |
          +--------+--> resampler -> tumor ensemble --> region filter --> writer

"""

from operators.application import TaskApplication
from operators.dicom_seg_writer import DicomSegWriterOperator
from operators.nnunet_ensemble import RegionEnsembleOperator, TumorEnsembleOperator
from operators.pet_ct_resampler import PetCtResamplerOperator
from operators.region_filter import RegionFilterOperator
from operators.series_selector import SeriesSelectorOperator
from operators.series_to_volume import SeriesToVolumeOperator

__all__ = ["PetCtApplication"]


class PetCtApplication(TaskApplication):
    """Select a PET and its CT, find the region on the CT, the tumors on the PET's grid, keep those of the region."""

    def compose(self) -> None:
        """Connect the operators."""
        selector = SeriesSelectorOperator(self, job=self.job, source=self.source, name="series_selector")
        loader = SeriesToVolumeOperator(self, job=self.job, name="series_to_volume")
        region = RegionEnsembleOperator(self, job=self.job, name="region_ensemble")
        resampler = PetCtResamplerOperator(self, job=self.job, name="pet_ct_resampler")
        tumor = TumorEnsembleOperator(self, job=self.job, name="tumor_ensemble")
        region_filter = RegionFilterOperator(self, job=self.job, paired=True, name="region_filter")
        self.writer = DicomSegWriterOperator(self, job=self.job, paired=True, name="dicom_seg_writer")

        self.add_flow(selector, loader, {("selection", "selection")})
        self.add_flow(loader, region, {("images", "images")})
        self.add_flow(selector, resampler, {("selection", "selection")})
        self.add_flow(loader, resampler, {("images", "images")})
        self.add_flow(resampler, tumor, {("aligned", "aligned")})
        self.add_flow(region, tumor, {("region", "region")})
        self.add_flow(resampler, region_filter, {("aligned", "aligned")})
        self.add_flow(region, region_filter, {("region", "region")})
        self.add_flow(tumor, region_filter, {("predictions", "predictions")})
        self.add_flow(selector, self.writer, {("selection", "selection")})
        self.add_flow(resampler, self.writer, {("aligned", "aligned")})
        self.add_flow(tumor, self.writer, {("predictions", "predictions")})
        self.add_flow(region_filter, self.writer, {("segments", "segments")})
