"""A package that HiProbe knows nothing of adds scorers and a layer rule, in one file."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_states import write_clip_folder, write_untrimmed
from click.testing import CliRunner
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neural_network import MLPClassifier

from hiprobe.cli.app import app
from hiprobe.cli.fit import LAYER_RULE_NAMES, SCORER_NAMES
from hiprobe.cli.fit_clips import HEADS
from hiprobe.errors import ProbeFolderError, UsageError
from hiprobe.probe import Probe
from hiprobe.probe.selection import LAYER_RULES
from hiprobe.scorer import make_scorer
from hiprobe.scorer_names import SCORERS
from hiprobe.store.states_file import read_states

MODULE = '''
import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as LDA


class NearestMean:
    """Not linear in its probability; taken apart into two arrays."""

    def __init__(self, sharpness=1.0):
        self.sharpness = sharpness

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == c].mean(axis=0) for c in self.classes_])
        return self

    def predict_proba(self, X):
        away = np.linalg.norm(X[:, None] - self.means_, axis=2)
        return away[:, ::-1] ** self.sharpness / (away**self.sharpness).sum(axis=1, keepdims=True)

    def to_arrays(self):
        return {"means": self.means_, "sharpness": np.array(self.sharpness)}

    def from_arrays(self, arrays):
        found = NearestMean(float(arrays["sharpness"]))
        found.classes_, found.means_ = np.array([0, 1]), arrays["means"]
        return found


def widest_gap(clips):
    means = [clips.vectors[clips.labels == c].mean(axis=0) for c in (0, 1)]
    return clips.layers[int(np.argmax(np.linalg.norm(means[1] - means[0], axis=1)))]
'''

ENTRY_POINTS = """
[hiprobe.scorers]
lda = strange_scorers:LDA
nearest-mean = strange_scorers:NearestMean
broken = strange_scorers:nothing_here
logistic = strange_scorers:NearestMean

[hiprobe.layer_rules]
widest-gap = strange_scorers:widest_gap
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    about = folder / "strange_scorers-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "strange_scorers.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-scorers\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "strange_scorers", raising=False)
    return folder


def run(*arguments: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_the_names_in_the_help_are_those_of_the_registries() -> None:
    assert (*SCORERS.names(), HEADS) == SCORER_NAMES
    assert LAYER_RULES.names() == LAYER_RULE_NAMES


@pytest.mark.parametrize("scorer", ["lda", "nearest-mean"])
def test_its_names_work_on_the_command_line(scorer: str, package: Path, tmp_path: Path) -> None:
    clips, video = write_clip_folder(tmp_path / "clips"), tmp_path / "video.safetensors"
    probe, start = tmp_path / "probe", write_untrimmed(video)[0]
    output = run("fit", clips, "-o", probe, "--scorer", scorer, "--layer", "widest-gap")
    assert "layers 3" in output
    settings = json.loads((probe / "probe.json").read_text())["settings"]
    assert (settings["scorer"], settings["layer"]) == (scorer, "widest-gap")
    run("detect", probe, video, "-o", tmp_path / "results", "--format", "json")
    (event,) = json.loads((tmp_path / "results" / "video.json").read_text())["events"]
    assert abs(event["start_seconds"] - start) <= 1
    more = write_clip_folder(tmp_path / "more", clips_per_class=2, seed=5)
    assert "4 clips added" in run("fit", more, "--add", probe)
    assert Probe.load(probe).get_params()["scorer"] == scorer


def test_it_works_from_python_and_inside_every_fold(package: Path, tmp_path: Path) -> None:
    from strange_scorers import NearestMean  # type: ignore[import-not-found]

    run("fit", write_clip_folder(tmp_path / "clips"), "-o", tmp_path / "first")
    clips = Probe.load(tmp_path / "first").examples()
    write_untrimmed(tmp_path / "video.safetensors")
    video = read_states(tmp_path / "video.safetensors").states["last"]
    for scorer in ("lda", LinearDiscriminantAnalysis(), NearestMean(2.0), "nearest-mean"):
        probe = Probe(scorer=scorer, layer="cv").fit(clips)
        assert set(probe.mode_table_) == {"clip", "segment_mean", "segment", "mil"}
        assert set(probe.fold_layers_) == {3} and (probe.cv_auc_ or 0) > 0.9
        probe.save(tmp_path / "probe")
        again = Probe.load(tmp_path / "probe")
        np.testing.assert_array_equal(again.score(video), probe.score(video))
    views = Probe(scorer="lda").fit_views([clips, clips])
    assert len(views.view_table_) == 2 and views.layer_ == 3


def test_a_linear_one_is_saved_as_arrays_and_scores_without_its_package(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    x = rng.normal(size=(30, 2, 5)) + y[:, None, None]
    for name in ("lda", "nearest-mean"):
        Probe(scorer=name, layer=1).fit(x, y).save(tmp_path / name)
    expected = Probe.load(tmp_path / "lda").predict_proba(x)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(package)])
    alone = Probe.load(tmp_path / "lda")
    np.testing.assert_array_equal(alone.predict_proba(x), expected)
    with pytest.raises(UsageError, match="'lda' is unknown"):
        alone.fit(x, y)
    with pytest.raises(ProbeFolderError, match="'nearest-mean', which is not installed"):
        Probe.load(tmp_path / "nearest-mean")


def test_probabilities_of_a_linear_one_are_its_own() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = rng.normal(size=(40, 5)) * 3 + y[:, None] + 7
    fitted = make_scorer(LinearDiscriminantAnalysis(), standardise=False).fit(x, y)
    expected = LinearDiscriminantAnalysis().fit(x, y).predict_proba(x)[:, 1]
    assert fitted.kind == "linear"
    np.testing.assert_allclose(fitted.probability(x), expected, atol=1e-12)


def test_what_cannot_be_saved_is_refused_and_still_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = rng.normal(size=(40, 2, 5)) + y[:, None, None]
    network = MLPClassifier((4,), max_iter=2000, random_state=0)
    probe = Probe(scorer=network, folds=2).fit(x, y)
    assert probe.score(x, y) > 0.7
    with pytest.raises(UsageError, match=r"MLPClassifier cannot be saved: .* to_arrays"):
        probe.save(tmp_path / "probe")


def test_what_is_no_scorer_is_refused(package: Path, tmp_path: Path) -> None:
    clips = write_clip_folder(tmp_path / "clips", clips_per_class=3)
    assert "'forest' is not one of" in run("fit", clips, "--scorer", "forest", exit_code=2)
    assert "cannot be loaded" in run("fit", clips, "--scorer", "broken", exit_code=2)
    unknown = run("fit", clips, "--layer", "deepest", exit_code=2)
    assert "'deepest' is not a whole number from 1" in unknown
    with pytest.raises(UsageError, match="layer rule 'deepest' is unknown"):
        Probe(layer="deepest").fit(np.zeros((4, 1, 2)), [0, 0, 1, 1])
    with pytest.raises(UsageError, match="no classifier"):
        Probe(scorer=LinearDiscriminantAnalysis).fit(np.zeros((4, 1, 2)), [0, 0, 1, 1])
    assert type(SCORERS.get("logistic")).__name__ == "function"  # ours cannot be replaced
