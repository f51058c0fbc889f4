"""Every text family of transformers with a `*ForSequenceClassification` class, tiny and random."""

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification, PreTrainedModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSES,
)

NOT_BUILT = {
    "layoutlmv2": "needs detectron2 and a page's image",
    "mra": "its attention is zero without a CUDA kernel from the hub",
}
"""Families that no tiny model can be made of, and why."""
SHARPER = 4
"""Times the fresh weights of .02, which would make every token alike."""

SIZES = {
    "vocab_size": 270,
    "hidden_size": 16,
    "embedding_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 12,
    "shared_expert_intermediate_size": 12,
}
"""What most configs call their sizes; a config gets those that it knows."""
TWO_KINDS = ["sliding_attention", "full_attention"]
WINDOW = {"sliding_window": 8, "layer_types": TWO_KINDS}
GEMMA = {**WINDOW, "query_pre_attn_scalar": 8}
LOCAL = {"local_attention": 8, "layer_types": TWO_KINDS, "cls_token_id": 1, "sep_token_id": 2}
LATENT = {
    "kv_lora_rank": 8,
    "q_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4,
    "v_head_dim": 8,
    "num_key_value_heads": 2,
    "head_dim": None,
}
SEQ2SEQ = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "decoder_start_token_id": 2,
}
T5 = {
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 2,
    "decoder_start_token_id": 0,
}
LINEAR = {
    "linear_key_head_dim": 4,
    "linear_value_head_dim": 4,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "layer_types": ["linear_attention", "full_attention"],
}
MAMBA = {"mamba_d_state": 4, "mamba_dt_rank": 4, "use_mamba_kernels": False}
ZAMBA = {"attention_hidden_size": 32, "attention_head_dim": 16, "num_key_value_heads": 2}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 8,
    "patch_size": 4,
}
QWEN_VISION = {
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_heads": 2,
    "out_hidden_size": 16,
    "num_position_embeddings": 16,
}
EMB = {"emb_dim": 16, "n_layers": 2, "n_heads": 2}
PAGE = {"max_2d_position_embeddings": 16}

