"""``transformers:FOLDER``: a semantic-segmentation net as ``save_pretrained`` writes it; ``transformers:OWNER/NAME`` of the hub.

A folder holds ``config.json``, and for its weights ``model.safetensors``. Nothing is downloaded unless pretrained weights are
asked for, and code that comes with a model is never run.
"""

from __future__ import annotations

import json
from pathlib import Path

from pca_core.checks import InputError, exists, shorten
from pca_core.models.families.common import Family, check_known, check_options, explain_build, make_recipe
from pca_core.models.library import LibraryNet
from pca_core.models.normalisation import InputNormalisation
from pca_core.models.optional import import_optional

# Not the net's shape, or a way out of it: other code, other files, the network.
DROPPED = {
    "auto_map",
    "attn_implementation",
    "experts_implementation",
    "quantization_config",
    "name_or_path",
    "architectures",
} | {
    *("dtype", "torch_dtype", "transformers_version", "id2label", "label2id", "num_labels"),
    *("use_pretrained_backbone", "backbone_kwargs", "use_kernels"),
}
HALF = InputNormalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PUBLISHED = {"dpt": HALF, "beit": HALF}  # where there is no preprocessor_config.json
MASKS = ("mask2former", "maskformer", "oneformer", "eomt", "eomt_dinov3", "detr")


def _build(name: str, num_classes: int, options: dict, min_stride: int, is_pretrained: bool) -> LibraryNet:
    library = import_optional("transformers", "transformers")
    library.logging.set_verbosity_error()  # what matters of its reports is said in sentences of ours
    library.logging.disable_progress_bar()
    architecture = f"transformers:{name}"
    check_options(architecture, options, ("config",))
    config, folder = options.get("config"), None
    if config is None:
        folder = _find_folder(name, is_pretrained)
        config = _read_json(folder / "config.json")
    config = _clean(config)
    kind = config.get("model_type")
    _check_kind(kind)
    with explain_build(architecture, is_pretrained=False):
        settings = library.CONFIG_MAPPING[kind].from_dict({**config, "num_labels": num_classes})
        if hasattr(settings, "use_auxiliary_head"):
            settings.use_auxiliary_head = False
        maker = library.AutoModelForSemanticSegmentation
        if not is_pretrained:
            net, fresh = maker.from_config(settings, trust_remote_code=False), ()
    if is_pretrained:
        net, fresh = _load(maker, folder, settings)
    normalisation = _find_normalisation(folder, kind)
    size = config.get("image_size", 224)
    patch = config.get("patch_size")
    built = LibraryNet(
        net,
        num_classes,
        make_recipe(f"transformers:{kind}", {"config": config}, min_stride),
        normalisation=normalisation,
        multiple=2 * patch if isinstance(patch, int) and patch > 4 else 32,
        native_size=(size, size) if isinstance(size, int) else tuple(size),
        min_stride=min_stride,
    )
    built.fresh = fresh
    return built


def _find_folder(name: str, is_pretrained: bool) -> Path:
    folder = Path(name).expanduser()
    if exists((folder / "config.json").is_file):
        return folder
    if exists(folder.is_dir) or not is_pretrained:
        raise InputError(
            "MODEL_CONFIG",
            f"transformers:{shorten(name)} needs a folder with config.json, as save_pretrained writes it, and there is none. "
            "Give such a folder, or the name of a model on the hub together with --pretrained.",
        )
    hub = import_optional("huggingface_hub", "huggingface_hub")
    with explain_build(f"transformers:{name}", is_pretrained=True):
        return Path(hub.snapshot_download(name, allow_patterns=["*.json", "*.safetensors"]))


def _read_json(path: Path) -> dict:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("MODEL_CONFIG", f"{path.name} cannot be read as JSON ({error}). Save the model again.") from None
    return data


def _clean(config: object) -> dict:
    """A config without what could reach beyond it, at every depth."""
    if not isinstance(config, dict):
        raise InputError("MODEL_CONFIG", "The config of a transformers net must be a JSON object. Save the model again.")
    kept = {key: value for key, value in config.items() if not key.startswith("_") and key not in DROPPED}
    backbone = kept.get("backbone")
    if backbone is not None and kept.get("model_type") == "timm_backbone":
        timm = import_optional("timm", "timm")
        check_known("timm backbone", str(backbone).partition(".")[0], timm.list_models())
    else:
        kept.pop("backbone", None)
    return {key: _clean(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _check_kind(kind: object) -> None:
    names = import_optional(
        "transformers.models.auto.modeling_auto", "transformers"
    ).MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES
    if kind in MASKS:
        raise InputError(
            "MODEL_HEAD",
            f"A {kind} net classifies masks, anew for every image; it has no classifier of pixel features that association "
            f"could work on. Choose one of {', '.join(names)}.",
        )
    check_known("semantic-segmentation model of transformers of type", str(kind), names)


def _load(maker, folder: Path | None, settings):
    if folder is None or not (list(folder.glob("*.safetensors"))):
        raise InputError(
            "MODEL_DOWNLOAD",
            f"{'The config' if folder is None else folder.name} comes without weights in safetensors. Pickled .bin files are "
            "not read, because opening one can run code. Save the model again with save_pretrained.",
        )
    with explain_build(f"transformers:{folder.name}", is_pretrained=True):
        net, told = maker.from_pretrained(
            folder,
            config=settings,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # a head for other classes starts anew
            output_loading_info=True,
        )
    fresh = {*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])}
    return net.float(), tuple(sorted(fresh))


def _find_normalisation(folder: Path | None, kind: str) -> InputNormalisation:
    """What ``preprocessor_config.json`` says, else what nets of this type were published with."""
    path = None if folder is None else folder / "preprocessor_config.json"
    if path is None or not path.is_file():
        return PUBLISHED.get(kind, InputNormalisation())
    told = _read_json(path)
    plain = InputNormalisation()
    mean, std = told.get("image_mean") or plain.mean, told.get("image_std") or plain.std
    if not told.get("do_normalize", "image_mean" in told):
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    scale = 1.0 / told.get("rescale_factor", 1 / 255) if told.get("do_rescale", True) else 1.0
    order = "BGR" if told.get("do_flip_channel_order") else "RGB"
    return InputNormalisation(tuple(mean), tuple(std), round(scale, 6), order)


FAMILY = Family(
    "transformers",
    "transformers",
    "transformers:nvidia/segformer-b0-finetuned-cityscapes-1024-1024",
    "any semantic-segmentation net of transformers, from a folder or the hub",
    _build,
)
