"""`hiprobe review`: look at events in the browser, judge them, and refit the probe on that."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli.console import echo, say
from hiprobe.cli.option_types import LocalPath, Whole
from hiprobe.cli.session import SessionOptions
from hiprobe.errors import UsageError
from hiprobe.settings import cache_folder, review_password

if TYPE_CHECKING:
    from hiprobe.backbones.interface import Backbone
    from hiprobe.review.library import Library
    from hiprobe.review.server.serve import ServeOptions
    from hiprobe.review.server.words_of_model import LazyModel

# What the extra `review` brings; without it this command alone cannot run.
_NEEDED = ("fastapi", "uvicorn")


@click.command()
@click.argument(
    "results",
    nargs=-1,
    required=True,
    type=LocalPath(exists=True, file=False),
    metavar="RESULTS...",
)
@click.option(
    "--probe",
    type=LocalPath(exists=True, file=False),
    metavar="PROBE",
    help="Folder of the probe that gave the results, to refit it and to ask its model [default: "
    "the one of the last review of these results].",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=Whole(0, 65535),
    default=0,
    help="Port to listen at [default: any that is free].",
)
@click.option(
    "--password-file",
    type=LocalPath(exists=True, folder=False),
    metavar="FILE",
    help="People who may log in, one line name:role:password each; roles are viewer, reviewer and "
    "admin. Needed beyond this machine, unless HIPROBE_REVIEW_PASSWORD holds a password for admin.",
)
@click.option(
    "--trust-header",
    metavar="NAME",
    help="Header in which a reverse proxy names the person that it has checked. Roles come from "
    "--password-file, whose lines may then be name:role; whom it does not name is a viewer.",
)
@click.option(
    "--trust-from",
    multiple=True,
    metavar="ADDRESS",
    help="Address of the proxy, from which alone that header is believed; may be given several "
    "times [default: this machine].",
)
@click.option(
    "--known-as",
    multiple=True,
    metavar="NAME",
    help="Name under which the page is opened, as behind a proxy; may be given several times.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
def review(
    results: tuple[Path, ...],
    probe: Path | None,
    host: str,
    port: int,
    password_file: Path | None,
    trust_header: str | None,
    trust_from: tuple[str, ...],
    known_as: tuple[str, ...],
    no_browser: bool,
) -> None:
    """Review events in the browser: see, judge, teach, export.

    Opens a page on this machine with all events of one or more folders that `detect` wrote with
    --format json. Labels are kept in hiprobe-review.sqlite in the first of them. Ends with Ctrl-C.

    \b
    Examples:
      hiprobe review results/ --probe my-probe
      hiprobe review monday/ tuesday/ --no-browser
      hiprobe review results/ --host 0.0.0.0 --port 8080 --password-file people.txt
      hiprobe review results/ --port 8080 --trust-header X-User --known-as cameras.example
    """
    # Looked up and not imported: if one of them is there and broken, its own error says more.
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"the review needs {' and '.join(missing)}, which come with an extra; run: "
            "pip install 'hiprobe[review]'"
        )
    from hiprobe.review.library import Library
    from hiprobe.review.server.serve import ServeOptions

    options = ServeOptions(
        host=host,
        port=port,
        password_file=password_file,
        password=review_password(),
        proxy_user_header=trust_header,
        proxy_addresses=frozenset(trust_from),
        names=frozenset(known_as),
    )
    try:
        with Library.open(results, probe=probe) as library:
            _serve(library, options, browser=not no_browser)
    except KeyboardInterrupt as stop:
        # Ctrl-C is the usual way to end a server, not an interruption.
        stop.args = ("the review has ended; what was labelled is kept",)
        raise


def _serve(library: Library, options: ServeOptions, *, browser: bool) -> None:
    from hiprobe.review.exports import LibraryExports
    from hiprobe.review.server.desk import Desk
    from hiprobe.review.server.jobs import Jobs
    from hiprobe.review.server.media import MediaCache
    from hiprobe.review.server.review_app import make_app
    from hiprobe.review.server.serve import address_of, listen, serve
    from hiprobe.review.teach import Teacher

    access, token = options.access()
    with ExitStack() as at_end:
        listening = at_end.enter_context(listen(options))
        # In this order the socket is closed last: no browser is cut off while jobs end.
        jobs = Jobs(on_failure=_tell_of)
        at_end.callback(jobs.close)
        desk = Desk(
            access=access,
            library=library,
            teacher=Teacher(library),
            exports=LibraryExports(library),
            model=_model_of(library),
            media=MediaCache(cache_folder() / "review"),
            jobs=jobs,
        )
        app = make_app(
            desk,
            hosts=options.hosts,
            any_address=not options.is_loopback,
            on_failure=_tell_of,
        )
        address = address_of(options, listening, token)
        serve(app, listening, ready=_announce(address, browser=browser))


def _announce(address: str, *, browser: bool) -> Callable[[], None]:
    def ready() -> None:
        echo(address)
        # The address alone on stdout, so that scripts can read it.
        say("open this address in a browser; Ctrl-C ends the review")
        if browser:
            import webbrowser

            webbrowser.open(address)

    return ready


def _model_of(library: Library) -> LazyModel:
    """The probe's own model, which is opened when somebody asks why; none without a probe."""
    from hiprobe.cli.session import open_for_probe
    from hiprobe.review.server.words_of_model import LazyModel

    in_use = library.in_use
    if in_use is None:
        return LazyModel(None)

    def opened() -> Backbone:
        # Whole, since it is asked for words; a cut backbone has none.
        return open_for_probe(in_use.probe, SessionOptions(quiet=True), whole=True).backbone

    return LazyModel(opened)


def _tell_of(error: Exception) -> None:
    """Print the traceback of an error that nobody expected, for a report to the developers."""
    say("".join(traceback.format_exception(error)))