OWN: dict[str, dict[str, Any]] = {
    "axk1": {**LATENT, "n_group": 2, "topk_group": 1, "mlp_layer_types": ["dense", "sparse"]},
    "axk2": {
        **LATENT,
        "mlp_layer_types": ["dense", "sparse"],
        "layer_types": ["indexed_attention"] * 2,
        "index_topk": 4,
        "index_head_dim": 8,
        "index_n_heads": 2,
        "gated_norm_rank": 4,
    },
    "bart": SEQ2SEQ,
    "big_bird": {"block_size": 4, "num_random_blocks": 1},
    "bigbird_pegasus": {**SEQ2SEQ, "block_size": 4, "num_random_blocks": 1},
    "bloom": {"n_layer": 2, "n_head": 2},
    "canine": {"num_hash_buckets": 64, "num_hash_functions": 2, "local_transformer_stride": 8},
    "cohere_compass_text": {
        **WINDOW,
        "rope_parameters": {k: {"rope_type": "default", "rope_theta": 1e4} for k in TWO_KINDS},
    },
    "ctrl": {"n_positions": 64, "n_embd": 16, "dff": 24, "n_layer": 2, "n_head": 2},
    "deepseek_v2": {**LATENT, "first_k_dense_replace": 1},
    "deepseek_v3": {**LATENT, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1},
    "diffllama": {"num_key_value_heads": 2},
    "distilbert": {"dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2},
    "esmc": {"num_key_value_heads": 2},
    "exaone4": WINDOW,
    "falcon": {"head_dim": None},
    "flaubert": EMB,
    "funnel": {
        "num_hidden_layers": None,
        "block_sizes": [1, 1, 1],
        "block_repeats": [1, 1, 1],
        "d_model": 16,
        "n_head": 2,
        "d_head": 8,
        "d_inner": 24,
    },
    "gemma2": GEMMA,
    "gemma3": {"text_config": GEMMA, "vision_config": VISION},
    "gemma3_text": GEMMA,
    "gpt_neo": {
        "attention_types": [[["global", "local"], 1]],
        "num_layers": 2,
        "num_heads": 2,
        "window_size": 8,
    },
    "gpt_oss": WINDOW,
    "gptj": {"rotary_dim": 4},
    "jamba": {**MAMBA, "attn_layer_period": 2, "attn_layer_offset": 1},
    "layoutlm": PAGE,
    "layoutlmv3": {**PAGE, "visual_embed": False, "coordinate_size": 3, "shape_size": 2},
    "lilt": {**PAGE, "hidden_size": 24},
    "longformer": {"attention_window": 4},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 8},
    "markuplm": {
        "max_xpath_tag_unit_embeddings": 220,
        "max_xpath_subs_unit_embeddings": 1002,
        "xpath_unit_hidden_size": 2,
        "max_depth": 2,
    },
    "mbart": SEQ2SEQ,
    "minicpm3": LATENT,
    "minimax": {"layer_types": ["linear_attention", "full_attention"], "block_size": 4},
    "ministral": WINDOW,
    "mistral": {"sliding_window": 8},
    "mistral4": {**LATENT, "first_k_dense_replace": 1},
    "mobilebert": {"true_hidden_size": 8, "intra_bottleneck_size": 8, "embedding_size": 8},
    "modernbert": LOCAL,
    "modernbert-decoder": LOCAL,
    "modernvbert": {"text_config": LOCAL, "vision_config": VISION},
    "mt5": T5,
    "mvp": SEQ2SEQ,
    "nystromformer": {"num_landmarks": 8, "segment_means_seq_len": 8},
    "olmo3": WINDOW,
    "opt": {"word_embed_proj_dim": 16, "ffn_dim": 24},
    "perceiver": {
        "d_model": 16,
        "d_latents": 16,
        "num_latents": 8,
        "num_self_attends_per_block": 1,
        "num_self_attention_heads": 2,
        "num_cross_attention_heads": 2,
    },
    "plbart": SEQ2SEQ,
    "qwen2_moe": {"num_key_value_heads": 2},
    "qwen3_5": {"text_config": LINEAR, "vision_config": QWEN_VISION},
    "qwen3_5_text": LINEAR,
    "qwen3_next": LINEAR,
    "reformer": {
        "num_hidden_layers": None,
        "attention_head_size": 8,
        "attn_layers": ["local", "lsh"],
        "axial_pos_shape": [8, 8],
        "axial_pos_embds_dim": [8, 8],
        "feed_forward_size": 24,
        "local_attn_chunk_length": 4,
        "lsh_attn_chunk_length": 4,
        "num_buckets": 4,
    },
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "roc_bert": {
        "pronunciation_embed_dim": 8,
        "pronunciation_vocab_size": 270,
        "shape_embed_dim": 8,
        "shape_vocab_size": 270,
    },
    "squeezebert": {f"{part}_groups": 2 for part in ("q", "k", "v", "intermediate", "output")},
    "starcoder2": {"sliding_window": 8},
    "t5": T5,
    "t5gemma": {"encoder": GEMMA, "decoder": {**GEMMA, "cross_attention_hidden_size": 16}},
    "t5gemma2": {"encoder": {"text_config": GEMMA, "vision_config": VISION}, "decoder": GEMMA},
    "tapas": {"type_vocab_sizes": [3, 8, 8, 2, 8, 8, 2]},
    "ultrabert": WINDOW,
    "ultravbert": {"text_config": WINDOW, "vision_config": VISION},
    "umt5": T5,
    "xlm": EMB,
    "xlnet": {
        "max_position_embeddings": None,
        "d_model": 16,
        "n_layer": 2,
        "n_head": 2,
        "d_inner": 24,
        "d_head": 8,
    },
    "xmod": {"default_language": "en_XX"},
    "yoso": {"num_hash": 4, "hash_code_len": 4},
    "zamba": {
        **MAMBA,
        **ZAMBA,
        "num_hidden_layers": 3,
        "layers_block_type": ["linear_attention", "hybrid", "hybrid"],
    },
    "zamba2": {
        **MAMBA,
        **ZAMBA,
        "layers_block_type": ["linear_attention", "hybrid"],
        "hybrid_layer_ids": [1],
        "n_mamba_heads": 2,
        "mamba_headdim": 16,
        "chunk_size": 8,
        "adapter_rank": 4,
    },
}
"""What a family needs beyond `SIZES`; None leaves one of those out."""

VARIANTS = {
    "big_bird, full attention": ("big_bird", {"attention_type": "original_full"}),
    "bigbird_pegasus, full attention": ("bigbird_pegasus", {"attention_type": "original_full"}),
    "llama, dynamic rope": (
        "llama",
        {
            "max_position_embeddings": 24,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
        },
    ),
    "phi3, longrope": (
        "phi3",
        {
            "original_max_position_embeddings": 24,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "original_max_position_embeddings": 24,
                "short_factor": [1.0] * 4,
                "long_factor": [1.5, 2.0, 4.0, 8.0],
            },
        },
    ),
}
"""Other settings of a family under which it reads differently."""
NAMES = sorted([*CLASSES, *VARIANTS])


def build(name: str) -> PreTrainedModel:
    """Return a fresh model of some thousand parameters with one label, in evaluation mode."""
    family, own = VARIANTS.get(name, (name, {}))
    kind = CONFIG_MAPPING[family]
    config = kind(**_sizes(kind, {**OWN.get(family, {}), **own}), num_labels=1)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(SHARPER)
    return model.eval()


def _sizes(kind: Any, own: dict[str, Any]) -> dict[str, Any]:
    plain = kind()
    sizes = {**{name: size for name, size in SIZES.items() if hasattr(plain, name)}, **own}
    for part in ("text_config", "encoder", "decoder"):
        if part in own:
            sizes[part] = _sizes(type(getattr(plain, part)), own[part])
    return {name: size for name, size in sizes.items() if size is not None}
