"""The commands of `veroallarme` that judge from files: one burst, or a folder of events."""

from veroallarme_core.commands.analyze import analyze_files
from veroallarme_core.commands.errors import CommandError
from veroallarme_core.commands.score import score_folder
from veroallarme_core.commands.suggest import suggest_folder

__all__ = ["CommandError", "analyze_files", "score_folder", "suggest_folder"]
