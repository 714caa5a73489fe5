"""The build half, with the real embedding model: what is done, what is not done again, what a crash leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.building import build, fingerprint, fit_folder
from app.embedding_cache import EmbeddingCache
from app.embedding_model import PACKAGED, EmbeddingModel
from app.encoder import OnnxEncoder
from app.errors import (
    ContentError,
    IndexDamaged,
    IndexMissing,
    IndexOutOfDate,
    IndexUnusable,
    ModelUnusable,
    QuestionsUnusable,
)
from app.manifest import CURRENT, MANIFEST_FILE, Manifest
from app.serving_index import ENCODER_FOLDER, ServingIndex
from app.settings import PROJECT, Settings
from tests.conftest import MINILM
from tests.corpora import scenario_path, scenario_text, write_questions


def environment(settings: Settings) -> dict[str, str]:
    """That of a process of its own with these settings."""
    return {
        **os.environ,
        "SCENARIOS_CONTENT_DIR": str(settings.content_dir),
        "SCENARIOS_INDEX_DIR": str(settings.index_dir),
        "SCENARIOS_MODEL": settings.model,
    }


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_build_embeds_with_sentence_transformers_and_serves_the_same_embeddings(small: Settings) -> None:
    manifest = build(small).manifest
    index = ServingIndex.load(small.index_dir)
    encoder = OnnxEncoder.load(small.index_dir / CURRENT / ENCODER_FOLDER)
    texts = ["406 Not Acceptable", "how do I handle sourdough", "long " * 600]
    original = EmbeddingCache(small.index_dir / "other-cache", EmbeddingModel.find(small.model)).embed(
        texts, report=lambda _: None
    )
    # The exported weights have 8 bits each; alone or in a batch a text has the same embedding.
    assert (encoder.encode(texts) * original).sum(axis=1).min() > 0.995
    np.testing.assert_allclose(encoder.encode(texts[:1]), encoder.encode(texts)[:1], atol=0.01)
    assert manifest.scenarios == len(index.scenarios) == 3
    assert manifest.model.sha256 == PACKAGED[MINILM].sha256
    assert index.retriever.search("my knife is dull").candidates[0].scenario_id == 2


def test_a_build_twice_from_nothing_gives_the_same_bytes(small: Settings) -> None:
    write_questions(small.content_dir)
    files = []
    for _ in range(2):
        name = build(small, force=True).manifest.fingerprint
        files.append(
            {name: record.sha256 for name, record in Manifest.load(small.index_dir / name).files.items()}
        )
        for cached in (small.index_dir / ".cache").rglob("embeddings.npz"):
            cached.unlink()
    assert files[0] == files[1]
    assert {"ranker.npz", "calibration.json", "familiarity.npz", "vectors.faiss"} <= files[0].keys()


def test_other_labelled_questions_or_accepted_errors_make_another_build(small: Settings) -> None:
    write_questions(small.content_dir)
    model = EmbeddingModel.find(small.model)
    before = fingerprint(small, model)
    assert fingerprint(small.model_copy(update={"accepted_refusals": 0.5}), model) != before
    assert fingerprint(small.model_copy(update={"accepted_wrong_answers": 0.5}), model) != before
    assert fingerprint(small.model_copy(update={"answer_confidence": 0.5}), model) == before
    test_questions = fit_folder(small).parent / "test" / "in_scope.jsonl"
    test_questions.write_text("", encoding="utf-8")
    assert fingerprint(small, model) == before
    (fit_folder(small) / "in_scope.jsonl").write_text('{"text": "dull blade", "ok": [2]}\n', encoding="utf-8")
    assert fingerprint(small, model) != before


def test_a_bad_labelled_question_stops_the_build_by_file_and_line(small: Settings) -> None:
    write_questions(small.content_dir)
    path = fit_folder(small) / "in_scope.jsonl"
    path.write_text('{"text": "dull blade"}\n', encoding="utf-8")
    with pytest.raises(QuestionsUnusable, match=r"in_scope\.jsonl:1: ok: Field required; correct the line"):
        build(small)
    assert names(small.index_dir) == set()


def test_nothing_changed_means_nothing_is_done(small: Settings) -> None:
    first = build(small)
    before = {path: path.stat().st_mtime_ns for path in small.index_dir.rglob("*")}
    said: list[str] = []
    second = build(small, said.append)
    assert (first.fresh, second.fresh) == (True, False)
    assert said == []
    assert {path: path.stat().st_mtime_ns for path in small.index_dir.rglob("*")} == before


def test_after_an_edit_only_the_new_texts_are_embedded(small: Settings) -> None:
    build(small)
    path = scenario_path(small.content_dir, 2)
    path.write_text(
        path.read_text().replace("how do I handle knife", "my cleaver has a chip"), encoding="utf-8"
    )
    said: list[str] = []
    manifest = build(small, said.append).manifest
    assert f"1 of {manifest.texts} texts to embed" in said
    assert ServingIndex.load(small.index_dir).manifest.fingerprint == manifest.fingerprint


def test_the_last_build_is_kept_and_going_back_costs_nothing(small: Settings) -> None:
    path = scenario_path(small.content_dir, 2)
    original = path.read_text(encoding="utf-8")
    fingerprints = [build(small).manifest.fingerprint]
    for way in ("first edit of it", "second edit of this"):
        path.write_text(original.replace("how do I handle knife", way), encoding="utf-8")
        fingerprints.append(build(small).manifest.fingerprint)
    assert names(small.index_dir) == {CURRENT, *fingerprints[1:]}
    path.write_text(original.replace("how do I handle knife", "first edit of it"), encoding="utf-8")
    said: list[str] = []
    assert build(small, said.append).manifest.fingerprint == fingerprints[1]
    assert said == []
    assert (small.index_dir / CURRENT).readlink() == Path(fingerprints[1])


CRASH = """
import os, sys
from pathlib import Path
from app import building, index_writer
from app.settings import Settings
def crash(*arguments): os._exit(9)
step = sys.argv[1]
setattr(building if hasattr(building, step) else index_writer, step, crash)
building.build(Settings.from_environment())
"""


@pytest.mark.parametrize("step", ["fit", "save_ranking", "records_of", "_sync", "_point_to", "_remove_old"])
def test_a_crash_leaves_a_whole_index_and_the_next_build_clears_up(small: Settings, step: str) -> None:
    old = build(small).manifest.fingerprint
    path = scenario_path(small.content_dir, 2)
    path.write_text(scenario_text(2, **{"Check it": "Cut a tomato."}), encoding="utf-8")
    command = [sys.executable, "-c", CRASH, step]
    assert subprocess.run(command, cwd=PROJECT, env=environment(small), check=False).returncode == 9
    served = ServingIndex.load(small.index_dir).manifest.fingerprint
    assert (served == old) == (step != "_remove_old")
    new = build(small).manifest.fingerprint
    assert ServingIndex.load(small.index_dir).manifest.fingerprint == new != old
    assert list(small.index_dir.glob(".building-*")) == []


def test_two_builds_at_once_make_one_index(small: Settings) -> None:
    code = (
        "from app.building import build; from app.settings import Settings; "
        "print(build(Settings.from_environment()).fresh)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=PROJECT,
            env=environment(small),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert sorted(process.communicate()[0].strip() for process in running) == ["False", "True"]
    ServingIndex.load(small.index_dir)


def test_broken_content_changes_nothing(small: Settings) -> None:
    old = build(small).manifest.fingerprint
    scenario_path(small.content_dir, 1).write_text("nothing", encoding="utf-8")
    with pytest.raises(ContentError, match=r"001-sourdough\.md:1: no front matter"):
        build(small)
    assert ServingIndex.load(small.index_dir).manifest.fingerprint == old


def _truncate(folder: Path) -> None:
    vectors = folder / "vectors.faiss"
    vectors.write_bytes(vectors.read_bytes()[:-1])


def _flip(folder: Path) -> None:
    vectors = folder / "vectors.faiss"
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)


def _no_encoder(folder: Path) -> None:
    (folder / ENCODER_FOLDER / "tokenizer.json").unlink()


def _no_manifest(folder: Path) -> None:
    (folder / MANIFEST_FILE).unlink()


def _half_manifest(folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text('{"format": 1', encoding="utf-8")


def _old_format(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest | {"format": 0}), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (_truncate, IndexDamaged),
        (_flip, IndexDamaged),
        (_no_encoder, IndexDamaged),
        (_no_manifest, IndexMissing),
        (_half_manifest, IndexDamaged),
        (_old_format, IndexOutOfDate),
    ],
)
def test_an_unusable_index_is_refused_with_the_remedy_and_a_build_mends_it(
    small: Settings, harm: object, error: type[IndexUnusable]
) -> None:
    build(small)
    assert callable(harm)
    harm(small.index_dir / CURRENT)
    with pytest.raises(error, match="run scripts/build_index"):
        ServingIndex.load(small.index_dir)
    build(small)
    assert ServingIndex.load(small.index_dir).scenarios.keys() == {1, 2, 11}


def test_files_of_two_builds_are_refused(small: Settings) -> None:
    build(small)
    folder = small.index_dir / CURRENT
    manifest = Manifest.load(folder)
    encoder = OnnxEncoder.load(folder / ENCODER_FOLDER)
    with pytest.raises(IndexDamaged, match="of different builds"):
        ServingIndex.open(folder, manifest.model_copy(update={"texts": manifest.texts + 1}), encoder)


def test_no_index_at_all_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match=r"no index at .*; run scripts/build_index"):
        ServingIndex.load(tmp_path)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """The packaged model as a folder of one's own, by links."""
    folder = tmp_path / "model"
    source = Path(EmbeddingModel.find(MINILM).unpacked(tmp_path / "not needed"))
    for path in source.rglob("*"):
        target = folder / path.relative_to(source)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    return folder


def test_a_model_may_be_a_folder(small: Settings, model_folder: Path) -> None:
    model = EmbeddingModel.find(str(model_folder))
    assert model.sha256 == PACKAGED[MINILM].sha256
    assert model.reference == str(model_folder)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"holds none of model\.safetensors, pytorch_model\.bin"):
        EmbeddingModel.find(str(tmp_path))


def test_a_hub_id_that_cannot_be_reached_names_the_setting(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    wanted = Settings(content_dir=small.content_dir, index_dir=small.index_dir, model="nobody/no-such-model")
    with pytest.raises(
        ModelUnusable, match=r"(?s)'nobody/no-such-model' cannot be loaded.*set SCENARIOS_MODEL"
    ):
        build(wanted)
