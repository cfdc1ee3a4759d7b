"""nnU-Net inference: knows arrays, spacing and model folders; knows nothing of DICOM or tasks."""
