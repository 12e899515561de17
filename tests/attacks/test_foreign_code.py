"""Backbone configurations from strangers, in a file, in a run folder, on a hub: nothing of them is imported, fetched, or built unchecked.

Each table is a kind of attack, not the one that was found: every field that a constructor takes, every name that could be looked up.
"""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import open_clip
import pytest
import torch
from backbone_models import TEXT, VIT, config, timm_tower, write_model
from huggingface_hub import constants
from open_clip.coca_model import MultimodalCfg
from open_clip.model import CLIPTextCfg, CLIPVisionCfg

from taglens.backbones import configuration, openclip, sources, tokenizers
from taglens.backbones.openclip import load_backbone
from taglens.cli.main import main
from taglens.errors import BackboneError, RunError
from taglens.methods import method_config
from taglens.parallel import memory_here
from taglens.recognizer import Recognizer

CODE = "raise SystemExit('foreign code ran')"


@pytest.fixture(autouse=True)
def no_doors(monkeypatch):
    """Whatever builds, downloads or imports a tokenizer fails the test, unless the test opens that door."""

    def opened(*given, **options):
        raise AssertionError(f"a door was opened: {given} {options}")

    for name in ("download_pretrained", "download_pretrained_from_hf"):
        monkeypatch.setattr(sources, name, opened)
    monkeypatch.setattr(tokenizers, "HFTokenizer", opened)


@pytest.fixture
def shut(monkeypatch):
    """No constructor of a model may be called."""

    def built(*given, **options):
        raise AssertionError("a constructor was called")

    for name in ("CLIP", "CoCa", "CustomTextCLIP"):
        monkeypatch.setattr(openclip, name, built)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("vit"), config(VIT))[0]


def named(tmp_path, settings, weights=None):
    (tmp_path / "model.json").write_text(json.dumps(settings))
    return f"random:{tmp_path / 'model.json'}" if weights is None else f"{tmp_path / 'model.json'}:{weights}"


HOSTILE = [
    # the field, what a stranger writes there
    *[("vision_cfg", "timm_model_name", name) for name in ("hf-hub:evil/tower", "local-dir:/tmp/evil", "../x", "resnet50.a1", ["a"], 7)],
    *[("vision_cfg", "layers", value) for value in (3000, 0, -1, 10**30, [3, 4, 6], [3, 4, 6, 10**6], "12", True, 12.0, None)],
    *[("vision_cfg", "width", value) for value in (10**6, 0, -64, "64", 64.5)],
    *[("vision_cfg", "image_size", value) for value in (10**6, 0, [224], [224, 10**9], "224")],
    *[("vision_cfg", "head_width", value) for value in (0, -1, "os")],
    *[("vision_cfg", "patch_size", value) for value in (0, -3, [16, 16])],
    *[("vision_cfg", "mlp_ratio", value) for value in (10**9, -1, 0, "4")],
    *[("vision_cfg", "act_kwargs", value) for value in ({"inplace": True}, {"approximate": "os.system"}, "gelu", [1])],
    *[("vision_cfg", "norm_kwargs", value) for value in ({"device": "cuda"}, {"eps": "1"}, {"dtype": "x"})],
    *[("vision_cfg", name, "builtins.exec") for name in ("pool_type", "pos_embed_type", "block_type", "timm_pool", "timm_proj")],
    *[("vision_cfg", name, 10**9) for name in ("attn_pooler_queries", "attn_pooler_heads", "patch_dropout", "timm_drop", "ls_init_value")],
    *[("text_cfg", "hf_model_name", name) for name in ("evil/text", "/tmp/evil", "roberta-base")],
    *[("text_cfg", "tokenizer_kwargs", {name: True}) for name in ("trust_remote_code", "use_fast", "bpe_path", "code_revision", "x")],
    *[("text_cfg", "tokenizer_kwargs", value) for value in ({"clean": "exec"}, [], "x", {"strip_sep_token": 1})],
    *[("text_cfg", "tokenizer_mode", value) for value in ("eval", 1)],
    *[("text_cfg", "hf_tokenizer_name", value) for value in (7, ["a"], {"a": 1}, "a" * 1000)],
    *[("text_cfg", "layers", value) for value in (3000, [1, 1, 1, 1], 0)],
    *[("text_cfg", "width", value) for value in (10**6, 0)],
    *[("text_cfg", "heads", value) for value in (10**6, 0)],
    *[("text_cfg", "vocab_size", value) for value in (10**12, 0, "x")],
    *[("text_cfg", "context_length", value) for value in (10**6, 0)],
    *[("text_cfg", name, "x") for name in ("pad_id", "eos_id", "proj_type", "pool_type", "mlp_ratio")],
    *[(part, name, 1) for part in ("vision_cfg", "text_cfg", None) for name in ("__class__", "self", "cast_dtype", "output_dict", "new")],
    *[(None, "embed_dim", value) for value in (10**9, 0, "48", None)],
    *[(None, name, "x") for name in ("quick_gelu", "custom_text", "init_logit_scale", "init_logit_bias", "multimodal_cfg")],
    *[(None, part, value) for part in ("vision_cfg", "text_cfg") for value in ([], "os", 3, None)],
]


