"""NIfTI and NRRD in and out, for researchers; knows nothing of DICOM and invents none (DECISIONS 1.8)."""

from aimi.nifti.images import encode_labels, read_image, suffix_of, write_image, write_labels, write_mask

__all__ = ["encode_labels", "read_image", "suffix_of", "write_image", "write_labels", "write_mask"]
