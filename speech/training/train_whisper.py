"""Train the recogniser on a corpus, or go on from a checkpoint, for a given time; then write OUT/hf for convert.py.

OUT keeps last.pt (weights), phones.json and tok.json, which --resume needs.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from batches import Batch, Batcher, Utterance, load_corpus, make_tokenizer, phone_numbers
from model import Mel, Recogniser, greedy, save_for_conversion
from scoring import Score
from tokenizers import Tokenizer
from torch import Tensor, nn

# (seconds, windows) of a batch: about the same work each
_SHAPES = [(3.5, 12), (7.0, 6), (10.0, 4)]
_EVALUATE_EVERY, _REPORT_EVERY = 400, 50


def losses(
    net: Recogniser, mel: Tensor, batch: Batch, full: bool, drop: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the tokens, of the phones, and of the guided heads."""
    states, bias = net.encode(mel, full, drop)
    frames = batch.phones.shape[1]
    of_phones = F.cross_entropy(
        net.phone(states[:, :frames]).transpose(1, 2), batch.phones, ignore_index=-100
    )
    logits, attentions = net.decode(batch.tokens[:, :-1], states, bias, drop)
    each = F.cross_entropy(
        logits.transpose(1, 2), batch.tokens[:, 1:], reduction="none", label_smoothing=0.05
    )
    weight = batch.weight[:, 1:]
    of_tokens = (each * weight).sum() / weight.sum()
    # The first layer looks for the token just read, the last for the token to write.
    pairs = ((attentions[0], slice(None, -1)), (attentions[-1], slice(1, None)))
    of_guides = sum((_guide_loss(attention, batch, part) for attention, part in pairs), torch.zeros(()))
    return of_tokens, of_phones, of_guides


def _guide_loss(attention: Tensor, batch: Batch, part: slice) -> Tensor:
    guide, guided = batch.guide[:, part], batch.guided[:, part]
    guide = F.pad(guide, (0, attention.shape[-1] - guide.shape[-1]))
    return -0.5 * ((attention[:, 0] * guide).sum(-1)[guided] + 1e-4).log().mean()


def evaluate(net: Recogniser, mel: Mel, corpus: list[Utterance], tokenizer: Tokenizer) -> dict[str, str]:
    """Word errors of greedy decoding, for the demo voice and for voices never trained on."""
    net.eval()
    scores = {"demo": Score(), "espeak": Score()}
    short = [utterance for utterance in corpus if utterance.duration_s < 6][:48]
    for first in range(0, len(short), 16):
        group = short[first : first + 16]
        audio = torch.zeros(len(group), 6 * 16000)
        for i, utterance in enumerate(group):
            audio[i, : len(utterance.samples)] = torch.from_numpy(utterance.wave())
        ends = torch.tensor([len(utterance.samples) for utterance in group])
        for utterance, heard in zip(group, greedy(net, mel(audio, ends), tokenizer), strict=False):
            scores["demo" if utterance.is_demo else "espeak"].add(utterance.text, heard)
    net.train()
    return {name: str(score) for name, score in scores.items()}


def learning_rate(peak: float, done: float, step: int, warm_up: int) -> float:
    """Flat for the first third, then a half cosine down to 2 %."""
    rise = min(1.0, (step + 1) / warm_up)
    fall = 1.0 if done < 0.35 else max(0.02, 0.5 * (1 + math.cos(math.pi * (done - 0.35) / 0.65)))
    return peak * rise * fall


def train(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    stored = out / "tok.json"
    tokenizer = Tokenizer.from_file(str(stored)) if options.resume else make_tokenizer(stored)
    corpus = load_corpus(options.corpus, "train*", tokenizer)
    held_out = load_corpus(options.corpus, "test*", tokenizer)
    hours = sum(utterance.duration_s for utterance in corpus) / 3600
    print(f"{len(corpus)} utterances, {hours:.2f} h", flush=True)
    phones = _phones(out / "phones.json", corpus, options.resume)
    net, mel = Recogniser(tokenizer, len(phones) + 1), Mel()
    if options.resume:
        net.load_state_dict(torch.load(out / "last.pt"))
    print(f"{sum(weights.numel() for weights in net.parameters()) / 1e6:.2f} M parameters", flush=True)
    batcher = Batcher(corpus, tokenizer, phones, options.seed, options.demo_share)
    _loop(net, mel, batcher, options, lambda: evaluate(net, mel, held_out, tokenizer))
    torch.save(net.state_dict(), out / "last.pt")
    print("final", evaluate(net, mel, held_out, tokenizer), flush=True)
    save_for_conversion(net, tokenizer, out / "hf")


def _phones(path: Path, corpus: list[Utterance], resume: bool) -> dict[str, int]:
    if resume:
        return json.loads(path.read_text(encoding="utf-8"))
    phones = phone_numbers(corpus)
    path.write_text(json.dumps(phones), encoding="utf-8")
    return phones


def _loop(net: Recogniser, mel: Mel, batcher: Batcher, options: argparse.Namespace, look) -> None:
    weights = [value for name, value in net.named_parameters() if "encoder.embed_positions" not in name]
    optimizer = torch.optim.AdamW(weights, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.01)
    warm_up = 60 if options.resume else 150
    began, step, average = time.monotonic(), 0, None
    while (done := (time.monotonic() - began) / (options.minutes * 60)) < 1:
        length_s, size = random.choices(_SHAPES, [0.4, 0.25, 0.35] if done < 0.6 else [0.3, 0.3, 0.4])[0]
        rate = learning_rate(options.rate, done, step, warm_up)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = batcher.batch(length_s, size)
        if done < 0.4 and not options.resume:  # time stamps come later
            batch.weight = batch.weight.masked_fill(batch.weight == 0.5, 0.15)
        is_full = done > 0.93 and step % 4 == 0  # the end with true padding
        parts = losses(net, mel(batch.audio, batch.end, True), batch, is_full, drop=0.05)
        loss = parts[0] + 0.5 * parts[1] + (0.5 if options.resume or done > 0.5 else 1.0) * parts[2]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        step += 1
        now = [part.item() for part in parts]
        average = (
            now if average is None else [0.97 * a + 0.03 * b for a, b in zip(average, now, strict=False)]
        )
        if step % _REPORT_EVERY == 0:
            names = "step {} at {:.0f} s: tokens {:.3f} phones {:.3f} guides {:.3f} rate {:.5f}"
            print(names.format(step, time.monotonic() - began, *average, rate), flush=True)
        if step % _EVALUATE_EVERY == 0:
            print(look(), flush=True)
            torch.save(net.state_dict(), options.out / "last.pt")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="folder of make_corpus.py")
    parser.add_argument("out", type=Path)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in OUT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--rate", type=float, default=1.2e-3, help="highest learning rate (default %(default)s)"
    )
    parser.add_argument(
        "--demo-share", type=float, default=0.5, help="windows of the demo voice (default %(default)s)"
    )
    train(parser.parse_args())


if __name__ == "__main__":
    main()
