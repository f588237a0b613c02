"""The commands of `veroallarme` that judge from files: one burst, or a folder of events."""

from veroallarme_core.commands.analyze import AnalyzeError, analyze_files
from veroallarme_core.commands.score import ScoreError, score_folder
from veroallarme_core.commands.suggest import SuggestError, suggest_folder

__all__ = [
    "AnalyzeError",
    "ScoreError",
    "SuggestError",
    "analyze_files",
    "score_folder",
    "suggest_folder",
]
