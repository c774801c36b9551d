"""A print-ready sign per station, all signs as one PDF, and a sheet of all (PDF and PNG)."""

from servicecircle.export.signs.writing import PAPERS, write_signs

__all__ = ["PAPERS", "write_signs"]