@pytest.mark.parametrize(("part", "name", "value"), HOSTILE, ids=[f"{part}.{name}={str(value)[:30]}" for part, name, value in HOSTILE])
def test_hostile_fields_reach_no_constructor_and_are_named(shut, tmp_path, part, name, value):
    settings = json.loads(json.dumps(config(VIT)))
    (settings if part is None else settings[part])[name] = value
    with pytest.raises(BackboneError) as refused:
        load_backbone(named(tmp_path, settings))
    message = str(refused.value)
    assert name in message
    assert "model.json" in message
    assert len(message) < 1500


def test_every_field_of_open_clip_is_decided():
    """A field that a later open_clip adds is refused until somebody looks at it; none here is misspelt."""
    vision, text = ({field.name for field in dataclasses.fields(kind)} for kind in (CLIPVisionCfg, CLIPTextCfg))
    assert set(configuration.VISION) <= vision
    assert set(configuration.TEXT) <= text
    assert text - set(configuration.TEXT) == {"hf_model_name", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"}
    assert vision == set(configuration.VISION)
    assert {field.name for field in dataclasses.fields(MultimodalCfg)} >= set(configuration._MULTIMODAL) - text


def test_what_open_clip_publishes_is_within_the_bounds():
    ours = []
    for name in open_clip.list_models():
        settings = open_clip.get_model_config(name)
        if settings["text_cfg"].get("hf_model_name"):  # which no method here could use either
            with pytest.raises(BackboneError, match="hf_model_name"):
                configuration.require_configuration(settings, {}, name)
        else:
            configuration.require_configuration(settings, {}, name)
            ours.append(name)
    assert len(ours) > 100


PREPROCESSING = [
    {"mean": [0, 0]},
    {"mean": ["a", 0, 0]},
    {"std": [0, 1, 1]},
    {"std": [1, 1, 10**400]},
    {"interpolation": "exec"},
    {"size": 10**9},
    {"loader": "os.system"},
    [],
    "x",
]


@pytest.mark.parametrize("preprocess", PREPROCESSING, ids=[str(value)[:30] for value in PREPROCESSING])
def test_hostile_preprocessing(shut, tmp_path, preprocess):
    with pytest.raises(BackboneError, match="preprocess_cfg"):
        load_backbone(named(tmp_path, {"model_cfg": config(VIT), "preprocess_cfg": preprocess}))


NAMES = ["local-dir:/tmp/evil", "local-dir:.", "/etc/passwd", "../../x", "hf_hub:a/b"]
SPECS = [f"random:{name}" for name in (*NAMES, "hf-hub:evil/model", "hf-hub:evil/model@main")] + [f"{name}/openai" for name in NAMES]


@pytest.mark.parametrize("spec", SPECS)
def test_names_with_a_scheme_of_open_clips_own_are_only_names(shut, tmp_path, spec, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config(VIT)}))
    monkeypatch.setattr("open_clip.factory._get_hf_config", lambda *given: pytest.fail("a hub was asked"))
    with pytest.raises(BackboneError, match="unknown backbone"):
        load_backbone(spec)


def huge(**changes):
    return config(VIT | {"width": 8192, "layers": 128, "head_width": 64} | changes)


def test_a_model_too_large_for_the_machine_is_refused_before_it_is_built(tmp_path):
    assert memory_here() is not None
    settings = huge() | {"text_cfg": TEXT | {"width": 8192, "layers": 128, "heads": 64}}
    with pytest.raises(
        BackboneError, match=r"describes a model of 2\d\d,\d{3},\d{3},\d{3} numbers \(8\d\d\.\d\d GB\), and this machine has"
    ):
        load_backbone(named(tmp_path, settings))


