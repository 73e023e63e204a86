"""Convert OUT/hf of train_whisper.py to CTranslate2 with 8-bit weights, as the hub loads it."""

import argparse
import os
from pathlib import Path

# Before the libraries are imported: they would ask their hub about a folder that is here.
os.environ["HF_HUB_OFFLINE"] = "1"

from ctranslate2.converters import TransformersConverter
from model_card import write_card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="Hugging Face folder")
    parser.add_argument("out", type=Path, help="folder of the model; replaced")
    options = parser.parse_args()
    copied = ["tokenizer.json", "preprocessor_config.json"]
    converter = TransformersConverter(str(options.source), copy_files=copied)
    converter.convert(str(options.out), quantization="int8", force=True)
    write_card(options.out, "demo-whisper")
    print(f"{sum(path.stat().st_size for path in options.out.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
