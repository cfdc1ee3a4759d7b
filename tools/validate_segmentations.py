"""Hold every segmentation of a folder against the standard with dciodvfy; end with 1 at the first Error.

dicom3tools' dciodvfy does not know LABELMAP: exactly its two false alarms are allowed for such objects.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pydicom

LABEL_MAP_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
LABEL_MAP_FALSE_ALARMS = ("SegmentNumber", "Information Object Not found")


def errors_of(path: Path) -> list[str]:
    """Give dciodvfy's errors for one file, false alarms left out."""
    checked = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    errors = [line for line in checked.stderr.splitlines() if line.startswith("Error")]
    sop_class = pydicom.dcmread(path, specific_tags=["SOPClassUID"]).SOPClassUID
    if sop_class != LABEL_MAP_SOP_CLASS:
        return errors
    return [line for line in errors if not any(alarm in line for alarm in LABEL_MAP_FALSE_ALARMS)]


def main(folder: Path) -> int:
    """Check every file; print each error with the file's name."""
    if shutil.which("dciodvfy") is None:
        print("dciodvfy is not installed (Debian package dicom3tools).")
        return 1
    files = sorted(folder.rglob("*.dcm"))
    failed = {path: errors for path in files if (errors := errors_of(path))}
    for path, errors in failed.items():
        print(path.name, *errors, sep="\n  ")
    print(f"dciodvfy: {len(files)} segmentations, {len(failed)} with an Error")
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