@pytest.mark.parametrize(
    "settings", [config(VIT | {"layers": 24, "width": 1024, "head_width": 64}), config(timm_tower("vit_base_patch16_224", "avg", ""))]
)
def test_a_model_larger_than_its_weights_file_is_refused_before_it_is_built(tmp_path, pair, settings):
    weights = pair.partition(".json:")[2]
    with pytest.raises(BackboneError, match=r"describes a model of [\d,]+ numbers .*, and its weights .* have [\d,]+ bytes"):
        load_backbone(named(tmp_path, settings, weights))


def test_a_picture_of_too_many_patches_is_refused(tmp_path):
    with pytest.raises(BackboneError, match="4,096 of them along a side, at most 256"):
        load_backbone(named(tmp_path, config(VIT | {"image_size": 4096, "patch_size": 1})))
    with pytest.raises(BackboneError, match="at most 256"):
        load_backbone(named(tmp_path, config(VIT | {"patch_size": 4})), image_size=4096)


def test_compressed_weights_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(50_000_000))
    with pytest.raises(BackboneError, match=r"are compressed, [\d,]+ bytes for 50,000,000"):
        load_backbone(named(tmp_path, config(VIT), tmp_path / "bomb.pt"))


@pytest.mark.parametrize("name", ["weights.npz", "weights.npy", "weights.pkl", "weights.py", "weights"])
def test_weights_of_other_kinds_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(10_000_000))
    with pytest.raises(BackboneError, match="of no kind that is read"):
        load_backbone(named(tmp_path, config(VIT), tmp_path / name))


# tokenizers


def tokenizer_folder(place, **files):
    place.mkdir(parents=True)
    for name, content in ({"tokenizer_config.json": "{}"} | files).items():
        (place / name).write_text(content)
    return place


EVIL_FOLDERS = {
    "code": {"tokenization.py": CODE},
    "a pickle": {"vocab.pkl": "x"},
    "a library": {"x.so": "x"},
    "a checkpoint": {"pytorch_model.bin": "x"},
    "a map to code": {"tokenizer_config.json": json.dumps({"auto_map": {"AutoTokenizer": "tokenization.Evil"}})},
    "a map to code elsewhere": {"config.json": json.dumps({"auto_map": {"AutoTokenizer": "other/repository--tokenization.Evil"}})},
    "no JSON": {"tokenizer_config.json": "{"},
}


@pytest.mark.parametrize("files", EVIL_FOLDERS.values(), ids=EVIL_FOLDERS)
def test_a_tokenizer_folder_with_more_than_data_is_refused(tmp_path, files):
    folder = tokenizer_folder(tmp_path / "tokenizer", **files)
    with pytest.raises(BackboneError, match="tokenizer"):
        load_backbone(named(tmp_path, config(VIT, TEXT | {"hf_tokenizer_name": str(folder)})))


