"""Random models of a few thousand parameters, one of each kind of backbone."""

import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    DebertaV2Config,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    ModernBertConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    RobertaConfig,
)

PAD = 0
COMMON = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": PAD,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DECODERS = {
    "qwen2": Qwen2Config(**COMMON, num_key_value_heads=1),
    "llama": LlamaConfig(**COMMON, num_key_value_heads=1),
    "gemma2": Gemma2Config(**COMMON, num_key_value_heads=1, head_dim=8, sliding_window=8),
    "qwen3": Qwen3Config(**COMMON, num_key_value_heads=1, head_dim=8),
    "mistral": MistralConfig(**COMMON, num_key_value_heads=1, sliding_window=8),
    "gemma3_text": Gemma3TextConfig(
        **{**COMMON, "num_hidden_layers": 3},
        num_key_value_heads=1,
        head_dim=8,
        sliding_window=8,
        sliding_window_pattern=2,
    ),
    "gpt2": GPT2Config(
        vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=64, pad_token_id=PAD
    ),
}
ENCODERS = {
    "bert": BertConfig(**COMMON),
    "roberta": RobertaConfig(**{**COMMON, "max_position_embeddings": 80}),
    "deberta": DebertaV2Config(**COMMON, relative_attention=True, pos_att_type=["c2p", "p2c"]),
    "modernbert": ModernBertConfig(
        **COMMON, cls_token_id=1, sep_token_id=2, global_attn_every_n_layers=2, local_attention=8
    ),
}


def save_base(config: PreTrainedConfig, path: str) -> str:
    """A pretrained base without a reward head, as the hub would hold it."""
    torch.manual_seed(1)
    kind = AutoModelForCausalLM if config.model_type in DECODERS else AutoModel
    model = kind.from_config(config)
    with torch.no_grad():  # sharpen: fresh weights of .02 make every token alike
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    model.save_pretrained(path)
    return path


def sequences(lengths: list[int], seed: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, 50, (n,), generator=generator).tolist() for n in lengths]
