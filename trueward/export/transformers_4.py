"""The files of transformers 5 in the words of transformers 4 (and still readable by 5)."""

from typing import Any

from trueward.errors import ModelError

ROPE_NAMES = {
    "gpt_neox": {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"},
}
"""Models whose config called a rotary parameter otherwise."""
ROPE_NAMES_BY_LAYER = {
    "modernbert": {
        "full_attention": "global_rope_theta",
        "sliding_attention": "local_rope_theta",
    },
}
"""Models with a rotary base for each kind of layer."""
INPUTS = ["input_ids", "attention_mask"]


def config_4(config: dict[str, Any]) -> dict[str, Any]:
    """`config.json` for transformers 4.

    `dtype` becomes `torch_dtype`; `rope_parameters` becomes `rope_theta` and, where positions are
    scaled, `rope_scaling`.

    Raises:
        ModelError: rotary positions that version 4 has no words for.
    """
    config = dict(config)
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    rope = config.pop("rope_parameters", None)
    return config | (_rope_4(config["model_type"], dict(rope)) if rope else {})


def tokenizer_config_4(config: dict[str, Any]) -> dict[str, Any]:
    """`tokenizer_config.json` for transformers 4: the class that takes `tokenizer.json` as it is.

    No `token_type_ids`; the list `extra_special_tokens` becomes `additional_special_tokens`.
    """
    config = dict(config)
    for key in ("backend", "is_local", "auto_map"):
        config.pop(key, None)
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    return config | {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": INPUTS}


def _rope_4(kind: str, rope: dict[str, Any]) -> dict[str, Any]:
    if kind in ROPE_NAMES_BY_LAYER:
        return {name: _base(kind, rope[layer]) for layer, name in ROPE_NAMES_BY_LAYER[kind].items()}
    if any(isinstance(value, dict) for value in rope.values()):
        raise ModelError(
            f"the rotary positions of {kind} differ by layer ({', '.join(rope)}), which "
            "transformers 4 cannot express; this model cannot be exported"
        )
    names = ROPE_NAMES.get(kind, {})
    plain = {
        names.get(key, key): rope.pop(key)
        for key in ("rope_theta", "partial_rotary_factor")
        if key in rope
    }
    scaled = rope.get("rope_type", "default") != "default"
    return plain | ({"rope_scaling": rope} if scaled else {})


def _base(kind: str, rope: dict[str, Any]) -> float:
    if rope.get("rope_type", "default") != "default":
        raise ModelError(f"{kind} scales its rotary positions by layer: it cannot be exported")
    return float(rope["rope_theta"])
