"""AIMI: annotate cancer imaging, one DICOM study in, one DICOM Segmentation out.

Research use only. Not for diagnosis.
"""

__version__ = "0.1.0"
