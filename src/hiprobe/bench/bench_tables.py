"""What a run of the benchmark found, as tables: for its page, the terminal and the docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Part = Mapping[str, Any]


@dataclass(frozen=True)
class BenchTable:
    """One table.

    Attributes:
        title: heading.
        words: what is shown, and how it was measured.
        after: what follows from it.
    """

    title: str
    words: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    after: str = ""

    def markdown(self, *, level: int = 3) -> str:
        """With its heading, for a Markdown page."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts = [f"{'#' * level} {self.title}", self.words, table, self.after]
        return "\n\n".join(part for part in parts if part) + "\n"


def tables_of(document: Part) -> list[BenchTable]:
    """All tables of a document, in the order of its parts."""
    parts, made = document["parts"], []
    frames = parts.get("frames")
    made += [_extraction(part, frames) for part in parts.get("extraction", ())]
    made += [_end_to_end(part) for part in parts.get("end-to-end", ())]
    if parts.get("memory"):
        made.append(_memory(parts["memory"]))
    if parts.get("workers"):
        made.append(_workers(parts["workers"]))
    made += [_neighbour(part) for part in parts.get("neighbour", ())]
    if parts.get("large"):
        made.append(_large(parts["large"], document["product_flops"], document["gpu"]))
    return made


def plain_text(markdown: str) -> str:
    """A text of these tables without its few marks of Markdown, for terminals and pages."""
    # The longer mark first: it holds a pair of stars, which would otherwise be taken for bold.
    for mark in ("*l\\**", "l\\*"):
        markdown = markdown.replace(mark, "l*")
    return markdown.replace("**", "").replace("`", "")


def machine_line(document: Part) -> str:
    """Where and when a document was made, in one sentence."""
    machine, libraries = document["machine"], document["libraries"]
    cores = "1 core" if machine["cores"] == 1 else f"{machine['cores']} cores"
    threads = "1 thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
    named = ", ".join(f"{name} {version}" for name, version in libraries.items() if version)
    flags = " ".join(machine["flags"])
    busy = (
        f" **The machine was busy with other work** (load {machine['load']:.1f} on {cores}): times "
        "by the clock are longer than they would be alone; the processor's time holds."
        if machine["was_busy"]
        else ""
    )
    where = f"; {document['gpu']}" if document.get("gpu") else ""
    return (
        f"`{document['command']}`, {document['date']}, {document['minutes']:.1f} minutes, on "
        f"{machine['processor']} ({flags}), {cores}, {threads}{where}; Python "
        f"{document['python']}, {named}.{busy}"
    )


def _extraction(part: Part, frames: Part | None) -> BenchTable:
    weights = "random weights" if part["is_random"] else "its own weights"
    told = [f"*l\\** is layer {part['layer']} of {part['layer_count']}.", _product_words(part)]
    if part["flops"] is not None:
        told.append(f"A segment needs {part['flops'] / 1e12:.3g} TFLOP to *l\\**.")
    if part["difference"] is not None:
        told.append(
            "States of all layers were compared first, the same segment each way: the largest "
            f"distance is {part['difference']:.1g} of their length."
        )
    if frames is not None:
        told.append(
            f"The key frames of a segment come in {1e3 * frames['seconds']:.0f} ms, by the usual "
            f"reader ({frames['usual']}) in {1e3 * frames['usual_seconds']:.0f} ms."
        )
    count = len(part["ways"][0]["took"])
    turns = "1 turn" if count == 1 else f"{count} turns"
    return BenchTable(
        title=f"Extraction with {part['backbone']}",
        words=f"Seconds of a segment, {weights}, {part['dtype']} on {part['device']}: the median "
        f"of {turns}, each way once a turn on frames not seen before, and the range; then "
        "the processor's seconds, of all threads. The floor is the least that the operations take "
        "at the rate of a matrix product, which is measured in each turn: by the clock, and by the "
        "processor's time, in which other work on the machine hardly counts.",
        header=("way", "seconds", "range", "processor", "of the floor", "by processor", AGAINST),
        rows=tuple(_way_row(way, part) for way in part["ways"]),
        after=" ".join(told),
    )


# How many times longer the usual way takes: above 1 HiProbe's is the faster one.
AGAINST = "generate takes"


def _product_words(part: Part) -> str:
    told = f"A matrix product reached {part['product_flops'] / 1e12:.2f} TFLOP/s in the same turns"
    floors, deep = part["ways"][0]["floors"], part["flops"]
    # Without a floor the operations of a segment are not known, and neither is a rate in them.
    if part["device"] != "cpu" or not floors:
        return f"{told}."
    rate = deep / median(floor["processor_seconds"] for floor in floors)
    return f"{told}, {rate / 1e12:.2f} TFLOP in a second of the processor."


def _way_row(way: Part, part: Part) -> tuple[str, ...]:
    seconds = sorted(one["seconds"] for one in way["took"])
    shares = (way["share_of_floor"], way["processor_share_of_floor"])
    usual = next((w for w in part["ways"] if w["name"].startswith("generate")), None)
    # On a GPU the processor mostly waits, so its time says nothing of the work.
    kind = "processor_seconds" if part["device"] == "cpu" else "median_seconds"
    times = "-" if usual is None else f"{usual[kind] / max(way[kind], 1e-9):.2f}x"
    return (
        way["name"].replace("l*", f"{part['layer']}"),
        f"{way['median_seconds']:.3f}",
        f"{seconds[0]:.3f} to {seconds[-1]:.3f}",
        f"{way['processor_seconds']:.3f}",
        *("-" if share is None else f"{share:.2f}" for share in shares),
        times,
    )


