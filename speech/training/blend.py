"""Average the weights of two trainings of the same recogniser; convert.py takes the result.

Fine-tuning on new sentences forgets some of the old ones; a point between both sets of weights keeps more of both
than either of them (Wortsman et al., 2022, "Robust fine-tuning of zero-shot models").

    python blend.py FIRST/last.pt SECOND/last.pt 0.6 RUN && python convert.py RUN/hf OUT
"""

import argparse
import json
from pathlib import Path

import torch
from model import Recogniser, save_for_conversion
from tokenizers import Tokenizer


def blend(first: Path, second: Path, share: float) -> dict[str, torch.Tensor]:
    """`share` of the second set, the rest of the first; numbers that are no weights are the first's."""
    a, b = torch.load(first), torch.load(second)
    return {
        name: (1 - share) * value + share * b[name] if value.is_floating_point() else value
        for name, value in a.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("share", type=float, help="of the second, from 0 to 1")
    parser.add_argument(
        "run", type=Path, help="folder with tok.json and phones.json, which both have in common"
    )
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.run / "tok.json"))
    phones = json.loads((options.run / "phones.json").read_text())
    net = Recogniser(tokenizer, len(phones) + 1)
    net.load_state_dict(blend(options.first, options.second, options.share))
    torch.save(net.state_dict(), options.run / "blend.pt")
    save_for_conversion(net, tokenizer, options.run / "hf")


if __name__ == "__main__":
    main()
