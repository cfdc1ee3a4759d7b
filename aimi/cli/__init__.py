"""The command ``aimi``; thin."""