def _end_to_end(part: Part) -> BenchTable:
    stages = part["stages"]
    total, used = (
        sum(stage[kind] for stage in stages.values()) for kind in ("seconds", "processor_seconds")
    )
    rows = [
        (
            name,
            f"{stage['seconds']:.2f}",
            f"{100 * stage['seconds'] / total:.0f}%",
            f"{stage['processor_seconds']:.2f}",
            f"{100 * stage['processor_seconds'] / max(used, 1e-9):.0f}%",
        )
        for name, stage in stages.items()
    ]
    return BenchTable(
        title=f"From file to events with {part['backbone']}",
        words=f"A video of {part['video_seconds']:.0f} s, {part['segments']} segments, read to "
        f"layer {part['layer']}; each stage by itself. Opening is that of the whole "
        "command, from its start to the end of one segment, less that segment's own stages.",
        header=("stage", "seconds", "share", "processor", "share of it"),
        rows=tuple(rows),
        after=f"All stages but opening took {part['together']['seconds']:.2f} s together "
        f"({part['together']['processor_seconds']:.2f} of the processor), "
        f"{part['real_time_factor']:.1f} times the playback speed. The slower of frames and model "
        f"alone is {part['share_of_slower']:.2f} of that; {100 * part['overlap']:.0f}% of the "
        "quicker one passes while the other works.",
    )


def _memory(parts: Sequence[Part]) -> BenchTable:
    rows = [
        (
            f"{part['minutes']:g} min",
            # Results of earlier versions do not have it.
            f"{part['held_bytes'] / 1e6:.0f} MB" if "held_bytes" in part else "not measured",
            f"{part['peak_bytes'] / 1e6:.0f} MB",
            f"{part['state_bytes'] / 1e6:.2f} MB",
            f"{part['seconds']:.1f} s",
        )
        for part in parts
    ]
    return BenchTable(
        title="Memory against length",
        words="Memory of a process that finds the events of a looped video, with a backbone that "
        "takes no time and no memory: what is measured is everything around the model. Held is the "
        "most that it has for itself; resident are pages of files too, which the system takes back "
        "when others need them. The states of one layer, 576 wide, are kept until the video is "
        "done, beyond 32 MB in a file.",
        header=("length", "held", "resident", "states", "time"),
        rows=tuple(rows),
    )


def _workers(parts: Sequence[Part]) -> BenchTable:
    first = parts[0]["seconds"]
    rows = [
        (
            str(part["workers"]),
            str(part["threads"]),
            f"{part['seconds']:.1f}",
            f"{first / part['seconds']:.2f}x",
        )
        for part in parts
    ]
    alone = next((p for p in parts if (p["workers"], p["threads"]) == (1, 1)), None)
    most = max(parts, key=lambda p: p["workers"])
    after = ""
    if alone is not None and most["workers"] > 1:
        times = alone["seconds"] / most["seconds"]
        after = f"{most['workers']} workers are {times:.2f} times one of a single thread."
    return BenchTable(
        title=f"Workers with {parts[0]['backbone']}",
        words=f"{parts[0]['clips']} clips, from open backbones to the last state.",
        header=("workers", "threads of each", "seconds", "against the first"),
        rows=tuple(rows),
        after=after,
    )


def _neighbour(part: Part) -> BenchTable:
    return BenchTable(
        title=f"Beside a busy neighbour with {part['backbone']}",
        words=f"{part['busy_processes']} processes that do nothing but turn, one for each core; "
        "half the rate would be fair.",
        header=("", "segments a second"),
        rows=(("alone", f"{part['alone']:.2f}"), ("beside", f"{part['beside']:.2f}")),
        after=f"Beside them the rate is {part['share']:.2f} of that alone.",
    )


def _large(rows: Sequence[Part], product_flops: float, gpu: str) -> BenchTable:
    header = (
        *("model", "to layer", "together", "positions", "weights, GB", "peak, GB", "segments/s"),
        *("frames, s", "TFLOP", "of the floor", "batched", "stopped"),
    )
    return BenchTable(
        title="Full-size models on a GPU",
        words="bfloat16, random weights. The floor is the rate of a plain matrix product on the "
        f"same GPU in the same run ({product_flops / 1e12:.0f} TFLOP/s, {gpu}). Times include what "
        "the processor does to frames (column frames, seconds of a segment). The last two columns "
        "are distances of states, as shares of their length: of a batch from a segment alone, and "
        "of a pass that stops at *l\\** from a whole one.",
        header=header,
        rows=tuple(_large_row(row) for row in rows),
    )


def _large_row(row: Part) -> tuple[str, ...]:
    batch, cut = row["batch_distance"], row["cut_distance"]
    return (
        row["backbone"],
        str(row["layer"]),
        str(row["batch"]),
        str(row["positions"]),
        f"{row['weights_bytes'] / 1e9:.1f}",
        f"{row['peak_bytes'] / 1e9:.1f}",
        f"{row['segments_a_second']:.2f}",
        f"{row['preparing_seconds']:.3f}",
        f"{row['flops'] / 1e12:.1f}",
        f"{row['share_of_floor']:.0%}",
        "-" if batch is None else f"{batch:.1g}",
        "-" if cut is None else f"{cut:.1g}",
    )
