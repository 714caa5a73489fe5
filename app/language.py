"""Is a message written in the corpus' language? The only import of py3langid."""

from __future__ import annotations

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

LANGUAGE = "en"
# Code and names look like many languages, so a message counts as foreign only when there is little doubt: at 0.9
# one of 3,500 English questions does.
SURE = 0.9


def is_foreign(message: str) -> bool:
    """True if `message` is in another language than English."""
    language, probability = identifier().classify(message)
    return bool(language != LANGUAGE and probability > SURE)


@cache
def identifier() -> LanguageIdentifier:
    """The model, read once; that takes half a second, so it is asked for before the first question."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
