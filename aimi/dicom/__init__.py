"""Everything that knows DICOM: reading, selecting, calibrating, writing."""
