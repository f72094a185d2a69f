"""No option takes a number that is not finite, or that nobody can mean."""

import click
import pytest
from click.testing import CliRunner

from hiprobe.cli.app import app
from hiprobe.cli.option_types import Number, Whole


def commands(group: click.Command, path: tuple[str, ...] = ()):
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, (*path, name))
    else:
        yield path, group


NUMERIC = [
    (path, option)
    for path, command in commands(app)
    for option in command.params
    if isinstance(option, click.Option) and isinstance(option.type, (Number, Whole))
]


def test_every_numeric_option_is_of_the_two_types() -> None:
    others = (type(click.INT), type(click.FLOAT), click.IntRange, click.FloatRange)
    found = [
        (path, option.name)
        for path, command in commands(app)
        for option in command.params
        if isinstance(option.type, others) and not isinstance(option, click.Argument)
        and not getattr(option, "is_flag", False) and not getattr(option, "count", False)
    ]  # fmt: skip
    assert not found
    assert len(NUMERIC) > 25


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "1e308", "9" * 5000, "x", ""])
@pytest.mark.parametrize(
    ("path", "option"),
    NUMERIC,
    ids=lambda v: getattr(v, "name", "-".join(v) if isinstance(v, tuple) else v),
)
def test_a_number_that_cannot_be_meant_is_refused(path, option, text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is not a (whole )?number (from|above) "):
        option.type.convert(text, option, None)


def test_the_message_states_the_range() -> None:
    result = CliRunner().invoke(app, ["cache", "prune", "--max-gb", "inf"])
    assert result.exit_code == 2
    assert "'inf' is not a number from 0 to 1e+06" in result.output


def test_ends_of_a_range() -> None:
    assert Number(0, 1, low_open=True).convert("1", None, None) == 1.0
    assert Number(0, 1).convert("0", None, None) == 0.0
    assert Whole(1, 3).convert("3", None, None) == 3
    for kind, text in (
        (Number(0, 1, low_open=True), "0"),
        (Whole(1, 3), "4"),
        (Whole(1, 3), "1.0"),
    ):
        with pytest.raises(click.BadParameter):
            kind.convert(text, None, None)
