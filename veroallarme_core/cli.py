"""The command line: ``veroallarme``, a command each for worker, learning and evaluation."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import logging
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from veroallarme_core import __version__

if TYPE_CHECKING:
    from veroallarme_core.contract import ObjectKind, Zone
    from veroallarme_core.worker.config import WorkerConfig

Command: TypeAlias = Callable[[argparse.Namespace], int]
"""Does what the arguments ask for; returns an exit code."""
EXIT_USAGE = 2
"""Exit code for a wrong input, as argparse uses it."""
EXIT_UNHEARD = 1
"""Exit code where something was not heard while ``check-config`` listened."""
EXIT_LEFT_ALONE = 3
"""Exit code of ``adapt --end-with-stdin`` where whoever started it is gone."""
MAX_LISTENING_S = 3600


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    arguments = _parser().parse_args(argv)
    # NumPy's matrices are small here, and threads that wait for the next one keep the cores from
    # the networks: an event takes half as long again. NumPy reads this when it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    # What Pillow thinks of a broken picture is no line of a log; a frame that is broken says so.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Pictures of a home, and what is learned of it, are nobody else's: 600 and 700.
    umask = os.umask(0o077)
    try:
        return int(arguments.command(arguments))
    except KeyboardInterrupt:
        return 130
    finally:
        os.umask(umask)


def _fail(sentence: str) -> int:
    print(f"veroallarme: {sentence}", file=sys.stderr)
    return EXIT_USAGE


# Commands import what they need when they run, so that `check-config` answers at once.


def _run(arguments: argparse.Namespace) -> int:
    from veroallarme_core.worker import StartError, serve
    from veroallarme_core.worker.config import ConfigError, load_config

    try:
        asyncio.run(serve(load_config(arguments.config), stands_by=arguments.standby))
    except ConfigError as error:
        return _report_mistakes(arguments.config, error.mistakes)
    except StartError as error:
        return _fail(str(error))
    return 0


def _app(arguments: argparse.Namespace) -> int:
    from veroallarme_core.worker import StartError, run_app
    from veroallarme_core.worker.config import AppError, AppPlaces, ConfigError

    named = {name: getattr(arguments, name) for name in ("options", "config", "data_dir")}
    token = os.environ.get("SUPERVISOR_TOKEN") or None
    places = AppPlaces(token=token, **{name: path for name, path in named.items() if path})
    try:
        asyncio.run(run_app(places))
    except ConfigError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        return EXIT_USAGE
    except (AppError, StartError) as error:
        return _fail(str(error))
    return 0


def _check_config(arguments: argparse.Namespace) -> int:
    from veroallarme_core.worker.config import ConfigError, load_config

    try:
        config = load_config(arguments.config)
    except ConfigError as error:
        return _report_mistakes(arguments.config, error.mistakes)
    names = ", ".join(camera.id for camera in config.cameras)
    print(f"{arguments.config}: correct; cameras: {names}", flush=True)
    return 0 if arguments.listen is None else _listen(config, arguments)


def _listen(config: WorkerConfig, arguments: argparse.Namespace) -> int:
    from veroallarme_core.worker.mqtt import listen

    if not config.cameras:
        return _fail(f"{arguments.config} names no camera: there is nothing to listen to")
    heard = asyncio.run(listen(config, arguments.listen, lambda line: print(line, flush=True)))
    return 0 if heard else EXIT_UNHEARD


def _listening_time(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= MAX_LISTENING_S:
        raise argparse.ArgumentTypeError(f"{text}: give seconds from 1 to {MAX_LISTENING_S}")
    return seconds


def _report_mistakes(path: Path, mistakes: Sequence[str]) -> int:
    for mistake in mistakes:
        print(f"{path}: {mistake}", file=sys.stderr)
    return EXIT_USAGE


def _analyze(arguments: argparse.Namespace) -> int:
    from veroallarme_core.commands import CommandError, analyze_files
    from veroallarme_core.contract import ZonesError

    try:
        verdict, picture = analyze_files(
            arguments.frames,
            reference=arguments.reference,
            threshold=arguments.threshold,
            zones=_zones(arguments),
            objects=arguments.objects,
            camera=arguments.camera,
        )
        print(json.dumps(verdict.to_dict(), indent=2, ensure_ascii=False))
        if arguments.picture is not None:
            if picture is None:
                return _fail("no picture was written: none of the frames can be decoded")
            arguments.picture.write_bytes(picture)
    except (CommandError, ZonesError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"the picture {arguments.picture} cannot be written: {error.strerror}")
    return 0


def _from_folder(written: str) -> Callable[[Command], Command]:
    """Let a command that works on a folder of events say in a sentence why it failed.

    `written` is the argument that names what it writes.
    """

    def tell(command: Command) -> Command:
        @functools.wraps(command)
        def run(arguments: argparse.Namespace) -> int:
            from veroallarme_core.adaptation import AdaptationInputError
            from veroallarme_core.camera_memory import StateFileError
            from veroallarme_core.commands import CommandError
            from veroallarme_core.contract import ZonesError
            from veroallarme_core.inference import InferenceError, ModelError

            try:
                return command(arguments)
            except (
                AdaptationInputError, CommandError, InferenceError, ModelError, StateFileError,
                ZonesError,
            ) as error:  # fmt: skip
                return _fail(str(error))
            except OSError as error:
                path = error.filename or getattr(arguments, written)
                return _fail(f"{path} cannot be written: {error.strerror}")

        return run

    return tell


@_from_folder(written="state_dir")
def _adapt(arguments: argparse.Namespace) -> int:
    from veroallarme_core.adaptation import AdaptationOptions, adapt_folder

    if arguments.end_with_stdin:
        threading.Thread(target=_end_with_stdin, name="end-with-stdin", daemon=True).start()
    report = adapt_folder(
        arguments.data_dir,
        arguments.state_dir,
        arguments.labels,
        AdaptationOptions(
            recall=arguments.recall,
            seed=arguments.seed,
            zones=_zones(arguments),
            objects=arguments.objects,
        ),
        keep_memory=arguments.keep_memory,
        detector=arguments.detector,
    )
    print(json.dumps(report))
    return 0


def _end_with_stdin() -> None:
    """End the process once its standard input ends: whoever started it is gone.

    A worker that is killed can end nobody any more, and its next start would learn beside this.
    """
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1024):
            pass
    # All files are written in one step: nothing is left half done.
    os._exit(EXIT_LEFT_ALONE)


@_from_folder(written="output")
def _score(arguments: argparse.Namespace) -> int:
    from veroallarme_core.adaptation import ProgressLine
    from veroallarme_core.commands import score_folder

    line = ProgressLine()
    count = score_folder(
        arguments.data_dir,
        arguments.state_dir,
        arguments.output,
        zones=_zones(arguments),
        objects=arguments.objects,
        threshold=arguments.threshold,
        detector=arguments.detector,
        progress=lambda done, total: line("events", done, total),
    )
    print(f"{arguments.output}: {count} events")
    return 0


@_from_folder(written="output")
def _suggest(arguments: argparse.Namespace) -> int:
    from veroallarme_core.adaptation import ProgressLine
    from veroallarme_core.commands import suggest_folder

    line = ProgressLine()
    suggested = suggest_folder(
        arguments.data_dir,
        arguments.state_dir,
        arguments.output,
        zones=_zones(arguments),
        objects=arguments.objects,
        labels=arguments.labels,
        picture=arguments.picture,
        detector=arguments.detector,
        progress=lambda done, total: line("events", done, total),
    )
    for suggestion in suggested:
        print(f"{suggestion.zone.name}: {suggestion.sentence}")
    if not suggested:
        print("There is nothing to ignore: no place spares alarms without hiding people or cars.")
    print(f"{arguments.output}: {len(suggested)} zones suggested")
    return 0


def _zones(arguments: argparse.Namespace) -> tuple[Zone, ...]:
    from veroallarme_core.contract import read_zones

    return () if arguments.zones is None else read_zones(arguments.zones)


def _hash_password(arguments: argparse.Namespace) -> int:
    import getpass

    from veroallarme_core.worker.config import MIN_PASSWORD, hash_password

    try:
        if sys.stdin.isatty():
            password = getpass.getpass("Password: ")
            if getpass.getpass("Again: ") != password:
                return _fail("the two passwords differ: try again")
        else:
            password = sys.stdin.readline().rstrip("\r\n")
    except EOFError:
        password = ""
    if len(password) < MIN_PASSWORD:
        return _fail(f"the password has {len(password)} characters: give at least {MIN_PASSWORD}")
    print(hash_password(password))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    try:
        from veroallarme_core.demo.run import DemoError, DemoOptions, run_demo
    except ImportError as error:
        return _fail(f"the demo needs {error.name}: pip install 'veroallarme[demo]'")
    if not arguments.verbose:
        logging.getLogger().setLevel(logging.WARNING)
    options = DemoOptions(
        events=arguments.events,
        video=arguments.video,
        once=arguments.once,
        broker=arguments.broker,
        limit=arguments.limit,
        gap_s=arguments.gap,
        report=arguments.report,
        page=arguments.page,
    )
    try:
        return asyncio.run(run_demo(options))
    except DemoError as error:
        return _fail(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="veroallarme", description="Stops false camera alarms, at home, over MQTT."
    )
    parser.add_argument("--version", action="version", version=f"veroallarme {__version__}")
    # Every command takes --verbose after its name, where people write it.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--verbose", action="store_true", help="log every step")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for name, command, text in (
        ("run", _run, "run the worker"),
        ("check-config", _check_config, "check the configuration file, and listen if asked"),
    ):
        sub = commands.add_parser(name, parents=[common], help=text)
        sub.add_argument("--config", type=Path, default=Path("veroallarme.yaml"), metavar="FILE")
        sub.set_defaults(command=command)
        if command is _run:
            sub.add_argument(
                "--standby",
                action="store_true",
                help="wait while another worker uses the same folders, and take over when it ends",
            )
        if command is _check_config:
            sub.add_argument(
                "--listen",
                type=_listening_time,
                metavar="SECONDS",
                help="then show what each trigger hears, and what was never heard (exit code 1)",
            )

    sub = commands.add_parser(
        "app", parents=[common], help="run the worker as an app (add-on) of Home Assistant"
    )
    sub.add_argument("--options", type=Path, metavar="FILE", help="/data/options.json")
    sub.add_argument("--config", type=Path, metavar="FILE", help="/config/veroallarme.yaml")
    sub.add_argument("--data-dir", type=Path, metavar="DIR", help="/data")
    sub.set_defaults(command=_app)

    sub = commands.add_parser(
        "analyze", parents=[common], help="print the verdict of one burst of frames as JSON"
    )
    sub.add_argument("frames", nargs="+", type=Path, metavar="FRAME", help="two or more, in order")
    sub.add_argument("--picture", type=Path, metavar="FILE", help="write the annotated JPEG here")
    sub.add_argument("--reference", type=Path, metavar="FILE", help="a picture without motion")
    sub.add_argument("--threshold", type=float, metavar="SCORE", help="from 0 to 1")
    sub.add_argument("--camera", default="camera", metavar="ID", help="name it in the verdict")
    _add_zones(sub)
    sub.set_defaults(command=_analyze)

    sub = commands.add_parser(
        "adapt", parents=[common], help="learn one camera from its history of events"
    )
    _add_folders(sub, state_needed=True)
    sub.add_argument("--labels", type=Path, metavar="FILE", help="thumbs: event_id,label")
    sub.add_argument(
        "--recall", type=float, default=0.99, metavar="SHARE", help="to promise (default 0.99)"
    )
    sub.add_argument("--seed", type=int, default=0, help="of the synthetic intruders")
    sub.add_argument(
        "--keep-memory", action="store_true", help="leave the scene memory to the running worker"
    )
    sub.add_argument(
        "--end-with-stdin", action="store_true", help="end once whoever writes to it is gone"
    )
    sub.set_defaults(command=_adapt)

    sub = commands.add_parser(
        "score", parents=[common], help="judge a folder of events, as mode filter would"
    )
    _add_folders(sub, state_needed=False)
    sub.add_argument("--output", type=Path, required=True, metavar="FILE", help="CSV to write")
    sub.add_argument(
        "--threshold",
        type=float,
        metavar="SCORE",
        help="from which an event is relevant, 0 to 1 (default: the calibrated one)",
    )
    sub.set_defaults(command=_score)

    sub = commands.add_parser(
        "suggest", parents=[common], help="suggest zones to ignore from a folder of events"
    )
    _add_folders(sub, state_needed=False)
    sub.add_argument("--labels", type=Path, metavar="FILE", help="thumbs: event_id,label")
    sub.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="zones to write, for --zones"
    )
    sub.add_argument("--picture", type=Path, metavar="FILE", help="write a picture of them here")
    sub.set_defaults(command=_suggest)

    sub = commands.add_parser(
        "hash-password", parents=[common], help="print what proves a password, for page"
    )
    sub.set_defaults(command=_hash_password)

    sub = commands.add_parser(
        "demo", parents=[common], help="see it work: broker, camera and worker on this machine"
    )
    source = sub.add_mutually_exclusive_group()
    source.add_argument("--events", type=Path, metavar="DIR", help="play a folder of events")
    source.add_argument("--video", type=Path, metavar="FILE", help="play a clip of your own")
    sub.add_argument("--broker", metavar="HOST:PORT", help="use this broker, start none")
    sub.add_argument("--once", action="store_true", help="end after one pass")
    sub.add_argument("--limit", type=int, metavar="N", help="play the first N events only")
    sub.add_argument("--gap", type=float, metavar="SECONDS", help="time between frames")
    sub.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    sub.add_argument(
        "--no-page", dest="page", action="store_false", help="serve no page on this machine"
    )
    sub.set_defaults(command=_demo)
    return parser


def _add_folders(parser: argparse.ArgumentParser, *, state_needed: bool) -> None:
    parser.add_argument(
        "--data-dir", type=Path, required=True, metavar="DIR", help="one camera's folder of events"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        required=state_needed,
        metavar="STATE",
        help="what the camera has learned",
    )
    parser.add_argument(
        "--detector", type=Path, metavar="FILE", help="an object detector of your own (ONNX)"
    )
    _add_zones(parser)


def _add_zones(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--zones", type=Path, metavar="FILE", help="where motion counts: JSON, as in the settings"
    )
    parser.add_argument(
        "--objects",
        type=_object_kinds,
        default="person,animal,vehicle",
        metavar="KINDS",
        help="what counts: person, animal, vehicle, separated by commas (default: all)",
    )


def _object_kinds(text: str) -> tuple[ObjectKind, ...]:
    from veroallarme_core.contract import parse_object_kinds

    try:
        return parse_object_kinds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
