"""A very small model of the Whisper architecture, and what makes it learn in minutes on a processor.

* A phone classifier on the encoder's frames: the synthesisers report exact phone times.
* One guided head of cross-attention at the true word times; it also gives faster-whisper honest alignment heads.
* faster-whisper pads every window with zeros to 3,000 mel frames whatever its chunk length. Training on that would
  be a waste: here a window is as long as its content, and a few sampled positions stand for all the padding, with
  an attention bias of log(n / k).
"""

import json
import math
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from faster_whisper.feature_extractor import FeatureExtractor
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

WIDTH, ENCODER_LAYERS, DECODER_LAYERS, HEADS, MELS = 192, 3, 2, 3, 80
AUDIO_POSITIONS, TEXT_POSITIONS = 1500, 448
WINDOW_S, PAD_POSITIONS = 10, 24
SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]


class Mel(nn.Module):
    """faster_whisper's log-mel in batches; frames after the content are 0, as its padding makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = torch.from_numpy(
            FeatureExtractor(feature_size=MELS, chunk_length=WINDOW_S).mel_filters
        )
        self.window = torch.hann_window(400)

    def forward(self, audio: Tensor, end: Tensor, augment: bool = False) -> Tensor:
        """Audio [B, samples] at 16 kHz with `end` samples of content -> [B, 80, frames]."""
        spectrum = torch.stft(audio, 400, 160, window=self.window, center=True, return_complex=True)
        power = spectrum[..., :-1].abs() ** 2
        mel = torch.log10(torch.clamp(self.filters @ power, min=1e-10))
        valid = (torch.arange(mel.shape[-1])[None] < (end[:, None] / 160)).unsqueeze(1)
        top = mel.masked_fill(~valid, -10).amax((1, 2), keepdim=True)
        if augment:  # the loudest moment of a recording may lie outside this window
            top = top + (torch.rand_like(top) < 0.3) * torch.rand_like(top) * 1.2
        mel = (torch.maximum(mel, top - 8) + 4) / 4
        return (_band_masked(mel) if augment else mel) * valid


def _band_masked(mel: Tensor) -> Tensor:
    for row in mel:
        if random.random() < 0.4:
            low = random.randrange(0, MELS - 8)
            row[low : low + random.randint(1, 8)] = row.mean()
    return mel


class Recogniser(nn.Module):
    """Weights in transformers' WhisperForConditionalGeneration, so that they convert; the passes are our own."""

    def __init__(self, tokenizer: Tokenizer, phone_count: int) -> None:
        super().__init__()
        end = tokenizer.token_to_id("<|endoftext|>")
        config = WhisperConfig(
            vocab_size=tokenizer.get_vocab_size(),
            num_mel_bins=MELS,
            d_model=WIDTH,
            encoder_layers=ENCODER_LAYERS,
            decoder_layers=DECODER_LAYERS,
            encoder_attention_heads=HEADS,
            decoder_attention_heads=HEADS,
            encoder_ffn_dim=4 * WIDTH,
            decoder_ffn_dim=4 * WIDTH,
            max_source_positions=AUDIO_POSITIONS,
            max_target_positions=TEXT_POSITIONS,
            dropout=0.0,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
            decoder_start_token_id=end + 1,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        )
        self.hf = WhisperForConditionalGeneration(config)
        self.phone = nn.Linear(WIDTH, phone_count)

    def encode(self, mel: Tensor, full: bool = False, drop: float = 0.0) -> tuple[Tensor, Tensor | None]:
        """Mel [B, 80, 2T] -> states [B, T + pads, D], and the bias by which few pads stand for all."""
        encoder = self.hf.model.encoder
        length = mel.shape[-1] // 2
        pads = AUDIO_POSITIONS - length if full else PAD_POSITIONS
        mel = F.pad(mel, (0, 2 * pads))
        states = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
        if full:
            positions, bias = torch.arange(AUDIO_POSITIONS), None
        else:
            sampled = torch.randperm(AUDIO_POSITIONS - length)[:pads] + length
            positions = torch.cat([torch.arange(length), torch.sort(sampled).values])
            bias = torch.zeros(1, 1, 1, length + pads)
            bias[..., length:] = math.log((AUDIO_POSITIONS - length) / pads)
        states = F.dropout(states + encoder.embed_positions.weight[positions], drop, self.training)
        for layer in encoder.layers:
            normal = layer.self_attn_layer_norm(states)
            attended, _ = _attention(layer.self_attn, normal, normal, bias)
            states = states + F.dropout(attended, drop, self.training)
            states = states + self._feed_forward(layer, states, drop)
        return encoder.layer_norm(states), bias

    def decode(
        self, tokens: Tensor, states: Tensor, bias: Tensor | None, drop: float = 0.0
    ) -> tuple[Tensor, list[Tensor]]:
        """Tokens [B, N] -> logits [B, N, V], and each layer's cross-attention [B, heads, N, positions]."""
        decoder = self.hf.model.decoder
        hidden = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[: tokens.shape[1]]
        hidden = F.dropout(hidden, drop, self.training)
        attentions = []
        for layer in decoder.layers:
            normal = layer.self_attn_layer_norm(hidden)
            attended, _ = _attention(layer.self_attn, normal, normal, causal=True)
            hidden = hidden + F.dropout(attended, drop, self.training)
            normal = layer.encoder_attn_layer_norm(hidden)
            attended, attention = _attention(layer.encoder_attn, normal, states, bias, keep=True)
            attentions.append(attention)
            hidden = hidden + F.dropout(attended, drop, self.training)
            hidden = hidden + self._feed_forward(layer, hidden, drop)
        return decoder.layer_norm(hidden) @ decoder.embed_tokens.weight.T, attentions

    def _feed_forward(self, layer: nn.Module, hidden: Tensor, drop: float) -> Tensor:
        return F.dropout(layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(hidden)))), drop, self.training)