def test_a_tokenizer_folder_called_like_a_well_known_repository_is_still_a_folder(tmp_path, monkeypatch):
    name = next(name for name in sorted(tokenizers.well_known()) if "/" in name)
    tokenizer_folder(tmp_path / name, **EVIL_FOLDERS["code"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackboneError, match=r"tokenization\.py is none"):
        load_backbone(named(tmp_path, config(VIT, TEXT | {"hf_tokenizer_name": name})))


@pytest.mark.parametrize(
    "name", ["evil/tokenizer", "/tmp/not/there", "hf-hub:evil/x", "timm/ViT-B-16-SigLIP-evil", "https://evil.example/x"]
)
def test_a_repository_that_nobody_named_is_not_asked(tmp_path, name):
    with pytest.raises(BackboneError, match=r"which neither you nor open_clip's own configurations name; if you trust it, fetch"):
        load_backbone(named(tmp_path, config(VIT, TEXT | {"hf_tokenizer_name": name})))


@pytest.mark.parametrize("by_user", [True, False])
def test_tokenizers_are_loaded_without_their_code(tmp_path, monkeypatch, by_user):
    asked = []
    monkeypatch.setattr(tokenizers, "HFTokenizer", lambda name, **options: asked.append((name, options)))
    folder = str(tokenizer_folder(tmp_path / "tokenizer"))
    well_known = next(iter(tokenizers.well_known()))
    for name, local in ((folder, True), (well_known, False), ("me/mine", not by_user)):
        settings = config(VIT, TEXT | {"hf_tokenizer_name": name, "tokenizer_kwargs": {"clean": "lower"}})
        tokenizers.load_tokenizer(sources.Source("hf-hub:me/mine", settings, repository="me/mine", by_user=by_user))
        assert (asked[-1][0], asked[-1][1]["trust_remote_code"], asked[-1][1]["local_files_only"]) == (name, False, local)


# run folders


@pytest.fixture
def run(pair, tmp_path):
    folder = tmp_path / "run"
    Recognizer.create(load_backbone(pair), "linear_probe", method_config("linear_probe")(), ("dog", "cat"), ("dog", "cat")).save(folder)
    return folder


def set_backbone(folder, **changes):
    path = folder / "recognizer.json"
    facts = json.loads(path.read_text())
    facts["backbone"] |= changes
    path.write_text(json.dumps(facts))


def test_the_fingerprint_is_compared_before_anything_is_built(run, shut):
    set_backbone(run, fingerprint="0" * 32)
    with pytest.raises(RunError, match="trained on a backbone with other weights"):
        Recognizer.load(run)


def test_a_run_folder_downloads_from_no_repository_that_the_user_did_not_fetch(run, monkeypatch, tmp_path):
    offline = []

    def asked(repository, **options):
        offline.append(constants.HF_HUB_OFFLINE)
        raise OSError("not in the cache")

    monkeypatch.setattr(sources, "download_pretrained_from_hf", asked)
    set_backbone(run, spec="hf-hub:evil/model")
    with pytest.raises(
        BackboneError, match=r"nothing is downloaded because a file, such as a run folder, names it; .* hf download evil/model"
    ):
        Recognizer.load(run)
    assert offline == [True]
    assert not constants.HF_HUB_OFFLINE


def test_a_run_folder_uses_what_the_user_fetched(run, pair, monkeypatch):
    settings, weights = pair.split(".json:")

    def cached(repository, filename=None):
        assert constants.HF_HUB_OFFLINE
        return f"{settings}.json" if filename else weights

    monkeypatch.setattr(sources, "download_pretrained_from_hf", cached)
    set_backbone(run, spec="hf-hub:me/mine")
    assert Recognizer.load(run).classes == ("dog", "cat")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("hf-hub:evil/model", 'loads the backbone "hf-hub:evil/model", from what you fetched of that repository before'),
        ("RN50/openai", 'loads the backbone "RN50/openai", a model of open_clip\'s own list'),
        ("hf-hub:\x1b[31mred", '"hf-hub:\\u001b[31mred"'),
    ],
)
def test_commands_say_what_a_run_folder_loads_from_elsewhere(run, capsys, tmp_path, spec, says, monkeypatch):
    monkeypatch.setattr(sources, "resolve", None)
    monkeypatch.setattr(
        "taglens.recognizer.backbones.resolve", lambda *given, **options: (_ for _ in ()).throw(BackboneError("stopped here"))
    )
    (tmp_path / "a.jpg").write_bytes(b"x")
    set_backbone(run, spec=spec)
    for command in (["predict", str(run), str(tmp_path / "a.jpg")], ["serve", str(run), "--port", "0"]):
        assert main(command) != 0
        told = capsys.readouterr().err
        assert says in told
        assert told.index("loads the backbone") < told.index("stopped here")


def test_predict_on_a_strangers_run_imports_nothing_of_it(run, pair, tmp_path):
    """The attack that was found, whole: a tokenizer's code in the run folder, in a process of its own."""
    tokenizer_folder(
        run / "tokenizer",
        **{"tokenizer_config.json": json.dumps({"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}), "evil.py": CODE},
    )
    settings, weights = pair.split(".json:")
    facts = json.loads(Path(settings + ".json").read_text())
    evil = {"hf_tokenizer_name": str(run / "tokenizer"), "tokenizer_kwargs": {"trust_remote_code": True}}
    (run / "model.json").write_text(json.dumps(facts | {"text_cfg": facts["text_cfg"] | evil}))
    set_backbone(run, spec=f"{run / 'model.json'}:{weights}")
    (tmp_path / "a.jpg").write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-m", "taglens.cli.main", "predict", str(run), str(tmp_path / "a.jpg")],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode != 0
    assert "foreign code ran" not in done.stderr
    assert "unknown field 'trust_remote_code'" in done.stderr


def test_torch_is_told_to_read_tensors_only(monkeypatch, tmp_path, pair):
    """Whatever open_clip's function does with it, a weights file that is code does nothing."""

    class Evil:
        def __reduce__(self):
            return (exec, (CODE,))

    torch.save({"state_dict": Evil(), "large enough": torch.zeros(2_000_000)}, tmp_path / "evil.pt")
    with pytest.raises(BackboneError, match="cannot read the weights"):
        load_backbone(named(tmp_path, config(VIT), tmp_path / "evil.pt"))
