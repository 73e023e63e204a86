"""Word errors: the edits that turn what was heard into what was said."""

import re


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def edits(said: list[str], heard: list[str]) -> int:
    """Levenshtein distance."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said):
        diagonal, row[0] = row[0], i + 1
        for j, other in enumerate(heard):
            diagonal, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (word != other))
    return row[-1]


class Score:
    """Counts over many sentences."""

    def __init__(self) -> None:
        self.wrong = self.words = self.right_sentences = self.sentences = 0

    def add(self, said: str, heard: str) -> int:
        wrong = edits(words(said), words(heard))
        self.wrong += wrong
        self.words += len(words(said))
        self.sentences += 1
        self.right_sentences += wrong == 0
        return wrong

    @property
    def percent(self) -> float:
        return 100 * self.wrong / max(1, self.words)

    def __str__(self) -> str:
        sentences = f"{self.right_sentences}/{self.sentences} sentences right"
        return f"{self.percent:.1f} % of {self.words} words wrong, {sentences}"