def _attention(
    layer: nn.Module,
    query: Tensor,
    source: Tensor,
    bias: Tensor | None = None,
    causal: bool = False,
    keep: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """The output, and the weights where they are to be kept."""

    def split(values: Tensor) -> Tensor:
        return values.view(len(values), -1, HEADS, WIDTH // HEADS).transpose(1, 2)

    q, k, v = split(layer.q_proj(query)), split(layer.k_proj(source)), split(layer.v_proj(source))
    weights = None
    if keep:
        scores = q @ k.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5
        weights = (scores if bias is None else scores + bias).softmax(-1)
        mixed = weights @ v
    else:
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)
    return layer.out_proj(mixed.transpose(1, 2).reshape(len(query), -1, WIDTH)), weights


@torch.no_grad()
def greedy(net: Recogniser, mel: Tensor, tokenizer: Tokenizer, full: bool = False) -> list[str]:
    """The most probable token at each step; for a look during training."""
    states, bias = net.encode(mel, full)
    end = tokenizer.token_to_id("<|endoftext|>")
    start = [tokenizer.token_to_id("<|startoftranscript|>"), tokenizer.token_to_id("<|notimestamps|>")]
    tokens = torch.tensor([start] * len(mel))
    done = torch.zeros(len(mel), dtype=torch.bool)
    for _ in range(60):
        logits, _ = net.decode(tokens, states, bias)
        following = logits[:, -1].argmax(-1).masked_fill(done, end)
        tokens = torch.cat([tokens, following[:, None]], 1)
        done |= following == end
        if done.all():
            break
    return [tokenizer.decode([token for token in row[2:].tolist() if token < end]) for row in tokens]


def save_for_conversion(net: Recogniser, tokenizer: Tokenizer, out: Path) -> None:
    """The Hugging Face folder that convert.py reads."""
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    end = ids["<|endoftext|>"]
    net.hf.generation_config = GenerationConfig(
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        no_timestamps_token_id=ids["<|notimestamps|>"],
        max_length=TEXT_POSITIONS,
        suppress_tokens=[ids[token] for token in SPECIAL[1:-1]],
        begin_suppress_tokens=[],
        is_multilingual=False,
        alignment_heads=[[DECODER_LAYERS - 1, 0]],
        lang_to_id={"<|en|>": ids["<|en|>"]},
    )
    net.hf.save_pretrained(out)
    names = {f"{kind}_token": "<|endoftext|>" for kind in ("unk", "bos", "eos", "pad")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    processor = {
        "chunk_length": WINDOW_S,
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": MELS,
        "hop_length": 160,
        "n_fft": 400,
        "n_samples": WINDOW_S * 16000,
        "nb_max_frames": WINDOW_S * 100,
        "padding_side": "right",
        "padding_value": 0.0,
        "processor_class": "WhisperProcessor",
        "return_attention_mask": False,
        "sampling_rate": 16000,
    }
    (out / "preprocessor_config.json").write_text(json.dumps(processor, indent=1), encoding="utf-8")
