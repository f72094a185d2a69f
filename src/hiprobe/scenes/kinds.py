"""The kinds of scenes, their labels, and the seeds that training and demonstration may use."""

from __future__ import annotations

from hiprobe.errors import UsageError

TRAINING_NORMAL = (
    "empty", "person_walking", "people_walking", "crowd_walking", "standing", "talking", "running",
    "cycling", "vehicles_passing", "parked_car", "door_opening", "light_change", "camera_shake",
    "waving", "picking_up", "camera_pan",
)  # fmt: skip
TRAINING_ANOMALOUS = (
    "fight", "brawl", "push", "chase", "fall", "beating_down", "vehicle_collision",
    "vehicle_crash_single", "pedestrian_hit", "fire", "smoke", "explosion", "throwing",
)  # fmt: skip
DEMO_NORMAL = ("corridor_patrol", "courtyard_stroll", "kiosk_queue")
DEMO_ANOMALOUS = ("corridor_scuffle", "courtyard_tumble", "kiosk_flames")

TRAINING_KINDS = TRAINING_NORMAL + TRAINING_ANOMALOUS
DEMO_KINDS = DEMO_NORMAL + DEMO_ANOMALOUS
TRAINING_SEEDS = range(0, 1_000_000)
DEMO_SEEDS = range(1_000_000, 2**31)


def label_of(kind: str) -> int:
    """0 for a normal kind, 1 for an anomalous one.

    Raises:
        UsageError: the kind is unknown.
    """
    if kind not in TRAINING_KINDS + DEMO_KINDS:
        raise UsageError(
            f"unknown scene kind {kind!r}; choose one of {', '.join(TRAINING_KINDS + DEMO_KINDS)}"
        )
    return int(kind in TRAINING_ANOMALOUS + DEMO_ANOMALOUS)


def check_seed(kind: str, seed: int) -> None:
    """Keep training and demonstration apart: each kind has its own range of seeds.

    Raises:
        UsageError: the seed belongs to the other range.
    """
    label_of(kind)
    allowed = TRAINING_SEEDS if kind in TRAINING_KINDS else DEMO_SEEDS
    if seed not in allowed:
        raise UsageError(
            f"seed {seed} is not for the kind {kind!r}; take one in "
            f"[{allowed.start}, {allowed.stop})"
        )
