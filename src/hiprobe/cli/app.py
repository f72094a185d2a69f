"""The `hiprobe` group: its commands, and what all of them share (errors, exit codes)."""

from __future__ import annotations

from typing import Any, NoReturn

import click

from hiprobe import __version__
from hiprobe.cli.backbones import backbones
from hiprobe.cli.bench import bench
from hiprobe.cli.cache import cache
from hiprobe.cli.calibrate import calibrate
from hiprobe.cli.console import echo
from hiprobe.cli.correct import correct
from hiprobe.cli.data import data
from hiprobe.cli.demo import demo
from hiprobe.cli.detect import detect
from hiprobe.cli.doctor import doctor
from hiprobe.cli.evaluate import command as evaluate
from hiprobe.cli.events import events
from hiprobe.cli.extract import extract
from hiprobe.cli.fit import fit
from hiprobe.cli.info import info
from hiprobe.cli.labels import labels
from hiprobe.cli.layers import layers
from hiprobe.cli.plan import plan
from hiprobe.cli.process import exit_code_of, plain_warnings, signals_stop
from hiprobe.cli.reproduce import reproduce
from hiprobe.cli.review import review
from hiprobe.cli.zero_label import zero_label
from hiprobe.errors import HiProbeError
from hiprobe.failures import FULL, storage_error
from hiprobe.names import hide_credentials, shown, shown_lines
from hiprobe.store.atomic import remove_open


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      hiprobe completion bash >> ~/.bashrc
      hiprobe completion zsh >> ~/.zshrc
      hiprobe completion fish > ~/.config/fish/completions/hiprobe.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:  # the choice above names only shells that click knows
        raise click.UsageError(f"no completion for {shell}")
    # Not source(): it would start bash only to look at its version.
    script = found(app, {}, "hiprobe", "_HIPROBE_COMPLETE")
    click.echo(script.source_template % script.source_vars())


def refuse_repeats(
    command: click.Command, name: str | None, words: list[str], *, parent: click.Context
) -> None:
    """Refuse an option with one value that stands twice among the words of a command.

    Flags may be repeated, and so may options that collect their values. Words that cannot be read
    are left to the command itself, which says what is wrong with them.

    Raises:
        click.UsageError: an option stands there twice.
    """
    ctx = command.context_class(command, info_name=name, parent=parent)
    try:
        _, rest, order = command.make_parser(ctx).parse_args(args=list(words))
    except click.UsageError:
        return
    given = [p for p in order if isinstance(p, click.Option)]
    for option in given:
        takes_one = not (option.multiple or option.count or option.is_flag)
        if takes_one and given.count(option) > 1:
            raise click.UsageError(
                f"{option.opts[-1]} is given {given.count(option)} times, and takes one value; "
                "give it once",
                ctx,
            )
    if isinstance(command, click.Group) and rest:
        found = command.get_command(ctx, rest[0])
        if found is not None:
            refuse_repeats(found, rest[0], rest[1:], parent=ctx)


class Commands(click.Group):
    """A group that turns errors raised on purpose into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; see the exit codes in `hiprobe.errors`."""
        try:
            with plain_warnings(), signals_stop():
                return super().invoke(ctx)
        except click.ClickException as error:  # click quotes what it was given
            vars(error)["message"] = hide_credentials(error.message)
            raise
        except HiProbeError as error:
            _end(ctx, str(error), error.exit_code)
        except click.UsageError as error:  # a name that a shell's pattern gave is in its words
            said = error.format_message()
            # The original is raised where it can be: click prints the usage line of its command.
            if shown_lines(said) == said:
                raise
            raise click.UsageError(shown_lines(said), error.ctx) from error
        except KeyboardInterrupt as stop:
            remove_open()
            told = str(stop) or "interrupted: run the same command again to resume"
            echo(told, err=True)
            ctx.exit(exit_code_of(stop))
        except OSError as error:
            if error.errno in FULL:
                full = storage_error(error.filename or "the results", error)
                _end(ctx, str(full), full.exit_code)
            # Without a file there is nothing that a user could mend; the traceback is of more use.
            if error.filename is None:
                raise
            where = f"{shown(error.filename)}: {error.strerror}; check the path and its permissions"
            _end(ctx, where, HiProbeError.exit_code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; an option with one value that is given twice is refused.

        Raises:
            click.UsageError: there is no such command, or an option is given twice.
        """
        name, found, words = super().resolve_command(ctx, args)
        # A shell that completes a half-typed line parses it too, and must not be refused.
        if found is not None and not ctx.resilient_parsing:
            refuse_repeats(found, name, words, parent=ctx)
        return name, found, words

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order in which a user meets them; click would sort them by name."""
        return list(self.commands)


def _end(ctx: click.Context, message: str, exit_code: int) -> NoReturn:
    echo(f"error: {message}", err=True)
    ctx.exit(exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hiprobe")
def app() -> None:
    """Find abnormal events in video from a handful of labelled clips.

    A ready-made video-language model turns each second of video into numbers; HiProbe learns from
    your clips which numbers mean "unusual".

    \b
    Examples:
      hiprobe demo
      hiprobe fit clips/ -o my-probe
      hiprobe detect my-probe camera.mp4 --out results/
    """


for command in (
    fit,
    detect,
    calibrate,
    review,
    events,
    correct,
    labels,
    layers,
    extract,
    plan,
    evaluate,
    data,
    reproduce,
    zero_label,
    info,
    doctor,
    bench,
    backbones,
    cache,
    demo,
    completion,
):
    app.add_command(command)
